//! Every set of the genuine files, as its README describes it.

use super::*;
use crate::backup::{BackupOutcome, LogRange, Source};
use crate::format::DbState;

/// Every folder below `folder`, itself included.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_path_buf()];
    let mut next = 0;
    while let Some(folder) = all.get(next).cloned() {
        let entries = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        all.extend(entries.filter(|path| path.is_dir()));
        next += 1;
    }
    all
}

#[test]
fn every_file_of_every_set_is_read_as_it_is_and_nothing_is_found() {
    let Some(samples) = samples() else { return };
    let mut sets = 0;
    for folder in folders(&samples) {
        let Ok((source, session)) = begin(&folder, AtRestOptions::default()) else {
            continue;
        };
        sets += 1;
        for entry in source.inventory().entries() {
            let plain = std::fs::read(&entry.file.path).unwrap();
            for step in [128 << 10, 5000] {
                let read = read_all(&session, &entry.file.name, step).unwrap();
                assert!(read == plain, "{} in steps of {step}", entry.file.path.display());
            }
        }
        session.end().unwrap();
        let outcome = session.outcome();
        assert!(
            matches!(outcome, Some(BackupOutcome::Complete { .. })),
            "{}: {outcome:?}",
            folder.display()
        );
        let found = source.findings().all();
        assert!(found.is_empty(), "{}: {found:?}", folder.display());
    }
    println!("{sets} sets");
    assert!(sets > 20);
}

#[test]
fn the_sets_miss_what_their_description_says() {
    let Some(samples) = samples() else { return };
    let dirty = "SRUDB.dat -550";
    let cases: [(&str, &[&str]); 9] = [
        ("srum-server2022-day0", &[]),
        ("srum-server2022-day0-fromlogs", &[]),
        ("srum-server2022-day1", &[]),
        ("srum-win10-dirty", &[dirty]),
        ("srum-win11-dirty", &[dirty]),
        ("srum-win10-dirty-recovered", &[]),
        ("qmgr-win10", &["qmgr.db -550", "qmgr.db -543"]),
        ("genuine-4k/bk_inc", &[]),
        ("esedb-4k", &[]),
    ];
    for (set, expected) in cases {
        let inventory = take(&[&samples.join(set)]).unwrap();
        assert_eq!(warnings(&inventory), expected, "{set}: {:?}", inventory.warnings);
    }
}

#[test]
fn a_dirty_database_with_its_logs_misses_nothing() {
    let Some(samples) = samples() else { return };
    let inventory = take(&[&samples.join("srum-win10-dirty")]).unwrap();
    let [database] = &inventory.databases[..] else {
        panic!()
    };
    assert_eq!(
        database.facts.as_ref().unwrap().header.state,
        DbState::DirtyShutdown
    );
    assert!(database.missing_required.is_empty() && database.missing_committed.is_empty());
    let [sequence] = &inventory.sequences[..] else {
        panic!()
    };
    assert_eq!(
        sequence.range(),
        Some(LogRange {
            low: 0x4E,
            high: 0x52
        })
    );
    let names: Vec<_> = inventory
        .entries()
        .map(|entry| entry.file.name.to_str().unwrap())
        .collect();
    let expected = [
        "SRUDB.dat",
        "SRU0004E.log",
        "SRU0004F.log",
        "SRU00050.log",
        "SRU00051.log",
        "SRU.log",
        "SRU.chk",
        "SRUDB.jfm",
        "SRUtmp.log",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_database_of_one_day_and_the_logs_of_the_next_do_not_join() {
    let Some(samples) = samples() else { return };
    let paths = AtRestPaths {
        sources: vec![samples.join("srum-server2022-day0/SRUDB.dat")],
        log_dir: Some(samples.join("srum-server2022-day1")),
        ..AtRestPaths::default()
    };
    let inventory = Inventory::take(&RealFileSystem, &paths).unwrap();
    assert_eq!(warnings(&inventory), ["SRUDB.dat -539"]);
    let names: Vec<_> = inventory
        .entries()
        .map(|entry| entry.file.name.to_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "SRUDB.dat",
            "SRU00003.log",
            "SRU00004.log",
            "SRU.log",
            "SRUtmp.log"
        ]
    );
}

#[test]
fn logs_and_checkpoint_of_another_instance_are_foreign() {
    let Some(samples) = samples() else { return };
    let paths = AtRestPaths {
        sources: vec![samples.join("srum-win10-dirty/SRUDB.dat")],
        log_dir: Some(samples.join("srum-win11-dirty")),
        system_dir: Some(samples.join("srum-win10-dirty")),
        ..AtRestPaths::default()
    };
    let inventory = Inventory::take(&RealFileSystem, &paths).unwrap();
    assert_eq!(
        warnings(&inventory),
        [
            "SRUDB.dat -550",
            "SRUDB.dat -530",
            "SRUDB.dat -543",
            "SRU.chk -532"
        ]
    );
}

#[test]
fn databases_of_the_same_name_get_distinct_names() {
    let Some(samples) = samples() else { return };
    let inventory = take(&[
        &samples.join("srum-win10-dirty"),
        &samples.join("srum-win11-dirty/SRUDB.dat"),
    ])
    .unwrap();
    let names: Vec<_> = inventory
        .databases
        .iter()
        .map(|database| &database.entry.file.name)
        .collect();
    assert_eq!(names, ["SRUDB.dat", "SRUDB-2.dat"]);
}
