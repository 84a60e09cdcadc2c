//! Finds a node by its bookmark in a tree that is being recovered (log-and-recovery.md section 6.8): lines and pages
//! of the original records may be wrong, since splits move nodes.

use super::database::ReplayedDatabase;
use super::session::Bookmark;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{FormatError, Node, Page};
use std::cmp::Ordering;

/// More levels than any tree has.
const MAX_DEPTH: usize = 32;

/// Page and line of the node; `None` if the tree does not have it.
///
/// # Errors
/// The tree is damaged.
pub(super) fn find_bookmark(
    database: &mut ReplayedDatabase,
    root: u32,
    objid: u32,
    bookmark: &Bookmark,
) -> JetResult<Option<(u32, u16)>> {
    let mut pgno = root;
    for _ in 0..MAX_DEPTH {
        match step(database, pgno, objid, bookmark)? {
            Step::Down(child) => pgno = child,
            Step::Found(line) => return Ok(Some((pgno, line))),
            Step::Missing => return Ok(None),
        }
    }
    let what = "is the root of more levels than a tree can have: its pages form a cycle";
    Err(database
        .overlay
        .place(JetError::rule(JetErr::DatabaseCorrupted, what), root))
}

enum Step {
    Down(u32),
    Found(u16),
    Missing,
}

fn step(database: &mut ReplayedDatabase, pgno: u32, objid: u32, bookmark: &Bookmark) -> JetResult<Step> {
    let found = {
        let page = database.look_at(pgno)?;
        page.view().and_then(|view| {
            if view.objid() != objid {
                let what = format!("belongs to object {}, not to {objid}", view.objid());
                return Err(FormatError::other(crate::format::Structure::Page, 0, what));
            }
            if view.is_leaf() {
                find_on_leaf(&view, bookmark)
            } else {
                choose_child(&view, bookmark)
            }
        })
    };
    found.map_err(|error| database.overlay.place(JetError::format(error), pgno))
}

/// A separator is greater than all that is below it; the empty one of the last child has no bound.
fn choose_child(page: &Page<'_>, bookmark: &Bookmark) -> Result<Step, FormatError> {
    let count = page.node_count();
    let index = page
        .first_where(|node| node.key_len() == 0 || compare_separator(node, bookmark) == Ordering::Greater)?;
    page.child(index.min(count.saturating_sub(1))).map(Step::Down)
}

fn find_on_leaf(page: &Page<'_>, bookmark: &Bookmark) -> Result<Step, FormatError> {
    let index = page.first_where(|node| compare(node, bookmark) != Ordering::Less)?;
    if index >= page.node_count() || compare(&page.node(index)?, bookmark) != Ordering::Equal {
        return Ok(Step::Missing);
    }
    Ok(Step::Found(u16::try_from(index).unwrap_or(u16::MAX)))
}

/// The key decides; in a tree whose keys are not unique the data do where keys are equal.
fn compare(node: &Node<'_>, bookmark: &Bookmark) -> Ordering {
    let by_key = node.compare_key(&bookmark.key);
    if by_key != Ordering::Equal || bookmark.data.is_empty() {
        return by_key;
    }
    node.data.cmp(bookmark.data.as_slice())
}

/// A separator is compared with key and data as one string.
fn compare_separator(node: &Node<'_>, bookmark: &Bookmark) -> Ordering {
    let whole = bookmark.key.iter().chain(&bookmark.data);
    node.prefix.iter().chain(node.suffix).cmp(whole)
}
