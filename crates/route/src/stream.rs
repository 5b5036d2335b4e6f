//! One proxy's stream: its services, its nonces, and when it was heard of.
//!
//! Pure; one message carries one service, so that an answer's nonce names exactly one thing that
//! was accepted or refused. It knows nothing of routes beyond those it is handed. It dies with the
//! connection, after which the index keeps it for a while to be looked at.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use landfall_core::ServiceName;
use landfall_core::port::router::{AtHold, ProxyView, Route};

use crate::resource::Rendered;
use crate::subscription::{Part, Subscription, Told};

/// Services one stream may ask for; beyond it is a proxy that asks for whatever it is asked.
const MAX_SERVICES: usize = 1_000;

/// What a proxy said in one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Versions of the clusters it has, in a stream's first request.
    pub(crate) reported: BTreeMap<ServiceName, String>,
    /// What it asks for.
    pub(crate) subscribe: Vec<ServiceName>,
    /// What it drops.
    pub(crate) unsubscribe: Vec<ServiceName>,
    /// Its answer to an earlier message.
    pub(crate) answer: Option<Answer>,
}

/// A proxy's answer to one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Which message.
    pub(crate) nonce: u64,
    /// Its words, when it refuses.
    pub(crate) refusal: Option<String>,
}

/// A message to a proxy: one service, one nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) nonce: u64,
    pub(crate) service: ServiceName,
    pub(crate) told: Told,
}

/// The state of one stream.
#[derive(Debug)]
pub(crate) struct Stream {
    node: String,
    since: Timestamp,
    last_seen: Timestamp,
    services: BTreeMap<ServiceName, Subscription>,
    last_nonce: u64,
}

impl Stream {
    pub(crate) fn new(node: String, now: Timestamp) -> Self {
        Self { node, since: now, last_seen: now, services: BTreeMap::new(), last_nonce: 0 }
    }

    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    pub(crate) const fn last_seen(&self) -> Timestamp {
        self.last_seen
    }

    /// Takes in a request; what is due afterwards is [`Stream::settle`]'s answer.
    pub(crate) fn hear(&mut self, said: Said, now: Timestamp) {
        self.last_seen = now;
        if let Some(answer) = said.answer {
            for subscription in self.services.values_mut() {
                subscription.answered(answer.nonce, answer.refusal.clone());
            }
        }
        for service in said.unsubscribe {
            if let Some(subscription) = self.services.get_mut(&service) {
                subscription.unsubscribe();
            }
        }
        for service in said.subscribe {
            let reported = said.reported.get(&service).map(String::as_str);
            self.subscribe(service, reported);
        }
    }

    fn subscribe(&mut self, service: ServiceName, reported: Option<&str>) {
        if let Some(subscription) = self.services.get_mut(&service) {
            subscription.subscribe(reported);
        } else if self.services.len() < MAX_SERVICES {
            self.services.insert(service, Subscription::new(reported));
        } else {
            tracing::warn!(node = self.node, %service, "a proxy asks for too many services");
        }
    }

    /// The message that makes `route` stand at this proxy, noted as sent; `None` is silence.
    pub(crate) fn settle(&mut self, rendered: &Arc<Rendered>) -> Option<Message> {
        let service = &rendered.route.service;
        let subscription = self.services.get_mut(service)?;
        let told = subscription.due(rendered)?;
        self.last_nonce += 1;
        subscription.note_sent(self.last_nonce, told.clone());
        Some(Message { nonce: self.last_nonce, service: service.clone(), told })
    }

    /// Services the proxy asks for.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &ServiceName> {
        self.services.iter().filter(|(_, state)| state.is_wanted()).map(|(service, _)| service)
    }

    /// The proxy while its stream is up.
    pub(crate) fn view(&self, service: &ServiceName, route: Option<&Route>) -> ProxyView {
        let part = self.services.get(service).map(|state| state.part_in(route));
        self.view_of(part.unwrap_or_default(), Some(self.since))
    }

    /// The proxy as it was when its stream ended.
    pub(crate) fn last_view(&self, service: &ServiceName) -> ProxyView {
        let part = self.services.get(service).map(Subscription::part);
        self.view_of(part.unwrap_or_default(), None)
    }

    fn view_of(&self, part: Part, connected_since: Option<Timestamp>) -> ProxyView {
        ProxyView {
            node: self.node.clone(),
            connected_since,
            last_seen: self.last_seen,
            subscribed: part.subscribed,
            sent: part.sent,
            acknowledged: part.acknowledged,
            rejected: part.rejected,
            at_hold: AtHold::Wait,
            waiting: None,
        }
    }
}
