//! The actions on parameter groups, of instances and of clusters alike.

use super::super::form::Form;
use super::super::xml::Fields;
use super::{Answer, page, shapes, tags};
use crate::catalogue::parameters::Scope;
use crate::cloud::group::{ApplyMethod, GroupKind, UserValue};
use crate::cloud::names::Identifier;
use crate::cloud::refusal::Refusal;
use crate::cloud::{Cloud, ParameterChange};

/// The names that differ between the two kinds.
struct Words {
    name: &'static str,
    list: &'static str,
    one: &'static str,
}

const fn words(kind: GroupKind) -> Words {
    match kind {
        GroupKind::Instance => Words {
            name: "DBParameterGroupName",
            list: "DBParameterGroups",
            one: "DBParameterGroup",
        },
        GroupKind::Cluster => Words {
            name: "DBClusterParameterGroupName",
            list: "DBClusterParameterGroups",
            one: "DBClusterParameterGroup",
        },
    }
}

pub(super) fn create(cloud: &Cloud, kind: GroupKind, form: &Form) -> Answer {
    let words = words(kind);
    let name = cloud.create_group(
        kind,
        form.required(words.name)?,
        form.required("DBParameterGroupFamily")?,
        form.required("Description")?,
    )?;
    let (arn, fields) = cloud
        .read(|world| world.group(kind, &name).map(|group| (group.arn(), shapes::group(group))))?;
    cloud.add_tags(&arn, tags(form))?;
    Ok(Fields::new().structure(words.one, fields))
}

pub(super) fn delete(cloud: &Cloud, kind: GroupKind, form: &Form) -> Answer {
    cloud.delete_group(kind, &named(kind, form)?)?;
    Ok(Fields::new())
}

pub(super) fn describe(cloud: &Cloud, kind: GroupKind, form: &Form) -> Answer {
    let words = words(kind);
    let wanted = form.text(words.name).map(Identifier::lookup);
    cloud.read(|world| {
        if let Some(wanted) = &wanted {
            world.group(kind, wanted)?;
        }
        let matching = world
            .groups
            .values()
            .filter(|group| group.kind == kind)
            .filter(|group| wanted.as_ref().is_none_or(|wanted| *wanted == group.name))
            .map(|group| (group.name.to_string(), group))
            .collect();
        let (groups, marker) = page(form, matching)?;
        let groups = groups.into_iter().map(shapes::group);
        Ok(Fields::new().maybe("Marker", marker).list(words.list, words.one, groups))
    })
}

pub(super) fn modify(cloud: &Cloud, kind: GroupKind, form: &Form) -> Answer {
    let name = named(kind, form)?;
    let changes: Result<Vec<ParameterChange>, Refusal> =
        form.list("Parameters", "Parameter").into_iter().map(change).collect();
    cloud.modify_group(kind, &name, &changes?)?;
    Ok(Fields::new().text(words(kind).name, &name))
}

fn change(form: &Form) -> Result<ParameterChange, Refusal> {
    let method = match form.required("ApplyMethod")? {
        "immediate" => ApplyMethod::Immediate,
        "pending-reboot" => ApplyMethod::PendingReboot,
        other => return Err(Refusal::value(format!("Invalid apply method: {other}"))),
    };
    Ok(ParameterChange {
        name: form.required("ParameterName")?.to_owned(),
        value: form.text("ParameterValue").unwrap_or_default().to_owned(),
        method,
    })
}

pub(super) fn parameters(cloud: &Cloud, kind: GroupKind, form: &Form) -> Answer {
    let name = named(kind, form)?;
    let group = cloud.read(|world| world.group(kind, &name).cloned())?;
    let value = |name: &str| group.values.get(&name.to_ascii_lowercase()).cloned();
    let (parameters, marker) = listed(cloud, group.scope(), form, value)?;
    Ok(Fields::new().list("Parameters", "Parameter", parameters).maybe("Marker", marker))
}

pub(super) fn engine_defaults(cloud: &Cloud, kind: GroupKind, form: &Form) -> Answer {
    let family = form.required("DBParameterGroupFamily")?;
    let engine = cloud.engine_of(kind, family)?;
    let scope = match (kind, engine) {
        (GroupKind::Cluster, _) => Scope::AuroraCluster,
        (GroupKind::Instance, crate::catalogue::versions::Engine::Aurora) => Scope::AuroraInstance,
        (GroupKind::Instance, crate::catalogue::versions::Engine::Postgres) => Scope::Rds,
    };
    let (parameters, marker) = listed(cloud, scope, form, |_| None)?;
    let defaults = Fields::new()
        .text("DBParameterGroupFamily", family)
        .maybe("Marker", marker)
        .list("Parameters", "Parameter", parameters);
    Ok(Fields::new().structure("EngineDefaults", defaults))
}

fn listed(
    cloud: &Cloud,
    scope: Scope,
    form: &Form,
    value: impl Fn(&str) -> Option<UserValue>,
) -> Result<(Vec<Fields>, Option<String>), Refusal> {
    let source = form.text("Source");
    let matching = cloud
        .parameters()
        .list(scope)
        .map(|parameter| (parameter, value(&parameter.name)))
        .filter(|(parameter, user)| {
            source.is_none_or(|wanted| shapes::source_of(parameter, user.as_ref()) == wanted)
        })
        .map(|(parameter, user)| {
            let fields = shapes::parameter(parameter, user.as_ref());
            (parameter.name.to_ascii_lowercase(), fields)
        })
        .collect();
    page(form, matching)
}

fn named(kind: GroupKind, form: &Form) -> Result<Identifier, Refusal> {
    form.required(words(kind).name).map(Identifier::lookup)
}
