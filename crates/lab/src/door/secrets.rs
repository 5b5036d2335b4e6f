//! Secrets Manager by awsJson1_1: reading a secret, which is all that Landfall does there.

use serde_json::{Value, json};

use super::Reaction;
use crate::cloud::Cloud;
use crate::cloud::refusal::{Code, Refusal};

/// The name of the service in targets.
pub(super) const SERVICE: &str = "secretsmanager";

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// Which secret a request is about: its name or ARN.
pub(super) fn named(body: &[u8]) -> Result<String, Refusal> {
    let input: Value = serde_json::from_slice(body)
        .map_err(|_| Refusal::value("The request body can't be read."))?;
    let id = input.get("SecretId").and_then(Value::as_str).filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| {
        Refusal::new(Code::MissingParameter, "The request must contain the parameter SecretId.")
    })
}

/// Performs an action.
pub(super) fn perform(cloud: &Cloud, action: &str, id: &str) -> Result<Value, Refusal> {
    if action != "GetSecretValue" {
        let message = format!("Could not find operation {action}");
        return Err(Refusal::new(Code::InvalidAction, message));
    }
    let secret = cloud.secret(id)?;
    Ok(json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "SecretString": secret.text,
        "VersionStages": ["AWSCURRENT"],
    }))
}

/// A refusal, in this protocol's words.
pub(super) fn refusal(refusal: &Refusal) -> Reaction {
    let code = match refusal.code.text() {
        "ResourceNotFoundFault" => "ResourceNotFoundException".to_owned(),
        "AccessDenied" => "AccessDeniedException".to_owned(),
        other => other.to_owned(),
    };
    let body = json!({ "__type": code, "Message": refusal.message });
    reaction(refusal.code.status().min(400), &code, &body)
}

/// An answer.
pub(super) fn reaction(status: u16, outcome: &str, body: &Value) -> Reaction {
    Reaction {
        status,
        content_type: CONTENT_TYPE,
        body: body.to_string().into_bytes(),
        outcome: outcome.to_owned(),
        query_error: None,
    }
}
