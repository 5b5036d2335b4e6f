//! Going on without what failed, where the step says how.
//!
//! A step that the move can do without must not stop it: not before the hold, and still less inside
//! the pause, where nobody waits for a person. What it remembers instead is a decision like any
//! other: it stands only if nothing was written since.

use landfall_core::failure::{Failure, FailureKind};
use landfall_core::journal::{Record, Request};
use landfall_core::status::Course;
use landfall_core::{Action, Problem};

use super::advance::SPEC;
use super::{Drive, Ended, Placed};
use crate::process::Row;
use crate::step::{Instead, Tried, elapsed};

/// What became of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Borne {
    /// The step goes on without.
    Yes,
    /// It is tried again, or told.
    No,
}

impl Drive<'_> {
    /// Asks the step whether it goes on without a call that failed and is tried again.
    pub(super) async fn bear(&mut self, row: &Row, failure: &Failure) -> Result<Borne, Ended> {
        let since = elapsed(self.view.entered_at, self.driver.ports.clock.now());
        self.instead(row, failure, Tried::For(since)).await
    }

    /// The same at the last failure, before a person is told.
    pub(super) async fn bear_the_last(
        &mut self,
        row: &Row,
        failure: &Failure,
    ) -> Result<Borne, Ended> {
        self.instead(row, failure, Tried::InVain).await
    }

    /// The same of an order that is taken and changes nothing.
    pub(super) async fn bear_no_effect(
        &mut self,
        row: &Row,
        (action, problem): (&Action, &Problem),
    ) -> Result<Borne, Ended> {
        let detail = problem.primary.clone();
        let failure = Failure::new(FailureKind::Unknown, action.to_string(), detail);
        self.instead(row, &failure, Tried::InVain).await
    }

    async fn instead(
        &mut self,
        row: &Row,
        failure: &Failure,
        tried: Tried,
    ) -> Result<Borne, Ended> {
        if self.view.status.course == Course::Undoing {
            return Ok(Borne::No);
        }
        let record = match row.step.instead(&self.view.spec, &self.view.facts, failure, tried) {
            None => return Ok(Borne::No),
            Some(Instead::Learn(fact)) => Record::Learned { fact },
            Some(Instead::GiveUp(why)) => {
                Record::Requested { request: Request::Abort { by: SPEC.to_owned(), why } }
            }
        };
        let _: Placed = self.place(record).await?;
        self.blind = 0;
        Ok(Borne::Yes)
    }
}
