//! Logs of version 7: a stream of records in which each flush is covered by one `LRCHECKSUM` record
//! (log-and-recovery.md section 3.6).
//!
//! ```text
//! offset  4096                       o                                    o + 22 + cbNext
//! stream  | records (cbBackwards)    | LRCHECKSUM | records (cbForwards)  | … LRCHECKSUM | … | fill pattern
//!         └──────────────────── one verified range ──────────────────────┘
//! ```
//!
//! The records form a chain. Where a record or its range is bad, the chain either ends there (a torn write at the
//! end of the log) or goes on behind it (damage in the middle): a later good record tells which.

use super::bytes::Fields;
use super::error::{FormatError, Structure};
use super::log_header::LogHeader;
use std::ops::Range;

/// Bytes of an `LRCHECKSUM` record.
const RECORD_LEN: usize = 22;
const TYPE: u8 = 42;
/// Where `ulChecksum` stands in the record.
const CHECKSUM: usize = 13;
const MULTI_SECTOR: u8 = 0x9A;
const SINGLE_SECTOR: u8 = 0xD1;
const RANGE_SEED: u32 = 0xFEED_BEAF;
const SHORT_SEED: u32 = 0xDEAD_C0DE;
/// What a shadow's checksum differs by from that of the sector that it copies.
const SHADOW_MARK: u32 = 0x5AD0_5EC7;

/// The search for a later record may sum up this many times the file's length: enough for any real log, and an
/// end for bytes that were made to look like records everywhere.
const SEARCH_EFFORT: usize = 16;

/// What a walk over the chain found. All offsets are from the start of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LegacyVerdict {
    /// Ranges with a right checksum, in order, and the `LRCHECKSUM` of each.
    pub verified: Vec<VerifiedRange>,
    /// Bytes between good ranges that are not verified: damage that no recovery can pass.
    pub damaged: Vec<Range<usize>>,
    /// What follows the last verified range.
    pub tail: LegacyTail,
}

/// A range of the stream with a right checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedRange {
    /// The bytes, the `LRCHECKSUM` included.
    pub bytes: Range<usize>,
    /// Where the `LRCHECKSUM` is.
    pub record: usize,
}

/// How the chain ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LegacyTail {
    /// The last record says that it is the last.
    #[default]
    Complete,
    /// The last record points to a next one, which is not good, and none follows: a write was torn.
    Torn {
        /// Where the bad record should be.
        at: usize,
        /// What can still be used of it.
        usable: Usable,
    },
}

/// What is left of a torn flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Usable {
    /// Nothing.
    Nothing,
    /// Its first sector, whose own checksum is right: the bytes from its start to the end of that sector.
    FirstSector(Range<usize>),
    /// The next sector, a whole shadow copy of it: the shadow's bytes.
    Shadow(Range<usize>),
}

impl LegacyVerdict {
    /// Walks over the chain of a log of version 7. `file` is all of it, the header included.
    pub fn scan(header: &LogHeader, file: &[u8]) -> Self {
        let chain = Chain {
            file: Fields::new(Structure::LogSegment, file),
            sector: usize::from(header.sector_size).max(512),
            generation: header.generation,
        };
        let mut verdict = LegacyVerdict::default();
        let mut effort = file.len().saturating_mul(SEARCH_EFFORT);
        let mut at = Some(LogHeader::LEN);
        while let Some(offset) = at {
            at = match chain.good_at(offset) {
                Some(record) => {
                    verdict.verified.push(record.verified());
                    record.next()
                }
                None => match chain.search(offset.saturating_add(1), &mut effort) {
                    Some(record) => {
                        let gap = verdict.end()..record.covered().start;
                        verdict.damaged.extend((!gap.is_empty()).then_some(gap));
                        Some(record.offset)
                    }
                    None => {
                        let usable = chain.usable(offset);
                        verdict.tail = LegacyTail::Torn { at: offset, usable };
                        None
                    }
                },
            };
        }
        verdict
    }

    /// The end of the last verified range, which is the end of the log.
    pub fn end(&self) -> usize {
        self.verified
            .last()
            .map_or(LogHeader::LEN, |range| range.bytes.end)
    }

    /// Puts the shadow of a torn sector in its place, with the checksum that it has there; the file must then be
    /// scanned anew. `false` if there is no shadow to use.
    pub fn use_shadow(&self, header: &LogHeader, file: &mut [u8]) -> bool {
        let LegacyTail::Torn {
            at,
            usable: Usable::Shadow(shadow),
        } = &self.tail
        else {
            return false;
        };
        let start = at - at % usize::from(header.sector_size).max(1);
        if shadow.end > file.len() || start > shadow.start {
            return false;
        }
        file.copy_within(shadow.clone(), start);
        let checksum = file.get_mut(at + CHECKSUM..at + CHECKSUM + 4);
        for (byte, mark) in checksum.into_iter().flatten().zip(SHADOW_MARK.to_le_bytes()) {
            *byte ^= mark;
        }
        true
    }

    /// Whether any of these bytes are damage. A torn tail and what was never written are not.
    pub fn is_damaged(&self, bytes: &Range<usize>) -> bool {
        self.damaged
            .iter()
            .any(|damaged| damaged.start < bytes.end && bytes.start < damaged.end)
    }
}

/// The file as the chain sees it.
struct Chain<'a> {
    file: Fields<'a>,
    sector: usize,
    generation: u32,
}

/// An `LRCHECKSUM` whose lengths are possible.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ChecksumRecord {
    offset: usize,
    backwards: usize,
    forwards: usize,
    next: usize,
    checksum: u32,
    short_checksum: u32,
    short: u8,
}

impl ChecksumRecord {
    fn end(&self) -> usize {
        self.offset + RECORD_LEN
    }

    fn covered(&self) -> Range<usize> {
        self.offset - self.backwards..self.end() + self.forwards
    }

    /// Where the next record is; forward only, so that no chain can go round.
    fn next(&self) -> Option<usize> {
        (self.next != 0).then(|| self.end() + self.next)
    }

    fn verified(&self) -> VerifiedRange {
        VerifiedRange {
            bytes: self.covered(),
            record: self.offset,
        }
    }

    /// The parts of the record that its checksums cover.
    fn seal(&self, generation: u32) -> u32 {
        let word = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        word(self.backwards) ^ word(self.forwards) ^ word(self.next) ^ u32::from(self.short) ^ generation
    }
}

impl<'a> Chain<'a> {
    /// The record at `offset`, if its rules hold and its range is right.
    fn good_at(&self, offset: usize) -> Option<ChecksumRecord> {
        let record = self.record_at(offset)?;
        (self.range_checksum(&record).ok()? == record.checksum).then_some(record)
    }

    /// The record at `offset`, if it is one and its lengths are possible.
    fn record_at(&self, offset: usize) -> Option<ChecksumRecord> {
        if self.file.u8(offset).ok()? != TYPE {
            return None;
        }
        self.read_record(offset)
            .ok()
            .filter(|record| self.is_possible(record))
    }

    fn read_record(&self, offset: usize) -> Result<ChecksumRecord, FormatError> {
        // All lengths stay far below usize::MAX on every target once they are checked against the file.
        let length = |at| {
            self.file.u32(at).map(|length| {
                usize::try_from(length)
                    .unwrap_or(usize::MAX / 4)
                    .min(usize::MAX / 4)
            })
        };
        Ok(ChecksumRecord {
            offset,
            backwards: length(offset + 1)?,
            forwards: length(offset + 5)?,
            next: length(offset + 9)?,
            checksum: self.file.u32(offset + 13)?,
            short_checksum: self.file.u32(offset + 17)?,
            short: self.file.u8(offset + 21)?,
        })
    }

    fn is_possible(&self, record: &ChecksumRecord) -> bool {
        let in_sector = record.offset % self.sector;
        let starts_in_sector = record.backwards == 0 || record.backwards == in_sector;
        if in_sector + RECORD_LEN > self.sector || !starts_in_sector {
            return false;
        }
        let end = record.end() + record.forwards;
        let sector_end = record.offset - in_sector + self.sector;
        let granular = end.is_multiple_of(self.sector);
        let form = match record.short {
            MULTI_SECTOR => end > sector_end && granular,
            SINGLE_SECTOR => end <= sector_end && record.short_checksum == 0,
            _ => false,
        };
        let next = record.end() + record.next;
        let leads_on = record.next == 0 || (granular && next >= end && next < end + self.sector);
        form && leads_on && end <= self.file.len()
    }

    fn range_checksum(&self, record: &ChecksumRecord) -> Result<u32, FormatError> {
        self.checksum(record, RANGE_SEED, record.forwards)
    }

    fn checksum(&self, record: &ChecksumRecord, seed: u32, forwards: usize) -> Result<u32, FormatError> {
        let before = self
            .file
            .slice(record.offset - record.backwards, record.backwards)?;
        let after = self.file.slice(record.end(), forwards)?;
        Ok(xor(after, xor(before, seed)) ^ record.seal(self.generation))
    }

    /// The first good record from `from` on. `effort` is what it may still sum up.
    fn search(&self, from: usize, effort: &mut usize) -> Option<ChecksumRecord> {
        let bytes = self.file.from(from).ok()?;
        let candidates = (from..).zip(bytes).filter(|(_, byte)| **byte == TYPE);
        for (offset, _) in candidates {
            let Some(record) = self.record_at(offset) else {
                continue;
            };
            *effort = effort.checked_sub(record.covered().len())?;
            if self.range_checksum(&record).ok() == Some(record.checksum) {
                return Some(record);
            }
        }
        None
    }

    fn usable(&self, offset: usize) -> Usable {
        let start = offset - offset % self.sector;
        let sector_end = start + self.sector;
        if let Some(record) = self.record_at(offset)
            && record.short == MULTI_SECTOR
            && self
                .checksum(&record, SHORT_SEED, sector_end - record.end())
                .is_ok_and(|sum| sum == record.short_checksum)
        {
            return Usable::FirstSector(offset - record.backwards..sector_end);
        }
        if self.is_shadow(offset + self.sector) {
            return Usable::Shadow(sector_end..sector_end + self.sector);
        }
        Usable::Nothing
    }

    /// Whether the record at `offset` is that of a shadow: it was made for the sector before.
    fn is_shadow(&self, offset: usize) -> bool {
        self.record_at(offset).is_some_and(|record| {
            record.short == SINGLE_SECTOR
                && self
                    .range_checksum(&record)
                    .is_ok_and(|sum| sum ^ SHADOW_MARK == record.checksum)
        })
    }
}

/// The XOR of all words and `seed`; the last bytes, if they are no whole word, are its low bytes.
fn xor(bytes: &[u8], seed: u32) -> u32 {
    let (words, rest) = bytes.as_chunks();
    let last = rest
        .iter()
        .rev()
        .fold(0, |word, &byte| word << 8 | u32::from(byte));
    words
        .iter()
        .fold(seed ^ last, |sum, word| sum ^ u32::from_le_bytes(*word))
}

#[cfg(test)]
mod tests {
    use super::super::log_header::tests::header;
    use super::*;
    use crate::format::bytes::put;
    use rand::rngs::StdRng;
    use rand::{Rng, RngCore, SeedableRng};

    const SECTOR: usize = 512;
    const FILE: usize = 64 * SECTOR;

    fn legacy_header() -> LogHeader {
        let mut header = header(9, 64);
        (header.sector_size, header.header_sectors) = (512, 8);
        (
            header.major,
            header.minor,
            header.update_major,
            header.update_minor,
        ) = (7, 3704, 15, 0);
        header
    }

    fn seal(file: &mut [u8], offset: usize, forwards: usize, next: usize, short: u8) {
        let lengths = [0, forwards, next].map(|length| u32::try_from(length).unwrap().to_le_bytes());
        file[offset] = TYPE;
        put(file, offset + 1, &lengths.concat());
        file[offset + 21] = short;
        let sums = {
            let chain = Chain {
                file: Fields::new(Structure::LogSegment, file),
                sector: SECTOR,
                generation: 9,
            };
            let record = chain.read_record(offset).unwrap();
            let own_sector = SECTOR - offset % SECTOR - RECORD_LEN;
            let short_sum = if short == MULTI_SECTOR {
                chain.checksum(&record, SHORT_SEED, own_sector).unwrap()
            } else {
                0
            };
            [chain.range_checksum(&record).unwrap(), short_sum]
        };
        put(file, offset + 13, &sums.map(u32::to_le_bytes).concat());
    }

    /// Three flushes: two sectors, three sectors, and the beginning of a sector.
    fn log() -> Vec<u8> {
        let mut file = vec![0; FILE];
        StdRng::seed_from_u64(91).fill_bytes(&mut file[LogHeader::LEN..LogHeader::LEN + 5 * SECTOR + 200]);
        let [first, second, third] = starts();
        let whole = |sectors: usize| sectors * SECTOR - RECORD_LEN;
        seal(&mut file, first, whole(2), whole(2), MULTI_SECTOR);
        seal(&mut file, second, whole(3), whole(3), MULTI_SECTOR);
        seal(&mut file, third, 100, 0, SINGLE_SECTOR);
        file
    }

    fn starts() -> [usize; 3] {
        [0, 2, 5].map(|sector| LogHeader::LEN + sector * SECTOR)
    }

    fn scan(file: &[u8]) -> LegacyVerdict {
        LegacyVerdict::scan(&legacy_header(), file)
    }

    #[test]
    fn a_sound_chain_is_verified_to_its_end() {
        let verdict = scan(&log());
        assert_eq!(
            verdict
                .verified
                .iter()
                .map(|range| range.record)
                .collect::<Vec<_>>(),
            starts()
        );
        assert_eq!(verdict.end(), starts()[2] + RECORD_LEN + 100);
        assert_eq!((verdict.damaged, verdict.tail), (vec![], LegacyTail::Complete));
    }

    #[test]
    fn damage_in_the_middle_is_told_because_the_chain_goes_on_behind_it() {
        for at in [starts()[1] + 3, starts()[1] + 700] {
            let mut file = log();
            file[at] ^= 0x10;
            let verdict = scan(&file);
            assert_eq!(verdict.damaged.len(), 1);
            assert_eq!(verdict.damaged[0], starts()[1]..starts()[2]);
            assert_eq!(verdict.tail, LegacyTail::Complete);
            assert!(verdict.is_damaged(&(at..at + 1)));
            assert!(!verdict.is_damaged(&(0..starts()[1])));
        }
    }

    #[test]
    fn damage_at_the_end_is_a_torn_tail() {
        let mut file = log();
        file[starts()[2] + 50] ^= 1;
        let verdict = scan(&file);
        assert_eq!(verdict.end(), starts()[2]);
        let (at, usable) = (starts()[2], Usable::Nothing);
        assert_eq!(verdict.tail, LegacyTail::Torn { at, usable });
    }

    #[test]
    fn a_shadow_replaces_a_torn_sector() {
        let mut file = log();
        let at = starts()[2];
        let mut shadow = file[at..at + SECTOR].to_vec();
        for (byte, mark) in shadow[13..17].iter_mut().zip(SHADOW_MARK.to_le_bytes()) {
            *byte ^= mark;
        }
        put(&mut file, at + SECTOR, &shadow);
        assert_eq!(scan(&file).tail, LegacyTail::Complete);
        file[at..at + SECTOR].fill(0xEE);
        let usable = Usable::Shadow(at + SECTOR..at + 2 * SECTOR);
        assert_eq!(scan(&file).tail, LegacyTail::Torn { at, usable });
    }

    #[test]
    fn the_first_sector_of_a_torn_flush_of_several_is_usable() {
        let mut file = log();
        let at = starts()[1];
        file[at + SECTOR..].fill(0xDA);
        let usable = Usable::FirstSector(at..at + SECTOR);
        assert_eq!(scan(&file).tail, LegacyTail::Torn { at, usable });
    }

    #[test]
    fn odd_tail_bytes_are_the_low_bytes_of_a_word() {
        assert_eq!(xor(&[1, 0, 0, 0, 2, 3], 0), 1 ^ 0x0302);
    }

    #[test]
    fn every_truncation_and_mutation_ends_without_a_panic() {
        let good = log();
        for len in (0..good.len()).step_by(37) {
            scan(&good[..len]);
        }
        let mut random = StdRng::seed_from_u64(92);
        for _ in 0..500 {
            let mut file = good.clone();
            for _ in 0..random.random_range(1..20) {
                let at = random.random_range(LogHeader::LEN..LogHeader::LEN + 3000);
                file[at] = random.random();
            }
            assert!(scan(&file).verified.len() <= 3);
        }
    }

    #[test]
    fn a_file_of_nothing_but_record_types_is_judged_in_bounded_time() {
        scan(&vec![TYPE; 1 << 20]);
        let mut file = vec![0; 1 << 20];
        for offset in (LogHeader::LEN..file.len() - 100).step_by(SECTOR) {
            let forwards = file.len() - offset - RECORD_LEN;
            file[offset] = TYPE;
            put(
                &mut file,
                offset + 5,
                &u32::try_from(forwards).unwrap().to_le_bytes(),
            );
            file[offset + 21] = MULTI_SECTOR;
        }
        assert!(matches!(scan(&file).tail, LegacyTail::Torn { .. }));
    }
}
