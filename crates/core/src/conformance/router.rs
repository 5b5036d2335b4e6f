//! What every router must promise: routes with epochs that only grow, a hold that is seen, a point
//! that tells nobody, and actions that may be done twice.
//!
//! It looks through the port only, so it sees what proxies are known to follow, not the
//! connections behind them: whether those wait and come through is the implementation's own test.

use async_trait::async_trait;

use crate::action::RouteAction;
use crate::failure::FailureKind;
use crate::ids::{Endpoint, ServiceName};
use crate::port::router::{Passage, Route, RouteView, Router, RouterAbility, Traffic};

/// Looks at a router until something is seen, before it is said to be missing.
const LOOKS: u32 = 200;

/// Gives the suite a router and the world around it.
#[async_trait]
pub trait RouterFixture: Sync {
    /// The implementation.
    fn router(&self) -> &dyn Router;
    /// A service that nobody has adopted.
    async fn fresh_service(&self) -> ServiceName;
    /// An endpoint of a database that answers.
    async fn answering(&self) -> Endpoint;
    /// An endpoint where nothing listens.
    async fn silent(&self) -> Endpoint;
    /// Connects a proxy that asks for the service and answers what it is told; its name.
    async fn proxy(&self, service: &ServiceName) -> String;
    /// Lets a little time pass, up to 50 ms of it.
    async fn pause(&self);
}

/// Every promise, one after another.
pub async fn every_promise<F: RouterFixture>(fixture: &F) {
    an_unknown_service_has_no_route(fixture).await;
    a_route_goes_through_a_cutover(fixture).await;
    every_action_may_be_done_twice(fixture).await;
    a_stale_epoch_changes_nothing(fixture).await;
    traffic_is_never_moved_on_the_side(fixture).await;
    a_probe_tells_open_from_closed(fixture).await;
    proxies_are_seen_to_follow_each_epoch(fixture).await;
    a_proxy_that_comes_during_a_hold_follows_it(fixture).await;
}

fn adopt(service: &ServiceName, endpoint: &Endpoint, epoch: u64) -> RouteAction {
    RouteAction::Adopt { service: service.clone(), endpoint: endpoint.clone(), epoch }
}

fn hold(service: &ServiceName, epoch: u64) -> RouteAction {
    RouteAction::Hold { service: service.clone(), epoch }
}

fn point(service: &ServiceName, endpoint: &Endpoint, epoch: u64) -> RouteAction {
    RouteAction::Point { service: service.clone(), endpoint: endpoint.clone(), epoch }
}

fn release(service: &ServiceName, epoch: u64) -> RouteAction {
    RouteAction::Release { service: service.clone(), epoch }
}

/// The four actions of a cutover from one endpoint to another, and the route after each.
fn cutover(service: &ServiceName, from: &Endpoint, to: &Endpoint) -> [(RouteAction, Route); 4] {
    let route = |endpoint: &Endpoint, traffic, epoch| Route {
        service: service.clone(),
        endpoint: endpoint.clone(),
        traffic,
        epoch,
        passage: Passage::default(),
    };
    [
        (adopt(service, from, 1), route(from, Traffic::Open, 1)),
        (hold(service, 2), route(from, Traffic::Held, 2)),
        (point(service, to, 3), route(to, Traffic::Held, 3)),
        (release(service, 4), route(to, Traffic::Open, 4)),
    ]
}

async fn act<F: RouterFixture>(fixture: &F, action: &RouteAction) {
    let done = fixture.router().act(action, None).await;
    assert_eq!(done, Ok(()), "{action}");
}

async fn view<F: RouterFixture>(fixture: &F, service: &ServiceName) -> RouteView {
    fixture.router().view(service).await.expect("a router that is up can be looked at")
}

async fn ability<F: RouterFixture>(fixture: &F) -> RouterAbility {
    fixture.router().ability().await.expect("a router that is up can be asked")
}

async fn sides<F: RouterFixture>(fixture: &F) -> (Endpoint, Endpoint) {
    (fixture.answering().await, fixture.answering().await)
}

/// Before it is adopted, a service is unknown, which is no failure.
pub async fn an_unknown_service_has_no_route<F: RouterFixture>(fixture: &F) {
    let service = fixture.fresh_service().await;
    assert_eq!(view(fixture, &service).await.route, None);
    let (endpoint, _) = sides(fixture).await;
    for action in [hold(&service, 1), point(&service, &endpoint, 1), release(&service, 1)] {
        let failure = fixture.router().act(&action, None).await.expect_err("there is no route");
        assert_eq!(failure.kind, FailureKind::NotFound, "{action}");
    }
    assert_eq!(view(fixture, &service).await.route, None);
}

/// Each action leads to its route, and the view shows it at once.
pub async fn a_route_goes_through_a_cutover<F: RouterFixture>(fixture: &F) {
    let service = fixture.fresh_service().await;
    let (source, target) = sides(fixture).await;
    for (action, route) in cutover(&service, &source, &target) {
        act(fixture, &action).await;
        assert_eq!(view(fixture, &service).await.route.as_ref(), Some(&route), "{action}");
        let routes = fixture.router().routes().await.expect("they can be listed");
        assert!(routes.contains(&route), "{action}: not among {routes:?}");
    }
}

/// Doing what stands is success and changes nothing: an answer may be lost.
pub async fn every_action_may_be_done_twice<F: RouterFixture>(fixture: &F) {
    let service = fixture.fresh_service().await;
    let (source, target) = sides(fixture).await;
    for (action, route) in cutover(&service, &source, &target) {
        act(fixture, &action).await;
        act(fixture, &action).await;
        assert_eq!(view(fixture, &service).await.route, Some(route), "{action}, twice");
    }
}

/// An action decided on another epoch than the one that stands is refused.
pub async fn a_stale_epoch_changes_nothing<F: RouterFixture>(fixture: &F) {
    let service = fixture.fresh_service().await;
    let (source, target) = sides(fixture).await;
    let early = fixture.router().act(&adopt(&service, &source, 2), None).await;
    assert_eq!(early.expect_err("the first epoch is 1").kind, FailureKind::StaleEpoch);
    act(fixture, &adopt(&service, &source, 1)).await;
    act(fixture, &hold(&service, 2)).await;
    let before = view(fixture, &service).await.route;
    let stale = [
        adopt(&service, &source, 1),
        release(&service, 2),
        point(&service, &target, 2),
        release(&service, 1),
        hold(&service, 4),
        point(&service, &target, 5),
    ];
    for action in stale {
        let failure = fixture.router().act(&action, None).await.expect_err("it is stale");
        assert_eq!(failure.kind, FailureKind::StaleEpoch, "{action}");
        assert_eq!(view(fixture, &service).await.route, before, "{action}");
    }
}

/// No action opens, or moves open traffic, unless that is what it is for.
pub async fn traffic_is_never_moved_on_the_side<F: RouterFixture>(fixture: &F) {
    let service = fixture.fresh_service().await;
    let (source, target) = sides(fixture).await;
    act(fixture, &adopt(&service, &source, 1)).await;
    let refused = fixture.router().act(&adopt(&service, &target, 2), None).await;
    assert_eq!(refused.expect_err("it goes elsewhere").kind, FailureKind::TakenByAnother);
    let refused = fixture.router().act(&point(&service, &target, 2), None).await;
    assert_eq!(refused.expect_err("it is not held").kind, FailureKind::WrongState);
    act(fixture, &hold(&service, 2)).await;
    let refused = fixture.router().act(&adopt(&service, &source, 3), None).await;
    assert_eq!(refused.expect_err("it is held").kind, FailureKind::WrongState);
    let standing = view(fixture, &service).await.route.expect("it was adopted");
    assert_eq!((standing.endpoint, standing.traffic), (source, Traffic::Held));
}

/// A probe says yes to a database and tells why not otherwise.
pub async fn a_probe_tells_open_from_closed<F: RouterFixture>(fixture: &F) {
    let answering = fixture.answering().await;
    assert_eq!(fixture.router().probe(&answering).await, Ok(Ok(())));
    let silent = fixture.silent().await;
    let probed = fixture.router().probe(&silent).await.expect("a probe that could be made");
    let why = probed.expect_err("nothing listens there");
    assert!(!why.is_empty(), "a closed way says why");
}

/// Each epoch is followed by every proxy, also the ones that are told by silence.
pub async fn proxies_are_seen_to_follow_each_epoch<F: RouterFixture>(fixture: &F) {
    if !ability(fixture).await.holds {
        return;
    }
    let service = fixture.fresh_service().await;
    let (source, target) = sides(fixture).await;
    let mut proxy = None;
    for (action, route) in cutover(&service, &source, &target) {
        act(fixture, &action).await;
        if proxy.is_none() {
            proxy = Some(fixture.proxy(&service).await);
        }
        follows(fixture, &service, proxy.as_deref(), route.epoch).await;
    }
}

/// A proxy that asks while traffic is held waits, and that counts as following.
pub async fn a_proxy_that_comes_during_a_hold_follows_it<F: RouterFixture>(fixture: &F) {
    if !ability(fixture).await.holds {
        return;
    }
    let service = fixture.fresh_service().await;
    let (source, target) = sides(fixture).await;
    let [adopted, held, pointed, released] = cutover(&service, &source, &target);
    act(fixture, &adopted.0).await;
    act(fixture, &held.0).await;
    let proxy = fixture.proxy(&service).await;
    follows(fixture, &service, Some(&proxy), held.1.epoch).await;
    act(fixture, &pointed.0).await;
    follows(fixture, &service, Some(&proxy), pointed.1.epoch).await;
    act(fixture, &released.0).await;
    follows(fixture, &service, Some(&proxy), released.1.epoch).await;
}

async fn follows<F: RouterFixture>(
    fixture: &F,
    service: &ServiceName,
    proxy: Option<&str>,
    epoch: u64,
) {
    let there = |seen: &RouteView| {
        let part = seen.proxies.iter().find(|part| Some(part.node.as_str()) == proxy);
        part.is_some_and(|part| part.subscribed && part.follows(epoch))
    };
    let mut seen = view(fixture, service).await;
    for _ in 0..LOOKS {
        if there(&seen) {
            break;
        }
        fixture.pause().await;
        seen = view(fixture, service).await;
    }
    assert!(there(&seen), "{proxy:?} does not follow epoch {epoch} of {service}: {seen:?}");
}
