//! One PgBouncer: brought to a route, and looked at.
//!
//! Telling is one at a time and never goes back to an older epoch: a look that was decided on
//! before a hold must not resume after it. What is shown is asked anew with every look; only the
//! words of the last telling are remembered, for as long as the node does not follow.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use landfall_core::port::Clock;
use landfall_core::port::router::{AtHold, ProxyView, Route, Sessions, Traffic, Waiting};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::PgBouncerNodeSettings;
use super::console::{Begun, Console, Trouble, quoted};
use super::file::Lines;
use super::shown::{self, Shown};
use super::writer::Writer;

/// Between two looks of a telling.
const POLL: Duration = Duration::from_millis(5);

/// How long the pause waits for server connections that are logging in, see [`Node::calm`].
const CALM_WITHIN: Duration = Duration::from_secs(1);

/// How long a pause counts only when no client has a server connection any more. One that was
/// given out just before may not have got its first statement yet: to the server it looks idle,
/// and the fence would end it. After this whoever still has one is in a transaction.
const SETTLED_AFTER: Duration = Duration::from_millis(100);

/// A service's first route: the one it was adopted with.
const FIRST_EPOCH: u64 = 1;

/// What all nodes pool.
pub(super) struct Pooled {
    pub(super) databases: Vec<String>,
    pub(super) template: String,
}

/// What one node can do.
pub(super) struct NodeAbility {
    pub(super) patience: Option<Duration>,
    pub(super) sessions: Sessions,
}

pub(super) struct Node {
    name: String,
    console: Console,
    writer: Writer,
    pooled: Arc<Pooled>,
    clock: Arc<dyn Clock>,
    bound: Duration,
    /// The newest epoch that was told; held while telling.
    told: tokio::sync::Mutex<u64>,
    memory: Mutex<Memory>,
}

struct Memory {
    connected_since: Option<Timestamp>,
    last_seen: Timestamp,
    sent: Option<u64>,
    /// Since when every database was seen paused.
    paused_since: Option<Instant>,
    /// Why the last telling did not lead to its end.
    words: Option<String>,
}

impl Node {
    pub(super) fn new(
        settings: PgBouncerNodeSettings,
        pooled: &Arc<Pooled>,
        clock: Arc<dyn Clock>,
        bound: Duration,
    ) -> Self {
        let memory = Memory {
            connected_since: None,
            last_seen: clock.now(),
            sent: None,
            paused_since: None,
            words: None,
        };
        Self {
            console: Console::new(&settings, bound),
            name: settings.name,
            writer: Writer::new(settings.file, bound),
            pooled: Arc::clone(pooled),
            clock,
            bound,
            told: tokio::sync::Mutex::default(),
            memory: Mutex::new(memory),
        }
    }

    pub(super) async fn ability(&self) -> Result<NodeAbility, String> {
        let asked = async {
            let config = self.console.ask("SHOW CONFIG").await?;
            let users = self.console.ask("SHOW USERS").await?;
            let shown = self.shown().await?;
            let sessions = shown::sessions(&shown, &config, &users);
            Ok(NodeAbility { patience: shown::patience(&config), sessions })
        };
        asked.await.map_err(|trouble: Trouble| format!("{}: {}", self.name, trouble.words()))
    }

    /// Brings the node to a route, unless a newer one was told.
    pub(super) async fn tell(&self, route: &Route) {
        let mut newest = self.told.lock().await;
        if route.epoch < *newest {
            return;
        }
        *newest = route.epoch;
        let told = match route.traffic {
            Traffic::Held => self.hold(route).await,
            Traffic::Open => self.open(route).await,
        };
        let mut memory = self.memory();
        memory.sent = Some(route.epoch);
        memory.words = told.err().map(Trouble::words);
    }

    /// The node's part in the route, as it is now.
    pub(super) async fn look(&self, route: Option<&Route>) -> ProxyView {
        let shown = match route.map(|route| route.traffic) {
            Some(Traffic::Held) => self.settled(self.shown().await).await,
            Some(Traffic::Open) | None => self.shown().await,
        };
        let silent = matches!(shown, Err(Trouble::Silent(_)));
        let waiting = if silent { None } else { self.waiting().await };
        let now = self.clock.now();
        let mut memory = self.memory();
        if silent {
            memory.connected_since = None;
        } else {
            memory.connected_since.get_or_insert(now);
            memory.last_seen = now;
        }
        let judged = match (shown, route) {
            (Err(trouble), _) => Err(Some(trouble.words())),
            (Ok(_), None) => self.writer.ready().map_err(Some),
            (Ok(shown), Some(route)) => self.follows(&shown, route),
        };
        let epoch = route.map(|route| route.epoch);
        ProxyView {
            node: self.name.clone(),
            connected_since: memory.connected_since,
            last_seen: memory.last_seen,
            subscribed: true,
            sent: if judged.is_ok() { epoch } else { memory.sent },
            acknowledged: if judged.is_ok() { epoch } else { None },
            rejected: judged.err().and_then(|words| words.or_else(|| memory.words.clone())),
            at_hold: AtHold::Wait,
            waiting,
        }
    }

    /// Clients that asked for something and have no server connection.
    async fn waiting(&self) -> Option<Waiting> {
        let pools = self.console.ask("SHOW POOLS").await.ok()?;
        Some(shown::waiting(&pools, &self.pooled.databases, self.clock.now()))
    }

    /// Whether the node is where the route wants it; the error is why not, when the look tells.
    fn follows(&self, shown: &Shown, route: &Route) -> Result<(), Option<String>> {
        let lines = self.lines(route).map_err(|trouble| Some(trouble.words()))?;
        let there = shown.lead_to(&lines.host, &lines.port);
        match route.traffic {
            // Pointed elsewhere and not released: it must lead there only afterwards.
            Traffic::Held if shown.all_paused() && (shown.marked || !there) => Ok(()),
            Traffic::Held => Err(None),
            Traffic::Open if there && shown.none_paused() && !shown.marked => {
                // A file that cannot be written would be found out while people wait.
                self.writer.ready().map_err(Some)
            }
            Traffic::Open if route.epoch == FIRST_EPOCH => {
                Err(Some(not_ours_to_change(shown, &lines)))
            }
            Traffic::Open => Err(None),
        }
    }

    /// Paused, by a node that is known to read the file we write. The pause comes in any case:
    /// it is the file's trouble that is told.
    async fn hold(&self, route: &Route) -> Result<(), Trouble> {
        let lines = self.lines(route)?;
        let shown = self.shown().await?;
        let prepared = if shown.lead_to(&lines.host, &lines.port) && !shown.marked {
            self.install(&lines.held(shown.minimum(), route.epoch)).await
        } else {
            Ok(shown)
        };
        self.pause().await?;
        match prepared {
            Ok(shown) if shown.lead_to(&lines.host, &lines.port) && !shown.marked => {
                Err(Trouble::Refused(self.not_read()))
            }
            prepared => prepared.map(drop),
        }
    }

    async fn pause(&self) -> Result<(), Trouble> {
        self.calm().await?;
        let mut begun = Vec::new();
        // Forgets an earlier pause when this one is new.
        let shown = self.settled(self.shown().await).await?;
        for database in shown.databases.iter().filter(|one| !one.paused) {
            begun.push(self.console.begin(format!("PAUSE {}", quoted(&database.name))).await?);
        }
        let end = Instant::now() + self.bound;
        while !self.settled(self.shown().await).await?.all_paused() {
            if Instant::now() > end {
                return Err(Trouble::Refused(self.not_paused(begun).await));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Takes a pause for one only when it has settled: what is shown is not paused until then.
    async fn settled(&self, shown: Result<Shown, Trouble>) -> Result<Shown, Trouble> {
        let mut shown = shown?;
        let since = {
            let mut memory = self.memory();
            if !shown.all_paused() {
                memory.paused_since = None;
                return Ok(shown);
            }
            *memory.paused_since.get_or_insert_with(Instant::now)
        };
        if since.elapsed() < SETTLED_AFTER
            && shown::serving(&self.console.ask("SHOW POOLS").await?, &self.pooled.databases)
        {
            shown.databases.iter_mut().for_each(|database| database.paused = false);
        }
        Ok(shown)
    }

    /// Waits, for a moment at most, until no server connection is logging in. `PAUSE` breaks such
    /// a login off and takes it for a failure of the server, and after `RESUME` new statements
    /// would be refused until another login has succeeded.
    async fn calm(&self) -> Result<(), Trouble> {
        let end = Instant::now() + CALM_WITHIN;
        loop {
            let pools = self.console.ask("SHOW POOLS").await?;
            if !shown::logging_in(&pools, &self.pooled.databases) || Instant::now() > end {
                return Ok(());
            }
            sleep(POLL).await;
        }
    }

    /// Leading to the route's endpoint, then not paused any more; in this order.
    async fn open(&self, route: &Route) -> Result<(), Trouble> {
        let lines = self.lines(route)?;
        let mut shown = self.shown().await?;
        let there = shown.lead_to(&lines.host, &lines.port);
        if route.epoch == FIRST_EPOCH || (there && shown.none_paused() && !shown.marked) {
            // Before the first hold nothing is changed: a wrong spec must lead nobody astray.
            return Ok(());
        }
        if !there {
            shown = self.install(&lines.held(shown.minimum(), route.epoch)).await?;
            if !shown.lead_to(&lines.host, &lines.port) {
                return Err(Trouble::Refused(self.not_read()));
            }
        }
        let resumed = self.resume(&shown).await;
        self.install(&lines.open()).await?;
        resumed
    }

    /// Lets clients go on. A login that was broken off, as on a node that was restarted in the
    /// hold, would have them wait for `server_login_retry` first: for a moment there is none.
    async fn resume(&self, shown: &Shown) -> Result<(), Trouble> {
        self.memory().paused_since = None;
        let paused: Vec<_> = shown.databases.iter().filter(|one| one.paused).collect();
        if paused.is_empty() {
            return Ok(());
        }
        let config = self.console.ask("SHOW CONFIG").await?;
        let retry = shown::setting(&config, "server_login_retry").filter(|text| is_number(text));
        if retry.is_some() {
            self.console.ask("SET server_login_retry = '0'").await?;
        }
        let mut resumed = Ok(());
        for database in paused {
            let one = self.console.ask(&format!("RESUME {}", quoted(&database.name))).await;
            resumed = resumed.and(one.map(drop));
        }
        if let Some(retry) = retry {
            self.console.ask(&format!("SET server_login_retry = '{retry}'")).await?;
        }
        resumed
    }

    /// Writes the file, has it read, and looks. RELOAD says that it went well also when the file
    /// was refused, so only the look counts.
    async fn install(&self, text: &str) -> Result<Shown, Trouble> {
        self.writer.write(text).await.map_err(Trouble::Refused)?;
        self.console.ask("RELOAD").await?;
        self.shown().await
    }

    async fn shown(&self) -> Result<Shown, Trouble> {
        let rows = self.console.ask("SHOW DATABASES").await?;
        Shown::read(&rows, &self.pooled.databases).map_err(Trouble::Refused)
    }

    fn lines(&self, route: &Route) -> Result<Lines, Trouble> {
        let Pooled { databases, template, .. } = self.pooled.as_ref();
        Lines::new(databases, template, &route.endpoint).map_err(Trouble::Refused)
    }

    fn not_read(&self) -> String {
        format!(
            "it does not follow its file {}: the file is not included (%include), or its log says \
             what is wrong with it",
            self.writer
        )
    }

    async fn not_paused(&self, begun: Vec<Begun>) -> String {
        for one in begun.into_iter().filter(JoinHandle::is_finished) {
            if let Ok(Some(words)) = one.await {
                return words;
            }
        }
        format!("it did not pause within {:?}", self.bound)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn not_ours_to_change(shown: &Shown, lines: &Lines) -> String {
    let elsewhere =
        shown.databases.iter().find(|database| !database.leads_to(&lines.host, &lines.port));
    match (elsewhere, shown.databases.iter().find(|database| database.paused)) {
        (Some(database), _) => format!(
            "its database {} leads to {}, not to {}:{}",
            database.name,
            database.place(),
            lines.host,
            lines.port
        ),
        (None, Some(database)) => {
            format!("its database {} is paused already, and not by Landfall", database.name)
        }
        (None, None) => "its file is one of a hold that is over".to_owned(),
    }
}
