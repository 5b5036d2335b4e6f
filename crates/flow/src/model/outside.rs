//! The services and programs of the model's owner, as far as a smoke test asks them.
//!
//! A URL's host says what it is: `well.model`, `ill.model`, `mute.model`; nobody is elsewhere. A
//! program's name does the same: `/bin/speak`, `/bin/fail`, `/bin/chatter`, `/bin/hang`.

use std::time::Duration;

use async_trait::async_trait;
use landfall_core::Endpoint;
use landfall_core::port::tests::{OUTPUT_MAX, TestRun, bounded, filled};
use landfall_core::port::{Clock, Tests};
use landfall_core::quantity::duration_text;
use landfall_core::spec::{CommandTest, HttpTest};

use super::World;

fn run(test: &str, failed: Option<String>, said: &str, took: Duration) -> TestRun {
    TestRun { test: test.to_owned(), failed, output: bounded(said.as_bytes()), took }
}

impl World {
    async fn silence(&self, test: &str, within: Duration) -> TestRun {
        Clock::sleep(self, within).await;
        let why = format!("it did not end within {}", duration_text::to_text(within));
        run(test, Some(why), "", within)
    }
}

#[async_trait]
impl Tests for World {
    async fn http(&self, test: &HttpTest, at: &Endpoint) -> TestRun {
        self.call().await;
        let took = self.lock().delays.call;
        let url = filled(&test.url, at);
        let named = format!("smoke.http {}", test.url);
        let (host, path) =
            url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap_or_default();
        let (status, body) = match host {
            "well.model" => (200, format!("all is well at {path}")),
            "ill.model" => (503, "no database".to_owned()),
            "mute.model" => return self.silence(&named, test.within).await,
            _ => return run(&named, Some("connection refused".to_owned()), "", took),
        };
        let missing = test.contains.as_ref().filter(|wanted| !body.contains(*wanted));
        let failed = if status != test.status {
            Some(format!("it answered {status} instead of {}", test.status))
        } else {
            missing.map(|wanted| format!("its answer does not contain {wanted:?}"))
        };
        run(&named, failed, &body, took)
    }

    async fn command(&self, test: &CommandTest, at: &Endpoint) -> TestRun {
        self.call().await;
        let took = self.lock().delays.call;
        let named = format!("smoke.command {}", test.program);
        let arguments: String =
            test.args.iter().map(|argument| format!("{}\n", filled(argument, at))).collect();
        match test.program.as_str() {
            "/bin/speak" => run(&named, None, &format!("{arguments}{at}\n"), took),
            "/bin/fail" => run(&named, Some("it ended with 3".to_owned()), "broken", took),
            "/bin/chatter" => run(&named, None, &"x".repeat(OUTPUT_MAX * 2), took),
            "/bin/hang" => self.silence(&named, test.within).await,
            other => run(&named, Some(format!("{other} cannot be started")), "", took),
        }
    }
}
