//! The words between Landfall and the program: which hooks lead to a state, what goes in, what
//! comes out. Pure: nothing is run here.

use jiff::Timestamp;
use landfall_core::port::router::{AtHold, ProxyView, Route, Traffic};
use serde::{Deserialize, Serialize};

/// What the program is asked for; its last argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    /// Traffic is open to the endpoint, as before: take the service on.
    Adopt,
    /// New connections wait.
    Hold,
    /// They go on waiting, and will reach the endpoint.
    Point,
    /// Those that wait, and new ones, reach the endpoint.
    Release,
    /// Nothing is changed: who follows?
    View,
}

impl Hook {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Adopt => "adopt",
            Self::Hold => "hold",
            Self::Point => "point",
            Self::Release => "release",
            Self::View => "view",
        }
    }
}

/// The hooks that lead to a state from the last one known to be in force. A restarted Landfall
/// knows none, and tells a held service both that it is held and where it will go.
pub(super) fn hooks(last: Option<&Route>, route: &Route) -> &'static [Hook] {
    let known = last.map(|last| (last.traffic, last.endpoint == route.endpoint, last.epoch));
    match (route.traffic, known) {
        (Traffic::Held, Some((Traffic::Open, true, _))) => &[Hook::Hold],
        (Traffic::Held, Some((Traffic::Held, false, _))) => &[Hook::Point],
        (Traffic::Held, _) => &[Hook::Hold, Hook::Point],
        (Traffic::Open, Some((Traffic::Open, true, epoch))) if epoch < route.epoch => {
            &[Hook::Adopt]
        }
        (Traffic::Open, _) if route.epoch == 1 => &[Hook::Adopt],
        (Traffic::Open, _) => &[Hook::Release],
    }
}

/// What the program reads.
#[derive(Serialize)]
struct Wanted<'a> {
    service: &'a str,
    host: &'a str,
    port: u16,
    traffic: Traffic,
    epoch: u64,
}

/// The state as the program reads it.
pub(super) fn input(route: &Route) -> Result<Vec<u8>, String> {
    let wanted = Wanted {
        service: route.service.as_str(),
        host: &route.endpoint.host,
        port: route.endpoint.port,
        traffic: route.traffic,
        epoch: route.epoch,
    };
    serde_json::to_vec(&wanted).map_err(|error| format!("the state cannot be written: {error}"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    nodes: Vec<Node>,
}

/// One node, as the program's `view` tells it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Node {
    node: String,
    follows: bool,
    #[serde(default)]
    message: Option<String>,
}

impl Node {
    /// As the router's port shows it. After a hook that failed nobody follows, whatever they say.
    pub(super) fn view(
        self,
        route: &Route,
        failed: Option<&String>,
        (now, at_hold): (Timestamp, AtHold),
    ) -> ProxyView {
        let follows = self.follows && failed.is_none();
        let words = || self.message.unwrap_or_else(|| "its view says no more than that".to_owned());
        ProxyView {
            node: self.node,
            connected_since: Some(now),
            last_seen: now,
            subscribed: true,
            sent: Some(route.epoch),
            acknowledged: follows.then_some(route.epoch),
            rejected: (!follows).then(|| failed.cloned().unwrap_or_else(words)),
            at_hold,
            waiting: None,
        }
    }
}

/// The nodes in what `view` printed.
pub(super) fn nodes(output: &[u8]) -> Result<Vec<Node>, String> {
    let answer: Answer = serde_json::from_slice(output).map_err(|error| {
        format!("its view must print {{\"nodes\": [{{\"node\", \"follows\"}}]}}: {error}")
    })?;
    Ok(answer.nodes)
}

#[cfg(test)]
mod tests {
    use landfall_core::{Endpoint, ServiceName};

    use landfall_core::port::router::Passage;

    use super::*;

    fn route(port: u16, traffic: Traffic, epoch: u64) -> Route {
        let endpoint = Endpoint::new("db", port);
        Route {
            service: ServiceName::new("orders"),
            endpoint,
            traffic,
            epoch,
            passage: Passage::default(),
        }
    }

    #[test]
    fn the_hook_is_the_one_that_leads_to_the_state() {
        use Hook::{Adopt, Hold, Point, Release};
        use Traffic::{Held, Open};
        let table: [(Option<Route>, Route, &[Hook]); 12] = [
            (None, route(1, Open, 1), &[Adopt]),
            (Some(route(1, Open, 1)), route(1, Held, 2), &[Hold]),
            (Some(route(1, Held, 2)), route(2, Held, 3), &[Point]),
            (Some(route(2, Held, 3)), route(2, Open, 4), &[Release]),
            (Some(route(1, Open, 1)), route(1, Open, 2), &[Adopt]),
            // Told again, because a node does not follow.
            (Some(route(1, Open, 1)), route(1, Open, 1), &[Adopt]),
            (Some(route(1, Held, 2)), route(1, Held, 2), &[Hold, Point]),
            (Some(route(2, Open, 4)), route(2, Open, 4), &[Release]),
            // After a restart, and after a hook that failed.
            (None, route(1, Held, 2), &[Hold, Point]),
            (None, route(2, Open, 4), &[Release]),
            // Steps between were not heard of.
            (Some(route(1, Open, 1)), route(2, Held, 3), &[Hold, Point]),
            (Some(route(1, Open, 1)), route(2, Open, 4), &[Release]),
        ];
        for (last, wanted, expected) in table {
            assert_eq!(hooks(last.as_ref(), &wanted), expected, "{last:?} to {wanted:?}");
        }
    }

    #[test]
    fn the_program_reads_one_object() {
        let text = String::from_utf8(input(&route(5432, Traffic::Held, 7)).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"service":"orders","host":"db","port":5432,"traffic":"held","epoch":7}"#
        );
    }

    #[test]
    fn a_view_that_says_something_else_is_not_guessed_at() {
        assert!(nodes(br#"{"nodes":[{"node":"a","follows":true}]}"#).is_ok());
        for wrong in ["", "[]", "{}", r#"{"nodes":[{"node":"a"}]}"#, r#"{"nodes":[],"ok":1}"#] {
            let words = nodes(wrong.as_bytes()).expect_err(wrong);
            assert!(words.contains("follows"), "{words}");
        }
    }
}
