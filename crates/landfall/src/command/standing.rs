//! `status`, `watch` and `history`: where moves stand, and how they came there.

use landfall_api::core::{MigrationName, Seq};

use crate::arguments::{Common, HistoryArguments};
use crate::door::Door;
use crate::exit::Exit;
use crate::follow::{self, Until};
use crate::out::{Form, Out};
use crate::show;
use crate::stop::Stop;

pub(super) async fn status(common: &Common, name: Option<&str>, out: Out) -> Result<Exit, Stop> {
    let door = Door::ask(common).await?;
    let Some(name) = name else {
        let moves = door.client.moves().await;
        door.close().await;
        let moves = moves?;
        out.data(&moves, |width| show::standing::list(&moves, width));
        return Ok(Exit::Done);
    };
    let view = door.client.one(&MigrationName::new(name)).await;
    door.close().await;
    let view = view?;
    out.data(&view, |width| show::standing::table(&view, width));
    Ok(Exit::Done)
}

pub(super) async fn history(
    common: &Common,
    asked: &HistoryArguments,
    out: Out,
) -> Result<Exit, Stop> {
    let door = Door::ask(common).await?;
    let name = MigrationName::new(asked.name.as_str());
    let history = door.client.history(&name, Seq(asked.after)).await;
    door.close().await;
    let history = history?;
    out.data(&history, |width| show::history::whole(&history, width));
    Ok(Exit::Done)
}

pub(super) async fn watch(common: &Common, name: &str, out: Out) -> Result<Exit, Stop> {
    let door = Door::ask(common).await?;
    let name = MigrationName::new(name);
    let followed = match out.form {
        Form::Json => follow::stream(&door.client, &name, out).await,
        Form::Text => from_now(&door, &name, out).await,
    };
    door.close().await;
    followed
}

async fn from_now(door: &Door, name: &MigrationName, out: Out) -> Result<Exit, Stop> {
    let view = door.client.one(name).await?;
    out.text(&show::standing::table(&view, out.width()));
    let view = follow::follow(&door.client, name, view.last, Until::Over, out).await?;
    out.text(&follow::closing(&view, out.width()));
    Ok(follow::exit(&view))
}
