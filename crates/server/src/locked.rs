//! A database whose password cannot be had: every call fails with the reason.
//!
//! It stands in for a move that is under way when the server comes back without the secret. The
//! driver must run all the same, because it counts the pause budget.

use std::collections::BTreeMap;

use async_trait::async_trait;
use landfall_core::action::DatabaseAction;
use landfall_core::port::Database;
use landfall_core::port::database::{
    ExtensionView, MarkerView, ServerView, Session, SettingView, SlotView, WriteCounters,
};
use landfall_core::{DatabaseName, Endpoint, Failure};

/// Why it cannot be opened.
pub(crate) struct Locked(pub(crate) Failure);

impl Locked {
    fn refuse<T>(&self) -> Result<T, Failure> {
        Err(self.0.clone())
    }
}

#[async_trait]
impl Database for Locked {
    async fn server(&self, _: &Endpoint) -> Result<ServerView, Failure> {
        self.refuse()
    }

    async fn databases(&self, _: &Endpoint) -> Result<Vec<DatabaseName>, Failure> {
        self.refuse()
    }

    async fn sessions(&self, _: &Endpoint) -> Result<Vec<Session>, Failure> {
        self.refuse()
    }

    async fn prepared_transactions(&self, _: &Endpoint) -> Result<Vec<String>, Failure> {
        self.refuse()
    }

    async fn write_counters(&self, _: &Endpoint) -> Result<WriteCounters, Failure> {
        self.refuse()
    }

    async fn slots(&self, _: &Endpoint) -> Result<Vec<SlotView>, Failure> {
        self.refuse()
    }

    async fn settings(&self, _: &Endpoint) -> Result<BTreeMap<String, SettingView>, Failure> {
        self.refuse()
    }

    async fn extensions(&self, _: &Endpoint) -> Result<Vec<ExtensionView>, Failure> {
        self.refuse()
    }

    async fn marker(&self, _: &Endpoint, _: &str) -> Result<MarkerView, Failure> {
        self.refuse()
    }

    async fn smoke(&self, _: &Endpoint, _: &str) -> Result<Result<(), String>, Failure> {
        self.refuse()
    }

    async fn act(&self, _: &DatabaseAction) -> Result<(), Failure> {
        self.refuse()
    }
}
