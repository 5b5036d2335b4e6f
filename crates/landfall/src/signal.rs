//! Being told to stop: Ctrl-C, SIGTERM, or a terminal that went away.

use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Exit;

/// Resolves at the first such signal. From then on a second one ends the process at once.
pub(crate) async fn told_to_stop() {
    first().await;
    tokio::spawn(async {
        first().await;
        std::process::exit(i32::from(Exit::Interrupted.number()));
    });
}

async fn first() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let [interrupt, terminate, hang_up] = kinds.map(signal);
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hang_up)) = (interrupt, terminate, hang_up)
    else {
        // Without handlers the signals do what they always did: end the process.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}
