//! What a lab is made of. Everything has a default but the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::account::Names;
use crate::cloud::delays::{Delays, Profile};
use crate::cloud::names::random_word;
use crate::firewall::Actor;

/// A lab to bring up.
#[derive(Debug, Clone)]
pub struct LabConfig {
    /// The state folder; made when missing, and then removed when the lab goes down.
    pub dir: PathBuf,
    pub profile: Profile,
    /// Other delays than the profile's.
    pub delays: Option<Delays>,
    pub source: SourceConfig,
    /// Security groups besides the predefined ones.
    pub security_groups: BTreeMap<String, BTreeSet<Actor>>,
    /// Whether its servers offer TLS; only then a role may log in by token.
    pub tls: Tls,
    /// What the policies of Landfall's users name; none is the source, and any target.
    pub names: Option<Names>,
    /// The secret access key of the account's users.
    pub secret_key: String,
    /// How often an idle server switches its log segment; none follows the profile.
    pub archive_timeout_seconds: Option<u32>,
}

/// Whether the lab's servers offer TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    #[default]
    Absent,
    /// To whoever asks; the lab's folder has a file `root.pem` to verify it by.
    Offered,
}

/// The instance that is there from the start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceConfig {
    pub identifier: String,
    /// The first is the instance's `DBName`.
    pub databases: Vec<String>,
    pub master_user: String,
    pub master_password: String,
    pub class: String,
    pub storage_gib: u32,
    pub retention_days: u32,
    pub security_groups: Vec<String>,
    /// A group of its own with these values; none uses the default group.
    pub parameter_group: Option<String>,
    pub parameters: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

impl LabConfig {
    /// A quick lab with the instance `shop-prod`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            profile: Profile::Quick,
            delays: None,
            source: SourceConfig::default(),
            security_groups: BTreeMap::new(),
            tls: Tls::Absent,
            names: None,
            secret_key: "lab".to_owned(),
            archive_timeout_seconds: None,
        }
    }

    /// Settings of every server, under its parameter groups.
    pub(super) fn base_settings(&self) -> BTreeMap<String, String> {
        let archive_timeout = self.archive_timeout_seconds.unwrap_or(match self.profile {
            Profile::Quick => 3,
            Profile::Realistic => 300,
        });
        BTreeMap::from([("archive_timeout".to_owned(), format!("{archive_timeout}s"))])
    }
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            identifier: "shop-prod".to_owned(),
            databases: vec!["shop".to_owned()],
            master_user: "shop_admin".to_owned(),
            master_password: random_word(20),
            class: "db.m6g.large".to_owned(),
            storage_gib: 100,
            retention_days: 7,
            security_groups: vec!["sg-app".to_owned()],
            parameter_group: Some("shop-prod-parameters".to_owned()),
            parameters: BTreeMap::from([("rds.logical_replication".to_owned(), "1".to_owned())]),
            tags: BTreeMap::from([("service".to_owned(), "shop".to_owned())]),
        }
    }
}
