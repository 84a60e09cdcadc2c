//! The only door through which pages change: a log record is made, applied by the code that also replays it, and
//! appended to the log (log-and-recovery.md sections 5.1 and 4.6).
//!
//! ```text
//! Change::node ── dbtimes ──> LogRecord ── apply_node ──> page ── append ──> log ──> the page knows: write me after that
//! ```
//!
//! What goes wrong in here leaves pages and log in disagreement: the instance stops, and recovery begins from the log.

use super::bookmark::{BookmarkRef, TreeId};
use super::open_transaction::OpenTransaction;
use super::shared::Shared;
use super::state::{AttachedDatabase, DatabaseState};
use super::versions::{Operation, Version};
use crate::error::JetResult;
use crate::format::log_record::{
    ConvertFdp, CreateMultipleExtentFdp, CreateSingleExtentFdp, DBTIME_NIL, EmptyTree, LogRecord,
    MacroBoundary, Merge, NodeOperation, OperationFlags, PageOperation, Split, Undo,
};
use crate::format::{FormatError, PageBuffer};
use crate::recovery::{
    Decision, PageChange, RedoPages, Undoing, apply_convert_fdp, apply_create_multiple_extent,
    apply_create_single_extent, apply_empty_tree, apply_merge, apply_node, apply_split, undo_node,
};
use crate::store::log_stream::Appended;

/// An operation that changes pages of a database, for a transaction.
#[derive(Debug)]
pub(crate) struct Change<'c> {
    pub(crate) shared: &'c Shared,
    pub(crate) database: &'c AttachedDatabase,
    pub(crate) state: &'c mut DatabaseState,
    pub(crate) transaction: &'c mut OpenTransaction,
}

/// A node, and how it is to be changed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeChange {
    /// The tree.
    pub(crate) tree: TreeId,
    /// The page.
    pub(crate) pgno: u32,
    /// The line.
    pub(crate) line: u16,
    /// VERSIONED or not; UNIQUE and SPACE follow from the tree.
    pub(crate) flags: OperationFlags,
    /// Of the version; 0 if there is none.
    pub(crate) rceid: u32,
}

impl Change<'_> {
    /// Changes one node of one page, or its external header. `make` makes the record of an operation whose dbtimes are
    /// set.
    ///
    /// # Errors
    /// The record does not fit the page, which the caller should have looked at; the log cannot be appended to. The
    /// instance has stopped then.
    pub(crate) fn node<'r>(
        &mut self,
        change: NodeChange,
        make: impl FnOnce(NodeOperation) -> LogRecord<'r>,
    ) -> JetResult<()> {
        self.node_with(change, |page, operation| {
            let record = make(operation);
            apply_node(page, &record)?;
            Ok(record)
        })
    }

    fn node_with<'r>(
        &mut self,
        change: NodeChange,
        apply: impl FnOnce(&mut PageBuffer, NodeOperation) -> Result<LogRecord<'r>, FormatError>,
    ) -> JetResult<()> {
        self.begin()?;
        self.database.load(self.state, change.pgno)?;
        let dbtime = self.state.next_dbtime();
        let result = self.apply_and_log(change, dbtime, apply);
        let appended = self.stop_on_error(result, change.pgno)?;
        self.state
            .pages
            .mark_changed(change.pgno, appended.end, self.transaction.state());
        Ok(())
    }

    fn apply_and_log<'r>(
        &mut self,
        change: NodeChange,
        dbtime: u64,
        apply: impl FnOnce(&mut PageBuffer, NodeOperation) -> Result<LogRecord<'r>, FormatError>,
    ) -> JetResult<Appended> {
        let page = self.state.pages.change(change.pgno)?;
        let operation = self.transaction.page_operation(self.database.dbid, change.pgno);
        let operation = NodeOperation {
            page: PageOperation {
                dbtime,
                dbtime_before: page.dbtime(),
                line: change.line,
                flags: change.flags | change.tree.operation_flags(),
                ..operation
            },
            rceid: change.rceid,
            page_fdp: change.tree.fdp,
            objid: change.tree.objid,
        };
        let record = apply(page, operation)?;
        self.shared.log.append(&[record])
    }

    /// The start of a record about page `pgno` that changes several pages: with a new dbtime, and that of the page
    /// before.
    ///
    /// # Errors
    /// The page cannot be read.
    pub(crate) fn page_operation(&mut self, pgno: u32, dbtime: u64) -> JetResult<PageOperation> {
        let operation = self.transaction.page_operation(self.database.dbid, pgno);
        Ok(PageOperation {
            dbtime,
            dbtime_before: self.dbtime_of(pgno)?,
            ..operation
        })
    }

    /// The start of a record that makes page `pgno` from nothing, and takes `dbtimes`.
    pub(crate) fn new_page_operation(&mut self, pgno: u32, dbtimes: u64) -> PageOperation {
        let operation = self.transaction.page_operation(self.database.dbid, pgno);
        PageOperation {
            dbtime: self.state.last_of_dbtimes(dbtimes),
            dbtime_before: DBTIME_NIL,
            ..operation
        }
    }

    /// The dbtime of a page.
    ///
    /// # Errors
    /// The page cannot be read.
    pub(crate) fn dbtime_of(&mut self, pgno: u32) -> JetResult<u64> {
        self.page(pgno).map(PageBuffer::dbtime)
    }

    /// A page, read if it is not in memory.
    ///
    /// # Errors
    /// The page cannot be read.
    pub(crate) fn page(&mut self, pgno: u32) -> JetResult<&PageBuffer> {
        self.database.load(self.state, pgno)?;
        match self.state.page(pgno) {
            Ok(page) => Ok(page),
            Err(_) => Err(self.database.place(
                crate::JetError::rule(crate::JetErr::InternalError, "is not in memory"),
                pgno,
            )),
        }
    }

    /// Splits pages: one macro with dbtime `dbtime`, whose levels go from the root to the leaf. `leaf`: the operation on
    /// the leaf, with dbtimeBefore nil.
    ///
    /// # Errors
    /// As [`node`](Self::node).
    pub(crate) fn split(
        &mut self,
        dbtime: u64,
        levels: &[Split<'_>],
        leaf: Option<LogRecord<'_>>,
    ) -> JetResult<()> {
        let mut records: Vec<LogRecord<'_>> = levels.iter().copied().map(LogRecord::Split).collect();
        records.extend(leaf);
        self.macro_of(dbtime, records, |pages| {
            apply_split(pages, levels, leaf.as_ref()).map(drop)
        })
    }

    /// Merges pages: one macro, as [`split`](Self::split).
    ///
    /// # Errors
    /// As [`node`](Self::node).
    pub(crate) fn merge(&mut self, dbtime: u64, levels: &[Merge<'_>]) -> JetResult<()> {
        let records = levels.iter().copied().map(LogRecord::Merge).collect();
        self.macro_of(dbtime, records, |pages| apply_merge(pages, levels))
    }

    /// Takes all pages of a tree but its root.
    ///
    /// # Errors
    /// As [`node`](Self::node).
    pub(crate) fn empty_tree(&mut self, record: EmptyTree<'_>) -> JetResult<()> {
        self.record_of_pages(&[LogRecord::EmptyTree(record)], |pages| {
            apply_empty_tree(pages, &record)
        })
    }

    /// Takes back one operation on a node. `make` makes the record of an operation whose dbtimes are set.
    ///
    /// # Errors
    /// As [`node`](Self::node).
    pub(crate) fn undo<'r>(
        &mut self,
        change: NodeChange,
        undoing: Undoing<'_>,
        make: impl FnOnce(NodeOperation) -> Undo<'r>,
    ) -> JetResult<()> {
        self.node_with(change, |page, operation| {
            undo_node(page, change.line.into(), undoing)?;
            page.dirty(operation.page.dbtime);
            Ok(LogRecord::Undo(make(operation)))
        })
    }

    /// Makes the root of a tree of a single extent.
    ///
    /// # Errors
    /// As [`node`](Self::node).
    pub(crate) fn create_single_extent(&mut self, record: CreateSingleExtentFdp) -> JetResult<()> {
        let log = [LogRecord::CreateSingleExtentFdp(record)];
        self.record_of_pages(&log, |pages| apply_create_single_extent(pages, &record))
    }

    /// Makes the root of a tree and those of its space trees.
    ///
    /// # Errors
    /// As [`node`](Self::node).
    pub(crate) fn create_multiple_extent(&mut self, record: CreateMultipleExtentFdp) -> JetResult<()> {
        let log = [LogRecord::CreateMultipleExtentFdp(record)];
        self.record_of_pages(&log, |pages| apply_create_multiple_extent(pages, &record))
    }

    /// Gives a tree of a single extent its space trees.
    ///
    /// # Errors
    /// As [`node`](Self::node).
    pub(crate) fn convert(&mut self, record: ConvertFdp) -> JetResult<()> {
        let log = [LogRecord::ConvertFdp(record)];
        self.record_of_pages(&log, |pages| apply_convert_fdp(pages, &record))
    }

    /// Adds a version of a node, which the change that comes next, or that came just before, makes.
    pub(crate) fn add_version(
        &mut self,
        tree: TreeId,
        bookmark: BookmarkRef<'_>,
        page: u32,
        rceid: u32,
        operation: Operation,
    ) {
        let transaction = self.transaction.state();
        if matches!(operation, Operation::Replace { .. } | Operation::FlagDelete) {
            transaction.set_undo_info(self.database.dbid, false);
        }
        let version = Version {
            rceid,
            operation,
            transaction: transaction.clone(),
            level: self.transaction.level(),
            page,
            has_undo_info: false,
        };
        self.state.versions.add(tree, bookmark, version);
    }

    /// Appends records that change no page.
    ///
    /// # Errors
    /// The log cannot be appended to; the instance has stopped then.
    pub(crate) fn log(&mut self, records: &[LogRecord<'_>]) -> JetResult<Appended> {
        self.begin()?;
        let appended = self.shared.log.append(records);
        appended.map_err(|error| self.shared.fail(error))
    }

    fn begin(&mut self) -> JetResult<()> {
        self.transaction.touch(self.database.dbid);
        self.transaction.log_begin(self.shared)
    }

    fn macro_of(
        &mut self,
        dbtime: u64,
        records: Vec<LogRecord<'_>>,
        apply: impl FnOnce(&mut dyn RedoPages) -> JetResult<()>,
    ) -> JetResult<()> {
        let session = self.transaction.state().session();
        let boundary = MacroBoundary { session, dbtime };
        let mut all = vec![LogRecord::MacroBegin(boundary)];
        all.extend(records);
        all.push(LogRecord::MacroCommit(boundary));
        self.record_of_pages(&all, apply)
    }

    fn record_of_pages(
        &mut self,
        records: &[LogRecord<'_>],
        apply: impl FnOnce(&mut dyn RedoPages) -> JetResult<()>,
    ) -> JetResult<()> {
        self.begin()?;
        let mut pages = ChangedPages {
            database: self.database,
            state: self.state,
            changed: Vec::new(),
        };
        let result = apply(&mut pages);
        let changed = pages.changed;
        let result = result.and_then(|()| self.shared.log.append(records));
        let appended = result.map_err(|error| self.shared.fail(error.in_file(&self.database.path)))?;
        for pgno in &changed {
            self.state
                .pages
                .mark_changed(*pgno, appended.end, self.transaction.state());
        }
        self.state.pages.share_transactions(&changed);
        Ok(())
    }

    fn stop_on_error<T>(&self, result: JetResult<T>, pgno: u32) -> JetResult<T> {
        result.map_err(|error| self.shared.fail(self.database.place(error, pgno)))
    }
}

/// The pages of a change of several: all of them need it.
struct ChangedPages<'c> {
    database: &'c AttachedDatabase,
    state: &'c mut DatabaseState,
    changed: Vec<u32>,
}

impl RedoPages for ChangedPages<'_> {
    fn page_size(&self) -> crate::format::PageSize {
        self.database.page_size
    }

    fn decide(&mut self, _change: PageChange) -> JetResult<Decision> {
        Ok(Decision::Apply)
    }

    fn decide_new(&mut self, _page: u32, _dbtime: u64) -> JetResult<bool> {
        Ok(true)
    }

    fn page(&mut self, page: u32) -> JetResult<&mut PageBuffer> {
        self.database.load(self.state, page)?;
        self.changed.push(page);
        self.state.pages.change(page)
    }

    fn take(&mut self, page: u32) -> JetResult<PageBuffer> {
        // A copy: what is in the frame is replaced when the page is put back.
        self.database.load(self.state, page)?;
        self.state.pages.change(page).map(|page| page.clone())
    }

    fn put(&mut self, page: PageBuffer) {
        self.changed.push(page.pgno());
        self.state.pages.put(page);
    }
}
