//! Services: where they go, and which proxies follow.

use jiff::Timestamp;
use landfall_api::ServiceRoute;
use landfall_api::core::port::router::{ProxyView, Route, Traffic};

use super::layout::{columns, labelled};
use super::{time, waiting};

/// All services.
pub(crate) fn list(routes: &[ServiceRoute], now: Timestamp, width: usize) -> String {
    if routes.is_empty() {
        return "No services yet. `landfall route add SERVICE HOST:PORT` takes one on.".to_owned();
    }
    routes.iter().map(|route| one(route, now, width)).collect::<Vec<_>>().join("\n")
}

/// One service.
pub(crate) fn one(route: &ServiceRoute, now: Timestamp, width: usize) -> String {
    let Some(stored) = &route.view.route else {
        return unadopted(route, width);
    };
    let traffic = match stored.traffic {
        Traffic::Open => "open",
        Traffic::Held => "held: new connections wait",
    };
    let text = format!("{} (epoch {}), {traffic}", stored.endpoint, stored.epoch);
    let mut lines = vec![labelled(&format!("{}  ", route.service), &text, width)];
    let rows = route.view.proxies.iter().map(|proxy| proxy_row(proxy, stored, now));
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        lines.push("  no proxy seen by this server".to_owned());
    } else {
        let table = columns(&rows, width.saturating_sub(2));
        lines.extend(table.lines().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

/// A service without a route: proxies that ask for it, and nodes that are known from a spec.
fn unadopted(route: &ServiceRoute, width: usize) -> String {
    let proxies = &route.view.proxies;
    let text = "not adopted yet: `landfall route add`, or its move, takes it on";
    let mut lines = vec![labelled(&format!("{}  ", route.service), text, width)];
    let state = |proxy: &ProxyView| match (&proxy.rejected, proxy.connected_since) {
        (Some(words), _) => format!("NOT READY: {words}"),
        (None, None) => format!("gone, last seen {}", time::instant(proxy.last_seen)),
        (None, Some(_)) => "there, waits to be told".to_owned(),
    };
    let rows: Vec<Vec<String>> =
        proxies.iter().map(|proxy| vec![proxy.node.clone(), state(proxy)]).collect();
    if !rows.is_empty() {
        let table = columns(&rows, width.saturating_sub(2));
        lines.extend(table.lines().map(|line| format!("  {line}")));
    }
    lines.join("\n")
}

fn proxy_row(proxy: &ProxyView, route: &Route, now: Timestamp) -> Vec<String> {
    let epoch = route.epoch;
    let state = match (&proxy.rejected, proxy.connected_since) {
        (Some(words), _) => format!("REFUSES: {words}"),
        (None, None) => format!("gone, last seen {}", time::instant(proxy.last_seen)),
        (None, Some(_)) if !proxy.subscribed => "connected, has not asked yet".to_owned(),
        (None, Some(_)) if proxy.follows(epoch) => "follows".to_owned(),
        (None, Some(_)) => "BEHIND".to_owned(),
    };
    let acknowledged =
        proxy.acknowledged.map_or_else(|| "-".to_owned(), |epoch| format!("epoch {epoch}"));
    // Worth a word while traffic is held, and whenever somebody does wait.
    let waits = match (proxy.waiting, route.traffic) {
        (None, Traffic::Open) => String::new(),
        (None, Traffic::Held) if proxy.connected_since.is_none() => String::new(),
        (None, Traffic::Held) => "who waits is not known".to_owned(),
        (Some(waiting), Traffic::Held | Traffic::Open) => waiting::at_one(Some(waiting), now),
    };
    let state = if waits.is_empty() { state } else { format!("{state}; {waits}") };
    vec![proxy.node.clone(), acknowledged, state]
}

#[cfg(test)]
mod tests {
    use landfall_api::core::port::router::{AtHold, Passage, RouteView, Waiting};
    use landfall_api::core::{Endpoint, ServiceName};

    use super::super::layout::assert_fits;
    use super::*;

    fn proxy(node: &str, acknowledged: Option<u64>) -> ProxyView {
        ProxyView {
            node: node.to_owned(),
            connected_since: Some(Timestamp::UNIX_EPOCH),
            last_seen: Timestamp::UNIX_EPOCH,
            subscribed: true,
            sent: Some(3),
            acknowledged,
            rejected: None,
            at_hold: AtHold::Wait,
            waiting: None,
        }
    }

    #[test]
    fn who_follows_and_who_does_not_is_said_in_words() {
        let service = ServiceName::new("orders");
        let route = Route {
            service: service.clone(),
            endpoint: Endpoint::new("orders-prod.abc.eu-central-1.rds.amazonaws.com", 5432),
            traffic: Traffic::Held,
            epoch: 3,
            passage: Passage::default(),
        };
        let refuses = ProxyView {
            rejected: Some("no such cluster type".to_owned()),
            ..proxy("shop-3", Some(2))
        };
        let gone = ProxyView { connected_since: None, ..proxy("shop-4", Some(2)) };
        let now = Timestamp::from_second(12).unwrap();
        let waiting = Some(Waiting { connections: 20, since: Some(Timestamp::UNIX_EPOCH) });
        let holds = ProxyView { waiting, ..proxy("shop-1", Some(3)) };
        let proxies = vec![holds, proxy("shop-2", Some(2)), refuses, gone];
        let routes = [ServiceRoute { service, view: RouteView { route: Some(route), proxies } }];
        for width in [40, 100] {
            assert_fits(&list(&routes, now, width), width);
        }
        insta::assert_snapshot!(list(&routes, now, 100));
    }

    #[test]
    fn nodes_of_a_spec_are_shown_before_there_is_a_route() {
        let fine = ProxyView { rejected: None, ..proxy("pooler-1", None) };
        let words = "its file /etc/pgbouncer/shop.ini cannot be written: permission denied";
        let refuses = ProxyView { rejected: Some(words.to_owned()), ..proxy("pooler-2", None) };
        let view = RouteView { route: None, proxies: vec![fine, refuses] };
        let routes = [ServiceRoute { service: ServiceName::new("shop"), view }];
        let now = Timestamp::UNIX_EPOCH;
        assert_fits(&list(&routes, now, 40), 40);
        let text = list(&routes, now, 120);
        assert!(text.contains("not adopted yet"), "{text}");
        assert!(text.contains("there, waits to be told"), "{text}");
        assert!(text.contains("NOT READY: its file"), "{text}");
    }
}
