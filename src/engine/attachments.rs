//! The attached databases as files: their headers, and how pages get into them (log-and-recovery.md sections 5.2 and
//! 5.4).
//!
//! Whoever writes into a file, header or pages, holds the lock of its header: the journal of pages counts only as long
//! as the header is the one that it repeats. Nobody waits for the log while he holds it, since a new generation of the
//! log is written into the headers before it is used.

use super::backup::{DatabaseImage, KeptImages, KeptRoom, RangeLock};
use super::events::{Event, EventSink};
use super::signature::new_signature;
use super::state::AttachedDatabase;
use crate::error::{JetError, JetResult};
use crate::format::{
    AttachList, Attachment, BackupInfo, DatabaseHeader, DbState, LogPosition, LogTime, PageBuffer, Signature,
};
use crate::io::{Clock, FileSystem};
use crate::recovery::in_place::{BatchJournal, StampedPage, write_in_place};
use crate::store::log_stream::LogObserver;
use crate::store::write_database_header;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The files of the attached databases, and where recovery would begin.
#[derive(Debug)]
pub(super) struct Attachments {
    events: EventSink,
    files: RwLock<Vec<Arc<AttachedFile>>>,
    /// The checkpoint, packed.
    checkpoint: AtomicU64,
}

/// An attached database as a file.
#[derive(Debug)]
pub(super) struct AttachedFile {
    pub(super) database: Arc<AttachedDatabase>,
    clock: Arc<dyn Clock>,
    /// Held while the file is written.
    written: Mutex<Written>,
    /// Held while pages are chosen and written: batches come one after the other.
    pub(super) flushing: Mutex<()>,
    /// Pages that a backup reads.
    pub(super) ranges: RangeLock,
}

#[derive(Debug)]
struct Written {
    /// What the file has.
    header: DatabaseHeader,
    /// None without a log, or when the database was detached.
    journal: Option<BatchJournal>,
    /// Pages of a frozen backup, before they are overwritten.
    images: Option<Arc<KeptImages>>,
}

/// The counters of a database that its header has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counters {
    pub(super) dbtime: u64,
    pub(super) last_objid: u32,
}

impl Attachments {
    /// No databases yet.
    pub(super) fn new(events: EventSink, checkpoint: LogPosition) -> Self {
        Attachments {
            events,
            files: RwLock::new(Vec::new()),
            checkpoint: AtomicU64::new(checkpoint.pack()),
        }
    }

    /// The attached databases, by `dbid`.
    pub(super) fn all(&self) -> Vec<Arc<AttachedFile>> {
        self.files.read().clone()
    }

    /// Adds a database.
    pub(super) fn add(&self, file: Arc<AttachedFile>) {
        let mut files = self.files.write();
        files.push(file);
        files.sort_by_key(|file| file.database.dbid);
    }

    /// Takes a database out.
    pub(super) fn remove(&self, dbid: u8) {
        self.files.write().retain(|file| file.database.dbid != dbid);
    }

    /// Where recovery would begin.
    pub(super) fn checkpoint(&self) -> LogPosition {
        LogPosition::unpack(self.checkpoint.load(Ordering::Acquire))
    }

    /// The checkpoint is durable here.
    pub(super) fn set_checkpoint(&self, position: LogPosition) {
        self.checkpoint.store(position.pack(), Ordering::Release);
    }

    /// The databases that were attached before `position`.
    ///
    /// # Errors
    /// The list has no room for their paths.
    pub(super) fn list(&self, position: LogPosition) -> JetResult<AttachList> {
        let files = self.all();
        let entries = files.iter().filter_map(|file| file.entry(position));
        Ok(AttachList::new(&entries.collect::<Vec<_>>())?)
    }
}

impl LogObserver for Attachments {
    fn generation_begun(&self, generation: u32, created: LogTime) -> JetResult<()> {
        for file in self.all() {
            file.raise_generation(generation, created)?;
        }
        self.events.tell(&Event::GenerationBegun { generation });
        Ok(())
    }

    fn state(&self) -> (LogPosition, AttachList) {
        let all = LogPosition {
            generation: u32::MAX,
            ..LogPosition::default()
        };
        // That it has room for all was seen when the last one was attached.
        (self.checkpoint(), self.list(all).unwrap_or_default())
    }
}

impl AttachedFile {
    /// A database whose file has this header. `journal`: whether torn pages must be mended, which needs a log.
    ///
    /// # Errors
    /// The journal cannot be made.
    pub(super) fn new(
        fs: &dyn FileSystem,
        clock: Arc<dyn Clock>,
        database: Arc<AttachedDatabase>,
        header: DatabaseHeader,
        journal: bool,
    ) -> JetResult<Self> {
        let create = || BatchJournal::create(fs, &database.path, database.page_size);
        let journal = journal.then(create).transpose()?;
        Ok(AttachedFile {
            database,
            clock,
            written: Mutex::new(Written {
                header,
                journal,
                images: None,
            }),
            flushing: Mutex::new(()),
            ranges: RangeLock::default(),
        })
    }

    /// A copy of the header.
    pub(super) fn header(&self) -> DatabaseHeader {
        self.written.lock().header.clone()
    }

    /// Changes the header. When it returns both copies are durable.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn change_header(&self, change: impl FnOnce(&mut DatabaseHeader)) -> JetResult<()> {
        let mut written = self.written.lock();
        let mut header = written.header.clone();
        change(&mut header);
        header.header_flush_signature = new_signature(&*self.clock);
        header.flush_map_flush_signature = Signature::default();
        write_database_header(&*self.database.file, &header).map_err(|error| self.in_file(error))?;
        written.header = header;
        Ok(())
    }

    /// Writes pages and makes them durable; none of them is torn by a power cut. The log of their changes is durable.
    ///
    /// # Errors
    /// What the system says. Nobody knows then what is in the file.
    pub(super) fn write_pages(&self, pages: &[Arc<PageBuffer>], page_last: u32) -> JetResult<()> {
        let stamped = pages.iter().map(|page| PageBuffer::clone(page).into_verified());
        let stamped: Vec<_> = stamped.collect();
        let stamped = stamped.iter().map(|page| StampedPage {
            pgno: page.pgno(),
            bytes: page.bytes(),
        });
        let stamped: Vec<StampedPage<'_>> = stamped.collect();
        let pgnos = || stamped.iter().map(|page| page.pgno);
        let _nobody_reads = self.ranges.write(pgnos().collect());
        let written = self.written.lock();
        let file = &*self.database.file;
        if let Some(images) = &written.images {
            images.keep(file, pgnos());
        }
        match &written.journal {
            Some(journal) => journal.write(file, &written.header.encode(), page_last, &stamped),
            None => write_in_place(file, self.database.page_size, &stamped),
        }
        .map_err(|error| self.in_file(error))
    }

    /// The header and the size that a backup delivers. The header first: whatever the file grows by later is in the log
    /// that the header needs (external-backup.md section 7.2, I4).
    pub(super) fn sample(&self) -> DatabaseImage {
        let header = self.header();
        let page_last = self.database.look().last_page;
        DatabaseImage { header, page_last }
    }

    /// As [`sample`](Self::sample); from now on the pages of that size are kept before they are overwritten. No page is
    /// being written when this returns.
    ///
    /// # Errors
    /// There is no place to keep them.
    pub(super) fn freeze(&self, room: &KeptRoom) -> JetResult<(DatabaseImage, Arc<KeptImages>)> {
        let _no_page_is_written = self.flushing.lock();
        let image = self.sample();
        let images = KeptImages::new(self.database.page_size, image.page_last, room)?;
        let images = Arc::new(images);
        self.written.lock().images = Some(Arc::clone(&images));
        Ok((image, images))
    }

    /// Pages are not kept any more.
    pub(super) fn thaw(&self) {
        self.written.lock().images = None;
    }

    /// Removes the journal, when all pages are written and the header is clean.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn remove_journal(&self, fs: &dyn FileSystem) -> JetResult<()> {
        let journal = self.written.lock().journal.take();
        journal.map_or(Ok(()), |journal| journal.remove(fs))
    }

    fn raise_generation(&self, generation: u32, created: LogTime) -> JetResult<()> {
        if self.written.lock().header.state != DbState::DirtyShutdown {
            return Ok(());
        }
        self.change_header(|header| set_newest_generation(header, generation, created))
    }

    /// Its entry in the list of those that were attached before `position`.
    fn entry(&self, position: LogPosition) -> Option<Attachment> {
        let written = self.written.lock();
        let header = &written.header;
        let is_attached = header.state == DbState::DirtyShutdown && header.attach < position;
        is_attached.then(|| {
            let consistent = Some(header.consistent).filter(|consistent| *consistent < position);
            Attachment {
                dbid: self.database.dbid,
                flags: UNICODE,
                dbtime: header.dbtime_dirtied,
                objid_last: header.objid_last,
                pages_max: 0,
                attach: header.attach,
                consistent: consistent.unwrap_or_default(),
                signature: header.signature,
                names: logged_path(&self.database.path.to_string_lossy()),
            }
        })
    }

    fn in_file(&self, error: JetError) -> JetError {
        error.in_file(&self.database.path)
    }
}

/// The names in a list are UTF-16LE.
const UNICODE: u8 = 0x20;

/// A path as logs and lists have it: UTF-16LE with its NUL.
pub(super) fn logged_path(path: &str) -> Vec<u8> {
    let units = path.encode_utf16().chain([0]);
    units.flat_map(u16::to_le_bytes).collect()
}

/// The newest generation, which is durable, may have records for the database (section 5.4).
pub(super) fn set_newest_generation(header: &mut DatabaseHeader, generation: u32, created: LogTime) {
    header.generation_max_required = generation;
    header.generation_max_committed = generation;
    header.generation_max_create_time = created;
}

/// The header of a database that needs no log: consistent with everything before `position`. Both are not set of one
/// that was not logged (section 5.5, database-file.md section 1.3).
pub(super) fn make_clean(
    header: &mut DatabaseHeader,
    position: LogPosition,
    time: LogTime,
    counters: Counters,
) {
    header.state = DbState::CleanShutdown;
    (header.consistent, header.consistent_time) = (position, time);
    (header.detach, header.detach_time) = (position, time);
    set_counters(header, counters);
    header.generation_min_required = 0;
    header.generation_min_consistent = 0;
    set_newest_generation(header, 0, LogTime::default());
    header.generation_max_required_time = LogTime::default();
    header.generation_recovering = 0;
    header.backup_full_current = BackupInfo::default();
    header.backup_snapshot_current = BackupInfo::default();
}

/// What recovery must know of what was before the records that it replays.
pub(super) fn set_counters(header: &mut DatabaseHeader, counters: Counters) {
    header.dbtime_dirtied = header.dbtime_dirtied.max(counters.dbtime);
    header.objid_last = header.objid_last.max(counters.last_objid);
}
