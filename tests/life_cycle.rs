//! The life of a mount: its beginning, its end, and every way in which it can go wrong in between.
#![cfg(test)]

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "small numbers of the test's own"
)]
#[path = "support/random_tables.rs"]
mod random_tables;
#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::format::{LogTime, PageSize};
use jetfs::io::RealFileSystem;
use jetfs::store::bulk_load::{BulkLoad, BulkLoadOptions};
use random_tables::random_tables;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::{Ended, Mount, MountOptions, fingerprint, flip_bit, jetfs, program, run, temp_dir};
use tempfile::TempDir;

/// A directory with one database of some MiB.
fn source() -> TempDir {
    let directory = temp_dir();
    let options = BulkLoadOptions {
        page_size: PageSize::Kib4,
        time: LogTime::utc(2026, 11, 24, 12, 0, 0, 0),
        seed: 7,
    };
    let path = directory.path().join("a.edb");
    let mut load = BulkLoad::create(&RealFileSystem, &path, options).unwrap();
    for table in random_tables(2, 4, 3000) {
        load.table(&table.schema, table.rows.iter().cloned()).unwrap();
    }
    load.finish().unwrap();
    directory
}

fn status_of(point: &Path) -> serde_json::Value {
    run(jetfs().args(["--json", "status"]).arg(point))
        .succeeds()
        .json()
}

/// The process behind a mount.
fn pid_of(mount: &Mount) -> u64 {
    status_of(mount.path())["pid"].as_u64().unwrap()
}

fn send(signal: &str, pid: u64) {
    run(program("kill").arg(signal).arg(pid.to_string())).succeeds();
}

fn umount(point: &Path) -> Ended {
    run(jetfs().arg("umount").arg(point))
}

/// Waits until the mount process has ended, whether or not somebody has asked for its exit code.
#[track_caller]
fn gone(pid: u64) {
    let stat = || fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    wait_until(|| {
        let stat = stat();
        stat.is_empty() || stat.contains(") Z ")
    });
}

#[track_caller]
fn wait_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain");
        sleep(Duration::from_millis(5));
    }
}

/// Something that is stopped when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn mounting_says_what_is_mounted_where_and_umount_how_it_ended() {
    let source = source();
    let mount = Mount::of(source.path());
    let log = mount.log();
    assert!(log.contains("mounted 1 database of "), "{log}");
    assert!(log.contains(mount.path().to_str().unwrap()), "{log}");
    mount.umount().succeeds().complains("ended");
}

#[test]
fn mounting_twice_on_one_directory_is_refused_and_changes_nothing() {
    let source = source();
    let mount = Mount::of(source.path());
    let again = run(jetfs().arg("mount").arg(source.path()).arg(mount.path()));
    again
        .exits(4)
        .complains("is a jetfs mount already")
        .complains("jetfs umount");
    assert!(fs::read(mount.file("a.edb")).is_ok());
}

#[test]
fn one_source_can_be_mounted_twice_in_different_places() {
    let source = source();
    let (first, second) = (Mount::of(source.path()), Mount::of(source.path()));
    let inode = |mount: &Mount| fs::metadata(mount.file("a.edb")).unwrap().ino();
    assert_eq!(inode(&first), inode(&second));
    assert!(fs::read(first.file("a.edb")).unwrap() == fs::read(second.file("a.edb")).unwrap());
}

#[test]
fn a_mount_point_that_is_missing_no_directory_or_not_empty_is_refused() {
    let source = source();
    let other = temp_dir();
    fs::write(other.path().join("file"), "x").unwrap();
    let try_on = |point: &Path| run(jetfs().arg("mount").arg(source.path()).arg(point));
    try_on(&other.path().join("missing"))
        .exits(3)
        .complains("does not exist");
    try_on(&other.path().join("file"))
        .exits(3)
        .complains("is not a directory");
    try_on(other.path()).exits(3).complains("is not empty");
}

#[test]
fn source_and_mount_point_must_not_contain_each_other() {
    let source = source();
    let inner = source.path().join("mnt");
    fs::create_dir(&inner).unwrap();
    let inside = run(jetfs().arg("mount").arg(source.path()).arg(&inner));
    inside.exits(3).complains("lies below the source");
    // The same through a link.
    let links = temp_dir();
    symlink(source.path(), links.path().join("source")).unwrap();
    run(jetfs().arg("mount").arg(links.path().join("source")).arg(&inner)).exits(3);
    let own = run(jetfs().arg("mount").arg(&inner).arg(&inner));
    own.exits(3).complains("lies below");
}

#[test]
fn a_source_that_is_missing_or_holds_nothing_is_an_error() {
    let empty = temp_dir();
    MountOptions::new(&empty.path().join("missing"))
        .try_mount()
        .unwrap_err()
        .fails();
    MountOptions::new(empty.path())
        .try_mount()
        .unwrap_err()
        .fails()
        .complains("no ESE file");
}

#[test]
fn a_database_whose_two_headers_are_broken_is_not_mounted() {
    let source = source();
    let path = source.path().join("a.edb");
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[0x55; 64], 100).unwrap();
    file.write_all_at(&[0x55; 64], 4096 + 100).unwrap();
    MountOptions::new(source.path())
        .try_mount()
        .unwrap_err()
        .exits(6)
        .complains("JET_err");
    drop(MountOptions::new(source.path()).arg("--allow-damaged").mount());
}

#[test]
fn umount_with_an_open_file_is_busy_names_the_reader_and_changes_nothing() {
    let source = source();
    let mount = Mount::of(source.path());
    let mut open = File::open(mount.file("a.edb")).unwrap();
    umount(mount.path())
        .exits(4)
        .complains("in use by")
        .complains(&std::process::id().to_string());
    assert!(mount.is_mounted());
    let mut bytes = Vec::new();
    open.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, fs::read(source.path().join("a.edb")).unwrap());
    drop(open);
    umount(mount.path()).succeeds();
    assert!(!mount.is_mounted());
}

#[test]
fn umount_of_something_else_is_refused() {
    let other = temp_dir();
    umount(other.path()).exits(3).complains("is not a jetfs mount");
    umount(&other.path().join("missing")).exits(3);
    umount(Path::new("/proc")).exits(3);
}

#[test]
fn after_a_plain_umount_the_state_file_tells_the_outcome() {
    let source = source();
    let mount = Mount::of(source.path());
    let last = |arguments: &[&str]| {
        run(jetfs()
            .args(["status", "--last"])
            .arg(mount.path())
            .args(arguments))
    };
    last(&[]).succeeds().complains("still mounted");
    run(program("umount").arg(mount.path())).succeeds();
    last(&["--wait"]).succeeds().complains("ended");
    let json = run(jetfs().args(["--json", "status", "--last"]).arg(mount.path()))
        .succeeds()
        .json();
    assert_eq!(json["outcome"]["exit"], "done");
}

#[test]
fn sigterm_unmounts_and_ends_the_backup() {
    let source = source();
    let mount = Mount::of(source.path());
    let pid = pid_of(&mount);
    send("-TERM", pid);
    gone(pid);
    assert!(!mount.is_mounted());
    run(jetfs().args(["status", "--last"]).arg(mount.path())).succeeds();
}

#[test]
fn sigterm_with_open_files_gives_their_readers_errors_and_counts_as_aborted() {
    let source = source();
    let mount = Mount::of(source.path());
    let pid = pid_of(&mount);
    let open = File::open(mount.file("a.edb")).unwrap();
    send("-TERM", pid);
    gone(pid);
    assert!(!mount.is_mounted());
    // Nothing of it was read before, so the kernel has nothing to answer with.
    assert!(open.read_at(&mut [0; 4096], 0).is_err());
    run(jetfs().args(["status", "--last"]).arg(mount.path()))
        .exits(5)
        .complains("aborted");
}

#[test]
fn after_kill_9_readers_get_errors_and_umount_cleans_up() {
    let source = source();
    let mount = Mount::of(source.path());
    let pid = pid_of(&mount);
    let open = File::open(mount.file("a.edb")).unwrap();
    send("-KILL", pid);
    gone(pid);
    // A dead mount must never look like an empty directory.
    assert!(fs::read_dir(mount.path()).is_err());
    assert!(fs::read(mount.file("a.edb")).is_err());
    assert!(open.read_at(&mut [0; 4096], 0).is_err());
    run(jetfs().arg("status")).succeeds();
    run(jetfs().arg("status").arg(mount.path())).exits(5);
    let again = run(jetfs().arg("mount").arg(source.path()).arg(mount.path()));
    again.exits(4).complains("dead").complains("jetfs umount");
    // Also while somebody still has a file of it open.
    umount(mount.path()).exits(5).complains("died");
    assert!(!mount.is_mounted());
    run(jetfs().arg("mount").arg(source.path()).arg(mount.path())).succeeds();
    umount(mount.path()).succeeds();
}

#[test]
fn rsync_delete_deletes_nothing_when_the_mount_dies() {
    let source = source();
    let mount = Mount::of(source.path());
    let pid = pid_of(&mount);
    let copy = temp_dir();
    fs::write(copy.path().join("old.edb"), "an earlier backup").unwrap();
    let from = format!("{}/", mount.path().display());
    let mut rsync = Command::new("rsync");
    rsync
        .args(["-a", "--delete-after", "--bwlimit=1000", &from])
        .arg(copy.path());
    rsync.stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = rsync.spawn() else {
        support::skip(
            "rsync_delete_deletes_nothing_when_the_mount_dies",
            "rsync is missing",
        );
        return;
    };
    let mut rsync = Running(child);
    // Wait for the temporary file, so that it dies in the middle.
    wait_until(|| fs::read_dir(copy.path()).unwrap().count() > 1);
    send("-KILL", pid);
    // What rsync has read ahead it may still write; then it comes to the dead mount.
    let status = rsync.0.wait().unwrap();
    assert!(!status.success());
    let begun_dead = run(program("rsync").args(["-a", "--delete", &from]).arg(copy.path()));
    assert!(!begun_dead.fails().stderr.is_empty());
    assert!(copy.path().join("old.edb").exists(), "rsync ended with {status}");
    umount(mount.path()).exits(5);
}

#[test]
fn writes_of_every_kind_fail_with_erofs() {
    let source = source();
    let before = fingerprint(source.path());
    let mount = Mount::of(source.path());
    let (file, new) = (mount.file("a.edb"), mount.file("new"));
    let attempts: Vec<(&str, io::Result<()>)> = vec![
        (
            "open for writing",
            OpenOptions::new().write(true).open(&file).map(drop),
        ),
        (
            "open for both",
            OpenOptions::new().read(true).write(true).open(&file).map(drop),
        ),
        ("append", OpenOptions::new().append(true).open(&file).map(drop)),
        (
            "truncate",
            OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(&file)
                .map(drop),
        ),
        ("create", File::create(&new).map(drop)),
        ("mkdir", fs::create_dir(&new)),
        ("unlink", fs::remove_file(&file)),
        ("rmdir", fs::remove_dir(mount.file(".jetfs"))),
        ("rename", fs::rename(&file, &new)),
        ("link", fs::hard_link(&file, &new)),
        ("symlink", symlink(&file, &new)),
        (
            "chmod",
            fs::set_permissions(&file, PermissionsExt::from_mode(0o777)),
        ),
        ("chown", std::os::unix::fs::chown(&file, Some(1), Some(1))),
        (
            "set times",
            File::open(&file).and_then(|file| file.set_modified(std::time::UNIX_EPOCH)),
        ),
        (
            "mkfifo",
            nix::unistd::mkfifo(&new, nix::sys::stat::Mode::S_IRWXU).map_err(Into::into),
        ),
        (
            "create in .jetfs",
            File::create(mount.file(".jetfs/new")).map(drop),
        ),
        (
            "write status",
            OpenOptions::new()
                .write(true)
                .open(mount.file(".jetfs/status.json"))
                .map(drop),
        ),
    ];
    for (what, result) in attempts {
        let number = result.err().and_then(|error| error.raw_os_error());
        assert_eq!(number, Some(nix::errno::Errno::EROFS as i32), "{what}");
    }
    drop(mount);
    assert_eq!(before, fingerprint(source.path()));
}

#[test]
fn the_status_tells_progress_and_the_hidden_directory_is_not_listed() {
    let source = source();
    let mount = Mount::of(source.path());
    assert_eq!(mount.status()["files"][0]["delivered"], 0);
    fs::read(mount.file("a.edb")).unwrap();
    let status = mount.status();
    assert_eq!(status["state"], "frozen");
    assert_eq!(status["files"][0]["name"], "a.edb");
    assert_eq!(status["files"][0]["complete"], true);
    let names: Vec<_> = fs::read_dir(mount.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["a.edb", "backup.json"]);
    let metrics = fs::read_to_string(mount.file(".jetfs/metrics")).unwrap();
    assert!(metrics.contains("jetfs_pages_verified_total"), "{metrics}");
    // The status of all mounts has this one, for people and for scripts.
    run(jetfs().arg("status")).succeeds();
    let all = run(jetfs().args(["--json", "status"])).succeeds().json();
    let own = all
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["mount_point"] == mount.path().to_str().unwrap());
    assert_eq!(own.unwrap()["status"]["files"][0]["complete"], true);
}

#[test]
fn extended_attributes_tell_role_path_and_verification() {
    let test = "extended_attributes_tell_role_path_and_verification";
    let Some(mut python) = support::python(test, "os") else {
        return;
    };
    let source = source();
    let mount = Mount::of(source.path());
    fs::read(mount.file("a.edb")).unwrap();
    let script = "import os, sys; p = sys.argv[1]\n\
                  for n in sorted(os.listxattr(p)): print(n, os.getxattr(p, n).decode())\n\
                  try: os.setxattr(p, 'user.x', b'y')\n\
                  except OSError as e: print(e.errno)";
    let told = run(python.args(["-c", script]).arg(mount.file("a.edb")))
        .succeeds()
        .stdout;
    let lines: Vec<&str> = told.lines().collect();
    let path = format!("user.jetfs.path {}", source.path().join("a.edb").display());
    let role = "user.jetfs.role database";
    assert_eq!(
        lines,
        [
            &path,
            role,
            "user.jetfs.state frozen",
            "user.jetfs.verified complete",
            "30"
        ]
    );
}

#[test]
fn refused_damage_is_eio_reported_and_the_exit_code_of_umount() {
    let source = source();
    let path = source.path().join("a.edb");
    let page = 10u64;
    flip_bit(&path, (page + 1) * 4096 + 200, 3);
    flip_bit(&path, (page + 1) * 4096 + 900, 5);
    let mount = Mount::of(source.path());
    let file = File::open(mount.file("a.edb")).unwrap();
    let error = file.read_at(&mut [0; 4096], (page + 1) * 4096).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(nix::errno::Errno::EIO as i32));
    // The neighbours of the page are as good as ever.
    let plain = fs::read(&path).unwrap();
    for good in [page - 1, page + 1] {
        let at = (good + 1) * 4096;
        let mut bytes = [0; 4096];
        file.read_exact_at(&mut bytes, at).unwrap();
        let skip = usize::try_from(at).unwrap();
        assert!(bytes[..] == plain[skip..skip + 4096]);
    }
    drop(file);
    let finding = mount.status()["findings"][0].clone();
    assert_eq!(
        (finding["page"].as_u64(), finding["outcome"].as_str()),
        (Some(page), Some("refused"))
    );
    mount.umount().exits(6).complains("damaged");
}

#[test]
fn options_of_mount_8_work_without_a_subcommand() {
    let source = source();
    let point = temp_dir();
    let mut command = jetfs();
    command
        .arg(source.path())
        .arg(point.path())
        .args(["-o", "rw,nosuid,allow_other,mode=444,uid=12,gid=34"]);
    run(&mut command).succeeds();
    let metadata = fs::metadata(point.path().join("a.edb")).unwrap();
    let directory = fs::metadata(point.path()).unwrap();
    umount(point.path()).succeeds();
    assert_eq!(
        (metadata.uid(), metadata.gid(), metadata.mode() & 0o7777),
        (12, 34, 0o444)
    );
    assert_eq!(directory.mode() & 0o7777, 0o555);
}

#[test]
fn only_the_mounting_user_may_read_by_default() {
    let source = source();
    let mount = Mount::of(source.path());
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    assert_eq!((mode(&mount.file("a.edb")), mode(mount.path())), (0o400, 0o500));
}

#[test]
fn in_the_foreground_it_serves_until_sigterm_and_tells_systemd() {
    let source = source();
    let place = temp_dir();
    let point = place.path().join("mnt");
    fs::create_dir(&point).unwrap();
    let socket = place.path().join("notify");
    let listener = std::os::unix::net::UnixDatagram::bind(&socket).unwrap();
    listener.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_jetfs"));
    command
        .args(["mount", "--foreground", "--quiet"])
        .arg(source.path())
        .arg(&point);
    command.env("NOTIFY_SOCKET", &socket).stderr(Stdio::null());
    let mut foreground = Running(command.spawn().unwrap());
    let mut message = [0; 32];
    let len = listener.recv(&mut message).unwrap();
    assert_eq!(&message[..len], b"READY=1");
    assert!(fs::read(point.join("a.edb")).is_ok());
    send("-TERM", u64::from(foreground.0.id()));
    assert!(foreground.0.wait().unwrap().success());
    assert_eq!(fs::read_dir(&point).unwrap().count(), 0);
}

#[test]
fn a_log_file_has_what_readers_were_refused() {
    let source = source();
    let path = source.path().join("a.edb");
    flip_bit(&path, 9 * 4096 + 200, 0);
    flip_bit(&path, 9 * 4096 + 900, 0);
    let log = source.path().with_extension("log");
    let mount = MountOptions::new(source.path())
        .arg("--log-file")
        .arg(&log)
        .mount();
    assert!(fs::read(mount.file("a.edb")).is_err());
    let text = fs::read_to_string(&log).unwrap();
    fs::remove_file(&log).unwrap();
    assert!(
        text.contains("JET_errReadVerifyFailure") && text.contains("page 8"),
        "{text}"
    );
}

#[test]
fn a_trusted_source_is_verified_once_and_delivers_the_same_bytes() {
    let source = source();
    let mount = MountOptions::new(source.path()).arg("--trust-source").mount();
    let plain = fs::read(source.path().join("a.edb")).unwrap();
    let (mut first, second) = (
        File::open(mount.file("a.edb")).unwrap(),
        fs::read(mount.file("a.edb")).unwrap(),
    );
    let mut bytes = Vec::new();
    first.read_to_end(&mut bytes).unwrap();
    assert!(bytes == plain && second == plain);
    assert_eq!(mount.status()["files"][0]["verified"], true);
    drop(first);
    mount.umount().succeeds();
}

#[test]
fn a_trusted_source_with_damage_is_read_as_any_other() {
    let source = source();
    let path = source.path().join("a.edb");
    let plain = fs::read(&path).unwrap();
    flip_bit(&path, 9 * 4096 + 200, 0);
    let mount = MountOptions::new(source.path()).arg("--trust-source").mount();
    assert!(fs::read(mount.file("a.edb")).unwrap() == plain, "repaired");
    assert_eq!(mount.status()["findings"][0]["outcome"], "repaired");
    flip_bit(&path, 9 * 4096 + 900, 5);
    // It changed since the mount.
    drop(mount);
    let mount = MountOptions::new(source.path()).arg("--trust-source").mount();
    assert!(fs::read(mount.file("a.edb")).is_err());
    mount.umount().exits(6);
}

#[test]
fn memory_stays_bounded_while_many_read() {
    let source = source();
    let mount = Mount::of(source.path());
    let pid = pid_of(&mount);
    let path: PathBuf = mount.file("a.edb");
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..5 {
                    assert!(!fs::read(&path).unwrap().is_empty());
                }
            });
        }
    });
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let anonymous = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    let kib: u64 = anonymous.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kib < 64 << 10, "{kib} KiB");
}

#[test]
fn bad_options_are_usage_errors() {
    let source = source();
    let point = temp_dir();
    let with = |arguments: &[&str]| {
        run(jetfs()
            .arg("mount")
            .args(arguments)
            .arg(source.path())
            .arg(point.path()))
    };
    with(&["-o", "allow_othr"]).exits(2).complains("allow_othr");
    with(&["--permissions", "666"]).exits(2);
    with(&["--mode", "666"]).exits(2);
    with(&["--mode", "torrent"]).exits(2);
    with(&["--no-such-option"]).exits(2);
    run(jetfs().arg("mount").arg(source.path())).exits(2);
}
