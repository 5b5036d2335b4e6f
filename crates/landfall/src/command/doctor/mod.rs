//! `doctor`: looks at what nobody looks at until it fails. Each look is a file of its own.

mod aws;
mod slots;

use clap::Args;

use crate::arguments::Common;
use crate::exit::Exit;
use crate::out::Out;
use crate::stop::Stop;

/// `landfall doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// The spec, a TOML file, or the name of a DB instance: who keeps WAL on it, and for how long
    /// its disk lasts
    #[arg(value_name = "SPEC|INSTANCE", required_unless_present = "aws")]
    source: Option<String>,
    /// Drop this slot; refused while somebody reads it, and for those of RDS's own replicas
    #[arg(long, value_name = "NAME", requires = "reason", conflicts_with = "aws")]
    drop: Option<String>,
    /// Why it may go; kept in the audit file
    #[arg(long, value_name = "TEXT", requires = "drop")]
    reason: Option<String>,
    /// Try, read-only, every unproven fact about AWS on the account that the environment names
    #[arg(long, conflicts_with = "source")]
    aws: bool,
}

pub(super) async fn doctor(
    common: &Common,
    asked: &DoctorArguments,
    out: Out,
) -> Result<Exit, Stop> {
    let Some(source) = &asked.source else { return aws::aws(common, out).await };
    match (&asked.drop, &asked.reason) {
        (Some(slot), Some(reason)) => {
            slots::drop_one(common, source, &slots::Order { slot, reason }, out).await
        }
        _ => slots::look(common, source, out).await,
    }
}
