//! A consumer behind a program of the operator's, with four hooks: `status`, `pause`, `point` and
//! `resume`, the hook's name as the last argument, JSON on both sides.
//!
//! What `status` says is believed, as far as it goes: a place that it tells is compared before
//! and after `point`, one that it leaves out is not. A hook may be run again with the same words
//! after its answer was lost, so it has to bear that. Its offsets are its own: `point` means
//! "forget where you were, and begin where your slot there does".

use std::time::Duration;

use async_trait::async_trait;
use landfall_core::action::ConsumerAction;
use landfall_core::ids::ConsumerName;
use landfall_core::port::consumers::{
    Binding, Boundary, ConsumerAbility, ConsumerState, ConsumerView, Feed, Handling, Offsets,
    Position,
};
use landfall_core::{DatabaseName, Endpoint, Failure, FailureKind, Lsn};
use landfall_program::Program;
use serde::{Deserialize, Serialize};

use crate::set::Adapter;

/// A consumer behind a program.
pub struct CommandConsumer {
    name: ConsumerName,
    program: Program,
}

/// What a hook reads.
#[derive(Serialize)]
struct Wanted<'a> {
    consumer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
}

/// What `status` prints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    state: Word,
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    port: Option<u16>,
    #[serde(default)]
    database: Option<DatabaseName>,
    #[serde(default)]
    slot: Option<String>,
    #[serde(default)]
    plugin: Option<String>,
    #[serde(default)]
    publication: Option<String>,
    /// Every change of whole transactions before it is stored.
    #[serde(default)]
    lsn: Option<Lsn>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Running,
    Paused,
    Stopped,
    Changing,
    Failed,
}

impl Told {
    fn view(self) -> ConsumerView {
        let state = match self.state {
            Word::Running => ConsumerState::Running,
            Word::Paused => ConsumerState::Paused,
            Word::Stopped => ConsumerState::Stopped,
            Word::Changing => ConsumerState::Changing,
            Word::Failed => {
                ConsumerState::Failed(self.message.unwrap_or_else(|| "it says no more".to_owned()))
            }
        };
        let endpoint = self.host.zip(self.port).map(|(host, port)| Endpoint::new(host, port));
        let (plugin, publication) = (self.plugin, self.publication);
        let feed = self.database.zip(self.slot).map(|(database, slot)| Feed {
            database,
            slot,
            plugin,
            publication,
            topics: None,
        });
        ConsumerView {
            state,
            feed,
            binding: endpoint.map(|endpoint| Binding { endpoint, snapshot: None }),
            position: self.lsn.map(|lsn| Position { lsn, boundary: Boundary::Commit }),
            hazards: Vec::new(),
            rivals: Vec::new(),
        }
    }
}

impl CommandConsumer {
    /// The program and its arguments, and how long a hook may take.
    pub fn new(name: ConsumerName, program: &[String], call_within: Duration) -> Self {
        Self { name, program: Program::new(program, call_within) }
    }

    async fn run(&self, hook: &str, to: Option<&Endpoint>) -> Result<Vec<u8>, String> {
        let wanted = Wanted {
            consumer: self.name.as_str(),
            host: to.map(|to| to.host.as_str()),
            port: to.map(|to| to.port),
        };
        let input = serde_json::to_vec(&wanted).map_err(|error| error.to_string())?;
        self.program.run(Some(hook), &input).await
    }

    async fn status(&self) -> Result<ConsumerView, Failure> {
        let failed = |kind, words| {
            Failure::new(kind, format!("look at consumer {} by its program", self.name), words)
        };
        let output = self.run("status", None).await.map_err(|words| {
            failed(FailureKind::Unavailable, format!("its hook status failed: {words}"))
        })?;
        let told: Told = serde_json::from_slice(&output).map_err(|error| {
            let words = format!(
                "its hook status must print {{\"state\": \"running\" | \"paused\" | \"stopped\" \
                 | \"changing\" | \"failed\", …}}: {error}"
            );
            failed(FailureKind::Invalid, words)
        })?;
        Ok(told.view())
    }

    /// A hook that failed may have done its work: a person looks before it is run again.
    async fn order(
        &self,
        action: &ConsumerAction,
        hook: &str,
        to: Option<&Endpoint>,
    ) -> Result<(), Failure> {
        self.run(hook, to).await.map(drop).map_err(|words| {
            let detail = format!(
                "its hook {hook} failed: {words}. It is run again with the same words on `resume`"
            );
            Failure::new(FailureKind::Unknown, action.to_string(), detail)
        })
    }

    async fn repoint(
        &self,
        action: &ConsumerAction,
        to: &Binding,
        previous: &Binding,
    ) -> Result<(), Failure> {
        let refused = |kind, detail| Err(Failure::new(kind, action.to_string(), detail));
        let before = self.status().await?;
        if before.binding.as_ref() == Some(to) {
            return Ok(());
        }
        if before.state != ConsumerState::Stopped {
            let detail = format!("it is not stopped but {:?}; nothing was changed", before.state);
            return refused(FailureKind::WrongState, detail);
        }
        if let Some(found) = before.binding.filter(|found| found != previous) {
            let detail = format!(
                "it reads from {}, which is neither {} nor {}: somebody changed it. Nothing was \
                 changed; agree with its owner, then try again",
                found.endpoint, previous.endpoint, to.endpoint
            );
            return refused(FailureKind::TakenByAnother, detail);
        }
        self.order(action, "point", Some(&to.endpoint)).await?;
        match self.status().await?.binding {
            Some(found) if found != *to => {
                let detail =
                    format!("its hook point ended well, and it reads from {}", found.endpoint);
                refused(FailureKind::Unknown, detail)
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[async_trait]
impl Adapter for CommandConsumer {
    fn ability(&self) -> ConsumerAbility {
        ConsumerAbility { offsets: Offsets::ItsOwn, handling: Handling::ByUs }
    }

    async fn view(&self) -> Result<Option<ConsumerView>, Failure> {
        self.status().await.map(Some)
    }

    async fn act(&self, action: &ConsumerAction) -> Result<(), Failure> {
        match action {
            ConsumerAction::Pause { .. } | ConsumerAction::Stop { .. } => {
                self.order(action, "pause", None).await
            }
            ConsumerAction::Resume { .. } => self.order(action, "resume", None).await,
            ConsumerAction::Repoint { to, previous, .. } => {
                self.repoint(action, to, previous).await
            }
            ConsumerAction::SetOffset { .. } => Err(its_own(action)),
        }
    }
}

/// An offset that only the consumer itself knows.
pub(crate) fn its_own(action: &ConsumerAction) -> Failure {
    let detail = "it keeps its offset itself, and begins where its slot does";
    Failure::new(FailureKind::Invalid, action.to_string(), detail)
}
