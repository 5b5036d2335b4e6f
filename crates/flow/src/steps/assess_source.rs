//! Purpose: know everything before anything is touched; stop at blockers, all of them at once.
//! Reads: the source instance, Aurora's versions and classes, the target's name, the inside.
//! Changes: nothing.
//! Undo: nothing to undo.
//! If it dies here: nothing has happened; the next start looks again.

use std::time::Duration;

use landfall_core::facts::{SourceFacts, TargetFacts};
use landfall_core::failure::{Failure, Retry};
use landfall_core::finding::Assessed;
use landfall_core::port::cloud::Instance;
use landfall_core::quantity::ByteCount;
use landfall_core::{Code, Fact, Facts, Finding, Problem, Spec};
use serde::{Deserialize, Serialize};

use crate::step::{Look, Plan, Step};
use landfall_assess::{self as assess, Inventory};

/// How long a database may be silent before its silence is a finding.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// The first step.
pub struct AssessSource;

/// What was found, with the little of it that the step decides on: a source of many databases has
/// more answers than a journal should keep.
#[derive(Debug, Serialize, Deserialize)]
pub struct Seen {
    instance: Option<Instance>,
    target: Option<TargetFacts>,
    findings: Vec<Finding>,
    bytes: ByteCount,
    not_looked: Option<Failure>,
}

impl Seen {
    fn of(spec: &Spec, survey: Inventory) -> Self {
        let findings = assess::findings(spec, &survey);
        let instance = survey.instance.as_ref();
        let version = instance.and_then(|at| assess::choose_version(spec, at, &survey.versions));
        let class = instance.and_then(|at| assess::choose_class(spec, at, &survey.classes));
        let target = version.zip(class).map(|(version, class)| TargetFacts {
            engine_version: version.version.clone(),
            family: version.family.clone(),
            class,
        });
        let bytes = instance.map(|at| assess::forecast::forecast(&survey, at).bytes);
        let bytes = bytes.unwrap_or_default();
        Self { target, findings, bytes, instance: survey.instance, not_looked: survey.not_looked }
    }
}

impl Step for AssessSource {
    const ID: &'static str = "prepare.assess_source";
    const TITLE: &'static str = "Assess the source";
    type Seen = Seen;

    async fn observe(&self, look: &Look<'_>) -> Result<Seen, Failure> {
        let mut survey = assess::collect(&look.ports, look.spec).await?;
        survey.experience.clone_from(&look.facts.experience);
        Ok(Seen::of(look.spec, survey))
    }

    fn plan(&self, spec: &Spec, facts: &Facts, seen: &Seen) -> Plan {
        if let Some(problem) = blocked(&seen.findings) {
            if !may_pass(seen) {
                return Plan::blocked(problem);
            }
            let why = "the database to answer the assessment";
            return Plan::wait(spec, why, problem.primary.clone()).or(ANSWERS_WITHIN, problem);
        }
        let Some(instance) = &seen.instance else { return Plan::blocked(no_endpoint(spec)) };
        let Some(endpoint) = &instance.endpoint else { return Plan::blocked(no_endpoint(spec)) };
        if facts.assessed.is_some() {
            return Plan::Done;
        }
        // All at once: each look asks every question in every database.
        let source = SourceFacts {
            arn: instance.arn.clone(),
            endpoint: endpoint.clone(),
            engine_version: instance.engine_version.clone(),
            class: instance.class.clone(),
            subnet_group: instance.subnet_group.clone(),
            encrypted: instance.encrypted,
            kms_key: instance.kms_key.clone(),
            parameter_group: instance.parameter_group.as_ref().map(|group| group.name.to_string()),
        };
        Plan::Learn(Fact::Assessed(Assessed {
            source: Some(source),
            target: seen.target.clone(),
            ..Assessed::new(&seen.findings, seen.bytes)
        }))
    }

    fn undo(&self, _: &Spec, _: &Facts, _: &Seen) -> Plan {
        Plan::Done
    }
}

/// A database that did not answer at one look may answer at the next.
fn may_pass(seen: &Seen) -> bool {
    let policy = seen.not_looked.as_ref().map(|failure| failure.kind.policy().0);
    matches!(policy, Some(Retry::After { .. }))
}

fn no_endpoint(spec: &Spec) -> Problem {
    Problem::new(
        Code::SourceMissing,
        format!("instance {} has no endpoint", spec.source.instance),
        "Wait until the instance is available, then run `landfall resume`.",
    )
}

/// One problem out of all blockers: the first one's code, everybody's words.
fn blocked(findings: &[Finding]) -> Option<Problem> {
    let blockers = assess::blockers(findings);
    let first = blockers.first()?;
    let rest: Vec<String> = blockers
        .iter()
        .skip(1)
        .map(|finding| format!("{}: {} {}", finding.object, finding.what, finding.remedy))
        .collect();
    let code = first.code.unwrap_or(Code::UnknownFailure);
    let hint = format!(
        "{} `landfall resume` looks again; a change of the spec needs `landfall abort` first.",
        first.remedy
    );
    let problem = Problem::new(code, format!("{}: {}", first.object, first.what), hint);
    Some(if rest.is_empty() {
        problem
    } else {
        problem.detail(format!("Also: {}", rest.join(" ")))
    })
}
