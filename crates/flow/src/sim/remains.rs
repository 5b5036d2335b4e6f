//! What a finished move may leave in the model's world, and nothing else.
//!
//! An undone move leaves what the rows that gave an order say that they keep. A row that keeps
//! something new is an error here, until it is said what that is.

use std::collections::BTreeMap;

use landfall_core::Spec;
use landfall_core::journal::{Entry, Record};
use landfall_core::spec::RetireSource;
use landfall_core::status::{Course, Outcome, Road};

use crate::model::{READERS_AT, TARGET_AT, World};
use crate::process::{self, Undo};

/// A world in lines, for comparing it with another.
pub type Footprint = BTreeMap<String, String>;

const SOURCE: &str = "instance orders-prod";
/// What a test may add to the target.
const TARGET_READER: &str = "instance orders-aurora-2";

/// The world as it must be after a move that ended so, from how it was before.
#[must_use]
pub fn expected(
    outcome: Outcome,
    before: &Footprint,
    world: &World,
    spec: &Spec,
    entries: &[Entry],
) -> Footprint {
    match outcome {
        Outcome::Moved => moved(before, world, spec),
        Outcome::Undone => undone(before, world, spec, entries),
        Outcome::RolledBack => rolled_back(before, world, spec, entries),
    }
}

/// The source fenced or gone, the target in production, nothing else of ours.
fn moved(before: &Footprint, world: &World, spec: &Spec) -> Footprint {
    let mut all = before.clone();
    match spec.retire.source {
        RetireSource::Keep => {
            let fenced = "Available [\"sg-quarantine-source:true\"] backups 7 protected false";
            all.insert(SOURCE.to_owned(), fenced.to_owned());
        }
        RetireSource::SnapshotAndDelete => {
            all.remove(SOURCE);
            all.insert(format!("snapshot {}", spec.final_snapshot()), String::new());
        }
    }
    all.insert("route orders".to_owned(), "target.model:5432 Open".to_owned());
    // A reader of the target is somebody else's, and stays; the services go there.
    let other = world.footprint().remove_entry(TARGET_READER);
    let to = if other.is_none() { TARGET_AT } else { READERS_AT };
    all.extend(other);
    for reader in &spec.route.reader {
        all.insert(format!("route {}", reader.service), format!("{}:{} Open", to.0, to.1));
    }
    target(&mut all, "[\"sg-app\", \"sg-office\"] protected true");
    all
}

fn target(all: &mut Footprint, groups: &str) {
    all.insert("cluster orders-aurora".to_owned(), format!("Available replica false {groups}"));
    let writer = "Available [\"sg-app:true\", \"sg-office:true\"] backups 7 protected false";
    all.insert("instance orders-aurora-1".to_owned(), writer.to_owned());
    all.insert("group Cluster orders-aurora-cluster".to_owned(), String::new());
    all.insert("group Instance orders-aurora-instance".to_owned(), String::new());
}

/// As before, and what is kept.
fn undone(before: &Footprint, world: &World, spec: &Spec, entries: &[Entry]) -> Footprint {
    let now = world.footprint();
    let mut all = before.clone();
    for row in process::table(Road::Physical) {
        let Undo::Keeps(what) = row.undo else { continue };
        if !gave_order(entries, row.step.id()) {
            continue;
        }
        if what == "backups stay on" {
            if let Some(source) = all.get_mut(SOURCE).filter(|_| is_on(&now)) {
                *source = source.replace("backups 0", "backups 7");
            }
        } else if what == "the service stays with the gateway" {
            // The order may have been refused before it was undone.
            for service in spec.services().map(|service| format!("route {service}")) {
                if now.contains_key(&service) {
                    all.entry(service).or_insert("source.model:5432 Open".to_owned());
                }
            }
        } else if what.starts_with("a promoted target is spent") {
            spent(&mut all, &now, spec);
        } else {
            let gap = "a row keeps something new: say in sim::remains what that leaves".to_owned();
            all.insert(gap, what.to_owned());
        }
    }
    all
}

/// As undone, and the target is kept as it was in use, fenced as the source was.
fn rolled_back(before: &Footprint, world: &World, spec: &Spec, entries: &[Entry]) -> Footprint {
    let mut all = undone(before, world, spec, entries);
    let mut now = world.footprint();
    all.remove("marker table on the target");
    all.remove("publication on the target");
    // Whether it was protected by then is a matter of when the roll-back was asked for.
    let protected =
        now.get("cluster orders-aurora").is_some_and(|it| it.contains("protected true"));
    target(&mut all, &format!("[\"sg-quarantine-source\"] protected {protected}"));
    all.extend(now.remove_entry(TARGET_READER));
    all
}

fn is_on(now: &Footprint) -> bool {
    now.get(SOURCE).is_some_and(|source| source.contains("backups 7"))
}

/// The promotion was ordered, which does not mean that it came about.
fn spent(all: &mut Footprint, now: &Footprint, spec: &Spec) {
    if !now.contains_key("cluster orders-aurora") {
        return;
    }
    target(all, "[\"sg-quarantine-target\"] protected false");
    if spec.access.is_some() {
        all.insert("marker table on the target".to_owned(), String::new());
        // What was published there is spent with it.
        let published = "publication on the target".to_owned();
        if now.contains_key(&published) {
            all.insert(published, String::new());
        }
    }
}

fn gave_order(entries: &[Entry], step: &str) -> bool {
    entries.iter().any(|entry| {
        entry.step.as_deref() == Some(step)
            && matches!(entry.record, Record::Intended { course: Course::Doing, .. })
    })
}

/// What differs between two worlds, for messages.
#[must_use]
pub fn difference(expected: &Footprint, found: &Footprint) -> Vec<String> {
    let keys = expected.keys().chain(found.keys().filter(|key| !expected.contains_key(*key)));
    keys.filter(|key| expected.get(*key) != found.get(*key))
        .map(|key| {
            let say = |value: Option<&String>| value.map_or("absent", String::as_str).to_owned();
            format!("{key}: {}, expected {}", say(found.get(key)), say(expected.get(key)))
        })
        .collect()
}
