//! The actions on Global Databases.

use super::super::form::Form;
use super::super::xml::Fields;
use super::{Answer, filters, page, shapes, tags};
use crate::catalogue::versions::Engine;
use crate::cloud::Cloud;
use crate::cloud::global::GlobalCluster;
use crate::cloud::names::Identifier;
use crate::cloud::world::World;

pub(super) fn create(cloud: &Cloud, form: &Form) -> Answer {
    let name = form.required("GlobalClusterIdentifier")?;
    let source = form.required("SourceDBClusterIdentifier")?;
    let name = cloud.create_global_cluster(name, source, tags(form))?;
    cloud.read(|world| {
        let made = global(world, world.global(&name)?);
        Ok(Fields::new().structure("GlobalCluster", made))
    })
}

pub(super) fn describe(cloud: &Cloud, form: &Form) -> Answer {
    filters(form, &["db-cluster-id"])?;
    let wanted = form.text("GlobalClusterIdentifier").map(Identifier::lookup);
    cloud.read(|world| {
        if let Some(wanted) = &wanted {
            world.global(wanted)?;
        }
        let fits = |one: &&GlobalCluster| wanted.as_ref().is_none_or(|wanted| *wanted == one.name);
        let all = world.globals.values().filter(fits).map(|one| (one.name.to_string(), one));
        let (found, marker) = page(form, all.collect())?;
        let found = found.into_iter().map(|one| global(world, one));
        Ok(Fields::new().maybe("Marker", marker).list(
            "GlobalClusters",
            "GlobalClusterMember",
            found,
        ))
    })
}

fn global(world: &World, global: &GlobalCluster) -> Fields {
    let arn = |id: &Identifier| world.clusters.get(id).map(|cluster| cluster.arn());
    let followers: Vec<_> = global.followers.iter().filter_map(arn).collect();
    let member = |arn: &str, writer: &str, readers: &[String]| {
        Fields::new()
            .text("DBClusterArn", arn)
            .text("IsWriter", writer)
            .texts("Readers", "member", readers)
            .text("SynchronizationStatus", "connected")
    };
    let writer = arn(&global.writer).map(|arn| member(&arn, "true", &followers));
    let rest = followers.iter().map(|arn| member(arn, "false", &[]));
    let version = world.clusters.get(&global.writer).map(|cluster| cluster.version);
    Fields::new()
        .text("GlobalClusterIdentifier", &global.name)
        .text("GlobalClusterArn", global.arn())
        .text("Status", global.status())
        .text("Engine", Engine::Aurora)
        .maybe("EngineVersion", version)
        .list("GlobalClusterMembers", "GlobalClusterMember", writer.into_iter().chain(rest))
        .list("TagList", "Tag", shapes::tag_list(world, &global.arn()))
}
