//! Records to segments (log-and-recovery.md sections 3.1 and 3.4), in memory.
//!
//! ```text
//! segment   | 40: header | records, back to back … | FragmentBegin ──|   the piece fills its segment
//!           | 40: header |── Fragment | records …                | 0 |   less than 32 bytes left: fill
//! ```

use crate::format::bytes::put;
use crate::format::checksum::stamp_segment;
use crate::format::log_record::LogRecordType;
use crate::format::{LogPosition, LogTime, SEGMENT_HEADER_LEN, SEGMENT_LEN};

/// A record that does not fit is broken only if so many bytes are left in the segment (`LOG_MIN_FRAGMENT_SIZE`).
const LEAST_FRAGMENT: usize = 32;
/// Type, length of the record, length of the piece.
const FRAGMENT_BEGIN_LEN: usize = 7;
/// Type, length of the piece.
const FRAGMENT_LEN: usize = 3;
/// Type and length of a `NOP2`.
const FILL_LEN: usize = 5;
const FILL: u8 = 71;
/// Bytes of a segment that are for records.
const PAYLOAD: usize = SEGMENT_LEN - SEGMENT_HEADER_LEN;

/// Segments of one generation that are being filled. They have no checksums before [`seal`].
#[derive(Debug)]
pub(in crate::store) struct Packing {
    generation: u32,
    file_sectors: u16,
    /// What segments get as their time.
    times: SegmentTimes,
    /// Offset in the file of the first of `bytes`.
    start: usize,
    bytes: Vec<u8>,
    /// Offset in the file of the next byte; at the start of a segment if that was not begun.
    at: usize,
}

/// The times of segments.
#[derive(Debug, Clone, Copy)]
pub(in crate::store) enum SegmentTimes {
    /// All segments that begin from now on have this one.
    Every(LogTime),
    /// The next one has this, those after it none: they are parts of the same write.
    Next(LogTime),
}

impl Packing {
    /// Packing that goes on at offset `at`, the start of a segment, of a file of which `bytes` are those from offset
    /// `start` on, as far as they are there.
    pub(in crate::store) fn new(
        generation: u32,
        file_sectors: u16,
        times: SegmentTimes,
        (start, bytes): (usize, Vec<u8>),
        at: usize,
    ) -> Self {
        Packing {
            generation,
            file_sectors,
            times,
            start,
            bytes,
            at,
        }
    }

    /// What segments that begin from now on get as their time.
    pub(in crate::store) fn set_times(&mut self, times: SegmentTimes) {
        self.times = times;
    }

    /// The generation.
    pub(in crate::store) fn generation(&self) -> u32 {
        self.generation
    }

    /// The bytes, those of segments that were not sealed without checksums.
    pub(in crate::store) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Seals the segments from offset `from` on, and says to where they are complete.
    pub(super) fn seal_from(&mut self, from: usize) -> usize {
        let end = self.at.next_multiple_of(SEGMENT_LEN) - self.start;
        if let Some(segments) = self.bytes.get_mut(from - self.start..end) {
            seal(segments, from / SEGMENT_LEN);
        }
        self.at - self.at % SEGMENT_LEN
    }

    /// The bytes of the segments, which are closed, and the slot of the first of them; packing goes on behind them, in
    /// `next`.
    pub(in crate::store) fn take(&mut self, next: Vec<u8>) -> (usize, Vec<u8>) {
        self.close();
        let first = self.start / SEGMENT_LEN;
        self.start = self.at;
        (first, std::mem::replace(&mut self.bytes, next))
    }

    /// Where the next record goes if it fits. The first one of a segment has byte 0 (section 0).
    pub(in crate::store) fn position(&self) -> LogPosition {
        position(self.generation, self.at)
    }

    /// Offset in the file of the next byte.
    pub(in crate::store) fn at(&self) -> usize {
        self.at
    }

    /// Whether records of these lengths, one after the other, fit into this generation. Their end must lie before the
    /// end of the last segment but one, as the engine has it: the last slot is only for shadows.
    pub(in crate::store) fn has_room(&self, lengths: impl IntoIterator<Item = usize>) -> bool {
        let end = lengths
            .into_iter()
            .fold(self.at, |at, len| end_of(start_of(at, len), len));
        end < usize::from(self.file_sectors).saturating_sub(1) * SEGMENT_LEN
    }

    /// Appends a record that the generation has room for, and says where it is.
    pub(in crate::store) fn put_record(&mut self, record: &[u8]) -> LogPosition {
        if start_of(self.at, record.len()) != self.at {
            self.leave_segment();
        }
        let position = self.position();
        self.begin_segment();
        if record.len() <= left(self.at) {
            self.put(record);
        } else {
            self.put_fragments(record);
        }
        position
    }

    /// Fills the segment up with a `NOP2`, so that the next record begins a new one. A segment that was not begun
    /// stays so.
    pub(in crate::store) fn close(&mut self) {
        if !self.is_open() {
            return;
        }
        // Less is fill that needs no record.
        if let Some(len) = left(self.at).checked_sub(FILL_LEN) {
            let len = u32::try_from(len).unwrap_or(0);
            self.put(&[FILL]);
            self.put(&len.to_le_bytes());
        }
        self.leave_segment();
    }

    /// Goes to the next segment. The rest of this one stays zero: `NOP` records.
    pub(super) fn leave_segment(&mut self) {
        self.at = self.at.next_multiple_of(SEGMENT_LEN);
    }

    /// Whether a segment was begun and is not full.
    fn is_open(&self) -> bool {
        !self.at.is_multiple_of(SEGMENT_LEN)
    }

    fn begin_segment(&mut self) {
        if self.is_open() {
            return;
        }
        let place = self.at - self.start;
        // It may hold a shadow, or a segment of an older generation.
        let used = self.bytes.len().min(place + SEGMENT_LEN);
        if let Some(slot) = self.bytes.get_mut(place..used) {
            slot.fill(0);
        }
        self.bytes.resize(self.bytes.len().max(place + SEGMENT_LEN), 0);
        if let Some(slot) = self.bytes.get_mut(place..place + SEGMENT_LEN) {
            put(slot, 8, &position(self.generation, self.at).to_bytes());
            put(slot, 16, &self.times.next().to_bytes());
        }
        self.at += SEGMENT_HEADER_LEN;
    }

    /// Puts bytes that the segment has room for.
    fn put(&mut self, bytes: &[u8]) {
        put(&mut self.bytes, self.at - self.start, bytes);
        self.at += bytes.len();
    }

    /// Pieces, each of which but the last fills its segment.
    fn put_fragments(&mut self, record: &[u8]) {
        let total = u32::try_from(record.len()).unwrap_or(u32::MAX);
        let (mut piece, mut rest) = record.split_at(record.len().min(left(self.at) - FRAGMENT_BEGIN_LEN));
        self.put(&[LogRecordType::FRAGMENT_BEGIN.0]);
        self.put(&total.to_le_bytes());
        self.put(&len_of(piece));
        self.put(piece);
        while !rest.is_empty() {
            self.begin_segment();
            (piece, rest) = rest.split_at(rest.len().min(left(self.at) - FRAGMENT_LEN));
            self.put(&[LogRecordType::FRAGMENT.0]);
            self.put(&len_of(piece));
            self.put(piece);
        }
    }
}

impl SegmentTimes {
    fn next(&mut self) -> LogTime {
        match self {
            SegmentTimes::Every(time) => *time,
            SegmentTimes::Next(time) => std::mem::take(time),
        }
    }
}

/// Gives segments, the first of which is in slot `first`, their checksums, and says what these sum up to (section 3.5).
pub(in crate::store) fn seal(segments: &mut [u8], first: usize) -> u64 {
    let mut sum = 0;
    for (slot, segment) in (first..).zip(segments.chunks_exact_mut(SEGMENT_LEN)) {
        stamp_segment(segment, u32::try_from(slot).unwrap_or(u32::MAX));
        sum ^= segment
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes));
    }
    sum
}

fn position(generation: u32, offset: usize) -> LogPosition {
    LogPosition {
        generation,
        sector: u16::try_from(offset / SEGMENT_LEN).unwrap_or(u16::MAX),
        byte: u16::try_from(offset % SEGMENT_LEN).unwrap_or(0),
    }
}

/// Bytes that are left for records in the segment of offset `at`.
fn left(at: usize) -> usize {
    match at % SEGMENT_LEN {
        0 => PAYLOAD,
        used => SEGMENT_LEN - used,
    }
}

/// Where a record of `len` bytes begins that follows what ends at `at`.
fn start_of(at: usize, len: usize) -> usize {
    let left = left(at);
    if len > left && left < LEAST_FRAGMENT {
        at.next_multiple_of(SEGMENT_LEN)
    } else {
        at
    }
}

/// Where a record of `len` bytes ends that begins at `start`.
fn end_of(start: usize, len: usize) -> usize {
    let left = left(start);
    let first_end = start - start % SEGMENT_LEN + SEGMENT_LEN;
    if len <= left {
        return first_end - left + len;
    }
    let rest = len - (left - FRAGMENT_BEGIN_LEN);
    let piece = PAYLOAD - FRAGMENT_LEN;
    let last = rest.div_ceil(piece);
    let in_last = rest - (last - 1) * piece;
    first_end
        .saturating_add((last - 1).saturating_mul(SEGMENT_LEN))
        .saturating_add(SEGMENT_HEADER_LEN + FRAGMENT_LEN + in_last)
}

fn len_of(piece: &[u8]) -> [u8; 2] {
    u16::try_from(piece.len()).unwrap_or(u16::MAX).to_le_bytes()
}
