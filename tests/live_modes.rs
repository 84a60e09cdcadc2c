//! Modes of a mounted running instance: stream mode and its seal, what vouches for a copy, what ends a backup early.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::{Ended, Hosted, Mount, jetfs, names_in, program, restored, rsync, run, shell, temp_dir};

fn seal(mount: &Mount) -> Ended {
    run(jetfs().arg("seal").arg(mount.path()))
}

/// Waits for what must come; fails the test if it does not.
#[track_caller]
fn wait_until(what: impl Fn() -> bool) {
    let begun = Instant::now();
    while !what() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not come");
        sleep(Duration::from_millis(10));
    }
}

/// An instance with some rows, and a session to write more.
fn filled(rows: i32) -> Hosted {
    let hosted = Hosted::new();
    let session = hosted.instance.session().unwrap();
    hosted.insert(&session, 0, rows);
    hosted
}

#[test]
fn a_script_that_copies_databases_seals_and_copies_logs_restores_to_a_prefix() {
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
        wait_until(|| done.load(Ordering::Acquire) >= 2000);
        let mount = hosted.mount(&["--mode", "stream", "--on-umount", "truncate"]);
        assert_eq!(names_in(mount.path()), ["orders.edb"]);
        rsync(mount.path(), &set);
        let at_copy = done.load(Ordering::Acquire);
        wait_until(|| done.load(Ordering::Acquire) >= at_copy + 500);
        let before = done.load(Ordering::Acquire);
        seal(&mount).succeeds();
        let after = done.load(Ordering::Acquire);
        let error = fs::File::open(mount.file("orders.edb")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(16), "EBUSY: {error}");
        rsync(mount.path(), &set);
        seal(&mount).succeeds();
        let ended = mount.umount().succeeds();
        assert!(ended.stderr.contains("a full backup"), "{ended}");
        is_over.store(true, Ordering::Relaxed);
        (before, after)
    });
    run(jetfs().args(["verify", "--require-manifest"]).arg(&set)).succeeds();
    let manifest = fs::read_to_string(set.join("backup.json")).unwrap();
    assert!(manifest.contains("\"mode\": \"stream\""), "{manifest}");
    let rows = restored(&[&set], copies.path());
    assert!((before..=after + 10).contains(&rows), "{before} {rows} {after}");
    assert_eq!(rows % 10, 0, "a transaction is there in part");
}

#[test]
fn tools_that_stray_into_stream_mode_change_nothing_and_come_to_an_end() {
    let hosted = filled(3000);
    let mount = hosted.mount(&["--mode", "stream"]);
    let stray = |what: &str| {
        let script = format!("cd \"$1\" && timeout 60 {what} >/dev/null 2>&1; [ $? -ne 124 ]");
        shell(&script, [mount.path()]).succeeds();
        assert_eq!(mount.status()["state"], "databases", "{what}");
        assert_eq!(names_in(mount.path()), ["orders.edb"], "{what}");
    };
    let tools = [
        "ls -lR . .jetfs",
        "find . -ls",
        "find . -type f -exec file {} +",
        "du -a --apparent-size .",
        "stat * .",
        "head -c 100 orders.edb",
        "tail -c 100 orders.edb",
        "dd if=orders.edb bs=4096 skip=9 count=1",
        "grep -rc virus .",
        "md5sum orders.edb",
        "od -N 64 -j 40000 orders.edb",
        "tar -cf /dev/null .",
        "python3 -c 'import mmap; f = open(\"orders.edb\", \"rb\"); m = mmap.mmap(f.fileno(), 0, prot=1); m[9]'",
    ];
    tools.iter().for_each(|tool| stray(tool));
    let copies = temp_dir();
    let set = copies.path().join("set");
    rsync(mount.path(), &set);
    seal(&mount).succeeds();
    for tool in tools {
        let script = format!("cd \"$1\" && timeout 60 {tool} >/dev/null 2>&1; [ $? -ne 124 ]");
        shell(&script, [mount.path()]).succeeds();
    }
    rsync(mount.path(), &set);
    mount.umount().succeeds();
    assert_eq!(restored(&[&set], copies.path()), 3000);
}

#[test]
fn a_database_in_stream_mode_is_read_in_order_and_its_trailer_last() {
    let hosted = filled(3000);
    let mount = hosted.mount(&["--mode", "stream"]);
    let file = fs::File::open(mount.file("orders.edb")).unwrap();
    let len = file.metadata().unwrap().len();
    let mut page = [0; 4096];
    let error = file.read_at(&mut page, len - 4096).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(29), "ESPIPE: {error}");
    assert_eq!(file.read_at(&mut page, 0).unwrap(), 4096);
    assert_eq!(
        file.read_at(&mut page, 100).unwrap(),
        4096,
        "what was read may be read again"
    );
    assert_eq!(file.read_at(&mut page, len).unwrap(), 0);
    drop(file);
    seal(&mount).exits(5).complains("orders.edb");

    // Readers at the same time, each with its own place; one is enough.
    let paths = mount.file("orders.edb");
    let read = || fs::read(&paths).unwrap().len() as u64;
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..6).map(|_| scope.spawn(read)).collect();
        readers
            .into_iter()
            .for_each(|reader| assert_eq!(reader.join().unwrap(), len));
    });
    let mut open = fs::File::open(mount.file("orders.edb")).unwrap();
    seal(&mount).exits(4);
    open.read_exact(&mut page).unwrap();
    drop(open);
    seal(&mount).succeeds();
    assert!(mount.file("backup.json").exists());
}

#[test]
fn a_stream_mount_that_was_not_sealed_is_aborted_and_others_cannot_be_sealed() {
    let hosted = filled(100);
    let mount = hosted.mount(&["--mode", "stream"]);
    fs::read(mount.file("orders.edb")).unwrap();
    mount.umount().exits(5).complains("not sealed");
    let mount = hosted.mount(&[]);
    seal(&mount).exits(3).complains("stream mode");
    run(jetfs().arg("seal").arg(hosted.path())).exits(3);
}

#[test]
fn with_auto_seal_the_logs_appear_when_every_database_was_read() {
    let hosted = filled(500);
    let mount = hosted.mount(&["--mode", "stream", "--auto-seal"]);
    shell("head -c 5000 \"$1\" >/dev/null", [mount.file("orders.edb")]).succeeds();
    assert_eq!(names_in(mount.path()), ["orders.edb"]);
    let copies = temp_dir();
    let set = copies.path().join("set");
    rsync(mount.path(), &set);
    wait_until(|| mount.file("backup.json").exists());
    rsync(mount.path(), &set);
    mount.umount().succeeds();
    assert_eq!(restored(&[&set], copies.path()), 500);
}

#[test]
fn an_incremental_stream_has_no_databases_and_is_sealed_at_once() {
    let hosted = filled(500);
    let copies = temp_dir();
    let (full, incremental) = (copies.path().join("full"), copies.path().join("incremental"));
    let mount = hosted.mount(&["--on-umount", "truncate"]);
    rsync(mount.path(), &full);
    mount.umount().succeeds();
    hosted.insert(&hosted.instance.session().unwrap(), 500, 300);
    let mount = hosted.mount(&[
        "--mode",
        "stream",
        "--kind",
        "incremental",
        "--on-umount",
        "truncate",
    ]);
    rsync(mount.path(), &incremental);
    let ended = mount.umount().succeeds();
    assert!(ended.stderr.contains("an incremental backup"), "{ended}");
    assert_eq!(restored(&[&full, &incremental], copies.path()), 800);
}

#[test]
fn a_copy_that_a_tool_skipped_is_vouched_for_or_compared() {
    let hosted = filled(2000);
    let copies = temp_dir();
    let set = copies.path().join("set");
    let mount = hosted.mount(&[]);
    rsync(mount.path(), &set);
    let verify =
        |set: &Path, mount: &Mount| run(jetfs().arg("verify").arg(set).arg("--for").arg(mount.path()));
    verify(&set, &mount).succeeds();
    let path = set.join("orders.edb");
    let sound = fs::read(&path).unwrap();
    let mut other = sound.clone();
    other[20_000] ^= 1;
    fs::write(&path, &other).unwrap();
    verify(&set, &mount).exits(6).complains("orders.edb");
    verify(mount.path(), &mount).exits(3);
    fs::write(&path, &sound).unwrap();
    mount.umount().succeeds();

    // Nothing is read, but everything is there: proven, then vouched for.
    let mount = hosted.mount(&[]);
    let copy = copies.path().join("read-by-nobody");
    shell("cp -r \"$1\" \"$2\"", [mount.path(), &copy]).succeeds();
    let files = mount.status()["files"].as_array().unwrap().clone();
    assert!(files.iter().all(|file| file["complete"] == true), "{files:?}");
    mount.umount().succeeds();

    let mount = hosted.mount(&[]);
    let ended = run(jetfs().args(["umount", "--copied"]).arg(mount.path())).succeeds();
    assert!(ended.stderr.contains("complete: a copy"), "{ended}");
    let last = run(jetfs().args(["status", "--wait", "--last"]).arg(mount.path())).succeeds();
    assert!(last.stderr.contains("complete: a copy"), "{last}");
}

#[test]
fn a_backup_that_nobody_reads_ends_and_its_mount_gives_errors_only() {
    let hosted = filled(100);
    let mount = hosted.mount(&["--timeout", "1"]);
    let copies = temp_dir();
    let set = copies.path().join("set");
    rsync(mount.path(), &set);
    wait_until(|| mount.status()["state"] == "ended");
    let is_io = |error: &std::io::Error| error.raw_os_error() == Some(5);
    let entries = fs::read_dir(mount.path()).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    assert!(is_io(entries.as_ref().unwrap_err()), "{entries:?}");
    let error = fs::read(mount.file("orders.edb")).unwrap_err();
    assert!(is_io(&error), "{error}");
    let before = names_in(&set);
    let from = format!("{}/", mount.path().display());
    let mirrored = run(program("rsync").args(["-a", "--delete"]).arg(from).arg(&set));
    assert_ne!(mirrored.code, Some(0), "{mirrored}");
    assert_eq!(names_in(&set), before);
    // The instance is free for the next one.
    drop(hosted.mount(&[]));
    assert!(mount.is_mounted());
    mount.umount().exits(5).complains("nobody has read");
}

#[test]
fn a_backup_for_which_too_many_logs_pile_up_is_ended_after_a_warning() {
    let hosted = filled(10);
    let mount = hosted.mount(&["--max-logs", "8"]);
    let session = hosted.instance.session().unwrap();
    let mut rows = (10..).step_by(10);
    let mut fill_logs = |count: usize| {
        let is_log = |name: &String| name.ends_with(".log") && !name.contains("tmp");
        while names_in(hosted.path()).iter().filter(|name| is_log(name)).count() < count {
            hosted.insert(&session, rows.next().unwrap(), 10);
        }
    };
    fill_logs(7);
    wait_until(|| !mount.status()["warnings"].as_array().unwrap().is_empty());
    assert_eq!(mount.status()["state"], "frozen");
    fill_logs(9);
    wait_until(|| mount.status()["state"] == "ended");
    mount.umount().exits(5).complains("logs");
}

#[test]
fn rsync_into_the_same_directory_does_not_keep_a_database_of_an_earlier_backup() {
    let hosted = filled(1000);
    let copies = temp_dir();
    let set = copies.path().join("set");
    let mut shown = Vec::new();
    for _ in 0..3 {
        let mount = hosted.mount(&["--on-umount", "truncate"]);
        let metadata = fs::metadata(mount.file("orders.edb")).unwrap();
        shown.push((metadata.mtime(), metadata.size()));
        let from = format!("{}/", mount.path().display());
        run(program("rsync").args(["-a", "--delete"]).arg(from).arg(&set)).succeeds();
        let fresh = fs::read(mount.file("orders.edb")).unwrap();
        assert!(
            fresh == fs::read(set.join("orders.edb")).unwrap(),
            "an old database was kept"
        );
        // Logs that are there already are not read again.
        run(jetfs().arg("verify").arg(&set).arg("--for").arg(mount.path())).succeeds();
        mount.umount().succeeds();
    }
    // The test would show nothing if the sizes were not equal.
    assert!(
        shown
            .windows(2)
            .all(|two| two[0].1 == two[1].1 && two[0].0 < two[1].0),
        "{shown:?}"
    );
    run(jetfs().args(["verify", "--require-manifest"]).arg(&set)).succeeds();
    assert_eq!(restored(&[&set], copies.path()), 1000);
}

#[test]
fn databases_of_the_same_name_have_distinct_names_and_the_manifest_keeps_where_they_were() {
    let hosted = filled(10);
    let other = hosted.path().join("other");
    fs::create_dir(&other).unwrap();
    hosted.instance.create_database(other.join("orders.edb")).unwrap();
    let mount = hosted.mount(&["--patch-files"]);
    let names = names_in(mount.path());
    for name in [
        "orders.edb",
        "orders-2.edb",
        "orders.pat",
        "orders-2.pat",
        "backup.json",
    ] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    assert_eq!(fs::metadata(mount.file("orders.pat")).unwrap().len(), 0);
    let copies = temp_dir();
    let set = copies.path().join("set");
    rsync(mount.path(), &set);
    mount.umount().succeeds();
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(set.join("backup.json")).unwrap()).unwrap();
    let files = manifest["files"].as_array().unwrap();
    let second = files.iter().find(|file| file["name"] == "orders-2.edb").unwrap();
    assert_eq!(second["original"], other.join("orders.edb").to_str().unwrap());
    assert!(
        second["signature"].is_string() && manifest["log_signature"].is_string(),
        "{manifest}"
    );
    assert!(
        manifest["marks"]["begin"].is_string() && manifest["marks"]["roll"].is_string(),
        "{manifest}"
    );
    assert_eq!(manifest["kind"], "copy");
    run(jetfs().args(["verify", "--require-manifest"]).arg(&set)).succeeds();

    // A database of another instance has the same name and length, but is not that of the set.
    let foreign = filled(10);
    let mount = foreign.mount(&[]);
    fs::copy(mount.file("orders.edb"), set.join("orders.edb")).unwrap();
    let ended = run(jetfs().arg("verify").arg(&set)).exits(5);
    assert!(ended.stdout.contains("signature"), "{ended}");
}

#[test]
fn a_spool_is_copied_in_any_order_and_restores_to_a_prefix() {
    let hosted = Hosted::new();
    let (is_over, done) = (AtomicBool::new(false), AtomicI32::new(0));
    let (copies, spool) = (temp_dir(), temp_dir());
    let set = copies.path().join("set");
    let (before, after) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let session = hosted.instance.session().unwrap();
            while !is_over.load(Ordering::Relaxed) {
                hosted.insert(&session, done.load(Ordering::Relaxed), 10);
                done.fetch_add(10, Ordering::Release);
            }
        });
        wait_until(|| done.load(Ordering::Acquire) >= 1000);
        let before = done.load(Ordering::Acquire);
        let directory = spool.path().to_str().unwrap();
        let mount = hosted.mount(&[
            "--mode",
            "spool",
            "--spool-dir",
            directory,
            "--on-umount",
            "truncate",
        ]);
        let after = done.load(Ordering::Acquire);
        assert_eq!(mount.status()["mode"], "spool");
        assert!(names_in(spool.path()).is_empty(), "the spool has no name");
        wait_until(|| done.load(Ordering::Acquire) >= after + 300);
        shell("tail -c 9000 \"$1\"/orders.edb >/dev/null", [mount.path()]).succeeds();
        rsync(mount.path(), &set);
        let ended = mount.umount().succeeds();
        assert!(ended.stderr.contains("a full backup"), "{ended}");
        is_over.store(true, Ordering::Relaxed);
        (before, after)
    });
    run(jetfs().args(["verify", "--require-manifest"]).arg(&set)).succeeds();
    let rows = restored(&[&set], copies.path());
    assert!((before..=after + 10).contains(&rows), "{before} {rows} {after}");
}

#[test]
fn a_spool_without_room_is_no_mount_and_the_instance_is_free_for_the_next_backup() {
    let hosted = filled(2000);
    let small = temp_dir();
    if shell("mount -t tmpfs -o size=1m none \"$1\"", [small.path()]).code != Some(0) {
        return support::skip("a_spool_without_room", "needs root");
    }
    let refused = support::MountOptions::new(hosted.path())
        .arg("--mode")
        .arg("spool")
        .arg("--spool-dir")
        .arg(small.path())
        .try_mount();
    shell("umount \"$1\"", [small.path()]).succeeds();
    let refused = refused.unwrap_err();
    assert!(refused.stderr.contains("spool"), "{refused}");
    let inside = support::MountOptions::new(hosted.path())
        .arg("--mode")
        .arg("spool")
        .arg("--spool-dir")
        .arg(hosted.path())
        .try_mount();
    assert_eq!(inside.unwrap_err().code, Some(3));
    drop(hosted.mount(&[]));
}
