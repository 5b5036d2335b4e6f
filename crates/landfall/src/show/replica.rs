//! A replica that follows, in one line: its lag, the source's WAL, and how fast it replays. Behind
//! the release it is the source that follows.
//!
//! What is not measured is not mentioned: without access there is CloudWatch alone.

use landfall_api::core::{ByteCount, Series};
use landfall_api::{Measured, MoveView};

/// What is measured of the replica; `None` when nothing is.
pub(crate) fn line(view: &MoveView) -> Option<String> {
    let of = |series| view.measured.get(&series);
    if let Some(Measured { newest, maximum, .. }) = of(Series::WayBackLagBytes) {
        let (newest, maximum) = (bytes(*newest), bytes(*maximum));
        return Some(format!("the source is {newest} behind the target ({maximum} at most)"));
    }
    let mut parts = Vec::new();
    if let Some(Measured { newest, maximum, .. }) = of(Series::LagBytes) {
        parts.push(format!("lag {} ({} at most)", bytes(*newest), bytes(*maximum)));
    }
    if let Some(Measured { newest, maximum, .. }) = of(Series::WalBytesPerSecond) {
        parts.push(format!("WAL {}/s ({}/s at its peak)", bytes(*newest), bytes(*maximum)));
    }
    if let Some(Measured { newest, maximum, .. }) = of(Series::ReplayBytesPerSecond) {
        parts.push(format!("replayed {}/s ({}/s at most)", bytes(*newest), bytes(*maximum)));
    }
    if let Some(Measured { newest, .. }) = of(Series::SlotRetainedBytes) {
        parts.push(format!("slots keep {}", bytes(*newest)));
    }
    if let Some(Measured { total, .. }) = of(Series::ReplicaConflicts).filter(|m| m.total > 0.0) {
        parts.push(format!("{total:.0} queries cancelled on it"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measurement in bytes, clamped to what a byte count can be"
)]
fn bytes(value: f64) -> ByteCount {
    ByteCount(value.max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use landfall_api::core::status::Run;

    use super::*;
    use crate::show::sample;

    #[test]
    fn only_what_is_measured_is_shown() {
        let mut view = sample::view(Run::Running);
        assert_eq!(line(&view), None);
        let mebi = |newest: f64, maximum: f64| Measured {
            newest: newest * 1_048_576.0,
            at: sample::at(9),
            maximum: maximum * 1_048_576.0,
            total: 0.0,
        };
        view.measured.insert(Series::LagBytes, mebi(3.0, 64.0));
        assert_eq!(line(&view).unwrap(), "lag 3 MiB (64 MiB at most)");
        view.measured.insert(Series::WalBytesPerSecond, mebi(1.0, 9.5));
        view.measured.insert(Series::ReplayBytesPerSecond, mebi(2.0, 20.0));
        view.measured.insert(Series::SlotRetainedBytes, mebi(5.0, 5.0));
        let conflicts = Measured { total: 2.0, ..mebi(0.0, 1.0) };
        view.measured.insert(Series::ReplicaConflicts, conflicts);
        assert_eq!(
            line(&view).unwrap(),
            "lag 3 MiB (64 MiB at most), WAL 1 MiB/s (9.5 MiB/s at its peak), replayed 2 MiB/s \
             (20 MiB/s at most), slots keep 5 MiB, 2 queries cancelled on it"
        );
        view.measured.insert(Series::WayBackLagBytes, mebi(1.0, 2.0));
        let back = "the source is 1 MiB behind the target (2 MiB at most)";
        assert_eq!(line(&view).unwrap(), back, "what was measured before is over");
    }
}
