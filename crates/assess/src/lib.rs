//! Assessment: what is known about a source before it is touched, and what follows from it.
//!
//! [`collect()`] reads through the ports; everything else is pure over the [`Inventory`], so that an
//! inventory can be saved, judged again offline, and made up by a test. It knows nothing of the
//! process: `flow` asks it. A check that could not look says "not looked", never "fine".

pub mod bypass;
pub mod catalogue;
pub mod checks;
pub mod choice;
pub mod collect;
pub mod comparison;
pub mod cost;
mod defaults;
pub mod forecast;
pub mod inventory;
pub mod judgement;
pub mod lag;
#[cfg(test)]
mod made_up;
pub mod parameters;
pub mod parity;
mod patience;
pub mod question;
pub mod road;
pub mod saved;
pub mod slot_health;
pub mod span;

pub use checks::{blockers, findings};
pub use choice::{choose_class, choose_version};
pub use collect::collect;
pub use inventory::Inventory;
pub use judgement::{Assessment, judge};
