//! Kafka Connect with Debezium's connector for PostgreSQL, by the worker's REST interface.
//!
//! Order within an action is chosen so that dying between two calls leaves nothing that loses
//! changes: it is stopped first, an offset is set and read back before anything else, and settings
//! are written whole with only the binding changed. The worker tries new settings on the server
//! they name, so a server that it cannot reach is refused before anything changes.

mod http;
mod offset;
mod told;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use landfall_core::action::ConsumerAction;
use landfall_core::port::consumers::{
    Binding, ConsumerAbility, ConsumerState, ConsumerView, Handling, Offsets,
};
use landfall_core::{Failure, FailureKind, Lsn};

pub use self::http::Login;

use self::http::Http;
use self::offset::Offset;
use self::told::{Connector, Told};
use self::worker::Worker;
use crate::set::Adapter;

/// One connector of one worker.
#[derive(Debug, Clone)]
pub struct KafkaConnectSettings {
    /// The worker's REST interface.
    pub url: String,
    /// The connector's name there.
    pub connector: String,
    /// The login, or why it cannot be had.
    pub login: Result<Option<Login>, String>,
    /// With https: the certificates that the worker must prove.
    pub root_certificate: Option<PathBuf>,
    /// How long a call may take.
    pub call_within: Duration,
}

/// A connector that is handed over.
pub struct KafkaConnect {
    worker: Worker,
    connector: String,
}

impl KafkaConnect {
    /// What is wrong with the settings is told by the first call.
    pub fn new(settings: KafkaConnectSettings) -> Self {
        let KafkaConnectSettings { url, connector, login, root_certificate, call_within } =
            settings;
        let http =
            login.and_then(|login| Http::new(&url, login.as_ref(), root_certificate.as_deref()));
        let worker = Worker::new(http, url, connector.clone(), call_within);
        Self { worker, connector }
    }

    /// The connector among all of its worker.
    async fn look(&self, verb: &str) -> Result<Option<Told>, Failure> {
        let told = self.worker.connectors().await?;
        let Some(connector) = told.connector(&self.connector) else { return Ok(None) };
        match connector.refused() {
            Some(why) => Err(Failure::new(FailureKind::Invalid, self.worker.what(verb), why)),
            None => Ok(Some(told)),
        }
    }

    /// The same for an action, which needs it to be there.
    async fn there(&self, verb: &str) -> Result<Told, Failure> {
        let told = self.look(verb).await?;
        told.ok_or_else(|| {
            let detail = "the worker has no connector of this name. A standalone worker forgets \
                          its connectors when it ends: give it this one again, stopped";
            Failure::new(FailureKind::NotFound, self.worker.what(verb), detail)
        })
    }

    async fn position_of(&self, connector: Connector<'_>) -> Result<Option<Offset>, Failure> {
        let offsets = self.worker.offsets().await?;
        Ok(connector.prefix().and_then(|prefix| Offset::of(&offsets, prefix)))
    }

    async fn set_offset(&self, lsn: Lsn) -> Result<(), Failure> {
        let verb = "set the offset of";
        let told = self.there(verb).await?;
        let connector = self.ours(&told, verb)?;
        let Some(prefix) = connector.prefix() else {
            let detail = "its settings have no topic.prefix, under which offsets are kept";
            return Err(Failure::new(FailureKind::Invalid, self.worker.what(verb), detail));
        };
        if self.position_of(connector).await?.is_some_and(|offset| offset.is_copying()) {
            let detail = "it is copying tables, and a new offset would end the copy half-way. Let \
                          the snapshot end, then try again";
            return Err(Failure::new(FailureKind::WrongState, self.worker.what(verb), detail));
        }
        self.worker.set_offset(&offset::partition(prefix), &offset::at(lsn)).await?;
        let found = self.position_of(connector).await?.and_then(|offset| offset.position());
        if found.is_some_and(|found| found.lsn == lsn) {
            return Ok(());
        }
        let found = found.map_or("none".to_owned(), |found| found.lsn.to_string());
        let detail = format!(
            "the worker took {lsn} and shows {found}. Leave it stopped: a connector that starts \
             from another position than its slot's loses changes"
        );
        Err(Failure::new(FailureKind::Unknown, self.worker.what(verb), detail))
    }

    async fn repoint(&self, to: &Binding, previous: &Binding) -> Result<(), Failure> {
        let verb = "point";
        let told = self.there(verb).await?;
        let connector = self.ours(&told, verb)?;
        let Some(found) = connector.binding() else {
            let detail = "its settings name no server";
            return Err(Failure::new(FailureKind::Invalid, self.worker.what(verb), detail));
        };
        if found == *to {
            return Ok(());
        }
        if found != *previous {
            let detail = format!(
                "it reads from {} with snapshot.mode {}, which is neither {} nor {}: somebody \
                 changed it. Nothing was changed; agree with its owner, then try again",
                found.endpoint,
                found.snapshot.as_deref().unwrap_or("not set"),
                previous.endpoint,
                to.endpoint
            );
            return Err(Failure::new(FailureKind::TakenByAnother, self.worker.what(verb), detail));
        }
        self.worker.configure(&connector.rebound(to)).await
    }

    /// Ours, stopped and with a slot to itself: what an offset or a binding needs.
    fn ours<'a>(&self, told: &'a Told, verb: &str) -> Result<Connector<'a>, Failure> {
        let refused = |kind, detail| Err(Failure::new(kind, self.worker.what(verb), detail));
        let Some(connector) = told.connector(&self.connector) else {
            return refused(FailureKind::NotFound, "it is gone".to_owned());
        };
        let state = connector.state();
        if state != ConsumerState::Stopped {
            let detail = format!("it is not stopped but {state:?}; nothing was changed");
            return refused(FailureKind::WrongState, detail);
        }
        let rivals = told.rivals(&self.connector);
        if !rivals.is_empty() {
            let detail = format!(
                "its slot is read by {} as well, and a slot has one reader: what one has taken \
                 the other never sees. Give each a slot of its own, or delete the ones that are \
                 not used",
                rivals.join(", ")
            );
            return refused(FailureKind::TakenByAnother, detail);
        }
        Ok(connector)
    }

    async fn resume(&self) -> Result<(), Failure> {
        let told = self.there("resume").await?;
        let state = told.connector(&self.connector).map(|connector| connector.state());
        match state {
            Some(ConsumerState::Running) => Ok(()),
            Some(ConsumerState::Failed(_)) => self.worker.restart().await,
            _ => self.worker.resume().await,
        }
    }
}

#[async_trait]
impl Adapter for KafkaConnect {
    fn ability(&self) -> ConsumerAbility {
        ConsumerAbility { offsets: Offsets::Settable, handling: Handling::ByUs }
    }

    async fn view(&self) -> Result<Option<ConsumerView>, Failure> {
        let Some(told) = self.look("look at").await? else { return Ok(None) };
        let Some(connector) = told.connector(&self.connector) else { return Ok(None) };
        let position = self.position_of(connector).await?.and_then(|offset| offset.position());
        Ok(Some(ConsumerView {
            state: connector.state(),
            feed: connector.feed(),
            binding: connector.binding(),
            position,
            hazards: connector.hazards(),
            rivals: told.rivals(&self.connector),
        }))
    }

    async fn act(&self, action: &ConsumerAction) -> Result<(), Failure> {
        match action {
            ConsumerAction::Pause { .. } => {
                self.there("pause").await?;
                self.worker.pause().await
            }
            ConsumerAction::Stop { .. } => {
                self.there("stop").await?;
                self.worker.stop().await
            }
            ConsumerAction::Resume { .. } => self.resume().await,
            ConsumerAction::SetOffset { lsn, .. } => self.set_offset(*lsn).await,
            ConsumerAction::Repoint { to, previous, .. } => self.repoint(to, previous).await,
        }
    }
}
