//! The files of a live log (log-and-recovery.md sections 1.1 to 1.3): segments are written in place, a full
//! generation gives way to the next one.

use super::buffer::Batch;
use super::options::LogStreamOptions;
use super::prepared::Prepared;
use crate::error::{Cause, JetErr, JetError, JetResult};
use crate::format::{LogFlags, LogHeader, LogTime, LogVersion, SEGMENT_LEN};
use crate::io::{File, OpenMode};
use crate::store::log_reader::LogFile;
use crate::store::log_writer::{LogFileWrite, Roll, archive_log, fill_unused, next_header, seal};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The current log of a running instance, and what comes after it.
#[derive(Debug)]
pub(super) struct LogFiles {
    options: LogStreamOptions,
    prepared: Arc<Prepared>,
    file: Arc<dyn File>,
    header: LogHeader,
    /// XOR of the checksums of its segments (section 3.5).
    segments_checksum: u64,
}

impl LogFiles {
    /// A new sequence that begins with the generation of `header`.
    pub(super) fn create(options: LogStreamOptions, mut header: LogHeader) -> JetResult<LogFiles> {
        let current = options.naming.current();
        if options.fs.stat(&current).is_ok() {
            let what = "there is a log already";
            return Err(JetError::rule(JetErr::FileAlreadyExists, what).in_file(&current));
        }
        make_ours(&mut header, &options)?;
        let prepared = Arc::new(Prepared::new(&options));
        prepared.keep_reserves()?;
        let file = prepared.next(header.generation, None)?.file;
        let mut files = LogFiles {
            options,
            prepared,
            file,
            header,
            segments_checksum: 0,
        };
        files.begin(None)?;
        Ok(files)
    }

    /// Goes on after `last`; the offset is that of the next segment.
    pub(super) fn continue_after(options: LogStreamOptions, last: &LogFile) -> JetResult<(LogFiles, usize)> {
        let (_, end) = last.image()?;
        let is_current = options.naming.is_current(last.path());
        let in_place = is_current && can_go_on_in_place(last.header(), &options);
        if in_place || last.needs_repair() {
            clear_after_end(last, &options)?;
        }
        let prepared = Arc::new(Prepared::new(&options));
        prepared.keep_reserves()?;
        let file = options
            .fs
            .open(last.path(), OpenMode::ReadWrite)
            .map_err(|error| failed("open", error).in_file(last.path()))?;
        let mut files = LogFiles {
            options,
            prepared,
            file,
            header: last.header().clone(),
            segments_checksum: last.segments_checksum().unwrap_or(0),
        };
        if in_place {
            return Ok((files, end));
        }
        files.roll(LogTime::from(files.options.clock.now()), is_current)?;
        Ok((files, LogHeader::LEN))
    }

    /// The header of the current generation.
    pub(super) fn header(&self) -> &LogHeader {
        &self.header
    }

    /// Whether the current log was kept for the case of a full disk.
    pub(super) fn is_from_reserve(&self) -> bool {
        self.header.flags.contains(LogFlags::FROM_RESERVE)
    }

    /// The files that are made ahead of time.
    pub(super) fn prepared(&self) -> Arc<Prepared> {
        Arc::clone(&self.prepared)
    }

    /// Makes a batch durable, in the next generation if it begins that. Gives the batch's memory back.
    ///
    /// # Errors
    /// Nothing may be written after one.
    pub(super) fn write(&mut self, mut batch: Batch) -> JetResult<Vec<u8>> {
        if batch.generation != self.header.generation {
            self.roll(batch.begun, true)?;
        }
        if batch.segments.is_empty() {
            return Ok(batch.segments);
        }
        self.segments_checksum ^= seal(&mut batch.segments, batch.first);
        let offset = batch.first as u64 * SEGMENT_LEN as u64;
        let written = self.file.write_all_at(&batch.segments, offset);
        self.result("write", written)?;
        self.result("sync", self.file.sync_data())?;
        Ok(batch.segments)
    }

    /// Ends the generation, all of which is durable, and begins the next one.
    fn roll(&mut self, created: LogTime, is_current: bool) -> JetResult<()> {
        let (checkpoint, attach_list) = self.options.observer.state();
        let roll = Roll {
            checkpoint,
            attach_list,
        };
        let mut header = next_header(&self.header, self.segments_checksum, created, Some(&roll))?;
        make_ours(&mut header, &self.options)?;
        let archive = is_current.then(|| self.options.naming.archived(self.header.generation));
        let next = self.prepared.next(header.generation, Some(&*self.file))?;
        header.flags.set(LogFlags::FROM_RESERVE, next.is_reserve);
        self.file = next.file;
        self.header = header;
        self.segments_checksum = 0;
        self.begin(archive.as_deref())
    }

    /// Gives the next file, which is blank, its header and its name.
    fn begin(&mut self, archive: Option<&Path>) -> JetResult<()> {
        let (current, temporary) = (self.options.naming.current(), self.options.naming.temporary());
        let written = self.file.write_all_at(&self.header.encode(), 0);
        self.result("write", written)?;
        self.result("sync", self.file.sync())?;
        if let Some(archive) = archive {
            archive_log(&*self.options.fs, &current, archive).map_err(as_failure)?;
        }
        let renamed = self.options.fs.rename(&temporary, &current);
        self.result("rename", renamed)?;
        self.prepared.has_begun();
        let directory = self.options.naming.directory();
        let synced = self.options.fs.sync_dir(directory);
        synced.map_err(|error| failed("sync the directory", error).in_file(directory))?;
        let (generation, created) = (self.header.generation, self.header.create_time);
        self.options.observer.generation_begun(generation, created)
    }

    fn result(&self, operation: &'static str, result: io::Result<()>) -> JetResult<()> {
        result.map_err(|error| failed(operation, error).in_file(&self.options.naming.current()))
    }
}

/// Only a log that says so may have a torn write at its end.
fn can_go_on_in_place(header: &LogHeader, options: &LogStreamOptions) -> bool {
    header.is_written_in_place()
        && header.file_len() == options.file_len
        && header.version() == LogVersion::NEW_LOG
}

/// Makes the slots after the last record what unused ones are: recovery leaves zeros there, a torn write parts of
/// segments.
fn clear_after_end(last: &LogFile, options: &LogStreamOptions) -> JetResult<()> {
    let (file, end) = last.image()?;
    let mut clean = file.to_vec();
    if let Some(unused) = clean.get_mut(end..) {
        fill_unused(unused, end / SEGMENT_LEN, last.header().generation);
    }
    if clean == file && !last.needs_repair() {
        return Ok(());
    }
    LogFileWrite::replacing(last, &options.naming, clean).write(&*options.fs)
}

/// What the header of a log says that is written here.
fn make_ours(header: &mut LogHeader, options: &LogStreamOptions) -> JetResult<()> {
    let sectors = options.file_len / SEGMENT_LEN as u64;
    header.file_sectors = u16::try_from(sectors).unwrap_or(u16::MAX);
    header.dbms_param.log_file_sectors = header.file_sectors.into();
    header.set_version(LogVersion::NEW_LOG);
    header.set_written_in_place();
    // The reader of the file would refuse it.
    header.body()?;
    Ok(())
}

/// An operation on the log that failed, after which nothing is written any more.
pub(super) fn failed(operation: &'static str, error: io::Error) -> JetError {
    as_failure(JetError::io(operation, error))
}

/// The same with the code of a failed log, but for what is a rule.
fn as_failure(error: JetError) -> JetError {
    match (error.cause(), error.code()) {
        (Cause::Io { .. }, JetErr::DiskFull) => error.with_code(JetErr::LogDiskFull),
        (Cause::Io { .. }, _) => error.with_code(JetErr::LogWriteFail),
        _ => error,
    }
}
