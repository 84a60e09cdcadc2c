//! The deep check on every clean database there is: all genuine ones, those that our recovery makes of dirty sets, and
//! those of the bulk load. None has damage; what is not perfect about genuine ones is a note, and listed here.
#![cfg(test)]

#[path = "support/random_tables.rs"]
mod random_tables;
#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::format::{DbState, LogTime, PageSize};
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::store::Database;
use jetfs::store::bulk_load::{BulkLoad, BulkLoadOptions};
use jetfs::verify::deep::{DeepReport, FindingKind, Limits, check};
use random_tables::random_tables;
use std::path::Path;
use support::{Samples, jetfs, run, temp_dir};

fn open(path: &Path) -> Option<Database> {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly).unwrap();
    Database::open(file, path).ok()
}

fn checked(path: &Path) -> DeepReport {
    check(&open(path).unwrap(), Limits::default(), &|| ()).unwrap()
}

/// A line, and the notes.
fn print(name: &str, report: &DeepReport) {
    println!("{name}: {:?}", report.counts);
    for finding in report.findings.kept() {
        println!("  {finding:?}");
    }
}

#[test]
fn every_clean_genuine_database_passes() {
    let Some(samples) = Samples::find("every_clean_genuine_database_passes") else {
        return;
    };
    let (mut checked_databases, mut damaged) = (0, Vec::new());
    for set in samples.sets() {
        for name in set.databases() {
            let path = set.dir.join(&name);
            let is_clean =
                open(&path).is_some_and(|database| database.header().state == DbState::CleanShutdown);
            if !is_clean {
                continue;
            }
            let (report, name) = (checked(&path), format!("{}/{name}", set.name));
            print(&name, &report);
            checked_databases += 1;
            if report.damage > 0 {
                damaged.push(name);
            }
        }
    }
    assert!(damaged.is_empty(), "{damaged:?}");
    assert!(checked_databases >= 33, "only {checked_databases}");
}

#[test]
fn what_our_recovery_makes_passes_and_leaks_what_the_genuine_engine_leaks() {
    let Some(samples) = Samples::find("what_our_recovery_makes_passes") else {
        return;
    };
    for (dirty, twin, database) in [
        ("genuine-4k/dirty", "genuine-4k/dirty_recovered", "test.edb"),
        (
            "genuine-scenarios/p4096_e8920_crash_dirty",
            "genuine-scenarios/p4096_e8920_crash_dirty_recovered",
            "test.edb",
        ),
        (
            "genuine-scenarios/p4096_e8920_lv_dirty",
            "genuine-scenarios/p4096_e8920_lv_dirty_recovered",
            "test.edb",
        ),
        ("srum-win11-dirty", "srum-win11-dirty-recovered", "SRUDB.dat"),
    ] {
        let out = temp_dir();
        let made = out.path().join("made");
        run(jetfs()
            .arg("recover")
            .arg("-o")
            .arg(&made)
            .arg(&samples.set(dirty).dir))
        .exits(0);
        let report = checked(&made.join(database));
        print(dirty, &report);
        assert_eq!(report.damage, 0, "{dirty}");
        let genuine = checked(&samples.set(twin).dir.join(database));
        assert_eq!(report.counts, genuine.counts, "{dirty}");
    }
}

#[test]
fn databases_of_the_bulk_load_pass_without_a_note() {
    let directory = temp_dir();
    let sizes = [PageSize::Kib4, PageSize::Kib8, PageSize::Kib16, PageSize::Kib32];
    for (size, seed) in sizes.into_iter().zip(40..) {
        let path = directory.path().join(format!("{}.edb", size.bytes()));
        let options = BulkLoadOptions {
            page_size: size,
            time: LogTime::utc(2026, 11, 24, 12, 0, 0, 0),
            seed,
        };
        let mut load = BulkLoad::create(&RealFileSystem, &path, options).unwrap();
        for table in random_tables(seed, 8, 1500) {
            load.table(&table.schema, table.rows.iter().cloned()).unwrap();
        }
        load.finish().unwrap();
        let report = checked(&path);
        print(&format!("{size}, seed {seed}"), &report);
        let notes: Vec<_> = report.findings.counts().collect();
        assert!(
            notes
                .iter()
                .all(|(kind, _)| *kind == FindingKind::IndexNotCompared),
            "{notes:?}"
        );
    }
}

#[test]
fn the_database_of_the_demo_passes() {
    let directory = temp_dir();
    let keep = directory.path().join("demo");
    run(jetfs()
        .args(["demo", "--seconds", "1", "--no-mount", "--keep"])
        .arg(&keep))
    .succeeds();
    let ended = run(jetfs().arg("verify").arg("--deep").arg(keep.join("instance"))).exits(0);
    assert_eq!(ended.stdout.lines().count(), 1, "{ended}");
}
