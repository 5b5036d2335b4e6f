//! `cargo xtask demo`: one whole physical move of a live database, on this machine.
//!
//! Lab up, data in, a load through a real gateway, one move, a verdict by the load's own ledger. The
//! last line is JSON. Everything is taken down at the end, or by whatever ends this process.

mod kill;
mod tell;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use landfall_api::core::Seq;
use landfall_api::core::journal::{Entry, Record};
use landfall_api::core::quantity::duration_text;
use landfall_e2e::load::Strength;
use landfall_e2e::stage::{Login, Store};
use landfall_e2e::{CrashPoint, Fence, Report, Router, Stage, StageConfig, back};
use landfall_lab::seed::Size;

use crate::tell::Tell;

/// Moves a live PostgreSQL database from the lab's RDS to the lab's Aurora and judges the move.
#[expect(clippy::struct_excessive_bools, reason = "the flags of a command line")]
#[derive(Debug, Clone, Parser)]
#[command(name = "cargo xtask demo")]
struct Options {
    /// A source of 1 GB instead of 100 MB
    #[arg(long, conflicts_with = "tiny")]
    large: bool,
    /// A source of 5 MB
    #[arg(long)]
    tiny: bool,
    /// How sessions on the source end [default: terminate; reboot without credentials]
    #[arg(long, value_enum)]
    fence: Option<FenceOption>,
    /// What the application connects through
    #[arg(long, value_enum, default_value = "envoy")]
    router: Router,
    /// Landfall gets no database credential: the fence is a reboot, the proof is the metric
    #[arg(long)]
    credential_free: bool,
    /// kill -9 the orchestrator at journal write N, or in turn at every one
    #[arg(long, value_name = "N|all")]
    kill_at: Option<KillAt>,
    /// With --kill-at N: once the write is durable, or after an intent's effect
    #[arg(long, value_enum, default_value = "written", requires = "kill_at")]
    kill_when: When,
    /// With --kill-at all: only every Kth crash point
    #[arg(long, value_name = "K", default_value_t = 1, requires = "kill_at")]
    every: usize,
    /// Roll back when the target has taken writes for that long, such as 15s
    #[arg(long, value_name = "DURATION", conflicts_with = "manual")]
    roll_back_after: Option<Span>,
    /// Ask at the gates instead of opening them
    #[arg(long, conflicts_with = "kill_at")]
    manual: bool,
    /// Leave everything up until Ctrl-C, and say how to look around
    #[arg(long, conflicts_with = "kill_at")]
    keep: bool,
    /// Only the last line on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FenceOption {
    Terminate,
    Reboot,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum When {
    Written,
    Effect,
}

#[derive(Debug, Clone, Copy)]
enum KillAt {
    One(u64),
    All,
}

/// A span as specs write it.
#[derive(Debug, Clone, Copy)]
struct Span(Duration);

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        duration_text::parse(text).map(Self)
    }
}

impl std::str::FromStr for KillAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        let at = text.parse().ok().filter(|at| *at > 0);
        at.map(Self::One).ok_or_else(|| format!("{text} is no journal position; write 12, or all"))
    }
}

impl Options {
    fn stage(&self) -> Result<StageConfig> {
        let access = !self.credential_free;
        let fence = match self.fence {
            Some(FenceOption::Terminate) => Fence::Terminate,
            Some(FenceOption::Reboot) => Fence::Reboot,
            None if access => Fence::Terminate,
            None => Fence::Reboot,
        };
        ensure!(
            access || fence == Fence::Reboot,
            "--fence terminate ends sessions through SQL, and --credential-free has no access"
        );
        let size = if self.large {
            Size::Large
        } else if self.tiny || matches!(self.kill_at, Some(KillAt::All)) {
            Size::Tiny
        } else {
            Size::Default
        };
        let router = self.router;
        let (strength, store) = (Strength::default(), Store::default());
        let login = Login::default();
        Ok(StageConfig { size, strength, access, fence, router, store, login })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let tell = Tell::new(options.json);
    let done = match options.kill_at {
        Some(KillAt::All) => Box::pin(kill::everywhere(&options, &tell)).await,
        Some(KillAt::One(_)) | None => Box::pin(one(&options, &tell)).await,
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tell.say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The lab measures once a second, and fewer than ten points say nothing.
const COMPARED_FOR: Duration = Duration::from_secs(12);

/// One move; whether it was good.
async fn one(options: &Options, tell: &Tell) -> Result<bool> {
    let crash = match options.kill_at {
        Some(KillAt::One(at)) => Some(CrashPoint { at, when: word(options.kill_when) }),
        Some(KillAt::All) | None => None,
    };
    let config = options.stage()?;
    tell.say(&format!(
        "Lab: PostgreSQL, a gateway and a load on this machine ({} of data) …",
        config.size
    ));
    let mut stage = Stage::set(config, crash).await?;
    stage.spec.compare_for = COMPARED_FOR;
    if options.manual {
        stage.spec.approve = "person";
    }
    if options.roll_back_after.is_some() {
        back::prepare(&mut stage).await?;
    }
    tell.stage(&stage);
    let bound = Duration::from_mins(20);
    let mut crashes = stage.start().await?;
    let mut written = None;
    if let Some(Span(after)) = options.roll_back_after {
        let mut told = 0;
        let say = |view: &landfall_api::MoveView| told = tell.rows(view, told);
        let (soaked, on_target) = Box::pin(back::ask(&mut stage, (bound, after), say)).await?;
        tell.say(&format!(
            "{on_target} rows were written to the target: $ landfall roll-back shop"
        ));
        crashes += soaked;
        written = Some(on_target);
    }
    let followed = tell.follow(&mut stage, bound, options.manual).await?;
    crashes += followed.crashes;
    if options.keep {
        tell.around(&stage)?;
        tokio::signal::ctrl_c().await?;
    }
    let mut report = stage.close(&landfall_e2e::stage::Followed { crashes, ..followed }).await?;
    report.written_on_target = written.map_or(serde_json::Value::Null, Into::into);
    if crash.is_some() && report.crashes == 0 {
        tell.say(&format!("The journal has {} entries: nothing was killed.", report.journal));
        tell.result(&report)?;
        return Ok(false);
    }
    tell.verdict(&report);
    tell.result(&report)?;
    let wanted = if written.is_some() { "rolled back" } else { "moved" };
    Ok(report.is_good() && report.verdict == wanted)
}

const fn word(when: When) -> &'static str {
    match when {
        When::Written => "written",
        When::Effect => "effect",
    }
}

/// Runs a move to its end and judges it, without telling; with a roll-back when there is to be one.
async fn quietly(
    config: StageConfig,
    crash: Option<CrashPoint>,
    back: Option<Span>,
) -> Result<(Report, Vec<bool>)> {
    const BOUND: Duration = Duration::from_mins(3);
    let mut stage = Stage::set(config, crash).await?;
    let followed = match back {
        None => stage.run(BOUND).await?,
        Some(Span(after)) => {
            back::prepare(&mut stage).await?;
            let started = stage.start().await?;
            let (asked, _) = Box::pin(back::ask(&mut stage, (BOUND, after), |_| {})).await?;
            let followed = stage.follow(BOUND, landfall_e2e::report::is_over).await?;
            let crashes = started + asked + followed.crashes;
            landfall_e2e::stage::Followed { crashes, ..followed }
        }
    };
    let intents = intents(&stage).await?;
    Ok((stage.close(&followed).await?, intents))
}

/// For each entry of the journal, whether it is an intent.
async fn intents(stage: &Stage) -> Result<Vec<bool>> {
    let name = stage.spec.name.as_str().into();
    let history = stage.product.client()?.history(&name, Seq(0)).await?;
    let intent = |entry: &Entry| matches!(entry.record, Record::Intended { .. });
    Ok(history.entries.iter().map(intent).collect())
}
