//! Clients that give up before a hold ends: whoever waits at the gateway waits by its own clock.
//!
//! Most drivers wait for ever unless they are told otherwise. PostgreSQL's JDBC driver does not:
//! it waits five seconds for the answer to its offer of TLS (`sslResponseTimeout`, its default;
//! `sslmode=prefer` is its default as well), and names itself in `application_name`. What a client
//! was told cannot be seen from the server. Pure.

use std::time::Duration;

use crate::bypass::Party;

/// `application_name` of a JDBC connection that sets none: `ApplicationName` of PgJDBC.
const JDBC: &str = "PostgreSQL JDBC Driver";

/// `sslResponseTimeout` of PgJDBC.
const JDBC_WAITS: Duration = Duration::from_secs(5);

/// How many sessions are of clients that wait less than a pause may take.
pub(crate) fn impatient(parties: &[Party], pause_budget: Duration) -> usize {
    let jdbc = parties.iter().filter(|party| party.application == JDBC);
    if pause_budget <= JDBC_WAITS { 0 } else { jdbc.map(|party| party.count).sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(application: &str, count: usize) -> Party {
        Party { user: None, application: application.to_owned(), client: None, count, pids: vec![] }
    }

    #[test]
    fn only_those_that_would_give_up_are_counted() {
        let parties = [party(JDBC, 3), party("psql", 9), party(JDBC, 4)];
        assert_eq!(impatient(&parties, Duration::from_mins(5)), 7);
        assert_eq!(impatient(&parties, Duration::from_secs(5)), 0);
        assert_eq!(impatient(&parties[1..2], Duration::from_mins(5)), 0);
    }
}
