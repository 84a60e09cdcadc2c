//! `jetfs recover` as its users see it.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::io::{FileSystem, LockKind, OpenMode, RealFileSystem};
use std::fs;
use std::path::{Path, PathBuf};
use support::{Ended, Samples, Set, copy_set, fingerprint, jetfs, overwrite, run, temp_dir};

const SET: &str = "genuine-scenarios/p4096_e8920_crash_dirty";

fn set(test: &str) -> Option<Set> {
    Some(Samples::find(test)?.set(SET))
}

fn recover(arguments: &[&str], directory: &Path) -> Ended {
    run(jetfs().arg("recover").args(arguments).arg(directory))
}

fn into(out: &Path, directory: &Path) -> Ended {
    run(jetfs().arg("recover").arg("-o").arg(out).arg(directory))
}

fn databases(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "edb"));
    assert!(!paths.is_empty());
    paths
}

#[test]
fn a_dry_run_says_what_would_happen_and_writes_nothing() {
    let Some(set) = set("a_dry_run_says_what_would_happen_and_writes_nothing") else {
        return;
    };
    let directory = temp_dir();
    copy_set(&set, directory.path());
    let before = fingerprint(directory.path());
    let ended = recover(&["--dry-run"], directory.path()).succeeds();
    assert!(ended.stdout.contains("would be rolled back"), "{ended}");
    assert!(
        ended.stdout.contains("Dirty Shutdown, then Clean Shutdown"),
        "{ended}"
    );
    let report = run(jetfs()
        .args(["--json", "recover", "--dry-run"])
        .arg(directory.path()))
    .json();
    assert!(
        report["rolled_back"]["transactions"].as_u64().unwrap() > 3,
        "{report}"
    );
    assert_eq!(report["databases"][0]["after"], "Clean Shutdown");
    assert!(report["bytes"].as_u64().unwrap() > 100_000);
    assert_eq!(fingerprint(directory.path()), before);
}

#[test]
fn a_recovered_set_is_clean_and_good_and_recovering_it_again_changes_nothing() {
    let Some(set) = set("a_recovered_set_is_clean_and_good_and_recovering_it_again_changes_nothing") else {
        return;
    };
    let directory = temp_dir();
    copy_set(&set, directory.path());
    recover(&[], directory.path()).succeeds();
    run(jetfs().arg("verify").arg(directory.path())).succeeds();
    let info = run(jetfs()
        .args(["--json", "info"])
        .arg(&databases(directory.path())[0]))
    .succeeds();
    assert!(info.stdout.contains("Clean Shutdown"), "{info}");
    let before = fingerprint(directory.path());
    let again = recover(&[], directory.path()).succeeds();
    assert!(again.stdout.contains("nothing was written"), "{again}");
    assert_eq!(fingerprint(directory.path()), before);
}

#[test]
fn the_same_set_gives_the_same_copy_and_stays_as_it_is() {
    let Some(set) = set("the_same_set_gives_the_same_copy_and_stays_as_it_is") else {
        return;
    };
    let (source, outputs) = (temp_dir(), temp_dir());
    copy_set(&set, source.path());
    let before = fingerprint(source.path());
    let [one, other] = ["one", "other"].map(|name| outputs.path().join(name));
    for out in [&one, &other] {
        into(out, source.path()).succeeds();
    }
    for entry in fs::read_dir(&one).unwrap() {
        let name = entry.unwrap().file_name();
        let bytes = [&one, &other].map(|out| fs::read(out.join(&name)).unwrap());
        assert!(bytes[0] == bytes[1], "{}", name.display());
    }
    assert_eq!(fingerprint(source.path()), before);
}

#[test]
fn a_directory_that_is_not_empty_is_no_place_for_a_copy() {
    let Some(set) = set("a_directory_that_is_not_empty_is_no_place_for_a_copy") else {
        return;
    };
    let out = temp_dir();
    fs::write(out.path().join("note.txt"), "mine").unwrap();
    into(out.path(), &set.dir).exits(3).complains("is not empty");
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 1);
}

#[test]
fn a_copy_that_cannot_be_recovered_is_removed() {
    let Some(set) = set("a_copy_that_cannot_be_recovered_is_removed") else {
        return;
    };
    let (source, outputs) = (temp_dir(), temp_dir());
    copy_set(&set, source.path());
    overwrite(&source.path().join("edb.log"), 2 * 4096 + 100, &[0x55; 500]);
    let out = outputs.path().join("out");
    into(&out, source.path()).exits(6).complains("-501");
    assert!(!out.exists());
}

#[test]
fn a_set_without_its_logs_is_refused() {
    let Some(set) = set("a_set_without_its_logs_is_refused") else {
        return;
    };
    let directory = temp_dir();
    copy_set(&set, directory.path());
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "log") {
            fs::remove_file(path).unwrap();
        }
    }
    let before = fingerprint(directory.path());
    recover(&[], directory.path()).exits(3).complains("-550");
    assert_eq!(fingerprint(directory.path()), before);
}

#[test]
fn a_database_in_use_is_left_alone() {
    let Some(set) = set("a_database_in_use_is_left_alone") else {
        return;
    };
    let directory = temp_dir();
    copy_set(&set, directory.path());
    let before = fingerprint(directory.path());
    let held = RealFileSystem
        .open(&databases(directory.path())[0], OpenMode::ReadOnly)
        .unwrap();
    assert!(held.try_lock(LockKind::Shared).unwrap());
    recover(&[], directory.path()).exits(4).complains("in use");
    assert_eq!(fingerprint(directory.path()), before);
}

#[test]
fn logs_and_databases_may_lie_in_different_directories() {
    let Some(set) = set("logs_and_databases_may_lie_in_different_directories") else {
        return;
    };
    let (logs, system) = (temp_dir(), temp_dir());
    copy_set(&set, logs.path());
    for path in databases(logs.path()) {
        fs::rename(&path, system.path().join(path.file_name().unwrap())).unwrap();
    }
    let ended = run(jetfs()
        .arg("recover")
        .arg("--log-dir")
        .arg(logs.path())
        .arg("--system-dir")
        .arg(logs.path())
        .arg(system.path()));
    let ended = ended.succeeds();
    assert!(ended.stdout.contains("then Clean Shutdown"), "{ended}");
}
