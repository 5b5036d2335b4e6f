//! Counters of two looks at one server, what happened between them, and two servers beside each
//! other.
//!
//! A counter that went down, or that began after the first look, was reset: it counts from there.
//! Statements that were forgotten meanwhile for want of room make the sums too small, and are said.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_core::DatabaseName;
use landfall_core::comparison::{
    Counters, DatabaseCounters, DatabaseStatements, SlowerStatement, StatementCounters,
};
use landfall_core::port::database::Answer;

use crate::question::performance::{DatabaseTotal, DatabaseTotals, Statements, StatementsSince};
use crate::question::{Reading, databases, server};

/// Statements kept of one look, over all databases.
const KEPT: usize = 100;

/// A statement that ran less often says nothing.
const CALLS_MIN: f64 = 10.0;

/// A statement is slower from this factor on.
const SLOWER: f64 = 1.5;

/// And only if a run takes this much longer, ms: what is faster than a network's trip is noise.
const SLOWER_MS: f64 = 0.05;

/// How many are named.
const NAMED: usize = 10;

/// What was answered, as counters; `now` where the server did not tell its own time.
pub fn read_counters(answers: &[Answer], now: Timestamp) -> Counters {
    let mut not_looked = Vec::new();
    let totals = match server::<DatabaseTotals>(answers) {
        Reading::Looked(totals) => Some(totals),
        Reading::NotLooked { why, .. } => {
            not_looked.push(format!("databases' counters were not looked at: {why}"));
            None
        }
        Reading::NotAsked => None,
    };
    let mut statements = Vec::new();
    for (database, reading) in databases::<Statements>(answers) {
        match reading {
            Reading::Looked(seen) => {
                if seen.hidden > 0 {
                    not_looked.push(format!(
                        "{} statements of database {database} are hidden: grant pg_monitor to the \
                         observer's role",
                        seen.hidden
                    ));
                }
                let (database, statements_of_it) = (database.clone(), seen.statements.items);
                statements.push(DatabaseStatements { database, statements: statements_of_it });
            }
            Reading::NotLooked { why, .. } => not_looked.push(format!(
                "statements of database {database} were not looked at ({why}): preload \
                 pg_stat_statements and create its extension there, in schema public"
            )),
            Reading::NotAsked => {}
        }
    }
    let since = databases::<StatementsSince>(answers);
    let since = since.iter().find_map(|(_, reading)| reading.looked());
    keep_the_longest(&mut statements);
    Counters {
        at: totals.as_ref().map_or(now, |totals| totals.at),
        statements_since: since.and_then(|seen| seen.since),
        forgotten: since.map(|seen| seen.forgotten),
        statements,
        databases: totals
            .map(|seen| seen.databases.items.into_iter().map(total).collect())
            .unwrap_or_default(),
        not_looked,
    }
}

fn total(seen: DatabaseTotal) -> DatabaseCounters {
    let DatabaseTotal { name, since, commits, rollbacks, blocks_read, blocks_hit, .. } = seen;
    DatabaseCounters {
        database: DatabaseName::new(name),
        since,
        commits,
        rollbacks,
        blocks_read,
        blocks_hit,
        temporary_bytes: seen.temporary_bytes,
        deadlocks: seen.deadlocks,
    }
}

/// A thousand databases have a hundred statements each; those that took the most time are kept.
fn keep_the_longest(all: &mut Vec<DatabaseStatements>) {
    let mut times: Vec<f64> =
        all.iter().flat_map(|one| &one.statements).map(|statement| statement.total_ms).collect();
    times.sort_by(|a, b| b.total_cmp(a));
    if let Some(shortest) = times.get(KEPT) {
        for one in &mut *all {
            one.statements.retain(|statement| statement.total_ms > *shortest);
        }
    }
    all.retain(|one| !one.statements.is_empty());
}

/// What happened between two looks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Between {
    statements: Vec<DatabaseStatements>,
}

/// From the first look to the second; without a first, or after a reset, since the counters began.
pub(super) fn between(
    looks: &(Option<Counters>, Option<Counters>),
    side: &str,
    notes: &mut Vec<String>,
) -> Between {
    let (first, Some(last)) = looks else { return Between::default() };
    notes.extend(last.not_looked.iter().map(|told| format!("on the {side}, {told}")));
    let reset = first.as_ref().is_some_and(|first| was_reset(first, last));
    if reset {
        notes.push(format!(
            "the statistics of the {side} were reset while they were watched: they count from there"
        ));
    }
    let forgotten = last.forgotten.zip(first.as_ref().and_then(|first| first.forgotten));
    if !reset && forgotten.is_some_and(|(after, before)| after > before) {
        notes.push(format!(
            "the {side} forgot statements for want of room: raise pg_stat_statements.max"
        ));
    }
    let first = first.as_ref().filter(|_| !reset);
    let statements = last.statements.iter().map(|one| {
        let before = first.and_then(|first| of_database(first, &one.database));
        let statements = one.statements.iter().map(|now| since(before, now)).collect();
        DatabaseStatements { database: one.database.clone(), statements }
    });
    Between { statements: statements.collect() }
}

fn was_reset(first: &Counters, last: &Counters) -> bool {
    let began_later = last.statements_since.is_some_and(|since| since > first.at);
    let went_down = last.statements.iter().any(|one| {
        let before = of_database(first, &one.database);
        one.statements.iter().any(|now| {
            before.and_then(|before| find(before, now)).is_some_and(|then| then.calls > now.calls)
        })
    });
    began_later || went_down
}

fn of_database<'a>(of: &'a Counters, name: &DatabaseName) -> Option<&'a [StatementCounters]> {
    let found = of.statements.iter().find(|one| one.database == *name)?;
    Some(&found.statements)
}

fn find<'a>(
    among: &'a [StatementCounters],
    wanted: &StatementCounters,
) -> Option<&'a StatementCounters> {
    among.iter().find(|one| one.id == wanted.id && one.hash == wanted.hash)
}

fn since(before: Option<&[StatementCounters]>, now: &StatementCounters) -> StatementCounters {
    let then = before.and_then(|before| find(before, now));
    let (calls, total_ms) = then.map_or((0.0, 0.0), |then| (then.calls, then.total_ms));
    StatementCounters {
        calls: now.calls - calls,
        total_ms: (now.total_ms - total_ms).max(0.0),
        ..now.clone()
    }
}

/// Statements of two servers beside each other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beside {
    /// How many ran often enough on both.
    pub compared: u32,
    /// The ten that cost the most time more.
    pub slower: Vec<SlowerStatement>,
}

/// The statements that became slower.
pub fn slower_statements(source: &Between, target: &Between) -> Beside {
    let mut found = Beside::default();
    let mut cost: Vec<(f64, SlowerStatement)> = Vec::new();
    for here in &target.statements {
        let there = source.statements.iter().find(|one| one.database == here.database);
        let Some(there) = there else { continue };
        let by_hash = by_hash(&there.statements);
        for after in here.statements.iter().filter(|one| one.calls >= CALLS_MIN) {
            let same = find(&there.statements, after)
                .or_else(|| by_hash.get(after.hash.as_str()).copied().flatten());
            let Some(before) = same.filter(|one| one.calls >= CALLS_MIN) else { continue };
            found.compared = found.compared.saturating_add(1);
            let (before_ms, after_ms) =
                (before.total_ms / before.calls, after.total_ms / after.calls);
            if after_ms < before_ms * SLOWER || after_ms - before_ms < SLOWER_MS {
                continue;
            }
            let slower = SlowerStatement {
                database: here.database.clone(),
                id: after.id,
                text: after.text.clone(),
                before_ms,
                after_ms,
                calls_before: before.calls,
                calls_after: after.calls,
            };
            cost.push(((after_ms - before_ms) * after.calls, slower));
        }
    }
    cost.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    cost.truncate(NAMED);
    found.slower = cost.into_iter().map(|(_, slower)| slower).collect();
    found
}

/// Statements whose text is theirs alone: two of one text differ by the objects that they mean.
fn by_hash(all: &[StatementCounters]) -> BTreeMap<&str, Option<&StatementCounters>> {
    let mut found = BTreeMap::new();
    for one in all {
        found.entry(one.hash.as_str()).and_modify(|known| *known = None).or_insert(Some(one));
    }
    found
}

#[cfg(test)]
mod tests {
    use landfall_core::port::database::Said;
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn statement(id: i64, hash: &str, calls: f64, total_ms: f64) -> StatementCounters {
        let text = format!("select {hash}");
        StatementCounters { id, hash: hash.to_owned(), text, calls, total_ms }
    }

    fn look(second: i64, statements: Vec<StatementCounters>) -> Counters {
        let database = DatabaseName::new("shop");
        Counters {
            at: at(second),
            statements_since: None,
            forgotten: None,
            statements: vec![DatabaseStatements { database, statements }],
            databases: vec![],
            not_looked: vec![],
        }
    }

    fn beside(source: [Counters; 2], target: [Counters; 2]) -> (Beside, Vec<String>) {
        let mut notes = Vec::new();
        let [a, b] = source;
        let source = between(&(Some(a), Some(b)), "source", &mut notes);
        let [a, b] = target;
        let target = between(&(Some(a), Some(b)), "target", &mut notes);
        (slower_statements(&source, &target), notes)
    }

    #[test]
    fn only_what_happened_between_the_looks_counts() {
        // 2 ms before the baseline, 1 ms after it; 3 ms on the target.
        let source = [
            look(0, vec![statement(1, "a", 100.0, 200.0)]),
            look(60, vec![statement(1, "a", 200.0, 300.0)]),
        ];
        let target = [
            look(70, vec![statement(1, "a", 5.0, 900.0)]),
            look(130, vec![statement(1, "a", 25.0, 960.0)]),
        ];
        let (found, notes) = beside(source, target);
        assert_eq!((found.compared, found.slower.len(), notes.len()), (1, 1, 0), "{notes:?}");
        let slower = &found.slower[0];
        assert!((slower.before_ms - 1.0).abs() < 1e-9 && (slower.ratio() - 3.0).abs() < 1e-9);
        assert!((slower.calls_after - 20.0).abs() < 1e-9);
    }

    #[test]
    fn a_reset_in_the_window_counts_from_there_and_is_told() {
        let reset = |last: Counters| {
            let source = [look(0, vec![statement(1, "a", 500.0, 5_000.0)]), last];
            let target = [look(70, vec![]), look(130, vec![statement(1, "a", 40.0, 40.0)])];
            beside(source, target)
        };
        let went_down = look(60, vec![statement(1, "a", 20.0, 20.0)]);
        let began_later = Counters {
            statements_since: Some(at(30)),
            ..look(60, vec![statement(1, "a", 900.0, 900.0)])
        };
        for last in [went_down, began_later] {
            let (found, notes) = reset(last);
            assert_eq!((found.compared, found.slower.len()), (1, 0), "1 ms on both sides");
            assert!(notes[0].contains("statistics of the source were reset"), "{notes:?}");
        }
    }

    #[test]
    fn forgotten_statements_are_told() {
        let with =
            |second, forgotten| Counters { forgotten: Some(forgotten), ..look(second, vec![]) };
        let (_, notes) = beside([with(0, 2.0), with(60, 3.0)], [with(70, 1.0), with(80, 1.0)]);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("source forgot") && notes[0].contains("pg_stat_statements.max"));
    }

    #[test]
    fn a_statement_is_found_by_its_text_when_its_id_changed() {
        let none = || look(0, vec![]);
        let source = vec![
            statement(1, "a", 50.0, 50.0),
            statement(2, "twice", 50.0, 50.0),
            statement(3, "twice", 50.0, 50.0),
            statement(4, "rare", 9.0, 9.0),
            statement(5, "fast", 50.0, 0.5),
        ];
        let target = vec![
            statement(91, "a", 50.0, 500.0),
            statement(92, "twice", 50.0, 500.0),
            statement(4, "rare", 50.0, 500.0),
            statement(5, "fast", 50.0, 1.5),
            statement(6, "new", 50.0, 500.0),
        ];
        let (found, _) = beside([none(), look(60, source)], [none(), look(60, target)]);
        assert_eq!(found.compared, 2, "two of one text, rare and new ones are not compared");
        let ids: Vec<_> = found.slower.iter().map(|one| one.id).collect();
        assert_eq!(ids, [91], "a fiftieth of a millisecond is noise");
    }

    #[test]
    fn ten_are_named_by_what_they_cost() {
        let make = |ms: f64| {
            let many = (1..=30_i32)
                .map(|n| statement(n.into(), &n.to_string(), 100.0, 100.0 * f64::from(n) * ms));
            look(60, many.collect())
        };
        let none = || look(0, vec![]);
        let (found, _) = beside([none(), make(1.0)], [none(), make(2.0)]);
        let ids: Vec<_> = found.slower.iter().map(|one| one.id).collect();
        assert_eq!(ids, (21..=30).rev().collect::<Vec<i64>>());
        assert_eq!(found.compared, 30);
    }

    fn answer(question: &str, database: Option<&str>, said: Said) -> Answer {
        Answer { question: question.to_owned(), database: database.map(DatabaseName::new), said }
    }

    #[test]
    fn answers_become_counters_and_refusals_are_told() {
        let item =
            json!({"id": 7, "hash": "h", "text": "select $1", "calls": 2.0, "total_ms": 3.5});
        let statements = json!({"hidden": 4, "statements": {"total": 1, "items": [item]}});
        let totals = json!({"at": "2026-11-21T10:00:00.5+00:00", "databases": {"total": 1, "items": [
            {"name": "shop", "since": null, "commits": 9.0, "rollbacks": 1.0, "blocks_read": 0.0,
             "blocks_hit": 0.0, "temporary_bytes": 0.0, "deadlocks": 0.0}]}});
        let refused = Said::Refused {
            sqlstate: Some("42P01".to_owned()),
            words: "relation \"pg_stat_statements\" does not exist".to_owned(),
        };
        let since = json!({"since": "2026-11-01T00:00:00+00:00", "forgotten": 0.0});
        let answers = [
            answer("database_totals", None, Said::Answer(totals)),
            answer("statements", Some("shop"), Said::Answer(statements)),
            answer("statements", Some("other"), refused),
            answer("statements_since", Some("shop"), Said::Answer(since)),
        ];
        let counters = read_counters(&answers, at(0));
        assert_eq!(counters.at.to_string(), "2026-11-21T10:00:00.5Z");
        assert_eq!(counters.statements[0].statements[0].id, 7);
        assert_eq!(counters.databases[0].database.as_str(), "shop");
        assert!(counters.statements_since.is_some());
        let told = counters.not_looked.join("\n");
        assert!(told.contains("4 statements of database shop are hidden"), "{told}");
        assert!(told.contains("database other were not looked at"), "{told}");
        let nobody = read_counters(&[], at(5));
        assert_eq!((nobody.at, nobody.statements.len()), (at(5), 0));
    }
}
