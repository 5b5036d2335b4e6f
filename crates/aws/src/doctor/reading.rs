//! Probes of metrics: their units, and the shape of the slots' lag.

use std::collections::BTreeSet;

use aws_sdk_cloudwatch::types::{Datapoint, StandardUnit};
use landfall_core::probe::Verdict;

use super::evidence::{Evidence, Series};
use super::{Judged, Probe, nothing, part};

/// One segment of RDS, with what is written while it is switched.
const TOOTH: f64 = 66.0 * 1024.0 * 1024.0;
/// What counts as touching the ground.
const GROUND: f64 = 64.0 * 1024.0;

pub(super) const PROBES: &[Probe] = &[
    Probe {
        id: "slot-lag-unit",
        fact: "OldestReplicationSlotLag is in bytes",
        judge: |evidence| unit(evidence, "OldestReplicationSlotLag", &StandardUnit::Bytes),
    },
    Probe {
        id: "slot-lag-saw-tooth",
        fact: "the lag of an idle slot touches zero at least twice and stays within one segment",
        judge: saw_tooth,
    },
    Probe {
        id: "replica-lag-unit",
        fact: "RDSToAuroraPostgreSQLReplicaLag is in seconds",
        judge: |evidence| unit(evidence, "RDSToAuroraPostgreSQLReplicaLag", &StandardUnit::Seconds),
    },
    Probe {
        id: "log-usage-on-aurora",
        fact: "TransactionLogsDiskUsage is -1 on Aurora without logical replication",
        judge: log_usage,
    },
];

fn of<'a>(evidence: &'a Evidence, metric: &str) -> Result<Vec<&'a Series>, String> {
    let series = part(&evidence.series)?.iter();
    let found: Vec<_> =
        series.filter(|one| one.metric == metric && !one.points.is_empty()).collect();
    if found.is_empty() { nothing(&format!("recent point of {metric}")) } else { Ok(found) }
}

fn unit(evidence: &Evidence, metric: &str, expected: &StandardUnit) -> Judged {
    let series = of(evidence, metric)?;
    let units = series.iter().flat_map(|one| &one.points).filter_map(Datapoint::unit);
    let units: BTreeSet<_> = units.map(StandardUnit::as_str).collect();
    let only = units.iter().all(|unit| *unit == expected.as_str());
    let verdict = if only { Verdict::Confirmed } else { Verdict::Differs };
    Ok((verdict, units.into_iter().collect::<Vec<_>>().join(", ")))
}

/// Only a source that is idle shows it: one that writes all the time lags by what it writes.
fn saw_tooth(evidence: &Evidence) -> Judged {
    let idle = |series: &&&Series| highest(series) <= TOOTH && series.points.len() >= 10;
    let series = of(evidence, "OldestReplicationSlotLag")?;
    let Some(idle) = series.iter().find(idle) else { return nothing("idle source with a slot") };
    let lows = idle.points.iter().filter_map(Datapoint::minimum);
    let touches = lows.filter(|low| *low <= GROUND).count();
    let verdict = if touches >= 2 { Verdict::Confirmed } else { Verdict::Differs };
    let words = format!(
        "{}: {touches} of {} points touch zero, the highest is {:.0} bytes",
        idle.subject,
        idle.points.len(),
        highest(idle)
    );
    Ok((verdict, words))
}

fn highest(series: &Series) -> f64 {
    series.points.iter().filter_map(Datapoint::maximum).fold(0.0, f64::max)
}

/// A cluster with logical replication has a figure, so only a negative one says anything.
fn log_usage(evidence: &Evidence) -> Judged {
    let series = of(evidence, "TransactionLogsDiskUsage")?;
    let negative =
        |one: &&&Series| one.points.iter().filter_map(Datapoint::minimum).any(|value| value < 0.0);
    let Some(found) = series.iter().find(negative) else {
        return nothing("Aurora instance without logical replication");
    };
    let lowest = found.points.iter().filter_map(Datapoint::minimum).fold(0.0, f64::min);
    let minus_one = (lowest + 1.0).abs() < f64::EPSILON;
    let verdict = if minus_one { Verdict::Confirmed } else { Verdict::Differs };
    Ok((verdict, format!("{}: {lowest}", found.subject)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(points: &[f64], unit: StandardUnit) -> Evidence {
        let point = |value: &f64| {
            Datapoint::builder().minimum(*value).maximum(*value).unit(unit.clone()).build()
        };
        let series = Series {
            metric: "OldestReplicationSlotLag".to_owned(),
            subject: "orders".to_owned(),
            points: points.iter().map(point).collect(),
        };
        Evidence { series: Ok(vec![series]), ..Evidence::default() }
    }

    #[test]
    fn the_unit_is_read_and_another_differs() {
        let probed = |unit: StandardUnit| (PROBES[0].judge)(&lag(&[1.0], unit)).unwrap();
        assert_eq!(probed(StandardUnit::Bytes), (Verdict::Confirmed, "Bytes".to_owned()));
        assert_eq!(probed(StandardUnit::Megabytes), (Verdict::Differs, "Megabytes".to_owned()));
    }

    #[test]
    fn an_idle_slot_touches_zero_and_a_busy_one_says_nothing() {
        let teeth: Vec<f64> = (0..20).map(|n| f64::from(n % 5) * 16e6).collect();
        assert_eq!(saw_tooth(&lag(&teeth, StandardUnit::Bytes)).unwrap().0, Verdict::Confirmed);
        let floating = vec![5e6; 20];
        assert_eq!(saw_tooth(&lag(&floating, StandardUnit::Bytes)).unwrap().0, Verdict::Differs);
        let busy = vec![5e9; 20];
        assert!(saw_tooth(&lag(&busy, StandardUnit::Bytes)).is_err());
    }

    #[test]
    fn no_figure_is_minus_one() {
        let with = |value: f64| {
            let mut evidence = lag(&[value], StandardUnit::Bytes);
            let series = evidence.series.as_mut().unwrap();
            series[0].metric = "TransactionLogsDiskUsage".to_owned();
            log_usage(&evidence)
        };
        assert_eq!(with(-1.0).unwrap(), (Verdict::Confirmed, "orders: -1".to_owned()));
        assert_eq!(with(-2.0).unwrap().0, Verdict::Differs);
        assert!(with(7.0).is_err());
    }
}
