//! Hosted zones as Route 53 has them: record sets, changes that take their time to be everywhere,
//! and an authority that answers resolvers with what has got there.
//!
//! A batch is taken whole or not at all. What is listed is what was ordered; what is answered is
//! what was ordered some time ago. Everything is in memory and goes with the lab.

pub(crate) mod api;
mod authority;
mod element;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use authority::Authority;

/// How long a change takes to every server, unless told otherwise.
const SPREADS_IN: Duration = Duration::from_millis(200);

/// One record set of a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// With its last dot.
    pub name: String,
    /// `A`, `AAAA`, `CNAME`, …
    pub kind: String,
    pub ttl: u32,
    pub values: Vec<String>,
    /// Its identifier and weight, when it is one of several.
    pub weighted: Option<(String, u32)>,
    /// The name it is an alias of.
    pub alias: Option<String>,
}

impl RecordSet {
    /// A simple one.
    pub fn simple(name: &str, kind: &str, ttl: u32, value: &str) -> Self {
        let values = vec![value.to_owned()];
        let (name, kind) = (name.to_owned(), kind.to_owned());
        Self { name, kind, ttl, values, weighted: None, alias: None }
    }

    fn key(&self) -> (String, String, Option<String>) {
        let id = self.weighted.as_ref().map(|(id, _)| id.clone());
        (self.name.clone(), self.kind.clone(), id)
    }
}

/// Who sees a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    Public,
    Private,
}

#[derive(Debug)]
struct HostedZone {
    name: String,
    visibility: Visibility,
    sets: Vec<RecordSet>,
    /// What resolvers are answered.
    answered: Vec<RecordSet>,
}

#[derive(Debug)]
struct Change {
    zone: String,
    comment: String,
    sets: Vec<RecordSet>,
    everywhere_at: Instant,
}

#[derive(Debug)]
struct State {
    zones: BTreeMap<String, HostedZone>,
    changes: Vec<Change>,
    spreads_in: Duration,
}

/// The zones of an account; clones share them.
#[derive(Debug, Clone)]
pub struct Zones(Arc<Mutex<State>>);

impl Default for Zones {
    fn default() -> Self {
        let state = State { zones: BTreeMap::new(), changes: Vec::new(), spreads_in: SPREADS_IN };
        Self(Arc::new(Mutex::new(state)))
    }
}

impl Zones {
    /// Adds a zone with these records; `name` with its last dot.
    pub fn host(&self, id: &str, (name, visibility): (&str, Visibility), sets: Vec<RecordSet>) {
        let answered = sets.clone();
        let zone = HostedZone { name: name.to_owned(), visibility, sets, answered };
        self.state().zones.insert(id.to_owned(), zone);
    }

    /// How long later changes take.
    pub fn spreads_in(&self, time: Duration) {
        self.state().spreads_in = time;
    }

    /// Puts a set there as somebody else would, at once and everywhere.
    pub fn put(&self, id: &str, set: RecordSet) {
        let mut state = self.state();
        if let Some(zone) = state.zones.get_mut(id) {
            for sets in [&mut zone.sets, &mut zone.answered] {
                sets.retain(|one| one.key() != set.key());
                sets.push(set.clone());
            }
        }
    }

    /// What a zone has of a name, as ordered.
    pub fn sets(&self, id: &str, name: &str) -> Vec<RecordSet> {
        let state = self.state();
        let sets = state.zones.get(id).map(|zone| zone.sets.as_slice()).unwrap_or_default();
        sets.iter().filter(|set| set.name == name).cloned().collect()
    }

    /// The comments of the changes so far.
    pub fn comments(&self) -> Vec<String> {
        self.state().changes.iter().map(|change| change.comment.clone()).collect()
    }

    /// What resolvers are told of a name, and whether the zone has it at all.
    fn answer(&self, id: &str, name: &str) -> Vec<RecordSet> {
        let mut state = self.state();
        state.settle(Instant::now());
        let sets = state.zones.get(id).map(|zone| zone.answered.as_slice()).unwrap_or_default();
        sets.iter().filter(|set| set.name.eq_ignore_ascii_case(name)).cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Changes whose time has come are answered, in their order.
    fn settle(&mut self, now: Instant) {
        for change in self.changes.iter_mut().filter(|change| change.everywhere_at <= now) {
            let sets = std::mem::take(&mut change.sets);
            if let Some(zone) = self.zones.get_mut(&change.zone)
                && !sets.is_empty()
            {
                zone.answered = sets;
            }
        }
    }
}
