use super::*;
use crate::backup::memory::{MemorySource, Step};
use crate::backup::{Ending, FileRole, ManifestFile};
use crate::io::{FaultFileSystem, MemoryFileSystem, Which};
use std::time::SystemTime;

const SET: &str = "/backup/set";
const FULL: CopyRequest = CopyRequest {
    kind: ManifestKind::Full,
    mode: BackupMode::Frozen,
};

fn instance() -> (Arc<MemorySource>, BackupSession) {
    let log = |generation| FileRole::ArchivedLog { generation };
    let source = MemorySource::new()
        .with_file("a.edb", FileRole::Database, vec![1; 5 * 4096])
        .with_file("b.edb", FileRole::Database, vec![2; 3 << 20])
        .with_file("edb0000000A.log", log(10), vec![3; 8192])
        .with_file("edb0000000B.log", log(11), vec![4; 8192]);
    let source = Arc::new(source);
    (Arc::clone(&source), BackupSession::new(source))
}

/// What a session lists.
fn describe(session: &BackupSession) -> JetResult<Manifest> {
    let files = session.get_attach_info().unwrap_or_default();
    let files = files.into_iter().chain(session.get_log_info()?.files);
    let files = files.map(|file| ManifestFile {
        name: file.name.as_os_str().into(),
        role: file.role,
        len: file.len,
        modified: SystemTime::UNIX_EPOCH,
        original: file.path.as_path().into(),
        signature: None,
        sha256: None,
    });
    Ok(Manifest {
        files: files.collect(),
        ..Manifest::new(ManifestKind::Full, BackupMode::Frozen)
    })
}

fn copy(session: &BackupSession, request: CopyRequest, fs: &dyn FileSystem) -> JetResult<Manifest> {
    copy_to_directory(session, request, fs, Path::new(SET), &mut describe, &mut |_| {
        Ok(())
    })
}

fn names(fs: &MemoryFileSystem) -> Vec<OsString> {
    fs.list(Path::new(SET)).map_or(Vec::new(), |entries| {
        entries.into_iter().map(|entry| entry.name).collect()
    })
}

#[test]
fn a_copy_has_every_file_and_a_manifest_with_their_sums() {
    for mode in [BackupMode::Frozen, BackupMode::Stream] {
        let (source, session) = instance();
        let fs = MemoryFileSystem::default();
        copy(&session, CopyRequest { mode, ..FULL }, &fs).unwrap();
        let manifest = Manifest::read(&fs, Path::new(SET)).unwrap().unwrap();
        assert_eq!(names(&fs).len(), 5);
        for file in &manifest.files {
            let bytes = fs.read_file(Path::new(SET).join(&file.name)).unwrap();
            assert_eq!(bytes.len() as u64, file.len);
            assert_eq!(file.sha256, Some(in_hexadecimal(&Sha256::digest(&bytes))));
        }
        assert_eq!(source.truncated().len(), 1);
        assert!(matches!(
            source.endings().as_slice(),
            [Ending::Normal { truncated: true, .. }]
        ));
    }
}

#[test]
fn the_sum_is_the_one_that_sha256sum_prints() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(in_hexadecimal(&Sha256::digest(b"")), empty);
}

#[test]
fn an_incremental_copy_has_only_logs_and_copies_and_differential_ones_truncate_nothing() {
    for (kind, files, truncations) in [
        (ManifestKind::Incremental, 3, 1),
        (ManifestKind::Differential, 3, 0),
        (ManifestKind::Copy, 5, 0),
    ] {
        let (source, session) = instance();
        let fs = MemoryFileSystem::default();
        copy(&session, CopyRequest { kind, ..FULL }, &fs).unwrap();
        assert_eq!(names(&fs).len(), files, "{kind:?}");
        assert_eq!(source.truncated().len(), truncations, "{kind:?}");
    }
}

#[test]
fn whatever_fails_before_the_copy_is_complete_aborts_the_backup_and_leaves_nothing() {
    let steps = [Step::Databases, Step::PrepareLogs, Step::Open, Step::Read];
    for step in steps {
        for mode in [BackupMode::Frozen, BackupMode::Stream] {
            let (source, session) = instance();
            let fs = MemoryFileSystem::default();
            source.fail_next(step, JetErr::DiskIO);
            let error = copy(&session, CopyRequest { mode, ..FULL }, &fs).unwrap_err();
            assert_eq!(error.code(), JetErr::DiskIO, "{step:?}");
            assert!(names(&fs).is_empty(), "{step:?}: {:?}", names(&fs));
            assert!(source.truncated().is_empty());
            assert!(source.endings().iter().all(|ending| *ending == Ending::Aborted));
            copy(&session, FULL, &fs).unwrap();
        }
    }
}

#[test]
fn logs_that_cannot_be_truncated_leave_the_copy_and_end_the_backup() {
    let (source, session) = instance();
    let fs = MemoryFileSystem::default();
    source.fail_next(Step::Truncate, JetErr::FileAccessDenied);
    let error = copy(&session, FULL, &fs).unwrap_err();
    assert_eq!(error.code(), JetErr::FileAccessDenied);
    assert_eq!(names(&fs).len(), 5);
    assert_eq!(source.endings(), [Ending::Aborted]);
}

#[test]
fn a_directory_that_is_not_empty_is_refused_before_a_backup_begins() {
    let (source, session) = instance();
    let fs = MemoryFileSystem::default();
    fs.create_dir_all(Path::new(SET)).unwrap();
    fs.write_file(Path::new(SET).join("mine"), b"1").unwrap();
    let error = copy(&session, FULL, &fs).unwrap_err();
    assert_eq!(error.code(), JetErr::BackupDirectoryNotEmpty);
    assert_eq!(names(&fs), ["mine"]);
    assert!(source.endings().is_empty());
}

#[test]
fn who_stops_it_gets_his_own_error_and_nothing_is_left() {
    let (source, session) = instance();
    let fs = MemoryFileSystem::default();
    let mut left = 2;
    let stopped = copy_to_directory(&session, FULL, &fs, Path::new(SET), &mut describe, &mut |_| {
        left -= 1;
        match left {
            0 => Err(JetError::rule(JetErr::ClientRequestToStopJetService, "enough")),
            _ => Ok(()),
        }
    });
    assert_eq!(stopped.unwrap_err().code(), JetErr::ClientRequestToStopJetService);
    assert!(names(&fs).is_empty());
    assert_eq!(source.endings(), [Ending::Aborted]);
}

#[test]
fn a_failure_at_any_operation_of_the_disk_leaves_nothing_and_truncates_nothing() {
    let mut k = 1;
    loop {
        let (source, session) = instance();
        let fs = FaultFileSystem::in_memory();
        fs.fail(k, Which::Any, io::ErrorKind::StorageFull);
        let copied = copy(&session, FULL, &fs);
        fs.disarm();
        let Err(error) = copied else {
            break;
        };
        let there = fs.list(Path::new(SET)).unwrap_or_default();
        assert!(there.is_empty(), "operation {k}, {error}: {there:?}");
        assert!(source.truncated().is_empty(), "operation {k}, {error}");
        copy(&session, FULL, &fs).unwrap();
        k += 1;
    }
    assert!(k > 20, "{k} operations");
}
