//! The services of a move at the gateway: the writer's, and those that only read.
//!
//! Readers are held before the writer's service and released after it: what people pay for is the
//! time in which nobody can write, and nothing that would have to be undone may come before the
//! release of the writer's, which is the point of no return. Until then all of them are held.

use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use landfall_core::action::RouteAction;
use landfall_core::failure::Failure;
use landfall_core::port::cloud::{Cluster, ResourceState};
use landfall_core::port::router::{AtHold, Route, RouteView, Traffic};
use landfall_core::spec::Stragglers;
use landfall_core::{Endpoint, Fact, Facts, ServiceName, Spec};
use serde::{Deserialize, Serialize};

use super::side::origin;
use super::{gateway_problem, straggler};
use crate::step::{BRISK, Look, Plan, elapsed};

/// How long a node that cannot hold has to answer at the hold. It lets connections through
/// whatever it says, and the fence turns them away.
const UNHELD: Duration = Duration::from_secs(1);

/// One service as seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServiceView {
    /// Its name.
    pub service: ServiceName,
    /// Its route and proxies.
    #[serde(flatten)]
    pub view: RouteView,
}

/// Every service of a move, the writer's first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Services {
    services: Vec<ServiceView>,
    /// The instant of the look; its journal entry has it.
    #[serde(skip)]
    now: Timestamp,
    /// When the step was entered; its own entry has it.
    #[serde(skip)]
    entered_at: Timestamp,
}

/// Looks at all of them at once.
pub(super) async fn look_at(look: &Look<'_>) -> Result<Services, Failure> {
    let one = |service: &ServiceName| {
        let service = service.clone();
        async move {
            let view = look.ports.router.view(&service).await?;
            Ok::<_, Failure>(ServiceView { service, view })
        }
    };
    let looks: Vec<_> = look.spec.services().map(one).map(Box::pin).collect();
    let services = try_join_all(looks).await?;
    Ok(Services { services, now: look.now(), entered_at: look.entered_at })
}

impl Services {
    /// The route of the writer's service.
    pub(super) fn writer(&self) -> Option<&Route> {
        self.first()?.view.route.as_ref()
    }

    /// The writer's service as seen.
    pub(super) fn first(&self) -> Option<&ServiceView> {
        self.services.first()
    }

    /// Each service, the writer's first: the order of pointing and of release.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &ServiceView> {
        self.services.iter()
    }

    /// Those that only read.
    pub(super) fn readers(&self) -> impl Iterator<Item = &ServiceView> {
        self.services.iter().skip(1)
    }

    /// The first service without a route.
    pub(super) fn lost(&self) -> Option<&ServiceName> {
        self.all().find(|one| one.view.route.is_none()).map(|one| &one.service)
    }

    /// The nodes that let new connections through while the services are held.
    pub(super) fn passing(&self) -> Vec<&str> {
        let all = self.all().flat_map(|one| &one.view.proxies);
        let passing = all.filter(|proxy| proxy.at_hold == AtHold::Pass);
        let mut nodes: Vec<&str> = passing.map(|proxy| proxy.node.as_str()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// The proxies that do not follow the route of a service, by node, and what each does.
    fn stragglers(&self, facts: &Facts) -> Vec<(String, String)> {
        let mut found: Vec<(String, String)> = Vec::new();
        for one in self.all() {
            let epoch = one.view.route.as_ref().map_or(0, |route| route.epoch);
            let behind = one.view.proxies.iter().filter(|proxy| !proxy.follows(epoch));
            found.extend(behind.map(|proxy| (proxy.node.clone(), straggler(proxy))));
        }
        let missing = facts.proxies.iter().flatten().filter(|node| !self.lists(node));
        found.extend(missing.map(|node| (node.clone(), format!("{node} has not come back"))));
        found.retain(|(node, _)| !facts.left_behind.contains_key(node));
        found.sort();
        found.dedup();
        found
    }

    fn lists(&self, node: &str) -> bool {
        self.all().any(|one| one.view.proxies.iter().any(|proxy| proxy.node == node))
    }

    /// Whether a proxy follows every route; a hold is only followed by those that can hold.
    fn somebody_follows(&self, behind: &[(String, String)], order: Order) -> bool {
        let nodes = self.first().map(|one| one.view.proxies.as_slice()).unwrap_or_default();
        nodes.iter().any(|proxy| {
            let counts = order != Order::Hold || proxy.at_hold == AtHold::Wait;
            let follows = behind.iter().all(|(node, _)| *node != proxy.node);
            counts && proxy.connected_since.is_some() && follows
        })
    }
}

/// Where a service led before the hold.
pub(super) fn home<'a>(
    spec: &Spec,
    facts: &'a Facts,
    service: &ServiceName,
) -> Option<&'a Endpoint> {
    let were = facts.readers_were.as_ref().filter(|_| *service != spec.route.service);
    were.and_then(|were| were.get(service)).or_else(|| origin(facts))
}

/// Points what is held, and leads elsewhere, to where it led before the hold.
pub(super) fn point_home(spec: &Spec, facts: &Facts, seen: &Services) -> Plan {
    let back = |one: &ServiceView| {
        let route = one.view.route.as_ref().filter(|route| is_held(route))?;
        let home = home(spec, facts, &one.service)?;
        (route.endpoint != *home).then(|| RouteAction::Point {
            service: one.service.clone(),
            endpoint: home.clone(),
            epoch: route.epoch + 1,
        })
    };
    seen.all().find_map(back).map_or(Plan::Done, Plan::act)
}

/// Whether connections of a service wait.
pub(super) fn is_held(route: &Route) -> bool {
    route.traffic == Traffic::Held
}

/// The endpoint of the target's readers, when there is one that takes connections.
pub(super) async fn readers_at(
    look: &Look<'_>,
    cluster: &Cluster,
) -> Result<Option<Endpoint>, Failure> {
    let Some(at) = cluster.reader_endpoint.clone().filter(|_| !look.spec.route.reader.is_empty())
    else {
        return Ok(None);
    };
    for member in cluster.members.iter().filter(|member| !member.writer) {
        let reader = look.ports.cloud.instance(&member.instance).await?;
        if reader.is_some_and(|reader| reader.state == ResourceState::Available) {
            let way = look.ports.router.probe(&at).await?;
            return Ok(way.is_ok().then_some(at));
        }
    }
    Ok(None)
}

/// An order that the gateway was given, and what is done about who does not follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Before the hold: nothing is at stake yet.
    Rehearsal,
    /// The hold: the fence comes next.
    Hold,
    /// The release: there is no way back.
    Release,
    /// Readers, after the move.
    Readers,
}

impl Order {
    const fn words(self) -> &'static str {
        match self {
            Self::Rehearsal => "before the hold",
            Self::Hold => "the hold",
            Self::Release => "the release",
            Self::Readers => "the readers' route",
        }
    }
}

/// Waits until every proxy follows what it was told, for as long as the spec allows, and then does
/// what it says about those that do not. A proxy that was there before the hold and is not listed,
/// as after a restart of ours, has not said anything.
pub(super) fn acknowledged(spec: &Spec, facts: &Facts, seen: &Services, order: Order) -> Plan {
    let mut behind = seen.stragglers(facts);
    let since = facts.awaited_since.filter(|at| *at > seen.entered_at).unwrap_or(seen.entered_at);
    let waited = elapsed(since, seen.now);
    if order == Order::Hold && waited >= UNHELD.min(spec.route.acknowledge_within) {
        // Nothing is held there, so nothing is gained by waiting for it: those that hold count.
        let passing = seen.passing();
        behind.retain(|(node, _)| !passing.contains(&node.as_str()));
    }
    if behind.is_empty() {
        return Plan::Done;
    }
    let words: Vec<String> = behind.iter().map(|(_, words)| words.clone()).collect();
    let problem = gateway_problem(order.words(), &words);
    let patience = spec.route.acknowledge_within;
    let why = match order {
        Order::Rehearsal => "every proxy to follow the route".to_owned(),
        Order::Hold | Order::Release | Order::Readers => {
            format!("every proxy to acknowledge {}", order.words())
        }
    };
    let wait = |within| {
        let wait = Plan::wait(spec, why, words.join("; ")).or(within, problem.clone());
        if order == Order::Rehearsal { wait } else { wait.every(BRISK) }
    };
    let follow = seen.somebody_follows(&behind, order);
    let then = match (spec.route.stragglers, order) {
        (Stragglers::GoOn, _) if follow => left_behind(&behind, &words, order),
        (Stragglers::Undo, Order::Hold) => Plan::GiveUp(format!(
            "route.stragglers = \"undo\": {}: {}",
            problem.primary,
            words.join("; ")
        )),
        (Stragglers::Stop | Stragglers::GoOn | Stragglers::Undo, _) => return wait(patience),
    };
    // Our own count ends the wait: it begins anew when another driver takes over, because proxies
    // have to find their way to that one first.
    if waited >= patience { then } else { wait(patience + spec.pause_budget()) }
}

fn left_behind(behind: &[(String, String)], words: &[String], order: Order) -> Plan {
    let mut nodes: Vec<String> = behind.iter().map(|(node, _)| node.clone()).collect();
    nodes.dedup();
    Plan::Learn(Fact::LeftBehind { nodes, why: format!("{}: {}", order.words(), words.join("; ")) })
}
