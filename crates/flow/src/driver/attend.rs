//! Attending a look: it may take long, and nothing else waits for it.
//!
//! A smoke test, or a server with a thousand databases, is looked at for minutes. Meanwhile the
//! lease is kept, the fenced side is watched, and whoever aborts, pauses or runs out of budget is
//! heard. A look that is overtaken is dropped: it only reads. One that never ends is a problem.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::{Drive, Ended};

/// How a look ended.
pub(super) enum Attended<T> {
    /// With an answer.
    Answered(T),
    /// Something was written meanwhile, or the budget is spent, or we are told to stop.
    Overtaken,
    /// Not, in this time.
    Endless(Duration),
}

impl Drive<'_> {
    /// Waits for a look as long as it is wanted.
    pub(super) async fn attend<T>(
        &mut self,
        look: impl Future<Output = T>,
    ) -> Result<Attended<T>, Ended> {
        let (clock, poll) = (self.driver.ports.clock, self.driver.pace.poll);
        let patience = self.view.spec.limits.step_within.max(self.view.spec.pause_budget());
        // A patience beyond the calendar never ends.
        let end = clock.now().checked_add(patience).ok();
        let mut look = pin!(look);
        loop {
            let tick = clock.sleep(poll);
            match select(look.as_mut(), tick).await {
                Either::Left((answer, _)) => return Ok(Attended::Answered(answer)),
                Either::Right(((), _)) => {}
            }
            self.keep_lease().await?;
            let before = self.view.last;
            self.refresh().await?;
            self.watch().await?;
            // Decided on an older view, it would not stand.
            let written = self.view.last != before;
            if written || self.overrun().is_some() || self.driver.gauge.stop() {
                return Ok(Attended::Overtaken);
            }
            if end.is_some_and(|end| clock.now() >= end) {
                return Ok(Attended::Endless(patience));
            }
        }
    }
}
