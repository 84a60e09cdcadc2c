//! The undo phase: what transactions that never committed did is taken back, and the log says so
//! (log-and-recovery.md sections 4.5 and 6.8).

use super::apply::{Undoing, undo_node};
use super::database::ReplayedDatabase;
use super::databases::Databases;
use super::pages::RedoPages;
use super::redo::Redo;
use super::seek::find_bookmark;
use super::session::{Bookmark, Change, Version};
use super::undo_log::UndoLog;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{
    DBTIME_NIL, LogRecord, NodeOperation, OperationFlags, PageOperation, Rollback, Undo, UndoInfo,
    UndoneOperation,
};
use std::collections::HashMap;

/// How much was undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Undone {
    /// Transactions that were open.
    pub transactions: u64,
    /// Operations that were taken back.
    pub operations: u64,
    /// Macros that were dropped.
    pub macros: u64,
}

/// `cbMaxSize` of nodes, by database, tree and bookmark.
type Sizes = HashMap<(u8, u32, Bookmark), usize>;

/// Who undoes, at which level.
#[derive(Debug, Clone, Copy)]
struct Undoer {
    session: u16,
    trx: u32,
}

/// Undoes every open transaction; `log` gets the records.
///
/// # Errors
/// A node is not found, or the log does not say what was before.
pub(super) fn undo_all(redo: &mut Redo<'_>, log: &mut UndoLog) -> JetResult<Undone> {
    let mut undone = Undone::default();
    for boundary in redo.macros.boundaries() {
        log.append(&LogRecord::MacroAbort(boundary))?;
        undone.macros += 1;
    }
    redo.macros.clear();
    for (id, session) in redo.sessions.open() {
        undone.transactions += 1;
        let undoer = Undoer {
            session: id,
            trx: session.trx,
        };
        let sizes = session.sizes();
        while session.level > 0 {
            while let Some(version) = session.pop_innermost() {
                undone.operations += u64::from(undo(&mut redo.databases, undoer, &version, &sizes, log)?);
            }
            log.append(&LogRecord::Rollback(Rollback {
                session: id,
                levels: 1,
            }))?;
            session.rollback(1);
        }
    }
    Ok(undone)
}

/// Undoes one operation; `false` if its database is not replayed.
fn undo(
    databases: &mut Databases<'_>,
    undoer: Undoer,
    version: &Version,
    sizes: &Sizes,
    log: &mut UndoLog,
) -> JetResult<bool> {
    let Some(database) = databases.get_mut(version.database) else {
        return Ok(false);
    };
    let Some(bookmark) = &version.bookmark else {
        let what = format!(
            "operation {:#x} of session {} was written to the page before it committed, and the log does not say what \
             was there before",
            version.rceid, undoer.session
        );
        let error = JetError::rule(JetErr::LogCorrupted, what);
        return Err(database.overlay.place(error, version.page));
    };
    let found = find_bookmark(database, version.page_fdp, version.objid, bookmark)?;
    let Some((page, line)) = found else {
        let what = format!(
            "operation {:#x} cannot be undone: its node is gone",
            version.rceid
        );
        let error = JetError::rule(JetErr::DatabaseCorrupted, what);
        return Err(database.overlay.place(error, version.page));
    };
    if let Some(info) = undo_info(undoer, version, bookmark, sizes) {
        log.append(&LogRecord::UndoInfo(info))?;
    }
    apply(database, undoer, version, bookmark, (page, line), log)?;
    Ok(true)
}

fn apply(
    database: &mut ReplayedDatabase,
    undoer: Undoer,
    version: &Version,
    bookmark: &Bookmark,
    (page, line): (u32, u16),
    log: &mut UndoLog,
) -> JetResult<()> {
    let dbtime = database.next_dbtime();
    let buffer = database.page(page)?;
    let record = Undo {
        node: NodeOperation {
            page: PageOperation {
                session: undoer.session,
                database: version.database,
                page,
                dbtime,
                dbtime_before: buffer.dbtime(),
                trx: undoer.trx,
                level: version.level,
                line,
                flags: version.flags & OperationFlags::UNIQUE,
            },
            rceid: version.rceid,
            page_fdp: version.page_fdp,
            objid: version.objid,
        },
        operation: version.change.undone(),
        version_level: version.level,
        key: &bookmark.key,
        bookmark_data: &bookmark.data,
    };
    let undone = undo_node(buffer, line.into(), version.change.undoing());
    undone.map_err(|error| JetError::from(error).on_page(page))?;
    buffer.dirty(dbtime);
    log.append(&LogRecord::Undo(record))?;
    Ok(())
}

/// The `UndoInfo` that must come before the undoing of a replacement or deletion, unless it is in the log.
fn undo_info<'v>(
    undoer: Undoer,
    version: &'v Version,
    bookmark: &'v Bookmark,
    sizes: &Sizes,
) -> Option<UndoInfo<'v>> {
    let before_image: &[u8] = match &version.change {
        Change::Replace { before, .. } => before,
        Change::FlagDelete => &[],
        Change::Insert | Change::Delta { .. } | Change::Delta64 { .. } => return None,
    };
    if version.has_undo_info {
        return None;
    }
    let node = (version.database, version.page_fdp, bookmark.clone());
    let size_most = match before_image {
        [] => 0,
        image => sizes.get(&node).copied().unwrap_or(image.len()),
    };
    Some(UndoInfo {
        node: NodeOperation {
            page: PageOperation {
                session: undoer.session,
                database: version.database,
                page: version.page,
                dbtime: DBTIME_NIL,
                dbtime_before: DBTIME_NIL,
                trx: undoer.trx,
                level: version.level,
                line: 0,
                flags: version.flags - OperationFlags::VERSIONED,
            },
            rceid: version.rceid,
            page_fdp: version.page_fdp,
            objid: version.objid,
        },
        operation: version.change.undone(),
        size_most: i16::try_from(size_most).unwrap_or(i16::MAX),
        size_change: 0,
        key: &bookmark.key,
        bookmark_data: &bookmark.data,
        before_image,
    })
}

impl Change {
    /// `oper` of the records that undo it.
    fn undone(&self) -> UndoneOperation {
        match self {
            Change::Insert => UndoneOperation::Insert,
            Change::Replace { .. } => UndoneOperation::Replace,
            Change::FlagDelete => UndoneOperation::FlagDelete,
            Change::Delta { .. } => UndoneOperation::Delta,
            Change::Delta64 { .. } => UndoneOperation::Delta64,
        }
    }

    /// What undoing does to the node.
    pub(super) fn undoing(&self) -> Undoing<'_> {
        match self {
            Change::Insert => Undoing::Insert,
            Change::Replace { before, .. } => Undoing::Replace { before },
            Change::FlagDelete => Undoing::FlagDelete,
            &Change::Delta { offset, delta } => Undoing::Delta { offset, delta },
            &Change::Delta64 { offset, delta } => Undoing::Delta64 { offset, delta },
        }
    }
}
