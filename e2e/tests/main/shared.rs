//! Risk: several servers over one PostgreSQL store. The leader is killed in the hold, is stopped
//! for longer than its lease, or the store itself goes away while traffic is held.
//!
//! Each server has a state directory of its own, as on a machine of its own. Proxies reach
//! whichever server is there through one address.

use std::time::{Duration, Instant};

use landfall_api::core::journal::Record;
use landfall_api::core::status::{Outcome, Run};
use landfall_api::{Client, Driven, MoveView};
use landfall_e2e::stage::Followed;
use landfall_e2e::{Product, Stage, StageConfig, Store};
use landfall_lab::faults::{Fault, Order};
use landfall_lab::process::Signal;

use crate::rivals::{answers_again, follow, freeze, through_a_balancer};
use crate::told::{has, landfall};
use crate::watch::{LONG, into_the_pause, journal, moved, start, undone, until_gate};

/// The stage's call timeout is a second: two of them is the lease, a third the wait for calls that
/// a dead leader began, and a second the pause between two tries. The rest is for a busy machine.
const TAKEN_WITHIN: Duration = Duration::from_secs(4 + 6);

async fn shared_stage() -> Stage {
    let config = StageConfig { store: Store::Shared, ..StageConfig::default() };
    let mut stage = Stage::set(config, None).await.expect("set the stage");
    stage.spec.approve = "person";
    stage
}

async fn second_server(stage: &Stage) -> Product {
    let mut second = stage.product.elsewhere().unwrap();
    second.serve(None).await.expect("serve beside");
    assert_eq!(second.exited(), None, "{}", second.log());
    second
}

fn gate(view: &MoveView) -> bool {
    view.gate.as_ref().is_some_and(|gate| gate.name == "accept")
}

fn over(view: &MoveView) -> bool {
    matches!(view.status.run, Run::Finished { .. })
}

/// From where the second leads to the end, through its own door alone.
async fn goes_on_at(stage: &Stage, second: &Product) -> MoveView {
    let client = second.client().unwrap();
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    let stops = |view: &MoveView| gate(view) || matches!(view.status.run, Run::NeedsHuman { .. });
    let view = follow(&client, stops).await;
    assert!(gate(&view), "{:#?}\n{}", view.status, second.log());
    landfall(second, ["approve", "shop", "accept"]).await.says(0, &[]);
    let view = follow(&client, over).await;
    assert_eq!(view.status.run, Run::Finished { outcome: Outcome::Moved }, "{:#?}", view.status);
    view
}

/// No entry is of an older epoch than one before it, and each is of the leader announced last.
fn in_turn(journal: &[landfall_api::core::journal::Entry]) {
    let mut led = None;
    for entry in journal {
        if matches!(entry.record, Record::Led { .. }) {
            assert!(led < Some(entry.epoch), "{entry:#?}");
            led = Some(entry.epoch);
        }
        assert!(led.is_none() || Some(entry.epoch) == led, "after {led:?}: {entry:#?}");
    }
}

#[tokio::test]
async fn the_leader_killed_in_the_hold_the_other_server_ends_the_move() {
    let mut stage = shared_stage().await;
    let balancer = through_a_balancer(&stage).await;
    let mut second = second_server(&stage).await;
    let client = second.client().unwrap();
    start(&mut stage).await;

    // The server that does not lead answers, and takes orders.
    let elsewhere = |view: &MoveView| matches!(view.driven, Driven::Elsewhere { .. });
    let view = follow(&client, elsewhere).await;
    let Driven::Elsewhere { holder } = &view.driven else { unreachable!() };
    has(holder, &[&format!("pid {}", stage.product.pid().unwrap())]);
    until_gate(&mut stage, "approve_cutover").await;
    stage.lab.arm(Order::unlimited(Fault::ReplicaStall)).await;
    let approve = ["approve", "shop", "approve_cutover", "--note", "from elsewhere"];
    landfall(&second, approve).await.says(0, &[]);
    let waits = |view: &MoveView| {
        view.status.step == "quiesce.drain_replica"
            && matches!(view.status.run, Run::Waiting { .. })
    };
    let first = follow(&client, waits).await.lease.expect("the first leads");
    landfall(&second, ["history", "shop"]).await.says(0, &["from elsewhere"]);
    let killed = Instant::now();
    stage.product.stop(Signal::Kill).await;
    let killed_at = jiff::Timestamp::now();
    balancer.leads_to(second.xds);
    // Told by its own record: the lease is taken earlier, and then it waits for the dead one's calls.
    let leads = |view: &MoveView| {
        let newer = view.lease.as_ref().is_some_and(|now| now.epoch > first.epoch);
        newer && view.updated_at > killed_at
    };
    follow(&client, leads).await;
    let takeover = killed.elapsed();
    println!("takeover after {takeover:?}");
    assert!(takeover < TAKEN_WITHIN, "{takeover:?}");

    let view = goes_on_at(&stage, &second).await;
    stage.product.serve(None).await.expect("serve again");
    in_turn(&journal(&stage).await);
    let budget = stage_budget(&view);
    let report = moved(stage, &Followed { view, crashes: 1 }).await;
    assert!(report.acknowledged > 0);
    assert!(report.pause_ms < budget, "{} of {budget} ms", report.pause_ms);
    second.stop(Signal::Terminate).await;
}

fn stage_budget(view: &MoveView) -> f64 {
    view.spec.pause_budget().as_secs_f64() * 1_000.0
}

#[tokio::test]
async fn a_leader_stopped_for_longer_than_its_lease_does_no_harm_when_it_wakes() {
    let mut stage = shared_stage().await;
    let balancer = through_a_balancer(&stage).await;
    let mut second = second_server(&stage).await;
    let client = second.client().unwrap();
    start(&mut stage).await;
    let first = into_the_pause(&mut stage).await.lease.expect("it leads");

    freeze(&stage.product, rustix::process::Signal::STOP);
    balancer.leads_to(second.xds);
    let taken = |view: &MoveView| view.lease.as_ref().is_some_and(|now| now.epoch > first.epoch);
    follow(&client, taken).await;
    freeze(&stage.product, rustix::process::Signal::CONT);
    answers_again(&stage.product.client().unwrap()).await;

    let view = goes_on_at(&stage, &second).await;
    let journal = journal(&stage).await;
    in_turn(&journal);
    let late = journal.iter().any(|entry| {
        let led = matches!(&entry.record, Record::Led { .. });
        !led && entry.epoch == first.epoch && entry.at > view.facts.released_at.unwrap()
    });
    assert!(!late, "the first wrote after the second had released");
    assert!(second.exited().is_none() && stage.product.exited().is_none());
    moved(stage, &Followed { view, crashes: 0 }).await;
    second.stop(Signal::Terminate).await;
}

/// What a server says of a move while its store is away: its health needs no store.
async fn driven(client: &Client) -> Option<Driven> {
    let health = client.health().await.expect("it answers without its store");
    health.moves.get(&"shop".into()).cloned()
}

async fn says_why(client: &Client, parts: &[&str]) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let end = tokio::time::Instant::now() + LONG;
    loop {
        tick.tick().await;
        let told = driven(client).await;
        if let Some(Driven::Stopped { why }) = &told
            && parts.iter().all(|part| why.contains(part))
        {
            return;
        }
        assert!(tokio::time::Instant::now() < end, "{parts:?} is not in {told:?}");
    }
}

#[tokio::test]
async fn the_store_goes_away_in_the_hold_and_nothing_is_done_until_it_is_back() {
    let mut stage = shared_stage().await;
    stage.spec.pause_budget = Duration::from_secs(20);
    start(&mut stage).await;
    let view = into_the_pause(&mut stage).await;
    let since = view.pause.expect("it is held").since;
    let client = stage.product.client().unwrap();

    stage.store.as_ref().expect("it is shared").stop().await;
    says_why(&client, &["does not answer"]).await;
    let orders = || stage.lab.requests().iter().filter(|one| is_order(&one.action)).count();
    let before = orders();
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    landfall(&stage.product, ["abort", "shop"]).await.says(5, &["LF-029", "does not answer"]);
    // The budget is spent; the source is fenced, so releasing would give errors for waiting.
    says_why(&client, &["traffic of shop has waited since", "is spent", "is fenced"]).await;
    let spent = jiff::Timestamp::now().duration_since(since);
    assert!(spent.as_secs() >= 20, "it is not spent: {spent:#}");
    assert_eq!(orders(), before, "something was ordered that could not be written down");

    stage.store.as_mut().expect("it is shared").start_again().await.expect("start the store");
    let view = follow(&client, over).await;
    assert_eq!(view.status.run, Run::Finished { outcome: Outcome::Undone }, "{:#?}", view.status);
    undone(stage, &Followed { view, crashes: 0 }).await;
}

fn is_order(action: &str) -> bool {
    !action.starts_with("Describe") && !action.starts_with("Get") && !action.starts_with("List")
}
