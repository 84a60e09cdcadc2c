use super::rig::{DATABASE, Rig};
use crate::backup::{BackupOutcome, EndGrbit};
use crate::engine::Term;
use crate::error::JetErr;
use crate::io::FileSystem;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

const FROZEN: u32 = 0x10;
const FROZEN_INCREMENTAL: u32 = 0x11;

/// Rows of the writers, counted: each writer's rows are those of a number of whole transactions.
fn committed(rows: &[(i32, i32)], writer: i32, in_one: i32) -> i32 {
    let numbers: Vec<i32> = rows
        .iter()
        .filter(|row| row.0 == writer)
        .map(|row| row.1)
        .collect();
    let count = i32::try_from(numbers.len()).unwrap();
    assert_eq!(
        numbers,
        (0..count).collect::<Vec<_>>(),
        "the rows of writer {writer} are a prefix"
    );
    assert_eq!(
        count % in_one,
        0,
        "a transaction of writer {writer} is there in part"
    );
    count
}

#[test]
fn a_frozen_backup_under_load_restores_to_a_committed_prefix_with_all_that_was_committed_before() {
    let rig = Rig::new(|parameters| parameters.cache_size_max(1 << 20));
    let is_over = AtomicBool::new(false);
    let done: Vec<AtomicI32> = (0..3).map(|_| AtomicI32::new(0)).collect();
    let (before, after) = std::thread::scope(|scope| {
        for (writer, done) in (0..).zip(&done) {
            let (rig, is_over) = (&rig, &is_over);
            scope.spawn(move || {
                let session = rig.session();
                while !is_over.load(Ordering::Relaxed) {
                    rig.commit(&session, writer, done.load(Ordering::Relaxed), 5);
                    done.fetch_add(5, Ordering::Release);
                }
            });
        }
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                rig.instance.work().unwrap();
                rig.instance.flush().unwrap();
            }
        });
        let wait = |least: i32| {
            while done.iter().any(|done| done.load(Ordering::Acquire) < least) {
                std::thread::yield_now();
            }
        };
        let read = || {
            done.iter()
                .map(|done| done.load(Ordering::Acquire))
                .collect::<Vec<_>>()
        };
        wait(100);
        let before = read();
        let backup = rig.backup();
        backup.begin(FROZEN).unwrap();
        let after = read();
        wait(300);
        rig.copy_frozen(&backup, "/set", |files| files.reverse());
        wait(400);
        backup.end().unwrap();
        assert!(
            matches!(backup.outcome(), Some(BackupOutcome::Complete { .. })),
            "{:?}",
            backup.outcome()
        );
        is_over.store(true, Ordering::Relaxed);
        (before, after)
    });
    let rows = rig.restored(&["/set"]);
    for (writer, (before, after)) in (0..).zip(before.into_iter().zip(after)) {
        let there = committed(&rows, writer, 5);
        // One transaction may have been committed and not yet counted.
        assert!(
            (before..=after + 5).contains(&there),
            "writer {writer}: {before} {there} {after}"
        );
    }
    rig.instance.term(Term::Complete).unwrap();
}

#[test]
fn a_frozen_backup_shows_the_same_bytes_however_much_is_written_meanwhile() {
    let rig = Rig::new(|parameters| parameters);
    let session = rig.session();
    rig.commit(&session, 0, 0, 300);
    rig.instance.flush().unwrap();
    let backup = rig.backup();
    backup.begin(FROZEN).unwrap();
    rig.copy_frozen(&backup, "/first", |_| ());
    rig.commit(&session, 0, 300, 300);
    rig.instance.flush().unwrap();
    rig.copy_frozen(&backup, "/second", |_| ());
    backup.end().unwrap();
    for entry in rig.fs.list(Path::new("/first")).unwrap() {
        let [first, second] = ["/first", "/second"].map(|set| rig.read(&Path::new(set).join(&entry.name)));
        assert!(first == second, "{:?}", entry.name);
    }
    assert_eq!(committed(&rig.restored(&["/second"]), 0, 300), 300);
}

#[test]
fn when_the_disk_is_nearly_full_the_backup_ends_for_its_readers_and_the_engine_goes_on() {
    let rig = Rig::new(|parameters| parameters);
    let session = rig.session();
    rig.commit(&session, 0, 0, 300);
    rig.instance.flush().unwrap();
    let backup = rig.backup();
    backup.begin(FROZEN).unwrap();
    let (database, _) = backup.open_file(OsStr::new("orders.edb")).unwrap();
    let logs = backup.get_log_info().unwrap().files;
    backup.read_at(database, &mut [0; 4096], 0).unwrap();
    // Room for the log, but not for more than that.
    let few_logs = 4 * 128 * 1024;
    let used = (1 << 32) - rig.fs.available(Path::new("/")).unwrap();
    rig.fs.set_capacity(used + few_logs + 3 * 4096);
    rig.commit(&session, 0, 300, 40);
    rig.instance.flush().unwrap();
    let error = backup
        .read_at(database, &mut [0; 8 * 4096], 8 * 4096)
        .unwrap_err();
    assert_eq!(error.code(), JetErr::DiskFull, "{error}");
    assert!(error.to_string().contains("could not be kept"), "{error}");
    let (log, _) = backup.open_file(&logs[0].name).unwrap();
    backup.read_at(log, &mut [0; 4096], 0).unwrap();
    backup.end_with(EndGrbit::ABORT.bits()).unwrap();
    rig.fs.set_capacity(1 << 32);
    rig.commit(&session, 0, 340, 40);
    rig.instance.flush().unwrap();
    backup.begin(FROZEN).unwrap();
    rig.copy_frozen(&backup, "/set", |_| ());
    backup.end().unwrap();
    assert_eq!(committed(&rig.restored(&["/set"]), 0, 20), 380);
}

#[test]
fn a_chain_of_a_full_and_incremental_backups_restores_and_what_came_without_truncation_is_a_copy() {
    let rig = Rig::new(|parameters| parameters);
    let session = rig.session();
    rig.commit(&session, 0, 0, 50);
    let backup = rig.backup();
    let none = backup.begin(FROZEN_INCREMENTAL).unwrap_err();
    assert_eq!(none.code(), JetErr::MissingFullBackup);
    let truncated = (EndGrbit::NORMAL | EndGrbit::TRUNCATE_DONE).bits();

    backup.begin(FROZEN).unwrap();
    rig.copy_frozen(&backup, "/copy", |_| ());
    backup.end().unwrap();
    let copy = backup.begin(FROZEN_INCREMENTAL).unwrap_err();
    assert_eq!(copy.code(), JetErr::MissingFullBackup, "a copy is no full backup");

    backup.begin(FROZEN).unwrap();
    rig.copy_frozen(&backup, "/full", |_| ());
    backup.end_with(truncated).unwrap();
    let sets = ["/full", "/1", "/2", "/3"];
    for (number, set) in sets.iter().enumerate().skip(1) {
        rig.commit(&session, 0, i32::try_from(number).unwrap() * 50, 50);
        rig.instance.flush().unwrap();
        backup.begin(FROZEN_INCREMENTAL).unwrap();
        rig.copy_frozen(&backup, set, |files| assert!(files.iter().all(Rig::is_log)));
        backup.truncate_log().unwrap();
        backup.end().unwrap();
        let rows = rig.restored(&sets[..=number]);
        assert_eq!(committed(&rows, 0, 50), 50 * (i32::try_from(number).unwrap() + 1));
    }
    rig.instance.term(Term::Complete).unwrap();
}

#[test]
fn the_published_protocol_backs_up_while_pages_are_written() {
    let rig = Rig::new(|parameters| parameters);
    let session = rig.session();
    rig.commit(&session, 0, 0, 200);
    rig.instance.flush().unwrap();
    let backup = rig.backup();
    backup.begin(0).unwrap();
    rig.commit(&session, 0, 200, 200);
    rig.instance.flush().unwrap();
    rig.copy_streamed(&backup, "/set");
    backup.truncate_log().unwrap();
    backup.end().unwrap();
    assert!(matches!(backup.outcome(), Some(BackupOutcome::Complete { .. })));
    assert_eq!(committed(&rig.restored(&["/set"]), 0, 200), 400);
}

#[test]
fn nothing_is_attached_or_detached_during_a_backup() {
    let rig = Rig::new(|parameters| parameters);
    let backup = rig.backup();
    backup.begin(FROZEN).unwrap();
    let error = rig.instance.detach_database(DATABASE).unwrap_err();
    assert_eq!(error.code(), JetErr::BackupInProgress);
    let error = rig.instance.attach_database(DATABASE).unwrap_err();
    assert_eq!(error.code(), JetErr::BackupInProgress);
    let second = rig.backup().begin(FROZEN).unwrap_err();
    assert_eq!(second.code(), JetErr::BackupInProgress);
    backup.end_with(EndGrbit::ABORT.bits()).unwrap();
    rig.instance.detach_database(DATABASE).unwrap();
}

#[test]
fn an_instance_does_not_end_under_a_backup_unless_it_is_told_to_stop_it() {
    let rig = Rig::new(|parameters| parameters);
    let session = rig.session();
    rig.commit(&session, 0, 0, 50);
    let backup = rig.backup();
    backup.begin(FROZEN).unwrap();
    let file = backup.get_attach_info().unwrap().remove(0);
    let (handle, _) = backup.open_file(&file.name).unwrap();
    let error = rig.instance.term(Term::Complete).unwrap_err();
    assert_eq!(error.code(), JetErr::BackupInProgress);
    // It goes on, and so does the backup; but no other one begins.
    rig.commit(&session, 0, 50, 50);
    let open = backup.file(handle).unwrap();
    open.read_at(&mut [0; 16384], 0).unwrap();
    rig.instance.term(Term::StopBackup).unwrap();
    let error = open.read_at(&mut [0; 16384], 8192).unwrap_err();
    assert!([JetErr::BackupAbortByServer, JetErr::NoBackup].contains(&error.code()));
    assert_eq!(backup.end().unwrap_err().code(), JetErr::InvalidParameter);
    assert_eq!(backup.outcome(), Some(BackupOutcome::AbortedByServer));
}

#[test]
fn after_an_attempt_to_end_no_backup_begins() {
    let rig = Rig::new(|parameters| parameters);
    let backup = rig.backup();
    backup.begin(FROZEN).unwrap();
    rig.instance.term(Term::Complete).unwrap_err();
    backup.end_with(EndGrbit::ABORT.bits()).unwrap();
    assert_eq!(
        backup.begin(FROZEN).unwrap_err().code(),
        JetErr::BackupNotAllowedYet
    );
    rig.instance.term(Term::Complete).unwrap();
}
