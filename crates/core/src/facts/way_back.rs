//! The way back: what it carries, what it would lose, and the pause of a roll-back.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::action::SessionsEnded;
use crate::ids::{DatabaseName, Endpoint};
use crate::port::way_back::Named;
use crate::status::Line;

/// What is known of the way back.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WayBack {
    /// As surveyed before the hold.
    pub plan: Option<WayBackPlan>,
    /// When something of it was first ordered: from then on there may be some on the servers.
    #[serde(default)]
    pub ordered: Option<Timestamp>,
    /// Since it stands.
    pub armed: Option<Armed>,
    /// Why there is none, or none any more.
    pub closed: Option<String>,
    /// Why a loss is accepted, in the words of who asked for the roll-back.
    pub consent: Option<String>,
    /// What that loss is.
    pub loss: Option<AcceptedLoss>,
    /// Where the target answers, as a roll-back found it.
    #[serde(default)]
    pub target: Option<Endpoint>,
}

impl WayBack {
    /// Whether writes on the target flow back.
    #[must_use]
    pub const fn is_armed(&self) -> bool {
        self.armed.is_some() && self.closed.is_none()
    }
}

/// What a way back would carry, before the hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WayBackPlan {
    /// What stands against it, one sentence each, with the remedy; none = it will be armed.
    pub obstacles: Vec<String>,
    /// Tables that flow back, over all databases.
    pub carried: u64,
    /// What does not, by database; only databases that lose something.
    pub lost: BTreeMap<DatabaseName, Lost>,
}

/// What a roll-back would lose of one database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lost {
    /// Tables without identity that are left out.
    pub tables: Named,
    /// Unlogged tables.
    pub unlogged: Named,
    /// Large objects.
    pub large_objects: u64,
}

impl Lost {
    /// Whether it loses nothing.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        self.tables.is_empty() && self.unlogged.is_empty() && self.large_objects == 0
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |what: &str, named: &Named| {
            (!named.is_empty())
                .then(|| format!("{} {what} ({})", named.count, named.names.join(", ")))
        };
        let objects =
            (self.large_objects > 0).then(|| format!("{} large objects", self.large_objects));
        let parts = [
            named("tables without identity", &self.tables),
            named("unlogged tables", &self.unlogged),
            objects,
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

/// The way back as it was armed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// When it was seen to stand.
    pub at: Timestamp,
    /// Tables published, over all databases.
    pub published: u64,
    /// Each database's fingerprint then: what differs later was changed since.
    pub fingerprint: BTreeMap<DatabaseName, BTreeMap<String, String>>,
    /// What does not flow back.
    pub lost: BTreeMap<DatabaseName, Lost>,
}

/// A loss that somebody accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedLoss {
    /// In their words.
    pub consent: String,
    /// Everything written to the target since then.
    pub since: Timestamp,
    /// Rows written there since, by database and table; absent where nobody may count them.
    pub rows: Option<BTreeMap<DatabaseName, BTreeMap<String, u64>>>,
}

impl Facts {
    /// A roll-back begins: it has a pause, a fence and proofs of its own.
    pub(super) fn turn_back(&mut self, consent: Option<String>) {
        let forward = Box::new(self.clone());
        self.line = Line::Reverse;
        self.proxies = None;
        self.gateway = None;
        self.readers_were = None;
        self.left_behind.clear();
        self.awaited_since = None;
        self.sessions_ended = SessionsEnded::default();
        self.groups_were = None;
        self.fence_active = None;
        self.reboot_ordered = None;
        self.fenced = None;
        self.fence_proofs = 0;
        self.marked = None;
        self.contradicted = None;
        self.proven = None;
        self.held_since = None;
        self.released_at = None;
        self.way_back.consent = consent;
        self.way_back.loss = None;
        self.forward = Some(forward);
    }

    /// The roll-back was undone: the move stands where it stood, and the warnings stay.
    pub(super) fn go_on(&mut self) {
        let Some(forward) = self.forward.take() else { return };
        let warnings = std::mem::take(&mut self.warnings);
        *self = *forward;
        self.warnings.extend(warnings);
    }
}
