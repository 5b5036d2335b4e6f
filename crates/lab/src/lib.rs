//! Under construction.

pub mod firewall;
pub mod gateway;
pub mod process;
pub mod sampler;
pub mod seed;
pub mod server;
pub mod tools;
pub mod workload;
