//! The root of Landfall's own certificates, in one file that only its owner may read.
//!
//! Made once, by whoever needs it first: the file appears complete or not at all, and of two that
//! make it at the same time one wins and both use it. What is signed is kept nowhere; a lost
//! certificate is replaced by another. Losing the file means enrolling every proxy again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::{Failure, FailureKind};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::identity::{CONTROL_PLANE_PATH, Enrolment, Identity, TRUST_DOMAIN};
use super::peer;

const ROOT_LIFETIME: Duration = Duration::from_hours(24 * 3_650);

/// A proxy's right to ask. Long, because it is carried to the proxy by hand; worth little, because
/// it opens no database.
const ENROLMENT_LIFETIME: Duration = Duration::from_hours(24 * 365);

/// Clocks differ: what is signed is valid a little earlier.
const BACKDATE: Duration = Duration::from_mins(5);

/// The root and its key.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    root_pem: String,
    root_until: Timestamp,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Issued {
    /// The certificate, PEM.
    pub certificate: String,
    /// Its private key, PEM.
    pub key: String,
    /// When it ends.
    pub not_after: Timestamp,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl Authority {
    /// Reads the root in a state directory; makes it when there is none.
    pub fn open(state: &Path, now: Timestamp) -> Result<Self, Failure> {
        let file = file(state);
        let what = format!("use the certificate authority in {}", file.display());
        let failed = |error: io::Error| {
            let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
            let kind = if is_denied { FailureKind::Denied } else { FailureKind::Store };
            Failure::new(kind, what.clone(), error.to_string())
        };
        let invalid = |detail: String| Failure::new(FailureKind::Invalid, what.clone(), detail);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = make(now).map_err(|error| invalid(error.to_string()))?;
                write(&file, made.as_bytes()).map_err(failed)?;
                fs::read(&file).map_err(failed)?
            }
            Err(error) => return Err(failed(error)),
        };
        let mode = fs::metadata(&file).map_err(failed)?.permissions().mode();
        if mode & 0o077 != 0 {
            let detail = format!("others may read it (mode {:o}); chmod 600 it", mode & 0o777);
            return Err(invalid(detail));
        }
        Self::read(&text).map_err(invalid)
    }

    fn read(text: &[u8]) -> Result<Self, String> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(text).map_err(|error| error.to_string())?;
        let key = KeyPair::try_from(&key).map_err(|error| error.to_string())?;
        let root = CertificateDer::from_pem_slice(text).map_err(|error| error.to_string())?;
        let root_until = peer::Peer::read(&root)?.not_after;
        let issuer = Issuer::new(root_params(Timestamp::UNIX_EPOCH), key);
        let text = String::from_utf8_lossy(text);
        let at = text.find("-----BEGIN CERTIFICATE").unwrap_or_default();
        let root_pem = text.get(at..).unwrap_or_default().to_owned();
        Ok(Self { issuer, root, root_pem, root_until })
    }

    /// The root's certificate, PEM.
    pub fn root(&self) -> &str {
        &self.root_pem
    }

    pub(crate) const fn root_der(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// When the root itself ends.
    pub const fn root_until(&self) -> Timestamp {
        self.root_until
    }

    /// The right of one proxy to ask the control plane.
    pub fn enrol(&self, enrolment: &Enrolment, now: Timestamp) -> Result<Issued, Failure> {
        self.sign(&enrolment.node, &enrolment.uri(), ENROLMENT_LIFETIME, now)
    }

    /// A certificate for traffic, for one proxy of an identity.
    pub fn issue(
        &self,
        identity: &Identity,
        node: &str,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Issued, Failure> {
        self.sign(node, &identity.to_string(), lifetime, now)
    }

    /// The control plane's own certificate.
    pub(crate) fn control_plane(
        &self,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Issued, Failure> {
        let uri = format!("spiffe://{TRUST_DOMAIN}/{CONTROL_PLANE_PATH}");
        self.sign("landfall", &uri, lifetime, now)
    }

    fn sign(
        &self,
        name: &str,
        uri: &str,
        lifetime: Duration,
        now: Timestamp,
    ) -> Result<Issued, Failure> {
        let not_after = (now + lifetime).min(self.root_until);
        let signed = || -> Result<Issued, rcgen::Error> {
            let mut params = CertificateParams::default();
            params.distinguished_name = named(name);
            params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri.to_owned())?)];
            params.not_before = date_time_ymd(1970, 1, 1) + age(now - BACKDATE);
            params.not_after = date_time_ymd(1970, 1, 1) + age(not_after);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            // A sidecar is a client, a gateway a server, and each asks the control plane.
            params.extended_key_usages =
                vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            params.use_authority_key_identifier_extension = true;
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &self.issuer)?;
            Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem(), not_after })
        };
        signed().map_err(|error| {
            let what = format!("sign a certificate for {uri}");
            Failure::new(FailureKind::Unknown, what, error.to_string())
        })
    }
}

/// Where the root is kept.
fn file(state: &Path) -> PathBuf {
    state.join("pki").join("authority.pem")
}

fn make(now: Timestamp) -> Result<String, rcgen::Error> {
    let key = KeyPair::generate()?;
    let root = root_params(now).self_signed(&key)?;
    Ok(format!("{}{}", key.serialize_pem(), root.pem()))
}

/// All that a signature depends on; the times matter only when the root is made.
fn root_params(now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Landfall gateways");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(1970, 1, 1) + age(now - BACKDATE);
    params.not_after = date_time_ymd(1970, 1, 1) + age(now + ROOT_LIFETIME);
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

/// Since 1970, which is how far a certificate's times go back.
fn age(at: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default())
}

/// The file appears complete or not at all; one that is there already stays.
fn write(file: &Path, text: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let draft = folder.join(format!("authority.{}.draft", std::process::id()));
    let mut draft_file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    draft_file.write_all(text)?;
    draft_file.sync_all()?;
    let linked = fs::hard_link(&draft, file);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => File::open(folder)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Part;
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().expect("an instant")
    }

    #[test]
    fn a_root_is_made_once_and_only_its_owner_reads_it() {
        let state = tempfile::tempdir().expect("a folder");
        let first = Authority::open(state.path(), now()).expect("a root");
        let second = Authority::open(state.path(), now() + ROOT_LIFETIME).expect("the same root");
        assert_eq!(first.root(), second.root());
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode();
        assert_eq!(mode(&file(state.path())) & 0o777, 0o600);
        assert_eq!(mode(&state.path().join("pki")) & 0o777, 0o700);
        assert_eq!(fs::read_dir(state.path().join("pki")).expect("a folder").count(), 1);
    }

    #[test]
    fn a_root_that_others_can_read_is_refused() {
        let state = tempfile::tempdir().expect("a folder");
        Authority::open(state.path(), now()).expect("a root");
        let open = fs::Permissions::from_mode(0o640);
        fs::set_permissions(file(state.path()), open).expect("chmod");
        let refused = Authority::open(state.path(), now()).err().expect("it is open to others");
        assert_eq!(refused.kind, FailureKind::Invalid, "{refused}");
    }

    #[test]
    fn a_certificate_says_who_and_until_when() {
        let state = tempfile::tempdir().expect("a folder");
        let authority = Authority::open(state.path(), now()).expect("a root");
        let identity = Identity::new(Part::Client, "web").expect("a name");
        let day = Duration::from_hours(24);
        let issued = authority.issue(&identity, "web-1", day, now()).expect("signed");
        let der = CertificateDer::from_pem_slice(issued.certificate.as_bytes()).expect("PEM");
        let read = peer::Peer::read(&der).expect("readable");
        assert_eq!(read.uri, "spiffe://landfall/client/web");
        assert_eq!((read.not_after, issued.not_after), (now() + day, now() + day));
        assert!(!format!("{issued:?}").contains("PRIVATE"));
    }

    #[test]
    fn nothing_outlives_the_root() {
        let state = tempfile::tempdir().expect("a folder");
        let authority = Authority::open(state.path(), now()).expect("a root");
        let identity = Identity::new(Part::Client, "web").expect("a name");
        let late = now() + ROOT_LIFETIME - Duration::from_secs(60);
        let issued = authority.issue(&identity, "web-1", Duration::from_hours(24), late);
        assert_eq!(issued.expect("signed").not_after, authority.root_until());
    }
}
