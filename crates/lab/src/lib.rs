//! Under construction.

pub mod firewall;
pub mod process;
pub mod server;
pub mod tools;
