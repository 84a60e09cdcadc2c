//! `jetfs mount --recovered`: genuine dirty sets and backup sets, shown as recovery makes them, through real mounts.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::store::Database;
use rand::Rng;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use support::{
    Mount, MountOptions, Samples, Set, amount, copy_set, fingerprint, flip_bit, jetfs, names_in, program,
    python, row_differences, run, seeded, shell, temp_dir, workspace_root,
};

const CRASH: &str = "genuine-scenarios/p4096_e8920_crash_dirty";

fn recovered(source: &Path) -> MountOptions {
    MountOptions::new(source).arg("--recovered")
}

/// Every dirty set, and what the genuine engine made of it.
fn dirty_sets(samples: &Samples) -> Vec<(Set, Set)> {
    let sets = samples.sets();
    let twin_of = |set: &Set| {
        let is_twin = |other: &&Set| {
            other.name == format!("{}_recovered", set.name) || other.name == format!("{}-recovered", set.name)
        };
        sets.iter().find(is_twin).cloned()
    };
    let pairs: Vec<(Set, Set)> = sets
        .iter()
        .filter_map(|set| Some((set.clone(), twin_of(set)?)))
        .collect();
    assert!(pairs.len() > 12, "only {} dirty sets", pairs.len());
    pairs
}

fn open(path: &Path) -> Database {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly).unwrap();
    Database::open(file, path).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn assert_same_rows(shown: &Path, genuine: &Path) {
    let differences = row_differences(&open(shown), &open(genuine));
    assert!(differences.is_empty(), "{}: {differences:#?}", shown.display());
}

#[test]
fn every_dirty_set_has_the_rows_of_the_genuine_recovery_and_stays_as_it_is() {
    let Some(samples) =
        Samples::find("every_dirty_set_has_the_rows_of_the_genuine_recovery_and_stays_as_it_is")
    else {
        return;
    };
    for (set, twin) in dirty_sets(&samples) {
        println!("{}", set.name);
        let before = fingerprint(&set.dir);
        let mount = recovered(&set.dir).mount();
        let mut expected = set.databases();
        expected.push("backup.json".into());
        expected.sort();
        assert_eq!(
            names_in(mount.path()),
            expected,
            "databases and the manifest, nothing else"
        );
        for name in set.databases() {
            assert_same_rows(&mount.file(&name), &twin.dir.join(&name));
        }
        assert_eq!(mount.status()["mode"], "recovered");
        assert_eq!(mount.status()["warnings"], serde_json::json!([]), "{}", set.name);
        mount.umount().succeeds().complains("the recovered view ended");
        assert_eq!(fingerprint(&set.dir), before, "{}", set.name);
    }
}

#[test]
fn the_bytes_are_those_of_recover_into_a_copy() {
    let Some(samples) = Samples::find("the_bytes_are_those_of_recover_into_a_copy") else {
        return;
    };
    for (set, _) in dirty_sets(&samples) {
        let out = temp_dir();
        let copy = out.path().join("copy");
        run(jetfs().arg("recover").arg("-o").arg(&copy).arg(&set.dir)).succeeds();
        let mount = recovered(&set.dir).mount();
        for name in set.databases() {
            let (shown, written) = (
                fs::read(mount.file(&name)).unwrap(),
                fs::read(copy.join(&name)).unwrap(),
            );
            assert_eq!(shown.len(), written.len(), "{}/{name}", set.name);
            let first = shown.iter().zip(&written).position(|(a, b)| a != b);
            assert_eq!(first, None, "{}/{name} differs", set.name);
        }
        mount.umount().succeeds();
    }
}

#[test]
fn libesedb_finds_the_rows_of_the_genuine_recovery_in_the_mounted_file() {
    let test = "libesedb_finds_the_rows_of_the_genuine_recovery_in_the_mounted_file";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let script = workspace_root().join("tests/readers/libesedb_same_rows.py");
    for (set, twin) in dirty_sets(&samples) {
        let Some(mut python) = python(test, "pyesedb") else {
            return;
        };
        let mount = recovered(&set.dir).mount();
        for name in set.databases() {
            let pair = [mount.file(&name), twin.dir.join(&name)];
            run(python.arg(&script).args(pair)).succeeds();
        }
        mount.umount().succeeds();
    }
}

#[test]
fn a_backup_set_is_browsed_without_a_restore() {
    let Some(samples) = Samples::find("a_backup_set_is_browsed_without_a_restore") else {
        return;
    };
    let [full, inc] = ["genuine-4k/bk_full", "genuine-4k/bk_inc"].map(|name| samples.set(name).dir);
    let before = (fingerprint(&full), fingerprint(&inc));
    for (options, restored) in [
        (recovered(&full), "genuine-4k/bk_restored_full"),
        (recovered(&full).source(&inc), "genuine-4k/bk_restored_full_inc"),
    ] {
        let mount = options.mount();
        assert_same_rows(
            &mount.file("test.edb"),
            &samples.set(restored).dir.join("test.edb"),
        );
        mount.umount().succeeds();
    }
    assert_eq!((fingerprint(&full), fingerprint(&inc)), before);
}

#[test]
fn clean_sets_are_shown_as_they_are() {
    let Some(samples) = Samples::find("clean_sets_are_shown_as_they_are") else {
        return;
    };
    for name in ["genuine-4k/clean", "srum-server2022-day0", "esedb-4k"] {
        let set = samples.set(name);
        let mount = recovered(&set.dir).mount();
        for name in set.databases() {
            let (shown, plain) = (mount.file(&name), set.dir.join(&name));
            assert!(fs::read(&shown).unwrap() == fs::read(&plain).unwrap(), "{name}");
            let times = [&shown, &plain].map(|path| fs::metadata(path).unwrap().modified().unwrap());
            assert_eq!(times[0], times[1]);
        }
        mount.umount().succeeds();
    }
}

#[test]
fn several_readers_at_random_offsets_meet_no_wrong_byte() {
    let Some(samples) = Samples::find("several_readers_at_random_offsets_meet_no_wrong_byte") else {
        return;
    };
    let set = samples.set("genuine-4k/dirty");
    let mount = recovered(&set.dir).mount();
    let path = mount.file("test.edb");
    let whole = fs::read(&path).unwrap();
    // A second mount, so that the kernel has none of it in its cache.
    let mount = recovered(&set.dir).arg("--memory").arg("1").mount();
    let path = mount.file("test.edb");
    thread::scope(|scope| {
        for reader in 0..8 {
            let (path, whole) = (&path, &whole);
            scope.spawn(move || {
                let mut random = seeded("several readers", reader);
                let file = File::open(path).unwrap();
                for _ in 0..amount(300, 3000) {
                    let offset = random.random_range(0..whole.len());
                    let mut buf = vec![0; random.random_range(1..100_000)];
                    let read = file.read_at(&mut buf, offset as u64).unwrap();
                    assert!(read > 0 && buf[..read] == whole[offset..offset + read]);
                }
            });
        }
    });
    mount.umount().succeeds();
}

#[test]
fn changes_that_have_no_room_in_memory_go_to_a_temporary_file_and_nothing_is_left_of_it() {
    let test = "changes_that_have_no_room_in_memory_go_to_a_temporary_file_and_nothing_is_left_of_it";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let set = samples.set("genuine-4k.mid.tar.xz/mid");
    let temp = temp_dir();
    let plenty = recovered(&set.dir).mount();
    let tight = recovered(&set.dir)
        .arg("--memory=1K")
        .arg("--temp-dir")
        .arg(temp.path())
        .mount();
    let whole = [&plenty, &tight].map(|mount| fs::read(mount.file("test.edb")).unwrap());
    assert!(whole[0] == whole[1]);
    assert!(names_in(temp.path()).is_empty(), "the file has no name");
    let spilled = fs::read_dir(format!("/proc/{}/fd", pid_of(&tight)))
        .unwrap()
        .filter_map(|entry| {
            let target = fs::read_link(entry.ok()?.path()).ok()?;
            target
                .starts_with(temp.path().canonicalize().ok()?)
                .then_some(target)
        });
    assert_eq!(spilled.count(), 1, "changed pages are in the temporary file");
    plenty.umount().succeeds();
    tight.umount().succeeds();
    // Nothing is written below the source, whatever is asked for.
    recovered(&set.dir)
        .arg("--temp-dir")
        .arg(&set.dir)
        .try_mount()
        .unwrap_err()
        .exits(3)
        .complains("not written to");
}

fn pid_of(mount: &Mount) -> u64 {
    let states = run(jetfs().args(["--json", "status"])).json();
    let point = mount.path().canonicalize().unwrap();
    let states = states.as_array().unwrap().clone();
    let own = states
        .into_iter()
        .find(|state| state["mount_point"] == point.to_str().unwrap());
    own.unwrap()["pid"].as_u64().unwrap()
}

#[test]
fn times_inodes_and_manifest_are_the_same_at_every_mount_and_later_than_the_source() {
    let test = "times_inodes_and_manifest_are_the_same_at_every_mount_and_later_than_the_source";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let set = samples.set(CRASH);
    let newest = set
        .files()
        .iter()
        .map(|name| fs::metadata(set.dir.join(name)).unwrap().modified().unwrap())
        .max();
    let once = || {
        let mount = recovered(&set.dir).mount();
        let told = ["test.edb", "backup.json"].map(|name| {
            let meta = fs::metadata(mount.file(name)).unwrap();
            (
                meta.ino(),
                meta.size(),
                meta.modified().unwrap(),
                fs::read(mount.file(name)).unwrap(),
            )
        });
        mount.umount().succeeds();
        told
    };
    let [first, second] = [once(), once()];
    assert!(first == second);
    assert_eq!(first[0].2, newest.unwrap() + Duration::from_secs(1));
    let manifest: serde_json::Value = serde_json::from_slice(&first[1].3).unwrap();
    assert_eq!(manifest["kind"], "recovered");
    assert_eq!(manifest["databases"][0]["state"], "CleanShutdown");
    assert!(manifest["recovered"]["undone"]["transactions"].as_u64().unwrap() > 0);
    assert_eq!(manifest["recovered"]["shortfalls"], serde_json::json!([]));
}

#[test]
fn a_copy_of_the_view_is_a_set_of_its_own_that_verify_finds_good() {
    let Some(samples) = Samples::find("a_copy_of_the_view_is_a_set_of_its_own_that_verify_finds_good") else {
        return;
    };
    let mount = recovered(&samples.set(CRASH).dir).mount();
    let copy = temp_dir();
    shell("rsync -a \"$1/\" \"$2/\"", [mount.path(), copy.path()]).succeeds();
    run(jetfs().arg("verify").arg(copy.path())).succeeds();
    let again = Mount::of(copy.path());
    assert_eq!(
        fs::read(again.file("test.edb")).unwrap(),
        fs::read(mount.file("test.edb")).unwrap()
    );
    again.umount().succeeds();
    mount.umount().succeeds();
}

#[test]
fn a_set_with_a_missing_generation_is_refused_and_best_effort_says_what_is_not_there() {
    let test = "a_set_with_a_missing_generation_is_refused_and_best_effort_says_what_is_not_there";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let directory = temp_dir();
    copy_set(&samples.set(CRASH), directory.path());
    fs::remove_file(directory.path().join("edb0000000D.log")).unwrap();
    let before = fingerprint(directory.path());
    let refused = recovered(directory.path()).try_mount().unwrap_err().exits(3);
    refused.complains("0xd").complains("--best-effort");
    let mount = recovered(directory.path()).arg("--best-effort").mount();
    assert!(mount.log().contains("warning: not replayed:"), "{}", mount.log());
    let status = mount.status();
    assert!(!status["recovered"]["shortfalls"].as_array().unwrap().is_empty());
    let told = run(jetfs().arg("status").arg(mount.path())).succeeds();
    assert!(
        told.stdout.contains("recovered view") && told.stdout.contains("not replayed"),
        "{told}"
    );
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(mount.file("backup.json")).unwrap()).unwrap();
    assert_eq!(
        manifest["missing_generations"],
        serde_json::json!([{"low": 13, "high": 13}])
    );
    assert_eq!(
        manifest["databases"][0]["state"], "DirtyShutdown",
        "it must not look clean"
    );
    assert!(open(&mount.file("test.edb")).last_owned_page().is_ok());
    mount.umount().succeeds();
    assert_eq!(fingerprint(directory.path()), before);
}

#[test]
fn a_dirty_database_without_logs_is_refused_and_shown_as_it_is_with_best_effort() {
    let test = "a_dirty_database_without_logs_is_refused_and_shown_as_it_is_with_best_effort";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let set = samples.set("qmgr-win10");
    let refused = recovered(&set.dir).try_mount().unwrap_err().exits(3);
    refused.complains("-550").complains("0xe");
    let mount = MountOptions::new(&set.dir)
        .arg("-o")
        .arg("recovered,best_effort")
        .mount();
    assert!(fs::read(mount.file("qmgr.db")).unwrap() == fs::read(set.dir.join("qmgr.db")).unwrap());
    assert!(mount.log().contains("shown as it is"), "{}", mount.log());
    mount.umount().succeeds();
}

#[test]
fn mount_and_fstab_ask_for_it_with_options() {
    let Some(samples) = Samples::find("mount_and_fstab_ask_for_it_with_options") else {
        return;
    };
    let set = samples.set(CRASH);
    let directory = temp_dir();
    let point = directory.path().join("mnt");
    fs::create_dir(&point).unwrap();
    // As mount.fuse3 calls it.
    run(jetfs()
        .arg(&set.dir)
        .arg(&point)
        .args(["-o", "rw,nosuid,recovered,memory=1M"]))
    .succeeds();
    assert_eq!(names_in(&point), ["backup.json", "test.edb"]);
    run(jetfs().arg("umount").arg(&point)).succeeds();
}

#[test]
fn a_damaged_log_that_is_needed_is_exit_code_6_and_best_effort_goes_up_to_it() {
    let test = "a_damaged_log_that_is_needed_is_exit_code_6_and_best_effort_goes_up_to_it";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let directory = temp_dir();
    copy_set(&samples.set(CRASH), directory.path());
    let log = directory.path().join("edb0000000A.log");
    for offset in [20_000, 20_010, 21_000] {
        flip_bit(&log, offset, 0);
    }
    let refused = recovered(directory.path()).try_mount().unwrap_err().exits(6);
    refused.complains("edb0000000A.log").complains("--best-effort");
    let mount = recovered(directory.path()).arg("--best-effort").mount();
    let shortfalls = mount.status()["recovered"]["shortfalls"].to_string();
    assert!(shortfalls.contains("edb0000000A.log"), "{shortfalls}");
    mount.umount().succeeds();
}

#[test]
fn damage_in_an_unchanged_page_is_repaired_or_refused_and_reported() {
    let test = "damage_in_an_unchanged_page_is_repaired_or_refused_and_reported";
    let Some(samples) = Samples::find(test) else {
        return;
    };
    let directory = temp_dir();
    copy_set(&samples.set("srum-win10-dirty"), directory.path());
    let path = directory.path().join("SRUDB.dat");
    let (size, pgno) = (
        open(&path).page_size().bytes(),
        unchanged_page(&path, directory.path()),
    );
    let good = fs::read(recovered(directory.path()).mount().file("SRUDB.dat")).unwrap();
    let at = (pgno as usize + 1) * size;
    flip_bit(&path, (at + 1000) as u64, 0);
    let mount = recovered(directory.path()).mount();
    assert!(fs::read(mount.file("SRUDB.dat")).unwrap() == good);
    assert_eq!(mount.status()["findings"][0]["outcome"], "repaired");
    mount.umount().succeeds();
    flip_bit(&path, (at + 1001) as u64, 0);
    let mount = recovered(directory.path()).mount();
    let file = File::open(mount.file("SRUDB.dat")).unwrap();
    let error = file.read_exact_at(&mut vec![0; size], at as u64).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::errno::Errno::EIO as i32));
    drop(file);
    assert_eq!(mount.status()["findings"][0]["page"], pgno);
    mount.umount().exits(6);
}

/// A page that recovery neither changes nor reads: the last one that is the same before and after.
fn unchanged_page(path: &Path, set: &Path) -> u32 {
    let before = fs::read(path).unwrap();
    let mount = recovered(set).mount();
    let after = fs::read(mount.file("SRUDB.dat")).unwrap();
    mount.umount().succeeds();
    let database = open(path);
    let size = database.page_size().bytes();
    let page = |bytes: &[u8], pgno: u32| bytes[(pgno as usize + 1) * size..][..size].to_vec();
    let last = database.last_owned_page().unwrap();
    (1..=last)
        .rev()
        .find(|&pgno| {
            let shown = page(&after, pgno);
            shown == page(&before, pgno) && shown.iter().any(|byte| *byte != 0)
        })
        .unwrap()
}

#[test]
fn a_source_that_is_written_while_mounted_gives_errors() {
    let Some(samples) = Samples::find("a_source_that_is_written_while_mounted_gives_errors") else {
        return;
    };
    let directory = temp_dir();
    copy_set(&samples.set("srum-win10-dirty"), directory.path());
    let path = directory.path().join("SRUDB.dat");
    let mount = recovered(directory.path()).mount();
    let file = File::open(mount.file("SRUDB.dat")).unwrap();
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all_at(b"x", 900_000)
        .unwrap();
    let mut whole = vec![0; fs::read(&path).unwrap().len() / 2];
    let error = file.read_exact_at(&mut whole, 0).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::errno::Errno::EIO as i32));
    drop(file);
    mount.umount().exits(6);
}

#[test]
fn recover_in_place_is_refused_while_the_view_is_mounted() {
    let Some(samples) = Samples::find("recover_in_place_is_refused_while_the_view_is_mounted") else {
        return;
    };
    let directory = temp_dir();
    copy_set(&samples.set(CRASH), directory.path());
    let mount = recovered(directory.path()).mount();
    run(jetfs().arg("recover").arg(directory.path())).exits(4);
    mount.umount().succeeds();
    let unlocked = recovered(directory.path()).arg("--no-lock").mount();
    run(jetfs().arg("recover").arg(directory.path())).succeeds();
    drop(unlocked);
}

#[test]
fn options_that_need_the_recovered_view_are_usage_errors_without_it() {
    let Some(samples) = Samples::find("options_that_need_the_recovered_view_are_usage_errors_without_it")
    else {
        return;
    };
    let set = samples.set("qmgr-win10");
    for option in [["-o", "best_effort"], ["--memory", "1M"], ["--temp-dir", "/tmp"]] {
        let options = MountOptions::new(&set.dir).arg(option[0]).arg(option[1]);
        options
            .try_mount()
            .unwrap_err()
            .exits(2)
            .complains("needs --recovered");
    }
    let options = recovered(&set.dir).arg("-o").arg("trust_source");
    options
        .try_mount()
        .unwrap_err()
        .exits(2)
        .complains("exclude each other");
    recovered(&set.dir)
        .arg("--memory=many")
        .try_mount()
        .unwrap_err()
        .exits(2);
}

#[test]
fn ctrl_c_during_the_replay_leaves_no_mount_and_no_process() {
    let Some(samples) = Samples::find("ctrl_c_during_the_replay_leaves_no_mount_and_no_process") else {
        return;
    };
    let set = samples.set("genuine-4k.mid.tar.xz/mid");
    let directory = temp_dir();
    let point: PathBuf = directory.path().join("mnt");
    fs::create_dir(&point).unwrap();
    let mut interrupted = 0;
    for delay in [0, 0, 0, 0, 0, 1, 2, 4, 8, 16] {
        let mut launcher = std::process::Command::new(env!("CARGO_BIN_EXE_jetfs"))
            .args(["mount", "--recovered"])
            .args([&set.dir, &point])
            .env("XDG_RUNTIME_DIR", directory.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mount_process = only_child(&mut launcher);
        thread::sleep(Duration::from_millis(delay));
        // Stopped, it cannot be done before the launcher is gone.
        if let Some(pid) = mount_process {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP);
        }
        let _ = nix::sys::signal::kill(process_id(&launcher), nix::sys::signal::Signal::SIGINT);
        let status = launcher.wait().unwrap();
        if let Some(pid) = mount_process {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT);
        }
        if status.success() {
            run(program("umount").arg(&point)).succeeds();
            continue;
        }
        interrupted += 1;
        assert!(daemon_is_gone(&point), "the mount process goes on");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(point.to_str().unwrap()));
    }
    println!("{interrupted} of 10 interrupted");
    assert!(interrupted > 0);
}

fn process_id(process: &std::process::Child) -> nix::unistd::Pid {
    nix::unistd::Pid::from_raw(i32::try_from(process.id()).unwrap())
}

/// Waits until the launcher has started the mount process, and this its own program (the launcher sleeps so long, and
/// hears no signal); `None` if the launcher ended before that was seen.
fn only_child(launcher: &mut std::process::Child) -> Option<nix::unistd::Pid> {
    let children = format!("/proc/{0}/task/{0}/children", launcher.id());
    while launcher.try_wait().unwrap().is_none() {
        let pid = fs::read_to_string(&children).unwrap_or_default();
        let Some(pid) = pid.split_whitespace().next() else {
            continue;
        };
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if arguments.windows(6).any(|window| window == b"daemon") {
            return Some(nix::unistd::Pid::from_raw(pid.parse().unwrap()));
        }
    }
    None
}

/// Waits until no process has this mount point in its state: that of a mount process holds its set locked.
fn daemon_is_gone(point: &Path) -> bool {
    let state = point.parent().unwrap();
    for _ in 0..200 {
        let own = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let entry = entry.ok()?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let environment = fs::read(entry.path().join("environ")).ok()?;
            let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
            (has(&line, b"daemon") && has(&environment, state.to_str()?.as_bytes())).then_some(())
        });
        if own.count() == 0 {
            return true;
        }
        thread::sleep(Duration::from_millis(50));
    }
    false
}
