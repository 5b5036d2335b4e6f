//! A move for tests of what is shown: its view in any state, and a journal from start to end.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use landfall_api::core::action::{Action, CloudAction, RouteAction};
use landfall_api::core::facts::{MetricVerdict, SyncProof};
use landfall_api::core::failure::{Failure, FailureKind};
use landfall_api::core::journal::{
    Cause, Commitment, Effect, Entry, RECORD_VERSION, Record, Request,
};
use landfall_api::core::port::router::Waiting;
use landfall_api::core::problem::Writes;
use landfall_api::core::status::{Course, Line, Outcome, Road, Run};
use landfall_api::core::{
    ClusterId, Epoch, Fact, Facts, Lsn, MigrationName, Phase, Seq, ServiceName, Spec, Status, spec,
};
use landfall_api::{
    Driven, GateView, History, MoveView, PauseClock, Place, RowView, WaitingAt, Window,
};

const SPEC: &str = r#"
[migration]
name = "orders"
[source]
instance = "orders-prod"
[target]
cluster = "orders-aurora"
quarantine_group = "sg-target"
[route]
service = "orders"
[cutover]
quarantine_group = "sg-source"
"#;

/// Seconds after the sample's beginning.
pub(crate) fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(second)
}

fn spec() -> Spec {
    spec::parse(SPEC).unwrap()
}

const STEPS: [(Phase, &str, &str); 4] = [
    (Phase::Prepare, "prepare.assess_source", "Assess the source"),
    (Phase::Replicate, "replicate.wait_available", "Wait for the replica to be available"),
    (Phase::Quiesce, "quiesce.hold_traffic", "Hold new connections at the gateway"),
    (Phase::Cutover, "cutover.release_traffic", "Release traffic to the target"),
];

/// The move in its second step, in a given state.
pub(crate) fn view(run: Run) -> MoveView {
    let status = Status {
        road: Road::Physical,
        line: Line::Migrate,
        attempt: 1,
        phase: Phase::Replicate,
        step: "replicate.wait_available".to_owned(),
        course: Course::Doing,
        commitment: Commitment::Revocable,
        run,
    };
    let rows = STEPS.iter().enumerate().map(|(index, (phase, id, title))| RowView {
        phase: *phase,
        id: (*id).to_owned(),
        title: (*title).to_owned(),
        place: [Place::Done, Place::Here, Place::Ahead, Place::Ahead][index],
        completed_at: (index == 0).then(|| at(3)),
        window: if index < 2 { Window::Outside } else { Window::Pause },
        commitment: if index < 3 { Commitment::Revocable } else { Commitment::Committed },
    });
    MoveView {
        name: MigrationName::new("orders"),
        status,
        title: "Wait for the replica to be available".to_owned(),
        writes: Writes::Source,
        safe: "The source runs as before; what was made stands beside it.".to_owned(),
        waited: None,
        gate: None,
        paused: None,
        pause: None,
        waiting: Vec::new(),
        measured: BTreeMap::new(),
        lease: None,
        driven: Driven::Here,
        rows: rows.collect(),
        facts: Facts::default(),
        spec: spec(),
        started_at: at(0),
        entered_at: at(3),
        updated_at: at(4),
        now: at(3_605),
        last: Seq(9),
    }
}

/// At the gate before the cutover.
pub(crate) fn at_the_gate() -> MoveView {
    let gate = GateView {
        name: "approve_cutover".to_owned(),
        title: "Gate: cut over".to_owned(),
        check: vec!["The replica lagged by at most 27.7 MiB over 17 points.".to_owned()],
    };
    let run = Run::AwaitingApproval { gate: gate.name.clone() };
    MoveView { gate: Some(gate), ..view(run) }
}

/// In the middle of the pause.
pub(crate) fn in_the_pause() -> MoveView {
    let pause = PauseClock { since: at(3_601), until: None, budget_ms: 300_000 };
    let waiting = Some(Waiting { connections: 20, since: Some(at(3_601)) });
    let waiting = vec![WaitingAt { service: "orders".into(), node: "shop-1".to_owned(), waiting }];
    MoveView { pause: Some(pause), waiting, writes: Writes::Nobody, ..view(Run::Running) }
}

fn intended(action: Action, commitment: Commitment) -> Record {
    let seen = serde_json::Value::Null;
    let (action, cause) = (Box::new(action), Cause::Step);
    Record::Intended { action, seen, course: Course::Doing, commitment, cause }
}

fn release() -> Action {
    Action::Route(RouteAction::Release { service: ServiceName::new("orders"), epoch: 4 })
}

fn promote() -> Action {
    Action::Cloud(CloudAction::PromoteCluster { cluster: ClusterId::new("orders-aurora") })
}

fn proof() -> Fact {
    Fact::Proven(SyncProof {
        marker_lsn: Some(Lsn(0x1_3800_0000)),
        replay_lsn: Some(Lsn(0x1_3801_F208)),
        metric: MetricVerdict::Agrees,
        zero_touches: 2,
        at: at(12),
    })
}

fn throttled() -> Record {
    let what = "promote cluster orders-aurora";
    let failure = Failure::new(FailureKind::Throttled, what, "Throttling: Rate exceeded");
    Record::Acted { effect: Effect::Failed { failure } }
}

fn records() -> Vec<(i64, usize, Record)> {
    let by = || "ann".to_owned();
    let entered = |phase| Record::Entered { phase, course: Course::Doing };
    let seen = || Record::Completed { seen: serde_json::Value::Null };
    let taken = || Record::Acted { effect: Effect::TAKEN };
    let gate = || "approve_cutover".to_owned();
    let note = "the team watches".to_owned();
    let started = Record::Started {
        road: Road::Physical,
        spec: Box::new(spec()),
        by: by(),
        experience: vec![],
    };
    vec![
        (0, 9, started),
        (0, 9, Record::Led { holder: "host-1, pid 7".to_owned() }),
        (0, 0, entered(Phase::Prepare)),
        (3, 0, seen()),
        (3, 1, entered(Phase::Replicate)),
        (3, 1, Record::Waiting { why: "the replica".to_owned(), deadline: Some(at(999)) }),
        (8, 1, Record::GateOpened { gate: gate() }),
        (9, 1, Record::Requested { request: Request::Approve { gate: gate(), by: by(), note } }),
        (10, 1, seen()),
        (10, 2, entered(Phase::Quiesce)),
        (12, 2, Record::Learned { fact: Box::new(proof()) }),
        (13, 2, intended(promote(), Commitment::Revocable)),
        (13, 2, throttled()),
        (14, 2, intended(promote(), Commitment::Revocable)),
        (14, 2, throttled()),
        (15, 2, intended(promote(), Commitment::Revocable)),
        (15, 2, taken()),
        (20, 2, seen()),
        (20, 3, entered(Phase::Cutover)),
        (20, 3, intended(release(), Commitment::Committed)),
        (20, 3, taken()),
        (21, 3, seen()),
        (21, 3, Record::Finished { outcome: Outcome::Moved }),
    ]
}

/// A move from start to end, with a gate, a proof and two throttled calls.
pub(crate) fn history() -> History {
    let titles: BTreeMap<String, String> =
        STEPS.iter().map(|(_, id, title)| ((*id).to_owned(), (*title).to_owned())).collect();
    let entries = records().into_iter().zip(1..).map(|((second, step, record), seq)| Entry {
        migration: MigrationName::new("orders"),
        seq: Seq(seq),
        epoch: Epoch(1),
        at: at(second),
        step: STEPS.get(step).map(|(_, id, _)| (*id).to_owned()),
        record,
        version: RECORD_VERSION,
    });
    History { name: MigrationName::new("orders"), entries: entries.collect(), titles }
}
