//! `export`: the rights that Landfall needs, to be given by whoever gives rights. Needs no server.
//!
//! What is printed is what `docs/operate/` ships and what the lab holds Landfall's calls against;
//! a spec fills in its names, and leaves out what its move does not do.

use landfall_api::core::Spec;
use landfall_api::core::spec::{
    Access, Alarms, Auth, PasswordReference, RetireSource, SpecMistakes, parse,
};
use serde_json::Value;

use crate::arguments::{Export, ExportArguments, SpecFile};
use crate::exit::Exit;
use crate::out::Out;
use crate::stop::Stop;

const MOVE: &str = include_str!("../../../../docs/operate/iam-policy.json");
const ASSESS: &str = include_str!("../../../../docs/operate/iam-policy-assess.json");
const DOCTOR: &str = include_str!("../../../../docs/operate/iam-policy-doctor.json");
const GRANTS: &str = include_str!("../../../../docs/operate/grants.sql");

/// The secrets that RDS makes for master passwords.
const MANAGED: &str = "arn:aws:secretsmanager:*:*:secret:rds!*";

pub(super) fn export(what: &Export, out: Out) -> Result<Exit, Stop> {
    match what {
        Export::Iam(asked) => {
            let document = if asked.assess_only { ASSESS } else { MOVE };
            match spec(asked)? {
                Some(spec) => out.json(&policy(document, &spec)),
                None => out.text(document),
            }
        }
        Export::Doctor => out.text(DOCTOR),
        Export::Grants(asked) => {
            let part = if asked.assess_only { observer(GRANTS) } else { GRANTS };
            out.text(&grants(part, spec(asked)?.as_ref()));
        }
    }
    Ok(Exit::Done)
}

fn spec(asked: &ExportArguments) -> Result<Option<Spec>, Stop> {
    let Some(path) = &asked.spec else { return Ok(None) };
    let text = super::look::read(&SpecFile { spec: path.clone() })?;
    let told =
        |mistakes: SpecMistakes| Stop::mistake(format!("The spec has mistakes:\n{mistakes}"));
    parse(&text).map(Some).map_err(told)
}

/// The policy for one move.
fn policy(document: &str, spec: &Spec) -> Value {
    let secondary = spec.target.global.as_ref().map(|it| it.cluster.to_string());
    let secondary = secondary.unwrap_or_default();
    let words = [
        ("SOURCE_INSTANCE", spec.source.instance.to_string()),
        ("TARGET_CLUSTER", spec.target.cluster.to_string()),
        ("SECONDARY_CLUSTER", secondary),
        ("HOSTED_ZONE", hosted_zone(spec).unwrap_or_default().to_owned()),
        ("DATABASE_USER", spec.access.as_ref().map(|it| it.user.clone()).unwrap_or_default()),
        ("PASSWORD_SECRET", secret(spec.access.as_ref()).unwrap_or_default().to_owned()),
    ];
    let filled = words
        .iter()
        .fold(document.to_owned(), |text, (placeholder, name)| text.replace(placeholder, name));
    let mut policy: Value =
        serde_json::from_str(&filled).expect("names of a spec hold no quotes and the file is JSON");
    if let Some(statements) = policy.get_mut("Statement").and_then(Value::as_array_mut) {
        statements.retain(|statement| {
            statement.get("Sid").and_then(Value::as_str).is_none_or(|sid| is_needed(sid, spec))
        });
    }
    policy
}

/// Whether the move of this spec does what a statement is for.
fn is_needed(sid: &str, spec: &Spec) -> bool {
    let access = spec.access.as_ref();
    match sid {
        "LogInByToken" => access.is_some_and(|access| access.auth == Auth::Iam),
        "ReadThePassword" => secret(access).is_some(),
        "ChangeTheDnsName" | "FollowTheDnsChange" => hosted_zone(spec).is_some(),
        "PutAProxyBeforeTheTarget" | "PointTheProxyAtTheTarget" => spec.target.proxy.is_some(),
        "MakeAGlobalDatabase" => spec.target.global.is_some(),
        "CopyAlarms" => spec.target.alarms == Alarms::Copy,
        "RetireTheSource" => spec.retire.source == RetireSource::SnapshotAndDelete,
        _ => true,
    }
}

fn hosted_zone(spec: &Spec) -> Option<&str> {
    spec.route.dns.as_ref()?.hosted_zone.as_deref()
}

/// The secret that holds the password, if one does.
fn secret(access: Option<&Access>) -> Option<&str> {
    let access = access?;
    match (access.auth, &access.password) {
        (Auth::Master, _) => Some(MANAGED),
        (Auth::Password, Some(PasswordReference::SecretsManager(arn))) => Some(arn),
        (Auth::Password | Auth::Iam, _) => None,
    }
}

/// The part of the grants that only looks.
fn observer(grants: &str) -> &str {
    grants.split("-- move:").next().unwrap_or(grants)
}

/// The grants for one move; for the names of the documentation without a spec.
fn grants(text: &str, spec: Option<&Spec>) -> String {
    let access = spec.and_then(|spec| spec.access.as_ref());
    let role = access.map_or("landfall", |access| access.user.as_str());
    let mut filled = text.replace("LANDFALL_ROLE", &quoted(role));
    if access.is_some_and(|access| access.auth == Auth::Iam) {
        let line = format!("grant rds_iam to {};", quoted(role));
        filled = format!("{}\n\n-- It logs in by token.\n{line}\n", filled.trim_end());
    }
    filled
}

/// A name as SQL takes it: plain where it can be.
fn quoted(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.chars().all(plain) && name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = r#"
[migration]
name = "orders"
[source]
instance = "orders-prod"
[target]
cluster = "orders-aurora"
quarantine_group = "sg-target"
[access]
user = "Landfall"
AUTH
database = "orders"
[route]
service = "orders"
[cutover]
quarantine_group = "sg-source"
"#;

    fn of(auth: &str) -> Spec {
        parse(&SPEC.replace("AUTH", auth)).unwrap()
    }

    fn sids(policy: &Value) -> Vec<&str> {
        let statements = policy["Statement"].as_array().unwrap();
        statements.iter().filter_map(|statement| statement["Sid"].as_str()).collect()
    }

    #[test]
    fn a_spec_fills_its_names_and_leaves_out_what_it_does_not_do() {
        let filled = policy(MOVE, &of("password = \"env:P\""));
        let text = filled.to_string();
        for placeholder in [
            "SOURCE_INSTANCE",
            "TARGET_CLUSTER",
            "SECONDARY_CLUSTER",
            "HOSTED_ZONE",
            "DATABASE_USER",
            "PASSWORD_SECRET",
        ] {
            assert!(MOVE.contains(placeholder) && !text.contains(placeholder), "{text}");
        }
        assert!(text.contains(":db:orders-prod") && text.contains(":cluster:orders-aurora"));
        for absent in ["LogInByToken", "ReadThePassword", "ChangeTheDnsName", "RetireTheSource"] {
            assert!(!sids(&filled).contains(&absent), "{absent}");
        }
        let iam = policy(MOVE, &of("auth = \"iam\"\nroot_certificate = \"/r.pem\""));
        assert!(sids(&iam).contains(&"LogInByToken") && iam.to_string().contains("*/Landfall"));
        let arn = "arn:aws:secretsmanager:eu-west-1:1:secret:o-AbCdEf";
        let secret = policy(ASSESS, &of(&format!("password = \"secret:{arn}\"")));
        assert_eq!(sids(&secret), ["Look", "ReadThePassword"]);
        assert!(secret.to_string().contains(arn));
        assert!(policy(MOVE, &of("auth = \"master\"")).to_string().contains("secret:rds!*"));
    }

    #[test]
    fn the_policies_fit_the_limit_of_a_managed_policy() {
        for document in [MOVE, ASSESS, DOCTOR] {
            let size = document.chars().filter(|c| !c.is_whitespace()).count();
            assert!(size <= 6144, "AWS counts {size} characters and takes 6144");
        }
    }

    #[test]
    fn grants_name_the_role_and_the_observer_gets_less() {
        let spec = of("auth = \"iam\"\nroot_certificate = \"/r.pem\"");
        let all = grants(GRANTS, Some(&spec));
        assert!(all.contains("create role \"Landfall\" login;"), "{all}");
        assert!(all.contains("grant rds_iam to \"Landfall\";"), "{all}");
        assert!(all.contains("grant create on database %I to \"Landfall\"'"), "{all}");
        let less = grants(observer(GRANTS), None);
        assert!(less.contains("grant pg_monitor to landfall;"), "{less}");
        for more in ["pg_signal_backend", "grant create", "createrole", "rds_replication"] {
            assert!(all.contains(more) && !less.contains(more), "{more}");
        }
    }
}
