//! One hosted zone of Route 53, public or private.
//!
//! A change deletes exactly what was seen and puts the wanted record there, in one batch: Route 53
//! takes both or neither, so whoever was faster is not overwritten. Only simple records are read
//! and written; what is weighted, aliased or depends on who asks is refused by name.

use std::time::Duration;

use async_trait::async_trait;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_route53::Client;
use aws_sdk_route53::operation::change_resource_record_sets::ChangeResourceRecordSetsError;
use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecordSet};
use landfall_core::port::Zone;
use landfall_core::port::zone::{ZoneChange, ZoneRecord};
use landfall_core::{Failure, FailureKind};
use tokio::sync::OnceCell;

use super::set;
use crate::fault;

/// More sets than a name has that is a place.
const SETS_MAX: i32 = 100;

/// What Route 53 takes of a comment.
const COMMENT_CHARACTERS: usize = 256;

/// A hosted zone and a client for it.
#[derive(Debug, Clone)]
pub struct HostedZone {
    client: Client,
    id: String,
    name: String,
    /// The zone was seen to have that name.
    known: OnceCell<()>,
}

impl HostedZone {
    /// By the SDK's environment and profile. Route 53 is one for all regions, so any will do.
    pub async fn from_env(id: &str, name: &str, call_timeout: Duration) -> Self {
        let config = aws_config::defaults(BehaviorVersion::latest()).load().await;
        Self::new(&config, (id, name), call_timeout)
    }

    /// By a configuration made elsewhere.
    pub fn new(config: &SdkConfig, (id, name): (&str, &str), call_timeout: Duration) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(call_timeout).build();
        let mut builder = config.clone().into_builder().timeout_config(timeouts);
        if config.region().is_none() {
            builder = builder.region(Region::from_static("us-east-1"));
        }
        let client = Client::new(&builder.build());
        let (id, name) = (id.to_owned(), set::bare(name));
        Self { client, id, name, known: OnceCell::new() }
    }

    /// The ID leads to the zone that the spec means.
    async fn check(&self) -> Result<(), Failure> {
        let what = format!("look at hosted zone {}", self.id);
        let asked = self.client.get_hosted_zone().id(&self.id).send().await;
        let answer = asked.map_err(|error| fault::failure(&what, &error))?;
        let name = answer.hosted_zone().map(|zone| set::bare(zone.name())).unwrap_or_default();
        if name == self.name {
            return Ok(());
        }
        let detail = format!("it is the zone {name}, and route.dns.zone says {}", self.name);
        Err(Failure::new(FailureKind::Invalid, what, detail))
    }

    fn batch(change: &ZoneChange) -> Result<ChangeBatch, Failure> {
        let invalid = |error: aws_sdk_route53::error::BuildError| {
            let what = format!("write the change of {}", change.name);
            Failure::new(FailureKind::Invalid, what, error.to_string())
        };
        let one = |action: ChangeAction, record: &ZoneRecord| {
            let set = set::of(&change.name, record).map_err(invalid)?;
            Change::builder().action(action).resource_record_set(set).build().map_err(invalid)
        };
        let mut changes = Vec::new();
        for seen in &change.seen {
            changes.push(one(ChangeAction::Delete, seen)?);
        }
        // With nothing there, CREATE fails when there is something after all.
        changes.push(one(ChangeAction::Create, &change.wanted)?);
        let comment = change.comment.chars().take(COMMENT_CHARACTERS).collect::<String>();
        let batch = ChangeBatch::builder().comment(comment).set_changes(Some(changes));
        batch.build().map_err(invalid)
    }

    async fn sets(&self, name: &str) -> Result<Vec<ResourceRecordSet>, Failure> {
        let what = format!("look at {name} in hosted zone {}", self.id);
        let answer = self
            .client
            .list_resource_record_sets()
            .hosted_zone_id(&self.id)
            .start_record_name(name)
            .max_items(SETS_MAX)
            .send()
            .await;
        let answer = answer.map_err(|error| fault::failure(what, &error))?;
        let wanted = set::bare(name);
        let sets = answer.resource_record_sets.into_iter();
        // Sorted by name: the first others end it.
        Ok(sets.take_while(|set| set::bare(set.name()) == wanted).collect())
    }
}

#[async_trait]
impl Zone for HostedZone {
    async fn records(&self, name: &str) -> Result<Vec<ZoneRecord>, Failure> {
        self.known.get_or_try_init(|| self.check()).await?;
        let mut records = Vec::new();
        for found in self.sets(name).await? {
            let read = set::records(&found).map_err(|why| {
                let what = format!("use the record {name} of hosted zone {}", self.id);
                Failure::new(FailureKind::Invalid, what, why)
            })?;
            records.extend(read);
        }
        Ok(records)
    }

    async fn replace(&self, change: &ZoneChange) -> Result<String, Failure> {
        let what = format!("change {} in hosted zone {}", change.name, self.id);
        let batch = Self::batch(change)?;
        let order = self.client.change_resource_record_sets().hosted_zone_id(&self.id);
        let answer = order.change_batch(batch).send().await.map_err(|error| {
            match error.as_service_error() {
                // Somebody was faster, or the zone has rules of its own: its words say which.
                Some(ChangeResourceRecordSetsError::InvalidChangeBatch(refused)) => {
                    let words = refused.messages().join("; ");
                    let said = refused.message().unwrap_or_default();
                    let words = if words.is_empty() { said.to_owned() } else { words };
                    Failure::new(FailureKind::WrongState, what.clone(), words)
                }
                Some(_) | None => fault::failure(&what, &error),
            }
        })?;
        let id = answer.change_info().map(|info| info.id().to_owned());
        id.ok_or_else(|| Failure::new(FailureKind::Unknown, what, "the answer names no change"))
    }

    async fn is_everywhere(&self, change: &str) -> Result<bool, Failure> {
        let what = format!("ask for change {change} of hosted zone {}", self.id);
        let asked = self.client.get_change().id(change).send().await;
        let answer = asked.map_err(|error| fault::failure(what, &error))?;
        Ok(answer.change_info().is_some_and(|info| *info.status() == ChangeStatus::Insync))
    }
}
