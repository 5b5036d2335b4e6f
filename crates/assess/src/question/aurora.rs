//! What only Aurora tells of itself: what it waits for, and how far its other instances are behind.
//!
//! Its functions do not exist on RDS, and not all of them on every version of Aurora. So the server
//! is asked which of them it has, by [`PRESENT`], and then only what it can answer, by [`of`]: a
//! statement that names a function that is not there would be an error in the owner's log.

use landfall_core::port::database::{Answer, Question};
use serde::{Deserialize, Serialize};

use super::{Answered, Listed, MONITOR, server};

/// Which of Aurora's functions the server has.
pub const PRESENT: &[Question] = &[Functions::QUESTION];

/// Each question with the functions that it needs.
const EACH: [(&[&str], Question); 2] = [
    (
        &["aurora_stat_system_waits", "aurora_stat_wait_event", "aurora_stat_wait_type"],
        Waits::QUESTION,
    ),
    (&["aurora_global_db_instance_status"], Instances::QUESTION),
];

/// What a server that answered [`PRESENT`] can be asked.
pub fn of(present: &[Answer]) -> Vec<Question> {
    let known = server::<Functions>(present);
    let functions = known.looked().map_or(&[][..], |known| &known.functions);
    let has = |needed: &&str| functions.iter().any(|one| one == needed);
    let can = |(needs, _): &&(&[&str], Question)| needs.iter().all(has);
    EACH.iter().filter(can).map(|(_, question)| *question).collect()
}

/// Those of the needed functions that are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Functions {
    /// By name.
    pub functions: Vec<String>,
}

answered!(Functions, Server "aurora_functions" since 13, "
select jsonb_build_object('functions', coalesce(
  (select jsonb_agg(name order by name) from unnest(array[
     'aurora_stat_system_waits', 'aurora_stat_wait_event', 'aurora_stat_wait_type',
     'aurora_global_db_instance_status']) as name
   where to_regproc(name) is not null), '[]'::jsonb))::text", grant "");

/// What sessions waited for since the instance started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// Type and event, such as `IO:XactSync`.
    pub event: String,
    /// How often.
    pub waits: f64,
    /// All of it, ms.
    pub total_ms: f64,
}

/// The waits that took the most time. Idle processes and idle clients wait as well, and mean nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Waits(pub Listed<Wait>);

answered!(Waits, Server "aurora_waits" since 13, listed!("
  select type_name::text || ':' || event_name::text as event, waits::float8 as waits,
         (wait_time / 1000.0)::float8 as total_ms
  from aurora_stat_system_waits()
       natural join aurora_stat_wait_event() natural join aurora_stat_wait_type()
  where type_name::text not in ('Activity', 'Client', 'Extension', 'Timeout')",
    order "total_ms desc, event", limit 5), grant MONITOR);

/// An instance that follows the writer, in this Region or in another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Follower {
    /// Its identifier.
    pub server: String,
    /// Where it is.
    pub region: String,
    /// How far it is behind, ms; absent when Aurora does not say.
    pub lag_ms: Option<f64>,
}

/// The instances that follow, the furthest behind first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Instances(pub Listed<Follower>);

answered!(Instances, Server "aurora_instances" since 13, listed!("
  select server_id::text as server, aws_region::text as region,
         visibility_lag_in_msec::float8 as lag_ms
  from aurora_global_db_instance_status()
  where session_id::text <> 'MASTER_SESSION_ID'",
    order "lag_ms desc nulls last, server", limit 20), grant MONITOR);

#[cfg(test)]
mod tests {
    use landfall_core::port::database::Said;
    use serde_json::json;

    use super::*;

    fn present(functions: &[&str]) -> Vec<Answer> {
        let said = Said::Answer(json!({ "functions": functions }));
        vec![Answer { question: "aurora_functions".to_owned(), database: None, said }]
    }

    #[test]
    fn only_what_the_server_has_is_asked() {
        let names = |functions: &[&str]| -> Vec<&str> {
            of(&present(functions)).iter().map(|question| question.name).collect()
        };
        assert_eq!(names(&[]), Vec::<&str>::new());
        assert_eq!(of(&[]), vec![], "nobody answered");
        assert_eq!(names(&["aurora_stat_system_waits", "aurora_stat_wait_event"]), [""; 0]);
        let global = ["aurora_global_db_instance_status"];
        assert_eq!(names(&global), ["aurora_instances"]);
        let waits = ["aurora_stat_system_waits", "aurora_stat_wait_event", "aurora_stat_wait_type"];
        assert_eq!(names(&waits), ["aurora_waits"]);
    }

    #[test]
    fn every_function_that_is_asked_about_is_needed() {
        for name in EACH.iter().flat_map(|(needs, _)| needs.iter()) {
            assert!(Functions::QUESTION.sql.contains(&format!("'{name}'")), "{name}");
            let calls =
                EACH.iter().any(|(_, question)| question.sql.contains(&format!("{name}()")));
            assert!(calls, "{name}");
        }
    }
}
