//! Orders for the way back: logical replication from the side that takes writes to the fenced one.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{DatabaseName, Endpoint};
use crate::port::way_back::{SequenceValue, WayBackName};
use crate::spec::WithoutIdentity;

/// Whether a subscription applies what arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Apply {
    /// `ENABLE`.
    On,
    /// `DISABLE`; it keeps its origin and its slot.
    Off,
}

/// Each of them is for every database that accepts connections, and each may be repeated: what
/// stands already is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayBackAction {
    /// The role (REPLICATION or membership in `rds_replication`, nothing else, no password yet),
    /// and per database a publication of an explicit list of tables and a `pgoutput` slot. Tables
    /// without identity get REPLICA IDENTITY FULL or are left out, as `without_identity` says. The
    /// marker's table is published too. The first database's publication is made before the role
    /// and anything else, and goes last in [`Self::Unpublish`]: where no publication is seen in any
    /// database, nothing of ours is left on that server.
    Publish {
        /// The promoted target.
        at: Endpoint,
        /// Name of publication and role.
        name: WayBackName,
        /// What to do with tables that have no identity.
        without_identity: WithoutIdentity,
    },
    /// Drops slots (their walsender is ended first) and the role, gives the tables their identity
    /// back, and drops the publications last: as long as one stands, there is something left to do.
    Unpublish {
        /// The publisher.
        at: Endpoint,
        /// Name of publication and role.
        name: WayBackName,
    },
    /// Gives the role a new generated password on the publisher, and makes the subscriptions with
    /// it: `copy_data = false, create_slot = false`, enabled. An existing one gets the password.
    Subscribe {
        /// The fenced side.
        at: Endpoint,
        /// Where it dials.
        publisher: Endpoint,
        /// Name of publication, subscription and role.
        name: WayBackName,
    },
    /// Enables or disables the subscriptions.
    SetApply {
        /// The subscriber.
        at: Endpoint,
        /// Their name.
        name: WayBackName,
        /// Which.
        apply: Apply,
    },
    /// Disables the subscriptions, parts them from their slots (`slot_name = none`) and drops them,
    /// whether or not the publisher answers.
    Unsubscribe {
        /// The subscriber.
        at: Endpoint,
        /// Their name.
        name: WayBackName,
    },
    /// Sets sequences forward; one that is further along already is left alone.
    SetSequences {
        /// The side that gets them.
        at: Endpoint,
        /// By database and quoted `schema.name`.
        values: BTreeMap<DatabaseName, BTreeMap<String, SequenceValue>>,
    },
    /// Commits a marker row in every database.
    WriteMarkers {
        /// The publisher.
        at: Endpoint,
        /// Unique to the roll-back.
        token: String,
    },
}

impl fmt::Display for WayBackAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish { at, name, .. } => {
                write!(f, "create publications and slots {name} on {at}")
            }
            Self::Unpublish { at, name } => {
                write!(f, "drop slots, publications and role {name} on {at}")
            }
            Self::Subscribe { at, publisher, name } => {
                write!(f, "create subscriptions {name} on {at} to {publisher}")
            }
            Self::SetApply { at, name, apply: Apply::On } => {
                write!(f, "enable subscriptions {name} on {at}")
            }
            Self::SetApply { at, name, apply: Apply::Off } => {
                write!(f, "disable subscriptions {name} on {at}")
            }
            Self::Unsubscribe { at, name } => write!(f, "drop subscriptions {name} on {at}"),
            Self::SetSequences { at, values } => {
                let count: usize = values.values().map(BTreeMap::len).sum();
                write!(f, "set {count} sequences forward on {at}")
            }
            Self::WriteMarkers { at, token } => {
                write!(f, "commit marker {token} in every database of {at}")
            }
        }
    }
}
