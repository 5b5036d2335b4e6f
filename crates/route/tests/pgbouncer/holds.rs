//! What a hold holds, on nodes that die in it, and on nodes that bind clients to sessions.

use std::time::Duration;

use landfall_core::ServiceName;
use landfall_core::port::Router as _;
use landfall_core::port::router::Sessions;
use tokio::time::timeout;

use crate::rig::{APPLICATION, Rig, Steered, connect, pause};
use crate::servers::Database;

const GRACE: Duration = Duration::from_secs(10);

async fn steered(rig: &Rig, from: &Database) -> Steered {
    let service = ServiceName::new("shop");
    let steered = Steered { router: rig.router(&service), service };
    let adopted = steered.adopt(&from.endpoint()).await;
    steered.followed(adopted).await;
    steered
}

async fn two() -> (Database, Database) {
    (Database::start().await, Database::start().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_killed_in_the_hold_is_told_again_and_lets_nobody_through() {
    let (source, target) = two().await;
    let rig = Rig::start(2, &source.endpoint(), "transaction", &[]).await;
    source.know(&rig);
    target.know(&rig);
    let steered = steered(&rig, &source).await;
    let tending = rig.router(&steered.service).tending(vec![steered.service.clone()]);
    let held = steered.hold().await;
    steered.followed(held).await;
    source.fence(GRACE).await;
    let pointed = steered.point(&target.endpoint()).await;
    steered.followed(pointed).await;

    rig.nodes[0].kill().await;
    let seen = steered.until(|nodes| !nodes[0].follows(pointed)).await;
    assert_eq!(seen[0].connected_since, None, "{seen:?}");
    assert!(seen[0].rejected.as_ref().is_some_and(|words| words.contains("refused")), "{seen:?}");
    assert!(seen[1].follows(pointed), "{seen:?}");
    rig.nodes[0].start_again().await.expect("start it again");
    // Before it is told again it leads where the fence stands, however early a client comes.
    let address = rig.nodes[0].address();
    let early = tokio::spawn(async move {
        let client = connect(address, "shop", APPLICATION).await?;
        client.batch_execute("insert into written values (1, 1)").await
    });
    steered.followed(pointed).await;
    assert!(source.turned_away() > 0 || !early.is_finished());
    assert_eq!((source.rows().await, target.rows().await), (0, 0));
    assert_eq!(target.let_in(), 0, "a node reached the target before the release");

    let released = steered.release().await;
    steered.followed(released).await;
    let answered = timeout(GRACE, early).await.expect("an answer").expect("no panic");
    answered.expect("the client that waited is let through");
    target.until_rows(1).await;
    assert_eq!(source.rows().await, 0);
    drop(tending);
    source.stop().await;
    target.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_sessions_of_session_pooling_do_not_keep_the_hold_waiting() {
    let (source, target) = two().await;
    let rig = Rig::start(1, &source.endpoint(), "session", &[]).await;
    source.know(&rig);
    target.know(&rig);
    let steered = steered(&rig, &source).await;
    let ability = steered.router.ability().await.expect("it answers");
    assert_eq!(ability.sessions, Sessions::Cut);
    let address = rig.nodes[0].address();
    let idle = connect(address, "shop", APPLICATION).await.expect("log in");
    idle.batch_execute("insert into written values (1, 1)").await.expect("write");

    let held = steered.hold().await;
    let ours = idle.batch_execute("insert into written values (1, 2)").await;
    assert!(ours.is_ok(), "its session goes on until the fence ends it: {ours:?}");
    steered.followed(held).await;
    let waits = tokio::spawn(async move {
        let client = connect(address, "shop", APPLICATION).await?;
        client.batch_execute("insert into written values (2, 1)").await
    });
    let seen = steered
        .until(|nodes| nodes[0].waiting.is_some_and(|waiting| waiting.connections == 1))
        .await;
    assert!(seen[0].waiting.is_some_and(|waiting| waiting.since.is_some()), "{seen:?}");
    source.fence(GRACE).await;
    assert!(idle.batch_execute("select 1").await.is_err(), "the fence cuts it");
    let pointed = steered.point(&target.endpoint()).await;
    steered.followed(pointed).await;
    assert!(!waits.is_finished() && target.rows().await == 0);
    let released = steered.release().await;
    steered.followed(released).await;
    timeout(GRACE, waits).await.expect("an answer").expect("no panic").expect("let through");
    assert_eq!((source.rows().await, target.rows().await), (2, 1));
    source.stop().await;
    target.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_under_way_ends_by_itself_after_the_hold() {
    let (source, target) = two().await;
    let rig = Rig::start(1, &source.endpoint(), "transaction", &[]).await;
    source.know(&rig);
    target.know(&rig);
    let steered = steered(&rig, &source).await;
    let client = connect(rig.nodes[0].address(), "shop", APPLICATION).await.expect("log in");
    client.batch_execute("begin; insert into written values (1, 1)").await.expect("begin");
    let held = steered.hold().await;
    steered.followed(held).await;
    let fence = async { source.fence(GRACE).await };
    let rest = async {
        for _ in 0..5 {
            pause().await;
            client.batch_execute("select 1").await.expect("a statement of it");
        }
        client.batch_execute("commit").await.expect("its commit");
    };
    tokio::join!(fence, rest);
    assert_eq!(source.rows().await, 1);
    let released = steered.release().await;
    steered.followed(released).await;
    source.stop().await;
    target.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_node_is_told_before_the_hold() {
    let source = Database::start().await;
    let rig = Rig::start(1, &source.endpoint(), "transaction", &[]).await;
    source.know(&rig);
    let steered = steered(&rig, &source).await;
    let words = async || {
        let seen = steered.until(|nodes| !nodes[0].follows(1)).await;
        seen[0].rejected.clone().expect("words")
    };
    let file = rig.nodes[0].databases_file();
    let kept = file.with_extension("kept");
    std::fs::rename(&file, &kept).expect("take the file away");
    assert!(words().await.contains("cannot be written"));
    std::fs::rename(&kept, &file).expect("put it back");
    steered.followed(1).await;

    let elsewhere = landfall_core::Endpoint::new("127.0.0.1", 1);
    rig.point_by_hand(0, &elsewhere).await;
    assert!(words().await.contains("leads to 127.0.0.1:1"));
    rig.point_by_hand(0, &source.endpoint()).await;
    steered.followed(1).await;

    let console = rig.console(0).await;
    console.simple_query("PAUSE shop").await.expect("pause");
    assert!(words().await.contains("not by Landfall"));
    console.simple_query("RESUME shop").await.expect("resume");
    steered.followed(1).await;
    source.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_the_node_does_not_include_is_told_with_the_hold_and_taken_back() {
    let source = Database::start().await;
    let rig = Rig::start(1, &source.endpoint(), "transaction", &[]).await;
    source.know(&rig);
    let steered = steered(&rig, &source).await;
    let folder = rig.nodes[0].databases_file().with_file_name("pgbouncer.ini");
    let main = std::fs::read_to_string(&folder).expect("read the main file");
    let (before, _) = main.split_once("%include").expect("it includes the file");
    let at = source.endpoint();
    let by_hand = format!("[databases]\nshop = host={} port={} dbname=shop\n", at.host, at.port);
    std::fs::write(&folder, format!("{before}{by_hand}")).expect("write the main file");
    let held = steered.hold().await;
    let seen = steered.until(|nodes| nodes[0].rejected.is_some()).await;
    assert!(!seen[0].follows(held));
    assert!(seen[0].rejected.as_ref().is_some_and(|words| words.contains("%include")), "{seen:?}");
    let released = steered.release().await;
    steered.followed(released).await;
    let client = connect(rig.nodes[0].address(), "shop", APPLICATION).await.expect("log in");
    client.batch_execute("insert into written values (1, 1)").await.expect("write");
    source.stop().await;
}
