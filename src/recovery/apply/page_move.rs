//! PageMove: a page goes to another place of the file (log-and-recovery.md section 4.6). The moves of a root are in
//! [`root_page_move`](super::root_page_move).

use super::fault::misfit;
use super::split::check_pointer;
use super::taken::{check_distinct, put_back, take_older};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageBuffer;
use crate::format::log_record::PageMove;
use crate::recovery::pages::{PageChange, RedoPages};

/// Applies a PageMove: the destination becomes what the source was, parent and siblings point to it, and the source
/// becomes empty.
///
/// # Errors
/// Those of the pages; `JET_errLogCorrupted` where the parent does not point to the source, for an image that is no
/// page, and for the move of a root, which is a macro.
pub fn apply_page_move(pages: &mut dyn RedoPages, record: &PageMove<'_>) -> JetResult<()> {
    let operation = &record.page;
    let (source_page, destination_page) = (operation.page, record.page_destination);
    if !record.move_flags.is_empty() || destination_page == 0 {
        return Err(misfit(
            source_page,
            "a page move without a destination, or of a root without its macro",
        ));
    }
    check_distinct([
        source_page,
        destination_page,
        record.page_parent,
        record.page_left,
        record.page_right,
    ])?;
    let mut take = |page, dbtime_before| match page {
        0 => Ok(None),
        page => {
            let dbtime = operation.dbtime;
            let change = PageChange {
                page,
                dbtime,
                dbtime_before,
            };
            take_older(pages, change, record.objid)
        }
    };
    let mut parent = take(record.page_parent, record.dbtime_parent_before)?;
    let mut source = take(source_page, operation.dbtime_before)?;
    let mut left = take(record.page_left, record.dbtime_left_before)?;
    let mut right = take(record.page_right, record.dbtime_right_before)?;
    let destination = if pages.decide_new(destination_page, operation.dbtime)? {
        Some(match &source {
            Some(source) => PageBuffer::from_image(source.bytes(), source.size(), destination_page)?,
            None => moved_image(pages, record)?,
        })
    } else {
        None
    };
    if let Some(source) = &mut source {
        source.make_empty()?;
    }
    if let Some(parent) = &mut parent {
        point_to(parent, record).map_err(|error| error.on_page(record.page_parent))?;
    }
    if let Some(left) = &mut left {
        left.set_next(destination_page);
    }
    if let Some(right) = &mut right {
        right.set_prev(destination_page);
    }
    put_back(pages, [source, destination, parent, left, right]);
    Ok(())
}

fn point_to(parent: &mut PageBuffer, record: &PageMove<'_>) -> JetResult<()> {
    let line = usize::try_from(record.line_parent)
        .map_err(|_| misfit(parent.pgno(), "a page move without the line of its pointer"))?;
    check_pointer(parent, line, record.page.page)?;
    parent.replace_data(line, &record.page_destination.to_le_bytes())?;
    Ok(())
}

/// The page that moves, as it is at the destination, from the image in the record: all of it but its free gap.
pub(super) fn moved_image(pages: &dyn RedoPages, record: &PageMove<'_>) -> JetResult<PageBuffer> {
    let (size, source) = (pages.page_size(), record.page.page);
    let gap = size
        .bytes()
        .checked_sub(record.header.len())
        .and_then(|room| room.checked_sub(record.trailer.len()))
        .ok_or_else(|| misfit(source, "the image of a page that moves is larger than a page"))?;
    let bytes = [record.header, &vec![0; gap], record.trailer].concat();
    let mut page = PageBuffer::from_image(bytes, size, record.page_destination).map_err(|error| {
        JetError::format(error)
            .with_code(JetErr::LogCorrupted)
            .on_page(source)
    })?;
    page.dirty(record.page.dbtime);
    Ok(page)
}
