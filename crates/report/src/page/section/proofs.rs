//! How it is known that nobody wrote to the source any more, and that nothing was missing.

use landfall_core::facts::{MetricVerdict, PaceVerdict, ReplayPace, SustainedLag};
use landfall_core::quantity::duration_text;

use super::super::drawing::named;
use super::super::part::{Cell, facts_list, paragraph, table};
use crate::markup::{Markup, said};
use crate::proof::{CounterReading, Sides};
use crate::story::Report;
use crate::time;

pub(super) fn fence(report: &Report) -> Markup {
    let proofs = &report.proofs;
    let Some(fence) = &proofs.fence else {
        return paragraph("", "The source was not fenced, or the proof was made void by a stop.");
    };
    let mut rows = Vec::new();
    if let Some(at) = proofs.closed_since {
        rows.push(("No new session since", time::instant(at)));
    }
    if let Some(at) = fence.restarted_at {
        rows.push(("Every session ended by the restart of", time::instant(at)));
    }
    if let Some(count) = fence.writes_counted {
        rows.push(("Write counters at", count.to_string()));
    }
    rows.push(("Proven at", time::instant(fence.at)));
    let intro = "The source takes new connections from nobody but Landfall and those named beside \
                 it, and the sessions that were open have ended.";
    let inside = paragraph("", intro).then(facts_list(&rows));
    if proofs.counters.is_empty() {
        return inside;
    }
    let row = |reading: &CounterReading| {
        let equal = if reading.before == reading.after { "stood still" } else { "moved" };
        vec![
            Cell::Number(time::clock(reading.at)),
            Cell::Text(reading.title.clone()),
            Cell::Number(reading.before.to_string()),
            Cell::Number(reading.after.to_string()),
            Cell::Text(equal.to_owned()),
        ]
    };
    let rows: Vec<_> = proofs.counters.iter().map(row).collect();
    let heads = ["At", "Looked at while", "First", "Second", "Between them"];
    inside.then(table("Rows written on the source, counted twice at each look", &heads, &rows))
}

pub(super) fn sync(report: &Report) -> Markup {
    let proofs = &report.proofs;
    let Some(sync) = &proofs.sync else {
        return paragraph("", "The proof of sync was not made, so nothing was promoted.");
    };
    let metric = match sync.metric {
        MetricVerdict::Agrees => format!("agrees: it touched zero {} times", sync.zero_touches),
        MetricVerdict::Silent => "was silent: neither for nor against".to_owned(),
        MetricVerdict::Contradicts => "contradicts".to_owned(),
    };
    let mut rows = vec![("Proven at", time::instant(sync.at))];
    if let Some((token, lsn)) = &proofs.marker {
        rows.push(("Marker", format!("{token}, flushed at {lsn}")));
    }
    if let Some(replay) = sync.replay_lsn {
        rows.push(("Replayed on the replica", replay.to_string()));
    }
    if let Some(sides) = &proofs.sides {
        rows.extend(copies(sides));
    }
    rows.push(("The metric", metric));
    let mut inside = facts_list(&rows);
    if let Some(drawing) = named(report, "positions") {
        let words = "A marker was committed on the fenced source. Whatever was acknowledged before \
                     lies before it, and the replica has replayed at least as far.";
        inside.push(said("h3", "Marker and replay position"));
        inside.push(paragraph("", words));
        inside.push(drawing);
    }
    inside.push(said("h3", "OldestReplicationSlotLag after the fence"));
    match named(report, "metric") {
        Some(drawing) => inside.push(drawing),
        None => inside.push(paragraph("", "No point of it was waited for: the position decided.")),
    }
    inside
}

fn copies(sides: &Sides) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(flush) = sides.source_flush {
        rows.push(("Flushed on the source", flush.to_string()));
    }
    if let (Some(one), Some(other)) = sides.systems {
        let same = if one == other { "the same on both sides" } else { "different" };
        rows.push(("System identifier", format!("{one}, {same}")));
    }
    if let (Some(one), Some(other)) = sides.timelines {
        let same = if one == other { "the same on both sides" } else { "different" };
        rows.push(("Timeline", format!("{one}, {same}")));
    }
    rows
}

pub(super) fn lag(report: &Report) -> Markup {
    let mut inside = match &report.sustained {
        Some(sustained) => facts_list(&window(sustained)),
        None => paragraph("", "The replica was not watched to the end of the window."),
    };
    match named(report, "lag-chart") {
        Some(drawing) => inside.push(drawing),
        None => inside.push(paragraph("", "No reading of it was kept.")),
    }
    for id in ["pace-chart", "slots-chart"] {
        if let Some(drawing) = named(report, id) {
            inside.push(drawing);
        }
    }
    inside
}

fn window(sustained: &SustainedLag) -> Vec<(&'static str, String)> {
    let SustainedLag { points, lag_max, from, to, .. } = sustained;
    let mut rows = vec![
        ("Window", format!("{} to {}", time::instant(*from), time::instant(*to))),
        ("Readings", points.to_string()),
        ("Highest", lag_max.to_string()),
    ];
    if let Some(p95) = sustained.lag_p95 {
        rows.push(("95 of 100 at most", p95.to_string()));
    }
    if let Some(bursts) = sustained.bursts {
        let longest = duration_text::to_text(bursts.longest);
        rows.push(("Above the limit", format!("{} times, {longest} at the longest", bursts.count)));
    }
    if let Some(pace) = &sustained.pace {
        rows.push(("Pace", paced(pace)));
    }
    if let Some(conflicts) = sustained.conflicts {
        rows.push(("Queries cancelled on the replica", conflicts.to_string()));
    }
    if sustained.gaps > 0 {
        rows.push(("Times without a reading", sustained.gaps.to_string()));
    }
    rows
}

fn paced(pace: &ReplayPace) -> String {
    let verdict = match pace.verdict {
        PaceVerdict::Faster => "the replica replays faster than the source ever writes",
        PaceVerdict::KeptUp => "the replica kept up while the source wrote as much as it ever does",
        PaceVerdict::Quiet => "the source was quieter than it can be: its peak was not seen",
        PaceVerdict::Unknown => "the source's peak is not known",
    };
    let replay = pace.replay_max.map_or_else(String::new, |max| format!(", replayed {max}/s"));
    format!("{verdict} (the source wrote {}/s at most{replay})", pace.wal_peak)
}
