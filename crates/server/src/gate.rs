//! What a person looks at before opening a gate: the figures that Landfall has, in sentences.

use landfall_api::GateView;
use landfall_core::facts::ParameterFate;
use landfall_core::port::router::Sessions;
use landfall_core::quantity::duration_text;
use landfall_core::status::Run;
use landfall_flow::View;

/// The gate that a move waits at.
pub(crate) fn gate(view: &View, title: &str) -> Option<GateView> {
    let Run::AwaitingApproval { gate } = &view.status.run else { return None };
    let check = match gate.as_str() {
        "approve_backups" => backups(view),
        "approve_cutover" => cutover(view),
        "accept" => accept(view),
        "approve_retirement" => retirement(view),
        _ => Vec::new(),
    };
    Some(GateView { name: gate.clone(), title: title.to_owned(), check })
}

fn backups(view: &View) -> Vec<String> {
    vec![
        format!(
            "Automated backups of {} are off, and an Aurora replica needs them.",
            view.spec.source.instance
        ),
        "Turning them on interrupts the instance for a moment: choose a quiet time.".to_owned(),
    ]
}

fn cutover(view: &View) -> Vec<String> {
    let mut check = Vec::new();
    if let Some(lag) = &view.facts.sustained {
        check.push(format!("From {} to {}:", second(lag.from), second(lag.to)));
        check.extend(lag.sentences().into_iter().map(sentence));
    }
    check.extend(view.facts.parity.as_ref().map(|parity| sentence(parity.to_string())));
    if let Some(verdicts) = &view.facts.parameters {
        let lost: Vec<&str> = verdicts
            .iter()
            .filter(|verdict| {
                matches!(verdict.fate, ParameterFate::Dropped | ParameterFate::Adjusted)
            })
            .map(|verdict| verdict.name.as_str())
            .collect();
        let by_hand = verdicts.iter().filter(|one| one.fate != ParameterFate::Added).count();
        check.push(match lost.len() {
            0 => format!("All {by_hand} parameters set by hand carry over."),
            _ => format!("These parameters do not carry over as they are: {}.", lost.join(", ")),
        });
    }
    let gateway = view.facts.gateway;
    let (budget, holds) = (view.spec.pause_budget(), gateway.is_none_or(|gateway| gateway.holds));
    let waits = if holds {
        "wait at the gateway"
    } else {
        "wait at the gateway, or fail where it cannot hold"
    };
    check.push(format!(
        "New connections will {waits}, {} at most; then Landfall goes back by itself.",
        duration_text::to_text(budget)
    ));
    let kept = gateway.is_some_and(|gateway| gateway.sessions == Sessions::Kept);
    check.push(if kept {
        "The gateway gives its sessions on the source back; all others will be ended.".to_owned()
    } else {
        "Sessions that are open on the source will be ended.".to_owned()
    });
    check.extend(view.facts.warnings.values().map(|text| format!("{text}.")));
    check
}

/// With a capital and its final stop.
fn sentence(text: String) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| {
        format!("{}{}.", first.to_uppercase(), characters.as_str())
    })
}

fn accept(view: &View) -> Vec<String> {
    let mut check = comparison(view);
    if let (Some(held), Some(released)) = (view.facts.held_since, view.facts.released_at) {
        let pause = released.duration_since(held).unsigned_abs();
        check.push(format!("Connections waited {}.", duration_text::to_text(pause)));
    }
    check.push(format!(
        "{} takes the writes; look at the application on it for as long as you need.",
        view.spec.target.cluster
    ));
    check.push(format!(
        "{} is fenced and holds everything up to the cutover. There is no way back by Landfall.",
        view.spec.source.instance
    ));
    check
}

/// The target beside the source, once it was watched long enough.
fn comparison(view: &View) -> Vec<String> {
    let Some(comparison) = &view.facts.comparison else {
        let began = view.facts.comparison_began.as_ref().map(|(at, _)| *at);
        let due = began.and_then(|at| at.checked_add(view.spec.baseline.compare_for).ok());
        let told = |due| format!("The target is compared with the source at {}.", second(due));
        return due.map(told).into_iter().collect();
    };
    let mut check = vec![sentence(comparison.to_string())];
    check.extend(comparison.slower.iter().map(|one| {
        format!(
            "{:.2} ms instead of {:.2} ms in {}: {}",
            one.after_ms, one.before_ms, one.database, one.text
        )
    }));
    check.extend(comparison.notes.iter().cloned().map(sentence));
    check
}

fn retirement(view: &View) -> Vec<String> {
    vec![
        format!("Snapshot {} is taken and must be available.", view.spec.final_snapshot()),
        format!("Then {} is deleted. This cannot be undone.", view.spec.source.instance),
    ]
}

fn second(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
