//! The pages of a record that changes several: each decides by its own dbtime (log-and-recovery.md section 6.4).

use super::fault::{corrupted, misfit};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::ImageFlags;
use crate::format::{PageBuffer, decode_before_image};
use crate::recovery::pages::{Decision, PageChange, RedoPages};
use std::collections::HashSet;

/// Checks that a record names no page twice: what it does to one would undo what it did to the other.
pub(super) fn check_distinct(pages: impl IntoIterator<Item = u32>) -> JetResult<()> {
    let mut seen = HashSet::new();
    for page in pages {
        if page != 0 && !seen.insert(page) {
            return Err(misfit(
                page,
                "a record that changes several pages names this one twice",
            ));
        }
    }
    Ok(())
}

/// Takes a page of tree `objid` out, stamped with its new dbtime, if it needs the change.
pub(super) fn take_older(
    pages: &mut dyn RedoPages,
    change: PageChange,
    objid: u32,
) -> JetResult<Option<PageBuffer>> {
    if pages.decide(change)? != Decision::Apply {
        return Ok(None);
    }
    let mut page = pages.take(change.page)?;
    let found = page.header()?.objid;
    if found != objid {
        let what = format!("the page belongs to the tree with objid {found}, where the log has {objid}");
        return Err(JetError::rule(JetErr::LogOperationInconsistentWithDatabase, what).on_page(change.page));
    }
    page.dirty(change.dbtime);
    Ok(Some(page))
}

/// Puts back the pages that were taken out.
pub(super) fn put_back<const N: usize>(pages: &mut dyn RedoPages, taken: [Option<PageBuffer>; N]) {
    for page in taken.into_iter().flatten() {
        pages.put(page);
    }
}

/// A page as it was before the record, from the image in it: read only, never to be put among the pages, because
/// what came after the record is not on it (point 7 of Split2).
///
/// # Errors
/// There is no image, or it is none.
pub(super) fn before_image(
    pages: &dyn RedoPages,
    page: u32,
    image: &[u8],
    flags: ImageFlags,
) -> JetResult<PageBuffer> {
    if image.is_empty() {
        let what = "the page is newer than the record, which has no image of what it was";
        return Err(corrupted(page, what));
    }
    decode_before_image(image, flags, pages.page_size(), page).map_err(|error| {
        JetError::format(error)
            .with_code(JetErr::LogCorrupted)
            .on_page(page)
    })
}

/// Deletes all lines from `count` on, the last one first.
pub(super) fn truncate(page: &mut PageBuffer, count: usize) -> JetResult<()> {
    for line in (count..page.node_count()).rev() {
        page.delete_node(line)?;
    }
    Ok(())
}
