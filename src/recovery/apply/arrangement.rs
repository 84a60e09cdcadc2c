//! Which lines are on which page after a split, and how they get there (log-and-recovery.md section 4.6, points 2 to 4).

use super::fault::misfit;
use super::line::{Line, shared_prefix};
use super::split::{flags_of, is_leaf};
use super::split_operation::Operation;
use super::taken::truncate;
use crate::error::JetResult;
use crate::format::log_record::{Split, SplitOperation, SplitType};
use crate::format::{NodeFlags, NodeParts, PageBuffer, PageFlags};

/// The node that a replacement within a split found, for its undoing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeBefore {
    /// Its key: the whole bookmark, since only trees with unique keys know replacements.
    pub key: Vec<u8>,
    /// Its data before.
    pub data: Vec<u8>,
}

/// The lines of S and N as they are after the operation, which are `record.line_count`.
pub(super) struct Arrangement {
    /// The lines that S has.
    on_page: Vec<Line>,
    /// The line of the operation, as it is after it.
    operated: Option<Line>,
    /// What a replacement overwrites.
    before: Option<NodeBefore>,
    /// The number of the first line that is known: all are, or only the new one.
    first: usize,
    /// Whether `operated` is one more, or takes the place of another.
    is_insertion: bool,
    line_operation: usize,
    line_split: usize,
}

impl Arrangement {
    /// All lines: those of S, and the operation.
    pub(super) fn of_page(
        record: &Split<'_>,
        operation: &Operation<'_>,
        split: &PageBuffer,
    ) -> JetResult<Self> {
        if split.view()?.is_leaf() != is_leaf(record) {
            return Err(misfit(
                record.page.page,
                "a split makes a leaf of an internal page, or the reverse",
            ));
        }
        let line_operation = usize::from(record.line_operation);
        let is_insertion = operation.kind == SplitOperation::Insert;
        let known = split.node_count() + usize::from(is_insertion);
        if known != usize::from(record.line_count) {
            let what = format!(
                "{known} lines where the record of a split has {}",
                record.line_count
            );
            return Err(misfit(record.page.page, what));
        }
        if record.split_type == SplitType::Append && is_new_line_alone(record, operation) {
            return Self::of_new_line(record, operation);
        }
        let on_page = Line::all(split)?;
        let replaced = on_page.get(line_operation).filter(|_| !is_insertion);
        let operated = operation.line(replaced, record.page.page)?;
        let before = replaced.filter(|_| operated.is_some()).map(|line| NodeBefore {
            key: line.key.clone(),
            data: line.data.clone(),
        });
        Ok(Arrangement {
            on_page,
            operated,
            before,
            first: 0,
            is_insertion,
            line_operation,
            line_split: usize::from(record.line_split),
        })
    }

    /// N gets the new line only, and S either is newer or stays as it is.
    pub(super) fn of_new_line(record: &Split<'_>, operation: &Operation<'_>) -> JetResult<Self> {
        if !is_new_line_alone(record, operation) {
            let what = "a split without an image moves more than a new line";
            return Err(misfit(record.page.page, what));
        }
        let line_operation = usize::from(record.line_operation);
        Ok(Arrangement {
            on_page: Vec::new(),
            operated: operation.line(None, record.page.page)?,
            before: None,
            first: line_operation,
            is_insertion: true,
            line_operation,
            line_split: line_operation,
        })
    }

    /// What a replacement overwrites.
    pub(super) fn into_before(self) -> Option<NodeBefore> {
        self.before
    }

    /// Line `index` after the operation.
    fn line(&self, index: usize) -> Option<&Line> {
        let operated = self.operated.as_ref();
        if index == self.line_operation && operated.is_some() {
            return operated;
        }
        let shifted = usize::from(self.is_insertion && index > self.line_operation);
        self.on_page.get(index.checked_sub(self.first + shifted)?)
    }

    /// Whether the operation is on N.
    fn operates_on_new(&self) -> bool {
        self.line_operation >= self.line_split
    }

    /// Point 3: N gets its prefix and its lines.
    pub(super) fn fill_new(
        &self,
        record: &Split<'_>,
        operation: &Operation<'_>,
        new: &mut PageBuffer,
    ) -> JetResult<()> {
        let prefix = self.prefix(record, record.line_prefix_new, self.line_split)?;
        if !prefix.is_empty() {
            new.set_external_header(prefix)?;
        }
        for (target, index) in (self.line_split..usize::from(record.line_count)).enumerate() {
            let Some(line) = self.line(index) else {
                return Err(misfit(
                    record.page.page,
                    format!("a split without its line {index}"),
                ));
            };
            let mut parts = line.parts(shared_prefix(prefix, &line.key));
            if index == self.line_operation && self.operated.is_some() {
                parts.flags = operation.flags_on_new(parts.flags, is_leaf(record));
            }
            new.insert_node(target, parts)?;
        }
        Ok(())
    }

    /// Key of the line that is the prefix of a page; empty for -1. `line` counts from `first`.
    fn prefix(&self, record: &Split<'_>, line: i32, first: usize) -> JetResult<&[u8]> {
        let Ok(line) = usize::try_from(line) else {
            return Ok(&[]);
        };
        let found = self.line(first.saturating_add(line));
        found.map(|line| line.key.as_slice()).ok_or_else(|| {
            misfit(
                record.page.page,
                format!("a split without its line {line}, the prefix"),
            )
        })
    }

    /// Point 4 and the operation, if it is on S: moved lines go, the prefix changes, and then the operation.
    pub(super) fn shrink_split(
        &self,
        record: &Split<'_>,
        operation: &Operation<'_>,
        split: &mut PageBuffer,
    ) -> JetResult<()> {
        // Stale until the end, and no reason to refuse what the record says to be on the page.
        split.set_uncommitted_free(0);
        let inserted = usize::from(self.is_insertion && !self.operates_on_new());
        truncate(split, self.line_split - inserted)?;
        if record.split_type != SplitType::Append {
            self.change_prefix(record, split)?;
        }
        if record.split_type == SplitType::Vertical {
            return make_parent(record, split);
        }
        let operated = self.operated.as_ref().filter(|_| !self.operates_on_new());
        let Some(operated) = operated else {
            return Ok(());
        };
        if !self.is_insertion {
            split.delete_node(self.line_operation)?;
        }
        let prefix_len = shared_prefix(split.view()?.prefix_key()?, &operated.key);
        let node = NodeParts {
            flags: operation.flags_of_version(is_leaf(record)),
            ..operated.parts(prefix_len)
        };
        split.insert_node(self.line_operation, node)?;
        Ok(())
    }

    fn change_prefix(&self, record: &Split<'_>, split: &mut PageBuffer) -> JetResult<()> {
        let view = split.view()?;
        let prefix = self.prefix(record, record.line_prefix_split, 0)?;
        if view.prefix_key()? != record.old_prefix || prefix != record.new_prefix {
            return Err(misfit(
                record.page.page,
                "the page has another prefix than the record of its split",
            ));
        }
        if view.flags().contains(PageFlags::ROOT) {
            // The external header of a root is no prefix: nothing to change.
            return match record.old_prefix.is_empty() && prefix.is_empty() {
                true => Ok(()),
                false => Err(misfit(record.page.page, "a split of a root that has a prefix")),
            };
        }
        let stay = self.on_page.iter().take(view.node_count());
        let nodes: Vec<NodeParts<'_>> = stay
            .map(|line| line.parts(shared_prefix(prefix, &line.key)))
            .collect();
        split.change_prefix(prefix, &nodes)?;
        Ok(())
    }
}

/// Whether N gets the new line and no other.
fn is_new_line_alone(record: &Split<'_>, operation: &Operation<'_>) -> bool {
    operation.kind == SplitOperation::Insert
        && record.line_operation == record.line_split
        && record.line_operation.checked_add(1) == Some(record.line_count)
}

/// A vertical split leaves nothing on the root but the pointer to the new page.
fn make_parent(record: &Split<'_>, root: &mut PageBuffer) -> JetResult<()> {
    let kept = root.header()?.flags & PageFlags::FDP_DELETE;
    root.set_flags(flags_of(record.split_page_flags) | kept);
    let pointer = NodeParts {
        flags: NodeFlags::empty(),
        prefix_len: 0,
        suffix: &[],
        data: &record.page_new.to_le_bytes(),
    };
    root.insert_node(0, pointer)?;
    Ok(())
}
