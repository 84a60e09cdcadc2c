//! A backup begins.

use super::logs::PreparedLogs;
use super::{DatabaseImage, KeptImages, KeptRoom, Scope};
use crate::engine::attachments::AttachedFile;
use crate::engine::core::Core;
use crate::engine::events::Event;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::BackupPhase;
use crate::format::{BackupInfo, BackupType, DbState, LogPosition, LogTime, Signature, Trailer};
use crate::store::SpillDirectory;
use crate::store::read_header::read_checkpoint;
use parking_lot::Mutex;
use std::path::PathBuf;
use std::sync::Arc;

/// Log files for which there must be room while pages are kept.
const SPARE_LOGS: u64 = 4;

/// A backup of a running instance, from begin to end. Dropped, it ends as aborted.
#[derive(Debug)]
pub(crate) struct LiveBackup {
    pub(super) core: Arc<Core>,
    pub(super) scope: Scope,
    /// What [`BackupHold`](super::BackupHold) knows it by.
    pub(super) number: u64,
    /// The end of the log when the backup began, and when that was: what identifies it.
    pub(super) mark: LogPosition,
    pub(super) time: LogTime,
    /// The checkpoint in its file then; not set of an incremental backup.
    pub(super) checkpoint: LogPosition,
    /// The first generation of the set (`CopyMic`); of an incremental backup known when the logs are prepared.
    pub(super) first_generation: u32,
    databases: Vec<Arc<DatabaseCopy>>,
    pub(super) logs: Mutex<Option<PreparedLogs>>,
    pub(super) is_ended: Mutex<bool>,
}

/// A database as the backup delivers it.
#[derive(Debug)]
pub(crate) struct DatabaseCopy {
    core: Arc<Core>,
    number: u64,
    pub(super) file: Arc<AttachedFile>,
    /// Encoded, with the mark of the backup.
    header_page: Vec<u8>,
    pub(super) image: DatabaseImage,
    info: BackupInfo,
    log_signature: Signature,
    /// Of a frozen backup: pages that were overwritten since.
    images: Option<Arc<KeptImages>>,
    /// Of a frozen backup: the last generation whose records a page may have. Known when the log was rolled.
    frozen_high: Mutex<Option<u32>>,
}

impl LiveBackup {
    /// Begins. With `frozen`, pages are kept there from now on before they are overwritten, and the logs are prepared.
    ///
    /// # Errors
    /// `JET_errBackupInProgress`, `JET_errBackupNotAllowedYet`; a full backup without a readable checkpoint file
    /// (`JET_errCheckpointFileNotFound`, `JET_errCheckpointCorrupt`, `JET_errBadCheckpointSignature`); an incremental one
    /// of a database without a full one (`JET_errMissingFullBackup`); the log cannot be written.
    pub(crate) fn begin(core: &Arc<Core>, scope: Scope, frozen: Option<&SpillDirectory>) -> JetResult<Self> {
        core.check_can_log()?;
        let number = core.backup.begin(scope)?;
        let begun = Self::begin_now(core, (number, scope), frozen);
        if begun.is_err() {
            release(core, number);
        }
        begun
    }

    fn begin_now(
        core: &Arc<Core>,
        (number, scope): (u64, Scope),
        frozen: Option<&SpillDirectory>,
    ) -> JetResult<Self> {
        // Nobody attaches, detaches or makes a database until the set is fixed, and the checkpoint stays.
        let _administration = core.administration.lock();
        let (mark, time) = (core.shared.log.end(), core.now());
        let checkpoint = match scope {
            Scope::Full => core.checkpoint_position()?,
            Scope::Incremental => {
                core.check_full_backups()?;
                LogPosition::default()
            }
        };
        let first_generation = checkpoint.generation;
        core.backup.pin(first_generation);
        core.note_backup(BackupPhase::Begin, scope, BackupInfo::default());
        let mut backup = LiveBackup {
            core: Arc::clone(core),
            scope,
            number,
            mark,
            time,
            checkpoint,
            first_generation,
            databases: Vec::new(),
            logs: Mutex::default(),
            is_ended: Mutex::new(false),
        };
        if scope == Scope::Full {
            backup.databases = backup.copies(frozen)?;
        }
        if frozen.is_some() {
            backup.prepare_logs()?;
        }
        Ok(backup)
    }

    /// Every attached database, one after the other: only when all are frozen the log is rolled. A page that is written
    /// between a roll and a freeze would carry records of a generation that is not in the set.
    fn copies(&self, frozen: Option<&SpillDirectory>) -> JetResult<Vec<Arc<DatabaseCopy>>> {
        let attached = self.core.attachments.all().into_iter();
        let attached = attached.filter(|file| file.header().state == DbState::DirtyShutdown);
        attached
            .map(|file| self.copy_of(file, frozen).map(Arc::new))
            .collect()
    }

    fn copy_of(&self, file: Arc<AttachedFile>, frozen: Option<&SpillDirectory>) -> JetResult<DatabaseCopy> {
        let (mut image, images) = match frozen {
            None => (file.sample(), None),
            Some(directory) => {
                // Keeping pages must not take the room that the log needs.
                let spare = self.core.geometry.file_len.saturating_mul(SPARE_LOGS);
                let room = KeptRoom {
                    directory: directory.clone(),
                    spare,
                };
                let (image, images) = file.freeze(&room)?;
                (image, Some(images))
            }
        };
        let info = self.info();
        image.header.backup_full_current = info;
        Ok(DatabaseCopy {
            core: Arc::clone(&self.core),
            number: self.number,
            header_page: image.header.encode(),
            image,
            info,
            log_signature: self.core.signature,
            images,
            file,
            frozen_high: Mutex::default(),
        })
    }

    /// The mark of the backup, and its first generation.
    pub(super) fn info(&self) -> BackupInfo {
        BackupInfo {
            mark: self.mark,
            time: self.time,
            generation_low: self.first_generation,
            generation_high: 0,
        }
    }

    /// The databases of the set; none of an incremental backup.
    pub(crate) fn databases(&self) -> &[Arc<DatabaseCopy>] {
        &self.databases
    }

    /// The end of the log and the checkpoint when it began (not set of an incremental backup), and where the log was
    /// rolled (not set before that).
    pub(crate) fn marks(&self) -> [LogPosition; 3] {
        let roll = self.prepared().map(|logs| logs.mark).unwrap_or_default();
        [self.mark, self.checkpoint, roll]
    }

    /// Generations that are kept for it, the current one included.
    pub(crate) fn pinned(&self) -> u32 {
        let current = self.core.shared.log.end().generation;
        let first = self.core.backup.first_generation().filter(|first| *first > 0);
        let first = first.or(self.prepared().map(|logs| logs.first));
        first.map_or(0, |first| current.saturating_sub(first) + 1)
    }

    /// Databases and logs, or logs only.
    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }
}

/// Nothing is kept and pinned any more; answers whether the backup was still in progress.
pub(super) fn release(core: &Core, number: u64) -> bool {
    let was_in_progress = core.backup.end(number);
    if was_in_progress {
        core.thaw();
    }
    was_in_progress
}

/// The message of the event log (section 10).
const ABORTED_BY_SERVER: u32 = 226;

impl Core {
    fn thaw(&self) {
        self.attachments.all().iter().for_each(|file| file.thaw());
    }

    /// The instance ends: so does a backup that is in progress, as aborted.
    pub(in crate::engine) fn stop_backup(&self) {
        if let Some(scope) = self.backup.stop() {
            self.thaw();
            self.note_backup(BackupPhase::Abort, scope, BackupInfo::default());
            self.note_backup(BackupPhase::Stop, scope, BackupInfo::default());
            let what = "the backup was ended by the instance".to_owned();
            let number = ABORTED_BY_SERVER;
            tracing::error!(number, "{what}");
            self.parameters.events.tell(&Event::Backup { number, what });
        }
    }

    /// The generation of the checkpoint in its file, from which recovery of a copy begins.
    pub(super) fn checkpoint_generation(&self) -> JetResult<u32> {
        Ok(self.checkpoint_position()?.generation)
    }

    fn checkpoint_position(&self) -> JetResult<LogPosition> {
        let Some(file) = &self.checkpoint else {
            let what = "nothing is logged";
            return Err(JetError::rule(JetErr::LoggingDisabled, what));
        };
        let fail = |code, what| Err(JetError::rule(code, what).in_file(&file.path));
        match read_checkpoint(&*self.shared.fs, &file.path)? {
            None => fail(JetErr::CheckpointFileNotFound, "is not there"),
            Some(Err(_)) => fail(JetErr::CheckpointCorrupt, "both copies are damaged"),
            Some(Ok(checkpoint)) if checkpoint.log_signature != self.signature => {
                fail(JetErr::BadCheckpointSignature, "is that of another instance")
            }
            Some(Ok(checkpoint)) => Ok(checkpoint.checkpoint),
        }
    }

    /// Every attached database must have had a full backup whose logs were truncated (section 6.4).
    fn check_full_backups(&self) -> JetResult<()> {
        for file in self.attachments.all() {
            let header = file.header();
            if header.backup_full_previous.generation_low == 0
                || header.backup_full_previous_type != BackupType::Normal
            {
                let what = "has had no full backup";
                return Err(JetError::rule(JetErr::MissingFullBackup, what)
                    .in_file(&file.database.path)
                    .advise("Make a full backup and end it with truncation; a copy does not count."));
            }
        }
        Ok(())
    }
}

impl DatabaseCopy {
    /// Where the database is.
    pub(crate) fn path(&self) -> &PathBuf {
        &self.file.database.path
    }

    /// The last page of the copy.
    pub(crate) fn page_last(&self) -> u32 {
        self.image.page_last
    }

    /// The page with the header, which stands twice at the start of the copy.
    pub(crate) fn header_page(&self) -> &[u8] {
        &self.header_page
    }

    /// Reads pages as they are on disk, of a frozen backup as they were then, into `buf`, whose length is that of whole
    /// pages. While they are read nobody writes them.
    ///
    /// # Errors
    /// The file cannot be read, or a page could not be kept; the instance has ended the backup.
    pub(crate) fn read_pages(&self, first: u32, buf: &mut [u8]) -> JetResult<()> {
        let database = &self.file.database;
        let in_file = |error: JetError| error.in_file(&database.path).on_page(first);
        let count = u32::try_from(buf.len() / database.page_size.bytes()).unwrap_or(u32::MAX);
        let last = first.saturating_add(count.saturating_sub(1));
        let locked = self.images.is_none().then(|| self.file.ranges.lock(first..=last));
        let read = database
            .file
            .read_full_at(buf, database.page_size.offset_of(first));
        drop(locked);
        let read = read.map_err(|error| in_file(JetError::io("read", error)))?;
        // Pages that were never written, behind the end of the file.
        buf.get_mut(read..).unwrap_or_default().fill(0);
        if let Some(images) = &self.images {
            images.put_over(buf, first).map_err(in_file)?;
        }
        // Pages are kept only as long as the backup is in progress.
        self.core.backup.check(self.number)
    }

    /// The page that follows the last one (section 6.6). To be asked for only when all other pages were read; of a frozen
    /// backup at any time.
    ///
    /// # Errors
    /// A value that it cannot hold.
    pub(crate) fn trailer(&self) -> JetResult<Vec<u8>> {
        let header = &self.image.header;
        let current = || self.core.shared.log.end().generation;
        let high = self.frozen_high.lock().unwrap_or_else(current);
        let mut info = self.info;
        info.generation_high = high.max(header.generation_max_committed);
        let size = self.file.database.page_size;
        let trailer = Trailer::new(size, info, header.signature, self.log_signature)?;
        Ok(trailer.encode())
    }

    /// The log was rolled: `generation` is the last one that the pages know.
    pub(super) fn set_frozen_high(&self, generation: u32) {
        *self.frozen_high.lock() = Some(generation);
    }
}
