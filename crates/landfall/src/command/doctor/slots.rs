//! `doctor SPEC|INSTANCE`: the slots of a source and its disk; with `--drop` one of them goes.

use landfall_api::assess::slot_health::{self, SlotReport};
use landfall_api::{DropSlot, SpecText};

use crate::arguments::Common;
use crate::command::{assess, by};
use crate::door::Door;
use crate::exit::Exit;
use crate::out::Out;
use crate::show;
use crate::stop::Stop;

pub(super) async fn look(common: &Common, source: &str, out: Out) -> Result<Exit, Stop> {
    let spec_toml = assess::spec(source)?;
    let door = Door::ask(common).await?;
    let found = door.client.inventory(&SpecText { spec_toml }).await;
    door.close().await;
    let report: SlotReport = slot_health::report(&found?.inventory);
    out.data(&report, |width| show::slots::report(&report, width));
    Ok(if report.not_looked.is_some() { Exit::Stopped } else { Exit::Done })
}

/// What is dropped, and why.
pub(super) struct Order<'a> {
    pub(super) slot: &'a str,
    pub(super) reason: &'a str,
}

pub(super) async fn drop_one(
    common: &Common,
    source: &str,
    order: &Order<'_>,
    out: Out,
) -> Result<Exit, Stop> {
    let spec_toml = assess::spec(source)?;
    let (slot, reason) = (order.slot.to_owned(), order.reason.to_owned());
    let order = DropSlot { spec_toml, slot, reason, by: by(common) };
    let door = Door::ask(common).await?;
    let dropped = door.client.drop_slot(&order).await;
    door.close().await;
    let dropped = dropped?;
    out.data(&dropped, |width| show::slots::dropped(&dropped, width));
    Ok(Exit::Done)
}
