//! Following a move: each entry of its journal as a line, the current wait below, until there is
//! something for a person to do or nothing left to follow.

use std::time::Duration;

use landfall_api::core::status::{Outcome, Run};
use landfall_api::core::{MigrationName, Problem, Seq};
use landfall_api::{Client, ClientError, Driven, MoveView};

use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::progress::Progress;
use crate::show;
use crate::stop::Stop;

/// How often the server is asked.
const POLL: Duration = Duration::from_millis(200);
/// A server that does not answer is asked again for this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// When following ends, besides at the move's own end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// At a gate, a pause or a problem.
    SomebodyIsNeeded,
    /// Only at the end.
    Over,
}

/// Follows a move from a position of its journal. What it returns is where the move then stands.
pub(crate) async fn follow(
    client: &Client,
    name: &MigrationName,
    from: Seq,
    until: Until,
    out: Out,
) -> Result<MoveView, Stop> {
    let mut progress = Progress::new(out);
    let mut after = from;
    let mut told = None;
    let view = loop {
        let (view, news) = patient(client, name, after).await?;
        for entry in &news.entries {
            if let Some(line) = show::history::line(entry, &news.titles, out.width())
                && out.form == Form::Text
            {
                progress.note(&line);
            }
            if entry.seq > after {
                after = entry.seq;
            }
        }
        // The view is older than the entries when something happened in between: look again.
        if after > view.last {
            continue;
        }
        progress.show(&view);
        if let Some(why) = hindrance(&view)
            && told.as_ref() != Some(&why)
        {
            progress.note(&show::layout::wrap(&why, out.width(), 2));
            told = Some(why);
        }
        if is_end(&view, until) {
            break view;
        }
        if let Some(waits) = waits_for_somebody(&view, out.width())
            && told.as_ref() != Some(&waits)
        {
            progress.note(&waits);
            told = Some(waits);
        }
        tokio::time::sleep(POLL).await;
    };
    progress.end();
    Ok(view)
}

/// The move as a line of JSON whenever its journal has grown, until its end.
pub(crate) async fn stream(client: &Client, name: &MigrationName, out: Out) -> Result<Exit, Stop> {
    let mut shown = None;
    loop {
        let (view, _) = patient(client, name, shown.unwrap_or_default()).await?;
        if shown != Some(view.last) {
            out.json_line(&view);
            shown = Some(view.last);
        }
        if is_end(&view, Until::Over) {
            return Ok(exit(&view));
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn patient(
    client: &Client,
    name: &MigrationName,
    after: Seq,
) -> Result<(MoveView, landfall_api::History), Stop> {
    let give_up = tokio::time::Instant::now() + PATIENCE;
    loop {
        let looked = async {
            let view = client.one(name).await?;
            let news = client.history(name, after).await?;
            Ok::<_, ClientError>((view, news))
        };
        match looked.await {
            Ok(found) => return Ok(found),
            Err(ClientError::Unreachable { .. }) if tokio::time::Instant::now() < give_up => {
                tokio::time::sleep(POLL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Why a driver of this server does not go on.
fn hindrance(view: &MoveView) -> Option<String> {
    match &view.driven {
        Driven::Stopped { why } => Some(format!("This server cannot move it on: {why}")),
        Driven::Elsewhere { holder } => Some(format!("Led by {holder}; following.")),
        Driven::No | Driven::Here => None,
    }
}

fn is_end(view: &MoveView, until: Until) -> bool {
    match &view.status.run {
        Run::Finished { .. } => true,
        Run::AwaitingApproval { .. } => until == Until::SomebodyIsNeeded,
        // While connections wait, the driver of this process counts the pause budget: it stays.
        Run::NeedsHuman { .. } | Run::Paused { .. } => {
            until == Until::SomebodyIsNeeded && !traffic_waits(view)
        }
        Run::Running | Run::Waiting { .. } => false,
    }
}

/// Whether the application's connections wait at the gateway.
fn traffic_waits(view: &MoveView) -> bool {
    view.pause.as_ref().is_some_and(|pause| pause.until.is_none())
}

fn waits_for_somebody(view: &MoveView, width: usize) -> Option<String> {
    match &view.status.run {
        Run::AwaitingApproval { .. } | Run::NeedsHuman { .. } | Run::Paused { .. } => {
            Some(closing(view, width))
        }
        Run::Running | Run::Waiting { .. } | Run::Finished { .. } => None,
    }
}

/// What is said where following ends: what became of the move, and what to type next.
pub(crate) fn closing(view: &MoveView, width: usize) -> String {
    let name = &view.name;
    let wrap = |text: &str| show::layout::wrap(text, width, 0);
    match &view.status.run {
        Run::AwaitingApproval { .. } => {
            let writes = wrap(&view.writes.to_string());
            format!("{}\n\n{writes}", show::standing::gate(view, width).trim_start())
        }
        Run::NeedsHuman { problem } => {
            let again = wrap(&format!("Then: landfall resume {name}"));
            let back = if show::standing::is_committed(view) {
                String::new()
            } else {
                format!("\nOr:   landfall abort {name}")
            };
            let safe = wrap(&view.safe);
            let problem = Problem { writes: Some(view.writes), ..problem.clone() };
            format!("{}\n\n{safe}\n{again}{back}", show::problem::stop(&problem, width))
        }
        Run::Paused { by, why } => {
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            wrap(&format!("Paused by {by}{why}. {} Then: landfall resume {name}", view.writes))
        }
        Run::Finished { outcome: Outcome::Moved } => {
            wrap(&format!("{name} is moved. {}", view.writes))
        }
        Run::Finished { outcome: Outcome::Undone } => {
            wrap(&format!("{name} is undone; everything is as before. {}", view.writes))
        }
        Run::Finished { outcome: Outcome::RolledBack } => wrap(&format!(
            "{name} is rolled back; the target is kept, fenced, until somebody deletes it. {}",
            view.writes
        )),
        Run::Running | Run::Waiting { .. } => {
            wrap(&format!("{name} goes on. landfall watch {name} follows it."))
        }
    }
}

/// The exit code of where a move stands.
pub(crate) fn exit(view: &MoveView) -> Exit {
    match &view.status.run {
        Run::Finished { outcome: Outcome::Moved } | Run::Running | Run::Waiting { .. } => {
            Exit::Done
        }
        Run::Finished { outcome: Outcome::Undone | Outcome::RolledBack } => Exit::Undone,
        Run::AwaitingApproval { .. } => Exit::Gate,
        Run::NeedsHuman { .. } => Exit::Stopped,
        Run::Paused { .. } => Exit::Paused,
    }
}

#[cfg(test)]
mod tests {
    use landfall_api::core::Code;

    use super::*;
    use crate::show::layout::assert_fits;
    use crate::show::sample;

    fn stopped() -> MoveView {
        let problem = Problem::new(
            Code::FenceLeaks,
            "2 client sessions of role shop are still open on orders-prod",
            "End them, or find out why the quarantine group lets them in.",
        );
        sample::view(Run::NeedsHuman { problem })
    }

    #[test]
    fn where_following_ends_the_next_command_is_said() {
        let paused = Run::Paused { by: "ann".to_owned(), why: "lunch".to_owned() };
        let moved = Run::Finished { outcome: Outcome::Moved };
        let undone = Run::Finished { outcome: Outcome::Undone };
        for (view, exit_code, until_end, command) in [
            (sample::at_the_gate(), Exit::Gate, false, "landfall approve orders approve_cutover"),
            (stopped(), Exit::Stopped, false, "landfall resume orders"),
            (sample::view(paused), Exit::Paused, false, "landfall resume orders"),
            (sample::view(moved), Exit::Done, true, "is moved"),
            (sample::view(undone), Exit::Undone, true, "is undone"),
            (sample::view(Run::Running), Exit::Done, false, "landfall watch orders"),
        ] {
            for width in [40, 100] {
                let text = closing(&view, width);
                assert_fits(&text, width);
                let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(flat.contains(command), "{command} missing in\n{text}");
                let run_on = matches!(view.status.run, Run::Running);
                assert!(
                    run_on || flat.contains("Writes are accepted by"),
                    "writes missing\n{text}"
                );
            }
            assert_eq!(exit(&view), exit_code);
            assert_eq!(is_end(&view, Until::Over), until_end, "{:?}", view.status.run);
        }
    }

    #[test]
    fn a_problem_inside_the_pause_does_not_end_the_driver() {
        let mut view = stopped();
        assert!(is_end(&view, Until::SomebodyIsNeeded));
        let since = view.now;
        view.pause = Some(landfall_api::PauseClock { since, until: None, budget_ms: 60_000 });
        assert!(!is_end(&view, Until::SomebodyIsNeeded), "nobody would count the budget");
        let until = Some(view.now);
        view.pause = Some(landfall_api::PauseClock { since, until, budget_ms: 60_000 });
        assert!(is_end(&view, Until::SomebodyIsNeeded));
    }

    #[test]
    fn a_driver_that_cannot_go_on_is_told() {
        let why = "could not choose an AWS region: no region is set".to_owned();
        let view = MoveView { driven: Driven::Stopped { why }, ..sample::view(Run::Running) };
        assert!(hindrance(&view).unwrap().contains("AWS region"));
        assert_eq!(hindrance(&sample::view(Run::Running)), None);
    }
}
