//! `lab spec`: a spec that moves the lab's instance, commented, to start from.

use landfall_lab::supervisor::Record;
use serde_json::json;

use super::arguments::{Gates, SpecArguments};
use crate::exit::Exit;
use crate::out::{Form, Out};
use crate::stop::Stop;

/// The variable in which the spec expects the password; `lab env` sets it.
pub(super) const PASSWORD: &str = "LANDFALL_PASSWORD";

pub(super) fn print(record: &Record, asked: &SpecArguments, out: Out) -> Result<Exit, Stop> {
    let text = render(record, asked);
    match out.form {
        Form::Text => out.text(&text),
        Form::Json => out.json(&json!({ "spec_toml": text })),
    }
    Ok(Exit::Done)
}

fn render(record: &Record, asked: &SpecArguments) -> String {
    let SpecArguments { name, cluster, service, .. } = asked;
    let source = &record.source;
    let (instance, user) = (&source.instance, &source.user);
    let database = source.databases.first().map_or("postgres", String::as_str);
    let mut text = format!(
        r#"# A move in the lab: waits are short. On AWS leave sustained_for and look_every away.
[migration]
name = "{name}"

[source]
instance = "{instance}"

[target]
cluster = "{cluster}"
# Lets in the gateway and Landfall, and nobody else until after release.
quarantine_group = "sg-quarantine-target"

[route]
service = "{service}"
pause_budget = "30s"

[cutover]
# Lets in Landfall only: putting it on the source closes it.
quarantine_group = "sg-quarantine-source"
sustained_for = "3s"

[baseline]
# How long the target is watched before it is compared with what the source was.
compare_for = "5s"

[limits]
look_every = "200ms"
"#
    );
    if !asked.no_access {
        text.push_str(&format_access(user, database));
    }
    if asked.gates == Gates::Open {
        text.push_str(AUTOMATIC);
    }
    text
}

fn format_access(user: &str, database: &str) -> String {
    format!(
        r#"
[access]
user = "{user}"
password = "env:{PASSWORD}"
database = "{database}"

[smoke]
sql = ["select count(*) from orders"]
"#
    )
}

const AUTOMATIC: &str = r#"
[approve]
backups = "automatic"
cutover = "automatic"
acceptance = "automatic"
"#;

#[cfg(test)]
mod tests {
    use landfall_api::core::spec;
    use landfall_lab::cloud::delays::Profile;
    use landfall_lab::supervisor::Access;

    use super::*;

    #[test]
    fn every_form_is_a_spec() {
        let source = Access {
            instance: "shop-prod".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 5432,
            user: "shop_admin".to_owned(),
            password: "secret".to_owned(),
            databases: vec!["shop".to_owned()],
        };
        let record = Record {
            endpoint_url: String::new(),
            control_url: String::new(),
            token: String::new(),
            pid: 0,
            started: 0,
            profile: Profile::Quick,
            region: String::new(),
            account: String::new(),
            source,
            sockets: std::path::PathBuf::new(),
            made_dir: true,
            gateway_admin: None,
        };
        for (no_access, gates) in [(false, Gates::Ask), (true, Gates::Open)] {
            let asked = SpecArguments {
                name: "shop".to_owned(),
                cluster: "shop-aurora".to_owned(),
                service: "shop".to_owned(),
                no_access,
                gates,
            };
            let text = render(&record, &asked);
            let parsed = spec::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
            assert_eq!(parsed.access.is_none(), no_access);
            assert!(!text.contains("secret"), "a password in a spec");
        }
    }
}
