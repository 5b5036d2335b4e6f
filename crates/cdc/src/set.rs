//! All consumers of a move behind one port, each with its own adapter.
//!
//! It dispatches and nothing else. A name that nobody has is no failure to look at, and one to act
//! on.

use async_trait::async_trait;
use landfall_core::action::ConsumerAction;
use landfall_core::ids::ConsumerName;
use landfall_core::port::Consumers;
use landfall_core::port::consumers::{ConsumerAbility, ConsumerView};
use landfall_core::{Failure, FailureKind};

/// One consumer, by its own means.
#[async_trait]
pub trait Adapter: Send + Sync {
    /// What can be done with it.
    fn ability(&self) -> ConsumerAbility;
    /// As it is now; absent when it does not exist.
    async fn view(&self) -> Result<Option<ConsumerView>, Failure>;
    /// Does it; the action is for this consumer.
    async fn act(&self, action: &ConsumerAction) -> Result<(), Failure>;
}

/// The consumers of a move, in the order of its spec.
#[derive(Default)]
pub struct ConsumerSet {
    members: Vec<(ConsumerName, Box<dyn Adapter>)>,
}

impl ConsumerSet {
    /// Adds one; names are unique in a spec.
    #[must_use]
    pub fn with(mut self, name: ConsumerName, adapter: impl Adapter + 'static) -> Self {
        self.members.push((name, Box::new(adapter)));
        self
    }

    fn member(&self, name: &ConsumerName) -> Option<&dyn Adapter> {
        let found = self.members.iter().find(|(known, _)| known == name);
        found.map(|(_, adapter)| adapter.as_ref())
    }
}

#[async_trait]
impl Consumers for ConsumerSet {
    fn names(&self) -> Vec<ConsumerName> {
        self.members.iter().map(|(name, _)| name.clone()).collect()
    }

    fn ability(&self, consumer: &ConsumerName) -> Option<ConsumerAbility> {
        self.member(consumer).map(Adapter::ability)
    }

    async fn view(&self, consumer: &ConsumerName) -> Result<Option<ConsumerView>, Failure> {
        match self.member(consumer) {
            Some(adapter) => adapter.view().await,
            None => Ok(None),
        }
    }

    async fn act(&self, action: &ConsumerAction) -> Result<(), Failure> {
        let name = action.consumer();
        let Some(adapter) = self.member(name) else {
            let detail = format!("the spec has no [[consumer]] of the name {name}");
            return Err(Failure::new(FailureKind::NotFound, action.to_string(), detail));
        };
        adapter.act(action).await
    }
}
