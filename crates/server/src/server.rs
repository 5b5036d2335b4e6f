//! A server from start to stop.
//!
//! Started, it answers; told to stop, it ends its drivers between two actions, gives their leases
//! back, and then stops answering. Killed, it leaves a journal and leases that run out.

use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::sync::Arc;

use jiff::Timestamp;
use landfall_core::Failure;
use landfall_core::journal::{Store, StoreError};
use landfall_store::{PostgresStore, SqliteStore};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::clock::SystemClock;
use crate::config::{Config, Role};
use crate::crash::{CRASH_AT, CRASH_WHEN, CrashPoint, CrashingStore};
use crate::door::{self, Guard, Names};
use crate::drivers::Drivers;
use crate::world::World;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store.
    #[error("use {place}")]
    Store {
        /// The state directory, or the database.
        place: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The directory of this machine's keys and certificates.
    #[error("make the state directory {directory}")]
    State {
        /// Which.
        directory: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The address of the API.
    #[error("answer on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The gateway's address.
    #[error(
        "serve the gateway's proxies; when another Landfall does that already, use it with \
         --server, or choose another address with --xds-listen"
    )]
    Gateway(#[source] Failure),
    /// The list of moves cannot be read.
    #[error("read the moves of the store ({0})")]
    Moves(String),
    /// A test hook's variables.
    #[error("set up the crash point: {0}")]
    CrashPoint(String),
}

/// A server that answers.
pub struct Server {
    app: Arc<App>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// Takes moves that another server left.
    looking: Option<JoinHandle<()>>,
}

impl Server {
    /// Opens the store, listens, and drives what is unfinished when that is its role.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let store = open(&config).await?;
        let clock = Arc::new(SystemClock);
        let shared: Arc<World> =
            Arc::new(World::new(config.clone(), Arc::clone(&store), Arc::clone(&clock) as _));
        let drivers = match config.role {
            Role::Shows => None,
            Role::Drives { .. } => {
                shared.envoy().await.map_err(StartError::Gateway)?;
                let (store, world) = (Arc::clone(&store), Arc::clone(&shared));
                Some(Drivers::new(store, world, holder(), config.call_timeout))
            }
        };
        let app = Arc::new(App { store, clock, world: shared, drivers });
        let listening = |source| StartError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let looking = match app.drivers {
            Some(_) => {
                let read = app.drive_unfinished().await;
                read.map_err(|refused| StartError::Moves(refused.to_string()))?;
                Some(tokio::spawn(Arc::clone(&app).take_moves()))
            }
            None => None,
        };
        let (stop, stopped) = oneshot::channel();
        let names = if address.ip().is_loopback() { Names::Loopback } else { Names::Any };
        let door = door::door(Arc::clone(&app), Guard { names, token: config.token });
        let task = tokio::spawn(answer(listener, door, stopped));
        Ok(Self { app, address, stop, task, looking })
    }

    /// Where the API answers.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the gateway's proxies connect, when this server tells them anything.
    #[must_use]
    pub fn xds(&self) -> Option<SocketAddr> {
        self.app.world.xds()
    }

    /// Ends every driver between two actions, then the server.
    pub async fn stop(self) {
        if let Some(looking) = &self.looking {
            looking.abort();
        }
        if let Some(drivers) = &self.app.drivers {
            drivers.stop().await;
        }
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the server died");
        }
    }
}

async fn open(config: &Config) -> Result<Arc<dyn Store>, StartError> {
    let variable = |name| std::env::var(name).ok();
    let (at, when) = (variable(CRASH_AT), variable(CRASH_WHEN));
    let point =
        CrashPoint::from_values(at.as_deref(), when.as_deref()).map_err(StartError::CrashPoint)?;
    let refused = |place: String| |source| StartError::Store { place, source };
    let store: Arc<dyn Store> = match &config.store {
        Some(address) => {
            let directory = config.state.display().to_string();
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&config.state);
            made.map_err(|source| StartError::State { directory, source })?;
            let opened = PostgresStore::open(address.clone()).await;
            Arc::new(opened.map_err(refused(address.to_string()))?)
        }
        None => {
            let place = format!("the state directory {}", config.state.display());
            Arc::new(SqliteStore::open(&config.state).map_err(refused(place))?)
        }
    };
    Ok(match point {
        Some(point) => Arc::new(CrashingStore::new(store, point)),
        None => store,
    })
}

/// This process among all that may lead a move.
fn holder() -> String {
    let name = rustix::system::uname();
    let host = name.nodename().to_string_lossy().into_owned();
    format!("{host}, pid {}, since {:.0}", std::process::id(), Timestamp::now())
}

async fn answer(listener: TcpListener, door: axum::Router, stopped: oneshot::Receiver<()>) {
    let stop = async {
        // Sent or dropped, it means stop.
        let _ = stopped.await;
    };
    let served = axum::serve(listener, door).with_graceful_shutdown(stop).await;
    if let Err(error) = served {
        tracing::error!(%error, "the server stopped answering");
    }
}
