//! Purpose: the fence is tested, not believed.
//! Reads: groups; with access every session, prepared transactions and the write counters of two
//!   looks; without access the restart that came after the groups.
//! Changes: nothing; the proof is remembered, and looked at again before promotion.
//! Undo: nothing to undo.
//! If it dies here: the source is fenced; the next start proves it again.

use std::pin::pin;

use futures_util::future::{join, try_join};
use jiff::Timestamp;
use landfall_core::facts::FenceProof;
use landfall_core::failure::Failure;
use landfall_core::port::Database;
use landfall_core::port::cloud::{GroupMembership, Subject};
use landfall_core::port::database::{Session, WriteCounters};
use landfall_core::status::Line;
use landfall_core::{Code, Endpoint, Fact, Facts, Problem, Spec};
use serde::{Deserialize, Serialize};

use super::fence_source::{FenceSource, could_write, last_restart, restarted};
use super::reverse::FENCE_TARGET;
use super::side::{self, Origin};
use super::{Membership, groups_are};
use crate::step::{Look, Plan, Step};

/// The test of the fence.
pub struct ProveFence;

/// What access shows of a fenced server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inside {
    /// Sessions that could write.
    pub writers: Vec<Session>,
    /// Prepared transactions.
    pub prepared: Vec<String>,
    /// Writes counted at the first look.
    pub before: u64,
    /// Writes counted at the second.
    pub after: u64,
}

/// The fence as observed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    #[serde(flatten)]
    origin: Origin,
    inside: Option<Inside>,
    last_restart: Option<Timestamp>,
    now: Timestamp,
}

impl Step for ProveFence {
    const ID: &'static str = "quiesce.prove_fence";
    const TITLE: &'static str = "Prove that nobody writes to the source";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let Both { origin, inside } = both(look).await?;
        let last_restart = match inside {
            Some(_) => None,
            None => last_restart(look, &Subject::Instance(origin.writer.clone())).await?,
        };
        Ok(Seen { origin, inside, last_restart, now: look.now() })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if facts.fence_active.is_none() {
            return Plan::Return(fence_step(facts.line));
        }
        let wanted = [spec.cutover.quarantine_group.clone()];
        if groups_are(&seen.origin.groups, &wanted) != Membership::InForce {
            return Plan::blocked(groups_drifted(facts.line, &seen.origin.name()));
        }
        if let Some(problem) = seen.inside.as_ref().and_then(|inside| leak(facts.line, inside)) {
            return Plan::blocked(problem);
        }
        if seen.inside.is_none() && !restarted(facts, seen.last_restart) {
            return Plan::blocked(Problem::new(
                Code::FenceLeaks,
                format!(
                    "no restart of {} is seen after its groups were replaced",
                    seen.origin.writer
                ),
                format!("Run `landfall resume` to look again; {}.", side::way_out(facts.line)),
            ));
        }
        if facts.fenced.is_some() {
            return Plan::Done;
        }
        Plan::Conclude(Fact::Fenced(FenceProof {
            at: seen.now,
            writes_counted: seen.inside.as_ref().map(|inside| inside.after),
            restarted_at: seen.last_restart,
        }))
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// The fence looked at once more: a proof is as old as the journal says, and the world goes on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Again {
    groups: Vec<GroupMembership>,
    inside: Option<Inside>,
}

/// Looks once more before promotion. What cannot be looked at is not trusted.
pub(super) async fn again(look: &Look<'_>) -> Result<Again, Failure> {
    let Both { origin, inside } = both(look).await?;
    Ok(Again { groups: origin.groups, inside })
}

/// The fenced side from outside and inside.
struct Both {
    origin: Origin,
    inside: Option<Inside>,
}

/// At once: people wait at the gateway.
async fn both(look: &Look<'_>) -> Result<Both, Failure> {
    let inside = async {
        match (look.ports.database, side::origin(look.facts)) {
            (Some(database), Some(at)) => inside(database, at).await.map(Some),
            _ => Ok(None),
        }
    };
    let (origin, inside) = try_join(pin!(side::origin_of(look)), pin!(inside)).await?;
    Ok(Both { origin, inside })
}

/// Looks once more before release. A source that is gone, or does not answer behind its closed
/// groups, takes no writes, and traffic does not wait for it.
pub(super) async fn again_if_there(look: &Look<'_>) -> Result<Option<Again>, Failure> {
    let inside = async {
        match (look.ports.database, side::origin(look.facts)) {
            (Some(database), Some(at)) => inside(database, at).await.ok(),
            _ => None,
        }
    };
    let (origin, inside) = join(pin!(side::find(look)), pin!(inside)).await;
    Ok(origin?.map(|origin| Again { groups: origin.groups, inside }))
}

/// What differs from the proof, when anything does.
pub(super) fn broken(spec: &Spec, facts: &Facts, again: &Again) -> Option<Problem> {
    let wanted = [spec.cutover.quarantine_group.clone()];
    if groups_are(&again.groups, &wanted) != Membership::InForce {
        let name = side::named(&side::subject(spec, facts.line));
        return Some(groups_drifted(facts.line, &name));
    }
    again.inside.as_ref().and_then(|inside| leak_since(facts, inside))
}

/// Two looks at the counters with the sessions between them.
pub(super) async fn inside(database: &dyn Database, at: &Endpoint) -> Result<Inside, Failure> {
    let before = total(&database.write_counters(at).await?);
    let (sessions, prepared) =
        try_join(database.sessions(at), database.prepared_transactions(at)).await?;
    let after = total(&database.write_counters(at).await?);
    let writers = sessions.into_iter().filter(could_write).collect();
    Ok(Inside { writers, prepared, before, after })
}

pub(super) fn total(counters: &WriteCounters) -> u64 {
    counters.values().flat_map(|tables| tables.values()).sum()
}

/// Who, or what, gets through.
pub(super) fn leak(line: Line, seen: &Inside) -> Option<Problem> {
    let side = side::word(line);
    let hint = format!(
        "Stop that client, then run `landfall resume`; {}. The pause budget aborts by itself.",
        side::way_out(line)
    );
    if !seen.writers.is_empty() {
        let who: Vec<String> = seen.writers.iter().map(describe).collect();
        let what = format!("{} sessions on the fenced {side} could write", seen.writers.len());
        return Some(Problem::new(Code::FenceLeaks, what, hint).detail(who.join("; ")));
    }
    if let Some(problem) = prepared_problem(line, &seen.prepared) {
        return Some(problem);
    }
    if seen.before != seen.after {
        let what = format!(
            "{} rows were written to the fenced {side} between two looks",
            seen.after.abs_diff(seen.before)
        );
        return Some(Problem::new(Code::FenceLeaks, what, hint));
    }
    None
}

/// Who gets through now, or did since the fence was proven: the counters stood still meanwhile.
pub(super) fn leak_since(facts: &Facts, seen: &Inside) -> Option<Problem> {
    let counted = || facts.fenced.as_ref()?.writes_counted.filter(|counted| *counted != seen.after);
    let side = side::word(facts.line);
    leak(facts.line, seen).or_else(|| {
        let rows = seen.after.abs_diff(counted()?);
        Some(Problem::new(
            Code::FenceLeaks,
            format!("{rows} rows were written to the {side} after its fence was proven"),
            format!(
                "Run `landfall abort`: it opens the {side}, and nothing is lost. Find the writer \
                 before the next attempt."
            ),
        ))
    })
}

/// A prepared transaction outlives every session and every fence.
pub(super) fn prepared_problem(line: Line, open: &[String]) -> Option<Problem> {
    let first = open.first()?;
    let what = format!("{} prepared transactions are open, such as {first}", open.len());
    let hint = format!(
        "Commit or roll them back on the {}, then run `landfall resume`.",
        side::word(line)
    );
    Some(Problem::new(Code::PreparedTransaction, what, hint))
}

fn describe(session: &Session) -> String {
    format!(
        "pid {} user {} application {:?} database {} from {}",
        session.pid,
        session.user.as_deref().unwrap_or("?"),
        session.application,
        session.database.as_ref().map_or("?", |name| name.as_str()),
        session.client.as_deref().unwrap_or("a local socket"),
    )
}

/// The row that fences, in the table of this line.
const fn fence_step(line: Line) -> &'static str {
    match line {
        Line::Migrate => FenceSource::ID,
        Line::Reverse => FENCE_TARGET.id,
    }
}

fn groups_drifted(line: Line, name: &str) -> Problem {
    Problem::new(
        Code::FenceLeaks,
        format!("the security groups of {name} are not the quarantine group alone"),
        format!(
            "Find who changed them; `landfall resume` looks again; {}, with its production groups.",
            side::way_out(line)
        ),
    )
}
