//! Merge2: the lines of a leaf move to a sibling, or the leaf becomes empty, and its parents forget it
//! (log-and-recovery.md section 4.6).

use super::fault::misfit;
use super::line::{Line, shared_prefix};
use super::split::check_pointer;
use super::taken::{before_image, check_distinct, put_back, take_older};
use crate::error::JetResult;
use crate::format::log_record::{Merge, MergeFlags, MergeType};
use crate::format::{NodeFlags, PageBuffer};
use crate::recovery::pages::{PageChange, RedoPages};

/// Applies the macro of a merge: its levels as they were logged, root side first; the last one is the leaf.
///
/// # Errors
/// Those of the pages; `JET_errLogCorrupted` where the records contradict each other or the pages;
/// `JET_errDatabaseCorrupted` where a page has no room, or an image is needed and not there.
pub fn apply_merge(pages: &mut dyn RedoPages, levels: &[Merge<'_>]) -> JetResult<()> {
    let Some((leaf, parents)) = levels.split_last() else {
        return Ok(());
    };
    let named = levels.iter().map(|level| level.page.page);
    check_distinct(named.chain([leaf.page_left, leaf.page_right]))?;
    let children = levels.iter().skip(1);
    for (parent, child) in parents.iter().zip(children) {
        let Some(mut page) = take_older(pages, own_change(parent), parent.objid)? else {
            continue;
        };
        let changed = change_parent(&mut page, parent, child.page.page, leaf);
        changed.map_err(|error| error.on_page(parent.page.page))?;
        pages.put(page);
    }
    merge_leaf(pages, leaf)
}

fn own_change(record: &Merge<'_>) -> PageChange {
    PageChange {
        page: record.page.page,
        dbtime: record.page.dbtime,
        dbtime_before: record.page.dbtime_before,
    }
}

/// What a merge does to a level above the leaf.
fn change_parent(page: &mut PageBuffer, record: &Merge<'_>, child: u32, leaf: &Merge<'_>) -> JetResult<()> {
    let line = usize::from(record.page.line);
    let flags = record.merge_flags;
    let (changes_key, deletes) = (
        flags.contains(MergeFlags::KEY_CHANGE),
        flags.contains(MergeFlags::DELETE_NODE),
    );
    if changes_key && !deletes && leaf.separator_key.is_empty() {
        return Err(misfit(page.pgno(), "a merge changes a key, and has none"));
    }
    match (deletes, changes_key) {
        (true, true) if leaf.merge_type == MergeType::FullLeft => {
            check_pointer(page, line, child)?;
            page.replace_data(line, &leaf.page_left.to_le_bytes())?;
            page.delete_node(line_before(page, line)?)?;
        }
        (true, true) => {
            return Err(misfit(
                page.pgno(),
                "only a merge to the left changes key and line",
            ));
        }
        (true, false) => delete_pointer(page, line)?,
        (false, true) if leaf.merge_type == MergeType::PartialLeft => {
            change_key(page, line_before(page, line)?, leaf.separator_key)?;
        }
        (false, true) => change_key(page, line, leaf.separator_key)?,
        (false, false) if flags.contains(MergeFlags::EMPTY_PAGE) => {}
        (false, false) => return Err(misfit(page.pgno(), "a merge that does nothing to a page")),
    }
    if flags.contains(MergeFlags::EMPTY_PAGE) {
        page.make_empty()?;
    }
    Ok(())
}

fn line_before(page: &PageBuffer, line: usize) -> JetResult<usize> {
    line.checked_sub(1)
        .ok_or_else(|| misfit(page.pgno(), "a merge needs the line before the first one"))
}

/// Removes a pointer. If it was the last one of its level, which has no key, then the one before becomes that.
fn delete_pointer(page: &mut PageBuffer, line: usize) -> JetResult<()> {
    let was_last_of_level = page.view()?.node(line)?.key_len() == 0;
    page.delete_node(line)?;
    if was_last_of_level {
        change_key(page, line_before(page, line)?, &[])?;
    }
    Ok(())
}

/// Gives a pointer another key: it is deleted and stored anew, as the engine does.
fn change_key(page: &mut PageBuffer, line: usize, key: &[u8]) -> JetResult<()> {
    let child = page.view()?.child(line)?;
    page.delete_node(line)?;
    let prefix_len = shared_prefix(page.view()?.prefix_key()?, key);
    let pointer = Line::new(key, &child.to_le_bytes());
    page.insert_node(line, pointer.parts(prefix_len))?;
    Ok(())
}

/// Where the lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Left,
    Right,
}

fn merge_leaf(pages: &mut dyn RedoPages, record: &Merge<'_>) -> JetResult<()> {
    let (direction, is_partial) = match record.merge_type {
        MergeType::EmptyPage => (None, false),
        MergeType::FullRight => (Some(Direction::Right), false),
        MergeType::PartialRight => (Some(Direction::Right), true),
        MergeType::FullLeft => (Some(Direction::Left), false),
        MergeType::PartialLeft => (Some(Direction::Left), true),
        other => return Err(misfit(record.page.page, format!("a merge of type {other:?}"))),
    };
    let empties = record.merge_flags.contains(MergeFlags::EMPTY_PAGE);
    if empties && is_partial {
        return Err(misfit(
            record.page.page,
            "a merge empties a page of which it moves a part",
        ));
    }
    let mut source = take_older(pages, own_change(record), record.objid)?;
    let mut left = take_sibling(pages, record, record.page_left, record.dbtime_left_before)?;
    let mut right = take_sibling(pages, record, record.page_right, record.dbtime_right_before)?;
    if let Some(direction) = direction {
        let destination = match direction {
            Direction::Left => &mut left,
            Direction::Right => &mut right,
        };
        if let Some(destination) = destination {
            let moved = match &source {
                Some(source) => move_lines(record, direction, source, destination),
                None => move_lines(record, direction, &image(pages, record)?, destination),
            };
            moved.map_err(|error| error.on_page(destination.pgno()))?;
        }
        if let Some(source) = source.as_mut().filter(|_| is_partial) {
            delete_moved(record, direction, source).map_err(|error| error.on_page(record.page.page))?;
        }
    }
    if !is_partial {
        link(record, &mut left, &mut right);
    }
    if let Some(source) = source.as_mut().filter(|_| empties) {
        source.make_empty()?;
    }
    put_back(pages, [source, left, right]);
    Ok(())
}

fn take_sibling(
    pages: &mut dyn RedoPages,
    record: &Merge<'_>,
    page: u32,
    dbtime_before: u64,
) -> JetResult<Option<PageBuffer>> {
    if page == 0 {
        return Ok(None);
    }
    let dbtime = record.page.dbtime;
    let change = PageChange {
        page,
        dbtime,
        dbtime_before,
    };
    take_older(pages, change, record.objid)
}

fn image(pages: &dyn RedoPages, record: &Merge<'_>) -> JetResult<PageBuffer> {
    before_image(pages, record.page.page, record.before_image, record.image_flags)
}

/// The lines that move, of a page with `count` lines.
fn moved(record: &Merge<'_>, direction: Direction, count: usize) -> JetResult<std::ops::Range<usize>> {
    let line = usize::from(record.line_merge);
    if line >= count {
        return Err(misfit(
            record.page.page,
            format!("a merge from line {line} of {count}"),
        ));
    }
    Ok(match direction {
        Direction::Right => line..count,
        Direction::Left => 0..line + 1,
    })
}

/// Stores the lines on the sibling, the last one first, each before those that are there; deleted ones stay behind.
fn move_lines(
    record: &Merge<'_>,
    direction: Direction,
    source: &PageBuffer,
    destination: &mut PageBuffer,
) -> JetResult<()> {
    let lines = Line::all(source)?;
    let range = moved(record, direction, lines.len())?;
    let target = match direction {
        Direction::Right => 0,
        Direction::Left => destination.node_count(),
    };
    let prefix = destination.view()?.prefix_key()?.to_vec();
    // Stale until the end, and no reason to refuse what the record says to be on the page.
    destination.set_uncommitted_free(0);
    for line in lines.get(range).unwrap_or_default().iter().rev() {
        if !line.flags.contains(NodeFlags::DELETED) {
            destination.insert_node(target, line.parts(shared_prefix(&prefix, &line.key)))?;
        }
    }
    destination.set_uncommitted_free(usize::from(record.uncommitted_free_destination));
    Ok(())
}

/// A part has moved: its lines go, the deleted ones among them too.
fn delete_moved(record: &Merge<'_>, direction: Direction, source: &mut PageBuffer) -> JetResult<()> {
    for line in moved(record, direction, source.node_count())?.rev() {
        source.delete_node(line)?;
    }
    Ok(())
}

/// The siblings of a page that is gone are siblings of each other.
fn link(record: &Merge<'_>, left: &mut Option<PageBuffer>, right: &mut Option<PageBuffer>) {
    if let Some(left) = left {
        left.set_next(record.page_right);
    }
    if let Some(right) = right {
        right.set_prev(record.page_left);
    }
}
