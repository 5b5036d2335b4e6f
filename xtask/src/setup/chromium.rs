//! Chromium without a window: what tests of the report open its page in. The machine's own
//! `chromium-headless-shell`; else Debian's package with the libraries and letters that a machine
//! without a desktop lacks, and a launcher that finds them.
//!
//! Nothing but those tests needs it, and its package is replaced more often than others: where it
//! cannot be fetched, setup says so and goes on.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::program;
use crate::setup::fetch::{Store, set_mode};
use crate::setup::pins::CHROMIUM;
use crate::setup::seen::Seen;
use crate::setup::{Need, Origin, Tool, debian};

const PROGRAM: &str = "chromium-headless-shell";

/// The program looks for its libraries, and they for letters, in the system's folders only.
const LAUNCHER: &str = "#!/bin/sh
here=$(dirname \"$(readlink -f \"$0\")\")
for folder in \"$here\"/../usr/lib/*-linux-gnu \"$here\"/../usr/lib/*-linux-gnu/pulseaudio \\
    \"$here\"/../lib/*-linux-gnu; do
    LD_LIBRARY_PATH=\"$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\"
done
export LD_LIBRARY_PATH
FONTCONFIG_FILE=\"$here/../fonts.conf\"
export FONTCONFIG_FILE
exec \"$here/../usr/lib/chromium/chromium-headless-shell\" \"$@\"
";

/// The same letters everywhere, so that a page has the same width everywhere.
const FONTS: &str = "<?xml version=\"1.0\"?>
<!DOCTYPE fontconfig SYSTEM \"urn:fontconfig:fonts.dtd\">
<fontconfig>
  <dir prefix=\"relative\">usr/share/fonts</dir>
  <cachedir prefix=\"xdg\">fontconfig</cachedir>
</fontconfig>
";

/// What a page needs none of: documentation, other languages, drivers of graphics cards.
const LEFT_OUT: &[&str] =
    &["usr/share/doc", "usr/share/locale", "usr/lib/chromium/locales", "usr/share/alsa"];

pub(super) fn ensure(store: &Store, seen: &mut Seen, need: Need) -> Result<Tool> {
    let tool =
        |version: String, folder, origin| Tool { name: CHROMIUM.tool, version, folder, origin };
    if need == Need::Any {
        if let Some(place) = store.present(&CHROMIUM) {
            return Ok(tool(CHROMIUM.version.to_owned(), place.join("bin"), Origin::Fetched));
        }
        if let Some((folder, version)) = machines_own(seen) {
            return Ok(tool(version, folder, Origin::Machine));
        }
    }
    let place = store.install_by(&CHROMIUM, debian::unpack, arrange)?;
    Ok(tool(CHROMIUM.version.to_owned(), place.join("bin"), Origin::Fetched))
}

fn arrange(unpacked: &Path) -> Result<PathBuf> {
    for folder in LEFT_OUT.iter().map(|folder| unpacked.join(folder)).filter(|one| one.is_dir()) {
        fs::remove_dir_all(&folder).with_context(|| format!("leave out {}", folder.display()))?;
    }
    fs::write(unpacked.join("fonts.conf"), FONTS).context("write the list of letters")?;
    let bin = unpacked.join("bin");
    fs::create_dir_all(&bin).context("create the bin folder")?;
    fs::write(bin.join(PROGRAM), LAUNCHER).context("write the chromium launcher")?;
    set_mode(&bin.join(PROGRAM), 0o755)?;
    Ok(PathBuf::new())
}

fn machines_own(seen: &mut Seen) -> Option<(PathBuf, String)> {
    let program = program::on_path(PROGRAM).ok()?;
    let version = number(&seen.version(&program)?)?;
    Some((program.parent()?.to_path_buf(), version))
}

/// `Chromium 150.0.7871.100 built on Debian` to `150.0.7871.100`.
fn number(said: &str) -> Option<String> {
    let words = said.split_whitespace();
    words.skip_while(|word| *word != "Chromium").nth(1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_the_word_after_the_name() {
        let said = "Chromium 150.0.7871.100 built on Debian GNU/Linux 12 (bookworm)";
        assert_eq!(number(said).as_deref(), Some("150.0.7871.100"));
        assert_eq!(number("bash: not found"), None);
    }
}
