//! Where moves stand: one line each, or one move's whole table.

use landfall_api::core::Status;
use landfall_api::core::journal::Commitment;
use landfall_api::core::problem::Writes;
use landfall_api::core::status::{Course, Outcome, Run};
use landfall_api::{Driven, MoveLine, MoveView, PauseClock, PausedBy, Place, RowView, Window};

use super::layout::{columns, cut, labelled};
use super::{problem, time, waiting};

/// All moves.
pub(crate) fn list(moves: &[MoveLine], width: usize) -> String {
    if moves.is_empty() {
        return "No moves yet. `landfall plan SPEC` shows what one would do.".to_owned();
    }
    let head = ["MOVE", "FROM", "TO", "STATE", "WRITES TO", "STEP"].map(ToOwned::to_owned);
    let rows = moves.iter().map(|one| match one {
        MoveLine::Stands(one) => vec![
            one.name.to_string(),
            one.source.to_string(),
            one.target.to_string(),
            state(&one.status),
            side(one.writes).to_owned(),
            one.status.step.clone(),
        ],
        MoveLine::Unreadable { name, .. } => {
            let unknown = || "?".to_owned();
            vec![name.to_string(), unknown(), unknown(), "cannot be read".to_owned(), unknown()]
        }
    });
    let mut parts =
        vec![columns(&std::iter::once(head.to_vec()).chain(rows).collect::<Vec<_>>(), width)];
    for one in moves {
        if let MoveLine::Unreadable { name, problem } = one {
            parts.push(format!("\n{name} cannot be read:"));
            parts.push(problem::answer(problem, width));
        }
    }
    parts.join("\n")
}

/// One move.
pub(crate) fn table(view: &MoveView, width: usize) -> String {
    let mut text = heading(view, width);
    text.push('\n');
    let mut phase = None;
    for row in &view.rows {
        if phase != Some(row.phase) {
            text.push('\n');
            text.push_str(&row.phase.to_string());
            text.push('\n');
            phase = Some(row.phase);
        }
        text.push_str(&row_line(row, width));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&now(view, width));
    text
}

fn heading(view: &MoveView, width: usize) -> String {
    let attempt = match view.status.attempt {
        1 => String::new(),
        attempt => format!(" (attempt {attempt})"),
    };
    let line = format!(
        "{}: {} to {}{attempt}, begun {}",
        view.name,
        view.spec.source.instance,
        view.spec.target.cluster,
        time::instant(view.started_at)
    );
    labelled("", &line, width)
}

fn row_line(row: &RowView, width: usize) -> String {
    let mark = match row.place {
        Place::Done => "done  ",
        Place::Here => "HERE  ",
        Place::Undone => "undone",
        Place::Ahead => "      ",
    };
    let at = row.completed_at.map_or_else(|| " ".repeat(8), time::clock);
    let pause = match row.window {
        Window::Pause => " (traffic waits)",
        Window::Outside => "",
    };
    cut(format!("  {mark}  {at}  {}{pause}", row.title).trim_end(), width)
}

/// What it is doing, and what to type next.
pub(crate) fn now(view: &MoveView, width: usize) -> String {
    let mut lines = vec![labelled("State:   ", &doing(view), width)];
    if let Some(waited) = &view.waited {
        let reading = reading(&waited.reading);
        lines.push(labelled("Waits:   ", &format!("{}{reading}", waited.why), width));
        let since = time::span(time::between(waited.since, view.now));
        let deadline = waited.deadline.map_or_else(String::new, |deadline| {
            format!(
                ", a problem in {}",
                time::span(time::nearest(time::between(view.now, deadline)))
            )
        });
        lines.push(labelled("         ", &format!("for {since}{deadline}"), width));
    }
    if let Some(PausedBy { by, at, why }) = &view.paused {
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        let who = format!("by {by} at {}{why}", time::instant(*at));
        lines.push(labelled("Paused:  ", &who, width));
        lines.push(labelled("         ", &format!("landfall resume {} goes on", view.name), width));
    }
    if let Some(clock) = &view.pause {
        lines.push(labelled("Pause:   ", &pause(clock, view), width));
    }
    lines.extend(told(view).iter().map(|text| labelled("Note:    ", text, width)));
    lines.push(labelled("Writes:  ", &view.writes.to_string(), width));
    lines.push(labelled("Safe:    ", &view.safe, width));
    if let Some(driver) = driver(view) {
        lines.push(labelled("Driver:  ", &driver, width));
    }
    match &view.status.run {
        Run::NeedsHuman { problem } => {
            lines.push(String::new());
            lines.push(problem::stop(problem, width));
        }
        Run::AwaitingApproval { .. } => lines.push(gate(view, width)),
        Run::Running | Run::Waiting { .. } | Run::Paused { .. } | Run::Finished { .. } => {}
    }
    lines.join("\n")
}

/// What people should know of that stops nothing.
fn told(view: &MoveView) -> Vec<String> {
    let facts = &view.facts;
    let mut told: Vec<String> = facts.warnings.values().cloned().collect();
    told.extend(facts.equipped.iter().map(|(what, state)| format!("{what}: {state}")));
    let behind = |(node, why): (&String, &String)| format!("{node} is not waited for ({why})");
    told.extend(facts.left_behind.iter().map(behind));
    if !facts.sessions_ended.is_empty() {
        told.push(facts.sessions_ended.to_string());
    }
    told
}

fn reading(reading: &str) -> String {
    if reading.is_empty() { String::new() } else { format!(" ({reading})") }
}

/// A gate: what to look at, and the command that opens it.
pub(crate) fn gate(view: &MoveView, width: usize) -> String {
    let Some(gate) = &view.gate else { return String::new() };
    let mut lines =
        vec![String::new(), labelled("", &format!("{}. Look at this first:", gate.title), width)];
    lines.extend(gate.check.iter().map(|line| labelled("  - ", line, width)));
    let command = match gate.name.as_str() {
        "accept" | "approve_retirement" => format!("landfall retire {}", view.name),
        other => format!("landfall approve {} {other}", view.name),
    };
    lines.push("Then:".to_owned());
    lines.push(format!("  {command}"));
    lines.join("\n")
}

fn doing(view: &MoveView) -> String {
    let state = state(&view.status);
    if view.status.is_finished() || view.title.is_empty() {
        return state;
    }
    let title = view.title.as_str();
    match view.status.course {
        Course::Doing => format!("{state}: {title}"),
        Course::Undoing => format!("{state}: taking back \"{title}\""),
    }
}

/// The state in a few words.
pub(crate) fn state(status: &Status) -> String {
    match &status.run {
        Run::Running if status.course == Course::Undoing => "undoing".to_owned(),
        Run::Running => "running".to_owned(),
        Run::Waiting { .. } if status.course == Course::Undoing => "undoing, waiting".to_owned(),
        Run::Waiting { .. } => "waiting".to_owned(),
        Run::AwaitingApproval { gate } => format!("at gate {gate}"),
        Run::NeedsHuman { problem } => format!("stopped by {}", problem.code),
        Run::Paused { by, .. } => format!("paused by {by}"),
        Run::Finished { outcome: Outcome::Moved } => "finished: moved".to_owned(),
        Run::Finished { outcome: Outcome::Undone } => "finished: undone".to_owned(),
        Run::Finished { outcome: Outcome::RolledBack } => "finished: rolled back".to_owned(),
    }
}

/// The pause clock.
pub(crate) fn pause(clock: &PauseClock, view: &MoveView) -> String {
    let end = clock.until.unwrap_or(view.now);
    let spent = time::span(time::between(clock.since, end));
    let budget = time::span(std::time::Duration::from_millis(clock.budget_ms));
    match clock.until {
        Some(_) => format!("new connections waited {spent} (budget {budget})"),
        None => {
            let waiting = waiting::in_all(&view.waiting, view.now);
            let waiting = waiting.map_or_else(String::new, |words| format!("; {words}"));
            format!("new connections wait since {spent}, of {budget} at most{waiting}")
        }
    }
}

fn driver(view: &MoveView) -> Option<String> {
    if view.status.is_finished() {
        return None;
    }
    Some(match (&view.driven, &view.lease) {
        (Driven::Here, _) => "this server".to_owned(),
        (Driven::Elsewhere { holder }, _) => format!("led by {holder}"),
        (Driven::Stopped { why }, _) => format!("cannot go on: {why}"),
        (Driven::No, Some(lease)) => format!("led by {} (epoch {})", lease.holder, lease.epoch),
        (Driven::No, None) => {
            "nobody. `landfall run SPEC` or `landfall serve` moves it on.".to_owned()
        }
    })
}

fn side(writes: Writes) -> &'static str {
    match writes {
        Writes::Source => "source",
        Writes::Nobody => "nobody",
        Writes::Target => "target",
    }
}

/// Whether the point of no return is behind.
pub(crate) fn is_committed(view: &MoveView) -> bool {
    view.status.commitment == Commitment::Committed
}

#[cfg(test)]
mod tests {
    use landfall_api::core::{Code, MigrationName, Problem};
    use landfall_api::{ApiProblem, MoveSummary};

    use super::super::layout::assert_fits;
    use super::super::sample;
    use super::*;

    #[test]
    fn the_table_says_in_words_what_is_done() {
        let view = sample::at_the_gate();
        for width in [40, 100] {
            assert_fits(&table(&view, width), width);
        }
        insta::assert_snapshot!(table(&view, 100));
    }

    #[test]
    fn a_stop_comes_with_its_problem_and_the_writes() {
        let problem = Problem::new(
            Code::LagNotSustained,
            "the replica lags by 3 GiB",
            "Wait for a quieter time, then run `landfall resume orders`.",
        );
        let text = now(&sample::view(Run::NeedsHuman { problem }), 40);
        assert_fits(&text, 40);
        for part in ["stopped by LF-009", "Writes are accepted by the", "landfall explain LF-009"] {
            assert!(text.contains(part), "{part} missing in\n{text}");
        }
    }

    #[test]
    fn the_pause_clock_runs_while_connections_wait() {
        let text = now(&sample::in_the_pause(), 100);
        assert!(text.contains("new connections wait since 4 s, of 5 m 00 s at most"), "{text}");
        assert!(text.contains("neither side accepts them"), "{text}");
    }

    #[test]
    fn a_pause_says_who_when_and_why() {
        let (by, why) = ("ann".to_owned(), "release freeze until monday".to_owned());
        let paused = Some(PausedBy { by: by.clone(), at: sample::at(7), why: why.clone() });
        let view = MoveView { paused, ..sample::view(Run::Paused { by, why }) };
        for width in [40, 100] {
            let text = now(&view, width);
            assert_fits(&text, width);
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for part in
                ["by ann at 2026-11-21 10:00:07Z: release freeze until monday", "resume orders"]
            {
                assert!(flat.contains(part), "{part} missing in\n{text}");
            }
        }
    }

    #[test]
    fn what_stops_nothing_is_told_all_the_same() {
        let mut view = sample::view(Run::Running);
        let facts = &mut view.facts;
        facts.warnings.insert("room".to_owned(), "the target takes 100 sessions".to_owned());
        let why = "the hold: sidecar-2 has not acknowledged".to_owned();
        facts.left_behind.insert("sidecar-2".to_owned(), why);
        facts.sessions_ended.idle = vec![1, 2, 3];
        facts.sessions_ended.in_transaction = vec![4];
        for width in [40, 100] {
            let text = now(&view, width);
            assert_fits(&text, width);
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for part in [
                "the target takes 100 sessions",
                "sidecar-2 is not waited for",
                "sessions ended: 3 idle, 1 in a transaction",
            ] {
                assert!(flat.contains(part), "{part} missing in\n{text}");
            }
        }
    }

    #[test]
    fn the_list_is_one_line_each() {
        let view = sample::at_the_gate();
        let one = line(view);
        let text = list(&[one.clone(), one], 120);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("at gate approve_cutover"), "{text}");
        assert_fits(&list(&[], 100), 100);
    }

    fn line(view: MoveView) -> MoveLine {
        MoveLine::Stands(Box::new(MoveSummary {
            name: view.name,
            source: view.spec.source.instance,
            target: view.spec.target.cluster,
            status: view.status,
            writes: view.writes,
            updated_at: view.updated_at,
        }))
    }

    #[test]
    fn a_move_that_cannot_be_read_does_not_hide_the_others() {
        let what = "entry 4 of the journal does not follow from the ones before it";
        let problem = ApiProblem::new(503, Code::StoreUnwritable, what)
            .hint("Stop Landfall and copy the state directory before anything else.");
        let broken = MoveLine::Unreadable {
            name: MigrationName::new("billing"),
            problem: Box::new(problem),
        };
        for width in [40, 120] {
            let text = list(&[broken.clone(), line(sample::at_the_gate())], width);
            assert_fits(&text, width);
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            for part in ["orders", "billing cannot be read: LF-029: entry 4", "copy the state"] {
                assert!(flat.contains(part), "{part} missing in\n{text}");
            }
        }
    }

    #[test]
    fn a_move_that_nobody_leads_says_who_could() {
        let view = MoveView { driven: Driven::No, ..sample::view(Run::Running) };
        assert!(now(&view, 100).contains("nobody. `landfall run SPEC`"), "{}", now(&view, 100));
    }
}
