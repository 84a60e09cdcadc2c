//! Running instances mounted from another process: copied by rsync while they are written to, restored, compared.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::engine::Term;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::sleep;
use std::time::Duration;
use support::{Hosted, MountOptions, jetfs, program, restored, rsync, run, temp_dir};

#[test]
fn a_running_instance_is_copied_by_rsync_while_it_is_written_to_and_the_copy_restores_to_a_prefix() {
    let hosted = Hosted::new();
    let (is_over, done) = (AtomicBool::new(false), AtomicI32::new(0));
    let copies = temp_dir();
    let set = copies.path().join("set");
    let (before, after) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let session = hosted.instance.session().unwrap();
            while !is_over.load(Ordering::Relaxed) {
                hosted.insert(&session, done.load(Ordering::Relaxed), 10);
                done.fetch_add(10, Ordering::Release);
            }
        });
        let wait = |least| {
            while done.load(Ordering::Acquire) < least {
                sleep(Duration::from_millis(1));
            }
        };
        wait(2000);
        let before = done.load(Ordering::Acquire);
        let mount = hosted.mount(&[]);
        let after = done.load(Ordering::Acquire);
        wait(after + 500);
        rsync(mount.path(), &set);
        // A second copy finds nothing new.
        let again = format!("{}/", mount.path().display());
        let listed = run(program("rsync").args(["-ai", &again]).arg(&set)).succeeds();
        assert!(!listed.stdout.contains(">f"), "{}", listed.stdout);
        let ended = run(jetfs().arg("umount").arg(mount.path())).succeeds();
        assert!(ended.stderr.contains("complete: a copy"), "{}", ended.stderr);
        is_over.store(true, Ordering::Relaxed);
        (before, after)
    });
    run(jetfs().args(["verify", "--require-manifest"]).arg(&set)).succeeds();
    let rows = restored(&[&set], copies.path());
    assert!((before..=after + 10).contains(&rows), "{before} {rows} {after}");
    assert_eq!(rows % 10, 0, "a transaction is there in part");
    hosted.instance.term(Term::Complete).unwrap();
}

#[test]
fn a_full_backup_and_incremental_ones_are_a_chain_and_what_was_not_read_is_named() {
    let hosted = Hosted::new();
    let session = hosted.instance.session().unwrap();
    let copies = temp_dir();
    hosted.insert(&session, 0, 500);
    let refused = MountOptions::new(hosted.path())
        .arg("--kind")
        .arg("incremental")
        .try_mount();
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("JET_errMissingFullBackup")
    );

    let mount = hosted.mount(&["--on-umount", "truncate"]);
    let ended = run(jetfs().arg("umount").arg(mount.path())).exits(5);
    assert!(
        ended.stderr.contains("not all was read: orders.edb"),
        "{}",
        ended.stderr
    );

    let full = copies.path().join("full");
    let mount = hosted.mount(&["--on-umount", "truncate"]);
    rsync(mount.path(), &full);
    let ended = run(jetfs().arg("umount").arg(mount.path())).succeeds();
    assert!(ended.stderr.contains("a full backup"), "{}", ended.stderr);
    hosted.insert(&session, 500, 700);

    let incremental = copies.path().join("incremental");
    let mount = hosted.mount(&["--kind", "incremental", "--on-umount", "truncate"]);
    assert!(!mount.path().join("orders.edb").exists());
    rsync(mount.path(), &incremental);
    let ended = run(jetfs().arg("umount").arg(mount.path())).succeeds();
    assert!(ended.stderr.contains("an incremental backup"), "{}", ended.stderr);

    assert_eq!(restored(&[&full], copies.path()), 500);
    assert_eq!(restored(&[&full, &incremental], copies.path()), 1200);
}

#[test]
fn a_mount_process_that_is_killed_leaves_no_backup_behind() {
    let hosted = Hosted::new();
    let mount = hosted.mount(&[]);
    let status = run(jetfs().args(["--json", "status"]).arg(mount.path()))
        .succeeds()
        .json();
    assert_eq!(
        status["status"]["mode"].as_str().or(status["mode"].as_str()),
        Some("frozen"),
        "{status}"
    );
    let pid = status["pid"].as_u64().unwrap();
    run(program("kill").arg("-9").arg(pid.to_string())).succeeds();
    while hosted.service.as_ref().unwrap().connections() > 0 {
        sleep(Duration::from_millis(5));
    }
    let second = hosted.mount(&[]);
    drop(second);
}

#[test]
fn when_the_instance_is_gone_reads_fail_and_the_mount_stays() {
    let mut hosted = Hosted::new();
    let mount = hosted.mount(&[]);
    hosted.service = None;
    let error = std::fs::read(mount.path().join("orders.edb")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(5), "{error}");
    assert!(mount.is_mounted());
    let ended = run(jetfs().arg("umount").arg(mount.path())).exits(5);
    assert!(!ended.stderr.is_empty());
}
