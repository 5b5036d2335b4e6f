//! Bad input and bad days: the real binary, real PostgreSQL, a real Envoy, and a load that goes on.
//!
//! Each module is a risk. A test brings a stage up, does the damage, and judges by three things
//! alone: what a person is told (code, object, what to type, where writes go), what the load's own
//! ledger says, and whether the world is moved, or as it was before. Nothing waits for time to
//! pass: each wait looks at the world, has a bound, and shows the state when it is over.

#[cfg(test)]
mod abort;
#[cfg(test)]
mod bypass;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod cloud;
#[cfg(test)]
mod comparison;
#[cfg(test)]
mod composite;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod control_plane;
#[cfg(test)]
mod death;
#[cfg(test)]
mod drift;
#[cfg(test)]
mod equipment;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod impatient;
#[cfg(test)]
mod input;
#[cfg(test)]
mod laboratory;
#[cfg(test)]
mod left_over_slot;
#[cfg(test)]
mod metric;
#[cfg(test)]
mod metric_gap;
#[cfg(test)]
mod mutual;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod partition;
#[cfg(test)]
mod pgbouncer;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod replica;
#[cfg(test)]
mod rivals;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod session;
#[cfg(test)]
mod shared;
#[cfg(test)]
mod smoke;
#[cfg(test)]
mod told;
#[cfg(test)]
mod watch;
#[cfg(test)]
mod way_back;
#[cfg(test)]
mod world;
