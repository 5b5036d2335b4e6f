//! Whether anybody looked inside the database, and into which databases nobody could.

use landfall_core::Code;
use landfall_core::finding::{Finding, Learnt};

use super::asking::{asked, names, of_server, plain};
use super::{Seen, TABLE};
use crate::question::database::Databases;

pub(super) fn access(seen: &Seen<'_>) -> Vec<Finding> {
    let id = &seen.instance.id;
    if let Some(why) = &seen.inventory.not_looked {
        let what = format!("access is given, but the database could not be looked at: {why}");
        return vec![Finding::blocker(Code::AccessTooWeak, id, what).learnt(Learnt::Sql).remedy(
            "Check [access], the security groups, and the role's rights; or remove [access].",
        )];
    }
    if asked(seen) {
        return vec![];
    }
    let unseen = TABLE.iter().filter(|check| check.is_inside()).map(|check| check.title);
    let unseen = unseen.collect::<Vec<_>>().join(", ").to_lowercase();
    let why = if seen.inventory.inside.is_some() {
        "the questions were not asked"
    } else {
        "the spec gives no access"
    };
    vec![
        Finding::not_looked(
            id,
            format!("not looked inside the database: {why}"),
            "Give [access], or let the owner run the script of `landfall assess --sql-script` and \
             read her answers by --sql-answers.",
        )
        .why(format!("Nobody looked at: {unseen}.")),
    ]
}

pub(super) fn doors(seen: &Seen<'_>) -> Vec<Finding> {
    of_server::<Databases>(seen, "the list of databases").judge(|said| {
        let all = said.iter().flat_map(|(_, databases)| &databases.databases.items);
        let shut: Vec<String> = all
            .filter(|database| database.door != "open")
            .map(|database| format!("{} ({})", plain(&database.name), database.door))
            .collect();
        if shut.is_empty() {
            return vec![];
        }
        let what = format!("nobody looked into {}", names(shut.into_iter(), 0));
        vec![
            Finding::warning(&seen.instance.id, what)
                .why("They move as well, with whatever is in them.")
                .remedy(
                    "Grant connect to the observer's role, or drop what nobody needs; a database \
                     that accepts no connections cannot get a marker either.",
                ),
        ]
    })
}
