//! Purpose: the owner's own tests, on the target, before release and after it.
//! Reads: runs each query of `[smoke]` in a read-only transaction.
//! Changes: nothing.
//! Undo: nothing to undo.
//! If it dies here: the next start runs them again.

use async_trait::async_trait;
use landfall_core::failure::Failure;
use landfall_core::port::Database;
use landfall_core::{Code, Course, Endpoint, Problem};
use serde_json::json;

use super::{endpoint, target};
use crate::step::{AnyStep, Decision, Look, Plan};

/// A run of the owner's tests.
pub struct Smoke {
    id: &'static str,
    title: &'static str,
}

/// While nobody is there yet.
pub const SMOKE_TARGET: Smoke =
    Smoke { id: "cutover.smoke_target", title: "Run the smoke tests on the target" };

/// Under the application's load.
pub const SMOKE_AGAIN: Smoke =
    Smoke { id: "verify.smoke_again", title: "Run the smoke tests again under load" };

#[async_trait]
impl AnyStep for Smoke {
    fn id(&self) -> &'static str {
        self.id
    }

    fn title(&self) -> &'static str {
        self.title
    }

    async fn decide(&self, look: &Look<'_>) -> Result<Decision, Failure> {
        let tests = &look.spec.smoke.sql;
        let (Course::Doing, Some(database)) = (look.course, look.ports.database) else {
            return Ok(Decision { seen: json!({ "tests": 0 }), plan: Plan::Done });
        };
        let mut failed = Vec::new();
        if !tests.is_empty() {
            let cluster = target(look).await?;
            let at = endpoint(&cluster.id, cluster.endpoint.as_ref())?;
            failed = failing(database, &at, tests).await?;
        }
        let seen = json!({ "tests": tests.len(), "failed": failed });
        let plan = if failed.is_empty() {
            Plan::Done
        } else {
            Plan::blocked(smoke_problem(&failed, tests.len(), "the target"))
        };
        Ok(Decision { seen, plan })
    }
}

/// Runs every test and returns what those said that fail.
pub(super) async fn failing(
    database: &dyn Database,
    at: &Endpoint,
    tests: &[String],
) -> Result<Vec<String>, Failure> {
    let mut failed = Vec::new();
    for (index, sql) in tests.iter().enumerate() {
        if let Err(text) = database.smoke(at, sql).await? {
            failed.push(format!("test {}: {text}", index + 1));
        }
    }
    Ok(failed)
}

pub(super) fn smoke_problem(failed: &[String], of: usize, side: &str) -> Problem {
    let what = format!("{} of {of} smoke tests fail on {side}", failed.len());
    let hint = "Mend what they show, then run `landfall resume`; before release `landfall abort` \
                goes back to the source.";
    Problem::new(Code::SmokeFailed, what, hint).detail(failed.join("; "))
}
