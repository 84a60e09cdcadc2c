//! Secondary indexes: exactly the entries that follow from the records.
//!
//! Both sides are read once, each in its own order, and compared by sums of hashes, which do not depend on the order:
//! 128 bits of SipHash-1-3 with random keys for each entry, in 256 sums by the hash's first byte. Different entries
//! with equal sums would be an accident of 2^-128. Only where sums differ both sides are read again, and their entries
//! of a few sums are compared one by one; so memory stays bounded however large the index is.

use super::finding::{FindingKind, hex};
use super::walk::LeafNode;
use super::{Check, TreeShape};
use crate::error::JetResult;
use crate::format::Record;
use crate::store::{Comparison, Entry, Incomparable, IndexKeys, LongValues, Tree};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// Sums of an index.
const SUMS: usize = 256;

/// Hashes entries with keys that no file can know.
#[derive(Debug, Default)]
pub(super) struct EntryHasher(RandomState, RandomState);

impl EntryHasher {
    fn hash(&self, key: &[u8], bookmark: &[u8]) -> u128 {
        let half = |state: &RandomState| u128::from(state.hash_one((key, bookmark)));
        half(&self.0) << 64 | half(&self.1)
    }
}

/// Sum and number of the entries whose hashes begin with the same byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sum {
    hashes: u128,
    count: u64,
}

/// The sums of one side.
#[derive(Debug)]
struct Sums(Vec<Sum>);

impl Sums {
    fn new() -> Self {
        Sums(vec![Sum::default(); SUMS])
    }

    fn add(&mut self, hash: u128) {
        if let Some(sum) = self.0.get_mut(sum_of(hash)) {
            sum.hashes = sum.hashes.wrapping_add(hash);
            sum.count += 1;
        }
    }
}

fn sum_of(hash: u128) -> usize {
    let [first, ..] = hash.to_be_bytes();
    first.into()
}

/// An index that is being compared.
#[derive(Debug)]
pub(super) struct IndexCheck<'s> {
    pub(super) tree: &'s TreeShape,
    /// How its entries follow from records, or why that cannot be told.
    keys: Result<IndexKeys, Incomparable>,
    of_records: Sums,
    of_entries: Sums,
}

impl<'s> IndexCheck<'s> {
    pub(super) fn new(tree: &'s TreeShape, keys: Result<IndexKeys, Incomparable>) -> Self {
        IndexCheck {
            tree,
            keys,
            of_records: Sums::new(),
            of_entries: Sums::new(),
        }
    }

    /// Adds the entries that a record has.
    pub(super) fn record(
        &mut self,
        hasher: &EntryHasher,
        bookmark: &[u8],
        record: &Record<'_>,
        long_values: Option<&LongValues<'_>>,
    ) {
        let Ok(keys) = &self.keys else { return };
        if keys.comparison == Comparison::Existence {
            return;
        }
        match keys_of(keys, record, long_values) {
            Ok(found) => found
                .iter()
                .for_each(|key| self.of_records.add(hasher.hash(key, bookmark))),
            Err(error) => self.keys = Err(Incomparable::unknown(error.cause().to_string())),
        }
    }

    /// Adds an entry of the index.
    pub(super) fn entry(
        &mut self,
        check: &mut Check<'_>,
        table: &TreeShape,
        hasher: &EntryHasher,
        node: &LeafNode<'_>,
    ) {
        if node.is_deleted {
            return;
        }
        check.counts.index_entries += 1;
        match &self.keys {
            Ok(keys) if keys.comparison == Comparison::Existence => {
                check.entry_exists(table, self.tree, node)
            }
            Ok(keys) => self
                .of_entries
                .add(hash_of(hasher, keys.comparison, node.key, node.data)),
            Err(_) => {}
        }
    }
}

/// Of an index whose keys cannot be made, only the bookmark is compared.
fn hash_of(hasher: &EntryHasher, comparison: Comparison, key: &[u8], bookmark: &[u8]) -> u128 {
    match comparison {
        Comparison::Keys => hasher.hash(key, bookmark),
        Comparison::Bookmarks | Comparison::Existence => hasher.hash(&[], bookmark),
    }
}

impl Check<'_> {
    fn entry_exists(&mut self, table: &TreeShape, tree: &TreeShape, node: &LeafNode<'_>) {
        let records = Tree::new(self.database, table.root, table.objid);
        if let Ok(None) = records.get(node.data) {
            self.surplus(tree, node.pgno, node.key, node.data);
        }
    }

    fn surplus(&mut self, tree: &TreeShape, pgno: u32, key: &[u8], bookmark: &[u8]) {
        let what = format!(
            "no record has this entry: key {}, bookmark {}",
            hex(key),
            hex(bookmark)
        );
        self.findings
            .add(FindingKind::IndexEntrySurplus, Some(pgno), &tree.name, what);
    }

    /// Compares the sums of both sides, and names the entries where they differ.
    pub(super) fn judge_index(
        &mut self,
        table: &TreeShape,
        index: &IndexCheck<'_>,
        hasher: &EntryHasher,
        long_values: Option<&LongValues<'_>>,
    ) {
        let keys = match &index.keys {
            Ok(keys) => keys,
            Err(reason) if reason.is_damage => {
                let root = Some(index.tree.root);
                return self
                    .findings
                    .add(FindingKind::Catalog, root, &index.tree.name, &*reason.why);
            }
            Err(reason) => return self.not_compared(index.tree, &reason.why),
        };
        match keys.comparison {
            Comparison::Keys => self.counts.indexes_compared += 1,
            Comparison::Bookmarks => {
                let what = "its keys, which are Unicode text, can only be made on Windows; which records have entries was compared";
                self.not_compared(index.tree, what);
            }
            Comparison::Existence => {
                let what = "its keys, which are Unicode text, can only be made on Windows; that its records exist was checked";
                self.not_compared(index.tree, what);
            }
        }
        let chosen = self.differing_sums(index);
        if !chosen.is_empty() {
            self.name_differences(table, index.tree, keys, &chosen, hasher, long_values);
        }
    }

    fn not_compared(&mut self, tree: &TreeShape, why: &str) {
        self.counts.indexes_not_compared += 1;
        self.findings
            .add(FindingKind::IndexNotCompared, Some(tree.root), &tree.name, why);
    }

    /// The first sums that differ: as many as have no more entries than may be kept in memory, at least one.
    fn differing_sums(&self, index: &IndexCheck<'_>) -> HashSet<usize> {
        let sums = index.of_records.0.iter().zip(&index.of_entries.0).enumerate();
        let mut entries = 0;
        let mut chosen = HashSet::new();
        for (at, (records, entries_of)) in sums {
            if records == entries_of {
                continue;
            }
            entries += records.count;
            if chosen.is_empty() || entries <= self.limits.entries_in_memory {
                chosen.insert(at);
            }
        }
        chosen
    }

    fn name_differences(
        &mut self,
        table: &TreeShape,
        tree: &TreeShape,
        keys: &IndexKeys,
        chosen: &HashSet<usize>,
        hasher: &EntryHasher,
        long_values: Option<&LongValues<'_>>,
    ) {
        let mut missing = HashSet::new();
        self.each_entry_of_records(table, keys, long_values, &mut |_, row, key| {
            let hash = hasher.hash(key, row.key());
            if chosen.contains(&sum_of(hash)) {
                missing.insert(hash);
            }
        });
        for entry in scan(self, tree) {
            let hash = hash_of(hasher, keys.comparison, entry.key(), entry.data());
            if chosen.contains(&sum_of(hash)) && !missing.remove(&hash) {
                self.surplus(tree, entry.pgno(), entry.key(), entry.data());
            }
        }
        if missing.is_empty() {
            return;
        }
        self.each_entry_of_records(table, keys, long_values, &mut |check, row, key| {
            if missing.remove(&hasher.hash(key, row.key())) {
                let what = format!(
                    "the record on page {} has no entry with key {}, bookmark {}",
                    row.pgno(),
                    hex(key),
                    hex(row.key())
                );
                check
                    .findings
                    .add(FindingKind::IndexEntryMissing, Some(tree.root), &tree.name, what);
            }
        });
    }

    fn each_entry_of_records(
        &mut self,
        table: &TreeShape,
        keys: &IndexKeys,
        long_values: Option<&LongValues<'_>>,
        visit: &mut dyn FnMut(&mut Self, &Entry, &[u8]),
    ) {
        for row in scan(self, table) {
            let record = Record::read(self.database.page_size(), row.data());
            let found = record
                .ok()
                .and_then(|record| keys_of(keys, &record, long_values).ok());
            for key in found.into_iter().flatten() {
                visit(self, &row, &key);
            }
        }
    }
}

/// The keys of a record's entries, its long values read from the database.
pub(super) fn keys_of<'r>(
    keys: &'r IndexKeys,
    record: &Record<'r>,
    long_values: Option<&LongValues<'_>>,
) -> JetResult<Vec<Vec<u8>>> {
    match long_values {
        Some(values) => keys.keys(record, Some(&|lid, most| values.read_start(lid, most))),
        None => keys.keys(record, None),
    }
}

/// The nodes of a tree that can be reached; what is wrong with it was said when it was walked.
fn scan<'d>(check: &Check<'d>, tree: &TreeShape) -> impl Iterator<Item = Entry> + use<'d> {
    let nodes = Tree::new(check.database, tree.root, tree.objid).scan();
    nodes.into_iter().flatten().map_while(Result::ok)
}
