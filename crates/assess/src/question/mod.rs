//! What is learnt from inside a database: questions as data, and typed readings of the answers.
//!
//! One file a theme. The same SQL is asked through an observer's role ([`crate::collect()`]) and
//! printed for the owner to run herself ([`script`]); [`answers`] reads what she hands back. Every
//! question is read-only, gives one row with one JSON text, and has a limit of its own with the
//! total beside it, so that 50,000 tables answer with as little as fifty. No question returns a
//! password, a statement or a row of the application.

/// A question's SQL that lists: what, in which order, how many at most.
macro_rules! listed {
    ($found:expr, order $order:literal, limit $limit:literal) => {
        concat!(
            "with found as (",
            $found,
            "\n)\nselect jsonb_build_object(\n  'total', (select count(*) from found),\n  'items', \
             coalesce((select jsonb_agg(to_jsonb(item))\n    from (select * from found order by ",
            $order,
            " limit ",
            $limit,
            ") as item), '[]'::jsonb))::text"
        )
    };
}

/// Makes a type the answer to a question about the server or in each database.
macro_rules! answered {
    ($type:ty, $scope:ident $name:literal since $since:literal, $sql:expr, grant $grant:expr) => {
        impl crate::question::Answered for $type {
            const QUESTION: landfall_core::port::database::Question =
                landfall_core::port::database::Question {
                    name: $name,
                    scope: landfall_core::port::database::Scope::$scope,
                    since: $since,
                    sql: $sql,
                    grant: $grant,
                };
        }
    };
}

pub mod activity;
pub mod answers;
pub mod aurora;
pub mod collation;
pub mod database;
pub mod extension;
pub mod foreign;
pub mod identity;
pub mod job;
pub mod object;
pub mod performance;
pub mod reading;
pub mod replication;
pub mod role;
pub mod schema;
pub mod script;
pub mod sequence;
pub mod setting;
pub mod table;

use landfall_core::port::database::Question;

pub use reading::{Answered, Listed, Reading, databases, server};

/// Lets a role see other roles' sessions, slots' consumers and settings.
const MONITOR: &str = "grant pg_monitor to the observer's role";

/// Every question, the server's first.
pub const ALL: &[Question] = &[
    setting::Settings::QUESTION,
    setting::RoleSettings::QUESTION,
    database::Databases::QUESTION,
    database::DatabaseSizes::QUESTION,
    collation::DatabaseCollations::QUESTION,
    extension::AvailableExtensions::QUESTION,
    database::Tablespaces::QUESTION,
    replication::Slots::QUESTION,
    replication::Subscriptions::QUESTION,
    activity::Connections::QUESTION,
    activity::LongTransactions::QUESTION,
    activity::PreparedTransactions::QUESTION,
    role::Roles::QUESTION,
    role::PasswordHashes::QUESTION,
    extension::Extensions::QUESTION,
    table::Tables::QUESTION,
    table::UnloggedTables::QUESTION,
    table::UnanalyzedTables::QUESTION,
    table::RowSecurity::QUESTION,
    table::LargeObjects::QUESTION,
    table::InvalidIndexes::QUESTION,
    identity::TablesWithoutIdentity::QUESTION,
    identity::TablesWithFullIdentity::QUESTION,
    sequence::Sequences::QUESTION,
    collation::Collations::QUESTION,
    replication::Publications::QUESTION,
    object::EventTriggers::QUESTION,
    object::PrivilegedObjects::QUESTION,
    foreign::ForeignServers::QUESTION,
    foreign::Dblinks::QUESTION,
    job::Jobs::QUESTION,
    schema::Schemas::QUESTION,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use landfall_core::port::database::Scope;

    use super::*;

    #[test]
    fn every_question_is_one_bounded_read() {
        let mut names = BTreeSet::new();
        for question in ALL {
            let Question { name, sql, since, .. } = question;
            assert!(names.insert(name), "{name} is there twice");
            assert!(name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{name}");
            assert!((script::OLDEST_MAJOR..=18).contains(since), "{name}");
            let sql = sql.trim();
            assert!(sql.starts_with("with ") || sql.starts_with("select "), "{name}: {sql}");
            assert!(sql.ends_with("::text"), "{name} does not give text");
            for word in ["; ", ";\n", "$landfall$", "for update", " into ", "pg_terminate"] {
                assert!(!sql.contains(word), "{name} holds {word:?}");
            }
            // An aggregate to a list without a limit has no bound.
            let lists = sql.matches("jsonb_agg(").count();
            assert!(sql.matches("limit ").count() >= lists, "{name} lists without a limit");
        }
    }

    #[test]
    fn the_servers_questions_come_first() {
        let split = ALL.iter().position(|question| question.scope == Scope::EachDatabase).unwrap();
        assert!(ALL[split..].iter().all(|question| question.scope == Scope::EachDatabase));
    }
}
