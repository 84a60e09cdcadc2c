//! Records to whole log files, all in memory.

use super::naming::LogNaming;
use super::next_header::{Roll, next_header};
use super::packing::{Packing, SegmentTimes};
use super::writes::{LogFileWrite, LogWrites};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::LogRecord;
use crate::format::{AttachList, LogBody, LogHeader, LogPosition, LogTime, SEGMENT_LEN, segment_sum};
use crate::store::log_reader::LogFile;
use std::path::PathBuf;

/// Appends records to a log sequence. Nothing is written before [`LogWrites::write`].
#[derive(Debug)]
pub struct LogAppender {
    naming: LogNaming,
    /// What new segments and generations get as their time.
    time: LogTime,
    roll: Roll,
    header: LogHeader,
    /// The current generation: the whole file.
    packing: Packing,
    /// Offset to which the segments have their checksums.
    sealed: usize,
    /// Where the generation will be, and whether it changed since its last writes were taken.
    place: Place,
    is_changed: bool,
    finished: LogWrites,
}

/// How the current generation comes to its place.
#[derive(Debug, Clone)]
enum Place {
    /// It is there.
    Existing(PathBuf),
    /// It is new; the current log, if there is one, becomes this archived one first.
    New { archive: Option<PathBuf> },
}

impl LogAppender {
    /// Appends after the last segment of `log`, the last one of its sequence; if that is an archived log, in a new
    /// generation.
    ///
    /// # Errors
    /// The log is damaged; `JET_errBadLogVersion`: it has version 7, whose framing is no longer written
    /// ([`in_next_generation`](Self::in_next_generation) can go on); `JET_errLogSequenceEnd`.
    pub fn after(log: &LogFile, naming: LogNaming, time: LogTime) -> JetResult<Self> {
        if log.body() != LogBody::Segments {
            let what = format!("version {} cannot be appended to", log.header().version());
            return Err(JetError::rule(JetErr::BadLogVersion, what)
                .in_file(log.path())
                .advise("Recover it into a copy: `jetfs recover -o OUT`."));
        }
        if !naming.is_current(log.path()) {
            return Self::in_next_generation(log, naming, time);
        }
        let (file, at) = log.image()?;
        Ok(LogAppender {
            naming,
            time,
            roll: Roll::of(log.header()),
            header: log.header().clone(),
            packing: packing(log.header(), time, file.to_vec(), at),
            sealed: at,
            place: Place::Existing(log.path().to_path_buf()),
            is_changed: log.needs_repair(),
            finished: LogWrites::default(),
        })
    }

    /// Appends in a new generation that follows `log`, the last one of its sequence, whatever its version.
    ///
    /// # Errors
    /// The log is damaged; `JET_errLogSequenceEnd`.
    pub fn in_next_generation(log: &LogFile, naming: LogNaming, time: LogTime) -> JetResult<Self> {
        if let Some(damage) = log.damage() {
            return Err(damage);
        }
        let header = next_header(log.header(), log.segments_checksum().unwrap_or(0), time, None)?;
        let is_current = naming.is_current(log.path());
        let archive = is_current.then(|| naming.archived(log.header().generation));
        let mut finished = LogWrites::default();
        if is_current && log.needs_repair() {
            finished.push(LogFileWrite::repairing(log, &naming)?);
        }
        Ok(LogAppender {
            naming,
            time,
            roll: Roll::of(&header),
            packing: blank(&header, time),
            sealed: LogHeader::LEN,
            header,
            place: Place::New { archive },
            is_changed: true,
            finished,
        })
    }

    /// From now on segments and generations that begin have this time.
    pub fn set_time(&mut self, time: LogTime) {
        self.time = time;
        self.packing.set_times(SegmentTimes::Every(time));
    }

    /// What the headers of generations that begin from now on say: the checkpoint, and the databases that are
    /// attached. Until this is said, what the last header said.
    pub fn set_state(&mut self, checkpoint: LogPosition, attach_list: AttachList) {
        self.roll = Roll {
            checkpoint,
            attach_list,
        };
    }

    /// The header of the current generation.
    pub fn header(&self) -> &LogHeader {
        &self.header
    }

    /// The end of the log: where the next record goes if it fits.
    pub fn position(&self) -> LogPosition {
        self.packing.position()
    }

    /// Appends a record, and says where it is.
    ///
    /// # Errors
    /// A value that the record cannot hold; a record longer than a log (`JET_errLogBufferTooSmall`);
    /// `JET_errLogSequenceEnd`.
    pub fn append(&mut self, record: &LogRecord<'_>) -> JetResult<LogPosition> {
        let mut bytes = Vec::new();
        record.encode(&mut bytes)?;
        if !self.packing.has_room([bytes.len()]) {
            self.roll()?;
            if !self.packing.has_room([bytes.len()]) {
                let what = format!("a record of {} bytes, more than a log holds", bytes.len());
                return Err(JetError::rule(JetErr::LogBufferTooSmall, what));
            }
        }
        self.is_changed = true;
        Ok(self.packing.put_record(&bytes))
    }

    /// Fills the segment up with a `NOP2`, so that the next record begins a new one. A segment that was not begun
    /// stays so.
    pub fn close_segment(&mut self) {
        let end = self.packing.at();
        self.packing.close();
        self.is_changed |= self.packing.at() != end;
    }

    /// Goes to the next segment. The rest of this one stays zero: `NOP` records.
    #[cfg(test)]
    pub(super) fn leave_segment(&mut self) {
        self.packing.leave_segment();
    }

    /// What has to be written for everything that was appended since the last call. A segment that was begun is part
    /// of it, and may grow.
    pub fn take_writes(&mut self) -> LogWrites {
        let mut writes = std::mem::take(&mut self.finished);
        if self.is_changed {
            writes.push(self.current_write());
            self.is_changed = false;
            self.place = Place::Existing(self.naming.current());
        }
        writes
    }

    fn current_write(&mut self) -> LogFileWrite {
        self.sealed = self.packing.seal_from(self.sealed);
        let (path, archive) = match &self.place {
            Place::Existing(path) => (path.clone(), None),
            Place::New { archive } => (self.naming.current(), archive.clone()),
        };
        LogFileWrite {
            temporary: self.naming.temporary(),
            path,
            archive,
            generation: self.header.generation,
            create_time: self.header.create_time,
            bytes: self.packing.bytes().to_vec(),
        }
    }

    /// Ends the generation and begins the next one.
    fn roll(&mut self) -> JetResult<()> {
        self.packing.leave_segment();
        self.sealed = self.packing.seal_from(self.sealed);
        let header = next_header(
            &self.header,
            self.segments_checksum(),
            self.time,
            Some(&self.roll),
        )?;
        if self.is_changed {
            let write = self.current_write();
            self.finished.push(write);
        }
        self.place = Place::New {
            archive: Some(self.naming.archived(self.header.generation)),
        };
        self.packing = blank(&header, self.time);
        self.sealed = LogHeader::LEN;
        self.header = header;
        self.is_changed = true;
        Ok(())
    }

    /// XOR of the checksums of the segments up to the end (section 3.5).
    fn segments_checksum(&self) -> u64 {
        let used = self.packing.bytes().get(..self.packing.at()).unwrap_or_default();
        let segments = (0_u16..).zip(used.chunks(SEGMENT_LEN));
        let records = segments.filter(|(slot, _)| *slot >= self.header.header_sectors);
        records.fold(0, |sum, (slot, segment)| sum ^ segment_sum(segment, slot))
    }
}

/// A new file with this header.
fn blank(header: &LogHeader, time: LogTime) -> Packing {
    let len = usize::from(header.file_sectors) * SEGMENT_LEN;
    let mut file = header.encode();
    file.resize(len.max(file.len()), 0);
    packing(header, time, file, LogHeader::LEN)
}

fn packing(header: &LogHeader, time: LogTime, file: Vec<u8>, at: usize) -> Packing {
    let times = SegmentTimes::Every(time);
    Packing::new(header.generation, header.file_sectors, times, (0, file), at)
}
