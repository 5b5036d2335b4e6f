//! Reading a spec: every mistake at once, each with its key and a remedy.

use std::fmt;

use super::consumer::{self, SECTION as CONSUMER};
use super::keys::{SECTIONS, nearest};
use super::route::{DIRECT_TLS_SINCE, UpstreamTls, refuses_direct_tls};
use super::{FenceKind, Spec};

/// One mistake in a spec.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SpecError {
    /// The key, such as `cutover.lag_max`; empty when the file is not TOML.
    pub key: String,
    /// What is wrong with it, and what to write instead.
    pub message: String,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.key, self.message)
        }
    }
}

/// All mistakes of a spec, never the first alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecMistakes(pub Vec<SpecError>);

impl fmt::Display for SpecMistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecMistakes {}

/// Reads a spec, or says everything that is wrong with it.
pub fn parse(text: &str) -> Result<Spec, SpecMistakes> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        SpecMistakes(vec![mistake(
            "",
            format!("this is not TOML: {}", where_and_why(text, &error)),
        )])
    })?;
    let mut mistakes = unknown_keys(&table);
    match toml::from_str::<Spec>(text) {
        Ok(spec) => mistakes.extend(contradictions(&spec)),
        // An unknown key is told above with a suggestion; serde would only tell the first.
        Err(error) if !mistakes.is_empty() && error.message().starts_with("unknown field") => {}
        Err(error) => mistakes.push(mistake(&section_at(text, &error), error.message().to_owned())),
    }
    if mistakes.is_empty() {
        let again = |error| SpecMistakes(vec![mistake("", where_and_why(text, &error))]);
        toml::from_str(text).map_err(again)
    } else {
        Err(SpecMistakes(mistakes))
    }
}

/// Without the line itself, which the error would quote: a password may stand in it.
fn where_and_why(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {}", before.matches('\n').count() + 1, error.message()),
        None => error.message().to_owned(),
    }
}

fn mistake(key: &str, message: String) -> SpecError {
    SpecError { key: key.to_owned(), message }
}

fn unknown_keys(table: &toml::Table) -> Vec<SpecError> {
    let mut mistakes = Vec::new();
    for (section, value) in table {
        if section == CONSUMER {
            mistakes.extend(of_consumers(table));
            continue;
        }
        let Some((_, keys)) = SECTIONS.iter().find(|(name, _)| name == section) else {
            mistakes.push(mistake(section, unknown_section(section)));
            continue;
        };
        let Some(entries) = value.as_table() else {
            mistakes.push(mistake(section, format!("is a section: write [{section}]")));
            continue;
        };
        unknown_in(section, keys, entries, &mut mistakes);
    }
    mistakes
}

/// What is wrong with the consumers, and why they are refused even when nothing is.
fn of_consumers(table: &toml::Table) -> Vec<SpecError> {
    let mut mistakes = Vec::new();
    let listed = table.get(CONSUMER).and_then(toml::Value::as_array);
    for entries in listed.into_iter().flatten().filter_map(toml::Value::as_table) {
        unknown_in(CONSUMER, consumer::KEYS, entries, &mut mistakes);
    }
    let wrong = consumer::consumers(table).err().into_iter().flatten();
    // An unknown key is told above with a suggestion.
    mistakes.extend(wrong.filter(|wrong| !wrong.message.starts_with("unknown field")));
    mistakes.push(mistake(CONSUMER, consumer::REFUSED.to_owned()));
    mistakes
}

/// The unknown keys of a section, and of the sections in it.
fn unknown_in(section: &str, keys: &[&str], entries: &toml::Table, mistakes: &mut Vec<SpecError>) {
    for (key, value) in entries {
        let full = format!("{section}.{key}");
        if !keys.contains(&key.as_str()) {
            mistakes.push(mistake(&full, unknown_key(key, section, keys)));
            continue;
        }
        let Some((_, inner)) = SECTIONS.iter().find(|(name, _)| *name == full) else { continue };
        let tables = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        for table in tables.iter().filter_map(toml::Value::as_table) {
            unknown_in(&full, inner, table, mistakes);
        }
    }
}

fn unknown_section(section: &str) -> String {
    let sections = || SECTIONS.iter().map(|(name, _)| *name).filter(|name| !name.contains('.'));
    match nearest(section, sections()) {
        Some(known) => format!("no section has this name; did you mean [{known}]?"),
        None => {
            let names: Vec<_> = sections().collect();
            format!("no section has this name; sections are {}", names.join(", "))
        }
    }
}

fn unknown_key(key: &str, section: &str, keys: &[&str]) -> String {
    if let Some(known) = nearest(key, keys.iter().copied()) {
        return format!("no key has this name; did you mean {known}?");
    }
    let elsewhere = SECTIONS.iter().find(|(_, keys)| keys.contains(&key));
    match elsewhere {
        Some((other, _)) => {
            format!("no key has this name in [{section}]; did you mean [{other}] {key}?")
        }
        None => format!("no key has this name; keys of [{section}] are {}", keys.join(", ")),
    }
}

/// The section and key an error points at, from its place in the text.
fn section_at(text: &str, error: &toml::de::Error) -> String {
    let Some(span) = error.span() else { return String::new() };
    let before: Vec<&str> = text.get(..span.start).unwrap_or(text).lines().collect();
    let section = before
        .iter()
        .rev()
        .find_map(|line| line.trim().strip_prefix('[').and_then(|rest| rest.split(']').next()));
    let line = text.get(..span.start).map_or(0, |head| head.matches('\n').count());
    let key = text
        .lines()
        .nth(line)
        .and_then(|line| line.split_once('='))
        .map(|(key, _)| key.trim().to_owned());
    match (section, key) {
        (Some(section), Some(key)) => format!("{section}.{key}"),
        (Some(section), None) => section.to_owned(),
        (None, Some(key)) => key,
        (None, None) => String::new(),
    }
}

fn contradictions(spec: &Spec) -> Vec<SpecError> {
    let mut mistakes = Vec::new();
    let name = spec.migration.name.as_str();
    if !is_identifier(name, 40) {
        mistakes.push(mistake(
            "migration.name",
            format!("{name:?} cannot name a move; use lower-case letters, digits and single hyphens, at most 40"),
        ));
    }
    let cluster = spec.target.cluster.as_str();
    if !is_identifier(cluster, 50) {
        mistakes.push(mistake(
            "target.cluster",
            format!("{cluster:?} cannot name a cluster; use lower-case letters, digits and single hyphens, at most 50"),
        ));
    }
    if spec.cutover.fence == FenceKind::Terminate && spec.access.is_none() {
        mistakes.push(mistake(
            "cutover.fence",
            "\"terminate\" ends sessions through SQL: add [access], or write \"reboot\"".to_owned(),
        ));
    }
    if !spec.smoke.sql.is_empty() && spec.access.is_none() {
        mistakes.push(mistake("smoke.sql", "smoke tests by SQL need [access]".to_owned()));
    }
    if spec.cutover.quarantine_group == spec.target.quarantine_group {
        mistakes.push(mistake(
            "target.quarantine_group",
            "must not be the source's: the target's lets the gateway in, the source's must not"
                .to_owned(),
        ));
    }
    if spec.retire.inspection_group.as_ref() == Some(&spec.target.quarantine_group) {
        mistakes.push(mistake(
            "retire.inspection_group",
            "must be a group of its own, without the gateway or the application".to_owned(),
        ));
    }
    let access = spec.access.iter().flat_map(super::access::contradictions);
    mistakes.extend(access.map(|(key, message)| mistake(key, message)));
    let way_back = super::way_back::contradiction(spec);
    mistakes.extend(way_back.map(|(key, message)| mistake(key, message)));
    let target = super::target::contradictions(&spec.target);
    mistakes.extend(target.into_iter().map(|(key, message)| mistake(key, message)));
    let budget = spec.pause_budget();
    let tests = super::smoke::contradictions(&spec.smoke, &spec.baseline, budget);
    mistakes.extend(tests.into_iter().map(|(key, message)| mistake(key, message)));
    let route = super::route::contradictions(&spec.route);
    mistakes.extend(route.into_iter().map(|(key, message)| mistake(key, message)));
    mistakes.extend(direct_tls(spec));
    mistakes
}

fn direct_tls(spec: &Spec) -> Option<SpecError> {
    let version = spec.target.engine_version.as_deref()?;
    let refused = spec.route.upstream_tls == UpstreamTls::Direct && refuses_direct_tls(version);
    refused.then(|| {
        mistake(
            "route.upstream_tls",
            format!(
                "PostgreSQL {version} does not speak TLS before it is asked to ({DIRECT_TLS_SINCE} \
                 and later do): write \"passthrough\""
            ),
        )
    })
}

pub(super) fn is_identifier(text: &str, longest: usize) -> bool {
    let parts = || text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
    starts && parts() && text.len() <= longest && !text.ends_with('-') && !text.contains("--")
}

#[cfg(test)]
mod tests {
    use super::super::Auth;
    use super::*;

    const GOOD: &str = r#"
[migration]
name = "orders"
[source]
instance = "orders-prod"
[target]
cluster = "orders-aurora"
quarantine_group = "sg-target"
[access]
user = "landfall"
password = "env:LANDFALL_PASSWORD"
[route]
service = "orders"
pause_budget = "5m"
[cutover]
quarantine_group = "sg-source"
lag_max = "64MiB"
"#;

    fn mistakes(text: &str) -> String {
        parse(text).expect_err("it was taken").to_string()
    }

    #[test]
    fn a_good_spec_fills_its_defaults_and_survives_json() {
        let spec = parse(GOOD).unwrap();
        assert_eq!(spec.fence(), FenceKind::Terminate);
        assert_eq!(spec.cutover.sustained_for.as_secs(), 1800);
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<Spec>(&json).unwrap(), spec);
    }

    #[test]
    fn a_typo_is_an_error_with_a_suggestion() {
        let text = GOOD.replace("lag_max", "lag_mux").replace("[access]", "[acess]");
        let told = mistakes(&text);
        assert!(
            told.contains("cutover.lag_mux: no key has this name; did you mean lag_max?"),
            "{told}"
        );
        assert!(told.contains("acess: no section has this name; did you mean [access]?"), "{told}");
    }

    #[test]
    fn a_key_in_the_wrong_section_is_told_its_home() {
        let text = GOOD
            .replace("pause_budget = \"5m\"\n", "")
            .replace("lag_max = \"64MiB\"", "pause_budget = \"5m\"");
        assert!(mistakes(&text).contains("did you mean [route] pause_budget?"));
    }

    #[test]
    fn a_literal_password_is_refused_and_not_repeated() {
        let told = mistakes(&GOOD.replace("env:LANDFALL_PASSWORD", "hunter2"));
        assert!(told.contains("access.password"), "{told}");
        assert!(told.contains("env:VARIABLE"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_password_without_quotes_is_not_repeated_either() {
        let told = mistakes(&GOOD.replace("\"env:LANDFALL_PASSWORD\"", "hunter2"));
        assert!(told.contains("line 11") && !told.contains("hunter2"), "{told}");
    }

    #[test]
    fn a_way_to_log_in_goes_with_what_it_needs() {
        let with =
            |lines: &str| parse(&GOOD.replace("password = \"env:LANDFALL_PASSWORD\"", lines));
        let told = |lines: &str| with(lines).unwrap_err().to_string();
        let iam = "auth = \"iam\"\nroot_certificate = \"/etc/rds.pem\"";
        let access = with(iam).unwrap().access.unwrap();
        assert_eq!((access.auth, access.password), (Auth::Iam, None));
        assert_eq!(with("auth = \"master\"").unwrap().access.unwrap().auth, Auth::Master);
        assert!(told("").contains("access.password: say where"), "{}", told(""));
        assert!(told("auth = \"iam\"").contains("access.root_certificate"));
        let both = format!("{iam}\npassword = \"env:X\"");
        assert!(told(&both).contains("finds its own"), "{}", told(&both));
        let typo = told("auth = \"imm\"\n");
        assert!(typo.contains("access.auth") && typo.contains("mean \"iam\""), "{typo}");
    }

    #[test]
    fn consumers_are_checked_and_refused_all_the_same() {
        let section = "\n[[consumer]]\nname = \"warehouse\"\nkind = \"kafka-connect\"\n\
                       url = \"http://connect:8083\"\nconnector = \"cdc\"\n";
        let told = mistakes(&format!("{GOOD}{section}"));
        assert!(told.starts_with("consumer: this version reads the section"), "{told}");
        assert_eq!(told.lines().count(), 1, "nothing else is wrong: {told}");
        let told = mistakes(&format!("{GOOD}{}", section.replace("url", "ulr")));
        assert!(told.contains("consumer.ulr: no key has this name; did you mean url?"), "{told}");
        let told = mistakes(&format!("{GOOD}{}", section.replace("http:", "ftp:")));
        assert!(told.contains("consumer.url: write http://"), "{told}");
    }

    #[test]
    fn contradictions_are_all_told() {
        let text = GOOD
            .replace("name = \"orders\"", "name = \"Orders!\"")
            .replace("sg-target", "sg-source")
            .replace("lag_max = \"64MiB\"", "fence = \"terminate\"")
            .replace("[access]\nuser = \"landfall\"\npassword = \"env:LANDFALL_PASSWORD\"\n", "");
        let told = mistakes(&text);
        for key in ["migration.name", "cutover.fence", "target.quarantine_group"] {
            assert!(told.contains(key), "{key} missing in {told}");
        }
    }

    #[test]
    fn every_gateway_is_described_and_no_other() {
        let gateway = |router: &str, sections: &str| {
            mistakes(
                &GOOD
                    .replace("[route]", &format!("[route]\nrouter = {router}"))
                    .replace("[cutover]", &format!("{sections}\n[cutover]")),
            )
        };
        assert!(gateway("\"dns\"", "").contains("needs a section [route.dns]"));
        assert!(gateway("[\"envoy\", \"envoy\"]", "").contains("each gateway once"));
        let node = "[route.pgbouncer]\ndatabases = []\n[[route.pgbouncer.node]]\nname = \"a\"\n\
                    host = \"/run\"\nport = 6432\nfil = \"/x\"\n";
        let told = gateway("\"pgbouncer\"", node);
        assert!(told.contains("route.pgbouncer.node.fil") && told.contains("mean file?"), "{told}");
        let told = gateway("\"pgbouncer\"", &node.replace("fil =", "file ="));
        assert!(told.contains("route.pgbouncer.databases"), "{told}");
        let dns = "[route.dns]\nname = \"orders.db\"\nzone = \"example.com\"\nserver = \"ns1\"\n\
                   key_name = \"k\"\nsecondaries = [\"ns2\"]\nttl = \"10s\"\n";
        let told = gateway("[\"envoy\", \"dns\"]", dns);
        for key in ["name", "server", "secondaries", "ttl", "key"] {
            assert!(told.contains(&format!("route.dns.{key}")), "{key} missing in {told}");
        }
        assert!(gateway("\"envoy\"", dns).contains("nothing uses it"));
    }

    #[test]
    fn a_passage_is_envoys_and_direct_tls_names_whom_it_trusts() {
        let with = |keys: &str| parse(&GOOD.replace("[route]", &format!("[route]\n{keys}")));
        assert!(with("").unwrap().route.passage().is_plain());
        let direct = "upstream_tls = \"direct\"\n";
        let good = with(&format!("{direct}upstream_roots = \"/etc/rds.pem\"")).unwrap();
        assert_eq!(good.route.passage().tls.unwrap().roots, "/etc/rds.pem");
        let told = |keys: &str| with(keys).unwrap_err().to_string();
        for roots in ["", "upstream_roots = \"rds.pem\""] {
            assert!(told(&format!("{direct}{roots}")).contains("route.upstream_roots"), "{roots}");
        }
        assert!(told("upstream_roots = \"/etc/rds.pem\"").contains("nothing uses it"));
        assert!(told("sessions_per_proxy = 0").contains("route.sessions_per_proxy"));
        let elsewhere = "router = \"dns\"\nsessions_per_proxy = 90\nupstream_tls = \"direct\"";
        let told_of = told(elsewhere);
        for key in ["sessions_per_proxy", "upstream_tls"] {
            assert!(told_of.contains(&format!("route.{key}: only Envoy has it")), "{told_of}");
        }
    }

    #[test]
    fn direct_tls_needs_a_target_that_speaks_it() {
        let with = |version: &str| {
            let keys = "[route]\nupstream_tls = \"direct\"\nupstream_roots = \"/etc/rds.pem\"";
            let target = format!("[target]\nengine_version = \"{version}\"");
            parse(&GOOD.replace("[route]", keys).replace("[target]", &target))
        };
        for version in ["17.2", "18.1", "17"] {
            assert!(with(version).is_ok(), "{version}");
        }
        let told = with("16.4").unwrap_err().to_string();
        assert!(told.contains("route.upstream_tls: PostgreSQL 16.4"), "{told}");
    }

    #[test]
    fn readers_are_services_of_their_own() {
        let with = |router: &str, readers: &str| {
            let route = format!("[route]\nrouter = {router}");
            let section = format!("{readers}\n[cutover]");
            parse(&GOOD.replace("[route]", &route).replace("[cutover]", &section))
        };
        let one = "[[route.reader]]\nservice = \"orders-ro\"\n";
        let spec = with("\"envoy\"", one).unwrap();
        let services: Vec<_> = spec.services().map(|service| service.as_str()).collect();
        assert_eq!(services, ["orders", "orders-ro"]);
        let told = |readers: &str| with("\"envoy\"", readers).unwrap_err().to_string();
        assert!(told(&format!("{one}{one}")).contains("route.reader.service"));
        assert!(told(&one.replace("orders-ro", "orders")).contains("route.reader.service"));
        assert!(told(&one.replace("service", "servce")).contains("did you mean service?"));
        let dns = "[route.dns]\nname = \"a.b\"\nzone = \"b\"\nserver = \"10.0.0.2:53\"\n";
        let told = with("[\"envoy\", \"dns\"]", &format!("{one}{dns}")).unwrap_err().to_string();
        assert!(told.contains("route.reader: [route.dns] describes route.service alone"), "{told}");
    }

    #[test]
    fn networks_and_stragglers_are_checked() {
        let with = |line: &str| GOOD.replace("[route]", &format!("[route]\n{line}"));
        let spec = parse(&with("gateway_networks = [\"10.0.8.0/24\"]\nstragglers = \"go_on\""));
        let spec = spec.unwrap();
        assert_eq!(spec.route.stragglers, crate::spec::Stragglers::GoOn);
        assert_eq!(spec.route.gateway_networks[0].to_string(), "10.0.8.0/24");
        let spec = parse(&with("clients_wait = \"2s\"")).unwrap();
        assert_eq!(spec.route.clients_wait, Some(std::time::Duration::from_secs(2)));
        assert!(mistakes(&with("clients_wait = 2")).contains("route.clients_wait"));
        let told = mistakes(&with("gateway_networks = [\"10.0.8/24\"]"));
        assert!(told.contains("route.gateway_networks"), "{told}");
        assert!(mistakes(&with("stragglers = \"ignore\"")).contains("route.stragglers"));
    }

    #[test]
    fn a_wrong_value_names_its_key() {
        let told = mistakes(&GOOD.replace("\"5m\"", "\"5\""));
        assert!(told.contains("route.pause_budget") && told.contains("not a duration"), "{told}");
    }
}
