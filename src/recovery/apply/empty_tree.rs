//! EmptyTree: of a tree only the root is left, an empty leaf (log-and-recovery.md section 4.6).

use super::fault::misfit;
use super::taken::{check_distinct, take_older};
use crate::error::JetResult;
use crate::format::log_record::EmptyTree;
use crate::format::{PageBuffer, PageFlags};
use crate::recovery::pages::{PageChange, RedoPages};

/// Applies an EmptyTree: every listed page becomes empty, the root a leaf without nodes.
///
/// # Errors
/// Those of the pages; `JET_errLogCorrupted` where the root is no root with a single pointer.
pub fn apply_empty_tree(pages: &mut dyn RedoPages, record: &EmptyTree<'_>) -> JetResult<()> {
    let operation = &record.node.page;
    let listed = record.emptied.iter().map(|emptied| emptied.page);
    check_distinct(listed.chain([operation.page]))?;
    let root = take_older(
        pages,
        PageChange {
            page: operation.page,
            dbtime: operation.dbtime,
            dbtime_before: operation.dbtime_before,
        },
        record.node.objid,
    )?;
    for emptied in record.emptied.iter() {
        let change = PageChange {
            page: emptied.page,
            dbtime: operation.dbtime,
            dbtime_before: emptied.dbtime_before,
        };
        if let Some(mut page) = take_older(pages, change, record.node.objid)? {
            page.make_empty()?;
            pages.put(page);
        }
    }
    if let Some(mut root) = root {
        make_leaf(&mut root).map_err(|error| error.on_page(operation.page))?;
        pages.put(root);
    }
    Ok(())
}

fn make_leaf(root: &mut PageBuffer) -> JetResult<()> {
    let flags = root.header()?.flags;
    if !flags.contains(PageFlags::ROOT) || flags.contains(PageFlags::LEAF) || root.node_count() != 1 {
        return Err(misfit(
            root.pgno(),
            "the page is no root with a single pointer, which is to become empty",
        ));
    }
    root.delete_node(0)?;
    root.set_flags((flags - PageFlags::PARENT_OF_LEAF) | PageFlags::LEAF);
    Ok(())
}
