//! The live log of a running instance (log-and-recovery.md sections 1.1 to 1.3, 3.1 to 3.5 and 5.5).
//!
//! ```text
//! append ──> Buffer: segments in memory        (mutex; a group lies in one generation)
//!               │ take: what is there, its last segment closed with a NOP2
//!               ▼
//! flush_to ─> LogFiles: one write in place, one fdatasync      (one leader, for all that wait)
//!               │ full
//!               ▼
//!             next generation: blank file ── header ── sync ── rename, rename ── sync directory ── observer
//! ```
//!
//! # What a power cut does
//!
//! It may tear a write at any 512 bytes, lose parts of it, and keep others. What was acknowledged is safe, because
//! nothing that was is ever written again: every write begins with a segment of its own, in slots that were not used,
//! and begins only when the one before it was synced. A new generation is begun only when the one before is durable,
//! and its first write only when the directory is. So a write needs no order inside, and one sync.
//!
//! What was not acknowledged may be there in parts, in any order. The genuine engine takes that for damage where more
//! than the last segment is concerned; shadows (section 3.3) would not help against torn sectors, since a shadow is
//! torn as easily. So the log tells where its writes begin, in terms that the genuine engine uses too: the first
//! segment of a write has a time, those after it have none. A reader that finds a gap or a damaged segment, and behind
//! it none that begins a write, knows that the last write was torn, and that nobody was told of it: the log ends there
//! ([`LogScan`](crate::format::LogScan)). Where a segment behind the gap begins a write, the gap is damage. This holds
//! only of logs whose header says that they are written like this, so a log of another writer is never continued in
//! place. Recovery removes what a torn write left before it appends anything.
//!
//! A segment that was torn must not look whole. Its checksum does not tell whether a sector arrived that adds nothing
//! to it; so unused slots hold segments of an older generation, as in a file that the genuine engine uses again, of
//! which every sector does (`log_writer/unused.rs`).
//!
//! # When something fails
//!
//! After a failed write or sync nothing is known of the file: the stream writes nothing any more, and says so to
//! everybody who waits and comes. A full disk is met when a file is made: a reserve log takes its place, and from then
//! on only records are taken that end what was begun.

mod buffer;
mod files;
mod options;
mod prepared;
mod stream;
#[cfg(test)]
mod tests;

pub use options::{LogObserver, LogStreamOptions};

use crate::error::{JetErr, JetResult};
use crate::format::log_record::LogRecord;
use crate::format::{LogHeader, LogPosition};
use crate::store::log_reader::LogFile;
use files::LogFiles;
use stream::Live;

/// The log of a running instance. Shared by all sessions.
#[derive(Debug)]
pub struct LogStream {
    /// None: logging is off.
    live: Option<Live>,
}

/// Where a group of records is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Appended {
    /// The first record.
    pub first: LogPosition,
    /// The last record.
    pub last: LogPosition,
    /// The end of the last record: once the log is durable to here, the group is.
    pub end: LogPosition,
}

impl LogStream {
    /// Begins a new log sequence where no log is. `header` is that of its first generation; length, version and what
    /// says that the log is written in place are set here.
    ///
    /// # Errors
    /// There is a log already (`JET_errFileAlreadyExists`); a length of files that cannot be
    /// (`JET_errInvalidParameter`); a file cannot be made; the observer's.
    pub fn create(options: LogStreamOptions, header: LogHeader) -> JetResult<Self> {
        options.check()?;
        let files = LogFiles::create(options.clone(), header)?;
        Ok(Self::of(&options, files, LogHeader::LEN))
    }

    /// Goes on after `last`, the last log of its sequence, once that has ended well: in the next segment, or in a new
    /// generation if it is an archived log, or was written in another way. What a torn write left is removed first.
    ///
    /// # Errors
    /// It is damaged; a length of files that cannot be; a file cannot be made or written; the observer's.
    pub fn continue_after(options: LogStreamOptions, last: &LogFile) -> JetResult<Self> {
        options.check()?;
        let (files, at) = LogFiles::continue_after(options.clone(), last)?;
        Ok(Self::of(&options, files, at))
    }

    /// Logging switched off: nothing is written, every position is 0 and durable.
    pub fn off() -> Self {
        LogStream { live: None }
    }

    fn of(options: &LogStreamOptions, files: LogFiles, at: usize) -> Self {
        LogStream {
            live: Some(Live::new(options, files, at)),
        }
    }

    /// Appends records as one group: one after the other, in one generation. They are in memory only; who appends more
    /// than may wait waits for a write.
    ///
    /// # Errors
    /// The log has failed, with what it failed; the disk is full, and the records do not end what was begun
    /// (`JET_errLogDiskFull`); the group is longer than a log (`JET_errLogBufferTooSmall`); `JET_errLogSequenceEnd`; a
    /// value that a record cannot hold.
    pub fn append(&self, records: &[LogRecord<'_>]) -> JetResult<Appended> {
        let append = |live: &Live| live.append(records);
        self.live.as_ref().map_or(Ok(Appended::default()), append)
    }

    /// Returns when everything before `end` is durable; an `end` behind the last record is taken for that.
    ///
    /// # Errors
    /// The log has failed before it was: `JET_errLogWriteFail`, `JET_errLogDiskFull`, the observer's.
    pub fn flush_to(&self, end: LogPosition) -> JetResult<()> {
        self.live.as_ref().map_or(Ok(()), |live| live.flush_to(end))
    }

    /// Fills the segment up, so that the next record begins a new one.
    ///
    /// # Errors
    /// The log has failed.
    pub fn close_segment(&self) -> JetResult<()> {
        self.live.as_ref().map_or(Ok(()), Live::close_segment)
    }

    /// Ends the current generation, and returns the new one when it is durable.
    ///
    /// # Errors
    /// Those of [`flush_to`](Self::flush_to); `JET_errLogSequenceEnd`.
    pub fn begin_generation(&self) -> JetResult<u32> {
        self.live.as_ref().map_or(Ok(0), Live::begin_generation)
    }

    /// Ends the current generation, and begins the next one with these records. When it returns they are durable.
    ///
    /// # Errors
    /// Those of [`append`](Self::append) and [`flush_to`](Self::flush_to).
    pub fn begin_generation_with(&self, records: &[LogRecord<'_>]) -> JetResult<Appended> {
        let begin = |live: &Live| live.begin_generation_with(records);
        self.live.as_ref().map_or(Ok(Appended::default()), begin)
    }

    /// Makes the file of the next generation ahead of time, so that going there is short: for a background thread.
    /// Nothing happens if it is there, or the disk is full.
    ///
    /// # Errors
    /// The log has failed, now or before.
    pub fn prepare_next(&self) -> JetResult<()> {
        self.live.as_ref().map_or(Ok(()), Live::prepare_next)
    }

    /// Takes nothing any more, and writes nothing any more once this returns: somebody else may go on with the files.
    pub fn close(&self) {
        if let Some(live) = &self.live {
            live.close();
        }
    }

    /// Takes nothing any more (`JET_errLogWriteFail`), because that was asked for.
    pub fn stop(&self) {
        if let Some(live) = &self.live {
            live.stop();
        }
    }

    /// Whether [`stop`](Self::stop) was called.
    pub fn is_stopped(&self) -> bool {
        self.live.as_ref().is_some_and(Live::is_stopped)
    }

    /// Where the next record goes if it fits.
    pub fn end(&self) -> LogPosition {
        self.live.as_ref().map_or_else(LogPosition::default, Live::end)
    }

    /// Everything before this is durable.
    pub fn durable(&self) -> LogPosition {
        self.live
            .as_ref()
            .map_or_else(LogPosition::default, Live::durable)
    }

    /// Why nothing can be logged any more.
    pub fn is_failed(&self) -> Option<JetErr> {
        self.live.as_ref().and_then(Live::failure)
    }

    /// Whether the disk is full and a reserve log is in use, so that the instance can only end.
    pub fn is_disk_full(&self) -> bool {
        self.live.as_ref().is_some_and(Live::is_full)
    }

    /// Whether there is no generation after the current one (`JET_errLogSequenceEnd`).
    pub fn is_at_sequence_end(&self) -> bool {
        self.live.is_some() && self.end().generation >= buffer::GENERATION_MOST
    }

    /// The header of the newest generation that is durable; `None` if logging is off.
    pub fn header(&self) -> Option<LogHeader> {
        self.live.as_ref().map(Live::header)
    }
}
