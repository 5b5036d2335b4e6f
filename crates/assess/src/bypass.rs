//! Who is on the source without having come through the gateway. Pure.
//!
//! A session is told by its address: one from a gateway's network came through the gateway. Beside
//! an application there is no telling, since its proxy has its address. The hold does not reach
//! whoever came past; the fence does.

use std::collections::BTreeMap;
use std::net::IpAddr;

use landfall_core::port::database::{Session, SessionKind};
use landfall_core::spec::Network;
use serde::{Deserialize, Serialize};

/// What the warning is about.
pub const ABOUT: &str = "sessions past the gateway";

/// How many pids of a party are told.
const PIDS: usize = 5;

/// Sessions of one role and application from one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Role.
    pub user: Option<String>,
    /// application_name.
    pub application: String,
    /// Address; absent on a local socket.
    pub client: Option<String>,
    /// How many.
    pub count: usize,
    /// The first of them.
    pub pids: Vec<i32>,
}

impl std::fmt::Display for Party {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pids: Vec<String> = self.pids.iter().map(ToString::to_string).collect();
        let more = if self.count > self.pids.len() { ", …" } else { "" };
        write!(
            f,
            "{} of user {} application {:?} from {} (pid {}{more})",
            self.count,
            self.user.as_deref().unwrap_or("?"),
            self.application,
            self.client.as_deref().unwrap_or("a local socket"),
            pids.join(", "),
        )
    }
}

/// The clients among the sessions, by who they are, the largest party first. Ours, the server's
/// own and replication are nobody's business here.
pub fn parties(sessions: &[Session]) -> Vec<Party> {
    let mut found: BTreeMap<_, Vec<i32>> = BTreeMap::new();
    for session in sessions.iter().filter(|session| is_client(session)) {
        let key = (session.client.clone(), session.application.clone(), session.user.clone());
        found.entry(key).or_default().push(session.pid);
    }
    let mut parties: Vec<Party> = found
        .into_iter()
        .map(|((client, application, user), mut pids)| {
            let count = pids.len();
            pids.truncate(PIDS);
            Party { user, application, client, count, pids }
        })
        .collect();
    parties.sort_by_key(|party| std::cmp::Reverse(party.count));
    parties
}

fn is_client(session: &Session) -> bool {
    match session.kind {
        SessionKind::Client | SessionKind::Unknown => true,
        SessionKind::Ours | SessionKind::Server | SessionKind::Replication => false,
    }
}

/// Whether a party came through the gateway. An address that cannot be read did not.
pub fn came_through(party: &Party, networks: &[Network]) -> bool {
    let address: Option<IpAddr> = party.client.as_deref().and_then(|text| text.parse().ok());
    address.is_some_and(|address| networks.iter().any(|network| network.contains(address)))
}

/// The parties that came past the gateway.
pub fn past(sessions: &[Session], networks: &[Network]) -> Vec<Party> {
    let mut parties = parties(sessions);
    parties.retain(|party| !came_through(party, networks));
    parties
}

/// What will happen to them, said right before it does.
pub fn fate(past: &[Party]) -> String {
    let who: Vec<String> = past.iter().map(Party::to_string).collect();
    let count: usize = past.iter().map(|party| party.count).sum();
    let clients: Vec<&str> = addresses(past);
    format!(
        "{count} sessions on the source came past the gateway: {}. The hold does not reach them; \
         the fence ends them, and from then on {} cannot connect: point them at the gateway",
        who.join("; "),
        clients.join(", "),
    )
}

fn addresses(parties: &[Party]) -> Vec<&str> {
    let mut all: Vec<&str> =
        parties.iter().map(|party| party.client.as_deref().unwrap_or("a local socket")).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Where clients come from, with how many of each, for those who do not know their networks yet.
pub fn origins(parties: &[Party]) -> String {
    let origin = |address: &str| {
        let from =
            parties.iter().filter(|p| p.client.as_deref().unwrap_or("a local socket") == address);
        format!("{address} ({})", from.map(|party| party.count).sum::<usize>())
    };
    addresses(parties).into_iter().map(origin).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use landfall_core::port::database::SessionState;

    use super::*;

    fn session(pid: i32, kind: SessionKind, client: Option<&str>) -> Session {
        Session {
            pid,
            kind,
            state: SessionState::Idle,
            database: None,
            user: Some("shop".to_owned()),
            application: "batch".to_owned(),
            client: client.map(str::to_owned),
            transaction_age: Duration::ZERO,
            age: None,
        }
    }

    fn sessions() -> Vec<Session> {
        use SessionKind::{Client, Ours, Replication, Server, Unknown};
        let mut all: Vec<Session> =
            (1..=7).map(|pid| session(pid, Client, Some("10.0.9.1"))).collect();
        all.extend([
            session(20, Client, Some("10.0.8.1")),
            session(21, Client, None),
            session(22, Unknown, Some("not an address")),
            session(30, Ours, Some("10.0.9.9")),
            session(31, Server, None),
            session(32, Replication, Some("10.0.9.9")),
        ]);
        all
    }

    #[test]
    fn only_clients_from_elsewhere_came_past() {
        let gateway = [Network::try_from("10.0.8.0/24".to_owned()).unwrap()];
        let past = past(&sessions(), &gateway);
        let clients: Vec<_> =
            past.iter().map(|party| (party.client.as_deref(), party.count)).collect();
        assert_eq!(
            clients,
            [(Some("10.0.9.1"), 7), (None, 1), (Some("not an address"), 1)],
            "{past:?}"
        );
        assert_eq!(past[0].pids, [1, 2, 3, 4, 5]);
        let told = fate(&past);
        assert!(told.starts_with("9 sessions on the source came past the gateway"), "{told}");
        assert!(told.contains("from 10.0.9.1 (pid 1, 2, 3, 4, 5, …)"), "{told}");
        assert!(!told.contains("10.0.8.1") && !told.contains("10.0.9.9"), "{told}");
    }

    #[test]
    fn origins_are_counted_by_address() {
        let told = origins(&parties(&sessions()));
        assert_eq!(told, "10.0.8.1 (1), 10.0.9.1 (7), a local socket (1), not an address (1)");
    }
}
