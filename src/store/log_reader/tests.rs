//! Logs of our own making: fragments, fill, torn ends, damage, chains, and version 7.

use super::*;
use crate::JetErr;
use crate::format::bytes::put;
use crate::format::checksum::stamp_segment;
use crate::format::log_record::LogRecord;
use crate::format::{DbmsParam, LogHeader, LogPosition, LogTime, LogVersion, SEGMENT_LEN, Signature};
use crate::io::{FileSystem, MemoryFileSystem, OpenMode, Seeded, SettableClock};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

const SLOTS: u16 = 16;
const FIRST_BYTE: usize = 40;

fn header(generation: u32) -> LogHeader {
    let signature = Signature {
        random: 0xFEED,
        ..Signature::default()
    };
    let param = DbmsParam::new("C:\\sys\\", "C:\\log\\", SLOTS.into()).unwrap();
    let mut header = LogHeader::new(generation, SLOTS, signature, param).unwrap();
    let time = |generation: u32| LogTime::utc(2026, 11, 24, 1, 2, (generation % 60) as u8, 0);
    (header.create_time, header.previous_create_time) = (time(generation), time(generation - 1));
    header
}

/// Writes records as section 3.4 says.
struct LogBuilder {
    header: LogHeader,
    segments: Vec<Vec<u8>>,
    positions: Vec<LogPosition>,
}

impl LogBuilder {
    fn new(generation: u32) -> Self {
        let mut builder = LogBuilder {
            header: header(generation),
            segments: Vec::new(),
            positions: Vec::new(),
        };
        builder.new_segment();
        builder
    }

    fn new_segment(&mut self) {
        self.segments.push(vec![0; FIRST_BYTE]);
    }

    fn left(&self) -> usize {
        SEGMENT_LEN - self.segments.last().unwrap().len()
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.segments.last_mut().unwrap().extend(bytes);
        self
    }

    fn note_position(&mut self) {
        let byte = self.segments.last().unwrap().len();
        self.positions.push(LogPosition {
            generation: self.header.generation,
            sector: u16::try_from(self.segments.len()).unwrap(),
            byte: if byte == FIRST_BYTE {
                0
            } else {
                u16::try_from(byte).unwrap()
            },
        });
    }

    fn record(&mut self, record: &[u8]) -> &mut Self {
        if self.left() == 0 || (record.len() > self.left() && self.left() < 32) {
            self.new_segment();
        }
        self.note_position();
        if record.len() <= self.left() {
            return self.raw(record);
        }
        let (piece, mut rest) = record.split_at(self.left() - 7);
        let [total, len] = [record.len(), piece.len()].map(|len| u32::try_from(len).unwrap().to_le_bytes());
        self.raw(&[&[76], &total[..], &len[..2], piece].concat());
        while !rest.is_empty() {
            self.new_segment();
            let (piece, more) = rest.split_at(rest.len().min(self.left() - 3));
            let len = u16::try_from(piece.len()).unwrap().to_le_bytes();
            self.raw(&[&[77], &len[..], piece].concat());
            rest = more;
        }
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut file = self.header.encode();
        for (slot, segment) in (1_u16..).zip(&self.segments) {
            let mut segment = segment.clone();
            segment.resize(SEGMENT_LEN, 0);
            put(&mut segment, 10, &slot.to_le_bytes());
            put(&mut segment, 12, &self.header.generation.to_le_bytes());
            stamp_segment(&mut segment, slot.into());
            file.extend(segment);
        }
        file.resize(usize::from(SLOTS) * SEGMENT_LEN, 0);
        file
    }
}

/// A skippable record of `len` bytes in all, which depend on `seed`.
fn record(seed: u8, len: usize) -> Vec<u8> {
    let inner = u32::try_from(len - 5).unwrap().to_le_bytes();
    [&[82], &inner[..], &vec![seed; len - 5]].concat()
}

fn file_system() -> MemoryFileSystem {
    MemoryFileSystem::new(Arc::new(SettableClock::new(SystemTime::UNIX_EPOCH)))
}

fn load(bytes: &[u8]) -> LogFile {
    let fs = file_system();
    fs.write_file("/a.log", bytes).unwrap();
    let file = fs.open(Path::new("/a.log"), OpenMode::ReadOnly).unwrap();
    LogFile::load(file.as_ref(), Path::new("/a.log")).unwrap()
}

type Records = Vec<(LogPosition, Vec<u8>)>;

/// All records, and how the log ends.
fn read(log: &LogFile) -> (Records, Option<crate::JetError>) {
    let mut cursor = RecordCursor::new();
    let mut records = Vec::new();
    loop {
        match cursor.next_record(log) {
            Ok(Some(logged)) => records.push((logged.position, logged.bytes.to_vec())),
            Ok(None) => return (records, None),
            Err(error) => return (records, Some(error)),
        }
    }
}

fn some_records() -> Vec<Vec<u8>> {
    let lens = [5, 4000, 40, 9000, 300, 4056, 4030, 4090, 20];
    lens.iter()
        .zip(1..)
        .map(|(len, seed)| record(seed, *len))
        .collect()
}

fn some_log() -> LogBuilder {
    let mut builder = LogBuilder::new(7);
    for record in some_records() {
        builder.record(&record);
    }
    builder
}

#[test]
fn records_are_found_where_they_were_written_and_fragments_are_joined() {
    let builder = some_log();
    let (records, error) = read(&load(&builder.bytes()));
    assert!(error.is_none(), "{error:?}");
    let expected: Records = builder.positions.iter().copied().zip(some_records()).collect();
    assert_eq!(records, expected);
}

#[test]
fn fill_that_is_not_empty_is_damage() {
    for fill in [&[0, 0, 1][..], &[71, 2, 0, 0, 0, 0, 1]] {
        let mut builder = LogBuilder::new(7);
        builder.record(&record(1, 50)).raw(fill);
        let (records, error) = read(&load(&builder.bytes()));
        assert_eq!(records.len(), 1);
        assert_eq!(error.unwrap().code(), JetErr::LogFileCorrupt);
    }
}

#[test]
fn an_unknown_type_is_an_error_that_names_type_and_position() {
    let mut builder = LogBuilder::new(7);
    builder.record(&record(1, 50)).raw(&[150, 1, 2, 3]);
    let (records, error) = read(&load(&builder.bytes()));
    assert_eq!(records.len(), 1);
    let text = error.unwrap().to_string();
    assert!(
        text.contains("offset 0x105a") && text.contains("(7,1,5A)"),
        "{text}"
    );
    assert!(text.contains("type 150 is not known"), "{text}");
}

#[test]
fn an_obsolete_type_is_an_error_that_says_so() {
    let mut builder = LogBuilder::new(7);
    builder.raw(&[27, 1, 2, 3]);
    let error = read(&load(&builder.bytes())).1.unwrap();
    assert_eq!(error.code(), JetErr::BadLogVersion);
    assert!(error.to_string().contains("Split is obsolete"), "{error}");
}

#[test]
fn a_record_cut_off_at_the_end_of_the_log_is_dropped() {
    let mut builder = LogBuilder::new(7);
    builder.record(&record(1, 50)).record(&record(2, 9000));
    builder.segments.truncate(2);
    let log = load(&builder.bytes());
    let mut cursor = RecordCursor::new();
    assert!(cursor.next_record(&log).unwrap().is_some());
    assert!(cursor.next_record(&log).unwrap().is_none());
    assert_eq!(cursor.unfinished(), Some(builder.positions[1]));
}

/// A crash may leave nothing of a log but its first segment, in which a record begins that is longer than all of it.
#[test]
fn a_record_longer_than_all_that_was_written_of_the_log_is_dropped() {
    let mut builder = LogBuilder::new(7);
    builder.record(&record(2, 9000));
    for segments in [2, 1] {
        builder.segments.truncate(segments);
        let (records, error) = read(&load(&builder.bytes()));
        assert!(
            records.is_empty() && error.is_none(),
            "{segments} segments: {error:?}"
        );
    }
}

#[test]
fn a_cut_off_record_is_legal_only_before_a_recovery() {
    for (first, is_legal) in [(51, true), (17, true), (82, false)] {
        let mut builder = LogBuilder::new(7);
        builder.record(&record(1, 50)).record(&record(2, 9000));
        builder.segments.truncate(2);
        builder.new_segment();
        builder.raw(&[&[first][..], &[0; 8]].concat());
        let (records, error) = read(&load(&builder.bytes()));
        assert_eq!(
            (records.len(), error.is_none()),
            (1 + usize::from(is_legal), is_legal)
        );
    }
}

#[test]
fn fragments_that_do_not_fit_together_are_damage() {
    let good = LogBuilder::new(7).record(&record(2, 9000)).bytes();
    let restamped = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = good.clone();
        change(&mut bytes);
        for slot in 1..4_u32 {
            let start = slot as usize * SEGMENT_LEN;
            stamp_segment(&mut bytes[start..start + SEGMENT_LEN], slot);
        }
        read(&load(&bytes))
    };
    let (total, first, second, third, inner_type) = (4137, 4141, 8233, 12329, 4143);
    for (at, value) in [(total, 0), (first, 1), (second, 1), (third, 1), (inner_type, 71)] {
        let (records, error) = restamped(&|bytes| bytes[at] = value);
        assert!(records.is_empty(), "offset {at}");
        assert_eq!(error.unwrap().code(), JetErr::LogFileCorrupt, "offset {at}");
    }
}

#[test]
fn the_shadow_replaces_a_torn_tail() {
    let builder = some_log();
    let mut bytes = builder.bytes();
    let last = builder.segments.len() * SEGMENT_LEN;
    bytes.copy_within(last..last + SEGMENT_LEN, last + SEGMENT_LEN);
    bytes[last + 2000..last + SEGMENT_LEN].fill(0xEE);
    bytes[last..last + 100].fill(0xEE);
    let (records, error) = read(&load(&bytes));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(records.len(), builder.positions.len());
}

#[test]
fn a_flipped_bit_is_repaired_in_memory() {
    let builder = some_log();
    for byte in (4096 + 50..builder.segments.len() * SEGMENT_LEN).step_by(997) {
        let mut bytes = builder.bytes();
        bytes[byte] ^= 4;
        let (records, error) = read(&load(&bytes));
        assert!(error.is_none(), "{error:?}");
        assert_eq!(records.len(), builder.positions.len());
    }
}

#[test]
fn a_damaged_segment_ends_the_records_with_an_error_that_names_it() {
    let builder = some_log();
    let mut bytes = builder.bytes();
    bytes[3 * SEGMENT_LEN + 100..3 * SEGMENT_LEN + 200].fill(0x55);
    let log = load(&bytes);
    assert_eq!(log.segments_checksum(), None);
    let (records, error) = read(&log);
    let before = builder
        .positions
        .iter()
        .filter(|position| position.sector < 3)
        .count();
    // The last of them goes on in the damaged segment.
    assert!(records.len() == before || records.len() + 1 == before);
    let error = error.unwrap();
    assert_eq!(error.code(), JetErr::LogFileCorrupt);
    assert_eq!(error.place().offset, Some(3 * SEGMENT_LEN as u64));
}

#[test]
fn a_log_that_was_cut_gives_its_records_and_then_the_error() {
    let builder = some_log();
    let bytes = builder.bytes();
    for len in (4096..bytes.len()).step_by(1234) {
        let (records, error) = read(&load(&bytes[..len]));
        assert!(records.len() <= builder.positions.len());
        assert_eq!(error.unwrap().code(), JetErr::LogFileSizeMismatch, "{len}");
    }
}

#[test]
fn recycled_segments_of_an_older_generation_are_the_end() {
    let old = some_log().bytes();
    let mut builder = LogBuilder::new(9);
    builder.record(&record(1, 50));
    let mut bytes = builder.bytes();
    bytes[2 * SEGMENT_LEN..].copy_from_slice(&old[2 * SEGMENT_LEN..]);
    let (records, error) = read(&load(&bytes));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(records.len(), 1);
}

/// Three generations that follow one another, in a directory.
fn sequence(change: impl Fn(u32, &mut LogBuilder)) -> (MemoryFileSystem, Vec<LogPlace>) {
    let fs = file_system();
    let mut places = Vec::new();
    let mut sum = 0;
    for generation in 7..10 {
        let mut builder = LogBuilder::new(generation);
        builder.record(&record(1, 50)).record(&record(2, 5000));
        builder.header.previous_segments_checksum = sum;
        change(generation, &mut builder);
        let bytes = builder.bytes();
        sum = load(&bytes).segments_checksum().unwrap();
        let path = Path::new("/").join(format!("edb{generation:05X}.log"));
        fs.write_file(&path, &bytes).unwrap();
        places.push(LogPlace { path, generation });
    }
    (fs, places)
}

fn read_all(reader: &mut LogReader<'_>) -> (Vec<LogPosition>, Option<crate::JetError>) {
    let mut positions = Vec::new();
    loop {
        match reader.next_record() {
            Ok(Some(logged)) => positions.push(logged.position),
            Ok(None) => return (positions, None),
            Err(error) => return (positions, Some(error)),
        }
    }
}

#[test]
fn generations_are_read_one_after_the_other() {
    let (fs, places) = sequence(|_, _| ());
    let (positions, error) = read_all(&mut LogReader::new(&fs, places));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(positions.len(), 6);
    assert!(positions.is_sorted());
}

#[test]
fn each_generation_must_follow_the_one_before() {
    type Change = fn(u32, &mut LogBuilder);
    let changes: [(Change, JetErr); 4] = [
        (
            |_, log| log.header.signature.random = log.header.generation,
            JetErr::BadLogSignature,
        ),
        (
            |_, log| log.header.create_time = LogTime::default(),
            JetErr::InvalidLogSequence,
        ),
        (
            |_, log| log.header.previous_segments_checksum ^= 1,
            JetErr::LogSequenceChecksumMismatch,
        ),
        (
            |_, log| log.header.generation += 100,
            JetErr::LogGenerationMismatch,
        ),
    ];
    for (change, code) in changes {
        let (fs, places) = sequence(|generation, log| {
            if generation == 8 {
                change(generation, log);
            }
        });
        let error = read_all(&mut LogReader::new(&fs, places)).1.unwrap();
        assert_eq!(error.code(), code);
    }
}

#[test]
fn a_missing_generation_is_named() {
    let (fs, mut places) = sequence(|_, _| ());
    places.remove(1);
    let (positions, error) = read_all(&mut LogReader::new(&fs, places));
    assert_eq!(positions.len(), 2);
    let error = error.unwrap();
    assert_eq!(error.code(), JetErr::MissingLogFile);
    assert!(error.to_string().contains("generation 0x8"), "{error}");
}

#[test]
fn reading_begins_at_any_position_even_behind_a_record_of_several_segments() {
    let (fs, places) = sequence(|_, log| {
        log.record(&record(3, 9000)).record(&record(4, 60));
    });
    let (all, _) = read_all(&mut LogReader::new(&fs, places.clone()));
    for (index, position) in all.iter().enumerate() {
        let mut reader = LogReader::new(&fs, places.clone()).starting_at(*position);
        let (positions, error) = read_all(&mut reader);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(positions, all[index..], "from {position}");
    }
}

#[test]
fn reading_does_not_begin_behind_a_missing_generation() {
    let (fs, mut places) = sequence(|_, _| ());
    places.remove(0);
    let start = LogPosition {
        generation: 7,
        sector: 1,
        byte: 0,
    };
    let (positions, error) = read_all(&mut LogReader::new(&fs, places).starting_at(start));
    assert!(positions.is_empty());
    assert_eq!(error.unwrap().code(), JetErr::MissingPreviousLogFile);
}

#[test]
fn a_generation_that_ends_inside_of_a_record_is_followed_by_a_recovery() {
    for (first, is_legal) in [(51, true), (82, false)] {
        let (fs, places) = sequence(|generation, log| match generation {
            7 => log.segments.truncate(1),
            8 => {
                let sum = log.header.previous_segments_checksum;
                *log = LogBuilder::new(8);
                log.header.previous_segments_checksum = sum;
                log.record(&[&[first][..], &[0; 8]].concat());
            }
            _ => {}
        });
        let (_, error) = read_all(&mut LogReader::new(&fs, places.into_iter().take(2)));
        let expected = (!is_legal).then_some(JetErr::RedoAbruptEnded);
        assert_eq!(error.map(|error| error.code()), expected);
    }
}

#[test]
fn mutated_logs_never_panic_and_records_stay_in_order() {
    let good = some_log().bytes();
    let mut random = Seeded::new(11);
    for _ in 0..300 {
        let mut bytes = good.clone();
        for _ in 0..=random.index(6) {
            let at = 4096 + random.index(9 * SEGMENT_LEN);
            bytes[at] = random.next_u64().to_le_bytes()[0];
        }
        for slot in 1..u32::from(SLOTS) {
            let start = slot as usize * SEGMENT_LEN;
            let segment = &mut bytes[start..start + SEGMENT_LEN];
            if segment.iter().any(|byte| *byte != 0) {
                stamp_segment(segment, slot);
            }
        }
        let (records, _) = read(&load(&bytes));
        assert!(records.is_sorted_by_key(|(position, _)| *position));
    }
}

/// Version 7: records as one stream, each flush covered by a checksum record.
pub(crate) mod version_7 {
    use super::*;

    const SECTOR: usize = 512;
    const RANGE_SEED: u32 = 0xFEED_BEAF;
    const SHORT_SEED: u32 = 0xDEAD_C0DE;

    fn xor(bytes: &[u8], seed: u32) -> u32 {
        bytes.chunks(4).fold(seed, |sum, chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            sum ^ u32::from_le_bytes(word)
        })
    }

    /// Writes the checksum record at `at` over what follows it.
    pub(crate) fn seal(file: &mut [u8], generation: u32, at: usize, forwards: usize, next: usize, short: u8) {
        let words = [0, forwards, next].map(|len| u32::try_from(len).unwrap());
        file[at] = 42;
        put(file, at + 1, &words.map(u32::to_le_bytes).concat());
        file[at + 21] = short;
        let lengths = words[1] ^ words[2] ^ u32::from(short) ^ generation;
        let sum = |seed, len| xor(&file[at + 22..at + 22 + len], seed) ^ lengths;
        let sums = [
            sum(RANGE_SEED, forwards),
            if short == 0x9A {
                sum(SHORT_SEED, SECTOR - at % SECTOR - 22)
            } else {
                0
            },
        ];
        put(file, at + 13, &sums.map(u32::to_le_bytes).concat());
    }

    /// Two flushes: three sectors, filled up with `NOP`, and the beginning of a sector.
    fn log() -> (Vec<u8>, Vec<LogPosition>) {
        let mut header = header(7);
        (header.sector_size, header.header_sectors, header.file_sectors) = (512, 8, 64);
        header.set_version(LogVersion {
            major: 7,
            minor: 3704,
            update_major: 15,
            update_minor: 0,
        });
        let mut file = header.encode();
        file.resize(64 * SECTOR, 0);
        let mut positions = Vec::new();
        let mut place = |file: &mut [u8], at: usize, bytes: &[u8]| {
            put(file, at, bytes);
            positions.push(LogPosition {
                generation: 7,
                sector: u16::try_from(at / SECTOR).unwrap(),
                byte: u16::try_from(at % SECTOR).unwrap(),
            });
        };
        place(&mut file, 4096 + 22, &record(1, 100));
        place(&mut file, 4096 + 122, &record(2, 1200));
        place(&mut file, 4096 + 1322, &record(3, 60));
        let second = 4096 + 3 * SECTOR;
        place(&mut file, second + 22, &record(4, 200));
        seal(&mut file, 7, 4096, 3 * SECTOR - 22, 3 * SECTOR - 22, 0x9A);
        seal(&mut file, 7, second, 200, 0, 0xD1);
        file[second + 222..].fill(0xDA);
        (file, positions)
    }

    #[test]
    fn the_stream_is_read_without_its_checksum_records_and_fill() {
        let (file, expected) = log();
        let (records, error) = read(&load(&file));
        assert!(error.is_none(), "{error:?}");
        let positions: Vec<_> = records.iter().map(|(position, _)| *position).collect();
        assert_eq!(positions, expected);
        assert_eq!(records[1].1, record(2, 1200));
    }

    #[test]
    fn a_torn_last_flush_gives_what_is_whole() {
        let (mut file, expected) = log();
        let second = 4096 + 3 * SECTOR;
        file[second + 100] ^= 1;
        let (records, error) = read(&load(&file));
        assert!(error.is_none(), "{error:?}");
        assert_eq!(records.len(), expected.len() - 1);
    }

    #[test]
    fn the_shadow_of_a_torn_sector_is_used() {
        let (mut file, expected) = log();
        let second = 4096 + 3 * SECTOR;
        file.copy_within(second..second + SECTOR, second + SECTOR);
        for (byte, mark) in (second + SECTOR + 13..).zip(0x5AD0_5EC7_u32.to_le_bytes()) {
            file[byte] ^= mark;
        }
        file[second..second + SECTOR].fill(0xEE);
        let (records, error) = read(&load(&file));
        assert!(error.is_none(), "{error:?}");
        assert_eq!(records.len(), expected.len());
    }

    #[test]
    fn damage_in_the_middle_is_an_error_behind_the_records_before_it() {
        let (mut file, _) = log();
        file[4096 + 700] ^= 1;
        let (records, error) = read(&load(&file));
        assert!(records.is_empty());
        assert_eq!(error.unwrap().code(), JetErr::LogFileCorrupt);
    }

    #[test]
    fn mutated_logs_never_panic() {
        let (good, _) = log();
        let mut random = Seeded::new(5);
        for _ in 0..500 {
            let mut file = good.clone();
            for _ in 0..=random.index(4) {
                let at = 4096 + random.index(5 * SECTOR);
                file[at] = random.next_u64().to_le_bytes()[0];
            }
            let second = 4096 + 3 * SECTOR;
            seal(&mut file, 7, 4096, 3 * SECTOR - 22, 3 * SECTOR - 22, 0x9A);
            seal(&mut file, 7, second, 200, 0, 0xD1);
            read(&load(&file));
        }
    }
}

#[test]
fn the_decoded_record_is_that_of_the_bytes() {
    let log = load(&some_log().bytes());
    let mut cursor = RecordCursor::new();
    while let Some(logged) = cursor.next_record(&log).unwrap() {
        assert_eq!(LogRecord::decode(logged.bytes).unwrap(), logged.record);
    }
}
