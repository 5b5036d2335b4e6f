//! What a process remembers of records: since when each server shows what it shows, where a record
//! pointed by our doing, and what came of the newest state told.
//!
//! A restarted process remembers nothing: it counts the TTL from its first look, and takes the
//! record it finds for the one that it was to replace. Forgetting so costs time, never a write.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::rr::Name;
use landfall_core::port::router::Route;
use tokio::time::Instant;

use super::judge::Standing;
use super::record::{Pointer, Sight};

/// How long a permission to update is believed without asking again.
const PERMIT: Duration = Duration::from_secs(30);

/// Shared by the gateways of a process; clones are the same memory.
#[derive(Clone, Default)]
pub struct DnsMemory {
    kept: Arc<Mutex<Kept>>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Kept {
    standings: BTreeMap<(Name, SocketAddr), Standing>,
    permits: BTreeMap<(Name, SocketAddr), Instant>,
    records: BTreeMap<Name, Known>,
}

#[derive(Default)]
struct Known {
    /// Where routes led, and what was there at the first look.
    pointers: BTreeSet<Pointer>,
    /// The newest epoch told, and why it was not done.
    told: Option<(u64, Result<(), String>)>,
}

impl DnsMemory {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One change at a time.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Takes a look in: `ttl` is how long a name without a record may be cached.
    pub(super) fn seen(
        &self,
        (name, server): (&Name, SocketAddr),
        sight: Sight,
        ttl: Duration,
        now: Instant,
    ) -> Standing {
        let mut kept = self.kept();
        let key = (name.clone(), server);
        let standing = match kept.standings.get(&key) {
            Some(last) if last.sight == sight => last.clone(),
            Some(last) => {
                let old = if last.sight.is_empty() { ttl } else { last.sight.ttl() };
                // Changed twice within a TTL, both older records may be about.
                let settled_at = last.settled_at.max(now + old);
                Standing { sight, settled_at }
            }
            None => {
                let old = sight.ttl().max(ttl);
                kept.records.entry(name.clone()).or_default().pointers.extend(sight.pointer());
                Standing { sight, settled_at: now + old }
            }
        };
        kept.standings.insert(key, standing.clone());
        standing
    }

    /// Remembers where a route leads; every place known so far.
    pub(super) fn route(&self, name: &Name, route: &Route, wanted: &Pointer) -> BTreeSet<Pointer> {
        let mut kept = self.kept();
        let known = kept.records.entry(name.clone()).or_default();
        // What a first adoption finds elsewhere is somebody's.
        if route.epoch == 1 {
            known.pointers.clear();
        }
        known.pointers.insert(wanted.clone());
        known.pointers.clone()
    }

    pub(super) fn is_older(&self, name: &Name, epoch: u64) -> bool {
        let kept = self.kept();
        let told = kept.records.get(name).and_then(|known| known.told.as_ref());
        told.is_some_and(|(newest, _)| *newest > epoch)
    }

    pub(super) fn told(&self, name: &Name, epoch: u64, outcome: Result<(), String>) {
        let mut kept = self.kept();
        let known = kept.records.entry(name.clone()).or_default();
        known.told = Some((epoch, outcome));
        if known.told.as_ref().is_some_and(|(_, outcome)| outcome.is_err()) {
            // Whoever may do it now is asked again.
            kept.permits.retain(|(of, _), _| of != name);
        }
    }

    /// What came of telling exactly this epoch.
    pub(super) fn outcome(&self, name: &Name, epoch: u64) -> Option<Result<(), String>> {
        let kept = self.kept();
        let (told, outcome) = kept.records.get(name)?.told.as_ref()?;
        (*told == epoch).then(|| outcome.clone())
    }

    pub(super) fn permitted(&self, name: &Name, server: SocketAddr, now: Instant) -> bool {
        let kept = self.kept();
        let asked = kept.permits.get(&(name.clone(), server));
        asked.is_some_and(|asked| now.saturating_duration_since(*asked) < PERMIT)
    }

    pub(super) fn permit(&self, name: &Name, server: SocketAddr, now: Instant) {
        self.kept().permits.insert((name.clone(), server), now);
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::Endpoint;

    use super::super::record::name;
    use super::*;

    const TTL: Duration = Duration::from_secs(5);

    fn shows(host: &str, ttl: Duration) -> Sight {
        Sight::single(Pointer::to(&Endpoint::new(host, 5432)).expect("a host"), ttl)
    }

    #[test]
    fn what_was_there_before_is_cached_for_its_own_ttl() {
        let memory = DnsMemory::default();
        let (name, server) = (name("orders.test").unwrap(), "127.0.0.1:53".parse().unwrap());
        let start = Instant::now();
        let seen = |sight, at| memory.seen((&name, server), sight, TTL, at).settled_at;
        // Nobody knows what was there before the first look.
        assert_eq!(seen(shows("old", TTL * 9), start), start + TTL * 9);
        let changed = start + TTL * 10;
        assert_eq!(seen(shows("new", TTL), changed), changed + TTL * 9);
        assert_eq!(seen(shows("new", TTL), changed + TTL), changed + TTL * 9);
        // A second change does not make the first one older.
        assert_eq!(seen(shows("newer", TTL), changed + TTL), changed + TTL * 9);
        let late = changed + TTL * 20;
        assert_eq!(seen(shows("newest", TTL), late), late + TTL);
    }

    #[test]
    fn an_older_epoch_is_known_as_such() {
        let memory = DnsMemory::default();
        let name = name("orders.test").unwrap();
        assert!(!memory.is_older(&name, 1));
        memory.told(&name, 3, Err("REFUSED".to_owned()));
        assert!(memory.is_older(&name, 2));
        assert!(!memory.is_older(&name, 3));
        assert_eq!(memory.outcome(&name, 3), Some(Err("REFUSED".to_owned())));
        assert_eq!(memory.outcome(&name, 4), None);
    }
}
