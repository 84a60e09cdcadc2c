//! Where recovery would begin (log-and-recovery.md sections 5.3, 5.4 and 7).
//!
//! ```text
//! oldest begin, oldest change of a page not written ── log durable ── headers ── checkpoint file ── old logs go
//! ```

use super::attachments::{Counters, set_counters, set_newest_generation};
use super::core::{Core, LockedFile};
use super::events::Event;
use crate::error::JetResult;
use crate::format::{AttachList, Checkpoint, DatabaseHeader, DbState, LogPosition, LogTime};
use crate::store::write_checkpoint_to;
use parking_lot::Mutex;
use std::path::PathBuf;

/// The checkpoint moves when it can go forward by this part of its greatest depth.
const STEPS: u64 = 16;
/// Bit 0 of `fVersion`: the list is valid, and the position exact.
const LIST_IS_VALID: u8 = 1;

/// The file of the checkpoint.
#[derive(Debug)]
pub(super) struct CheckpointFile {
    pub(super) path: PathBuf,
    pub(super) file: LockedFile,
    /// What is in it.
    pub(super) written: Mutex<Checkpoint>,
    /// The oldest generation that may still be there; logs below were deleted.
    pub(super) oldest: Mutex<u32>,
}

impl CheckpointFile {
    /// Writes a position and the databases that were attached before it. When it returns it is durable.
    ///
    /// # Errors
    /// What the system says; the old checkpoint is good then, or already the new one.
    pub(super) fn write(&self, position: LogPosition, list: Option<AttachList>) -> JetResult<()> {
        let mut written = self.written.lock();
        let mut checkpoint = written.clone();
        (checkpoint.checkpoint, checkpoint.database_consistency) = (position, position);
        checkpoint.flags &= !LIST_IS_VALID;
        if list.is_some() {
            checkpoint.flags |= LIST_IS_VALID;
        }
        checkpoint.attach_list = list.unwrap_or_default();
        self.write_whole(&checkpoint)?;
        *written = checkpoint;
        Ok(())
    }

    /// Changes what it tells of backups; the position stays.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    pub(in crate::engine) fn remember_backup(&self, change: impl FnOnce(&mut Checkpoint)) -> JetResult<()> {
        let mut written = self.written.lock();
        let mut checkpoint = written.clone();
        change(&mut checkpoint);
        self.write_whole(&checkpoint)?;
        *written = checkpoint;
        Ok(())
    }

    fn write_whole(&self, checkpoint: &Checkpoint) -> JetResult<()> {
        let file = self.file.get()?;
        write_checkpoint_to(&*file, checkpoint).map_err(|error| error.in_file(&self.path))
    }
}

impl Core {
    /// Moves the checkpoint if it can go forward far enough, or at all if `always`. It stays while a database is being
    /// attached, made or detached.
    ///
    /// # Errors
    /// The log, a header or the checkpoint cannot be written: the instance has stopped.
    pub(super) fn move_checkpoint(&self, always: bool) -> JetResult<()> {
        let Some(_nobody_attaches) = self.administration.try_lock() else {
            return Ok(());
        };
        self.move_checkpoint_now(always)
    }

    /// As [`move_checkpoint`](Self::move_checkpoint), for who holds the lock of administration.
    pub(super) fn move_checkpoint_now(&self, always: bool) -> JetResult<()> {
        let Some(file) = &self.checkpoint else {
            return Ok(());
        };
        let (position, end) = self.oldest_needed();
        let old = self.attachments.checkpoint();
        let forward = self.geometry.distance(old, position);
        let least = self.parameters.checkpoint_depth_max / STEPS;
        if position <= old || (!always && forward < least && position.generation == old.generation) {
            return Ok(());
        }
        let moved = self.write_checkpoint(file, position, end);
        moved.map_err(|error| self.fail(error))?;
        self.parameters.events.tell(&Event::CheckpointMoved { position });
        self.delete_old_logs(file, position.generation);
        Ok(())
    }

    /// The instance has ended well: there is nothing to be recovered before `Term2`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn end_checkpoint(&self, term: LogPosition) -> JetResult<()> {
        let Some(file) = &self.checkpoint else {
            return Ok(());
        };
        file.write(term, None)?;
        self.delete_old_logs(file, term.generation);
        Ok(())
    }

    /// The oldest record that recovery needs, and the end of the log that was looked at.
    fn oldest_needed(&self) -> (LogPosition, LogPosition) {
        let (oldest, end) = self.shared.transactions.oldest_begin0(|| self.shared.log.end());
        let mut needed = oldest.unwrap_or(end);
        for file in self.attachments.all() {
            if let Some(oldest) = file.database.look().pages.oldest_change() {
                needed = needed.min(oldest);
            }
        }
        (needed, end)
    }

    fn write_checkpoint(
        &self,
        file: &CheckpointFile,
        position: LogPosition,
        end: LogPosition,
    ) -> JetResult<()> {
        let counters = self.attachments.all();
        let counters = counters.into_iter().map(|file| {
            let counters = counters_of(&file);
            (file, counters)
        });
        let counters: Vec<_> = counters.collect();
        // Ends of transactions that have no pages to be written any more.
        self.shared.log.flush_to(end)?;
        for (attached, counters) in counters {
            let newest = self.newest_generation();
            if attached.header().state == DbState::DirtyShutdown {
                attached.change_header(|header| raise(header, position.generation, newest, counters))?;
            }
        }
        file.write(position, Some(self.attachments.list(position)?))?;
        self.attachments.set_checkpoint(position);
        Ok(())
    }

    /// The newest generation that is durable, and when it was created.
    pub(super) fn newest_generation(&self) -> (u32, LogTime) {
        let header = self.shared.log.header();
        header.map_or_else(Default::default, |header| (header.generation, header.create_time))
    }

    /// With circular logging, deletes archived logs before `generation`, the oldest first. One that cannot be deleted is
    /// tried again when the checkpoint moves again.
    fn delete_old_logs(&self, file: &CheckpointFile, generation: u32) {
        if !self.parameters.circular_log {
            return;
        }
        let mut oldest = file.oldest.lock();
        let first = *oldest;
        let needed = self.backup.first_generation().unwrap_or(generation);
        while *oldest < generation.min(needed) && self.delete_log(*oldest) {
            *oldest += 1;
        }
        if first < *oldest {
            let last = *oldest - 1;
            self.parameters.events.tell(&Event::LogsDeleted { first, last });
        }
    }

    fn delete_log(&self, generation: u32) -> bool {
        let Some(naming) = &self.naming else {
            return false;
        };
        let path = naming.archived(generation);
        match self.shared.fs.remove(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "an old log cannot be deleted");
                false
            }
        }
    }
}

/// The counters of a database as they are now.
pub(super) fn counters_of(file: &super::attachments::AttachedFile) -> Counters {
    let state = file.database.look();
    Counters {
        dbtime: state.dbtime,
        last_objid: state.last_objid,
    }
}

fn raise(header: &mut DatabaseHeader, generation: u32, newest: (u32, LogTime), counters: Counters) {
    let least = generation.max(header.attach.generation);
    header.generation_min_required = header.generation_min_required.max(least);
    header.generation_min_consistent = header.generation_min_consistent.max(least);
    if newest.0 >= header.generation_max_committed {
        set_newest_generation(header, newest.0, newest.1);
    }
    set_counters(header, counters);
}
