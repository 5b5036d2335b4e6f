//! Who has the zone, or a copy of it: a server that is asked and updated, or a hosted zone.

use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::Name;
use landfall_core::Failure;
use landfall_core::port::Zone;
use landfall_core::port::zone::{ZoneChange, ZoneRecord, ZoneTarget};
use tokio::time::Instant;

use super::ask::Server;
use super::memory::{DnsMemory, Key};
use super::record::{Pointer, Sight, name};

/// How long a server's permission to update is believed without asking again.
const PERMIT: Duration = Duration::from_secs(30);

/// The same of a hosted zone, where asking is a change that has to spread first.
const HOSTED_PERMIT: Duration = Duration::from_mins(10);

/// One of the zone's authorities.
pub(super) enum Authority {
    Server(Server),
    Hosted(Hosted),
}

/// What a record becomes.
pub(super) struct Wanted<'a> {
    pub(super) pointer: &'a Pointer,
    pub(super) ttl: Duration,
    /// For whoever reads the zone's log, where it has one.
    pub(super) comment: String,
}

impl Authority {
    /// Its name in messages; no two of a gateway have the same.
    pub(super) fn label(&self) -> String {
        match self {
            Self::Server(server) => format!("dns {}", server.address),
            Self::Hosted(hosted) => hosted.label.clone(),
        }
    }

    pub(super) const fn permit(&self) -> Duration {
        match self {
            Self::Server(_) => PERMIT,
            Self::Hosted(_) => HOSTED_PERMIT,
        }
    }

    pub(super) async fn look(&self, name: &Name) -> Result<Sight, String> {
        match self {
            Self::Server(server) => server.look(name).await,
            Self::Hosted(hosted) => hosted.look(name).await,
        }
    }

    /// Puts a record in the place of what was seen, if that is still there.
    pub(super) async fn replace(
        &self,
        name: &Name,
        seen: &Sight,
        wanted: Wanted<'_>,
    ) -> Result<(), String> {
        match self {
            Self::Server(server) => server.replace(name, seen, wanted.pointer, wanted.ttl).await,
            Self::Hosted(hosted) => hosted.replace(name, seen, wanted).await,
        }
    }

    /// The same question without a change, where there is nothing to put in place of itself.
    pub(super) async fn ask_leave(&self, name: &Name, seen: &Sight) -> Result<(), String> {
        match self {
            Self::Server(server) => server.ask_leave(name, seen).await,
            Self::Hosted(_) => Ok(()),
        }
    }

    /// Whether what was changed is what every server of its answers with; the error is why not.
    pub(super) async fn everywhere(&self, name: &Name) -> Result<(), String> {
        match self {
            // The others are authorities of their own, and looked at.
            Self::Server(_) => Ok(()),
            Self::Hosted(hosted) => hosted.everywhere(name).await,
        }
    }
}

/// A zone behind an API, which allows few questions a second: looks are shared.
pub(super) struct Hosted {
    zone: Arc<dyn Zone>,
    label: String,
    memory: DnsMemory,
}

impl Hosted {
    pub(super) fn new(zone: Arc<dyn Zone>, id: &str, memory: DnsMemory) -> Self {
        Self { zone, label: format!("route53 {id}"), memory }
    }

    fn key(&self, name: &Name) -> Key {
        (name.clone(), self.label.clone())
    }

    async fn look(&self, name: &Name) -> Result<Sight, String> {
        let key = self.key(name);
        let _one = self.memory.asking().await;
        if let Some(answer) = self.memory.asked_lately(&key, Instant::now()) {
            return answer;
        }
        let records = self.zone.records(&name.to_string()).await;
        let answer = records.map_err(|failure| words(&failure)).and_then(|found| sight(&found));
        self.memory.answered(key, answer.clone(), Instant::now());
        answer
    }

    async fn replace(&self, name: &Name, seen: &Sight, wanted: Wanted<'_>) -> Result<(), String> {
        let record = |pointer: &Pointer, ttl| ZoneRecord { target: target(pointer), ttl };
        let change = ZoneChange {
            name: name.to_string(),
            seen: seen.pointers().map(|pointer| record(pointer, seen.ttl())).collect(),
            wanted: record(wanted.pointer, wanted.ttl),
            comment: wanted.comment,
        };
        let changed = self.zone.replace(&change).await;
        // Whatever came of it, the next look is a new one.
        self.memory.forget_answer(&self.key(name));
        let change = changed.map_err(|failure| words(&failure))?;
        self.memory.spreads(self.key(name), change, seen.ttl());
        Ok(())
    }

    async fn everywhere(&self, name: &Name) -> Result<(), String> {
        let key = self.key(name);
        let _one = self.memory.asking().await;
        let Some(spread) = self.memory.spreading(&key, Instant::now()) else { return Ok(()) };
        let not_yet =
            || Err("Route 53 has not brought the change to all of its servers yet".to_owned());
        if !spread.due {
            return not_yet();
        }
        match self.zone.is_everywhere(&spread.change).await {
            Ok(true) => {
                self.memory.has_spread(&key, &spread.change, Instant::now());
                Ok(())
            }
            Ok(false) => not_yet(),
            Err(failure) => Err(words(&failure)),
        }
    }
}

fn words(failure: &Failure) -> String {
    format!("could not {}: {}", failure.what, failure.detail)
}

fn target(pointer: &Pointer) -> ZoneTarget {
    match pointer {
        Pointer::Address(address) => ZoneTarget::Address(*address),
        Pointer::Alias(alias) => ZoneTarget::Name(alias.to_string()),
    }
}

fn sight(records: &[ZoneRecord]) -> Result<Sight, String> {
    let pointer = |record: &ZoneRecord| {
        Ok::<_, String>(match &record.target {
            ZoneTarget::Address(address) => Pointer::Address(*address),
            ZoneTarget::Name(text) => Pointer::Alias(name(text)?),
        })
    };
    let found: Result<Vec<_>, _> =
        records.iter().map(|record| Ok::<_, String>((pointer(record)?, record.ttl))).collect();
    Ok(found?
        .into_iter()
        .map(|(pointer, ttl)| Sight::single(pointer, ttl))
        .fold(Sight::default(), Sight::join))
}
