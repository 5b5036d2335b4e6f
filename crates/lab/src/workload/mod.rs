//! The workload: an independent client that referees a move.
//!
//! It writes through the gateway like an application, records every attempt and acknowledgement in a
//! local ledger file, and afterwards says what happened by looking at both servers itself. It shares
//! no code with the product and knows nothing about it: a host and a port in, figures out.
//!
//! The ledger file is the only truth. Killed at any instant, it still tells which writes were
//! acknowledged, and both the summary and the verdict can be made from what it left.

mod bypass;
mod endpoint;
mod entry;
mod ids;
mod judge;
mod ledger;
mod live;
mod load;
mod long_transaction;
mod measure;
mod order;
mod run;
mod stop;
mod summary;
mod verdict;
mod writer;

use std::io;
use std::path::PathBuf;

use thiserror::Error as ThisError;

pub use self::bypass::Bypass;
pub use self::endpoint::Endpoint;
pub use self::entry::{Code, Stage};
pub use self::ids::RowId;
pub use self::judge::{judge, judge_over};
pub use self::live::{LiveLine, Snapshot};
pub use self::load::{Workload, WorkloadConfig};
pub use self::long_transaction::{LongEnd, LongTransaction, long_transaction};
pub use self::run::{run_to_file, run_watched, summarise_ledger};
pub use self::summary::{Added, Counts, Pause, Summary, Tally, Window};
pub use self::verdict::{Examples, SourceReading, UnknownCheck, Verdict};

#[derive(Debug, ThisError)]
pub enum Error {
    #[error("use the ledger {}", path.display())]
    Ledger {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("read line {line} of the ledger {}", path.display())]
    Malformed { path: PathBuf, line: u64 },
    #[error("run {wanted} writers, at most {most} are possible")]
    TooManyWriters { wanted: usize, most: i16 },
    #[error("run at {rate} transactions a second, it must be more than zero")]
    Rate { rate: f64 },
    #[error("connect to {address}: {}", code.as_str())]
    Connect { address: String, code: Code },
    #[error("read the workload_ledger table")]
    Read {
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("write in the long transaction")]
    Write {
        #[source]
        source: tokio_postgres::Error,
    },
    #[error("write the summary to {}", path.display())]
    Summary {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("finish a writer of the load")]
    Writer {
        #[source]
        source: tokio::task::JoinError,
    },
}
