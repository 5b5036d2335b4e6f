//! A real DNS server (Knot) with one zone, on a free port, that cannot outlive the test; and the
//! questions that a resolver would ask it.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::patience::eventually;

pub(crate) const ZONE: &str = "example.test";
pub(crate) const KEY_NAME: &str = "landfall";
/// "secret-of-the-tests".
pub(crate) const KEY: &str = "c2VjcmV0LW9mLXRoZS10ZXN0cw==";

/// Becomes the program only when the test that asked for it is still there.
const GUARD: &str = r#"test "$PPID" = "$0" || exit 125; exec "$@""#;

pub(crate) struct Knot {
    child: Child,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl Knot {
    /// Starts a server of the zone with these records, such as `orders 5 A 127.0.0.2`.
    pub(crate) async fn start(records: &[&str]) -> Self {
        let mut zone = format!(
            "$ORIGIN {ZONE}.\n@ 5 SOA ns admin 1 60 60 600 5\n@ 5 NS ns\nns 5 A 127.0.0.1\n"
        );
        for record in records {
            let _ = writeln!(zone, "{record}");
        }
        // Knot cannot be told to pick a port; another process may take the free one meanwhile.
        let mut tried = Err(String::new());
        for _ in 0..5 {
            tried = Self::try_start(&zone).await;
            if tried.is_ok() {
                break;
            }
        }
        tried.expect("Knot starts")
    }

    /// The error is its log.
    async fn try_start(zone: &str) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a folder for Knot");
        std::fs::write(folder.path().join("zone"), zone).expect("write the zone");
        let address = free_address();
        let child = spawn(folder.path(), address);
        let mut knot = Self { child, address, folder };
        let up = eventually("Knot answers, or ends", async || {
            if serial(address).await.is_some() {
                return Some(true);
            }
            knot.child.try_wait().expect("look at Knot").map(|_| false)
        })
        .await;
        if up { Ok(knot) } else { Err(knot.log()) }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// As a resolver with an empty cache: where the name leads, and for how long to keep that.
    pub(crate) async fn resolve(&self, name: &str) -> Vec<(String, u32)> {
        let answers = ask(self.address, name, RecordType::A).await.expect("Knot answers");
        let mut found: Vec<_> = answers.iter().filter_map(shown).collect();
        found.sort();
        found
    }

    /// The one address that the name leads to.
    pub(crate) async fn address_of(&self, name: &str) -> IpAddr {
        let found = self.resolve(name).await;
        assert_eq!(found.len(), 1, "{found:?}");
        let (place, _) = found.first().expect("one");
        place.parse().expect("an address")
    }

    /// Counts the changes of the zone.
    pub(crate) async fn serial(&self) -> u32 {
        serial(self.address).await.expect("Knot answers")
    }
}

impl Drop for Knot {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "Knot's log:\n{}", self.log());
        }
    }
}

async fn serial(address: SocketAddr) -> Option<u32> {
    let answers = ask(address, ZONE, RecordType::SOA).await?;
    answers
        .iter()
        .find_map(|record| if let RData::SOA(soa) = &record.data { Some(soa.serial) } else { None })
}

fn shown(record: &Record) -> Option<(String, u32)> {
    let place = if let RData::A(address) = &record.data {
        address.0.to_string()
    } else if let RData::CNAME(alias) = &record.data {
        alias.0.to_string()
    } else {
        return None;
    };
    Some((place, record.ttl))
}

async fn ask(address: SocketAddr, name: &str, record_type: RecordType) -> Option<Vec<Record>> {
    let mut name = Name::from_ascii(name).expect("a name");
    name.set_fqdn(true);
    let mut message = Message::query();
    message.add_query(Query::query(name, record_type));
    let bytes = message.to_vec().expect("a message");
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_u16(u16::try_from(bytes.len()).expect("short")).await.ok()?;
    stream.write_all(&bytes).await.ok()?;
    let mut answer = vec![0; usize::from(stream.read_u16().await.ok()?)];
    stream.read_exact(&mut answer).await.ok()?;
    Some(Message::from_vec(&answer).ok()?.answers)
}

pub(crate) fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    listener.local_addr().expect("a bound address")
}

fn spawn(folder: &Path, address: SocketAddr) -> Child {
    let place = folder.display();
    let config = format!(
        "server:\n    listen: {}@{}\n    rundir: {place}\n\
         database:\n    storage: {place}\n\
         log:\n  - target: stderr\n    any: info\n\
         key:\n  - id: {KEY_NAME}\n    algorithm: hmac-sha256\n    secret: {KEY}\n\
         acl:\n  - id: change\n    key: {KEY_NAME}\n    action: update\n    \
         update-owner: name\n    update-owner-match: sub-or-equal\n    update-owner-name: [orders, orders2]\n\
         zone:\n  - domain: {ZONE}\n    file: {place}/zone\n    acl: change\n    \
         zonefile-sync: -1\n    journal-content: none\n",
        address.ip(),
        address.port(),
    );
    std::fs::write(folder.join("knot.conf"), config).expect("write the configuration");
    let log = std::fs::File::create(folder.join("log")).expect("create the log");
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--", "sh", "-c", GUARD])
        .arg(std::process::id().to_string())
        .arg(program())
        .arg("-c")
        .arg(folder.join("knot.conf"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("start Knot under setpriv (util-linux)")
}

fn program() -> PathBuf {
    let fetched = |folder: &Path| folder.join(".tools/knot/bin/knotd");
    let told = std::env::var_os("LANDFALL_TOOLS").map(PathBuf::from);
    let installed = std::env::var_os("PATH").unwrap_or_default();
    told.map(|tools| tools.join("knot/bin/knotd"))
        .into_iter()
        .chain(Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(fetched))
        .chain(std::env::split_paths(&installed).map(|folder| folder.join("knotd")))
        .chain([PathBuf::from("/usr/sbin/knotd")])
        .find(|program| program.is_file())
        .expect("Knot is not here; run `cargo xtask setup`")
}
