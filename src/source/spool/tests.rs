use super::{SpoolProgress, SpoolSource};
use crate::backup::memory::MemorySource;
use crate::backup::{BackupKind, BackupOutcome, BackupSession, BeginGrbit, Ending, FileRole, Source};
use crate::error::{JetErr, JetError, JetResult};
use crate::io::{FileSystem, MemoryFileSystem, RealClock};
use crate::store::SpillDirectory;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

const FROZEN: u32 = BeginGrbit::SNAPSHOT.bits();
const LEN: usize = 5 * 4096;

fn bytes(seed: u8) -> Vec<u8> {
    (0..LEN)
        .map(|at| u8::try_from(at / 100).unwrap() ^ seed)
        .collect()
}

fn source() -> Arc<MemorySource> {
    let log = FileRole::ArchivedLog { generation: 7 };
    let source = MemorySource::new()
        .with_file("a.edb", FileRole::Database, bytes(1))
        .with_file("b.edb", FileRole::Database, bytes(2))
        .with_file("edb00007.log", log, bytes(3));
    Arc::new(source)
}

fn fill(
    source: Arc<dyn Source>,
    fs: &MemoryFileSystem,
    progress: &mut dyn FnMut(SpoolProgress) -> JetResult<()>,
) -> JetResult<SpoolSource> {
    fs.create_dir_all(Path::new("/spool")).unwrap();
    let directory = SpillDirectory {
        fs: Arc::new(fs.clone()),
        directory: "/spool".into(),
    };
    SpoolSource::fill(source, false, &directory, progress)
}

#[test]
fn a_spool_shows_what_its_source_delivered_and_ends_the_backup_of_the_source() {
    let fs = MemoryFileSystem::new(Arc::new(RealClock));
    let mut last = None;
    let spool = fill(source(), &fs, &mut |progress| {
        last = Some(progress);
        Ok(())
    });
    let all = 3 * LEN as u64;
    assert_eq!(
        last,
        Some(SpoolProgress {
            done: all,
            total: all
        })
    );
    assert!(
        fs.list(Path::new("/spool")).unwrap().is_empty(),
        "the spool has no name"
    );
    let session = BackupSession::new(Arc::new(spool.unwrap()));
    session.begin(FROZEN).unwrap();
    // In any order.
    for (name, seed) in [("edb00007.log", 3), ("b.edb", 2), ("a.edb", 1)] {
        let (handle, len) = session.open_file(OsStr::new(name)).unwrap();
        let mut buf = vec![0; usize::try_from(len).unwrap()];
        session.read_at(handle, &mut buf[5000..], 5000).unwrap();
        session.read_at(handle, &mut buf[..5000], 0).unwrap();
        assert!(buf == bytes(seed), "{name}");
    }
    session.truncate_log().unwrap();
    session.end().unwrap();
    let full = BackupOutcome::Complete {
        kind: BackupKind::Full,
    };
    assert_eq!(session.outcome(), Some(full));
    assert_eq!(session.begin(FROZEN).unwrap_err().code(), JetErr::NoBackup);
}

#[test]
fn a_spool_that_cannot_be_filled_aborts_the_backup_of_its_source() {
    let full = MemoryFileSystem::new(Arc::new(RealClock));
    full.set_capacity(LEN as u64);
    let stop = JetError::rule(JetErr::TermInProgress, "stopped");
    let mut stop = Some(stop);
    let roomy = MemoryFileSystem::new(Arc::new(RealClock));
    for (fs, code) in [(full, JetErr::DiskFull), (roomy, JetErr::TermInProgress)] {
        let source = source();
        let mut progress = |_| match code {
            JetErr::DiskFull => Ok(()),
            _ => Err(stop.take().unwrap()),
        };
        let error = fill(source.clone(), &fs, &mut progress).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(source.endings(), [Ending::Aborted]);
    }
}
