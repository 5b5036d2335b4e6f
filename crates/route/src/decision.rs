//! What an action makes of the route that stands: pure, so each case is one line of a table.
//!
//! An action names the epoch it leads to. If that is the next one it changes the route; if it is
//! the one that stands and the route is as the action would leave it, the action was done before;
//! anything else means that somebody changed the route since it was read.

use landfall_core::action::RouteAction;
use landfall_core::port::router::{Passage, Route, Traffic};
use landfall_core::{Endpoint, Failure, FailureKind, ServiceName};

/// What to do about an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It was done before.
    Stands(Route),
    /// This is to be stored.
    Store(Route),
}

/// The service an action is about.
pub(crate) const fn service_of(action: &RouteAction) -> &ServiceName {
    match action {
        RouteAction::Adopt { service, .. }
        | RouteAction::Hold { service, .. }
        | RouteAction::Point { service, .. }
        | RouteAction::Release { service, .. } => service,
    }
}

const fn epoch_of(action: &RouteAction) -> u64 {
    match action {
        RouteAction::Adopt { epoch, .. }
        | RouteAction::Hold { epoch, .. }
        | RouteAction::Point { epoch, .. }
        | RouteAction::Release { epoch, .. } => *epoch,
    }
}

/// Decides over the stored route. `passage` is the spec's, which every change of its move brings;
/// absent, what stands is kept.
pub(crate) fn decide(
    stored: Option<Route>,
    action: &RouteAction,
    passage: Option<&Passage>,
) -> Result<Decision, Failure> {
    check_endpoint(action)?;
    let epoch = epoch_of(action);
    let Some(stored) = stored else { return first(action, passage) };
    let passage = passage.unwrap_or(&stored.passage).clone();
    let wanted = Route { epoch, passage, ..outcome(&stored, action) };
    if wanted == stored {
        return Ok(Decision::Stands(stored));
    }
    if epoch != stored.epoch + 1 {
        return Err(stale(action, stored.epoch));
    }
    match refusal(&stored, action) {
        Some((kind, detail)) => Err(Failure::new(kind, action.to_string(), detail)),
        None => Ok(Decision::Store(wanted)),
    }
}

/// Envoy would refuse the cluster, and end every connection that waits for its first one.
fn check_endpoint(action: &RouteAction) -> Result<(), Failure> {
    let (RouteAction::Adopt { endpoint, .. } | RouteAction::Point { endpoint, .. }) = action else {
        return Ok(());
    };
    let is_spelled = |part: char| part.is_ascii_alphanumeric() || ".:-_".contains(part);
    if !endpoint.host.is_empty() && endpoint.host.chars().all(is_spelled) && endpoint.port != 0 {
        return Ok(());
    }
    let detail = format!("{endpoint} is no address, or no name with a port");
    Err(Failure::new(FailureKind::Invalid, action.to_string(), detail))
}

fn first(action: &RouteAction, passage: Option<&Passage>) -> Result<Decision, Failure> {
    match action {
        RouteAction::Adopt { service, endpoint, epoch: 1 } => Ok(Decision::Store(Route {
            service: service.clone(),
            endpoint: endpoint.clone(),
            traffic: Traffic::Open,
            epoch: 1,
            passage: passage.cloned().unwrap_or_default(),
        })),
        RouteAction::Adopt { .. } => Err(stale(action, 0)),
        RouteAction::Hold { .. } | RouteAction::Point { .. } | RouteAction::Release { .. } => {
            let detail = "the service has no route; it has not been adopted";
            Err(Failure::new(FailureKind::NotFound, action.to_string(), detail))
        }
    }
}

fn outcome(stored: &Route, action: &RouteAction) -> Route {
    let (endpoint, traffic): (&Endpoint, Traffic) = match action {
        RouteAction::Adopt { endpoint, .. } => (endpoint, Traffic::Open),
        RouteAction::Hold { .. } => (&stored.endpoint, Traffic::Held),
        RouteAction::Point { endpoint, .. } => (endpoint, Traffic::Held),
        RouteAction::Release { .. } => (&stored.endpoint, Traffic::Open),
    };
    Route { endpoint: endpoint.clone(), traffic, ..stored.clone() }
}

/// Why an action with the right epoch still may not be done: it would move or open traffic on
/// the side.
fn refusal(stored: &Route, action: &RouteAction) -> Option<(FailureKind, String)> {
    match action {
        RouteAction::Adopt { endpoint, .. } if *endpoint != stored.endpoint => Some((
            FailureKind::TakenByAnother,
            format!("the service is routed to {} already", stored.endpoint),
        )),
        RouteAction::Adopt { .. } if stored.traffic == Traffic::Held => {
            Some((FailureKind::WrongState, "its traffic is held; release it first".to_owned()))
        }
        RouteAction::Point { .. } if stored.traffic == Traffic::Open => {
            Some((FailureKind::WrongState, "its traffic is open; hold it first".to_owned()))
        }
        RouteAction::Adopt { .. }
        | RouteAction::Hold { .. }
        | RouteAction::Point { .. }
        | RouteAction::Release { .. } => None,
    }
}

fn stale(action: &RouteAction, found: u64) -> Failure {
    let detail = format!("its route has epoch {found}");
    Failure::new(FailureKind::StaleEpoch, action.to_string(), detail)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn orders() -> ServiceName {
        ServiceName::new("orders")
    }

    fn at(port: u16) -> Endpoint {
        Endpoint::new("127.0.0.1", port)
    }

    fn route(port: u16, traffic: Traffic, epoch: u64) -> Route {
        Route { service: orders(), endpoint: at(port), traffic, epoch, passage: Passage::default() }
    }

    fn adopt(port: u16, epoch: u64) -> RouteAction {
        RouteAction::Adopt { service: orders(), endpoint: at(port), epoch }
    }

    fn hold(epoch: u64) -> RouteAction {
        RouteAction::Hold { service: orders(), epoch }
    }

    fn point(port: u16, epoch: u64) -> RouteAction {
        RouteAction::Point { service: orders(), endpoint: at(port), epoch }
    }

    fn release(epoch: u64) -> RouteAction {
        RouteAction::Release { service: orders(), epoch }
    }

    #[test]
    fn each_action_leads_to_the_next_epoch() {
        use Traffic::{Held, Open};
        let table = [
            (None, adopt(1, 1), route(1, Open, 1)),
            (Some(route(1, Open, 1)), hold(2), route(1, Held, 2)),
            (Some(route(1, Held, 2)), point(2, 3), route(2, Held, 3)),
            (Some(route(2, Held, 3)), release(4), route(2, Open, 4)),
            // What is asked for stands, under a later epoch: harmless, and one more change.
            (Some(route(1, Open, 3)), adopt(1, 4), route(1, Open, 4)),
            (Some(route(1, Held, 3)), hold(4), route(1, Held, 4)),
            (Some(route(1, Held, 3)), point(1, 4), route(1, Held, 4)),
            (Some(route(1, Open, 3)), release(4), route(1, Open, 4)),
        ];
        for (stored, action, wanted) in table {
            let decision = decide(stored, &action, None);
            assert_eq!(decision, Ok(Decision::Store(wanted.clone())), "{action}");
            let again = decide(Some(wanted.clone()), &action, None);
            assert_eq!(again, Ok(Decision::Stands(wanted)), "{action}, again");
        }
    }

    #[test]
    fn each_change_of_a_move_brings_its_passage_and_others_keep_it() {
        use Traffic::{Held, Open};
        let passage = Passage { sessions_per_proxy: NonZeroU32::new(90), tls: None };
        let with = |route: Route| Route { passage: passage.clone(), ..route };
        let table = [
            (None, adopt(1, 1), route(1, Open, 1)),
            (Some(route(1, Open, 1)), adopt(1, 2), route(1, Open, 2)),
            (Some(route(1, Open, 1)), hold(2), route(1, Held, 2)),
            (Some(route(2, Held, 3)), release(4), route(2, Open, 4)),
        ];
        for (stored, action, wanted) in table {
            let decision = decide(stored, &action, Some(&passage));
            assert_eq!(decision, Ok(Decision::Store(with(wanted))), "{action}");
        }
        let kept = decide(Some(with(route(1, Open, 1))), &hold(2), None);
        assert_eq!(kept, Ok(Decision::Store(with(route(1, Held, 2)))));
        let again = decide(Some(with(route(1, Open, 1))), &adopt(1, 1), None);
        assert_eq!(again, Ok(Decision::Stands(with(route(1, Open, 1)))));
    }

    #[test]
    fn an_endpoint_that_envoy_would_refuse_is_refused_here() {
        for (host, port) in [("", 5432), ("or ders", 5432), ("orders\n", 5432), ("orders", 0)] {
            let endpoint = Endpoint::new(host, port);
            let action = RouteAction::Adopt { service: orders(), endpoint, epoch: 1 };
            let failure = decide(None, &action, None).expect_err("it is malformed");
            assert_eq!(failure.kind, FailureKind::Invalid, "{failure}");
        }
        for host in ["::1", "10.0.0.1", "orders.abc-1.eu-west-1.rds.amazonaws.com", "my_host"] {
            let endpoint = Endpoint::new(host, 5432);
            let action = RouteAction::Adopt { service: orders(), endpoint, epoch: 1 };
            assert!(decide(None, &action, None).is_ok(), "{host}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        use Traffic::{Held, Open};
        let table = [
            (None, adopt(1, 2), FailureKind::StaleEpoch),
            (None, hold(1), FailureKind::NotFound),
            (None, point(1, 1), FailureKind::NotFound),
            (None, release(1), FailureKind::NotFound),
            (Some(route(1, Open, 5)), hold(5), FailureKind::StaleEpoch),
            (Some(route(1, Open, 5)), hold(4), FailureKind::StaleEpoch),
            (Some(route(1, Open, 5)), hold(7), FailureKind::StaleEpoch),
            (Some(route(2, Held, 5)), point(1, 5), FailureKind::StaleEpoch),
            (Some(route(1, Held, 5)), release(5), FailureKind::StaleEpoch),
            (Some(route(1, Open, 5)), adopt(2, 6), FailureKind::TakenByAnother),
            (Some(route(1, Held, 5)), adopt(1, 6), FailureKind::WrongState),
            (Some(route(1, Open, 5)), point(2, 6), FailureKind::WrongState),
        ];
        for (stored, action, kind) in table {
            let failure = decide(stored, &action, None).expect_err("it does not fit");
            assert_eq!(failure.kind, kind, "{action}: {failure}");
        }
    }
}
