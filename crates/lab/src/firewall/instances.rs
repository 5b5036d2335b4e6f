//! Tells connections that a *server* of the lab opens from those of Landfall.
//!
//! libpq cannot choose its source address, so a subscription's worker dials from 127.0.0.1 as
//! Landfall does. The kernel knows better: the connection's socket is open in a child of a
//! postmaster. Only servers that were named here are looked at, and only for newcomers from that
//! address. A socket that cannot be found counts as Landfall's; nothing is remembered of it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Actor;

type Postmaster = Arc<dyn Fn() -> Option<u32> + Send + Sync>;

/// The servers whose own connections are known; shared by all firewalls of one lab.
#[derive(Clone, Default)]
pub struct Instances(Arc<Mutex<Vec<(Actor, Postmaster)>>>);

impl fmt::Debug for Instances {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actors: Vec<Actor> = self.known().iter().map(|(actor, _)| *actor).collect();
        f.debug_tuple("Instances").field(&actors).finish()
    }
}

impl Instances {
    /// From here on, connections of this process and its children are `actor`'s. The pid is
    /// asked for at each newcomer, since it changes with a restart.
    pub fn add(&self, actor: Actor, postmaster: impl Fn() -> Option<u32> + Send + Sync + 'static) {
        self.known().push((actor, Arc::new(postmaster)));
    }

    /// Who opened the connection from `peer` to the firewall's `port`.
    pub(super) fn actor_of(&self, peer: SocketAddr, port: u16) -> Actor {
        let by_address = Actor::from_address(peer.ip());
        if by_address != Actor::Landfall {
            return by_address;
        }
        let known = self.known().clone();
        let Some(inode) = (!known.is_empty()).then(|| socket_inode(peer, port)).flatten() else {
            return by_address;
        };
        let opened = |postmaster: &Postmaster| {
            postmaster().is_some_and(|pid| {
                std::iter::once(pid).chain(children(pid)).any(|one| holds(one, inode))
            })
        };
        let found = known.iter().find(|(_, postmaster)| opened(postmaster));
        found.map_or(by_address, |(actor, _)| *actor)
    }

    fn known(&self) -> MutexGuard<'_, Vec<(Actor, Postmaster)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client's end of a loopback connection, as the kernel's table numbers it.
fn socket_inode(peer: SocketAddr, port: u16) -> Option<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    inode_in(&table, peer, port)
}

fn inode_in(table: &str, peer: SocketAddr, port: u16) -> Option<u64> {
    let IpAddr::V4(address) = peer.ip() else { return None };
    // The kernel prints the address as a number of the machine's own byte order.
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(address.octets()), peer.port());
    let remote = format!(":{port:04X}");
    table.lines().find_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let matches = fields.next()? == local && fields.next()?.ends_with(&remote);
        // State, queues, timer, retransmits, user, timeout, and then the inode.
        if matches { fields.nth(6)?.parse().ok() } else { None }
    })
}

fn holds(pid: u32, inode: u64) -> bool {
    let wanted = format!("socket:[{inode}]");
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    open.filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .any(|target| target.as_os_str() == wanted.as_str())
}

/// The living children of a process, whichever of its threads forked them.
pub(crate) fn children(parent: u32) -> impl Iterator<Item = u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let mut pids: Vec<u32> = Vec::new();
    for thread in threads {
        let list = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        pids.extend(list.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    }
    pids.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_end_is_found_in_the_kernels_table() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let inode = socket_inode(client.local_addr().unwrap(), port).unwrap();
        assert!(holds(std::process::id(), inode));
        assert_eq!(socket_inode(client.local_addr().unwrap(), port ^ 1), None);
    }

    #[test]
    fn only_children_of_a_named_postmaster_are_an_instances() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let peer = client.local_addr().unwrap();
        let instances = Instances::default();
        assert_eq!(instances.actor_of(peer, port), Actor::Landfall);
        instances.add(Actor::Target, || None);
        instances.add(Actor::Source, || Some(1));
        assert_eq!(instances.actor_of(peer, port), Actor::Landfall, "we are not its child");
        let parent = std::os::unix::process::parent_id();
        instances.add(Actor::Source, move || Some(parent));
        assert_eq!(instances.actor_of(peer, port), Actor::Source);
    }
}
