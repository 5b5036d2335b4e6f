//! The aggregated discovery service, in its incremental form: Envoy's words to ours and back.
//!
//! Nothing is decided here. Before a subscription is passed on, the store is read again, because
//! another process may have changed the route since. A stream ends with the connection or with
//! the task that owns the index; Envoy then comes back by itself and says what it has.

use std::pin::Pin;

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryService;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use envoy_types::pb::google::protobuf::Any;
use landfall_core::ServiceName;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use crate::keeper::{OUTBOX, Outgoing, Stopped};
use crate::resource;
use crate::routes::Routes;
use crate::stream::{Answer, Message, Said};
use crate::subscription::Told;

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
const LISTENER: &str = "type.googleapis.com/envoy.config.listener.v3.Listener";

type Reply<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The gRPC service; one per control plane.
pub(crate) struct Ads {
    routes: Routes,
}

impl Ads {
    pub(crate) fn new(routes: Routes) -> Self {
        Self { routes }
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = Reply<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Reply<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        _: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented("set api_type to DELTA_GRPC: routes are told incrementally"))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        let (outbox, outgoing) = mpsc::channel(OUTBOX);
        tokio::spawn(listen(self.routes.clone(), request.into_inner(), outbox));
        let replies = ReceiverStream::new(outgoing).map(|outgoing| Ok(response(outgoing)));
        Ok(Response::new(Box::pin(replies)))
    }
}

/// Follows one stream to its end.
async fn listen(
    routes: Routes,
    mut requests: Streaming<DeltaDiscoveryRequest>,
    outbox: mpsc::Sender<Outgoing>,
) {
    let Ok(Some(first)) = requests.message().await else { return };
    let node = first.node.as_ref().map(|node| node.id.clone()).unwrap_or_default();
    if node.is_empty() {
        tracing::warn!("a proxy without a node id is not served");
        return;
    }
    // The task alone keeps the queue up: when it gives it up, the stream ends.
    let greeting = outbox.downgrade();
    let Ok(id) = routes.keeper().connect(node.clone(), outbox).await else { return };
    tracing::info!(node, "a proxy connected");
    let mut next = Some(first);
    while let Some(request) = next {
        if request.type_url == LISTENER && request.response_nonce.is_empty() {
            // Its listeners are in its bootstrap. It asks so that it is known from its start, and
            // without an answer it would wait before it serves.
            greeting.upgrade().map(|outbox| outbox.try_send(Outgoing::NoListeners));
        }
        let said = heard(request);
        routes.refresh(&said.subscribe).await;
        if let Err(Stopped) = routes.keeper().hear(id, said).await {
            return;
        }
        next = requests.message().await.ok().flatten();
    }
    tracing::info!(node, "a proxy disconnected");
    // When the task has ended, it has forgotten the stream already.
    let _ = routes.keeper().disconnect(id).await;
}

/// Only clusters are ours; any other request just says that the proxy lives.
fn heard(request: DeltaDiscoveryRequest) -> Said {
    if request.type_url != CLUSTER {
        return Said::default();
    }
    let answer = request
        .response_nonce
        .parse()
        .ok()
        .map(|nonce| Answer { nonce, refusal: request.error_detail.map(|status| status.message) });
    Said {
        reported: request
            .initial_resource_versions
            .into_iter()
            .map(|(name, version)| (ServiceName::new(name), version))
            .collect(),
        subscribe: named(request.resource_names_subscribe),
        unsubscribe: named(request.resource_names_unsubscribe),
        answer,
    }
}

/// A wildcard is not a service: clusters are found on demand only.
fn named(names: Vec<String>) -> Vec<ServiceName> {
    names.into_iter().filter(|name| name != "*").map(ServiceName::new).collect()
}

fn response(outgoing: Outgoing) -> DeltaDiscoveryResponse {
    match outgoing {
        Outgoing::NoListeners => no_listeners(),
        Outgoing::Message(message) => about_route(message),
    }
}

fn about_route(message: Message) -> DeltaDiscoveryResponse {
    let nonce = message.nonce.to_string();
    let frame = DeltaDiscoveryResponse {
        type_url: CLUSTER.to_owned(),
        nonce,
        ..DeltaDiscoveryResponse::default()
    };
    match message.told {
        Told::Removal(epoch) => DeltaDiscoveryResponse {
            system_version_info: epoch.to_string(),
            removed_resources: vec![message.service.as_str().to_owned()],
            ..frame
        },
        Told::Cluster(route) => DeltaDiscoveryResponse {
            system_version_info: route.epoch.to_string(),
            resources: vec![Resource {
                name: message.service.as_str().to_owned(),
                version: route.epoch.to_string(),
                resource: Some(Any {
                    type_url: CLUSTER.to_owned(),
                    value: resource::cluster(&route).encode_to_vec(),
                }),
                ..Resource::default()
            }],
            ..frame
        },
    }
}

fn no_listeners() -> DeltaDiscoveryResponse {
    DeltaDiscoveryResponse {
        type_url: LISTENER.to_owned(),
        nonce: "no-listeners".to_owned(),
        ..DeltaDiscoveryResponse::default()
    }
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::google::rpc::Status as EnvoyStatus;
    use landfall_core::Endpoint;
    use landfall_core::port::router::{Route, Traffic};

    use super::*;

    fn clusters() -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest { type_url: CLUSTER.to_owned(), ..DeltaDiscoveryRequest::default() }
    }

    #[test]
    fn a_request_says_what_is_wanted_dropped_had_and_answered() {
        let said = heard(DeltaDiscoveryRequest {
            resource_names_subscribe: vec!["orders".to_owned(), "*".to_owned()],
            resource_names_unsubscribe: vec!["users".to_owned()],
            initial_resource_versions: [("orders".to_owned(), "7".to_owned())].into(),
            response_nonce: "3".to_owned(),
            error_detail: Some(EnvoyStatus { message: "no".to_owned(), ..EnvoyStatus::default() }),
            ..clusters()
        });
        assert_eq!(said.subscribe, [ServiceName::new("orders")]);
        assert_eq!(said.unsubscribe, [ServiceName::new("users")]);
        assert_eq!(said.reported[&ServiceName::new("orders")], "7");
        assert_eq!(said.answer, Some(Answer { nonce: 3, refusal: Some("no".to_owned()) }));
    }

    #[test]
    fn a_request_for_anything_else_says_nothing() {
        let request = DeltaDiscoveryRequest {
            resource_names_subscribe: vec!["orders".to_owned()],
            response_nonce: "no-listeners".to_owned(),
            ..DeltaDiscoveryRequest::default()
        };
        assert_eq!(heard(request), Said::default());
    }

    #[test]
    fn a_message_carries_one_service_under_its_epoch() {
        let service = ServiceName::new("orders");
        let route = Route {
            service: service.clone(),
            endpoint: Endpoint::new("127.0.0.1", 5432),
            traffic: Traffic::Open,
            epoch: 9,
        };
        let message = Message { nonce: 4, service: service.clone(), told: Told::Cluster(route) };
        let sent = about_route(message);
        assert_eq!((sent.nonce.as_str(), sent.resources.len()), ("4", 1));
        assert_eq!(sent.resources[0].version, "9");
        assert_eq!(sent.removed_resources, [""; 0]);
        let sent = about_route(Message { nonce: 5, service, told: Told::Removal(10) });
        assert_eq!(sent.removed_resources, ["orders"]);
        assert!(sent.resources.is_empty());
    }
}
