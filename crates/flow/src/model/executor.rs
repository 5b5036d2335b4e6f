//! Virtual time: tasks are polled in an order that follows from the seed, and time jumps to the
//! next instant at which anybody wants to wake.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::port::Clock;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::World;

thread_local! {
    /// When the tasks of this thread's executor want to wake.
    static WAKE: RefCell<Vec<Timestamp>> = const { RefCell::new(Vec::new()) };
}

/// A task of the simulation.
pub type Lane<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs lanes until the first one has ended, or `at_most` of virtual time is over. Returns whether
/// the first lane ended.
pub fn run_to_end(world: &World, seed: u64, at_most: Duration, lanes: Vec<Lane<'_>>) -> bool {
    let mut random = StdRng::seed_from_u64(seed);
    let end = world.instant() + at_most;
    let mut lanes: Vec<Option<Lane<'_>>> = lanes.into_iter().map(Some).collect();
    let mut context = Context::from_waker(Waker::noop());
    loop {
        WAKE.with_borrow_mut(Vec::clear);
        let mut order: Vec<usize> = (0..lanes.len()).collect();
        for left in (1..order.len()).rev() {
            order.swap(left, random.random_range(0..=left));
        }
        for index in order {
            let Some(slot) = lanes.get_mut(index) else { continue };
            let ended =
                slot.as_mut().is_some_and(|lane| lane.as_mut().poll(&mut context).is_ready());
            if ended {
                *slot = None;
                if index == 0 {
                    return true;
                }
            }
        }
        let next = WAKE.with_borrow(|wake| wake.iter().min().copied());
        let Some(next) = next.filter(|next| *next <= end) else { return false };
        world.lock().advance_to(next);
    }
}

struct Sleep<'a> {
    world: &'a World,
    until: Timestamp,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.world.lock().now >= self.until {
            return Poll::Ready(());
        }
        WAKE.with_borrow_mut(|wake| wake.push(self.until));
        Poll::Pending
    }
}

#[async_trait]
impl Clock for World {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.lock().now + duration;
        Sleep { world: self, until }.await;
    }
}

impl World {
    /// The time of one port call.
    pub(crate) async fn call(&self) {
        let takes = self.lock().delays.call;
        Clock::sleep(self, takes).await;
    }
}
