//! ScrubPage: what is deleted is overwritten (log-and-recovery.md section 4.6).

use super::fault::misfit;
use super::taken::take_older;
use crate::error::JetResult;
use crate::format::log_record::ScrubPage;
use crate::format::{NodeFlags, PageBuffer, PageFlags};
use crate::recovery::pages::{PageChange, RedoPages};

/// `scrub_flags`: the page is unused, all that is on it goes.
const UNUSED_PAGE: u32 = 1;
/// Overwrites the data of a deleted node.
const DATA_FILL: u8 = b'D';
/// Overwrites the data of a chunk of a long value.
const LONG_VALUE_FILL: u8 = b'L';
/// The first byte of such a chunk: the compression scheme that says "scrubbed" (database-file.md section 7.5).
const LONG_VALUE_MARK: u8 = 4 << 3;
/// Overwrites what belongs to no node of a page that is in use.
const USED_PAGE_FILL: u8 = b'Z';
/// Overwrites everything on an unused page.
const UNUSED_PAGE_FILL: u8 = b'U';

/// Applies a ScrubPage.
///
/// # Errors
/// Those of the pages; `JET_errLogCorrupted` where the record has more or fewer operations than the page has lines.
pub fn apply_scrub(pages: &mut dyn RedoPages, record: &ScrubPage<'_>) -> JetResult<()> {
    let operation = &record.node.page;
    let change = PageChange {
        page: operation.page,
        dbtime: operation.dbtime,
        dbtime_before: operation.dbtime_before,
    };
    let Some(mut page) = take_older(pages, change, record.node.objid)? else {
        return Ok(());
    };
    scrub(&mut page, record).map_err(|error| error.on_page(operation.page))?;
    pages.put(page);
    Ok(())
}

fn scrub(page: &mut PageBuffer, record: &ScrubPage<'_>) -> JetResult<()> {
    if record.scrub_flags & UNUSED_PAGE != 0 {
        for _ in 0..page.node_count() {
            page.delete_node(0)?;
        }
        page.overwrite_unused(UNUSED_PAGE_FILL)?;
    } else {
        scrub_nodes(page, record.operations)?;
        page.overwrite_unused(USED_PAGE_FILL)?;
    }
    let flags = page.header()?.flags;
    page.set_flags(flags | PageFlags::SCRUBBED);
    Ok(())
}

fn scrub_nodes(page: &mut PageBuffer, operations: &[u8]) -> JetResult<()> {
    let count = page.node_count();
    if operations.len() != count {
        let what = format!("{} operations on the {count} lines of a page", operations.len());
        return Err(misfit(page.pgno(), what));
    }
    for (line, operation) in operations.iter().enumerate() {
        match operation {
            0 => continue,
            1 => page.node_data_mut(line)?.fill(DATA_FILL),
            2 => {
                let data = page.node_data_mut(line)?;
                data.fill(LONG_VALUE_FILL);
                if let Some(first) = data.first_mut() {
                    *first = LONG_VALUE_MARK;
                }
            }
            other => {
                return Err(misfit(
                    page.pgno(),
                    format!("scrub operation {other} is not known"),
                ));
            }
        }
        let flags = page.node_flags(line)?;
        page.set_node_flags(line, flags - NodeFlags::VERSIONED)?;
    }
    Ok(())
}
