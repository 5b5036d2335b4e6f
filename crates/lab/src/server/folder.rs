//! Folders of a server: where they are, who owns them, and that they can be reached.
//!
//! A server's files live in the caller's (perhaps long) state folder; sockets need a short name,
//! so they live in a [`RunFolder`] under the system's temporary folder. A run folder carries its
//! owner's pid: what a killed owner left behind is removed when the next one is made.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Error;
use crate::process::RunAs;

/// The name of an egress's socket in its folder: libpq's for [`SOCKET_PORT`].
pub(crate) const SOCKET_NAME: &str = ".s.PGSQL.5432";

/// The port that goes with [`SOCKET_NAME`]. Nothing listens on it over TCP.
pub(super) const SOCKET_PORT: u16 = 5432;

/// No socket's name is longer.
const LONGEST_NAME: &str = ".s.PGSQL.65535";

const SOCKET_PATH_MAX: usize = 107;
const RUN_FOLDER_PREFIX: &str = "landfall-";

/// A short folder for sockets and small servers, removed when dropped.
#[derive(Debug)]
pub struct RunFolder {
    folder: tempfile::TempDir,
}

impl RunFolder {
    /// Makes one that other users may pass through but not list.
    pub fn create() -> Result<Self, Error> {
        let parent = short_temporary_folder();
        remove_abandoned(&parent);
        let prefix = format!("{RUN_FOLDER_PREFIX}{}-", std::process::id());
        let folder = tempfile::Builder::new()
            .prefix(&prefix)
            .permissions(Permissions::from_mode(0o711))
            .tempdir_in(&parent)
            .map_err(|cause| Error::File { path: parent, cause })?;
        // The process's mask may have taken the others' permission away.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711))
            .map_err(|cause| Error::File { path: folder.path().to_owned(), cause })?;
        Ok(Self { folder })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn short_temporary_folder() -> PathBuf {
    let usual = std::env::temp_dir();
    if usual.as_os_str().len() <= 40 { usual } else { PathBuf::from("/tmp") }
}

fn remove_abandoned(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(RUN_FOLDER_PREFIX));
        let owner = owner.and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // Someone else's folder stays: we have no right to it and no need of it.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Makes a folder that only `user` (or we ourselves) can enter.
pub(crate) fn make_private_folder(path: &Path, user: Option<&RunAs>) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o700))?;
    user.map_or(Ok(()), |user| user.own(path))
}

/// Makes a server's own folder, passable for the user that the server runs as.
pub(super) fn make_server_folder(path: &Path, user: Option<&RunAs>) -> Result<(), Error> {
    let failed = |cause| Error::File { path: path.to_owned(), cause };
    std::fs::create_dir_all(path).map_err(failed)?;
    let Some(user) = user else { return Ok(()) };
    std::fs::set_permissions(path, Permissions::from_mode(0o711)).map_err(failed)?;
    must_be_reachable(path, user)
}

fn must_be_reachable(path: &Path, user: &RunAs) -> Result<(), Error> {
    for folder in path.ancestors().filter(|folder| folder.is_absolute()) {
        let meta = std::fs::metadata(folder)
            .map_err(|cause| Error::File { path: folder.to_owned(), cause })?;
        let passable = match (meta.uid() == user.uid, meta.gid() == user.gid) {
            (true, _) => 0o100,
            (false, true) => 0o010,
            (false, false) => 0o001,
        };
        if meta.mode() & passable == 0 {
            return Err(Error::Unreachable { path: folder.to_owned(), user: user.user.clone() });
        }
    }
    Ok(())
}

/// Makes the private folder that a server's socket goes into.
pub(super) fn make_socket_folder(path: &Path, user: Option<&RunAs>) -> Result<(), Error> {
    if path.join(LONGEST_NAME).as_os_str().len() > SOCKET_PATH_MAX {
        return Err(Error::SocketPathTooLong { path: path.to_owned() });
    }
    make_private_folder(path, user)
        .map_err(|cause| Error::File { path: path.to_owned(), cause })?;
    user.map_or(Ok(()), |user| must_be_reachable(path, user))
}

/// Writes a file that only `user` (or we ourselves) can read, whole or not at all.
pub(super) fn write_private(path: &Path, text: &str, user: Option<&RunAs>) -> Result<(), Error> {
    let failed = |cause| Error::File { path: path.to_owned(), cause };
    let folder = path.parent().unwrap_or(path);
    // A temporary file is made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    if let Some(user) = user {
        user.own(file.path()).map_err(failed)?;
    }
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_folder_is_short_goes_away_and_takes_abandoned_ones_along() {
        let parent = short_temporary_folder();
        let abandoned = parent.join(format!("{RUN_FOLDER_PREFIX}{}-x", u32::MAX));
        std::fs::create_dir_all(abandoned.join("inner")).unwrap();
        let folder = RunFolder::create().unwrap();
        let path = folder.path().to_owned();
        assert!(!abandoned.exists());
        assert!(path.join("s1").join(LONGEST_NAME).as_os_str().len() < SOCKET_PATH_MAX);
        drop(RunFolder::create().unwrap());
        assert!(path.exists(), "a living owner's folder was removed");
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_long_socket_folder_is_refused_before_anything_is_made() {
        let long = std::env::temp_dir().join("x".repeat(120));
        let error = make_socket_folder(&long, None).unwrap_err();
        assert!(matches!(error, Error::SocketPathTooLong { .. }) && !long.exists());
    }
}
