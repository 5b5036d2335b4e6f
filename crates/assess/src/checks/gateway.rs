//! What the gateway cannot do, who does not use it, and who does not wait at it.

use landfall_core::finding::{Finding, Learnt};
use landfall_core::port::router::Sessions;
use landfall_core::quantity::duration_text;

use super::Seen;
use crate::bypass::{self, Party};
use crate::patience;

pub(super) fn ability(seen: &Seen<'_>) -> Vec<Finding> {
    let service = &seen.spec.route.service;
    let finding = match &seen.inventory.gateway {
        Some(Ok(ability)) if !ability.holds => {
            Finding::warning(service, "its gateway cannot hold new connections").remedy(
                "From the fence to the release they fail instead of waiting; tell the owner, or \
                 add a gateway that holds.",
            )
        }
        Some(Ok(ability)) if ability.sessions == Sessions::Cut => {
            Finding::note(service, "its gateway does not carry open sessions over")
                .remedy("Each client sees one closed connection at the fence, and connects again.")
        }
        Some(Err(why)) => {
            let what = format!("its gateway could not be asked what it can do: {why}");
            Finding::warning(service, what).remedy("Bring the gateway back before the cutover.")
        }
        Some(Ok(_)) | None => return vec![],
    };
    vec![finding.learnt(Learnt::Gateway)]
}

fn parties<'a>(seen: &Seen<'a>) -> &'a [Party] {
    seen.inventory.inside.as_ref().map_or(&[], |inside| inside.parties.as_slice())
}

pub(super) fn impatient(seen: &Seen<'_>) -> Vec<Finding> {
    let holds = matches!(&seen.inventory.gateway, Some(Ok(ability)) if ability.holds);
    if !holds {
        return vec![];
    }
    hasty(seen).into_iter().chain(drivers(seen)).collect()
}

/// Those whose owner says that they wait for less than a pause may take.
fn hasty(seen: &Seen<'_>) -> Option<Finding> {
    let (route, budget) = (&seen.spec.route, seen.spec.pause_budget());
    let wait = route.clients_wait.filter(|wait| *wait < budget)?;
    let what = format!(
        "its clients wait {} for a connection, and a pause may take {}",
        duration_text::to_text(wait),
        duration_text::to_text(budget)
    );
    Some(Finding::warning(&route.service, what).learnt(Learnt::Inferred).remedy(
        "Who connects in the pause and is not answered by then fails by its own clock: let them \
         wait longer than route.pause_budget (libpq: connect_timeout), or try again.",
    ))
}

/// Those that are known to give up.
fn drivers(seen: &Seen<'_>) -> Option<Finding> {
    let count = patience::impatient(parties(seen), seen.spec.pause_budget());
    if count == 0 {
        return None;
    }
    let what = format!("{count} sessions are of the JDBC driver, which waits 5 s at the gateway");
    Some(Finding::warning(&seen.spec.route.service, what).learnt(Learnt::Sql).remedy(
        "Set sslResponseTimeout (milliseconds) above route.pause_budget in their URLs: \
         connectTimeout does not cover it.",
    ))
}

pub(super) fn past(seen: &Seen<'_>) -> Vec<Finding> {
    let (service, networks) = (&seen.spec.route.service, &seen.spec.route.gateway_networks);
    let parties = parties(seen);
    if parties.is_empty() {
        return vec![];
    }
    if networks.is_empty() {
        let what = format!("sessions come from {}", bypass::origins(parties));
        return vec![Finding::note(service, what).learnt(Learnt::Sql).remedy(
            "Write the gateways' addresses as route.gateway_networks, and who comes past them is \
             named.",
        )];
    }
    let past = parties.iter().filter(|party| !bypass::came_through(party, networks));
    past.map(|party| {
        Finding::warning(service, format!("sessions came past the gateway: {party}"))
            .learnt(Learnt::Sql)
            .remedy(
                "Point that client at the gateway: the fence ends its sessions, and it cannot \
                 connect any more.",
            )
    })
    .collect()
}
