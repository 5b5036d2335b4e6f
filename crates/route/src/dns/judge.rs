//! Whether what a server shows is what the route wants: pure, so each case is a line of a table.

use std::collections::BTreeSet;
use std::time::Duration;

use landfall_core::port::router::{Route, Traffic};
use landfall_core::quantity::duration_text;
use tokio::time::Instant;

use super::record::{Pointer, Sight};

/// What a server shows, and until when resolvers may have something older.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) sight: Sight,
    /// From here on nobody has the record from before this one.
    pub(super) settled_at: Instant,
}

/// What is wanted, and what may be replaced for it.
pub(super) struct Judgement<'a> {
    pub(super) wanted: Pointer,
    pub(super) route: &'a Route,
    /// Where this record pointed by our doing, or when it was taken on.
    pub(super) known: BTreeSet<Pointer>,
    pub(super) ttl: Duration,
}

impl Judgement<'_> {
    /// Whether the record may be replaced; the error names who it is left to.
    pub(super) fn replaceable(&self, standing: &Standing) -> Result<(), String> {
        let sight = &standing.sight;
        if sight.is(&self.wanted) || sight.is_empty() && self.route.epoch > 1 {
            return Ok(());
        }
        let ours = sight.pointer().is_some_and(|pointer| self.known.contains(&pointer));
        if ours && self.route.epoch > 1 {
            return Ok(());
        }
        let wanted = &self.wanted;
        if self.route.epoch == 1 {
            return Err(format!(
                "the record points to {sight}, not to {wanted}: point it there, or name another \
                 record; Landfall takes on what applications use already, and changes nothing"
            ));
        }
        Err(format!(
            "somebody else pointed the record to {sight}; it is left to them until it points to \
             {wanted}"
        ))
    }

    /// Whether the route is followed as far as DNS can; the error is what is missing.
    pub(super) fn follows(&self, standing: &Standing, now: Instant) -> Result<(), String> {
        let sight = &standing.sight;
        if sight.ttl() > self.ttl && !sight.is_empty() {
            return Err(format!(
                "the record's TTL is {}, route.dns.ttl says {}: lower it, and wait until the old \
                 one is over",
                duration_text::to_text(sight.ttl()),
                duration_text::to_text(self.ttl)
            ));
        }
        self.replaceable(standing)?;
        match self.route.traffic {
            // It cannot hold, and does not move either: nothing is missing.
            Traffic::Held if !sight.is_empty() => Ok(()),
            Traffic::Open if sight.is(&self.wanted) => self.settled(standing, now),
            Traffic::Held | Traffic::Open => {
                Err(format!("the record points to {sight}, not to {} yet", self.wanted))
            }
        }
    }

    fn settled(&self, standing: &Standing, now: Instant) -> Result<(), String> {
        let left = standing.settled_at.saturating_duration_since(now);
        if left.is_zero() {
            return Ok(());
        }
        // Rounded up: a wait of nothing would read like a mistake.
        let left_s = left.as_millis().div_ceil(1000);
        Err(format!("resolvers may have the record from before for {left_s}s more"))
    }
}

#[cfg(test)]
mod tests {
    use landfall_core::{Endpoint, ServiceName};

    use landfall_core::port::router::Passage;

    use super::*;

    const TTL: Duration = Duration::from_secs(5);

    fn pointer(host: &str) -> Pointer {
        Pointer::to(&Endpoint::new(host, 5432)).expect("a host")
    }

    fn verdict(
        (host, traffic, epoch): (&str, Traffic, u64),
        sight: Sight,
        known: &[&str],
    ) -> Result<(), String> {
        let endpoint = Endpoint::new(host, 5432);
        let route = Route {
            service: ServiceName::new("orders"),
            endpoint,
            traffic,
            epoch,
            passage: Passage::default(),
        };
        let known = known.iter().map(|host| pointer(host)).collect();
        let judgement = Judgement { wanted: pointer(host), route: &route, known, ttl: TTL };
        let now = Instant::now();
        judgement.follows(&Standing { sight, settled_at: now }, now)
    }

    fn shows(host: &str) -> Sight {
        Sight::single(pointer(host), TTL)
    }

    #[test]
    fn a_record_is_judged_by_the_route() {
        use Traffic::{Held, Open};
        let both = shows("old").join(shows("new"));
        let slow = Sight::single(pointer("old"), TTL * 100);
        let table = [
            (("old", Open, 1), shows("old"), &["old"][..], ""),
            (("old", Open, 1), shows("other"), &["old"], "not to old"),
            (("old", Open, 1), Sight::default(), &["old"], "points to nothing"),
            (("old", Held, 2), shows("old"), &["old"], ""),
            (("old", Held, 2), slow, &["old"], "TTL is 8m 20s"),
            (("old", Held, 2), shows("other"), &["old"], "somebody else"),
            (("old", Held, 2), both, &["old", "new"], "somebody else"),
            (("new", Held, 3), shows("old"), &["old", "new"], ""),
            (("new", Open, 4), shows("old"), &["old", "new"], "not to new. yet"),
            (("new", Open, 4), shows("new"), &["old", "new"], ""),
            (("new", Open, 4), shows("other"), &["old", "new"], "somebody else"),
        ];
        for (route, sight, known, words) in table {
            match verdict(route, sight.clone(), known) {
                Ok(()) => assert_eq!(words, "", "{route:?} with {sight}"),
                Err(said) => {
                    assert!(!words.is_empty(), "{route:?} with {sight}: {said}");
                    assert!(said.contains(words), "{route:?} with {sight}: {said}");
                }
            }
        }
    }

    #[test]
    fn the_old_record_is_waited_for() {
        let endpoint = Endpoint::new("new", 5432);
        let service = ServiceName::new("orders");
        let route = Route {
            service,
            endpoint,
            traffic: Traffic::Open,
            epoch: 4,
            passage: Passage::default(),
        };
        let known = BTreeSet::new();
        let judgement = Judgement { wanted: pointer("new"), route: &route, known, ttl: TTL };
        let now = Instant::now();
        let standing = Standing { sight: shows("new"), settled_at: now + TTL };
        let words = judgement.follows(&standing, now).expect_err("not yet");
        assert!(words.contains("for 5s more"), "{words}");
        assert_eq!(judgement.follows(&standing, now + TTL), Ok(()));
    }
}
