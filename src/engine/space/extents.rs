//! The extents of a tree as nodes of its space trees, OE and AE: found, changed, put in and taken out (database-file.md
//! section 5.3).
//!
//! Keys are last pages, so that the first node from the key of a page on is the extent with that page, if there is one.
//! Pools other than the general one sort after all of it and are left alone.

use crate::engine::bookmark::TreeId;
use crate::engine::change::{Change, NodeChange};
use crate::engine::state::{DatabaseState, Look};
use crate::engine::tree;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{
    FlagInsertAndReplaceData, Insert, LogRecord, NodeDeletion, OperationFlags, Replace,
};
use crate::format::{Extent, FormatError, Page, PageFlags, SpaceNode, Structure};
use std::cmp::Ordering;

/// More levels than any tree has.
const LEVELS_MOST: usize = 32;
/// Bytes of the key and of the data of a node.
const WORD: u16 = 4;
/// Bytes that a node takes of a page's room: length of the key, key, data, tag.
const NODE_COST: usize = 2 + 4 + 4 + 4;

/// How many pages are wanted, in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Fewer are of no use.
    pub(super) least: u32,
    /// More are not taken.
    pub(super) best: u32,
}

/// A node of a space tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Where it is.
    pgno: u32,
    line: u16,
    /// How many nodes its page has.
    nodes: usize,
    /// Its pages.
    pub(super) extent: Extent,
    /// It has the delete flag: it stands for no pages.
    pub(super) is_deleted: bool,
}

impl Found {
    /// The first of its pages.
    pub(super) fn first(&self) -> u32 {
        first_of(self.extent)
    }
}

/// The first page of an extent that is not empty.
pub(super) fn first_of(extent: Extent) -> u32 {
    *extent.pages().start()
}

/// The extent of the pages `first..=last`.
pub(super) fn run(first: u32, last: u32) -> Extent {
    Extent {
        last,
        count: last.saturating_sub(first).saturating_add(1),
    }
}

/// The first extent that ends at `page` or after it.
///
/// # Errors
/// The space tree is damaged, or cannot be read.
pub(super) fn at_or_after(change: &mut Change<'_>, tree: TreeId, page: u32) -> JetResult<Option<Found>> {
    search(change, tree, |_| Choice::Take, page)
}

/// The last extent.
///
/// # Errors
/// As [`at_or_after`].
pub(super) fn last(change: &mut Change<'_>, tree: TreeId) -> JetResult<Option<Found>> {
    let mut last = None;
    let look = |state: &DatabaseState| {
        last = None;
        let leaf = leaf_of(state, tree, None)?;
        let page = view(state, tree, leaf)?;
        // Other pools, and extents without pages, come after it.
        for line in (0..page.node_count()).rev() {
            last = read(&page, line)?;
            if last.is_some_and(|found| !found.is_deleted) {
                break;
            }
        }
        Ok(last)
    };
    change.database.look_in(change.state, look)
}

/// What to do with an extent that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// It is the one.
    Take,
    /// It is the one if there is no better one.
    Keep,
    /// Look on.
    Pass,
}

/// The first extent from page `from` on of which `choose` says [`Choice::Take`]; else the largest one to keep.
///
/// # Errors
/// As [`at_or_after`].
pub(super) fn search(
    change: &mut Change<'_>,
    tree: TreeId,
    choose: impl Fn(&Found) -> Choice,
    from: u32,
) -> JetResult<Option<Found>> {
    let look = |state: &DatabaseState| {
        let mut kept = None;
        let mut leaf = Some(leaf_of(state, tree, Some(from))?);
        // More leaves than pages means a cycle.
        for _ in 0..state.last_page {
            let Some(pgno) = leaf else { return Ok(kept) };
            let page = view(state, tree, pgno)?;
            let key = from.to_be_bytes();
            let start = page.first_where(|node| node.compare_key(&key) != Ordering::Less)?;
            for line in start..page.node_count() {
                let Some(found) = read(&page, line)? else {
                    return Ok(kept);
                };
                if found.is_deleted {
                    continue;
                }
                match choose(&found) {
                    Choice::Take => return Ok(Some(found)),
                    Choice::Keep => kept = larger(kept, found),
                    Choice::Pass => {}
                }
            }
            leaf = page.next();
        }
        Err(damaged("has leaves that follow each other in a circle").into())
    };
    change.database.look_in(change.state, look)
}

fn larger(kept: Option<Found>, found: Found) -> Option<Found> {
    let is_larger = kept.is_none_or(|kept| found.extent.count > kept.extent.count);
    if is_larger { Some(found) } else { kept }
}

/// All extents.
///
/// # Errors
/// As [`at_or_after`].
pub(super) fn all(change: &mut Change<'_>, tree: TreeId) -> JetResult<Vec<Extent>> {
    let mut extents = Vec::new();
    let mut from = 1;
    while let Some(found) = at_or_after(change, tree, from)? {
        extents.push(found.extent);
        from = match found.extent.last.checked_add(1) {
            Some(next) => next,
            None => break,
        };
    }
    Ok(extents)
}

/// Puts an extent in, which must not be there. The space tree may be split.
///
/// # Errors
/// It is there; the record cannot be applied or logged; no page can be had for a split.
pub(super) fn insert(change: &mut Change<'_>, tree: TreeId, extent: Extent) -> JetResult<()> {
    let key = extent.last.to_be_bytes();
    let data = extent.count.to_le_bytes();
    let look = |state: &DatabaseState| {
        let leaf = leaf_of(state, tree, Some(extent.last))?;
        let page = view(state, tree, leaf)?;
        let line = page.first_where(|node| node.compare_key(&key) != Ordering::Less)?;
        let found = if line < page.node_count() {
            read(&page, line)?
        } else {
            None
        };
        let same = found.filter(|found| found.extent.last == extent.last);
        Ok((leaf, line, same, state.page(leaf)?.room()))
    };
    let (pgno, line, same, room) = change.database.look_in(change.state, look)?;
    match same {
        Some(found) if !found.is_deleted => Err(twice(change, tree, extent)),
        Some(found) => change.node(found.change(tree), |node| {
            LogRecord::FlagInsertAndReplaceData(FlagInsertAndReplaceData {
                node,
                rceid_replace: 0,
                key: &key,
                data: &data,
            })
        }),
        None if room < NODE_COST => tree::insert_unversioned(change, tree, &key, &data),
        None => {
            let line = u16::try_from(line).unwrap_or(u16::MAX);
            change.node(unversioned(tree, pgno, line), |node| {
                LogRecord::Insert(Insert {
                    node,
                    prefix_len: 0,
                    key: &key,
                    data: &data,
                })
            })
        }
    }
}

/// Leaves only the last `count` pages of an extent, or makes it longer at its front; none takes it out. Returns nothing:
/// what was found before is no more.
///
/// # Errors
/// The record cannot be applied or logged.
pub(super) fn resize(change: &mut Change<'_>, tree: TreeId, found: Found, count: u32) -> JetResult<()> {
    if count == 0 {
        return remove(change, tree, found);
    }
    let data = count.to_le_bytes();
    change.node(found.change(tree), |node| {
        LogRecord::Replace(Replace {
            node,
            stored_len: WORD,
            old_len: WORD,
            new_len: WORD,
            image: &data,
        })
    })
}

/// Takes an extent out. The last node of a page stays, with the delete flag: no page of the tree gets empty.
///
/// # Errors
/// The record cannot be applied or logged.
pub(super) fn remove(change: &mut Change<'_>, tree: TreeId, found: Found) -> JetResult<()> {
    change.node(found.change(tree), |node| {
        let deletion = NodeDeletion { node };
        if found.nodes > 1 {
            LogRecord::Delete(deletion)
        } else {
            LogRecord::FlagDelete(deletion)
        }
    })
}

impl Found {
    fn change(&self, tree: TreeId) -> NodeChange {
        unversioned(tree, self.pgno, self.line)
    }
}

fn unversioned(tree: TreeId, pgno: u32, line: u16) -> NodeChange {
    NodeChange {
        tree,
        pgno,
        line,
        flags: OperationFlags::empty(),
        rceid: 0,
    }
}

/// The leaf where the extent that ends with `page` is or belongs; without it the last leaf.
fn leaf_of(state: &DatabaseState, tree: TreeId, page: Option<u32>) -> Look<u32> {
    let mut pgno = tree.root;
    for _ in 0..LEVELS_MOST {
        let view = view(state, tree, pgno)?;
        if view.is_leaf() {
            return Ok(pgno);
        }
        let last = view.node_count().saturating_sub(1);
        let index = match page.map(u32::to_be_bytes) {
            Some(key) => view
                .first_where(|node| node.key_len() == 0 || node.compare_key(&key) == Ordering::Greater)?
                .min(last),
            None => last,
        };
        pgno = view.child(index)?;
    }
    Err(damaged("has more levels than a tree can have: its pages form a cycle").into())
}

fn view(state: &DatabaseState, tree: TreeId, pgno: u32) -> Look<Page<'_>> {
    let page = state.page(pgno)?.view()?;
    if page.objid() == tree.objid && page.flags().contains(PageFlags::SPACE_TREE) {
        return Ok(page);
    }
    let what = format!("is no page of the space trees of objid {}", tree.objid);
    Err(damaged(what).on_page(pgno).into())
}

/// The extent in a line; `None` if it is of another pool.
fn read(page: &Page<'_>, line: usize) -> Look<Option<Found>> {
    let node = page.node(line)?;
    let space = SpaceNode::read(&node.key(), node.data)?;
    if space.pool != 0 {
        return Ok(None);
    }
    let line = u16::try_from(line).map_err(|_| FormatError::other(Structure::Space, 0, "too many nodes"))?;
    Ok(Some(Found {
        pgno: page.pgno,
        line,
        nodes: page.node_count(),
        extent: space.extent,
        is_deleted: node.is_deleted() || space.extent.count == 0,
    }))
}

fn damaged(what: impl Into<std::borrow::Cow<'static, str>>) -> JetError {
    JetError::rule(JetErr::SPAvailExtCorrupted, what)
}

/// Pages are to be given to a tree that has them.
pub(super) fn twice(change: &Change<'_>, tree: TreeId, extent: Extent) -> JetError {
    let what = format!(
        "pages {} to {} are to be added to the space of objid {}, which has some of them",
        first_of(extent),
        extent.last,
        tree.objid
    );
    change.database.place(damaged(what), tree.root)
}
