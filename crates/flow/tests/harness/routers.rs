//! Gateways that cannot hold, proxies that do not follow, readers, and who comes past: what a move
//! does about each, and what it says.

use std::num::NonZeroU32;
use std::time::Duration;

use landfall_core::action::RouteAction;
use landfall_core::journal::{Commitment, Entry, NewEntry, Record, Request};
use landfall_core::port::database::SessionState;
use landfall_core::port::router::{AtHold, Passage, Route, Sessions, Traffic};
use landfall_core::spec::{Approval, Network, Stragglers, UpstreamTls};
use landfall_core::status::{Course, Outcome};
use landfall_core::{Action, Code, Endpoint, Fact};
use landfall_flow::Ended;
use landfall_flow::model::READERS_AT;

use crate::stage::{Counting, Healthy, Moment, SECOND, Strike, Way, abort, bench, entered, judge};
use crate::support::Bench;

const MOVED: Option<Ended> = Some(Ended::Finished(Outcome::Moved));
const UNDONE: Option<Ended> = Some(Ended::Finished(Outcome::Undone));

fn drive(bench: &Bench) -> Option<Ended> {
    bench.drive_with("first", &Counting::default(), &Healthy)
}

/// What was ordered of the gateway, in order, as `hold orders`.
fn routed(bench: &Bench) -> Vec<String> {
    let order = |entry: &Entry| {
        let Record::Intended { action, .. } = &entry.record else { return None };
        match &**action {
            Action::Route(RouteAction::Adopt { service, .. }) => Some(format!("adopt {service}")),
            Action::Route(RouteAction::Hold { service, .. }) => Some(format!("hold {service}")),
            Action::Route(RouteAction::Point { service, endpoint, .. }) => {
                Some(format!("point {service} at {}", endpoint.host))
            }
            Action::Route(RouteAction::Release { service, .. }) => {
                Some(format!("release {service}"))
            }
            Action::Cloud(_) | Action::Database(_) => None,
        }
    };
    bench.entries().iter().filter_map(order).collect()
}

fn learned(bench: &Bench) -> Vec<Fact> {
    let fact = |entry: Entry| {
        let Record::Learned { fact } = entry.record else { return None };
        Some(*fact)
    };
    bench.entries().into_iter().filter_map(fact).collect()
}

#[test]
fn a_reader_is_held_first_and_released_behind_the_point_of_no_return() {
    let bench = bench(Way::Reader);
    let before = bench.world.footprint();
    bench.start();
    assert_eq!(drive(&bench), MOVED, "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
    let expected = [
        "adopt orders",
        "adopt orders-ro",
        "hold orders-ro",
        "hold orders",
        "point orders at target.model",
        "point orders-ro at target.model",
        "release orders",
        "release orders-ro",
    ];
    assert_eq!(routed(&bench), expected);
    let committed = |entry: &Entry| {
        matches!(entry.record, Record::Intended { commitment: Commitment::Committed, .. })
    };
    let entries = bench.entries();
    let Record::Intended { action, .. } = &entries.iter().find(|e| committed(e)).unwrap().record
    else {
        unreachable!()
    };
    assert!(action.to_string().starts_with("release orders ("), "{action}");
}

#[test]
fn a_reader_goes_to_readers_that_are_there_at_the_cutover() {
    let bench = bench(Way::Reader);
    let before = bench.world.footprint();
    bench.start();
    let strike = Strike::does(Moment::After, entered("replicate.sustain_lag"), || {
        bench.world.meddle(|world| world.target_reader("orders-aurora-2"));
    });
    assert_eq!(bench.drive_with("first", &Counting::default(), &strike), MOVED, "{}", bench.tail());
    assert!(routed(&bench).contains(&"point orders-ro at target-ro.model".to_owned()));
    judge(&bench, &before, Outcome::Moved);
}

#[test]
fn a_reader_goes_to_readers_that_come_in_the_soak() {
    let mut bench = bench(Way::Reader);
    bench.spec.approve.acceptance = Approval::Person;
    let before = bench.world.footprint();
    bench.start();
    let asked = |entry: &NewEntry| {
        let Record::GateOpened { gate } = &entry.record else { return false };
        gate == "accept"
    };
    let strike = Strike::does(Moment::After, asked, || {
        bench.world.meddle(|world| world.target_reader("orders-aurora-2"));
    });
    let people = async {
        // The gate opens again after the readers were moved; a person agrees then.
        loop {
            bench.ports().clock.sleep(SECOND).await;
            if routed(&bench).len() > 10 {
                let note = String::new();
                let (gate, by) = ("accept".to_owned(), "ann".to_owned());
                let request = Request::Approve { gate, by, note };
                let _ = bench.ask(request);
            }
        }
    };
    let counting = Counting::default();
    let mut ended = None;
    let nobody = crate::support::Nobody;
    bench.on(async {
        let drive = bench.drive_lane("first", &counting, &strike, &nobody);
        let (drive, people) = (std::pin::pin!(drive), std::pin::pin!(people));
        ended = match futures_util::future::select(drive, people).await {
            futures_util::future::Either::Left((ended, _)) => ended,
            futures_util::future::Either::Right(_) => None,
        };
    });
    assert_eq!(ended, MOVED, "{}", bench.tail());
    let orders = routed(&bench);
    let expected = ["hold orders-ro", "point orders-ro at target-ro.model", "release orders-ro"];
    assert_eq!(orders[orders.len() - 3..], expected, "{orders:?}");
    judge(&bench, &before, Outcome::Moved);
}

#[test]
fn an_undo_leads_a_reader_where_it_was() {
    for step in ["quiesce.fence_source", "cutover.smoke_target"] {
        let bench = bench(Way::Reader);
        let at = Endpoint::new("replica.model", 5432);
        bench.world.meddle(|world| {
            world.source_replica("orders-replica", &at);
            world.route(Route {
                service: "orders-ro".into(),
                endpoint: at.clone(),
                traffic: Traffic::Open,
                epoch: 7,
                passage: Passage::default(),
            });
        });
        let before = bench.world.footprint();
        bench.start();
        let strike = Strike::does(Moment::After, entered(step), || bench.ask(abort()).unwrap());
        let ended = bench.drive_with("first", &Counting::default(), &strike);
        assert_eq!(ended, UNDONE, "{step}\n{}", bench.tail());
        assert_eq!(bench.world.footprint()["route orders-ro"], "replica.model:5432 Open");
        judge(&bench, &before, Outcome::Undone);
    }
}

#[test]
fn a_passage_of_the_spec_stands_before_anything_else_is_done() {
    let mut bench = bench(Way::Terminate);
    bench.spec.route.sessions_per_proxy = NonZeroU32::new(90);
    let passage = bench.spec.route.passage();
    let route = Route {
        service: "orders".into(),
        endpoint: Endpoint::new("source.model", 5432),
        traffic: Traffic::Open,
        epoch: 3,
        passage: Passage::default(),
    };
    bench.world.meddle(|world| {
        world.passage(passage);
        world.route(route);
    });
    let before = bench.world.footprint();
    bench.start();
    assert_eq!(drive(&bench), MOVED, "{}", bench.tail());
    let orders = routed(&bench);
    assert_eq!(orders[..2], ["adopt orders", "hold orders"], "{orders:?}");
    judge(&bench, &before, Outcome::Moved);
}

#[test]
fn a_service_that_leads_to_what_stays_behind_is_named() {
    let bench = bench(Way::Terminate);
    let at = Endpoint::new("replica.model", 5432);
    let route = Route {
        service: "reports".into(),
        endpoint: at.clone(),
        traffic: Traffic::Open,
        epoch: 1,
        passage: Passage::default(),
    };
    bench.world.meddle(|world| {
        world.source_replica("orders-replica", &at);
        world.route(route);
    });
    bench.start();
    assert_eq!(drive(&bench), MOVED, "{}", bench.tail());
    let warnings = bench.view().facts.warnings;
    let stale = &warnings["stale services"];
    assert!(stale.starts_with("reports leads to replica.model:5432"), "{stale}");
    let mut found = None;
    bench.on(async {
        let survey = landfall_assess::collect(&bench.ports(), &bench.spec).await.unwrap();
        found = Some(landfall_assess::findings(&bench.spec, &survey));
    });
    let found = found.unwrap();
    let named = found.iter().find(|one| one.object == "reports").unwrap();
    assert!(named.what.contains("orders-replica"), "{named:?}");
}

#[test]
fn clients_that_give_up_before_the_hold_ends_are_told() {
    let bench = bench(Way::Terminate);
    let mut taken = None;
    bench.on(async {
        taken = Some(landfall_assess::collect(&bench.ports(), &bench.spec).await.unwrap());
    });
    let mut survey = taken.unwrap();
    let told = |survey: &landfall_assess::Inventory| {
        let found = landfall_assess::findings(&bench.spec, survey);
        found.into_iter().find(|one| one.remedy.contains("sslResponseTimeout"))
    };
    assert_eq!(told(&survey), None);
    let parties = &mut survey.inside.as_mut().unwrap().parties;
    "PostgreSQL JDBC Driver".clone_into(&mut parties[0].application);
    let count = parties[0].count;
    let finding = told(&survey).expect("it waits 5 s, and the budget is longer");
    assert!(finding.what.starts_with(&format!("{count} sessions")), "{finding:?}");
    let Some(Ok(ability)) = &mut survey.gateway else { unreachable!("the model has a gateway") };
    ability.holds = false;
    assert_eq!(told(&survey), None, "nobody waits where nothing is held");
}

#[test]
fn clients_whose_owner_knows_how_long_they_wait_are_told() {
    let mut bench = bench(Way::Terminate);
    let mut taken = None;
    bench.on(async {
        taken = Some(landfall_assess::collect(&bench.ports(), &bench.spec).await.unwrap());
    });
    let mut survey = taken.unwrap();
    let budget = bench.spec.pause_budget();
    for (wait, is_told) in
        [(None, false), (Some(SECOND * 2), true), (Some(budget), false), (Some(budget * 2), false)]
    {
        bench.spec.route.clients_wait = wait;
        let found = landfall_assess::findings(&bench.spec, &survey);
        let told = found.iter().find(|one| one.what.contains("its clients wait 2s"));
        assert_eq!(told.is_some(), is_told, "{wait:?}: {found:#?}");
    }
    bench.spec.route.clients_wait = Some(SECOND * 2);
    let Some(Ok(ability)) = &mut survey.gateway else { unreachable!("the model has a gateway") };
    ability.holds = false;
    let found = landfall_assess::findings(&bench.spec, &survey);
    assert!(!found.iter().any(|one| one.what.contains("its clients wait")), "nobody waits");
}

#[test]
fn a_gateway_that_cannot_hold_is_told_and_not_waited_for() {
    let bench = bench(Way::Terminate);
    bench.world.meddle(|world| world.ability().holds = false);
    let before = bench.world.footprint();
    bench.start();
    let strike = Strike::does(Moment::After, entered("quiesce.hold_traffic"), || {
        bench.world.meddle(|world| {
            world.mute("sidecar-1");
            world.mute("sidecar-2");
        });
    });
    let released = Strike::does(Moment::After, entered("quiesce.fence_source"), || {
        bench.world.meddle(|world| {
            world.reconnect("sidecar-1");
            world.reconnect("sidecar-2");
        });
    });
    let both = crate::crash::Both(&strike, &released);
    let ended = bench.drive_with("first", &Counting::default(), &both);
    assert_eq!(ended, MOVED, "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
    let told = |fact: &Fact| matches!(fact, Fact::Gateway(ability) if !ability.holds);
    assert!(learned(&bench).iter().any(told), "{}", bench.tail());
    let mut plan = None;
    bench.on(async {
        plan = Some(
            landfall_flow::rehearse::rehearse(&bench.ports(), &bench.spec, vec![]).await.unwrap(),
        );
    });
    let findings = plan.unwrap().findings;
    assert!(findings.iter().any(|one| one.what.contains("cannot hold")), "{findings:?}");
}

/// The gateway is one that holds, `sidecar-1`, and one that cannot; one of them goes mute at the
/// hold, until the fence.
fn beside_one_that_cannot_hold(policy: Stragglers, mute: &str) -> (Bench, Option<Ended>) {
    let mut bench = bench(Way::Terminate);
    bench.spec.route.stragglers = policy;
    bench.world.meddle(|world| {
        world.proxies(|proxies| {
            let other = proxies.iter_mut().find(|proxy| proxy.node == "sidecar-2");
            other.expect("the model has two proxies").at_hold = AtHold::Pass;
        });
    });
    bench.start();
    let ended = {
        let strike = Strike::does(Moment::After, entered("quiesce.hold_traffic"), || {
            bench.world.meddle(|world| world.mute(mute));
        });
        let back = Strike::does(Moment::After, entered("quiesce.fence_source"), || {
            bench.world.meddle(|world| world.reconnect(mute));
        });
        let both = crate::crash::Both(&strike, &back);
        bench.drive_with("first", &Counting::default(), &both)
    };
    (bench, ended)
}

#[test]
fn one_that_cannot_hold_is_named_and_not_waited_for() {
    let (bench, ended) = beside_one_that_cannot_hold(Stragglers::Stop, "sidecar-2");
    assert_eq!(ended, MOVED, "{}", bench.tail());
    let facts = bench.view().facts;
    let told = &facts.warnings["who cannot hold"];
    assert!(told.starts_with("sidecar-2 cannot hold"), "{told}");
    let held = bench.ordered_at(|action| action.to_string().starts_with("hold "));
    let closed = facts.fence_active.expect("fenced").0;
    assert!(closed.duration_since(held).unsigned_abs() < Duration::from_secs(3));
}

#[test]
fn those_that_hold_are_waited_for_beside_one_that_cannot() {
    // That the other one follows counts for nothing: it lets everybody through.
    for policy in [Stragglers::Stop, Stragglers::GoOn] {
        let (bench, _) = beside_one_that_cannot_hold(policy, "sidecar-1");
        let problem = bench.assert_stopped_by(Code::GatewayNotReady);
        assert!(problem.detail.contains("sidecar-1"), "{policy:?}: {problem}");
        let facts = bench.view().facts;
        assert!(facts.fence_active.is_none() && facts.left_behind.is_empty(), "{policy:?}");
    }
}

#[test]
fn sessions_that_the_gateway_keeps_have_the_grace() {
    for (sessions, at_once) in [(Sessions::Cut, true), (Sessions::Kept, false)] {
        let mut bench = bench(Way::Terminate);
        bench.spec.cutover.grace = Duration::from_secs(5);
        bench.world.meddle(|world| world.ability().sessions = sessions);
        bench.start();
        let strike = Strike::does(Moment::After, entered("quiesce.hold_traffic"), || {
            bench.world.meddle(|world| {
                world.session(SessionState::Idle);
            });
        });
        let ended = bench.drive_with("first", &Counting::default(), &strike);
        assert_eq!(ended, MOVED, "{}", bench.tail());
        let facts = bench.view().facts;
        let ended = bench.ordered_at(|action| action.to_string().starts_with("end "));
        let closed = facts.fence_active.unwrap().0;
        let after = ended.duration_since(closed).unsigned_abs();
        assert_eq!(after < Duration::from_secs(5), at_once, "{sessions:?}: {after:?}");
    }
}

#[test]
fn the_sessions_that_the_fence_ends_are_counted_once() {
    let mut bench = bench(Way::Terminate);
    bench.spec.cutover.grace = Duration::from_millis(100);
    bench.start();
    let sitting = std::sync::Mutex::new((0, 0));
    let strike = Strike::does(Moment::After, entered("quiesce.hold_traffic"), || {
        bench.world.meddle(|world| {
            let idle = world.session(SessionState::Idle);
            *sitting.lock().unwrap() = (idle, world.session(SessionState::InTransaction));
        });
    });
    assert_eq!(bench.drive_with("first", &Counting::default(), &strike), MOVED, "{}", bench.tail());
    let ended = bench.view().facts.sessions_ended;
    let (idle, busy) = *sitting.lock().unwrap();
    assert_eq!(ended.in_transaction, [busy]);
    assert_eq!(ended.idle.iter().filter(|pid| **pid == idle).count(), 1, "{ended:?}");
}

#[test]
fn who_comes_past_the_gateway_is_named_before_the_hold() {
    let mut bench = bench(Way::Terminate);
    let network = Network::try_from("10.0.0.0/24".to_owned()).unwrap();
    bench.spec.route.gateway_networks = vec![network];
    bench.world.meddle(|world| {
        world.session(SessionState::Idle);
    });
    bench.start();
    assert_eq!(drive(&bench), MOVED, "{}", bench.tail());
    let facts = bench.view().facts;
    let told = &facts.warnings["sessions past the gateway"];
    assert!(told.starts_with("1 sessions") && told.contains("from 10.0.9.9"), "{told}");
    let entries = bench.entries();
    let warned = entries.iter().position(|entry| {
        matches!(&entry.record, Record::Learned { fact } if matches!(**fact, Fact::Warned { .. }))
    });
    let held = entries.iter().position(|entry| {
        matches!(&entry.record, Record::Intended { action, .. }
            if matches!(**action, Action::Route(RouteAction::Hold { .. })))
    });
    assert!(warned < held, "{warned:?} {held:?}");
}

#[test]
fn a_target_with_too_little_room_stops_before_the_hold() {
    let bench = bench(Way::Terminate);
    bench.world.meddle(|world| world.takes().1 = 3);
    bench.start();
    assert_ne!(drive(&bench), MOVED);
    let problem = bench.assert_stopped_by(Code::TargetTooSmall);
    assert!(problem.primary.contains("takes 3 sessions, and the source has 4"), "{problem}");
    assert!(bench.view().facts.held_since.is_none());
}

#[test]
fn a_target_with_less_room_is_a_warning() {
    let bench = bench(Way::Terminate);
    bench.world.meddle(|world| world.takes().1 = 100);
    bench.start();
    assert_eq!(drive(&bench), MOVED, "{}", bench.tail());
    let told = &bench.view().facts.warnings["room for sessions"];
    let begins = "the target takes 100 sessions, the source 500; there are 4 now.";
    assert!(told.starts_with(begins) && told.contains("route.sessions_per_proxy"), "{told}");
}

#[test]
fn proxies_that_let_more_through_than_the_target_takes_are_a_warning() {
    for (limit, told) in [(50, None), (51, Some("the target takes 100 sessions, and 2 proxies"))] {
        let mut bench = bench(Way::Terminate);
        bench.spec.route.sessions_per_proxy = NonZeroU32::new(limit);
        let passage = bench.spec.route.passage();
        bench.world.meddle(|world| {
            world.takes().1 = 100;
            world.passage(passage);
        });
        bench.start();
        assert_eq!(drive(&bench), MOVED, "{}", bench.tail());
        let view = bench.view();
        let warned = view.facts.warnings.get("room for sessions");
        assert_eq!(warned.is_some(), told.is_some(), "{limit}: {warned:?}");
        assert!(warned.is_none_or(|text| text.starts_with(told.unwrap_or_default())), "{warned:?}");
    }
}

#[test]
fn direct_tls_is_refused_for_a_source_that_does_not_speak_it() {
    let mut bench = bench(Way::Terminate);
    bench.spec.route.upstream_tls = UpstreamTls::Direct;
    bench.spec.route.upstream_roots = Some("/etc/rds.pem".to_owned());
    bench.start();
    assert_ne!(drive(&bench), MOVED);
    let problem = bench.assert_stopped_by(Code::GatewayNotReady);
    assert!(problem.primary.contains("only after its own negotiation"), "{problem}");
}

/// A proxy goes mute at the hold.
fn straggling(policy: Stragglers, nodes: &[&str]) -> (Bench, Option<Ended>) {
    let mut bench = bench(Way::Terminate);
    bench.spec.route.stragglers = policy;
    bench.start();
    let ended = {
        let strike = Strike::does(Moment::After, entered("quiesce.hold_traffic"), || {
            bench.world.meddle(|world| {
                for node in nodes {
                    world.mute(node);
                }
            });
        });
        bench.drive_with("first", &Counting::default(), &strike)
    };
    (bench, ended)
}

#[test]
fn a_move_goes_on_past_a_straggler_when_the_spec_says_so() {
    let (bench, ended) = straggling(Stragglers::GoOn, &["sidecar-2"]);
    assert_eq!(ended, MOVED, "{}", bench.tail());
    let left = bench.view().facts.left_behind;
    assert!(left["sidecar-2"].contains("the hold: sidecar-2 has not acknowledged"), "{left:?}");
    let ledger = bench.world.ledger();
    assert_eq!(ledger.lost(&ledger.target), Vec::<u64>::new());
    assert_eq!(bench.world.broken(), Vec::<String>::new());
}

#[test]
fn a_move_does_not_go_on_without_any_proxy() {
    let (bench, _) = straggling(Stragglers::GoOn, &["sidecar-1", "sidecar-2"]);
    bench.assert_stopped_by(Code::GatewayNotReady);
    assert!(bench.view().facts.left_behind.is_empty());
}

#[test]
fn a_move_is_undone_for_a_straggler_when_the_spec_says_so() {
    let (bench, ended) = straggling(Stragglers::Undo, &["sidecar-2"]);
    assert_eq!(ended, UNDONE, "{}", bench.tail());
    assert!(bench.view().status.course == Course::Undoing);
    let ledger = bench.world.ledger();
    assert_eq!(ledger.lost(&ledger.source), Vec::<u64>::new());
    let (host, port) = READERS_AT;
    assert_ne!(bench.world.footprint()["route orders"], format!("{host}:{port} Open"));
}

#[test]
fn a_straggler_stops_a_move_by_default() {
    let (bench, _) = straggling(Stragglers::Stop, &["sidecar-2"]);
    bench.assert_stopped_by(Code::GatewayNotReady);
}
