//! Purpose: nobody can write to the source any more, whatever the gateway does.
//! Reads: the source's groups and state, its sessions (with access), its restart events.
//! Changes: replaces the security groups by the quarantine group, then ends the sessions that
//!   groups do not cut: idle ones first, then after a grace the rest; or by one reboot. A gateway
//!   that keeps sessions has the grace to give all of them back. Those that come later are left to
//!   the proof, which names them.
//! Undo: the groups as they were, order and all.
//! If it dies here: the source is closed or half closed; the next start closes it, or opens it.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::try_join;
use jiff::{SignedDuration, Timestamp};
use landfall_core::action::{CloudAction, DatabaseAction, SessionClass};
use landfall_core::failure::Failure;
use landfall_core::ids::SecurityGroupId;
use landfall_core::port::cloud::{ResourceState, Subject};
use landfall_core::port::database::{Session, SessionKind, SessionState};
use landfall_core::port::router::Sessions;
use landfall_core::spec::FenceKind;
use landfall_core::{Code, Course, Endpoint, Fact, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::side::{self, Origin};
use super::{Membership, groups_are};
use crate::step::{BRISK, Look, Plan, Step, elapsed};

/// AWS's words for a restart in DescribeEvents.
const RESTARTED: &str = "restarted";

/// How long an ordered reboot may take to show before it is ordered again.
const REBOOT_SHOWS_WITHIN: SignedDuration = SignedDuration::from_mins(2);

/// A session that came this long after the groups were in force was let in by them.
const LATECOMERS: Duration = Duration::from_secs(2);

/// The fence.
pub struct FenceSource;

/// The source at the fence.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    #[serde(flatten)]
    origin: Origin,
    /// Client sessions, with access and once the groups are in force.
    clients: Option<Vec<Session>>,
    last_restart: Option<Timestamp>,
    now: Timestamp,
}

impl Step for FenceSource {
    const ID: &'static str = "quiesce.fence_source";
    const TITLE: &'static str = "Fence the source";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        // Before the look: by then a session's age is at least what it seems here.
        let now = look.now();
        let terminates = look.spec.fence() == FenceKind::Terminate;
        // Opening the source must not depend on its answers, nor on AWS's events.
        let doing = look.course == Course::Doing;
        let closed = doing && look.facts.fence_active.is_some();
        let clients = async {
            match (look.ports.database, side::origin(look.facts)) {
                (Some(database), Some(at)) if terminates && closed => {
                    let all = database.sessions(at).await?;
                    Ok(Some(all.into_iter().filter(could_write).collect()))
                }
                _ => Ok(None),
            }
        };
        let (origin, clients) = try_join(pin!(side::origin_of(look)), pin!(clients)).await?;
        let last_restart = if terminates || !doing {
            None
        } else {
            last_restart(look, &Subject::Instance(origin.writer.clone())).await?
        };
        Ok(Seen { origin, clients, last_restart, now })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let wanted = [spec.cutover.quarantine_group.clone()];
        if facts.groups_were.is_none() {
            return remember_groups(seen, &wanted);
        }
        match groups_are(&seen.origin.groups, &wanted) {
            Membership::Different => {
                return Plan::act(seen.origin.wear(wanted.to_vec()));
            }
            Membership::Changing => {
                let why = format!("the quarantine group to be in force on {}", seen.origin.name());
                return Plan::wait(spec, why, "").every(BRISK);
            }
            Membership::InForce => {}
        }
        let Some((closed_at, _)) = facts.fence_active else {
            let last_restart = seen.last_restart;
            return Plan::Learn(Fact::FenceActive { at: seen.now, last_restart });
        };
        match (&seen.clients, side::origin(facts)) {
            (Some(clients), Some(at)) => {
                let closed = elapsed(closed_at, seen.now);
                let kept = facts.gateway.is_some_and(|gateway| gateway.sessions == Sessions::Kept);
                if kept && !clients.is_empty() && closed < spec.cutover.grace {
                    return given_back(spec, clients);
                }
                terminate(spec, at, clients, closed)
            }
            _ if spec.fence() == FenceKind::Terminate => Plan::blocked(no_access()),
            _ => reboot(spec, facts, seen),
        }
    }

    fn undo(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        let Some(were) = &facts.groups_were else { return Plan::Done };
        match groups_are(&seen.origin.groups, were) {
            Membership::Different => Plan::act(seen.origin.wear(were.clone())),
            Membership::Changing => {
                let why =
                    format!("the security groups of {} to be as they were", seen.origin.name());
                Plan::wait(spec, why, "").every(BRISK)
            }
            Membership::InForce if seen.origin.state == ResourceState::Available => Plan::Done,
            Membership::InForce => {
                let why = format!("{} to be available again", seen.origin.name());
                Plan::wait(spec, why, seen.origin.state.to_string()).every(BRISK)
            }
        }
    }
}

/// Whether a session could write, or cannot be told: unknown is not harmless.
pub(super) fn could_write(session: &Session) -> bool {
    match session.kind {
        SessionKind::Client | SessionKind::Unknown => true,
        SessionKind::Ours | SessionKind::Server | SessionKind::Replication => false,
    }
}

/// The latest restart that AWS reports for an instance.
pub(super) async fn last_restart(
    look: &Look<'_>,
    subject: &Subject,
) -> Result<Option<Timestamp>, Failure> {
    // Clocks differ: an hour before the move began is far enough to find the latest one before.
    let since = look.entered_at - SignedDuration::from_hours(1);
    let events = look.ports.cloud.events(subject, since).await?;
    let restarts = events.iter().filter(|event| event.message.contains(RESTARTED));
    Ok(restarts.map(|event| event.at).max())
}

/// A restart came after the quarantine was in force, and it is ours: the event of an earlier one may
/// reach us late, and the sessions that came after that one are still there.
pub(super) fn restarted(facts: &Facts, last: Option<Timestamp>) -> bool {
    let after = facts.fence_active.is_some_and(|(_, before)| last.is_some() && last > before);
    after && facts.reboot_ordered.is_some()
}

fn remember_groups(seen: &Seen, wanted: &[SecurityGroupId]) -> Plan {
    match groups_are(&seen.origin.groups, wanted) {
        Membership::InForce => Plan::blocked(Problem::new(
            Code::QuarantineGroup,
            format!(
                "{} wears the quarantine group already, and not by this move",
                seen.origin.name()
            ),
            "Put its production groups back, then run `landfall resume`; or `landfall abort`.",
        )),
        Membership::Changing | Membership::Different => {
            Plan::Learn(Fact::GroupsWere { groups: seen.origin.worn() })
        }
    }
}

/// A pool that is paused closes a session as soon as its transaction is over. One that is ended
/// under it is an error for a client, also one that seems idle while its statement is on its way.
fn given_back(spec: &Spec, clients: &[Session]) -> Plan {
    let why = "the gateway to give its sessions back";
    Plan::wait(spec, why, format!("{} left", clients.len())).every(BRISK)
}

fn terminate(spec: &Spec, at: &Endpoint, clients: &[Session], closed: Duration) -> Plan {
    let at = at.clone();
    if clients.is_empty() {
        return Plan::Done;
    }
    // Ending them would never end: they come again. The proof says who they are.
    let came_after = |age: Duration| age.saturating_add(LATECOMERS) < closed;
    if clients.iter().any(|session| session.age.is_some_and(came_after)) {
        return Plan::Done;
    }
    if clients.iter().any(|session| session.state == SessionState::Idle) {
        return Plan::act(DatabaseAction::TerminateSessions { at, class: SessionClass::Idle });
    }
    if closed < spec.cutover.grace {
        let why = "open transactions to end by themselves";
        return Plan::wait(spec, why, format!("{} left", clients.len())).every(BRISK);
    }
    Plan::act(DatabaseAction::TerminateSessions { at, class: SessionClass::All })
}

fn reboot(spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
    let available = seen.origin.state == ResourceState::Available;
    let restarted = restarted(facts, seen.last_restart);
    let ordered_lately =
        facts.reboot_ordered.is_some_and(|at| seen.now.duration_since(at) < REBOOT_SHOWS_WITHIN);
    match (restarted, available) {
        (true, true) => Plan::Done,
        (false, true) if !ordered_lately => {
            Plan::act(CloudAction::RebootInstance { instance: seen.origin.writer.clone() })
        }
        (_, _) => {
            let why = format!("{} to come back from its reboot", seen.origin.writer);
            Plan::wait(spec, why, seen.origin.state.to_string()).every(BRISK)
        }
    }
}

fn no_access() -> Problem {
    Problem::new(
        Code::AccessTooWeak,
        "the fence is to end sessions through SQL, and there is no access",
        "Add [access] or set cutover.fence to \"reboot\".",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example_spec;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn only_a_restart_that_was_ordered_behind_the_groups_counts() {
        let late = Some(at(90));
        let mut facts = Facts { fence_active: Some((at(100), None)), ..Facts::default() };
        assert!(!restarted(&facts, late), "an earlier restart whose event came late");
        facts.reboot_ordered = Some(at(101));
        assert!(restarted(&facts, Some(at(110))));
        facts.fence_active = Some((at(100), late));
        assert!(!restarted(&facts, late));
        facts.fence_active = None;
        assert!(!restarted(&facts, Some(at(110))));
    }

    #[test]
    fn a_session_that_came_behind_the_fence_is_left_to_the_proof() {
        let (spec, at) = (example_spec(), Endpoint::new("source.test", 5432));
        let session = |age| Session {
            pid: 7,
            kind: SessionKind::Client,
            state: SessionState::Idle,
            database: None,
            user: None,
            application: String::new(),
            client: None,
            transaction_age: Duration::ZERO,
            age,
        };
        let seconds = Duration::from_secs;
        let plan = |age| terminate(&spec, &at, &[session(age)], seconds(10));
        assert_eq!(plan(Some(seconds(7))), Plan::Done);
        assert!(matches!(plan(Some(seconds(9))), Plan::Do(_)));
        assert!(matches!(plan(None), Plan::Do(_)), "an age that nobody may see is no age");
    }
}
