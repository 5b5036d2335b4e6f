//! Row identities and sets of them.
//!
//! A row is named by the run that wrote it, its writer and that writer's counter. Sets are paged
//! bitmaps: millions of ids cost a few bits each, and a wild id that nobody wrote costs one page
//! instead of a crash. Pure; nothing here knows which server an id was seen on.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

const WORDS: usize = 64;
const PAGE_BITS: u32 = 12;

/// The unique id of one row of `workload_ledger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RowId {
    pub run: i64,
    pub writer: i16,
    pub seq: i64,
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.run, self.writer, self.seq)
    }
}

impl RowId {
    /// The text that the row carries. Derived from the id, so that a row whose content was mixed up
    /// on the way is noticed without keeping the content anywhere.
    #[must_use]
    pub fn payload(self) -> String {
        let first = mix(self.run.cast_unsigned())
            ^ mix(u64::from(self.writer.cast_unsigned()) << 48)
            ^ mix(self.seq.cast_unsigned());
        let second = mix(first);
        let third = mix(second);
        format!("{first:016x}{second:016x}{third:016x}{:016x}", mix(third))
    }
}

/// The finaliser of splitmix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Page {
    run: i64,
    writer: i16,
    number: i64,
}

/// Whether an id was put into a set for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    New,
    Again,
}

/// A set of row ids.
#[derive(Debug, Default, Clone)]
pub(super) struct IdSet {
    pages: HashMap<Page, [u64; WORDS]>,
    len: u64,
}

impl IdSet {
    pub(super) fn insert(&mut self, id: RowId) -> Inserted {
        let (page, word, bit) = place(id);
        let words = self.pages.entry(page).or_insert([0; WORDS]);
        let Some(word) = words.get_mut(word) else { return Inserted::Again };
        if *word & bit != 0 {
            return Inserted::Again;
        }
        *word |= bit;
        self.len += 1;
        Inserted::New
    }

    pub(super) fn remove(&mut self, id: RowId) {
        let (page, word, bit) = place(id);
        let word = self.pages.get_mut(&page).and_then(|words| words.get_mut(word));
        if let Some(word) = word
            && *word & bit != 0
        {
            *word &= !bit;
            self.len -= 1;
        }
    }

    pub(super) fn contains(&self, id: RowId) -> bool {
        let (page, word, bit) = place(id);
        self.pages.get(&page).and_then(|words| words.get(word)).is_some_and(|word| word & bit != 0)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// All ids in order, so that the examples in a verdict are the earliest ones.
    pub(super) fn iter(&self) -> impl Iterator<Item = RowId> + '_ {
        let mut pages: Vec<_> = self.pages.iter().collect();
        pages.sort_unstable_by_key(|(page, _)| **page);
        pages.into_iter().flat_map(|(page, words)| {
            (0_i64..).zip(words.iter()).flat_map(move |(word, bits)| {
                (0_i64..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| RowId {
                    run: page.run,
                    writer: page.writer,
                    seq: (page.number << PAGE_BITS) + word * 64 + bit,
                })
            })
        })
    }
}

fn place(id: RowId) -> (Page, usize, u64) {
    let page = Page { run: id.run, writer: id.writer, number: id.seq >> PAGE_BITS };
    let offset = id.seq.cast_unsigned() & ((1 << PAGE_BITS) - 1);
    let word = usize::try_from(offset / 64).expect("an offset within a page fits");
    (page, word, 1 << (offset % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(writer: i16, seq: i64) -> RowId {
        RowId { run: 7, writer, seq }
    }

    #[test]
    fn a_set_holds_what_was_put_in_once() {
        let mut set = IdSet::default();
        for seq in [1, 63, 64, 4095, 4096, 1_000_000] {
            assert_eq!(set.insert(id(1, seq)), Inserted::New, "{seq}");
            assert_eq!(set.insert(id(1, seq)), Inserted::Again, "{seq}");
        }
        assert_eq!(set.len(), 6);
        assert!(set.contains(id(1, 4096)));
        assert!(!set.contains(id(1, 4097)));
        assert!(!set.contains(id(2, 4096)));
        set.remove(id(1, 64));
        set.remove(id(1, 64));
        assert_eq!(set.len(), 5);
        assert!(!set.contains(id(1, 64)));
    }

    #[test]
    fn ids_come_back_in_order_wild_ones_included() {
        let wild = [id(-3, i64::MIN), id(1, -1), id(1, 0), id(1, 5000), id(9, i64::MAX)];
        let mut set = IdSet::default();
        for one in wild.iter().rev() {
            set.insert(*one);
        }
        assert_eq!(set.iter().collect::<Vec<_>>(), wild);
    }

    #[test]
    fn payloads_differ_between_neighbours() {
        let base = id(1, 1);
        for other in [id(1, 2), id(2, 1), RowId { run: 8, ..base }] {
            assert_ne!(base.payload(), other.payload());
        }
        assert_eq!(base.payload().len(), 64);
    }
}
