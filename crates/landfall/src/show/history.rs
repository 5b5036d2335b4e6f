//! A journal for people: a line per step with its time, and below it what was done, asked and
//! found. Looks, waits and repetitions are left to `--json`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use landfall_api::History;
use landfall_api::core::Fact;
use landfall_api::core::facts::MetricVerdict;
use landfall_api::core::journal::{Commitment, Effect, Entry, Record, Request};
use landfall_api::core::status::{Course, Outcome};

use super::layout::labelled;
use super::time;

/// The whole history.
pub(crate) fn whole(history: &History, width: usize) -> String {
    let mut lines = Lines::new(&history.titles, width);
    for entry in &history.entries {
        lines.take(entry);
    }
    lines.finish()
}

/// One entry as a line of its own, for those who follow; nothing when it is of no interest.
pub(crate) fn line(
    entry: &Entry,
    titles: &BTreeMap<String, String>,
    width: usize,
) -> Option<String> {
    let text = if let Record::Entered { course, .. } = &entry.record {
        step(entry, titles, *course)
    } else {
        note(entry)?
    };
    Some(timed(&format!("{}  ", time::clock(entry.at)), &text, width))
}

struct Lines<'a> {
    titles: &'a BTreeMap<String, String>,
    width: usize,
    lines: Vec<String>,
    day: String,
    /// Where the current step's line stands, and when it was entered.
    step: Option<(usize, Timestamp)>,
    /// Orders and failures told in the current step.
    said: BTreeSet<String>,
}

impl<'a> Lines<'a> {
    fn new(titles: &'a BTreeMap<String, String>, width: usize) -> Self {
        let (lines, day, said) = (Vec::new(), String::new(), BTreeSet::new());
        Self { titles, width, lines, day, step: None, said }
    }

    fn take(&mut self, entry: &Entry) {
        self.date(entry.at);
        if let Record::Entered { course, .. } = &entry.record {
            let text = step(entry, self.titles, *course);
            self.step = Some((self.lines.len(), entry.at));
            self.push(entry.at, &text);
            self.said.clear();
        } else if let Record::Completed { .. } = &entry.record {
            self.complete(entry.at);
        } else if let Some(text) = note(entry)
            // A service that is away, or an order given again, is told once in a step.
            && !self.said.contains(&text)
        {
            self.push(entry.at, &text);
            if matches!(entry.record, Record::Acted { .. } | Record::Intended { .. }) {
                self.said.insert(text);
            }
        }
    }

    fn date(&mut self, at: Timestamp) {
        let day = time::day(at);
        if day != self.day {
            self.lines.push(day.clone());
            self.day = day;
        }
    }

    fn push(&mut self, at: Timestamp, text: &str) {
        self.lines.push(timed(&format!("  {}  ", time::clock(at)), text, self.width));
    }

    fn complete(&mut self, at: Timestamp) {
        let Some((index, since)) = self.step.take() else { return };
        let Some(line) = self.lines.get_mut(index) else { return };
        let took = time::span(time::between(since, at));
        let room = self.width.saturating_sub(took.len() + 2);
        // Right-aligned where there is room; a wrapped title keeps its own line end.
        if !line.contains('\n') && line.chars().count() <= room {
            let gap = room - line.chars().count();
            line.push_str(&" ".repeat(gap + 2));
            line.push_str(&took);
        }
    }

    fn finish(self) -> String {
        if self.lines.is_empty() {
            return "Nothing yet.".to_owned();
        }
        self.lines.join("\n")
    }
}

/// A text after its time; its own indent holds for every line of it.
fn timed(time: &str, text: &str, width: usize) -> String {
    let own = text.len() - text.trim_start().len();
    labelled(&format!("{time}{}", " ".repeat(own)), text.trim_start(), width)
}

fn step(entry: &Entry, titles: &BTreeMap<String, String>, course: Course) -> String {
    let id = entry.step.as_deref().unwrap_or_default();
    let title = titles.get(id).map_or(id, String::as_str);
    match course {
        Course::Doing => title.to_owned(),
        Course::Undoing => format!("take back: {title}"),
    }
}

/// What is told below a step, indented; absent for what is only of interest in JSON.
fn note(entry: &Entry) -> Option<String> {
    Some(match &entry.record {
        Record::Started { spec, by, .. } => {
            format!("{by} started the move of {} to {}", spec.source.instance, spec.target.cluster)
        }
        // The first leader is no news.
        Record::Led { holder } if entry.epoch.0 > 1 => {
            format!("  led by {holder} (epoch {})", entry.epoch)
        }
        Record::Intended {
            action,
            commitment: Commitment::Committed,
            course: Course::Doing,
            ..
        } if entry.step.as_deref().is_some_and(|step| step.starts_with("cutover.")) => {
            format!("  {action}  -- the point of no return")
        }
        Record::Intended { action, .. } => format!("  {action}"),
        Record::Acted { effect: Effect::Failed { failure } } => format!("  failed: {failure}"),
        Record::Acted { effect: Effect::Taken { ended: Some(ended) } } => format!("  {ended}"),
        Record::Learned { fact } => return learned(fact).map(|text| format!("  {text}")),
        Record::GateOpened { gate } => format!("  waits for approval: {gate}"),
        Record::Requested { request } => requested(request),
        Record::Stopped { problem } => {
            format!("  stopped by {}: {}", problem.code, problem.primary)
        }
        Record::Finished { outcome: Outcome::Moved } => "finished: moved".to_owned(),
        Record::Finished { outcome: Outcome::Undone } => {
            "finished: undone; the source is the database, as before".to_owned()
        }
        Record::Finished { outcome: Outcome::RolledBack } => {
            "finished: rolled back; the source is the database, the target is kept".to_owned()
        }
        Record::Returned { .. } => {
            "  the roll-back was undone; the target stays the database".to_owned()
        }
        Record::Led { .. }
        | Record::Entered { .. }
        | Record::Acted { effect: Effect::TAKEN }
        | Record::Waiting { .. }
        | Record::Completed { .. } => return None,
    })
}

fn requested(request: &Request) -> String {
    let because = |why: &str| if why.is_empty() { String::new() } else { format!(": {why}") };
    match request {
        Request::Abort { by, why } => format!("  {by} aborted{}", because(why)),
        Request::Approve { gate, by, note } => format!("  {by} approved {gate}{}", because(note)),
        Request::Pause { by, why } => format!("  {by} paused{}", because(why)),
        Request::Resume { by } => format!("  {by} resumed"),
        Request::RollBack { by, why, accept_loss } => {
            let loss = accept_loss.as_ref().map(|words| format!(", accepting a loss: {words}"));
            format!("  {by} asked to roll back{}{}", because(why), loss.unwrap_or_default())
        }
    }
}

/// The facts that are proofs.
fn learned(fact: &Fact) -> Option<String> {
    match fact {
        Fact::Assessed(found) => Some(format!(
            "found {} blockers, {} warnings and {} notes",
            found.blockers, found.warnings, found.notes
        )),
        Fact::Sustained(lag) => Some(lag.sentences().join("; ")),
        Fact::Parity(parity) => Some(parity.to_string()),
        Fact::Compared(comparison) => Some(comparison.to_string()),
        Fact::Fenced(proof) => Some(match proof.writes_counted {
            Some(count) => format!("fence proven: write counters stand still at {count}"),
            None => "fence proven by groups and restart".to_owned(),
        }),
        Fact::Marked { lsn, .. } => Some(format!("marker flushed at {lsn}")),
        Fact::Proven(proof) => Some(format!(
            "sync proven{}; the metric {}",
            proof.replay_lsn.zip(proof.marker_lsn).map_or_else(String::new, |(replay, marker)| {
                format!(": {replay} replayed, at or beyond the marker at {marker}")
            }),
            match proof.metric {
                MetricVerdict::Agrees => "agrees",
                MetricVerdict::Silent => "is silent",
                MetricVerdict::Contradicts => "contradicts",
            }
        )),
        Fact::Contradicted { .. } => {
            Some("the metric is above a segment: a later point decides".to_owned())
        }
        Fact::Promoted { .. } => Some("the target is a primary".to_owned()),
        Fact::FenceActive { .. } => Some("the quarantine group is in force".to_owned()),
        Fact::Warned { text, .. } => Some(format!("warning: {text}")),
        Fact::Relieved { about } => Some(format!("over: {about}")),
        Fact::Equipped { what, state } => Some(format!("{what}: {state}")),
        Fact::LeftBehind { nodes, why } => {
            Some(format!("goes on without {} ({why})", nodes.join(", ")))
        }
        Fact::WayBackArmed(_) => Some("the way back stands".to_owned()),
        Fact::WayBackClosed { why } => Some(format!("no way back: {why}")),
        Fact::LossAccepted(_) => Some("a loss was accepted".to_owned()),
        Fact::WayBackPlanned(_)
        | Fact::TargetAt { .. }
        | Fact::Gateway(_)
        | Fact::Baseline(_)
        | Fact::Watched { .. }
        | Fact::ComparisonBegan { .. }
        | Fact::ReadersWere { .. }
        | Fact::Source(_)
        | Fact::Target(_)
        | Fact::BackupsWere { .. }
        | Fact::Parameters { .. }
        | Fact::RouteWas { .. }
        | Fact::GroupsWere { .. }
        | Fact::ProxiesSeen { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::assert_fits;
    use super::super::sample;
    use super::*;

    #[test]
    fn a_history_is_a_line_per_step_with_what_was_done_and_asked() {
        let history = sample::history();
        for width in [40, 100] {
            assert_fits(&whole(&history, width), width);
        }
        insta::assert_snapshot!(whole(&history, 100));
    }

    #[test]
    fn a_narrow_history_says_the_same() {
        insta::assert_snapshot!(whole(&sample::history(), 40));
    }

    #[test]
    fn who_follows_is_not_told_of_looks_and_waits() {
        let history = sample::history();
        let lines: Vec<String> =
            history.entries.iter().filter_map(|entry| line(entry, &history.titles, 100)).collect();
        let text = lines.join("\n");
        assert_fits(&text, 100);
        assert!(text.contains("10:00:20    release orders (route epoch 4)"), "{text}");
        let waits = history.entries.iter().filter(|entry| {
            matches!(entry.record, Record::Waiting { .. } | Record::Completed { .. })
        });
        for entry in waits {
            assert_eq!(line(entry, &history.titles, 100), None, "{entry:?}");
        }
    }

    #[test]
    fn an_empty_history_says_so() {
        let none = History { entries: vec![], ..sample::history() };
        assert_eq!(whole(&none, 100), "Nothing yet.");
    }
}
