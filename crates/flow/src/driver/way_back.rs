//! The way back, watched from the release until the move is accepted.
//!
//! It is no step: whatever the move does meanwhile, and also while it stands still, both ends are
//! looked at, the lag is kept as a series, and people are told what a roll-back would meet, each
//! thing once and taken back when it is over. It orders nothing. When it dies, the next driver
//! looks anew; what was told is in the journal.

mod health;

use std::sync::Arc;

use futures_util::future::try_join;
use landfall_core::Fact;
use landfall_core::failure::{Failure, FailureKind};
use landfall_core::journal::{Commitment, Record};
use landfall_core::sample::{Sample, Series};
use landfall_core::status::{Line, Phase};

use super::{Drive, Ended};
use crate::steps::way_back::{ABOUT, name, warning};
use crate::view::View;
use health::{Ends, Opinion};

/// One look in so many when they fail.
const SELDOM: u32 = 12;
/// Looks that fail in a row before people are told that nobody watches.
const BLIND_MAX: u32 = 3;
/// What that warning is about.
const UNSEEN: &str = "the look at the way back";

/// What is remembered of the look before.
#[derive(Debug, Default)]
pub(super) struct Crossing {
    before: Option<Ends>,
    failed: u32,
}

impl Drive<'_> {
    /// Whether writes on the target flow back, and nobody has accepted the move.
    pub(super) fn flows_back(&self) -> bool {
        let (status, facts) = (&self.view.status, &self.view.facts);
        status.line == Line::Migrate
            && status.commitment == Commitment::Committed
            && matches!(status.phase, Phase::Verify | Phase::Soak)
            && !status.is_finished()
            && facts.way_back.is_armed()
            && self.driver.ports.database.is_some()
    }

    /// Looks at both ends, and tells what has changed. In how many looks the next one is due.
    pub(super) async fn look_back(&mut self) -> Result<u32, Ended> {
        let view = Arc::clone(&self.view);
        match self.ends(&view).await {
            Ok(ends) => {
                self.sampler.back.failed = 0;
                self.judge(&view, ends).await?;
                Ok(1)
            }
            Err(failure) => {
                tracing::debug!(error = %failure, "the way back was not seen");
                let failed = self.sampler.back.failed.saturating_add(1);
                self.sampler.back.failed = failed;
                if failed == BLIND_MAX {
                    let text = format!(
                        "nobody can see whether the way back stands (could not {}): {}",
                        failure.what, failure.detail
                    );
                    self.tell(UNSEEN, Opinion::Bad(text)).await?;
                }
                Ok(SELDOM)
            }
        }
    }

    async fn ends(&self, view: &View) -> Result<Ends, Failure> {
        let (spec, ports) = (&view.spec, self.driver.ports);
        let missing = |what: &str| {
            Failure::new(FailureKind::NotFound, "look at the way back", what.to_owned())
        };
        let database = ports.database.ok_or_else(|| missing("the spec gives no access"))?;
        let source = view.facts.source.as_ref().ok_or_else(|| missing("no source is known"))?;
        let cluster = ports.cloud.cluster(&spec.target.cluster).await?;
        let target = cluster.and_then(|one| one.endpoint);
        let target = target.ok_or_else(|| missing("the target has no endpoint"))?;
        let name = name(spec);
        let (publisher, subscriber) = try_join(
            database.publisher(&target, &name),
            database.subscriber(&source.endpoint, &name),
        )
        .await?;
        let mut ends = Ends { at: ports.clock.now(), publisher, subscriber, source: None };
        // Tables that changed on the target may have been changed on the source too.
        if ends.changed(&view.facts).next().is_some() {
            let survey = database.survey(&source.endpoint).await?;
            ends.source =
                Some(survey.into_iter().map(|(name, one)| (name, one.fingerprint)).collect());
        }
        Ok(ends)
    }

    async fn judge(&mut self, view: &View, ends: Ends) -> Result<(), Ended> {
        self.keep_lag(&ends).await;
        self.tell(UNSEEN, Opinion::Good).await?;
        if let Some(why) = ends.lost() {
            self.tell(ABOUT, Opinion::Bad(warning(&why))).await?;
            return self.record(learned(Fact::WayBackClosed { why })).await;
        }
        let opinions =
            health::opinions(&view.spec, &view.facts, &ends, self.sampler.back.before.as_ref());
        for (about, opinion) in opinions {
            self.tell(&about, opinion).await?;
        }
        self.sampler.back.before = Some(ends);
        Ok(())
    }

    async fn keep_lag(&mut self, ends: &Ends) {
        let Some(lag) = ends.lag() else { return };
        #[expect(clippy::cast_precision_loss, reason = "a chart needs no last byte")]
        let sample = Sample::of(ends.at, lag.0 as f64);
        self.put(Series::WayBackLagBytes, &[sample]).await;
    }

    /// Says something once, and takes it back once.
    async fn tell(&mut self, about: &str, opinion: Opinion) -> Result<(), Ended> {
        let said = self.view.facts.warnings.get(about);
        match opinion {
            Opinion::Bad(text) if said != Some(&text) => {
                self.driver.gauge.alarm(&self.view.name, &text);
                self.record(learned(Fact::Warned { about: about.to_owned(), text })).await
            }
            Opinion::Good if said.is_some() => {
                self.record(learned(Fact::Relieved { about: about.to_owned() })).await
            }
            Opinion::Bad(_) | Opinion::Good | Opinion::AsBefore => Ok(()),
        }
    }
}

fn learned(fact: Fact) -> Record {
    Record::Learned { fact: Box::new(fact) }
}
