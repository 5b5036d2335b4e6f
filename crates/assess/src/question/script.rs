//! The questions as a psql script, for an owner who lets nobody else ask.
//!
//! It reads and nothing else: every transaction is read-only and every statement has a time limit.
//! It holds no credential; psql connects as whoever runs it, and goes from database to database on
//! the same connection's terms. psql has no loops, so the visits are written to a small file beside
//! it, which is removed at the end. One JSON line per answer, between a header and an end: what
//! [`super::answers`] reads. If it dies half-way there is no end, and the file is refused.

use std::fmt::Write as _;

use landfall_core::port::database::{Question, Scope};

use super::ALL;

/// The oldest PostgreSQL that is asked.
pub const OLDEST_MAJOR: u32 = 13;

/// Identifies the questions' text: answers to other questions are refused.
pub fn edition() -> String {
    // FNV-1a: it tells editions apart, nobody defends against it.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let texts = ALL.iter().flat_map(|question| [question.name, question.sql]);
    for byte in texts.flat_map(|text| text.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    format!("{hash:016x}")
}

/// The script for one major version of PostgreSQL, or for any that is known.
pub fn text(major: Option<u32>) -> String {
    let asked: Vec<&Question> =
        ALL.iter().filter(|question| major.is_none_or(|major| question.since <= major)).collect();
    let mut script = HEAD.to_owned();
    script.push_str(&server_check(major));
    script.push_str(SESSION);
    script.push_str(FILE);
    script.push_str(&header(major));
    for question in asked.iter().filter(|question| question.scope == Scope::Server) {
        let _ = write!(script, "\n-- {}\n", question.name);
        script.push_str(&guarded(question, &ask(question, "", question.sql)));
    }
    script.push_str("\n-- What is asked in each database, kept until it is its turn.\n");
    let each: Vec<&Question> =
        asked.into_iter().filter(|question| question.scope == Scope::EachDatabase).collect();
    for question in &each {
        let (name, sql) = (question.name, question.sql);
        let _ = write!(
            script,
            "\n-- {name}\nselect $landfall${sql}$landfall$ as landfall_q_{name} \\gset\n"
        );
    }
    script.push_str(&visits(&each));
    script.push_str(END);
    script
}

/// One answer, or the server's refusal, as a line.
fn ask(question: &Question, database: &str, sql: &str) -> String {
    let name = question.name;
    format!(
        "select jsonb_build_object('run', :'landfall_run', 'question', '{name}'{database}, \
         'answer', (\n{sql}\n)::jsonb)::text;\n\
         \\if :ERROR\n\
         select jsonb_build_object('run', :'landfall_run', 'question', '{name}'{database}, \
         'refused', jsonb_build_object('sqlstate', :'SQLSTATE', \
         'words', :'SQLSTATE' || ': ' || :'LAST_ERROR_MESSAGE'))::text;\n\
         \\endif\n"
    )
}

/// Only on a server that understands it.
fn guarded(question: &Question, text: &str) -> String {
    if question.since <= OLDEST_MAJOR {
        return text.to_owned();
    }
    let since = question.since;
    format!(
        "select :SERVER_VERSION_NUM >= {since}0000 as landfall_known \\gset\n\
         \\if :landfall_known\n{text}\\endif\n"
    )
}

fn server_check(major: Option<u32>) -> String {
    let (condition, wanted) = match major {
        Some(major) => {
            (format!(":SERVER_VERSION_NUM / 10000 = {major}"), format!("PostgreSQL {major}"))
        }
        None => (
            format!(":SERVER_VERSION_NUM >= {OLDEST_MAJOR}0000"),
            format!("PostgreSQL {OLDEST_MAJOR} or newer"),
        ),
    };
    format!(
        "select {condition} as landfall_fits \\gset\n\
         \\if :landfall_fits\n\\else\n\
         \\warn 'This script is for {wanted}: print it again for this server.'\n\\quit\n\\endif\n"
    )
}

fn header(major: Option<u32>) -> String {
    let edition = edition();
    let major = major.map_or_else(|| "null".to_owned(), |major| major.to_string());
    format!(
        "select jsonb_build_object('landfall', 'answers', 'run', :'landfall_run', \
         'edition', '{edition}', 'major', {major}::int4, \
         'version_num', :SERVER_VERSION_NUM, 'at', clock_timestamp(), \
         'databases', coalesce((select jsonb_agg(datname::text order by datname::text)\n\
         from pg_database where {VISITED}), '[]'::jsonb))::text;\n"
    )
}

/// The same databases that the observer's role visits.
const VISITED: &str = "datallowconn and not datistemplate and datname <> 'rdsadmin' \
                       and datconnlimit <> -2 and has_database_privilege(datname, 'connect')";

fn visits(each: &[&Question]) -> String {
    let body: String = each
        .iter()
        .map(|question| {
            let sql = format!(":landfall_q_{}", question.name);
            guarded(question, &ask(question, ", 'database', current_database()", &sql))
        })
        .collect();
    // Every name travels as hexadecimal escapes: whatever it holds, psql reads it as one word.
    format!(
        "\n-- One visit per database.\n\
         select format(E'\\\\set landfall_to \\'%s\\'\\n\\\\set landfall_closed \\'%s\\'\\n', \
         regexp_replace(encode(convert_to('\"' || replace(dsn, '\"', '\"\"') || '\"', 'UTF8'), \
         'hex'), '(..)', '\\x\\1', 'g'),\n\
         regexp_replace(encode(convert_to(jsonb_build_object('run', :'landfall_run', \
         'database', name, 'closed', true)::text, 'UTF8'), 'hex'), '(..)', '\\x\\1', 'g'))\n\
         || case when open then $landfall$\\connect -reuse-previous=on :landfall_to\n\
         {SESSION}{body}$landfall$ else E'\\\\qecho :landfall_closed\\n' end\n\
         from (select d.datname::text as name, 'dbname=''' || replace(replace(d.datname::text, \
         '\\', '\\\\'), '''', '\\''') || '''' as dsn,\n\
         d.datname::text !~ :'landfall_without' and (d.datconnlimit = -1 or r.rolsuper \
         or d.datconnlimit > pg_stat_get_db_numbackends(d.oid)) as open\n\
         from pg_database as d, pg_roles as r where r.rolname = current_user and {VISITED} \
         order by 1) as visited\n\
         \\g :landfall_file\n\
         \\i :landfall_file\n"
    )
}

/// What each session begins with.
const SESSION: &str = "\\encoding UTF8
set session characteristics as transaction read only;
set statement_timeout = '30s';
set lock_timeout = '5s';
set search_path = pg_catalog;
set timezone = 'UTC';
set jit = off;
set application_name = 'landfall';
";

const HEAD: &str =
    "-- Landfall's questions to a PostgreSQL server that is to move, for its owner to run:
--
--   psql -X -d postgres -f THIS_FILE -o answers.jsonl
--   landfall assess SPEC --sql-answers answers.jsonl
--
-- It needs psql 13 or newer and changes nothing: transactions are read-only, and each statement
-- ends after 30 seconds. It returns names, settings, counts and sizes; no row, no statement, no
-- password. What your role may not see is answered with the server's refusal. The file
-- landfall-databases.psql is written to the current directory and removed at the end.
--
-- psql ends when a database does not let it in. Leave such databases out with a regular
-- expression, -v landfall_without='^(one|other)$': they are then told as not looked at.

\\set QUIET on
\\set ON_ERROR_STOP off
\\set ON_ERROR_ROLLBACK off
\\set AUTOCOMMIT on
\\set ECHO none
\\timing off
\\pset pager off
\\pset format unaligned
\\pset expanded off
\\pset tuples_only on
\\pset null ''
\\encoding UTF8
select :VERSION_NUM >= 130000 as landfall_fits \\gset
\\if :landfall_fits
\\else
\\warn 'This script needs psql 13 or newer.'
\\quit
\\endif
";

const FILE: &str = "\\if :{?landfall_file}
\\else
\\set landfall_file landfall-databases.psql
\\endif
\\if :{?landfall_without}
\\else
\\set landfall_without '^$'
\\endif
select to_char(clock_timestamp(), 'YYYYMMDDHH24MISSUS') || '-' || pg_backend_pid() as landfall_run \\gset
";

const END: &str = "
select jsonb_build_object('landfall', 'end', 'run', :'landfall_run')::text;
\\setenv landfall_file :landfall_file
\\! rm -f -- \"$landfall_file\"
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_asked_what_it_understands() {
        let (old, new) = (text(Some(14)), text(Some(15)));
        for question in ALL {
            let heading = format!("\n-- {}\n", question.name);
            assert!(new.contains(&heading), "{}", question.name);
            assert_eq!(old.contains(&heading), question.since <= 14, "{}", question.name);
        }
        assert!(old.contains(":SERVER_VERSION_NUM / 10000 = 14 as"));
        assert!(text(None).contains("SERVER_VERSION_NUM >= 150000"), "newer ones are guarded");
    }

    #[test]
    fn it_begins_read_only_and_bounded_in_every_session() {
        let script = text(None);
        let sessions =
            script.matches("set session characteristics as transaction read only").count();
        assert_eq!(sessions, 2, "the first session and each visit");
        assert_eq!(script.matches("set statement_timeout").count(), sessions);
    }

    #[test]
    fn an_edition_is_stable_and_short() {
        assert_eq!(edition(), edition());
        assert_eq!(edition().len(), 16);
    }
}
