//! Advancing: what the driver does next, from the status alone.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::failure::{Failure, FailureKind, Retry};
use landfall_core::journal::{Commitment, Record, Request};
use landfall_core::quantity::duration_text;
use landfall_core::spec::OnOverrun;
use landfall_core::status::{Course, Line, Outcome, Run};
use landfall_core::{Code, Problem};
use serde_json::Value;

use super::attend::Attended;
use super::instead::Borne;
use super::{Drive, Ended, Placed};
use crate::process::{self, Row, Undo};
use crate::step::{Decision, Look, Plan, Wait, elapsed};

/// A view of RDS may be older than an order by this much.
const SETTLES: Duration = Duration::from_secs(3);

/// Between two orders to an object that is busy for long.
const BUSY_PAUSE: Duration = Duration::from_mins(1);

/// Who aborts when the pause budget is spent.
pub(crate) const BUDGET: &str = "the pause budget";

/// Who aborts when the spec says so.
pub(super) const SPEC: &str = "the spec";

impl Drive<'_> {
    pub(super) async fn walk(&mut self) -> Result<Outcome, Ended> {
        loop {
            if self.driver.gauge.stop() {
                return Err(Ended::Told);
            }
            self.keep_lease().await?;
            self.refresh().await?;
            self.driver.gauge.stands(&self.view);
            self.watch().await?;
            if let Some(abort) = self.overrun() {
                // If somebody wrote first, the next round looks again whether it still applies.
                let _: Placed = self.place(Record::Requested { request: abort }).await?;
                continue;
            }
            match self.view.status.run.clone() {
                Run::Finished { outcome } => return Ok(outcome),
                Run::Paused { .. } | Run::NeedsHuman { .. } => {
                    self.sample().await?;
                    self.pass(self.driver.pace.poll).await?;
                }
                Run::Running | Run::Waiting { .. } | Run::AwaitingApproval { .. } => {
                    self.sample().await?;
                    self.advance().await?;
                }
            }
        }
    }

    /// The abort that a spent pause budget asks for, while it may.
    pub(super) fn overrun(&self) -> Option<Request> {
        let (status, facts) = (&self.view.status, &self.view.facts);
        let held = facts.held_since.filter(|_| facts.released_at.is_none())?;
        let revocable =
            status.course == Course::Doing && status.commitment == Commitment::Revocable;
        let finishes = status.line == Line::Migrate
            && facts.promotion_ordered.is_some()
            && self.view.spec.cutover.on_overrun == OnOverrun::Finish;
        let budget = self.view.spec.pause_budget();
        let spent = self.driver.ports.clock.now().duration_since(held);
        let over = spent.is_positive() && spent.unsigned_abs() >= budget;
        (revocable && over && !finishes && !status.is_finished()).then(|| Request::Abort {
            by: BUDGET.to_owned(),
            why: format!("{} are over", duration_text::to_text(budget)),
        })
    }

    async fn advance(&mut self) -> Result<(), Ended> {
        let Some(row) = self.row() else { return self.enter_next(None).await };
        if self.view.trail.done {
            return self.enter_next(Some(row)).await;
        }
        let course = self.view.status.course;
        if course == Course::Undoing && row.undo == Undo::Nothing {
            // The way back does not depend on a look that it does not need: what made people abort
            // may well be the server that does not answer.
            let _: Placed = self.place(Record::Completed { seen: Value::Null }).await?;
            return Ok(());
        }
        let samples = self.sampler.since(self.view.started_at);
        // The look keeps the view that it was begun with.
        let view = Arc::clone(&self.view);
        let look = Look {
            samples: &samples,
            ports: self.driver.ports,
            spec: &view.spec,
            facts: &view.facts,
            entered_at: view.entered_at,
            course,
        };
        let attended = self.attend(row.step.decide(&look)).await?;
        drop(view);
        match attended {
            Attended::Answered(Ok(decision)) => {
                self.blind = 0;
                self.follow(row, decision).await
            }
            Attended::Answered(Err(failure)) => {
                self.blind += 1;
                tracing::debug!(step = row.step.id(), error = %failure, "a look failed");
                self.failed(row, &failure, self.blind).await
            }
            Attended::Overtaken => Ok(()),
            Attended::Endless(after) => self.stop(row, endless(row, after)).await,
        }
    }

    fn row(&self) -> Option<&'static Row> {
        let at = process::position(self.rows(), &self.view.status.step)?;
        self.rows().get(at)
    }

    /// The row after a finished one: downwards doing, upwards undoing; past the end the move is over.
    async fn enter_next(&mut self, done: Option<&Row>) -> Result<(), Ended> {
        let course = self.view.status.course;
        let at = done.and_then(|row| process::position(self.rows(), row.step.id()));
        let next = match (course, at) {
            (Course::Doing, None) => Some(0),
            (Course::Doing, Some(at)) => Some(at + 1),
            (Course::Undoing, None | Some(0)) => None,
            (Course::Undoing, Some(at)) => Some(at - 1),
        };
        let record = match next.and_then(|at| self.rows().get(at)) {
            Some(row) => {
                let entered = Record::Entered { phase: row.phase, course };
                let _: Placed = self.place_at(Some(row.step.id().to_owned()), entered).await?;
                return Ok(());
            }
            None => match (self.view.status.line, course) {
                (Line::Migrate, Course::Doing) => Record::Finished { outcome: Outcome::Moved },
                (Line::Migrate, Course::Undoing) => Record::Finished { outcome: Outcome::Undone },
                (Line::Reverse, Course::Doing) => Record::Finished { outcome: Outcome::RolledBack },
                (Line::Reverse, Course::Undoing) => return self.return_forward().await,
            },
        };
        let _: Placed = self.place(record).await?;
        Ok(())
    }

    /// The roll-back was undone: the move goes on right behind its release.
    async fn return_forward(&mut self) -> Result<(), Ended> {
        let Some(row) = process::behind_the_release(self.view.status.road) else { return Ok(()) };
        let returned = Record::Returned { phase: row.phase };
        let _: Placed = self.place_at(Some(row.step.id().to_owned()), returned).await?;
        Ok(())
    }

    /// Goes back, forward in course, to an earlier row whose proof does not hold any more.
    async fn enter_again(&mut self, step: &'static str) -> Result<(), Ended> {
        let at = process::position(self.rows(), step);
        let Some(row) = at.and_then(|at| self.rows().get(at)) else { return Ok(()) };
        let entered = Record::Entered { phase: row.phase, course: self.view.status.course };
        let _: Placed = self.place_at(Some(step.to_owned()), entered).await?;
        Ok(())
    }

    async fn follow(&mut self, row: &'static Row, decision: Decision) -> Result<(), Ended> {
        let Decision { seen, plan } = decision;
        let gated = matches!(self.view.status.run, Run::AwaitingApproval { .. });
        let record = match plan {
            // A gate that is open in the journal stays until it is approved there.
            Plan::Done if gated => return self.pass(self.patience(1)).await,
            Plan::Done => {
                if let Some(rest) = self.unsettled() {
                    return self.pass(rest).await;
                }
                Record::Completed { seen }
            }
            Plan::Learn(fact) => Record::Learned { fact: Box::new(fact) },
            Plan::Conclude(fact) => {
                let learned = Record::Learned { fact: Box::new(fact) };
                if self.place(learned).await? == Placed::Outrun {
                    return Ok(());
                }
                Record::Completed { seen }
            }
            Plan::Return(step) => return self.enter_again(step).await,
            Plan::GiveUp(why) => {
                Record::Requested { request: Request::Abort { by: SPEC.to_owned(), why } }
            }
            Plan::Do(actions) => return self.act(row, seen, actions).await,
            Plan::Wait(wait) => return self.wait(row, *wait).await,
            Plan::Gate(_) if gated => return self.pass(self.patience(1)).await,
            Plan::Gate(gate) => Record::GateOpened { gate: gate.to_owned() },
            Plan::Blocked(problem) => return self.stop(row, *problem).await,
        };
        let _: Placed = self.place(record).await?;
        Ok(())
    }

    /// How long "nothing to undo" may still be an old view of what this step has just ordered, or
    /// come before an order whose call was given up.
    fn unsettled(&self) -> Option<Duration> {
        let step = &self.view.status.step;
        let now = self.driver.ports.clock.now();
        let rest = |ordered: &Timestamp, settles: Duration| {
            settles.checked_sub(now.duration_since(*ordered).unsigned_abs())
        };
        let shown = self.view.ordered.get(step).and_then(|at| rest(at, SETTLES));
        let bound = self.driver.pace.call_timeout;
        let arrived = self.view.unanswered.get(step).and_then(|at| rest(at, bound));
        let undoing = self.view.status.course == Course::Undoing;
        shown.max(arrived).filter(|rest| undoing && !rest.is_zero())
    }

    async fn wait(&mut self, row: &Row, wait: Wait) -> Result<(), Ended> {
        let now = self.driver.ports.clock.now();
        let (since, told) = match &self.view.status.run {
            Run::Waiting { since, why, .. } => (*since, *why == wait.why),
            Run::Running
            | Run::AwaitingApproval { .. }
            | Run::NeedsHuman { .. }
            | Run::Paused { .. }
            | Run::Finished { .. } => (now, false),
        };
        if elapsed(since, now) >= wait.within {
            return self.stop(row, wait.late).await;
        }
        self.driver.gauge.reading(&self.view.name, &wait.reading);
        if !told {
            // A deadline beyond the calendar is no deadline.
            let deadline = since.checked_add(wait.within).ok();
            let record = Record::Waiting { why: wait.why, deadline };
            if self.place(record).await? == Placed::Outrun {
                return Ok(());
            }
        }
        self.pass(wait.every).await
    }

    /// Stops with a problem, saying where writes go.
    pub(super) async fn stop(&mut self, row: &Row, mut problem: Problem) -> Result<(), Ended> {
        problem.writes = Some(process::writes(row, &self.view.status));
        self.driver.gauge.stopped(&self.view.name, row.step.id(), &problem);
        let _: Placed = self.place(Record::Stopped { problem }).await?;
        Ok(())
    }

    /// Retries, or stops, as the one table of failures says.
    pub(super) async fn failed(
        &mut self,
        row: &Row,
        failure: &Failure,
        in_a_row: u32,
    ) -> Result<(), Ended> {
        let (retry, code) = failure.kind.policy();
        if self.bear(row, failure).await? == Borne::Yes {
            return Ok(());
        }
        match retry {
            Retry::After { pause, at_most } if in_a_row <= at_most => self.pass(pause).await,
            Retry::After { at_most, .. }
                if self.outlasts(failure, in_a_row.saturating_sub(at_most)) =>
            {
                self.driver.gauge.reading(&self.view.name, &failure.to_string());
                self.pass(BUSY_PAUSE).await
            }
            Retry::After { .. } | Retry::AfterFix | Retry::Never => {
                self.blind = 0;
                if self.bear_the_last(row, failure).await? == Borne::Yes {
                    return Ok(());
                }
                self.stop(row, told(code, self.view.status.course, failure)).await
            }
        }
    }

    /// Whether the way back waits until an object takes orders again: AWS deletes nothing that it is
    /// still building, and building takes hours. Nobody waits at the gateway for it.
    fn outlasts(&self, failure: &Failure, slow_tries: u32) -> bool {
        let facts = &self.view.facts;
        let open = facts.held_since.is_none() || facts.released_at.is_some();
        self.view.status.course == Course::Undoing
            && failure.kind == FailureKind::WrongState
            && open
            && BUSY_PAUSE * slow_tries <= self.view.spec.limits.replica_available_within
    }

    /// How long to leave an order alone before giving it again.
    pub(super) fn patience(&self, repeats: u32) -> Duration {
        self.view.spec.limits.look_every * repeats
    }
}

/// What a person is told of a look that does not end.
fn endless(row: &Row, after: Duration) -> Problem {
    Problem::new(
        Code::WaitTooLong,
        format!(
            "a look of \"{}\" did not end within {}",
            row.step.title(),
            duration_text::to_text(after)
        ),
        "Looks change nothing. See which server or test does not answer, then run `landfall \
         resume`; before release `landfall abort` goes back.",
    )
}

/// What a person is told of a failure.
fn told(code: Code, course: Course, failure: &Failure) -> Problem {
    let hint = if code == Code::AccessDenied {
        "Check credentials and rights, then run `landfall resume`."
    } else if code == Code::NameTaken {
        "Choose another name in the spec, or remove that object."
    } else if code == Code::QuotaExceeded {
        "Ask AWS for a higher quota, then run `landfall resume`."
    } else if course == Course::Undoing {
        "`landfall resume` looks again and goes on with the way back."
    } else {
        "`landfall resume` looks again; before release `landfall abort` goes back."
    };
    Problem::new(code, format!("could not {}", failure.what), hint).detail(failure.detail.clone())
}
