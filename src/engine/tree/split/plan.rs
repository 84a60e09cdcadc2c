//! What happens to one page of a split: which lines stay, which move, and what both pages have as prefix.

use super::super::descend::{node_of, on_page};
use super::super::insert::to_u16;
use super::super::limits::{capacity, whole_cost};
use super::super::order::separator;
use super::super::reserve::{longest_before, of_lines};
use super::Pending;
use super::point::{balanced, beside, fullest};
use super::prefix::{Item, select};
use crate::engine::bookmark::TreeId;
use crate::engine::state::{DatabaseState, Look};
use crate::error::{JetErr, JetError};
use crate::format::log_record::{PageOperation, Split, SplitOperation, SplitType};
use crate::format::{FormatError, NodeFlags, NodeParts, Page, PageFlags};
use crate::recovery::shared_prefix;
use std::borrow::Cow;

/// Bytes of a pointer to a page.
const POINTER_LEN: usize = 4;

/// One page of a split.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) pgno: u32,
    /// The new page; 0 before it is taken.
    pub(super) new: u32,
    /// The right sibling of a leaf; 0 is none.
    pub(super) right: u32,
    pub(super) split_type: SplitType,
    pub(super) operation: SplitOperation,
    pub(super) line_operation: usize,
    line_split: usize,
    line_count: usize,
    /// The line whose key becomes the prefix of the page.
    prefix_split: Option<usize>,
    /// The same of the new page, from `line_split`.
    prefix_new: Option<usize>,
    /// What is kept for rollbacks on the page and on the new one.
    kept: [usize; 2],
    /// What comes before the pointer to the new page; nothing for a root.
    pub(super) separator: Vec<u8>,
    old_prefix: Vec<u8>,
    new_prefix: Vec<u8>,
    /// Flags of the new page, and of the page afterwards.
    flags: [PageFlags; 2],
}

impl Level {
    /// Whether lines move that are on the page.
    pub(super) fn moves_lines(&self) -> bool {
        let only_the_new_one = self.operation == SplitOperation::Insert
            && self.line_split == self.line_operation
            && self.line_split + 1 == self.line_count;
        self.split_type != SplitType::Append && !only_the_new_one
    }

    /// The record, but for the pages around, and the image.
    pub(super) fn record(&self, tree: TreeId, page: PageOperation) -> Split<'_> {
        let line = |line: Option<usize>| line.map_or(-1, |line| i32::from(to_u16(line)));
        let [source, new] = self.kept.map(|kept| i16::try_from(kept).unwrap_or(i16::MAX));
        let [new_flags, split_flags] = self.flags.map(|flags| flags.bits());
        Split {
            page_new: self.new,
            page_right: self.right,
            split_type: self.split_type,
            operation: self.operation,
            line_operation: to_u16(self.line_operation),
            line_split: to_u16(self.line_split),
            line_count: to_u16(self.line_count),
            new_page_flags: new_flags,
            split_page_flags: split_flags,
            uncommitted_free_source: source,
            uncommitted_free_new: new,
            line_prefix_split: line(self.prefix_split),
            line_prefix_new: line(self.prefix_new),
            parent_key: &self.separator,
            old_prefix: &self.old_prefix,
            new_prefix: &self.new_prefix,
            ..super::pointer_only(tree, page, 0)
        }
    }
}

/// How a leaf is split that has no room for `pending` at `line`.
///
/// # Errors
/// The page is damaged.
pub(super) fn leaf(
    state: &DatabaseState,
    tree: TreeId,
    page: &Page<'_>,
    line: usize,
    pending: Pending<'_>,
) -> Look<Level> {
    let kept = of_lines(state, tree, page)?;
    let is_root = page.flags().contains(PageFlags::ROOT);
    let fail = |error| on_page(page.pgno, error);
    if let Pending::Insert { key, data, .. } = pending
        && line == page.node_count()
        && page.next().is_none()
        && !is_root
    {
        let item = Item::new(Cow::Borrowed(key), data);
        return append(tree, page, kept.iter().sum(), &item).map_err(fail);
    }
    let mut items = items_of(page, &kept)?;
    if is_root {
        return Ok(vertical(page, &items));
    }
    let size = page.size;
    match pending {
        Pending::Insert { key, data, .. } => {
            items.insert(line, Item::new(Cow::Borrowed(key), data));
            let prefix = page.prefix_key().map_err(fail)?;
            if let Some(point) = balanced(&items, prefix, capacity(size)) {
                return right(tree, page, &items, point, Some(line)).map_err(fail);
            }
            items.remove(line);
            let point = beside(line, items.len());
            right(tree, page, &items, point, None).map_err(fail)
        }
        Pending::Grow { .. } if items.len() < 2 => {
            // Its key is compressed with the prefix of a node that is gone: only a split could store it anew.
            let what = "the record and the prefix of its page together are longer than a page";
            Err(JetError::rule(JetErr::RecordTooBig, what)
                .on_page(page.pgno)
                .into())
        }
        Pending::Grow { len } => {
            if let Some(item) = items.get_mut(line) {
                let versions = state.versions.of(tree, tree.bookmark(&item.key, item.data));
                let longest = longest_before(versions).max(item.len);
                (item.len, item.kept) = (len, longest.saturating_sub(len));
            }
            let prefix = page.prefix_key().map_err(fail)?;
            let point = balanced(&items, prefix, capacity(size));
            let point = point.unwrap_or_else(|| beside(line, items.len()));
            // The node grows afterwards: what is kept is what is kept now.
            let items = items_of(page, &kept)?;
            right(tree, page, &items, point, None).map_err(fail)
        }
    }
}

/// How an internal page is split that has no room for the pointer to the new page of the level `below`, to which its
/// line `line` points.
///
/// # Errors
/// The page is damaged.
pub(super) fn internal(tree: TreeId, page: &Page<'_>, line: usize, below: &Level) -> Look<Level> {
    let mut items = items_of(page, &vec![0; page.node_count()])?;
    if page.flags().contains(PageFlags::ROOT) {
        return Ok(vertical(page, &items));
    }
    items.insert(line, Item::pointer(Cow::Borrowed(&below.separator)));
    let fail = |error| on_page(page.pgno, error);
    let prefix = page.prefix_key().map_err(fail)?;
    // The pages of a sequential load stay full on all levels.
    let is_last = line + 2 == items.len();
    let choose = if is_last && below.is_append() {
        fullest
    } else {
        balanced
    };
    let point = choose(&items, prefix, capacity(page.size));
    let point = point.ok_or_else(|| {
        let what = "has pointers that find no room on two pages";
        super::super::descend::damaged(page.pgno, what)
    })?;
    right(tree, page, &items, point, Some(line)).map_err(fail)
}

impl Level {
    fn is_append(&self) -> bool {
        self.split_type == SplitType::Append
            || self.operation == SplitOperation::Insert
                && self.line_split + 1 == self.line_count
                && self.right == 0
    }
}

/// Whether an internal page has room for a pointer before which this separator comes.
///
/// # Errors
/// The page is damaged.
pub(in super::super) fn has_room_for_pointer(page: &Page<'_>, separator: &[u8]) -> Result<bool, FormatError> {
    let prefix_len = shared_prefix(page.prefix_key()?, separator);
    let pointer = NodeParts {
        flags: NodeFlags::empty(),
        prefix_len,
        suffix: separator.get(prefix_len..).unwrap_or_default(),
        data: &[0; POINTER_LEN],
    };
    let header = page.header;
    let room = usize::from(header.free.saturating_sub(header.uncommitted_free));
    Ok(pointer.cost() <= room)
}

/// Only the new node is on the new page.
fn append(tree: TreeId, page: &Page<'_>, kept: usize, new: &Item<'_>) -> Result<Level, FormatError> {
    let line = page.node_count();
    let separator = match line.checked_sub(1) {
        Some(last) => {
            let last = page.node(last)?;
            separator(tree.bookmark(&last.key(), last.data), new.bookmark(tree))
        }
        None => Vec::new(),
    };
    // With its key as prefix the first node takes two bytes more, and the next ones less.
    let with_prefix = whole_cost(new.key.len(), new.len) + 2;
    let takes_prefix = new.key.len() > 2 && with_prefix <= capacity(page.size);
    Ok(Level {
        split_type: SplitType::Append,
        operation: SplitOperation::Insert,
        line_operation: line,
        line_split: line,
        line_count: line + 1,
        prefix_new: takes_prefix.then_some(0),
        kept: [kept, 0],
        separator,
        old_prefix: page.prefix_key()?.to_vec(),
        ..whole(page)
    })
}

/// The lines from `point` on go to the new page. `inserted`: the item that is not on the page yet.
fn right(
    tree: TreeId,
    page: &Page<'_>,
    items: &[Item<'_>],
    point: usize,
    inserted: Option<usize>,
) -> Result<Level, FormatError> {
    let (stay, move_) = items
        .split_at_checked(point)
        .filter(|(stay, moving)| !stay.is_empty() && !moving.is_empty())
        .ok_or_else(|| FormatError::misfit("the page has too few nodes to be split"))?;
    let old_prefix = page.prefix_key()?;
    let (prefix_split, prefix_new) = (select(stay, old_prefix), select(move_, old_prefix));
    let between = match (stay.last(), move_.first()) {
        (Some(left), Some(_)) if !page.is_leaf() => left.key.to_vec(),
        (Some(left), Some(right)) => separator(left.bookmark(tree), right.bookmark(tree)),
        _ => Vec::new(),
    };
    let new_prefix = prefix_split.and_then(|line| stay.get(line));
    Ok(Level {
        split_type: SplitType::Right,
        operation: match inserted {
            Some(_) => SplitOperation::Insert,
            None => SplitOperation::None,
        },
        line_operation: inserted.unwrap_or(0),
        line_split: point,
        line_count: items.len(),
        prefix_split,
        prefix_new,
        kept: [kept(stay), kept(move_)],
        separator: between,
        old_prefix: old_prefix.to_vec(),
        new_prefix: new_prefix.map(|item| item.key.to_vec()).unwrap_or_default(),
        ..whole(page)
    })
}

/// All lines of a root go to a page below it.
fn vertical(page: &Page<'_>, items: &[Item<'_>]) -> Level {
    let flags = page.flags();
    let mut split_flags = flags - PageFlags::LEAF - PageFlags::PARENT_OF_LEAF;
    split_flags.set(PageFlags::PARENT_OF_LEAF, flags.contains(PageFlags::LEAF));
    Level {
        split_type: SplitType::Vertical,
        line_count: items.len(),
        prefix_new: select(items, &[]),
        kept: [0, kept(items)],
        flags: [flags - PageFlags::ROOT, split_flags],
        right: 0,
        ..whole(page)
    }
}

/// A level of which nothing is decided yet.
fn whole(page: &Page<'_>) -> Level {
    Level {
        pgno: page.pgno,
        new: 0,
        right: page.next().filter(|_| page.is_leaf()).unwrap_or(0),
        split_type: SplitType::Right,
        operation: SplitOperation::None,
        line_operation: 0,
        line_split: 0,
        line_count: 0,
        prefix_split: None,
        prefix_new: None,
        kept: [0, 0],
        separator: Vec::new(),
        old_prefix: Vec::new(),
        new_prefix: Vec::new(),
        flags: [page.flags(), page.flags()],
    }
}

fn kept(items: &[Item<'_>]) -> usize {
    items.iter().map(|item| item.kept).sum()
}

fn items_of<'p>(page: &Page<'p>, kept: &[usize]) -> Look<Vec<Item<'p>>> {
    let lines = kept.iter().enumerate();
    lines
        .map(|(line, &kept)| {
            let node = node_of(page, line)?;
            let item = Item::new(node.key(), node.data);
            Ok(Item { kept, ..item })
        })
        .collect()
}
