//! Secrets: texts under an ARN, and the master passwords that RDS keeps among them.
//!
//! Nothing is encrypted and nothing rotates by itself: a rotation is ordered. An instance whose
//! master password is kept here has no read replica made of it, as AWS documents.

use serde_json::json;

use super::Cloud;
use super::change::{InstanceChange, Timing};
use super::names::{ACCOUNT, Identifier, REGION, random_word};
use super::refusal::{Code, Refusal};

/// A secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub arn: String,
    pub name: String,
    pub text: String,
}

impl Cloud {
    /// Puts a secret, in place of one of that name; its ARN.
    pub fn put_secret(&self, name: &str, text: &str) -> String {
        let mut world = self.world();
        if let Some(secret) = world.secrets.iter_mut().find(|secret| secret.name == name) {
            text.clone_into(&mut secret.text);
            return secret.arn.clone();
        }
        let tail = random_word(6);
        let arn = format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-{tail}");
        let (name, text) = (name.to_owned(), text.to_owned());
        world.secrets.push(Secret { arn: arn.clone(), name, text });
        arn
    }

    /// A secret by its name or ARN.
    pub fn secret(&self, id: &str) -> Result<Secret, Refusal> {
        let world = self.world();
        let found = world.secrets.iter().find(|secret| secret.arn == id || secret.name == id);
        found.cloned().ok_or_else(|| {
            let message = "Secrets Manager can't find the specified secret.";
            Refusal::new(Code::ResourceNotFound, message)
        })
    }

    /// `ModifyDBInstance` with `ManageMasterUserPassword`: a new password, kept as a secret.
    pub fn manage_master_password(&self, id: &Identifier) -> Result<(), Refusal> {
        let (user, resource) = {
            let mut world = self.world();
            let instance = world.available_instance(id)?;
            if instance.cluster.is_some() {
                return Err(Refusal::combination("Use ModifyDBCluster for a member of a cluster."));
            }
            (instance.master.user.clone(), instance.resource_id.clone())
        };
        let password = random_word(28);
        let text = json!({ "username": user, "password": password }).to_string();
        let arn = self.put_secret(&format!("rds!{}", resource.to_lowercase()), &text);
        let change = InstanceChange { password: Some(password), ..InstanceChange::default() };
        self.modify_instance(id, InstanceChange { timing: Timing::Immediately, ..change })?;
        self.world().instance_mut(id)?.master_secret = Some(arn);
        Ok(())
    }
}
