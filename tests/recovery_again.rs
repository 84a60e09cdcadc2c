//! Redo gives the same whatever was done before: from an older start, with pages that had reached the disk before the
//! crash, with the log of a recovery that had already ended, with hardly any memory.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::format::DbState;
use jetfs::format::log_record::LogRecord;
use jetfs::io::Seeded;
use jetfs::store::log_reader::{LogPlace, LogReader};
use std::collections::BTreeSet;
use support::{
    MemorySet, Samples, UnusedBytes, amount, compare_pages, open_in_memory, path_of, replay,
    replay_with_memory, row_differences,
};

/// Each with its twin, which is called the same with `_recovered` behind.
const SETS: [&str; 8] = [
    "genuine-4k/dirty",
    "genuine-32k.tar.xz/genuine-32k/dirty",
    "genuine-scenarios/p4096_e8920_crash_dirty",
    "genuine-scenarios/p4096_e8920_lv_dirty",
    "genuine-scenarios/p4096_e8920_grow_dirty",
    "genuine-scenarios/p4096_e8920_moves_dirty",
    "genuine-scenarios/p4096_e8920_types_dirty",
    "genuine-scenarios.large-pages.tar.xz/p32768_e8920_crash_dirty",
];
const DATABASE: &str = "test.edb";

/// The database of a set after its replay.
#[track_caller]
fn recovered(set: &MemorySet) -> Vec<u8> {
    let mut databases = replay(set).unwrap_or_else(|error| panic!("{error}"));
    databases.remove(DATABASE).unwrap()
}

#[test]
fn redo_from_an_older_start_gives_the_same_pages() {
    let Some(samples) = Samples::find("redo_from_an_older_start_gives_the_same_pages") else {
        return;
    };
    for name in SETS {
        let mut set = MemorySet::read(&samples.set(name));
        let expected = recovered(&set);
        set.remove(&set.only(".chk"));
        let found = recovered(&set);
        let database = open_in_memory(DATABASE, &expected);
        let mut header = open_in_memory(DATABASE, &found).header().clone();
        // A new one at each write of a header.
        header.header_flush_signature = database.header().header_flush_signature;
        // The checkpoint names the highest dbtime of its own time, which no record may tell (section 6.3). Undo goes on
        // from there.
        let shift = database.header().dbtime_dirtied - header.dbtime_dirtied;
        header.dbtime_dirtied += shift;
        assert!(
            header.encode() == database.header().encode(),
            "{name}: the headers differ"
        );
        let last = database.last_owned_page().unwrap();
        let mut pages = compare_pages(&found, &expected, database.page_size(), last);
        pages.pass_over_shifted_dbtimes(shift);
        pages.assert_same(name, UnusedBytes::MayDiffer);
    }
}

#[test]
fn with_hardly_any_memory_the_result_is_the_same() {
    let Some(samples) = Samples::find("with_hardly_any_memory_the_result_is_the_same") else {
        return;
    };
    for name in SETS {
        let set = MemorySet::read(&samples.set(name));
        let mut databases = replay_with_memory(&set, 0).unwrap();
        assert!(databases.remove(DATABASE).unwrap() == recovered(&set), "{name}");
    }
}

/// The pages that transactions changed which were open at the end: they must not be on the disk before their undo
/// information is in the log (log-and-recovery.md section 5.2).
fn pages_with_undo(set: &MemorySet) -> BTreeSet<u32> {
    let fs = set.file_system();
    let mut pages = BTreeSet::new();
    let log = set.last_log();
    let place = LogPlace {
        path: path_of(&log),
        generation: set.generation(&log),
    };
    let mut reader = LogReader::new(&fs, [place]);
    while let Some(logged) = reader.next_record().unwrap() {
        if let LogRecord::Undo(_) | LogRecord::UndoInfo(_) = logged.record {
            pages.extend(logged.record.page_operation().map(|operation| operation.page));
        }
    }
    pages
}

/// A crash may come at any time between two writes of pages: whichever pages had been written, the result is the same.
#[test]
fn pages_that_reached_the_disk_before_the_crash_change_nothing() {
    let Some(samples) = Samples::find("pages_that_reached_the_disk_before_the_crash_change_nothing") else {
        return;
    };
    for name in [
        "genuine-scenarios/p4096_e8920_moves_dirty",
        "genuine-scenarios/p4096_e8920_circular_dirty",
    ] {
        let set = MemorySet::read(&samples.set(name));
        assert_eq!(pages_with_undo(&set), BTreeSet::new(), "{name}");
        let expected = recovered(&set);
        let size = set.database(DATABASE).page_size();
        for seed in 0..amount(20, 200) {
            let mut random = Seeded::new(seed);
            let mut mixed = set.clone();
            let share = 2 + random.below(8);
            let pages = mixed.file(DATABASE).chunks_exact(size.bytes()).len();
            let file = mixed.file_mut(DATABASE);
            for page in 2..pages {
                if random.one_in(share) {
                    let range = page * size.bytes()..(page + 1) * size.bytes();
                    file[range.clone()].copy_from_slice(&expected[range]);
                }
            }
            let last = u32::try_from(pages - 2).unwrap();
            let compared = compare_pages(&recovered(&mixed), &expected, size, last);
            // Where nodes stand depends on which pages redo took from before-images.
            compared.assert_same_contents(&format!("{name} seed {seed}"));
        }
    }
}

/// The genuine engine logged what it undid. With that log, the same database becomes the same again, now by redo alone.
#[test]
fn the_log_of_a_recovery_that_had_ended_is_replayed() {
    let Some(samples) = Samples::find("the_log_of_a_recovery_that_had_ended_is_replayed") else {
        return;
    };
    for name in SETS {
        let mut set = MemorySet::read(&samples.set(name));
        let twin = MemorySet::read(&samples.set(&format!("{name}_recovered")));
        for log in twin.log_names() {
            set.insert(&log, twin.file(&log).to_vec());
        }
        let ours = recovered(&set);
        let (ours_open, theirs_open) = (open_in_memory(DATABASE, &ours), twin.database(DATABASE));
        let (header, theirs) = (ours_open.header(), theirs_open.header());
        assert_eq!(header.state, DbState::CleanShutdown, "{name}");
        assert_eq!(header.consistent, theirs.consistent, "{name}");
        assert_eq!(header.detach, theirs.detach, "{name}");
        assert_eq!(header.attach, theirs.attach, "{name}");
        assert_eq!(header.dbtime_dirtied, theirs.dbtime_dirtied, "{name}");
        let differences = row_differences(&ours_open, &theirs_open);
        assert!(differences.is_empty(), "{name}: {differences:#?}");
        let last = theirs_open.last_owned_page().unwrap();
        let pages = compare_pages(&ours, twin.file(DATABASE), theirs_open.page_size(), last);
        pages.assert_same(name, UnusedBytes::MayDiffer);
    }
}
