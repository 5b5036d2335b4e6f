//! Two hops on the stage: the application's sidecar, mutual TLS, the gateway.
//!
//! Both start from what `landfall envoy bootstrap` wrote and nothing else. Certificates live so
//! short that every move sees several of them come and go.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, Result};
use landfall_lab::gateway::{Gateway, GatewayConfig};
use landfall_lab::supervisor::Lab;
use landfall_lab::tools;

use crate::product::{Product, free_address};

/// What the product is told beside the rest.
pub(crate) fn environment() -> [(String, String); 2] {
    [("LANDFALL_XDS_SECURITY", "mtls"), ("LANDFALL_CERTIFICATE_LIFETIME", "20s")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// Where the hops stand.
pub(crate) struct Hops<'a> {
    /// Where the application connects.
    pub(crate) application: SocketAddr,
    /// The gateway's admin page.
    pub(crate) admin: SocketAddr,
    /// The stage's folder.
    pub(crate) dir: &'a Path,
}

impl Hops<'_> {
    /// Starts the gateway in the lab, and the sidecar.
    pub(crate) async fn start(&self, product: &Product, lab: &Lab) -> Result<Gateway> {
        let between = free_address()?;
        let gateway = self.bootstrap(
            product,
            "gateway-1",
            &[
                "--role=gateway",
                "--cluster=gateways",
                "--allow=shop=web",
                &format!("--listen=shop={between}"),
                &format!("--admin={}", self.admin),
            ],
        )?;
        lab.start_gateway(gateway, self.admin).await.context("start the gateway")?;
        let admin = free_address()?;
        let bootstrap = self.bootstrap(
            product,
            "web-1",
            &[
                "--role=sidecar",
                "--cluster=web",
                &format!("--gateway={between}"),
                &format!("--listen=shop={}", self.application),
                &format!("--admin={admin}"),
            ],
        )?;
        let (envoy, dir) = (tools::envoy().context("find Envoy")?, self.dir.join("sidecar"));
        let config = GatewayConfig { envoy, dir, bootstrap, admin };
        Gateway::start(config).await.context("start the sidecar")
    }

    fn bootstrap(&self, product: &Product, node: &str, more: &[&str]) -> Result<String> {
        let folder = self.dir.join(format!("{node}-files"));
        let mut arguments = vec!["envoy".to_owned(), "bootstrap".to_owned()];
        arguments.push(format!("--node={node}"));
        arguments.push(format!("--xds={}", product.xds));
        arguments.push(format!("--out={}", folder.display()));
        arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        product.succeed(arguments)?;
        std::fs::read_to_string(folder.join("envoy.yaml")).context("read the bootstrap")
    }
}
