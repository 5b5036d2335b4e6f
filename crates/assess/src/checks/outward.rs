//! What acts by itself or leads out of the database: triggers on events, foreign servers, dblinks,
//! objects that only a superuser could make, jobs.

use landfall_core::finding::Finding;

use super::asking::{count, names, of_each, plain, within};
use super::{Seen, page};
use crate::question::foreign::{Dblinks, ForeignServers};
use crate::question::job::{Jobs, View};
use crate::question::object::{EventTriggers, PrivilegedObjects};

pub(super) fn event_triggers(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<EventTriggers>(seen, "event triggers").judge(|said| {
        let enabled = said.iter().flat_map(|(db, EventTriggers(list))| {
            let on = list.items.iter().filter(|one| one.enabled);
            on.map(move |one| format!("{}: {} on {}", plain(db), plain(&one.name), one.event))
        });
        let listed = names(enabled, 0);
        if listed.is_empty() {
            return vec![];
        }
        vec![
            Finding::note(&seen.instance.id, format!("event triggers: {listed}"))
                .why("They fire on the target as well, also on what Landfall creates (the marker's table).")
                .remedy("See that they let the observer's role create schema landfall.")
                .see(page::TRIGGERS),
        ]
    })
}

pub(super) fn privileged(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<PrivilegedObjects>(seen, "objects that need a superuser").judge(|said| {
        let all = said.iter().flat_map(|(db, PrivilegedObjects(list))| {
            list.items.iter().map(move |one| {
                let schema = one.schema.as_deref();
                let name = schema.map_or_else(
                    || format!("{}: {}", plain(db), plain(&one.name)),
                    |schema| within(db, schema, &one.name),
                );
                format!("{name} ({})", one.kind)
            })
        });
        let more = said.iter().map(|(_, PrivilegedObjects(list))| list.left_out()).sum();
        let listed = names(all, more);
        if listed.is_empty() {
            return vec![];
        }
        vec![
            Finding::warning(&seen.instance.id, format!("objects that need a superuser: {listed}"))
                .why(
                    "A physical replica has their catalogue entries, but Aurora may lack the \
                     library behind them; a dump cannot be restored with them.",
                )
                .remedy("Try them on the replica before the cutover, or do without them.")
                .see(page::EXTENSIONS),
        ]
    })
}

pub(super) fn homeward(seen: &Seen<'_>) -> Vec<Finding> {
    let home: Vec<String> = seen
        .instance
        .endpoint
        .iter()
        .map(|at| at.host.to_ascii_lowercase())
        .chain(["localhost", "127.0.0.1", "::1"].map(str::to_owned))
        .collect();
    let leads_home = |host: &Option<String>| {
        let host = host.as_deref().map(str::to_ascii_lowercase);
        host.is_none_or(|host| home.contains(&host))
    };
    let servers = of_each::<ForeignServers>(seen, "foreign servers");
    let postgres = servers.said.iter().flat_map(|(db, ForeignServers(list))| {
        let of_postgres = list
            .items
            .iter()
            .filter(|one| one.wrapper == "postgres_fdw" || one.wrapper == "dblink_fdw");
        of_postgres.map(move |one| (format!("{}: {}", plain(db), plain(&one.name)), &one.host))
    });
    let (at_home, abroad): (Vec<_>, Vec<_>) = postgres.partition(|(_, host)| leads_home(host));
    let mut found = servers.silent.clone();
    found.extend(led(seen, at_home.into_iter().map(|(name, _)| name).collect(), "foreign servers"));
    let abroad = names(abroad.into_iter().map(|(name, _)| name), 0);
    if !abroad.is_empty() {
        let what = format!("foreign servers that lead elsewhere: {abroad}");
        found.push(
            Finding::note(&seen.instance.id, what)
                .learnt(landfall_core::finding::Learnt::Sql)
                .why("The target must reach them, from its own subnets and security groups.")
                .remedy("Try them on the replica before the cutover.")
                .see(page::FOREIGN),
        );
    }
    let links = of_each::<Dblinks>(seen, "calls of dblink");
    found.extend(links.silent.clone());
    let calls = links.said.iter().flat_map(|(db, Dblinks(list))| {
        let home = list.items.iter().filter(|one| leads_home(&one.host));
        home.map(move |one| within(db, &one.schema, &one.name))
    });
    found.extend(led(seen, calls.collect(), "functions that call dblink"));
    found
}

fn led(seen: &Seen<'_>, at_home: Vec<String>, which: &str) -> Option<Finding> {
    if at_home.is_empty() {
        return None;
    }
    let listed = names(at_home.into_iter(), 0);
    let what = format!("{which} that lead to the source, or say no host: {listed}");
    Some(
        Finding::warning(&seen.instance.id, what)
            .learnt(landfall_core::finding::Learnt::Sql)
            .why("On the target they still lead to the source, which the fence has closed.")
            .remedy("Point them at the service behind the gateway, or change them after release.")
            .see(page::FOREIGN),
    )
}

pub(super) fn jobs(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<Jobs>(seen, "jobs of pg_cron and pg_partman").judge(|said| {
        let mut found = vec![];
        for (db, jobs) in said {
            let database = plain(db);
            if matches!(jobs.cron, View::Refused | View::Own) {
                let what = "not looked at all jobs of pg_cron: the role may not see them";
                let remedy = "Grant usage on schema cron and select on cron.job, and let the \
                              owners of the jobs look as well.";
                found.push(Finding::not_looked(&database, what, remedy));
            }
            let active = jobs.jobs.iter().filter(|job| job.active);
            let listed = names(
                active.map(|job| plain(job.name.as_deref().unwrap_or(&job.id.to_string()))),
                0,
            );
            if !listed.is_empty() {
                let what = format!("pg_cron runs {listed}");
                found.push(
                    Finding::warning(&database, what)
                        .why(
                            "Jobs write without a client, so the gateway cannot hold them; they \
                             arrive on the target and begin there at the promotion.",
                        )
                        .remedy("Unschedule them before the cutover; schedule them on the target.")
                        .see(page::REPLICA),
                );
            }
            let sets = jobs.partman_sets.unwrap_or_default();
            if jobs.partman == View::Refused || sets > 0 {
                let what = match jobs.partman {
                    View::Refused => "pg_partman is there, and its sets may not be seen".to_owned(),
                    View::Absent | View::Own | View::Whole => {
                        format!("pg_partman keeps {}", count(sets, "set", "sets"))
                    }
                };
                found.push(
                    Finding::note(&database, what)
                        .why("New partitions do not travel the way back: it replicates no DDL.")
                        .remedy("Make partitions for the time of the soak in advance."),
                );
            }
        }
        found
    })
}
