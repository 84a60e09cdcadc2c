//! Records to segments (log-and-recovery.md sections 3.1 to 3.5), all in memory.
//!
//! ```text
//! segment   | 40: header | records, back to back … | FragmentBegin ──|   the piece fills its segment
//!           | 40: header |── Fragment | records …                | 0 |   less than 32 bytes left: fill
//! ```

use super::naming::LogNaming;
use super::writes::{LogFileWrite, LogWrites};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::bytes::put;
use crate::format::checksum::stamp_segment;
use crate::format::log_record::{LogRecord, LogRecordType};
use crate::format::{
    AttachList, LogBody, LogHeader, LogPosition, LogTime, LogVersion, SEGMENT_HEADER_LEN, SEGMENT_LEN,
    segment_sum,
};
use crate::store::log_reader::LogFile;
use std::path::PathBuf;

/// A record that does not fit is broken only if so many bytes are left in the segment (`LOG_MIN_FRAGMENT_SIZE`).
const LEAST_FRAGMENT: usize = 32;
/// Type, length of the record, length of the piece.
const FRAGMENT_BEGIN_LEN: usize = 7;
/// Type, length of the piece.
const FRAGMENT_LEN: usize = 3;
/// Type and length of a `NOP2`.
const FILL_LEN: usize = 5;
const FILL: u8 = 71;
/// The last generation that an engine writes, recovery included (section 1.1).
const GENERATION_MOST: u32 = 0x7FFF_FA00;

/// Appends records to a log sequence. Nothing is written before [`LogWrites::write`].
#[derive(Debug)]
pub struct LogAppender {
    naming: LogNaming,
    /// What new segments and generations get as their time.
    time: LogTime,
    roll: Roll,
    header: LogHeader,
    /// The current generation: the whole file.
    file: Vec<u8>,
    /// Offset of the next byte; at the start of a segment if that was not begun.
    at: usize,
    /// Offset of the segment that was begun and is not full.
    open: Option<usize>,
    /// Where the generation will be, and whether it changed since its last writes were taken.
    place: Place,
    is_changed: bool,
    finished: LogWrites,
}

/// What the headers of new generations say about the instance.
#[derive(Debug, Clone)]
struct Roll {
    checkpoint: LogPosition,
    attach_list: AttachList,
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
            file: file.to_vec(),
            at,
            open: None,
            place: Place::Existing(log.path().to_path_buf()),
            is_changed: log.has_torn_segment(),
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
        let (file, at) = blank(&header);
        let mut finished = LogWrites::default();
        if is_current && log.has_torn_segment() {
            finished.push(repaired(log, &naming)?);
        }
        Ok(LogAppender {
            naming,
            time,
            roll: Roll::of(&header),
            header,
            file,
            at,
            open: None,
            place: Place::New { archive },
            is_changed: true,
            finished,
        })
    }

    /// From now on segments and generations that begin have this time.
    pub fn set_time(&mut self, time: LogTime) {
        self.time = time;
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
        self.position_of(self.at)
    }

    /// Appends a record, and says where it is.
    ///
    /// # Errors
    /// A value that the record cannot hold; a record longer than a log (`JET_errLogBufferTooSmall`);
    /// `JET_errLogSequenceEnd`.
    pub fn append(&mut self, record: &LogRecord<'_>) -> JetResult<LogPosition> {
        let mut bytes = Vec::new();
        record.encode(&mut bytes)?;
        if !self.has_room(bytes.len()) {
            self.roll()?;
            if !self.has_room(bytes.len()) {
                let what = format!("a record of {} bytes, more than a log holds", bytes.len());
                return Err(JetError::rule(JetErr::LogBufferTooSmall, what));
            }
        }
        self.is_changed = true;
        if is_filled_up(self.left(), bytes.len()) {
            self.leave_segment();
        }
        let position = self.position_of(self.at);
        self.begin_segment();
        if bytes.len() <= self.left() {
            self.put(&bytes);
        } else {
            self.put_fragments(&bytes);
        }
        Ok(position)
    }

    /// Fills the segment up with a `NOP2`, so that the next record begins a new one. A segment that was not begun
    /// stays so.
    pub fn close_segment(&mut self) {
        if self.open.is_none() {
            return;
        }
        self.is_changed = true;
        // Less is fill that needs no record.
        if let Some(len) = self.left().checked_sub(FILL_LEN) {
            let len = u32::try_from(len).unwrap_or(0);
            self.put(&[FILL]);
            self.put(&len.to_le_bytes());
        }
        self.leave_segment();
    }

    /// Goes to the next segment. The rest of this one stays zero: `NOP` records.
    pub(super) fn leave_segment(&mut self) {
        if self.open.is_some() {
            self.seal();
            self.open = None;
            self.at = self.segment_end();
        }
    }

    /// What has to be written for everything that was appended since the last call. A segment that was begun is part
    /// of it, and may grow.
    pub fn take_writes(&mut self) -> LogWrites {
        let mut writes = std::mem::take(&mut self.finished);
        if self.is_changed {
            self.seal();
            writes.push(self.current_write());
            self.is_changed = false;
            self.place = Place::Existing(self.naming.current());
        }
        writes
    }

    fn current_write(&self) -> LogFileWrite {
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
            bytes: self.file.clone(),
        }
    }

    /// Ends the generation and begins the next one.
    fn roll(&mut self) -> JetResult<()> {
        self.leave_segment();
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
        (self.file, self.at) = blank(&header);
        self.header = header;
        self.is_changed = true;
        Ok(())
    }

    /// XOR of the checksums of the segments up to the end (section 3.5).
    fn segments_checksum(&self) -> u64 {
        let used = self.file.get(..self.at).unwrap_or_default();
        let segments = (0_u16..).zip(used.chunks(SEGMENT_LEN));
        let records = segments.filter(|(slot, _)| *slot >= self.header.header_sectors);
        records.fold(0, |sum, (slot, segment)| sum ^ segment_sum(segment, slot))
    }

    /// Whether a record of `len` bytes fits into this generation. Its end must lie before the end of the last segment
    /// but one, as the engine has it: the last slot is only for shadows.
    fn has_room(&self, len: usize) -> bool {
        const PAYLOAD: usize = SEGMENT_LEN - SEGMENT_HEADER_LEN;
        let (start, left) = if is_filled_up(self.left(), len) {
            (self.segment_end(), PAYLOAD)
        } else {
            (self.at, self.left())
        };
        let first_end = start - start % SEGMENT_LEN + SEGMENT_LEN;
        let end = if len <= left {
            first_end - left + len
        } else {
            let rest = len - (left - FRAGMENT_BEGIN_LEN);
            let piece = PAYLOAD - FRAGMENT_LEN;
            let last = rest.div_ceil(piece);
            let in_last = rest - (last - 1) * piece;
            first_end
                .saturating_add((last - 1).saturating_mul(SEGMENT_LEN))
                .saturating_add(SEGMENT_HEADER_LEN + FRAGMENT_LEN + in_last)
        };
        end < usize::from(self.header.file_sectors).saturating_sub(1) * SEGMENT_LEN
    }

    /// Bytes that are left for records in this segment.
    fn left(&self) -> usize {
        if self.at.is_multiple_of(SEGMENT_LEN) {
            SEGMENT_LEN - SEGMENT_HEADER_LEN
        } else {
            self.segment_end() - self.at
        }
    }

    /// The end of the segment that `at` is in.
    fn segment_end(&self) -> usize {
        self.at - self.at % SEGMENT_LEN + SEGMENT_LEN
    }

    fn begin_segment(&mut self) {
        if self.open.is_some() {
            return;
        }
        // It may hold a shadow, or a segment of an older generation.
        if let Some(slot) = self.file.get_mut(self.at..self.at + SEGMENT_LEN) {
            slot.fill(0);
        }
        put(&mut self.file, self.at + 16, &self.time.to_bytes());
        self.open = Some(self.at);
        self.at += SEGMENT_HEADER_LEN;
    }

    /// Puts bytes that the segment has room for.
    fn put(&mut self, bytes: &[u8]) {
        put(&mut self.file, self.at, bytes);
        self.at += bytes.len();
        if self.at.is_multiple_of(SEGMENT_LEN) {
            self.seal();
            self.open = None;
        }
    }

    /// Pieces, each of which but the last fills its segment.
    fn put_fragments(&mut self, record: &[u8]) {
        let total = u32::try_from(record.len()).unwrap_or(u32::MAX);
        let (mut piece, mut rest) = record.split_at(record.len().min(self.left() - FRAGMENT_BEGIN_LEN));
        self.put(&[LogRecordType::FRAGMENT_BEGIN.0]);
        self.put(&total.to_le_bytes());
        self.put(&len_of(piece));
        self.put(piece);
        while !rest.is_empty() {
            self.begin_segment();
            (piece, rest) = rest.split_at(rest.len().min(self.left() - FRAGMENT_LEN));
            self.put(&[LogRecordType::FRAGMENT.0]);
            self.put(&len_of(piece));
            self.put(piece);
        }
    }

    /// Gives the open segment its position and checksum.
    fn seal(&mut self) {
        let Some(start) = self.open else {
            return;
        };
        let position = self.position_of(start);
        if let Some(segment) = self.file.get_mut(start..start + SEGMENT_LEN) {
            put(segment, 8, &position.to_bytes());
            stamp_segment(segment, position.sector.into());
        }
    }

    fn position_of(&self, offset: usize) -> LogPosition {
        LogPosition {
            generation: self.header.generation,
            sector: u16::try_from(offset / SEGMENT_LEN).unwrap_or(u16::MAX),
            byte: u16::try_from(offset % SEGMENT_LEN).unwrap_or(0),
        }
    }
}

impl Roll {
    fn of(header: &LogHeader) -> Self {
        Roll {
            checkpoint: header.checkpoint,
            attach_list: header.attach_list.clone(),
        }
    }
}

/// Whether so few bytes are left that a record of `len` bytes begins in the next segment.
fn is_filled_up(left: usize, len: usize) -> bool {
    len > left && left < LEAST_FRAGMENT
}

fn len_of(piece: &[u8]) -> [u8; 2] {
    u16::try_from(piece.len()).unwrap_or(u16::MAX).to_le_bytes()
}

/// A new file with this header, and where its first segment begins.
fn blank(header: &LogHeader) -> (Vec<u8>, usize) {
    let len = usize::from(header.file_sectors) * SEGMENT_LEN;
    let mut file = header.encode();
    file.resize(len.max(file.len()), 0);
    (file, LogHeader::LEN)
}

/// A log whose torn segment was replaced by its shadow.
fn repaired(log: &LogFile, naming: &LogNaming) -> JetResult<LogFileWrite> {
    let (file, _) = log.image()?;
    Ok(LogFileWrite {
        temporary: naming.temporary(),
        path: log.path().to_path_buf(),
        archive: None,
        generation: log.header().generation,
        create_time: log.header().create_time,
        bytes: file.to_vec(),
    })
}

/// The header of the generation after `previous`, whose segments have the sum `segments_checksum` (section 2).
fn next_header(
    previous: &LogHeader,
    segments_checksum: u64,
    time: LogTime,
    roll: Option<&Roll>,
) -> JetResult<LogHeader> {
    let generation = previous.generation.saturating_add(1);
    if generation > GENERATION_MOST {
        let what = format!("there is no generation after {:#x}", previous.generation);
        return Err(JetError::rule(JetErr::LogSequenceEnd, what));
    }
    let mut header = match previous.body()? {
        LogBody::Segments => previous.clone(),
        LogBody::ChecksumRecords => first_of_segments(previous)?,
    };
    header.generation = generation;
    (header.create_time, header.previous_create_time) = (time, previous.create_time);
    header.previous_segments_checksum = segments_checksum;
    header.flags.remove(crate::format::LogFlags::FROM_RESERVE);
    if let Some(roll) = roll {
        (header.checkpoint, header.attach_list) = (roll.checkpoint, roll.attach_list.clone());
    }
    Ok(header)
}

/// A header of version 8 for a sequence that had version 7.
fn first_of_segments(previous: &LogHeader) -> JetResult<LogHeader> {
    let sectors = previous.file_len() / SEGMENT_LEN as u64;
    let sectors = u16::try_from(sectors).unwrap_or(u16::MAX);
    let mut param = previous.dbms_param.clone();
    param.log_file_sectors = sectors.into();
    let mut header = LogHeader::new(previous.generation, sectors, previous.signature, param)?;
    header.set_version(LogVersion::NEW_LOG);
    header.stored_page_size = previous.stored_page_size;
    header.flags = previous.flags;
    (header.checkpoint, header.attach_list) = (previous.checkpoint, previous.attach_list.clone());
    Ok(header)
}
