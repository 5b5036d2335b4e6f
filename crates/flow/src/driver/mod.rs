//! The driver: walks a process table, one observation at a time.
//!
//! It observes, decides with the step's pure function, journals the intent, acts, journals the
//! effect, and observes again. It holds a lease; every record it writes carries its epoch, and a
//! port call starts only while the lease outlasts the call. When it dies, whoever takes the lease
//! next reads the journal and looks at the world; nothing else is needed.

mod act;
mod advance;
mod attend;
mod instead;
mod lease;
mod sampler;
mod watch;
mod way_back;

use std::sync::Arc;
use std::time::Duration;

use landfall_core::Problem;
use landfall_core::ids::{Epoch, MigrationName};
use landfall_core::journal::{
    Author, Entry, Lease, NewEntry, RECORD_VERSION, Record, Store, StoreError, StoreTrouble,
};
use landfall_core::port::Ports;
use landfall_core::status::{self, Outcome, Status};

use crate::process::{self, Row};
use crate::view::{View, ViewError};
use sampler::Sampler;
use watch::Guard;

/// The driver's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The longest any port call may take, with its retries.
    pub call_timeout: Duration,
    /// How long a lease lasts; longer than a call.
    pub lease: Duration,
    /// How often requests of people are looked for while nothing else happens.
    pub poll: Duration,
}

impl Pace {
    /// A pace from the longest port call.
    #[must_use]
    pub const fn new(call_timeout: Duration) -> Self {
        Self {
            call_timeout,
            lease: call_timeout.saturating_mul(2),
            poll: Duration::from_millis(200),
        }
    }
}

/// Why the driver stopped driving.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The move is over.
    Finished(Outcome),
    /// The store knows no such move.
    Unknown,
    /// Somebody else leads it.
    LedByAnother {
        /// Who.
        holder: String,
    },
    /// We led it, and somebody took over.
    LostLease,
    /// We were told to stop; the lease is given back.
    Told,
    /// The store refuses; nothing more is done without it.
    Store {
        /// What that comes to.
        trouble: StoreTrouble,
        /// In the store's own words.
        cause: String,
    },
}

/// Where the driver tells the last reading of a wait, for progress lines.
pub trait Gauge: Send + Sync {
    /// The newest reading of the current wait.
    fn reading(&self, name: &MigrationName, text: &str);
    /// Where the move stands, looked at anew: what is known of it should the store go away.
    fn stands(&self, _: &View) {}
    /// Whether the driver shall stop between two actions.
    fn stop(&self) -> bool;
    /// A move stands at a problem, for the log. A dry run has no log: it shows the problem.
    fn stopped(&self, _: &MigrationName, _: &'static str, _: &Problem) {}
    /// Something that a person should know of at once, and that stops nothing.
    fn alarm(&self, _: &MigrationName, _: &str) {}
    /// The rows to walk. Only the simulator hands out others, with a mistake planted in one.
    fn table(&self, status: &Status) -> &'static [Row] {
        process::walked(status)
    }
}

/// One orchestrator.
#[derive(Clone, Copy)]
pub struct Driver<'a> {
    /// The world.
    pub ports: Ports<'a>,
    /// The journal.
    pub store: &'a dyn Store,
    /// Who we are, for the lease and the history.
    pub holder: &'a str,
    /// Times.
    pub pace: Pace,
    /// Progress out, stop in.
    pub gauge: &'a dyn Gauge,
}

/// A drive of one move under one lease.
struct Drive<'a> {
    driver: Driver<'a>,
    /// Shared with the look that is under way.
    view: Arc<View>,
    lease: Lease,
    /// Looks that failed in a row.
    blind: u32,
    /// What the replica does, measured.
    sampler: Sampler,
    /// The fenced side, watched.
    guard: Guard,
}

/// Whether a record got its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
enum Placed {
    Yes,
    /// Somebody wrote first: the view is read anew, and the decision must be made again.
    Outrun,
}

impl Driver<'_> {
    /// Takes the lease and drives until the move is over, or something stops us.
    pub async fn run(&self, name: &MigrationName) -> Ended {
        match self.drive(name).await {
            Ok(outcome) => Ended::Finished(outcome),
            Err(ended) => ended,
        }
    }

    async fn drive(&self, name: &MigrationName) -> Result<Outcome, Ended> {
        let view = View::load(self.store, name).await.map_err(unreadable)?.ok_or(Ended::Unknown)?;
        let lease = self.take_lease(name).await?;
        let sampler = Sampler::of(self.store, name).await;
        let (view, guard) = (Arc::new(view), Guard::default());
        let mut drive = Drive { driver: *self, view, lease, blind: 0, sampler, guard };
        drive.refresh().await?;
        // Whoever led before us may have ended the move: nobody leads what is over.
        if !drive.view.status.is_finished() {
            let record = Record::Led { holder: self.holder.to_owned() };
            drive.record(record).await?;
        }
        let ended = drive.walk().await;
        // Given back in every case; when it is lost already this changes nothing.
        let _ = self.store.drop_lease(&drive.lease).await;
        ended
    }
}

fn unreadable(error: ViewError) -> Ended {
    let cause = match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    Ended::Store { trouble: error.trouble(), cause }
}

fn refused(error: StoreError) -> Ended {
    match error {
        StoreError::EpochLost(_) => Ended::LostLease,
        StoreError::LeaseHeld { holder, .. } => Ended::LedByAnother { holder },
        StoreError::Outrun(_)
        | StoreError::RouteOutrun { .. }
        | StoreError::Newer(_)
        | StoreError::Medium { .. } => {
            Ended::Store { trouble: error.trouble(), cause: error.to_string() }
        }
    }
}

impl Drive<'_> {
    /// The table that is walked: which one is the status's.
    pub(super) fn rows(&self) -> &'static [Row] {
        self.driver.gauge.table(&self.view.status)
    }

    fn epoch(&self) -> Epoch {
        self.lease.epoch
    }

    async fn refresh(&mut self) -> Result<(), Ended> {
        Arc::make_mut(&mut self.view).refresh(self.driver.store).await.map_err(unreadable)?;
        Ok(())
    }

    /// Writes what is true whatever else happened; it finds its place sooner or later.
    async fn record(&mut self, record: Record) -> Result<(), Ended> {
        while self.place(record.clone()).await? == Placed::Outrun {}
        Ok(())
    }

    /// Writes a decision, which stands only if nothing was written since it was made.
    async fn place(&mut self, record: Record) -> Result<Placed, Ended> {
        let step = self.view.status.step.clone();
        self.place_at((!step.is_empty()).then_some(step), record).await
    }

    async fn place_at(&mut self, step: Option<String>, record: Record) -> Result<Placed, Ended> {
        let at = self.driver.ports.clock.now();
        // Decided on this very view, so it fits; if it did not, storing it would poison the journal.
        let fits = status::next(Some(&self.view.status), at, step.as_deref(), &record);
        debug_assert!(fits.is_ok(), "{record:?} in {:?}", self.view.status);
        if fits.is_err() {
            self.refresh().await?;
            return Ok(Placed::Outrun);
        }
        let entry = NewEntry {
            migration: self.view.name.clone(),
            after: self.view.last,
            author: Author::Leader(self.epoch()),
            at,
            step: step.clone(),
            record: record.clone(),
        };
        match self.driver.store.append(entry).await {
            Ok(seq) => {
                let (migration, epoch) = (self.view.name.clone(), self.epoch());
                let version = RECORD_VERSION;
                let entry = Entry { migration, seq, epoch, at, step, record, version };
                Arc::make_mut(&mut self.view).apply(&entry).map_err(unreadable)?;
                Ok(Placed::Yes)
            }
            // What we wrote is gone: another file was put in its place, or a standby took over that
            // did not have it. What was done since nobody knows, so nothing more is.
            Err(StoreError::Outrun(found)) if found < self.view.last => Err(Ended::Store {
                trouble: StoreTrouble::ChangedByHand,
                cause: format!("the journal ends at {found}, before {}", self.view.last),
            }),
            Err(StoreError::Outrun(_)) => {
                self.refresh().await?;
                Ok(Placed::Outrun)
            }
            Err(error) => Err(refused(error)),
        }
    }
}
