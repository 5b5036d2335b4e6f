//! Storage: whether the source's disk outlives the building of the replica.

use landfall_core::Code;
use landfall_core::finding::{Finding, Learnt};
use landfall_core::port::cloud::Metric;

use super::{Seen, page, span};
use crate::forecast::{Forecast, Race, forecast};

pub(super) fn race(seen: &Seen<'_>) -> Vec<Finding> {
    // The race was won, or lost, when the replica was made.
    if seen.inventory.cluster.is_some() {
        return vec![];
    }
    let forecast = forecast(seen.inventory, seen.instance);
    let id = &seen.instance.id;
    match forecast.race {
        Race::Won => vec![],
        Race::Unknown => vec![Finding::not_looked(
            id,
            "not looked whether the disk outlives the building of the replica: its WAL rate or \
             free storage is not known",
            "Allow cloudwatch:GetMetricStatistics, or wait until CloudWatch has some hours of \
             TransactionLogsGeneration and FreeStorageSpace.",
        )],
        Race::Tight { wins_with_gib } => vec![warn(seen, &forecast, wins_with_gib)],
        Race::Lost { wins_with_gib } if !forecast.is_well_founded() => {
            vec![warn(seen, &forecast, wins_with_gib)]
        }
        Race::Lost { wins_with_gib } => {
            let what = format!(
                "its disk is likely full before the replica is ready: {}",
                figures(&forecast)
            );
            vec![
                Finding::blocker(Code::DiskTooSmall, id, what)
                    .learnt(Learnt::Inferred)
                    .why("A full disk stops the source; until the replica has it, no WAL can go.")
                    .remedy(format!(
                        "Allocate {wins_with_gib} GiB (ModifyDBInstance AllocatedStorage), or move \
                         when less is written."
                    ))
                    .see(page::METRICS),
            ]
        }
    }
}

fn warn(seen: &Seen<'_>, forecast: &Forecast, wins_with_gib: u64) -> Finding {
    let what = format!("its disk may be full before the replica is ready: {}", figures(forecast));
    Finding::warning(&seen.instance.id, what)
        .learnt(Learnt::Inferred)
        .why("All WAL since the order to create the replica is kept until it is there.")
        .remedy(format!("Allocate {wins_with_gib} GiB, and it is not."))
        .see(page::METRICS)
}

fn figures(forecast: &Forecast) -> String {
    let kept = forecast.kept.map(|kept| {
        format!(
            "{} to {} of WAL within {} to {}",
            kept.p50,
            kept.p95,
            span(forecast.build.p50),
            span(forecast.build.p95)
        )
    });
    let free = forecast.free.map(|free| format!(", {free} free"));
    format!("{}{}", kept.unwrap_or_default(), free.unwrap_or_default())
}

/// Free storage under a tenth is a trouble of its own.
pub(super) fn free(seen: &Seen<'_>) -> Vec<Finding> {
    let (id, allocated) = (&seen.instance.id, seen.instance.allocated_gib);
    let history = seen.inventory.history.iter().find(|one| one.metric == Metric::FreeStorageSpace);
    let Some(history) = history else { return vec![] };
    let spans = match &history.spans {
        Ok(spans) => spans,
        Err(why) => {
            return vec![Finding::not_looked(
                id,
                format!("not looked at its free storage: {why}"),
                "Allow cloudwatch:GetMetricStatistics to Landfall's role.",
            )];
        }
    };
    let Some(last) = spans.last() else { return vec![] };
    let share = last.minimum / (f64::from(allocated) * 1_073_741_824.0);
    if allocated == 0 || share >= 0.1 {
        return vec![];
    }
    let what = format!("{:.0} % of its {allocated} GiB are free", (share * 100.0).max(0.0));
    vec![
        Finding::warning(id, what)
            .why("The replica's slot keeps WAL on this disk from its first minute on.")
            .remedy("Allocate more, or clean up, before the move.")
            .see(page::METRICS),
    ]
}
