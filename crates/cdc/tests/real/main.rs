//! Consumers on the real thing: Debezium in a Kafka Connect worker over real PostgreSQL servers,
//! and programs that are really run.

#[cfg(test)]
mod command;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod secure;
