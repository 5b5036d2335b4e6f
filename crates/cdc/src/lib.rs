//! The consumers port: whoever reads the source's changes, by whatever means it is spoken to.
//!
//! Each consumer has an adapter; [`ConsumerSet`] is all of a move's behind the one port. Nothing is
//! proved here: a connector that says "running" may emit nothing at all, so what counts is what it
//! stored, held by the steps against its slot. Adapters keep one rule by themselves: neither
//! offset nor endpoint changes under a consumer that reads. Dying half-way leaves single settings
//! of a stopped consumer changed; the next look shows which.

mod command;
mod connect;
mod set;
mod slot;

pub use command::CommandConsumer;
pub use connect::{KafkaConnect, KafkaConnectSettings, Login};
pub use set::{Adapter, ConsumerSet};
pub use slot::SlotConsumer;
