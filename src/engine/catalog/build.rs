//! The entries of an index made from the records of its table (database-file.md section 9), in steps of their own locks:
//!
//! ```text
//! begin: tree, catalog row ── read … read ── sort ── insert … insert ── read … ── commit
//! ```
//!
//! Others read the table meanwhile; who writes into it gets `JET_errWriteConflict`. After a crash or an error in between
//! the index is rolled back with the transaction that makes it.

use super::live_table::{LiveIndex, LiveTable};
use super::rows::key;
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::state::{DatabaseState, Interrupted, Look};
use crate::engine::transactions::TransactionState;
use crate::engine::tree::{self, From};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Lid, LongValueRoot, PageSize, Record, default_chunk_size};
use crate::store::plain_chunk;
use std::cell::Cell;
use std::sync::Arc;

/// Records that are read under one lock.
const RECORDS_AT_ONCE: usize = 64;
/// Entries that are inserted under one lock.
const ENTRIES_AT_ONCE: usize = 64;
/// Bytes of entries that are sorted in memory. Those of a larger table come in several runs.
const RUN_LEN: usize = 32 << 20;
/// What an entry needs in memory beside its bytes.
const ENTRY_LEN: usize = 2 * size_of::<Vec<u8>>();

/// Key and bookmark of an entry.
pub(crate) type IndexNode = (Vec<u8>, Vec<u8>);

/// Bookmark of a record, and its keys.
pub(crate) type KeysOfRecord = (Vec<u8>, Vec<Vec<u8>>);

/// An index that is being filled: nobody else sees it, and nobody else changes its table meanwhile.
#[derive(Debug)]
pub(crate) struct IndexBuild {
    pub(super) table: Arc<LiveTable>,
    pub(super) index: LiveIndex,
    /// Bookmark of the last record that was read.
    last: Option<Vec<u8>>,
}

/// Who has the locks: for each call he takes them anew, so that others can read between the calls.
pub(crate) trait BuildSite {
    /// Calls [`IndexBuild::read`].
    ///
    /// # Errors
    /// Those of it.
    fn read(&mut self, build: &IndexBuild) -> JetResult<Vec<KeysOfRecord>>;

    /// Calls [`IndexBuild::insert`].
    ///
    /// # Errors
    /// Those of it.
    fn insert(&mut self, build: &IndexBuild, entries: &[IndexNode]) -> JetResult<()>;
}

impl IndexBuild {
    /// An index whose tree is empty.
    pub(super) fn new(table: Arc<LiveTable>, index: LiveIndex) -> Self {
        let last = None;
        IndexBuild { table, index, last }
    }

    /// Fills the index with the entries of all records that the transaction sees: in the order of their keys, as far as
    /// they fit into memory.
    ///
    /// # Errors
    /// `JET_errKeyDuplicate`, and what the index refuses; a record is damaged; no page can be had.
    pub(crate) fn run(mut self, site: &mut dyn BuildSite) -> JetResult<()> {
        loop {
            let (run, is_last) = self.read_run(site)?;
            for entries in run.chunks(ENTRIES_AT_ONCE) {
                site.insert(&self, entries)?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The entries of as many records as fit, sorted; whether these were the last ones.
    fn read_run(&mut self, site: &mut dyn BuildSite) -> JetResult<(Vec<IndexNode>, bool)> {
        let mut run: Vec<IndexNode> = Vec::new();
        let mut len = 0;
        let mut is_last = false;
        while len < RUN_LEN && !is_last {
            let records = site.read(self)?;
            is_last = records.is_empty();
            for (bookmark, keys) in records {
                let entries = keys.into_iter().map(|key| (key, bookmark.clone()));
                run.extend(entries.inspect(|(key, data)| len += key.len() + data.len() + ENTRY_LEN));
                self.last = Some(bookmark);
            }
        }
        run.sort_unstable();
        Ok((run, is_last))
    }

    /// The keys of the next records; none at the end.
    pub(crate) fn read(
        &self,
        state: &DatabaseState,
        size: PageSize,
        reader: &TransactionState,
    ) -> Look<Vec<KeysOfRecord>> {
        let source = Source {
            state,
            size,
            table: &self.table,
            reader,
        };
        let mut records: Vec<KeysOfRecord> = Vec::new();
        while records.len() < RECORDS_AT_ONCE {
            let last = records
                .last()
                .map(|(bookmark, _)| bookmark)
                .or(self.last.as_ref());
            let from = last.map_or(From::First, |last| From::After(key(last)));
            match source.keys(&self.index, from) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                // What was found before the page that is missing is enough for now.
                Err(Interrupted::Missing(_)) if !records.is_empty() => break,
                Err(interrupted) => return Err(interrupted),
            }
        }
        Ok(records)
    }

    /// Inserts entries: without versions, for if the index is rolled back its tree goes as a whole.
    ///
    /// # Errors
    /// `JET_errKeyDuplicate`; no page can be had; the log cannot be appended to.
    pub(crate) fn insert(&self, change: &mut Change<'_>, entries: &[IndexNode]) -> JetResult<()> {
        for (key, bookmark) in entries {
            let inserted = tree::insert_unversioned(change, self.index.tree, key, bookmark);
            inserted.map_err(|error| match error.code() {
                JetErr::KeyDuplicate => {
                    let what = format!("two records have the same key in index {}", self.index.name);
                    JetError::rule(JetErr::KeyDuplicate, what)
                }
                _ => error,
            })?;
        }
        Ok(())
    }
}

/// Where the records are.
struct Source<'s> {
    state: &'s DatabaseState,
    size: PageSize,
    table: &'s LiveTable,
    reader: &'s TransactionState,
}

impl Source<'_> {
    fn keys(&self, index: &LiveIndex, from: From<'_>) -> Look<Option<KeysOfRecord>> {
        let Some(found) = tree::find(self.state, self.table.tree, from, self.reader)? else {
            return Ok(None);
        };
        let record = Record::read(self.size, &found.data)?;
        // A page that is missing must come out of a function whose errors are others.
        let missing = Cell::new(None);
        let read = |lid, most| {
            self.long_value(lid, most)
                .map_err(|interrupted| match interrupted {
                    Interrupted::Failed(error) => error,
                    Interrupted::Missing(pgno) => {
                        missing.set(Some(pgno));
                        JetError::rule(JetErr::InternalError, "is not in memory")
                    }
                })
        };
        let keys = index.keys()?.keys(&record, Some(&read));
        match (keys, missing.get()) {
            (_, Some(pgno)) => Err(Interrupted::Missing(pgno)),
            (Ok(keys), None) => Ok(Some((found.node.key().into_owned(), keys))),
            (Err(error), None) => Err(error.into()),
        }
    }

    /// The first bytes of a long value, at least `most` where it has so many.
    fn long_value(&self, lid: Lid, most: usize) -> Look<Vec<u8>> {
        let tree = self.table.long_values.ok_or_else(|| lost(lid))?;
        let root = self.node(tree, &lid.root_key(), lid)?;
        let size = LongValueRoot::read(&root)?.size;
        let chunk = self.table.schema.table.long_value_chunk;
        let chunk = chunk.unwrap_or_else(|| default_chunk_size(self.size)).max(1);
        let mut value = Vec::new();
        let mut offset = 0;
        while offset < size && value.len() < most {
            let expected = chunk.min(size - offset);
            let stored = self.node(tree, &lid.chunk_key(offset), lid)?;
            value.extend(plain_chunk(&stored, expected)?);
            offset += expected;
        }
        Ok(value)
    }

    fn node(&self, tree: TreeId, name: &[u8], lid: Lid) -> Look<Vec<u8>> {
        let found = tree::find(self.state, tree, From::At(key(name)), self.reader)?;
        Ok(found.ok_or_else(|| lost(lid))?.data.into_owned())
    }
}

fn lost(lid: Lid) -> JetError {
    JetError::rule(JetErr::LVCorrupted, format!("{lid:?} has lost a node"))
}
