//! What `OldestReplicationSlotLag` can prove after the fence, and what it cannot. Pure.
//!
//! A point of exactly zero after the fence means that the slot's position stood at the end of the
//! source's WAL: everything acknowledged before the fence was flushed by the replica. A point near
//! zero leaves a rest, unless the WAL moved on by more than that rest and the lag came down again:
//! touch, rise, touch is the saw-tooth of a healthy idle source. A missing point proves nothing.

use jiff::Timestamp;
use landfall_core::ByteCount;
use landfall_core::facts::MetricVerdict;
use landfall_core::port::cloud::MetricPoint;

use landfall_assess::lag::bytes;

/// Near enough to zero to be a touch.
const NEAR_ZERO: ByteCount = ByteCount::mebi(1);

/// What the points after the fence say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    /// Points looked at.
    pub points: u32,
    /// Points at or near zero.
    pub touches: u32,
    /// Whether they prove the sync by themselves.
    pub proves: bool,
    /// The time of the latest.
    pub newest: Option<Timestamp>,
    /// What they say beside another proof.
    pub verdict: MetricVerdict,
}

/// Reads the points that begin after the fence stood.
pub(super) fn read(points: &[MetricPoint], fenced_at: Timestamp) -> Reading {
    // Below zero stands for "there is no slot": a replica that lost its own has not caught up.
    let measured = points.iter().filter(|point| point.at >= fenced_at && point.value >= 0.0);
    let newest = measured.clone().map(|point| point.at).max();
    let after: Vec<u64> = measured.map(|point| bytes(point.value).0).collect();
    let exact = after.iter().filter(|lag| **lag == 0).count();
    let touches = after.iter().filter(|lag| **lag <= NEAR_ZERO.0).count();
    let above = after.last().is_some_and(|lag| *lag > ByteCount::RDS_SEGMENT.0);
    let verdict = match (after.is_empty(), above) {
        (true, _) => MetricVerdict::Silent,
        (false, true) => MetricVerdict::Contradicts,
        (false, false) => MetricVerdict::Agrees,
    };
    Reading {
        points: u32::try_from(after.len()).unwrap_or(u32::MAX),
        touches: u32::try_from(touches).unwrap_or(u32::MAX),
        newest,
        proves: !above && (exact >= 2 || saw_tooth(&after)),
        verdict,
    }
}

/// Touch, rise by more than the rest a touch may leave, touch.
fn saw_tooth(lags: &[u64]) -> bool {
    let first = lags.iter().position(|lag| *lag <= NEAR_ZERO.0);
    let Some(rest) = first.and_then(|at| lags.get(at + 1..)) else { return false };
    let rise = rest.iter().position(|lag| *lag > 2 * NEAR_ZERO.0);
    let Some(rest) = rise.and_then(|at| rest.get(at + 1..)) else { return false };
    rest.iter().any(|lag| *lag <= NEAR_ZERO.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(lags: &[(i64, f64)]) -> Reading {
        let points: Vec<_> = lags
            .iter()
            .map(|(second, mebi)| MetricPoint {
                at: Timestamp::from_second(*second).unwrap(),
                value: mebi * 1048576.0,
            })
            .collect();
        read(&points, Timestamp::from_second(100).unwrap())
    }

    #[test]
    fn missing_points_prove_nothing() {
        assert_eq!(reading(&[]).verdict, MetricVerdict::Silent);
        assert!(!reading(&[]).proves);
        assert_eq!(
            reading(&[(40, 0.0), (99, 0.0)]).verdict,
            MetricVerdict::Silent,
            "before the fence"
        );
    }

    #[test]
    fn one_touch_is_not_enough() {
        assert!(!reading(&[(160, 0.0)]).proves);
        assert!(reading(&[(160, 0.0), (220, 0.0)]).proves);
        assert!(!reading(&[(160, 0.5), (220, 0.5)]).proves, "a rest may stay behind near zero");
        assert!(reading(&[(160, 0.5), (220, 40.0), (280, 0.2)]).proves);
        assert!(!reading(&[(160, 0.5), (220, 40.0)]).proves, "it did not come down again");
    }

    #[test]
    fn a_slot_that_is_gone_is_no_zero() {
        let gone = reading(&[(160, -1.0), (220, -1.0)]);
        assert!(!gone.proves);
        assert_eq!(gone.verdict, MetricVerdict::Silent);
    }

    #[test]
    fn a_stuck_replica_contradicts() {
        let stuck = reading(&[(160, 0.0), (220, 0.0), (280, 70.0)]);
        assert_eq!(stuck.verdict, MetricVerdict::Contradicts);
        assert!(!stuck.proves);
        assert_eq!(reading(&[(160, 64.0)]).verdict, MetricVerdict::Agrees, "the height of a tooth");
    }
}
