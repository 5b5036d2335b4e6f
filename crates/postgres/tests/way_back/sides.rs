//! Two sides of a move after its promotion: a source that is fenced, and a target that takes writes.
//!
//! On the machine's own PostgreSQL the target is a physical copy that was promoted. Of another
//! major only the server is at hand, so there both sides are made alike. The fence itself is not
//! part of this: nobody else knows these servers.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use landfall_core::action::{Apply, DatabaseAction, WayBackAction};
use landfall_core::port::Database;
use landfall_core::port::way_back::{PublisherView, SlotState, WayBackName};
use landfall_core::spec::WithoutIdentity;
use landfall_core::{DatabaseName, Endpoint, Failure, FailureKind, MigrationName};
use landfall_lab::server::{Server, ServerConfig};
use landfall_lab::tools::{self, PostgresTools, Search};
use landfall_postgres::PostgresDatabase;

use crate::bench::{Bench, OTHER, Standby, eventually};

/// The three databases of a side.
pub(crate) const DATABASES: [&str; 3] = ["postgres", "shop", OTHER];

pub(crate) struct Sides {
    pub(crate) port: PostgresDatabase,
    pub(crate) name: WayBackName,
    target: Target,
    pub(crate) source: Bench,
    _tools: tempfile::TempDir,
}

enum Target {
    Copy(Box<Standby>),
    Alike(Box<Bench>),
}

/// Which servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Major {
    /// The machine's own.
    Own,
    /// The one that setup fetches.
    Fetched,
}

impl Sides {
    /// Both sides with that schema in each database; `None` without servers of that major.
    pub(crate) async fn new(major: Major, schema: &str) -> Option<Self> {
        Self::with(major, schema, |_| {}).await
    }

    pub(crate) async fn with(
        major: Major,
        schema: &str,
        change: impl Fn(&mut ServerConfig),
    ) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let tools = match major {
            Major::Own => tools::postgres().unwrap(),
            Major::Fetched => fetched(folder.path())?,
        };
        let make = async || {
            let bench = Bench::with(|config| {
                config.tools = tools.clone();
                config.settings.insert("wal_level".to_owned(), "logical".to_owned());
                change(config);
            })
            .await;
            bench.server.allow_subscriptions("owner").await.unwrap();
            for database in DATABASES {
                let owner = bench.login("owner", database).await.unwrap();
                owner.batch_execute(schema).await.unwrap();
            }
            let port = bench.port();
            let create = DatabaseAction::CreateMarkerTable { at: bench.at() };
            port.act(&create).await.unwrap();
            bench
        };
        let source = make().await;
        let target = match major {
            Major::Own => {
                let standby = source.standby().await;
                standby.server.promote().await.unwrap();
                eventually("the promotion", async || {
                    let recovers = standby.server.is_in_recovery().await;
                    if matches!(recovers, Ok(false)) { Ok(()) } else { Err(recovers) }
                })
                .await;
                Target::Copy(Box::new(standby))
            }
            Major::Fetched => Target::Alike(Box::new(make().await)),
        };
        let name = WayBackName::of(&MigrationName::new("orders-2"));
        Some(Self { port: source.port(), name, target, source, _tools: folder })
    }

    pub(crate) fn source(&self) -> Endpoint {
        self.source.at()
    }

    pub(crate) fn target(&self) -> Endpoint {
        match &self.target {
            Target::Copy(standby) => standby.at(),
            Target::Alike(bench) => bench.at(),
        }
    }

    pub(crate) fn target_server(&self) -> &Server {
        match &self.target {
            Target::Copy(standby) => &standby.server,
            Target::Alike(bench) => &bench.server,
        }
    }

    pub(crate) async fn on_target(&self, database: &str, sql: &str) {
        self.target_server().run_script(database, sql).await.unwrap();
    }

    pub(crate) async fn on_source(&self, database: &str, sql: &str) {
        self.source.server.run_script(database, sql).await.unwrap();
    }

    pub(crate) async fn act(&self, action: WayBackAction) -> Result<(), Failure> {
        self.port.act(&DatabaseAction::WayBack(action)).await.map(drop)
    }

    /// Each order twice, as every order may be repeated.
    pub(crate) async fn twice(&self, action: WayBackAction) {
        for time in ["once", "twice"] {
            // Membership of rds_replication counts with the lab's next heartbeat.
            eventually(&format!("{action}, {time}"), async || {
                let done = self.act(action.clone()).await;
                match done {
                    Err(failure) if failure.kind == FailureKind::Unavailable => Err(failure),
                    Err(failure) => panic!("{failure}"),
                    Ok(()) => Ok(()),
                }
            })
            .await;
        }
    }

    pub(crate) fn publish(&self, without_identity: WithoutIdentity) -> WayBackAction {
        WayBackAction::Publish { at: self.target(), name: self.name.clone(), without_identity }
    }

    pub(crate) fn unpublish(&self) -> WayBackAction {
        WayBackAction::Unpublish { at: self.target(), name: self.name.clone() }
    }

    pub(crate) fn subscribe(&self) -> WayBackAction {
        let (at, publisher) = (self.source(), self.target());
        WayBackAction::Subscribe { at, publisher, name: self.name.clone() }
    }

    pub(crate) fn unsubscribe(&self) -> WayBackAction {
        WayBackAction::Unsubscribe { at: self.source(), name: self.name.clone() }
    }

    pub(crate) fn apply(&self, apply: Apply) -> WayBackAction {
        WayBackAction::SetApply { at: self.source(), name: self.name.clone(), apply }
    }

    pub(crate) async fn arm(&self, without_identity: WithoutIdentity) {
        self.twice(self.publish(without_identity)).await;
        self.twice(self.subscribe()).await;
    }

    pub(crate) async fn publisher(&self, database: &str) -> PublisherView {
        let views = self.port.publisher(&self.target(), &self.name).await.unwrap();
        views[&DatabaseName::new(database)].clone()
    }

    /// Waits until every database streams.
    pub(crate) async fn streams(&self) {
        eventually("every slot to be streamed from", async || {
            let views = self.port.publisher(&self.target(), &self.name).await.unwrap();
            let active = |view: &PublisherView| {
                view.slot.as_ref().is_some_and(|slot| slot.state == SlotState::Active)
            };
            if views.values().all(active) { Ok(()) } else { Err(views) }
        })
        .await;
    }

    /// Waits until a query on the source says what it says on the target.
    pub(crate) async fn same(&self, database: &str, sql: &str) -> Option<String> {
        let there = value(self.target_server(), database, sql).await;
        eventually(&format!("{sql} in {database} to say {there:?}"), async || {
            let here = value(&self.source.server, database, sql).await;
            if here == there { Ok(()) } else { Err(here) }
        })
        .await;
        there
    }
}

/// The first value, as text.
pub(crate) async fn value(server: &Server, database: &str, sql: &str) -> Option<String> {
    let sql = format!("select v::text from ({sql}) as q (v)");
    server.query_in(database, &sql, &[]).await.unwrap().first().and_then(|row| row.get(0))
}

/// The other major than the machine's, when setup has fetched one.
fn fetched(folder: &Path) -> Option<PostgresTools> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut places = here.map(|folder| folder.join(".tools/postgresql18/bin"));
    let other: PathBuf = places.find(|place| place.join("postgres").is_file())?;
    let bin = folder.join("postgresql/bin");
    std::fs::create_dir_all(&bin).unwrap();
    for name in ["initdb", "postgres"] {
        symlink(other.join(name), bin.join(name)).unwrap();
    }
    // No replica is made of it; the lab only wants to see it.
    symlink(tools::postgres().unwrap().program("pg_basebackup"), bin.join("pg_basebackup"))
        .unwrap();
    Some(Search::only(folder).postgres().unwrap())
}

/// Runs a test on both majors, the second where it was fetched.
macro_rules! on_both_majors {
    ($($(#[$doc:meta])* async fn $name:ident($major:ident) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn run($major: Major) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_our_own_major() {
                run(Major::Own).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_another_major() {
                run(Major::Fetched).await;
            }
        }
    )*};
}

pub(crate) use on_both_majors;
