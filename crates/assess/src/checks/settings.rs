//! Parameter groups of the source, what becomes of them, and engine defaults that differ.

use landfall_core::facts::{ParameterFate, ParameterVerdict};
use landfall_core::finding::{Finding, Learnt};
use landfall_core::port::cloud::Parameter;

use super::asking::{count, names};
use super::{Seen, page};
use crate::choice::choose_class;
use crate::inventory::Defaults;
use crate::parameters::{Classes, Offer, telling, translate};

pub(super) fn by_hand(seen: &Seen<'_>) -> Vec<Finding> {
    let (id, set) = (&seen.instance.id, &seen.inventory.parameters);
    if set.is_empty() {
        return vec![];
    }
    let note = |what: String| {
        Finding::note(id, what)
            .remedy("`landfall plan` shows what becomes of each on Aurora.")
            .see(page::PARAMETERS)
    };
    let total = u64::try_from(set.len()).unwrap_or(u64::MAX);
    let how_many = count(total, "parameter is set by hand", "parameters are set by hand");
    let Some(defaults) = defaults(seen) else { return vec![note(how_many)] };
    let verdicts = translate(set, &offer(defaults), &classes(seen));
    let fates = [
        (ParameterFate::Carried, "carried"),
        (ParameterFate::Renamed, "renamed"),
        (ParameterFate::Adjusted, "adjusted"),
        (ParameterFate::Dropped, "dropped"),
        (ParameterFate::KeptDefault, "left at Aurora's default"),
    ];
    let of = |fate: ParameterFate| verdicts.iter().filter(move |verdict| verdict.fate == fate);
    let told: Vec<String> = fates
        .iter()
        .map(|(fate, word)| (of(*fate).count(), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let mut found = vec![note(format!("{how_many}: {}", told.join(", ")))];
    found.extend(changed(seen, &verdicts));
    found
}

/// Values that will not be what somebody once decided.
fn changed(seen: &Seen<'_>, verdicts: &[ParameterVerdict]) -> Option<Finding> {
    let differs = |verdict: &&ParameterVerdict| {
        matches!(verdict.fate, ParameterFate::Adjusted | ParameterFate::Dropped)
            && !verdict.reason.contains("its storage needs none")
    };
    let listed = names(verdicts.iter().filter(differs).map(|verdict| verdict.name.clone()), 0);
    (!listed.is_empty()).then(|| {
        Finding::warning(&seen.instance.id, format!("not as set by hand on Aurora: {listed}"))
            .why("Somebody had a reason for each of them.")
            .remedy("Read their rows in `landfall plan`, and decide before the cutover.")
            .see(page::PARAMETERS)
    })
}

fn defaults<'a>(seen: &Seen<'a>) -> Option<&'a Defaults> {
    seen.inventory.defaults.as_ref()?.as_ref().ok()
}

fn offer(defaults: &Defaults) -> Offer {
    Offer::new(defaults.cluster.clone(), defaults.instance.clone())
}

fn classes(seen: &Seen<'_>) -> Classes {
    let target = choose_class(seen.spec, seen.instance, &seen.inventory.classes);
    Classes { source: seen.instance.class.clone(), target: target.unwrap_or_default() }
}

pub(super) fn group(seen: &Seen<'_>) -> Vec<Finding> {
    let (id, mut found) = (&seen.instance.id, vec![]);
    let Some(group) = &seen.instance.parameter_group else { return found };
    if group.apply_status != "in-sync" && group.apply_status != "applying" {
        let what = format!("its parameter group {} is {}", group.name, group.apply_status);
        found.push(
            Finding::warning(id, what)
                .why("Values that wait for a reboot come into force at the fence, if it reboots.")
                .remedy("Reboot the source in its window before the move.")
                .see(page::PARAMETERS),
        );
    }
    match seen.inventory.around.as_ref().map(|around| &around.group_shared_with) {
        Some(Ok(others)) if !others.is_empty() => {
            let others = names(others.iter().map(ToString::to_string), 0);
            let what = format!("its parameter group {} is worn by {others} as well", group.name);
            found.push(
                Finding::note(id, what)
                    .why(
                        "Landfall changes no group of the source, shared or not; it makes its own.",
                    )
                    .remedy("Nothing to do."),
            );
        }
        Some(Err(why)) => found.push(Finding::not_looked(
            id,
            format!("not looked who else wears its parameter group: {why}"),
            "Allow rds:DescribeDBInstances on all instances to Landfall's role.",
        )),
        Some(Ok(_)) | None => {}
    }
    found
}

pub(super) fn logical(seen: &Seen<'_>) -> Vec<Finding> {
    let id = &seen.instance.id;
    let value = |list: &[Parameter]| {
        let found = list.iter().find(|p| p.name == "rds.logical_replication");
        found.and_then(|p| p.value.clone())
    };
    let on = value(&seen.inventory.parameters)
        .or_else(|| defaults(seen).and_then(|defaults| value(&defaults.source)))
        .is_some_and(|value| matches!(value.as_str(), "1" | "on"));
    let waits =
        seen.instance.parameter_group.as_ref().is_some_and(|g| g.apply_status == "pending-reboot");
    let what = match (on, waits) {
        (true, false) => return vec![],
        (true, true) => "logical replication is switched on and waits for a reboot",
        (false, _) => "logical replication is off",
    };
    vec![
        Finding::note(id, what)
            .why("The physical road does not need it on the source; the logical roads do.")
            .remedy(
                "For those, set rds.logical_replication to 1 and reboot the source in its window.",
            )
            .see(page::LOGICAL),
    ]
}

pub(super) fn differing(seen: &Seen<'_>) -> Vec<Finding> {
    let id = &seen.instance.id;
    let defaults = match &seen.inventory.defaults {
        Some(Ok(defaults)) => defaults,
        Some(Err(why)) => {
            return vec![Finding::not_looked(
                id,
                format!("not looked at engine defaults: {why}"),
                "Allow rds:DescribeEngineDefaultParameters and \
                 rds:DescribeEngineDefaultClusterParameters to Landfall's role.",
            )];
        }
        None => return vec![],
    };
    let set = &seen.inventory.parameters;
    let all = telling::differences(&defaults.source, &offer(defaults), &classes(seen), set);
    let mut found: Vec<Finding> = vec![];
    let told = |one: &telling::Difference| {
        format!("{} {} → {} ({})", one.name, one.source, one.target, one.means)
    };
    let refuses = |one: &&telling::Difference| {
        one.name == "rds.force_ssl" && matches!(one.target.as_str(), "1" | "on")
    };
    if let Some(one) = all.iter().find(refuses) {
        found.push(
            Finding::warning(
                id,
                format!("Aurora's default refuses clients without TLS: {}", told(one)),
            )
            .why("Whoever connects without TLS to the source is refused by the target.")
            .remedy("Set rds.force_ssl by hand on the source's group, as it shall be on both.")
            .see(page::TLS),
        );
    }
    let rest: Vec<String> = all.iter().filter(|one| !refuses(one)).map(told).collect();
    if !rest.is_empty() {
        let what = format!("engine defaults that differ on Aurora: {}", rest.join("; "));
        found.push(
            Finding::note(id, what)
                .learnt(Learnt::Api)
                .why("They were nobody's decision, and applications may feel them.")
                .remedy("Set by hand on the source what must stay as it is.")
                .see(page::PARAMETERS),
        );
    }
    found
}
