//! Under construction.

pub mod firewall;
pub mod process;
pub mod seed;
pub mod server;
pub mod tools;
pub mod workload;
