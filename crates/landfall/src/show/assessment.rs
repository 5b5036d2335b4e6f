//! What was found about a source: all findings, blockers first, each with its remedy.

use landfall_api::{Assessment, Finding, Severity};

use super::layout::labelled;

/// The whole assessment.
pub(crate) fn whole(assessment: &Assessment, width: usize) -> String {
    let mut lines = Vec::new();
    if let Some(source) = &assessment.source {
        let text = format!(
            "PostgreSQL {} on {} at {}",
            source.engine_version, source.class, source.endpoint
        );
        lines.push(labelled("Source:  ", &text, width));
    }
    if let Some(target) = &assessment.target {
        let text = format!("Aurora PostgreSQL {} on {}", target.engine_version, target.class);
        lines.push(labelled("Target:  ", &text, width));
    }
    if !assessment.looked_inside {
        let text = "not looked at: the spec gives no access, or it does not work";
        lines.push(labelled("Inside:  ", text, width));
    }
    lines.push(String::new());
    if assessment.findings.is_empty() {
        lines.push("Nothing found that needs attention.".to_owned());
    } else {
        lines.push(findings(&assessment.findings, width));
    }
    if assessment.is_blocked() {
        lines.push(String::new());
        lines.push(labelled("", "The move does not start before the blockers are gone.", width));
    }
    lines.join("\n")
}

/// Findings, each with what to do.
pub(crate) fn findings(findings: &[Finding], width: usize) -> String {
    let lines: Vec<String> = findings
        .iter()
        .flat_map(|finding| {
            let word = match finding.severity {
                Severity::Blocker => "BLOCKER  ",
                Severity::Warning => "warning  ",
                Severity::Note => "note     ",
            };
            let code = finding.code.map_or_else(String::new, |code| format!("{code} "));
            let what = format!("{code}{}: {}", finding.object, finding.what);
            [labelled(word, &what, width), labelled("         ", &finding.remedy, width)]
        })
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use landfall_api::core::{Code, Learnt, MigrationName};

    use super::super::layout::assert_fits;
    use super::*;

    #[test]
    fn blockers_are_said_in_words_with_code_and_remedy() {
        let finding = Finding {
            check: "source.replica".to_owned(),
            why: String::new(),
            reference: None,
            learnt: Learnt::Api,
            severity: Severity::Blocker,
            code: Some(Code::SourceHasReplica),
            object: "orders-prod".to_owned(),
            what: "it has the Aurora read replica orders-test, and AWS allows one".to_owned(),
            remedy: "Delete or promote that replica first.".to_owned(),
        };
        let assessment = Assessment {
            name: MigrationName::new("orders"),
            source: None,
            target: None,
            findings: vec![finding],
            looked_inside: false,
        };
        for width in [40, 100] {
            assert_fits(&whole(&assessment, width), width);
        }
        insta::assert_snapshot!(whole(&assessment, 60));
    }
}
