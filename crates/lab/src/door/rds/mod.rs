//! RDS by awsQuery: one function per action, chosen by name.
//!
//! An action parses its form, calls the cloud and builds the answer; it decides nothing itself.

mod clusters;
mod events;
mod global;
mod groups;
mod instances;
mod offers;
mod proxies;
mod roles;
mod shapes;
mod snapshots;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use super::form::Form;
use super::xml::{Fields, Wrapper};
use crate::cloud::Cloud;
use crate::cloud::group::GroupKind;
use crate::cloud::instance::{Switch, SwitchChange};
use crate::cloud::refusal::{Code, Refusal};
use crate::cloud::snapshot::SnapshotKind;

/// The namespace of the answers.
pub(super) const NAMESPACE: &str = "http://rds.amazonaws.com/doc/2014-10-31/";
/// The version in every request.
pub(super) const VERSION: &str = "2014-10-31";

type Answer = Result<Fields, Refusal>;

/// Performs an action and says whether its answer has a result element.
pub(super) async fn perform(
    cloud: &Cloud,
    (action, region): (&str, &'static str),
    form: &Form,
) -> Result<(Wrapper, Fields), Refusal> {
    let wrapper = match action {
        "AddTagsToResource"
        | "RemoveTagsFromResource"
        | "AddRoleToDBCluster"
        | "AddRoleToDBInstance"
        | "RemoveRoleFromDBCluster"
        | "RemoveRoleFromDBInstance"
        | "DeleteDBParameterGroup"
        | "DeleteDBClusterParameterGroup" => Wrapper::None,
        _ => Wrapper::Result,
    };
    let answer = match reading(cloud, (action, region), form) {
        Some(answer) => answer,
        None => changing(cloud, (action, region), form).await,
    };
    answer.map(|fields| (wrapper, fields))
}

/// The actions that only look; none for any other.
fn reading(cloud: &Cloud, (action, region): (&str, &'static str), form: &Form) -> Option<Answer> {
    Some(match action {
        "DescribeAccountAttributes" => standing::quotas(cloud),
        "DescribeCertificates" => offers::certificates(form),
        "DescribeDBClusterEndpoints" => roles::describe_endpoints(cloud, form),
        "DescribeDBClusterParameterGroups" => groups::describe(cloud, GroupKind::Cluster, form),
        "DescribeDBClusterParameters" => groups::parameters(cloud, GroupKind::Cluster, form),
        "DescribeDBClusterSnapshots" => snapshots::describe(cloud, SnapshotKind::Cluster, form),
        "DescribeDBClusters" => clusters::describe(cloud, region, form),
        "DescribeDBEngineVersions" => offers::engine_versions(cloud, form),
        "DescribeDBInstances" => instances::describe(cloud, region, form),
        "DescribeDBParameterGroups" => groups::describe(cloud, GroupKind::Instance, form),
        "DescribeDBParameters" => groups::parameters(cloud, GroupKind::Instance, form),
        "DescribeDBProxies" => proxies::describe(cloud, form),
        "DescribeDBProxyTargetGroups" => proxies::describe_groups(cloud, form),
        "DescribeDBProxyTargets" => proxies::describe_targets(cloud, form),
        "DescribeDBSubnetGroups" => proxies::subnet_groups(cloud, form),
        "DescribeDBSnapshots" => snapshots::describe(cloud, SnapshotKind::Instance, form),
        "DescribeEngineDefaultClusterParameters" => {
            groups::engine_defaults(cloud, GroupKind::Cluster, form)
        }
        "DescribeEngineDefaultParameters" => {
            groups::engine_defaults(cloud, GroupKind::Instance, form)
        }
        "DescribeEvents" => events::describe(cloud, form),
        "DescribeGlobalClusters" => global::describe(cloud, form),
        "DescribeOrderableDBInstanceOptions" => offers::orderable(form),
        "DescribePendingMaintenanceActions" => standing::maintenance(cloud, form),
        "ListTagsForResource" => events::list_tags(cloud, form),
        _ => return None,
    })
}

async fn changing(cloud: &Cloud, (action, region): (&str, &'static str), form: &Form) -> Answer {
    match action {
        "AddRoleToDBCluster" => roles::add_to_cluster(cloud, form),
        "AddRoleToDBInstance" => roles::add_to_instance(cloud, form),
        "AddTagsToResource" => events::add_tags(cloud, form),
        "CreateDBCluster" => clusters::create(cloud, region, form).await,
        "CreateDBClusterEndpoint" => roles::create_endpoint(cloud, form),
        "CreateDBClusterParameterGroup" => groups::create(cloud, GroupKind::Cluster, form),
        "CreateDBClusterSnapshot" => snapshots::create(cloud, SnapshotKind::Cluster, form),
        "CreateDBInstance" => instances::create(cloud, form),
        "CreateDBProxy" => proxies::create(cloud, form),
        "CreateGlobalCluster" => global::create(cloud, form),
        "CreateDBParameterGroup" => groups::create(cloud, GroupKind::Instance, form),
        "CreateDBSnapshot" => snapshots::create(cloud, SnapshotKind::Instance, form),
        "DeleteDBCluster" => clusters::delete(cloud, form),
        "DeleteDBClusterEndpoint" => roles::delete_endpoint(cloud, form),
        "DeleteDBClusterParameterGroup" => groups::delete(cloud, GroupKind::Cluster, form),
        "DeleteDBInstance" => instances::delete(cloud, form),
        "DeleteDBParameterGroup" => groups::delete(cloud, GroupKind::Instance, form),
        "DeleteDBProxy" => proxies::delete(cloud, form),
        "ModifyDBProxyTargetGroup" => proxies::modify_group(cloud, form),
        "RegisterDBProxyTargets" => proxies::register(cloud, form),
        "ModifyDBCluster" => clusters::modify(cloud, form),
        "ModifyDBClusterParameterGroup" => groups::modify(cloud, GroupKind::Cluster, form),
        "ModifyDBInstance" => instances::modify(cloud, form),
        "ModifyDBParameterGroup" => groups::modify(cloud, GroupKind::Instance, form),
        "PromoteReadReplicaDBCluster" => clusters::promote(cloud, form),
        "RebootDBInstance" => instances::reboot(cloud, form),
        "RemoveRoleFromDBCluster" => roles::remove_from_cluster(cloud, form),
        "RemoveRoleFromDBInstance" => roles::remove_from_instance(cloud, form),
        "RemoveTagsFromResource" => events::remove_tags(cloud, form),
        _ => Err(Refusal::new(
            Code::InvalidAction,
            format!("Could not find operation {action} for version {VERSION}"),
        )),
    }
}

/// One page of items that are sorted by their keys, and the marker of the next.
fn page<T>(form: &Form, items: Vec<(String, T)>) -> Result<(Vec<T>, Option<String>), Refusal> {
    let size = form.number("MaxRecords")?.unwrap_or(100);
    if !(20..=100).contains(&size) {
        return Err(Refusal::value(format!(
            "Invalid value {size} for MaxRecords. Must be between 20 and 100"
        )));
    }
    let after = form.text("Marker").map(read_marker).transpose()?;
    let mut rest = items
        .into_iter()
        .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
        .peekable();
    let mut taken = Vec::new();
    let mut last = None;
    while u32::try_from(taken.len()).is_ok_and(|count| count < size) {
        let Some((key, item)) = rest.next() else { break };
        last = Some(key);
        taken.push(item);
    }
    let marker = last.filter(|_| rest.peek().is_some()).map(|key| write_marker(&key));
    Ok((taken, marker))
}

/// Clients must not read meaning into a marker, so it does not show any.
fn write_marker(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn read_marker(marker: &str) -> Result<String, Refusal> {
    let invalid = || Refusal::value("The request token is invalid (Marker).");
    let digits: Vec<char> = marker.chars().collect();
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).ok())
        .collect();
    String::from_utf8(bytes.ok_or_else(invalid)?).map_err(|_| invalid())
}

/// The values of the filters of a describe action, by name; unknown names are refused.
fn filters(form: &Form, known: &[&str]) -> Result<BTreeMap<String, Vec<String>>, Refusal> {
    let mut filters = BTreeMap::new();
    for filter in form.list("Filters", "Filter") {
        let name = filter.required("Name")?;
        if !known.contains(&name) {
            return Err(Refusal::value(format!("Unrecognized filter name: {name}")));
        }
        filters.insert(name.to_owned(), filter.texts("Values", "Value"));
    }
    Ok(filters)
}

fn tags(form: &Form) -> BTreeMap<String, String> {
    form.list("Tags", "Tag")
        .into_iter()
        .filter_map(|tag| {
            let value = tag.text("Value").unwrap_or_default();
            Some((tag.text("Key")?.to_owned(), value.to_owned()))
        })
        .collect()
}

fn switches(form: &Form, known: &[Switch]) -> Result<SwitchChange, Refusal> {
    let mut change = SwitchChange::new();
    for switch in known {
        if let Some(on) = form.flag(switch.parameter())? {
            change.insert(*switch, on);
        }
    }
    Ok(change)
}

fn owned(form: &Form, name: &str) -> Option<String> {
    form.text(name).map(str::to_owned)
}

fn security_groups(form: &Form) -> Vec<String> {
    form.texts("VpcSecurityGroupIds", "VpcSecurityGroupId")
}

fn set(form: &Form, name: &str) -> BTreeSet<String> {
    form.texts(name, "member").into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: usize) -> Vec<(String, usize)> {
        (0..count).map(|number| (format!("item-{number:03}"), number)).collect()
    }

    #[test]
    fn pages_follow_one_another_without_a_gap_or_an_overlap() {
        let mut seen = Vec::new();
        let mut marker = String::new();
        loop {
            let form = Form::parse(&format!("MaxRecords=20&Marker={marker}"));
            let (page, next) = page(&form, items(45)).unwrap();
            seen.extend(page);
            let Some(next) = next else { break };
            marker = next;
        }
        assert_eq!(seen, (0..45).collect::<Vec<_>>());
    }

    #[test]
    fn a_full_last_page_has_no_marker_and_bad_sizes_are_refused() {
        let (all, next) = page(&Form::parse("MaxRecords=20"), items(20)).unwrap();
        assert_eq!((all.len(), next), (20, None));
        for bad in ["MaxRecords=19", "MaxRecords=101", "Marker=zz"] {
            assert_eq!(
                page(&Form::parse(bad), items(1)).unwrap_err().code,
                Code::InvalidParameterValue
            );
        }
    }
}
