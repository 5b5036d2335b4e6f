//! The port against real servers of the lab: what the suite promises, and what only PostgreSQL
//! itself can show. A server per test, each with a master user that is no superuser, as on RDS.

mod bench;
mod conformance;
mod connections;
mod markers;
mod reads;
mod sessions;
mod smoke;
mod transport;
