//! The edges: nothing measured, gaps, autoscaling, own history, a disk of nothing.

use landfall_core::failure::{Failure, FailureKind};
use landfall_core::port::cloud::Metric;

use super::*;
use crate::inventory::History;
use crate::made_up::{Case, GIB, clean, history, now};

fn of(case: &mut Case) -> Forecast {
    let instance = case.instance().clone();
    forecast(&case.inventory, &instance)
}

fn writes(case: &mut Case, rate: impl Fn(i64) -> f64) {
    case.inventory.history[0] = history(Metric::TransactionLogsGeneration, rate);
}

#[test]
fn a_quiet_source_wins_the_race_and_the_figures_say_why() {
    let forecast = of(&mut clean());
    // 50 GB: 20 min + 12 min; 1 h + 24 min.
    assert_eq!(forecast.build.p50, Duration::from_mins(32));
    assert_eq!(forecast.build.p95, Duration::from_mins(84));
    assert_eq!(forecast.race, Race::Won);
    assert_eq!(forecast.kept.unwrap().p50, ByteCount(500_000 * 32 * 60));
    assert_eq!(forecast.free, Some(ByteCount(120 << 30)));
    let wal = forecast.wal.unwrap();
    assert_eq!((wal.covers, wal.missing), (Duration::from_hours(71), 0));
    assert_eq!(wal.peak, 750_000.0);
    assert!(forecast.basis.iter().any(|one| one.contains("several hours per TB")));
    assert_eq!(forecast.pause.p95, Duration::from_mins(10));
}

#[test]
fn the_instant_of_the_full_disk_is_room_over_rate() {
    let mut case = clean();
    writes(&mut case, |_| 1e6);
    let full = of(&mut case).full_at.unwrap();
    let after = full.p50.duration_since(now()).as_secs();
    assert_eq!(after, 128_849); // 120 GiB at 1 MB/s.
    assert_eq!(full.p50, full.p95);
    let instance = case.instance().clone();
    let days = days_to_full_disk(&case.inventory, &instance).unwrap();
    assert!((days - 1.49).abs() < 0.01, "{days}");
}

#[test]
fn a_disk_that_loses_is_told_the_size_that_wins_also_at_worst() {
    let mut case = clean();
    writes(&mut case, |_| 100e6);
    let Race::Lost { wins_with_gib } = of(&mut case).race else { panic!("it is won") };
    assert_eq!(wins_with_gib % 10, 0);
    case.inventory.history[1] = {
        let more = f64::from(u32::try_from(wins_with_gib).unwrap() - 200);
        history(Metric::FreeStorageSpace, move |_| (120.0 + more) * GIB)
    };
    case.instance().allocated_gib = u32::try_from(wins_with_gib).unwrap();
    assert_eq!(of(&mut case).race, Race::Won, "the size that was told does not win");
}

#[test]
fn a_short_burst_makes_it_tight_and_not_lost() {
    let mut case = clean();
    writes(&mut case, |hour| if hour % 12 == 0 { 60e6 } else { 1e6 });
    assert!(matches!(of(&mut case).race, Race::Tight { .. }));
}

#[test]
fn autoscaling_adds_room() {
    let mut case = clean();
    writes(&mut case, |_| 60e6);
    assert!(matches!(of(&mut case).race, Race::Lost { .. } | Race::Tight { .. }));
    case.instance().detail.max_allocated_gib = Some(2_000);
    let forecast = of(&mut case);
    assert_eq!(forecast.autoscaling, Some(ByteCount(1_800 << 30)));
    assert_eq!(forecast.race, Race::Won);
    assert!(forecast.basis.iter().any(|one| one.contains("autoscaling")));
    case.instance().detail.max_allocated_gib = Some(200);
    assert_eq!(of(&mut case).autoscaling, None, "its limit is reached");
}

#[test]
fn without_measurements_nothing_is_claimed() {
    let mut case = clean();
    let failure = Failure::new(FailureKind::Denied, "read it", "AccessDenied");
    let metric = Metric::TransactionLogsGeneration;
    for spans in [Ok(vec![]), Err(failure)] {
        case.inventory.history[0] = History { metric, spans };
        let forecast = of(&mut case);
        assert_eq!((forecast.race, forecast.kept, forecast.full_at), (Race::Unknown, None, None));
        assert!(!forecast.is_well_founded());
        assert!(forecast.basis.iter().any(|one| one.contains("was not measured")));
    }
    case.inventory.history.clear();
    case.inventory.answers.clear();
    let forecast = of(&mut case);
    assert_eq!(forecast.bytes, ByteCount(200 << 30), "all that is allocated");
}

#[test]
fn gaps_are_left_out_and_counted_and_a_zero_is_a_zero() {
    let mut case = clean();
    let Ok(spans) = &mut case.inventory.history[0].spans else { panic!("they are there") };
    spans.drain(10..20);
    let wal = of(&mut case).wal.unwrap();
    assert_eq!((wal.missing, wal.covers), (10, Duration::from_hours(61)));
    assert_eq!(wal.p50, 500_000.0, "a gap is not a zero");
    writes(&mut case, |_| 0.0);
    let forecast = of(&mut case);
    assert_eq!((forecast.race, forecast.full_at), (Race::Won, None));
}

#[test]
fn little_measured_refuses_no_move() {
    let mut case = clean();
    writes(&mut case, |_| 100e6);
    let Ok(spans) = &mut case.inventory.history[0].spans else { panic!("they are there") };
    spans.truncate(3);
    let forecast = of(&mut case);
    assert!(matches!(forecast.race, Race::Lost { .. }));
    assert!(!forecast.is_well_founded());
}

#[test]
fn three_moves_of_ones_own_take_the_place_of_the_priors() {
    let mut case = clean();
    let past = |gigabytes: u64, minutes: u64, pause: u64| PastMove {
        bytes: ByteCount(gigabytes * 1_000_000_000),
        build: Duration::from_mins(minutes),
        pause: Duration::from_secs(pause),
    };
    case.inventory.experience = vec![past(100, 10, 20), past(50, 10, 40)];
    assert_eq!(of(&mut case).build.p50, Duration::from_mins(32), "two are not enough");
    case.inventory.experience.push(past(1_000, 50, 30));
    let forecast = of(&mut case);
    assert_eq!(forecast.build.p95, Duration::from_mins(10));
    assert_eq!((forecast.pause.p50.as_secs(), forecast.pause.p95.as_secs()), (30, 40));
    assert!(forecast.basis.iter().any(|one| one.contains("3 finished moves")));
}
