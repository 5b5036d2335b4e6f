//! `serve`: the API, the gateway's control plane, and a driver for every unfinished move.

use landfall_server::{Role, Server};
use serde_json::json;

use crate::arguments::{Common, Serve};
use crate::door;
use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::signal;
use crate::stop::Stop;

pub(super) async fn serve(common: &Common, serve: &Serve, out: Out) -> Result<Exit, Stop> {
    if common.server.is_some() {
        return Err(Stop::mistake(
            "`serve` is a server itself: leave --server and LANDFALL_SERVER away.",
        ));
    }
    let role = Role::Drives { xds: serve.driving.xds_listen };
    let times = serve.driving.times()?;
    let server = Server::start(door::config(common, role, serve.listen, times)?).await?;
    let (url, xds) = (server.url(), server.xds().map(|address| address.to_string()));
    match out.form {
        Form::Json => out.json_line(&json!({ "url": url, "xds": xds })),
        Form::Text => out.text(&format!(
            "API at {url}, gateway proxies at {}. Ctrl-C stops between two actions.",
            xds.unwrap_or_default()
        )),
    }
    signal::told_to_stop().await;
    out.say("Stopping between two actions; moves stand still, which is safe.");
    server.stop().await;
    Ok(Exit::Done)
}
