//! The report: everything a reader is told, in one value.
//!
//! A fold of the journal, made anew whenever it is asked for; it is stored nowhere. A move that is
//! not over has a report too, and its verdict says so.

use jiff::Timestamp;
use landfall_core::action::SessionsEnded;
use landfall_core::comparison::Comparison;
use landfall_core::facts::{ParameterVerdict, Parity, SourceFacts, SustainedLag, TargetFacts};
use landfall_core::journal::{Entry, Record};
use landfall_core::port::tests::TestRun;
use landfall_core::sample::Sample;
use landfall_core::status::{self, Outcome, Run, Status};
use landfall_core::{Course, Facts, Finding, MigrationName, Spec};
use serde::Serialize;
use serde_json::Value;

use crate::Titles;
use crate::left::{self, Left};
use crate::people::People;
use crate::proof::{self, Lag, Proofs, Watched};
use crate::trouble::{self, FailedCall};
use crate::walk::{self, Attempt, Over, Pause, PhaseSpan, Stay};
use crate::{line, time};

const ASSESS: &str = "prepare.assess_source";
const SMOKE: [&str; 2] = ["cutover.smoke_target", "verify.smoke_again"];

/// Who made a report, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Made {
    /// When.
    pub at: Timestamp,
    /// Landfall's version.
    pub version: String,
}

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// The whole journal, in order.
    pub entries: &'a [Entry],
    /// Step titles by id.
    pub titles: &'a Titles,
    /// The store's samples of lag; may be empty.
    pub lag: &'a [Sample],
    /// The store's other samples of that time.
    pub watched: &'a Watched,
    /// What the checks say of [`assessed`]; they are no part of this crate.
    pub findings: &'a Judged,
    /// By whom and when.
    pub made: &'a Made,
}

/// How a move stands, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// `moved`, `undone` or `open`.
    pub word: &'static str,
    /// One sentence.
    pub headline: String,
    /// What it stands on, a sentence each.
    pub because: Vec<String>,
}

/// A run of the owner's tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SmokeRun {
    /// The step in words.
    pub title: String,
    /// When it was over.
    pub at: Timestamp,
    /// How many tests.
    pub tests: u64,
    /// Those that failed, and why.
    pub failed: Vec<String>,
    /// Each test with what it said, where the journal has it.
    pub runs: Vec<TestRun>,
}

/// The findings of the assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "findings")]
pub enum Judged {
    /// As the assessment said it then.
    Found(Vec<Finding>),
    /// What was seen then has a form this version does not read.
    Unreadable(String),
    /// The assessment was not done.
    NotDone,
}

/// A line of the journal's appendix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JournalLine {
    /// Position.
    pub seq: u64,
    /// Epoch of the leader.
    pub epoch: u64,
    /// When.
    pub at: Timestamp,
    /// Step id.
    pub step: String,
    /// In words.
    pub words: String,
}

/// Everything a reader is told about a move.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The move.
    pub name: MigrationName,
    /// By whom and when.
    pub made: Made,
    /// What was asked, defaults filled in.
    pub spec: Spec,
    /// How it stands.
    pub verdict: Verdict,
    /// The source, as assessed.
    pub source: Option<SourceFacts>,
    /// The target, as chosen.
    pub target: Option<TargetFacts>,
    /// Every try.
    pub attempts: Vec<Attempt>,
    /// The latest try by phase.
    pub phases: Vec<PhaseSpan>,
    /// And by step.
    pub stays: Vec<Stay>,
    /// Its pause.
    pub pause: Option<Pause>,
    /// Its proofs.
    pub proofs: Proofs,
    /// Lag over the window.
    pub lag: Lag,
    /// What else was measured then.
    pub watched: Watched,
    /// The verdict on it.
    pub sustained: Option<SustainedLag>,
    /// What became of each parameter.
    pub parameters: Vec<ParameterVerdict>,
    /// Both sides as they ran.
    pub parity: Option<Parity>,
    /// What the assessment found.
    pub findings: Judged,
    /// Before and after.
    pub comparison: Option<Box<Comparison>>,
    /// The owner's tests.
    pub smoke: Vec<SmokeRun>,
    /// Gates, orders and problems of every attempt.
    pub people: People,
    /// Calls that failed, of every attempt.
    pub failed_calls: Vec<FailedCall>,
    /// Sessions of the source that the fence ended.
    pub sessions_ended: SessionsEnded,
    /// Said to people without stopping.
    pub warnings: Vec<String>,
    /// How what stands before or beside the target was when it came to stand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub equipped: Vec<String>,
    /// Proxies that were not waited for, and why.
    pub proxies_left: Vec<(String, String)>,
    /// What the move made and changed.
    pub left: Vec<Left>,
    /// The whole journal.
    pub journal: Vec<JournalLine>,
}

/// Why no report can be made of a journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It has no entry.
    #[error("report on a move whose journal is empty")]
    Empty,
    /// An entry does not follow from those before it.
    #[error("read entry {seq} of the journal: {why}")]
    Illegal {
        /// Which.
        seq: u64,
        /// Why.
        why: String,
    },
}

impl Report {
    /// Folds a journal.
    ///
    /// # Errors
    /// When the journal is empty or contradicts itself.
    pub fn of(material: &Material<'_>) -> Result<Self, Unreadable> {
        let Material { entries, titles, lag, watched, findings, made } = *material;
        let (status, facts, spec) = fold(entries)?;
        let latest = walk::latest(entries);
        let stays = walk::stays(latest, titles);
        let pause = walk::pause(&facts, &spec, &stays);
        let name = spec.migration.name.clone();
        let people = People::of(entries, titles);
        Ok(Self {
            verdict: verdict(&status, &facts, &spec, pause.as_ref()),
            proofs: proof::proofs(latest, &facts, titles),
            lag: proof::lag(latest, lag, spec.cutover.lag_max.0),
            watched: watched.clone(),
            findings: findings.clone(),
            smoke: smoke(latest, titles),
            phases: walk::phases(&stays),
            attempts: walk::attempts(entries),
            failed_calls: trouble::failed_calls(entries),
            left: left::left(entries),
            journal: entries.iter().map(journal_line).collect(),
            made: made.clone(),
            source: facts.source,
            target: facts.target,
            sustained: facts.sustained,
            parameters: facts.parameters.unwrap_or_default(),
            parity: facts.parity,
            comparison: facts.comparison,
            sessions_ended: facts.sessions_ended,
            warnings: facts.warnings.into_values().collect(),
            equipped: facts
                .equipped
                .into_iter()
                .map(|(what, state)| format!("{what}: {state}"))
                .collect(),
            proxies_left: facts.left_behind.into_iter().collect(),
            name,
            spec,
            stays,
            pause,
            people,
        })
    }

    /// The first and the last entry of the journal.
    pub(crate) fn ends(&self) -> Option<(Timestamp, Timestamp)> {
        Some((self.journal.first()?.at, self.journal.last()?.at))
    }
}

fn fold(entries: &[Entry]) -> Result<(Status, Facts, Spec), Unreadable> {
    let (mut status, mut facts, mut spec) = (None, Facts::default(), None);
    for entry in entries {
        let next = status::next(status.as_ref(), entry.at, entry.step.as_deref(), &entry.record);
        status =
            Some(next.map_err(|error| Unreadable::Illegal {
                seq: entry.seq.0,
                why: error.to_string(),
            })?);
        facts.apply(entry);
        if let Record::Started { spec: asked, .. } = &entry.record {
            spec = Some(asked.as_ref().clone());
        }
    }
    let (status, spec) = status.zip(spec).ok_or(Unreadable::Empty)?;
    Ok((status, facts, spec))
}

fn journal_line(entry: &Entry) -> JournalLine {
    JournalLine {
        seq: entry.seq.0,
        epoch: entry.epoch.0,
        at: entry.at,
        step: entry.step.clone().unwrap_or_default(),
        words: line::words(entry),
    }
}

/// What the assessment of the latest attempt saw, for the checks to judge.
#[must_use]
pub fn assessed(entries: &[Entry]) -> Option<&Value> {
    proof::completed(walk::latest(entries), ASSESS)
}

fn smoke(entries: &[Entry], titles: &Titles) -> Vec<SmokeRun> {
    let run = |entry: &Entry| {
        let step = entry.step.as_deref().filter(|step| SMOKE.contains(step))?;
        let Record::Completed { seen } = &entry.record else { return None };
        let tests = proof::part(seen, "/tests")?;
        let runs: Vec<TestRun> = proof::part(seen, "/runs").unwrap_or_default();
        let told = |run: &TestRun| Some(format!("{}: {}", run.test, run.failed.as_ref()?));
        let failed =
            proof::part(seen, "/failed").unwrap_or_else(|| runs.iter().filter_map(told).collect());
        let title = titles.get(step).map_or(step, String::as_str).to_owned();
        Some(SmokeRun { title, at: entry.at, tests, failed, runs })
    };
    entries.iter().filter_map(run).collect()
}

fn verdict(status: &Status, facts: &Facts, spec: &Spec, pause: Option<&Pause>) -> Verdict {
    let (source, target) = (&spec.source.instance, &spec.target.cluster);
    let (word, headline) = match &status.run {
        Run::Finished { outcome: Outcome::Moved } => {
            ("moved", format!("Moved: {target} is the database. {source} takes no writes."))
        }
        Run::Finished { outcome: Outcome::Undone } => {
            ("undone", format!("Undone: {source} is the database, as before."))
        }
        Run::Finished { outcome: Outcome::RolledBack } => {
            ("rolled back", format!("Rolled back: {source} is the database; {target} is kept."))
        }
        run @ (Run::Running
        | Run::Waiting { .. }
        | Run::AwaitingApproval { .. }
        | Run::NeedsHuman { .. }
        | Run::Paused { .. }) => ("open", open(run, status)),
    };
    let mut because = proofs_in_words(facts);
    if let Some(pause) = pause {
        let budget = time::span(jiff::SignedDuration::from_millis(
            i64::try_from(pause.budget_ms).unwrap_or(i64::MAX),
        ));
        let lasted = time::took(pause.from, pause.to);
        because.push(match pause.over {
            Over::Released => {
                format!("New connections waited for {lasted} at the gateway, of at most {budget}.")
            }
            Over::Held => format!("Connections wait at the gateway, of at most {budget}."),
        });
    }
    Verdict { word, headline, because }
}

fn open(run: &Run, status: &Status) -> String {
    let undoing = if status.course == Course::Undoing { " while it is taken back" } else { "" };
    let at = &status.step;
    match run {
        Run::AwaitingApproval { gate } => format!("Not over: it waits for approval of {gate}."),
        Run::NeedsHuman { problem } => {
            let writes = problem.writes.map(|writes| format!(" {writes}")).unwrap_or_default();
            format!("Not over: stopped{undoing} by {}, {}.{writes}", problem.code, problem.primary)
        }
        Run::Paused { by, .. } => format!("Not over: paused by {by}."),
        Run::Waiting { why, .. } => format!("Not over: it waits{undoing} for {why}."),
        Run::Running | Run::Finished { .. } => format!("Not over: it is at {at}{undoing}."),
    }
}

fn proofs_in_words(facts: &Facts) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(fence) = &facts.fenced {
        let at = time::instant(fence.at);
        words.push(match (fence.writes_counted, fence.restarted_at) {
            (Some(count), _) => format!(
                "The source was closed, and its write counters stood still at {count} ({at})."
            ),
            (None, Some(_)) => {
                format!("The source was closed, and a reboot ended every session ({at}).")
            }
            (None, None) => format!("The source was proven to take no writes ({at})."),
        });
    }
    if let Some(sync) = &facts.proven {
        let at = time::instant(sync.at);
        words.push(match sync.marker_lsn.zip(sync.replay_lsn) {
            Some((marker, replay)) => format!(
                "Before the promotion the replica had replayed {replay}, at or beyond the last \
                 marker at {marker} ({at})."
            ),
            None => format!(
                "Before the promotion the source's slot lag had touched zero {} times after the \
                 fence ({at}).",
                sync.zero_touches
            ),
        });
    }
    words
}
