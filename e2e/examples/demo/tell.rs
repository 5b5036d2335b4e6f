//! What the demo says: a transcript for people, and the last line for programs.

use std::io::{BufRead as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, Result};
use landfall_api::MoveView;
use landfall_e2e::stage::Followed;
use landfall_e2e::{Report, Stage, report};

/// Where the transcript goes: stdout, or stderr when only the last line belongs on stdout.
pub(crate) struct Tell {
    json: bool,
    started: tokio::time::Instant,
}

impl Tell {
    #[expect(clippy::fn_params_excessive_bools, reason = "the flag as it was given")]
    pub(crate) fn new(json: bool) -> Self {
        Self { json, started: tokio::time::Instant::now() }
    }

    pub(crate) fn say(&self, text: &str) {
        let line = format!("[{:6.1} s] {text}\n", self.started.elapsed().as_secs_f64());
        // A reader that went away is no reason to break off a move.
        let _ = if self.json {
            std::io::stderr().write_all(line.as_bytes())
        } else {
            std::io::stdout().write_all(line.as_bytes())
        };
    }

    pub(crate) fn stage(&self, stage: &Stage) {
        let source = stage.lab.source();
        self.say(&format!(
            "Source: instance {} at {}:{}",
            source.instance, source.host, source.port
        ));
        let what = if stage.pooled.is_some() { "two PgBouncers behind" } else { "Envoy at" };
        self.say(&format!("Gateway: {what} {}, where the load writes", stage.gateway));
        self.say(&format!(
            "Orchestrator: landfall serve, pid {}",
            stage.product.pid().unwrap_or(0)
        ));
        self.say("The move begins: $ landfall run shop.toml");
    }

    /// Follows the move, saying each step as it is done.
    #[expect(clippy::fn_params_excessive_bools, reason = "the flag as it was given")]
    pub(crate) async fn follow(
        &self,
        stage: &mut Stage,
        bound: Duration,
        manual: bool,
    ) -> Result<Followed> {
        let mut crashes = 0;
        let mut told = 0;
        loop {
            let followed = stage
                .follow(bound, |view| {
                    told = self.rows(view, told);
                    report::is_over(view) || view.gate.is_some()
                })
                .await?;
            crashes += followed.crashes;
            let Some(gate) = followed.view.gate.as_ref().filter(|_| manual) else {
                if followed.view.gate.is_some() {
                    continue;
                }
                if crashes > 0 {
                    self.say(&format!("The orchestrator was killed {crashes} times on the way."));
                }
                return Ok(Followed { crashes, ..followed });
            };
            self.ask(&gate.name, &gate.title)?;
            stage.order("approve", Some(&gate.name)).await?;
        }
    }

    fn ask(&self, gate: &str, title: &str) -> Result<()> {
        self.say(&format!("Gate {gate}: {title}. Press Enter to approve."));
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).context("read the answer")?;
        Ok(())
    }

    pub(crate) fn rows(&self, view: &MoveView, told: usize) -> usize {
        let rows = serde_json::to_value(&view.rows).unwrap_or_default();
        let done = rows.as_array().into_iter().flatten().filter(|row| row["place"] == "done");
        let mut count = 0;
        for row in done {
            count += 1;
            if count > told {
                let phase = row["phase"].as_str().unwrap_or_default();
                self.say(&format!("{phase:>9}  {}", row["title"].as_str().unwrap_or_default()));
            }
        }
        told.max(count)
    }

    pub(crate) fn around(&self, stage: &Stage) -> Result<()> {
        let spec = stage.spec_file()?;
        self.say("Everything stays up until Ctrl-C. Look around in another terminal:");
        let environment = stage.lab.environment();
        for (name, value) in environment {
            self.say(&format!("  export {name}={value}"));
        }
        self.say(&format!("  export LANDFALL_SERVER=http://{}", stage.product.api));
        self.say("  landfall status shop; landfall history shop; landfall route status");
        self.say("  aws rds describe-db-clusters");
        let source = stage.lab.source();
        self.say(&format!(
            "  PGPASSWORD={} psql -h {} -p {} -U {} {}",
            source.password,
            stage.gateway.ip(),
            stage.gateway.port(),
            source.user,
            source.databases.join(" ")
        ));
        self.say(&format!("  the spec is {}", spec.display()));
        Ok(())
    }

    pub(crate) fn verdict(&self, report: &Report) {
        self.say(&format!(
            "{} writes were acknowledged; {} lost, {} doubled, {} unknown.",
            report.acknowledged, report.lost, report.doubled, report.unknown
        ));
        self.say(&format!(
            "The longest pause was {} ms; {} sessions were cut, {} statements failed.",
            report.pause_ms, report.sessions_cut, report.failed_statements
        ));
        let of = |value: &serde_json::Value, key: &str| {
            value.get(key).map_or_else(|| "not looked".to_owned(), ToString::to_string)
        };
        self.say(&format!(
            "Lag: {} bytes at most, pace {}. Comparison: {}. Parameters carried: {}.",
            of(&report.lag_verdict, "max_bytes"),
            of(&report.lag_verdict, "pace"),
            of(&report.comparison, "verdict"),
            of(&report.parameters, "carried"),
        ));
        self.say(&format!(
            "{} writes a second before, {} after. Verdict: {}.",
            report.rate_before, report.rate_after, report.verdict
        ));
    }

    /// The last line, on stdout in every case.
    pub(crate) fn result(&self, report: &impl serde::Serialize) -> Result<()> {
        let line = serde_json::to_string(report).context("write the result")?;
        std::io::stdout().write_all(format!("{line}\n").as_bytes()).context("write the result")
    }
}
