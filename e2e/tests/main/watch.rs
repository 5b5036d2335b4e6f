//! Watching a move: bounded waits for a place in it, each with the state on expiry.

use std::time::Duration;

use landfall_api::core::Seq;
use landfall_api::core::journal::{Entry, Record};
use landfall_api::core::status::{Outcome, Run};
use landfall_api::{MoveView, StartMove};
use landfall_e2e::stage::Followed;
use landfall_e2e::{Report, Stage, StageConfig};
use landfall_lab::faults::{Fault, Order};

/// Longer than anything takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(150);

/// A stage as most tests want it: access, fence by termination.
pub(crate) async fn stage() -> Stage {
    Stage::set(StageConfig::default(), None).await.expect("set the stage")
}

/// The same, and a person opens the gates.
pub(crate) async fn stage_with_gates() -> Stage {
    let mut stage = stage().await;
    stage.spec.approve = "person";
    stage
}

/// Starts the move of the stage's spec, as it is at this moment.
pub(crate) async fn start(stage: &mut Stage) {
    Box::pin(stage.start()).await.expect("start the move");
}

/// Starts the move with this text instead of the stage's.
pub(crate) async fn start_text(stage: &Stage, spec_toml: String) {
    let order = StartMove { spec_toml, by: "stage".to_owned() };
    stage.product.client().unwrap().start(&order).await.expect("start the move");
}

/// Follows until the view is as wanted; a dead orchestrator is started again.
pub(crate) async fn until(stage: &mut Stage, wanted: impl FnMut(&MoveView) -> bool) -> Followed {
    Box::pin(stage.follow(LONG, wanted)).await.expect("follow the move")
}

/// Until the move stands at a problem.
pub(crate) async fn until_stopped(stage: &mut Stage) -> MoveView {
    let over =
        |view: &MoveView| matches!(view.status.run, Run::NeedsHuman { .. } | Run::Finished { .. });
    let view = until(stage, over).await.view;
    assert!(matches!(view.status.run, Run::NeedsHuman { .. }), "{:#?}", view.status);
    view
}

/// Until the move waits at this gate.
pub(crate) async fn until_gate(stage: &mut Stage, name: &str) -> MoveView {
    let there =
        |view: &MoveView| view.gate.is_some() || matches!(view.status.run, Run::NeedsHuman { .. });
    let view = until(stage, there).await.view;
    let gate = view.gate.as_ref().map(|gate| gate.name.as_str());
    assert_eq!(gate, Some(name), "{:#?}", view.status);
    view
}

/// Until the move is over, and over like this.
pub(crate) async fn until_over(stage: &mut Stage, wanted: Outcome) -> Followed {
    let followed = until(stage, landfall_e2e::report::is_over).await;
    let status = &followed.view.status;
    let log = stage.product.log();
    assert_eq!(status.run, Run::Finished { outcome: wanted }, "{status:#?}\n{log}");
    followed
}

/// Until the pause budget has brought the source back, whatever problem the move stands at.
pub(crate) async fn until_budget_undoes(stage: &mut Stage) -> Followed {
    let over = |view: &MoveView| matches!(view.status.run, Run::Finished { .. });
    let followed = until(stage, over).await;
    assert_eq!(followed.view.status.run, Run::Finished { outcome: Outcome::Undone });
    assert!(budget_aborted(&journal(stage).await), "somebody else aborted");
    followed
}

/// From the gate into the pause, where the move waits for a replica that stands still.
pub(crate) async fn into_the_pause(stage: &mut Stage) -> MoveView {
    until_gate(stage, "approve_cutover").await;
    stage.lab.arm(Order::unlimited(Fault::ReplicaStall)).await;
    stage.order("approve", Some("approve_cutover")).await.expect("approve");
    let waits = |view: &MoveView| {
        view.status.step == "quiesce.drain_replica"
            && matches!(view.status.run, Run::Waiting { .. } | Run::NeedsHuman { .. })
    };
    let view = until(stage, waits).await.view;
    assert!(matches!(view.status.run, Run::Waiting { .. }), "{:#?}", view.status);
    view
}

/// The whole journal.
pub(crate) async fn journal(stage: &Stage) -> Vec<Entry> {
    let name = stage.spec.name.as_str().into();
    let client = stage.product.client().unwrap();
    client.history(&name, Seq(0)).await.expect("read the journal").entries
}

/// Whether the pause budget itself asked for the way back.
fn budget_aborted(journal: &[Entry]) -> bool {
    use landfall_api::core::journal::Request::Abort;
    journal.iter().any(|entry| {
        matches!(&entry.record, Record::Requested { request: Abort { by, .. } }
            if by == "the pause budget")
    })
}

/// Ends the load, and with the ledger's word for it: moved, nothing lost, nothing left.
pub(crate) async fn moved(stage: Stage, followed: &Followed) -> Report {
    let log = stage.product.log();
    let report = Box::pin(stage.close(followed)).await.expect("judge the move");
    assert!(report.is_good(), "{report:#?}\n{log}");
    assert_eq!(report.stranded, 0, "{report:#?}");
    report
}

/// Ends the load of a roll-back: what the target took is on the source, and nothing is left.
pub(crate) async fn rolled_back(stage: Stage, followed: &Followed) -> Report {
    let log = stage.product.log();
    let report = Box::pin(stage.close(followed)).await.expect("judge the move");
    assert_eq!(report.verdict, "rolled back", "{report:#?}\n{log}");
    assert!(report.is_good(), "{report:#?}\n{log}");
    assert_eq!(report.stranded, 0, "{report:#?}");
    report
}

/// Follows to the end and judges.
pub(crate) async fn moves(mut stage: Stage) -> Report {
    let followed = until_over(&mut stage, Outcome::Moved).await;
    moved(stage, &followed).await
}

/// Ends the load of an undone move: nothing lost, nothing left.
pub(crate) async fn undone(stage: Stage, followed: &Followed) -> Report {
    let log = stage.product.log();
    let report = Box::pin(stage.close(followed)).await.expect("judge the move");
    assert_eq!(report.verdict, "undone", "{report:#?}\n{log}");
    assert_eq!((report.lost, report.doubled, report.leftovers), (0, 0, 0), "{report:#?}\n{log}");
    report
}
