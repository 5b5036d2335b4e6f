//! `landfall`: the command line, and the server that `serve` starts.
//!
//! Everything it does goes through the HTTP API; without a server of somebody's it starts one for
//! the command. It decides nothing itself: it asks, shows, and says what to type next.

mod arguments;
mod command;
mod door;
mod exit;
mod follow;
mod out;
mod progress;
mod show;
mod signal;
mod stop;

use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Resource, Rlimit, setrlimit};
use tracing_subscriber::EnvFilter;

use arguments::{Arguments, Command};
use exit::Exit;
use out::{Form, Out};

/// What is logged, in tracing's notation.
const LOG: &str = "LANDFALL_LOG";

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // What clap cannot print, nobody is there to read.
            let _ = error.print();
            let exit = if error.use_stderr() { Exit::Mistake } else { Exit::Done };
            return exit.into();
        }
    };
    leave_no_core();
    log(&arguments.command);
    let out = Out { form: if arguments.common.json { Form::Json } else { Form::Text } };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out.say(&format!("Could not start: {error}."));
            return Exit::Defect.into();
        }
    };
    match runtime.block_on(command::execute(arguments, out)) {
        Ok(exit) => exit.into(),
        Err(stop) => {
            stop.tell(out);
            stop.exit().into()
        }
    }
}

/// A core file would hold every password in memory. Where the limit cannot be set, none was wanted
/// less than the command.
fn leave_no_core() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
}

/// A server tells what happens; a command's own words are enough for the others.
fn log(command: &Command) {
    let default =
        if matches!(command, Command::Serve(_)) { "info" } else { "error,landfall_flow=off" };
    let filter = EnvFilter::try_from_env(LOG).unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
