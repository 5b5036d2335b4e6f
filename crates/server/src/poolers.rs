//! The PgBouncers that a spec names, with their passwords.
//!
//! A password that cannot be had is no reason to leave a move under way alone: that node is shown
//! with the reason, the others are steered, and the pause budget goes on being counted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use landfall_core::port::Clock;
use landfall_core::spec::{PgBouncerNode, Spec};
use landfall_core::{Failure, FailureKind};
use landfall_postgres::read_secret;
use landfall_route::{DatabasesFile, PgBouncerGateway, PgBouncerNodeSettings, PgBouncerSettings};

/// The gateway of `[route.pgbouncer]`.
pub(crate) fn gateway(
    spec: &Spec,
    call_timeout: Duration,
    clock: &Arc<dyn Clock>,
) -> Result<PgBouncerGateway, Failure> {
    let Some(pgbouncer) = &spec.route.pgbouncer else {
        let what = "steer the PgBouncers that route.router names";
        let detail = "the spec has no section [route.pgbouncer]";
        return Err(Failure::new(FailureKind::Invalid, what, detail));
    };
    let settings = PgBouncerSettings {
        service: spec.route.service.clone(),
        databases: pgbouncer.databases.clone(),
        template: pgbouncer.template.clone(),
        nodes: pgbouncer.node.iter().map(node).collect(),
        call_timeout,
    };
    Ok(PgBouncerGateway::new(settings, clock))
}

fn node(node: &PgBouncerNode) -> PgBouncerNodeSettings {
    let password = node.password.as_ref().map(read_secret).transpose();
    PgBouncerNodeSettings {
        name: node.name.clone(),
        host: node.host.clone(),
        port: node.port,
        user: node.user.clone(),
        password: password
            .map(|secret| secret.map(|secret| secret.expose().clone()))
            .map_err(|failure| format!("its password cannot be had: {}", failure.detail)),
        root_certificate: node.root_certificate.as_ref().map(PathBuf::from),
        file: file(node),
    }
}

/// One of the two is there: the spec's own check asks for it.
fn file(node: &PgBouncerNode) -> DatabasesFile {
    match (&node.write, &node.file) {
        (Some(words), _) => DatabasesFile::Through(words.clone()),
        (None, file) => DatabasesFile::Here(PathBuf::from(file.as_deref().unwrap_or_default())),
    }
}
