//! Who waits at which proxy: Envoy's own word for each connection that has no database yet.
//!
//! The bootstrap lets a proxy report such connections once a second, over Landfall's address, and
//! nothing of any other: an open service costs nothing. Reports are kept in memory only; after a
//! restart the next second brings them again, for Envoy says since when each one waits. What is
//! counted is what was reported lately, so a count is at most [`STALE_AFTER`] behind. A proxy with
//! an older bootstrap does not report, and its count is not known.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use envoy_types::pb::envoy::data::accesslog::v3::{AccessLogType, TcpAccessLogEntry};
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::AccessLogService;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use envoy_types::pb::envoy::service::accesslog::v3::{
    StreamAccessLogsMessage, StreamAccessLogsResponse,
};
use jiff::{SignedDuration, Timestamp};
use landfall_core::ServiceName;
use landfall_core::port::Clock;
use landfall_core::port::router::{ProxyView, Waiting};
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status, Streaming};

use crate::wire::Caller;

/// The key of a node's metadata by which a bootstrap says that it reports.
pub(crate) const REPORTS: &str = "landfall.reports_waiting";

/// A connection that was not reported for so long has come through, or is gone. A report is made
/// each second, and sent within the next quarter.
const STALE_AFTER: SignedDuration = SignedDuration::from_millis(2_500);

/// Connections that are told apart for one service at one proxy; more are not counted.
const MAX_CONNECTIONS: usize = 100_000;

/// A connection that waits: since when, and when it was last said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wait {
    since: Timestamp,
    said: Timestamp,
}

/// The connections of one service at one proxy, by Envoy's id of each.
type Waits = HashMap<String, Wait>;

#[derive(Debug, Default)]
struct Book {
    reporting: BTreeSet<String>,
    waits: BTreeMap<(String, ServiceName), Waits>,
}

/// What was reported; clones share it.
#[derive(Clone)]
pub(crate) struct Reports {
    book: Arc<Mutex<Book>>,
    clock: Arc<dyn Clock>,
    end: watch::Sender<bool>,
}

impl Reports {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { book: Arc::default(), clock, end: watch::Sender::new(false) }
    }

    /// A proxy's first words show that its bootstrap reports.
    pub(crate) fn expect_from(&self, node: &str) {
        self.book().reporting.insert(node.to_owned());
    }

    /// Its first words show that it does not.
    pub(crate) fn expect_none_from(&self, node: &str) {
        let mut book = self.book();
        book.reporting.remove(node);
        book.waits.retain(|(of, _), _| of != node);
    }

    /// Adds to each connected proxy what waits at it.
    pub(crate) fn add_to(&self, service: &ServiceName, proxies: &mut [ProxyView]) {
        let now = self.clock.now();
        let mut book = self.book();
        for proxy in proxies.iter_mut().filter(|proxy| proxy.connected_since.is_some()) {
            if !book.reporting.contains(&proxy.node) {
                continue;
            }
            let waits = book.waits.get_mut(&(proxy.node.clone(), service.clone()));
            proxy.waiting = Some(waits.map_or(NOBODY, |waits| lately(waits, now)));
        }
    }

    /// Ends every stream of reports.
    pub(crate) fn end(&self) {
        self.end.send_replace(true);
    }

    fn note(&self, node: &str, service: &ServiceName, entries: Vec<TcpAccessLogEntry>) {
        let now = self.clock.now();
        let mut book = self.book();
        let waits = book.waits.entry((node.to_owned(), service.clone())).or_default();
        for entry in entries {
            note(waits, entry, now);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NOBODY: Waiting = Waiting { connections: 0, since: None };

/// Takes in one line of Envoy's.
fn note(waits: &mut Waits, entry: TcpAccessLogEntry, now: Timestamp) {
    let Some(common) = entry.common_properties else { return };
    if common.access_log_type() == AccessLogType::TcpConnectionEnd {
        waits.remove(&common.stream_id);
        return;
    }
    if waits.len() >= MAX_CONNECTIONS && !waits.contains_key(&common.stream_id) {
        return;
    }
    // By the proxy's clock: Envoy gives no duration before a connection's end.
    let begun = common.start_time.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok());
    let since = begun.unwrap_or(now).min(now);
    let wait = waits.entry(common.stream_id).or_insert(Wait { since, said: now });
    wait.said = now;
}

/// Counts those that were reported lately, and forgets the others.
fn lately(waits: &mut Waits, now: Timestamp) -> Waiting {
    waits.retain(|_, wait| now.duration_since(wait.said) <= STALE_AFTER);
    let since = waits.values().map(|wait| wait.since).min();
    Waiting { connections: waits.len() as u64, since }
}

#[tonic::async_trait]
impl AccessLogService for Reports {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Unknown);
        let mut ended = self.end.subscribe();
        let heard = listen(self, &caller, request.into_inner());
        tokio::select! {
            // Sent, or the gateway is gone: both mean the same.
            _ = ended.wait_for(|ended| *ended) => {}
            heard = heard => heard?,
        }
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}

/// Follows one stream to its end. Only its first message says whose it is, and of which service.
async fn listen(
    reports: &Reports,
    caller: &Caller,
    mut messages: Streaming<StreamAccessLogsMessage>,
) -> Result<(), Status> {
    let mut of: Option<(String, ServiceName)> = None;
    while let Some(Ok(message)) = messages.next().await {
        if let Some(said) = message.identifier {
            let node = said.node.map(|node| node.id).unwrap_or_default();
            if node.is_empty() || !caller.may_be(&node) {
                tracing::warn!(node, ?caller, "a report under another's name is not taken");
                return Err(Status::permission_denied("this is not your node"));
            }
            of = Some((node, ServiceName::new(said.log_name)));
        }
        if let (Some((node, service)), Some(LogEntries::TcpLogs(logs))) = (&of, message.log_entries)
        {
            reports.note(node, service, logs.log_entry);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::data::accesslog::v3::AccessLogCommon;
    use envoy_types::pb::google::protobuf;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    /// Of a connection that began at this second.
    fn line(id: &str, seconds: i64, kind: AccessLogType) -> TcpAccessLogEntry {
        let common = AccessLogCommon {
            stream_id: id.to_owned(),
            start_time: Some(protobuf::Timestamp { seconds, nanos: 0 }),
            access_log_type: kind.into(),
            ..AccessLogCommon::default()
        };
        TcpAccessLogEntry { common_properties: Some(common), ..TcpAccessLogEntry::default() }
    }

    fn waits(id: &str, seconds: i64) -> TcpAccessLogEntry {
        line(id, seconds, AccessLogType::TcpPeriodic)
    }

    #[test]
    fn a_connection_counts_once_and_from_its_beginning() {
        let mut book = Waits::new();
        note(&mut book, waits("a", 100), at(101));
        note(&mut book, waits("b", 101), at(102));
        note(&mut book, waits("a", 100), at(102));
        // A proxy's clock that is ahead shows nobody as waiting since later than now.
        note(&mut book, waits("c", 900), at(103));
        let seen = lately(&mut book, at(103));
        assert_eq!(seen, Waiting { connections: 3, since: Some(at(100)) });
    }

    #[test]
    fn who_came_through_or_gave_up_is_forgotten() {
        let mut book = Waits::new();
        note(&mut book, waits("a", 100), at(101));
        note(&mut book, waits("b", 102), at(103));
        note(&mut book, waits("c", 102), at(103));
        note(&mut book, line("c", 102, AccessLogType::TcpConnectionEnd), at(103));
        let seen = lately(&mut book, at(104));
        assert_eq!(seen, Waiting { connections: 1, since: Some(at(102)) });
        assert_eq!(lately(&mut book, at(106)), NOBODY);
    }
}
