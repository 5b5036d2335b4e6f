//! The aggregated discovery service, in its incremental form: Envoy's words to ours and back.
//!
//! Nothing is decided here. Before a subscription is passed on, the store is read again, because
//! another process may have changed the route since. A stream ends with the connection or with
//! the task that owns the index; Envoy then comes back by itself and says what it has.

use std::pin::Pin;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryService;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse, Resource,
};
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::google::protobuf::value::Kind;
use landfall_core::ServiceName;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

use crate::keeper::{OUTBOX, Stopped};
use crate::routes::Routes;
use crate::stream::{Answer, Message, Said};
use crate::subscription::Told;
use crate::urn;
use crate::waiting;
use crate::wire::Caller;

const CLUSTER: &str = "type.googleapis.com/envoy.config.cluster.v3.Cluster";

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
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or(Caller::Unknown);
        let (outbox, messages) = mpsc::channel(OUTBOX);
        tokio::spawn(listen(self.routes.clone(), caller, request.into_inner(), outbox));
        let replies = ReceiverStream::new(messages).map(|message| Ok(response(message)));
        Ok(Response::new(Box::pin(replies)))
    }
}

/// Follows one stream to its end.
async fn listen(
    routes: Routes,
    caller: Caller,
    mut requests: Streaming<DeltaDiscoveryRequest>,
    outbox: mpsc::Sender<Message>,
) {
    let Ok(Some(first)) = requests.message().await else { return };
    let node = first.node.as_ref().map(|node| node.id.clone()).unwrap_or_default();
    if node.is_empty() {
        tracing::warn!("a proxy without a node id is not served");
        return;
    }
    if !caller.may_be(&node) {
        tracing::warn!(node, ?caller, "a proxy is not served under another's name");
        return;
    }
    if first.node.as_ref().is_some_and(reports_waiting) {
        routes.reports().expect_from(&node);
    } else {
        routes.reports().expect_none_from(&node);
    }
    let said = heard(first);
    routes.refresh(&said.subscribe).await;
    let Ok(id) = routes.keeper().connect(node.clone(), said, outbox).await else { return };
    tracing::info!(node, "a proxy connected");
    while let Ok(Some(request)) = requests.message().await {
        let said = heard(request);
        routes.refresh(&said.subscribe).await;
        if let Err(Stopped) = routes.keeper().hear(id, said).await {
            return;
        }
    }
    tracing::info!(node, "a proxy disconnected");
    // When the task has ended, it has forgotten the stream already.
    let _ = routes.keeper().disconnect(id).await;
}

/// Whether the proxy's bootstrap says that it reports who waits.
fn reports_waiting(node: &Node) -> bool {
    let said = node.metadata.as_ref().and_then(|metadata| metadata.fields.get(waiting::REPORTS));
    said.is_some_and(|value| value.kind == Some(Kind::BoolValue(true)))
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
            .filter_map(|(name, version)| Some((urn::service(&name)?, version)))
            .collect(),
        subscribe: named(&request.resource_names_subscribe),
        unsubscribe: named(&request.resource_names_unsubscribe),
        answer,
    }
}

/// Only names of our authority are services; silence for a wildcard, or for another's name.
fn named(names: &[String]) -> Vec<ServiceName> {
    names.iter().filter_map(|name| urn::service(name)).collect()
}

fn response(message: Message) -> DeltaDiscoveryResponse {
    let nonce = message.nonce.to_string();
    let frame = DeltaDiscoveryResponse {
        type_url: CLUSTER.to_owned(),
        nonce,
        ..DeltaDiscoveryResponse::default()
    };
    match message.told {
        Told::Removal(epoch) => DeltaDiscoveryResponse {
            system_version_info: epoch.to_string(),
            removed_resources: vec![urn::of_service(&message.service)],
            ..frame
        },
        Told::Cluster(rendered) => DeltaDiscoveryResponse {
            system_version_info: rendered.route.epoch.to_string(),
            resources: vec![Resource {
                name: urn::of_service(&message.service),
                version: rendered.route.epoch.to_string(),
                resource: Some(Any {
                    type_url: CLUSTER.to_owned(),
                    value: rendered.cluster.clone(),
                }),
                ..Resource::default()
            }],
            ..frame
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use envoy_types::pb::google::rpc::Status as EnvoyStatus;
    use landfall_core::Endpoint;
    use landfall_core::port::router::{Passage, Route, Traffic};

    use super::*;
    use crate::resource::Rendered;

    fn clusters() -> DeltaDiscoveryRequest {
        DeltaDiscoveryRequest { type_url: CLUSTER.to_owned(), ..DeltaDiscoveryRequest::default() }
    }

    fn orders() -> String {
        urn::of_service(&ServiceName::new("orders"))
    }

    #[test]
    fn a_request_says_what_is_wanted_dropped_had_and_answered() {
        let said = heard(DeltaDiscoveryRequest {
            resource_names_subscribe: vec![orders(), "*".to_owned(), "orders".to_owned()],
            resource_names_unsubscribe: vec![urn::of_service(&ServiceName::new("users"))],
            initial_resource_versions: [(orders(), "7".to_owned())].into(),
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
            resource_names_subscribe: vec![orders()],
            response_nonce: "3".to_owned(),
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
            passage: Passage::default(),
        };
        let message = Message {
            nonce: 4,
            service: service.clone(),
            told: Told::Cluster(Arc::new(Rendered::new(route))),
        };
        let sent = response(message);
        assert_eq!((sent.nonce.as_str(), sent.resources.len()), ("4", 1));
        assert_eq!(sent.resources[0].version, "9");
        assert_eq!(sent.removed_resources, [""; 0]);
        let sent = response(Message { nonce: 5, service, told: Told::Removal(10) });
        assert_eq!(sent.removed_resources, [orders()]);
        assert!(sent.resources.is_empty());
    }
}
