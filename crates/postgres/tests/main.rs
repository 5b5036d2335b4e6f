//! The port against real servers of the lab: what the suite promises, and what only PostgreSQL
//! itself can show. A server per test, each with a master user that is no superuser, as on RDS.

#[cfg(test)]
mod bench;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod markers;
#[cfg(test)]
mod performance;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod reads;
#[cfg(test)]
mod script;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod smoke;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod way_back;
