//! `lab gateway`: an Envoy in front of the lab, from the same bootstrap as anybody's.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use landfall_api::core::{Endpoint, ServiceName};
use landfall_lab::supervisor::Client;
use landfall_server::bootstrap::{BootstrapOptions, Hop, Listen, Xds, bootstrap};
use serde_json::json;

use super::arguments::{GatewayArguments, GatewayStart};
use super::{failed, record};
use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::stop::Stop;

const HOLD_TIMEOUT: Duration = Duration::from_hours(1);

pub(super) async fn gateway(dir: &Path, asked: &GatewayArguments, out: Out) -> Result<Exit, Stop> {
    let client = Client::new(&record(dir)?);
    match asked {
        GatewayArguments::Start(start) => begin(&client, start, out).await?,
        GatewayArguments::Stop => {
            client.stop_gateway().await.map_err(|error| failed(&error))?;
            match out.form {
                Form::Json => out.json(&json!({ "gateway": false })),
                Form::Text => out.text("The gateway is stopped."),
            }
        }
    }
    Ok(Exit::Done)
}

async fn begin(client: &Client, start: &GatewayStart, out: Out) -> Result<(), Stop> {
    let xds: Endpoint = start.xds.parse().map_err(|why| Stop::mistake(format!("--xds: {why}.")))?;
    let listen = free(start.listen)?;
    let admin = free(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let text = bootstrap(&BootstrapOptions {
        node_id: start.node.clone(),
        cluster: "lab".to_owned(),
        xds: Some(Xds { endpoint: xds, enrolment: None }),
        admin,
        listeners: vec![(ServiceName::new(start.service.as_str()), Listen::Tcp(listen))],
        hold_timeout: HOLD_TIMEOUT,
        hop: Hop::One,
    });
    client.start_gateway(&text, admin).await.map_err(|error| failed(&error))?;
    match out.form {
        Form::Json => out.json(&json!({ "listen": listen, "admin": admin })),
        Form::Text => out.text(&listen.to_string()),
    }
    Ok(())
}

/// The address with a port; a free one when it is 0. Envoy binds it a moment later.
fn free(address: SocketAddr) -> Result<SocketAddr, Stop> {
    if address.port() != 0 {
        return Ok(address);
    }
    TcpListener::bind(address).and_then(|listener| listener.local_addr()).map_err(|error| {
        Stop::Failed(
            Exit::Unreachable,
            format!("Could not find a free port on {address}: {error}."),
        )
    })
}
