//! Clean databases of the genuine engine (all of them: `tests/verify_deep.rs`), and dirty ones.

use super::super::{DeepReport, FindingKind, Limits, check};
use crate::error::{JetErr, JetResult};
use crate::io::{FileSystem, OpenMode, RealFileSystem};
use crate::store::Database;

fn checked(name: &str) -> Option<JetResult<DeepReport>> {
    let path = crate::genuine_samples::sample(name)?;
    let file = RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap();
    let database = Database::open(file, &path).unwrap();
    Some(check(&database, Limits::default(), &|| ()))
}

#[test]
fn every_kind_of_index_of_the_genuine_engine_follows_from_its_records() {
    let Some(report) = checked("genuine-scenarios/p4096_e8920_types_clean/test.edb") else {
        return;
    };
    let report = report.unwrap();
    assert_eq!((report.damage, report.findings.kept().len()), (0, 0));
    assert_eq!(
        (report.counts.indexes_compared, report.counts.indexes_not_compared),
        (23, 0)
    );
}

#[test]
fn of_unicode_indexes_only_the_bookmarks_are_compared() {
    let Some(report) = checked("esedb-4k/index.edb") else {
        return;
    };
    let report = report.unwrap();
    assert_eq!((report.damage, report.counts.indexes_not_compared), (0, 2));
    assert_eq!(report.findings.count(FindingKind::IndexNotCompared), 2);
}

#[test]
fn what_the_engine_leaves_behind_is_a_note() {
    let Some(report) = checked("genuine-4k/dirty_recovered/test.edb") else {
        return;
    };
    let report = report.unwrap();
    let kinds: Vec<_> = report.findings.counts().collect();
    assert_eq!(
        kinds,
        [(FindingKind::Leaked, 1), (FindingKind::LongValueOrphan, 1)]
    );
    assert_eq!(report.damage, 0);
}

#[test]
fn a_dirty_database_is_refused_with_advice() {
    let Some(result) = checked("genuine-4k/dirty/test.edb") else {
        return;
    };
    let error = result.unwrap_err();
    assert_eq!(error.code(), JetErr::DatabaseDirtyShutdown);
    assert!(error.advice().unwrap().contains("jetfs recover"));
}
