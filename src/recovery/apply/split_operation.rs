//! The operation for which a page was split, and which happens within the split (log-and-recovery.md section 4.6).

use super::fault::misfit;
use super::line::Line;
use crate::error::JetResult;
use crate::format::log_record::{LogRecord, OperationFlags, Replace, Split, SplitOperation};
use crate::format::{NodeFlags, apply_diff};

/// What happens to line `line_operation` of a split page.
pub(super) struct Operation<'a> {
    /// Which it is.
    pub(super) kind: SplitOperation,
    /// The key of an insertion; empty for a replacement, which keeps the key that is there.
    pub(super) key: &'a [u8],
    /// The data after.
    pub(super) data: Data<'a>,
    /// Whether it makes a version.
    versioned: bool,
}

/// The data that an operation leaves.
pub(super) enum Data<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// The pointer to a page.
    Pointer([u8; 4]),
    /// What to do with the data before.
    Difference(&'a Replace<'a>),
}

impl Data<'_> {
    /// The data, unless they depend on what was there.
    pub(super) fn whole(&self) -> &[u8] {
        match self {
            Data::Whole(bytes) => bytes,
            Data::Pointer(bytes) => bytes,
            Data::Difference(_) => &[],
        }
    }
}

impl<'a> Operation<'a> {
    /// The operation on a level: that of the leaf, or the insertion of the pointer to the child.
    pub(super) fn of(
        record: &Split<'a>,
        child: Option<&Split<'a>>,
        leaf: Option<&'a LogRecord<'a>>,
    ) -> JetResult<Self> {
        let operation = match child {
            Some(child) => Operation {
                kind: SplitOperation::Insert,
                key: child.parent_key,
                data: Data::Pointer(child.page.page.to_le_bytes()),
                versioned: false,
            },
            None => Self::of_leaf(leaf).ok_or_else(|| {
                misfit(
                    record.page.page,
                    "a split with an operation that no split can have",
                )
            })?,
        };
        if operation.kind != record.operation && record.page_new != 0 {
            let what = "a split without its operation, or with another one";
            return Err(misfit(record.page.page, what));
        }
        Ok(operation)
    }

    fn of_leaf(leaf: Option<&'a LogRecord<'a>>) -> Option<Self> {
        let (kind, key, data, node) = match leaf {
            None => {
                return Some(Operation {
                    kind: SplitOperation::None,
                    key: &[],
                    data: Data::Whole(&[]),
                    versioned: false,
                });
            }
            Some(LogRecord::Insert(insert)) => (
                SplitOperation::Insert,
                insert.key,
                Data::Whole(insert.data),
                &insert.node,
            ),
            Some(LogRecord::Replace(replace)) => (
                SplitOperation::Replace,
                &[][..],
                Data::Whole(replace.image),
                &replace.node,
            ),
            Some(LogRecord::ReplaceDiff(replace)) => (
                SplitOperation::Replace,
                &[][..],
                Data::Difference(replace),
                &replace.node,
            ),
            Some(LogRecord::FlagInsertAndReplaceData(insert)) => (
                SplitOperation::FlagInsertAndReplaceData,
                insert.key,
                Data::Whole(insert.data),
                &insert.node,
            ),
            Some(_) => return None,
        };
        let versioned = node.page.flags.contains(OperationFlags::VERSIONED);
        Some(Operation {
            kind,
            key,
            data,
            versioned,
        })
    }

    /// The line after the operation; `replaced` is what an operation other than an insertion finds.
    pub(super) fn line(&self, replaced: Option<&Line>, page: u32) -> JetResult<Option<Line>> {
        match self.kind {
            SplitOperation::Insert => Ok(Some(Line::new(self.key, self.data.whole()))),
            SplitOperation::Replace | SplitOperation::FlagInsertAndReplaceData => {
                let Some(replaced) = replaced else {
                    return Err(misfit(page, "a split replaces a line that is not there"));
                };
                self.replacement(replaced, page).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn replacement(&self, replaced: &Line, page: u32) -> JetResult<Line> {
        let revives = self.kind == SplitOperation::FlagInsertAndReplaceData;
        if revives && (replaced.key != self.key || !replaced.flags.contains(NodeFlags::DELETED)) {
            return Err(misfit(page, "a split brings back a node that was not deleted"));
        }
        let data = match &self.data {
            Data::Difference(replace) => {
                apply_diff(&replaced.data, replace.image, replace.is_wide(), replace.new_len)?
            }
            data => data.whole().to_vec(),
        };
        Ok(Line {
            data,
            ..replaced.clone()
        })
    }

    /// Point 6: the flags of the operated node on the new page, where it was stored with those that it had.
    pub(super) fn flags_on_new(&self, flags: NodeFlags, is_leaf: bool) -> NodeFlags {
        let flags = match self.kind {
            SplitOperation::FlagInsertAndReplaceData => flags - NodeFlags::DELETED,
            _ => flags,
        };
        flags | self.flags_of_version(is_leaf)
    }

    /// Its flags on the split page, where it was stored anew.
    pub(super) fn flags_of_version(&self, is_leaf: bool) -> NodeFlags {
        if self.versioned && is_leaf {
            NodeFlags::VERSIONED
        } else {
            NodeFlags::empty()
        }
    }
}
