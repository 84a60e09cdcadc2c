//! The return codes of JetBeginExternalBackup (external-backup.md section 9), each by its real cause on a running instance.
//! JET_errNotInitialized, JET_errRunningInMultiInstanceMode and JET_errRestoreInProgress are those of the C interface, which
//! alone has instances that are not initialised, modes, and handles of instances that restore; JET_errOutOfMemory is in
//! `tests/out_of_memory.rs`.

use super::rig::{DATABASE, Rig};
use crate::backup::{BackupOutcome, BackupSession, EndGrbit};
use crate::engine::{Event, Term};
use crate::error::JetErr;
use crate::io::{FaultFileSystem, FileSystem, RealClock, Which};
use parking_lot::Mutex;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

const CHECKPOINT: &str = "/instance/edb.chk";

fn new() -> Rig {
    Rig::new(|parameters| parameters)
}

#[track_caller]
fn refused(backup: &BackupSession, grbit: u32) -> JetErr {
    backup.begin(grbit).unwrap_err().code()
}

#[test]
fn flags_that_are_not_published_are_invalid_even_during_a_backup() {
    let rig = new();
    let backup = rig.backup();
    for grbit in [0x02, 0x04, 0x08, 0x80, 0x41] {
        assert_eq!(refused(&backup, grbit), JetErr::InvalidGrbit, "{grbit:#x}");
    }
    backup.begin(0).unwrap();
    assert_eq!(refused(&backup, 0x02), JetErr::InvalidGrbit);
    assert_eq!(refused(&backup, 0), JetErr::BackupInProgress);
}

#[test]
fn without_a_log_there_is_no_backup() {
    let rig = Rig::new(|parameters| parameters.recovery(false));
    assert_eq!(refused(&rig.backup(), 0), JetErr::LoggingDisabled);
}

#[test]
fn with_circular_logging_there_are_only_full_backups() {
    let rig = Rig::new(|parameters| parameters.circular_log(true));
    let backup = rig.backup();
    assert_eq!(refused(&backup, 1), JetErr::InvalidBackup);
    backup.begin(0).unwrap();
}

#[test]
fn an_incremental_backup_needs_a_full_one_of_every_database() {
    let rig = new();
    assert_eq!(refused(&rig.backup(), 1), JetErr::MissingFullBackup);
}

#[test]
fn a_full_backup_needs_the_checkpoint_file_and_an_incremental_one_does_not() {
    let rig = new();
    let backup = rig.backup();
    let good = rig.fs.read_file(CHECKPOINT).unwrap();
    backup.begin(0).unwrap();
    rig.copy_streamed(&backup, "/full");
    backup.truncate_log().unwrap();
    backup.end().unwrap();

    let mut both_damaged = good.clone();
    both_damaged[100] ^= 0xFF;
    both_damaged[4096 + 100] ^= 0xFF;
    rig.fs.write_file(CHECKPOINT, &both_damaged).unwrap();
    assert_eq!(refused(&backup, 0), JetErr::CheckpointCorrupt);

    let other = new();
    let of_another = other.fs.read_file(CHECKPOINT).unwrap();
    rig.fs.write_file(CHECKPOINT, &of_another).unwrap();
    assert_eq!(refused(&backup, 0), JetErr::BadCheckpointSignature);

    rig.fs.remove(Path::new(CHECKPOINT)).unwrap();
    assert_eq!(refused(&backup, 0), JetErr::CheckpointFileNotFound);
    backup.begin(1).unwrap();
    backup.end_with(EndGrbit::ABORT.bits()).unwrap();

    let mut one_damaged = good;
    one_damaged[100] ^= 0xFF;
    rig.fs.write_file(CHECKPOINT, &one_damaged).unwrap();
    backup.begin(0).unwrap();
}

#[test]
fn after_the_log_was_stopped_no_backup_begins_and_one_that_runs_gets_no_logs() {
    let rig = new();
    let backup = rig.backup();
    backup.begin(0).unwrap();
    rig.instance.stop_log().unwrap();
    // The copy goes on.
    let (handle, _) = backup.open_file(Path::new(DATABASE).as_os_str()).unwrap();
    backup.read_file(handle, &mut vec![0; 65536]).unwrap();
    assert_eq!(refused(&rig.backup(), 0), JetErr::LogWriteFail);
    backup.close_file(handle).unwrap();
    assert_eq!(backup.get_log_info().unwrap_err().code(), JetErr::LogWriteFail);
    assert_eq!(refused(&backup, 0), JetErr::LogWriteFail);
    let ended = rig.instance.term(Term::Complete).unwrap_err();
    assert_eq!(ended.code(), JetErr::LogWriteFail);
}

#[test]
fn an_instance_that_has_failed_is_unavailable() {
    let mut faults = None;
    let rig = Rig::with(
        |parameters| parameters,
        Arc::new(RealClock),
        |fs| {
            let fs = Arc::new(FaultFileSystem::new(fs));
            faults = Some(Arc::clone(&fs));
            fs
        },
    );
    let backup = rig.backup();
    backup.begin(0).unwrap();
    rig.commit(&rig.session(), 0, 0, 5);
    faults.unwrap().fail(1, Which::Changing, ErrorKind::Other);
    rig.instance.flush().unwrap_err();
    assert_eq!(refused(&rig.backup(), 0), JetErr::InstanceUnavailable);
    assert_eq!(
        backup.get_attach_info().unwrap_err().code(),
        JetErr::InstanceUnavailable
    );
    assert_eq!(backup.end().unwrap_err().code(), JetErr::InstanceUnavailable);
}

#[test]
fn with_a_full_log_disk_no_backup_begins() {
    let rig = new();
    let session = rig.session();
    rig.commit(&session, 0, 0, 100);
    rig.instance.flush().unwrap();
    rig.fs.set_capacity(1);
    let full = (1..1000).find_map(|number| {
        let transaction = session.begin().unwrap();
        let table = rig.database.open_table(&session, "rows").unwrap();
        let mut update = table.insert().ok()?;
        let value = |value| crate::format::Value::Long(value);
        update.set(table.column("writer").unwrap(), &value(1)).unwrap();
        update
            .set(table.column("number").unwrap(), &value(number))
            .unwrap();
        let saved = update.save().map(drop);
        saved.and_then(|()| transaction.commit()).err()
    });
    assert_eq!(full.map(|error| error.code()), Some(JetErr::LogDiskFull));
    let code = refused(&rig.backup(), 0);
    let expected = [
        JetErr::LogDiskFull,
        JetErr::InstanceUnavailableDueToFatalLogDiskFull,
    ];
    assert!(expected.contains(&code), "{code}");
}

#[test]
fn while_the_instance_ends_it_says_so_and_afterwards_it_is_gone() {
    let mut faults = None;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&heard);
    let rig = Rig::with(
        |parameters| {
            parameters.event_sink(move |event| {
                if let Event::Backup { number, .. } = event {
                    events.lock().push(*number);
                }
            })
        },
        Arc::new(RealClock),
        |fs| {
            let fs = Arc::new(FaultFileSystem::new(fs));
            faults = Some(Arc::clone(&fs));
            fs
        },
    );
    let backup = Arc::new(rig.backup());
    backup.begin(0).unwrap();
    let (asked, codes) = (Arc::clone(&backup), Arc::new(Mutex::new(Vec::new())));
    let seen = Arc::clone(&codes);
    faults.unwrap().watch(move |_| {
        let calls = [asked.begin(0), asked.end(), asked.get_log_info().map(drop)];
        seen.lock().extend(calls.map(|call| call.unwrap_err().code()));
    });
    rig.instance.term(Term::Abrupt).unwrap();
    let codes = codes.lock();
    assert!(
        !codes.is_empty() && codes.iter().all(|code| *code == JetErr::TermInProgress),
        "{codes:?}"
    );
    assert_eq!(refused(&backup, 0), JetErr::InvalidParameter);
    assert_eq!(backup.outcome(), Some(BackupOutcome::AbortedByServer));
    assert_eq!(*heard.lock(), [210, 226]);
}

#[test]
fn after_the_service_was_stopped_nothing_is_answered_not_even_the_end() {
    let rig = new();
    let backup = rig.backup();
    backup.begin(0).unwrap();
    rig.instance.stop_service();
    let calls = [
        backup.begin(0),
        backup.end(),
        backup.get_log_info().map(drop),
        backup.truncate_log(),
    ];
    for call in calls {
        assert_eq!(call.unwrap_err().code(), JetErr::ClientRequestToStopJetService);
    }
    backup.stop_backup().unwrap();
    let busy = rig.instance.term(Term::Complete).unwrap_err();
    assert_eq!(busy.code(), JetErr::BackupInProgress);
    rig.instance.term(Term::StopBackup).unwrap();
}

#[test]
fn after_a_refused_end_no_backup_begins_but_the_one_in_progress_ends_well() {
    let rig = new();
    let backup = rig.backup();
    backup.begin(0).unwrap();
    rig.instance.term(Term::Complete).unwrap_err();
    assert_eq!(refused(&rig.backup(), 0), JetErr::BackupNotAllowedYet);
    rig.copy_streamed(&backup, "/set");
    backup.end().unwrap();
    assert!(matches!(backup.outcome(), Some(BackupOutcome::Complete { .. })));
}
