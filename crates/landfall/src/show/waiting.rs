//! Connections that have no database yet: how many, and for how long the oldest waits.

use std::fmt::Write as _;

use jiff::Timestamp;
use landfall_api::WaitingAt;
use landfall_api::core::port::router::Waiting;

use super::time;

/// At one proxy; nothing when nobody waits.
pub(crate) fn at_one(waiting: Option<Waiting>, now: Timestamp) -> String {
    match waiting {
        None => "not known".to_owned(),
        Some(Waiting { connections: 0, .. }) => String::new(),
        Some(Waiting { connections, since }) => {
            let oldest = since.map_or_else(String::new, |since| {
                format!(", the oldest for {}", time::span(time::between(since, now)))
            });
            let verb = if connections == 1 { "waits" } else { "wait" };
            format!("{connections} {verb}{oldest}")
        }
    }
}

/// Over all services and proxies; nothing when no proxy was asked.
pub(crate) fn in_all(all: &[WaitingAt], now: Timestamp) -> Option<String> {
    if all.is_empty() {
        return None;
    }
    let known: Vec<Waiting> = all.iter().filter_map(|one| one.waiting).collect();
    let unknown = all.len() - known.len();
    if known.is_empty() {
        return Some("how many wait is not known".to_owned());
    }
    let connections = known.iter().map(|one| one.connections).sum();
    let since = known.iter().filter_map(|one| one.since).min();
    let mut text = at_one(Some(Waiting { connections, since }), now);
    if text.is_empty() {
        "nobody waits".clone_into(&mut text);
    }
    if unknown > 0 {
        let places = if unknown == 1 { "place" } else { "places" };
        let _ = write!(text, " (not known of {unknown} more {places})");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn place(waiting: Option<Waiting>) -> WaitingAt {
        WaitingAt { service: "orders".into(), node: "gateway-1".to_owned(), waiting }
    }

    fn wait(connections: u64, since: i64) -> Option<Waiting> {
        Some(Waiting { connections, since: (connections > 0).then(|| at(since)) })
    }

    #[test]
    fn one_proxy_says_how_many_and_how_long() {
        assert_eq!(at_one(None, at(9)), "not known");
        assert_eq!(at_one(wait(0, 0), at(9)), "");
        assert_eq!(at_one(wait(1, 7), at(9)), "1 waits, the oldest for 2 s");
        assert_eq!(at_one(wait(2_000, 0), at(62)), "2000 wait, the oldest for 1 m 02 s");
    }

    #[test]
    fn all_together_say_the_sum_and_what_is_not_known() {
        let told = |all: &[Option<Waiting>]| {
            in_all(&all.iter().copied().map(place).collect::<Vec<_>>(), at(10))
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[None]).unwrap(), "how many wait is not known");
        assert_eq!(told(&[wait(0, 0), wait(0, 0)]).unwrap(), "nobody waits");
        assert_eq!(told(&[wait(3, 4), wait(5, 2)]).unwrap(), "8 wait, the oldest for 8 s");
        let text = told(&[wait(3, 4), None]).unwrap();
        assert_eq!(text, "3 wait, the oldest for 6 s (not known of 1 more place)");
    }
}
