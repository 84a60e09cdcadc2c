//! The records of a log, one after the other (log-and-recovery.md sections 3.4 and 3.6).

use super::log_file::LogFile;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::bytes::Fields;
use crate::format::log_record::{LogRecord, LogRecordType};
use crate::format::{
    FormatError, LogBody, LogHeader, LogPosition, SEGMENT_HEADER_LEN, SEGMENT_LEN, Structure,
};
use std::ops::Range;

/// A record in its log.
#[derive(Debug, Clone, Copy)]
pub struct Logged<'a> {
    /// Where it begins.
    pub position: LogPosition,
    /// The record.
    pub record: LogRecord<'a>,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// A place in a log, and the fragments of a record that are not complete yet.
#[derive(Debug, Default)]
pub struct RecordCursor {
    /// Offset in the file; 0 before the first record.
    at: usize,
    /// The record that it is at.
    found: Option<Found>,
    fragments: Vec<u8>,
    open: Option<OpenFragment>,
    /// Reading began behind the beginning of a record: its last fragments are passed over.
    began_inside: bool,
    torn: Option<LogPosition>,
}

#[derive(Debug, Clone, Copy)]
struct OpenFragment {
    offset: usize,
    position: LogPosition,
    total: usize,
}

/// Where a record's bytes are.
#[derive(Debug)]
enum Found {
    InFile(Range<usize>),
    Joined(OpenFragment),
}

impl RecordCursor {
    /// A cursor before the first record of a log.
    pub fn new() -> Self {
        Self::default()
    }

    /// A cursor at the beginning of the segment (in version 7: of the log) that holds `position`.
    pub fn in_segment_of(log: &LogFile, position: LogPosition) -> Self {
        let first = log.header().header_sectors;
        let inside = log.body() == LogBody::Segments && position.sector > first;
        RecordCursor {
            at: if inside {
                usize::from(position.sector) * SEGMENT_LEN + SEGMENT_HEADER_LEN
            } else {
                0
            },
            began_inside: inside,
            ..Self::default()
        }
    }

    /// The next record; `None` after the last.
    ///
    /// # Errors
    /// Damage of the log, a record that is none, or fill that is not empty. Nothing can be read behind it.
    pub fn next_record<'a>(&'a mut self, log: &'a LogFile) -> JetResult<Option<Logged<'a>>> {
        match self.advance(log)? {
            Some(_) => self.record(log),
            None => Ok(None),
        }
    }

    /// Goes to the next record, and says where it begins; `None` after the last.
    ///
    /// # Errors
    /// Those of [`next_record`](Self::next_record), but for what is inside of a record.
    pub fn advance(&mut self, log: &LogFile) -> JetResult<Option<LogPosition>> {
        self.found = match log.body() {
            LogBody::Segments => self.find(log)?,
            LogBody::ChecksumRecords => self.find_in_stream(log)?,
        };
        match &self.found {
            None => log.damage().map_or(Ok(None), Err),
            Some(Found::InFile(range)) => Ok(Some(log.position(range.start))),
            Some(Found::Joined(fragment)) => Ok(Some(fragment.position)),
        }
    }

    /// The record that the cursor is at; `None` before the first and after the last.
    ///
    /// # Errors
    /// A record that is none.
    pub fn record<'a>(&'a self, log: &'a LogFile) -> JetResult<Option<Logged<'a>>> {
        let (offset, position, bytes) = match &self.found {
            None => return Ok(None),
            Some(Found::InFile(range)) => (range.start, log.position(range.start), log.bytes(range.clone())),
            Some(Found::Joined(fragment)) => (fragment.offset, fragment.position, self.fragments.as_slice()),
        };
        let record = LogRecord::decode(bytes).map_err(|error| bad_record(log, offset, &error))?;
        Ok(Some(Logged {
            position,
            record,
            bytes,
        }))
    }

    /// The type of the record that the cursor is at; 0 before the first and after the last.
    pub(super) fn record_type(&self, log: &LogFile) -> LogRecordType {
        let bytes = match &self.found {
            None => &[],
            Some(Found::InFile(range)) => log.bytes(range.clone()),
            Some(Found::Joined(_)) => self.fragments.as_slice(),
        };
        LogRecordType(bytes.first().copied().unwrap_or(0))
    }

    /// The first bytes of the record that the cursor is at, or of its first fragment.
    pub(super) fn start<'a>(&self, log: &'a LogFile) -> &'a [u8] {
        let offset = match &self.found {
            None => return &[],
            Some(Found::InFile(range)) => range.start,
            Some(Found::Joined(fragment)) => fragment.offset,
        };
        log.bytes(offset..offset.saturating_add(8).min(log.end()))
    }

    /// Where the record began whose end is missing, once the cursor has reached the log's end.
    pub fn unfinished(&self) -> Option<LogPosition> {
        self.open.map(|open| open.position)
    }

    /// Where the last record began that a crash had cut off, and that the recovery after it dropped.
    pub fn torn(&self) -> Option<LogPosition> {
        self.torn
    }

    fn find(&mut self, log: &LogFile) -> JetResult<Option<Found>> {
        self.at = self.at.max(LogHeader::LEN + SEGMENT_HEADER_LEN);
        while self.at < log.end() {
            let start = self.at;
            let rest = log.bytes(start..end_of_segment(start));
            let record_type = rest.first().copied().map_or(LogRecordType(0), LogRecordType);
            if self.open.is_some() && record_type != LogRecordType::FRAGMENT {
                self.drop_torn(log, rest)?;
            }
            match record_type {
                LogRecordType(0) if is_zero(rest) => self.enter_next_segment(),
                LogRecordType(0) => {
                    return Err(bad(log, start, "bytes after the end of a segment's records"));
                }
                LogRecordType::FRAGMENT_BEGIN => self.begin_fragment(log, rest)?,
                LogRecordType::FRAGMENT => {
                    if let Some(joined) = self.join_fragment(log, rest)? {
                        return Ok(Some(Found::Joined(joined)));
                    }
                }
                _ => {
                    self.began_inside = false;
                    return self.take(log, rest).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Takes a whole record at the beginning of `rest`.
    fn take(&mut self, log: &LogFile, rest: &[u8]) -> JetResult<Found> {
        let start = self.at;
        let len = LogRecord::len_of(rest).map_err(|error| bad_record(log, start, &error))?;
        let Some(bytes) = rest.get(..len) else {
            let what = format!("a record of {len} bytes where {} are left", rest.len());
            return Err(bad(log, start, what));
        };
        check_fill(log, start, bytes)?;
        self.at = start + len;
        if len == rest.len() {
            self.enter_next_segment();
        }
        Ok(Found::InFile(start..start + len))
    }

    fn enter_next_segment(&mut self) {
        let start = self.at.saturating_sub(1);
        self.at = end_of_segment(start) + SEGMENT_HEADER_LEN;
    }

    /// The first part of a record: it fills its segment.
    fn begin_fragment(&mut self, log: &LogFile, rest: &[u8]) -> JetResult<()> {
        let fields = Fields::new(Structure::LogRecord, rest);
        let of = |error: FormatError| bad_record(log, self.at, &error);
        let total = usize::try_from(fields.u32(1).map_err(of)?).unwrap_or(usize::MAX);
        let len = usize::from(fields.u16(5).map_err(of)?);
        let piece = fields.slice(7, len).map_err(of)?;
        if 7 + len != rest.len() || total <= len || total as u64 > log.header().file_len() {
            let what = format!(
                "a first fragment of {len} of {total} bytes where {} are left",
                rest.len()
            );
            return Err(bad(log, self.at, what));
        }
        self.fragments.clear();
        self.fragments.extend_from_slice(piece);
        self.began_inside = false;
        self.open = Some(OpenFragment {
            offset: self.at,
            position: log.position(self.at),
            total,
        });
        self.enter_next_segment();
        Ok(())
    }

    /// A further part, the first thing in its segment; the last one completes the record.
    fn join_fragment(&mut self, log: &LogFile, rest: &[u8]) -> JetResult<Option<OpenFragment>> {
        let start = self.at;
        let fields = Fields::new(Structure::LogRecord, rest);
        let of = |error: FormatError| bad_record(log, start, &error);
        let len = usize::from(fields.u16(1).map_err(of)?);
        let piece = fields.slice(3, len).map_err(of)?;
        if start % SEGMENT_LEN != SEGMENT_HEADER_LEN || (self.open.is_none() && !self.began_inside) {
            return Err(bad(log, start, "a fragment without its beginning"));
        }
        let fills = 3 + len == rest.len();
        self.at = start + 3 + len;
        if fills {
            self.enter_next_segment();
        }
        let Some(open) = self.open else {
            self.began_inside = fills;
            return Ok(None);
        };
        self.fragments.extend_from_slice(piece);
        match self.fragments.len().cmp(&open.total) {
            std::cmp::Ordering::Less if fills && len > 0 => Ok(None),
            std::cmp::Ordering::Equal => {
                self.open = None;
                self.check_joined(log, open)?;
                Ok(Some(open))
            }
            _ => {
                let what = format!(
                    "a fragment of {len} bytes that does not fit the record of {}",
                    open.total
                );
                Err(bad(log, start, what))
            }
        }
    }

    /// The joined bytes are one record, no more and no less.
    fn check_joined(&self, log: &LogFile, open: OpenFragment) -> JetResult<()> {
        let len = LogRecord::len_of(&self.fragments).map_err(|error| bad_record(log, open.offset, &error))?;
        if len == open.total {
            return check_fill(log, open.offset, &self.fragments);
        }
        let what = format!("a record of {len} bytes in fragments of {}", open.total);
        Err(bad(log, open.offset, what))
    }

    /// A record without its end is legal only where the log once ended: a recovery wrote what follows.
    fn drop_torn(&mut self, log: &LogFile, rest: &[u8]) -> JetResult<()> {
        if !begins_recovery(rest) {
            return Err(bad(log, self.at, "a fragment is missing"));
        }
        self.torn = self.open.take().map(|open| open.position);
        Ok(())
    }

    fn find_in_stream(&mut self, log: &LogFile) -> JetResult<Option<Found>> {
        self.at = self.at.max(LogHeader::LEN);
        while self.at < log.end() {
            let start = self.at;
            let rest = log.bytes(start..log.end());
            if rest.first() == Some(&0) {
                self.at = start + rest.iter().take_while(|byte| **byte == 0).count();
                continue;
            }
            let len = match LogRecord::len_of(rest) {
                Ok(len) if len <= rest.len() => len,
                // The flush was torn in the middle of a record.
                _ if log.may_end_in_a_record() => break,
                Ok(len) => {
                    let what = format!("a record of {len} bytes where {} are left", rest.len());
                    return Err(bad(log, start, what));
                }
                Err(error) => return Err(bad_record(log, start, &error)),
            };
            self.at = start + len;
            if rest.first() != Some(&CHECKSUM) {
                return Ok(Some(Found::InFile(start..start + len)));
            }
        }
        self.at = log.end();
        Ok(None)
    }
}

/// `LRCHECKSUM`: framing of version 7.
const CHECKSUM: u8 = 42;

/// Whether what follows a torn record is the work of a recovery: its mark, or the first record of its undo phase.
pub(super) fn begins_recovery(rest: &[u8]) -> bool {
    const RECOVERY_UNDO: u8 = 17;
    const UNDO_INFO: u8 = 36;
    const RECOVERY_UNDO_2: u8 = 51;
    const FRAGMENT_BEGIN: u8 = LogRecordType::FRAGMENT_BEGIN.0;
    match rest {
        [RECOVERY_UNDO | RECOVERY_UNDO_2 | UNDO_INFO, ..] => true,
        [FRAGMENT_BEGIN, _, _, _, _, _, _, inner, ..] => *inner == UNDO_INFO,
        _ => false,
    }
}

/// A wrong length of a record before it would hide in a filler that may hold anything.
fn check_fill(log: &LogFile, offset: usize, record: &[u8]) -> JetResult<()> {
    match record {
        [71, _, _, _, _, fill @ ..] if !is_zero(fill) => Err(bad(log, offset, "a filler that is not empty")),
        _ => Ok(()),
    }
}

fn end_of_segment(offset: usize) -> usize {
    offset - offset % SEGMENT_LEN + SEGMENT_LEN
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn bad(log: &LogFile, offset: usize, what: impl std::fmt::Display) -> JetError {
    at_record(log, offset, JetErr::LogFileCorrupt, &what)
}

fn bad_record(log: &LogFile, offset: usize, error: &FormatError) -> JetError {
    at_record(log, offset, error.jet_err(), &error.problem)
}

fn at_record(log: &LogFile, offset: usize, code: JetErr, what: &dyn std::fmt::Display) -> JetError {
    let record_type = log.bytes(offset..offset + 1).first().copied().unwrap_or(0);
    let place = format!(
        "record at {}, type {record_type} ({}): {what}",
        log.position(offset),
        LogRecordType(record_type)
    );
    JetError::rule(code, place)
        .in_file(log.path())
        .at_offset(offset as u64)
}
