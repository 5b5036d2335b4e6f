//! The keys a spec may have, and the nearest one to a misspelt key.

/// Sections and their keys, a section of a section by its dotted name. A section's name stands
/// once; keys are what serde takes.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    ("migration", &["name", "road"]),
    ("source", &["instance"]),
    (
        "target",
        &[
            "cluster",
            "class",
            "engine_version",
            "quarantine_group",
            "security_groups",
            "backup_retention_days",
            "readers",
            "serverless",
            "deletion_protection",
            "log_exports",
            "performance_insights",
            "iam_auth",
            "roles",
            "tags",
            "endpoint",
            "alarms",
            "proxy",
            "global",
        ],
    ),
    ("target.serverless", &["min_acu", "max_acu"]),
    ("target.roles", &["arn", "feature"]),
    ("target.endpoint", &["name", "kind", "members", "excluded"]),
    (
        "target.proxy",
        &[
            "name",
            "role",
            "secrets",
            "iam_auth",
            "require_tls",
            "subnets",
            "security_groups",
            "idle_client_timeout",
            "borrow_timeout",
            "max_connections_percent",
            "max_idle_connections_percent",
            "session_pinning_filters",
        ],
    ),
    (
        "target.global",
        &["name", "region", "cluster", "class", "subnet_group", "security_groups", "kms_key"],
    ),
    ("access", &["user", "auth", "password", "database", "root_certificate"]),
    (
        "route",
        &[
            "router",
            "service",
            "pause_budget",
            "acknowledge_within",
            "stragglers",
            "clients_wait",
            "gateway_networks",
            "upstream_tls",
            "upstream_roots",
            "sessions_per_proxy",
            "reader",
            "pgbouncer",
            "dns",
            "command",
        ],
    ),
    ("route.reader", &["service"]),
    ("route.pgbouncer", &["databases", "template", "node"]),
    (
        "route.pgbouncer.node",
        &["name", "host", "port", "user", "password", "root_certificate", "file", "write"],
    ),
    (
        "route.dns",
        &["name", "zone", "server", "hosted_zone", "secondaries", "port", "ttl", "key_name", "key"],
    ),
    ("route.command", &["program", "holds", "timeout"]),
    ("cutover", &["fence", "quarantine_group", "lag_max", "sustained_for", "grace", "on_overrun"]),
    ("smoke", &["sql", "http", "command"]),
    ("smoke.sql", &["query", "expect"]),
    ("smoke.http", &["url", "status", "contains", "within"]),
    ("smoke.command", &["program", "args", "within"]),
    ("baseline", &["history", "compare_for"]),
    (super::consumer::SECTION, super::consumer::KEYS),
    ("limits", &["replica_available_within", "lag_sustained_within", "step_within", "look_every"]),
    ("approve", &["backups", "cutover", "acceptance"]),
    ("way_back", &["arm", "tables_without_identity", "keep_for", "arm_within"]),
    ("retire", &["source", "inspection_group"]),
];

/// The known word nearest to `word`, when it is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .map(|(_, candidate)| candidate)
}
