//! The way back along the forward line: armed before the release, watched behind it, closed when
//! the move is accepted; and every way to go on, or not to, when it cannot be.

use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use landfall_core::action::{DatabaseAction, RouteAction, WayBackAction};
use landfall_core::facts::ParameterFate;
use landfall_core::failure::FailureKind;
use landfall_core::journal::{NewEntry, Record, Request, Store};
use landfall_core::sample::Series;
use landfall_core::spec::{ArmWayBack, WithoutIdentity};
use landfall_core::status::Outcome;
use landfall_core::{Action, Code, DatabaseName, Fact, Facts};
use landfall_flow::Ended;
use landfall_flow::model::{Applying, Circumstances, Meddling};
use landfall_flow::sim::{Fate, Sight, Tap};

use crate::stage::{Counting, Healthy, Moment, Strike, Way, bench, completed, entered, judge};
use crate::support::Bench;

const SOAK: &str = "soak.keep_fence";

fn is_of_way_back(action: &Action) -> bool {
    matches!(action, Action::Database(DatabaseAction::WayBack(_)))
}

/// The orders for the way back that were given, by their words.
fn orders(bench: &Bench) -> Vec<String> {
    let entries = bench.entries();
    let of = |record: &Record| {
        let Record::Intended { action, .. } = record else { return None };
        is_of_way_back(action).then(|| action.to_string())
    };
    entries.iter().filter_map(|entry| of(&entry.record)).collect()
}

fn learned(entry: &NewEntry, wanted: impl Fn(&Fact) -> bool) -> bool {
    matches!(&entry.record, Record::Learned { fact } if wanted(fact))
}

fn moved(bench: &Bench, strike: &Strike<'_>) -> Facts {
    let before = bench.world.footprint();
    bench.start();
    let ended = bench.drive_with("first", &Counting::default(), strike);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{}", bench.tail());
    judge(bench, &before, Outcome::Moved);
    bench.view().facts
}

fn nothing() -> Strike<'static> {
    Strike::does(Moment::After, |_| false, || {})
}

/// A bench that keeps the way back for a while behind the release.
fn soaking() -> Bench {
    let mut bench = bench(Way::Terminate);
    bench.spec.way_back.keep_for = Some(Duration::from_mins(2));
    bench
}

#[test]
fn writes_on_the_target_flow_back_until_the_move_is_accepted() {
    let bench = soaking();
    let at_the_end = entered("retire.close_way_back");
    let strike = Strike::does(Moment::After, at_the_end, || {
        let ledger = bench.world.ledger();
        let behind = ledger.lost(&ledger.source).len();
        assert!(behind < 60, "{behind} of {} did not flow back", ledger.acknowledged.len());
        assert_eq!(landfall_flow::model::Ledger::doubled(&ledger.source), Vec::<u64>::new());
        assert!(ledger.target.len() > ledger.source.len(), "the target is ahead");
    });
    let facts = moved(&bench, &strike);
    assert!(strike.has_struck());
    let kept = facts.released_at.map(|at| bench.world.instant().duration_since(at).unsigned_abs());
    assert!(kept >= Some(Duration::from_mins(2)), "{kept:?}");
    let armed = facts.way_back.armed.expect("it was armed");
    assert_eq!((armed.published, armed.fingerprint.len()), (2, 2));
    assert_eq!(facts.way_back.closed.as_deref(), Some("the move was accepted"));
    assert_eq!(facts.warnings.keys().find(|about| about.contains("way back")), None);
    let words = ["create publications", "create subscriptions", "drop subscriptions", "drop slots"];
    let orders = orders(&bench);
    assert!(
        orders.len() == 4 && orders.iter().zip(words).all(|(o, w)| o.starts_with(w)),
        "{orders:?}"
    );
    let samples = bench.store.samples(bench.name(), Series::WayBackLagBytes);
    let samples = samples.now_or_never().unwrap().unwrap();
    assert!(samples.len() > 10, "the lag is kept: {samples:?}");
    let parameters = facts.parameters.unwrap();
    let added = parameters.iter().find(|one| one.name == "rds.logical_replication").unwrap();
    assert_eq!((added.fate, added.target_value.as_deref()), (ParameterFate::Added, Some("1")));
}

#[test]
fn many_databases_have_places_made_for_them() {
    let bench = soaking();
    bench.world.meddle(|world| {
        let way_back = world.way_back();
        way_back.databases.extend((1..=28).map(|n| DatabaseName::new(format!("shop_{n}"))));
        way_back.apply_workers = 30;
    });
    let facts = moved(&bench, &nothing());
    assert_eq!(facts.way_back.armed.map(|armed| armed.fingerprint.len()), Some(30));
    let parameters = facts.parameters.unwrap();
    for name in ["max_replication_slots", "max_wal_senders"] {
        let places = parameters.iter().find(|one| one.name == name).unwrap();
        assert_eq!(places.target_value.as_deref(), Some("32"), "{places:?}");
    }
}

#[test]
fn three_databases_are_armed_and_cleared_each() {
    let bench = soaking();
    bench.world.meddle(|world| world.way_back().databases.push(DatabaseName::new("billing")));
    let facts = moved(&bench, &nothing());
    let armed = facts.way_back.armed.expect("it was armed");
    let names: Vec<_> = armed.fingerprint.keys().map(DatabaseName::as_str).collect();
    assert_eq!(names, ["billing", "postgres", "shop"]);
}

#[test]
fn without_access_there_is_none_and_it_is_said() {
    let bench = bench(Way::CredentialFree);
    let facts = moved(&bench, &nothing());
    assert_eq!(orders(&bench), Vec::<String>::new());
    assert!(facts.way_back.closed.unwrap().contains("gives no access"));
    assert!(facts.warnings["the way back"].contains("there is no way back after the release"));
    assert!(facts.parameters.unwrap().iter().all(|one| one.fate != ParameterFate::Added));
}

#[test]
fn switched_off_nothing_of_it_happens() {
    let mut bench = bench(Way::Terminate);
    bench.spec.way_back.arm = ArmWayBack::Off;
    let facts = moved(&bench, &nothing());
    assert_eq!(orders(&bench), Vec::<String>::new());
    assert!(facts.way_back.closed.unwrap().contains("the spec says so"));
    assert_eq!(facts.warnings.get("the way back"), None, "who chose so needs no warning");
}

/// What stands against it before the hold, and the words that say so.
type Obstacle = (fn(&mut Circumstances), &'static str);

const OBSTACLES: [Obstacle; 4] = [
    (
        |world| world.without_identity = vec!["public.events".to_owned()],
        "database shop: 1 table (public.events) without a replica identity",
    ),
    (|world| world.path = Err("no route to host".to_owned()), "the source does not reach"),
    (|world| world.apply_workers = 1, "the source has room for 1 apply workers"),
    (|world| world.obstacles = vec!["may not insert".to_owned()], "shop: may not insert"),
];

#[test]
fn what_stands_against_it_is_said_before_the_hold_and_the_move_goes_on() {
    for (obstacle, words) in OBSTACLES {
        let bench = bench(Way::Terminate);
        bench.world.meddle(|world| obstacle(world.way_back()));
        let told = Strike::does(Moment::After, entered("replicate.approve_cutover"), || {
            let facts = bench.view().facts;
            let warned = &facts.warnings["the way back"];
            assert!(warned.contains(words), "{warned}");
            assert!(facts.way_back.closed.is_some(), "{words}");
        });
        let facts = moved(&bench, &told);
        assert!(told.has_struck(), "{words}");
        assert!(facts.way_back.closed.unwrap().contains(words));
        assert_eq!(orders(&bench), Vec::<String>::new(), "{words}");
    }
}

#[test]
fn what_stands_against_a_required_one_stops_the_move_before_the_hold() {
    for (obstacle, words) in OBSTACLES {
        let mut bench = bench(Way::Terminate);
        bench.spec.way_back.arm = ArmWayBack::Required;
        bench.world.meddle(|world| obstacle(world.way_back()));
        bench.start();
        bench.drive_with("first", &Counting::default(), &Healthy);
        let problem = bench.assert_stopped_by(Code::WayBackBroken);
        assert!(problem.detail.contains(words), "{problem:?}");
        assert_eq!(bench.view().facts.held_since, None, "somebody waits: {}", bench.tail());
        // Mended, it goes on.
        bench.world.meddle(|world| *world.way_back() = Circumstances::default());
        bench.ask(Request::Resume { by: "ann".to_owned() }).unwrap();
        let ended = bench.drive_with("second", &Counting::default(), &Healthy);
        assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{words}: {}", bench.tail());
        assert!(bench.view().facts.way_back.armed.is_some());
    }
}

#[test]
fn tables_without_identity_go_back_whole_or_are_told_as_lost() {
    for choice in [WithoutIdentity::Full, WithoutIdentity::Lose] {
        let mut bench = soaking();
        bench.spec.way_back.tables_without_identity = choice;
        bench.world.meddle(|world| {
            world.way_back().without_identity = vec!["public.events".to_owned()];
            world.way_back().large_objects = 3;
        });
        let facts = moved(&bench, &nothing());
        let armed = facts.way_back.armed.expect("it was armed");
        let lost = &armed.lost[&DatabaseName::new("shop")];
        assert_eq!(lost.tables.count, u64::from(choice == WithoutIdentity::Lose));
        let told = &facts.warnings["what does not flow back"];
        assert!(told.contains("3 large objects"), "{told}");
        assert_eq!(told.contains("public.events"), choice == WithoutIdentity::Lose, "{told}");
    }
}

/// What goes wrong at the last moment, and the words that say so.
type Blow = (fn(&mut Meddling<'_>), &'static str);

const LAST_MOMENT: [Blow; 4] = [
    (|world| world.way_back().applying = Applying::Idle, "is not streamed from"),
    (|world| world.way_back().path = Err("no route to host".to_owned()), "no route to host"),
    (
        |world| world.way_back().without_identity = vec!["public.events".to_owned()],
        "without a replica identity",
    ),
    (|world| world.way_back().obstacles = vec!["may not insert".to_owned()], "may not insert"),
];

#[test]
fn what_fails_in_the_pause_closes_it_in_seconds_and_is_cleared_behind_the_release() {
    for (blow, words) in LAST_MOMENT {
        let bench = bench(Way::Terminate);
        let strike = Strike::does(Moment::After, entered("cutover.promote_replica"), || {
            bench.world.meddle(blow);
        });
        let facts = moved(&bench, &strike);
        assert!(facts.way_back.closed.unwrap().contains(words), "{words}");
        assert!(facts.way_back.armed.is_none());
        let route = |wanted: fn(&RouteAction) -> bool| -> Timestamp {
            bench.ordered_at(|action| matches!(action, Action::Route(route) if wanted(route)))
        };
        let pointed = route(|route| matches!(route, RouteAction::Point { .. }));
        let waited = pointed.duration_since(facts.promoted.unwrap()).unsigned_abs();
        assert!(waited < bench.spec.way_back.arm_within + Duration::from_secs(15), "{waited:?}");
    }
}

#[test]
fn what_fails_in_the_pause_undoes_a_move_that_requires_it() {
    for (blow, words) in LAST_MOMENT {
        let mut bench = bench(Way::Terminate);
        bench.spec.way_back.arm = ArmWayBack::Required;
        let before = bench.world.footprint();
        bench.start();
        let strike = Strike::does(Moment::After, entered("cutover.promote_replica"), || {
            bench.world.meddle(blow);
        });
        let ended = bench.drive_with("first", &Counting::default(), &strike);
        assert_eq!(ended, Some(Ended::Finished(Outcome::Undone)), "{words}: {}", bench.tail());
        judge(&bench, &before, Outcome::Undone);
        let why = bench.store.last(bench.name(), |_| ()).and_then(|()| {
            bench.entries().into_iter().find_map(|entry| {
                let Record::Requested { request: Request::Abort { why, .. } } = entry.record else {
                    return None;
                };
                Some(why)
            })
        });
        assert!(why.is_some_and(|why| why.contains(words)), "{words}: {}", bench.tail());
    }
}

/// What happens in the soak, what is said of it, and what ends it.
struct Trouble {
    about: &'static str,
    words: &'static str,
    comes: fn(&mut Meddling<'_>),
    goes: Option<fn(&mut Meddling<'_>)>,
}

const IN_THE_SOAK: [Trouble; 4] = [
    Trouble {
        about: "the way back of database shop: tables",
        words: "(schema public) were changed on the target",
        comes: |world| world.change_target(),
        goes: Some(|world| world.change_source()),
    },
    Trouble {
        about: "the way back of database shop: new tables",
        words: "public.late",
        comes: |world| world.table_on_target("public.late"),
        goes: None,
    },
    Trouble {
        about: "the way back of database shop: replication",
        words: "subscription on the source is gone",
        comes: |world| world.drop_subscriptions(),
        goes: None,
    },
    Trouble {
        about: "the way back of database shop: replication",
        words: "no apply worker runs",
        comes: |world| world.way_back().applying = Applying::Idle,
        goes: Some(|world| world.way_back().applying = Applying::Works),
    },
];

#[test]
fn what_a_roll_back_would_meet_is_told_in_the_soak_and_taken_back() {
    for trouble in IN_THE_SOAK {
        let bench = soaking();
        let told =
            |fact: &Fact| matches!(fact, Fact::Warned { about, .. } if about == trouble.about);
        let comes =
            Strike::does(Moment::After, entered(SOAK), || bench.world.meddle(trouble.comes));
        let goes = Strike::does(
            Moment::After,
            move |entry| learned(entry, told),
            || {
                if let Some(goes) = trouble.goes {
                    bench.world.meddle(goes);
                }
            },
        );
        let both = crate::crash::Both(&comes, &goes);
        let before = bench.world.footprint();
        bench.start();
        let ended = bench.drive_with("first", &Counting::default(), &both);
        assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{}", bench.tail());
        judge(&bench, &before, Outcome::Moved);
        let said = bench.entries().into_iter().find_map(|entry| {
            let Record::Learned { fact } = entry.record else { return None };
            let Fact::Warned { about, text } = *fact else { return None };
            (about == trouble.about).then_some(text)
        });
        let said = said.unwrap_or_else(|| panic!("nothing is said of {}", trouble.words));
        assert!(said.contains(trouble.words), "{said}");
        let left = bench.view().facts.warnings.contains_key(trouble.about);
        assert_eq!(left, trouble.goes.is_none(), "{}", trouble.words);
    }
}

#[test]
fn a_lost_slot_is_the_end_of_the_way_back() {
    let bench = soaking();
    let strike = Strike::does(Moment::After, entered(SOAK), || {
        bench.world.meddle(|world| world.lose_slot(&DatabaseName::new("shop")));
    });
    let facts = moved(&bench, &strike);
    let why = facts.way_back.closed.unwrap();
    assert!(why.contains("the slot of database shop is lost"), "{why}");
    assert!(facts.warnings["the way back"].contains(&why));
    let kept = facts.released_at.map(|at| bench.world.instant().duration_since(at).unsigned_abs());
    assert!(kept < Some(Duration::from_mins(2)), "nobody waits for what is lost: {kept:?}");
}

#[test]
fn a_source_that_is_gone_keeps_nobody_from_closing_it() {
    let bench = soaking();
    let strike = Strike::does(Moment::After, completed(SOAK), || {
        bench.world.meddle(|world| world.delete_source());
    });
    bench.start();
    let ended = bench.drive_with("first", &Counting::default(), &strike);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{}", bench.tail());
    let left = bench.world.footprint();
    assert_eq!(left.keys().find(|line| line.contains("publication")), None, "{left:?}");
    let unsubscribed = |order: &String| order.starts_with("drop subscriptions");
    assert!(!orders(&bench).iter().any(unsubscribed), "{:?}", orders(&bench));
}

#[test]
fn nothing_of_it_is_given_an_order_before_the_target_is_promoted() {
    let bench = soaking();
    moved(&bench, &nothing());
    let promoted = bench.view().facts.promoted.unwrap();
    let first = bench.ordered_at(is_of_way_back);
    assert!(first >= promoted);
    let entries = bench.entries();
    let marked = |action: &Action| {
        let Action::Database(DatabaseAction::WayBack(order)) = action else { return false };
        matches!(order, WayBackAction::WriteMarkers { .. } | WayBackAction::SetSequences { .. })
    };
    let of = |record: &Record| matches!(record, Record::Intended { action, .. } if marked(action));
    assert!(!entries.iter().any(|entry| of(&entry.record)), "those are a roll-back's");
}

/// Every order of a kind is refused.
struct Refusing(fn(&WayBackAction) -> bool);

impl Tap for Refusing {
    fn order(&self, action: &Action) -> Fate {
        match action {
            Action::Database(DatabaseAction::WayBack(order)) if (self.0)(order) => {
                Fate::Refused(FailureKind::Denied)
            }
            Action::Cloud(_) | Action::Database(_) | Action::Route(_) => Fate::Done,
        }
    }

    fn look(&self, _: &'static str) -> Sight {
        Sight::Clear
    }
}

#[test]
fn an_order_that_is_refused_in_the_pause_closes_it_and_stops_nobody() {
    for order in [
        |order: &WayBackAction| matches!(order, WayBackAction::Publish { .. }),
        |order: &WayBackAction| matches!(order, WayBackAction::Subscribe { .. }),
    ] {
        let bench = bench(Way::Terminate);
        let before = bench.world.footprint();
        bench.start();
        let ended = bench.drive_with("first", &Refusing(order), &Healthy);
        assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{}", bench.tail());
        judge(&bench, &before, Outcome::Moved);
        let facts = bench.view().facts;
        assert!(facts.way_back.armed.is_none() && facts.way_back.closed.is_some());
    }
}

#[test]
fn what_cannot_be_cleared_behind_the_release_is_told_and_goes_with_the_acceptance() {
    let bench = bench(Way::Terminate);
    let before = bench.world.footprint();
    bench.start();
    let strike = Strike::does(Moment::After, entered("cutover.promote_replica"), || {
        bench.world.meddle(|world| world.way_back().applying = Applying::Idle);
    });
    let unpublish = Refusing(|order| matches!(order, WayBackAction::Unpublish { .. }));
    bench.drive_with("first", &unpublish, &strike);
    bench.assert_stopped_by(Code::AccessDenied);
    let view = bench.view();
    assert_eq!(view.status.step, "retire.close_way_back", "it stopped too early");
    let told = &view.facts.warnings["what is left of the way back"];
    assert!(told.contains("keeps its WAL"), "{told}");
    bench.ask(Request::Resume { by: "ann".to_owned() }).unwrap();
    let ended = bench.drive_with("second", &Counting::default(), &Healthy);
    assert_eq!(ended, Some(Ended::Finished(Outcome::Moved)), "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
}
