//! Dropping a replication slot that nobody uses, at a person's word and outside of any move.
//!
//! Not an action of a step: a move never drops a slot that it did not make. One statement decides
//! and drops, so that a consumer which comes back meanwhile keeps its slot; PostgreSQL itself
//! refuses one in use. Dying half-way leaves the slot or drops it.

use landfall_core::{Endpoint, Failure};

use crate::adapter::PostgresDatabase;
use crate::call::Call;

/// What became of a slot that was to be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotDrop {
    /// It is gone.
    Dropped,
    /// There is none of this name.
    Unknown,
    /// Somebody uses it: it stays.
    InUse,
}

const DROP: &str = "
select pg_drop_replication_slot(slot_name)
from pg_replication_slots where slot_name = $1 and not active";

const IS_THERE: &str = "select active from pg_replication_slots where slot_name = $1";

impl PostgresDatabase {
    /// Drops a slot unless it is in use.
    pub async fn drop_slot(&self, at: &Endpoint, name: &str) -> Result<SlotDrop, Failure> {
        let what = format!("drop the slot {name} on {at}");
        self.bounded(&what, drop_unused(self.call(at, &what), name)).await
    }
}

async fn drop_unused(call: Call<'_>, name: &str) -> Result<SlotDrop, Failure> {
    if !call.ask(DROP, &[&name], |_| Ok(())).await?.is_empty() {
        return Ok(SlotDrop::Dropped);
    }
    let there = call.ask(IS_THERE, &[&name], |row| row.try_get::<_, bool>(0)).await?;
    Ok(if there.is_empty() { SlotDrop::Unknown } else { SlotDrop::InUse })
}
