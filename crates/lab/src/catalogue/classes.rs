//! Instance classes: their size, and which engine can be ordered on them.

use super::versions::Engine;

/// One instance class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    pub name: &'static str,
    pub vcpus: u64,
    pub memory_gib: u64,
    engines: &'static str,
}

impl Class {
    /// Whether an instance of this engine can be made on it.
    pub fn offers(&self, engine: Engine) -> bool {
        self.engines.contains(match engine {
            Engine::Postgres => 'p',
            Engine::Aurora => 'a',
        })
    }
}

/// All classes.
pub fn all() -> impl Iterator<Item = Class> {
    super::lines(include_str!("classes.tsv")).filter_map(parse)
}

/// The class of that name.
pub fn find(name: &str) -> Option<Class> {
    all().find(|class| class.name == name)
}

fn parse(line: &'static str) -> Option<Class> {
    let mut columns = line.split('\t');
    Some(Class {
        name: columns.next()?,
        vcpus: columns.next()?.parse().ok()?,
        memory_gib: columns.next()?.parse().ok()?,
        engines: columns.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_general_purpose_classes_are_not_for_aurora() {
        assert_eq!(all().count(), super::super::lines(include_str!("classes.tsv")).count());
        assert!(find("db.r6g.large").unwrap().offers(Engine::Aurora));
        assert!(!find("db.m6g.large").unwrap().offers(Engine::Aurora));
        assert!(!find("db.serverless").unwrap().offers(Engine::Postgres));
        assert!(find("db.m6g.tiny").is_none());
    }
}
