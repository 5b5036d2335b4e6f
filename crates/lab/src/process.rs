//! Starts an external program that cannot outlive this process, and watches it.
//!
//! It is not a supervisor: nothing is restarted here. The invariant is that a started program
//! receives its death signal when this process ends in any way, `kill -9` included. The kernel
//! sends that signal when the *thread* that forked ends, therefore every fork is made by one
//! thread that lives as long as the process. `setpriv` sets the signal after it has changed the
//! user, because a change of user clears it; a shell then checks that we are still the parent,
//! which closes the gap between fork and `setpriv`, and becomes the program.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions};
use tokio::sync::{oneshot, watch};

/// Becomes the program only when the parent that asked for it is still there.
const GUARD: &str = r#"test "$PPID" = "$0" || exit 125; exec "$@""#;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("start {program}")]
    Start {
        program: String,
        #[source]
        cause: io::Error,
    },
    #[error("find an unprivileged user (postgres or nobody) to run {program} as")]
    NoUser { program: String },
    #[error("finish {program} within {bound:?}; see {log}", log = .log.display())]
    TooSlow { program: String, bound: Duration, log: PathBuf },
    #[error("run {program}: {exit}; {tail}")]
    Failed { program: String, exit: Exit, tail: String },
}

/// The signals that the lab sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Hangup,
    Interrupt,
    Quit,
    Terminate,
    Kill,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Hangup => "HUP",
            Self::Interrupt => "INT",
            Self::Quit => "QUIT",
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
        }
    }

    fn number(self) -> rustix::process::Signal {
        match self {
            Self::Hangup => rustix::process::Signal::HUP,
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Quit => rustix::process::Signal::QUIT,
            Self::Terminate => rustix::process::Signal::TERM,
            Self::Kill => rustix::process::Signal::KILL,
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    Unknown,
}

impl Exit {
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    fn from_status(status: io::Result<ExitStatus>) -> Self {
        match status {
            Ok(status) => match (status.code(), status.signal()) {
                (Some(code), _) => Self::Code(code),
                (None, Some(signal)) => Self::Signal(signal),
                (None, None) => Self::Unknown,
            },
            Err(_) => Self::Unknown,
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::Unknown => write!(f, "ended in an unknown way"),
        }
    }
}

/// What [`Running::stop`] had to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It had ended before the signal.
    Already(Exit),
    /// It ended within the bound.
    InTime(Exit),
    /// It did not, and was killed.
    Killed,
}

/// An unprivileged user to run a program as; PostgreSQL refuses to run as root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunAs {
    pub user: String,
    pub uid: u32,
    pub gid: u32,
}

impl RunAs {
    /// `None` when we are not root and run programs as ourselves.
    pub fn detect() -> Result<Option<Self>, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        ["postgres", "nobody"]
            .iter()
            .find_map(|user| Self::in_accounts(&accounts, user))
            .map(Some)
            .ok_or_else(|| Error::NoUser { program: "PostgreSQL".to_owned() })
    }

    fn in_accounts(accounts: &str, user: &str) -> Option<Self> {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(user))?;
        let mut ids = line.split(':').skip(2).map(str::parse);
        let (uid, gid) = (ids.next()?.ok()?, ids.next()?.ok()?);
        Some(Self { user: user.to_owned(), uid, gid })
    }

    /// Hands a file or folder over to this user.
    pub fn own(&self, path: &Path) -> io::Result<()> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
    }
}

/// A program to start: a command line, a log file, and the signal that it gets when we die.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    log: PathBuf,
    run_as: Option<RunAs>,
    death: Signal,
}

impl Program {
    /// Output and errors are appended to `log`.
    pub fn new(path: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            args: Vec::new(),
            env: Vec::new(),
            log: log.into(),
            run_as: None,
            death: Signal::Kill,
        }
    }

    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    #[must_use]
    pub fn run_as(mut self, user: Option<RunAs>) -> Self {
        self.run_as = user;
        self
    }

    /// The signal that the kernel sends to it when we end; [`Signal::Kill`] unless said.
    #[must_use]
    pub fn when_we_die(mut self, signal: Signal) -> Self {
        self.death = signal;
        self
    }

    /// Starts it in a process group of its own, so that a terminal's Ctrl-C is ours to handle.
    pub async fn start(self) -> Result<Running, Error> {
        let name = self.name();
        let failed = |cause| Error::Start { program: name.clone(), cause };
        let command = self.command().map_err(failed)?;
        let child = fork(command).await.map_err(failed)?;
        Running::watch(child, &self).map_err(failed)
    }

    /// Runs it to its end; a code other than 0 is an error with the end of its log.
    pub async fn finish(self, bound: Duration) -> Result<(), Error> {
        let (program, log) = (self.name(), self.log.clone());
        let running = self.start().await?;
        let Ok(exit) = tokio::time::timeout(bound, running.wait()).await else {
            running.stop(Signal::Kill, Duration::from_secs(5)).await;
            return Err(Error::TooSlow { program, bound, log });
        };
        if exit.is_success() {
            return Ok(());
        }
        Err(Error::Failed { program, exit, tail: log_tail(&log) })
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    fn command(&self) -> io::Result<Command> {
        std::fs::metadata(&self.path)?;
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", self.death.name()]);
        if let Some(user) = &self.run_as {
            let (uid, gid) = (user.uid.to_string(), user.gid.to_string());
            command.args(["--reuid", &uid, "--regid", &gid, "--clear-groups"]);
        }
        command.args(["--", "sh", "-c", GUARD]).arg(std::process::id().to_string());
        command.arg(&self.path).args(&self.args);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        // The user may not be able to enter our current folder.
        command.current_dir("/");
        command.stdin(Stdio::null()).stderr(log.try_clone()?).stdout(log);
        command.process_group(0);
        Ok(command)
    }
}

/// A started program. Dropping it sends the death signal and does not wait.
#[derive(Debug)]
pub struct Running {
    name: String,
    pid: Pid,
    log: PathBuf,
    death: Signal,
    /// True once the pid was given back to the kernel and may name another process.
    reaped: Arc<Mutex<bool>>,
    exit: watch::Receiver<Option<Exit>>,
}

impl Running {
    fn watch(mut child: Child, program: &Program) -> io::Result<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the kernel gave no usable pid"))?;
        let (report, exit) = watch::channel(None);
        let reaped = Arc::new(Mutex::new(false));
        let mark = Arc::clone(&reaped);
        std::thread::Builder::new().name(format!("wait-{}", program.name())).spawn(move || {
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let interrupted = Err(rustix::io::Errno::INTR);
            while rustix::process::waitid(WaitId::Pid(pid), ended).map(drop) == interrupted {}
            let mut reaped = mark.lock().unwrap_or_else(PoisonError::into_inner);
            let status = child.wait();
            *reaped = true;
            drop(reaped);
            report.send_replace(Some(Exit::from_status(status)));
        })?;
        let (log, death) = (program.log.clone(), program.death);
        Ok(Self { name: program.name(), pid, log, death, reaped, exit })
    }

    /// The process id; it stays ours as long as [`Running::exit`] is `None`.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// How it ended, or `None` while it runs.
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    pub fn is_running(&self) -> bool {
        self.exit().is_none()
    }

    /// A receiver that changes when the program ends, expected or not.
    pub fn exits(&self) -> watch::Receiver<Option<Exit>> {
        self.exit.clone()
    }

    /// Waits, without a bound, until it has ended.
    pub async fn wait(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(exit) => exit.unwrap_or(Exit::Unknown),
            Err(_) => Exit::Unknown,
        }
    }

    /// Sends a signal to the program alone; false when it had already ended.
    pub fn signal(&self, signal: Signal) -> bool {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        !*reaped && rustix::process::kill_process(self.pid, signal.number()).is_ok()
    }

    /// Asks it to end, waits for `bound`, then kills its process group.
    pub async fn stop(&self, signal: Signal, bound: Duration) -> Stopped {
        if let Some(exit) = self.exit() {
            return Stopped::Already(exit);
        }
        self.signal(signal);
        if let Ok(exit) = tokio::time::timeout(bound, self.wait()).await {
            return Stopped::InTime(exit);
        }
        self.kill_group();
        self.wait().await;
        Stopped::Killed
    }

    /// The last lines of its log, for an error message.
    pub fn log_tail(&self) -> String {
        log_tail(&self.log)
    }

    fn kill_group(&self) {
        let reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if !*reaped {
            // Fails only when it has ended in between, which is what was wanted.
            let _ = rustix::process::kill_process_group(self.pid, Signal::Kill.number());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(self.death);
    }
}

fn log_tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().rev().take(6).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

/// Lets this process hold as many connections as the machine permits it; two per session.
pub(crate) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where it is refused the old limit goes on.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

type Fork = (Command, oneshot::Sender<io::Result<Child>>);

/// Forks on the one thread that lives as long as this process.
async fn fork(command: Command) -> io::Result<Child> {
    static FORKS: OnceLock<mpsc::Sender<Fork>> = OnceLock::new();
    let forks = FORKS.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Fork>();
        // When the thread cannot start the receiver is gone, and each fork reports that.
        let _ = std::thread::Builder::new().name("fork".to_owned()).spawn(move || {
            for (mut command, reply) in receiver {
                // A caller that went away drops its answer: the child must not stay unwatched.
                if let Err(Ok(mut child)) = reply.send(command.spawn()) {
                    let _ = child.kill();
                    let _ = child.wait();
                }
            }
        });
        sender
    });
    let gone = || io::Error::other("the forking thread is gone");
    let (reply, answer) = oneshot::channel();
    forks.send((command, reply)).map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, log: &Path) -> Program {
        Program::new("/bin/sh", log).args(["-c", script])
    }

    #[tokio::test]
    async fn an_unexpected_end_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let running = shell("echo why; exit 7", &log).start().await.unwrap();
        assert_eq!(running.wait().await, Exit::Code(7));
        assert!(!running.is_running() && running.log_tail() == "why");
        assert!(!running.signal(Signal::Kill), "a reaped pid must not be signalled");
        let stopped = running.stop(Signal::Terminate, Duration::from_secs(1)).await;
        assert_eq!(stopped, Stopped::Already(Exit::Code(7)));
    }

    #[tokio::test]
    async fn a_deaf_program_is_killed_after_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let script = "trap '' TERM; echo deaf; while true; do sleep 0.1; done";
        let running = shell(script, &log).start().await.unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while running.log_tail() != "deaf" {
            tick.tick().await;
            assert!(running.is_running(), "{}", running.log_tail());
        }
        let stopped = running.stop(Signal::Terminate, Duration::from_millis(100)).await;
        assert_eq!(stopped, Stopped::Killed);
    }

    #[test]
    fn the_end_of_the_thread_that_asked_is_not_our_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let asked = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(shell("exec tail -f /dev/null", &log).start()).unwrap()
        });
        let running = asked.join().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let early = runtime.block_on(async {
            tokio::time::timeout(Duration::from_millis(200), running.wait()).await
        });
        assert!(early.is_err(), "it died with the thread: {early:?}");
    }

    #[tokio::test]
    async fn a_failure_carries_the_end_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let program = shell("echo broken >&2; exit 1", &folder.path().join("log"));
        let error = program.finish(Duration::from_secs(5)).await.unwrap_err().to_string();
        assert!(error.contains("broken") && error.contains("exit code 1"), "{error}");
        let absent = Program::new("/nonexistent/program", folder.path().join("log"));
        assert!(absent.start().await.is_err());
    }

    #[test]
    fn accounts_are_read_by_exact_name() {
        let accounts = "postgres2:x:1:1::/:\npostgres:x:101:104:P,,,:/var:/bin/bash\n";
        let user = RunAs::in_accounts(accounts, "postgres").unwrap();
        assert_eq!((user.uid, user.gid), (101, 104));
        assert_eq!(RunAs::in_accounts(accounts, "nobody"), None);
    }
}
