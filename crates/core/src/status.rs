//! Status: where a move stands, small and closed, and the one function that changes it.
//!
//! The status is a fold of the journal. [`next`] is pure and exhaustive: a record that does not
//! fit is an [`IllegalTransition`], which is how an abort after the point of no return, or a
//! release after an abort, is refused.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::journal::{Cause, Commitment, Record, Request};
use crate::problem::Problem;

/// How a database is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Road {
    /// An Aurora read replica of the instance, promoted.
    Physical,
}

/// Which of a road's two tables is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// From the source to the target.
    #[default]
    Migrate,
    /// From the target back to the source, after the release.
    Reverse,
}

/// The phases of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Assessment, backups, groups, route.
    Prepare,
    /// The replica is built and keeps up.
    Replicate,
    /// Traffic is held, the source fenced, sync proven.
    Quiesce,
    /// Promotion and release.
    Cutover,
    /// The target is proven and finished.
    Verify,
    /// The source stays fenced; a person accepts.
    Soak,
    /// Nothing of ours is left.
    Retire,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepare => "prepare",
            Self::Replicate => "replicate",
            Self::Quiesce => "quiesce",
            Self::Cutover => "cutover",
            Self::Verify => "verify",
            Self::Soak => "soak",
            Self::Retire => "retire",
        })
    }
}

/// Forward along the table, or back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// Each row's plan, downwards.
    Doing,
    /// Each row's undo, upwards.
    Undoing,
}

/// How a move ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every row is done; the target is the database.
    Moved,
    /// Undone; the source is the database as before.
    Undone,
    /// Rolled back after the release; the source is the database, with what the target took.
    RolledBack,
}

/// What a move is doing, or what it is waiting for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Run {
    /// Looking, deciding, acting.
    Running,
    /// The world needs time.
    Waiting {
        /// What is awaited, with the last reading.
        why: String,
        /// Since when.
        since: Timestamp,
        /// When it becomes a problem.
        deadline: Option<Timestamp>,
    },
    /// A person or a policy decides.
    AwaitingApproval {
        /// The gate's name.
        gate: String,
    },
    /// Stopped with a problem; `resume` looks again.
    NeedsHuman {
        /// Which.
        problem: Problem,
    },
    /// A person said wait.
    Paused {
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
    /// Over.
    Finished {
        /// How.
        outcome: Outcome,
    },
}

/// Where a move stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The road taken.
    pub road: Road,
    /// Forward to the target, or rolling back to the source.
    #[serde(default)]
    pub line: Line,
    /// 1 for the first try, one more after each undone one.
    pub attempt: u32,
    /// Phase of the step.
    pub phase: Phase,
    /// Step id, such as `quiesce.fence_source`; empty before the first.
    pub step: String,
    /// Forward or back.
    pub course: Course,
    /// Whether the point of no return is behind.
    pub commitment: Commitment,
    /// What it is doing.
    pub run: Run,
}

impl Status {
    /// Whether anything more will happen to this attempt.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.run, Run::Finished { .. })
    }
}

/// A record that does not fit the status it meets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{record} does not fit: {why}")]
pub struct IllegalTransition {
    /// The record's name.
    pub record: &'static str,
    /// Why it was refused, for a person.
    pub why: String,
}

/// The status after a record. The first record of a journal, and of each attempt, is `Started`.
pub fn next(
    current: Option<&Status>,
    at: Timestamp,
    step: Option<&str>,
    record: &Record,
) -> Result<Status, IllegalTransition> {
    let illegal = |why: &str| IllegalTransition { record: record.name(), why: why.to_owned() };
    let Some(status) = current else {
        let Record::Started { road, .. } = record else {
            return Err(illegal("the move has not started"));
        };
        return Ok(started(*road, 1));
    };
    if let Record::Started { road, .. } = record {
        return match &status.run {
            Run::Finished { outcome: Outcome::Undone | Outcome::RolledBack } => {
                Ok(started(*road, status.attempt + 1))
            }
            Run::Finished { outcome: Outcome::Moved } => Err(illegal("the move is finished")),
            Run::Running
            | Run::Waiting { .. }
            | Run::AwaitingApproval { .. }
            | Run::NeedsHuman { .. }
            | Run::Paused { .. } => Err(illegal("the move is under way")),
        };
    }
    if status.is_finished() {
        // Taking the lead of a finished move is harmless, and nothing else happens to it.
        let led = matches!(record, Record::Led { .. });
        return if led { Ok(status.clone()) } else { Err(illegal("the move is finished")) };
    }
    advance(status, at, step, record)
}

fn started(road: Road, attempt: u32) -> Status {
    Status {
        road,
        line: Line::Migrate,
        attempt,
        phase: Phase::Prepare,
        step: String::new(),
        course: Course::Doing,
        commitment: Commitment::Revocable,
        run: Run::Running,
    }
}

fn advance(
    status: &Status,
    at: Timestamp,
    step: Option<&str>,
    record: &Record,
) -> Result<Status, IllegalTransition> {
    let illegal = |why: &str| IllegalTransition { record: record.name(), why: why.to_owned() };
    let mut after = status.clone();
    match record {
        Record::Started { .. } => return Err(illegal("the move is under way")),
        // Taking over changes nothing; what was done or learned stays true whatever else happened.
        Record::Led { .. } | Record::Learned { .. } | Record::Acted { .. } => {}
        Record::Entered { phase, course } => {
            if *course != status.course {
                return Err(illegal("the course has changed"));
            }
            after.phase = *phase;
            after.step = step.ok_or_else(|| illegal("it names no step"))?.to_owned();
            after.run = Run::Running;
        }
        // The watch is no part of the walk: a move that stands still goes on standing still.
        Record::Intended { action, cause: Cause::Watch, .. } => {
            let before = (Line::Migrate, Commitment::Revocable);
            if (status.line, status.commitment) == before || !action.keeps_a_fence() {
                return Err(illegal("the watch only keeps a fence behind the release"));
            }
        }
        Record::Intended { commitment, course, cause: Cause::Step, .. } => {
            // A gate keeps the move from going on, not its own step from keeping order (a fence
            // that drifted is closed again while a person thinks).
            if !matches!(status.run, Run::AwaitingApproval { .. }) || *course != status.course {
                may_act(status, *course).map_err(|why| illegal(&why))?;
            }
            if *commitment == Commitment::Committed {
                after.commitment = Commitment::Committed;
            }
            after.run = Run::Running;
        }
        Record::Waiting { why, deadline } => {
            may_act(status, status.course).map_err(|why| illegal(&why))?;
            let since = match &status.run {
                Run::Waiting { since, .. } => *since,
                Run::Running
                | Run::AwaitingApproval { .. }
                | Run::NeedsHuman { .. }
                | Run::Paused { .. }
                | Run::Finished { .. } => at,
            };
            after.run = Run::Waiting { why: why.clone(), since, deadline: *deadline };
        }
        Record::Completed { .. } => {
            may_act(status, status.course).map_err(|why| illegal(&why))?;
            after.run = Run::Running;
        }
        Record::Returned { phase } => {
            if (status.line, status.course) != (Line::Reverse, Course::Undoing) {
                return Err(illegal("no roll-back is being undone"));
            }
            after.line = Line::Migrate;
            after.course = Course::Doing;
            after.commitment = Commitment::Committed;
            after.phase = *phase;
            after.step = step.ok_or_else(|| illegal("it names no step"))?.to_owned();
            after.run = Run::Running;
        }
        Record::GateOpened { gate } => after.run = Run::AwaitingApproval { gate: gate.clone() },
        Record::Stopped { problem } => after.run = Run::NeedsHuman { problem: problem.clone() },
        Record::Finished { outcome } => after.run = Run::Finished { outcome: *outcome },
        Record::Requested { request } => {
            after = requested(status, request).map_err(|w| illegal(&w))?;
        }
    }
    Ok(after)
}

fn may_act(status: &Status, course: Course) -> Result<(), String> {
    if course != status.course {
        return Err("the course has changed".to_owned());
    }
    match &status.run {
        Run::Running | Run::Waiting { .. } => Ok(()),
        Run::AwaitingApproval { gate } => Err(format!("gate {gate} is closed")),
        Run::NeedsHuman { problem } => Err(format!("the move is stopped by {}", problem.code)),
        Run::Paused { by, .. } => Err(format!("the move is paused by {by}")),
        Run::Finished { .. } => Err("the move is finished".to_owned()),
    }
}

/// Why an abort comes too late.
const fn released(line: Line) -> &'static str {
    match line {
        Line::Migrate => {
            "traffic was released to the target: the point of no return is behind this move"
        }
        Line::Reverse => {
            "traffic was released to the source: the point of no return is behind this roll-back"
        }
    }
}

/// From the release until the way back is closed.
fn rolled_back(status: &Status) -> Result<Status, String> {
    match (status.line, status.commitment) {
        (Line::Reverse, _) => return Err("it is being rolled back already".to_owned()),
        (Line::Migrate, Commitment::Revocable) => {
            return Err("nothing was released to the target: abort it instead".to_owned());
        }
        (Line::Migrate, Commitment::Committed) if status.phase >= Phase::Retire => {
            return Err("the move was accepted, and its way back is closed".to_owned());
        }
        (Line::Migrate, Commitment::Committed) => {}
    }
    Ok(Status {
        line: Line::Reverse,
        course: Course::Doing,
        commitment: Commitment::Revocable,
        phase: Phase::Quiesce,
        step: String::new(),
        run: Run::Running,
        ..status.clone()
    })
}

fn requested(status: &Status, request: &Request) -> Result<Status, String> {
    let mut after = status.clone();
    match request {
        Request::Abort { .. } => {
            if status.commitment == Commitment::Committed {
                return Err(released(status.line).to_owned());
            }
            if status.course == Course::Undoing {
                return Err("the move is being undone already".to_owned());
            }
            after.course = Course::Undoing;
            after.run = Run::Running;
        }
        Request::Approve { gate, .. } => match &status.run {
            Run::AwaitingApproval { gate: open } if open == gate => after.run = Run::Running,
            Run::AwaitingApproval { gate: open } => {
                return Err(format!("gate {open} is open, not {gate}"));
            }
            Run::Running
            | Run::Waiting { .. }
            | Run::NeedsHuman { .. }
            | Run::Paused { .. }
            | Run::Finished { .. } => return Err(format!("gate {gate} is not open")),
        },
        Request::Pause { by, why } => match &status.run {
            Run::Running | Run::Waiting { .. } => {
                after.run = Run::Paused { by: by.clone(), why: why.clone() };
            }
            Run::AwaitingApproval { gate } => {
                return Err(format!("the move waits at gate {gate} already"));
            }
            Run::NeedsHuman { .. } => return Err("the move is stopped already".to_owned()),
            Run::Paused { .. } => return Err("the move is paused already".to_owned()),
            Run::Finished { .. } => return Err("the move is finished".to_owned()),
        },
        Request::RollBack { .. } => return rolled_back(status),
        Request::Resume { .. } => match &status.run {
            Run::NeedsHuman { .. } | Run::Paused { .. } => after.run = Run::Running,
            Run::Running | Run::Waiting { .. } => return Err("the move is running".to_owned()),
            Run::AwaitingApproval { gate } => {
                return Err(format!("the move waits at gate {gate}: approve it"));
            }
            Run::Finished { .. } => return Err("the move is finished".to_owned()),
        },
    }
    Ok(after)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Code;
    use crate::action::{Action, CloudAction, DatabaseAction, RouteAction, SessionClass};
    use crate::ids::Endpoint;

    fn runs() -> impl Strategy<Value = Run> {
        let problem = || Problem::new(Code::NoEffect, "nothing changed", "Look.");
        prop_oneof![
            Just(Run::Running),
            Just(Run::Waiting {
                why: "a replica".to_owned(),
                since: Timestamp::UNIX_EPOCH,
                deadline: None
            }),
            Just(Run::AwaitingApproval { gate: "accept".to_owned() }),
            Just(Run::NeedsHuman { problem: problem() }),
            Just(Run::Paused { by: "ann".to_owned(), why: "lunch".to_owned() }),
            Just(Run::Finished { outcome: Outcome::Moved }),
        ]
    }

    fn orders() -> impl Strategy<Value = Action> {
        let at = Endpoint::new("orders.example", 5432);
        let class = SessionClass::All;
        prop_oneof![
            Just(Action::from(CloudAction::SetInstanceSecurityGroups {
                instance: "orders".into(),
                groups: vec!["sg-quarantine".into()],
            })),
            Just(Action::from(CloudAction::SetClusterSecurityGroups {
                cluster: "orders-aurora".into(),
                groups: vec!["sg-quarantine".into()],
            })),
            Just(Action::from(DatabaseAction::TerminateSessions { at, class })),
            Just(Action::from(CloudAction::PromoteCluster { cluster: "orders-aurora".into() })),
            Just(Action::from(CloudAction::RebootInstance { instance: "orders".into() })),
            Just(Action::from(RouteAction::Release { service: "orders".into(), epoch: 4 })),
        ]
    }

    proptest! {
        /// Whatever the move does behind its release, the watch shuts the other side, and only
        /// that; before the release, and after the end, it does nothing.
        #[test]
        fn the_watch_acts_in_every_state_behind_the_release_and_moves_nothing(
            run in runs(),
            action in orders(),
            commitment in prop_oneof![Just(Commitment::Revocable), Just(Commitment::Committed)],
            cause in prop_oneof![Just(Cause::Step), Just(Cause::Watch)],
        ) {
            let step = "verify.finish_target".to_owned();
            let status = Status { step, commitment, run, ..started(Road::Physical, 1) };
            let fits = action.keeps_a_fence()
                && commitment == Commitment::Committed
                && !status.is_finished();
            let (course, seen) = (Course::Doing, serde_json::Value::Null);
            let record =
                Record::Intended { action: Box::new(action), seen, course, commitment, cause };
            let after = next(Some(&status), Timestamp::UNIX_EPOCH, Some(&status.step), &record);
            match cause {
                Cause::Watch => prop_assert_eq!(after.ok(), fits.then_some(status)),
                Cause::Step => {
                    let stands =
                        matches!(status.run, Run::NeedsHuman { .. } | Run::Paused { .. } | Run::Finished { .. });
                    prop_assert_eq!(after.is_err(), stands, "{:?}", status.run);
                }
            }
        }
    }
}
