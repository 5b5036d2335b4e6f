//! Programs of the operator's: one run, bounded in time and output, without Landfall's secrets.
//!
//! A crate of its own because gateways, consumers and tests all run such programs, and adapters
//! do not see one another.
//!
//! A run leads a process group of its own, which is killed when its time is over or nobody waits
//! any more, so that no half-done run goes on beside the next one. A Landfall that is itself killed
//! cannot do that: a program has to bear being run again.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

/// What a program may see of Landfall's environment: nothing that could be a secret.
const ENVIRONMENT: [&str; 8] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/// The part of Landfall's environment that a program sees.
pub fn environment() -> impl Iterator<Item = (&'static str, OsString)> {
    ENVIRONMENT.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// More than a view of a thousand nodes.
const OUTPUT_BYTES: u64 = 256 * 1024;

/// What is kept of the end of its errors.
const ERROR_BYTES: usize = 4 * 1024;

/// What a person is shown of a line.
const LINE_CHARACTERS: usize = 300;

/// A program and its arguments, run from Landfall's own machine.
pub struct Program {
    words: Vec<String>,
    bound: Duration,
}

impl Program {
    /// The program with its arguments, and how long a run may take.
    pub fn new(words: &[String], bound: Duration) -> Self {
        Self { words: words.to_vec(), bound }
    }

    /// Runs it with one more argument, or as it is, and gives it its input. Returns what it
    /// printed; the error is why it failed, for a person.
    pub async fn run(&self, last: Option<&str>, input: &[u8]) -> Result<Vec<u8>, String> {
        let mut child = self.start(last)?;
        let group = Group::of(&child);
        let ended = tokio::time::timeout(self.bound, talk(&mut child, input)).await;
        let (status, output, errors) = match ended {
            Ok(ended) => ended?,
            Err(_) => {
                return Err(format!("it did not end within {:?}, and was killed", self.bound));
            }
        };
        if !status.success() {
            return Err(last_line(&errors).unwrap_or_else(|| format!("it failed: {status}")));
        }
        group.let_go();
        Ok(output)
    }

    fn start(&self, last: Option<&str>) -> Result<Child, String> {
        let Some((program, arguments)) = self.words.split_first() else {
            return Err("the spec names no program".to_owned());
        };
        Command::new(program)
            .args(arguments)
            .args(last)
            .env_clear()
            .envs(environment())
            .process_group(0)
            .kill_on_drop(true)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program} cannot be started: {error}"))
    }
}

/// Everything that a program started, which leads a process group of its own; killed when this is
/// dropped before its end.
#[derive(Debug)]
pub struct Group(Option<Pid>);

impl Group {
    /// The group that `child` leads.
    pub fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }

    /// Its leader ended well: what it left running is its own.
    pub fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error means that nobody is left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn talk(child: &mut Child, wanted: &[u8]) -> Result<(ExitStatus, Vec<u8>, Vec<u8>), String> {
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async move {
        if let Some(mut stdin) = stdin {
            // A program that does not read its input is not wrong.
            let _ = stdin.write_all(wanted).await;
        }
    };
    let read = async {
        match stdout {
            Some(stdout) => bounded(stdout).await,
            None => Ok(Vec::new()),
        }
    };
    let ((), output, errors) = tokio::join!(write, read, tail(stderr));
    let output = output?;
    let status = child.wait().await.map_err(|error| format!("its end was not seen: {error}"))?;
    Ok((status, output, errors))
}

async fn bounded(output: impl AsyncRead + Unpin) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = output.take(OUTPUT_BYTES + 1).read_to_end(&mut bytes).await;
    read.map_err(|error| format!("its output cannot be read: {error}"))?;
    if bytes.len() as u64 > OUTPUT_BYTES {
        return Err(format!("it printed more than {OUTPUT_BYTES} bytes"));
    }
    Ok(bytes)
}

/// The end of what it wrote; the rest is read and forgotten, so that it can go on writing.
async fn tail(errors: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let Some(mut errors) = errors else { return Vec::new() };
    let (mut kept, mut buffer) = (Vec::new(), [0; 1024]);
    while let Ok(length @ 1..) = errors.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..length).unwrap_or_default());
        let extra = kept.len().saturating_sub(ERROR_BYTES);
        kept.drain(..extra);
    }
    kept
}

fn last_line(errors: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(errors);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
    Some(line.chars().filter(|part| !part.is_control()).take(LINE_CHARACTERS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_last_line_and_bounded() {
        assert_eq!(last_line(b"first\n  last \n\n").as_deref(), Some("last"));
        assert_eq!(last_line(b"\x1b[31mred").as_deref(), Some("[31mred"));
        assert_eq!(last_line(b"\n"), None);
        let long = last_line("x".repeat(1000).as_bytes()).unwrap();
        assert_eq!(long.len(), LINE_CHARACTERS);
    }
}
