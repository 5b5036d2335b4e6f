//! Services that lead to what stays behind.

use landfall_core::finding::{Finding, Learnt};
use landfall_core::port::router::Route;

use super::Seen;

pub(super) fn stale(seen: &Seen<'_>) -> Vec<Finding> {
    let other = |route: &&Route| route.service != seen.spec.route.service;
    let routes = seen.inventory.routes.iter().filter(other);
    routes.filter_map(|route| one(seen, route)).map(|f| f.learnt(Learnt::Gateway)).collect()
}

fn one(seen: &Seen<'_>, route: &Route) -> Option<Finding> {
    let (service, at) = (&route.service, &route.endpoint);
    let replicas = seen.inventory.replicas.iter();
    let replica = replicas.clone().find(|(_, end)| end == at).map(|(id, _)| id);
    let moves = seen.spec.services().any(|own| own == service);
    match (replica, moves) {
        (Some(replica), true) => Some(
            Finding::note(service, format!("it leads to {replica}, a read replica of the source"))
                .remedy(
                    "The cutover points it at the target. Sessions that are open on the replica \
                     then stay there and show the past until they end.",
                ),
        ),
        (Some(replica), false) => {
            let what = format!("it leads to {replica}, which shows the past after the cutover");
            Some(Finding::warning(service, what).remedy(
                "Add it to the spec as [[route.reader]], or point it elsewhere afterwards.",
            ))
        }
        (None, false) if Some(at) == seen.instance.endpoint.as_ref() => {
            let what = "it leads to the source as well, and is not in the spec";
            Some(Finding::warning(service, what).remedy(
                "Add it as [[route.reader]] when it only reads; otherwise its clients fail from \
                 the fence on.",
            ))
        }
        (None, true | false) => None,
    }
}
