//! What the account allows, and what AWS has planned.

use landfall_core::Code;
use landfall_core::finding::Finding;
use landfall_core::port::cloud::{Maintenance, Quota};

use super::asking::plain_text;
use super::{Seen, page, span};
use crate::forecast;

/// What a move makes, by the name of its quota.
const NEEDS: &[(&str, u64)] = &[
    ("DBClusters", 1),
    ("DBInstances", 1),
    ("DBClusterParameterGroups", 1),
    ("DBParameterGroups", 1),
];

pub(super) fn quotas(seen: &Seen<'_>) -> Vec<Finding> {
    let Some(around) = &seen.inventory.around else { return vec![] };
    let quotas = match &around.quotas {
        Ok(quotas) => quotas,
        Err(why) => {
            return vec![Finding::not_looked(
                &seen.instance.id,
                format!("not looked at the quotas of the account: {why}"),
                "Allow rds:DescribeAccountAttributes to Landfall's role.",
            )];
        }
    };
    // What this move made already is counted as used.
    if seen.inventory.cluster.is_some() {
        return vec![];
    }
    let short = |quota: &&Quota| {
        let need = NEEDS.iter().find(|(name, _)| *name == quota.name).map_or(0, |(_, need)| *need);
        need > 0 && quota.used.saturating_add(need) > quota.max
    };
    quotas
        .iter()
        .filter(short)
        .map(|quota| {
            let what =
                format!("{} of {} are used, and the move needs one more", quota.used, quota.max);
            Finding::blocker(Code::QuotaExceeded, &quota.name, what)
                .remedy("Delete what nobody needs, or ask for a higher quota in Service Quotas.")
                .see(page::QUOTAS)
        })
        .collect()
}

pub(super) fn maintenance(seen: &Seen<'_>) -> Vec<Finding> {
    let Some(around) = &seen.inventory.around else { return vec![] };
    let pending = match &around.maintenance {
        Ok(pending) => pending,
        Err(why) => {
            return vec![Finding::not_looked(
                &seen.instance.id,
                format!("not looked at pending maintenance: {why}"),
                "Allow rds:DescribePendingMaintenanceActions to Landfall's role.",
            )];
        }
    };
    pending.iter().map(|one| planned(seen, one)).collect()
}

fn planned(seen: &Seen<'_>, one: &Maintenance) -> Finding {
    let words = one.description.as_deref().map(|words| format!(" ({})", plain_text(words)));
    let what = format!("maintenance is pending: {}{}", one.action, words.unwrap_or_default());
    let window = seen.instance.detail.maintenance_window.as_deref().unwrap_or("its window");
    let collides = one.at.zip(seen.inventory.taken_at).is_some_and(|(at, now)| {
        let build = forecast::build(seen.inventory, seen.instance).p95;
        now.saturating_add(build).is_ok_and(|end| at <= end)
    });
    let when = one.at.map_or_else(|| format!("in {window}"), |at| format!("at {at} at the latest"));
    let why = if collides {
        format!("It comes {when}, while the replica may still be built.")
    } else {
        format!("It comes {when}; a restart of the source in the pause costs the budget.")
    };
    Finding::warning(&seen.instance.id, what)
        .why(why)
        .remedy("Apply it before the move, or defer it.")
        .see(page::MAINTENANCE)
}

/// The weekly windows, so that nobody plans the cutover into one.
pub(super) fn windows(seen: &Seen<'_>) -> Vec<Finding> {
    let detail = &seen.instance.detail;
    let Some(window) = &detail.maintenance_window else { return vec![] };
    let backup = detail.backup_window.as_ref().map(|window| format!("; backups {window}"));
    let build = span(forecast::build(seen.inventory, seen.instance).p95);
    let what = format!("maintenance window {window} UTC{}", backup.unwrap_or_default());
    vec![
        Finding::note(&seen.instance.id, what)
            .why(format!("Building the replica may take {build}; AWS refuses changes meanwhile."))
            .remedy("Plan the cutover outside both.")
            .see(page::MAINTENANCE),
    ]
}
