//! One log in memory, verified: where its records end, and why.

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    LegacyTail, LegacyVerdict, LogBody, LogHeader, LogPosition, LogScan, LogTime, SEGMENT_LEN, SegmentHeader,
    Slot, Usable,
};
use crate::io::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The longest log that is read: twice what an engine makes (section 1.2), and more than segments can be numbered.
const MOST: u64 = 256 << 20;

/// A log, read and verified as a whole.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    header: LogHeader,
    body: LogBody,
    /// The file; flipped bits and a torn tail are repaired.
    bytes: Vec<u8>,
    /// Offset of the first byte after the records.
    end: usize,
    segments_checksum: Option<u64>,
    /// The last segment was torn and its shadow took its place.
    has_torn_segment: bool,
    ending: Ending,
}

/// Why the records end where they end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ending {
    /// Nothing more was written.
    Complete,
    /// The last flush was torn, and something was lost with it: the last record may be cut off.
    Torn,
    /// What follows is damaged.
    Damaged { offset: u64, code: JetErr, what: String },
}

impl LogFile {
    /// Reads and verifies a log. Damage behind the header is no error yet: the records before it can be read.
    ///
    /// # Errors
    /// The file cannot be read; `JET_errLogFileCorrupt` or `JET_errBadLogVersion` of its header.
    pub fn load(file: &dyn File, path: &Path) -> JetResult<LogFile> {
        Self::load_into(Vec::new(), file, path)
    }

    /// Like [`load`](Self::load), into the memory of a log that is no longer needed.
    ///
    /// # Errors
    /// Those of [`load`](Self::load).
    pub fn load_into(buffer: Vec<u8>, file: &dyn File, path: &Path) -> JetResult<LogFile> {
        let (header, bytes, len) = read(buffer, file).map_err(|error| error.in_file(path))?;
        let body = header
            .body()
            .map_err(|error| JetError::format(error).in_file(path))?;
        let mut log = LogFile {
            path: path.to_path_buf(),
            end: bytes.len(),
            header,
            body,
            bytes,
            segments_checksum: None,
            has_torn_segment: false,
            ending: Ending::Complete,
        };
        match body {
            LogBody::Segments => log.verify_segments(),
            LogBody::ChecksumRecords => log.verify_ranges(),
        }
        log.check_length(len);
        Ok(log)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its header.
    pub fn header(&self) -> &LogHeader {
        &self.header
    }

    /// How its body is protected.
    pub fn body(&self) -> LogBody {
        self.body
    }

    /// XOR of the checksums of its segments, which the header of the next generation has; `None` of a log of
    /// version 7 or with damage.
    pub fn segments_checksum(&self) -> Option<u64> {
        self.segments_checksum
    }

    /// The position after its last record, as far as the file tells.
    pub fn end_position(&self) -> LogPosition {
        self.position(self.end)
    }

    /// What is damaged behind the records.
    pub fn damage(&self) -> Option<JetError> {
        match &self.ending {
            Ending::Damaged { offset, code, what } => Some(
                JetError::rule(*code, what.clone())
                    .in_file(&self.path)
                    .at_offset(*offset),
            ),
            Ending::Complete | Ending::Torn => None,
        }
    }

    /// Whether the last segment of the file is damaged, and its shadow whole, or a torn write left segments behind the
    /// end. Such a log must be repaired before anything follows (section 3.3).
    pub fn needs_repair(&self) -> bool {
        self.has_torn_segment || (self.body == LogBody::Segments && self.ending == Ending::Torn)
    }

    /// The whole file, repaired, and the offset after its records; for who appends to it.
    ///
    /// # Errors
    /// It is damaged.
    pub(in crate::store) fn image(&self) -> JetResult<(&[u8], usize)> {
        self.damage().map_or(Ok((&self.bytes, self.end)), Err)
    }

    /// Whether its last write was torn. The records can be read all the same, from the second copy of the last segment
    /// or without what was lost.
    pub fn is_torn(&self) -> bool {
        self.has_torn_segment || self.may_end_in_a_record()
    }

    /// When its last segment was begun: no record is older than the generation, and none but those of the last segment
    /// are younger than this.
    pub fn last_time(&self) -> LogTime {
        let segments = match self.body {
            LogBody::Segments => self.bytes(LogHeader::LEN..self.end),
            LogBody::ChecksumRecords => &[],
        };
        let times = segments.chunks_exact(SEGMENT_LEN).rev().filter_map(|segment| {
            let header = SegmentHeader::read(segment).ok()?;
            Some(header.start_time).filter(|time| time.is_set())
        });
        let last = times.into_iter().next();
        last.unwrap_or(self.header.create_time)
    }

    /// Whether the last flush was torn, so that its last record may be cut off.
    pub(super) fn may_end_in_a_record(&self) -> bool {
        self.ending == Ending::Torn
    }

    /// Offset of the first byte after the records.
    pub(super) fn end(&self) -> usize {
        self.end
    }

    /// Bytes of the file; those that are not there are none.
    pub(super) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// The position of the record at `offset`. The first record of a segment has byte 0.
    pub(super) fn position(&self, offset: usize) -> LogPosition {
        let unit = usize::from(self.header.sector_size).max(1);
        let byte = match (self.body, offset % unit) {
            (LogBody::Segments, crate::format::SEGMENT_HEADER_LEN) => 0,
            (_, byte) => byte,
        };
        LogPosition {
            generation: self.header.generation,
            sector: u16::try_from(offset / unit).unwrap_or(u16::MAX),
            byte: u16::try_from(byte).unwrap_or(u16::MAX),
        }
    }

    /// Gives the memory back.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    fn verify_segments(&mut self) {
        let mut scan = LogScan::new(&self.header);
        let segments = self.bytes.get_mut(LogHeader::LEN..).unwrap_or_default();
        for segment in segments.chunks_exact_mut(SEGMENT_LEN) {
            // Whole segments are all that a scan wants.
            if let Ok(slot) = scan.push(segment) {
                repair(slot, segment);
            }
        }
        let verdict = scan.finish();
        if let Some(torn) = verdict.torn {
            self.has_torn_segment = true;
            let start = usize::from(torn) * SEGMENT_LEN;
            self.copy_within(start + SEGMENT_LEN..start + 2 * SEGMENT_LEN, start);
        }
        let mut end_slot = verdict.end.sector;
        if let Some(first) = verdict.damages.iter().min_by_key(|damage| damage.slot) {
            end_slot = end_slot.min(first.slot);
            self.ending = Ending::Damaged {
                offset: u64::from(first.slot) * SEGMENT_LEN as u64,
                code: JetErr::LogFileCorrupt,
                what: first.kind.to_string(),
            };
        } else {
            self.segments_checksum = Some(verdict.segments_checksum);
        }
        self.end = self.bytes.len().min(usize::from(end_slot) * SEGMENT_LEN);
        if verdict.torn_write.is_some() && self.ending == Ending::Complete {
            self.ending = Ending::Torn;
            if let Some(left) = self.bytes.get_mut(self.end..) {
                left.fill(0);
            }
        }
    }

    fn verify_ranges(&mut self) {
        let mut verdict = LegacyVerdict::scan(&self.header, &self.bytes);
        if verdict.use_shadow(&self.header, &mut self.bytes) {
            verdict = LegacyVerdict::scan(&self.header, &self.bytes);
        }
        self.end = verdict.end().max(LogHeader::LEN).min(self.bytes.len());
        if let Some(first) = verdict.damaged.first() {
            self.end = self.end.min(first.start);
            self.ending = Ending::Damaged {
                offset: first.start as u64,
                code: JetErr::LogFileCorrupt,
                what: format!("{} bytes have no right checksum", first.len()),
            };
        } else if let LegacyTail::Torn { usable, .. } = verdict.tail {
            self.ending = Ending::Torn;
            if let Usable::FirstSector(range) = usable {
                self.end = range.end.min(self.bytes.len());
            }
        }
    }

    fn copy_within(&mut self, from: Range<usize>, to: usize) {
        if from.end <= self.bytes.len() && to <= from.start {
            self.bytes.copy_within(from, to);
        }
    }

    /// A log of another length than its header says was cut or is still being copied.
    fn check_length(&mut self, len: u64) {
        let expected = self.header.file_len();
        let in_last = |offset: u64| offset.saturating_add(SEGMENT_LEN as u64) > len;
        let missing = matches!(&self.ending, Ending::Damaged { offset, .. } if in_last(*offset));
        if len != expected && (missing || !matches!(self.ending, Ending::Damaged { .. })) {
            self.segments_checksum = None;
            self.ending = Ending::Damaged {
                offset: len.min(expected),
                code: JetErr::LogFileSizeMismatch,
                what: format!("the header says {expected} bytes, but the file has {len}"),
            };
        }
    }
}

/// Reads header and body; the last is the length of the file.
fn read(mut buffer: Vec<u8>, file: &dyn File) -> JetResult<(LogHeader, Vec<u8>, u64)> {
    let io = |error| JetError::io("read", error);
    let mut start = [0; LogHeader::LEN];
    let found = file.read_full_at(&mut start, 0).map_err(io)?;
    let header = LogHeader::read(start.get(..found).unwrap_or_default())?;
    let len = file.stat().map_err(|error| JetError::io("stat", error))?.len;
    let wanted = len.min(header.file_len()).min(MOST);
    buffer.resize(usize::try_from(wanted).unwrap_or(0), 0);
    let got = file.read_full_at(&mut buffer, 0).map_err(io)?;
    buffer.truncate(got);
    Ok((header, buffer, len))
}

fn repair(slot: Slot, segment: &mut [u8]) {
    if slot.wrong_bit.is_some() {
        slot.repair(segment);
    }
}
