//! `jetfs recover` against what the genuine engine made of the same files: every dirty set that has a recovered twin, and
//! databases that are made from nothing by their logs.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::format::{DatabaseHeader, DbState, LogPosition, LogTime};
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::source::at_rest::{AtRestPaths, Inventory};
use jetfs::store::Database;
use jetfs::store::log_reader::{LogPlace, LogReader};
use std::fs;
use std::path::{Path, PathBuf};
use support::{
    Samples, Set, UnusedBytes, assert_index_entries_are_those_in, assert_rows_are_those_in, compare_pages,
    copy_set, fingerprint, jetfs, names_in, python, row_differences, run, temp_dir, workspace_root,
};
use tempfile::TempDir;

/// A test for each dirty set: the set, its twin, and whether even unused bytes are the same.
macro_rules! twins {
    ($($test:ident: $set:literal, $twin:literal, $unused:ident;)*) => {
        /// Every set that a test below recovers, and its twin.
        const TWINS: &[(&str, &str)] = &[$(($set, $twin)),*];

        $(#[test]
        fn $test() {
            recovered_equals_twin(stringify!($test), $set, $twin, UnusedBytes::$unused);
        })*
    };
}

twins! {
    small_pages_killed: "genuine-4k/dirty", "genuine-4k/dirty_recovered", Same;
    small_pages_killed_in_much_work: "genuine-4k.mid.tar.xz/mid", "genuine-4k.mid.tar.xz/mid_recovered", MayDiffer;
    large_pages_killed: "genuine-32k.tar.xz/genuine-32k/dirty", "genuine-32k.tar.xz/genuine-32k/dirty_recovered", MayDiffer;
    open_work_of_eight_sessions:
        "genuine-scenarios/p4096_e8920_crash_dirty", "genuine-scenarios/p4096_e8920_crash_dirty_recovered", Same;
    open_work_on_16_kib_pages:
        "genuine-scenarios.large-pages.tar.xz/p16384_e8920_crash_dirty",
        "genuine-scenarios.large-pages.tar.xz/p16384_e8920_crash_dirty_recovered", MayDiffer;
    open_work_on_32_kib_pages:
        "genuine-scenarios.large-pages.tar.xz/p32768_e8920_crash_dirty",
        "genuine-scenarios.large-pages.tar.xz/p32768_e8920_crash_dirty_recovered", MayDiffer;
    every_type_and_index:
        "genuine-scenarios/p4096_e8920_types_dirty", "genuine-scenarios/p4096_e8920_types_dirty_recovered", MayDiffer;
    long_values: "genuine-scenarios/p4096_e8920_lv_dirty", "genuine-scenarios/p4096_e8920_lv_dirty_recovered", Same;
    growth_and_re_use: "genuine-scenarios/p4096_e8920_grow_dirty", "genuine-scenarios/p4096_e8920_grow_dirty_recovered", Same;
    circular_logging:
        "genuine-scenarios/p4096_e8920_circular_dirty", "genuine-scenarios/p4096_e8920_circular_dirty_recovered", Same;
    merges_and_emptied_trees:
        "genuine-scenarios/p4096_e8920_moves_dirty", "genuine-scenarios/p4096_e8920_moves_dirty_recovered", Same;
    attached_again:
        "genuine-scenarios/p4096_e8920_reattach_dirty", "genuine-scenarios/p4096_e8920_reattach_dirty_recovered", Same;
    windows_10: "srum-win10-dirty", "srum-win10-dirty-recovered", Same;
    windows_11: "srum-win11-dirty", "srum-win11-dirty-recovered", Same;
}

/// A set that was recovered into a directory of its own.
struct Recovered {
    directory: TempDir,
}

impl Recovered {
    /// Recovers the set in `source` into a new directory, and checks that `source` was not touched.
    fn of(source: &Path) -> Recovered {
        let before = fingerprint(source);
        let directory = temp_dir();
        let out = directory.path().join("out");
        run(jetfs().arg("recover").arg("-o").arg(&out).arg(source)).succeeds();
        assert_eq!(fingerprint(source), before, "the source was changed");
        Recovered { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    fn database(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// What a user would look at first: state, checksums, completeness.
    fn assert_clean(&self, name: &str) {
        let info = run(jetfs().args(["--json", "info"]).arg(self.database(name))).succeeds();
        let info = info.json();
        assert_eq!(info["state"], "Clean Shutdown", "{info}");
        assert_eq!(info["log-required"], "0-0 (0x0-0x0)", "{info}");
        assert_eq!(info["warnings"], serde_json::json!([]), "{info}");
        let verified = run(jetfs().arg("verify").arg(self.path())).succeeds();
        assert!(verified.stdout.starts_with("good: "), "{verified}");
    }
}

fn open(path: &Path) -> Database {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly).unwrap();
    Database::open(file, path).unwrap_or_else(|error| panic!("{error}"))
}

/// The name of the only database of a set.
fn only_database(set: &Set) -> String {
    let databases = set.databases();
    assert_eq!(databases.len(), 1, "{}: {databases:?}", set.name);
    databases[0].clone()
}

fn recovered_equals_twin(test: &str, set: &str, twin: &str, unused: UnusedBytes) {
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let (set, twin) = (samples.set(set), samples.set(twin));
    let name = only_database(&twin);
    let recovered = Recovered::of(&set.dir);
    recovered.assert_clean(&name);
    let (ours, theirs) = (recovered.database(&name), twin.dir.join(&name));
    assert_same_rows(test, &ours, &theirs);
    assert_rows_of_texts(&ours, &[&set.dir, &twin.dir]);
    assert_same_pages(&ours, &theirs, unused);
    assert_same_header(open(&ours).header(), open(&theirs).header());
    assert_same_records(&recovered.path(), &twin.dir);
}

/// Rows by our reader, and by libesedb.
fn assert_same_rows(test: &str, ours: &Path, theirs: &Path) {
    let differences = row_differences(&open(ours), &open(theirs));
    assert!(differences.is_empty(), "{differences:#?}");
    if let Some(mut python) = python(test, "pyesedb") {
        let script = workspace_root().join("tests/readers/libesedb_same_rows.py");
        run(python.arg(script).arg(ours).arg(theirs)).succeeds();
    }
}

/// Rows and index entries as the genuine engine read them, from the texts that lie beside the set.
fn assert_rows_of_texts(ours: &Path, directories: &[&Path]) {
    let named = |name: &str| {
        let path = directories.iter().map(|directory| directory.join(name));
        path.filter(|path| path.exists()).collect::<Vec<_>>()
    };
    let database = open(ours);
    let names = ["expected_after_recovery.txt", "dump.txt", "rows_engine.txt"];
    let texts: Vec<_> = names.iter().flat_map(|name| named(name)).collect();
    assert!(!texts.is_empty(), "no text of the genuine engine");
    for text in &texts {
        assert!(
            assert_rows_are_those_in(text, &database) > 0,
            "{}",
            text.display()
        );
    }
    for text in ["expected_after_recovery.txt.idx", "dump.txt.idx"]
        .iter()
        .flat_map(|name| named(name))
    {
        assert!(assert_index_entries_are_those_in(&text, &database) > 0);
    }
}

/// The genuine engine trims pages behind the last owned one when it ends; what is there means nothing.
fn assert_same_pages(ours: &Path, theirs: &Path, unused: UnusedBytes) {
    let (our_database, their_database) = (open(ours), open(theirs));
    let last = their_database.last_owned_page().unwrap();
    assert_eq!(our_database.last_owned_page().unwrap(), last);
    let size = their_database.page_size();
    assert_eq!(our_database.page_size(), size);
    let pages = compare_pages(&fs::read(ours).unwrap(), &fs::read(theirs).unwrap(), size, last);
    println!("{pages}");
    pages.assert_same(&ours.display().to_string(), unused);
}

/// What both must have reached by the same logs. Positions of the end differ: the genuine engine ran on.
fn assert_same_header(ours: &DatabaseHeader, theirs: &DatabaseHeader) {
    assert_eq!(ours.state, DbState::CleanShutdown);
    assert_eq!(ours.dbtime_dirtied, theirs.dbtime_dirtied);
    assert_eq!(ours.objid_last, theirs.objid_last);
    assert_eq!(ours.signature, theirs.signature);
    assert_eq!(ours.log_signature, theirs.log_signature);
    let version = |header: &DatabaseHeader| (header.version, header.update_major, header.update_minor);
    assert_eq!(version(ours), version(theirs));
    assert_eq!(ours.consistent, ours.detach);
    assert_ne!(ours.consistent, LogPosition::default());
    assert_eq!(ours.consistent_time, ours.detach_time);
    let generations = [
        ours.generation_min_required,
        ours.generation_max_required,
        ours.generation_max_committed,
        ours.generation_min_consistent,
        ours.generation_recovering,
    ];
    assert_eq!(generations, [0; 5]);
    assert_eq!(ours.generation_max_create_time, LogTime::default());
}

/// The records that the recovery itself logged, up to its RecoveryQuit2: those of the genuine recovery, in the same order.
/// UndoInfo comes when a page is about to be written, which is a matter of chance: all of it together must be the same,
/// but for its estimate of the space that a row may need. (Where the twin has no logs there is nothing to compare.)
fn assert_same_records(ours: &Path, theirs: &Path) {
    let theirs = records(theirs, 0);
    let Some(first) = theirs.first().map(|(position, _)| position.generation) else {
        return;
    };
    let (our_undo_info, ours) = sorted_out(records(ours, first));
    let (their_undo_info, theirs) = sorted_out(theirs);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(our_undo_info, their_undo_info);
}

/// UndoInfo, sorted, and the other records in their order, up to RecoveryQuit2 and without what only fills segments.
fn sorted_out(records: Vec<(LogPosition, String)>) -> (Vec<String>, Vec<String>) {
    let mut texts: Vec<String> = records.into_iter().map(|(_, text)| text).collect();
    let end = texts.iter().position(|text| text.starts_with("RcvQuit"));
    texts.truncate(end.expect("a RecoveryQuit2") + 1);
    texts.retain(|text| !text.starts_with("NOP"));
    let (mut undo_info, others): (Vec<_>, Vec<_>) =
        texts.into_iter().partition(|text| text.starts_with("UndoInfo"));
    undo_info.sort();
    (undo_info, others)
}

/// The records of the logs in a directory from a generation on, without what may differ.
fn records(directory: &Path, from: u32) -> Vec<(LogPosition, String)> {
    let paths = AtRestPaths {
        sources: vec![directory.to_path_buf()],
        ..AtRestPaths::default()
    };
    let inventory = Inventory::take(&RealFileSystem, &paths).unwrap();
    let logs = inventory.sequences.iter().flat_map(|sequence| &sequence.logs);
    let places = logs.map(|log| LogPlace {
        path: log.entry.file.path.clone(),
        generation: log.generation().unwrap(),
    });
    let places: Vec<_> = places.filter(|place| place.generation >= from).collect();
    let mut reader = LogReader::new(&RealFileSystem, places);
    let mut records = Vec::new();
    while let Some(logged) = reader.next_record().unwrap_or_else(|error| panic!("{error}")) {
        let mut text = logged.record.record_type().to_string();
        logged.record.visit(&mut |name, value| {
            if name != "time" {
                text.push_str(&format!(" {name}={value:?}"));
            }
        });
        records.push((logged.position, text));
    }
    records
}

#[test]
fn every_set_that_has_a_twin_is_recovered_here() {
    let Some(samples) = Samples::find("every_set_that_has_a_twin_is_recovered_here") else {
        return;
    };
    let sets = samples.sets();
    let listed = |name: &str| TWINS.iter().any(|(set, _)| *set == name);
    for set in &sets {
        for end in ["_recovered", "-recovered"] {
            let twin = format!("{}{end}", set.name);
            if sets.iter().any(|set| set.name == twin) {
                assert!(listed(&set.name), "{} has a twin", set.name);
            }
        }
    }
}

/// A copy of the logs of a set alone.
fn logs_of(set: &Set) -> TempDir {
    let directory = temp_dir();
    copy_set(set, directory.path());
    for name in names_in(directory.path()) {
        if !name.ends_with(".log") {
            fs::remove_file(directory.path().join(name)).unwrap();
        }
    }
    directory
}

fn made_from_nothing(test: &str, samples: &Samples, set: &str, twin: &str) {
    let (set, twin) = (samples.set(set), samples.set(twin));
    let name = only_database(&twin);
    let logs = logs_of(&set);
    let recovered = Recovered::of(logs.path());
    recovered.assert_clean(&name);
    let (ours, theirs) = (recovered.database(&name), twin.dir.join(&name));
    assert_same_rows(test, &ours, &theirs);
    let (ours_open, theirs_open) = (open(&ours), open(&theirs));
    let shift = theirs_open.header().dbtime_dirtied - ours_open.header().dbtime_dirtied;
    let (size, last) = (theirs_open.page_size(), theirs_open.last_owned_page().unwrap());
    let mut pages = compare_pages(&fs::read(&ours).unwrap(), &fs::read(&theirs).unwrap(), size, last);
    println!("{pages}");
    // Where nodes stand tells of splits and compactions that the other database did not have.
    pages.pass_over_shifted_dbtimes(shift);
    pages.assert_same_contents(&set.name);
    assert_eq!(ours_open.header().signature, theirs_open.header().signature);
}

#[test]
fn a_database_of_windows_is_made_from_its_logs_alone() {
    const TEST: &str = "a_database_of_windows_is_made_from_its_logs_alone";
    if let Some(samples) = Samples::find(TEST) {
        made_from_nothing(
            TEST,
            &samples,
            "srum-server2022-day0",
            "srum-server2022-day0-fromlogs",
        );
        made_from_nothing(TEST, &samples, "srum-server2022-day0", "srum-server2022-day0");
    }
}

#[test]
fn databases_are_made_from_their_logs_alone() {
    const TEST: &str = "databases_are_made_from_their_logs_alone";
    let Some(samples) = Samples::find(TEST) else {
        return;
    };
    let mut made = 0;
    for (set, twin) in TWINS
        .iter()
        .filter(|(set, _)| begins_with_generation_1(&samples.set(set)))
    {
        println!("{set}");
        made_from_nothing(TEST, &samples, set, twin);
        made += 1;
    }
    for set in ["genuine-4k/clean", "genuine-scenarios/p4096_e8920_types_clean"] {
        println!("{set}");
        made_from_nothing(TEST, &samples, set, set);
        made += 1;
    }
    assert!(made >= 10, "only {made} databases");
}

fn begins_with_generation_1(set: &Set) -> bool {
    set.files()
        .iter()
        .any(|name| ["edb00000001.log", "SRU00001.log"].contains(&name.as_str()))
}
