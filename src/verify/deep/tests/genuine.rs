//! Clean databases of the genuine engine pass.

use super::super::{DeepReport, Limits, check};
use crate::error::JetErr;
use crate::io::{FileSystem, OpenMode, RealFileSystem};
use crate::store::Database;

/// Clean databases among the samples that need no unpacking.
const CLEAN: [&str; 28] = [
    "compressed/decompress_test.edb",
    "esedb-4k/basic.edb",
    "esedb-4k/binary.edb",
    "esedb-4k/default.edb",
    "esedb-4k/index.edb",
    "esedb-4k/multi.edb",
    "esedb-4k/text.edb",
    "genuine-4k/bk_restored_full/test.edb",
    "genuine-4k/bk_restored_full_inc/test.edb",
    "genuine-4k/clean/test.edb",
    "genuine-4k/dirty_recovered/test.edb",
    "genuine-scenarios/p4096_e8920_circular_clean/test.edb",
    "genuine-scenarios/p4096_e8920_circular_dirty_recovered/test.edb",
    "genuine-scenarios/p4096_e8920_crash_dirty_recovered/test.edb",
    "genuine-scenarios/p4096_e8920_grow_dirty_recovered/test.edb",
    "genuine-scenarios/p4096_e8920_lv_dirty_recovered/test.edb",
    "genuine-scenarios/p4096_e8920_moves_dirty_recovered/test.edb",
    "genuine-scenarios/p4096_e8920_reattach_dirty_recovered/test.edb",
    "genuine-scenarios/p4096_e8920_types_clean/test.edb",
    "genuine-scenarios/p4096_e8920_types_dirty_recovered/test.edb",
    "srum-server2022-day0/SRUDB.dat",
    "srum-server2022-day0-fromlogs/SRUDB.dat",
    "srum-server2022-day1/SRUDB.dat",
    "srum-win10-dirty-recovered/SRUDB.dat",
    "srum-win11-dirty-recovered/SRUDB.dat",
    "",
    "",
    "",
];

fn open(name: &str) -> Option<Database> {
    let path = crate::genuine_samples::sample(name)?;
    let file = RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap();
    Some(Database::open(file, &path).unwrap())
}

fn checked(name: &str) -> Option<DeepReport> {
    Some(check(&open(name)?, Limits::default(), &|| ()).unwrap())
}

#[test]
fn clean_databases_of_the_genuine_engine_have_no_damage() {
    let mut failed = Vec::new();
    for name in CLEAN.into_iter().filter(|name| !name.is_empty()) {
        let Some(report) = checked(name) else { continue };
        println!("{name}: {:?}", report.counts);
        for finding in report.findings.kept() {
            println!("  {finding:?}");
        }
        if report.damage > 0 {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn a_dirty_database_is_refused_with_advice() {
    let Some(database) = open("genuine-4k/dirty/test.edb") else {
        return;
    };
    let error = check(&database, Limits::default(), &|| ()).unwrap_err();
    assert_eq!(error.code(), JetErr::DatabaseDirtyShutdown);
    assert!(error.advice().unwrap().contains("jetfs recover"));
}
