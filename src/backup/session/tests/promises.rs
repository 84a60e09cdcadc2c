//! What the session promises, one by one.

use super::instance;
use crate::backup::memory::Step;
use crate::backup::{
    BackupKind, BackupOutcome, BackupSession, BeginGrbit, EndGrbit, Ending, Obstacles, PhaseName,
};
use crate::error::JetErr;
use std::ffi::OsStr;

const FROZEN: u32 = BeginGrbit::SNAPSHOT.bits();

#[test]
fn a_frozen_backup_is_read_in_any_order_and_is_complete_when_every_byte_was() {
    let (_, session) = instance();
    session.begin(FROZEN).unwrap();
    let mut buf = vec![0; 32768];
    for name in ["edb00008.log", "a.edb", "edb00007.log", "b.edb"] {
        assert_eq!(session.outcome(), None);
        let (handle, len) = session.open_file(OsStr::new(name)).unwrap();
        let file = session.file(handle).unwrap();
        assert_eq!(file.read_at(&mut buf, 4096).unwrap() as u64, len - 4096);
        assert_eq!(file.read_at(&mut buf[..4096], 0).unwrap(), 4096);
    }
    session
        .end_with((EndGrbit::NORMAL | EndGrbit::TRUNCATE_DONE).bits())
        .unwrap();
    let outcome = session.outcome();
    assert_eq!(
        outcome,
        Some(BackupOutcome::Complete {
            kind: BackupKind::Full
        })
    );
}

#[test]
fn two_readers_of_a_frozen_file_share_what_was_delivered() {
    let (_, session) = instance();
    session.begin(FROZEN).unwrap();
    let (first, _) = session.open_file(OsStr::new("a.edb")).unwrap();
    let (second, _) = session.open_file(OsStr::new("a.edb")).unwrap();
    let mut buf = vec![0; 3 * 4096];
    session.read_at(first, &mut buf, 0).unwrap();
    session.read_at(second, &mut buf, 2 * 4096).unwrap();
    let progress = session.progress();
    assert!(progress[0].complete, "{progress:?}");
    assert_eq!(progress[1].delivered, 0);
}

#[test]
fn many_readers_of_the_published_protocol_have_their_own_places_and_cannot_end_the_backup() {
    let (source, _) = instance();
    let session = BackupSession::for_many_readers(source);
    session.begin(0).unwrap();
    let name = OsStr::new("a.edb");
    let (first, len) = session.open_file(name).unwrap();
    let (second, _) = session.open_file(name).unwrap();
    let mut buf = vec![0; usize::try_from(len).unwrap()];
    let half = buf.len() / 2;
    session.read_at(first, &mut buf[..half], 0).unwrap();
    session.read_at(second, &mut buf[half..], half as u64).unwrap();
    assert_eq!(
        session.get_log_info().unwrap_err().code(),
        JetErr::InvalidBackupSequence
    );
    session.close_file(first).unwrap();
    session.close_file(second).unwrap();
    assert!(session.progress().is_empty(), "nobody has read it whole");

    let (log, database) = (OsStr::new("edb00007.log"), OsStr::new("b.edb"));
    session.get_log_info().unwrap();
    assert_eq!(
        session.open_file(database).unwrap_err().code(),
        JetErr::InvalidBackupSequence
    );
    let (handle, len) = session.open_file(log).unwrap();
    session
        .read_at(handle, &mut vec![0; usize::try_from(len).unwrap()], 0)
        .unwrap();
    let progress = session.progress();
    let of = |name: &OsStr| progress.iter().find(|file| file.name == name).unwrap().complete;
    assert!(of(log) && !of(name), "{progress:?}");
    assert!(session.vouch_for(database).is_err(), "its pages change");
    session.vouch_for(OsStr::new("edb00008.log")).unwrap();
    assert_eq!(session.phase(), PhaseName::Logs);
}

#[test]
fn a_reader_that_kept_its_file_is_refused_after_stop_and_after_the_end() {
    let (_, session) = instance();
    session.begin(FROZEN).unwrap();
    let (handle, _) = session.open_file(OsStr::new("a.edb")).unwrap();
    let file = session.file(handle).unwrap();
    let mut buf = [0; 16];
    session.stop_backup().unwrap();
    assert_eq!(
        file.read_at(&mut buf, 0).unwrap_err().code(),
        JetErr::BackupAbortByServer
    );
    session.end().unwrap();
    session.begin(FROZEN).unwrap();
    assert_eq!(file.read_at(&mut buf, 0).unwrap_err().code(), JetErr::NoBackup);
}

#[test]
fn reading_one_log_twice_does_not_stand_for_the_other() {
    let (_, session) = instance();
    session.begin(BeginGrbit::INCREMENTAL.bits()).unwrap();
    session.get_log_info().unwrap();
    let mut buf = vec![0; 8 * 4096];
    for name in ["edb00008.log", "edb00008.log", "edb00007.log"] {
        assert_eq!(
            session.truncate_log().unwrap_err().code(),
            JetErr::LogFileNotCopied
        );
        let (handle, _) = session.open_file(OsStr::new(name)).unwrap();
        session.read_file(handle, &mut buf).unwrap();
        session.close_file(handle).unwrap();
    }
    session.truncate_log().unwrap();
}

#[test]
fn the_checks_of_begin_come_in_the_published_order() {
    let (source, session) = instance();
    let all = Obstacles::all();
    let without = |gone: &[Obstacles]| gone.iter().fold(all, |left, one| left - *one);
    let order = [
        (all - Obstacles::RECOVERING, 0x40, JetErr::BackupNotAllowedYet),
        (all, 0, JetErr::BackupNotAllowedYet),
        (all, 0x40, JetErr::LoggingDisabled),
        (without(&[Obstacles::NOT_ALLOWED_YET]), 0, JetErr::LoggingDisabled),
        (
            Obstacles::LOG_WRITER_DOWN | Obstacles::RECOVERING,
            2,
            JetErr::LogWriteFail,
        ),
        (
            Obstacles::RECOVERING | Obstacles::CIRCULAR_LOGGING,
            2,
            JetErr::InvalidParameter,
        ),
        (
            Obstacles::CIRCULAR_LOGGING | Obstacles::LOG_DISK_FULL,
            2,
            JetErr::InvalidGrbit,
        ),
        (
            Obstacles::CIRCULAR_LOGGING | Obstacles::LOG_DISK_FULL,
            0x41,
            JetErr::InvalidBackup,
        ),
        (Obstacles::CIRCULAR_LOGGING, 0x11, JetErr::InvalidBackup),
        (Obstacles::LOG_DISK_FULL, 0x41, JetErr::InvalidGrbit),
        (Obstacles::LOG_DISK_FULL, 0x50, JetErr::InvalidGrbit),
        (
            Obstacles::LOG_DISK_FULL | Obstacles::LOG_SEQUENCE_END,
            0,
            JetErr::LogDiskFull,
        ),
        (Obstacles::LOG_SEQUENCE_END, 0, JetErr::LogSequenceEnd),
    ];
    for (obstacles, grbit, code) in order {
        source.set_obstacles(obstacles);
        assert_eq!(
            session.begin(grbit).unwrap_err().code(),
            code,
            "{obstacles:?} {grbit:#x}"
        );
    }
    source.set_obstacles(Obstacles::empty());
    session.begin(0).unwrap();
    source.set_obstacles(Obstacles::CIRCULAR_LOGGING);
    assert_eq!(session.begin(1).unwrap_err().code(), JetErr::InvalidBackup);
    assert_eq!(session.begin(0).unwrap_err().code(), JetErr::BackupInProgress);
}

#[test]
fn a_begin_that_fails_leaves_nothing_behind() {
    let (source, session) = instance();
    source.fail_next(Step::Begin, JetErr::CheckpointCorrupt);
    assert_eq!(session.begin(0).unwrap_err().code(), JetErr::CheckpointCorrupt);
    assert_eq!(session.phase(), PhaseName::NotStarted);
    assert!(source.endings().is_empty(), "what did not begin need not end");
    source.fail_next(Step::PrepareLogs, JetErr::MissingFileToBackup);
    assert_eq!(
        session.begin(FROZEN).unwrap_err().code(),
        JetErr::MissingFileToBackup
    );
    assert_eq!(source.endings(), [Ending::Aborted]);
    session.begin(0).unwrap();
}

#[test]
fn a_listed_log_that_is_gone_is_missing_file_to_backup_and_ends_the_backup() {
    let (source, session) = instance();
    session.begin(1).unwrap();
    session.get_log_info().unwrap();
    source.fail_next(Step::Open, JetErr::FileNotFound);
    let error = session.open_file(OsStr::new("edb00007.log")).unwrap_err();
    assert_eq!(error.code(), JetErr::MissingFileToBackup);
    let failed = BackupOutcome::Failed {
        code: JetErr::MissingFileToBackup,
    };
    assert_eq!(session.outcome(), Some(failed));
}

#[test]
fn a_file_is_found_by_name_and_by_path() {
    let (_, session) = instance();
    session.begin(FROZEN).unwrap();
    session.open_file(OsStr::new("/memory/a.edb")).unwrap();
    session.open_file(OsStr::new("a.edb")).unwrap();
}
