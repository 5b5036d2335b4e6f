//! What whoever runs the owner's tests must promise: an answer within its time, whatever is asked,
//! that names the test and keeps what was said.

use std::time::Duration;

use async_trait::async_trait;

use crate::ids::Endpoint;
use crate::port::Tests;
use crate::port::tests::{OUTPUT_MAX, TestRun};
use crate::spec::{CommandTest, HttpTest};

/// Gives the suite services and programs of every kind.
#[async_trait]
pub trait TestsFixture: Sync {
    /// The implementation.
    fn port(&self) -> &dyn Tests;
    /// A URL that answers 200 with `all is well at {endpoint}`, the endpoint as it was asked.
    fn well(&self) -> String;
    /// A URL that answers 503 with `no database`.
    fn ill(&self) -> String;
    /// A URL that takes a connection and never answers.
    fn mute(&self) -> String;
    /// A URL at which nobody is.
    fn nobody(&self) -> String;
    /// A program that prints its arguments, one a line, then its target from the environment as
    /// `host:port`, and ends well.
    fn speaks(&self) -> CommandTest;
    /// A program that prints `broken` to its errors and ends with 3.
    fn fails(&self) -> CommandTest;
    /// A program that prints a megabyte and ends well.
    fn chatters(&self) -> CommandTest;
    /// A program that does not end.
    fn hangs(&self) -> CommandTest;
    /// How long the world thinks a run took at most, for what never ends.
    fn patience(&self) -> Duration {
        Duration::from_secs(5)
    }
}

const WITHIN: Duration = Duration::from_millis(400);

fn at() -> Endpoint {
    Endpoint::new("db.example", 5_433)
}

fn get(url: String) -> HttpTest {
    HttpTest { url, status: 200, contains: None, within: WITHIN }
}

/// Every promise, one after another.
pub async fn every_promise<F: TestsFixture>(fixture: &F) {
    answers_are_judged(fixture).await;
    silence_ends_in_time(fixture).await;
    programs_are_judged(fixture).await;
}

fn passed(run: &TestRun) {
    assert_eq!(run.failed, None, "{run:?}");
}

fn failed(run: &TestRun, why: &str) {
    let told = run.failed.as_deref().unwrap_or("it passed");
    assert!(told.contains(why), "{why:?} missing: {run:?}");
}

async fn answers_are_judged<F: TestsFixture>(fixture: &F) {
    let slow = Duration::from_secs(5);
    let well = HttpTest {
        contains: Some("well at db.example:5433".to_owned()),
        within: slow,
        ..get(fixture.well())
    };
    let run = fixture.port().http(&well, &at()).await;
    passed(&run);
    assert!(run.output.contains("all is well") && run.test.contains("http"), "{run:?}");
    let wanting = HttpTest { contains: Some("gold".to_owned()), ..well.clone() };
    failed(&fixture.port().http(&wanting, &at()).await, "gold");
    let ill = HttpTest { within: slow, ..get(fixture.ill()) };
    let run = fixture.port().http(&ill, &at()).await;
    failed(&run, "503");
    assert!(run.output.contains("no database"), "{run:?}");
    passed(&fixture.port().http(&HttpTest { status: 503, ..ill }, &at()).await);
}

async fn silence_ends_in_time<F: TestsFixture>(fixture: &F) {
    let run = fixture.port().http(&get(fixture.mute()), &at()).await;
    failed(&run, "400ms");
    assert!(run.took < fixture.patience(), "{run:?}");
    let run = fixture.port().http(&get(fixture.nobody()), &at()).await;
    assert!(run.failed.is_some(), "{run:?}");
    let run = fixture.port().http(&get("http://".to_owned()), &at()).await;
    assert!(run.failed.is_some(), "no address: {run:?}");
    let hangs = CommandTest { within: WITHIN, ..fixture.hangs() };
    let run = fixture.port().command(&hangs, &at()).await;
    failed(&run, "400ms");
    assert!(run.took < fixture.patience(), "{run:?}");
}

async fn programs_are_judged<F: TestsFixture>(fixture: &F) {
    let mut speaks = fixture.speaks();
    speaks.args.extend(["to {host}".to_owned(), "{port}".to_owned()]);
    let run = fixture.port().command(&speaks, &at()).await;
    passed(&run);
    for said in ["to db.example\n", "\n5433\n", "db.example:5433"] {
        assert!(run.output.contains(said), "{said:?} missing: {run:?}");
    }
    assert!(run.test.contains(&speaks.program), "{run:?}");
    let run = fixture.port().command(&fixture.fails(), &at()).await;
    failed(&run, "3");
    assert!(run.output.contains("broken"), "{run:?}");
    let run = fixture.port().command(&fixture.chatters(), &at()).await;
    passed(&run);
    assert!(!run.output.is_empty() && run.output.len() <= OUTPUT_MAX, "{}", run.output.len());
    let missing = CommandTest { program: "/nowhere/at-all".to_owned(), ..fixture.fails() };
    failed(&fixture.port().command(&missing, &at()).await, "/nowhere/at-all");
}
