//! What is to be said of a way back, from one look at both ends and the one before it. Pure.
//!
//! What is said changes when its magnitude does, not with each byte: the journal keeps every
//! sentence.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::action::Apply;
use landfall_core::ids::DatabaseName;
use landfall_core::port::way_back::{PublisherView, SlotState, SubscriberView, SubscriptionView};
use landfall_core::quantity::ByteCount;
use landfall_core::{Facts, Spec};

use crate::step::elapsed;

/// Fingerprints, by schema.
type Fingerprint = BTreeMap<String, String>;

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// Both ends at one instant.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    pub(super) at: Timestamp,
    pub(super) publisher: BTreeMap<DatabaseName, PublisherView>,
    pub(super) subscriber: BTreeMap<DatabaseName, SubscriberView>,
    /// The source's tables, looked at when the target's have changed.
    pub(super) source: Option<BTreeMap<DatabaseName, Fingerprint>>,
}

/// What is to be said about something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opinion {
    /// This.
    Bad(String),
    /// That it is over.
    Good,
    /// What was said before.
    AsBefore,
}

impl Ends {
    /// The bytes that the database farthest behind lacks.
    pub(super) fn lag(&self) -> Option<ByteCount> {
        self.publisher.values().filter_map(behind).max()
    }

    /// Databases whose tables are not as they were when the way back was armed.
    pub(super) fn changed<'a>(
        &'a self,
        facts: &'a Facts,
    ) -> impl Iterator<Item = &'a DatabaseName> {
        let armed = facts.way_back.armed.as_ref();
        self.publisher.iter().filter_map(move |(name, view)| {
            let then = armed?.fingerprint.get(name);
            (then != Some(&view.fingerprint)).then_some(name)
        })
    }

    /// Why it can never be whole again.
    pub(super) fn lost(&self) -> Option<String> {
        let lost = |view: &PublisherView| view.slot.as_ref().map(|slot| slot.state);
        let (name, _) =
            self.publisher.iter().find(|(_, view)| lost(view) == Some(SlotState::Lost))?;
        Some(format!(
            "the target dropped WAL that the source still needed (the slot of database {name} is lost)"
        ))
    }

    fn subscription(&self, database: &DatabaseName) -> Option<&SubscriptionView> {
        self.subscriber.get(database)?.subscription.as_ref()
    }
}

fn behind(view: &PublisherView) -> Option<ByteCount> {
    let confirmed = view.slot.as_ref()?.confirmed?;
    Some(ByteCount(view.flush_lsn?.0.saturating_sub(confirmed.0)))
}

/// Everything that there is an opinion about, by what it is about.
pub(super) fn opinions(
    spec: &Spec,
    facts: &Facts,
    now: &Ends,
    before: Option<&Ends>,
) -> Vec<(String, Opinion)> {
    let mut all = Vec::new();
    for (database, view) in &now.publisher {
        let about = |what: &str| format!("the way back of database {database}: {what}");
        all.push((about("replication"), replication(database, now, before)));
        all.push((about("lag"), lag(spec, (database, view), now, before)));
        all.push((about("tables"), tables(facts, (database, view), now)));
        all.push((about("new tables"), new_tables(facts, (database, view))));
    }
    all
}

/// Whether rows are applied. One look without a worker is a worker that starts again.
fn replication(database: &DatabaseName, now: &Ends, before: Option<&Ends>) -> Opinion {
    let bad = |what: &str, remedy: &str| {
        Opinion::Bad(format!("nothing flows back in database {database}: {what}; {remedy}"))
    };
    let view = now.publisher.get(database);
    if view.is_some_and(|view| view.slot.is_none() || view.published.is_none()) {
        return bad(
            "its slot or publication on the target is gone",
            "a roll-back would lose what was written since, and says what",
        );
    }
    let Some(ours) = now.subscription(database) else {
        return bad(
            "its subscription on the source is gone",
            "find out who dropped it; a roll-back is refused until then",
        );
    };
    let then = before.and_then(|before| before.subscription(database));
    match (ours.apply, ours.worker, then) {
        (Apply::Off, _, _) => {
            bad("its subscription on the source is disabled", "alter subscription … enable")
        }
        (Apply::On, _, Some(then)) if ours.errors > then.errors => bad(
            "rows fail to be applied on the source",
            "its log says which, and why; the worker tries again by itself",
        ),
        (Apply::On, None, Some(then)) if then.worker.is_none() => bad(
            "no apply worker runs on the source",
            "its log says why; it must reach the target, and have a worker free",
        ),
        (Apply::On, None, _) => Opinion::AsBefore,
        (Apply::On, Some(_), None) => Opinion::AsBefore,
        (Apply::On, Some(_), Some(_)) => Opinion::Good,
    }
}

/// How far behind it is, and what the target keeps for it.
fn lag(
    spec: &Spec,
    (database, view): (&DatabaseName, &PublisherView),
    now: &Ends,
    before: Option<&Ends>,
) -> Opinion {
    let (Some(behind), Some(slot)) = (behind(view), &view.slot) else { return Opinion::AsBefore };
    let most = spec.cutover.lag_max.0;
    let left = slot.safe_wal.and_then(|safe| time_left(database, safe, (now, before)));
    let soon = left.is_some_and(|left| left < DAY) && behind.0 > most / 2;
    if behind.0 <= most && !soon {
        return if behind.0 <= most / 2 { Opinion::Good } else { Opinion::AsBefore };
    }
    let kept = match (slot.safe_wal, left) {
        (None, _) => "nothing limits the WAL that the target keeps for it".to_owned(),
        (Some(_), Some(left)) if left < HOUR => {
            "at this rate its slot is lost within the hour".to_owned()
        }
        (Some(_), Some(left)) if left < DAY => {
            format!("at this rate its slot is lost within {} hours", left.as_secs() / 3_600 + 1)
        }
        (Some(_), Some(left)) => {
            format!("at this rate its slot is lost in {} days", left.as_secs() / 86_400)
        }
        (Some(safe), None) => format!("its slot is lost after {} more", magnitude(safe)),
    };
    Opinion::Bad(format!(
        "the way back of database {database} is more than {} behind, and {kept}: see what the \
         source's apply worker waits for",
        magnitude(behind)
    ))
}

/// The power of two below it.
const fn magnitude(bytes: ByteCount) -> ByteCount {
    match bytes.0.checked_ilog2() {
        Some(power) => ByteCount(1 << power),
        None => ByteCount(0),
    }
}

/// How long a slot lives on, by what was written since the look before.
fn time_left(
    database: &DatabaseName,
    safe: ByteCount,
    (now, before): (&Ends, Option<&Ends>),
) -> Option<Duration> {
    let flushed = |ends: &Ends| ends.publisher.get(database)?.flush_lsn;
    let before = before?;
    let written = flushed(now)?.0.saturating_sub(flushed(before)?.0);
    let within = elapsed(before.at, now.at).as_secs();
    let rate = written.checked_div(within).filter(|rate| *rate > 0)?;
    Some(Duration::from_secs(safe.0 / rate))
}

/// Changes of tables on the target, until the source's are the same.
fn tables(facts: &Facts, (database, view): (&DatabaseName, &PublisherView), now: &Ends) -> Opinion {
    if !now.changed(facts).any(|one| one == database) {
        return Opinion::Good;
    }
    let Some(theirs) = now.source.as_ref().and_then(|source| source.get(database)) else {
        return Opinion::AsBefore;
    };
    let all = view.fingerprint.keys().chain(theirs.keys());
    let mut schemas: Vec<&str> = all
        .filter(|schema| view.fingerprint.get(*schema) != theirs.get(*schema))
        .map(String::as_str)
        .collect();
    schemas.sort_unstable();
    schemas.dedup();
    if schemas.is_empty() {
        return Opinion::Good;
    }
    Opinion::Bad(format!(
        "tables of database {database} (schema {}) were changed on the target and not on the \
         source: a roll-back is refused until the source has the same tables",
        schemas.join(", ")
    ))
}

/// Tables that came after the release are in no publication.
fn new_tables(facts: &Facts, (database, view): (&DatabaseName, &PublisherView)) -> Opinion {
    let lost = facts.way_back.armed.as_ref().and_then(|armed| armed.lost.get(database));
    let known = lost.map(|lost| &lost.tables);
    if view.left_out.count <= known.map_or(0, |known| known.count) {
        return Opinion::Good;
    }
    let new = |name: &&String| known.is_none_or(|known| !known.names.contains(name));
    let names: Vec<&str> =
        view.left_out.names.iter().filter(new).take(5).map(String::as_str).collect();
    Opinion::Bad(format!(
        "tables of database {database} do not flow back, for they came after the release ({}): a \
         roll-back is refused, or loses them",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use landfall_core::Lsn;
    use landfall_core::facts::Armed;
    use landfall_core::port::way_back::{Named, WayBackSlot};

    use super::*;

    const MIB: u64 = 1 << 20;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn shop() -> DatabaseName {
        DatabaseName::new("shop")
    }

    fn tables_as(print: &str) -> Fingerprint {
        BTreeMap::from([("public".to_owned(), print.to_owned())])
    }

    /// At a second: flushed so far, confirmed so far.
    fn ends(second: i64, (flushed, confirmed): (u64, u64), safe: Option<u64>) -> Ends {
        let slot = WayBackSlot {
            state: SlotState::Active,
            confirmed: Some(Lsn(confirmed)),
            retained: ByteCount(flushed - confirmed),
            safe_wal: safe.map(ByteCount),
        };
        let view = PublisherView {
            published: Some(3),
            slot: Some(slot),
            flush_lsn: Some(Lsn(flushed)),
            fingerprint: tables_as("a"),
            ..PublisherView::default()
        };
        let ours =
            SubscriptionView { apply: Apply::On, worker: Some(7), applied: None, errors: Some(0) };
        Ends {
            at: at(second),
            publisher: BTreeMap::from([(shop(), view)]),
            subscriber: BTreeMap::from([(shop(), SubscriberView { subscription: Some(ours) })]),
            source: None,
        }
    }

    fn facts() -> Facts {
        let armed = Armed {
            at: at(0),
            published: 3,
            fingerprint: BTreeMap::from([(shop(), tables_as("a"))]),
            lost: BTreeMap::new(),
        };
        let mut facts = Facts::default();
        facts.way_back.armed = Some(armed);
        facts
    }

    fn told(now: &Ends, before: Option<&Ends>) -> Vec<String> {
        let spec = crate::model::example_spec();
        let all = opinions(&spec, &facts(), now, before);
        let bad = |(_, opinion): (String, Opinion)| match opinion {
            Opinion::Bad(text) => Some(text),
            Opinion::Good | Opinion::AsBefore => None,
        };
        all.into_iter().filter_map(bad).collect()
    }

    fn ours(ends: &mut Ends) -> &mut SubscriptionView {
        ends.subscriber.get_mut(&shop()).unwrap().subscription.as_mut().unwrap()
    }

    fn theirs(ends: &mut Ends) -> &mut PublisherView {
        ends.publisher.get_mut(&shop()).unwrap()
    }

    #[test]
    fn nothing_is_said_of_what_flows() {
        let before = ends(0, (100, 100), None);
        let now = ends(5, (2_000, 1_900), None);
        assert_eq!(told(&now, Some(&before)), Vec::<String>::new());
        assert_eq!(told(&now, None), Vec::<String>::new());
        assert_eq!(now.lag(), Some(ByteCount(100)));
    }

    #[test]
    fn a_worker_that_starts_again_is_none_that_is_gone() {
        let (mut before, mut now) = (ends(0, (9, 9), None), ends(5, (9, 9), None));
        ours(&mut now).worker = None;
        assert_eq!(told(&now, Some(&before)), Vec::<String>::new());
        ours(&mut before).worker = None;
        assert!(told(&now, Some(&before))[0].contains("no apply worker runs"));
        ours(&mut now).worker = Some(8);
        ours(&mut now).errors = Some(1);
        assert!(told(&now, Some(&before))[0].contains("rows fail to be applied"));
        ours(&mut now).apply = Apply::Off;
        assert!(told(&now, Some(&before))[0].contains("disabled"));
        now.subscriber.clear();
        assert!(told(&now, Some(&before))[0].contains("subscription on the source is gone"));
        theirs(&mut now).slot = None;
        assert!(told(&now, Some(&before))[0].contains("slot or publication"));
    }

    #[test]
    fn lag_is_told_by_its_magnitude_with_what_becomes_of_the_slot() {
        let before = ends(0, (0, 0), None);
        let says = |now: &Ends| told(now, Some(&before)).pop().unwrap_or_default();
        let unlimited = says(&ends(10, (100 * MIB, 0), None));
        assert!(unlimited.contains("more than 64 MiB behind"), "{unlimited}");
        assert!(unlimited.contains("nothing limits"), "{unlimited}");
        assert_eq!(unlimited, says(&ends(10, (120 * MIB, 0), None)), "a byte more is no news");
        assert_ne!(unlimited, says(&ends(10, (130 * MIB, 0), None)));
        let hour = says(&ends(10, (100 * MIB, 0), Some(500 * MIB)));
        assert!(hour.contains("within the hour"), "{hour}");
        let hours = says(&ends(3_600, (100 * MIB, 0), Some(500 * MIB)));
        assert!(hours.contains("within 6 hours"), "{hours}");
        let days = says(&ends(3_600, (100 * MIB, 0), Some(100 * 48 * MIB)));
        assert!(days.contains("in 2 days"), "{days}");
        // Below the limit, but the slot will not live: said before it is too late.
        let soon = says(&ends(10, (40 * MIB, 0), Some(40 * MIB)));
        assert!(soon.contains("within the hour"), "{soon}");
    }

    #[test]
    fn a_change_of_tables_is_told_until_the_source_has_it_too() {
        let mut now = ends(5, (9, 9), None);
        theirs(&mut now).fingerprint = tables_as("b");
        assert_eq!(now.changed(&facts()).count(), 1);
        now.source = Some(BTreeMap::from([(shop(), tables_as("a"))]));
        assert!(told(&now, None)[0].contains("(schema public) were changed"));
        now.source = Some(BTreeMap::from([(shop(), tables_as("b"))]));
        assert_eq!(told(&now, None), Vec::<String>::new());
        theirs(&mut now).left_out = Named { count: 1, names: vec!["public.new".to_owned()] };
        assert!(told(&now, None)[0].contains("(public.new)"));
    }

    #[test]
    fn a_lost_slot_is_the_end() {
        let mut now = ends(5, (9, 9), None);
        assert_eq!(now.lost(), None);
        theirs(&mut now).slot.as_mut().unwrap().state = SlotState::Lost;
        assert!(now.lost().unwrap().contains("database shop"));
    }
}
