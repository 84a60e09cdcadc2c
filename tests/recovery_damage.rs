//! Recovery of damaged sets: for each damage the published error, or the rows of a committed state; never a database that
//! looks clean and is not (log-and-recovery.md sections 6.2, 8.5 and 9).
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::JetErr;
use jetfs::format::checksum::stamp_page;
use jetfs::format::log_record::LogRecord;
use jetfs::format::{Checkpoint, DatabaseHeader, DbState, LogHeader, LogTime, SEGMENT_LEN};
use jetfs::store::log_reader::{LogPlace, LogReader};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use support::{Journal, MemorySet, Samples, open_in_memory, path_of, replay, row_differences};

/// Eight sessions with open work; generations 1 to 14, of which 6 to 14 are required; the checkpoint is in 6.
const CRASH: &str = "genuine-scenarios/p4096_e8920_crash_dirty";
const REQUIRED: RangeInclusive<u32> = 6..=14;
/// The same size of logs, another signature.
const FOREIGN: &str = "genuine-scenarios/p4096_e8920_lv_dirty";
/// A journal tells its rows after every transaction; generations 1 to 4, all required.
const JOURNALED: &str = "genuine-32k.tar.xz/genuine-32k/dirty";
const DATABASE: &str = "test.edb";

type Databases = BTreeMap<String, Vec<u8>>;

/// What a set becomes; fails the test unless every database is clean then.
fn recover(set: &MemorySet) -> Result<Databases, JetErr> {
    let databases = replay(set).map_err(|error| error.code())?;
    for (name, bytes) in &databases {
        let state = open_in_memory(name, bytes).header().state;
        assert_eq!(state, DbState::CleanShutdown, "{name}");
    }
    Ok(databases)
}

/// The set with damage, and what it becomes without.
struct Case {
    set: MemorySet,
    sound: Databases,
}

impl Case {
    fn new(test: &str) -> Option<Case> {
        let samples = Samples::find(test)?;
        let set = MemorySet::read(&samples.set(CRASH));
        let sound = recover(&set).unwrap();
        let twin = MemorySet::read(&samples.set(&format!("{CRASH}_recovered")));
        let differences = row_differences(
            &open_in_memory(DATABASE, &sound[DATABASE]),
            &twin.database(DATABASE),
        );
        assert!(differences.is_empty(), "{differences:#?}");
        Some(Case { set, sound })
    }

    /// The name of a generation.
    fn log(&self, generation: u32) -> String {
        let names = self.set.log_names();
        let found = names
            .into_iter()
            .find(|name| self.set.generation(name) == generation);
        found.unwrap()
    }

    /// Fails the test unless a damaged set still becomes what it should.
    #[track_caller]
    fn assert_recovers(&self, damaged: &MemorySet, what: &str) {
        let found = recover(damaged);
        assert!(
            found.as_ref() == Ok(&self.sound),
            "{what}: {:?}",
            found.map(|_| "another result")
        );
    }
}

#[track_caller]
fn assert_refused(damaged: &MemorySet, with: JetErr, what: &str) {
    let found = recover(damaged).map(|_| "recovered");
    assert_eq!(found, Err(with), "{what}");
}

// ---- the end of the last log ----

#[test]
fn a_database_made_by_logs_that_end_anywhere_holds_a_committed_state() {
    let Some(samples) = Samples::find("a_database_made_by_logs_that_end_anywhere_holds_a_committed_state")
    else {
        return;
    };
    let set = samples.set(JOURNALED);
    let journal = Journal::read(&set);
    let logs = MemorySet::read(&set).logs_alone();
    let last = logs.last_log();
    let whole = logs.file(&last).to_vec();
    let (mut recovered, mut refused, mut reached) = (0, 0, 0);
    let end = (logs.segments(&last) + 3) * SEGMENT_LEN;
    for cut in (SEGMENT_LEN..=end).step_by(512) {
        let mut unwritten = logs.clone();
        unwritten.file_mut(&last)[cut..].fill(0);
        let end_of_segment = cut.next_multiple_of(SEGMENT_LEN);
        let is_torn = whole[cut..end_of_segment].iter().any(|byte| *byte != 0);
        match recover(&unwritten) {
            Ok(databases) => {
                assert!(
                    !is_torn,
                    "a torn segment without a shadow at {cut} was taken for the end"
                );
                let database = open_in_memory(DATABASE, &databases[DATABASE]);
                let number =
                    journal.assert_holds_a_committed_state(&database, &format!("unwritten from {cut}"));
                assert!(
                    number >= reached,
                    "unwritten from {cut}: {number} after {reached}"
                );
                reached = number;
                recovered += 1;
            }
            Err(error) => {
                assert!(is_torn, "unwritten from {cut}: {error:?}");
                assert!(
                    matches!(error, JetErr::LogFileCorrupt | JetErr::CommittedLogFileCorrupt),
                    "unwritten from {cut}: {error:?}"
                );
                refused += 1;
            }
        }
    }
    println!("{recovered} recovered, {refused} refused");
    assert_eq!(reached, journal.last_committed());
    assert!(recovered > 5 && refused > 5);
}

/// Pages may be newer than the rest of a log that was cut: then the database cannot be made consistent, and that must be
/// noticed.
#[test]
fn a_database_whose_last_log_lost_its_end_is_never_called_clean_with_other_rows() {
    let test = "a_database_whose_last_log_lost_its_end_is_never_called_clean_with_other_rows";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let set = samples.set(JOURNALED);
    let journal = Journal::read(&set);
    let set = MemorySet::read(&set);
    let last = set.last_log();
    let (mut recovered, mut refused) = (0, BTreeMap::new());
    let end = (set.segments(&last) + 3) * SEGMENT_LEN;
    for cut in (SEGMENT_LEN..=end).step_by(512) {
        let mut unwritten = set.clone();
        unwritten.file_mut(&last)[cut..].fill(0);
        match recover(&unwritten) {
            Ok(databases) => {
                let database = open_in_memory(DATABASE, &databases[DATABASE]);
                journal.assert_holds_a_committed_state(&database, &format!("unwritten from {cut}"));
                recovered += 1;
            }
            Err(error) => *refused.entry(error).or_insert(0) += 1,
        }
    }
    println!("{recovered} recovered, refused {refused:?}");
    assert!(recovered > 0 && !refused.is_empty());
}

#[test]
fn a_log_that_is_shorter_than_it_says_is_refused() {
    let Some(case) = Case::new("a_log_that_is_shorter_than_it_says_is_refused") else {
        return;
    };
    let last = case.set.last_log();
    let len = case.set.file(&last).len();
    for cut in (0..len).step_by(512) {
        let mut short = case.set.clone();
        short.file_mut(&last).truncate(cut);
        let with = if cut < LogHeader::LEN {
            JetErr::LogFileCorrupt
        } else {
            JetErr::LogFileSizeMismatch
        };
        assert_refused(&short, with, &format!("cut to {cut}"));
    }
}

// ---- damaged segments ----

/// The bytes that a segment's checksum covers can be repaired, the checksum itself cannot.
#[test]
fn a_flipped_bit_in_any_segment_header_is_repaired_or_refused() {
    let Some(case) = Case::new("a_flipped_bit_in_any_segment_header_is_repaired_or_refused") else {
        return;
    };
    let mut flipped = 0;
    for generation in REQUIRED {
        let log = case.log(generation);
        let segments = case.set.segments(&log);
        for slot in 1..=segments {
            let with_flipped = |byte: usize| {
                let mut damaged = case.set.clone();
                damaged.file_mut(&log)[slot * SEGMENT_LEN + byte] ^= 1 << (slot % 8);
                (damaged, format!("{log} segment {slot} byte {byte}"))
            };
            let (damaged, what) = with_flipped(8 + slot * 7 % 32);
            case.assert_recovers(&damaged, &what);
            let (damaged, what) = with_flipped(slot % 8);
            if slot == segments && has_shadow(&case.set, &log, slot) {
                case.assert_recovers(&damaged, &what);
            } else {
                assert_refused(&damaged, JetErr::LogFileCorrupt, &what);
            }
            flipped += 2;
        }
    }
    assert!(flipped > 200, "{flipped}");
}

#[test]
fn a_flipped_bit_in_any_log_header_is_refused() {
    let Some(case) = Case::new("a_flipped_bit_in_any_log_header_is_refused") else {
        return;
    };
    for generation in REQUIRED {
        let log = case.log(generation);
        for byte in [0, 5, 17, 100, 653, 4000] {
            let mut damaged = case.set.clone();
            damaged.file_mut(&log)[byte] ^= 4;
            assert_refused(&damaged, JetErr::LogFileCorrupt, &format!("{log} byte {byte}"));
        }
    }
}

/// The last segment of the last log has a shadow behind it, which stands in for it.
#[test]
fn a_damaged_segment_is_refused_unless_its_shadow_is_there() {
    let Some(case) = Case::new("a_damaged_segment_is_refused_unless_its_shadow_is_there") else {
        return;
    };
    for generation in REQUIRED {
        let log = case.log(generation);
        let segments = case.set.segments(&log);
        for slot in 1..=segments {
            let mut damaged = case.set.clone();
            let start = slot * SEGMENT_LEN;
            damaged.file_mut(&log)[start + 100..start + 612].fill(0xA5);
            let what = format!("{log} segment {slot}");
            if slot == segments && has_shadow(&case.set, &log, slot) {
                case.assert_recovers(&damaged, &what);
            } else {
                assert_refused(&damaged, JetErr::LogFileCorrupt, &what);
            }
        }
    }
}

/// Whether the slot behind a segment holds a copy of it.
fn has_shadow(set: &MemorySet, log: &str, slot: usize) -> bool {
    let bytes = set.file(log);
    let segment = |slot: usize| bytes.get(slot * SEGMENT_LEN..(slot + 1) * SEGMENT_LEN);
    segment(slot) == segment(slot + 1)
}

#[test]
fn a_segment_behind_the_end_of_a_log_is_refused() {
    let Some(case) = Case::new("a_segment_behind_the_end_of_a_log_is_refused") else {
        return;
    };
    let log = case.set.last_log();
    let segments = case.set.segments(&log);
    let mut damaged = case.set.clone();
    let first = damaged.file(&log)[SEGMENT_LEN..2 * SEGMENT_LEN].to_vec();
    let target = (segments + 3) * SEGMENT_LEN;
    damaged.file_mut(&log)[target..target + SEGMENT_LEN].copy_from_slice(&first);
    damaged.stamp_segment(&log, segments + 3);
    case.assert_recovers(
        &damaged,
        "a segment of an older place, as in a file that is used again",
    );
    // lgposSegment: byte, sector, generation.
    let slot = u16::try_from(segments + 3).unwrap();
    damaged.file_mut(&log)[target + 10..target + 12].copy_from_slice(&slot.to_le_bytes());
    damaged.stamp_segment(&log, segments + 3);
    assert_refused(
        &damaged,
        JetErr::LogFileCorrupt,
        "a valid segment after empty ones",
    );
}

// ---- missing and foreign logs ----

#[test]
fn a_missing_generation_is_refused_if_it_is_required() {
    let Some(case) = Case::new("a_missing_generation_is_refused_if_it_is_required") else {
        return;
    };
    for generation in 1..=*REQUIRED.end() {
        let log = case.log(generation);
        let mut damaged = case.set.clone();
        damaged.remove(&log);
        if REQUIRED.contains(&generation) {
            assert_refused(&damaged, JetErr::MissingLogFile, &log);
        } else {
            case.assert_recovers(&damaged, &log);
        }
    }
}

#[test]
fn without_the_last_generations_a_database_is_refused() {
    let Some(case) = Case::new("without_the_last_generations_a_database_is_refused") else {
        return;
    };
    // The newest archived log becomes the current one: nothing in the names tells that one is missing.
    for missing in 1..=5 {
        let mut damaged = case.set.clone();
        for generation in REQUIRED.end() - missing + 1..=*REQUIRED.end() {
            damaged.remove(&case.log(generation));
        }
        let newest = case.log(REQUIRED.end() - missing);
        let bytes = damaged.file(&newest).to_vec();
        damaged.remove(&newest);
        damaged.insert("edb.log", bytes);
        assert_refused(
            &damaged,
            JetErr::RequiredLogFilesMissing,
            &format!("without {missing}"),
        );
    }
}

#[test]
fn without_a_checkpoint_the_logs_must_reach_back_to_the_first_required_one() {
    let Some(case) = Case::new("without_a_checkpoint_the_logs_must_reach_back_to_the_first_required_one")
    else {
        return;
    };
    let mut damaged = case.set.clone();
    damaged.remove(&case.set.only(".chk"));
    for generation in 1..*REQUIRED.start() {
        damaged.remove(&case.log(generation));
        case.assert_recovers(&damaged, &format!("without generation {generation}"));
    }
    for generation in REQUIRED.take(4) {
        damaged.remove(&case.log(generation));
        let what = format!("without generation {generation}");
        assert_refused(&damaged, JetErr::RequiredLogFilesMissing, &what);
    }
}

#[test]
fn a_log_of_another_sequence_is_refused() {
    let Some(case) = Case::new("a_log_of_another_sequence_is_refused") else {
        return;
    };
    let samples = Samples::find("a_log_of_another_sequence_is_refused").unwrap();
    let foreign = MemorySet::read(&samples.set(FOREIGN));
    for generation in REQUIRED {
        let log = case.log(generation);
        let names = foreign.log_names();
        let other = names.iter().find(|name| foreign.generation(name) == generation);
        let mut damaged = case.set.clone();
        damaged.insert(&log, foreign.file(other.unwrap()).to_vec());
        assert_refused(&damaged, JetErr::BadLogSignature, &log);
    }
}

#[test]
fn a_log_that_does_not_follow_the_one_before_is_refused() {
    let Some(case) = Case::new("a_log_that_does_not_follow_the_one_before_is_refused") else {
        return;
    };
    let changed = |generation: u32, change: &dyn Fn(&mut LogHeader)| {
        let mut damaged = case.set.clone();
        let log = case.log(generation);
        let mut header = LogHeader::read(damaged.file(&log)).unwrap();
        change(&mut header);
        let bytes = header.encode();
        damaged.file_mut(&log)[..bytes.len()].copy_from_slice(&bytes);
        damaged
    };
    for generation in 7..=*REQUIRED.end() {
        let what = format!("generation {generation}");
        let time = LogTime::utc(2026, 1, 1, 0, 0, 0, 0);
        let damaged = changed(generation, &|header| header.previous_create_time = time);
        assert_refused(&damaged, JetErr::InvalidLogSequence, &what);
        let damaged = changed(generation, &|header| header.previous_segments_checksum ^= 1);
        assert_refused(&damaged, JetErr::LogSequenceChecksumMismatch, &what);
        let damaged = changed(generation, &|header| header.signature.random ^= 1);
        assert_refused(&damaged, JetErr::BadLogSignature, &what);
    }
    let mut renamed = case.set.clone();
    let bytes = renamed.file(&case.log(8)).to_vec();
    renamed.insert(&case.log(9), bytes);
    assert_refused(
        &renamed,
        JetErr::LogGenerationMismatch,
        "generation 8 under the name of 9",
    );
}

// ---- the checkpoint ----

#[test]
fn recovery_needs_no_checkpoint() {
    let Some(case) = Case::new("recovery_needs_no_checkpoint") else {
        return;
    };
    let checkpoint = case.set.only(".chk");
    let mut without = case.set.clone();
    without.remove(&checkpoint);
    case.assert_recovers(&without, "without a checkpoint");

    for copies in [0..1, 1..2, 0..2] {
        let mut damaged = case.set.clone();
        for copy in copies.clone() {
            damaged.file_mut(&checkpoint)[copy * Checkpoint::COPY_LEN + 20] ^= 1;
        }
        case.assert_recovers(&damaged, &format!("damaged copies {copies:?}"));
    }

    let foreign = Samples::find("recovery_needs_no_checkpoint").unwrap();
    let foreign = MemorySet::read(&foreign.set(FOREIGN));
    let mut swapped = case.set.clone();
    swapped.insert(&checkpoint, foreign.file(&foreign.only(".chk")).to_vec());
    case.assert_recovers(&swapped, "a checkpoint of another sequence");

    for len in [0, 100, Checkpoint::COPY_LEN] {
        let mut short = case.set.clone();
        short.file_mut(&checkpoint).truncate(len);
        case.assert_recovers(&short, &format!("a checkpoint of {len} bytes"));
    }
}

// ---- the database ----

/// What is done to a header.
type Change<'a> = &'a dyn Fn(&mut DatabaseHeader);

/// A set whose database has another header.
fn with_header(case: &Case, change: impl FnOnce(&mut DatabaseHeader)) -> MemorySet {
    let mut changed = case.set.clone();
    let database = changed.database(DATABASE);
    let mut header = database.header().clone();
    change(&mut header);
    let (bytes, size) = (header.encode(), database.page_size().bytes());
    let file = changed.file_mut(DATABASE);
    file[..size].copy_from_slice(&bytes);
    file[size..2 * size].copy_from_slice(&bytes);
    changed
}

#[test]
fn a_database_that_does_not_fit_its_logs_is_refused() {
    let Some(case) = Case::new("a_database_that_does_not_fit_its_logs_is_refused") else {
        return;
    };
    let last = *REQUIRED.end();
    let other_time = LogTime::utc(2026, 1, 1, 0, 0, 0, 0);
    let refused: [(&str, JetErr, Change<'_>); 5] = [
        (
            "logtimeGenMaxCreate",
            JetErr::RequiredLogFilesMissing,
            &|header| {
                header.generation_max_create_time = other_time;
            },
        ),
        ("lGenMaxRequired", JetErr::RequiredLogFilesMissing, &|header| {
            header.generation_max_required = last + 1;
            header.generation_max_committed = last + 1;
        }),
        ("lGenMaxCommitted", JetErr::CommittedLogFilesMissing, &|header| {
            header.generation_max_committed = last + 1;
        }),
        ("signDb", JetErr::AttachedDatabaseMismatch, &|header| {
            header.signature.random ^= 1
        }),
        ("signLog", JetErr::AttachedDatabaseMismatch, &|header| {
            header.log_signature.random ^= 1
        }),
    ];
    for (what, with, change) in refused {
        assert_refused(&with_header(&case, change), with, what);
    }
}

#[test]
fn older_logs_are_used_if_the_database_needs_them_and_must_be_there() {
    let Some(case) = Case::new("older_logs_are_used_if_the_database_needs_them_and_must_be_there") else {
        return;
    };
    let mut needs_more = with_header(&case, |header| header.generation_min_required = 3);
    case.assert_recovers(&needs_more, "with the logs from 3 on");
    needs_more.remove(&case.log(3));
    assert_refused(&needs_more, JetErr::RequiredLogFilesMissing, "without log 3");
}

/// A page that the logs change, and its dbtimes.
struct ChangedPage {
    pgno: u32,
    /// What the first record expects.
    oldest: u64,
    /// What it has in the file.
    in_file: u64,
    /// What the first record gives it that it needs.
    next: u64,
}

fn page_that_redo_needs(case: &Case) -> ChangedPage {
    let database = case.set.database(DATABASE);
    let fs = case.set.file_system();
    let names = case.set.log_names().into_iter();
    let places = names.map(|name| LogPlace {
        path: path_of(&name),
        generation: case.set.generation(&name),
    });
    let places: Vec<_> = places
        .filter(|place| REQUIRED.contains(&place.generation))
        .collect();
    let mut reader = LogReader::new(&fs, places);
    let mut oldest = BTreeMap::new();
    while let Some(logged) = reader.next_record().unwrap() {
        let (LogRecord::Insert(_) | LogRecord::Replace(_)) = logged.record else {
            continue;
        };
        let operation = logged.record.page_operation().unwrap();
        let (before, next) = (operation.dbtime_before, operation.dbtime);
        let oldest = *oldest.entry(operation.page).or_insert(before);
        let Ok(page) = database.read_page(operation.page) else {
            continue;
        };
        let in_file = jetfs::format::Page::of(&page).unwrap().dbtime();
        if before == in_file && oldest < in_file && next > in_file + 1 {
            return ChangedPage {
                pgno: operation.page,
                oldest,
                in_file,
                next,
            };
        }
    }
    panic!("no page is older than its log")
}

#[test]
fn a_page_that_is_not_what_the_logs_expect_is_refused() {
    let Some(case) = Case::new("a_page_that_is_not_what_the_logs_expect_is_refused") else {
        return;
    };
    let ChangedPage {
        pgno,
        oldest,
        in_file,
        next,
    } = page_that_redo_needs(&case);
    let size = case.set.database(DATABASE).page_size();
    let start = usize::try_from(size.offset_of(pgno)).unwrap();
    let with_page = |change: &dyn Fn(&mut [u8]), stamp: bool| {
        let mut damaged = case.set.clone();
        let page = &mut damaged.file_mut(DATABASE)[start..start + size.bytes()];
        change(page);
        if stamp {
            stamp_page(page, size, pgno);
        }
        damaged
    };
    let with_dbtime =
        |dbtime: u64| with_page(&|page| page[8..16].copy_from_slice(&dbtime.to_le_bytes()), true);
    assert_refused(
        &with_dbtime(oldest - 1),
        JetErr::DbTimeTooOld,
        "older than the first record wants",
    );
    assert_refused(
        &with_dbtime(in_file - 1),
        JetErr::DbTimeTooNew,
        "no dbtime that it ever had",
    );
    assert_refused(
        &with_dbtime(next - 1),
        JetErr::DbTimeTooNew,
        "newer than the next record wants",
    );
    let damaged = with_page(&|page| page[200..260].fill(0x77), false);
    assert_refused(&damaged, JetErr::ReadVerifyFailure, "damaged");
    let blank = with_page(&|page| page.fill(0), false);
    assert_refused(&blank, JetErr::PageNotInitialized, "blank");
    let mut short = case.set.clone();
    short.file_mut(DATABASE).truncate(start);
    assert_refused(&short, JetErr::FileIOBeyondEOF, "the file ends before it");
    let flipped = with_page(&|page| page[200] ^= 1, false);
    case.assert_recovers(&flipped, "one wrong bit");
}

#[test]
fn a_database_with_a_damaged_header_is_refused_unless_a_copy_is_good() {
    let Some(case) = Case::new("a_database_with_a_damaged_header_is_refused_unless_a_copy_is_good") else {
        return;
    };
    let size = case.set.database(DATABASE).page_size().bytes();
    for offset in [100, size + 100] {
        let mut damaged = case.set.clone();
        damaged.file_mut(DATABASE)[offset] ^= 1;
        case.assert_recovers(&damaged, &format!("byte {offset}"));
    }
    let mut damaged = case.set.clone();
    damaged.file_mut(DATABASE)[100] ^= 1;
    damaged.file_mut(DATABASE)[size + 100] ^= 1;
    assert_refused(&damaged, JetErr::DatabaseCorrupted, "both copies");
}
