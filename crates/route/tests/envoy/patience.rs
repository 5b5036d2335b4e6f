//! Waits: each looks again until it sees what it wants, is bounded, and says what it waited for.

use std::future::pending;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// Two busy cores are slow; a test that works takes a fraction of this.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(10);

/// How long nothing has to happen before "still held" is believed.
const STILLNESS: Duration = Duration::from_millis(300);

/// Looks until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + BOUND;
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {BOUND:?}: {what}");
        pause().await;
    }
}

/// Between two looks.
pub(crate) async fn pause() {
    let _ = timeout(PAUSE, pending::<()>()).await;
}

/// Asserts that none of the tasks comes to an end by itself.
pub(crate) async fn stay_waiting<T: std::fmt::Debug + 'static>(what: &str, tasks: &mut JoinSet<T>) {
    stay_waiting_for(STILLNESS, what, tasks).await;
}

/// The same for longer.
pub(crate) async fn stay_waiting_for<T: std::fmt::Debug + 'static>(
    bound: Duration,
    what: &str,
    tasks: &mut JoinSet<T>,
) {
    let ended = timeout(bound, tasks.join_next()).await;
    assert!(ended.is_err(), "{what}: expected to wait, ended with {ended:?}");
}

/// What the tasks come to, all of them within the bound.
pub(crate) async fn results<T: 'static>(what: &str, mut tasks: JoinSet<T>) -> Vec<T> {
    let mut ended = Vec::new();
    let all = async {
        while let Some(result) = tasks.join_next().await {
            ended.push(result.expect("no task panics"));
        }
    };
    let in_time = timeout(BOUND, all).await;
    assert!(in_time.is_ok(), "{what}: {} ended, {} did not", ended.len(), tasks.len());
    ended
}
