//! What arrived: every record of some topics, read by a program that joins no group and so
//! changes nothing at the broker.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::Error;
use crate::process::Program;
use crate::tools::ConnectTools;

const BOUND: Duration = Duration::from_secs(90);

/// One record of a topic.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Record {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// As JSON text, when the record has a key.
    pub key: Option<String>,
    /// As JSON text; absent in a tombstone.
    pub value: Option<String>,
}

impl Record {
    /// The value, or null.
    pub fn json(&self) -> Value {
        let value = self.value.as_deref().and_then(|text| serde_json::from_str(text).ok());
        value.unwrap_or_default()
    }
}

pub(super) async fn read(
    tools: &ConnectTools,
    dir: &Path,
    broker: SocketAddr,
    prefix: &str,
) -> Result<Vec<Record>, Error> {
    let log = dir.join(format!("read-{:08x}.jsonl", rand::random::<u32>()));
    let classes = std::env::join_paths([tools.classes(), tools.worker_jars()])
        .map_err(|error| Error::Unreadable(error.to_string()))?;
    Program::new(tools.java(), &log)
        .args(["-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .arg("-Dlog4j2.level=off")
        .arg("-cp")
        .arg(classes)
        .args(["TopicReader", &broker.to_string(), prefix])
        .finish(BOUND)
        .await
        .map_err(Error::Program)?;
    let text =
        std::fs::read_to_string(&log).map_err(|cause| Error::File { path: log.clone(), cause })?;
    // Only the reader's own lines are objects; a logger's are not.
    let lines = text.lines().filter(|line| line.starts_with('{'));
    let records: Result<Vec<Record>, _> = lines.map(serde_json::from_str).collect();
    records.map_err(|error| Error::Unreadable(error.to_string()))
}
