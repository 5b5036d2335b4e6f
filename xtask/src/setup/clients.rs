//! Stock clients that tests send through the gateway, beside psql and pgbench: psycopg with its
//! pool, and PostgreSQL's JDBC driver with a Java runtime that Python starts (so that no compiler
//! is needed). Always the pinned ones, because the tests are about their defaults; the driver's
//! archive may be the machine's own.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::setup::fetch::Store;
use crate::setup::pins::{CLIENTS, PGJDBC, Pin};
use crate::setup::{Need, Origin, Tool, debian};

/// Where Debian's package has the driver; tests look here too, then in `.tools/pgjdbc`.
const DRIVER: &str = "usr/share/java/postgresql.jar";

/// Packages for Python, the Java runtime among them.
pub(super) fn ensure_python(store: &Store, need: Need) -> Result<Tool> {
    let place = match store.present(&CLIENTS).filter(|_| need == Need::Any) {
        Some(place) => place,
        None => store.install(&CLIENTS, |_| Ok(PathBuf::new()))?,
    };
    Ok(fetched(&CLIENTS, place))
}

/// The JDBC driver, one archive that any Java runs.
pub(super) fn ensure_jdbc(store: &Store, need: Need) -> Result<Tool> {
    if need == Need::Any {
        if let Some(place) = store.present(&PGJDBC) {
            return Ok(fetched(&PGJDBC, place));
        }
        let own = Path::new("/").join(DRIVER);
        if let (true, Some(folder)) = (own.is_file(), own.parent()) {
            let (version, folder) = ("any".to_owned(), folder.to_path_buf());
            return Ok(Tool { name: PGJDBC.tool, version, folder, origin: Origin::Machine });
        }
    }
    let place = store.install_by(&PGJDBC, debian::unpack, |unpacked| {
        ensure!(unpacked.join(DRIVER).is_file(), "the package has no {DRIVER}");
        Ok(PathBuf::new())
    })?;
    Ok(fetched(&PGJDBC, place))
}

fn fetched(pin: &Pin, folder: PathBuf) -> Tool {
    Tool { name: pin.tool, version: pin.version.to_owned(), folder, origin: Origin::Fetched }
}
