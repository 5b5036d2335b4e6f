//! PgBouncer as a gateway: real nodes, and real PostgreSQL where clients matter.

mod apart;
mod conformance;
mod holds;
mod load;
#[path = "../envoy/memory.rs"]
#[expect(dead_code, reason = "what only Envoy's tests need of it")]
mod memory;
mod rig;
mod servers;
#[path = "../envoy/stand_in.rs"]
#[expect(dead_code, reason = "what only Envoy's tests need of it")]
mod stand_in;
#[path = "../envoy/wall_clock.rs"]
mod wall_clock;
