//! The actions on snapshots.

use super::super::form::Form;
use super::super::xml::Fields;
use super::{Answer, page, shapes, tags};
use crate::cloud::Cloud;
use crate::cloud::names::{Identifier, Resource};
use crate::cloud::refusal::{Code, Refusal};
use crate::cloud::snapshot::SnapshotKind;

pub(super) fn create(cloud: &Cloud, kind: SnapshotKind, form: &Form) -> Answer {
    let id = match kind {
        SnapshotKind::Instance => cloud.create_snapshot(
            form.required("DBSnapshotIdentifier")?,
            &Identifier::lookup_or_arn(form.required("DBInstanceIdentifier")?, Resource::Instance),
            tags(form),
        )?,
        SnapshotKind::Cluster => cloud.create_cluster_snapshot(
            form.required("DBClusterSnapshotIdentifier")?,
            &Identifier::lookup_or_arn(form.required("DBClusterIdentifier")?, Resource::Cluster),
            tags(form),
        )?,
    };
    let (_, one) = words(kind);
    cloud.read(|world| {
        let found = world.snapshots.get(&(kind, id.clone())).ok_or_else(|| absent(kind, &id))?;
        Ok(Fields::new().structure(one, shapes::snapshot(world, found)))
    })
}

pub(super) fn describe(cloud: &Cloud, kind: SnapshotKind, form: &Form) -> Answer {
    let (list, one) = words(kind);
    let (by_name, by_origin, resource) = match kind {
        SnapshotKind::Instance => {
            ("DBSnapshotIdentifier", "DBInstanceIdentifier", Resource::Snapshot)
        }
        SnapshotKind::Cluster => {
            ("DBClusterSnapshotIdentifier", "DBClusterIdentifier", Resource::ClusterSnapshot)
        }
    };
    let wanted = form.text(by_name).map(|text| Identifier::lookup_or_arn(text, resource));
    let origin = form.text(by_origin).map(Identifier::lookup);
    cloud.read(|world| {
        if let Some(wanted) = &wanted
            && !world.snapshots.contains_key(&(kind, wanted.clone()))
        {
            return Err(absent(kind, wanted));
        }
        let matching = world
            .snapshots
            .values()
            .filter(|snapshot| snapshot.kind == kind)
            .filter(|snapshot| wanted.as_ref().is_none_or(|wanted| *wanted == snapshot.id))
            .filter(|snapshot| origin.as_ref().is_none_or(|origin| *origin == snapshot.of))
            .map(|snapshot| (snapshot.id.to_string(), snapshot))
            .collect();
        let (snapshots, marker) = page(form, matching)?;
        let snapshots = snapshots.into_iter().map(|snapshot| shapes::snapshot(world, snapshot));
        Ok(Fields::new().maybe("Marker", marker).list(list, one, snapshots))
    })
}

const fn words(kind: SnapshotKind) -> (&'static str, &'static str) {
    match kind {
        SnapshotKind::Instance => ("DBSnapshots", "DBSnapshot"),
        SnapshotKind::Cluster => ("DBClusterSnapshots", "DBClusterSnapshot"),
    }
}

fn absent(kind: SnapshotKind, id: &Identifier) -> Refusal {
    let code = match kind {
        SnapshotKind::Instance => Code::SnapshotNotFound,
        SnapshotKind::Cluster => Code::ClusterSnapshotNotFound,
    };
    Refusal::new(code, format!("DBSnapshot {id} not found."))
}
