//! What a database's sessions share about its schema: tables that were read, changes that are not committed, trees that
//! nobody needs any more, cursors that are open.
//!
//! A table that was read is kept as long as it is what everybody sees. While somebody changes it, and for transactions
//! that began before such a change was committed, the catalog is read as the transaction sees it.

use super::live_table::LiveTable;
use crate::engine::bookmark::TreeId;
use crate::engine::transactions::TransactionState;
use crate::error::{JetErr, JetError, JetResult};
use hashbrown::HashMap;
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a transaction does to a table's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SchemaChange {
    /// Records that others write meanwhile fit before and after it: a column, an index deleted.
    Columns,
    /// Others must not write records meanwhile: an index made, the table deleted.
    Records,
    /// A tree was made: to be given back to its lender if this is rolled back.
    Made(Lent),
    /// The same of a tree that everybody sees at once.
    Grown(Lent),
    /// A tree is no longer needed: to be given back when everybody sees that.
    Unneeded(Lent),
}

/// A tree, and the one that lent it its space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lent {
    pub(super) lender: TreeId,
    pub(super) tree: TreeId,
}

/// The last numbers that were given out for a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counters {
    /// Of its auto-increment column.
    pub(super) auto_increment: Option<i64>,
    /// Key of the last record of a table without primary index.
    pub(super) sequential: Option<u32>,
}

/// See the head of this file. Belongs to the database's state, whose lock protects what it says of pages; its own lock
/// is for readers that share that one.
#[derive(Debug, Default)]
pub(crate) struct CatalogState {
    inner: Mutex<Inner>,
    changes: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct Inner {
    tables: HashMap<u32, Arc<LiveTable>>,
    committed: HashMap<u32, Committed>,
    open: Vec<OpenChange>,
    /// With the stamp that everybody must see before they are given back.
    unneeded: VecDeque<(u64, Lent)>,
    /// objids of trees that were given back.
    given_back: HashSet<u32>,
    counters: HashMap<u32, Counters>,
    /// The last LID that was given out in a long value tree, by its objid.
    lids: HashMap<u32, u32>,
    /// Sessions with open cursors, one for each cursor, by objid.
    cursors: HashMap<u32, Vec<u16>>,
}

/// Stamps of the last committed changes.
#[derive(Debug, Clone, Copy, Default)]
struct Committed {
    any: u64,
    records: u64,
}

#[derive(Debug)]
struct OpenChange {
    trx: u32,
    level: u8,
    objid: u32,
    change: SchemaChange,
}

impl CatalogState {
    /// Grows with all that may change how somebody sees a table. What a transaction sees is the same as long as this is,
    /// whatever others commit; who reads it in a transaction needs no lock.
    pub(crate) fn changes(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.changes)
    }

    fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// The table, if it was read and `reader` sees it so.
    pub(super) fn table(&self, objid: u32, reader: &TransactionState) -> Option<Arc<LiveTable>> {
        let inner = self.inner.lock();
        if inner.is_settled(objid, reader) {
            inner.tables.get(&objid).cloned()
        } else {
            None
        }
    }

    /// Keeps a table that was read for `reader`, if everybody sees it so.
    pub(super) fn keep(&self, table: &Arc<LiveTable>, reader: &TransactionState) {
        let mut inner = self.inner.lock();
        if inner.is_settled(table.schema.objid, reader) {
            inner.tables.insert(table.schema.objid, Arc::clone(table));
        }
    }

    /// Forgets a table that was read: it got something that everybody sees at once.
    pub(super) fn forget(&self, objid: u32) {
        self.note_change();
        self.inner.lock().tables.remove(&objid);
    }

    /// Notes a change.
    pub(super) fn add(&self, transaction: &TransactionState, level: u8, objid: u32, change: SchemaChange) {
        self.note_change();
        self.inner.lock().open.push(OpenChange {
            trx: transaction.trx(),
            level,
            objid,
            change,
        });
    }

    /// Whether `transaction` made this table and nobody else sees it yet.
    pub(super) fn is_made_by(&self, transaction: &TransactionState, objid: u32) -> bool {
        let inner = self.inner.lock();
        let mut own = inner
            .open
            .iter()
            .filter(|open| open.trx == transaction.trx() && open.objid == objid);
        own.any(
            |open| matches!(open.change, SchemaChange::Made(lent) if lent.lender == crate::engine::space::ROOT),
        )
    }

    /// Whether `transaction` may change the schema of a table.
    ///
    /// # Errors
    /// `JET_errWriteConflict`: another transaction does, or did since this one began.
    pub(super) fn check_schema(&self, objid: u32, transaction: &TransactionState) -> JetResult<()> {
        let inner = self.inner.lock();
        let by_other = |open: &OpenChange| open.objid == objid && open.trx != transaction.trx();
        let since = inner.committed.get(&objid).map_or(0, |committed| committed.any);
        if inner.open.iter().any(by_other) || since > transaction.snapshot() {
            return Err(conflict());
        }
        Ok(())
    }

    /// Whether `transaction` may change records of a table.
    ///
    /// # Errors
    /// `JET_errWriteConflict`: another transaction makes an index or deletes the table, or did since this one began.
    pub(crate) fn check_records(&self, objid: u32, transaction: &TransactionState) -> JetResult<()> {
        let inner = self.inner.lock();
        let by_other = |open: &OpenChange| {
            open.objid == objid && open.trx != transaction.trx() && open.change == SchemaChange::Records
        };
        let since = inner
            .committed
            .get(&objid)
            .map_or(0, |committed| committed.records);
        if inner.open.iter().any(by_other) || since > transaction.snapshot() {
            return Err(conflict());
        }
        Ok(())
    }

    /// A session opened a cursor on a table.
    pub(crate) fn open_cursor(&self, objid: u32, session: u16) {
        self.inner.lock().cursors.entry(objid).or_default().push(session);
    }

    /// A session closed a cursor.
    pub(crate) fn close_cursor(&self, objid: u32, session: u16) {
        let mut inner = self.inner.lock();
        let Some(sessions) = inner.cursors.get_mut(&objid) else {
            return;
        };
        if let Some(at) = sessions.iter().position(|one| *one == session) {
            sessions.swap_remove(at);
        }
        if sessions.is_empty() {
            inner.cursors.remove(&objid);
        }
    }

    /// Whether no other session has the table open.
    ///
    /// # Errors
    /// `JET_errTableInUse`.
    pub(super) fn check_unused(&self, objid: u32, session: u16) -> JetResult<()> {
        let inner = self.inner.lock();
        let sessions = inner.cursors.get(&objid).map_or(&[][..], Vec::as_slice);
        if sessions.iter().all(|one| *one == session) {
            return Ok(());
        }
        let what = "another session has the table open";
        Err(JetError::rule(JetErr::TableInUse, what))
    }

    /// The last numbers that were given out for a table.
    pub(super) fn counters(&self, objid: u32) -> Counters {
        self.inner
            .lock()
            .counters
            .get(&objid)
            .copied()
            .unwrap_or_default()
    }

    /// Notes them.
    pub(super) fn set_counters(&self, objid: u32, counters: Counters) {
        self.inner.lock().counters.insert(objid, counters);
    }

    /// The last LID that was given out in the long value tree of this objid.
    pub(crate) fn last_lid(&self, objid: u32) -> Option<u32> {
        self.inner.lock().lids.get(&objid).copied()
    }

    /// Notes it.
    pub(crate) fn set_last_lid(&self, objid: u32, lid: u32) {
        self.inner.lock().lids.insert(objid, lid);
    }

    /// A level was committed: what it did is now of the level above.
    pub(crate) fn commit_level(&self, transaction: &TransactionState, level: u8) {
        let mut inner = self.inner.lock();
        let own = inner.open.iter_mut().filter(|open| open.trx == transaction.trx());
        own.for_each(|open| open.level = open.level.min(level));
    }

    /// A transaction was committed, and has its stamp.
    pub(crate) fn commit(&self, transaction: &TransactionState) {
        let mut inner = self.inner.lock();
        let stamp = transaction.stamp().unwrap_or(u64::MAX);
        for open in inner.take(transaction, 0) {
            self.note_change();
            inner.tables.remove(&open.objid);
            if let SchemaChange::Unneeded(lent) = open.change {
                inner.unneeded.push_back((stamp, lent));
            }
            let committed = inner.committed.entry(open.objid).or_default();
            match open.change {
                SchemaChange::Grown(_) => {}
                SchemaChange::Records => (committed.any, committed.records) = (stamp, stamp),
                _ => committed.any = stamp,
            }
        }
    }

    /// What a transaction did at `level` and deeper was taken back.
    pub(crate) fn roll_back(&self, transaction: &TransactionState, level: u8) {
        let mut inner = self.inner.lock();
        // The trees of a table before the table, which lent them their space.
        for open in inner.take(transaction, level).into_iter().rev() {
            self.note_change();
            if let SchemaChange::Made(lent) | SchemaChange::Grown(lent) = open.change {
                inner.unneeded.push_back((0, lent));
            }
        }
    }

    /// The next tree to be given back, if everybody who sees what was committed up to `oldest_snapshot` knows that it is
    /// not needed.
    pub(super) fn take_unneeded(&self, oldest_snapshot: u64) -> Option<Lent> {
        let mut inner = self.inner.lock();
        let at = inner
            .unneeded
            .iter()
            .position(|(stamp, _)| *stamp <= oldest_snapshot)?;
        inner.unneeded.remove(at).map(|(_, lent)| lent)
    }

    /// Notes that a tree was given back.
    pub(super) fn note_given_back(&self, objid: u32) {
        self.inner.lock().given_back.insert(objid);
    }

    /// Whether a tree was given back: its pages belong to others.
    pub(crate) fn has_given_back(&self, objid: u32) -> bool {
        self.inner.lock().given_back.contains(&objid)
    }

    /// Puts a tree back that could not be given back now.
    pub(super) fn put_unneeded(&self, lent: Lent) {
        self.inner.lock().unneeded.push_front((0, lent));
    }
}

impl Inner {
    /// Whether everybody sees the table as `reader` does.
    fn is_settled(&self, objid: u32, reader: &TransactionState) -> bool {
        let since = self.committed.get(&objid).map_or(0, |committed| committed.any);
        since <= reader.snapshot() && self.open.iter().all(|open| open.objid != objid)
    }

    fn take(&mut self, transaction: &TransactionState, level: u8) -> Vec<OpenChange> {
        let of = |open: &mut OpenChange| open.trx == transaction.trx() && open.level >= level;
        self.open.extract_if(.., of).collect()
    }
}

fn conflict() -> JetError {
    let what = "another transaction changes the table's schema, or did since this one began";
    JetError::rule(JetErr::WriteConflict, what)
}
