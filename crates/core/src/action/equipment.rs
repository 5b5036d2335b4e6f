//! What makes a promoted cluster the database that its people expect: settings, roles, tags,
//! Performance Insights, custom endpoints and alarms, a proxy, a second Region.
//!
//! All of it comes after the release, can be read back, and none of it is undone: the target is
//! the database. An order that is given twice leaves one of each.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{ClusterId, InstanceId};
use crate::port::cloud::{AssociatedRole, Tags};
use crate::quantity::duration_text;
use crate::spec::{EndpointKind, GlobalSpec, ProxyPool, ProxySpec, Serverless};

/// What a cluster is to be like; what is absent stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClusterSettings {
    /// BackupRetentionPeriod, days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_retention_days: Option<u16>,
    /// EnableIAMDatabaseAuthentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iam_auth: Option<bool>,
    /// EnableLogTypes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs_on: Vec<String>,
    /// DisableLogTypes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs_off: Vec<String>,
    /// ServerlessV2ScalingConfiguration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serverless: Option<Serverless>,
}

/// A custom endpoint to create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEndpoint {
    /// DBClusterIdentifier.
    pub cluster: ClusterId,
    /// DBClusterEndpointIdentifier.
    pub name: String,
    /// EndpointType.
    pub kind: EndpointKind,
    /// StaticMembers.
    pub members: Vec<InstanceId>,
    /// ExcludedMembers.
    pub excluded: Vec<InstanceId>,
}

/// The cluster of a Global Database in a second Region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSecondary {
    /// Where, and its names.
    pub global: GlobalSpec,
    /// EngineVersion: the primary's.
    pub engine_version: String,
    /// StorageEncrypted: as the primary.
    pub encrypted: bool,
    /// ServerlessV2ScalingConfiguration, for an instance of the serverless class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serverless: Option<Serverless>,
}

/// Something that a finished target gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Equipment {
    /// ModifyDBInstance(EnablePerformanceInsights) of a cluster member.
    PerformanceInsights {
        /// The instance.
        instance: InstanceId,
        /// On or off.
        on: bool,
    },
    /// AddRoleToDBCluster.
    Role {
        /// The cluster.
        cluster: ClusterId,
        /// The role.
        role: AssociatedRole,
    },
    /// AddTagsToResource, on a cluster or instance that this move made.
    Tags {
        /// Its ARN.
        arn: String,
        /// Added, or put in place of what these keys had.
        tags: Tags,
    },
    /// CreateDBClusterEndpoint.
    Endpoint(NewEndpoint),
    /// CreateDBProxy, with the cluster's subnets and groups where the spec names none.
    Proxy {
        /// The cluster that it is to stand before.
        cluster: ClusterId,
        /// As asked for.
        proxy: ProxySpec,
    },
    /// ModifyDBProxyTargetGroup of the default group.
    ProxyPool {
        /// DBProxyName.
        proxy: String,
        /// ConnectionPoolConfig.
        pool: ProxyPool,
    },
    /// RegisterDBProxyTargets.
    ProxyTarget {
        /// DBProxyName.
        proxy: String,
        /// The cluster.
        cluster: ClusterId,
    },
    /// CreateGlobalCluster around a cluster that stands.
    GlobalDatabase {
        /// GlobalClusterIdentifier.
        name: String,
        /// Its primary.
        cluster: ClusterId,
    },
    /// CreateDBCluster in the second Region.
    SecondaryCluster(NewSecondary),
    /// CreateDBInstance in the second Region's cluster.
    SecondaryInstance {
        /// Where, and its names.
        global: GlobalSpec,
        /// DBInstanceClass.
        class: String,
    },
    /// PutMetricAlarm: a copy of an alarm, about the writer of a cluster.
    AlarmCopy {
        /// The alarm to copy.
        alarm: String,
        /// The copy's name.
        copy: String,
        /// What the copy is about.
        cluster: ClusterId,
    },
}

impl fmt::Display for ClusterSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on_off = |on: bool| if on { "on" } else { "off" };
        let mut parts = Vec::new();
        parts
            .extend(self.backup_retention_days.map(|days| format!("backup retention {days} days")));
        parts.extend(self.iam_auth.map(|on| format!("IAM authentication {}", on_off(on))));
        parts.extend(self.logs_on.iter().map(|log| format!("log export {log} on")));
        parts.extend(self.logs_off.iter().map(|log| format!("log export {log} off")));
        let range = |range: Serverless| format!("{} to {} ACU", range.min_acu, range.max_acu);
        parts.extend(self.serverless.map(range));
        f.write_str(&parts.join(", "))
    }
}

impl fmt::Display for Equipment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerformanceInsights { instance, on } => {
                let state = if *on { "on" } else { "off" };
                write!(f, "ModifyDBInstance {instance}: Performance Insights {state}")
            }
            Self::Role { cluster, role } => {
                write!(f, "AddRoleToDBCluster {cluster}: {}", role.arn)?;
                role.feature.iter().try_for_each(|feature| write!(f, " for {feature}"))
            }
            Self::Tags { arn, tags } => {
                let keys: Vec<_> = tags.keys().map(String::as_str).collect();
                write!(f, "AddTagsToResource {arn}: {}", keys.join(", "))
            }
            Self::Endpoint(new) => {
                let kind = new.kind.word();
                write!(f, "CreateDBClusterEndpoint {} ({kind}) of {}", new.name, new.cluster)
            }
            Self::Proxy { cluster, proxy } => {
                write!(f, "CreateDBProxy {} before {cluster}", proxy.name)
            }
            Self::ProxyPool { proxy, pool } => {
                let (most, idle) =
                    (pool.max_connections_percent, pool.max_idle_connections_percent);
                let borrow = duration_text::to_text(pool.borrow_timeout);
                write!(f, "ModifyDBProxyTargetGroup {proxy}: {most} % of the connections, ")?;
                write!(f, "{idle} % idle, {borrow} to borrow one")
            }
            Self::ProxyTarget { proxy, cluster } => {
                write!(f, "RegisterDBProxyTargets {cluster} with {proxy}")
            }
            Self::GlobalDatabase { name, cluster } => {
                write!(f, "CreateGlobalCluster {name} around {cluster}")
            }
            Self::SecondaryCluster(NewSecondary { global, .. }) => {
                let GlobalSpec { name, region, cluster, .. } = global;
                write!(f, "CreateDBCluster {cluster} in {region} for {name}")
            }
            Self::SecondaryInstance { global, class } => {
                let (instance, region) = (global.instance(), &global.region);
                write!(f, "CreateDBInstance {instance} {class} in {region}")
            }
            Self::AlarmCopy { alarm, copy, cluster } => {
                write!(f, "PutMetricAlarm {copy:?} on {cluster}, a copy of {alarm:?}")
            }
        }
    }
}

impl From<Equipment> for crate::Action {
    fn from(equipment: Equipment) -> Self {
        super::CloudAction::Equip(equipment).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Acu;

    #[test]
    fn settings_say_what_changes_and_nothing_else() {
        let settings = ClusterSettings {
            iam_auth: Some(true),
            logs_off: vec!["postgresql".to_owned()],
            serverless: Some(Serverless { min_acu: Acu::whole(2), max_acu: Acu::whole(64) }),
            ..ClusterSettings::default()
        };
        let words = "IAM authentication on, log export postgresql off, 2 to 64 ACU";
        assert_eq!(settings.to_string(), words);
        let json = serde_json::to_value(&settings).unwrap();
        assert!(json.get("backup_retention_days").is_none(), "{json}");
        assert_eq!(serde_json::from_value::<ClusterSettings>(json).unwrap(), settings);
    }
}
