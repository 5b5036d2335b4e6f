//! Transactions that outlive the fence, or that let the ids run out.

use std::time::Duration;

use landfall_core::finding::{Finding, Learnt};

use super::asking::{count, names, of_server, plain};
use super::{Seen, page, span};
use crate::question::activity::{LongTransactions, PreparedTransactions};
use crate::question::database::Databases;

pub(super) fn prepared(seen: &Seen<'_>) -> Vec<Finding> {
    let heard = of_server::<PreparedTransactions>(seen, "prepared transactions");
    let mut gids: Vec<String> = heard
        .said
        .iter()
        .flat_map(|(_, PreparedTransactions(list))| &list.items)
        .map(|one| one.gid.clone())
        .collect();
    gids.extend(seen.inventory.inside.iter().flat_map(|inside| inside.prepared.clone()));
    gids.sort_unstable();
    gids.dedup();
    let what = "a prepared transaction is open; the fence does not end it";
    let found = gids.iter().map(|gid| {
        Finding::warning(plain(gid), what)
            .learnt(Learnt::Sql)
            .why("It belongs to no session, and holds its locks on the target again.")
            .remedy("Commit or roll it back before the cutover.")
            .see(page::PREPARED)
    });
    heard.silent.into_iter().chain(found).collect()
}

pub(super) fn long(seen: &Seen<'_>) -> Vec<Finding> {
    of_server::<LongTransactions>(seen, "long transactions").judge(|said| {
        let Some((_, answer)) = said.first() else { return vec![] };
        let mut found = vec![];
        if answer.hidden > 0 {
            let what = format!(
                "not looked at the transactions of {}: the role may not see them",
                count(answer.hidden, "session", "sessions")
            );
            let remedy = "Grant pg_monitor to the observer's role.";
            found.push(Finding::not_looked(&seen.instance.id, what, remedy));
        }
        let list = &answer.transactions;
        if let Some(oldest) = list.items.first() {
            let who = list.items.iter().map(|one| {
                let user = plain(one.user.as_deref().unwrap_or("?"));
                format!("pid {} of {user} ({})", one.pid, span(Duration::from_secs(one.age_s)))
            });
            let what = format!(
                "{} for more than five minutes: {}",
                count(list.total, "transaction is open", "transactions are open"),
                names(who, list.left_out())
            );
            let age = span(Duration::from_secs(oldest.age_s));
            found.push(
                Finding::warning(&seen.instance.id, what)
                    .why(format!(
                        "The oldest began {age} ago: it keeps dead rows, and at the fence it is \
                         ended and rolls back."
                    ))
                    .remedy("End them before the cutover, or plan it when no batch runs.")
                    .see(page::VACUUM),
            );
        }
        found
    })
}

/// Half of what there is: autovacuum should have begun ten times earlier.
const OLD: u64 = 1_000_000_000;

pub(super) fn wraparound(seen: &Seen<'_>) -> Vec<Finding> {
    of_server::<Databases>(seen, "transaction ids").judge(|said| {
        let all = said.iter().flat_map(|(_, databases)| &databases.databases.items);
        all.filter(|database| database.xid_age.max(database.multixact_age) > OLD)
            .map(|database| {
                let what = format!(
                    "its oldest row is {} transactions old, of 2,147,483,648 that there are",
                    grouped(database.xid_age.max(database.multixact_age))
                );
                Finding::warning(plain(&database.name), what)
                    .why("The replica inherits the age; a freeze during the move slows both.")
                    .remedy("Run vacuum freeze on the oldest tables before the move.")
                    .see(page::VACUUM)
            })
            .collect()
    })
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
