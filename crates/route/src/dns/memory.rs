//! What a process remembers of records: since when each server shows what it shows, where a record
//! pointed by our doing, and what came of the newest state told.
//!
//! A restarted process remembers nothing: it counts the TTL from its first look, and takes the
//! record it finds for the one that it was to replace. Forgetting so costs time, never a write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hickory_proto::rr::Name;
use landfall_core::port::router::Route;
use tokio::time::Instant;

use super::judge::Standing;
use super::record::{Pointer, Sight};

/// How long the answer of a hosted zone counts for every look at it.
const ANSWER: Duration = Duration::from_secs(5);

/// How often it is asked whether a change is everywhere.
const SPREAD: Duration = Duration::from_secs(2);

/// A name at one of its authorities.
pub(super) type Key = (Name, String);

/// Shared by the gateways of a process; clones are the same memory.
#[derive(Clone, Default)]
pub struct DnsMemory {
    kept: Arc<Mutex<Kept>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    asking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Kept {
    standings: BTreeMap<Key, Standing>,
    permits: BTreeMap<Key, Instant>,
    answers: BTreeMap<Key, (Instant, Result<Sight, String>)>,
    spreading: BTreeMap<Key, Spreading>,
    records: BTreeMap<Name, Known>,
}

/// A change that was taken, until it is everywhere.
struct Spreading {
    change: String,
    /// For how long what it replaced is cached.
    old: Duration,
    asked: Option<Instant>,
}

/// What is known of a change.
pub(super) struct Spread {
    pub(super) change: String,
    /// Whether it is time to ask again.
    pub(super) due: bool,
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

    /// One question to a hosted zone at a time, so that looks at once are one.
    pub(super) async fn asking(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.asking.lock().await
    }

    /// What a hosted zone answered a moment ago.
    pub(super) fn asked_lately(&self, key: &Key, now: Instant) -> Option<Result<Sight, String>> {
        let kept = self.kept();
        let (at, answer) = kept.answers.get(key)?;
        (now.saturating_duration_since(*at) < ANSWER).then(|| answer.clone())
    }

    pub(super) fn answered(&self, key: Key, answer: Result<Sight, String>, now: Instant) {
        self.kept().answers.insert(key, (now, answer));
    }

    pub(super) fn forget_answer(&self, key: &Key) {
        self.kept().answers.remove(key);
    }

    /// A change was taken, in the place of what may be cached for `old`.
    pub(super) fn spreads(&self, key: Key, change: String, old: Duration) {
        self.kept().spreading.insert(key, Spreading { change, old, asked: None });
    }

    /// The change that is not everywhere yet.
    pub(super) fn spreading(&self, key: &Key, now: Instant) -> Option<Spread> {
        let mut kept = self.kept();
        let one = kept.spreading.get_mut(key)?;
        let due = one.asked.is_none_or(|at| now.saturating_duration_since(at) >= SPREAD);
        if due {
            one.asked = Some(now);
        }
        Some(Spread { change: one.change.clone(), due })
    }

    /// It is everywhere: from here on what it replaced is only in caches.
    pub(super) fn has_spread(&self, key: &Key, change: &str, now: Instant) {
        let mut kept = self.kept();
        let Some(one) = kept.spreading.remove(key) else { return };
        if one.change != change {
            kept.spreading.insert(key.clone(), one);
            return;
        }
        if let Some(standing) = kept.standings.get_mut(key) {
            standing.settled_at = standing.settled_at.max(now + one.old);
        }
    }

    /// Takes a look in: `ttl` is how long a name without a record may be cached.
    pub(super) fn seen(&self, key: Key, sight: Sight, ttl: Duration, now: Instant) -> Standing {
        let mut kept = self.kept();
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
                kept.records.entry(key.0.clone()).or_default().pointers.extend(sight.pointer());
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

    pub(super) fn permitted(&self, key: &Key, within: Duration, now: Instant) -> bool {
        let kept = self.kept();
        let asked = kept.permits.get(key);
        asked.is_some_and(|asked| now.saturating_duration_since(*asked) < within)
    }

    pub(super) fn permit(&self, key: Key, now: Instant) {
        self.kept().permits.insert(key, now);
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
        let key = (name("orders.test").unwrap(), "dns 127.0.0.1:53".to_owned());
        let start = Instant::now();
        let seen = |sight, at| memory.seen(key.clone(), sight, TTL, at).settled_at;
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

    #[test]
    fn a_change_that_spreads_is_cached_from_its_end_on() {
        let memory = DnsMemory::default();
        let key = (name("orders.test").unwrap(), "route53 Z1".to_owned());
        let start = Instant::now();
        let settled = |sight, at| memory.seen(key.clone(), sight, TTL, at).settled_at;
        settled(shows("old", TTL), start);
        let changed = start + TTL * 2;
        memory.spreads(key.clone(), "C1".to_owned(), TTL);
        assert_eq!(settled(shows("new", TTL), changed), changed + TTL);
        assert!(memory.spreading(&key, changed).is_some_and(|spread| spread.due));
        assert!(
            memory.spreading(&key, changed).is_some_and(|spread| !spread.due),
            "asked just now"
        );
        let everywhere = changed + TTL * 7;
        memory.has_spread(&key, "C0", everywhere);
        assert!(memory.spreading(&key, everywhere).is_some(), "another change is");
        memory.has_spread(&key, "C1", everywhere);
        assert!(memory.spreading(&key, everywhere).is_none());
        assert_eq!(settled(shows("new", TTL), everywhere), everywhere + TTL);
    }
}
