//! Every record of the genuine logs, against the genuine engine's own dumps and against rules that hold for all logs
//! (log-and-recovery.md sections 4.7 and 12).
#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a test"
)]

mod dump;
#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
#[path = "../support/mod.rs"]
mod support;
mod text;

use dump::DumpedRecord;
use jetfs::JetErr;
use jetfs::format::LogPosition;
use jetfs::format::log_record::{LogRecord, LogRecordType};
use jetfs::io::{FileSystem, MemoryFileSystem, OpenMode, RealFileSystem};
use jetfs::source::at_rest::{AtRestPaths, Inventory, LogSequence};
use jetfs::store::log_reader::{LogFile, LogPlace, LogReader, Logged, RecordCursor};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use support::{Samples, Set, measured};

/// Calls `each` for the records of the logs of a set, and `next_run` before the first record behind a gap.
fn for_each_record(set: &Set, mut next_run: impl FnMut(), mut each: impl FnMut(&Logged<'_>)) -> u64 {
    let paths = AtRestPaths {
        sources: vec![set.dir.clone()],
        ..AtRestPaths::default()
    };
    let inventory = Inventory::take(&RealFileSystem, &paths).unwrap();
    let mut count = 0;
    for run in inventory.sequences.iter().flat_map(runs) {
        next_run();
        let mut reader = LogReader::new(&RealFileSystem, run);
        while let Some(logged) = reader
            .next_record()
            .unwrap_or_else(|error| panic!("{}: {error}", set.name))
        {
            each(&logged);
            count += 1;
        }
    }
    count
}

/// The generations that follow one another without a gap.
fn runs(sequence: &LogSequence) -> Vec<Vec<LogPlace>> {
    let mut runs: Vec<Vec<LogPlace>> = Vec::new();
    for log in &sequence.logs {
        let place = LogPlace {
            path: log.entry.file.path.clone(),
            generation: log.generation().unwrap(),
        };
        match runs.last_mut() {
            Some(run) if run.last().unwrap().generation + 1 == place.generation => run.push(place),
            _ => runs.push(vec![place]),
        }
    }
    runs
}

fn sets_with_dumps(samples: &Samples) -> Vec<(Set, PathBuf)> {
    let sets = samples.sets().into_iter();
    let with_dump = sets.map(|set| {
        let dump = set.dir.join("eseutil/ml_all_verbose.txt.gz");
        (set, dump)
    });
    with_dump.filter(|(_, dump)| dump.exists()).collect()
}

#[test]
fn every_record_is_what_the_genuine_dump_says() {
    let Some(samples) = Samples::find("every_record_is_what_the_genuine_dump_says") else {
        return;
    };
    let (mut sets, mut records) = (0, 0);
    for (set, dump) in sets_with_dumps(&samples) {
        let expected = dump::records(&dump);
        let mut next = expected.iter();
        let found = for_each_record(
            &set,
            || (),
            |logged| {
                let expected = next
                    .next()
                    .unwrap_or_else(|| panic!("{}: more at {}", set.name, logged.position));
                assert_eq!(DumpedRecord::of(logged, expected), *expected, "{}", set.name);
            },
        );
        assert_eq!(next.next(), None, "{}", set.name);
        records += found;
        sets += 1;
    }
    assert!(sets >= 12, "only {sets} sets have dumps");
    measured(&format!(
        "log records equal to the genuine dumps: {records} of {sets} sets"
    ));
}

#[test]
fn every_type_is_counted_as_the_genuine_dump_counts_it() {
    let Some(samples) = Samples::find("every_type_is_counted_as_the_genuine_dump_counts_it") else {
        return;
    };
    for (set, _) in sets_with_dumps(&samples) {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for_each_record(
            &set,
            || (),
            |logged| {
                let name = logged.record.record_type().to_string();
                // The dump's counts have the first word of a name.
                let word = name.split(' ').next().unwrap().to_owned();
                *counts.entry(word).or_default() += 1;
            },
        );
        assert_eq!(
            counts,
            dump::counts(&set.dir.join("eseutil/lrtypes.txt")),
            "{}",
            set.name
        );
    }
}

/// All sets with logs: Windows-made ones, too.
#[test]
fn every_genuine_log_is_read_to_its_end_and_every_record_is_written_as_it_was() {
    let test = "every_genuine_log_is_read_to_its_end_and_every_record_is_written_as_it_was";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let mut types: BTreeMap<LogRecordType, u64> = BTreeMap::new();
    let mut written = Vec::new();
    let (mut sets, mut records) = (0, 0);
    for set in samples.sets() {
        if set.files().iter().any(|name| name.ends_with(".log")) {
            records += for_each_record(
                &set,
                || (),
                |logged| {
                    *types.entry(logged.record.record_type()).or_default() += 1;
                    written.clear();
                    logged.record.encode(&mut written).unwrap();
                    assert_eq!(written, logged.bytes, "{}: {}", set.name, logged.position);
                },
            );
            sets += 1;
        }
    }
    assert!(sets > 40, "only {sets} sets have logs");
    for (record_type, count) in &types {
        println!("{:3} {record_type:10} {count}", record_type.0);
    }
    measured(&format!(
        "log records read: {records} of {sets} sets, {} types",
        types.len()
    ));
}

/// Section 4.7: a record finds its page as the record before left it, and the dbtimes of a database only grow.
#[test]
fn the_dbtimes_of_each_page_form_a_chain() {
    let Some(samples) = Samples::find("the_dbtimes_of_each_page_form_a_chain") else {
        return;
    };
    let mut checked = 0;
    for set in samples.sets() {
        if !set.files().iter().any(|name| name.ends_with(".log")) {
            continue;
        }
        let chain = std::cell::RefCell::new(DbtimeChain::default());
        for_each_record(
            &set,
            || chain.borrow_mut().forget(),
            |logged| chain.borrow_mut().follow(&set.name, logged),
        );
        checked += chain.into_inner().checked;
    }
    assert!(checked > 50_000, "only {checked} links of the chain");
    measured(&format!(
        "dbtimeBefore equal to the page's last dbtime: {checked} records"
    ));
}

#[derive(Default)]
struct DbtimeChain {
    pages: HashMap<(u8, u32), u64>,
    checked: u64,
}

impl DbtimeChain {
    fn forget(&mut self) {
        self.pages.clear();
    }

    fn follow(&mut self, set: &str, logged: &Logged<'_>) {
        match &logged.record {
            LogRecord::CreateDatabase(create) => {
                self.pages.retain(|(database, _), _| *database != create.database)
            }
            LogRecord::NewPage(new) => {
                self.pages.insert((new.database, new.page), new.dbtime);
            }
            LogRecord::EmptyTree(tree) => {
                for entry in tree.emptied.iter() {
                    self.link(
                        set,
                        logged,
                        entry.page,
                        entry.dbtime_before,
                        tree.node.page.dbtime,
                    );
                }
                self.own(set, logged);
            }
            LogRecord::Split(split) => {
                self.own(set, logged);
                let dbtime = split.page.dbtime;
                self.link(set, logged, split.page_right, split.dbtime_right_before, dbtime);
                self.set(logged, split.page_new, dbtime);
            }
            LogRecord::Merge(merge) => {
                self.own(set, logged);
                let dbtime = merge.page.dbtime;
                self.link(set, logged, merge.page_right, merge.dbtime_right_before, dbtime);
                self.link(set, logged, merge.page_left, merge.dbtime_left_before, dbtime);
            }
            LogRecord::CreateMultipleExtentFdp(create) => {
                self.own(set, logged);
                self.set(logged, create.page_oe, create.page.dbtime);
                self.set(logged, create.page_ae, create.page.dbtime);
            }
            LogRecord::ConvertFdp(convert) => {
                self.own(set, logged);
                self.set(logged, convert.page_oe, convert.page.dbtime);
                self.set(logged, convert.page_ae, convert.page.dbtime);
            }
            _ => self.own(set, logged),
        }
    }

    /// The page of the common prefix.
    fn own(&mut self, set: &str, logged: &Logged<'_>) {
        let Some(operation) = logged.record.page_operation() else {
            return;
        };
        if !matches!(logged.record, LogRecord::UndoInfo(_)) {
            self.link(
                set,
                logged,
                operation.page,
                operation.dbtime_before,
                operation.dbtime,
            );
        }
    }

    fn set(&mut self, logged: &Logged<'_>, page: u32, dbtime: u64) {
        let database = logged.record.subject().database.unwrap();
        if page != 0 {
            self.pages.insert((database, page), dbtime);
        }
    }

    fn link(&mut self, set: &str, logged: &Logged<'_>, page: u32, before: u64, after: u64) {
        // The highest values stand for nil and for pages that are not there.
        if page == 0 {
            return;
        }
        let database = logged.record.subject().database.unwrap();
        let last = self.pages.insert((database, page), after);
        if let Some(last) = last
            && before < u64::MAX - 16
            && last != after
        {
            assert_eq!(
                before, last,
                "{set}: page {page} at {}: {:?}",
                logged.position, logged.record
            );
            self.checked += 1;
        }
    }
}

#[test]
fn the_sum_of_the_segments_is_what_the_genuine_dump_says() {
    let Some(samples) = Samples::find("the_sum_of_the_segments_is_what_the_genuine_dump_says") else {
        return;
    };
    for (set, dump) in sets_with_dumps(&samples) {
        for (generation, sum, end) in dump::sums(&dump) {
            let log = log_of(&set.dir, generation);
            assert_eq!(log.segments_checksum(), Some(sum), "{} {generation:x}", set.name);
            let found = log.end_position();
            assert_eq!(
                (found.generation, found.sector),
                (generation, end),
                "{}",
                set.name
            );
        }
    }
}

fn log_of(dir: &Path, generation: u32) -> LogFile {
    let archived = dir.join(format!("edb{generation:08X}.log"));
    let path = if archived.exists() {
        archived
    } else {
        dir.join("edb.log")
    };
    load(&path)
}

fn load(path: &Path) -> LogFile {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly).unwrap();
    LogFile::load(file.as_ref(), path).unwrap()
}

/// Recovery starts at a checkpoint, anywhere in a log.
#[test]
fn reading_can_begin_at_every_record() {
    let Some(samples) = Samples::find("reading_can_begin_at_every_record") else {
        return;
    };
    let set = samples.set("genuine-scenarios/p4096_e8920_crash_dirty");
    let log = log_of(&set.dir, 5);
    let mut positions = Vec::new();
    let mut cursor = RecordCursor::new();
    while let Some(logged) = cursor.next_record(&log).unwrap() {
        positions.push(logged.position);
    }
    assert!(positions.len() > 100 && positions.is_sorted());
    for (index, position) in positions.iter().enumerate().step_by(7) {
        let place = LogPlace {
            path: log.path().to_path_buf(),
            generation: 5,
        };
        let mut reader = LogReader::new(&RealFileSystem, [place]).starting_at(*position);
        let mut found = Vec::new();
        while let Some(logged) = reader.next_record().unwrap() {
            found.push(logged.position);
        }
        assert_eq!(found, positions[index..], "from {position}");
    }
}

/// The records of a log in memory, by position, and the error that ended them.
fn read(bytes: &[u8]) -> (Vec<LogPosition>, Option<JetErr>) {
    let fs = MemoryFileSystem::default();
    fs.write_file("/a.log", bytes).unwrap();
    let file = fs.open(Path::new("/a.log"), OpenMode::ReadOnly).unwrap();
    let log = LogFile::load(file.as_ref(), Path::new("/a.log")).unwrap();
    let mut cursor = RecordCursor::new();
    let mut positions = Vec::new();
    loop {
        match cursor.next_record(&log) {
            Ok(Some(logged)) => positions.push(logged.position),
            Ok(None) => return (positions, None),
            Err(error) => return (positions, Some(error.code())),
        }
    }
}

const SEGMENT: usize = 4096;

#[test]
fn a_genuine_log_that_was_cut_gives_its_first_records_and_says_so() {
    let Some(samples) = Samples::find("a_genuine_log_that_was_cut_gives_its_first_records_and_says_so")
    else {
        return;
    };
    let set = samples.set("genuine-scenarios/p4096_e8920_crash_dirty");
    let whole = std::fs::read(set.dir.join("edb00000005.log")).unwrap();
    let (all, error) = read(&whole);
    assert_eq!(error, None);
    for len in (SEGMENT..whole.len()).step_by(512) {
        let (records, error) = read(&whole[..len]);
        assert!(all.starts_with(&records), "cut to {len}");
        assert_eq!(error, Some(JetErr::LogFileSizeMismatch), "cut to {len}");
    }
}

/// A log whose last segments were never written is no damage: that is how a crash leaves it.
#[test]
fn a_genuine_log_ends_where_its_segments_end_and_damage_before_that_is_found() {
    let test = "a_genuine_log_ends_where_its_segments_end_and_damage_before_that_is_found";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let set = samples.set("genuine-scenarios/p4096_e8920_crash_dirty");
    let whole = std::fs::read(set.dir.join("edb00000005.log")).unwrap();
    let (all, _) = read(&whole);
    let segments = all.last().unwrap().sector;
    let mut longest = 0;
    for slot in 1..=segments {
        let start = usize::from(slot) * SEGMENT;
        let mut unwritten = whole.clone();
        unwritten[start..].fill(0);
        let (records, error) = read(&unwritten);
        assert_eq!(error, None, "unwritten from segment {slot}");
        assert!(all.starts_with(&records) && records.len() >= longest);
        longest = records.len();

        let mut damaged = whole.clone();
        damaged[start + 8..start + 16].fill(0xA5);
        let (records, error) = read(&damaged);
        assert!(all.starts_with(&records) && records.iter().all(|position| position.sector < slot));
        assert_eq!(error, Some(JetErr::LogFileCorrupt), "damage in segment {slot}");

        let mut flipped = whole.clone();
        flipped[start + 12] ^= 1;
        assert_eq!(
            read(&flipped),
            (all.clone(), None),
            "one bit in the header of segment {slot}"
        );
    }
}
