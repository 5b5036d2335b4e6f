//! A driver's own clock: the world's, and how far it is off.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use landfall_core::port::Clock;

use crate::model::World;

/// One machine's clock.
pub(super) struct Wrist<'a> {
    world: &'a World,
    ahead: AtomicI64,
}

impl<'a> Wrist<'a> {
    pub(super) const fn new(world: &'a World) -> Self {
        Self { world, ahead: AtomicI64::new(0) }
    }

    /// It shows another time from here on.
    pub(super) fn set(&self, ahead: SignedDuration) {
        let millis = i64::try_from(ahead.as_millis()).unwrap_or(0);
        self.ahead.store(millis, Ordering::Relaxed);
    }
}

#[async_trait]
impl Clock for Wrist<'_> {
    fn now(&self) -> Timestamp {
        self.world.now() + SignedDuration::from_millis(self.ahead.load(Ordering::Relaxed))
    }

    async fn sleep(&self, duration: Duration) {
        self.world.sleep(duration).await;
    }
}
