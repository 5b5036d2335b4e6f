//! The bad days that people know, one test each.

use std::time::Duration;

use landfall_core::facts::MetricVerdict;
use landfall_core::ids::SecurityGroupId;
use landfall_core::journal::{Record, Request};
use landfall_core::port::Clock;
use landfall_core::port::cloud::{Cluster, ClusterDetail, ResourceState, Tags};
use landfall_core::spec::{Approval, RetireSource};
use landfall_core::status::{Outcome, Run};
use landfall_core::{Code, Endpoint};
use landfall_flow::model::Presence;
use landfall_flow::sim::{Beat, Footprint};
use landfall_flow::{Ended, Refusal};

use crate::stage::{
    Counting, Healthy, Moment, Strike, Way, abort, bench, completed, entered, judge, started,
};
use crate::support::Bench;

const UNDONE: Option<Ended> = Some(Ended::Finished(Outcome::Undone));
const MOVED: Option<Ended> = Some(Ended::Finished(Outcome::Moved));

/// Drives until a problem stops the move, and tells it.
fn stops(bench: &Bench, strike: &Strike<'_>, code: Code) -> landfall_core::Problem {
    let ended = bench.drive_with("first", &Counting::default(), strike);
    assert_eq!(ended, Some(Ended::Told), "{}", bench.tail());
    bench.assert_stopped_by(code)
}

fn goes_on(bench: &Bench) -> Option<Ended> {
    bench.drive_with("next", &Counting::default(), &Healthy)
}

/// A person gives up, and the world is as before.
fn aborts_cleanly(bench: &Bench, before: &Footprint) {
    bench.ask(abort()).unwrap();
    assert_eq!(goes_on(bench), UNDONE, "{}", bench.tail());
    judge(bench, before, Outcome::Undone);
}

fn resume(bench: &Bench) {
    bench.ask(Request::Resume { by: "ann".to_owned() }).unwrap();
}

fn never<'a>() -> Strike<'a> {
    Strike::does(Moment::After, |_| false, || {})
}

fn asked_to_start(bench: &Bench, spec: landfall_core::Spec) -> Result<u32, Code> {
    let mut answer = None;
    bench.on(async {
        answer = Some(landfall_flow::start(&bench.store, &bench.world, spec, "ann").await);
    });
    match answer.unwrap() {
        Ok(status) => Ok(status.attempt),
        Err(Refusal::Told(problem)) => Err(problem.code),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_client_past_the_gateway_is_caught_and_named() {
    let (bench, before) = started(Way::Terminate);
    let strike = Strike::does(Moment::After, completed("quiesce.fence_source"), || {
        bench.world.meddle(|world| world.bypass());
    });
    let problem = stops(&bench, &strike, Code::FenceLeaks);
    assert!(problem.detail.contains("pid 2000"), "{problem}");
    assert!(problem.detail.contains("from 10.0.9.9"), "{problem}");
    bench.world.meddle(|world| world.end_bypass());
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_client_that_comes_after_the_proof_is_caught_before_promotion() {
    let (bench, before) = started(Way::Terminate);
    let strike = Strike::does(Moment::After, completed("quiesce.final_marker"), || {
        bench.world.meddle(|world| world.bypass());
    });
    stops(&bench, &strike, Code::FenceLeaks);
    bench.world.meddle(|world| world.end_bypass());
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_client_that_wrote_and_left_is_caught_before_promotion() {
    let (bench, before) = started(Way::Terminate);
    let strike = Strike::new(Moment::Before, completed("quiesce.final_marker"), || {
        bench.world.meddle(|world| world.bypass());
        Beat::Hangs(Duration::from_millis(100))
    });
    let leaving = Strike::does(Moment::After, entered("quiesce.drain_replica"), || {
        bench.world.meddle(|world| world.end_bypass());
    });
    let both = crate::crash::Both(&strike, &leaving);
    let ended = bench.drive_with("first", &Counting::default(), &both);
    assert_eq!(ended, Some(Ended::Told), "{}", bench.tail());
    let problem = bench.assert_stopped_by(Code::FenceLeaks);
    assert!(problem.primary.contains("rows were written"), "{problem}");
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_long_transaction_has_its_grace_and_is_ended() {
    let mut bench = bench(Way::Terminate);
    bench.spec.cutover.grace = Duration::from_secs(4);
    let before = bench.world.footprint();
    bench.start();
    let strike = Strike::does(Moment::After, entered("quiesce.fence_source"), || {
        bench.world.meddle(|world| world.long_transaction(Duration::from_hours(1)));
    });
    let counting = Counting::default();
    let ended = bench.drive_with("first", &counting, &strike);
    assert_eq!(ended, MOVED, "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
    let at = |order: &str| bench.ordered_at(|given| given.to_string().starts_with(order));
    let waited = at("end all").duration_since(at("end idle")).unsigned_abs();
    assert!(waited > Duration::from_secs(3) && waited < Duration::from_secs(5), "{waited:?}");
}

#[test]
fn a_proxy_that_never_acknowledges_is_named() {
    let (bench, before) = started(Way::Terminate);
    let strike = Strike::does(Moment::After, entered("quiesce.hold_traffic"), || {
        bench.world.meddle(|world| world.mute("sidecar-2"));
    });
    let problem = stops(&bench, &strike, Code::GatewayNotReady);
    assert!(problem.detail.contains("sidecar-2 has not acknowledged"), "{problem}");
    assert!(!problem.detail.contains("sidecar-1"), "{problem}");
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_proxy_that_refuses_is_quoted() {
    let (bench, before) = started(Way::Terminate);
    let strike = Strike::does(Moment::After, entered("replicate.rehearse_route"), || {
        bench.world.meddle(|world| {
            world.proxies(|all| all[0].rejected = Some("unknown filter".to_owned()));
        });
    });
    let problem = stops(&bench, &strike, Code::GatewayNotReady);
    assert!(problem.detail.contains("sidecar-1 refuses the route: unknown filter"), "{problem}");
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_silent_metric_stops_a_move_without_credentials() {
    let (bench, before) = started(Way::CredentialFree);
    let strike = Strike::does(Moment::After, entered("quiesce.drain_replica"), || {
        bench.world.meddle(|world| world.silence_metric());
    });
    let began = bench.world.now();
    stops(&bench, &strike, Code::ProofMissing);
    let waited = bench.world.now().duration_since(began).unsigned_abs();
    assert!(waited >= bench.spec.limits.step_within, "{waited:?}");
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_silent_metric_does_not_stop_a_move_with_access() {
    let (bench, before) = started(Way::Terminate);
    let strike = Strike::does(Moment::After, entered("quiesce.hold_traffic"), || {
        bench.world.meddle(|world| world.silence_metric());
    });
    let ended = bench.drive_with("first", &Counting::default(), &strike);
    assert_eq!(ended, MOVED, "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
    let proof = bench.view().facts.proven.unwrap();
    assert_eq!((proof.metric, proof.zero_touches), (MetricVerdict::Silent, 0));
}

#[test]
fn a_metric_that_contradicts_vetoes() {
    let (bench, before) = started(Way::Terminate);
    // The look at the metric is a second old at most: a point must have come.
    let strike = Strike::new(Moment::Before, completed("quiesce.prove_fence"), || {
        bench.world.meddle(|world| world.stale_slot(Presence::There));
        Beat::Hangs(Duration::from_secs(3))
    });
    stops(&bench, &strike, Code::ProofsDisagree);
    bench.world.meddle(|world| world.stale_slot(Presence::Gone));
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_stale_slot_that_goes_lets_the_move_go_on() {
    let (bench, before) = started(Way::Terminate);
    let strike = Strike::new(Moment::Before, completed("quiesce.prove_fence"), || {
        bench.world.meddle(|world| world.stale_slot(Presence::There));
        Beat::Hangs(Duration::from_secs(3))
    });
    stops(&bench, &strike, Code::ProofsDisagree);
    bench.world.meddle(|world| world.stale_slot(Presence::Gone));
    bench.on(async { bench.world.sleep(Duration::from_secs(3)).await });
    resume(&bench);
    assert_eq!(goes_on(&bench), MOVED, "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
}

fn foreign(bench: &Bench) -> Cluster {
    Cluster {
        id: bench.spec.target.cluster.clone(),
        arn: "arn:aws:rds:eu-west-1:123456789012:cluster:orders-aurora".to_owned(),
        engine: "aurora-postgresql".to_owned(),
        engine_version: "15.15".to_owned(),
        state: ResourceState::Available,
        endpoint: Some(Endpoint::new("elsewhere.model", 5432)),
        reader_endpoint: None,
        replicates_from: None,
        members: vec![],
        parameter_group: None,
        security_groups: vec![],
        backup_retention_days: 1,
        deletion_protected: true,
        tags: Tags::from([("team".to_owned(), "billing".to_owned())]),
        detail: ClusterDetail::default(),
    }
}

#[test]
fn a_taken_name_stops_the_assessment() {
    let bench = bench(Way::Terminate);
    bench.world.meddle(|world| world.cluster(foreign(&bench)));
    let before = bench.world.footprint();
    bench.start();
    stops(&bench, &never(), Code::NameTaken);
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_name_taken_meanwhile_is_not_touched() {
    let (bench, mut before) = started(Way::Terminate);
    let strike = Strike::does(Moment::After, entered("replicate.create_replica_cluster"), || {
        bench.world.meddle(|world| world.cluster(foreign(&bench)));
    });
    stops(&bench, &strike, Code::NameTaken);
    let theirs = "cluster orders-aurora";
    before.insert(theirs.to_owned(), bench.world.footprint()[theirs].clone());
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_failed_replica_is_told_and_cleaned_away() {
    let (bench, before) = started(Way::Terminate);
    let strike = Strike::does(Moment::After, entered("replicate.wait_available"), || {
        bench.world.meddle(|world| world.fail_replicas());
    });
    let problem = stops(&bench, &strike, Code::ReplicaNotAvailable);
    assert!(problem.primary.contains("failed"), "{problem}");
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_replica_that_never_comes_is_told_and_cleaned_away() {
    let mut bench = bench(Way::Terminate);
    bench.spec.limits.replica_available_within = Duration::from_mins(10);
    bench.world.meddle(|world| world.delays().writer = Duration::from_hours(100));
    let before = bench.world.footprint();
    bench.start();
    stops(&bench, &never(), Code::ReplicaNotAvailable);
    // AWS deletes nothing that it is still creating; in the end it gives up.
    bench.world.meddle(|world| world.fail_replicas());
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_source_with_another_replica_is_refused() {
    let bench = bench(Way::Terminate);
    bench.world.meddle(|world| {
        world.instance(|source| source.replica_clusters.push("reporting".into()));
    });
    let before = bench.world.footprint();
    bench.start();
    stops(&bench, &never(), Code::SourceHasReplica);
    aborts_cleanly(&bench, &before);
}

#[test]
fn another_engine_is_refused() {
    let bench = bench(Way::Terminate);
    bench.world.meddle(|world| world.instance(|source| "mysql".clone_into(&mut source.engine)));
    let before = bench.world.footprint();
    bench.start();
    stops(&bench, &never(), Code::SourceNotPostgres);
    aborts_cleanly(&bench, &before);
}

#[test]
fn a_fence_that_drifts_during_the_soak_is_closed_again() {
    let mut bench = bench(Way::Terminate);
    bench.spec.approve.acceptance = Approval::Person;
    let before = bench.world.footprint();
    bench.start();
    let production: Vec<SecurityGroupId> = vec!["sg-app".into(), "sg-office".into()];
    let accepts =
        |record: &Record| matches!(record, Record::GateOpened { gate } if gate == "accept");
    let soaking = |entry: &landfall_core::journal::NewEntry| accepts(&entry.record);
    let strike = Strike::does(Moment::After, soaking, || {
        bench.world.meddle(|world| world.regroup_source(&production));
    });
    let gauge = crate::support::UntilStopped(&bench);
    let mut ended = None;
    bench.on(async {
        let tap = Counting::default();
        let first = bench.drive_lane("first", &tap, &strike, &gauge);
        let person = async {
            while !strike.has_struck() {
                bench.world.sleep(Duration::from_millis(100)).await;
            }
            bench.world.sleep(Duration::from_secs(30)).await;
            let source = bench.world.footprint()["instance orders-prod"].clone();
            assert!(source.contains("sg-quarantine-source"), "still open: {source}");
            let (gate, by) = ("accept".to_owned(), "ann".to_owned());
            bench.ask(Request::Approve { gate, by, note: String::new() }).unwrap();
        };
        ended = Some(futures_util::future::join(first, person).await.0);
    });
    assert_eq!(ended.unwrap(), MOVED, "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
    let fences = bench.entries().into_iter().filter(|entry| {
        let soak = entry.step.as_deref() == Some("soak.keep_fence");
        soak && matches!(entry.record, Record::Intended { .. })
    });
    assert_eq!(fences.count(), 2, "shut, and its sessions ended");
}

#[test]
fn a_failing_smoke_test_stops_before_release() {
    let mut bench = bench(Way::Terminate);
    bench.spec.smoke.sql = vec!["select 1".into(), "select fail".into()];
    let before = bench.world.footprint();
    bench.start();
    let problem = stops(&bench, &never(), Code::SmokeFailed);
    assert!(problem.detail.contains("test 2: 42P01"), "{problem}");
    aborts_cleanly(&bench, &before);
}

#[test]
fn another_spec_is_refused_on_restart() {
    let (bench, _) = started(Way::Terminate);
    let mut other = bench.spec.clone();
    other.cutover.grace = Duration::from_secs(9);
    assert_eq!(asked_to_start(&bench, other), Err(Code::SpecChanged));
    assert_eq!(asked_to_start(&bench, bench.spec.clone()), Ok(1), "the same spec goes on");
}

#[test]
fn an_undone_move_starts_again_as_its_second_attempt() {
    let (bench, before) = started(Way::Terminate);
    let strike = Strike::does(Moment::After, entered("quiesce.prove_fence"), || {
        bench.ask(abort()).unwrap();
    });
    let ended = bench.drive_with("first", &Counting::default(), &strike);
    assert_eq!(ended, UNDONE, "{}", bench.tail());
    assert_eq!(asked_to_start(&bench, bench.spec.clone()), Ok(2));
    assert_eq!(goes_on(&bench), MOVED, "{}", bench.tail());
    judge(&bench, &before, Outcome::Moved);
    assert_eq!(bench.view().status.attempt, 2);
    assert_eq!(asked_to_start(&bench, bench.spec.clone()), Ok(2), "a finished move stays so");
}

#[test]
fn a_spent_target_stands_in_the_way_of_the_second_attempt() {
    let (bench, before) = started(Way::Terminate);
    let strike = Strike::does(Moment::After, entered("cutover.smoke_target"), || {
        bench.ask(abort()).unwrap();
    });
    let ended = bench.drive_with("first", &Counting::default(), &strike);
    assert_eq!(ended, UNDONE, "{}", bench.tail());
    judge(&bench, &before, Outcome::Undone);
    assert_eq!(asked_to_start(&bench, bench.spec.clone()), Ok(2));
    assert_eq!(goes_on(&bench), Some(Ended::Told), "{}", bench.tail());
    bench.assert_stopped_by(Code::NameTaken);
}

#[test]
fn a_source_is_deleted_only_after_its_gate_and_its_snapshot() {
    let mut bench = bench(Way::Terminate);
    bench.spec.retire.source = RetireSource::SnapshotAndDelete;
    bench.start();
    let gate = |entry: &landfall_core::journal::NewEntry| {
        matches!(&entry.record, Record::GateOpened { .. })
    };
    let strike = Strike::does(Moment::After, gate, || {
        let Run::AwaitingApproval { gate } = bench.view().status.run else { unreachable!() };
        assert_eq!(gate, "approve_retirement");
        assert!(bench.world.footprint().contains_key("instance orders-prod"));
        bench.ask(Request::Approve { gate, by: "ann".to_owned(), note: String::new() }).unwrap();
    });
    let ended = bench.drive_with("first", &Counting::default(), &strike);
    assert_eq!(ended, MOVED, "{}", bench.tail());
    let left = bench.world.footprint();
    assert!(!left.contains_key("instance orders-prod"), "{left:?}");
    assert!(left.contains_key(&format!("snapshot {}", bench.spec.final_snapshot())), "{left:?}");
    let ledger = bench.world.ledger();
    assert_eq!(ledger.lost(&ledger.target), Vec::<u64>::new());
    assert_eq!(bench.world.broken(), Vec::<String>::new());
}
