//! Risk: somebody puts the source's security groups back after the release, while the move stands
//! at its gate or is stopped, and a second writable side stays open.

use landfall_api::MoveView;
use landfall_api::core::journal::{Cause, Record};
use landfall_api::core::status::{Outcome, Run};
use landfall_e2e::Stage;
use landfall_lab::cloud::InstanceChange;
use landfall_lab::cloud::Timing;
use landfall_lab::cloud::names::Identifier;

use crate::told::landfall;
use crate::watch::{journal, moved, stage_with_gates, start, until, until_gate, until_over};

/// Terraform, or a colleague.
fn open(stage: &Stage) {
    let change = InstanceChange {
        timing: Timing::Immediately,
        security_groups: Some(vec!["sg-app".to_owned()]),
        ..InstanceChange::default()
    };
    let source = Identifier::lookup("shop-prod");
    stage.lab.cloud().modify_instance(&source, change).expect("open the source");
}

/// Who is let in at the source.
fn admitted(stage: &Stage) -> Vec<String> {
    let all = stage.lab.instances();
    let source = all.into_iter().find(|one| one.identifier == "shop-prod");
    source.expect("the source").admitted
}

#[tokio::test]
async fn a_source_that_is_opened_behind_the_release_is_shut_again_at_a_gate() {
    let mut stage = stage_with_gates().await;
    start(&mut stage).await;
    until_gate(&mut stage, "approve_cutover").await;
    stage.order("approve", Some("approve_cutover")).await.unwrap();
    until_gate(&mut stage, "accept").await;
    let shut = admitted(&stage);
    open(&stage);
    let told = |view: &MoveView| {
        let warnings = &view.facts.warnings;
        warnings.get("the fence of instance shop-prod").is_some_and(|text| text.contains("sg-app"))
    };
    let view = until(&mut stage, told).await.view;
    let gate = Run::AwaitingApproval { gate: "accept".to_owned() };
    assert_eq!(view.status.run, gate, "the gate stays open");
    // The sessions are ended once the groups are in force.
    let ended = |record: &Record| {
        matches!(record, Record::Intended { cause: Cause::Watch, action, .. }
            if action.to_string().starts_with("end all client sessions"))
    };
    loop {
        let entries = journal(&stage).await;
        if entries.iter().any(|entry| ended(&entry.record)) {
            break;
        }
        until(&mut stage, |_| true).await;
    }
    assert_eq!(admitted(&stage), shut);
    landfall(&stage.product, ["status", "shop"]).await.says(0, &["was open behind the release"]);
    stage.order("approve", Some("accept")).await.unwrap();
    let followed = until_over(&mut stage, Outcome::Moved).await;
    moved(stage, &followed).await;
}
