//! The ledger file: appended to while the load runs, read back afterwards.
//!
//! The invariant is the order of things: a `try` line is with the operating system before its commit
//! is sent, and an `ack` line says the answer arrived. So when this process is killed, what it
//! leaves behind errs in one direction only: an acknowledged row may look unknown, never the other
//! way round. A last line that was torn by the kill is not counted.
//!
//! Times are taken under the lock that orders the lines, hence they never go back.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Error;
use super::entry::{Entry, Event, Header, Key};
use super::live::{Counters, Snapshot};

/// The writing end, shared by all writers of one run.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    began: Instant,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    counters: Counters,
}

impl Ledger {
    /// A ledger belongs to one run: an existing file is refused, never appended to.
    pub(super) fn create(path: &Path, header: &Header) -> Result<Self, Error> {
        let failed = |source| Error::Ledger { path: path.to_owned(), source };
        let mut file =
            OpenOptions::new().append(true).create_new(true).open(path).map_err(failed)?;
        file.write_all(format!("{header}\n").as_bytes()).map_err(failed)?;
        let open = Open { file, counters: Counters::default() };
        Ok(Self { path: path.to_owned(), began: Instant::now(), open: Mutex::new(open) })
    }

    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn tried(&self, key: Key) -> Result<(), Error> {
        self.record(Event::Tried(key))
    }

    /// One write per line, no buffer of our own: what is recorded survives our death.
    pub(super) fn record(&self, event: Event) -> Result<(), Error> {
        let mut open = self.lock();
        let entry = Entry { at: self.now(), event };
        open.counters.count(&entry);
        open.file
            .write_all(format!("{entry}\n").as_bytes())
            .map_err(|source| Error::Ledger { path: self.path.clone(), source })
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.lock().counters.snapshot(self.now())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reading end: the header, then every whole line in order.
pub(super) struct Reader {
    pub(super) header: Header,
    path: PathBuf,
    lines: BufReader<File>,
    line: u64,
    text: String,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Ledger { path: path.to_owned(), source };
        let mut lines = BufReader::new(File::open(path).map_err(failed)?);
        let mut text = String::new();
        lines.read_line(&mut text).map_err(failed)?;
        let header = text.strip_suffix('\n').and_then(|whole| whole.parse().ok());
        let header = header.ok_or_else(|| Error::Malformed { path: path.to_owned(), line: 1 })?;
        Ok(Self { header, path: path.to_owned(), lines, line: 1, text })
    }

    fn read(&mut self) -> Result<Option<Entry>, Error> {
        self.text.clear();
        self.line += 1;
        self.lines
            .read_line(&mut self.text)
            .map_err(|source| Error::Ledger { path: self.path.clone(), source })?;
        let Some(whole) = self.text.strip_suffix('\n') else { return Ok(None) };
        let malformed = |_| Error::Malformed { path: self.path.clone(), line: self.line };
        whole.parse().map(Some).map_err(malformed)
    }
}

impl Iterator for Reader {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn header() -> Header {
        Header { run: 5, started: Timestamp::UNIX_EPOCH, writers: 1, reconnecting: 0 }
    }

    #[test]
    fn lines_survive_and_a_torn_one_is_left_out() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("ledger");
        let key = Key { writer: 1, seq: 1 };
        let ledger = Ledger::create(&path, &header()).expect("create");
        ledger.tried(key).expect("record");
        ledger.record(Event::Acknowledged { key, started: Duration::ZERO }).expect("record");
        assert_eq!(ledger.snapshot().acknowledged, 1);
        let mut file = OpenOptions::new().append(true).open(&path).expect("open");
        file.write_all(b"ack 99 1 2").expect("tear");

        let reader = Reader::open(&path).expect("open");
        assert_eq!(reader.header, header());
        let entries: Vec<_> = reader.map(|entry| entry.expect("a line").event).collect();
        assert_eq!(
            entries,
            [Event::Tried(key), Event::Acknowledged { key, started: Duration::ZERO }]
        );
    }

    #[test]
    fn a_ledger_is_never_continued_and_nonsense_is_named_by_line() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("ledger");
        drop(Ledger::create(&path, &header()).expect("create"));
        assert!(matches!(Ledger::create(&path, &header()), Err(Error::Ledger { .. })));
        std::fs::write(&path, format!("{}\nend 4\nwhat\n", header())).expect("spoil");
        let last = Reader::open(&path).expect("open").last();
        assert!(matches!(last, Some(Err(Error::Malformed { line: 3, .. }))), "{last:?}");
    }
}
