//! Purpose: services that only read go to the target's readers when there are any; what still
//!   leads to the source or to one of its replicas is named, because it shows the past.
//! Reads: every stored route, the target's members, the source's replicas.
//! Changes: holds, points and releases a read-only service; nobody waits for longer than that.
//! Undo: refused; the target is the database.
//! If it dies here: a reader may be held; the next start releases it.

use landfall_core::action::RouteAction;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::Cluster;
use landfall_core::port::router::Route;
use landfall_core::{Endpoint, Fact, Facts, Spec};
use serde::{Deserialize, Serialize};

use super::services::{self, Order, Services, acknowledged, is_held};
use super::source_endpoint;
use crate::step::{Look, Plan, Step};

/// What the warning is about.
pub(crate) const STALE: &str = "stale services";

/// Readers, after the move.
pub struct MoveReaders;

/// The routes, and where readers could go.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    #[serde(flatten)]
    services: Services,
    place: Option<Place>,
    /// Endpoints that show the past: the source's and its replicas'.
    past: Vec<Endpoint>,
    /// Every service that leads to one of them.
    stale: Vec<Route>,
}

/// The target as readers see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    writer: Endpoint,
    /// When a reader takes connections.
    readers: Option<Endpoint>,
    /// The reader endpoint, whether there is a reader or not.
    named: Option<Endpoint>,
}

impl Step for MoveReaders {
    const ID: &'static str = "verify.move_readers";
    const TITLE: &'static str = "Point read-only services at the target's readers";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let services = services::look_at(look).await?;
        let place = place(look).await?;
        let past = past(look).await?;
        let ours = &look.spec.route.service;
        let routes = look.ports.router.routes().await?;
        let stale = |route: &Route| route.service != *ours && past.contains(&route.endpoint);
        let stale = routes.into_iter().filter(stale).collect();
        Ok(Seen { services, place, past, stale })
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if let Some(action) = next(seen) {
            return Plan::act(action);
        }
        let text = warning(seen);
        if let Some(text) = text.filter(|text| facts.warnings.get(STALE) != Some(text)) {
            return Plan::Learn(Fact::Warned { about: STALE.to_owned(), text });
        }
        if seen.services.readers().next().is_none() {
            return Plan::Done;
        }
        acknowledged(spec, facts, &seen.services, Order::Readers)
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// Where the target's writer and readers answer; nowhere without readers in the spec.
pub(super) async fn place(look: &Look<'_>) -> Result<Option<Place>, Failure> {
    if look.spec.route.reader.is_empty() {
        return Ok(None);
    }
    let cluster: Option<Cluster> = look.ports.cloud.cluster(&look.spec.target.cluster).await?;
    let Some((cluster, writer)) = cluster.and_then(|c| c.endpoint.clone().map(|at| (c, at))) else {
        return Ok(None);
    };
    let readers = services::readers_at(look, &cluster).await?;
    Ok(Some(Place { writer, readers, named: cluster.reader_endpoint }))
}

/// Whether a reader could go to the target's readers and is not there.
pub(super) async fn is_due(look: &Look<'_>) -> Result<bool, Failure> {
    let Some(Place { writer, readers: Some(_), .. }) = place(look).await? else { return Ok(false) };
    let services = services::look_at(look).await?;
    let mut routes = services.readers().filter_map(|one| one.view.route.as_ref());
    Ok(routes.any(|route| route.endpoint == writer))
}

/// The endpoints that stay behind.
async fn past(look: &Look<'_>) -> Result<Vec<Endpoint>, Failure> {
    let mut past: Vec<Endpoint> = source_endpoint(look.facts).into_iter().cloned().collect();
    let source = look.ports.cloud.instance(&look.spec.source.instance).await?;
    for replica in source.iter().flat_map(|source| &source.replica_instances) {
        let replica = look.ports.cloud.instance(replica).await?;
        past.extend(replica.and_then(|replica| replica.endpoint));
    }
    Ok(past)
}

/// The next order to a reader, when one is due.
fn next(seen: &Seen) -> Option<RouteAction> {
    let place = seen.place.as_ref()?;
    let goal = place.readers.as_ref().unwrap_or(&place.writer);
    let there = |end: &Endpoint| end == goal || Some(end) == place.named.as_ref();
    seen.services.readers().find_map(|one| {
        let route = one.view.route.as_ref()?;
        let (service, epoch) = (one.service.clone(), route.epoch + 1);
        match (is_held(route), there(&route.endpoint)) {
            (true, true) => Some(RouteAction::Release { service, epoch }),
            (true, false) => Some(RouteAction::Point { service, endpoint: goal.clone(), epoch }),
            (false, true) => None,
            // A service that somebody has sent elsewhere since then stays there.
            (false, false) => {
                let ours = route.endpoint == place.writer || seen.past.contains(&route.endpoint);
                ours.then_some(RouteAction::Hold { service, epoch })
            }
        }
    })
}

fn warning(seen: &Seen) -> Option<String> {
    let name = |route: &Route| format!("{} leads to {}", route.service, route.endpoint);
    let stale: Vec<String> = seen.stale.iter().map(name).collect();
    (!stale.is_empty()).then(|| {
        format!("{}: that side stayed behind at the cutover and shows the past", stale.join(", "))
    })
}
