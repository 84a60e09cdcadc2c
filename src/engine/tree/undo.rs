//! What a transaction did is taken back, and before images are logged (log-and-recovery.md section 4.5).
//!
//! Each operation is undone where its node is now, by a record of its own. The before image of a replacement or a
//! deletion is in the log before it is undone, and before its page may be written while the transaction is open.

use super::descend::{damaged, node, seek};
use super::insert::{node_change, to_u16};
use super::reserve::{longest_before, of_node, set};
use crate::engine::change::Change;
use crate::engine::open_transaction::OpenTransaction;
use crate::engine::shared::Shared;
use crate::engine::state::{AttachedDatabase, DatabaseState};
use crate::engine::transactions::TransactionState;
use crate::engine::versions::{Operation, Version, VersionOf};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{
    DBTIME_NIL, LogRecord, NodeOperation, OperationFlags, PageOperation, Undo, UndoInfo, UndoneOperation,
};
use crate::recovery::Undoing;
use std::sync::Arc;

/// Takes back what a transaction did to a database at `level` and deeper, the newest first. The `Rollback` record is
/// left to the caller.
///
/// # Errors
/// The tree is damaged; the log cannot be appended to. The instance has stopped then.
pub(crate) fn roll_back(
    shared: &Shared,
    database: &AttachedDatabase,
    transaction: &mut OpenTransaction,
    level: u8,
) -> JetResult<()> {
    loop {
        let mut state = database.write_to_end(shared)?;
        let mut change = Change {
            shared,
            database,
            state: &mut state,
            transaction,
        };
        if !undo_newest(&mut change, level)? {
            return Ok(());
        }
    }
}

/// Takes back the newest of what the transaction did to the database at `level` and deeper; `false` if nothing is left.
///
/// # Errors
/// As [`roll_back`].
pub(crate) fn undo_newest(change: &mut Change<'_>, level: u8) -> JetResult<bool> {
    let transaction = change.transaction.state();
    let Some(of) = change.state.versions.newest(transaction, level) else {
        return Ok(false);
    };
    let undone = undo(change, &of);
    undone.map_err(|error| change.shared.fail(error.in_file(&change.database.path)))?;
    Ok(true)
}

/// Logs the before images of all that a transaction did to a database, so that its pages may be written once the log is
/// durable.
///
/// # Errors
/// The log cannot be appended to; the instance has stopped then.
pub(crate) fn log_undo_info(
    shared: &Shared,
    database: &AttachedDatabase,
    transaction: &Arc<TransactionState>,
) -> JetResult<()> {
    let mut state = database.write_to_end(shared)?;
    if !transaction.is_open() {
        return Ok(());
    }
    let all = state.versions.of_transaction(transaction).to_vec();
    for of in &all {
        let logged = log_one_undo_info(shared, database.dbid, &mut state, of);
        logged.map_err(|error| shared.fail(error))?;
    }
    transaction.set_undo_info(database.dbid, true);
    Ok(())
}

/// What is to be known of a version while its page changes.
struct Undone {
    operation: Operation,
    level: u8,
}

fn undo(change: &mut Change<'_>, of: &VersionOf) -> JetResult<()> {
    let (tree, bookmark) = (of.tree, of.bookmark.name());
    log_one_undo_info(change.shared, change.database.dbid, change.state, of)?;
    let place = change.database.look_in(change.state, |state| {
        let found = seek(state, tree, bookmark)?;
        match found.is_equal {
            true => Ok(found.place),
            false => Err(damaged(
                found.place.pgno,
                "does not have a node that is to be undone",
            )),
        }
    })?;
    let kept = kept_before(change, of, place)?;
    let Some(version) = change.state.versions.get_mut(of) else {
        return Err(JetError::rule(JetErr::InternalError, "a version is gone"));
    };
    let (operation, level) = (version.operation.clone(), version.level);
    let undone = Undone { operation, level };
    let node = node_change(tree, place, OperationFlags::empty(), of.rceid);
    change.undo(node, undoing(&undone.operation), |node| Undo {
        node: NodeOperation {
            page: PageOperation {
                level: undone.level,
                ..node.page
            },
            ..node
        },
        operation: undone_operation(&undone.operation),
        version_level: undone.level,
        key: bookmark.key,
        bookmark_data: bookmark.data,
    })?;
    change.state.versions.forget_newest(change.transaction.state());
    keep_after(change, of, place, &undone.operation, kept)?;
    match undone.operation {
        Operation::Insert => change.state.deleted.push_back(of.clone()),
        Operation::Delta { .. } | Operation::Delta64 { .. } => change.state.added_to.push_back(of.clone()),
        Operation::Replace { .. } | Operation::FlagDelete => {}
    }
    Ok(())
}

/// What the page keeps for all nodes but this one.
fn kept_before(change: &mut Change<'_>, of: &VersionOf, place: super::descend::Place) -> JetResult<usize> {
    let own = change.database.look_in(change.state, |state| {
        let len = node(state, of.tree, place)?.data.len();
        Ok(of_node(state.versions.of(of.tree, of.bookmark.name()), len))
    })?;
    Ok(change.page(place.pgno)?.uncommitted_free().saturating_sub(own))
}

/// Keeps what this node needs now that an operation was undone.
fn keep_after(
    change: &mut Change<'_>,
    of: &VersionOf,
    place: super::descend::Place,
    operation: &Operation,
    kept: usize,
) -> JetResult<()> {
    let Operation::Replace { before } = operation else {
        return Ok(());
    };
    let own = of_node(
        change.state.versions.of(of.tree, of.bookmark.name()),
        before.len(),
    );
    set(change.state, place.pgno, kept + own)
}

/// Logs the before image of a replacement or deletion, unless it is in the log.
fn log_one_undo_info(shared: &Shared, dbid: u8, state: &mut DatabaseState, of: &VersionOf) -> JetResult<()> {
    let bookmark = of.bookmark.name();
    let size_most = longest_before(state.versions.of(of.tree, bookmark));
    let Some(version) = state.versions.get_mut(of) else {
        return Ok(());
    };
    let before_image: &[u8] = match &version.operation {
        Operation::Replace { before } => before,
        Operation::FlagDelete => &[],
        _ => return Ok(()),
    };
    if version.has_undo_info {
        return Ok(());
    }
    let record = LogRecord::UndoInfo(UndoInfo {
        node: node_of_version(dbid, of, version),
        operation: undone_operation(&version.operation),
        size_most: match before_image {
            [] => 0,
            _ => i16::try_from(size_most).unwrap_or(i16::MAX),
        },
        size_change: 0,
        key: bookmark.key,
        bookmark_data: bookmark.data,
        before_image,
    });
    shared.log.append(&[record])?;
    version.has_undo_info = true;
    Ok(())
}

/// As in the record of the operation, but for dbtimes, line and the flag VERSIONED.
fn node_of_version(dbid: u8, of: &VersionOf, version: &Version) -> NodeOperation {
    NodeOperation {
        page: PageOperation {
            session: version.transaction.session(),
            database: dbid,
            page: version.page,
            dbtime: DBTIME_NIL,
            dbtime_before: DBTIME_NIL,
            trx: version.transaction.trx(),
            level: version.level,
            line: to_u16(0),
            flags: of.tree.operation_flags(),
        },
        rceid: version.rceid,
        page_fdp: of.tree.fdp,
        objid: of.tree.objid,
    }
}

fn undoing(operation: &Operation) -> Undoing<'_> {
    match operation {
        Operation::Insert => Undoing::Insert,
        Operation::Replace { before } => Undoing::Replace { before },
        Operation::FlagDelete => Undoing::FlagDelete,
        &Operation::Delta { offset, delta } => Undoing::Delta { offset, delta },
        &Operation::Delta64 { offset, delta } => Undoing::Delta64 { offset, delta },
    }
}

fn undone_operation(operation: &Operation) -> UndoneOperation {
    match operation {
        Operation::Insert => UndoneOperation::Insert,
        Operation::Replace { .. } => UndoneOperation::Replace,
        Operation::FlagDelete => UndoneOperation::FlagDelete,
        Operation::Delta { .. } => UndoneOperation::Delta,
        Operation::Delta64 { .. } => UndoneOperation::Delta64,
    }
}
