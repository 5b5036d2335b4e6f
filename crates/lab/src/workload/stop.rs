//! How a running load is asked to end: first to finish what it began, then to let go.
//!
//! A transaction whose commit is out should get its answer, or it becomes an unknown that nothing on
//! the server explains. So stopping has two stages. A dropped signal counts as the last one.

use tokio::sync::watch;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stop {
    No,
    /// Begin nothing new, give up waiting for a connection, finish transactions.
    Finish,
    /// Give up transactions too.
    LetGo,
}

#[derive(Debug)]
pub(super) struct StopSignal(watch::Sender<Stop>);

#[derive(Debug, Clone)]
pub(super) struct StopWatch(watch::Receiver<Stop>);

pub(super) fn signal() -> (StopSignal, StopWatch) {
    let (sender, receiver) = watch::channel(Stop::No);
    (StopSignal(sender), StopWatch(receiver))
}

impl StopSignal {
    pub(super) fn send(&self, stop: Stop) {
        self.0.send_replace(stop);
    }
}

impl StopWatch {
    pub(super) fn asked(&self) -> bool {
        *self.0.borrow() >= Stop::Finish || self.0.has_changed().is_err()
    }

    /// Resolves once `stop` or more was asked for. Cancel safe.
    pub(super) async fn until(&mut self, stop: Stop) {
        // An error means that the signal is gone, and nobody waits for an answer any more.
        let _gone = self.0.wait_for(|asked| *asked >= stop).await.is_err();
    }
}
