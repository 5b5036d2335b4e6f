//! Envoy's admin page, asked over loopback.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use crate::exit::Exit;
use crate::stop::Stop;

const BOUND: Duration = Duration::from_secs(10);

/// An Envoy's admin page.
pub(super) struct Admin {
    http: reqwest::Client,
    address: SocketAddr,
}

impl Admin {
    pub(super) fn new(address: SocketAddr) -> Result<Self, Stop> {
        let http = reqwest::Client::builder().no_proxy().timeout(BOUND).build();
        Ok(Self { http: http.map_err(|error| silent(address, &error))?, address })
    }

    pub(super) async fn json(&self, path: &str) -> Result<Value, Stop> {
        let asked = self.http.get(format!("http://{}{path}", self.address)).send().await;
        let answer = asked.and_then(reqwest::Response::error_for_status);
        let answer = answer.map_err(|error| silent(self.address, &error))?;
        answer.json().await.map_err(|error| silent(self.address, &error))
    }
}

fn silent(address: SocketAddr, error: &reqwest::Error) -> Stop {
    let why = crate::show::root(error);
    Stop::Failed(
        Exit::Unreachable,
        format!("Envoy's admin page does not answer at {address}: {why}. --admin names another."),
    )
}
