//! Findings: what an assessment says about one object, as data.
//!
//! A check that could not look says so with [`Severity::Note`] or [`Severity::Warning`] and
//! [`Learnt::NotLooked`]; it never stays silent, because silence would read as "fine".

use serde::{Deserialize, Serialize};

use crate::facts::{SourceFacts, TargetFacts};
use crate::problem::Code;
use crate::quantity::ByteCount;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The move does not start.
    Blocker,
    /// A person should know before approving.
    Warning,
    /// Good to know.
    Note,
}

/// How it was learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learnt {
    /// From the AWS API or CloudWatch.
    Api,
    /// From the database, by an observer's role or the owner's answers to the SQL script.
    Sql,
    /// From the gateway.
    Gateway,
    /// From the spec: its owner says so.
    Spec,
    /// Concluded from something else that was seen.
    Inferred,
    /// Not at all: it could not be looked at.
    NotLooked,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The check that found it, such as `storage.race`; stable, for filters and suppressions.
    pub check: String,
    /// How much it matters.
    pub severity: Severity,
    /// Its problem code, for blockers.
    pub code: Option<Code>,
    /// What it is about.
    pub object: String,
    /// What was found.
    pub what: String,
    /// Why it matters for a move; empty when `what` says it.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
    /// A public page to read, where there is one.
    pub reference: Option<String>,
    /// How it was learnt.
    pub learnt: Learnt,
}

impl Finding {
    fn new(severity: Severity, object: impl ToString, what: impl Into<String>) -> Self {
        Self {
            check: String::new(),
            severity,
            code: None,
            object: object.to_string(),
            what: what.into(),
            why: String::new(),
            remedy: String::new(),
            reference: None,
            learnt: Learnt::Api,
        }
    }

    /// The move does not start.
    pub fn blocker(code: Code, object: impl ToString, what: impl Into<String>) -> Self {
        Self { code: Some(code), ..Self::new(Severity::Blocker, object, what) }
    }

    /// A person should know before approving.
    pub fn warning(object: impl ToString, what: impl Into<String>) -> Self {
        Self::new(Severity::Warning, object, what)
    }

    /// Good to know.
    pub fn note(object: impl ToString, what: impl Into<String>) -> Self {
        Self::new(Severity::Note, object, what)
    }

    /// What could not be looked at; `remedy` says how it could.
    pub fn not_looked(object: impl ToString, what: impl Into<String>, remedy: &str) -> Self {
        Self::note(object, what).remedy(remedy).learnt(Learnt::NotLooked)
    }

    /// Why it matters.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// What to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// A public page to read.
    #[must_use]
    pub fn see(mut self, page: &str) -> Self {
        self.reference = Some(page.to_owned());
        self
    }

    /// How it was learnt.
    #[must_use]
    pub const fn learnt(mut self, learnt: Learnt) -> Self {
        self.learnt = learnt;
        self
    }
}

/// How long a remembered `what` may be.
const REMEMBERED: usize = 200;

/// How many findings are remembered one by one.
const LISTED: usize = 200;

/// A finding as it is remembered: without its long texts, which the check can tell again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingLine {
    /// The check.
    pub check: String,
    /// How much it matters.
    pub severity: Severity,
    /// Its problem code, for blockers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    /// What it is about.
    pub object: String,
    /// What was found, cut where it is long.
    pub what: String,
    /// How it was learnt.
    pub learnt: Learnt,
}

/// What an assessment found, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assessed {
    /// How many stop the move.
    pub blockers: u32,
    /// How many a person should know of.
    pub warnings: u32,
    /// How many are good to know.
    pub notes: u32,
    /// How many looks were not possible; they are among the notes and warnings.
    pub not_looked: u32,
    /// What is to be copied.
    pub bytes: ByteCount,
    /// The source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceFacts>,
    /// What it becomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetFacts>,
    /// The first two hundred, blockers first.
    pub findings: Vec<FindingLine>,
}

impl Assessed {
    /// In short.
    pub fn new(findings: &[Finding], bytes: ByteCount) -> Self {
        let count = |holds: &dyn Fn(&Finding) -> bool| {
            let of_it = findings.iter().filter(|finding| holds(finding)).count();
            u32::try_from(of_it).unwrap_or(u32::MAX)
        };
        Self {
            blockers: count(&|one| one.severity == Severity::Blocker),
            warnings: count(&|one| one.severity == Severity::Warning),
            notes: count(&|one| one.severity == Severity::Note),
            not_looked: count(&|one| one.learnt == Learnt::NotLooked),
            bytes,
            source: None,
            target: None,
            findings: findings.iter().take(LISTED).map(FindingLine::of).collect(),
        }
    }
}

impl FindingLine {
    fn of(finding: &Finding) -> Self {
        let cut = |text: &str| match text.char_indices().nth(REMEMBERED) {
            None => text.to_owned(),
            Some((at, _)) => format!("{}…", text.get(..at).unwrap_or(text)),
        };
        Self {
            check: finding.check.clone(),
            severity: finding.severity,
            code: finding.code,
            object: cut(&finding.object),
            what: cut(&finding.what),
            learnt: finding.learnt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_short_and_counted() {
        let long = "é".repeat(1_000);
        let mut findings = vec![Finding::blocker(Code::NameTaken, "orders", long)];
        findings.extend((0..300).map(|n| Finding::not_looked(n, "not looked", "look")));
        let assessed = Assessed::new(&findings, ByteCount(7));
        assert_eq!((assessed.blockers, assessed.notes, assessed.not_looked), (1, 300, 300));
        assert_eq!(assessed.findings.len(), LISTED);
        assert_eq!(assessed.findings[0].what.chars().count(), REMEMBERED + 1);
        let text = serde_json::to_string(&assessed).unwrap();
        assert_eq!(serde_json::from_str::<Assessed>(&text).unwrap(), assessed);
    }
}
