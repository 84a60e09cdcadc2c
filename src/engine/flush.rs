//! Changed pages are written back (log-and-recovery.md section 5.2).
//!
//! ```text
//! take pages ── log durable ── journal durable ── in place, durable ── pages are clean
//! ```
//!
//! A page on which a transaction is open stays in memory, unless the before images of that transaction are logged.

use super::attachments::AttachedFile;
use super::core::Core;
use super::pages::DirtyPage;
use super::shared::MakeRoom;
use super::tree;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::LogPosition;
use std::sync::Arc;

/// Bytes of pages that are written at once, at most.
const BATCH_LEN: usize = 4 << 20;

/// After everything.
pub(super) const END: LogPosition = LogPosition {
    generation: u32::MAX,
    sector: u16::MAX,
    byte: u16::MAX,
};

impl Core {
    /// Writes a batch of the pages of a database whose oldest change is before `before`. Returns how many.
    ///
    /// # Errors
    /// The log or the file cannot be written: the instance has stopped.
    pub(super) fn write_batch(&self, file: &AttachedFile, before: LogPosition) -> JetResult<usize> {
        let _one_after_the_other = file.flushing.lock();
        self.shared.check_works()?;
        let most = BATCH_LEN / file.database.page_size.bytes();
        let (batch, page_last) = {
            let mut state = file.database.write_anyway();
            (
                state.pages.take_dirty(file.database.dbid, before, most),
                state.last_page,
            )
        };
        if batch.is_empty() {
            return Ok(0);
        }
        let written = self.write_taken(file, &batch, page_last);
        written.map_err(|error| self.fail(error))?;
        file.database.write_anyway().pages.written(&batch);
        Ok(batch.len())
    }

    /// The end of the log, not only the last changes of these pages: transactions whose changes they have have ended, and
    /// those ends must not be lost either.
    fn write_taken(&self, file: &AttachedFile, batch: &[DirtyPage], page_last: u32) -> JetResult<()> {
        self.shared.log.flush_to(self.shared.log.end())?;
        let durable = self.shared.log.durable();
        debug_assert!(
            !self.is_logged() || batch.iter().all(|dirty| dirty.modified <= durable),
            "a page is to be written before its log"
        );
        let pages: Vec<_> = batch.iter().map(|dirty| Arc::clone(&dirty.page)).collect();
        file.write_pages(&pages, page_last)
    }

    /// Writes all pages of a database that may be written and whose oldest change is before `before`.
    ///
    /// # Errors
    /// Those of [`write_batch`](Self::write_batch).
    pub(super) fn write_pages(&self, file: &AttachedFile, before: LogPosition) -> JetResult<usize> {
        let mut count = 0;
        loop {
            match self.write_batch(file, before)? {
                0 => return Ok(count),
                written => count += written,
            }
        }
    }

    /// Has the before images of all open transactions logged, so that pages with their changes may be written.
    ///
    /// # Errors
    /// The log cannot be appended to: the instance has stopped.
    pub(super) fn log_before_images(&self, file: &AttachedFile) -> JetResult<()> {
        let open = file.database.look().pages.open_transactions();
        for transaction in open
            .iter()
            .filter(|transaction| !transaction.has_undo_info(file.database.dbid))
        {
            tree::log_undo_info(&self.shared, &file.database, transaction)?;
        }
        Ok(())
    }

    /// Writes what should be written: everything that is too far behind the end of the log, and more if there are more
    /// pages in memory than there should be.
    ///
    /// # Errors
    /// Those of [`write_batch`](Self::write_batch).
    pub(super) fn write_what_is_due(&self) -> JetResult<()> {
        let due = self.due();
        for file in self.attachments.all() {
            self.write_pages(&file, due)?;
            if self.shared.budget.is_exceeded() {
                self.free_pages(&file)?;
            }
        }
        Ok(())
    }

    /// Writes pages of a database until there are no longer too many in memory, and drops them.
    fn free_pages(&self, file: &AttachedFile) -> JetResult<()> {
        let mut is_logged = false;
        while !file.database.write_anyway().pages.make_room() {
            if self.write_batch(file, END)? > 0 {
                continue;
            }
            if is_logged {
                break;
            }
            is_logged = true;
            self.log_before_images(file)?;
        }
        Ok(())
    }

    /// Pages that were changed before this are to be written: half of the checkpoint's greatest depth back.
    fn due(&self) -> LogPosition {
        let depth = self.parameters.checkpoint_depth_max / 2;
        self.geometry.before(self.shared.log.end(), depth)
    }

    fn no_room() -> JetError {
        let what = "no page in memory can be written or dropped";
        JetError::rule(JetErr::OutOfMemory, what)
            .advise("Raise JET_paramCacheSizeMax, or change less in one transaction.")
    }
}

impl MakeRoom for Core {
    fn make_room(&self) -> JetResult<()> {
        for file in self.attachments.all() {
            self.free_pages(&file)?;
        }
        if self.shared.budget.is_far_exceeded() {
            return Err(Self::no_room());
        }
        Ok(())
    }
}

/// Distances in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Geometry {
    /// Bytes of a log.
    pub(crate) file_len: u64,
}

impl Geometry {
    /// The position `distance` bytes before `position`, about.
    pub(super) fn before(self, position: LogPosition, distance: u64) -> LogPosition {
        let bytes = self.bytes(position).saturating_sub(distance);
        let (generation, rest) = (bytes / self.file_len, bytes % self.file_len);
        LogPosition {
            generation: u32::try_from(generation).unwrap_or(u32::MAX),
            sector: u16::try_from(rest / 4096).unwrap_or(u16::MAX),
            byte: u16::try_from(rest % 4096).unwrap_or(0),
        }
    }

    /// Bytes of log from `from` to `to`, about.
    pub(super) fn distance(self, from: LogPosition, to: LogPosition) -> u64 {
        self.bytes(to).saturating_sub(self.bytes(from))
    }

    fn bytes(self, position: LogPosition) -> u64 {
        u64::from(position.generation) * self.file_len
            + u64::from(position.sector) * 4096
            + u64::from(position.byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_go_over_generations() {
        let geometry = Geometry { file_len: 65536 };
        let position = |generation, sector, byte| LogPosition {
            generation,
            sector,
            byte,
        };
        let from = position(3, 15, 100);
        let to = position(4, 1, 4);
        assert_eq!(geometry.distance(from, to), 2 * 4096 - 96);
        assert_eq!(geometry.before(to, 2 * 4096 - 96), from);
        assert_eq!(geometry.before(to, u64::MAX), position(0, 0, 0));
    }
}
