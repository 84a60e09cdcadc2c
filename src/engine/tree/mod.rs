//! B+ trees of a live database (database-file.md section 4, log-and-recovery.md sections 4.4 to 4.6 and 8.3).
//!
//! ```text
//! read:    root ── descend ──> leaf ── find: nodes that the reader sees
//! change:  root ── descend, noting the way ──> leaf ── split until there is room ── one record, one version
//! ```
#![allow(unused_variables, reason = "being built")]

use super::bookmark::{BookmarkRef, TreeId};
use super::change::Change;
use super::open_transaction::OpenTransaction;
use super::shared::Shared;
use super::state::{AttachedDatabase, DatabaseState, Look};
use super::transactions::TransactionState;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::NodeFlags;
use std::borrow::Cow;
use std::sync::Arc;

/// Where a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The leaf.
    pub(crate) pgno: u32,
    /// The line, from 0; one more than there are if it is behind the last one.
    pub(crate) line: usize,
}

/// Where a bookmark belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seek {
    /// Of the first node of this leaf that is not before the bookmark; behind the last line if there is none.
    pub(crate) place: Place,
    /// Whether that node has the bookmark.
    pub(crate) is_equal: bool,
}

/// A node as it stands on its page, deleted or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NodeOnPage<'s> {
    /// Where it is.
    pub(crate) place: Place,
    /// Its flags.
    pub(crate) flags: NodeFlags,
    /// The part of the key that stands in the page's prefix key.
    pub(crate) prefix: &'s [u8],
    /// The rest of the key.
    pub(crate) suffix: &'s [u8],
    /// The data.
    pub(crate) data: &'s [u8],
}

/// A node as a transaction sees it.
#[derive(Debug)]
pub(crate) struct FoundNode<'s> {
    /// As it stands on its page.
    pub(crate) node: NodeOnPage<'s>,
    /// The data that the transaction sees.
    pub(crate) data: Cow<'s, [u8]>,
}

/// Where to look for a node.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From<'b> {
    /// The first of the tree.
    First,
    /// The last of the tree.
    Last,
    /// The one with this bookmark.
    At(BookmarkRef<'b>),
    /// The one with this bookmark, else the next.
    AtOrAfter(BookmarkRef<'b>),
    /// The first after this bookmark.
    After(BookmarkRef<'b>),
    /// The one with this bookmark, else the one before.
    AtOrBefore(BookmarkRef<'b>),
    /// The last before this bookmark.
    Before(BookmarkRef<'b>),
}

fn not_yet<T>() -> JetResult<T> {
    Err(JetError::rule(JetErr::InternalError, "trees are not built yet"))
}

/// Where a bookmark belongs. In a tree whose keys are not unique, a bookmark without data belongs before all nodes of
/// its key.
///
/// # Errors
/// A page is missing; the tree is damaged.
pub(crate) fn seek(state: &DatabaseState, tree: TreeId, bookmark: BookmarkRef<'_>) -> Look<Seek> {
    Ok(not_yet()?)
}

/// The first node, deleted or not.
///
/// # Errors
/// As [`seek`].
pub(crate) fn first(state: &DatabaseState, tree: TreeId) -> Look<Option<Place>> {
    Ok(not_yet()?)
}

/// The last node, deleted or not.
///
/// # Errors
/// As [`seek`].
pub(crate) fn last(state: &DatabaseState, tree: TreeId) -> Look<Option<Place>> {
    Ok(not_yet()?)
}

/// The node after a place, deleted or not.
///
/// # Errors
/// As [`seek`].
pub(crate) fn next(state: &DatabaseState, tree: TreeId, place: Place) -> Look<Option<Place>> {
    Ok(not_yet()?)
}

/// The node before a place, deleted or not.
///
/// # Errors
/// As [`seek`].
pub(crate) fn previous(state: &DatabaseState, tree: TreeId, place: Place) -> Look<Option<Place>> {
    Ok(not_yet()?)
}

/// The node at a place.
///
/// # Errors
/// As [`seek`]; there is none.
pub(crate) fn node(state: &DatabaseState, tree: TreeId, place: Place) -> Look<NodeOnPage<'_>> {
    Ok(not_yet()?)
}

/// The node that a transaction sees there, if it sees one.
///
/// # Errors
/// As [`seek`].
pub(crate) fn find<'s>(
    state: &'s DatabaseState,
    tree: TreeId,
    from: From<'_>,
    reader: &TransactionState,
) -> Look<Option<FoundNode<'s>>> {
    Ok(not_yet()?)
}

/// Inserts a node.
///
/// # Errors
/// `JET_errKeyDuplicate`, `JET_errWriteConflict`, `JET_errKeyTooBig`, `JET_errRecordTooBig`, and no page can be had:
/// then the tree has not changed, or its pages were split and no more.
pub(crate) fn insert(change: &mut Change<'_>, tree: TreeId, key: &[u8], data: &[u8]) -> JetResult<()> {
    not_yet()
}

/// Replaces the data of a node of a tree with unique keys.
///
/// # Errors
/// `JET_errRecordNotFound`, `JET_errWriteConflict`, and as [`insert`].
pub(crate) fn replace(
    change: &mut Change<'_>,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
    data: &[u8],
) -> JetResult<()> {
    not_yet()
}

/// Gives a node the delete flag.
///
/// # Errors
/// `JET_errRecordNotFound`, `JET_errWriteConflict`.
pub(crate) fn delete(change: &mut Change<'_>, tree: TreeId, bookmark: BookmarkRef<'_>) -> JetResult<()> {
    not_yet()
}

/// Adds to the integer at `offset` of a node's data, which others may do at the same time. Returns what it was.
///
/// # Errors
/// `JET_errRecordNotFound`, `JET_errWriteConflict`; there is no integer at `offset`.
pub(crate) fn add(
    change: &mut Change<'_>,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
    offset: u16,
    delta: i32,
) -> JetResult<i32> {
    not_yet()
}

/// The same with eight bytes.
///
/// # Errors
/// As [`add`].
pub(crate) fn add64(
    change: &mut Change<'_>,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
    offset: u16,
    delta: i64,
) -> JetResult<i64> {
    not_yet()
}

/// Inserts a node that makes no version, or brings a deleted one back with other data.
///
/// # Errors
/// `JET_errKeyDuplicate`; as [`insert`].
pub(crate) fn insert_unversioned(
    change: &mut Change<'_>,
    tree: TreeId,
    key: &[u8],
    data: &[u8],
) -> JetResult<()> {
    not_yet()
}

/// Replaces the data of a node without a version.
///
/// # Errors
/// `JET_errRecordNotFound`; as [`insert`].
pub(crate) fn replace_unversioned(
    change: &mut Change<'_>,
    tree: TreeId,
    key: &[u8],
    data: &[u8],
) -> JetResult<()> {
    not_yet()
}

/// Removes a node without a version. The last node of a leaf that is no root stays, with the delete flag.
///
/// # Errors
/// `JET_errRecordNotFound`.
pub(crate) fn delete_unversioned(change: &mut Change<'_>, tree: TreeId, key: &[u8]) -> JetResult<()> {
    not_yet()
}

/// Removes a node that is deleted for everybody, and the leaf if nothing is left on it. Does nothing if the node is
/// gone, is not deleted (any more), or has versions.
///
/// # Errors
/// The tree is damaged; the log cannot be appended to.
pub(crate) fn remove_deleted(
    change: &mut Change<'_>,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
) -> JetResult<()> {
    not_yet()
}

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
    not_yet()
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
    not_yet()
}
