//! How long the cloud takes: one table per profile.
//!
//! The delays come on top of what the real servers take. Quick is for tests and the demo;
//! realistic is for rehearsals, and its figures are common experience, not measurements.

use std::time::Duration;

/// The pace of a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    #[default]
    Quick,
    Realistic,
}

/// The time of each transition.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    pub create_cluster: Duration,
    pub create_instance: Duration,
    pub promote: Duration,
    pub reboot: Duration,
    pub modify: Duration,
    pub back_up: Duration,
    pub delete: Duration,
    pub security_groups: Duration,
    pub parameters: Duration,
    /// How far backups lie behind.
    pub restorable: Duration,
    /// How often the servers are sampled for metrics.
    pub sampling: Duration,
}

impl Profile {
    /// The table of this profile.
    pub const fn delays(self) -> Delays {
        match self {
            Self::Quick => Delays {
                create_cluster: Duration::from_millis(100),
                create_instance: Duration::from_millis(100),
                promote: Duration::from_millis(200),
                reboot: Duration::from_millis(100),
                modify: Duration::from_millis(100),
                back_up: Duration::from_millis(100),
                delete: Duration::from_millis(100),
                security_groups: Duration::from_millis(150),
                parameters: Duration::from_millis(50),
                restorable: Duration::from_millis(100),
                sampling: Duration::from_millis(200),
            },
            Self::Realistic => Delays {
                create_cluster: Duration::from_secs(45),
                create_instance: Duration::from_secs(240),
                promote: Duration::from_secs(90),
                reboot: Duration::from_secs(20),
                modify: Duration::from_secs(60),
                back_up: Duration::from_secs(90),
                delete: Duration::from_secs(120),
                security_groups: Duration::from_secs(10),
                parameters: Duration::from_secs(5),
                restorable: Duration::from_mins(5),
                sampling: Duration::from_secs(60),
            },
        }
    }
}
