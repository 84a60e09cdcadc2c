//! The database file grows (log-and-recovery.md sections 4.7 and 8.3, database-file.md sections 5.4 and 5.6).

use super::extents::{self, Wanted, run};
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::Extent;
use crate::format::log_record::{ExtendDatabase, LogRecord};
use std::sync::atomic::Ordering;

/// The file grows by this share of itself, where that is more than `JET_paramDbExtensionSize`.
const SHARE: u32 = 16;
/// And by no more than so many bytes because of that.
const SHARE_MOST: usize = 16 << 20;
/// `pgnoSysMax`: no database has more pages.
const PAGES_MOST: u32 = 0x7fff_ffff;

/// Lets the file grow by at least as many pages as wanted. The caller enters them in the system root's OE, `owned`.
///
/// # Errors
/// `JET_errDiskFull`, where no page has changed; the log cannot be appended to.
pub(super) fn extend(change: &mut Change<'_>, owned: TreeId, wanted: Wanted) -> JetResult<Extent> {
    let last = extents::last(change, owned)?.map_or(0, |found| found.extent.last);
    let by = |pages: u32| last.checked_add(pages).filter(|last| *last <= PAGES_MOST);
    let step = step(change, last).max(wanted.best);
    let end = by(step).or_else(|| by(wanted.least)).ok_or_else(|| {
        let error = JetError::rule(
            JetErr::OutOfDatabaseSpace,
            "has as many pages as a database can have",
        );
        error.in_file(&change.database.path)
    })?;
    let grown = match grow_to(change, end) {
        Err(error) if error.code() == JetErr::DiskFull && wanted.least < step => {
            let end = last.saturating_add(wanted.least);
            grow_to(change, end).map(|()| end)
        }
        grown => grown.map(|()| end),
    };
    Ok(run(last + 1, grown?))
}

/// Lets the file have pages up to `last`. The log knows of it before.
///
/// # Errors
/// As [`extend`].
pub(super) fn grow_to(change: &mut Change<'_>, last: u32) -> JetResult<()> {
    let record = LogRecord::ExtendDatabase(ExtendDatabase {
        database: change.database.dbid,
        page_last: last,
    });
    let log = &change.shared.log;
    let logged = log
        .append(&[record])
        .and_then(|appended| log.flush_to(appended.end));
    logged.map_err(|error| change.shared.fail(error))?;
    if last <= change.state.last_page {
        return Ok(());
    }
    let end = change.database.page_size.offset_of(last.saturating_add(1));
    let file = &change.database.file;
    file.grow(end)
        .map_err(|error| JetError::io("extend", error).in_file(&change.database.path))?;
    change.state.last_page = last;
    Ok(())
}

/// How many pages the file grows by, if not more are wanted.
fn step(change: &Change<'_>, last: u32) -> u32 {
    let size = change.database.page_size.bytes();
    let pages = |bytes: usize| u32::try_from(bytes / size).unwrap_or(u32::MAX).max(1);
    let least = pages(change.shared.extension_bytes.load(Ordering::Relaxed));
    least.max((last / SHARE).min(pages(SHARE_MOST)))
}
