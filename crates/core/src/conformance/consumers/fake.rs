//! A consumer that is data: for the simulator and the harness, held to the same promises.
//!
//! It is slower than it could be: a change is "changing" for one look before it is there, because
//! that is how the real ones are.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use crate::action::ConsumerAction;
use crate::failure::{Failure, FailureKind};
use crate::ids::ConsumerName;
use crate::port::Consumers;
use crate::port::consumers::{
    Binding, Boundary, ConsumerAbility, ConsumerState, ConsumerView, Handling, Offsets, Position,
};

/// Any number of consumers, each as its view says.
#[derive(Debug, Default)]
pub struct FakeConsumers {
    all: Mutex<BTreeMap<ConsumerName, Fake>>,
}

#[derive(Debug, Clone)]
struct Fake {
    view: ConsumerView,
    /// What it becomes after the next look.
    next: Option<ConsumerState>,
}

impl FakeConsumers {
    /// Adds one, or puts another in its place.
    pub fn put(&self, name: ConsumerName, view: ConsumerView) {
        self.with(|all| all.insert(name, Fake { view, next: None }));
    }

    /// Changes one by hand, as its owner, its server or a fault would.
    pub fn change(&self, name: &ConsumerName, change: impl FnOnce(&mut ConsumerView)) {
        self.with(|all| {
            if let Some(fake) = all.get_mut(name) {
                change(&mut fake.view);
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<ConsumerName, Fake>) -> T) -> T {
        work(&mut self.all.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Fake {
    fn becomes(&mut self, state: ConsumerState) {
        if self.view.state != state && self.next.as_ref() != Some(&state) {
            self.view.state = ConsumerState::Changing;
            self.next = Some(state);
        }
    }

    /// The state that stands, also when nobody has looked since it was ordered.
    fn state(&self) -> &ConsumerState {
        self.next.as_ref().unwrap_or(&self.view.state)
    }

    fn act(&mut self, action: &ConsumerAction) -> Result<(), Failure> {
        let refused = |kind, detail: &str| Err(Failure::new(kind, action.to_string(), detail));
        match action {
            ConsumerAction::Pause { .. } => self.becomes(ConsumerState::Paused),
            ConsumerAction::Stop { .. } => self.becomes(ConsumerState::Stopped),
            ConsumerAction::Resume { .. } => self.becomes(ConsumerState::Running),
            ConsumerAction::SetOffset { .. } | ConsumerAction::Repoint { .. }
                if *self.state() != ConsumerState::Stopped =>
            {
                return refused(FailureKind::WrongState, "it is not stopped");
            }
            ConsumerAction::SetOffset { .. } | ConsumerAction::Repoint { .. }
                if !self.view.rivals.is_empty() =>
            {
                return refused(FailureKind::TakenByAnother, "its slot has another reader");
            }
            ConsumerAction::SetOffset { lsn, .. } => {
                self.view.position = Some(Position { lsn: *lsn, boundary: Boundary::Commit });
            }
            ConsumerAction::Repoint { to, previous, .. } => {
                let found = self.view.binding.as_ref();
                if found != Some(to) && found != Some(previous) {
                    return refused(FailureKind::TakenByAnother, "somebody changed it");
                }
                self.view.binding = Some(Binding::clone(to));
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Consumers for FakeConsumers {
    fn names(&self) -> Vec<ConsumerName> {
        self.with(|all| all.keys().cloned().collect())
    }

    fn ability(&self, consumer: &ConsumerName) -> Option<ConsumerAbility> {
        let known = self.with(|all| all.contains_key(consumer));
        let ability = ConsumerAbility { offsets: Offsets::Settable, handling: Handling::ByUs };
        known.then_some(ability)
    }

    async fn view(&self, consumer: &ConsumerName) -> Result<Option<ConsumerView>, Failure> {
        Ok(self.with(|all| {
            let fake = all.get_mut(consumer)?;
            let seen = fake.view.clone();
            if let Some(state) = fake.next.take() {
                fake.view.state = state;
            }
            Some(seen)
        }))
    }

    async fn act(&self, action: &ConsumerAction) -> Result<(), Failure> {
        self.with(|all| match all.get_mut(action.consumer()) {
            Some(fake) => fake.act(action),
            None => Err(Failure::new(FailureKind::NotFound, action.to_string(), "nobody")),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::super::{ConsumersFixture, every_promise};
    use super::*;
    use crate::ids::Endpoint;
    use crate::lsn::Lsn;

    struct Fixture(FakeConsumers);

    #[async_trait]
    impl ConsumersFixture for Fixture {
        fn port(&self) -> &dyn Consumers {
            &self.0
        }

        async fn consumer(&self) -> ConsumerName {
            ConsumerName::new("warehouse")
        }

        async fn elsewhere(&self) -> (Endpoint, Lsn) {
            (Endpoint::new("target", 5432), Lsn(0x192_9340))
        }

        fn secret(&self) -> &'static str {
            "hunter2"
        }

        async fn pause(&self) {}
    }

    /// Nothing here ever waits for somebody else.
    fn finish(work: impl Future<Output = ()>) {
        let mut work = pin!(work);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(work.as_mut().poll(&mut context), Poll::Ready(()));
    }

    #[test]
    fn the_fake_keeps_every_promise() {
        let fixture = Fixture(FakeConsumers::default());
        let binding = Binding { endpoint: Endpoint::new("source", 5432), snapshot: None };
        let position = Position { lsn: Lsn(0x192_96F8), boundary: Boundary::Message };
        let view = ConsumerView {
            state: ConsumerState::Running,
            feed: None,
            binding: Some(binding),
            position: Some(position),
            hazards: Vec::new(),
            rivals: Vec::new(),
        };
        fixture.0.put(ConsumerName::new("warehouse"), view);
        finish(every_promise(&fixture));
    }
}
