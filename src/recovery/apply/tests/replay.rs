//! The main loop of a recovery in small: every record in its order, macros as a whole, versions for undoing.

use super::memory::MemoryPages;
use crate::error::JetResult;
use crate::format::PageSize;
use crate::format::log_record::{LogRecord, Merge, OperationFlags, Split, Undo, UndoneOperation};
use crate::recovery::pages::{Decision, PageChange, RedoPages};
use crate::recovery::{
    Undoing, apply_convert_fdp, apply_create_multiple_extent, apply_create_single_extent, apply_empty_tree,
    apply_merge, apply_new_page, apply_node, apply_split, check_key, undo_node,
};
use std::collections::HashMap;

/// What a version remembers for its undoing.
enum Before {
    Insert,
    Replace(Vec<u8>),
    FlagDelete,
    Delta(u16, i32),
    Delta64(u16, i64),
}

pub(super) struct Replay {
    pub(super) pages: MemoryPages,
    /// The records of open macros, by session and dbtime.
    pub(super) macros: HashMap<(u16, u64), Vec<Vec<u8>>>,
    versions: HashMap<u32, Before>,
    pub(super) applied: usize,
}

impl Replay {
    pub(super) fn new(size: PageSize) -> Self {
        Replay {
            pages: MemoryPages::new(size),
            macros: HashMap::new(),
            versions: HashMap::new(),
            applied: 0,
        }
    }

    pub(super) fn record(&mut self, record: &LogRecord<'_>, bytes: &[u8]) -> JetResult<()> {
        match record {
            LogRecord::Init2(_) => self.versions.clear(),
            LogRecord::MacroBegin(begin) => {
                self.macros.insert((begin.session, begin.dbtime), Vec::new());
            }
            LogRecord::MacroAbort(end) => {
                self.macros.remove(&(end.session, end.dbtime));
            }
            LogRecord::MacroCommit(end) => {
                let records = self.macros.remove(&(end.session, end.dbtime)).unwrap();
                self.applied += records.len();
                return self.apply_macro(&records);
            }
            LogRecord::UndoInfo(_) => {}
            LogRecord::NewPage(record) => apply_new_page(&mut self.pages, record)?,
            _ => {
                let Some(operation) = record.page_operation().copied() else {
                    return Ok(());
                };
                if let Some(buffered) = self.macros.get_mut(&(operation.session, operation.dbtime)) {
                    buffered.push(bytes.to_vec());
                    return Ok(());
                }
                self.applied += 1;
                return self.apply(record);
            }
        }
        Ok(())
    }

    pub(super) fn apply_macro(&mut self, records: &[Vec<u8>]) -> JetResult<()> {
        let records: Vec<LogRecord<'_>> = records
            .iter()
            .map(|bytes| LogRecord::decode(bytes).unwrap())
            .collect();
        let splits: Vec<Split<'_>> = records
            .iter()
            .filter_map(|record| match record {
                LogRecord::Split(split) => Some(*split),
                _ => None,
            })
            .collect();
        let merges: Vec<Merge<'_>> = records
            .iter()
            .filter_map(|record| match record {
                LogRecord::Merge(merge) => Some(*merge),
                _ => None,
            })
            .collect();
        if !merges.is_empty() {
            return apply_merge(&mut self.pages, &merges);
        }
        let leaf = records
            .iter()
            .find(|record| !matches!(record, LogRecord::Split(_) | LogRecord::Merge(_)));
        let before = apply_split(&mut self.pages, &splits, leaf)?;
        match leaf {
            Some(LogRecord::Insert(record)) => {
                self.versions.insert(record.node.rceid, Before::Insert);
            }
            Some(LogRecord::Replace(record) | LogRecord::ReplaceDiff(record)) => {
                if let Some(before) = before {
                    let before = Before::Replace(before.data);
                    self.versions.insert(record.node.rceid, before);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn apply(&mut self, record: &LogRecord<'_>) -> JetResult<()> {
        match record {
            LogRecord::CreateMultipleExtentFdp(record) => {
                return apply_create_multiple_extent(&mut self.pages, record);
            }
            LogRecord::CreateSingleExtentFdp(record) => {
                return apply_create_single_extent(&mut self.pages, record);
            }
            LogRecord::ConvertFdp(record) => return apply_convert_fdp(&mut self.pages, record),
            LogRecord::EmptyTree(record) => return apply_empty_tree(&mut self.pages, record),
            LogRecord::ScrubPage(_) | LogRecord::PageMove(_) => panic!("no such record in these sets"),
            _ => {}
        }
        let operation = record.page_operation().unwrap();
        let change = PageChange {
            page: operation.page,
            dbtime: operation.dbtime,
            dbtime_before: operation.dbtime_before,
        };
        if self.pages.decide(change)? != Decision::Apply {
            return Ok(());
        }
        if let LogRecord::Undo(record) = record {
            return self.undo(record);
        }
        self.note_version(record)?;
        let page = self.pages.page(operation.page)?;
        Ok(apply_node(page, record)?)
    }

    fn note_version(&mut self, record: &LogRecord<'_>) -> JetResult<()> {
        let operation = *record.page_operation().unwrap();
        if !operation.flags.contains(OperationFlags::VERSIONED) {
            return Ok(());
        }
        let page = self.pages.page(operation.page)?.view()?;
        let data = || page.node(operation.line.into()).unwrap().data.to_vec();
        let (rceid, before) = match record {
            LogRecord::Insert(record) => (record.node.rceid, Before::Insert),
            LogRecord::FlagInsert(record) => (record.node.rceid, Before::Insert),
            LogRecord::FlagInsertAndReplaceData(record) => {
                self.versions.insert(record.node.rceid, Before::Insert);
                (record.rceid_replace, Before::Replace(data()))
            }
            LogRecord::FlagDelete(record) => (record.node.rceid, Before::FlagDelete),
            LogRecord::Replace(record) | LogRecord::ReplaceDiff(record) => {
                (record.node.rceid, Before::Replace(data()))
            }
            LogRecord::Delta(record) => (record.node.rceid, Before::Delta(record.offset, record.delta)),
            LogRecord::Delta64(record) => (record.node.rceid, Before::Delta64(record.offset, record.delta)),
            _ => return Ok(()),
        };
        self.versions.insert(rceid, before);
        Ok(())
    }

    fn undo(&mut self, record: &Undo<'_>) -> JetResult<()> {
        let operation = &record.node.page;
        let before = self.versions.remove(&record.node.rceid).unwrap();
        let (undoing, kind) = match &before {
            Before::Insert => (Undoing::Insert, UndoneOperation::Insert),
            Before::Replace(before) => (Undoing::Replace { before }, UndoneOperation::Replace),
            Before::FlagDelete => (Undoing::FlagDelete, UndoneOperation::FlagDelete),
            &Before::Delta(offset, delta) => (Undoing::Delta { offset, delta }, UndoneOperation::Delta),
            &Before::Delta64(offset, delta) => (Undoing::Delta64 { offset, delta }, UndoneOperation::Delta64),
        };
        assert_eq!(kind, record.operation);
        let page = self.pages.page(operation.page)?;
        check_key(page, operation.line.into(), record.key)?;
        undo_node(page, operation.line.into(), undoing)?;
        page.dirty(operation.dbtime);
        Ok(())
    }
}
