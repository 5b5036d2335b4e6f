//! Client programs as people have them: started with their own defaults, told nothing but where.

use std::ffi::OsStr;
use std::path::PathBuf;

use landfall_e2e::database::{PASSWORD, USER};
use landfall_lab::process::{Exit, Program, Running, Signal};
use serde_json::Value;

use super::rig::{BOUND, Rig};

/// Where the servers say who they are, and whether the client's own TLS reached them.
const WHO: &str = "select json_build_object('port', inet_server_port(), 'tls', ssl) \
                   from pg_stat_ssl where pid = pg_backend_pid()";

/// A client that runs.
pub(super) struct Client {
    running: Running,
}

/// A client that has ended: how, and all that it wrote.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) exit: Exit,
    pub(super) text: String,
}

impl Client {
    pub(super) fn is_running(&self) -> bool {
        self.running.is_running()
    }

    pub(super) fn text(&self) -> String {
        std::fs::read_to_string(self.running.log()).unwrap_or_default()
    }

    pub(super) async fn ended(self) -> Ended {
        let Ok(exit) = tokio::time::timeout(BOUND, self.running.wait()).await else {
            let name = self.running.name().to_owned();
            self.running.stop(Signal::Kill, BOUND).await;
            panic!("{name} does not end; {}", self.text());
        };
        Ended { exit, text: self.text() }
    }
}

impl Ended {
    /// What it printed last, as JSON, after a good end.
    #[track_caller]
    pub(super) fn said(&self) -> Value {
        assert!(self.exit.is_success(), "{self:?}");
        self.last_said()
    }

    /// The same, however it ended.
    #[track_caller]
    pub(super) fn last_said(&self) -> Value {
        let last = self.text.lines().rfind(|line| line.starts_with('{'));
        serde_json::from_str(last.unwrap_or_else(|| panic!("{self:?}"))).expect("JSON")
    }
}

/// psql asks one thing; `options` are added to the connection's.
pub(super) async fn psql(rig: &Rig, name: &str, options: &str) -> Client {
    let program = Program::new(rig.tools.program("psql"), rig.path(name));
    start(
        rig,
        program
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args([&format!("--command={WHO}"), options]),
    )
    .await
}

/// pgbench runs a script, with a new connection for each transaction. A thread of its own for each
/// client, because one that waits for a connection leaves its other clients' sessions open.
pub(super) async fn pgbench(rig: &Rig, name: &str, script: &str, transactions: u32) -> Client {
    let file = rig.path(&format!("{name}.sql"));
    std::fs::write(&file, script).expect("a script");
    let program = Program::new(rig.tools.program("pgbench"), rig.path(name));
    let program = program.args(["--no-vacuum", "--connect", "--client=4", "--jobs=4"]);
    let program = program.arg(format!("--transactions={transactions}")).arg("--file").arg(file);
    start(rig, program).await
}

/// A program of `e2e/clients`.
pub(super) async fn python<A: AsRef<OsStr>>(
    rig: &Rig,
    script: &str,
    name: &str,
    arguments: impl IntoIterator<Item = A>,
) -> Client {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients").join(script);
    let packages = tool("clients", "psycopg");
    let program = Program::new(on_path("python3"), rig.path(name)).arg("-B").arg(file);
    start(rig, program.args(arguments).env("PYTHONPATH", packages)).await
}

/// The JDBC driver.
pub(super) fn jdbc_driver() -> PathBuf {
    const DRIVER: &str = "usr/share/java/postgresql.jar";
    let own = PathBuf::from("/").join(DRIVER);
    if own.is_file() { own } else { tool("pgjdbc", DRIVER).join(DRIVER) }
}

async fn start(rig: &Rig, program: Program) -> Client {
    let (host, port) = (rig.listen.ip().to_string(), rig.listen.port().to_string());
    let program = program.env("PGHOST", host).env("PGPORT", port).env("PGDATABASE", "postgres");
    let program = program.env("PGUSER", USER).env("PGPASSWORD", PASSWORD);
    Client { running: program.start().await.expect("a client starts") }
}

/// A folder of `.tools` that has this in it.
fn tool(name: &str, inside: &str) -> PathBuf {
    let told = std::env::var_os(landfall_lab::tools::TOOLS_VARIABLE).map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.tools");
    let places = told.into_iter().chain([beside]).map(|folder| folder.join(name));
    let found = places.into_iter().find(|folder| folder.join(inside).exists());
    found.unwrap_or_else(|| panic!("{name} is missing; run `cargo xtask setup`"))
}

fn on_path(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|p| p.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing"))
}
