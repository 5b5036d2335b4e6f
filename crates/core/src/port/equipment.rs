//! What stands before and beside a finished target: an RDS Proxy, a Global Database, a cluster in a
//! second Region. Views, as the steps and the assessment read them; nothing here is an order.

use serde::{Deserialize, Serialize};

use super::cloud::{ResourceState, Tags};
use crate::ids::ClusterId;
use crate::spec::ProxyPool;

/// An RDS Proxy with its default target group (DescribeDBProxies, DescribeDBProxyTargetGroups,
/// DescribeDBProxyTargets).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxy {
    /// DBProxyName.
    pub name: String,
    /// Status.
    pub state: ResourceState,
    /// Endpoint: the host that clients connect to.
    pub endpoint: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// ConnectionPoolConfig; absent while AWS makes it.
    pub pool: Option<ProxyPool>,
    /// What is registered.
    pub targets: Vec<ProxyTarget>,
}

/// One target of a proxy: a cluster that is followed, or an instance of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyTarget {
    /// RdsResourceId: the name of the cluster or the instance.
    pub id: String,
    /// Type: `TRACKED_CLUSTER` or `RDS_INSTANCE`.
    pub kind: String,
    /// TargetHealth.State, such as `AVAILABLE`; a cluster that is followed has none.
    pub health: Option<String>,
    /// TargetHealth.Reason and Description.
    pub reason: Option<String>,
}

impl ProxyTarget {
    /// Whether it stands for a whole cluster.
    #[must_use]
    pub fn is_cluster(&self, id: &ClusterId) -> bool {
        self.kind == "TRACKED_CLUSTER" && self.id == id.as_str()
    }

    /// Whether the proxy reaches it.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.health.as_deref() == Some("AVAILABLE")
    }
}

/// A Global Database (DescribeGlobalClusters).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalDatabase {
    /// GlobalClusterIdentifier.
    pub name: String,
    /// Status.
    pub state: ResourceState,
    /// The ARN of the cluster that writes.
    pub writer: Option<String>,
    /// The ARNs of the other clusters.
    pub readers: Vec<String>,
}

/// The cluster in the second Region, as its Region shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Secondary {
    /// Status of the cluster.
    pub state: ResourceState,
    /// Tags.
    pub tags: Tags,
    /// DBInstanceStatus of its instance; absent before it is made.
    pub instance: Option<ResourceState>,
    /// AuroraGlobalDBReplicationLag, milliseconds: the newest point of the last minutes.
    pub lag_ms: Option<f64>,
}
