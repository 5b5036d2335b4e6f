//! New clusters and instances: what is asked for, and what both kinds of request are checked for.
//!
//! A cluster is empty until an instance is made in it; the first instance of a cluster that
//! replicates is a real standby of the source. A server that cannot be made leaves the instance
//! in `failed` with an event that says why; the caller deletes it.

mod clusters;
mod instances;

use std::collections::{BTreeMap, BTreeSet};

use super::group::GroupKind;
use super::instance::SwitchChange;
use super::machines::MachineError;
use super::names::{ACCOUNT, Identifier, REGION};
use super::refusal::{Code, Refusal};
use super::world::World;
use crate::catalogue::classes;
use crate::catalogue::versions::{Engine, Version, offered};

pub use instances::running_instance;

/// `CreateDBCluster`, parsed.
#[derive(Debug, Clone, Default)]
pub struct ClusterRequest {
    pub id: String,
    pub engine: String,
    pub version: Option<String>,
    pub replication_source: Option<String>,
    /// The Global Database that it joins, as a follower.
    pub global: Option<String>,
    /// The Region that it is asked of.
    pub region: Option<&'static str>,
    pub parameter_group: Option<String>,
    pub subnet_group: Option<String>,
    pub security_groups: Vec<String>,
    pub kms_key: Option<String>,
    pub master_user: Option<String>,
    pub master_password: Option<String>,
    pub database: Option<String>,
    pub retention_days: Option<u32>,
    pub switches: SwitchChange,
    pub log_exports: BTreeSet<String>,
    pub serverless: Option<(String, String)>,
    pub tags: BTreeMap<String, String>,
}

/// `CreateDBInstance`, parsed.
#[derive(Debug, Clone, Default)]
pub struct InstanceRequest {
    pub id: String,
    pub class: String,
    pub engine: String,
    pub version: Option<String>,
    pub cluster: Option<String>,
    pub parameter_group: Option<String>,
    pub subnet_group: Option<String>,
    pub security_groups: Vec<String>,
    pub storage_gib: Option<u32>,
    pub storage_kind: Option<String>,
    pub iops: Option<u32>,
    pub max_storage_gib: Option<u32>,
    pub domain: Option<String>,
    pub options: Option<String>,
    pub backup_window: Option<String>,
    pub maintenance_window: Option<String>,
    pub kms_key: Option<String>,
    pub master_user: Option<String>,
    pub master_password: Option<String>,
    pub database: Option<String>,
    pub retention_days: Option<u32>,
    pub certificate: Option<String>,
    pub promotion_tier: Option<u32>,
    pub switches: SwitchChange,
    pub log_exports: BTreeSet<String>,
    pub tags: BTreeMap<String, String>,
}

/// The group of those who name none.
const DEFAULT_SECURITY_GROUP: &str = "sg-app";
/// The certificate authority of new instances.
pub const DEFAULT_CERTIFICATE: &str = "rds-ca-rsa2048-g1";

fn newest(engine: Engine, major: u32) -> Result<Version, Refusal> {
    offered(engine)
        .into_iter()
        .rfind(|version| version.major == major)
        .ok_or_else(|| Refusal::value(format!("Cannot find version {major} for {engine}")))
}

fn offered_version(engine: Engine, text: &str) -> Result<Version, Refusal> {
    Version::parse(text)
        .filter(|version| offered(engine).contains(version))
        .ok_or_else(|| Refusal::value(format!("Cannot find version {text} for {engine}")))
}

/// The lab has one real PostgreSQL: other majors exist only in the catalogue.
fn check_major(version: Version, major: Option<u32>) -> Result<(), Refusal> {
    if Some(version.major) == major {
        Ok(())
    } else {
        Err(Refusal::value(format!("This lab cannot run version {version}.")))
    }
}

/// The same look-up as for any group, under the code that the cluster actions have for it.
pub(super) fn cluster_group(
    world: &World,
    name: Option<&str>,
    family: &str,
) -> Result<Identifier, Refusal> {
    world.group_for(GroupKind::Cluster, name, family).map_err(|refusal| {
        if refusal.code == Code::ParameterGroupNotFound {
            Refusal::new(Code::ClusterParameterGroupNotFound, refusal.message)
        } else {
            refusal
        }
    })
}

pub(super) fn check_class(name: &str, engine: Engine) -> Result<(), Refusal> {
    let class = classes::find(name)
        .ok_or_else(|| Refusal::value(format!("Invalid DB Instance class: {name}")))?;
    if class.offers(engine) {
        Ok(())
    } else {
        Err(Refusal::combination(format!(
            "RDS does not support creating a DB instance with the following combination: \
             DBInstanceClass={name}, Engine={engine}."
        )))
    }
}

/// Provisioned operations belong to some kinds of disk and are needed by others.
pub(super) fn check_storage(kind: &str, iops: Option<u32>) -> Result<(), Refusal> {
    match (kind, iops) {
        ("gp2" | "standard", Some(_)) => {
            Err(Refusal::combination(format!("Iops can't be set for storage type {kind}.")))
        }
        ("io1" | "io2", None) => {
            Err(Refusal::combination(format!("Iops must be set for storage type {kind}.")))
        }
        ("gp2" | "gp3" | "io1" | "io2" | "standard", _) => Ok(()),
        _ => Err(Refusal::value(format!("Invalid storage type: {kind}"))),
    }
}

pub(super) fn check_certificate(name: Option<&str>) -> Result<(), Refusal> {
    match name {
        Some(name) if !CERTIFICATES.contains(&name) => Err(Refusal::new(
            Code::CertificateNotFound,
            format!("CertificateIdentifier not found: {name}."),
        )),
        Some(_) | None => Ok(()),
    }
}

/// The certificate authorities that exist.
pub const CERTIFICATES: [&str; 3] = ["rds-ca-ecc384-g1", "rds-ca-rsa2048-g1", "rds-ca-rsa4096-g1"];

fn or_default(groups: Vec<String>) -> Vec<String> {
    if groups.is_empty() { vec![DEFAULT_SECURITY_GROUP.to_owned()] } else { groups }
}

/// The account's default key, which RDS takes when none is named.
fn default_key() -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/aws-rds-default")
}

fn failed(error: MachineError) -> Refusal {
    Refusal::new(Code::InternalFailure, format!("The lab could not {error}"))
}
