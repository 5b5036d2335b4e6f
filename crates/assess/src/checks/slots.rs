//! Slots, publications and subscriptions: what keeps WAL, what does not survive the promotion, and
//! what would write on the target by itself.

use landfall_core::finding::{Finding, Learnt};
use landfall_core::quantity::ByteCount;

use super::asking::{names, of_each, of_server, plain};
use super::{Seen, page, span};
use crate::forecast;
use crate::question::replication::{Publications, Slot, Slots, Subscriptions};

pub(super) fn slots(seen: &Seen<'_>) -> Vec<Finding> {
    let heard = of_server::<Slots>(seen, "replication slots");
    let asked = !heard.said.is_empty();
    let mut found = heard.judge(|said| {
        let all = said.iter().flat_map(|(_, Slots(list))| &list.items);
        all.filter(|slot| slot.lives == "persistent").flat_map(|slot| of_slot(seen, slot)).collect()
    });
    if !asked {
        found.extend(of_views(seen));
    }
    found
}

/// The port's own view, when the question was not answered.
fn of_views(seen: &Seen<'_>) -> Vec<Finding> {
    let slots = seen.inventory.inside.iter().flat_map(|inside| &inside.slots);
    slots
        .flat_map(|slot| {
            let idle = (!slot.active).then(|| idle(seen, &slot.name, slot.retained, None));
            let logical = slot.plugin.is_some().then(|| logical(&slot.name));
            idle.into_iter().chain(logical)
        })
        .map(|finding| finding.learnt(Learnt::Sql))
        .collect()
}

fn of_slot(seen: &Seen<'_>, slot: &Slot) -> Vec<Finding> {
    let mut found = vec![];
    let lost = slot.wal_status.as_deref() == Some("lost") || slot.invalid.is_some();
    if lost {
        let why = slot.invalid.as_deref().unwrap_or("its WAL is gone");
        found.push(
            Finding::warning(plain(&slot.name), format!("its slot cannot be used any more: {why}"))
                .why("Its consumer has lost changes already, with or without a move.")
                .remedy("Backfill the consumer, and drop the slot.")
                .see(page::SLOTS),
        );
    } else if !slot.active {
        let since = slot.inactive_since.zip(seen.inventory.taken_at);
        let quiet = since.and_then(|(since, now)| now.duration_since(since).try_into().ok());
        found.push(idle(seen, &slot.name, ByteCount(slot.retained.unwrap_or_default()), quiet));
    }
    if slot.plugin.is_some() && !lost {
        found.push(logical(&slot.name));
    }
    if slot.plugin.is_none() && slot.active {
        let who = slot.application.as_deref().unwrap_or("an unknown consumer");
        let what = format!("a physical slot, used by {}", plain(who));
        found.push(
            Finding::note(plain(&slot.name), what)
                .why("OldestReplicationSlotLag shows the worst of all slots, this one included."),
        );
    }
    found
}

fn idle(
    seen: &Seen<'_>,
    name: &str,
    retained: ByteCount,
    quiet: Option<std::time::Duration>,
) -> Finding {
    let for_how_long = quiet.map(|quiet| format!(" for {}", span(quiet))).unwrap_or_default();
    let what = format!(
        "a slot that nobody uses{for_how_long} keeps {retained} of WAL and hides the replica's lag"
    );
    let full = forecast::days_to_full_disk(seen.inventory, seen.instance);
    let full =
        full.map(|days| format!(" At the measured rate the disk is full in {days:.1} days."));
    Finding::warning(plain(name), what)
        .why(format!(
            "CloudWatch's lag is that of the slowest slot, so the proof without access can never \
             be made beside it.{}",
            full.unwrap_or_default()
        ))
        .remedy("Find its owner; drop it when nobody needs it.")
        .see(page::SLOTS)
}

fn logical(name: &str) -> Finding {
    let what =
        "a logical slot does not survive the promotion, and this version does not carry it over";
    Finding::warning(plain(name), what)
        .why("A consumer that goes on with its old position on the target misses changes silently.")
        .remedy("Stop its consumer before the cutover and plan a backfill.")
        .see(page::LOGICAL)
}

pub(super) fn publications(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<Publications>(seen, "publications").judge(|said| {
        let all = said.iter().flat_map(|(database, Publications(list))| {
            list.items.iter().map(move |one| {
                format!("{}: {} ({})", plain(database), plain(&one.name), one.covers)
            })
        });
        let more = said.iter().map(|(_, Publications(list))| list.left_out()).sum();
        let listed = names(all, more);
        if listed.is_empty() {
            return vec![];
        }
        vec![
            Finding::note(&seen.instance.id, format!("publications there already: {listed}"))
                .why("They arrive on the target with everything else; slots do not.")
                .remedy("Nothing to do for the publications; see the findings on slots.")
                .see(page::LOGICAL),
        ]
    })
}

pub(super) fn subscriptions(seen: &Seen<'_>) -> Vec<Finding> {
    of_server::<Subscriptions>(seen, "subscriptions").judge(|said| {
        let all = said.iter().flat_map(|(_, Subscriptions(list))| &list.items);
        all.map(|one| {
            let object = format!("{}: {}", plain(&one.database), plain(&one.name));
            let follows = names(one.publications.iter().map(|name| plain(name)), 0);
            let what = format!("the source subscribes to {follows}");
            if !one.enabled {
                return Finding::note(object, format!("{what}, disabled"))
                    .remedy("It arrives disabled on the target.")
                    .see(page::SUBSCRIPTIONS);
            }
            Finding::warning(object, what)
                .why(
                    "The target gets a copy of the subscription, and both sides then ask the \
                     publisher for the same slot; the fence does not stop what comes in that way.",
                )
                .remedy("Disable it before the cutover, and enable it on the target afterwards.")
                .see(page::SUBSCRIPTIONS)
        })
        .collect()
    })
}
