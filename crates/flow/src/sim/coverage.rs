//! What a number of nights has hit: which fault, at which step, on which way.
//!
//! A fault can strike where a call was made that it can happen to; so the calls are counted too,
//! and a pair that was never hit is one whose call was made and whose fault never struck it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use landfall_core::status::Course;
use serde_json::{Value, json};

use super::fault::{Call, Door, Fault, IMPOSSIBLE, kinds};

/// A step, and whether it is done or undone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Spot {
    /// The step's id; empty before the first.
    pub step: String,
    /// Whether it is undone.
    pub way: Way,
}

/// [`Course`], in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// Forward.
    Doing,
    /// Back.
    Undoing,
}

impl From<Course> for Way {
    fn from(course: Course) -> Self {
        match course {
            Course::Doing => Self::Doing,
            Course::Undoing => Self::Undoing,
        }
    }
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let step = if self.step.is_empty() { "(before the first step)" } else { &self.step };
        match self.way {
            Way::Doing => f.write_str(step),
            Way::Undoing => write!(f, "{step} (undo)"),
        }
    }
}

/// What was called and what was hit.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    nights: u64,
    calls: BTreeSet<(Spot, Door, Call)>,
    hits: BTreeMap<(Spot, Fault), u64>,
}

impl Coverage {
    pub(super) fn of_one_night() -> Self {
        Self { nights: 1, ..Self::default() }
    }

    pub(super) fn called(&mut self, spot: &Spot, door: Door, call: Call) {
        let key = (spot.clone(), door, call);
        self.calls.insert(key);
    }

    pub(super) fn hit(&mut self, spot: &Spot, fault: Fault) {
        *self.hits.entry((spot.clone(), fault)).or_default() += 1;
    }

    /// Adds another night.
    pub fn add(&mut self, other: &Self) {
        self.nights += other.nights;
        self.calls.extend(other.calls.iter().cloned());
        for (pair, times) in &other.hits {
            *self.hits.entry(pair.clone()).or_default() += times;
        }
    }

    /// Every pair that can be hit, as far as calls were made.
    pub fn possible(&self) -> impl Iterator<Item = (&Spot, Fault)> {
        self.calls.iter().flat_map(|(spot, door, call)| {
            let fault = |kind| Fault { door: *door, call: *call, kind };
            kinds(*door, *call).iter().map(move |kind| (spot, fault(*kind)))
        })
    }

    /// How often a pair was hit.
    #[must_use]
    pub fn times(&self, spot: &Spot, fault: Fault) -> u64 {
        self.hits.get(&(spot.clone(), fault)).copied().unwrap_or(0)
    }

    /// The pairs that were never hit.
    pub fn missed(&self) -> impl Iterator<Item = (&Spot, Fault)> {
        self.possible().filter(|(spot, fault)| self.times(spot, *fault) == 0)
    }

    /// The steps at which anything was called.
    #[must_use]
    pub fn spots(&self) -> BTreeSet<&Spot> {
        self.calls.iter().map(|(spot, _, _)| spot).collect()
    }

    /// As JSON, for `--json`.
    #[must_use]
    pub fn json(&self) -> Value {
        let pair = |(spot, fault): (&Spot, Fault)| {
            json!({"step": spot.step, "undo": spot.way == Way::Undoing,
                "fault": fault.to_string(), "hits": self.times(spot, fault)})
        };
        let impossible: Vec<Value> =
            IMPOSSIBLE.iter().map(|(what, why)| json!({"fault": what, "why": why})).collect();
        json!({
            "nights": self.nights,
            "possible": self.possible().count(),
            "missed": self.missed().map(pair).collect::<Vec<_>>(),
            "pairs": self.possible().map(pair).collect::<Vec<_>>(),
            "impossible": impossible,
        })
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for spot in self.spots() {
            let pairs: Vec<Fault> =
                self.possible().filter(|(at, _)| *at == spot).map(|(_, fault)| fault).collect();
            let hit = pairs.iter().filter(|fault| self.times(spot, **fault) > 0).count();
            let times: u64 = pairs.iter().map(|fault| self.times(spot, *fault)).sum();
            writeln!(f, "{hit:>3} of {:>3} kinds, {times:>6} faults  {spot}", pairs.len())?;
        }
        let (all, missed) = (self.possible().count(), self.missed().count());
        writeln!(f, "{} of {all} pairs were hit in {} nights", all - missed, self.nights)?;
        for (spot, fault) in self.missed() {
            writeln!(f, "never hit: {fault} at {spot}")?;
        }
        for (what, why) in IMPOSSIBLE {
            writeln!(f, "cannot be: {what}: {why}")?;
        }
        Ok(())
    }
}
