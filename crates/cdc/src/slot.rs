//! A slot that somebody reads with a tool of his own: paused, pointed and resumed by programs of
//! the operator's, or by the reader's owner.
//!
//! Nobody tells what the reader does, so its state is untold and the slot itself is what is looked
//! at: in use or not, and how far it confirmed. Where it got is the slot's alone, and a new slot
//! begins where the old one's reader was past the marker.

use std::time::Duration;

use async_trait::async_trait;
use landfall_core::action::ConsumerAction;
use landfall_core::port::consumers::{
    ConsumerAbility, ConsumerState, ConsumerView, Feed, Handling, Offsets,
};
use landfall_core::port::tests::filled;
use landfall_core::spec::{SlotCommands, SlotSpec};
use landfall_core::{Endpoint, Failure, FailureKind};
use landfall_program::Program;

use crate::command::its_own;
use crate::set::Adapter;

/// A slot and who reads it.
pub struct SlotConsumer {
    spec: SlotSpec,
    call_within: Duration,
}

impl SlotConsumer {
    /// `call_within` bounds a program.
    pub const fn new(spec: SlotSpec, call_within: Duration) -> Self {
        Self { spec, call_within }
    }

    async fn run(&self, action: &ConsumerAction, words: &[String]) -> Result<(), Failure> {
        Program::new(words, self.call_within).run(None, &[]).await.map(drop).map_err(|why| {
            let program = words.first().map_or("", String::as_str);
            let detail = format!("{program} failed: {why}. It is run again on `resume`");
            Failure::new(FailureKind::Unknown, action.to_string(), detail)
        })
    }

    fn commands(&self, action: &ConsumerAction) -> Result<&SlotCommands, Failure> {
        self.spec.commands.as_ref().ok_or_else(|| {
            let detail = format!(
                "the reader of slot {} is its owner's to handle: the spec names no programs",
                self.spec.slot
            );
            Failure::new(FailureKind::Invalid, action.to_string(), detail)
        })
    }
}

#[async_trait]
impl Adapter for SlotConsumer {
    fn ability(&self) -> ConsumerAbility {
        let handling = match self.spec.commands {
            Some(_) => Handling::ByUs,
            None => Handling::ByItsOwner,
        };
        ConsumerAbility { offsets: Offsets::ItsOwn, handling }
    }

    async fn view(&self) -> Result<Option<ConsumerView>, Failure> {
        let feed = Feed {
            database: self.spec.database.clone(),
            slot: self.spec.slot.clone(),
            plugin: None,
            publication: None,
            topics: None,
        };
        Ok(Some(ConsumerView {
            state: ConsumerState::Untold,
            feed: Some(feed),
            binding: None,
            position: None,
            hazards: Vec::new(),
            rivals: Vec::new(),
        }))
    }

    async fn act(&self, action: &ConsumerAction) -> Result<(), Failure> {
        let commands = self.commands(action)?;
        match action {
            ConsumerAction::Pause { .. } | ConsumerAction::Stop { .. } => {
                self.run(action, &commands.pause).await
            }
            ConsumerAction::Resume { .. } => self.run(action, &commands.resume).await,
            ConsumerAction::Repoint { to, .. } => {
                self.run(action, &pointed(&commands.point, &to.endpoint)).await
            }
            ConsumerAction::SetOffset { .. } => Err(its_own(action)),
        }
    }
}

fn pointed(words: &[String], at: &Endpoint) -> Vec<String> {
    words.iter().map(|word| filled(word, at)).collect()
}
