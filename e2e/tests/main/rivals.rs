//! Risk: two orchestrators on one move. One leads and the other says so; one that was frozen and
//! wakes up after another took over writes nothing more.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use landfall_api::core::journal::Record;
use landfall_api::core::status::{Outcome, Run};
use landfall_api::{Client, MoveView};
use landfall_e2e::stage::Followed;
use landfall_e2e::{Product, Stage};
use landfall_lab::faults::Fault;
use landfall_lab::process::{Exit, Running, Signal};
use rustix::process::{Pid, kill_process};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::told::{has, landfall};
use crate::watch::{LONG, into_the_pause, journal, moved, stage_with_gates, start};
use crate::world::goes_on;

/// Waits until a program's log says this.
async fn says(log: &Path, part: &str) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..1200 {
        tick.tick().await;
        if std::fs::read_to_string(log).is_ok_and(|text| text.contains(part)) {
            return;
        }
    }
    panic!("{part:?} is not in\n{}", std::fs::read_to_string(log).unwrap_or_default());
}

/// Waits for its end, with a bound.
async fn ends(running: &Running) -> Exit {
    let ended = tokio::time::timeout(LONG, running.wait()).await;
    ended.unwrap_or_else(|_| panic!("it does not end: {}", running.log_tail()))
}

#[tokio::test]
async fn a_second_run_follows_the_first_and_both_end_well() {
    let mut stage = stage_with_gates().await;
    stage.product.stop(Signal::Terminate).await;
    let file = stage.spec_file().unwrap();
    let file = file.to_str().unwrap();
    let xds = stage.product.xds.to_string();
    let logs = ["first.log", "second.log"].map(|name| stage.dir().join(name));
    let run = |xds: &str| ["run", file, "--follow", "--xds-listen", xds].map(str::to_owned);
    let first = stage.product.start(run(&xds), &logs[0]).await.unwrap();
    says(&logs[0], "landfall approve shop approve_cutover").await;

    // The same address for the gateway is refused, with a remedy.
    let same = landfall(&stage.product, run(&xds)).await;
    same.says(5, &["another Landfall", "--server", "--xds-listen"]);

    let second = stage.product.start(run("127.0.0.1:0"), &logs[1]).await.unwrap();
    says(&logs[1], "Led by ").await;
    has(&std::fs::read_to_string(&logs[1]).unwrap(), &[&format!("pid {}", first.pid())]);
    landfall(&stage.product, ["approve", "shop", "approve_cutover"]).await.says(0, &[]);
    says(&logs[0], "landfall retire shop").await;
    landfall(&stage.product, ["retire", "shop"]).await.says(0, &[]);
    for (running, log) in [(&first, &logs[0]), (&second, &logs[1])] {
        assert_eq!(ends(running).await, Exit::Code(0), "{}", running.log_tail());
        has(&std::fs::read_to_string(log).unwrap(), &["shop is moved"]);
    }
    stage.product.serve(None).await.unwrap();
    let view = stage.product.client().unwrap().one(&"shop".into()).await.unwrap();
    let leaders = journal(&stage).await;
    let leaders = leaders.iter().filter(|entry| matches!(entry.record, Record::Led { .. }));
    assert_eq!(leaders.count(), 1, "somebody else led as well");
    moved(stage, &Followed { view, crashes: 0 }).await;
}

/// One address for two control planes, as a load balancer gives it. Changing its mind cuts what
/// is connected.
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    to: watch::Sender<SocketAddr>,
}

impl Balancer {
    async fn start(first: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let address = listener.local_addr().expect("an address");
        let (to, target) = watch::channel(first);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(forward(stream, target.clone()));
            }
        });
        Self { address, to }
    }

    /// From here on it leads there.
    pub(crate) fn leads_to(&self, target: SocketAddr) {
        self.to.send_replace(target);
    }
}

async fn forward(mut from: TcpStream, mut target: watch::Receiver<SocketAddr>) {
    let address = *target.borrow_and_update();
    let Ok(mut to) = TcpStream::connect(address).await else { return };
    tokio::select! {
        // A stream that breaks is what a control plane's client has to live with.
        _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
        _ = target.changed() => {}
    }
}

pub(crate) async fn through_a_balancer(stage: &Stage) -> Balancer {
    let balancer = Balancer::start(stage.product.xds).await;
    let file = stage.lab.dir().join("gateway").join("envoy.yaml");
    let bootstrap = std::fs::read_to_string(file).expect("read the bootstrap");
    let port = |address: SocketAddr| address.port().to_string();
    let bootstrap = bootstrap.replace(&port(stage.product.xds), &port(balancer.address));
    stage.lab.start_gateway(bootstrap, stage.admin).await.expect("start Envoy");
    goes_on(stage).await;
    balancer
}

/// Follows through one particular server.
pub(crate) async fn follow(client: &Client, wanted: impl Fn(&MoveView) -> bool) -> MoveView {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let end = tokio::time::Instant::now() + LONG;
    loop {
        tick.tick().await;
        let view = client.one(&"shop".into()).await.expect("look");
        if wanted(&view) {
            return view;
        }
        assert!(tokio::time::Instant::now() < end, "it does not get there: {:#?}", view.status);
    }
}

pub(crate) async fn answers_again(client: &Client) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..600 {
        tick.tick().await;
        if client.health().await.is_ok() {
            return;
        }
    }
    panic!("the first orchestrator does not wake up");
}

pub(crate) fn freeze(product: &Product, signal: rustix::process::Signal) {
    let pid = product.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    kill_process(pid.expect("the orchestrator runs"), signal).expect("send a signal");
}

#[tokio::test]
async fn an_orchestrator_that_wakes_up_after_its_lease_writes_nothing_more() {
    let mut stage = stage_with_gates().await;
    let balancer = through_a_balancer(&stage).await;
    start(&mut stage).await;
    let view = into_the_pause(&mut stage).await;
    let (first, first_part) = (view.lease.expect("it leads"), view.last.0);

    freeze(&stage.product, rustix::process::Signal::STOP);
    let mut second = stage.product.beside().unwrap();
    second.serve(None).await.expect("serve beside");
    balancer.leads_to(second.xds);
    let client = second.client().unwrap();
    let taken = |view: &MoveView| view.lease.as_ref().is_some_and(|now| now.epoch > first.epoch);
    follow(&client, taken).await;

    // Both are awake; only one may write.
    freeze(&stage.product, rustix::process::Signal::CONT);
    answers_again(&stage.product.client().unwrap()).await;
    stage.lab.cloud().faults().clear(Some(Fault::ReplicaStall));
    let gate = |view: &MoveView| view.gate.as_ref().is_some_and(|gate| gate.name == "accept");
    let stops = |view: &MoveView| gate(view) || matches!(view.status.run, Run::NeedsHuman { .. });
    let view = follow(&client, stops).await;
    assert!(gate(&view), "{:#?}\n{}\n{}", view.status, stage.product.log(), second.log());
    stage.order("approve", Some("accept")).await.expect("approve");
    let over = |view: &MoveView| matches!(view.status.run, Run::Finished { .. });
    let view = follow(&client, over).await;
    assert_eq!(view.status.run, Run::Finished { outcome: Outcome::Moved }, "{:#?}", view.status);

    let journal = journal(&stage).await;
    let mut epochs = journal.iter().map(|entry| entry.epoch).collect::<Vec<_>>();
    assert!(epochs.is_sorted(), "an older epoch wrote after a newer one: {epochs:?}");
    epochs.dedup();
    // Each entry is of the epoch whose leader was announced last; on a machine that is slow for
    // longer than the lease the lead may change once more.
    let mut led = first.epoch;
    for entry in &journal[usize::try_from(first_part).unwrap()..] {
        if matches!(entry.record, Record::Led { .. }) {
            led = entry.epoch;
        }
        assert_eq!(entry.epoch, led, "{entry:#?}");
    }
    assert!(led > first.epoch, "nobody took over: {epochs:?}");
    assert!(second.exited().is_none() && stage.product.exited().is_none());
    let report = moved(stage, &Followed { view, crashes: 0 }).await;
    assert!(report.acknowledged > 0);
    second.stop(Signal::Terminate).await;
}
