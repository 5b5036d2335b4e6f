//! `envoy`: what an Envoy is started with, and whether a running one would hold. Needs no server.

mod admin;
mod bootstrap;
mod check;
mod findings;

pub(in crate::command) use self::bootstrap::written;

use crate::arguments::{Common, Envoy};
use crate::exit::Exit;
use crate::out::Out;
use crate::stop::Stop;

pub(super) async fn envoy(common: &Common, envoy: &Envoy, out: Out) -> Result<Exit, Stop> {
    match envoy {
        Envoy::Bootstrap(asked) => bootstrap::bootstrap(common, asked, out),
        Envoy::Check(asked) => check::check(asked, out).await,
    }
}
