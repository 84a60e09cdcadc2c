//! `jetfs restore` as its users see it: against what the genuine engine restored from the same sets, what is refused, and
//! what an interruption leaves.
#![cfg(test)]

#[allow(dead_code, unused_imports, reason = "each test program uses a part of it")]
mod support;

use jetfs::format::{BackupInfo, BackupType, DatabaseHeader, DbState, LogHeader, Value};
use jetfs::io::{FileSystem, LockKind, OpenMode, RealFileSystem};
use jetfs::store::{Database, Schema, Table};
use rand::Rng;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{
    Ended, Samples, UnusedBytes, assert_rows_are_those_in, compare_pages, copy_set, fingerprint, jetfs,
    names_in, overwrite, python, row_differences, run, seeded, shell, temp_dir, workspace_root,
};
use tempfile::TempDir;

/// A restore: its sets and options, and a directory that `out` is to be made in.
struct Restore {
    arguments: Vec<String>,
    directory: TempDir,
}

impl Restore {
    fn of(sets: &[&Path]) -> Restore {
        Restore {
            arguments: sets.iter().map(|set| set.to_str().unwrap().to_owned()).collect(),
            directory: temp_dir(),
        }
    }

    fn with(mut self, options: &[&str]) -> Restore {
        self.arguments
            .extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    fn out(&self) -> PathBuf {
        self.directory.path().join("out")
    }

    fn run(&self) -> Ended {
        run(jetfs().arg("restore").args(&self.arguments).arg(self.out()))
    }

    #[track_caller]
    fn succeeds(self) -> Restore {
        self.run().succeeds();
        self
    }

    /// It is refused with this number, and nothing was written.
    #[track_caller]
    fn refused(&self, exit: i32, says: &str) {
        self.run().exits(exit).complains(says);
        assert!(!self.out().exists(), "something was written");
    }

    fn database(&self, name: &str) -> PathBuf {
        self.out().join(name)
    }

    /// What a user would look at first: state, checksums, completeness, and that nothing is left to do.
    fn assert_clean(&self, name: &str) {
        let info = run(jetfs().args(["--json", "info"]).arg(self.database(name))).json();
        assert_eq!(info["state"], "Clean Shutdown", "{info}");
        assert_eq!(info["warnings"], serde_json::json!([]), "{info}");
        let verified = run(jetfs().args(["verify", "--deep"]).arg(self.out())).succeeds();
        assert!(verified.stdout.contains("good: "), "{verified}");
        let before = fingerprint(&self.out());
        let recovered = run(jetfs().arg("recover").arg(self.out())).succeeds();
        assert!(recovered.stdout.contains("nothing was written"), "{recovered}");
        assert_eq!(fingerprint(&self.out()), before);
        assert_no_backup_is_remembered(open(&self.database(name)).header());
    }
}

/// The next backup must be full (external-backup.md section 8.6).
fn assert_no_backup_is_remembered(header: &DatabaseHeader) {
    assert_eq!(header.state, DbState::CleanShutdown);
    for info in [
        header.backup_full_current,
        header.backup_snapshot_current,
        header.backup_full_previous,
        header.backup_incremental_previous,
        header.backup_copy_previous,
        header.backup_differential_previous,
    ] {
        assert_eq!(info, BackupInfo::default());
    }
    assert_eq!(header.backup_full_previous_type, BackupType::from(0));
    assert_eq!(header.generation_max_required, 0);
}

fn open(path: &Path) -> Database {
    let file = RealFileSystem.open(path, OpenMode::ReadOnly).unwrap();
    Database::open(file, path).unwrap_or_else(|error| panic!("{error}"))
}

/// The full and the incremental set of 4 KiB pages, and what the genuine engine restored.
struct Genuine {
    full: PathBuf,
    incremental: PathBuf,
    restored_full: PathBuf,
    restored_both: PathBuf,
}

impl Genuine {
    fn find(test: &str) -> Option<Genuine> {
        let samples = Samples::find(test)?;
        let of = |set: &str| samples.set(&format!("genuine-4k/{set}")).dir;
        Some(Genuine {
            full: of("bk_full"),
            incremental: of("bk_inc"),
            restored_full: of("bk_restored_full"),
            restored_both: of("bk_restored_full_inc"),
        })
    }

    /// A copy of the full set that a test may damage.
    fn full_copy(&self) -> TempDir {
        copy_of(&self.full)
    }
}

fn copy_of(set: &Path) -> TempDir {
    let directory = temp_dir();
    for name in names_in(set) {
        if name.ends_with(".log") || name.ends_with(".edb") {
            fs::write(directory.path().join(&name), fs::read(set.join(&name)).unwrap()).unwrap();
        }
    }
    directory
}

/// Rows by our reader, by libesedb and by the genuine engine's own text, and every page.
fn assert_equals_genuine(test: &str, ours: &Path, genuine: &Path) {
    let theirs = genuine.join("test.edb");
    let differences = row_differences(&open(ours), &open(&theirs));
    assert!(differences.is_empty(), "{differences:#?}");
    if let Some(mut python) = python(test, "pyesedb") {
        let script = workspace_root().join("tests/readers/libesedb_same_rows.py");
        run(python.arg(script).arg(ours).arg(&theirs)).succeeds();
    }
    assert!(assert_rows_are_those_in(&genuine.join("dump.txt"), &open(ours)) > 100);
    let (ours_open, theirs_open) = (open(ours), open(&theirs));
    let last = theirs_open.last_owned_page().unwrap();
    assert_eq!(ours_open.last_owned_page().unwrap(), last);
    let size = theirs_open.page_size();
    let pages = compare_pages(&fs::read(ours).unwrap(), &fs::read(&theirs).unwrap(), size, last);
    println!("{pages}");
    pages.assert_same(&ours.display().to_string(), UnusedBytes::MayDiffer);
    assert_eq!(ours_open.header().signature, theirs_open.header().signature);
}

/// Restores the full set alone, and both in another order; the sets stay as they are.
fn restored_alone_and_together(full: &Path, incremental: &Path) -> [Restore; 2] {
    let before = [fingerprint(full), fingerprint(incremental)];
    let restored = [
        Restore::of(&[full]).succeeds(),
        Restore::of(&[incremental, full]).succeeds(),
    ];
    for (restored, set) in restored.iter().zip([full, incremental]) {
        restored.assert_clean("test.edb");
        let database = open(&restored.database("test.edb"));
        assert!(assert_rows_are_those_in(&set.join("expected_after_restore.txt"), &database) > 100);
    }
    let after = [fingerprint(full), fingerprint(incremental)];
    assert_eq!(before, after, "a set was changed");
    restored
}

#[test]
fn restores_of_small_pages_equal_the_genuine_ones() {
    const TEST: &str = "restores_of_small_pages_equal_the_genuine_ones";
    let Some(genuine) = Genuine::find(TEST) else {
        return;
    };
    let [alone, together] = restored_alone_and_together(&genuine.full, &genuine.incremental);
    assert_equals_genuine(TEST, &alone.database("test.edb"), &genuine.restored_full);
    assert_equals_genuine(TEST, &together.database("test.edb"), &genuine.restored_both);
    for (ours, theirs) in [
        (&alone, &genuine.restored_full),
        (&together, &genuine.restored_both),
    ] {
        let (ours, theirs) = (
            records(&ours.database("edb.log")),
            records(&theirs.join("edb.log")),
        );
        assert_eq!(ours, theirs);
    }
}

/// The records of the new generation up to RecoveryQuit2, with their positions, without times.
fn records(log: &Path) -> Vec<String> {
    let printed = run(jetfs().arg("log").arg(log)).succeeds().stdout;
    let mut records: Vec<String> = printed
        .lines()
        .map(|line| line.split("time=").next().unwrap().to_owned())
        .collect();
    let end = records.iter().position(|record| record.contains(" RcvQuit "));
    records.truncate(end.expect("a RecoveryQuit2") + 1);
    records
}

#[test]
fn restores_of_large_pages_equal_the_genuine_ones() {
    const TEST: &str = "restores_of_large_pages_equal_the_genuine_ones";
    let Some(samples) = Samples::find(TEST) else {
        return;
    };
    let set = |name: &str| samples.set(&format!("genuine-32k.tar.xz/genuine-32k/{name}")).dir;
    let [_, together] = restored_alone_and_together(&set("bk_full"), &set("bk_inc"));
    assert_equals_genuine(TEST, &together.database("test.edb"), &set("bk_restored_full_inc"));
}

#[test]
fn until_the_end_of_the_full_set_the_incremental_one_does_not_matter() {
    const TEST: &str = "until_the_end_of_the_full_set_the_incremental_one_does_not_matter";
    let Some(genuine) = Genuine::find(TEST) else {
        return;
    };
    let log = fs::read(genuine.incremental.join("edb00000015.log")).unwrap();
    let closed = LogHeader::read(&log).unwrap().create_time.to_string();
    for until in ["0x14", "20", &closed] {
        let restored = Restore::of(&[&genuine.full, &genuine.incremental])
            .with(&["--until", until])
            .succeeds();
        restored.assert_clean("test.edb");
        assert_equals_genuine(TEST, &restored.database("test.edb"), &genuine.restored_full);
        assert!(!restored.database("edb00000015.log").exists());
    }
}

#[test]
fn logs_of_the_instance_are_rolled_forward() {
    const TEST: &str = "logs_of_the_instance_are_rolled_forward";
    let Some(genuine) = Genuine::find(TEST) else {
        return;
    };
    let instance = copy_of(&genuine.incremental);
    let logs = instance.path();
    fs::rename(logs.join("edb0000001F.log"), logs.join("edb.log")).unwrap();
    let restored = Restore::of(&[&genuine.full]).with(&["--logs", logs.to_str().unwrap()]);
    let ended = restored.run().succeeds();
    assert!(
        ended
            .stdout
            .contains("rolled forward behind the sets from generation 0x15 on"),
        "{ended}"
    );
    assert!(
        ended.stdout.contains("the next backup must be a full one"),
        "{ended}"
    );
    restored.assert_clean("test.edb");
    assert_equals_genuine(TEST, &restored.database("test.edb"), &genuine.restored_both);
    let until = Restore::of(&[&genuine.full]).with(&["--logs", logs.to_str().unwrap(), "--until", "0x14"]);
    let until = until.succeeds();
    assert_equals_genuine(TEST, &until.database("test.edb"), &genuine.restored_full);
}

#[test]
fn a_dry_run_says_what_would_be_and_writes_nothing() {
    let Some(genuine) = Genuine::find("a_dry_run_says_what_would_be_and_writes_nothing") else {
        return;
    };
    let restore = Restore::of(&[&genuine.full, &genuine.incremental]).with(&["--dry-run"]);
    let ended = restore.run().succeeds();
    assert!(ended.stdout.contains("nothing was written"), "{ended}");
    assert!(!restore.out().exists());
    let report = restore.with(&["--json"]).run().json();
    assert_eq!(report["last_generation"], 0x1F);
    assert_eq!(report["sets"][1]["is_full"], false);
    assert_eq!(report["next_backup"], "full");
    assert_eq!(report["damaged_pages"], serde_json::json!([]));
}

#[test]
fn what_does_not_belong_together_is_refused_by_its_number() {
    let Some(genuine) = Genuine::find("what_does_not_belong_together_is_refused_by_its_number") else {
        return;
    };
    Restore::of(&[&genuine.incremental]).refused(3, "-560");
    Restore::of(&[&genuine.full, &genuine.full]).refused(3, "-1201");
    Restore::of(&[&genuine.full])
        .with(&["--until", "0x10"])
        .refused(5, "-553");
    Restore::of(&[&genuine.full])
        .with(&["--until", "0x50"])
        .refused(5, "-557");
    Restore::of(&[&genuine.full])
        .with(&["--until", "soon"])
        .refused(2, "a generation");
    Restore::of(&[Path::new("/nonexistent")]).refused(5, "-1811");
    Restore::of(&[]).refused(2, "SET or DEST is missing");
    let (changed, gap) = (genuine.full_copy(), genuine.full_copy());
    fs::remove_file(gap.path().join("edb00000011.log")).unwrap();
    Restore::of(&[gap.path()]).refused(5, "generation 0x11 is missing");
    let late = genuine.full_copy();
    fs::remove_file(late.path().join("edb0000000E.log")).unwrap();
    Restore::of(&[late.path()]).refused(5, "-554");
    overwrite(
        &changed.path().join("edb00000012.log"),
        2 * 4096 + 3000,
        &[0x55; 60],
    );
    Restore::of(&[changed.path()]).refused(6, "-573");
    let cut = genuine.full_copy();
    let database = cut.path().join("test.edb");
    let len = fs::metadata(&database).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&database).unwrap();
    file.set_len(len - 4096).unwrap();
    Restore::of(&[cut.path()]).refused(6, "-535");
    overwrite(&database, 100, &[0x55; 8]);
    overwrite(&database, 4096 + 100, &[0x55; 8]);
    Restore::of(&[cut.path()]).refused(6, "-1206");
}

#[test]
fn a_set_that_is_no_backup_is_sent_to_recover() {
    const TEST: &str = "a_set_that_is_no_backup_is_sent_to_recover";
    let Some(samples) = Samples::find(TEST) else {
        return;
    };
    let dirty = samples.set("genuine-4k/dirty").dir;
    Restore::of(&[&dirty]).refused(3, "-615");
    Restore::of(&[&dirty]).refused(3, "jetfs recover");
    let at_rest = temp_dir();
    copy_set(&samples.set("genuine-4k/dirty"), at_rest.path());
    let manifest = r#"{"jetfs_manifest":1,"tool":"jetfs","kind":"at-rest","mode":"at-rest"}"#;
    fs::write(at_rest.path().join("backup.json"), manifest).unwrap();
    Restore::of(&[at_rest.path()]).refused(3, "jetfs recover");
    Restore::of(&[&samples.set("genuine-4k/clean").dir]).refused(3, "it needs no restore");
}

#[test]
fn a_destination_that_is_not_empty_is_left_alone() {
    let Some(genuine) = Genuine::find("a_destination_that_is_not_empty_is_left_alone") else {
        return;
    };
    let restore = Restore::of(&[&genuine.full]);
    fs::create_dir(restore.out()).unwrap();
    fs::write(restore.database("note.txt"), "mine").unwrap();
    restore.run().exits(3).complains("is not empty");
    assert_eq!(names_in(&restore.out()), ["note.txt"]);
    fs::remove_file(restore.database("note.txt")).unwrap();
    restore.succeeds().assert_clean("test.edb");
}

#[test]
fn a_set_that_somebody_writes_is_busy() {
    let Some(genuine) = Genuine::find("a_set_that_somebody_writes_is_busy") else {
        return;
    };
    let copy = genuine.full_copy();
    let held = RealFileSystem
        .open(&copy.path().join("test.edb"), OpenMode::ReadWrite)
        .unwrap();
    assert!(held.try_lock(LockKind::Exclusive).unwrap());
    Restore::of(&[copy.path()]).refused(4, "in use");
    Restore::of(&[copy.path()]).with(&["--no-lock"]).succeeds();
}

#[test]
fn permissions_of_the_set_are_kept_and_the_owner_may_write() {
    let Some(genuine) = Genuine::find("permissions_of_the_set_are_kept_and_the_owner_may_write") else {
        return;
    };
    let copy = genuine.full_copy();
    for name in names_in(copy.path()) {
        fs::set_permissions(copy.path().join(name), fs::Permissions::from_mode(0o440)).unwrap();
    }
    let restored = Restore::of(&[copy.path()]).succeeds();
    for name in names_in(&restored.out()) {
        let mode = fs::metadata(restored.database(&name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640, "{name}");
    }
}

#[test]
fn a_damaged_page_that_no_log_changes_is_not_restored_without_a_word() {
    let Some(genuine) = Genuine::find("a_damaged_page_that_no_log_changes_is_not_restored_without_a_word")
    else {
        return;
    };
    let copy = genuine.full_copy();
    // A page that is the same in the set and in what becomes of it.
    let restored = Restore::of(&[copy.path()]).succeeds();
    let (before, after) = (
        fs::read(copy.path().join("test.edb")).unwrap(),
        fs::read(restored.database("test.edb")).unwrap(),
    );
    let same = |page: &usize| {
        let range = (page + 1) * 4096..(page + 2) * 4096;
        before[range.clone()] == after[range.clone()] && before[range].iter().any(|byte| *byte != 0)
    };
    let page = (20..).find(same).unwrap();
    overwrite(
        &copy.path().join("test.edb"),
        (page as u64 + 1) * 4096 + 1000,
        &[0x55; 60],
    );
    let damaged = Restore::of(&[copy.path()]);
    damaged.refused(6, &format!("page {page} "));
    damaged.refused(6, "--allow-damaged");
    let restored = Restore::of(&[copy.path()]).with(&["--allow-damaged"]);
    restored.run().exits(6).complains(&format!("page {page} "));
    assert!(restored.database("test.edb").exists());
    run(jetfs().arg("verify").arg(restored.out())).exits(6);
}

/// The sets of `protocol-traces`, unpacked: full, incremental and differential, of two databases.
fn traces(test: &str) -> Option<(TempDir, serde_json::Value)> {
    let samples = Samples::find(test)?;
    let source = samples.root().join("protocol-traces/small4k");
    let directory = temp_dir();
    let script = "cd \"$1\"; for f in full incremental differential; do mkdir \"$2/$f\"; for z in $f/*.gz; do \
                  gzip -dc $z > \"$2/${z%.gz}\"; done; done";
    shell(script, [source.as_path(), directory.path()]).succeeds();
    let expected = fs::read(source.join("expected.json")).unwrap();
    Some((directory, serde_json::from_slice(&expected).unwrap()))
}

/// How many rows a database of the traces has, and their hash as the genuine engine's client made it.
fn rows_and_hash(path: &Path) -> (u64, String) {
    let database = open(path);
    let schema = Schema::load(&database).unwrap();
    let table = Table::open(&database, &schema, "t").unwrap();
    let (mut rows, mut hash) = (0, 1_469_598_103_934_665_603_u64);
    for row in table.rows().unwrap() {
        let row = row.unwrap();
        let key: i32 = row.values[0].as_ref().unwrap().to_string().parse().unwrap();
        let mut bytes = key.to_le_bytes().to_vec();
        if let Value::Binary(value) = row.values[1].as_ref().unwrap() {
            bytes.extend_from_slice(value);
        }
        for byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211);
        }
        rows += 1;
    }
    (rows, format!("{hash:016x}"))
}

fn assert_rows_as_restored(expected: &serde_json::Value, name: &str, database: &Path) {
    let expected = &expected["rows"][name];
    let (rows, hash) = rows_and_hash(database);
    assert_eq!(expected["rows"], rows, "{name}");
    assert_eq!(expected["rowhash"], hash, "{name}");
}

#[test]
fn backups_of_two_databases_are_restored_as_the_genuine_engine_did() {
    const TEST: &str = "backups_of_two_databases_are_restored_as_the_genuine_engine_did";
    let Some((sets, expected)) = traces(TEST) else {
        return;
    };
    let path = |name: &str| sets.path().join(name);
    let all = [path("full"), path("incremental"), path("differential")];
    for (count, name) in [
        (1, "restored full"),
        (2, "restored full+incremental"),
        (3, "restored full+incremental+differential"),
    ] {
        let given: Vec<&Path> = all.iter().take(count).map(PathBuf::as_path).collect();
        let restored = Restore::of(&given).succeeds();
        for database in ["a", "b"] {
            restored.assert_clean(&format!("{database}.edb"));
            let path = restored.database(&format!("{database}.edb"));
            assert_rows_as_restored(&expected[name], database, &path);
        }
    }
}

#[test]
fn rolled_forward_through_the_current_log_a_backup_is_what_the_instance_became() {
    const TEST: &str = "rolled_forward_through_the_current_log_a_backup_is_what_the_instance_became";
    let (Some((sets, _)), Some(samples)) = (traces(TEST), Samples::find(TEST)) else {
        return;
    };
    // The files of the instance while it still ran, its databases dirty.
    let archive = "protocol-traces.small4k.source_after.tar.xz";
    let instance = samples.set(archive).dir;
    let logs = instance.to_str().unwrap();
    let [full, incremental] = ["full", "incremental"].map(|name| sets.path().join(name));
    let restored = Restore::of(&[&full, &incremental])
        .with(&["--logs", logs])
        .succeeds();
    let recovered = restored.directory.path().join("recovered");
    run(jetfs().arg("recover").arg("-o").arg(&recovered).arg(&instance)).succeeds();
    for name in ["a.edb", "b.edb"] {
        restored.assert_clean(name);
        let (ours, theirs) = (open(&restored.database(name)), open(&recovered.join(name)));
        let differences = row_differences(&ours, &theirs);
        assert!(differences.is_empty(), "{name}: {differences:#?}");
    }
}

#[test]
fn a_database_that_no_set_holds_is_missed_before_anything_is_written() {
    let Some((sets, _)) = traces("a_database_that_no_set_holds_is_missed_before_anything_is_written") else {
        return;
    };
    let full = sets.path().join("full");
    fs::remove_file(full.join("b.edb")).unwrap();
    Restore::of(&[&full]).refused(3, "-1216");
    Restore::of(&[&full]).refused(3, "b.edb");
}

#[test]
fn signatures_tell_databases_apart_whatever_they_are_called() {
    let Some((sets, expected)) = traces("signatures_tell_databases_apart_whatever_they_are_called") else {
        return;
    };
    // Names exchanged.
    let full = sets.path().join("full");
    for (from, to) in [("a.edb", "x"), ("b.edb", "a.edb"), ("x", "b.edb")] {
        fs::rename(full.join(from), full.join(to)).unwrap();
    }
    let restored = Restore::of(&[&full]).succeeds();
    assert_rows_as_restored(&expected["restored full"], "a", &restored.database("b.edb"));
    assert_rows_as_restored(&expected["restored full"], "b", &restored.database("a.edb"));
    // Two of one name, from two directories.
    let other = sets.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::rename(full.join("b.edb"), other.join("a.edb")).unwrap();
    Restore::of(&[&full, &other]).refused(3, "--map");
    let map = format!("{}=one.edb", other.join("a.edb").display());
    let restored = Restore::of(&[&full, &other]).with(&["--map", &map]).succeeds();
    assert_rows_as_restored(&expected["restored full"], "a", &restored.database("one.edb"));
    assert_rows_as_restored(&expected["restored full"], "b", &restored.database("a.edb"));
}

#[test]
fn what_sigkill_leaves_is_never_taken_for_a_restored_set() {
    let Some(genuine) = Genuine::find("what_sigkill_leaves_is_never_taken_for_a_restored_set") else {
        return;
    };
    let mut random = seeded("what_sigkill_leaves_is_never_taken_for_a_restored_set", 71);
    let (mut killed, mut marked) = (0, 0);
    for _ in 0..support::amount(40, 400) {
        let restore = Restore::of(&[&genuine.full, &genuine.incremental]);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_jetfs"));
        command.arg("restore").args(&restore.arguments).arg(restore.out());
        command
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_micros(random.random_range(1_000..150_000)));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            continue;
        }
        killed += 1;
        if !restore.out().exists() {
            continue;
        }
        let is_marked = restore.database("jetfs-restore-is-incomplete.txt").exists();
        let is_empty = names_in(&restore.out()).is_empty();
        if is_marked {
            marked += 1;
            restore.run().exits(3).complains("Remove the directory");
        } else if !is_empty {
            // The marker goes last.
            restore.assert_clean("test.edb");
        }
        fs::remove_dir_all(restore.out()).unwrap();
        restore.succeeds();
    }
    println!("killed {killed} times, {marked} times in the middle");
    assert!(killed > 0);
}
