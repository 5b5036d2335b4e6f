//! The sampler: while a replica follows the source, what both do is measured and kept.
//!
//! It is no step: nothing waits for it, and a measurement that fails is a measurement that is not
//! there. CloudWatch's points keep AWS's timestamps, and what Landfall slept through is read later;
//! what SQL shows carries ours. It measures from the replica's creation until the hold, never
//! inside the pause; from the release on, what flows back. When it dies here, what was put is kept
//! and the rest is measured anew.

use futures_util::future::join3;
use jiff::{SignedDuration, Timestamp};
use landfall_core::failure::Failure;
use landfall_core::ids::{Endpoint, InstanceId, MigrationName};
use landfall_core::journal::Store;
use landfall_core::port::cloud::{Metric, MetricQuery, Subject};
use landfall_core::port::database::ServerView;
use landfall_core::port::{Cloud, Database};
use landfall_core::sample::{self, Sample, Series};
use landfall_core::status::{Course, Phase};

use super::way_back::Crossing;
use super::{Drive, Ended};
use crate::process;
use crate::step::{SKEW_AT_MOST, Samples, Step as _};
use crate::steps::WaitAvailable;
use landfall_assess::question::performance::{self, Conflicts};
use landfall_assess::question::{Reading, server};

/// Measured once in so many looks of a slow wait.
const LOOKS: u32 = 4;
/// And once in so many after one that failed: a service in trouble is asked less.
const LOOKS_IN_TROUBLE: u32 = 12;
/// CloudWatch keeps minutes for 15 days.
const CAUGHT_UP: SignedDuration = SignedDuration::from_hours(14 * 24);
/// Rates over less than this are noise.
const APART: f64 = 0.2;

/// What was measured last, and everything that is kept.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    next: Option<Timestamp>,
    replay: Option<ServerView>,
    cancelled: Option<f64>,
    kept: Samples,
    /// The look before at what flows back.
    pub(super) back: Crossing,
}

/// Where to measure.
struct Subjects {
    source: InstanceId,
    source_at: Option<Endpoint>,
    target_at: Option<Endpoint>,
}

/// What one look through SQL shows.
struct Inside {
    replica: Option<ServerView>,
    retained: Option<f64>,
    cancelled: Option<f64>,
}

impl Sampler {
    /// Reads what was kept of a move. What cannot be read keeps no move from being driven: somebody
    /// may be waiting at the gateway.
    pub(super) async fn of(store: &dyn Store, name: &MigrationName) -> Self {
        let mut sampler = Self::default();
        for series in Series::ALL {
            match store.samples(name, series).await {
                Ok(kept) => {
                    sampler.kept.insert(series, kept);
                }
                Err(error) => tracing::warn!(move_name = %name, %error, "samples are not read"),
            }
        }
        sampler
    }

    /// What was measured from an instant on; by AWS's clock from a little before.
    pub(super) fn since(&self, begin: Timestamp) -> Samples {
        let aws = begin.checked_sub(SKEW_AT_MOST).unwrap_or(begin);
        let of = |series: &Series, all: &Vec<Sample>| {
            let from = match series {
                Series::LagBytes | Series::WalBytesPerSecond => aws,
                Series::ReplayBytesPerSecond
                | Series::SlotRetainedBytes
                | Series::ReplicaConflicts
                | Series::WayBackLagBytes => begin,
            };
            all.iter().filter(|sample| sample.at >= from).copied().collect()
        };
        self.kept.iter().map(|(series, all)| (*series, of(series, all))).collect()
    }

    fn newest(&self, series: Series) -> Option<Timestamp> {
        self.kept.get(&series)?.last().map(|sample| sample.until)
    }

    /// What the replica replayed per second since the look before, by its own clock.
    fn replayed(&mut self, now: ServerView) -> Option<f64> {
        let before = self.replay.replace(now.clone())?;
        let (then, position) = before.replay_lsn.zip(now.replay_lsn)?;
        let time = now.now.duration_since(before.now).as_secs_f64();
        // After a restart, or on another server, the two positions have nothing to do with each other.
        let same = before.started_at == now.started_at && position >= then && time >= APART;
        #[expect(clippy::cast_precision_loss, reason = "a rate needs no last byte")]
        let bytes = (position.0.saturating_sub(then.0)) as f64;
        same.then(|| bytes / time)
    }

    /// What it cancelled since the look before; counters that went down were reset.
    fn cancelled(&mut self, now: f64) -> Option<f64> {
        let before = self.cancelled.replace(now)?;
        Some(if now >= before { now - before } else { now })
    }
}

impl Drive<'_> {
    /// Measures when it is time to.
    pub(super) async fn sample(&mut self) -> Result<(), Ended> {
        let now = self.driver.ports.clock.now();
        if !(self.is_followed() || self.flows_back())
            || self.sampler.next.is_some_and(|next| now < next)
        {
            return Ok(());
        }
        self.keep_lease().await?;
        if self.flows_back() {
            let looks = Box::pin(self.look_back()).await?;
            return self.measured(looks);
        }
        let measured = Box::pin(self.measure(now)).await;
        let looks = match &measured {
            Ok(()) => LOOKS,
            Err(failure) => {
                tracing::debug!(error = %failure, "a measurement failed");
                LOOKS_IN_TROUBLE
            }
        };
        self.measured(looks)
    }

    /// The next measurement is due in so many looks.
    fn measured(&mut self, looks: u32) -> Result<(), Ended> {
        let pause = self.view.spec.limits.look_every.saturating_mul(looks);
        self.sampler.next = self.driver.ports.clock.now().checked_add(pause).ok();
        Ok(())
    }

    /// Whether there may be a replica to look at, and nobody waits.
    fn is_followed(&self) -> bool {
        let status = &self.view.status;
        status.phase == Phase::Replicate && status.course == Course::Doing
    }

    /// Whether the replica was available: until then nobody answers there.
    fn is_available(&self) -> bool {
        let place = |step: &str| process::position(self.rows(), step);
        place(&self.view.status.step) > place(WaitAvailable::ID)
    }

    async fn measure(&mut self, now: Timestamp) -> Result<(), Failure> {
        let (spec, ports) = (&self.view.spec, self.driver.ports);
        let cluster = ports.cloud.cluster(&spec.target.cluster).await?;
        let subjects = Subjects {
            source: spec.source.instance.clone(),
            source_at: self.view.facts.source.as_ref().map(|source| source.endpoint.clone()),
            target_at: cluster.filter(|_| self.is_available()).and_then(|one| one.endpoint),
        };
        let newest = |series| self.sampler.newest(series);
        let lag = points(
            ports.cloud,
            &subjects.source,
            Series::LagBytes,
            (newest(Series::LagBytes), now),
        );
        let newest_wal = newest(Series::WalBytesPerSecond);
        let wal =
            points(ports.cloud, &subjects.source, Series::WalBytesPerSecond, (newest_wal, now));
        let inside = inside(ports.database, &subjects);
        let (lag, wal, inside) = join3(lag, wal, inside).await;
        let mut trouble = None;
        for (series, found) in [(Series::LagBytes, lag), (Series::WalBytesPerSecond, wal)] {
            match found {
                Ok(samples) => self.put(series, &samples).await,
                Err(failure) => trouble = Some(failure),
            }
        }
        match inside {
            Ok(inside) => self.put_inside(now, inside).await,
            Err(failure) => trouble = Some(failure),
        }
        trouble.map_or(Ok(()), Err)
    }

    async fn put_inside(&mut self, now: Timestamp, inside: Inside) {
        let replayed = inside.replica.and_then(|replica| self.sampler.replayed(replica));
        let cancelled = inside.cancelled.and_then(|count| self.sampler.cancelled(count));
        for (series, value) in [
            (Series::ReplayBytesPerSecond, replayed),
            (Series::SlotRetainedBytes, inside.retained),
            (Series::ReplicaConflicts, cancelled),
        ] {
            let samples: Vec<Sample> =
                value.map(|value| Sample::of(now, value)).into_iter().collect();
            self.put(series, &samples).await;
        }
    }

    /// A store that refuses a sample will refuse the next record, and that is told.
    pub(super) async fn put(&mut self, series: Series, samples: &[Sample]) {
        sample::add(self.sampler.kept.entry(series).or_default(), samples);
        if let Err(error) = self.driver.store.put_samples(&self.view.name, series, samples).await {
            tracing::debug!(%series, %error, "a sample was not kept");
        }
    }
}

/// CloudWatch's points since the newest that is kept, by AWS's timestamps.
async fn points(
    cloud: &dyn Cloud,
    source: &InstanceId,
    series: Series,
    (newest, now): (Option<Timestamp>, Timestamp),
) -> Result<Vec<Sample>, Failure> {
    let metric = match series {
        Series::WalBytesPerSecond => Metric::TransactionLogsGeneration,
        Series::LagBytes
        | Series::ReplayBytesPerSecond
        | Series::SlotRetainedBytes
        | Series::ReplicaConflicts
        | Series::WayBackLagBytes => Metric::OldestReplicationSlotLag,
    };
    let oldest = now.checked_sub(CAUGHT_UP).unwrap_or(now);
    let begin = now.checked_sub(SKEW_AT_MOST).unwrap_or(now);
    let query = MetricQuery {
        metric,
        subject: Subject::Instance(source.clone()),
        from: newest.map_or(begin, |newest| newest.max(oldest)),
        to: now.checked_add(SKEW_AT_MOST).unwrap_or(now),
    };
    if query.from >= query.to {
        return Ok(vec![]);
    }
    let points = cloud.metric(&query).await?;
    // Below zero there is no slot.
    let there = points.iter().filter(|point| point.value >= 0.0);
    Ok(there.map(|point| Sample::of(point.at, point.value)).collect())
}

async fn inside(database: Option<&dyn Database>, subjects: &Subjects) -> Result<Inside, Failure> {
    let mut inside = Inside { replica: None, retained: None, cancelled: None };
    let (Some(database), Some(source)) = (database, &subjects.source_at) else {
        return Ok(inside);
    };
    let slots = database.slots(source).await?;
    #[expect(clippy::cast_precision_loss, reason = "a chart needs no last byte")]
    let retained = slots.iter().map(|slot| slot.retained.0 as f64).sum();
    inside.retained = Some(retained);
    if let Some(target) = &subjects.target_at {
        inside.replica = Some(database.server(target).await?);
        let answers = database.ask(target, performance::REPLICA).await?;
        if let Reading::Looked(conflicts) = server::<Conflicts>(&answers) {
            inside.cancelled = Some(conflicts.cancelled);
        }
    }
    Ok(inside)
}

#[cfg(test)]
mod tests {
    use landfall_core::Lsn;

    use super::*;
    use crate::step::{highest, total};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn replica(started: i64, now: i64, replayed: u64) -> ServerView {
        ServerView {
            version_num: 150_014,
            system_identifier: None,
            timeline: None,
            in_recovery: true,
            started_at: at(started),
            now: at(now),
            flush_lsn: None,
            replay_lsn: Some(Lsn(replayed)),
            writable: false,
        }
    }

    #[test]
    fn a_rate_needs_two_looks_at_one_server() {
        let mut sampler = Sampler::default();
        assert_eq!(sampler.replayed(replica(0, 10, 1_000)), None, "nothing to compare with");
        assert_eq!(sampler.replayed(replica(0, 20, 6_000)), Some(500.0));
        assert_eq!(sampler.replayed(replica(0, 20, 9_000)), None, "no time has passed");
        assert_eq!(sampler.replayed(replica(30, 40, 9_500)), None, "it was restarted");
        assert_eq!(sampler.replayed(replica(30, 50, 500)), None, "it is another server");
        assert_eq!(sampler.replayed(replica(30, 60, 600)), Some(10.0));
    }

    #[test]
    fn counters_that_were_reset_count_from_there() {
        let mut sampler = Sampler::default();
        let seen: Vec<_> = [7.0, 9.0, 9.0, 2.0].map(|count| sampler.cancelled(count)).to_vec();
        assert_eq!(seen, [None, Some(2.0), Some(0.0), Some(2.0)]);
    }

    #[test]
    fn what_another_attempt_measured_is_left_out() {
        let mut sampler = Sampler::default();
        let both = vec![Sample::of(at(0), 9.0), Sample::of(at(10_000), 4.0)];
        sampler.kept.insert(Series::ReplayBytesPerSecond, both.clone());
        sampler.kept.insert(Series::LagBytes, both);
        let since = sampler.since(at(10_000));
        assert_eq!(highest(&since, Series::ReplayBytesPerSecond), Some(4.0));
        assert_eq!(total(&since, Series::LagBytes), Some(4.0));
        assert_eq!(highest(&since, Series::ReplicaConflicts), None);
        // AWS's clock may be behind ours.
        assert_eq!(sampler.since(at(10_300))[&Series::LagBytes].len(), 1);
        assert_eq!(sampler.since(at(10_300))[&Series::ReplayBytesPerSecond].len(), 0);
    }
}
