//! A test hook: the process kills itself at a chosen record of a move's journal.
//!
//! `LANDFALL_CRASH_AT` names the record: by its position, or as the first one of a step that this
//! process writes (`quiesce.fence_source`). `LANDFALL_CRASH_WHEN` names the instant: `written` (as
//! soon as the record is durable) or `effect` (the record at the position, or the step's first to
//! be one, is an intent: after its effect, before its result is written). It is SIGKILL, so nothing
//! is cleaned up: what a test sees afterwards is what a power cut leaves. Without the variables the
//! store is not wrapped at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use landfall_core::journal::{Entry, Lease, NewEntry, Record, Store, StoreError};
use landfall_core::port::Stamp;
use landfall_core::port::router::Route;
use landfall_core::{MigrationName, Sample, Seq, Series, ServiceName};

/// The variable that names the record.
pub const CRASH_AT: &str = "LANDFALL_CRASH_AT";
/// The variable that names the instant.
pub const CRASH_WHEN: &str = "LANDFALL_CRASH_WHEN";

/// Before or after the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Written,
    Effect,
}

/// Which record.
#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    Position(Seq),
    Step(String),
}

/// Where the process dies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CrashPoint {
    at: At,
    when: When,
}

impl CrashPoint {
    /// From the two variables' values; `None` without the first.
    pub(crate) fn from_values(
        at: Option<&str>,
        when: Option<&str>,
    ) -> Result<Option<Self>, String> {
        let Some(at) = at else { return Ok(None) };
        let at = match at.parse() {
            Ok(position) => At::Position(Seq(position)),
            Err(_) if at.contains('.') => At::Step(at.to_owned()),
            Err(_) => return Err(format!("{CRASH_AT}={at} is no journal position and no step")),
        };
        let when = match when {
            None | Some("written") => When::Written,
            Some("effect") => When::Effect,
            Some(other) => return Err(format!("{CRASH_WHEN}={other} is not written or effect")),
        };
        Ok(Some(Self { at, when }))
    }

    fn is_at(&self, seq: Seq, step: Option<&str>) -> bool {
        match &self.at {
            At::Position(at) => *at == seq,
            At::Step(at) => step == Some(at),
        }
    }
}

/// A store that ends the process at a crash point.
pub(crate) struct CrashingStore {
    inner: Arc<dyn Store>,
    point: CrashPoint,
    /// The intent at the point is written; its result is not.
    armed: AtomicBool,
    die: fn(),
}

impl CrashingStore {
    pub(crate) fn new(inner: Arc<dyn Store>, point: CrashPoint) -> Self {
        Self { inner, point, armed: AtomicBool::new(false), die: kill_self }
    }
}

fn kill_self() {
    let me = rustix::process::getpid();
    // Nothing survives this, unless the kernel refuses; then the test sees that nothing crashed.
    let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
}

#[async_trait]
impl Store for CrashingStore {
    async fn append(&self, entry: NewEntry) -> Result<Seq, StoreError> {
        let result = matches!(entry.record, Record::Acted { .. });
        let intent = matches!(entry.record, Record::Intended { .. });
        if result && self.armed.load(Ordering::SeqCst) {
            (self.die)();
        }
        let step = entry.step.clone();
        let seq = self.inner.append(entry).await?;
        if self.point.is_at(seq, step.as_deref()) {
            match self.point.when {
                When::Written => (self.die)(),
                When::Effect => self.armed.store(intent, Ordering::SeqCst),
            }
        }
        Ok(seq)
    }

    async fn migrations(&self) -> Result<Vec<MigrationName>, StoreError> {
        self.inner.migrations().await
    }

    async fn read(&self, migration: &MigrationName, after: Seq) -> Result<Vec<Entry>, StoreError> {
        self.inner.read(migration, after).await
    }

    async fn take_lease(
        &self,
        migration: &MigrationName,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        self.inner.take_lease(migration, holder, now, until).await
    }

    async fn renew_lease(
        &self,
        lease: &Lease,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Lease, StoreError> {
        self.inner.renew_lease(lease, now, until).await
    }

    async fn drop_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.inner.drop_lease(lease).await
    }

    async fn lease(&self, migration: &MigrationName) -> Result<Option<Lease>, StoreError> {
        self.inner.lease(migration).await
    }

    async fn route(&self, service: &ServiceName) -> Result<Option<Route>, StoreError> {
        self.inner.route(service).await
    }

    async fn routes(&self) -> Result<Vec<Route>, StoreError> {
        self.inner.routes().await
    }

    async fn put_samples(
        &self,
        migration: &MigrationName,
        series: Series,
        samples: &[Sample],
    ) -> Result<(), StoreError> {
        self.inner.put_samples(migration, series, samples).await
    }

    async fn samples(
        &self,
        migration: &MigrationName,
        series: Series,
    ) -> Result<Vec<Sample>, StoreError> {
        self.inner.samples(migration, series).await
    }

    async fn put_route(&self, route: &Route, by: Option<&Stamp>) -> Result<(), StoreError> {
        self.inner.put_route(route, by).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use landfall_core::action::{Action, CloudAction};
    use landfall_core::journal::{Author, Cause, Commitment, Effect};
    use landfall_core::{ClusterId, Course};
    use landfall_store::SqliteStore;

    use super::*;

    fn intent() -> Record {
        let action = CloudAction::PromoteCluster { cluster: ClusterId::new("orders-aurora") };
        Record::Intended {
            action: Box::new(Action::Cloud(action)),
            seen: serde_json::Value::Null,
            course: Course::Doing,
            commitment: Commitment::Revocable,
            cause: Cause::Step,
        }
    }

    fn entry(after: u64, record: Record) -> NewEntry {
        let migration = MigrationName::new("orders");
        let (at, step) = (Timestamp::UNIX_EPOCH, Some("cutover.promote_replica".to_owned()));
        NewEntry { migration, after: Seq(after), author: Author::Person, at, step, record }
    }

    /// Appends an intent at 1 and its result at 2, and how many were stored at each death.
    async fn deaths(when: &str, at: &str, deaths: &AtomicU32, die: fn()) -> Vec<u32> {
        let state = tempfile::tempdir().unwrap();
        let point = CrashPoint::from_values(Some(at), Some(when)).unwrap().unwrap();
        let inner = Arc::new(SqliteStore::open(state.path()).unwrap());
        let store = CrashingStore { die, ..CrashingStore::new(inner, point) };
        let mut seen = Vec::new();
        for (after, record) in [(0, intent()), (1, Record::Acted { effect: Effect::TAKEN })] {
            store.append(entry(after, record)).await.unwrap();
            seen.push(deaths.load(Ordering::SeqCst));
        }
        seen
    }

    #[tokio::test]
    async fn it_dies_where_it_is_told_and_nowhere_else() {
        static DEATHS: AtomicU32 = AtomicU32::new(0);
        fn die() {
            DEATHS.fetch_add(1, Ordering::SeqCst);
        }
        for (when, at, expected) in [
            ("written", "1", [1, 1]),
            ("written", "2", [0, 1]),
            ("written", "3", [0, 0]),
            ("effect", "1", [0, 1]),
            ("effect", "2", [0, 0]),
            ("written", "cutover.promote_replica", [1, 2]),
            ("effect", "cutover.promote_replica", [0, 1]),
            ("effect", "cutover.release_traffic", [0, 0]),
        ] {
            DEATHS.store(0, Ordering::SeqCst);
            assert_eq!(deaths(when, at, &DEATHS, die).await, expected, "{when} {at}");
        }
    }

    #[test]
    fn mistakes_in_the_variables_are_told() {
        assert_eq!(CrashPoint::from_values(None, Some("effect")), Ok(None));
        assert!(CrashPoint::from_values(Some("soon"), None).is_err());
        assert!(CrashPoint::from_values(Some("1"), Some("later")).is_err());
    }
}
