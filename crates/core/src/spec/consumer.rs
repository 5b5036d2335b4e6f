//! `[[consumer]]`: whoever reads the source's changes for others, and how each is handed over.
//!
//! The section is read and checked, and a spec that has it is refused all the same: no step hands
//! a consumer over yet, and a move without one would leave it reading a server that is dead.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SecretReference;
use super::check::SpecError;
use crate::ids::{ConsumerName, DatabaseName};
use crate::quantity::{duration_text, optional_duration_text};

/// Its name.
pub(super) const SECTION: &str = "consumer";

/// Keys of `[[consumer]]`.
pub(super) const KEYS: &[&str] = &[
    "name",
    "kind",
    "url",
    "connector",
    "user",
    "password",
    "root_certificate",
    "program",
    "database",
    "slot",
    "pause",
    "point",
    "resume",
    "drain_within",
    "undrained",
    "call_within",
];

/// Why a spec with consumers is not run.
pub(super) const REFUSED: &str = "this version reads the section and checks it, but hands no \
                                  consumer over yet: slots do not survive the promotion, and a \
                                  connector that keeps its offset at the target can lose changes \
                                  without a word. Remove it only when you hand them over yourself; \
                                  docs/explain/consumers.md says how";

/// One consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct ConsumerSpec {
    /// Its name in messages and in the ledger.
    pub name: ConsumerName,
    /// How it is spoken to.
    pub means: ConsumerMeans,
    /// How long it may take to get past the marker.
    pub drain_within: Duration,
    /// What becomes of the move when it takes longer.
    pub undrained: Undrained,
    /// How long one call to it may take.
    pub call_within: Duration,
}

/// How a consumer is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsumerMeans {
    /// `kind = "kafka-connect"`: Debezium's connector, by the worker's REST interface.
    KafkaConnect(KafkaConnectSpec),
    /// `kind = "command"`: a program with the hooks `status`, `pause`, `point` and `resume`.
    Command(HooksSpec),
    /// `kind = "slot"`: a slot whose reader is paused and resumed by programs, or by its owner.
    Slot(SlotSpec),
}

/// A connector of a Kafka Connect worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaConnectSpec {
    /// The worker: `http://HOST:PORT` or `https://…`, with the path before `/connectors` if any.
    pub url: String,
    /// The connector's name there.
    pub connector: String,
    /// Whom to log in as; absent = without a login.
    pub login: Option<ConnectLogin>,
    /// File of the certificates that an `https` worker must prove.
    pub root_certificate: Option<String>,
}

/// A login by basic authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectLogin {
    /// The name.
    pub user: String,
    /// Where its password is.
    pub password: SecretReference,
}

/// A program with hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksSpec {
    /// The program and its arguments; the hook's name is added.
    pub program: Vec<String>,
}

/// A slot and who reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotSpec {
    /// Its database.
    pub database: DatabaseName,
    /// Its name.
    pub slot: String,
    /// How its reader is handled; absent = its owner does, and says so.
    pub commands: Option<SlotCommands>,
}

/// Programs and their arguments, `{host}` and `{port}` filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotCommands {
    /// Ends with 0 once the reader has let go of the slot.
    pub pause: Vec<String>,
    /// Tells the reader another server.
    pub point: Vec<String>,
    /// Starts the reader.
    pub resume: Vec<String>,
}

/// What becomes of a move when a consumer does not drain in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undrained {
    /// All of it is undone.
    #[default]
    Undo,
    /// It goes on, and the verdict names the tables that this consumer has to read anew.
    Backfill,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    KafkaConnect,
    Command,
    Slot,
}

/// The section as it is written: every key of every kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: ConsumerName,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connector: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    password: Option<SecretReference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    root_certificate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    program: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    database: Option<DatabaseName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slot: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pause: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    point: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume: Option<Vec<String>>,
    #[serde(default = "drain_within", with = "duration_text")]
    drain_within: Duration,
    #[serde(default)]
    undrained: Undrained,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_duration_text")]
    call_within: Option<Duration>,
}

const fn drain_within() -> Duration {
    Duration::from_secs(30)
}

/// An offset of a distributed worker is changed by a rebalance, which took nine seconds.
const CALL_WITHIN: Duration = Duration::from_secs(30);

impl Written {
    fn bare(spec: &ConsumerSpec, kind: Kind) -> Self {
        Self {
            name: spec.name.clone(),
            kind,
            url: None,
            connector: None,
            user: None,
            password: None,
            root_certificate: None,
            program: None,
            database: None,
            slot: None,
            pause: None,
            point: None,
            resume: None,
            drain_within: spec.drain_within,
            undrained: spec.undrained,
            call_within: Some(spec.call_within),
        }
    }

    /// Every key that is written and belongs to one kind only, with that kind.
    fn keys(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        let connect = [
            ("url", self.url.is_some()),
            ("connector", self.connector.is_some()),
            ("user", self.user.is_some()),
            ("password", self.password.is_some()),
            ("root_certificate", self.root_certificate.is_some()),
        ];
        let slot = [
            ("database", self.database.is_some()),
            ("slot", self.slot.is_some()),
            ("pause", self.pause.is_some()),
            ("point", self.point.is_some()),
            ("resume", self.resume.is_some()),
        ];
        let command = [("program", self.program.is_some())];
        let of = |kind| move |(key, there): (&'static str, bool)| there.then_some((key, kind));
        connect
            .into_iter()
            .filter_map(of(Kind::KafkaConnect))
            .chain(slot.into_iter().filter_map(of(Kind::Slot)))
            .chain(command.into_iter().filter_map(of(Kind::Command)))
    }

    fn means(&self) -> Result<ConsumerMeans, String> {
        if let Some((key, other)) = self.keys().find(|(_, kind)| *kind != self.kind) {
            return Err(format!("{key} belongs to kind = \"{}\": remove it", other.word()));
        }
        match self.kind {
            Kind::KafkaConnect => self.kafka_connect().map(ConsumerMeans::KafkaConnect),
            Kind::Command => self.hooks().map(ConsumerMeans::Command),
            Kind::Slot => self.slot().map(ConsumerMeans::Slot),
        }
    }

    fn kafka_connect(&self) -> Result<KafkaConnectSpec, String> {
        let url = self.url.clone().ok_or("url: say where the worker's REST interface is")?;
        let secure = url.starts_with("https://");
        if !secure && !url.starts_with("http://") {
            return Err("url: write http://HOST:PORT or https://HOST:PORT".to_owned());
        }
        if url.contains(['@', '?', '#', ' ']) {
            // It may hold a password: it is not repeated.
            return Err("url: write it without login, query or fragment; the login goes into \
                        user and password"
                .to_owned());
        }
        if secure != self.root_certificate.is_some() {
            return Err("root_certificate: an https worker needs it, and no other has it: the \
                        file of the certificates that it must prove"
                .to_owned());
        }
        let login = match (&self.user, &self.password) {
            (Some(user), Some(password)) => {
                Some(ConnectLogin { user: user.clone(), password: password.clone() })
            }
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err("password: user and password go together".to_owned());
            }
        };
        let connector = self.connector.clone().ok_or("connector: name it as the worker does")?;
        let root_certificate = self.root_certificate.clone();
        Ok(KafkaConnectSpec { url, connector, login, root_certificate })
    }

    fn hooks(&self) -> Result<HooksSpec, String> {
        Ok(HooksSpec { program: words("program", self.program.as_ref())? })
    }

    fn slot(&self) -> Result<SlotSpec, String> {
        let database = self.database.clone().ok_or("database: say which one the slot is in")?;
        let slot = self.slot.clone().ok_or("slot: name it")?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if slot.is_empty() || slot.len() > 63 || !slot.chars().all(plain) {
            return Err(format!("slot: no slot can be called {slot:?}"));
        }
        let commands = if self.pause.is_none() && self.point.is_none() && self.resume.is_none() {
            None
        } else {
            Some(SlotCommands {
                pause: words("pause", self.pause.as_ref())?,
                point: words("point", self.point.as_ref())?,
                resume: words("resume", self.resume.as_ref())?,
            })
        };
        Ok(SlotSpec { database, slot, commands })
    }
}

fn words(key: &str, written: Option<&Vec<String>>) -> Result<Vec<String>, String> {
    let named = written.filter(|words| words.first().is_some_and(|program| !program.is_empty()));
    named.cloned().ok_or_else(|| format!("{key}: name the program and its arguments"))
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::KafkaConnect => "kafka-connect",
            Self::Command => "command",
            Self::Slot => "slot",
        }
    }
}

impl TryFrom<Written> for ConsumerSpec {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let name = written.name.as_str();
        if !super::check::is_identifier(name, 40) {
            return Err(format!(
                "name: {name:?} cannot name a consumer; use lower-case letters, digits and \
                 single hyphens, at most 40"
            ));
        }
        Ok(Self {
            means: written.means()?,
            drain_within: written.drain_within,
            undrained: written.undrained,
            call_within: written.call_within.unwrap_or(CALL_WITHIN),
            name: written.name,
        })
    }
}

impl From<ConsumerSpec> for Written {
    fn from(spec: ConsumerSpec) -> Self {
        match spec.means.clone() {
            ConsumerMeans::KafkaConnect(connect) => {
                let login = connect.login;
                Self {
                    url: Some(connect.url),
                    connector: Some(connect.connector),
                    user: login.as_ref().map(|login| login.user.clone()),
                    password: login.map(|login| login.password),
                    root_certificate: connect.root_certificate,
                    ..Self::bare(&spec, Kind::KafkaConnect)
                }
            }
            ConsumerMeans::Command(hooks) => {
                Self { program: Some(hooks.program), ..Self::bare(&spec, Kind::Command) }
            }
            ConsumerMeans::Slot(slot) => {
                let commands = slot.commands;
                Self {
                    database: Some(slot.database),
                    slot: Some(slot.slot),
                    pause: commands.as_ref().map(|commands| commands.pause.clone()),
                    point: commands.as_ref().map(|commands| commands.point.clone()),
                    resume: commands.map(|commands| commands.resume),
                    ..Self::bare(&spec, Kind::Slot)
                }
            }
        }
    }
}

/// Reads the sections of a spec's table, or says what is wrong with each.
pub fn consumers(table: &toml::Table) -> Result<Vec<ConsumerSpec>, Vec<SpecError>> {
    let written = match table.get(SECTION) {
        None => return Ok(Vec::new()),
        Some(toml::Value::Array(sections)) => sections.as_slice(),
        Some(_) => return Err(vec![told("", "is a list: write [[consumer]]".to_owned())]),
    };
    let (mut read, mut mistakes) = (Vec::<ConsumerSpec>::new(), Vec::new());
    for section in written {
        match section.clone().try_into::<ConsumerSpec>() {
            Ok(consumer) if read.iter().any(|known| known.name == consumer.name) => {
                mistakes.push(told("name", format!("{} stands there twice", consumer.name)));
            }
            Ok(consumer) => read.push(consumer),
            Err(error) => {
                let (key, message) = error.message().split_once(": ").unwrap_or_default();
                let known = KEYS.contains(&key);
                let message = if known { message } else { error.message() };
                mistakes.push(told(if known { key } else { "" }, message.to_owned()));
            }
        }
    }
    if mistakes.is_empty() { Ok(read) } else { Err(mistakes) }
}

fn told(key: &str, message: String) -> SpecError {
    let key = if key.is_empty() { SECTION.to_owned() } else { format!("{SECTION}.{key}") };
    SpecError { key, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<ConsumerSpec>, String> {
        let table: toml::Table = text.parse().unwrap();
        consumers(&table).map_err(|mistakes| {
            mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        })
    }

    const CONNECT: &str = "[[consumer]]\nname = \"warehouse\"\nkind = \"kafka-connect\"\n\
                           url = \"http://connect:8083\"\nconnector = \"orders-cdc\"\n";

    #[test]
    fn each_kind_is_read_and_survives_json() {
        let text = format!(
            "{CONNECT}[[consumer]]\nname = \"search\"\nkind = \"command\"\n\
             program = [\"/opt/search\", \"cdc\"]\ncall_within = \"1m\"\n\
             [[consumer]]\nname = \"audit\"\nkind = \"slot\"\ndatabase = \"shop\"\n\
             slot = \"audit\"\nundrained = \"backfill\"\n"
        );
        let read = read(&text).unwrap();
        let [connect, command, slot] = read.as_slice() else { panic!("{read:?}") };
        assert!(matches!(&connect.means, ConsumerMeans::KafkaConnect(it) if it.login.is_none()));
        assert_eq!((connect.drain_within.as_secs(), connect.call_within.as_secs()), (30, 30));
        assert!(matches!(&command.means, ConsumerMeans::Command(it) if it.program.len() == 2));
        assert!(matches!(&slot.means, ConsumerMeans::Slot(it) if it.commands.is_none()));
        assert_eq!(slot.undrained, Undrained::Backfill);
        let json = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Vec<ConsumerSpec>>(&json).unwrap(), read);
    }

    #[test]
    fn what_is_wrong_names_its_key() {
        let wrong = [
            ("url = \"connect:8083\"", "consumer.url: write http://"),
            ("url = \"http://a:hunter2@connect:8083\"", "consumer.url: write it without"),
            ("url = \"https://connect:8083\"", "consumer.root_certificate: an https"),
            ("user = \"x\"\nurl = \"http://c\"", "consumer.password: user and password"),
            ("slot = \"x\"\nurl = \"http://c\"", "slot belongs to kind = \"slot\""),
            ("password = \"hunter2\"\nurl = \"http://c\"", "never written in a spec"),
        ];
        for (lines, expected) in wrong {
            let told = read(&CONNECT.replace("url = \"http://connect:8083\"", lines)).unwrap_err();
            assert!(told.contains(expected) && !told.contains("hunter2"), "{lines}: {told}");
        }
        assert!(read(&format!("{CONNECT}{CONNECT}")).unwrap_err().contains("twice"));
        assert!(read("[consumer]\nname = \"x\"").unwrap_err().contains("[[consumer]]"));
        let half = "[[consumer]]\nname = \"a\"\nkind = \"slot\"\ndatabase = \"d\"\nslot = \"s\"\n\
                    pause = [\"p\"]\n";
        assert!(read(half).unwrap_err().contains("consumer.point: name the program"));
    }
}
