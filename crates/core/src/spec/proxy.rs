//! `[target.proxy]`: an RDS Proxy in front of the promoted cluster.
//!
//! AWS registers no cluster with a proxy that still replicates from an instance, so it comes after
//! the release, and nothing of the pause waits for it. What AWS takes is checked here, as far as
//! that can be said without asking it.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::SecurityGroupId;
use crate::quantity::duration_text;

/// The one class of statements that AWS can exempt from pinning.
const PINNING_FILTER: &str = "EXCLUDE_VARIABLE_SETS";
/// IdleClientTimeout, seconds: AWS's range.
const IDLE: RangeInclusive<u64> = 1..=28_800;
/// ConnectionBorrowTimeout, seconds: AWS's longest.
const BORROW_MAX: Duration = Duration::from_secs(300);

/// `[target.proxy]`. Unknown keys are told by the table of keys: serde cannot, beside `flatten`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxySpec {
    /// DBProxyName.
    pub name: String,
    /// The role by which the proxy reads its secrets.
    pub role: String,
    /// Secrets in Secrets Manager, by ARN: one for each login that uses the proxy.
    pub secrets: Vec<String>,
    /// Clients must log in by IAM token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_auth: Option<bool>,
    /// Clients must speak TLS; they must when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_tls: Option<bool>,
    /// Subnets, at least two; those of the cluster's subnet group when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<String>,
    /// The proxy's own groups; those of the cluster when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<SecurityGroupId>,
    /// A client that is silent for longer is disconnected.
    #[serde(default = "ProxySpec::default_idle", with = "duration_text")]
    pub idle_client_timeout: Duration,
    /// The pool.
    #[serde(flatten)]
    pub pool: ProxyPool,
}

/// How a proxy shares the connections of its target (ConnectionPoolConfig).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyPool {
    /// How long a client waits for a connection when all are in use.
    #[serde(default = "ProxyPool::default_borrow", with = "duration_text")]
    pub borrow_timeout: Duration,
    /// Of the target's `max_connections`, per cent.
    #[serde(default = "ProxyPool::default_connections")]
    pub max_connections_percent: u8,
    /// Of the target's `max_connections`, per cent, kept open though nobody uses them.
    #[serde(default = "ProxyPool::default_idle_connections")]
    pub max_idle_connections_percent: u8,
    /// Statements that do not pin a session though they change it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub session_pinning_filters: Vec<String>,
}

impl ProxySpec {
    const fn default_idle() -> Duration {
        Duration::from_mins(30)
    }

    /// Whether clients must speak TLS.
    #[must_use]
    pub fn requires_tls(&self) -> bool {
        self.require_tls.unwrap_or(true)
    }
}

impl ProxyPool {
    const fn default_borrow() -> Duration {
        Duration::from_mins(2)
    }
    const fn default_connections() -> u8 {
        100
    }
    const fn default_idle_connections() -> u8 {
        50
    }
}

/// What AWS would refuse, by key.
pub(super) fn mistakes(proxy: &ProxySpec) -> Vec<(&'static str, String)> {
    let mut mistakes = Vec::new();
    let mut tell = |key, words: String| mistakes.push((key, words));
    if !super::check::is_identifier(&proxy.name, 63) {
        let words = "cannot name a proxy; use lower-case letters, digits and single hyphens";
        tell("target.proxy.name", format!("{:?} {words}", proxy.name));
    }
    if !proxy.role.starts_with("arn:") {
        tell("target.proxy.role", "write the ARN of the role that reads the secrets".to_owned());
    }
    if proxy.secrets.is_empty() || proxy.secrets.iter().any(|secret| !secret.starts_with("arn:")) {
        let words = "write the ARN of a secret in Secrets Manager for each login; the password \
                     itself belongs there";
        tell("target.proxy.secrets", words.to_owned());
    }
    if proxy.iam_auth == Some(true) && !proxy.requires_tls() {
        let words = "AWS takes IAM tokens through a proxy only over TLS: drop require_tls = false";
        tell("target.proxy.require_tls", words.to_owned());
    }
    if proxy.subnets.len() == 1 {
        let words = "a proxy needs subnets in two Availability Zones; name two, or none for those \
                     of the cluster";
        tell("target.proxy.subnets", words.to_owned());
    }
    if !IDLE.contains(&proxy.idle_client_timeout.as_secs()) {
        tell("target.proxy.idle_client_timeout", "write 1s to 8h".to_owned());
    }
    mistakes.extend(pool_mistakes(&proxy.pool));
    mistakes
}

fn pool_mistakes(pool: &ProxyPool) -> Vec<(&'static str, String)> {
    let mut mistakes = Vec::new();
    if pool.borrow_timeout > BORROW_MAX {
        mistakes.push(("target.proxy.borrow_timeout", "write 0s to 5m".to_owned()));
    }
    if !(1..=100).contains(&pool.max_connections_percent) {
        mistakes.push(("target.proxy.max_connections_percent", "write 1 to 100".to_owned()));
    }
    if pool.max_idle_connections_percent > pool.max_connections_percent {
        let words = format!("write 0 to max_connections_percent, {}", pool.max_connections_percent);
        mistakes.push(("target.proxy.max_idle_connections_percent", words));
    }
    if let Some(other) = pool.session_pinning_filters.iter().find(|one| *one != PINNING_FILTER) {
        let words = format!("AWS knows no filter {other:?}; write {PINNING_FILTER:?} or none");
        mistakes.push(("target.proxy.session_pinning_filters", words));
    }
    mistakes
}
