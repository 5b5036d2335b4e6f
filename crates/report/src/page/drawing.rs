//! The drawings of a report: what is drawn of it, with which words.

use jiff::Timestamp;
use landfall_core::status::Course;
use landfall_core::{ByteCount, Lsn, Sample};

use crate::chart::{self, Band, Bar, Caption, Place, Reached, Series, Span, Trace};
use crate::markup::Markup;
use crate::proof::Lag;
use crate::story::Report;
use crate::time;
use crate::walk::{Over, Stay};

/// Every drawing there is, with its caption.
pub(crate) fn drawings(report: &Report) -> Vec<(Caption, Markup)> {
    let proofs = [phases(report), pause(report), positions(report), metric(report), lag(report)];
    let watched = [pace(report), slots(report)];
    proofs.into_iter().chain(watched).flatten().collect()
}

/// The drawing with this id.
pub(super) fn named(report: &Report, id: &str) -> Option<Markup> {
    drawings(report).into_iter().find(|(caption, _)| caption.id == id).map(|(_, drawing)| drawing)
}

fn spans(waits: &[(Timestamp, Timestamp)]) -> Vec<Span> {
    waits.iter().map(|(from, to)| Span { from: *from, to: *to }).collect()
}

fn phases(report: &Report) -> Option<(Caption, Markup)> {
    let span = Span { from: report.phases.first()?.from, to: report.phases.last()?.to };
    let bar = |phase: &crate::walk::PhaseSpan| {
        let label = match phase.course {
            Course::Doing => phase.phase.to_string(),
            Course::Undoing => format!("taking back {}", phase.phase),
        };
        let within = |stay: &&Stay| stay.from >= phase.from && stay.to <= phase.to;
        let waits: Vec<Span> =
            report.stays.iter().filter(within).flat_map(|stay| spans(&stay.waits)).collect();
        Bar { label, span: Span { from: phase.from, to: phase.to }, waits }
    };
    let bars: Vec<Bar> = report.phases.iter().map(bar).collect();
    let band = report
        .pause
        .as_ref()
        .map(|pause| Band { label: "pause", span: Span { from: pause.from, to: pause.to } });
    let caption = Caption {
        id: "phases",
        title: "The phases of the move",
        description: format!(
            "{} phases over {}. Hatched: a person was waited for.",
            bars.len(),
            time::took(span.from, span.to)
        ),
    };
    Some((caption.clone(), chart::bars(&caption, span, &bars, band.as_ref())))
}

fn pause(report: &Report) -> Option<(Caption, Markup)> {
    let pause = report.pause.as_ref()?;
    let bar = |stay: &Stay| Bar {
        label: stay.title.clone(),
        span: Span { from: stay.from, to: stay.to },
        waits: spans(&stay.waits),
    };
    let bars: Vec<Bar> = pause.stays.iter().map(bar).collect();
    let lasted = time::took(pause.from, pause.to);
    let description = match pause.over {
        Over::Released => format!("Connections waited for {lasted}, through {} steps.", bars.len()),
        Over::Held => format!("Connections wait since {lasted}."),
    };
    let caption = Caption { id: "pause", title: "The pause, enlarged", description };
    let span = Span { from: pause.from, to: pause.to };
    Some((caption.clone(), chart::bars(&caption, span, &bars, None)))
}

fn positions(report: &Report) -> Option<(Caption, Markup)> {
    let (marker, replay) = report.proofs.sync.as_ref().and_then(|sync| {
        let (marker, replay): (Lsn, Lsn) = sync.marker_lsn.zip(sync.replay_lsn)?;
        Some((marker, replay))
    })?;
    let beyond = replay.since(marker);
    let place = if beyond == ByteCount(0) { Place::At } else { Place::Beyond };
    let words = match place {
        Place::At => "exactly there".to_owned(),
        Place::Beyond => format!("{beyond} beyond it"),
    };
    let caption = Caption {
        id: "positions",
        title: "Marker and replay position",
        description: format!("The replica replayed {replay}; the marker is at {marker}: {words}."),
    };
    let (marker, reached) =
        (format!("marker flushed at {marker}"), format!("the replica has replayed {replay}"));
    let reached = Reached { marker: &marker, reached: &reached, beyond: &words, place };
    Some((caption.clone(), chart::positions(&caption, &reached)))
}

fn bytes(value: f64) -> String {
    // A metric is a whole number of bytes, far below the precision of the type.
    format!("{}", rounded(value))
}

/// A count of bytes from a metric's number.
fn rounded(value: f64) -> ByteCount {
    let text = format!("{:.0}", value.max(0.0));
    ByteCount(text.parse().unwrap_or(u64::MAX))
}

#[expect(clippy::cast_precision_loss, reason = "a limit to draw, not to decide by")]
fn drawn(limit: ByteCount) -> f64 {
    limit.0 as f64
}

fn metric(report: &Report) -> Option<(Caption, Markup)> {
    let points: Vec<(Timestamp, f64)> =
        report.proofs.metric.iter().map(|point| (point.at, point.value)).collect();
    let segment = ByteCount::RDS_SEGMENT;
    let caption = Caption {
        id: "metric",
        title: "OldestReplicationSlotLag of the source after the fence",
        description: format!(
            "{} points. A closed source still fills and archives segments: the metric rises by up \
             to {segment} and falls to zero when the replica has everything.",
            points.len()
        ),
    };
    let limit = (drawn(segment), format!("one segment, {segment}"));
    let series = Series { points, limit, unit: bytes };
    Some((caption.clone(), chart::series(&caption, &series)?))
}

fn lag(report: &Report) -> Option<(Caption, Markup)> {
    let Lag { samples, limit } = &report.lag;
    let limit = ByteCount(*limit);
    let points: Vec<(Timestamp, f64)> =
        samples.iter().map(|sample| (sample.at, sample.maximum)).collect();
    let caption = Caption {
        id: "lag-chart",
        title: "Lag of the replica under production traffic",
        description: format!(
            "{} readings; where some are put together, the highest.",
            points.len()
        ),
    };
    let series = Series { points, limit: (drawn(limit), format!("limit {limit}")), unit: bytes };
    Some((caption.clone(), chart::series(&caption, &series)?))
}

fn per_second(value: f64) -> String {
    format!("{}/s", rounded(value))
}

fn points(samples: &[Sample], value: fn(&Sample) -> f64) -> Vec<(Timestamp, f64)> {
    samples.iter().map(|sample| (sample.at, value(sample))).collect()
}

/// What the source wrote beside what the replica replayed.
fn pace(report: &Report) -> Option<(Caption, Markup)> {
    let written = points(&report.watched.wal, |sample| sample.maximum);
    let replayed = points(&report.watched.replay, |sample| sample.maximum);
    let caption = Caption {
        id: "pace-chart",
        title: "WAL that the source wrote, and that the replica replayed",
        description: format!(
            "{} and {} readings; where some are put together, the highest.",
            written.len(),
            replayed.len()
        ),
    };
    let traces = [
        Trace { label: "written by the source", class: "line", points: written },
        Trace { label: "replayed by the replica", class: "line dashed", points: replayed },
    ];
    Some((caption.clone(), chart::traces(&caption, &traces, per_second)?))
}

/// What the slots kept on the source.
fn slots(report: &Report) -> Option<(Caption, Markup)> {
    let kept = points(&report.watched.slots, |sample| sample.maximum);
    let caption = Caption {
        id: "slots-chart",
        title: "WAL that slots kept on the source",
        description: format!("{} readings; where some are put together, the highest.", kept.len()),
    };
    let traces = [Trace { label: "kept by all slots", class: "line", points: kept }];
    Some((caption.clone(), chart::traces(&caption, &traces, bytes)?))
}
