//! The spec of a move on the stage, as a person would write it for the lab.

use std::fmt::Write as _;
use std::time::Duration;

/// How sessions end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fence {
    /// `pg_terminate_backend`.
    Terminate,
    /// RebootDBInstance.
    Reboot,
}

/// What differs from spec to spec; the rest fits the quick lab.
#[derive(Debug, Clone)]
pub struct SpecText {
    /// Name of the move.
    pub name: String,
    /// Source instance.
    pub instance: String,
    /// Target cluster.
    pub cluster: String,
    /// User and database of `[access]`; absent = credential-free.
    pub access: Option<(String, String)>,
    /// How the user of `[access]` logs in.
    pub login: Vec<String>,
    /// The fence.
    pub fence: Fence,
    /// Pause budget.
    pub pause_budget: Duration,
    /// `person` or `automatic`, for every gate.
    pub approve: &'static str,
    /// The same for the acceptance, where it differs.
    pub acceptance: Option<&'static str>,
    /// Window of sustained lag.
    pub sustained_for: Duration,
    /// How long the target is watched before it is compared.
    pub compare_for: Duration,
    /// How long the replica may take.
    pub replica_within: Duration,
    /// How long a proxy may take.
    pub acknowledge_within: Duration,
    /// Lines added to sections, such as `("cutover", "grace = \"2s\"")`.
    pub extra: Vec<(&'static str, String)>,
}

impl SpecText {
    /// The demo's spec.
    pub fn new(instance: &str) -> Self {
        Self {
            name: "shop".to_owned(),
            instance: instance.to_owned(),
            cluster: "shop-aurora".to_owned(),
            access: None,
            login: vec![quoted("password", "env:LANDFALL_PASSWORD")],
            fence: Fence::Reboot,
            pause_budget: Duration::from_secs(60),
            approve: "automatic",
            acceptance: None,
            sustained_for: Duration::from_secs(1),
            compare_for: Duration::from_secs(1),
            replica_within: Duration::from_mins(5),
            acknowledge_within: Duration::from_secs(10),
            extra: Vec::new(),
        }
    }

    /// The file.
    pub fn text(&self) -> String {
        let mut sections: Vec<(&str, Vec<String>)> = vec![
            ("migration", vec![quoted("name", &self.name)]),
            ("source", vec![quoted("instance", &self.instance)]),
            (
                "target",
                vec![
                    quoted("cluster", &self.cluster),
                    quoted("quarantine_group", "sg-quarantine-target"),
                ],
            ),
            (
                "route",
                vec![
                    quoted("service", "shop"),
                    duration("pause_budget", self.pause_budget),
                    duration("acknowledge_within", self.acknowledge_within),
                ],
            ),
            (
                "cutover",
                vec![
                    quoted("fence", word(self.fence)),
                    quoted("quarantine_group", "sg-quarantine-source"),
                    duration("sustained_for", self.sustained_for),
                ],
            ),
            (
                "limits",
                vec![
                    duration("replica_available_within", self.replica_within),
                    duration("step_within", Duration::from_mins(2)),
                    duration("look_every", Duration::from_millis(100)),
                ],
            ),
            (
                "baseline",
                vec![
                    duration("history", Duration::from_mins(5)),
                    duration("compare_for", self.compare_for),
                ],
            ),
            (
                "approve",
                vec![
                    quoted("backups", self.approve),
                    quoted("cutover", self.approve),
                    quoted("acceptance", self.acceptance.unwrap_or(self.approve)),
                ],
            ),
        ];
        if let Some((user, database)) = &self.access {
            let mut lines = vec![quoted("user", user), quoted("database", database)];
            lines.extend(self.login.iter().cloned());
            sections.push(("access", lines));
            let smoke = "sql = [\"select count(*) from orders\"]".to_owned();
            sections.push(("smoke", vec![smoke]));
        }
        for (section, line) in &self.extra {
            match sections.iter_mut().find(|(name, _)| name == section) {
                Some((_, lines)) => lines.push(line.clone()),
                None => sections.push((section, vec![line.clone()])),
            }
        }
        let mut text = String::new();
        for (section, lines) in sections {
            let _ = writeln!(text, "[{section}]\n{}\n", lines.join("\n"));
        }
        text
    }
}

const fn word(fence: Fence) -> &'static str {
    match fence {
        Fence::Terminate => "terminate",
        Fence::Reboot => "reboot",
    }
}

fn quoted(key: &str, value: &str) -> String {
    format!("{key} = {value:?}")
}

fn duration(key: &str, value: Duration) -> String {
    format!("{key} = \"{}ms\"", value.as_millis())
}
