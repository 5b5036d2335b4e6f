//! The secret discovery service: one task per stream, from its first request to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryService;
use envoy_types::pb::google::protobuf::Any;
use jiff::{SignedDuration, Timestamp};
use landfall_core::Failure;
use landfall_core::port::Clock;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use super::account::{Account, SecretView};
use super::{SecretName, secret};
use crate::pki::Authority;
use crate::wire::Caller;

const SECRET: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

/// A clock that was set forward is noticed within this.
const LOOK: Duration = Duration::from_secs(30);

/// Enrolments that end sooner are warned about.
const ENROL_AGAIN: SignedDuration = SignedDuration::from_hours(24 * 30);

type Reply<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What is told and who was told; clones share it.
#[derive(Clone)]
pub(crate) struct Secrets {
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    lifetime: Duration,
    account: Arc<Account>,
    streams: Arc<AtomicU64>,
    end: watch::Sender<bool>,
}

impl Secrets {
    pub(crate) fn new(
        authority: Arc<Authority>,
        clock: Arc<dyn Clock>,
        lifetime: Duration,
    ) -> Self {
        let (account, streams, (end, _)) = (Arc::default(), Arc::default(), watch::channel(false));
        Self { authority, clock, lifetime, account, streams, end }
    }

    /// Every certificate told lately.
    pub(crate) fn views(&self) -> Vec<SecretView> {
        self.account.views()
    }

    /// Ends every stream.
    pub(crate) fn end(&self) {
        self.end.send_replace(true);
    }
}

/// The gRPC service; without secrets it refuses.
pub(crate) struct Sds(pub(crate) Option<Secrets>);

#[tonic::async_trait]
impl SecretDiscoveryService for Sds {
    type DeltaSecretsStream = Reply<DeltaDiscoveryResponse>;
    type StreamSecretsStream = Reply<DiscoveryResponse>;

    async fn delta_secrets(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        let caller = request.extensions().get::<Caller>().cloned();
        let (Some(secrets), Some(Caller::Enrolled { enrolment, until })) = (&self.0, caller) else {
            return Err(Status::permission_denied("certificates are told over mutual TLS only"));
        };
        let (outbox, replies) = mpsc::channel(2);
        let secrets = secrets.clone();
        let told = Told {
            stream: secrets.streams.fetch_add(1, Ordering::Relaxed),
            node: enrolment.node,
            identity: enrolment.identity,
            enrolled_until: until,
            secrets,
            nonce: 0,
            is_taken: true,
        };
        tokio::spawn(told.tell(request.into_inner(), outbox));
        Ok(Response::new(Box::pin(ReceiverStream::new(replies).map(Ok))))
    }

    async fn stream_secrets(
        &self,
        _: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        Err(Status::unimplemented("set api_type to DELTA_GRPC"))
    }

    async fn fetch_secrets(
        &self,
        _: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("set api_type to DELTA_GRPC"))
    }
}

/// One stream.
struct Told {
    stream: u64,
    node: String,
    identity: crate::pki::Identity,
    enrolled_until: Timestamp,
    secrets: Secrets,
    nonce: u64,
    /// Whether the proxy took what was sent last.
    is_taken: bool,
}

impl Told {
    async fn tell(
        mut self,
        mut requests: Streaming<DeltaDiscoveryRequest>,
        outbox: mpsc::Sender<DeltaDiscoveryResponse>,
    ) {
        let mut ended = self.secrets.end.subscribe();
        if *ended.borrow() {
            return;
        }
        let Ok(Some(first)) = requests.message().await else { return };
        let Some(name) = self.wanted(&first) else { return };
        let key = (self.node.clone(), name);
        let Ok(mut renew_at) = self.send(name, &outbox).await else { return };
        if self.enrolled_until.duration_since(self.secrets.clock.now()) < ENROL_AGAIN {
            let until = self.enrolled_until;
            tracing::warn!(node = self.node, %until, "an enrolment ends soon: make a new bootstrap");
        }
        loop {
            tokio::select! {
                _ = ended.changed() => break,
                request = requests.message() => match request {
                    Ok(Some(request)) => self.hear(&key, &request),
                    Ok(None) | Err(_) => break,
                },
                () = tokio::time::sleep(self.until(renew_at)) => {
                    if self.secrets.clock.now() >= renew_at {
                        match self.send(name, &outbox).await {
                            Ok(next) => renew_at = next,
                            Err(()) => break,
                        }
                    }
                }
            }
        }
        self.secrets.account.ended(self.stream, &key, self.secrets.clock.now());
    }

    fn until(&self, renew_at: Timestamp) -> Duration {
        let left = renew_at.duration_since(self.secrets.clock.now());
        Duration::try_from(left).unwrap_or_default().clamp(Duration::from_millis(10), LOOK)
    }

    /// The one secret a stream is for. Envoy opens a stream per secret.
    fn wanted(&self, request: &DeltaDiscoveryRequest) -> Option<SecretName> {
        let names = &request.resource_names_subscribe;
        let name = names.first().and_then(|name| SecretName::parse(name));
        if name.is_none() || names.len() > 1 {
            tracing::warn!(node = self.node, ?names, "a proxy asks for secrets there are not");
        }
        let said = request.node.as_ref().map(|node| node.id.as_str()).unwrap_or_default();
        if said != self.node {
            tracing::warn!(
                said,
                enrolled = self.node,
                "a proxy is not served under another's name"
            );
            return None;
        }
        name
    }

    fn hear(&mut self, key: &(String, SecretName), request: &DeltaDiscoveryRequest) {
        if request.response_nonce != self.nonce.to_string() {
            return;
        }
        let refusal = request.error_detail.as_ref().map(|status| status.message.clone());
        if let Some(words) = &refusal {
            tracing::warn!(node = self.node, words, "a proxy refuses its certificate");
        }
        self.is_taken = refusal.is_none();
        self.secrets.account.answered(self.stream, key, refusal, self.secrets.clock.now());
    }

    /// Sends a new version; returns when the next is due.
    async fn send(
        &mut self,
        name: SecretName,
        outbox: &mpsc::Sender<DeltaDiscoveryResponse>,
    ) -> Result<Timestamp, ()> {
        let now = self.secrets.clock.now();
        if !self.is_taken {
            tracing::warn!(node = self.node, "a proxy has not taken its last certificate");
        }
        let (resource, not_after, next) = match self.make(name, now) {
            Ok(made) => made,
            Err(failure) => {
                tracing::error!(%failure, node = self.node, "a proxy gets no certificate");
                return Err(());
            }
        };
        self.nonce += 1;
        self.is_taken = false;
        let version = now.as_millisecond().to_string();
        self.secrets.account.sent(
            self.stream,
            SecretView {
                node: self.node.clone(),
                identity: self.identity.to_string(),
                secret: name,
                not_after,
                enrolled_until: self.enrolled_until,
                sent: now,
                acknowledged: None,
                rejected: None,
                connected: true,
            },
        );
        let response = DeltaDiscoveryResponse {
            system_version_info: version.clone(),
            type_url: SECRET.to_owned(),
            nonce: self.nonce.to_string(),
            resources: vec![Resource {
                name: name.word().to_owned(),
                version,
                resource: Some(resource),
                ..Resource::default()
            }],
            ..DeltaDiscoveryResponse::default()
        };
        outbox.send(response).await.map_err(|_| ())?;
        Ok(next)
    }

    fn make(
        &self,
        name: SecretName,
        now: Timestamp,
    ) -> Result<(Any, Timestamp, Timestamp), Failure> {
        let Secrets { authority, lifetime, .. } = &self.secrets;
        let (secret, not_after, next) = match name {
            SecretName::Identity => {
                let issued = authority.issue(&self.identity, &self.node, *lifetime, now)?;
                (secret::identity(&issued), issued.not_after, now + *lifetime / 2)
            }
            // The root stays what it is.
            SecretName::Trust => {
                let until = authority.root_until();
                (secret::trust(authority), until, until)
            }
        };
        Ok((Any { type_url: SECRET.to_owned(), value: secret.encode_to_vec() }, not_after, next))
    }
}
