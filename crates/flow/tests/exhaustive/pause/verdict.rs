//! Exploring the model, and what came of each property: in words, and as JSON.

use std::fmt;

use serde_json::{Value, json};
use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

use super::journal::Row;
use super::world::Life;
use super::{Event, Mistake, Pause, State};

/// What came of one property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) property: &'static str,
    pub(crate) found: Found,
}

/// Whether it is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// It holds in every state.
    Holds,
    /// It does not, and this is how it comes to that.
    Broken(Vec<String>),
    /// It comes about, as it must for the others to say anything.
    Seen,
    /// It never comes about.
    NeverSeen,
}

impl Found {
    /// Whether it is as it should be.
    pub(crate) const fn is_good(&self) -> bool {
        match self {
            Self::Holds | Self::Seen => true,
            Self::Broken(_) | Self::NeverSeen => false,
        }
    }

    const fn word(&self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Broken(_) => "BROKEN",
            Self::Seen => "seen",
            Self::NeverSeen => "NEVER SEEN",
        }
    }
}

/// What an exploration visited.
#[derive(Debug, Clone)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
    pub(crate) depth: usize,
    pub(crate) verdicts: Vec<Verdict>,
}

/// Visits every state within the bounds; with a mistake, until it has done harm.
pub(crate) fn explore(pause: Pause) -> Explored {
    let checker = pause.checker();
    let checker = match pause.mistake {
        Some(_) => checker.finish_when(HasDiscoveries::AnyFailures),
        None => checker,
    };
    let checker = checker.spawn_bfs().join();
    let verdict = |property: &stateright::Property<Pause>| {
        let path = checker.discovery(property.name);
        let found = match (&property.expectation, path) {
            (Expectation::Always | Expectation::Eventually, None) => Found::Holds,
            (Expectation::Always | Expectation::Eventually, Some(path)) => {
                Found::Broken(story(path))
            }
            (Expectation::Sometimes, Some(_)) => Found::Seen,
            (Expectation::Sometimes, None) => Found::NeverSeen,
        };
        Verdict { property: property.name, found }
    };
    let mut verdicts: Vec<Verdict> = pause.properties().iter().map(verdict).collect();
    let broken = |verdict: &Verdict| matches!(verdict.found, Found::Broken(_));
    if verdicts.iter().any(broken) {
        // The exploration ended there: it says nothing about the others.
        verdicts.retain(broken);
    }
    Explored {
        states: checker.unique_state_count(),
        transitions: checker.state_count(),
        depth: checker.max_depth(),
        verdicts,
    }
}

fn story(path: Path<State, Event>) -> Vec<String> {
    let steps = path.into_vec();
    let mut lines = Vec::with_capacity(steps.len());
    for (before, event) in &steps {
        if let Some(event) = event {
            lines.push(words(before, event));
        }
    }
    if let Some((end, _)) = steps.last() {
        lines.push(format!("then {:?}", end.world));
    }
    lines
}

const fn who(which: usize) -> &'static str {
    match which {
        0 => "A",
        _ => "B",
    }
}

/// An event as a person reads it.
fn words(before: &State, event: &Event) -> String {
    use super::orchestrator::{Doing, Orchestrator};
    let row = before.journal.row.id();
    let doing = |which: &usize| match before.is(*which) {
        Some(Orchestrator::Leading { doing, .. }) => Some(doing),
        Some(Orchestrator::Standby) | None => None,
    };
    match event {
        Event::World(life) => life_words(*life).to_owned(),
        Event::TakesOver(which) => format!("{} takes the lease", who(*which)),
        Event::Dies(which) => format!("{} dies, and is started again", who(*which)),
        Event::WaitedOut(which) => format!("{} begins", who(*which)),
        Event::Looks(which) => format!("{} looks, at {row}", who(*which)),
        Event::Writes(which) => match doing(which) {
            Some(Doing::Deciding { record, .. }) => {
                format!("{} writes: {record:?} at {row}", who(*which))
            }
            Some(Doing::Belated { order, .. }) => {
                format!("{} writes the intent of {order:?}, after the order", who(*which))
            }
            Some(Doing::WaitingOut | Doing::Looking | Doing::Ordering(_) | Doing::Awaiting)
            | None => format!("{} writes", who(*which)),
        },
        Event::Orders(which) => match doing(which) {
            Some(Doing::Ordering(order)) => format!("{} orders {order:?}", who(*which)),
            Some(
                Doing::WaitingOut
                | Doing::Looking
                | Doing::Deciding { .. }
                | Doing::Awaiting
                | Doing::Belated { .. },
            )
            | None => format!("{} orders", who(*which)),
        },
        Event::GoesOn(which) => format!("{} goes on", who(*which)),
        Event::Arrives(order) => format!("{order:?} takes effect"),
        Event::Gone(order) => format!("{order:?} is over"),
        Event::Aborts => "a person, or the budget, aborts".to_owned(),
        Event::Resumes => "a person resumes".to_owned(),
        Event::StartsAgain => "a person starts the next attempt".to_owned(),
    }
}

const fn life_words(life: Life) -> &'static str {
    match life {
        Life::ApplicationConnects => "the application connects",
        Life::ApplicationLeaves => "the application's session ends",
        Life::ApplicationWrites => "the application writes",
        Life::BypassConnects => "a client connects past the gateway",
        Life::BypassLeaves => "the client past the gateway leaves",
        Life::BypassWrites => "the client past the gateway writes",
        Life::ReplicaReplays => "the replica replays a write",
    }
}

impl Explored {
    /// As JSON, for `--json`.
    pub(crate) fn json(&self, mistake: Option<Mistake>) -> Value {
        let verdict = |verdict: &Verdict| {
            let path = match &verdict.found {
                Found::Broken(path) => path.as_slice(),
                Found::Holds | Found::Seen | Found::NeverSeen => &[],
            };
            json!({"property": verdict.property, "found": verdict.found.word(),
                "counterexample": path})
        };
        let row = |row: &Row| json!({"step": row.id(), "commits": row.commits(), "undone": row.is_undone()});
        json!({
            "rows": Row::ALL.iter().map(row).collect::<Vec<_>>(),
            "break": mistake.map(Mistake::name),
            "states": self.states,
            "transitions": self.transitions,
            "depth": self.depth,
            "properties": self.verdicts.iter().map(verdict).collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, depth, verdicts } = self;
        writeln!(f, "{states} states, {transitions} transitions, depth {depth}")?;
        for Verdict { property, found } in verdicts {
            writeln!(f, "{:>10}  {property}", found.word())?;
            if let Found::Broken(path) = found {
                for (line, at) in path.iter().zip(1..) {
                    writeln!(f, "{at:>14}. {line}")?;
                }
            }
        }
        Ok(())
    }
}
