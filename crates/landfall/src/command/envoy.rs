//! `envoy bootstrap`: the file that one application's Envoy starts with. Needs no server.

use std::net::SocketAddr;

use landfall_api::core::quantity::duration_text;
use landfall_api::core::{Endpoint, ServiceName};
use landfall_server::{BootstrapOptions, bootstrap};
use serde_json::json;

use crate::arguments::{Bootstrap, Envoy};
use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::stop::Stop;

pub(super) fn envoy(envoy: &Envoy, out: Out) -> Result<Exit, Stop> {
    let Envoy::Bootstrap(asked) = envoy;
    let text = bootstrap(&options(asked)?);
    match out.form {
        Form::Text => out.text(&text),
        Form::Json => out.json(&json!({ "bootstrap": text })),
    }
    Ok(Exit::Done)
}

fn options(asked: &Bootstrap) -> Result<BootstrapOptions, Stop> {
    let xds: Endpoint = asked.xds.parse().map_err(|why| Stop::mistake(format!("--xds: {why}.")))?;
    let hold_timeout = duration_text::parse(&asked.hold_timeout)
        .map_err(|why| Stop::mistake(format!("--hold-timeout: {why}.")))?;
    Ok(BootstrapOptions {
        node_id: asked.node.clone(),
        cluster: asked.cluster.clone(),
        xds,
        admin: asked.admin,
        listeners: asked.listeners.iter().map(|text| listener(text)).collect::<Result<_, _>>()?,
        hold_timeout,
    })
}

fn listener(text: &str) -> Result<(ServiceName, SocketAddr), Stop> {
    let wrong = || {
        Stop::mistake(format!(
            "--listen {text} is not SERVICE=ADDR:PORT, such as orders=127.0.0.1:6432."
        ))
    };
    let (service, listen) = text.split_once('=').ok_or_else(wrong)?;
    if service.is_empty() {
        return Err(wrong());
    }
    Ok((ServiceName::new(service), listen.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_a_service_and_an_address() {
        let (service, listen) = listener("orders=127.0.0.1:6432").unwrap();
        assert_eq!((service.as_str(), listen.port()), ("orders", 6432));
        for text in ["orders", "=127.0.0.1:6432", "orders=6432", "orders=host:6432"] {
            assert!(listener(text).is_err(), "{text}");
        }
    }
}
