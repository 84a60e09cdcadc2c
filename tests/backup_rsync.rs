//! `scripts/backup-rsync.sh` run for real: when all is well, and when something goes wrong in the middle.
//!
//! Its promise: exit code 0 means a verified copy; whatever goes wrong, nothing is deleted from the copy, nothing
//! stays mounted, and the source is untouched. What goes wrong is done by a stand-in for rsync, which does its
//! damage and then calls the real one.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{
    Ended, Samples, copy_set, fingerprint, jetfs, names_in, program, run, shell, skip, temp_dir,
    workspace_root,
};
use tempfile::TempDir;

/// A source to back up, a destination, and room for stand-ins and mount points.
struct Backup {
    source: TempDir,
    dest: TempDir,
    work: TempDir,
}

impl Backup {
    fn of(samples: &Samples, set: &str) -> Backup {
        let backup = Backup {
            source: temp_dir(),
            dest: temp_dir(),
            work: temp_dir(),
        };
        copy_set(&samples.set(set), backup.source.path());
        backup
    }

    /// The destination holds an earlier backup with a file that the source no longer has.
    fn with_earlier_backup(self) -> Backup {
        self.run(&[]).succeeds();
        fs::write(self.dest.path().join("edb0000FFFF.log"), "of the earlier backup").unwrap();
        self
    }

    fn script() -> PathBuf {
        workspace_root().join("scripts/backup-rsync.sh")
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = program(Self::script());
        command
            .args(options)
            .arg(self.source.path())
            .arg(self.dest.path());
        command
            .env("JETFS", env!("CARGO_BIN_EXE_jetfs"))
            .env("TMPDIR", self.work.path());
        command
    }

    /// Runs the script; checks what must be true however it ends.
    fn run(&self, options: &[&str]) -> Ended {
        self.run_with(&mut self.command(options))
    }

    fn run_with(&self, command: &mut Command) -> Ended {
        let before = fingerprint(self.source.path());
        let ended = run(command);
        assert_eq!(
            fingerprint(self.source.path()),
            before,
            "the source was written to: {ended}"
        );
        self.assert_cleaned_up();
        ended
    }

    fn assert_cleaned_up(&self) {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let work = self.work.path().to_str().unwrap();
        let left: Vec<&str> = mounts.lines().filter(|line| line.contains(work)).collect();
        let lazily: Vec<_> = left
            .iter()
            .map(|line| shell("umount -l \"$1\"", line.split(' ').nth(4)))
            .collect();
        assert!(left.is_empty(), "left mounted: {left:?} {lazily:?}");
        let directories: Vec<String> = names_in(self.work.path())
            .into_iter()
            .filter(|name| name.starts_with("jetfs-"))
            .collect();
        assert!(directories.is_empty(), "left behind: {directories:?}");
    }

    /// A stand-in for rsync that first runs `script` in the mount, where `$real` is rsync. `--help` is rsync's own.
    fn instead_of_rsync(&self, script: &str) -> Command {
        let path = self.work.path().join("rsync");
        let head = "#!/bin/bash\nreal=$(type -P rsync)\n[ \"$1\" != --help ] || exec \"$real\" --help\n";
        let tail = "\nexec \"$real\" \"$@\"\n";
        fs::write(&path, format!("{head}{script}{tail}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = self.command(&[]);
        command.env("RSYNC", path);
        command
    }

    fn assert_nothing_was_deleted(&self) {
        let names = names_in(self.dest.path());
        assert!(names.contains(&"edb0000FFFF.log".to_owned()), "{names:?}");
        assert!(names.contains(&"test.edb".to_owned()), "{names:?}");
        assert!(
            !names.contains(&"backup.json".to_owned()),
            "it is no complete set: {names:?}"
        );
    }

    fn assert_copied(&self) {
        for name in names_in(self.source.path()) {
            let copied = fs::read(self.dest.path().join(&name)).unwrap();
            assert!(
                copied == fs::read(self.source.path().join(&name)).unwrap(),
                "{name}"
            );
        }
    }
}

#[test]
fn a_backup_is_a_verified_copy_and_the_next_one_follows_the_source() {
    let Some(samples) = Samples::find("a_backup_is_a_verified_copy") else {
        return;
    };
    let backup = Backup::of(&samples, "genuine-4k/clean").with_earlier_backup();
    backup.assert_copied();
    let ended = backup.run(&[]).succeeds();
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        ("", ""),
        "quiet when all is well"
    );
    assert!(
        !backup.dest.path().join("edb0000FFFF.log").exists(),
        "what the source no longer has is deleted"
    );
    backup.assert_copied();
    let mut wanted = names_in(backup.source.path());
    wanted.push("backup.json".into());
    wanted.sort();
    assert_eq!(names_in(backup.dest.path()), wanted);
    run(jetfs().arg("verify").arg(backup.dest.path())).succeeds();
}

#[test]
fn a_wrong_command_line_is_2_and_help_is_complete() {
    let help = run(program(Backup::script()).arg("--help")).succeeds();
    for option in [
        "--mount-option",
        "--rsync-option",
        "--no-verify",
        "--verbose",
        "Exit codes",
    ] {
        assert!(help.stdout.contains(option), "{option} is not in the help");
    }
    run(&mut program(Backup::script())).exits(2).complains("Usage");
    run(program(Backup::script()).args(["--no-such-option", "a", "b"]))
        .exits(2)
        .complains("--no-such-option");
}

#[test]
fn a_destination_inside_of_the_source_is_refused() {
    let Some(samples) = Samples::find("a_destination_inside") else {
        return;
    };
    let mut backup = Backup::of(&samples, "esedb-4k");
    backup.dest = tempfile::tempdir_in(backup.source.path()).unwrap();
    backup.run(&[]).exits(3).complains("inside");
    let missing = run(program(Backup::script()).args(["/no/such/source", "/no/such/dest"]));
    assert_ne!(missing.code, Some(0));
    assert!(!Path::new("/no/such").exists(), "nothing is created for it");
}

#[test]
fn a_destination_that_is_no_backup_is_left_alone() {
    let Some(samples) = Samples::find("a_destination_that_is_no_backup") else {
        return;
    };
    let backup = Backup::of(&samples, "esedb-4k");
    fs::write(backup.dest.path().join("letter.txt"), "Dear").unwrap();
    backup.run(&[]).exits(3).complains("no backup");
    assert_eq!(names_in(backup.dest.path()), ["letter.txt"]);
}

#[test]
fn a_copy_that_was_cut_off_has_no_manifest_and_the_next_run_completes_it() {
    let Some(samples) = Samples::find("a_copy_that_was_cut_off") else {
        return;
    };
    let backup = Backup::of(&samples, "esedb-4k");
    let mut command = backup.instead_of_rsync("\"$real\" --exclude=text.edb \"$@\"; exit 12");
    backup
        .run_with(&mut command)
        .exits(1)
        .complains("rsync ended with 12");
    assert!(!backup.dest.path().join("backup.json").exists());
    assert!(backup.dest.path().join("basic.edb").exists());
    backup.run(&[]).succeeds();
    backup.assert_copied();
}

/// A stand-in's line that kills the mount's process.
const KILL_THE_MOUNT: &str = "kill -9 \"$(\"$JETFS\" status --json \"$PWD\" | sed -n 's/^  \"pid\": \\([0-9]*\\),.*/\\1/p')\"; sleep 0.2";

#[test]
fn a_mount_that_dies_before_the_copy_deletes_nothing() {
    let Some(samples) = Samples::find("a_mount_that_dies_before_the_copy") else {
        return;
    };
    let backup = Backup::of(&samples, "genuine-4k/clean").with_earlier_backup();
    let mut command = backup.instead_of_rsync(KILL_THE_MOUNT);
    backup.run_with(&mut command).exits(5);
    backup.assert_nothing_was_deleted();
}

#[test]
fn a_mount_that_dies_before_the_deletion_deletes_nothing() {
    let Some(samples) = Samples::find("a_mount_that_dies_before_the_deletion") else {
        return;
    };
    let backup = Backup::of(&samples, "genuine-4k/clean").with_earlier_backup();
    let on_deletion = format!("case \"$*\" in *--delete*) {KILL_THE_MOUNT} ;; esac");
    let mut command = backup.instead_of_rsync(&on_deletion);
    backup.run_with(&mut command).exits(5);
    backup.assert_nothing_was_deleted();
}

#[test]
fn a_mount_that_somebody_unmounts_before_the_deletion_deletes_nothing() {
    let Some(samples) = Samples::find("a_mount_that_somebody_unmounts") else {
        return;
    };
    if shell("unshare --mount true", [""]).code != Some(0) {
        return skip("a_mount_that_somebody_unmounts", "needs root");
    }
    let backup = Backup::of(&samples, "genuine-4k/clean").with_earlier_backup();
    // Below the mount point there is an empty directory: exactly what --delete must not see.
    let script = "case \"$*\" in *--delete*) umount --lazy \"$PWD\"; sleep 0.2 ;; esac";
    let mut command = backup.instead_of_rsync(script);
    let ended = backup.run_with(&mut command);
    assert_ne!(ended.code, Some(124), "{ended}");
    let names = names_in(backup.dest.path());
    assert!(
        names.contains(&"test.edb".to_owned()) && names.contains(&"edb00000001.log".to_owned()),
        "{names:?}"
    );
}

#[test]
fn a_full_destination_fails_and_leaves_the_earlier_files() {
    let Some(samples) = Samples::find("a_full_destination") else {
        return;
    };
    let backup = Backup::of(&samples, "genuine-4k/clean");
    if shell("mount -t tmpfs -o size=2m none \"$1\"", [backup.dest.path()]).code != Some(0) {
        return skip("a_full_destination", "needs root");
    }
    fs::write(backup.dest.path().join("backup.json"), "{}").unwrap();
    fs::write(
        backup.dest.path().join("edb0000FFFF.log"),
        "of the earlier backup",
    )
    .unwrap();
    let ended = backup.run(&[]);
    let kept = backup.dest.path().join("edb0000FFFF.log").exists();
    shell("umount \"$1\"", [backup.dest.path()]).succeeds();
    ended.exits(1).complains("No space left");
    assert!(kept);
}

#[test]
fn a_damaged_source_is_6_and_deletes_nothing() {
    let Some(samples) = Samples::find("a_damaged_source") else {
        return;
    };
    let backup = Backup::of(&samples, "genuine-4k/clean").with_earlier_backup();
    let database = backup.source.path().join("test.edb");
    support::flip_bit(&database, 40 * 4096 + 1000, 1);
    support::flip_bit(&database, 40 * 4096 + 1007, 2);
    backup.run(&[]).exits(6);
    backup.assert_nothing_was_deleted();
}

#[test]
fn a_repaired_bit_gives_a_copy_better_than_its_source() {
    let Some(samples) = Samples::find("a_repaired_bit") else {
        return;
    };
    let backup = Backup::of(&samples, "genuine-4k/clean");
    let database = backup.source.path().join("test.edb");
    let sound = fs::read(&database).unwrap();
    support::flip_bit(&database, 40 * 4096 + 1000, 1);
    backup.run(&[]).succeeds();
    assert!(fs::read(backup.dest.path().join("test.edb")).unwrap() == sound);
}

#[test]
fn damage_on_the_way_to_the_destination_is_found_by_the_verification() {
    let Some(samples) = Samples::find("damage_on_the_way") else {
        return;
    };
    let backup = Backup::of(&samples, "genuine-4k/clean");
    let script = format!(
        "\"$real\" \"$@\"; printf ruin | dd of={:?} bs=1 seek=200000 conv=notrunc status=none; exit 0",
        backup.dest.path().join("test.edb")
    );
    let mut command = backup.instead_of_rsync(&script);
    backup
        .run_with(&mut command)
        .exits(6)
        .complains("does not verify");
}

#[test]
fn sigterm_ends_the_backup_and_unmounts() {
    let Some(samples) = Samples::find("sigterm_ends") else {
        return;
    };
    let backup = Backup::of(&samples, "genuine-4k/clean").with_earlier_backup();
    // $PPID of the stand-in is the script.
    let mut command = backup.instead_of_rsync("kill -TERM \"$PPID\"; exec sleep 60");
    backup.run_with(&mut command).exits(5).complains("SIGTERM");
    backup.assert_nothing_was_deleted();
}

#[test]
fn the_systemd_units_are_clean() {
    if shell("command -v systemd-analyze", [""]).code != Some(0) {
        return skip("the_systemd_units_are_clean", "systemd-analyze is missing");
    }
    let dir = temp_dir();
    let units = workspace_root().join("scripts/systemd");
    let service = fs::read_to_string(units.join("jetfs-backup@.service")).unwrap();
    // The unit names the script where it will be installed.
    let here = service.replace(
        "/usr/local/lib/jetfs/backup-rsync.sh",
        Backup::script().to_str().unwrap(),
    );
    assert_ne!(here, service);
    fs::write(dir.path().join("jetfs-backup@ntds.service"), here).unwrap();
    fs::copy(
        units.join("jetfs-backup@.timer"),
        dir.path().join("jetfs-backup@ntds.timer"),
    )
    .unwrap();
    let check = "cd \"$1\" && systemd-analyze verify ./jetfs-backup@ntds.service ./jetfs-backup@ntds.timer";
    let ended = shell(check, [OsStr::new(dir.path())]).succeeds();
    assert!(!ended.stderr.contains("jetfs-backup"), "{ended}");
}
