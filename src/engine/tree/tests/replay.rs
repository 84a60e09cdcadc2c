//! The log of a test, applied to no pages at all, as recovery would.

use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{DBTIME_NIL, LogRecord, Merge, NodeOperation, Split, Undo, UndoneOperation};
use crate::format::{PageBuffer, PageSize};
use crate::recovery::{
    Decision, PageChange, RedoPages, Undoing, apply_convert_fdp, apply_create_multiple_extent,
    apply_create_single_extent, apply_empty_tree, apply_merge, apply_node, apply_split, undo_node,
};
use std::collections::{BTreeMap, HashMap};

struct Replayed {
    size: PageSize,
    pages: BTreeMap<u32, PageBuffer>,
    befores: HashMap<u32, Vec<u8>>,
    deltas: HashMap<u32, (u16, i64)>,
}

impl RedoPages for Replayed {
    fn page_size(&self) -> PageSize {
        self.size
    }

    fn decide(&mut self, change: PageChange) -> JetResult<Decision> {
        let dbtime = self.page(change.page)?.dbtime();
        assert!(
            change.dbtime_before == DBTIME_NIL || change.dbtime_before == dbtime,
            "page {}: {dbtime} where the log has {}",
            change.page,
            change.dbtime_before
        );
        assert!(dbtime < change.dbtime);
        Ok(Decision::Apply)
    }

    fn decide_new(&mut self, _: u32, _: u64) -> JetResult<bool> {
        Ok(true)
    }

    fn page(&mut self, page: u32) -> JetResult<&mut PageBuffer> {
        let missing = || JetError::rule(JetErr::PageNotInitialized, "the page is not there").on_page(page);
        self.pages.get_mut(&page).ok_or_else(missing)
    }

    fn take(&mut self, page: u32) -> JetResult<PageBuffer> {
        self.page(page)?;
        Ok(self.pages.remove(&page).unwrap())
    }

    fn put(&mut self, page: PageBuffer) {
        self.pages.insert(page.pgno(), page);
    }
}

/// The pages after all records.
pub(super) fn replay(records: &[Vec<u8>], size: PageSize) -> BTreeMap<u32, PageBuffer> {
    let mut replayed = Replayed {
        size,
        pages: BTreeMap::new(),
        befores: HashMap::new(),
        deltas: HashMap::new(),
    };
    let (mut splits, mut merges, mut leaf): (Vec<Split<'_>>, Vec<Merge<'_>>, _) = (vec![], vec![], None);
    let mut in_macro = false;
    for bytes in records {
        let record = LogRecord::decode(bytes).unwrap();
        match record {
            LogRecord::MacroBegin(_) => in_macro = true,
            LogRecord::Split(split) => splits.push(split),
            LogRecord::Merge(merge) => merges.push(merge),
            LogRecord::MacroCommit(_) => {
                if !splits.is_empty() {
                    apply_split(&mut replayed, &splits, leaf.as_ref()).unwrap();
                }
                apply_merge(&mut replayed, &merges).unwrap();
                splits.clear();
                merges.clear();
                (leaf, in_macro) = (None, false);
            }
            other if in_macro => leaf = Some(other),
            other => replayed.apply(&other),
        }
    }
    replayed.pages
}

impl Replayed {
    fn apply(&mut self, record: &LogRecord<'_>) {
        match record {
            LogRecord::CreateMultipleExtentFdp(record) => apply_create_multiple_extent(self, record).unwrap(),
            LogRecord::CreateSingleExtentFdp(record) => apply_create_single_extent(self, record).unwrap(),
            LogRecord::ConvertFdp(record) => apply_convert_fdp(self, record).unwrap(),
            LogRecord::EmptyTree(record) => apply_empty_tree(self, record).unwrap(),
            LogRecord::UndoInfo(info) => {
                self.befores.insert(info.node.rceid, info.before_image.to_vec());
            }
            LogRecord::Undo(record) => self.undo(record),
            LogRecord::Insert(r) => self.node(&r.node, record),
            LogRecord::FlagInsert(r) => self.node(&r.node, record),
            LogRecord::FlagInsertAndReplaceData(r) => self.node(&r.node, record),
            LogRecord::FlagDelete(r) | LogRecord::Delete(r) => self.node(&r.node, record),
            LogRecord::Replace(r) | LogRecord::ReplaceDiff(r) => self.node(&r.node, record),
            LogRecord::Delta(r) => {
                self.deltas.insert(r.node.rceid, (r.offset, r.delta.into()));
                self.node(&r.node, record);
            }
            LogRecord::Delta64(r) => {
                self.deltas.insert(r.node.rceid, (r.offset, r.delta));
                self.node(&r.node, record);
            }
            LogRecord::SetExternalHeader(r) => self.node(&r.node, record),
            _ => {}
        }
    }

    fn node(&mut self, operation: &NodeOperation, record: &LogRecord<'_>) {
        let change = PageChange {
            page: operation.page.page,
            dbtime: operation.page.dbtime,
            dbtime_before: operation.page.dbtime_before,
        };
        self.decide(change).unwrap();
        let page = self.page(operation.page.page).unwrap();
        apply_node(page, record).unwrap();
    }

    fn undo(&mut self, record: &Undo<'_>) {
        let before = self.befores.get(&record.node.rceid).cloned().unwrap_or_default();
        let (offset, delta) = self.deltas.get(&record.node.rceid).copied().unwrap_or_default();
        let undoing = match record.operation {
            UndoneOperation::Insert => Undoing::Insert,
            UndoneOperation::Replace => Undoing::Replace { before: &before },
            UndoneOperation::FlagDelete => Undoing::FlagDelete,
            UndoneOperation::Delta => Undoing::Delta {
                offset,
                delta: i32::try_from(delta).unwrap(),
            },
            _ => Undoing::Delta64 { offset, delta },
        };
        let operation = &record.node.page;
        let page = self.page(operation.page).unwrap();
        assert_eq!(page.dbtime(), operation.dbtime_before);
        undo_node(page, operation.line.into(), undoing).unwrap();
        page.dirty(operation.dbtime);
    }
}
