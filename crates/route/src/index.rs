//! Services to routes, and who has been told what: the heart of the control plane, without IO.
//!
//! Inputs are routes read from the store and what proxies say; outputs are messages to streams.
//! The store is the truth and this a copy of it that only moves forward: a route with an older
//! epoch than the known one is ignored, so nothing older can be sent after something newer. It is
//! lost with the process and rebuilt from the store and from what reconnecting proxies report.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use landfall_core::ServiceName;
use landfall_core::port::router::{ProxyView, Route};

use crate::resource::Rendered;
use crate::stream::{Message, Said, Stream};

/// How long a proxy whose stream ended stays listed.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// One connected stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamId(u64);

/// A message and the stream it goes to.
pub(crate) type Addressed = (StreamId, Message);

/// The routes and the streams that follow them.
#[derive(Debug, Default)]
pub(crate) struct Index {
    routes: BTreeMap<ServiceName, Arc<Rendered>>,
    streams: BTreeMap<StreamId, Stream>,
    /// Proxies without a stream, by node id.
    gone: BTreeMap<String, Stream>,
    last_stream: u64,
}

impl Index {
    /// Takes over routes as the store has them; older ones than known are ignored.
    pub(crate) fn apply(&mut self, routes: Vec<Route>) -> Vec<Addressed> {
        let mut messages = Vec::new();
        for route in routes {
            let known = self.routes.get(&route.service);
            if known.is_some_and(|known| known.route.epoch >= route.epoch) {
                continue;
            }
            let rendered = Arc::new(Rendered::new(route));
            for (id, stream) in &mut self.streams {
                messages.extend(stream.settle(&rendered).map(|message| (*id, message)));
            }
            self.routes.insert(rendered.route.service.clone(), rendered);
        }
        messages
    }

    /// A proxy opened a stream.
    pub(crate) fn connect(&mut self, node: String, now: Timestamp) -> StreamId {
        self.forget_long_gone(now);
        self.gone.remove(&node);
        self.last_stream += 1;
        let id = StreamId(self.last_stream);
        self.streams.insert(id, Stream::new(node, now));
        id
    }

    /// A proxy said something; the messages that follow go to the same stream.
    pub(crate) fn hear(&mut self, id: StreamId, said: Said, now: Timestamp) -> Vec<Addressed> {
        let Some(stream) = self.streams.get_mut(&id) else { return Vec::new() };
        stream.hear(said, now);
        let wanted: Vec<ServiceName> = stream.wanted().cloned().collect();
        let routes = wanted.iter().filter_map(|service| self.routes.get(service));
        routes.filter_map(|rendered| Some((id, stream.settle(rendered)?))).collect()
    }

    /// A stream ended; its proxy is remembered unless another stream of it is up.
    pub(crate) fn disconnect(&mut self, id: StreamId, now: Timestamp) {
        self.forget_long_gone(now);
        let Some(stream) = self.streams.remove(&id) else { return };
        if !self.streams.values().any(|other| other.node() == stream.node()) {
            self.gone.insert(stream.node().to_owned(), stream);
        }
    }

    /// Every proxy seen lately and its part in one service.
    pub(crate) fn proxies(&self, service: &ServiceName, now: Timestamp) -> Vec<ProxyView> {
        let route = self.routes.get(service).map(|rendered| &rendered.route);
        let connected = self.streams.values().map(|stream| stream.view(service, route));
        let gone = self.gone.values().filter(|stream| !is_long_gone(stream, now));
        connected.chain(gone.map(|stream| stream.last_view(service))).collect()
    }

    /// Services that connected proxies ask for and that nobody has adopted.
    pub(crate) fn waiting(&self) -> BTreeSet<ServiceName> {
        let wanted = self.streams.values().flat_map(Stream::wanted);
        wanted.filter(|service| !self.routes.contains_key(service)).cloned().collect()
    }

    fn forget_long_gone(&mut self, now: Timestamp) {
        self.gone.retain(|_, stream| !is_long_gone(stream, now));
    }
}

fn is_long_gone(stream: &Stream, now: Timestamp) -> bool {
    now.duration_since(stream.last_seen()) > REMEMBERED_FOR
}

#[cfg(test)]
mod tests;
