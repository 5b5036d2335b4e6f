//! `run`: starts a move, or goes on with it, and follows it to the next gate or the end.
//!
//! Without `--server` this process is the orchestrator: when it ends, the move stands still where
//! it is, which is safe in every row of the table. With `--server` it only follows.

use landfall_api::StartMove;
use landfall_api::core::{MigrationName, Seq};
use landfall_server::Role;

use crate::arguments::{Common, Run};
use crate::door::Door;
use crate::exit::Exit;
use crate::follow::{self, Until};
use crate::out::{Form, Out};
use crate::show;
use crate::signal;
use crate::stop::Stop;

pub(super) async fn run(common: &Common, run: &Run, out: Out) -> Result<Exit, Stop> {
    let spec_toml = super::look::read(&run.spec)?;
    let role = Role::Drives { xds: run.driving.xds_listen };
    let door = Door::open(common, role, run.driving.times()?).await?;
    let start = StartMove { spec_toml, by: super::by(common) };
    let walked = tokio::select! {
        walked = walk(&door, &start, run, out) => walked,
        () = signal::told_to_stop() => Ok(interrupted(&door, run, out)),
    };
    door.close().await;
    walked
}

async fn walk(door: &Door, start: &StartMove, run: &Run, out: Out) -> Result<Exit, Stop> {
    let started = door.client.start(start).await?;
    let name: &MigrationName = &started.name;
    if !started.new {
        out.say(&format!("{name} is known; going on with it."));
    }
    // A record before the last: the start itself is worth a line.
    let from = if started.new { Seq(started.last.0.saturating_sub(1)) } else { started.last };
    let until = if run.follow { Until::Over } else { Until::SomebodyIsNeeded };
    let view = follow::follow(&door.client, name, from, until, out).await?;
    match out.form {
        Form::Json => out.json(&view),
        Form::Text => out.text(&follow::closing(&view, out.width())),
    }
    let exit = follow::exit(&view);
    if door.is_own() && exit == Exit::Gate {
        out.say(&again(run));
    }
    Ok(exit)
}

fn again(run: &Run) -> String {
    format!("  landfall run {}", run.spec.spec.display())
}

fn interrupted(door: &Door, run: &Run, out: Out) -> Exit {
    let say = |text| out.say(&show::layout::wrap(text, out.width(), 0));
    if door.is_own() {
        say(
            "Interrupted. The call under way is finished and the move stands still, which is safe; \
             while traffic is held go on soon. To go on:",
        );
        out.say(&again(run));
    } else {
        say("Interrupted. The server goes on with the move; `landfall watch` follows it.");
    }
    Exit::Interrupted
}
