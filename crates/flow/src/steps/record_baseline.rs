//! Purpose: remember how the source performs, so that the target can be compared with it.
//! Reads: CloudWatch's history of the source; with access its databases' and statements' counters.
//! Changes: nothing; the baseline is remembered.
//! Undo: nothing to undo.
//! If it dies here: the next start reads it again.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::comparison::{Baseline, Counters};
use landfall_core::failure::{Failure, Retry};
use landfall_core::port::Database;
use landfall_core::port::cloud::{Metric, MetricQuery, MetricSpan, Subject};
use landfall_core::{Endpoint, Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::source_endpoint;
use crate::step::{Look, Plan, Step, elapsed};
use landfall_assess::comparison::{METRICS, baseline, read_counters, wal_peak};
use landfall_assess::question::performance;

/// For so long a service that may answer soon is asked again; then its silence is written down.
const PATIENCE: Duration = Duration::from_mins(1);

/// The baseline.
pub struct RecordBaseline;

/// What was read, once.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    baseline: Option<Box<Baseline>>,
}

impl Step for RecordBaseline {
    const ID: &'static str = "prepare.record_baseline";
    const TITLE: &'static str = "Record how the source performs";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        if look.facts.baseline.is_some() {
            return Ok(Seen { baseline: None });
        }
        let at = look.now();
        let mut seen =
            Baseline { at, metrics: vec![], wal_peak: None, counters: None, not_looked: vec![] };
        for metric in METRICS {
            let read = history(look, metric, at).await;
            let Some(spans) = worth(look, read, &mut seen.not_looked)? else { continue };
            seen.metrics.extend(baseline(metric, &spans));
            if metric == Metric::TransactionLogsGeneration {
                seen.wal_peak = wal_peak(&spans);
            }
        }
        if let (Some(database), Some(source)) = (look.ports.database, source_endpoint(look.facts)) {
            let read = counters(database, source, at).await;
            seen.counters = worth(look, read, &mut seen.not_looked)?;
        }
        Ok(Seen { baseline: Some(Box::new(seen)) })
    }

    fn plan(&self, _: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        match (&facts.baseline, &seen.baseline) {
            (None, Some(baseline)) => Plan::Learn(Fact::Baseline(baseline.clone())),
            (Some(_), _) | (None, None) => Plan::Done,
        }
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// What cannot be read is written down as not looked at: no move fails for want of a baseline.
fn worth<T>(
    look: &Look<'_>,
    read: Result<T, Failure>,
    not_looked: &mut Vec<String>,
) -> Result<Option<T>, Failure> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(failure) => {
            let may_pass = matches!(failure.kind.policy().0, Retry::After { .. });
            if may_pass && elapsed(look.entered_at, look.now()) < PATIENCE {
                return Err(failure);
            }
            not_looked.push(failure.to_string());
            Ok(None)
        }
    }
}

async fn history(
    look: &Look<'_>,
    metric: Metric,
    now: Timestamp,
) -> Result<Vec<MetricSpan>, Failure> {
    let back = look.spec.baseline.history;
    let query = MetricQuery {
        metric,
        subject: Subject::Instance(look.spec.source.instance.clone()),
        from: now.checked_sub(back).unwrap_or(Timestamp::UNIX_EPOCH),
        to: now,
    };
    look.ports.cloud.history(&query, period(back)).await
}

/// As fine as CloudWatch keeps it for so long, in a few hundred periods.
fn period(back: Duration) -> u32 {
    match back.as_secs() / 3_600 {
        0..3 => 60,
        3..72 => 300,
        _ => 3_600,
    }
}

/// A server's counters as they stand.
pub(super) async fn counters(
    database: &dyn Database,
    at: &Endpoint,
    now: Timestamp,
) -> Result<Counters, Failure> {
    Ok(read_counters(&database.ask(at, performance::COUNTERS).await?, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::example_spec;

    #[test]
    fn it_is_read_once() {
        let (spec, mut facts) = (example_spec(), Facts::default());
        let baseline = Box::new(Baseline {
            at: Timestamp::UNIX_EPOCH,
            metrics: vec![],
            wal_peak: None,
            counters: None,
            not_looked: vec!["read the history of ReadIOPS: denied".to_owned()],
        });
        let read = Seen { baseline: Some(baseline.clone()) };
        let expected = Plan::Learn(Fact::Baseline(baseline.clone()));
        assert_eq!(RecordBaseline.plan(&spec, &facts, &read), expected);
        facts.baseline = Some(baseline);
        assert_eq!(RecordBaseline.plan(&spec, &facts, &Seen { baseline: None }), Plan::Done);
        assert_eq!(RecordBaseline.plan(&spec, &facts, &read), Plan::Done);
    }

    #[test]
    fn periods_grow_with_the_history() {
        let hours = |hours: u64| period(Duration::from_hours(hours));
        assert_eq!([hours(1), hours(24), hours(336)], [60, 300, 3_600]);
    }
}
