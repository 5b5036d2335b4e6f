//! `approve`, `pause`, `resume`, `abort`, `roll-back`, `retire`: one record in the journal each.
//!
//! The order is taken or refused at once; a driver then acts on it, here or elsewhere.

use std::io::{BufRead, IsTerminal};

use landfall_api::core::MigrationName;
use landfall_api::core::spec::RetireSource;
use landfall_api::core::status::Run;
use landfall_api::{Driven, MoveView, Order};

use crate::arguments::{Common, OrderArguments, Retire, RollBack};
use crate::door::Door;
use crate::exit::Exit;
use crate::out::Out;
use crate::show;
use crate::stop::Stop;

/// Which gate, and what is said about it.
pub(super) struct Approval {
    pub(super) gate: String,
    pub(super) note: String,
}

pub(super) async fn approve(
    common: &Common,
    name: &str,
    approval: Approval,
    out: Out,
) -> Result<Exit, Stop> {
    let order = Order {
        by: super::by(common),
        why: approval.note,
        gate: Some(approval.gate),
        ..Order::default()
    };
    give(common, "approve", (name, order), out).await
}

pub(super) async fn plain(
    common: &Common,
    verb: &str,
    asked: &OrderArguments,
    out: Out,
) -> Result<Exit, Stop> {
    let order = Order { by: super::by(common), why: asked.why.clone(), ..Order::default() };
    give(common, verb, (&asked.name, order), out).await
}

pub(super) async fn resume(common: &Common, name: &str, out: Out) -> Result<Exit, Stop> {
    let order = Order { by: super::by(common), ..Order::default() };
    give(common, "resume", (name, order), out).await
}

pub(super) async fn roll_back(common: &Common, asked: &RollBack, out: Out) -> Result<Exit, Stop> {
    let RollBack { order, accept_loss } = asked;
    let (by, why, accept_loss) = (super::by(common), order.why.clone(), accept_loss.clone());
    let wanted = Order { by, why, accept_loss, ..Order::default() };
    give(common, "roll-back", (&order.name, wanted), out).await
}

pub(super) async fn retire(common: &Common, asked: &Retire, out: Out) -> Result<Exit, Stop> {
    if !asked.yes {
        ask_before_deleting(common, &asked.name, out).await?;
    }
    let order = Order { by: super::by(common), why: asked.note.clone(), ..Order::default() };
    give(common, "retire", (&asked.name, order), out).await
}

async fn give(
    common: &Common,
    verb: &str,
    (name, order): (&str, Order),
    out: Out,
) -> Result<Exit, Stop> {
    let door = Door::ask(common).await?;
    let view = door.client.order(&MigrationName::new(name), verb, &order).await;
    door.close().await;
    let view = view?;
    out.data(&view, |width| show::standing::now(&view, width));
    if let Some(next) = nobody_drives(&view) {
        out.say(&show::layout::wrap(&next, out.width(), 0));
    }
    Ok(Exit::Done)
}

/// The order stands in the journal; somebody has to carry it out.
fn nobody_drives(view: &MoveView) -> Option<String> {
    let moves_on = matches!(view.status.run, Run::Running | Run::Waiting { .. });
    let nobody = view.lease.is_none() && view.driven == Driven::No;
    (moves_on && nobody).then(|| {
        "The order is in the journal, and nobody leads this move now: `landfall run SPEC` or \
         `landfall serve` carries it out."
            .to_owned()
    })
}

async fn ask_before_deleting(common: &Common, name: &str, out: Out) -> Result<(), Stop> {
    let door = Door::ask(common).await?;
    let view = door.client.one(&MigrationName::new(name)).await;
    door.close().await;
    let view = view?;
    let at_the_gate = matches!(
        &view.status.run,
        Run::AwaitingApproval { gate } if gate == "approve_retirement"
    );
    if !at_the_gate || view.spec.retire.source == RetireSource::Keep {
        return Ok(());
    }
    let source = &view.spec.source.instance;
    if !std::io::stdin().is_terminal() {
        return Err(Stop::mistake(format!(
            "This deletes {source} after a final snapshot. Say --yes to mean it."
        )));
    }
    out.say(&format!("This deletes {source} after a final snapshot. Type its name to go on:"));
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if read.is_ok() && answer.trim() == source.as_str() {
        Ok(())
    } else {
        Err(Stop::mistake("Nothing was done: the name does not match."))
    }
}
