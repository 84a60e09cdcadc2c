//! Genuine sets, and what becomes of them when they are damaged or lose files.

use super::*;
use crate::backup::{BackupMode, FileRole, JsonName, Manifest, ManifestFile, ManifestKind};
use crate::error::JetErr;
use crate::io::{LockKind, MemoryFileSystem, OpenMode};
use std::path::Path;

/// A set of the samples in memory, as `/set`; `None`, after saying so, where it is absent.
fn set(name: &str) -> Option<MemoryFileSystem> {
    let directory = crate::genuine_samples::sample(name)?;
    let fs = MemoryFileSystem::default();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            let bytes = std::fs::read(entry.path()).unwrap();
            fs.write_file(Path::new("/set").join(entry.file_name()), &bytes)
                .unwrap();
        }
    }
    Some(fs)
}

fn verified(fs: &MemoryFileSystem, path: &str) -> VerifyReport {
    let paths = AtRestPaths {
        sources: vec![path.into()],
        ..AtRestPaths::default()
    };
    verify(fs, &paths, VerifyOptions::default(), &|_| ()).unwrap()
}

fn file<'r>(report: &'r VerifyReport, name: &str) -> &'r FileReport {
    let name = JsonName(name.into());
    report.files.iter().find(|file| file.name == name).unwrap()
}

fn problem_codes(report: &VerifyReport) -> Vec<(ProblemKind, JetErr)> {
    let problems = report.problems.iter();
    problems.map(|problem| (problem.kind, problem.code)).collect()
}

/// Flips bits of a file; each is the byte's offset and the bit in it.
fn flip(fs: &MemoryFileSystem, path: &str, bits: &[(usize, u8)]) {
    let mut bytes = fs.read_file(path).unwrap();
    for &(offset, bit) in bits {
        bytes[offset] ^= 1 << bit;
    }
    fs.write_file(path, &bytes).unwrap();
}

fn remove(fs: &MemoryFileSystem, path: &str) {
    fs.remove(Path::new(path)).unwrap();
}

#[test]
fn genuine_sets_are_good_and_a_dirty_database_without_logs_is_incomplete() {
    for (name, verdict) in [
        ("esedb-4k", Verdict::Good),
        ("compressed", Verdict::Good),
        ("genuine-4k/clean", Verdict::Good),
        ("genuine-4k/dirty", Verdict::Good),
        ("genuine-4k/bk_full", Verdict::Good),
        ("genuine-4k/bk_inc", Verdict::Good),
        ("genuine-4k/bk_restored_full_inc", Verdict::Good),
        ("qmgr-win10", Verdict::Incomplete),
        ("srum-server2022-day0", Verdict::Good),
        ("srum-server2022-day1", Verdict::Good),
        ("srum-win10-dirty", Verdict::Good),
        ("srum-win11-dirty", Verdict::Good),
        ("srum-win11-dirty-recovered", Verdict::Good),
    ] {
        let Some(fs) = set(name) else { continue };
        let report = verified(&fs, "/set");
        assert_eq!(report.verdict, verdict, "{name}: {report:#?}");
        assert!(report.files.iter().all(|file| !file.is_damaged()), "{name}");
    }
}

#[test]
fn one_flipped_bit_is_repairable_and_two_are_damage_with_their_page() {
    let Some(fs) = set("esedb-4k") else { return };
    flip(&fs, "/set/basic.edb", &[(8192 + 700, 3)]);
    flip(
        &fs,
        "/set/text.edb",
        &[(8192 + 4096 + 700, 3), (8192 + 4096 + 900, 5)],
    );
    let report = verified(&fs, "/set");
    assert_eq!(report.verdict, Verdict::Damaged);
    let (one, two) = (file(&report, "basic.edb"), file(&report, "text.edb"));
    assert_eq!((one.repairable, one.damaged, one.damage[0].page), (1, 0, Some(1)));
    assert_eq!((two.repairable, two.damaged, two.damage[0].page), (0, 1, Some(2)));
    assert_eq!(
        (two.damage[0].offset, two.damage[0].code),
        (12288, JetErr::ReadVerifyFailure)
    );
    assert!(!file(&report, "multi.edb").is_damaged());
}

#[test]
fn a_damaged_header_copy_is_reported_and_with_both_the_file_cannot_be_checked() {
    let Some(fs) = set("esedb-4k") else { return };
    flip(&fs, "/set/basic.edb", &[(4096 + 100, 0)]);
    flip(&fs, "/set/text.edb", &[(100, 0), (4096 + 100, 0)]);
    let report = verified(&fs, "/set");
    let (one, both) = (file(&report, "basic.edb"), file(&report, "text.edb"));
    assert_eq!(
        (one.repairable, one.damage[0].offset, one.checked),
        (1, 4096, 254)
    );
    assert_eq!(
        (both.damaged, both.damage[0].code),
        (1, JetErr::DatabaseCorrupted)
    );
}

#[test]
fn a_database_that_was_cut_off_is_damaged() {
    let Some(fs) = set("esedb-4k") else { return };
    let bytes = fs.read_file("/set/basic.edb").unwrap();
    fs.write_file("/set/basic.edb", &bytes[..200_000]).unwrap();
    let report = verified(&fs, "/set/basic.edb");
    assert_eq!(report.verdict, Verdict::Damaged);
    assert_eq!(report.files[0].damage[0].code, JetErr::FileIOBeyondEOF);
}

#[test]
fn a_dirty_database_misses_its_logs_in_a_set_but_not_alone() {
    let Some(fs) = set("genuine-4k/dirty") else { return };
    remove(&fs, "/set/edb0000000E.log");
    let report = verified(&fs, "/set");
    assert_eq!(report.verdict, Verdict::Incomplete);
    let required = (ProblemKind::Missing, JetErr::RequiredLogFilesMissing);
    assert!(problem_codes(&report).contains(&required), "{report:#?}");
    let alone = verified(&fs, "/set/test.edb");
    assert_eq!(alone.verdict, Verdict::Good);
    assert!(
        alone
            .notes
            .iter()
            .any(|note| note.contains("logs that are missing"))
    );
}

#[test]
fn a_backup_copy_needs_the_logs_up_to_its_trailer() {
    let Some(fs) = set("genuine-4k/bk_full") else {
        return;
    };
    remove(&fs, "/set/edb00000013.log");
    remove(&fs, "/set/edb00000014.log");
    let report = verified(&fs, "/set");
    assert_eq!(report.verdict, Verdict::Incomplete, "{report:#?}");
    let what = &report.problems.last().unwrap().what;
    assert!(what.contains("backup copy needs"), "{what}");
}

#[test]
fn a_damaged_trailer_is_damage() {
    let Some(fs) = set("genuine-4k/bk_full") else {
        return;
    };
    let len = fs.read_file("/set/test.edb").unwrap().len();
    flip(&fs, "/set/test.edb", &[(len - 4096 + 60, 1)]);
    let report = verified(&fs, "/set");
    let damage = &file(&report, "test.edb").damage[0];
    assert_eq!(
        (damage.code, damage.offset),
        (JetErr::BadPatchPage, len as u64 - 4096)
    );
}

#[test]
fn a_damaged_segment_is_found_and_a_log_that_was_changed_after_it_was_closed_breaks_the_chain() {
    let Some(fs) = set("genuine-4k/clean") else { return };
    flip(
        &fs,
        "/set/edb00000003.log",
        &[(5 * 4096 + 99, 0), (5 * 4096 + 999, 1)],
    );
    let mut changed = fs.read_file("/set/edb00000007.log").unwrap();
    let segment = &mut changed[4096..8192];
    segment[2000] ^= 1;
    crate::format::checksum::stamp_segment(segment, 1);
    fs.write_file("/set/edb00000007.log", &changed).unwrap();
    let report = verified(&fs, "/set");
    let damaged = file(&report, "edb00000003.log");
    assert_eq!((damaged.damaged, damaged.damage[0].offset), (1, 5 * 4096));
    assert!(!file(&report, "edb00000007.log").is_damaged());
    let chain = (ProblemKind::Damaged, JetErr::LogSequenceChecksumMismatch);
    assert_eq!(problem_codes(&report), [chain]);
    assert_eq!(report.problems[0].file, Some(JsonName("edb00000008.log".into())));
}

#[test]
fn a_missing_log_in_the_middle_and_a_log_of_another_instance_are_named() {
    let Some(fs) = set("genuine-4k/clean") else { return };
    let Some(other) = set("srum-server2022-day0") else {
        return;
    };
    remove(&fs, "/set/edb00000005.log");
    let foreign = other.read_file("/set/SRU00001.log").unwrap();
    fs.write_file("/set/SRU00001.log", &foreign).unwrap();
    let report = verified(&fs, "/set");
    assert_eq!(report.verdict, Verdict::Incomplete);
    let codes = problem_codes(&report);
    assert!(
        codes.contains(&(ProblemKind::Missing, JetErr::MissingLogFile)),
        "{codes:?}"
    );
    assert!(
        codes.contains(&(ProblemKind::Foreign, JetErr::BadLogSignature)),
        "{codes:?}"
    );
}

#[test]
fn a_damaged_checkpoint_or_flush_map_is_reported_but_does_not_decide() {
    let Some(fs) = set("genuine-4k/clean") else { return };
    flip(&fs, "/set/edb.chk", &[(100, 0), (4096 + 100, 0)]);
    flip(&fs, "/set/test.jfm", &[(100, 0)]);
    let report = verified(&fs, "/set");
    assert_eq!(report.verdict, Verdict::Good);
    assert_eq!(file(&report, "edb.chk").damaged, 2);
    assert_eq!(file(&report, "test.jfm").damaged, 1);
}

/// A manifest of what lies in `/set`.
fn manifest_of(fs: &MemoryFileSystem) -> Manifest {
    let paths = AtRestPaths {
        sources: vec!["/set".into()],
        ..AtRestPaths::default()
    };
    let inventory = Inventory::take(fs, &paths).unwrap();
    let files = inventory.entries().map(|entry| ManifestFile {
        name: entry.file.name.as_os_str().into(),
        role: entry.file.role,
        len: entry.file.len,
        modified: entry.file.modified,
        original: entry.file.path.as_path().into(),
        signature: None,
        sha256: None,
    });
    Manifest {
        files: files.collect(),
        ..Manifest::new(ManifestKind::AtRest, BackupMode::AtRest)
    }
}

#[test]
fn the_manifest_says_what_must_be_there() {
    let Some(fs) = set("esedb-4k") else { return };
    let verdict_with = |manifest: &Manifest| {
        fs.write_file("/set/backup.json", &manifest.to_bytes().unwrap())
            .unwrap();
        let report = verified(&fs, "/set");
        (report.verdict, problem_codes(&report))
    };
    let manifest = manifest_of(&fs);
    assert_eq!(verdict_with(&manifest), (Verdict::Good, Vec::new()));

    let mut longer = manifest.clone();
    longer.files[0].len += 4096;
    assert_eq!(verdict_with(&longer).0, Verdict::Damaged);

    let mut more = manifest.clone();
    more.files.push(ManifestFile {
        name: JsonName("edb00000001.log".into()),
        role: FileRole::ArchivedLog { generation: 1 },
        ..manifest.files[0].clone()
    });
    let missing = (ProblemKind::Missing, JetErr::FileNotFound);
    assert_eq!(verdict_with(&more), (Verdict::Incomplete, vec![missing]));

    let mut fewer = manifest.clone();
    fewer.files.pop();
    let unlisted = (ProblemKind::Foreign, JetErr::FileInvalidType);
    assert_eq!(verdict_with(&fewer), (Verdict::Incomplete, vec![unlisted]));

    let mut another = manifest.clone();
    for file in &mut another.files {
        file.signature = Some("random:00000007 create:-".to_owned());
    }
    let (verdict, problems) = verdict_with(&another);
    assert_eq!(verdict, Verdict::Incomplete, "{problems:?}");
    let mut claims = manifest.clone();
    claims.generations = Some(crate::backup::LogRange {
        low: 0,
        high: u32::MAX,
    });
    claims.missing_generations.clear();
    assert_eq!(verdict_with(&claims).0, Verdict::Incomplete);
    let mut outside = manifest.clone();
    outside.files[0].name = JsonName("../etc/passwd".into());
    assert_eq!(verdict_with(&outside).0, Verdict::Damaged);
}

#[test]
fn without_a_manifest_a_set_is_incomplete_only_if_one_is_required() {
    let Some(fs) = set("esedb-4k") else { return };
    let paths = AtRestPaths {
        sources: vec!["/set".into()],
        ..AtRestPaths::default()
    };
    for (require_manifest, verdict) in [(false, Verdict::Good), (true, Verdict::Incomplete)] {
        let options = VerifyOptions {
            require_manifest,
            ..VerifyOptions::default()
        };
        assert_eq!(verify(&fs, &paths, options, &|_| ()).unwrap().verdict, verdict);
    }
}

#[test]
fn progress_ends_at_the_total() {
    let Some(fs) = set("genuine-4k/dirty") else { return };
    let paths = AtRestPaths {
        sources: vec!["/set".into()],
        ..AtRestPaths::default()
    };
    let seen = parking_lot::Mutex::new(Vec::new());
    verify(&fs, &paths, VerifyOptions::default(), &|progress| {
        seen.lock().push(progress)
    })
    .unwrap();
    let seen = seen.into_inner();
    let last = seen.iter().map(|progress| progress.done).max().unwrap();
    assert!(seen.iter().all(|progress| progress.total == seen[0].total));
    assert_eq!(last, seen[0].total);
}

#[test]
fn a_file_that_an_engine_has_locked_is_not_judged() {
    let Some(fs) = set("esedb-4k") else { return };
    let engine = fs.open(Path::new("/set/basic.edb"), OpenMode::ReadWrite).unwrap();
    assert!(engine.try_lock(LockKind::Exclusive).unwrap());
    let paths = AtRestPaths {
        sources: vec!["/set".into()],
        ..AtRestPaths::default()
    };
    let refused = verify(&fs, &paths, VerifyOptions::default(), &|_| ()).unwrap_err();
    assert_eq!(refused.code(), JetErr::DatabaseInUse);
    let options = VerifyOptions {
        lock: false,
        ..VerifyOptions::default()
    };
    assert_eq!(
        verify(&fs, &paths, options, &|_| ()).unwrap().verdict,
        Verdict::Good
    );
}

#[test]
fn a_script_finds_verdict_and_numbers_in_the_json() {
    let Some(fs) = set("esedb-4k") else { return };
    flip(&fs, "/set/basic.edb", &[(8192 + 700, 3), (8192 + 900, 3)]);
    let report = verified(&fs, "/set/basic.edb");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["verdict"], "damaged");
    assert_eq!(json["files"][0]["role"], "database");
    assert_eq!(json["files"][0]["unit"], "pages");
    assert_eq!(json["files"][0]["damage"][0]["page"], 1);
    assert_eq!(json["files"][0]["damage"][0]["code"], "JET_errReadVerifyFailure");
}
