//! The wire: orders whose call was given up, and that take effect afterwards.
//!
//! They are nobody's by then: neither the driver that gave them nor its death stops one.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use landfall_core::Action;
use landfall_core::port::{Ports, Stamp};

/// An order, by whom, and after which time it takes effect.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) action: Action,
    pub(super) stamp: Option<Stamp>,
    pub(super) after: Duration,
}

/// Everything that is on its way.
#[derive(Debug, Default)]
pub struct Wire {
    sent: Mutex<Vec<Sent>>,
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn send(&self, sent: Sent) {
        self.lock().push(sent);
    }

    /// Delivers for ever; a lane of the simulation, which polls all of them whenever time goes on.
    pub(super) async fn deliver(&self, ports: Ports<'_>) {
        let mut under_way: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
        std::future::poll_fn(|context| {
            for sent in self.lock().drain(..) {
                under_way.push(Box::pin(arrive(ports, sent)));
            }
            under_way.retain_mut(|order| order.as_mut().poll(context).is_pending());
            Poll::<()>::Pending
        })
        .await;
    }
}

async fn arrive(ports: Ports<'_>, sent: Sent) {
    ports.clock.sleep(sent.after).await;
    // Nobody is left to hear the answer.
    match (&sent.action, &sent.stamp) {
        (Action::Cloud(action), Some(stamp)) => drop(ports.cloud.act(action, stamp).await),
        (Action::Database(action), _) => {
            if let Some(database) = ports.database {
                drop(database.act(action).await);
            }
        }
        (Action::Cloud(_), None) | (Action::Route(_), _) => {}
    }
}
