//! `jetfs verify` as a user sees it: what it prints, and its exit codes.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use support::{Ended, Mount, Samples, copy_set, flip_bit, jetfs, run, temp_dir};

/// A copy of a set in a directory that goes away.
fn copy_of(test: &str, set: &str) -> Option<tempfile::TempDir> {
    let samples = Samples::find(test)?;
    let directory = temp_dir();
    copy_set(&samples.set(set), directory.path());
    Some(directory)
}

fn verify(path: &Path) -> Ended {
    run(jetfs().arg("verify").arg(path))
}

#[test]
fn a_good_set_exits_0_and_says_so_in_one_line() {
    let test = "a_good_set_exits_0_and_says_so_in_one_line";
    let Some(set) = copy_of(test, "genuine-4k/clean") else {
        return;
    };
    let ended = verify(set.path()).exits(0);
    assert!(ended.stdout.starts_with("good: "), "{ended}");
    assert_eq!(ended.stdout.lines().count(), 1, "{ended}");
}

#[test]
fn a_copy_of_a_mount_repeats_no_note_of_its_manifest() {
    let test = "a_copy_of_a_mount_repeats_no_note_of_its_manifest";
    let Some(set) = copy_of(test, "genuine-4k/dirty") else {
        return;
    };
    let mount = Mount::of(set.path());
    let copy = temp_dir();
    run(Command::new("cp")
        .arg("-r")
        .arg(mount.path().join("."))
        .arg(copy.path()))
    .succeeds();
    assert!(copy.path().join("backup.json").exists());
    let notes = |ended: Ended| ended.stdout.matches("JET_errDatabaseDirtyShutdown").count();
    assert_eq!(notes(verify(copy.path()).exits(0)), 1);
}

#[test]
fn a_missing_log_exits_5_and_names_the_generation() {
    let test = "a_missing_log_exits_5_and_names_the_generation";
    let Some(set) = copy_of(test, "genuine-4k/dirty") else {
        return;
    };
    fs::remove_file(set.path().join("edb0000000E.log")).unwrap();
    let ended = verify(set.path()).exits(5);
    assert!(ended.stdout.contains("generation 0xe"), "{ended}");
    assert!(ended.stdout.contains("JET_errRequiredLogFilesMissing"), "{ended}");
}

#[test]
fn a_damaged_page_exits_6_and_names_file_page_and_offset() {
    let test = "a_damaged_page_exits_6_and_names_file_page_and_offset";
    let Some(set) = copy_of(test, "genuine-4k/dirty") else {
        return;
    };
    let database = set.path().join("test.edb");
    flip_bit(&database, 40_000, 1);
    flip_bit(&database, 40_100, 3);
    let ended = verify(set.path()).exits(6);
    assert!(ended.stdout.contains("test.edb"), "{ended}");
    assert!(ended.stdout.contains("page 8, offset 0x9000"), "{ended}");
    let json = run(jetfs().args(["--json", "verify"]).arg(&database))
        .exits(6)
        .json();
    assert_eq!(json["verdict"], "damaged");
    assert_eq!(json["files"][0]["damage"][0]["page"], 8);
}

#[test]
fn nothing_to_verify_is_a_failure_with_the_reason() {
    let empty = temp_dir();
    verify(empty.path()).fails().complains("no ESE file");
    verify(&empty.path().join("absent"))
        .fails()
        .complains("JET_errFileNotFound");
}

#[test]
fn verifying_changes_nothing() {
    let Some(set) = copy_of("verifying_changes_nothing", "genuine-4k/dirty") else {
        return;
    };
    let before = support::fingerprint(set.path());
    verify(set.path()).exits(0);
    assert!(support::fingerprint(set.path()) == before);
}

#[test]
fn a_deep_check_of_a_clean_set_is_good_and_counts_its_trees() {
    let Some(set) = copy_of("deep_clean", "genuine-4k/clean") else {
        return;
    };
    let ended = run(jetfs().arg("verify").arg("--deep").arg(set.path())).exits(0);
    assert!(ended.stdout.contains("trees deeply"), "{ended}");
    let json = run(jetfs().args(["--json", "verify", "--deep"]).arg(set.path()))
        .exits(0)
        .json();
    let files = json["files"].as_array().unwrap();
    let deep = files.iter().find_map(|file| file.get("deep")).unwrap();
    assert_eq!(deep["damage"], 0);
    assert!(deep["trees"].as_u64().unwrap() > 20);
}

#[test]
fn a_deep_check_refuses_a_dirty_database_and_says_what_to_do() {
    let Some(set) = copy_of("deep_dirty", "genuine-4k/dirty") else {
        return;
    };
    let ended = run(jetfs().arg("verify").arg("--deep").arg(set.path())).exits(3);
    assert!(ended.stderr.contains("JET_errDatabaseDirtyShutdown"), "{ended}");
    assert!(ended.stderr.contains("jetfs recover"), "{ended}");
}

#[test]
fn a_tree_that_does_not_fit_together_exits_6_although_every_checksum_is_right() {
    let Some(set) = copy_of("deep_damage", "genuine-4k/clean") else {
        return;
    };
    let path = set.path().join("test.edb");
    let mut bytes = fs::read(&path).unwrap();
    let size = jetfs::format::PageSize::Kib4;
    // A row of the catalog's shadow, on its second leaf, is changed and its page stamped anew.
    let offset = usize::try_from(size.offset_of(27)).unwrap();
    let page = &mut bytes[offset..offset + 4096];
    page[100] ^= 1;
    jetfs::format::checksum::stamp_page(page, size, 27);
    fs::write(&path, bytes).unwrap();
    run(jetfs().arg("verify").arg(set.path())).exits(0);
    let ended = run(jetfs().arg("verify").arg("--deep").arg(set.path())).exits(6);
    assert!(ended.stdout.contains("damaged: test.edb"), "{ended}");
    assert!(ended.stdout.contains("MSysObjectsShadow"), "{ended}");
}
