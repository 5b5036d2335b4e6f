//! Held traffic, as last seen, and what a person reads of it while the store is away.
//!
//! It decides nothing and does nothing. Without its journal a server cannot know whether another
//! one has taken over, promoted the target and released to it; so it neither opens the source nor
//! tells a proxy anything new (docs/decisions/0021). What it can do is say since when who waits, and
//! what becomes of them.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::problem::Writes;
use landfall_core::quantity::duration_text;
use landfall_flow::View;

use crate::standing;

/// A move that holds traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    services: String,
    since: Timestamp,
    budget: Duration,
    writes: Writes,
}

impl Held {
    /// Absent when it holds none.
    pub(crate) fn of(view: &View) -> Option<Self> {
        let since = view.facts.held_since.filter(|_| view.facts.released_at.is_none())?;
        if view.status.is_finished() {
            return None;
        }
        let services: Vec<&str> = view.spec.services().map(|service| service.as_str()).collect();
        Some(Self {
            services: services.join(", "),
            since,
            budget: view.spec.pause_budget(),
            writes: standing::writes(view),
        })
    }

    /// To be read after what keeps the store from being used.
    pub(crate) fn told(&self, now: Timestamp) -> String {
        let Self { services, since, budget, writes } = self;
        let spent = now.duration_since(*since);
        let over = spent.is_positive() && spent.unsigned_abs() >= *budget;
        let budget = duration_text::to_text(*budget);
        let clock = if over {
            format!("its pause budget of {budget} is spent")
        } else {
            format!("its pause budget is {budget}")
        };
        let meanwhile = match writes {
            Writes::Source => {
                "The source was open when this was last seen: with the store back new connections \
                 go on there."
            }
            Writes::Nobody => {
                "The source is fenced: letting them go on there would turn waiting into errors. \
                 With the store back the move goes on, or the spent budget brings the source back."
            }
            Writes::Target => {
                "The target is the database: with the store back whoever waits still goes on there."
            }
        };
        format!(
            " New connections: traffic of {services} has waited since {since:.0}, and {clock}. \
             {meanwhile}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(writes: Writes, seconds: i64) -> String {
        let since = Timestamp::UNIX_EPOCH;
        let budget = Duration::from_secs(300);
        let held = Held { services: "shop, shop-ro".to_owned(), since, budget, writes };
        held.told(Timestamp::from_second(seconds).unwrap())
    }

    #[test]
    fn who_waits_since_when_and_what_becomes_of_them() {
        let before = told(Writes::Nobody, 299);
        assert!(before.contains("shop, shop-ro has waited since 1970-01-01T00:00:00Z"), "{before}");
        assert!(before.contains("its pause budget is 5m") && before.contains("fenced"), "{before}");
        let over = told(Writes::Nobody, 300);
        assert!(over.contains("budget of 5m is spent"), "{over}");
        assert!(told(Writes::Source, 0).contains("The source was open"));
        assert!(told(Writes::Target, 0).contains("The target is the database"));
    }
}
