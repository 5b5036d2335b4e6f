//! Acting: intent first, then the effect, then what came of it.

use std::time::Duration;

use landfall_core::action::{CloudAction, SessionsEnded};
use landfall_core::failure::{Failure, FailureKind, Retry};
use landfall_core::journal::{Cause, Record};
use landfall_core::port::Stamp;
use landfall_core::{Action, Code, Fact, Problem};
use serde_json::Value;

use super::instead::Borne;
use super::{Drive, Ended, Placed};
use crate::process::Row;
use crate::step::{BRISK, elapsed};

/// The same order, seen the same way, this often without effect: a person looks.
const REPEATS: u32 = 3;
/// The same order this often, however the world looked.
const INSISTENCE: u32 = 60;
/// How far the pause between them grows, in brisk looks.
const SLOWEST: u32 = 50;
/// How long what an extra changes may stay unseen before it is ordered again; longer each time.
/// AWS takes some of them and shows them minutes later.
const SHOWS_WITHIN: Duration = Duration::from_mins(1);

impl Drive<'_> {
    /// Does the first of the actions; the next look decides about the rest.
    pub(super) async fn act(
        &mut self,
        row: &'static Row,
        seen: Value,
        actions: Vec<Action>,
    ) -> Result<(), Ended> {
        let Some(action) = actions.into_iter().next() else { return Ok(()) };
        let repeats = self.view.repeats(&action, &seen);
        let insisted = self.view.trail.insisted;
        if is_extra(&action) {
            if let Some(rest) = self.still_showing(&action) {
                return self.pass(rest.min(self.view.spec.limits.look_every)).await;
            }
            if self.given(&action) >= REPEATS {
                let text = format!("ordered {REPEATS} times without effect");
                return self.leave(&action, text).await;
            }
        }
        if repeats >= REPEATS || insisted >= INSISTENCE {
            let problem = no_effect(&action, repeats.max(insisted));
            if self.bear_no_effect(row, (&action, &problem)).await? == Borne::Yes {
                return Ok(());
            }
            return self.stop(row, problem).await;
        }
        let before = self.view.last;
        // An order such as ending a session takes its time to show; all of the insisting in a
        // moment would say nothing.
        let pause = BRISK * insisted.min(SLOWEST);
        self.pass(self.patience(repeats).max(pause)).await?;
        if self.view.last != before {
            return Ok(());
        }
        let intent = Record::Intended {
            action: Box::new(action.clone()),
            seen,
            course: self.view.status.course,
            commitment: row.commitment,
            cause: Cause::Step,
        };
        if self.place(intent).await? == Placed::Outrun {
            return Ok(());
        }
        // From here on the effect may have happened, whatever becomes of us.
        self.keep_lease().await?;
        let done = self.perform(&action).await;
        self.record(Record::acted(&done)).await?;
        match done {
            Ok(_) => Ok(()),
            Err(failure) if is_extra(&action) => self.refused_extra(&action, &failure).await,
            Err(failure) => self.failed(row, &failure, self.view.trail.failures).await,
        }
    }

    /// How often AWS took this very order, last of all.
    fn given(&self, action: &Action) -> u32 {
        let trail = &self.view.trail;
        let last = trail.intent.as_ref().is_some_and(|(last, _)| last == action);
        if last { trail.insisted } else { 0 }
    }

    /// For how long an extra that AWS took may still not be seen.
    fn still_showing(&self, action: &Action) -> Option<Duration> {
        let given = self.given(action);
        let ordered = self.view.ordered.get(&self.view.status.step)?;
        let since = elapsed(*ordered, self.driver.ports.clock.now());
        let rest = (SHOWS_WITHIN * given).checked_sub(since)?;
        Some(rest).filter(|rest| given > 0 && !rest.is_zero())
    }

    /// An object that is busy is asked again for some minutes; then it is a person's.
    async fn refused_extra(&mut self, action: &Action, failure: &Failure) -> Result<(), Ended> {
        match failure.kind.policy().0 {
            Retry::After { pause, at_most } if self.view.trail.failures <= at_most => {
                let busy = failure.kind == FailureKind::WrongState;
                let seldom = if busy { self.view.spec.limits.look_every } else { pause };
                self.pass(pause.max(seldom)).await
            }
            Retry::After { .. } | Retry::AfterFix | Retry::Never => {
                self.leave(action, format!("refused: {}", failure.detail)).await
            }
        }
    }

    /// Leaves an order to a person, and says so: nothing that protects data depends on it.
    async fn leave(&mut self, action: &Action, text: String) -> Result<(), Ended> {
        let about = action.to_string();
        let fact = Fact::Warned { about, text: format!("{text}; do it by hand when it is missed") };
        let _: Placed = self.place(Record::Learned { fact: Box::new(fact) }).await?;
        Ok(())
    }

    pub(super) async fn perform(&self, action: &Action) -> Result<SessionsEnded, Failure> {
        let ports = self.driver.ports;
        let stamp = Stamp { migration: self.view.name.clone(), epoch: self.epoch() };
        match action {
            Action::Cloud(action) => ports.cloud.act(action, &stamp).await.map(nobody),
            Action::Route(action) => ports.router.act(action, Some(&stamp)).await.map(nobody),
            Action::Database(action) => match ports.database {
                Some(database) => database.act(action).await,
                None => Err(Failure::new(
                    FailureKind::Denied,
                    action.to_string(),
                    "the spec gives no access",
                )),
            },
        }
    }
}

/// Equipment of a target that already is the database. A move that stopped for it would leave the
/// fence of the source unwatched.
const fn is_extra(action: &Action) -> bool {
    matches!(
        action,
        Action::Cloud(
            CloudAction::Equip(_)
                | CloudAction::CreateReader(_)
                | CloudAction::SetClusterSettings { .. }
        )
    )
}

/// Orders to RDS and to the gateway tell of no session that they ended.
fn nobody(_: ()) -> SessionsEnded {
    SessionsEnded::default()
}

fn no_effect(action: &Action, times: u32) -> Problem {
    let whose = match action {
        Action::Cloud(_) => "Look at that object in the AWS console",
        Action::Route(_) => "Look at `landfall route status`",
        Action::Database(_) => "Look at that server's sessions (`pg_stat_activity`) and its log",
    };
    Problem::new(
        Code::NoEffect,
        format!("an order was given {times} times and nothing changed: {action}"),
        format!("{whose}; `landfall resume` tries again."),
    )
}
