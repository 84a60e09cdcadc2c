//! `jetfs backup`: a whole backup without a mount, of running instances and of files at rest.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::engine::Term;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::sleep;
use std::time::Duration;
use support::{Hosted, Samples, jetfs, program, restored, run, temp_dir};

fn backup(arguments: &[&str], source: &Path, destination: &Path) -> std::process::Command {
    let mut command = jetfs();
    command.arg("backup").args(arguments).arg(source).arg(destination);
    command
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_running_instance_is_copied_while_it_is_written_to_and_the_copy_restores_to_a_prefix() {
    for mode in ["frozen", "stream"] {
        let hosted = Hosted::new();
        let (is_over, done) = (AtomicBool::new(false), AtomicI32::new(0));
        let copies = temp_dir();
        let set = copies.path().join("set");
        let before = std::thread::scope(|scope| {
            scope.spawn(|| {
                let session = hosted.instance.session().unwrap();
                while !is_over.load(Ordering::Relaxed) {
                    hosted.insert(&session, done.load(Ordering::Relaxed), 10);
                    done.fetch_add(10, Ordering::Release);
                }
            });
            while done.load(Ordering::Acquire) < 2000 {
                sleep(Duration::from_millis(1));
            }
            let before = done.load(Ordering::Acquire);
            let made = run(&mut backup(&["--mode", mode], hosted.path(), &set)).succeeds();
            assert!(made.stdout.contains("complete: a copy"), "{}", made.stdout);
            is_over.store(true, Ordering::Relaxed);
            before
        });
        run(jetfs().args(["verify", "--require-manifest"]).arg(&set)).succeeds();
        let rows = restored(&[&set], copies.path());
        assert!(
            before <= rows && rows <= done.into_inner(),
            "{mode}: {before} {rows}"
        );
        assert_eq!(rows % 10, 0, "{mode}: a transaction is there in part");
        hosted.instance.term(Term::Complete).unwrap();
    }
}

#[test]
fn full_and_incremental_backups_delete_the_logs_that_they_have_copied_and_are_a_chain() {
    let hosted = Hosted::new();
    let session = hosted.instance.session().unwrap();
    let copies = temp_dir();
    let [full, first, second] = ["full", "first", "second"].map(|name| copies.path().join(name));
    hosted.insert(&session, 0, 1500);
    let refused = run(&mut backup(&["--kind", "incremental"], hosted.path(), &first)).exits(3);
    assert!(
        refused.stderr.contains("JET_errMissingFullBackup"),
        "{}",
        refused.stderr
    );
    assert!(!first.exists(), "nothing is left of what was refused");
    hosted.instance.flush().unwrap();
    let has_first = || names(hosted.path()).iter().any(|name| name == "edb00000001.log");
    assert!(has_first());
    let made = run(&mut backup(&["--kind", "full"], hosted.path(), &full)).succeeds();
    assert!(made.stdout.contains("a full backup"), "{}", made.stdout);
    assert!(!has_first(), "{:?}", names(hosted.path()));
    hosted.insert(&session, 1500, 700);
    run(&mut backup(&["--kind", "incremental"], hosted.path(), &first)).succeeds();
    assert!(!first.join("orders.edb").exists());
    hosted.insert(&session, 2200, 300);
    let json = run(backup(&["--kind", "incremental"], hosted.path(), &second).arg("--json"));
    let json = json.succeeds().json();
    assert_eq!(json["kind"], "incremental");
    assert_eq!(json["files"].as_u64().unwrap(), names(&second).len() as u64 - 1);
    assert_eq!(restored(&[&full], copies.path()), 1500);
    assert_eq!(restored(&[&full, &first], copies.path()), 2200);
    assert_eq!(restored(&[&second, &full, &first], copies.path()), 2500);
}

#[test]
fn the_manifest_has_the_sums_that_sha256sum_computes_and_verify_finds_every_change() {
    let hosted = Hosted::new();
    let session = hosted.instance.session().unwrap();
    hosted.insert(&session, 0, 300);
    let copies = temp_dir();
    let set = copies.path().join("set");
    run(&mut backup(&[], hosted.path(), &set)).succeeds();
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(set.join("backup.json")).unwrap()).unwrap();
    let lines: String = manifest["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            format!(
                "{}  {}\n",
                file["sha256"].as_str().unwrap(),
                file["name"].as_str().unwrap()
            )
        })
        .collect();
    fs::write(copies.path().join("sums"), lines).unwrap();
    run(program("sha256sum")
        .current_dir(&set)
        .args(["--check", "--strict", "../sums"]))
    .succeeds();

    // A place of the header that no checksum of the format sees would be found too: the sum is of the whole file.
    let log = names(&set)
        .into_iter()
        .find(|name| name.ends_with(".log"))
        .unwrap();
    let mut bytes = fs::read(set.join(&log)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(set.join(&log), bytes).unwrap();
    let found = run(jetfs().arg("verify").arg(&set)).exits(6);
    assert!(
        found.stdout.contains("has changed since it was copied"),
        "{}",
        found.stdout
    );
}

#[test]
fn files_at_rest_are_copied_byte_for_byte() {
    let Some(samples) = Samples::find("files_at_rest_are_copied_byte_for_byte") else {
        return;
    };
    let source = samples.root().join("genuine-4k/clean");
    let copies = temp_dir();
    let set = copies.path().join("set");
    run(&mut backup(&[], &source, &set)).succeeds();
    for name in names(&set).iter().filter(|name| *name != "backup.json") {
        assert!(
            fs::read(set.join(name)).unwrap() == fs::read(source.join(name)).unwrap(),
            "{name}"
        );
    }
    assert!(names(&set).iter().any(|name| name.ends_with(".edb")));
    run(jetfs().args(["verify", "--require-manifest"]).arg(&set)).succeeds();
}

#[test]
fn a_damaged_page_stops_the_backup_and_leaves_nothing_unless_it_is_allowed() {
    let Some(samples) =
        Samples::find("a_damaged_page_stops_the_backup_and_leaves_nothing_unless_it_is_allowed")
    else {
        return;
    };
    let copies = temp_dir();
    let (source, set) = (copies.path().join("source"), copies.path().join("set"));
    fs::create_dir(&source).unwrap();
    let mut bytes = fs::read(samples.root().join("genuine-4k/clean/test.edb")).unwrap();
    // Page 31, the root of a table.
    bytes[32 * 4096 + 100] ^= 1;
    bytes[32 * 4096 + 901] ^= 2;
    fs::write(source.join("test.edb"), bytes).unwrap();
    let refused = run(&mut backup(&[], &source, &set)).exits(6);
    assert!(refused.stderr.contains("test.edb"), "{}", refused.stderr);
    assert!(!set.exists());
    let made = run(&mut backup(&["--allow-damaged"], &source, &set)).exits(6);
    assert!(made.stderr.contains("offset 0x20000"), "{}", made.stderr);
    assert!(set.join("backup.json").exists());
}

#[test]
fn what_cannot_be_a_backup_is_refused_before_anything_is_touched() {
    let hosted = Hosted::new();
    let copies = temp_dir();
    let occupied = copies.path().join("occupied");
    fs::create_dir(&occupied).unwrap();
    fs::write(occupied.join("mine"), "1").unwrap();
    let refused = run(&mut backup(&[], hosted.path(), &occupied)).exits(3);
    assert!(
        refused.stderr.contains("JET_errBackupDirectoryNotEmpty"),
        "{}",
        refused.stderr
    );
    assert_eq!(names(&occupied), ["mine"]);

    let inside = hosted.path().join("copies/monday");
    let refused = run(&mut backup(&[], hosted.path(), &inside)).exits(3);
    assert!(
        refused.stderr.contains("lies in the source"),
        "{}",
        refused.stderr
    );

    let set = copies.path().join("set");
    run(&mut backup(&["--mode", "spool"], hosted.path(), &set)).exits(2);

    let mount = hosted.mount(&[]);
    let busy = run(&mut backup(&[], hosted.path(), &copies.path().join("set"))).exits(4);
    assert!(busy.stderr.contains("JET_errBackupInProgress"), "{}", busy.stderr);
    drop(mount);

    let at_rest = run(&mut backup(
        &["--kind", "full"],
        &occupied,
        &copies.path().join("set"),
    ))
    .fails();
    assert!(!at_rest.stderr.is_empty());
}
