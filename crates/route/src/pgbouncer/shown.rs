//! What a node shows of itself: its databases, and the settings that decide what it can do.

use std::time::Duration;

use jiff::Timestamp;
use landfall_core::port::router::{Sessions, Waiting};

use super::console::Row;

/// A database of the file that nobody can use: it shows that the node reads the file we write.
pub(super) const MARKER: &str = "landfall_held";

/// A row of `SHOW DATABASES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Database {
    pub(super) name: String,
    pub(super) host: Option<String>,
    pub(super) port: Option<String>,
    pub(super) paused: bool,
    /// Its own, when it has one.
    pub(super) pool_mode: Option<String>,
    pub(super) minimum: Minimum,
}

/// Whether this version has `min_pool_size` for a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Minimum {
    Known,
    Unknown,
}

impl Database {
    fn read(row: &Row) -> Option<Self> {
        let text = |column: &str| row.get(column).map(str::to_owned);
        Some(Self {
            name: text("name")?,
            host: text("host"),
            port: text("port"),
            paused: row.get("paused")? != "0",
            pool_mode: text("pool_mode"),
            minimum: row.get("min_pool_size").map_or(Minimum::Unknown, |_| Minimum::Known),
        })
    }

    pub(super) fn leads_to(&self, host: &str, port: &str) -> bool {
        self.host.as_deref() == Some(host) && self.port.as_deref() == Some(port)
    }

    pub(super) fn place(&self) -> String {
        let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "?".to_owned());
        format!("{}:{}", part(&self.host), part(&self.port))
    }
}

/// The databases of a service as one node has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) databases: Vec<Database>,
    /// The file in force is one that was written for a hold.
    pub(super) marked: bool,
}

impl Shown {
    /// The wanted ones of `SHOW DATABASES`; the error names one that is not there.
    pub(super) fn read(rows: &[Row], wanted: &[String]) -> Result<Self, String> {
        let all: Vec<Database> = rows.iter().filter_map(Database::read).collect();
        let find = |name: &String| {
            let found = all.iter().find(|database| database.name == *name).cloned();
            found.ok_or_else(|| format!("it has no database {name}"))
        };
        let databases = wanted.iter().map(find).collect::<Result<_, _>>()?;
        Ok(Self { databases, marked: all.iter().any(|database| database.name == MARKER) })
    }

    pub(super) fn minimum(&self) -> Minimum {
        let known = self.databases.iter().all(|database| database.minimum == Minimum::Known);
        if known { Minimum::Known } else { Minimum::Unknown }
    }

    pub(super) fn all_paused(&self) -> bool {
        self.databases.iter().all(|database| database.paused)
    }

    pub(super) fn none_paused(&self) -> bool {
        self.databases.iter().all(|database| !database.paused)
    }

    pub(super) fn lead_to(&self, host: &str, port: &str) -> bool {
        self.databases.iter().all(|database| database.leads_to(host, port))
    }
}

/// How long a client may wait in a node before it is sent away with an error: the shortest of the
/// bounds that are set.
pub(super) fn patience(config: &[Row]) -> Option<Duration> {
    const BOUNDS: [&str; 3] = ["query_wait_timeout", "query_timeout", "client_login_timeout"];
    BOUNDS.iter().filter_map(|key| seconds(setting(config, key)?)).min()
}

/// Sessions go on only when no pool binds a client to one server connection.
pub(super) fn sessions(shown: &Shown, config: &[Row], users: &[Row]) -> Sessions {
    let general = setting(config, "pool_mode");
    let of_databases = shown.databases.iter().map(|one| one.pool_mode.as_deref().or(general));
    let of_users = users.iter().filter_map(|row| row.get("pool_mode")).map(Some);
    let shares = |mode: Option<&str>| matches!(mode, Some("transaction" | "statement"));
    let mut modes = of_databases.chain(of_users.filter(|mode| *mode != Some("")));
    if modes.all(shares) { Sessions::Kept } else { Sessions::Cut }
}

/// Server connections to these databases are still logging in.
pub(super) fn logging_in(pools: &[Row], databases: &[String]) -> bool {
    any_in(pools, databases, "sv_login")
}

/// Clients of these databases have server connections.
pub(super) fn serving(pools: &[Row], databases: &[String]) -> bool {
    any_in(pools, databases, "sv_active")
}

/// Clients of these databases that wait for a server connection.
pub(super) fn waiting(pools: &[Row], databases: &[String], now: Timestamp) -> Waiting {
    let number = |row: &Row, column: &str| row.get(column).and_then(|text| text.parse().ok());
    let ours = pools.iter().filter(|row| is_of(row, databases));
    let (mut connections, mut longest) = (0, Duration::ZERO);
    for row in ours {
        connections += number(row, "cl_waiting").unwrap_or(0_u64);
        // Whole seconds, and the rest of the last one where this version has it.
        let rest = Duration::from_micros(number(row, "maxwait_us").unwrap_or(0));
        longest = longest.max(Duration::from_secs(number(row, "maxwait").unwrap_or(0)) + rest);
    }
    let since = now.checked_sub(longest).ok().filter(|_| connections > 0);
    Waiting { connections, since }
}

fn is_of(row: &Row, databases: &[String]) -> bool {
    row.get("database").is_some_and(|name| databases.iter().any(|one| one == name))
}

fn any_in(pools: &[Row], databases: &[String], column: &str) -> bool {
    pools
        .iter()
        .any(|row| is_of(row, databases) && row.get(column).is_some_and(|count| count != "0"))
}

pub(super) fn setting<'a>(config: &'a [Row], key: &str) -> Option<&'a str> {
    config.iter().find(|row| row.get("key") == Some(key))?.get("value")
}

/// Nothing for 0, which means that there is no bound.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().filter(|bound| !bound.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_bound_and_fractions_are_read() {
        assert_eq!(seconds("0"), None);
        assert_eq!(seconds("120"), Some(Duration::from_secs(120)));
        assert_eq!(seconds("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(seconds("-1"), None);
        assert_eq!(seconds("soon"), None);
    }

    #[test]
    fn a_route_is_followed_by_every_database_or_not_at_all() {
        let database = |name: &str, port: &str, paused| Database {
            name: name.to_owned(),
            host: Some("h".to_owned()),
            port: Some(port.to_owned()),
            paused,
            pool_mode: None,
            minimum: Minimum::Known,
        };
        let shown = |databases| Shown { databases, marked: false };
        let both = shown(vec![database("a", "1", true), database("b", "1", true)]);
        assert!(both.lead_to("h", "1") && both.all_paused() && !both.none_paused());
        let one = shown(vec![database("a", "1", true), database("b", "2", false)]);
        assert!(!one.lead_to("h", "1") && !one.all_paused() && !one.none_paused());
        assert_eq!(one.databases[1].place(), "h:2");
    }
}
