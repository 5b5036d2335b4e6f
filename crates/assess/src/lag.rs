//! Whether a replica keeps up with production traffic, over a window and not for a moment. Pure.
//!
//! Everything is judged on AWS's own timestamps: what counts as "since the watching began" is a
//! point of the same metric, so that no clock is compared with another. A point that is not there
//! is not a zero, and where points are missing nobody knows the lag.

use jiff::{SignedDuration, Timestamp};
use landfall_core::ByteCount;
use landfall_core::facts::{Bursts, PaceVerdict, ReplayPace, SustainedLag};
use landfall_core::port::cloud::MetricPoint;
use std::time::Duration;

/// CloudWatch reports once a minute; a longer silence is a gap.
const GAP_AT_MOST: SignedDuration = SignedDuration::from_mins(3);

/// A replica that replays this many hundredths of the source's peak has a margin.
const MARGIN_PERCENT: u64 = 120;

/// Traffic of this many hundredths of the source's peak counts as its peak.
const PEAK_PERCENT: u64 = 80;

/// What was seen of a replica.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    /// Lag, oldest first.
    pub lag: &'a [MetricPoint],
    /// WAL per second on the source, oldest first.
    pub wal: &'a [MetricPoint],
    /// The newest point when the watching began: only later ones count.
    pub after: Option<Timestamp>,
    /// The most WAL per second in the source's history.
    pub source_peak: Option<ByteCount>,
    /// The most that the replica was seen to replay per second.
    pub replay_max: Option<ByteCount>,
    /// Queries that it cancelled.
    pub conflicts: Option<u64>,
}

/// What is asked of it.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// Lag up to this is fine.
    pub limit: ByteCount,
    /// For so long.
    pub sustained_for: Duration,
}

/// The verdict, or the reading as it stands.
pub fn judge(watched: &Watched<'_>, wanted: Wanted) -> Result<SustainedLag, String> {
    let counts = |point: &&MetricPoint| watched.after.is_none_or(|after| point.at > after);
    let lag: Vec<MetricPoint> = watched.lag.iter().filter(counts).copied().collect();
    let wal: Vec<MetricPoint> = watched.wal.iter().filter(counts).copied().collect();
    let Some(newest) = lag.last() else { return Err("no data point yet".to_owned()) };
    let under = steady(&lag, wanted.limit);
    let Some(oldest) = under.first() else {
        return Err(reading(newest, &lag, wanted.limit));
    };
    let span = newest.at.duration_since(oldest.at).unsigned_abs();
    if span < wanted.sustained_for {
        let so_far = SignedDuration::from_secs(newest.at.duration_since(oldest.at).as_secs());
        return Err(format!("lag {}, steady for {so_far:#}", bytes(newest.value)));
    }
    let mut values: Vec<f64> = under.iter().map(|point| point.value).collect();
    values.sort_by(f64::total_cmp);
    Ok(SustainedLag {
        points: u32::try_from(values.len()).unwrap_or(u32::MAX),
        lag_max: bytes(values.last().copied().unwrap_or_default()),
        from: oldest.at,
        to: newest.at,
        lag_p95: percentile(&values, 95).map(bytes),
        bursts: Some(bursts(&lag, wanted.limit)),
        pace: Some(pace(watched, &wal)),
        conflicts: watched.conflicts,
        gaps: gaps(&lag),
    })
}

/// Below zero there is no slot, and so nothing that keeps up.
fn keeps_up(point: &MetricPoint, limit: ByteCount) -> bool {
    (0.0..=as_f64(limit)).contains(&point.value)
}

/// The newest stretch of points that keep up, without a gap.
fn steady(lag: &[MetricPoint], limit: ByteCount) -> &[MetricPoint] {
    let mut begin = lag.len();
    let mut later: Option<Timestamp> = None;
    for (index, point) in lag.iter().enumerate().rev() {
        let known = later.is_none_or(|later| later.duration_since(point.at) <= GAP_AT_MOST);
        if !known || !keeps_up(point, limit) {
            break;
        }
        (begin, later) = (index, Some(point.at));
    }
    lag.get(begin..).unwrap_or_default()
}

fn reading(newest: &MetricPoint, lag: &[MetricPoint], limit: ByteCount) -> String {
    if newest.value < 0.0 {
        return format!("no replication slot at {:.0}", newest.at);
    }
    let above = lag.iter().rev().take_while(|point| !keeps_up(point, limit)).last();
    let since = above.map_or(newest.at, |point| point.at);
    format!("lag {} at {:.0}, above the limit since {since:.0}", bytes(newest.value), newest.at)
}

/// Every stretch above the limit that came back.
fn bursts(lag: &[MetricPoint], limit: ByteCount) -> Bursts {
    let mut all = Bursts::default();
    let mut begun: Option<Timestamp> = None;
    for point in lag {
        if point.value > as_f64(limit) {
            begun = begun.or(Some(point.at));
        } else if let Some(begin) = begun.take() {
            all.count = all.count.saturating_add(1);
            all.longest = all.longest.max(point.at.duration_since(begin).unsigned_abs());
        }
    }
    all
}

fn gaps(lag: &[MetricPoint]) -> u32 {
    let next = lag.iter().skip(1);
    let wide = lag.iter().zip(next).filter(|(a, b)| b.at.duration_since(a.at) > GAP_AT_MOST);
    u32::try_from(wide.count()).unwrap_or(u32::MAX)
}

fn pace(watched: &Watched<'_>, wal: &[MetricPoint]) -> ReplayPace {
    let wal_peak = bytes(wal.iter().map(|point| point.value).fold(0.0, f64::max));
    let known = watched.source_peak.filter(|peak| peak.0 > 0);
    let peak = known.map(|peak| peak.max(wal_peak));
    let percent = |part: ByteCount, of: ByteCount| u128::from(part.0) * 100 / u128::from(of.0);
    let verdict = match peak {
        None => PaceVerdict::Unknown,
        Some(peak)
            if watched
                .replay_max
                .is_some_and(|replay| percent(replay, peak) >= u128::from(MARGIN_PERCENT)) =>
        {
            PaceVerdict::Faster
        }
        Some(peak) if percent(wal_peak, peak) >= u128::from(PEAK_PERCENT) => PaceVerdict::KeptUp,
        Some(_) => PaceVerdict::Quiet,
    };
    ReplayPace { wal_peak, source_peak: known, replay_max: watched.replay_max, verdict }
}

/// By nearest rank, of values in order.
pub(crate) fn percentile(sorted: &[f64], rank: usize) -> Option<f64> {
    let index = (sorted.len() * rank).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied()
}

#[expect(clippy::cast_precision_loss, reason = "a limit far below 2^52 bytes")]
const fn as_f64(count: ByteCount) -> f64 {
    count.0 as f64
}

/// A metric in bytes, clamped to what a byte count can be.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a metric in bytes, clamped to what a byte count can be"
)]
#[must_use]
pub const fn bytes(value: f64) -> ByteCount {
    ByteCount(value.max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBI: f64 = 1_048_576.0;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn points(values: &[(i64, f64)]) -> Vec<MetricPoint> {
        values
            .iter()
            .map(|(second, mebi)| MetricPoint { at: at(*second), value: mebi * MEBI })
            .collect()
    }

    fn watched(lag: &[MetricPoint]) -> Watched<'_> {
        Watched { lag, wal: &[], after: None, source_peak: None, replay_max: None, conflicts: None }
    }

    const WANTED: Wanted =
        Wanted { limit: ByteCount::mebi(128), sustained_for: Duration::from_mins(1) };

    fn verdict(values: &[(i64, f64)]) -> Result<SustainedLag, String> {
        judge(&watched(&points(values)), WANTED)
    }

    #[test]
    fn a_window_is_a_stretch_without_a_break() {
        let cases: [(&[(i64, f64)], &str); 6] = [
            (&[], "no data point yet"),
            (&[(0, 1.0)], "steady for 0s"),
            (&[(0, -1.0), (60, -1.0), (120, -1.0)], "no replication slot"),
            (&[(0, 1.0), (3_600, 1.0)], "steady for 0s"),
            (&[(0, 1.0), (60, 1.0), (120, 300.0)], "lag 300 MiB"),
            (&[(0, 1.0), (60, 200.0), (120, 300.0)], "above the limit since 2027-01-15T08:01:00Z"),
        ];
        for (values, told) in cases {
            let reading = verdict(values).expect_err("it is no window");
            assert!(reading.contains(told), "{values:?}: {reading}");
        }
        assert_eq!(verdict(&[(0, 500.0), (60, 3.0), (120, 64.0)]).unwrap().points, 2);
    }

    #[test]
    fn the_figures_are_those_of_the_window() {
        let mut values = vec![(0, 10.0), (60, 400.0), (120, 500.0), (180, 9.0), (240, 200.0)];
        values.extend((5..=24).map(|minute| (minute * 60, if minute == 9 { 64.0 } else { 2.0 })));
        let verdict = verdict(&values).unwrap();
        assert_eq!(verdict.points, 20);
        assert_eq!(verdict.lag_max, ByteCount::mebi(64));
        assert_eq!(verdict.lag_p95, Some(ByteCount::mebi(2)), "one of twenty is above");
        let longest = Duration::from_mins(2);
        assert_eq!(verdict.bursts, Some(Bursts { count: 2, longest }), "each came back");
        assert_eq!((verdict.from, verdict.to, verdict.gaps), (at(300), at(1_440), 0));
    }

    #[test]
    fn a_gap_ends_the_stretch_and_is_counted() {
        let values = [(0, 1.0), (60, 1.0), (600, 1.0), (660, 2.0), (720, 1.0)];
        let verdict = verdict(&values).unwrap();
        assert_eq!((verdict.points, verdict.gaps, verdict.from), (3, 1, at(600)));
    }

    #[test]
    fn only_what_is_newer_than_the_first_look_counts() {
        // Another slot's lag from before the replica existed; whatever our clock says.
        let lag = points(&[(0, 1.0), (60, 1.0), (120, 1.0), (180, 1.0)]);
        let since = |second| Watched { after: Some(at(second)), ..watched(&lag) };
        assert_eq!(judge(&since(60), WANTED).unwrap().from, at(120));
        assert!(judge(&since(120), WANTED).unwrap_err().contains("steady for 0s"));
        assert_eq!(judge(&since(180), WANTED).unwrap_err(), "no data point yet");
    }

    #[test]
    fn the_pace_has_a_verdict_of_its_own() {
        let lag = points(&[(0, 1.0), (60, 1.0)]);
        let busy = points(&[(0, 9.0), (60, 3.0)]);
        let mebi = |count| Some(ByteCount::mebi(count));
        let cases = [
            ("nothing known", None, None, PaceVerdict::Unknown),
            ("no history", None, mebi(99), PaceVerdict::Unknown),
            ("a history of nothing", Some(ByteCount(0)), None, PaceVerdict::Unknown),
            ("as busy as ever", mebi(10), None, PaceVerdict::KeptUp),
            ("busier than ever", mebi(5), None, PaceVerdict::KeptUp),
            ("quiet", mebi(20), None, PaceVerdict::Quiet),
            ("replayed its peak, no margin", mebi(20), mebi(21), PaceVerdict::Quiet),
            ("with a margin", mebi(20), mebi(24), PaceVerdict::Faster),
        ];
        for (case, source_peak, replay_max, expected) in cases {
            let seen = Watched { wal: &busy, source_peak, replay_max, ..watched(&lag) };
            let pace = judge(&seen, WANTED).unwrap().pace.unwrap();
            assert_eq!(pace.verdict, expected, "{case}");
            assert_eq!(pace.wal_peak, ByteCount::mebi(9), "{case}");
        }
    }
}
