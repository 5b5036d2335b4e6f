//! Promotion and release rest on what is so, not on what was proven once; and the way back rests
//! on nothing that it does not need.
//!
//! Each test is a sequence that would lose an acknowledged write, or leave the application
//! waiting, if a proof were believed after somebody had time to break it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use landfall_core::failure::FailureKind;
use landfall_core::ids::SecurityGroupId;
use landfall_core::journal::{NewEntry, Record, Request};
use landfall_core::port::{Clock, Router};
use landfall_core::spec::ArmWayBack;
use landfall_core::status::{Course, Outcome};
use landfall_core::{Action, Code};
use landfall_flow::Ended;
use landfall_flow::sim::{Beat, Fate, Footprint, Sight, Tap, Watch};

use crate::stage::{
    Counting, Healthy, Moment, SECOND, Strike, WAYS, Way, abort, bench, completed, entered, judge,
    started,
};
use crate::support::{Bench, UntilStopped};

const MOVED: Option<Ended> = Some(Ended::Finished(Outcome::Moved));
const UNDONE: Option<Ended> = Some(Ended::Finished(Outcome::Undone));

/// Two watches on one driver.
struct Both<'a>(Strike<'a>, Strike<'a>);

impl Watch for Both<'_> {
    fn before(&self, entry: &NewEntry) -> Beat {
        max(self.0.before(entry), self.1.before(entry))
    }

    fn after(&self, entry: &NewEntry) -> Beat {
        max(self.0.after(entry), self.1.after(entry))
    }
}

fn max(one: Beat, other: Beat) -> Beat {
    if one == Beat::Goes { other } else { one }
}

/// A client past the gateway writes for a while when a step is completed, and leaves.
fn visit<'a>(bench: &'a Bench, step: &str, next: &str) -> Both<'a> {
    let comes = Strike::new(Moment::After, completed(step), || {
        bench.world.meddle(|world| world.bypass());
        Beat::Hangs(SECOND)
    });
    let leaves = Strike::does(Moment::Before, entered(next), || {
        bench.world.meddle(|world| world.end_bypass());
    });
    Both(comes, leaves)
}

fn times(bench: &Bench, wanted: impl Fn(&Record) -> bool) -> usize {
    bench.entries().iter().filter(|entry| wanted(&entry.record)).count()
}

fn orders(bench: &Bench, order: &str) -> usize {
    times(
        bench,
        |record| matches!(record, Record::Intended { action, .. } if action.to_string().starts_with(order)),
    )
}

fn stops_by_the_fence(bench: &Bench, watch: &dyn Watch) {
    let ended = bench.drive_with("first", &Counting::default(), watch);
    assert_eq!(ended, Some(Ended::Told), "{}", bench.tail());
    bench.assert_stopped_by(Code::FenceLeaks);
}

fn aborts_cleanly(bench: &Bench, before: &Footprint) {
    bench.ask(abort()).unwrap();
    let ended = bench.drive_with("next", &Counting::default(), &Healthy);
    assert_eq!(ended, UNDONE, "{}", bench.tail());
    judge(bench, before, Outcome::Undone);
}

#[test]
fn who_wrote_after_the_proof_of_sync_is_found_before_promotion() {
    let (bench, before) = started(Way::Terminate);
    let visit = visit(&bench, "quiesce.drain_replica", "cutover.promote_replica");
    stops_by_the_fence(&bench, &visit);
    assert_eq!(orders(&bench, "PromoteReadReplica"), 0);
    aborts_cleanly(&bench, &before);
}

#[test]
fn groups_that_drift_after_the_proof_of_sync_are_found_before_promotion() {
    for way in WAYS {
        let (bench, before) = started(way);
        let drift = Strike::new(Moment::After, completed("quiesce.drain_replica"), || {
            let production: [SecurityGroupId; 2] = ["sg-app".into(), "sg-office".into()];
            bench.world.meddle(|world| world.regroup_source(&production));
            Beat::Hangs(SECOND)
        });
        stops_by_the_fence(&bench, &drift);
        assert_eq!(orders(&bench, "PromoteReadReplica"), 0, "{way:?}");
        aborts_cleanly(&bench, &before);
    }
}

#[test]
fn who_wrote_between_promotion_and_release_is_found_before_release() {
    let (bench, before) = started(Way::Terminate);
    let visit = visit(&bench, "cutover.smoke_target", "cutover.release_traffic");
    stops_by_the_fence(&bench, &visit);
    aborts_cleanly(&bench, &before);
}

/// Pauses when a step is completed, lets somebody write and leave meanwhile, and resumes.
fn pauses_after(way: Way, step: &str) -> (Bench, Footprint) {
    let (bench, before) = started(way);
    let pause = Strike::does(Moment::After, completed(step), || {
        let (by, why) = ("ann".to_owned(), "lunch".to_owned());
        bench.ask(Request::Pause { by, why }).unwrap();
        bench.world.meddle(|world| world.bypass());
    });
    let people = async {
        while !pause.has_struck() {
            bench.world.sleep(Duration::from_millis(50)).await;
        }
        bench.world.sleep(SECOND).await;
        bench.world.meddle(|world| world.end_bypass());
        bench.ask(Request::Resume { by: "ann".to_owned() }).unwrap();
    };
    let mut ended = None;
    let gauge = UntilStopped(&bench);
    let counting = Counting::default();
    bench.on(async {
        let driver = bench.drive_lane("first", &counting, &pause, &gauge);
        (ended, ()) = futures_util::future::join(driver, people).await;
    });
    assert_eq!(ended, MOVED, "{way:?} {step}\n{}", bench.tail());
    assert!(pause.has_struck());
    drop(pause);
    (bench, before)
}

#[test]
fn a_pause_ends_every_proof() {
    for way in [Way::Terminate, Way::Reboot] {
        for step in ["prove_fence", "final_marker", "drain_replica"] {
            let (bench, before) = pauses_after(way, &format!("quiesce.{step}"));
            judge(&bench, &before, Outcome::Moved);
            let markers = orders(&bench, "commit marker");
            assert_eq!(markers, if step == "prove_fence" { 1 } else { 2 }, "{way:?} {step}");
        }
    }
}

#[test]
fn without_access_a_pause_is_followed_by_another_restart() {
    let (bench, _) = pauses_after(Way::CredentialFree, "quiesce.drain_replica");
    assert_eq!(orders(&bench, "RebootDBInstance"), 2, "{}", bench.tail());
    let ledger = bench.world.ledger();
    assert_eq!(ledger.lost(&ledger.target), Vec::<u64>::new());
}

/// From some instant on no server answers through SQL, nor the way to one.
#[derive(Default)]
struct Blind(AtomicBool);

impl Tap for Blind {
    fn order(&self, _: &Action) -> Fate {
        Fate::Done
    }

    fn look(&self, what: &'static str) -> Sight {
        let rds = ["an instance", "a cluster", "a parameter group", "the route"].contains(&what);
        if self.0.load(Ordering::Relaxed) && !rds {
            return Sight::Blind(FailureKind::Unavailable);
        }
        Sight::Clear
    }
}

#[test]
fn the_source_is_opened_again_though_no_server_answers() {
    for step in ["hold_traffic", "fence_source", "prove_fence", "final_marker", "drain_replica"] {
        let (bench, _) = started(Way::Terminate);
        let blind = Blind::default();
        let strike = Strike::does(Moment::After, entered(&format!("quiesce.{step}")), || {
            blind.0.store(true, Ordering::Relaxed);
            bench.ask(abort()).unwrap();
        });
        let ended = bench.drive_with("first", &blind, &strike);
        // The marker's table cannot be dropped yet; nobody waits for that.
        assert_eq!(ended, Some(Ended::Told), "{}", bench.tail());
        let view = bench.view();
        assert_eq!(view.status.step, "prepare.prepare_marker", "{step}\n{}", bench.tail());
        assert_eq!(view.status.course, Course::Undoing);
        let written = bench.world.ledger().acknowledged.len();
        bench.on(async { bench.world.sleep(SECOND).await });
        assert!(bench.world.ledger().acknowledged.len() > written, "{step}: nobody can write");
    }
}

#[test]
fn the_route_goes_back_though_the_target_does_not_answer() {
    let mut bench = bench(Way::Terminate);
    // Its subscription is dropped on the source, which does not answer here either.
    bench.spec.way_back.arm = ArmWayBack::Off;
    bench.start();
    let blind = Blind::default();
    let strike = Strike::does(Moment::After, completed("cutover.point_at_target"), || {
        blind.0.store(true, Ordering::Relaxed);
        bench.ask(abort()).unwrap();
    });
    let ended = bench.drive_with("first", &blind, &strike);
    assert_eq!(ended, Some(Ended::Told), "{}", bench.tail());
    // Whether anybody used the promoted target is asked there, and only a look can answer it.
    assert_eq!(bench.view().status.step, "cutover.promote_replica", "{}", bench.tail());
    bench.on(async {
        let route = bench.world.view(&bench.spec.route.service).await.unwrap().route.unwrap();
        assert_eq!(Some(route.endpoint), bench.view().facts.source.map(|source| source.endpoint));
    });
}

#[test]
fn a_proxy_that_is_gone_for_good_does_not_keep_a_released_move_from_its_end() {
    let (bench, before) = started(Way::Terminate);
    let release = |entry: &NewEntry| {
        matches!(&entry.record, Record::Intended { action, .. }
            if action.to_string().starts_with("release"))
    };
    let scaled_down = Strike::does(Moment::Before, release, || {
        bench.world.meddle(|world| {
            world.proxies(|proxies| proxies.retain(|proxy| proxy.node != "sidecar-2"));
        });
    });
    let ended = bench.drive_with("first", &Counting::default(), &scaled_down);
    assert_eq!(ended, Some(Ended::Told), "{}", bench.tail());
    let problem = bench.assert_stopped_by(Code::GatewayNotReady);
    assert!(problem.detail.contains("sidecar-2 has not come back"), "{problem}");
    bench.ask(Request::Resume { by: "ann".to_owned() }).unwrap();
    let ended = bench.drive_with("next", &Counting::default(), &Healthy);
    assert_eq!(ended, MOVED, "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
}
