//! What a move made and changed, and what of it is left when the journal ends.
//!
//! From the orders alone: an order that was refused made nothing, one whose answer was lost counts
//! as done, because its step would not have been left before the effect was seen.

use std::collections::BTreeMap;

use landfall_core::action::{CloudAction, DatabaseAction, RouteAction};
use landfall_core::journal::{Effect, Entry, Record};
use landfall_core::{Action, Endpoint, Fact, Seq, ServiceName};
use serde::Serialize;

/// Something made or changed by the move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What and which.
    pub object: String,
    /// How it is now.
    pub now: String,
    /// Whether it is there.
    pub fate: Fate,
}

/// Where each service leads.
type Places = BTreeMap<ServiceName, Endpoint>;

/// Whether something of the move's is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It stays.
    Stays,
    /// It was taken away again.
    Removed,
}

/// Everything the orders of a journal touched, in the order of its first touch.
pub(crate) fn left(entries: &[Entry]) -> Vec<Left> {
    let mut found: BTreeMap<String, (Seq, Left)> = BTreeMap::new();
    let mut places: Places = BTreeMap::new();
    let mut ahead = entries.iter().peekable();
    while let Some(entry) = ahead.next() {
        if let Record::Learned { fact } = &entry.record
            && let Fact::RouteWas { route: Some(route) } = fact.as_ref()
        {
            places.insert(route.service.clone(), route.endpoint.clone());
        }
        let Record::Intended { action, .. } = &entry.record else { continue };
        let refused = ahead.peek().is_some_and(|next| {
            matches!(next.record, Record::Acted { effect: Effect::Failed { .. } })
        });
        if let Some(left) = (!refused).then(|| touched(action, &mut places)).flatten() {
            let key = left.object.clone();
            let first = found.get(&key).map_or(entry.seq, |(first, _)| *first);
            found.insert(key, (first, left));
        }
    }
    let mut all: Vec<(Seq, Left)> = found.into_values().collect();
    all.sort_by_key(|(first, _)| *first);
    all.into_iter().map(|(_, left)| left).collect()
}

fn touched(action: &Action, places: &mut Places) -> Option<Left> {
    match action {
        Action::Cloud(action) => made_by_cloud(action).or_else(|| set_by_cloud(action)),
        Action::Database(action) => by_database(action),
        Action::Route(action) => Some(by_route(action, places)),
    }
}

fn stays(object: String, now: impl Into<String>) -> Option<Left> {
    Some(Left { object, now: now.into(), fate: Fate::Stays })
}

fn removed(object: String) -> Option<Left> {
    Some(Left { object, now: "gone".to_owned(), fate: Fate::Removed })
}

/// New actions are added to the vocabulary now and then; those that make or remove something have
/// a line here, the others change what has one already.
fn made_by_cloud(action: &CloudAction) -> Option<Left> {
    if let CloudAction::CreateParameterGroup { name, family, .. } = action {
        stays(format!("parameter group {name}"), format!("made, of family {family}"))
    } else if let CloudAction::DeleteParameterGroup { name, .. } = action {
        removed(format!("parameter group {name}"))
    } else if let CloudAction::CreateReplicaCluster(new) = action {
        stays(format!("cluster {}", new.cluster), format!("made, Aurora {}", new.engine_version))
    } else if let CloudAction::DeleteCluster { cluster } = action {
        removed(format!("cluster {cluster}"))
    } else if let CloudAction::CreateWriter(new) | CloudAction::CreateReader(new) = action {
        stays(format!("instance {}", new.instance), format!("made, {}", new.class))
    } else if let CloudAction::DeleteWriter { instance }
    | CloudAction::DeleteRetiredSource { instance } = action
    {
        removed(format!("instance {instance}"))
    } else if let CloudAction::CreateSnapshot { instance, snapshot } = action {
        stays(format!("snapshot {snapshot}"), format!("made, of {instance}"))
    } else {
        None
    }
}

fn set_by_cloud(action: &CloudAction) -> Option<Left> {
    if let CloudAction::SetBackupRetention { instance, days } = action {
        stays(format!("backup retention of {instance}"), format!("{days} days"))
    } else if let CloudAction::SetInstanceSecurityGroups { instance, groups } = action {
        let groups: Vec<&str> = groups.iter().map(|group| group.as_str()).collect();
        stays(format!("security groups of {instance}"), groups.join(", "))
    } else if let CloudAction::SetClusterSecurityGroups { cluster, groups } = action {
        let groups: Vec<&str> = groups.iter().map(|group| group.as_str()).collect();
        stays(format!("security groups of {cluster}"), groups.join(", "))
    } else if let CloudAction::ProtectCluster { cluster } = action {
        stays(format!("deletion protection of {cluster}"), "on")
    } else {
        None
    }
}

fn by_database(action: &DatabaseAction) -> Option<Left> {
    if let DatabaseAction::CreateMarkerTable { at } = action {
        stays(format!("schema landfall on {at}"), "made, with the marker table")
    } else if let DatabaseAction::DropMarkerTable { at } = action {
        removed(format!("schema landfall on {at}"))
    } else {
        None
    }
}

fn by_route(action: &RouteAction, places: &mut Places) -> Left {
    if let RouteAction::Adopt { service, endpoint, .. }
    | RouteAction::Point { service, endpoint, .. } = action
    {
        places.insert(service.clone(), endpoint.clone());
    }
    let (service, traffic, epoch) = match action {
        RouteAction::Adopt { service, epoch, .. } | RouteAction::Release { service, epoch } => {
            (service, "open", epoch)
        }
        RouteAction::Hold { service, epoch } | RouteAction::Point { service, epoch, .. } => {
            (service, "held", epoch)
        }
    };
    let at = places.get(service).map_or_else(String::new, |place| format!(", at {place}"));
    let now = format!("{traffic}{at} (epoch {epoch})");
    Left { object: format!("route of {service}"), now, fate: Fate::Stays }
}
