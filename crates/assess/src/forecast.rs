//! What a move will take: the time to build the replica, the WAL the source keeps meanwhile, the
//! instant its disk would be full, and the pause. Pure, and the same for the same inventory.
//!
//! Every figure has two values: p50, as likely over as under, and p95, exceeded by one in twenty.
//! Where nothing was measured a stated prior stands in, and `basis` says so; the moves that this
//! Landfall has finished take its place. Nothing here is a promise.

mod rate;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
pub use landfall_core::experience::PastMove;
use landfall_core::port::cloud::{Instance, Metric, MetricSpan};
use landfall_core::quantity::{ByteCount, duration_text};
use serde::{Deserialize, Serialize};

pub use rate::Rates;
use rate::{as_bytes, as_float, quantile};

use crate::inventory::Inventory;
use crate::question::database::DatabaseSizes;
use crate::question::{Reading, server};
use crate::span::span;

/// AWS's guide says "several hours per TB"; practitioners saw 20 TB in four days.
const HOURS_PER_TB: (f64, f64) = (4.0, 8.0);

/// A small one: practitioners saw less than half an hour under 100 GB.
const LEAST_BUILD: (Duration, Duration) = (Duration::from_mins(20), Duration::from_hours(1));

/// Promotions take one to ten minutes.
const PAUSE: (Duration, Duration) = (Duration::from_mins(3), Duration::from_mins(10));

/// So many own moves take the place of a prior.
const ENOUGH: usize = 3;

/// A measured rate decides over a move only when it covers this much.
const COVERS: Duration = Duration::from_hours(3);

/// What is left of the free storage when a race counts as won.
const RESERVE: f64 = 0.1;

/// A duration, likely and at worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spell {
    /// As likely longer as shorter.
    #[serde(with = "duration_text")]
    pub p50: Duration,
    /// Longer once in twenty times.
    #[serde(with = "duration_text")]
    pub p95: Duration,
}

/// The same for anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Odds<T> {
    /// Likely.
    pub p50: T,
    /// At worst.
    pub p95: T,
}

/// Who wins: the replica, or the disk that fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Race {
    /// The replica is ready with room to spare, also at p95.
    Won,
    /// It is likely ready in time, and at p95 it is not.
    Tight {
        /// Storage that wins also at p95, GiB.
        wins_with_gib: u64,
    },
    /// The disk is likely full before.
    Lost {
        /// Storage that wins also at p95, GiB.
        wins_with_gib: u64,
    },
    /// WAL rate or free storage are not known.
    Unknown,
}

/// What is to be expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// What is copied.
    pub bytes: ByteCount,
    /// From the order to create the replica until it is available.
    pub build: Spell,
    /// WAL of the source per second, where it was measured.
    pub wal: Option<Rates>,
    /// WAL that the source keeps until then.
    pub kept: Option<Odds<ByteCount>>,
    /// Free storage of the source.
    pub free: Option<ByteCount>,
    /// What storage autoscaling may add to it.
    pub autoscaling: Option<ByteCount>,
    /// When the disk would be full, if the replica never took any WAL.
    pub full_at: Option<Odds<Timestamp>>,
    /// Who wins.
    pub race: Race,
    /// From hold to release.
    pub pause: Spell,
    /// What the figures rest on, one sentence each.
    pub basis: Vec<String>,
}

/// The forecast of the physical road.
pub fn forecast(inventory: &Inventory, instance: &Instance) -> Forecast {
    let (bytes, from) = bytes(inventory, instance);
    let build = build(inventory, instance);
    let wal = Rates::of(spans(inventory, Metric::TransactionLogsGeneration));
    let free = free(inventory);
    let autoscaling = autoscaling(instance);
    let kept = wal
        .as_ref()
        .map(|wal| Odds { p50: times(wal.p50, build.p50), p95: times(wal.p95, build.p95) });
    let room = free.map(|free| ByteCount(free.0 + autoscaling.unwrap_or_default().0));
    let full_at = full_at(inventory, wal.as_ref(), room);
    let race = race(instance, kept, free, room);
    let mut basis = vec![from];
    basis.push(build_basis(inventory));
    basis.push(wal_basis(wal.as_ref()));
    if let Some(autoscaling) = autoscaling {
        basis.push(format!(
            "Storage autoscaling may add {autoscaling}, but not twice within six hours."
        ));
    }
    basis.push(pause_basis(inventory));
    let pause = pause(inventory);
    Forecast { bytes, build, wal, kept, free, autoscaling, full_at, race, pause, basis }
}

impl Forecast {
    /// Whether the WAL rate was measured for long enough to refuse a move by it.
    pub fn is_well_founded(&self) -> bool {
        self.wal.as_ref().is_some_and(|wal| wal.covers >= COVERS)
    }
}

fn spans(inventory: &Inventory, metric: Metric) -> &[MetricSpan] {
    let found = inventory.history.iter().find(|history| history.metric == metric);
    found.and_then(|history| history.spans.as_deref().ok()).unwrap_or_default()
}

/// Bytes to be copied, and where they are known from.
fn bytes(inventory: &Inventory, instance: &Instance) -> (ByteCount, String) {
    if let Reading::Looked(DatabaseSizes(sizes)) = server::<DatabaseSizes>(&inventory.answers) {
        let known: Option<u64> = sizes.items.iter().map(|one| one.bytes).sum();
        if let Some(known) = known.filter(|_| sizes.left_out() == 0) {
            let known = ByteCount(known);
            return (known, format!("The databases say that they hold {known}."));
        }
    }
    let allocated = ByteCount(u64::from(instance.allocated_gib) << 30);
    match free(inventory) {
        Some(free) if free < allocated => {
            let used = ByteCount(allocated.0 - free.0);
            (used, format!("{used} of {allocated} of storage are in use, WAL included."))
        }
        Some(_) | None => {
            let words = format!("What is in use is not known; {allocated} are allocated.");
            (allocated, words)
        }
    }
}

/// The latest measurement, at its lowest.
fn free(inventory: &Inventory) -> Option<ByteCount> {
    let last = spans(inventory, Metric::FreeStorageSpace).last()?;
    Some(as_bytes(last.minimum))
}

fn autoscaling(instance: &Instance) -> Option<ByteCount> {
    let most = instance.detail.max_allocated_gib?;
    let more = most.checked_sub(instance.allocated_gib).filter(|more| *more > 0)?;
    Some(ByteCount(u64::from(more) << 30))
}

fn times(rate: f64, duration: Duration) -> ByteCount {
    as_bytes(rate * duration.as_secs_f64())
}

/// How long the replica takes to build.
pub fn build(inventory: &Inventory, instance: &Instance) -> Spell {
    let terabytes = as_float(bytes(inventory, instance).0) / 1e12;
    let speeds: Vec<f64> = inventory
        .experience
        .iter()
        .filter(|past| past.bytes.0 > 0)
        .map(|past| past.build.as_secs_f64() / (as_float(past.bytes) / 1e12))
        .collect();
    if speeds.len() >= ENOUGH {
        let take = |share: f64| {
            let whole = quantile(&speeds, share).unwrap_or_default() * terabytes;
            // A small database costs what a small one costs, however many bytes it has.
            let builds = inventory.experience.iter().map(|past| past.build).min();
            seconds(whole).max(builds.unwrap_or_default())
        };
        return Spell { p50: take(0.5), p95: take(0.95) };
    }
    let prior = |hours: f64, least: Duration| seconds(hours * 3600.0 * terabytes) + least;
    Spell { p50: prior(HOURS_PER_TB.0, LEAST_BUILD.0), p95: prior(HOURS_PER_TB.1, LEAST_BUILD.1) }
}

/// Whole seconds: the journal keeps no more, and nobody reads more.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0).round()).unwrap_or(Duration::MAX)
}

/// How long the application's connections wait.
pub fn pause(inventory: &Inventory) -> Spell {
    let pauses: Vec<f64> =
        inventory.experience.iter().map(|past| past.pause.as_secs_f64()).collect();
    if pauses.len() < ENOUGH {
        return Spell { p50: PAUSE.0, p95: PAUSE.1 };
    }
    let take = |share: f64| seconds(quantile(&pauses, share).unwrap_or_default());
    Spell { p50: take(0.5), p95: take(0.95) }
}

fn full_at(
    inventory: &Inventory,
    wal: Option<&Rates>,
    room: Option<ByteCount>,
) -> Option<Odds<Timestamp>> {
    let (wal, room, now) = (wal?, room?, inventory.taken_at?);
    let at = |rate: f64| {
        let after = (rate > 0.0).then(|| seconds(as_float(room) / rate))?;
        now.checked_add(after).ok()
    };
    Some(Odds { p50: at(wal.p50)?, p95: at(wal.p95)? })
}

/// Days until the disk is full when all WAL is kept from now on, at the likely rate.
pub fn days_to_full_disk(inventory: &Inventory, instance: &Instance) -> Option<f64> {
    let wal = Rates::of(spans(inventory, Metric::TransactionLogsGeneration))?;
    let room = as_float(free(inventory)?) + autoscaling(instance).map_or(0.0, as_float);
    (wal.p50 > 0.0).then(|| room / wal.p50 / 86_400.0)
}

fn race(
    instance: &Instance,
    kept: Option<Odds<ByteCount>>,
    free: Option<ByteCount>,
    room: Option<ByteCount>,
) -> Race {
    let (Some(kept), Some(free), Some(room)) = (kept, free, room) else { return Race::Unknown };
    let fits = |kept: ByteCount| as_float(kept) <= as_float(room) * (1.0 - RESERVE);
    let wins_with_gib = || {
        let needed = as_bytes(as_float(kept.p95) / (1.0 - RESERVE));
        let more = needed.0.saturating_sub(free.0).div_ceil(1 << 30);
        (u64::from(instance.allocated_gib) + more).next_multiple_of(10)
    };
    if !fits(kept.p50) {
        Race::Lost { wins_with_gib: wins_with_gib() }
    } else if !fits(kept.p95) {
        Race::Tight { wins_with_gib: wins_with_gib() }
    } else {
        Race::Won
    }
}

fn build_basis(inventory: &Inventory) -> String {
    let own = inventory.experience.len();
    if own >= ENOUGH {
        return format!("The build is judged by {own} finished moves of this Landfall.");
    }
    format!(
        "Building: AWS says \"several hours per TB\"; taken as {} h, {} h at worst, and {} to {} \
         beside. {ENOUGH} finished moves of your own take its place.",
        HOURS_PER_TB.0,
        HOURS_PER_TB.1,
        span(LEAST_BUILD.0),
        span(LEAST_BUILD.1),
    )
}

fn wal_basis(wal: Option<&Rates>) -> String {
    let Some(wal) = wal else {
        return "The WAL rate (TransactionLogsGeneration) was not measured: the race against the \
                disk cannot be judged."
            .to_owned();
    };
    let gaps = match wal.missing {
        0 => String::new(),
        missing => format!(", {missing} periods without a measurement left out"),
    };
    if wal.covers.is_zero() {
        return "The WAL rate was measured once: take what follows from it as a hint.".to_owned();
    }
    format!("The WAL rate was measured over {}{gaps}.", span(wal.covers))
}

fn pause_basis(inventory: &Inventory) -> String {
    let own = inventory.experience.len();
    if own >= ENOUGH {
        return format!("The pause is judged by {own} finished moves of this Landfall.");
    }
    "The pause is mostly AWS's promotion: one to ten minutes by what others measured.".to_owned()
}
