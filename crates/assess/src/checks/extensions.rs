//! Extensions: what Aurora lacks, what is behind its files, what must be preloaded.

use landfall_core::Code;
use landfall_core::finding::Finding;

use super::asking::{names, of_each, of_server, plain};
use super::{Seen, page};
use crate::catalogue::{AS_OF, aurora_lacks};
use crate::question::extension::{AvailableExtensions, Extensions};
use crate::question::setting::Settings;
use crate::question::{Reading, server};

pub(super) fn lacking(seen: &Seen<'_>) -> Vec<Finding> {
    of_each::<Extensions>(seen, "extensions").judge(|said| {
        let all = said.iter().flat_map(|(database, Extensions(list))| {
            list.items.iter().map(move |one| (database, one))
        });
        all.filter(|(_, one)| aurora_lacks(&one.name))
            .map(|(database, one)| {
                let object = format!("{}: {}", plain(database), plain(&one.name));
                let what = format!("Aurora does not have this extension (as of {AS_OF})");
                Finding::blocker(Code::ExtensionMissing, object, what)
                    .why("Its catalogue entries arrive on the target; its library does not.")
                    .remedy("Drop the extension before the move, or ask AWS about a newer version.")
                    .see(page::EXTENSIONS)
            })
            .collect()
    })
}

pub(super) fn versions(seen: &Seen<'_>) -> Vec<Finding> {
    let available = server::<AvailableExtensions>(&seen.inventory.answers);
    let Reading::Looked(AvailableExtensions(available)) = available else {
        return of_server::<AvailableExtensions>(seen, "versions of extensions").silent;
    };
    // That an answer is missing, `extensions.lacking` has said.
    let heard = of_each::<Extensions>(seen, "extensions");
    let behind: Vec<String> = heard
        .said
        .iter()
        .flat_map(|(database, Extensions(list))| list.items.iter().map(move |e| (database, e)))
        .filter_map(|(database, one)| {
            let offered = available.items.iter().find(|offer| offer.name == one.name)?;
            let differs = !offered.version.is_empty() && offered.version != one.version;
            let name = format!("{}: {}", plain(database), plain(&one.name));
            differs.then(|| format!("{name} {} (offered {})", one.version, offered.version))
        })
        .collect();
    if behind.is_empty() {
        return vec![];
    }
    let what = format!("extensions behind their files: {}", names(behind.into_iter(), 0));
    vec![
        Finding::note(&seen.instance.id, what)
            .learnt(landfall_core::finding::Learnt::Sql)
            .why("Aurora updates no extension by itself, and may not have such an old one.")
            .remedy("Run alter extension … update before the move, or compare with Aurora's list.")
            .see(page::EXTENSIONS),
    ]
}

pub(super) fn preloaded(seen: &Seen<'_>) -> Vec<Finding> {
    of_server::<Settings>(seen, "shared_preload_libraries").judge(|said| {
        let Some((_, settings)) = said.first() else { return vec![] };
        let Some(libraries) = &settings.preloaded else {
            let what = "not looked at shared_preload_libraries: the role may not see it";
            let remedy = "Grant pg_monitor to the observer's role.";
            return vec![Finding::not_looked(&seen.instance.id, what, remedy)];
        };
        // RDS's own is on every instance.
        let own = libraries.iter().filter(|library| *library != "rdsutils");
        let lacking: Vec<String> =
            own.clone().filter(|library| aurora_lacks(library)).map(|l| plain(l)).collect();
        let mut found = vec![];
        if !lacking.is_empty() {
            let what =
                format!("Aurora cannot preload {} (as of {AS_OF})", names(lacking.into_iter(), 0));
            found.push(
                Finding::warning(&seen.instance.id, what)
                    .why("What depends on it does not work on the target.")
                    .remedy("Take it out of shared_preload_libraries, and drop its extension.")
                    .see(page::EXTENSIONS),
            );
        }
        let kept = own.filter(|library| !aurora_lacks(library)).map(|library| plain(library));
        let kept = names(kept, 0);
        if !kept.is_empty() {
            found.push(
                Finding::note(&seen.instance.id, format!("preloaded libraries: {kept}")).remedy(
                    "Landfall sets them in the target's cluster group as far as Aurora takes them; \
                     `landfall plan` shows it.",
                ),
            );
        }
        found
    })
}
