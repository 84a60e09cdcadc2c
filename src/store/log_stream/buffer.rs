//! Records that were appended and are not written yet, as segments.
//!
//! A *batch* is what one write takes: segments of one generation, one after the other, of which the first has a time
//! and the others have none. That tells who reads a torn log where a write began (see [`LogScan`]).
//!
//! [`LogScan`]: crate::format::LogScan

use super::Appended;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::LogRecord;
use crate::format::{FormatError, LogHeader, LogPosition, LogTime};
use crate::store::log_writer::{Packing, SegmentTimes};
use std::collections::VecDeque;

/// The last generation of ordinary work; those after it are for recovery (section 1.1).
pub(super) const GENERATION_MOST: u32 = 0x7FFF_F800;

/// What was appended and is not taken yet.
#[derive(Debug)]
pub(super) struct Buffer {
    packing: Packing,
    file_sectors: u16,
    /// When the generation of `packing` was begun.
    begun: LogTime,
    /// Batches of generations before that.
    full: VecDeque<Batch>,
    /// Bytes of `full`.
    full_len: usize,
    /// Memory of a batch that was written.
    recycled: Vec<u8>,
    group: Group,
}

/// The records of a group, encoded.
#[derive(Debug, Default)]
struct Group {
    bytes: Vec<u8>,
    lengths: Vec<usize>,
}

/// What one write takes.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) generation: u32,
    /// When the generation was begun.
    pub(super) begun: LogTime,
    /// The slot of the first segment.
    pub(super) first: usize,
    /// The segments, without checksums; none if only the generation begins.
    pub(super) segments: Vec<u8>,
    /// The position after them.
    pub(super) end: LogPosition,
}

impl Buffer {
    /// An empty one that goes on in the generation of `header` at the segment at offset `at`.
    pub(super) fn new(header: &LogHeader, at: usize) -> Self {
        Buffer {
            packing: packing(header.generation, header.file_sectors, at),
            file_sectors: header.file_sectors,
            begun: header.create_time,
            full: VecDeque::new(),
            full_len: 0,
            recycled: Vec::new(),
            group: Group::default(),
        }
    }

    /// Where the next record goes if it fits.
    pub(super) fn end(&self) -> LogPosition {
        self.packing.position()
    }

    /// Bytes that wait.
    pub(super) fn len(&self) -> usize {
        self.full_len + self.packing.bytes().len()
    }

    /// Makes the bytes of a group, the next to be put.
    pub(super) fn encode(&mut self, records: &[LogRecord<'_>]) -> Result<usize, FormatError> {
        self.group.encode(records)?;
        Ok(self.group.bytes.len())
    }

    /// Appends the encoded group, in a new generation if this one has no room for it.
    pub(super) fn put(&mut self, now: impl Fn() -> LogTime) -> JetResult<Appended> {
        if !self.group_fits() {
            self.check_fits_at_all()?;
            self.roll(now())?;
        }
        if self.packing.bytes().is_empty() {
            self.packing.set_times(SegmentTimes::Next(now()));
        }
        let end = self.packing.position();
        let mut appended = Appended {
            first: end,
            last: end,
            end,
        };
        let mut rest = self.group.bytes.as_slice();
        for (number, len) in self.group.lengths.iter().enumerate() {
            let (record, others) = rest.split_at(rest.len().min(*len));
            rest = others;
            appended.last = self.packing.put_record(record);
            if number == 0 {
                appended.first = appended.last;
            }
        }
        appended.end = self.packing.position();
        Ok(appended)
    }

    /// Ends the generation, and begins the next one.
    pub(super) fn roll(&mut self, now: LogTime) -> JetResult<()> {
        let generation = self.packing.generation();
        if generation >= GENERATION_MOST {
            let what = format!("there is no generation after {generation:#x}");
            return Err(JetError::rule(JetErr::LogSequenceEnd, what));
        }
        let batch = self.take_packed();
        self.full_len += batch.segments.len();
        self.full.push_back(batch);
        self.packing = packing(generation + 1, self.file_sectors, LogHeader::LEN);
        self.begun = now;
        Ok(())
    }

    /// Fills the segment up.
    pub(super) fn close_segment(&mut self) {
        self.packing.close();
    }

    /// Everything that waits, oldest first. The last segment is closed: what was taken never changes any more.
    pub(super) fn take(&mut self) -> VecDeque<Batch> {
        let mut batches = std::mem::take(&mut self.full);
        self.full_len = 0;
        batches.push_back(self.take_packed());
        batches
    }

    /// Takes memory back.
    pub(super) fn recycle(&mut self, mut segments: Vec<u8>, most: usize) {
        if segments.capacity() <= most && segments.capacity() > self.recycled.capacity() {
            segments.clear();
            self.recycled = segments;
        }
    }

    fn take_packed(&mut self) -> Batch {
        let (first, segments) = self.packing.take(std::mem::take(&mut self.recycled));
        Batch {
            generation: self.packing.generation(),
            begun: self.begun,
            first,
            segments,
            end: self.packing.position(),
        }
    }

    fn group_fits(&self) -> bool {
        self.packing.has_room(self.group.lengths.iter().copied())
    }

    fn check_fits_at_all(&self) -> JetResult<()> {
        let empty = packing(1, self.file_sectors, LogHeader::LEN);
        if empty.has_room(self.group.lengths.iter().copied()) {
            return Ok(());
        }
        let what = format!(
            "{} bytes of records, more than a log holds",
            self.group.bytes.len()
        );
        Err(JetError::rule(JetErr::LogBufferTooSmall, what))
    }
}

impl Group {
    fn encode(&mut self, records: &[LogRecord<'_>]) -> Result<(), FormatError> {
        self.bytes.clear();
        self.lengths.clear();
        for record in records {
            let start = self.bytes.len();
            record.encode(&mut self.bytes)?;
            self.lengths.push(self.bytes.len() - start);
        }
        Ok(())
    }
}

fn packing(generation: u32, file_sectors: u16, at: usize) -> Packing {
    let times = SegmentTimes::Next(LogTime::default());
    Packing::new(generation, file_sectors, times, (at, Vec::new()), at)
}
