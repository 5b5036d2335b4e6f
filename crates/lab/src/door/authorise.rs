//! What a call asks of IAM: each action with each resource it touches, and the tags it brings.
//!
//! The table follows AWS's service authorization reference as far as Landfall calls: an action on
//! two resources is asked twice, tags at a creation are `AddTagsToResource` on the new resource,
//! and a role that is handed over is `iam:PassRole`. Option, subnet and old security groups are
//! left out: the lab's resources have none of their own. Looking concerns no single resource here.

use std::collections::BTreeMap;

use hyper::http::request::Parts;

use super::form::Form;
use super::route::Call;
use crate::cloud::names::{ACCOUNT, Identifier, REGION, Resource, arn, global_arn};
use crate::policy::Ask;

/// Who signed: the access key of the `Authorization` header, empty when it has the form and names
/// nobody; nothing when it has another form.
pub(super) fn access_key(head: &Parts) -> Option<&str> {
    let header = head.headers.get("authorization")?.to_str().ok()?;
    let signed = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
    let credential = signed.split_once("Credential=").map_or("", |(_, credential)| credential);
    credential.split('/').next()
}

/// Everything that must be allowed for a call.
pub(super) fn asks(call: &Call) -> Vec<Ask> {
    match call {
        Call::Rds { action, form } => of_rds(action, form),
        // Nobody needs a right to learn who they are.
        Call::Sts { .. } => Vec::new(),
        Call::CloudWatch { operation, alarm, .. } => {
            let of_alarm =
                |name: &String| format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}");
            let resource = alarm.as_ref().map_or_else(|| "*".to_owned(), of_alarm);
            vec![plain(format!("cloudwatch:{operation}"), resource)]
        }
        Call::Route53(call) => {
            let kind = if call.action() == "GetChange" { "change" } else { "hostedzone" };
            let resource = format!("arn:aws:route53:::{kind}/{}", call.subject());
            vec![plain(format!("route53:{}", call.action()), resource)]
        }
        Call::SecretsManager { action, secret, .. } => {
            vec![plain(format!("secretsmanager:{action}"), secret.clone())]
        }
    }
}

fn plain(action: String, resource: String) -> Ask {
    Ask { action, resource, context: BTreeMap::new() }
}

fn of_rds(action: &str, form: &Form) -> Vec<Ask> {
    let tags = request_tags(form);
    let ask = |action: &str, resource: String| Ask {
        action: format!("rds:{action}"),
        resource,
        context: tags.clone(),
    };
    let touched = resources(action, form);
    let mut asks: Vec<Ask> = touched.iter().map(|one| ask(action, one.clone())).collect();
    if asks.is_empty() {
        asks.push(ask(action, "*".to_owned()));
    }
    if action.starts_with("Create") && !tags.is_empty() {
        asks.extend(touched.first().map(|made| ask("AddTagsToResource", made.clone())));
    }
    if let Some(role) = form.text("RoleArn") {
        let service = ("iam:PassedToService".to_owned(), "rds.amazonaws.com".to_owned());
        let context = BTreeMap::from([service]);
        asks.push(Ask { action: "iam:PassRole".to_owned(), resource: role.to_owned(), context });
    }
    asks
}

/// The resources that a change touches, what it makes or is about first.
fn resources(action: &str, form: &Form) -> Vec<String> {
    const NAMED: [(&str, Resource); 8] = [
        ("DBSnapshotIdentifier", Resource::Snapshot),
        ("DBClusterSnapshotIdentifier", Resource::ClusterSnapshot),
        ("DBClusterEndpointIdentifier", Resource::ClusterEndpoint),
        ("DBProxyName", Resource::Proxy),
        ("DBInstanceIdentifier", Resource::Instance),
        ("DBClusterIdentifier", Resource::Cluster),
        ("DBParameterGroupName", Resource::ParameterGroup),
        ("DBClusterParameterGroupName", Resource::ClusterParameterGroup),
    ];
    if action.starts_with("Describe") || action.starts_with("List") {
        return Vec::new();
    }
    let named = NAMED.into_iter().filter_map(|(name, resource)| {
        let text = form.text(name)?;
        // Some take an ARN in place of the name.
        let whole = text.starts_with("arn:");
        Some(if whole { text.to_owned() } else { arn(resource, &text.to_ascii_lowercase()) })
    });
    let by_arn = ["ReplicationSourceIdentifier", "SourceDBClusterIdentifier", "ResourceName"];
    let by_arn = by_arn.into_iter().filter_map(|name| form.text(name).map(str::to_owned));
    let final_snapshot = form.text("FinalDBSnapshotIdentifier");
    let final_snapshot = final_snapshot.map(|name| arn(Resource::Snapshot, name));
    let global = form.text("GlobalClusterIdentifier").map(Identifier::lookup);
    let global = global.map(|name| global_arn(&name));
    let mut found: Vec<String> = named.chain(global).chain(by_arn).chain(final_snapshot).collect();
    // A cluster that is made is what a group and a source are for.
    if action == "CreateDBCluster" {
        found.sort_by_key(|one| !one.contains(":cluster:"));
    }
    found
}

fn request_tags(form: &Form) -> BTreeMap<String, String> {
    let tags = form.list("Tags", "Tag");
    let tags = tags.into_iter().filter_map(|tag| {
        let key = format!("aws:RequestTag/{}", tag.text("Key")?);
        Some((key, tag.text("Value").unwrap_or_default().to_owned()))
    });
    tags.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(action: &str, form: &str) -> Vec<String> {
        let call = Call::Rds { action: action.to_owned(), form: Form::parse(form) };
        asks(&call).into_iter().map(|ask| format!("{} {}", ask.action, ask.resource)).collect()
    }

    #[test]
    fn a_call_asks_for_each_thing_it_touches() {
        let here = format!("arn:aws:rds:{REGION}:{ACCOUNT}");
        assert_eq!(
            asked("DescribeDBInstances", "DBInstanceIdentifier=x"),
            ["rds:DescribeDBInstances *"]
        );
        let source = format!("{here}:db:shop");
        let create = format!(
            "DBClusterIdentifier=Aurora&DBClusterParameterGroupName=aurora-cluster\
             &ReplicationSourceIdentifier={source}&Tags.Tag.1.Key=a&Tags.Tag.1.Value=b"
        );
        let cluster = format!("{here}:cluster:aurora");
        assert_eq!(
            asked("CreateDBCluster", &create),
            [
                format!("rds:CreateDBCluster {cluster}"),
                format!("rds:CreateDBCluster {here}:cluster-pg:aurora-cluster"),
                format!("rds:CreateDBCluster {source}"),
                format!("rds:AddTagsToResource {cluster}"),
            ]
        );
        let role = "DBClusterIdentifier=aurora&RoleArn=arn:aws:iam::1:role/r";
        let asks = asked("AddRoleToDBCluster", role);
        assert_eq!(asks[1], "iam:PassRole arn:aws:iam::1:role/r");
        assert_eq!(
            asked("CreateDBSnapshot", "DBInstanceIdentifier=a&DBSnapshotIdentifier=a-final"),
            [
                format!("rds:CreateDBSnapshot {here}:snapshot:a-final"),
                format!("rds:CreateDBSnapshot {here}:db:a"),
            ]
        );
    }
}
