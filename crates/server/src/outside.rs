//! The owner's tests that are not SQL: a URL that must answer, a program that must end well.
//!
//! Each ends within its time, whatever it asks. A program leads a process group of its own, which
//! is killed when its time is over or nobody waits any more; it sees nothing of Landfall's
//! environment but the tested server's address. What is said is kept up to a bound, and read to
//! its end so that a program that talks much is not held up. A Landfall that is itself killed
//! cannot kill the program: the next run starts it again.

use std::future::Future;
use std::process::Stdio;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use landfall_core::Endpoint;
use landfall_core::port::Tests;
use landfall_core::port::tests::{
    HOST_VARIABLE, OUTPUT_MAX, PORT_VARIABLE, TestRun, bounded, filled,
};
use landfall_core::quantity::duration_text;
use landfall_core::spec::{CommandTest, HttpTest};
use landfall_program::{Group, environment};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

/// An answer is searched for what it must contain up to here, bytes.
const ANSWER_MAX: usize = 1024 * 1024;

/// Asks and runs from where Landfall stands.
#[derive(Debug, Default)]
pub(crate) struct Outside;

/// How a test ended: whether it failed and why, and what it said.
type Ended = (Option<String>, Vec<u8>);

#[async_trait]
impl Tests for Outside {
    async fn http(&self, test: &HttpTest, at: &Endpoint) -> TestRun {
        timed(format!("smoke.http {}", test.url), test.within, ask(test, at)).await
    }

    async fn command(&self, test: &CommandTest, at: &Endpoint) -> TestRun {
        timed(format!("smoke.command {}", test.program), test.within, run(test, at)).await
    }
}

async fn timed(test: String, within: Duration, work: impl Future<Output = Ended>) -> TestRun {
    let begin = Instant::now();
    let ended = tokio::time::timeout(within, work).await;
    let (failed, said) = ended.unwrap_or_else(|_| {
        let within = duration_text::to_text(within);
        (Some(format!("it did not end within {within}")), Vec::new())
    });
    TestRun { test, failed, output: bounded(&said), took: begin.elapsed() }
}

async fn ask(test: &HttpTest, at: &Endpoint) -> Ended {
    match answer(test, at).await {
        Ok((status, body)) => (wrong(test, status, &body), body),
        Err(error) => {
            // The address is named already, and its query may hold a token.
            let error = error.without_url();
            let why = std::error::Error::source(&error).map(ToString::to_string);
            (Some(why.map_or_else(|| error.to_string(), |why| format!("{error}: {why}"))), vec![])
        }
    }
}

/// A health check answers by itself: where it sends one is not the answer, and a proxy of
/// Landfall's surroundings does not stand before it.
async fn answer(test: &HttpTest, at: &Endpoint) -> Result<(u16, Vec<u8>), reqwest::Error> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()?;
    let mut response = client.get(filled(&test.url, at)).send().await?;
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await? {
        body.extend_from_slice(&part);
        if body.len() >= ANSWER_MAX {
            break;
        }
    }
    Ok((status, body))
}

fn wrong(test: &HttpTest, status: u16, body: &[u8]) -> Option<String> {
    if status != test.status {
        return Some(format!("it answered {status} instead of {}", test.status));
    }
    let wanted = test.contains.as_ref()?;
    let found = String::from_utf8_lossy(body).contains(wanted);
    (!found).then(|| format!("its answer does not contain {wanted:?}"))
}

async fn run(test: &CommandTest, at: &Endpoint) -> Ended {
    let mut child = match start(test, at) {
        Ok(child) => child,
        Err(error) => {
            return (Some(format!("{} cannot be started: {error}", test.program)), vec![]);
        }
    };
    let group = Group::of(&child);
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let (mut said, errors) = tokio::join!(beginning(output), beginning(errors));
    let status = child.wait().await;
    said.extend(errors);
    match status {
        Ok(status) if status.success() => {
            group.let_go();
            (None, said)
        }
        Ok(status) => (Some(format!("it ended with {status}")), said),
        Err(error) => (Some(format!("its end was not seen: {error}")), said),
    }
}

fn start(test: &CommandTest, at: &Endpoint) -> std::io::Result<Child> {
    Command::new(&test.program)
        .args(test.args.iter().map(|argument| filled(argument, at)))
        .env_clear()
        .envs(environment())
        .env(HOST_VARIABLE, &at.host)
        .env(PORT_VARIABLE, at.port.to_string())
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// The beginning of what it says; the rest is read and forgotten.
async fn beginning(output: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let Some(mut output) = output else { return Vec::new() };
    let (mut kept, mut buffer) = (Vec::new(), vec![0; 8 * 1024]);
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        let room = OUTPUT_MAX.saturating_sub(kept.len());
        kept.extend(buffer.iter().take(length.min(room)));
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::Router;
    use axum::extract::Path;
    use axum::http::StatusCode;
    use axum::routing::get;
    use landfall_core::conformance::tests::{TestsFixture, every_promise};

    use super::*;

    struct Here {
        address: SocketAddr,
        /// Takes connections and never answers.
        mute: SocketAddr,
        nobody: SocketAddr,
    }

    fn shell(script: &str) -> CommandTest {
        CommandTest {
            program: "/bin/sh".to_owned(),
            args: vec!["-c".to_owned(), script.to_owned(), "sh".to_owned()],
            within: Duration::from_secs(10),
        }
    }

    impl TestsFixture for Here {
        fn port(&self) -> &dyn Tests {
            &Outside
        }

        fn well(&self) -> String {
            format!("http://{}/well/{{endpoint}}", self.address)
        }

        fn ill(&self) -> String {
            format!("http://{}/ill", self.address)
        }

        fn mute(&self) -> String {
            format!("http://{}/", self.mute)
        }

        fn nobody(&self) -> String {
            format!("http://{}/", self.nobody)
        }

        fn speaks(&self) -> CommandTest {
            shell(
                "for one in \"$@\"; do echo \"$one\"; done; \
                 echo \"$LANDFALL_TARGET_HOST:$LANDFALL_TARGET_PORT\"",
            )
        }

        fn fails(&self) -> CommandTest {
            shell("echo broken >&2; exit 3")
        }

        fn chatters(&self) -> CommandTest {
            shell("head -c 1000000 /dev/zero | tr '\\0' x")
        }

        fn hangs(&self) -> CommandTest {
            // Its child outlives it unless the whole group is killed.
            shell("sleep 60 & sleep 60")
        }
    }

    async fn here() -> Here {
        let well = |Path(at): Path<String>| async move { format!("all is well at {at}") };
        let ill = || async { (StatusCode::SERVICE_UNAVAILABLE, "no database") };
        let routes = Router::new().route("/well/{at}", get(well)).route("/ill", get(ill));
        let free = || tokio::net::TcpListener::bind("127.0.0.1:0");
        let (listener, silent, gone) =
            (free().await.unwrap(), free().await.unwrap(), free().await.unwrap());
        let address = listener.local_addr().unwrap();
        let (mute, nobody) = (silent.local_addr().unwrap(), gone.local_addr().unwrap());
        drop(gone);
        tokio::spawn(async move {
            let _silent = silent;
            axum::serve(listener, routes).await.unwrap();
        });
        Here { address, mute, nobody }
    }

    #[tokio::test]
    async fn tests_outside_keep_every_promise() {
        every_promise(&here().await).await;
    }

    #[tokio::test]
    async fn a_program_sees_nothing_of_ours_and_its_children_end_with_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        let at = Endpoint::new("db", 5432);
        let run = Outside.command(&shell("env"), &at).await;
        assert_eq!(run.failed, None);
        assert!(!run.output.contains("CARGO"), "{}", run.output);
        let hangs = CommandTest {
            within: Duration::from_millis(500),
            ..shell(&format!("sleep 60 & echo $! > {path}; wait"))
        };
        let run = Outside.command(&hangs, &at).await;
        assert!(run.failed.is_some_and(|why| why.contains("500ms")));
        let child: u32 = std::fs::read_to_string(&path).unwrap().trim().parse().unwrap();
        let ended = async {
            // Killed; its entry stays until whoever inherited it has looked.
            while std::fs::read_to_string(format!("/proc/{child}/stat"))
                .is_ok_and(|stat| !stat.contains(") Z "))
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), ended).await.expect("its child lives on");
    }
}
