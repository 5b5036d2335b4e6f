//! Purpose: the owner's own tests, on the target, before release and after it.
//! Reads: runs each query of `[smoke]` in a read-only transaction, asks its URLs, runs its programs.
//! Changes: nothing; a program must not either.
//! Undo: nothing to undo.
//! If it dies here: the next start runs them again.

use async_trait::async_trait;
use futures_util::future::{join, join_all};
use landfall_core::failure::Failure;
use landfall_core::port::Database;
use landfall_core::port::tests::{TestRun, bounded};
use landfall_core::spec::SqlTest;
use landfall_core::status::Line;
use landfall_core::{Code, Course, Endpoint, Problem};
use serde_json::json;

use super::{endpoint, source_endpoint, target};
use crate::step::{AnyStep, Decision, Look, Plan, elapsed};

/// What of a failing test's words stands in the problem; the journal has them all.
const TOLD_CHARACTERS: usize = 300;

/// A run of the owner's tests.
pub struct Smoke {
    id: &'static str,
    title: &'static str,
}

/// While nobody is there yet.
pub const SMOKE_TARGET: Smoke =
    Smoke { id: "cutover.smoke_target", title: "Run the smoke tests on the target" };

/// Rolling back, while nobody is there yet.
pub const SMOKE_SOURCE: Smoke =
    Smoke { id: "reverse.smoke_source", title: "Run the smoke tests on the source" };

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
        if look.course == Course::Undoing || look.spec.smoke.count() == 0 {
            return Ok(Decision { seen: json!({ "tests": 0 }), plan: Plan::Done });
        }
        let (at, side) = winner(look).await?;
        let runs = run(look, &at).await?;
        let plan = failing(&runs, side).map_or(Plan::Done, Plan::blocked);
        Ok(Decision { seen: json!({ "tests": runs.len(), "runs": runs }), plan })
    }
}

/// The side that traffic is, or will be, released to.
async fn winner(look: &Look<'_>) -> Result<(Endpoint, &'static str), Failure> {
    match look.facts.line {
        Line::Migrate => {
            let cluster = target(look).await?;
            Ok((endpoint(&cluster.id, cluster.endpoint.as_ref())?, "the target"))
        }
        Line::Reverse => {
            Ok((endpoint(&look.spec.source.instance, source_endpoint(look.facts))?, "the source"))
        }
    }
}

/// Runs every test on a server; what each said is kept, bounded.
pub(super) async fn run(look: &Look<'_>, at: &Endpoint) -> Result<Vec<TestRun>, Failure> {
    let tests = &look.spec.smoke;
    let mut runs = Vec::new();
    if let Some(database) = look.ports.database {
        for (number, test) in (1..).zip(&tests.sql) {
            runs.push(query(look, database, at, (number, test)).await?);
        }
    }
    // Nobody waits for one while the others could run: inside the pause every moment counts.
    let http = join_all(tests.http.iter().map(|test| look.ports.tests.http(test, at)));
    let command = join_all(tests.command.iter().map(|test| look.ports.tests.command(test, at)));
    let (http, command) = join(http, command).await;
    runs.extend(http);
    runs.extend(command);
    Ok(runs)
}

async fn query(
    look: &Look<'_>,
    database: &dyn Database,
    at: &Endpoint,
    (number, test): (usize, &SqlTest),
) -> Result<TestRun, Failure> {
    let begin = look.now();
    let said = database.smoke(at, &test.query).await?;
    let (failed, output) = match said {
        Err(words) => (Some(words), String::new()),
        Ok(value) => {
            let failed = unexpected(test.expect.as_deref(), value.as_deref());
            (failed, bounded(value.unwrap_or_default().as_bytes()))
        }
    };
    let test = format!("smoke.sql test {number}");
    Ok(TestRun { test, failed, output, took: elapsed(begin, look.now()) })
}

/// Why the value is not the expected one.
fn unexpected(expected: Option<&str>, value: Option<&str>) -> Option<String> {
    let expected = expected?;
    match value {
        Some(value) if value == expected => None,
        Some(value) => {
            Some(format!("it gave {:?} instead of {expected:?}", bounded(value.as_bytes())))
        }
        None => Some(format!("it gave no value instead of {expected:?}")),
    }
}

/// The problem of those that failed.
pub(super) fn failing(runs: &[TestRun], side: &str) -> Option<Problem> {
    let failed: Vec<String> = runs.iter().filter_map(told).collect();
    if failed.is_empty() {
        return None;
    }
    let what = format!("{} of {} smoke tests fail on {side}", failed.len(), runs.len());
    let hint = "Mend what they show, then run `landfall resume`; before release `landfall abort` \
                goes back to the source.";
    Some(Problem::new(Code::SmokeFailed, what, hint).detail(failed.join("; ")))
}

fn told(run: &TestRun) -> Option<String> {
    let why = run.failed.as_ref()?;
    let said: String = run.output.chars().take(TOLD_CHARACTERS).collect();
    let said = if said.is_empty() { String::new() } else { format!(" (it said {said:?})") };
    Some(format!("{}: {why}{said}", run.test))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_expected_value_is_compared_as_printed() {
        assert_eq!(unexpected(None, None), None);
        assert_eq!(unexpected(Some("42"), Some("42")), None);
        assert_eq!(
            unexpected(Some("42"), Some("41")).as_deref(),
            Some("it gave \"41\" instead of \"42\"")
        );
        assert_eq!(
            unexpected(Some("42"), None).as_deref(),
            Some("it gave no value instead of \"42\"")
        );
    }

    #[test]
    fn a_problem_names_each_failing_test_and_its_words() {
        let run = |test: &str, failed: Option<&str>, output: &str| TestRun {
            test: test.to_owned(),
            failed: failed.map(str::to_owned),
            output: output.to_owned(),
            took: Duration::ZERO,
        };
        assert_eq!(failing(&[run("a", None, "fine")], "the target"), None);
        let long = "x".repeat(2_000);
        let runs = [run("a", None, "fine"), run("b", Some("it ended with 3"), &long)];
        let problem = failing(&runs, "the target").unwrap();
        assert_eq!(problem.primary, "1 of 2 smoke tests fail on the target");
        let detail = problem.detail;
        assert!(detail.starts_with("b: it ended with 3 (it said \"xxx"), "{detail}");
        assert!(detail.len() < 400, "{}", detail.len());
    }
}
