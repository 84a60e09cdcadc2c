//! Full pages are split (log-and-recovery.md sections 4.6, 8.3 and 8.5).
//!
//! One macro splits the leaf, and every page above it that has no room for one pointer more; a root that has none, or
//! that is the leaf, is moved to a page below it first (vertical), and then all begins again. An insertion happens in
//! the macro if that is possible at all, so that an append leaves its leaf full; what makes a node longer comes after.
//!
//! ```text
//! plan, leaf side first ──> a new page for each level ──> records, root side first ──> applied and logged
//! ```

mod plan;
mod point;
mod prefix;

use super::descend::{Place, Way, leaf_of, page_of, seek_with_way};
use super::insert::to_u16;
use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::change::Change;
use crate::engine::space;
use crate::engine::state::{DatabaseState, Look};
use crate::error::JetResult;
use crate::format::encode_before_image;
use crate::format::log_record::{
    DBTIME_NIL, ImageFlags, Insert, LogRecord, NodeOperation, OperationFlags, PageOperation, Split,
    SplitOperation, SplitType,
};
use plan::Level;

pub(super) use plan::has_room_for_pointer;

/// Why a page is split.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pending<'p> {
    /// This node is to be inserted.
    Insert {
        key: &'p [u8],
        data: &'p [u8],
        flags: OperationFlags,
        rceid: u32,
    },
    /// The data of the node are to become so long.
    Grow { len: usize },
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The node was inserted on this page, from which it may have moved.
    Inserted(u32),
    /// Pages were split: look again.
    Again,
}

/// What a split is going to do.
struct Plan {
    /// The page above that has room for a pointer, and its line.
    above: Option<Place>,
    /// From the leaf upwards.
    levels: Vec<Level>,
}

/// Splits the leaf that a bookmark belongs to, or what must be split before it.
///
/// # Errors
/// No page can be had: nothing has changed then. The tree is damaged; the log cannot be appended to.
pub(super) fn split(
    change: &mut Change<'_>,
    tree: TreeId,
    bookmark: BookmarkRef<'_>,
    pending: Pending<'_>,
) -> JetResult<Outcome> {
    let mut plan = change.database.look_in(change.state, |state| {
        let (way, found) = seek_with_way(state, tree, bookmark)?;
        plan_split(state, tree, &way, found.place, pending)
    })?;
    allocate(change, tree, &mut plan.levels)?;
    perform(change, tree, &plan, pending)
}

fn plan_split(
    state: &DatabaseState,
    tree: TreeId,
    way: &Way,
    place: Place,
    pending: Pending<'_>,
) -> Look<Plan> {
    let leaf = leaf_of(state, tree, place.pgno)?;
    let mut levels = vec![plan::leaf(state, tree, &leaf, place.line, pending)?];
    let mut parents = way.parents().iter().rev();
    while let Some(below) = levels
        .last()
        .filter(|level| level.split_type != SplitType::Vertical)
    {
        let Some(&above) = parents.next() else {
            break;
        };
        let page = page_of(state, tree, above.pgno)?;
        if plan::has_room_for_pointer(&page, &below.separator)? {
            let above = Some(above);
            return Ok(Plan { above, levels });
        }
        let level = plan::internal(tree, &page, above.line, below)?;
        if level.split_type == SplitType::Vertical {
            levels.clear();
        }
        levels.push(level);
    }
    let above = None;
    Ok(Plan { above, levels })
}

/// Takes a page for each level; none if one cannot be had.
fn allocate(change: &mut Change<'_>, tree: TreeId, levels: &mut [Level]) -> JetResult<()> {
    let mut taken = Vec::with_capacity(levels.len());
    for level in levels {
        match space::allocate_page(change, tree, level.pgno) {
            Ok(pgno) => {
                level.new = pgno;
                taken.push(pgno);
            }
            Err(error) => {
                for pgno in taken {
                    space::free_page(change, tree, pgno)?;
                }
                return Err(error);
            }
        }
    }
    Ok(())
}

fn perform(change: &mut Change<'_>, tree: TreeId, plan: &Plan, pending: Pending<'_>) -> JetResult<Outcome> {
    let dbtime = change.state.next_dbtime();
    let images = plan
        .levels
        .iter()
        .map(|level| image(change, level, dbtime))
        .collect::<JetResult<Vec<_>>>()?;
    let mut records = Vec::with_capacity(plan.levels.len() + 1);
    let mut parent: Option<PageOperation> = None;
    if let Some(above) = plan.above {
        let page = operation(change, tree, above.pgno, dbtime)?;
        records.push(pointer_only(tree, page, above.line));
        parent = Some(page);
    }
    for (level, (image, flags)) in plan.levels.iter().zip(&images).rev() {
        let page = operation(change, tree, level.pgno, dbtime)?;
        let right_before = match level.right {
            0 => DBTIME_NIL,
            right => change.dbtime_of(right)?,
        };
        records.push(Split {
            page_parent: parent.map_or(0, |parent| parent.page),
            dbtime_parent_before: parent.map_or(DBTIME_NIL, |parent| parent.dbtime_before),
            dbtime_right_before: right_before,
            before_image: image,
            image_flags: *flags,
            ..level.record(tree, page)
        });
        parent = Some(page);
    }
    let (leaf, outcome) = leaf_record(tree, plan, parent, pending);
    change.split(dbtime, &records, leaf)?;
    Ok(outcome)
}

/// The insertion on the leaf, the last one of the levels, if it happens in the macro.
fn leaf_record<'p>(
    tree: TreeId,
    plan: &Plan,
    leaf: Option<PageOperation>,
    pending: Pending<'p>,
) -> (Option<LogRecord<'p>>, Outcome) {
    let inserts = plan
        .levels
        .first()
        .filter(|level| level.operation == SplitOperation::Insert && level.split_type != SplitType::Vertical);
    let Pending::Insert {
        key,
        data,
        flags,
        rceid,
    } = pending
    else {
        return (None, Outcome::Again);
    };
    let (Some(level), Some(page)) = (inserts, leaf) else {
        return (None, Outcome::Again);
    };
    let record = LogRecord::Insert(Insert {
        node: NodeOperation {
            page: PageOperation {
                dbtime_before: DBTIME_NIL,
                line: to_u16(level.line_operation),
                flags: flags | tree.operation_flags(),
                ..page
            },
            rceid,
            page_fdp: tree.fdp,
            objid: tree.objid,
        },
        prefix_len: 0,
        key,
        data,
    });
    (Some(record), Outcome::Inserted(level.pgno))
}

fn operation(change: &mut Change<'_>, tree: TreeId, pgno: u32, dbtime: u64) -> JetResult<PageOperation> {
    let page = change.page_operation(pgno, dbtime)?;
    Ok(PageOperation {
        flags: tree.operation_flags(),
        ..page
    })
}

/// The page that is split, with its new dbtime already, if lines of it move.
fn image(change: &mut Change<'_>, level: &Level, dbtime: u64) -> JetResult<(Vec<u8>, ImageFlags)> {
    if !level.moves_lines() {
        return Ok((Vec::new(), ImageFlags::empty()));
    }
    let mut page = change.page(level.pgno)?.clone();
    page.dirty(dbtime);
    Ok(encode_before_image(&page)?)
}

/// A level that gets a pointer and no more.
fn pointer_only(tree: TreeId, page: PageOperation, line: usize) -> Split<'static> {
    Split {
        page,
        page_new: 0,
        page_right: 0,
        dbtime_right_before: DBTIME_NIL,
        page_parent: 0,
        dbtime_parent_before: DBTIME_NIL,
        page_fdp: tree.fdp,
        objid: tree.objid,
        split_type: SplitType::Vertical,
        operation: SplitOperation::None,
        line_operation: to_u16(line),
        line_split: 0,
        line_count: 0,
        new_page_flags: 0,
        split_page_flags: 0,
        uncommitted_free_source: 0,
        uncommitted_free_new: 0,
        line_prefix_split: 0,
        line_prefix_new: 0,
        image_flags: ImageFlags::empty(),
        parent_key: &[],
        old_prefix: &[],
        new_prefix: &[],
        before_image: &[],
    }
}
