//! `lab gateway`: Envoys in front of the lab, from the same bootstraps as anybody's.
//!
//! With two hops the proxies are enrolled here, by the authority in the state directory, and their
//! files stand in the lab's folder, with which they go. What is half started is stopped by the next
//! start, by `stop`, or with the lab.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use landfall_lab::supervisor::{Client, gateway_dir};
use serde_json::json;

use super::arguments::{GatewayArguments, GatewayStart, Hops};
use super::{failed, record};
use crate::arguments::{Bootstrap, Common, HopRole};
use crate::command::envoy::written;
use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::stop::Stop;

const HOLD_TIMEOUT: &str = "1h";

/// The group of the sidecar, which alone the gateway lets in.
const APPLICATION: &str = "lab-application";

pub(super) async fn gateway(
    common: &Common,
    dir: &Path,
    asked: &GatewayArguments,
    out: Out,
) -> Result<Exit, Stop> {
    let client = Client::new(&record(dir)?);
    // A sidecar of an earlier start would lead to a gateway that is gone.
    client.stop_gateway().await.map_err(|error| failed(&error))?;
    match asked {
        GatewayArguments::Start(start) => match start.hops {
            Hops::One => one(common, &client, start, out).await?,
            Hops::Two => two(common, &client, (start, &gateway_dir(dir)), out).await?,
        },
        GatewayArguments::Stop => match out.form {
            Form::Json => out.json(&json!({ "gateway": false })),
            Form::Text => out.text("The gateway is stopped."),
        },
    }
    Ok(Exit::Done)
}

async fn one(common: &Common, client: &Client, start: &GatewayStart, out: Out) -> Result<(), Stop> {
    let (listen, admin) = (free(start.listen)?, free(ANY)?);
    let text = written(common, &asked(start, listen, admin))?;
    client.start_gateway(&text, admin).await.map_err(|error| failed(&error))?;
    match out.form {
        Form::Json => out.json(&json!({ "listen": listen, "admin": admin })),
        Form::Text => out.text(&listen.to_string()),
    }
    Ok(())
}

async fn two(
    common: &Common,
    client: &Client,
    (start, files): (&GatewayStart, &Path),
    out: Out,
) -> Result<(), Stop> {
    let (between, admin) = (free(ANY)?, free(ANY)?);
    let gateway = Bootstrap {
        role: HopRole::Gateway,
        cluster: "lab-gateways".to_owned(),
        allowed: vec![format!("{}={APPLICATION}", start.service)],
        out: Some(folder(files, "gateway-files")?),
        ..asked(start, between, admin)
    };
    let (listen, sidecar_admin) = (free(start.listen)?, free(ANY)?);
    let sidecar = Bootstrap {
        role: HopRole::Sidecar,
        node: format!("{}-sidecar", start.node),
        cluster: APPLICATION.to_owned(),
        gateways: vec![between.to_string()],
        out: Some(folder(files, "sidecar-files")?),
        ..asked(start, listen, sidecar_admin)
    };
    let (gateway, sidecar) = (written(common, &gateway)?, written(common, &sidecar)?);
    client.start_gateway(&gateway, admin).await.map_err(|error| failed(&error))?;
    client.start_sidecar(&sidecar, sidecar_admin).await.map_err(|error| failed(&error))?;
    match out.form {
        Form::Json => {
            let addresses =
                json!({ "listen": listen, "admin": admin, "sidecar_admin": sidecar_admin });
            out.json(&addresses);
        }
        Form::Text => out.text(&listen.to_string()),
    }
    Ok(())
}

/// What `envoy bootstrap` would be asked for one hop.
fn asked(start: &GatewayStart, listen: SocketAddr, admin: SocketAddr) -> Bootstrap {
    Bootstrap {
        role: HopRole::OneHop,
        listeners: vec![format!("{}={listen}", start.service)],
        node: start.node.clone(),
        cluster: "lab".to_owned(),
        xds: start.xds.clone(),
        admin,
        hold_timeout: HOLD_TIMEOUT.to_owned(),
        gateways: Vec::new(),
        allowed: Vec::new(),
        certificate: None,
        key: None,
        roots: None,
        trust_domain: "landfall".to_owned(),
        xds_security: None,
        out: None,
        installed: None,
    }
}

/// Whole, because Envoy reads the files from wherever the lab was brought up.
fn folder(files: &Path, name: &str) -> Result<PathBuf, Stop> {
    std::path::absolute(files.join(name)).map_err(|error| failed(&error))
}

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

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
