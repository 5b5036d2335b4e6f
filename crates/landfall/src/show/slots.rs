//! Slots of a source: who uses each, what it keeps, and how long the disk lasts.

use std::time::Duration;

use landfall_api::SlotDropped;
use landfall_api::assess::slot_health::{SlotHealth, SlotReport, Standing};
use landfall_api::core::ByteCount;

use super::layout::labelled;
use super::time;

const DAY_S: f64 = 86_400.0;

/// All of them.
pub(crate) fn report(report: &SlotReport, width: usize) -> String {
    let mut lines = Vec::new();
    if let (Some(source), Some(endpoint)) = (&report.source, &report.endpoint) {
        lines.push(labelled("Source:  ", &format!("{source} at {endpoint}"), width));
    }
    if let Some(why) = &report.not_looked {
        lines.push(labelled("Slots:   ", &format!("not looked at: {why}"), width));
        return lines.join("\n");
    }
    lines.push(labelled("Disk:    ", &disk(report), width));
    if report.slots.is_empty() {
        lines.push(labelled("Slots:   ", "none", width));
    }
    for slot in &report.slots {
        lines.push(String::new());
        lines.extend(one(slot, width));
    }
    if report.left_out > 0 {
        let text = format!("and {} more that keep less", report.left_out);
        lines.push(labelled("         ", &text, width));
    }
    lines.join("\n")
}

fn disk(report: &SlotReport) -> String {
    let days = report.days_to_full_disk.map(|days| Duration::from_secs_f64(days * DAY_S));
    match (days, report.needs_somebody()) {
        (Some(left), true) => format!(
            "full in {} at the measured rate of WAL, while a slot that nobody reads keeps all of it",
            time::span(left)
        ),
        (Some(left), false) => format!(
            "no slot keeps WAL for nobody; if one did, it would be full in {}",
            time::span(left)
        ),
        (None, _) => {
            "how long it lasts is not known: CloudWatch has no rate of WAL or no free storage for \
             the last week"
                .to_owned()
        }
    }
}

fn one(slot: &SlotHealth, width: usize) -> Vec<String> {
    let kind = slot
        .logical
        .as_deref()
        .map_or_else(|| "physical".to_owned(), |logical| format!("logical, {logical}"));
    let mut lines = vec![
        labelled(word(slot.standing), &format!("{} ({kind})", slot.name), width),
        labelled("         ", &keeps(slot), width),
    ];
    if let Some(consumer) = &slot.consumer {
        lines.push(labelled("         ", &format!("read by {consumer}"), width));
    }
    lines.extend(remedy(slot.standing).map(|text| labelled("         ", text, width)));
    lines
}

const fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Used => "used     ",
        Standing::OfReplica => "replica  ",
        Standing::Idle => "IDLE     ",
        Standing::Lost => "LOST     ",
    }
}

fn keeps(slot: &SlotHealth) -> String {
    let mut text = match slot.retained {
        Some(ByteCount(0)) | None => "keeps no WAL".to_owned(),
        Some(retained) => format!("keeps {retained} of WAL"),
    };
    if let Some(idle) = slot.idle_for {
        text = format!("{text}; nobody has read it for {}", time::span(idle));
    }
    if let Some(left) = slot.lost_after {
        text = format!("{text}; the server gives it up after {left} more");
    }
    text
}

const fn remedy(standing: Standing) -> Option<&'static str> {
    match standing {
        Standing::Used | Standing::OfReplica => None,
        Standing::Idle => Some(
            "Ask its owner. When nobody needs it: `landfall doctor SPEC --drop NAME --reason TEXT`.",
        ),
        Standing::Lost => Some(
            "Its consumer has missed changes and needs a backfill. Then drop it in the same way.",
        ),
    }
}

/// One that is gone.
pub(crate) fn dropped(dropped: &SlotDropped, width: usize) -> String {
    let text = format!(
        "The slot {} is dropped; the server frees {} of WAL at its next checkpoints. The audit \
         file in the state directory has it.",
        dropped.slot,
        ByteCount(dropped.retained_bytes)
    );
    labelled("", &text, width)
}

#[cfg(test)]
mod tests {
    use landfall_api::core::{Endpoint, InstanceId};

    use super::super::layout::assert_fits;
    use super::*;

    fn slot(name: &str, standing: Standing) -> SlotHealth {
        SlotHealth {
            name: name.to_owned(),
            standing,
            logical: Some("pgoutput in shop".to_owned()),
            consumer: None,
            idle_for: None,
            retained: Some(ByteCount(3 << 30)),
            lost_after: None,
        }
    }

    fn told() -> SlotReport {
        SlotReport {
            source: Some(InstanceId::new("orders-prod")),
            endpoint: Some(Endpoint::new("orders-prod.rds.example", 5432)),
            at: None,
            days_to_full_disk: Some(2.5),
            slots: vec![
                SlotHealth {
                    idle_for: Some(Duration::from_hours(50)),
                    lost_after: Some(ByteCount(1 << 30)),
                    ..slot("left_over", Standing::Idle)
                },
                SlotHealth {
                    consumer: Some("debezium, role cdc, from 10.0.8.9, streaming".to_owned()),
                    ..slot("warehouse", Standing::Used)
                },
                SlotHealth { logical: None, ..slot("rds_aurora_1", Standing::OfReplica) },
                slot("broken", Standing::Lost),
            ],
            left_out: 2,
            not_looked: None,
        }
    }

    #[test]
    fn each_slot_is_told_with_what_to_do() {
        let told = told();
        for width in [40, 100] {
            assert_fits(&report(&told, width), width);
        }
        insta::assert_snapshot!(report(&told, 80));
    }

    #[test]
    fn what_is_not_known_is_said() {
        let blind = SlotReport { not_looked: Some("no access".to_owned()), ..told() };
        assert!(report(&blind, 80).contains("not looked at: no access"));
        let no_rate = SlotReport { days_to_full_disk: None, slots: vec![], left_out: 0, ..told() };
        let text = report(&no_rate, 100);
        assert!(text.contains("is not known") && text.contains("none"), "{text}");
    }
}
