//! What came of a move, in one line: the referee's counts and the journal's proofs.

use anyhow::{Context as _, Result};
use landfall_api::MoveView;
use landfall_api::core::Facts;
use landfall_api::core::comparison::Judged;
use landfall_api::core::facts::{MetricVerdict, ParameterFate};
use landfall_api::core::status::{Outcome, Run};
use landfall_lab::workload::{Summary, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::load::Load;
use crate::stage::{Followed, Stage, connect};

/// The last line of the demo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Acknowledged writes that the deciding server does not have.
    pub lost: u64,
    /// Writes it has twice.
    pub doubled: u64,
    /// Commit sent, connection died: both outcomes are legal.
    pub unknown: u64,
    /// Acknowledged writes.
    pub acknowledged: u64,
    /// Writes on the source that the target does not have.
    pub stranded: u64,
    /// From the last answer before the pause to the first after it, ms.
    pub pause_ms: f64,
    /// How much longer than usual attempts took around the pause, and at most, ms.
    pub added_p99_ms: f64,
    /// The longest wait of an attempt beyond the usual, ms.
    pub added_max_ms: f64,
    /// Statements that failed.
    pub failed_statements: u64,
    /// Sessions ended from the other side.
    pub sessions_cut: u64,
    /// The proofs of sync.
    pub proofs: Proofs,
    /// Acknowledged writes a second before the pause.
    pub rate_before: f64,
    /// And after it.
    pub rate_after: f64,
    /// The route's epoch in the end.
    pub route_epoch: u64,
    /// Things of ours left on either server.
    pub leftovers: u64,
    /// How often the orchestrator died on the way.
    pub crashes: u32,
    /// What the assessment found: blockers, warnings, notes; null in older journals.
    pub findings: Value,
    /// What became of the parameters set by hand, by fate, and how many run as planned.
    pub parameters: Value,
    /// What sustained lag came to.
    pub lag_verdict: Value,
    /// The target beside the source.
    pub comparison: Value,
    /// Acknowledged writes that were on the target when it was rolled back; null when it was not.
    pub written_on_target: Value,
    /// Entries of the journal.
    pub journal: u64,
    /// `moved`, `undone`, `rolled back`, or what went wrong.
    pub verdict: String,
}

/// The two proofs of sync.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proofs {
    /// True with access, null without.
    pub lsn: Value,
    /// With access what it says beside the other; without, whether it proved the sync.
    pub metric: Value,
}

/// Whether a move is over, or waits for a person.
pub fn is_over(view: &MoveView) -> bool {
    matches!(view.status.run, Run::Finished { .. } | Run::NeedsHuman { .. })
}

/// How a finished move ended: `moved` or `undone`; otherwise its state and problem.
pub fn outcome(view: &MoveView) -> String {
    match &view.status.run {
        Run::Finished { outcome: Outcome::Moved } => "moved".to_owned(),
        Run::Finished { outcome: Outcome::Undone } => "undone".to_owned(),
        Run::Finished { outcome: Outcome::RolledBack } => "rolled back".to_owned(),
        Run::NeedsHuman { problem } => format!("stopped by {problem}"),
        run @ (Run::Running
        | Run::Waiting { .. }
        | Run::AwaitingApproval { .. }
        | Run::Paused { .. }) => format!("not over: {run:?}"),
    }
}

impl Report {
    pub(crate) async fn make(stage: &Stage, followed: &Followed, load: Load) -> Result<Self> {
        // Rates and latencies after the pause need something after the pause.
        let ended = outcome(&followed.view);
        if matches!(followed.view.status.run, Run::Finished { .. }) {
            load.go_on_for(100, std::time::Duration::from_secs(30))
                .await
                .context("see the load run after the move")?;
        }
        let source = stage.lab.source().clone();
        let target = stage.lab.access("shop-aurora-1").ok();
        let judged = match (&target, ended.as_str()) {
            (Some(target), "moved") => load.judge(target, Some(&source)).await?,
            (Some(target), "rolled back") => load.judge(&source, Some(target)).await?,
            _ => load.judge(&source, None).await?,
        };
        let leftovers = leftovers(stage).await?;
        let routes = stage.product.client()?.routes().await.context("read the routes")?;
        let epoch = routes.iter().find_map(|one| Some(one.view.route.as_ref()?.epoch));
        Ok(Self {
            route_epoch: epoch.unwrap_or_default(),
            ..Self::of(followed, &judged, leftovers, ended)
        })
    }

    fn of(
        followed: &Followed,
        (summary, verdict): &(Summary, Verdict),
        leftovers: u64,
        ended: String,
    ) -> Self {
        let proven = followed.view.facts.proven.as_ref();
        let with_access = proven.is_some_and(|proof| proof.marker_lsn.is_some());
        let metric = match proven.map(|proof| proof.metric) {
            Some(word) if with_access => json!(word),
            Some(word) => json!(word == MetricVerdict::Agrees),
            None => Value::Null,
        };
        let clean = verdict.is_clean();
        Self {
            lost: verdict.lost,
            doubled: verdict.doubled,
            unknown: verdict.unknown,
            acknowledged: verdict.acknowledged,
            stranded: verdict.stranded,
            pause_ms: rounded(summary.pause.map_or(0.0, |pause| pause.pause_ms)),
            added_p99_ms: rounded(summary.added.map_or(0.0, |added| added.p99_ms)),
            added_max_ms: rounded(summary.added.map_or(0.0, |added| added.max_ms)),
            failed_statements: summary.tally.all.failed,
            sessions_cut: summary.tally.all.sessions_cut,
            proofs: Proofs { lsn: if with_access { json!(true) } else { Value::Null }, metric },
            rate_before: rounded(summary.before.rate_per_second),
            rate_after: rounded(summary.after.rate_per_second),
            route_epoch: 0,
            leftovers,
            crashes: followed.crashes,
            findings: findings(&followed.view.facts),
            parameters: parameters(&followed.view.facts),
            lag_verdict: lag_verdict(&followed.view.facts),
            comparison: comparison(&followed.view.facts),
            written_on_target: Value::Null,
            journal: followed.view.last.0,
            verdict: if clean { ended } else { format!("not clean: {verdict}") },
        }
    }

    /// Whether the move did what it promised.
    pub fn is_good(&self) -> bool {
        let ended = self.verdict == "moved" || self.verdict == "rolled back";
        ended && self.lost == 0 && self.doubled == 0 && self.leftovers == 0
    }
}

fn findings(facts: &Facts) -> Value {
    facts.assessed.as_ref().map_or(Value::Null, |found| {
        json!({
            "blockers": found.blockers,
            "warnings": found.warnings,
            "notes": found.notes,
            "not_looked": found.not_looked,
        })
    })
}

fn parameters(facts: &Facts) -> Value {
    let count = |fate| {
        let verdicts = facts.parameters.iter().flatten();
        verdicts.filter(|verdict| verdict.fate == fate).count()
    };
    json!({
        "carried": count(ParameterFate::Carried),
        "renamed": count(ParameterFate::Renamed),
        "adjusted": count(ParameterFate::Adjusted),
        "kept_default": count(ParameterFate::KeptDefault),
        "dropped": count(ParameterFate::Dropped),
        "in_force": facts.parity.as_ref().map(|parity| parity.in_force),
    })
}

fn lag_verdict(facts: &Facts) -> Value {
    facts.sustained.as_ref().map_or(Value::Null, |lag| {
        json!({
            "pace": lag.pace.map(|pace| pace.verdict),
            "max_bytes": lag.lag_max,
            "p95_bytes": lag.lag_p95,
            "wal_peak_bytes_per_second": lag.pace.map(|pace| pace.wal_peak),
            "replay_max_bytes_per_second": lag.pace.and_then(|pace| pace.replay_max),
            "bursts": lag.bursts.map(|bursts| bursts.count),
            "points": lag.points,
        })
    })
}

fn comparison(facts: &Facts) -> Value {
    facts.comparison.as_ref().map_or(Value::Null, |found| {
        json!({
            "verdict": found.verdict,
            "hours": found.hours,
            "same": found.count(Judged::Same),
            "better": found.count(Judged::Better),
            "worse": found.count(Judged::Worse),
            "too_few": found.count(Judged::TooFew),
            "statements": found.statements_compared,
            "slower_statements": found.slower.len(),
        })
    })
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

const LEFT: &str = "select (select count(*) from pg_namespace where nspname = 'landfall') \
                    + (select count(*) from pg_replication_slots) \
                    + (select count(*) from pg_publication where pubname like 'landfall%') \
                    + (select count(*) from pg_subscription where subname like 'landfall%') \
                    + (select count(*) from pg_roles where rolname like 'landfall_back%')";

/// Our schema, slots, publications, subscriptions and roles, on either server.
async fn leftovers(stage: &Stage) -> Result<u64> {
    let mut left = 0;
    let source = stage.lab.source().clone();
    for access in [Some(source), stage.lab.access("shop-aurora-1").ok()].into_iter().flatten() {
        let database = access.databases.first().cloned().unwrap_or_default();
        let client = connect(&access, &database).await?;
        let count: i64 = client.query_one(LEFT, &[]).await.context("look for leftovers")?.get(0);
        left += u64::try_from(count).unwrap_or_default();
    }
    Ok(left)
}
