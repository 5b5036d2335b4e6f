//! The server: everything wired together behind one HTTP door. A library, started by the binary
//! for `serve`, and inside every other command that is given no server.
//!
//! It holds no state of its own: moves are journals in the store, routes are rows of it, and what
//! a driver knows it has read. So any number of servers may stand on one store; the leases decide
//! who drives.

mod app;
mod audit;
mod clock;
mod config;
mod crash;
mod door;
mod drivers;
mod evidence;
mod gate;
mod held;
mod locked;
mod logins;
mod look;
mod outside;
mod poolers;
mod refusal;
mod report;
mod server;
mod slots;
mod standing;
mod world;

pub use config::{Config, Role, Token, XdsSecurity};
pub use crash::{CRASH_AT, CRASH_WHEN};
pub use landfall_postgres::read_secret;
pub use landfall_route::{bootstrap, pki};
pub use landfall_store::PostgresAddress;
pub use server::{Server, StartError};

/// An error with everything that caused it, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
