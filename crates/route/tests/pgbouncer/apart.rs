//! Nodes on other machines: consoles over TLS, and files that a program puts there.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_core::ServiceName;
use landfall_route::DatabasesFile;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::rig::{APPLICATION, Reach, Rig, Steered, connect};
use crate::servers::Database;

const GRACE: Duration = Duration::from_secs(10);

/// Puts its input in the place of the file that its argument names, whole.
const WRITER: &str = r#"set -eu; cat >"$0.new"; chmod 644 "$0.new"; mv "$0.new" "$0""#;

struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    /// Those of a node at a host: a key, its certificate, and whom to trust.
    fn of(host: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("open it to PgBouncer's user");
        let made = Self { folder };
        let key = KeyPair::generate().expect("a key");
        let mut roots = CertificateParams::new(Vec::new()).expect("parameters");
        roots.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = KeyPair::generate().expect("a key of the authority");
        let issuer = CertifiedIssuer::self_signed(roots, issuer).expect("an authority");
        let own = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
        let own = own.signed_by(&key, &issuer).expect("a certificate");
        made.write("roots.pem", &issuer.pem());
        made.write("node.pem", &own.pem());
        made.write("node.key", &key.serialize_pem());
        made
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("write a certificate");
        let readable = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(self.path(name), readable).expect("for PgBouncer's user");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn settings(&self) -> [String; 3] {
        let line = |key: &str, name: &str| format!("{key} = {}", self.path(name).display());
        [
            "client_tls_sslmode = require".to_owned(),
            line("client_tls_key_file", "node.key"),
            line("client_tls_cert_file", "node.pem"),
        ]
    }
}

fn steered(rig: &Rig) -> Steered {
    let service = ServiceName::new("shop");
    Steered { router: rig.router(&service), service }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_console_over_tls_is_verified_before_it_gets_a_password() {
    let source = Database::start().await;
    let (certificates, others) = (Certificates::of("127.0.0.1"), Certificates::of("127.0.0.1"));
    let misnamed = Certificates::of("pool-9.test");
    let lines = certificates.settings();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut rig = Rig::start(1, &source.endpoint(), "transaction", &lines).await;
    source.know(&rig);

    let told = async |rig: &Rig| {
        let seen = steered(rig).seen().await;
        seen.first().and_then(|node| node.rejected.clone()).unwrap_or_default()
    };
    assert!(told(&rig).await.to_ascii_lowercase().contains("required"), "{}", told(&rig).await);
    rig.reach.root_certificate = Some(others.path("roots.pem"));
    assert!(told(&rig).await.contains("invalid peer certificate"), "{}", told(&rig).await);
    rig.reach.root_certificate = Some(misnamed.path("absent.pem"));
    assert!(told(&rig).await.contains("absent.pem"), "{}", told(&rig).await);

    rig.reach.root_certificate = Some(certificates.path("roots.pem"));
    let steered = steered(&rig);
    let adopted = steered.adopt(&source.endpoint()).await;
    steered.followed(adopted).await;
    let held = steered.hold().await;
    steered.followed(held).await;
    let released = steered.release().await;
    steered.followed(released).await;
    source.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_host_is_refused() {
    let source = Database::start().await;
    let certificates = Certificates::of("pool-9.test");
    let lines = certificates.settings();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let mut rig = Rig::start(1, &source.endpoint(), "transaction", &lines).await;
    rig.reach.root_certificate = Some(certificates.path("roots.pem"));
    let seen = steered(&rig).seen().await;
    let words = seen[0].rejected.clone().unwrap_or_default();
    assert!(words.contains("not valid for name"), "{words}");
    source.stop().await;
}

/// The program, and the file it writes; it fails while `broken` is there.
fn through(file: &Path) -> DatabasesFile {
    let broken = r#"if [ -e "$0.broken" ]; then echo "no route to pool-1" >&2; exit 1; fi; "#;
    let script = format!("{broken}{WRITER}");
    let words = ["sh", "-c", &script, &file.display().to_string()].map(str::to_owned);
    DatabasesFile::Through(words.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_a_program_writes_leads_a_node_to_the_target() {
    let (source, target) = (Database::start().await, Database::start().await);
    let mut rig = Rig::start(1, &source.endpoint(), "transaction", &[]).await;
    source.know(&rig);
    target.know(&rig);
    rig.reach = Reach { file: through, ..rig.reach };
    let steered = steered(&rig);
    let adopted = steered.adopt(&source.endpoint()).await;
    steered.followed(adopted).await;
    let client = connect(rig.nodes[0].address(), "shop", APPLICATION).await.expect("log in");
    client.batch_execute("insert into written values (1, 1)").await.expect("write");

    let broken = rig.nodes[0].databases_file().with_extension("ini.broken");
    std::fs::write(&broken, "").expect("break the way");
    let held = steered.hold().await;
    let seen = steered.until(|nodes| nodes[0].rejected.is_some()).await;
    let words = seen[0].rejected.clone().unwrap_or_default();
    assert!(words.contains("did not write its file: no route to pool-1"), "{words}");
    assert!(!seen[0].follows(held), "known before the fence");
    std::fs::remove_file(&broken).expect("mend the way");
    let released = steered.release().await;
    steered.followed(released).await;

    let held = steered.hold().await;
    steered.followed(held).await;
    source.fence(GRACE).await;
    let pointed = steered.point(&target.endpoint()).await;
    steered.followed(pointed).await;
    let released = steered.release().await;
    steered.followed(released).await;
    client.batch_execute("insert into written values (1, 2)").await.expect("the session goes on");
    assert_eq!((source.rows().await, target.rows().await), (1, 1));
    source.stop().await;
    target.stop().await;
}
