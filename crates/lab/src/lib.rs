//! The lab: AWS's APIs as far as Landfall uses them, over real PostgreSQL processes, on one
//! machine and without a cloud account.
//!
//! The door speaks AWS's wire protocols, the cloud keeps AWS's states, the servers, firewalls and
//! gateways are real. Tests, the demo and people use this one library, so a demo is a test. What
//! it does differently from AWS is listed in DIFFERENCES.md. It shares no code with the product.
//! Whatever it starts dies with the process that holds it.

pub mod account;
pub mod balancer;
pub mod catalogue;
pub mod cloud;
pub mod consumers;
pub mod control;
pub mod door;
pub mod faults;
pub mod firewall;
pub mod gateway;
pub mod policy;
pub mod pooler;
pub mod process;
pub mod sampler;
pub mod seed;
pub mod server;
pub mod supervisor;
mod tls;
mod token;
pub mod tools;
pub mod workload;
pub mod zones;
