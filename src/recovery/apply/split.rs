//! Split2: lines move to a new page, and the parent gets a pointer to it (log-and-recovery.md section 4.6).
//!
//! ```text
//! root side   S gets a pointer to the child's new page            (page_new 0)
//!    …        S -> S + N, and one of them gets such a pointer
//! leaf        S -> S + N, and one of them gets the new or longer node; links to the right sibling
//! ```
//!
//! A level is first taken out of the database ([`Level::take`]), then its lines are arranged as they are after the
//! operation ([`Arrangement`]), then those of the new page are stored and those of the split page brought into shape.
//! Everything happens in the order of the engine, so that every byte lies where the engine would have put it.

use super::arrangement::{Arrangement, NodeBefore};
use super::fault::misfit;
use super::line::{Line, shared_prefix};
use super::split_operation::Operation;
use super::taken::{before_image, check_distinct, put_back, take_older};
use crate::error::JetResult;
use crate::format::log_record::{LogRecord, Split, SplitOperation, SplitType};
use crate::format::{PageBuffer, PageFlags};
use crate::recovery::pages::{PageChange, RedoPages};

/// Applies the macro of a split: its levels as they were logged, root side first, and the operation on the leaf, if
/// there is one in the macro.
///
/// Returns what a replacement overwrote, if the page that has it was not newer already.
///
/// # Errors
/// Those of the pages; `JET_errLogCorrupted` where the records contradict each other or the pages;
/// `JET_errDatabaseCorrupted` where a page has no room, or an image is needed and not there.
pub fn apply_split(
    pages: &mut dyn RedoPages,
    levels: &[Split<'_>],
    leaf: Option<&LogRecord<'_>>,
) -> JetResult<Option<NodeBefore>> {
    let named = levels
        .iter()
        .flat_map(|level| [level.page.page, level.page_new, level.page_right]);
    check_distinct(named)?;
    let mut before = None;
    let children = levels.iter().skip(1).map(Some).chain([None]);
    for (record, child) in levels.iter().zip(children) {
        let operation = Operation::of(record, child, leaf)?;
        check_level(record, &operation, child)?;
        let mut level = Level::take(pages, record, child)?;
        let applied = level.apply(&operation);
        before = applied.map_err(|error| error.on_page(record.page.page))?;
        level.put(pages);
    }
    Ok(before)
}

/// What the engine takes for granted.
fn check_level(record: &Split<'_>, operation: &Operation<'_>, child: Option<&Split<'_>>) -> JetResult<()> {
    let page = record.page.page;
    if child.is_some_and(|child| child.page_new == 0 || child.parent_key.is_empty()) {
        return Err(misfit(
            page,
            "a split of a level whose child has no new page, or no separator",
        ));
    }
    if record.page_new == 0 {
        return match child {
            Some(_) => Ok(()),
            None => Err(misfit(page, "the last level of a split has no new page")),
        };
    }
    let vertical = match record.split_type {
        SplitType::Vertical => true,
        SplitType::Right | SplitType::Append => false,
        SplitType::Unknown(number) => return Err(misfit(page, format!("split type {number} is not known"))),
    };
    let operated = operation.kind == SplitOperation::None || record.line_operation < record.line_count;
    let root_alone = !vertical || record.page_right == 0;
    if !operated
        || !root_alone
        || vertical != (record.line_split == 0)
        || record.line_split > record.line_count
        || flags_of(record.new_page_flags).contains(PageFlags::ROOT)
        || !is_tree_page(record.new_page_flags)
        || (vertical && !is_tree_page(record.split_page_flags))
        || (vertical && flags_of(record.split_page_flags).contains(PageFlags::LEAF))
        || (child.is_some() && is_leaf(record))
    {
        return Err(misfit(
            page,
            "the lines and pages of a split contradict each other",
        ));
    }
    Ok(())
}

/// Whether these flags can be those of a page with nodes.
fn is_tree_page(flags: u32) -> bool {
    let flags = flags_of(flags);
    let leaf_and_parent = PageFlags::LEAF | PageFlags::PARENT_OF_LEAF;
    !flags.intersects(PageFlags::EMPTY | PageFlags::REPAIR | PageFlags::PRE_INIT)
        && !flags.contains(PageFlags::INDEX | PageFlags::LONG_VALUE)
        && !flags.contains(leaf_and_parent)
}

pub(super) fn flags_of(bits: u32) -> PageFlags {
    PageFlags::from_bits_retain(bits)
}

/// A level of a split, with those of its pages that need the change.
struct Level<'a> {
    record: &'a Split<'a>,
    /// The next level, towards the leaf.
    child: Option<&'a Split<'a>>,
    /// S: the page that is split.
    split: Option<PageBuffer>,
    /// S is newer than the record; `split` is the image of what it was, and only to be read.
    split_is_image: bool,
    /// N: the new page.
    new: Option<PageBuffer>,
    /// R: the right sibling.
    right: Option<PageBuffer>,
}

impl<'a> Level<'a> {
    fn take(
        pages: &mut dyn RedoPages,
        record: &'a Split<'a>,
        child: Option<&'a Split<'a>>,
    ) -> JetResult<Self> {
        let dbtime = record.page.dbtime;
        let mut level = Level {
            record,
            child,
            split: take_older(
                pages,
                PageChange {
                    page: record.page.page,
                    dbtime,
                    dbtime_before: record.page.dbtime_before,
                },
                record.objid,
            )?,
            split_is_image: false,
            new: None,
            right: None,
        };
        if record.page_new == 0 {
            return Ok(level);
        }
        if pages.decide_new(record.page_new, dbtime)? {
            let mut new = PageBuffer::blank(pages.page_size(), record.page_new);
            new.initialise(record.objid, flags_of(record.new_page_flags), dbtime);
            level.new = Some(new);
            level.take_image(pages)?;
        }
        if record.page_right != 0 {
            let change = PageChange {
                page: record.page_right,
                dbtime,
                dbtime_before: record.dbtime_right_before,
            };
            level.right = take_older(pages, change, record.objid)?;
        }
        Ok(level)
    }

    /// Point 7: N needs lines that S no longer has.
    fn take_image(&mut self, pages: &dyn RedoPages) -> JetResult<()> {
        let record = self.record;
        if self.split.is_none() && moves_existing_lines(record) {
            let image = before_image(pages, record.page.page, record.before_image, record.image_flags)?;
            self.split = Some(image);
            self.split_is_image = true;
        }
        Ok(())
    }

    fn apply(&mut self, operation: &Operation<'_>) -> JetResult<Option<NodeBefore>> {
        if self.record.page_new == 0 {
            self.insert_pointer(operation)?;
            return Ok(None);
        }
        let Some(arrangement) = self.arrange(operation)? else {
            self.link();
            return Ok(None);
        };
        if let Some(new) = &mut self.new {
            let filled = arrangement.fill_new(self.record, operation, new);
            filled.map_err(|error| error.on_page(self.record.page_new))?;
        }
        if let Some(split) = &mut self.split
            && !self.split_is_image
        {
            arrangement.shrink_split(self.record, operation, split)?;
        }
        self.point_to_new_child()?;
        self.link();
        self.set_uncommitted_free();
        Ok(arrangement.into_before())
    }

    fn put(self, pages: &mut dyn RedoPages) {
        let split = self.split.filter(|_| !self.split_is_image);
        put_back(pages, [split, self.new, self.right]);
    }

    /// Point 1: the separator before the pointer to the child, which then points to the child's new page.
    fn insert_pointer(&mut self, operation: &Operation<'_>) -> JetResult<()> {
        let (Some(split), Some(child)) = (&mut self.split, self.child) else {
            return Ok(());
        };
        let line = pointer_line(split, operation.key, child)?;
        let prefix_len = shared_prefix(split.view()?.prefix_key()?, operation.key);
        let pointer = Line::new(operation.key, operation.data.whole());
        split.insert_node(line, pointer.parts(prefix_len))?;
        split.replace_data(line + 1, &child.page_new.to_le_bytes())?;
        Ok(())
    }

    /// All lines after the operation; `None` if no page needs them.
    fn arrange(&self, operation: &Operation<'_>) -> JetResult<Option<Arrangement>> {
        match (&self.split, &self.new) {
            (Some(split), _) => Arrangement::of_page(self.record, operation, split).map(Some),
            (None, Some(_)) => Arrangement::of_new_line(self.record, operation).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Point 2: behind the pointer that was inserted is the one to the child's new page.
    fn point_to_new_child(&mut self) -> JetResult<()> {
        let Some(child) = self.child else {
            return Ok(());
        };
        let record = self.record;
        let (line, first_moved) = (
            usize::from(record.line_operation) + 1,
            usize::from(record.line_split),
        );
        let (page, line) = match line.checked_sub(first_moved) {
            Some(line) => (&mut self.new, line),
            None => (&mut self.split, line),
        };
        let Some(page) = page else {
            return Ok(());
        };
        check_pointer(page, line, child.page.page)?;
        page.replace_data(line, &child.page_new.to_le_bytes())?;
        Ok(())
    }

    /// Point 5: only leaves have siblings, and no root has.
    fn link(&mut self) {
        let record = self.record;
        if record.split_type == SplitType::Vertical || !is_leaf(record) {
            return;
        }
        if let Some(new) = &mut self.new {
            new.set_prev(record.page.page);
            new.set_next(record.page_right);
        }
        if let Some(split) = &mut self.split {
            split.set_next(record.page_new);
        }
        if let Some(right) = &mut self.right {
            right.set_prev(record.page_new);
        }
    }

    /// Point 6.
    fn set_uncommitted_free(&mut self) {
        let record = self.record;
        if !is_leaf(record) {
            return;
        }
        let free = [
            (&mut self.new, record.uncommitted_free_new),
            (&mut self.split, record.uncommitted_free_source),
        ];
        for (page, bytes) in free {
            if let Some(page) = page {
                page.set_uncommitted_free(usize::try_from(bytes).unwrap_or(0));
            }
        }
    }
}

pub(super) fn is_leaf(record: &Split<'_>) -> bool {
    flags_of(record.new_page_flags).contains(PageFlags::LEAF)
}

/// Whether N gets lines that were on S, so that it cannot be made without them.
fn moves_existing_lines(record: &Split<'_>) -> bool {
    let only_the_new_one = record.operation == SplitOperation::Insert
        && record.line_split == record.line_operation
        && record.line_split.checked_add(1) == Some(record.line_count);
    match record.split_type {
        SplitType::Append => false,
        SplitType::Right => !only_the_new_one,
        _ => true,
    }
}

/// The line of an internal page that points to a child: the first whose key is greater than the child's new separator;
/// the last one of a level has no key and is greater than all.
fn pointer_line(page: &PageBuffer, separator: &[u8], child: &Split<'_>) -> JetResult<usize> {
    let view = page.view()?;
    let line = view.first_where(|node| node.key_len() == 0 || node.compare_key(separator).is_gt())?;
    if line < view.node_count() {
        check_pointer(page, line, child.page.page)?;
        return Ok(line);
    }
    let what = format!("no line of the page points to page {}", child.page.page);
    Err(misfit(page.pgno(), what))
}

/// Checks that a line points where it should.
pub(super) fn check_pointer(page: &PageBuffer, line: usize, child: u32) -> JetResult<()> {
    let found = page.view()?.child(line)?;
    if found == child {
        return Ok(());
    }
    let what = format!("line {line} points to page {found}, where the log has {child}");
    Err(misfit(page.pgno(), what))
}
