//! What a lab leaves in its folder when its process is killed: folders of servers that died with
//! it. They are told from a living lab's by their postmasters.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::record;

const DYING_BOUND: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// Removes the folders of dead servers; false when a server in there lives.
pub(super) fn sweep(dir: &Path) -> bool {
    let folders = server_folders(dir);
    if folders.iter().any(|folder| is_alive(folder)) {
        return false;
    }
    for folder in folders.iter().chain([&dir.join("gateway")]) {
        if folder.exists() {
            super::remove_folder(folder);
        }
    }
    record::remove(dir);
    true
}

/// Waits until the servers have followed their dead parent; false when one does not.
pub(super) async fn wait_until_dead(dir: &Path) -> bool {
    let deadline = Instant::now() + DYING_BOUND;
    while server_folders(dir).iter().any(|folder| is_alive(folder)) {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}

fn server_folders(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("server-"))
        .map(|entry| entry.path())
        .collect()
}

/// Whether the postmaster that the data directory names is a living PostgreSQL.
fn is_alive(folder: &Path) -> bool {
    let text = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    let pid: Option<u32> = text.lines().next().and_then(|line| line.trim().parse().ok());
    let Some(pid) = pid.filter(|pid| record::started(*pid).is_some()) else { return false };
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end().starts_with("postgres")
}
