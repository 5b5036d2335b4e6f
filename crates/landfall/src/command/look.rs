//! `plan`: the dry run; and how a spec is read.

use std::io::Read;

use landfall_api::SpecText;

use crate::arguments::{Common, SpecFile};
use crate::door::Door;
use crate::exit::Exit;
use crate::out::Out;
use crate::show;
use crate::stop::Stop;

pub(super) async fn plan(common: &Common, spec: &SpecFile, out: Out) -> Result<Exit, Stop> {
    let spec_toml = read(spec)?;
    let door = Door::ask(common).await?;
    let plan = door.client.plan(&SpecText { spec_toml }).await;
    door.close().await;
    let plan = plan?;
    out.data(&plan, |width| show::plan::whole(&plan, width));
    Ok(if plan.stops_at.is_some() { Exit::Stopped } else { Exit::Done })
}

/// The spec's text; what is wrong in it, the server says.
pub(super) fn read(file: &SpecFile) -> Result<String, Stop> {
    let path = &file.spec;
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    text.map_err(|error| {
        Stop::mistake(format!(
            "Could not read the spec {}: {error}. Name a TOML file, or - for stdin.",
            path.display()
        ))
    })
}
