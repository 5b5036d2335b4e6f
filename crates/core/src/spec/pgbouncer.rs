//! `[route.pgbouncer]`: the nodes that pool the same databases, and how each is told of them.

use serde::{Deserialize, Serialize};

use super::SecretReference;

/// Names that PgBouncer, or Landfall in a hold, has for itself.
const RESERVED: [&str; 2] = ["pgbouncer", "landfall_held"];

/// `[route.pgbouncer]`: nodes that pool the same databases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PgBouncerSpec {
    /// The databases as PgBouncer names them; each is paused, pointed and resumed.
    pub databases: Vec<String>,
    /// One line of `[databases]` for each of them, after `name =`: `{database}`, `{host}` and
    /// `{port}` are filled in.
    #[serde(default = "PgBouncerSpec::default_template")]
    pub template: String,
    /// `[[route.pgbouncer.node]]`: the processes.
    pub node: Vec<PgBouncerNode>,
}

impl PgBouncerSpec {
    fn default_template() -> String {
        "host={host} port={port} dbname={database}".to_owned()
    }
}

/// `[[route.pgbouncer.node]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PgBouncerNode {
    /// Its name in messages.
    pub name: String,
    /// Host of the admin console, or the directory of its Unix socket.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// One of its `admin_users`.
    #[serde(default = "PgBouncerNode::default_user")]
    pub user: String,
    /// That user's password; absent with peer or trust authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretReference>,
    /// A file of PEM certificates: with it the console is spoken to over TLS, and the node must
    /// show a certificate of theirs for `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_certificate: Option<String>,
    /// The file with `[databases]` that Landfall writes and the node includes (`%include`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// In place of `file`, for a node elsewhere: a program and its arguments that reads the file's
    /// content and puts it there, whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Vec<String>>,
}

impl PgBouncerNode {
    fn default_user() -> String {
        "pgbouncer".to_owned()
    }

    fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

/// What contradicts itself in it: the key, and what to write instead.
pub(super) fn contradictions(spec: &PgBouncerSpec) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let plain = |name: &String| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
    };
    if spec.databases.is_empty() || !spec.databases.iter().all(plain) {
        let message = "list the databases by PgBouncer's names: letters, digits, _, - and dots";
        found.push(("route.pgbouncer.databases", message.to_owned()));
    }
    let reserved = |name: &&String| RESERVED.contains(&name.to_ascii_lowercase().as_str());
    if let Some(name) = spec.databases.iter().find(reserved) {
        let whose = "is a name that PgBouncer or Landfall has for itself: give the database \
                     another one in PgBouncer's file, and name that";
        found.push(("route.pgbouncer.databases", format!("{name:?} {whose}")));
    }
    if !["{host}", "{port}"].iter().all(|part| spec.template.contains(part))
        || spec.template.contains('\n')
    {
        let message = "must be one line with {host} and {port}";
        found.push(("route.pgbouncer.template", message.to_owned()));
    }
    let mut names: Vec<&str> = spec.node.iter().map(|node| node.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if spec.node.is_empty() || names.len() != spec.node.len() {
        let message = "add a [[route.pgbouncer.node]] for each process, each with its own name";
        found.push(("route.pgbouncer.node", message.to_owned()));
    }
    found.extend(spec.node.iter().flat_map(of_node));
    found
}

fn of_node(node: &PgBouncerNode) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    let name = &node.name;
    match (&node.file, &node.write) {
        (Some(_), None) => {}
        (None, Some(words)) if words.first().is_some_and(|program| !program.is_empty()) => {}
        (None, Some(_)) => {
            let message = format!("name the program that writes the file of {name}");
            found.push(("route.pgbouncer.node.write", message));
        }
        (None, None) | (Some(_), Some(_)) => {
            let message = format!(
                "node {name} needs either the file that it includes, or with `write` a program \
                 that puts it there"
            );
            found.push(("route.pgbouncer.node.file", message));
        }
    }
    if node.is_socket() && node.root_certificate.is_some() {
        let message =
            format!("{name} is spoken to by its Unix socket, which has no TLS: remove it");
        found.push(("route.pgbouncer.node.root_certificate", message));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node() -> PgBouncerNode {
        PgBouncerNode {
            name: "a".to_owned(),
            host: "10.0.0.4".to_owned(),
            port: 6432,
            user: "landfall".to_owned(),
            password: None,
            root_certificate: None,
            file: Some("/etc/pgbouncer/shop.ini".to_owned()),
            write: None,
        }
    }

    fn told(databases: &[&str], node: PgBouncerNode) -> Vec<(&'static str, String)> {
        let databases = databases.iter().map(ToString::to_string).collect();
        let template = PgBouncerSpec::default_template();
        contradictions(&PgBouncerSpec { databases, template, node: vec![node] })
    }

    #[test]
    fn names_that_are_taken_are_refused() {
        assert_eq!(told(&["shop"], node()), []);
        for taken in ["pgbouncer", "PgBouncer", "landfall_held"] {
            let told = told(&["shop", taken], node());
            assert!(told.iter().any(|(_, words)| words.contains(taken)), "{taken}: {told:?}");
        }
    }

    #[test]
    fn a_node_has_a_file_or_a_program_that_writes_it() {
        let write = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
        let remote = PgBouncerNode { file: None, write: write(&["ssh", "pool-2"]), ..node() };
        assert_eq!(told(&["shop"], remote), []);
        let wrong = [
            (PgBouncerNode { file: None, ..node() }, "route.pgbouncer.node.file"),
            (PgBouncerNode { write: write(&["ssh"]), ..node() }, "route.pgbouncer.node.file"),
            (
                PgBouncerNode { file: None, write: write(&[]), ..node() },
                "route.pgbouncer.node.write",
            ),
            (
                PgBouncerNode {
                    host: "/run/pgbouncer".to_owned(),
                    root_certificate: Some("/etc/ca.pem".to_owned()),
                    ..node()
                },
                "route.pgbouncer.node.root_certificate",
            ),
        ];
        for (node, key) in wrong {
            let told = told(&["shop"], node);
            assert!(matches!(told.as_slice(), [(about, _)] if *about == key), "{key}: {told:?}");
        }
    }
}
