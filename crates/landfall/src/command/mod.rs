//! The commands: each opens the way to a server, asks, and shows the answer.

mod assess;
mod doctor;
mod envoy;
mod explain;
mod export;
mod lab;
mod look;
mod order;
mod report;
mod route;
mod run;
mod serve;
mod standing;

pub(crate) use assess::AssessArguments;
pub(crate) use doctor::DoctorArguments;
pub(crate) use lab::LabCommand;

use crate::arguments::{Arguments, Command, Common};
use crate::exit::Exit;
use crate::out::Out;
use crate::stop::Stop;

/// Does what the command line says.
pub(crate) async fn execute(arguments: Arguments, out: Out) -> Result<Exit, Stop> {
    let Arguments { common, command } = arguments;
    match command {
        Command::Assess(asked) => assess::assess(&common, &asked, out).await,
        Command::Plan(spec) => look::plan(&common, &spec, out).await,
        Command::Run(run) => run::run(&common, &run, out).await,
        Command::Status { name } => standing::status(&common, name.as_deref(), out).await,
        Command::Watch { name } => standing::watch(&common, &name, out).await,
        Command::History(history) => standing::history(&common, &history, out).await,
        Command::Approve { name, gate, note } => {
            order::approve(&common, &name, order::Approval { gate, note }, out).await
        }
        Command::Pause(order) => order::plain(&common, "pause", &order, out).await,
        Command::Resume { name } => order::resume(&common, &name, out).await,
        Command::Abort(order) => order::plain(&common, "abort", &order, out).await,
        Command::RollBack(asked) => order::roll_back(&common, &asked, out).await,
        Command::Retire(retire) => order::retire(&common, &retire, out).await,
        Command::Report(asked) => report::report(&common, &asked, out).await,
        Command::Doctor(asked) => doctor::doctor(&common, &asked, out).await,
        Command::Export(what) => export::export(&what, out),
        Command::Explain { code } => explain::explain(code.as_deref(), out),
        Command::Serve(serve) => serve::serve(&common, &serve, out).await,
        Command::Route(route) => route::route(&common, &route, out).await,
        Command::Envoy(envoy) => envoy::envoy(&common, &envoy, out).await,
        Command::Lab(lab) => lab::lab(&common, &lab, out).await,
    }
}

/// Who gives the orders: as told, or the user's name.
fn by(common: &Common) -> String {
    let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    common
        .by
        .clone()
        .or_else(|| variable("USER"))
        .or_else(|| variable("LOGNAME"))
        .unwrap_or_else(|| "somebody".to_owned())
}
