//! The key that bundles are signed with: the company's own, or one made in the state directory
//! when it is first needed.
//!
//! The file appears whole by one link, so two servers on one directory end with one key, and a
//! server killed half-way leaves a file that nobody reads. The key leaves this process in
//! signatures only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use landfall_api::ApiProblem;
use landfall_core::Code;
use landfall_core::spec::SecretReference;
use landfall_report::seal::{KeyError, SigningKey};

use crate::refusal::Refused;

/// In the state directory.
const FILE: &str = "evidence.key";
const OWNER_ONLY: u32 = 0o600;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EvidenceError {
    #[error("read {place}")]
    Read {
        place: String,
        #[source]
        source: std::io::Error,
    },
    #[error("make {place}")]
    Make {
        place: String,
        #[source]
        source: std::io::Error,
    },
    #[error("read the environment variable {0}: it is not set, or not text")]
    Variable(String),
    #[error("trust {0}: others than its owner may read it (mode {1:o})")]
    Open(String, u32),
    #[error("use {place}")]
    Key {
        place: String,
        #[source]
        source: KeyError,
    },
}

impl From<EvidenceError> for Refused {
    fn from(error: EvidenceError) -> Self {
        let hint = match &error {
            EvidenceError::Open(..) => {
                "Make it 0600, and make a new key when somebody else may have read it."
            }
            EvidenceError::Variable(_) | EvidenceError::Read { .. } | EvidenceError::Key { .. } => {
                "Name an Ed25519 key in PEM with --evidence-key file:PATH or env:VARIABLE, or leave \
                 it away to use the state directory's own."
            }
            EvidenceError::Make { .. } => {
                "Check who owns the state directory and whether its disk has room."
            }
        };
        let title = "the evidence key cannot be used";
        let problem = ApiProblem::new(503, Code::EvidenceKey, title).hint(hint);
        Self::because(problem, format!("could not {}", crate::chain(&error)))
    }
}

/// The key that was named, else the directory's own, which is made when it is not there.
pub(crate) fn key(
    state: &Path,
    named: Option<&SecretReference>,
) -> Result<SigningKey, EvidenceError> {
    let (place, pem) = match named {
        Some(SecretReference::Environment(name)) => {
            let value = std::env::var(name).map_err(|_| EvidenceError::Variable(name.clone()))?;
            (format!("the environment variable {name}"), value)
        }
        Some(SecretReference::File(path)) => (path.clone(), read(Path::new(path))?),
        None => own(state)?,
    };
    SigningKey::from_pem(&pem).map_err(|source| EvidenceError::Key { place, source })
}

fn own(state: &Path) -> Result<(String, String), EvidenceError> {
    let file = state.join(FILE);
    let place = file.display().to_string();
    let mode = match fs::metadata(&file) {
        Ok(found) => found.permissions().mode() & 0o777,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(state, &file)?;
            OWNER_ONLY
        }
        Err(source) => return Err(EvidenceError::Read { place, source }),
    };
    if mode & 0o077 != 0 {
        return Err(EvidenceError::Open(place, mode));
    }
    Ok((place, read(&file)?))
}

fn read(file: &Path) -> Result<String, EvidenceError> {
    let place = || file.display().to_string();
    fs::read_to_string(file).map_err(|source| EvidenceError::Read { place: place(), source })
}

/// Makes the key beside its place and links it there; whoever came first has won.
fn make(state: &Path, file: &Path) -> Result<(), EvidenceError> {
    let failed = |source| EvidenceError::Make { place: file.display().to_string(), source };
    let pem = fresh()
        .map_err(failed)?
        .map_err(|source| EvidenceError::Key { place: file.display().to_string(), source })?;
    DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(failed)?;
    let beside: PathBuf = state.join(format!("{FILE}.{}", std::process::id()));
    let linked = write(&beside, &pem).and_then(|()| match fs::hard_link(&beside, file) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => Ok(()),
    });
    // It stays behind only where it could not be written either.
    let _ = fs::remove_file(&beside);
    linked.map_err(failed)
}

fn write(file: &Path, pem: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(OWNER_ONLY).open(file)?;
    file.write_all(pem.as_bytes())?;
    file.sync_all()
}

fn fresh() -> std::io::Result<Result<String, KeyError>> {
    let mut seed = [0_u8; 32];
    File::open("/dev/urandom")?.read_exact(&mut seed)?;
    Ok(SigningKey::from_seed(&seed).and_then(|key| key.to_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_key_is_made_once_and_for_its_owner_only() {
        let state = tempfile::tempdir().unwrap();
        let inner = state.path().join("state");
        let first = key(&inner, None).unwrap().public();
        assert_eq!(key(&inner, None).unwrap().public(), first);
        let file = inner.join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, OWNER_ONLY);
        assert_eq!(fs::read_dir(&inner).unwrap().count(), 1, "something was left beside it");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = key(&inner, None).unwrap_err();
        assert!(matches!(refused, EvidenceError::Open(_, 0o640)), "{refused}");
    }

    #[test]
    fn a_named_key_is_used_or_named_in_the_error() {
        let state = tempfile::tempdir().unwrap();
        let company = SigningKey::from_seed(&[9; 32]).unwrap();
        let file = state.path().join("company.pem");
        fs::write(&file, company.to_pem().unwrap()).unwrap();
        let named = |path: &Path| SecretReference::File(path.display().to_string());
        let used = key(state.path(), Some(&named(&file))).unwrap();
        assert_eq!(used.public(), company.public());
        fs::write(&file, "not a key").unwrap();
        for (reference, told) in [
            (named(&file), "company.pem"),
            (named(&state.path().join("absent.pem")), "absent.pem"),
            (SecretReference::Environment("LANDFALL_NO_SUCH".to_owned()), "LANDFALL_NO_SUCH"),
        ] {
            let refused = Refused::from(key(state.path(), Some(&reference)).unwrap_err());
            assert!(refused.to_string().contains(told), "{refused}");
            assert!(!refused.problem.hint.is_empty());
        }
        assert!(!state.path().join(FILE).exists(), "a key was made that nobody asked for");
    }
}
