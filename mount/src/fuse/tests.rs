//! The adapter behind a real kernel, over a source with a defect.

use super::*;
use crate::tree::{About, Text};
use fuser::{Config, MountOption, Session};
use jetfs::backup::memory::MemorySource;
use jetfs::backup::{
    BackupFile, BackupSession, BeginGrbit, Ending, FileRole, Findings, LogRange, LogSet, Source, SourceFile,
};
use jetfs::format::PageSize;
use jetfs::{JetErr, JetError, JetResult};
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

/// Files whose second page cannot be read without a panic.
#[derive(Debug)]
struct Defective(MemorySource);

#[derive(Debug)]
struct DefectiveFile(Arc<dyn BackupFile>);

impl Source for Defective {
    fn begin(&self, grbit: BeginGrbit) -> JetResult<()> {
        self.0.begin(grbit)
    }
    fn databases(&self) -> JetResult<Vec<SourceFile>> {
        self.0.databases()
    }
    fn prepare_logs(&self) -> JetResult<LogSet> {
        self.0.prepare_logs()
    }
    fn open(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>> {
        assert_ne!(file.name, "broken.edb", "a defect");
        Ok(Arc::new(DefectiveFile(self.0.open(file)?)))
    }
    fn truncatable(&self, copied: &[OsString]) -> JetResult<Option<LogRange>> {
        self.0.truncatable(copied)
    }
    fn truncate(&self, range: LogRange) -> JetResult<()> {
        self.0.truncate(range)
    }
    fn end(&self, ending: &Ending) -> JetResult<()> {
        self.0.end(ending)
    }
    fn findings(&self) -> &Findings {
        self.0.findings()
    }
}

impl BackupFile for DefectiveFile {
    fn len(&self) -> u64 {
        self.0.len()
    }
    fn page_size(&self) -> PageSize {
        self.0.page_size()
    }
    fn read_at(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        assert!(offset + buf.len() as u64 <= 4096, "a defect");
        self.0.read_at(buf, offset)
    }
    fn verify(&self) -> JetResult<()> {
        Err(JetError::rule(JetErr::InternalError, "not here"))
    }
    fn passthrough(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

fn tree() -> Arc<Tree> {
    let source = MemorySource::new()
        .with_file("a.edb", FileRole::Database, vec![7u8; 8192])
        .with_file("broken.edb", FileRole::Database, vec![7u8; 8192]);
    let session = Arc::new(BackupSession::new(Arc::new(Defective(source))));
    session.begin(BeginGrbit::SNAPSHOT.bits()).unwrap();
    let manifest = Text {
        bytes: Vec::new(),
        modified: SystemTime::UNIX_EPOCH,
    };
    let about = About {
        source: "/srv/ad".into(),
        started: SystemTime::UNIX_EPOCH,
        warnings: Vec::new(),
        ignored: Vec::new(),
        sources: Vec::new(),
        manifest: Some(manifest),
        trust_source: false,
        recovery: None,
        live: None,
    };
    Arc::new(Tree::new(session, about).unwrap())
}

#[test]
fn a_panic_is_eio_for_its_reader_and_the_mount_goes_on() {
    let ownership = Ownership {
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        mode: 0o400,
    };
    let (ended, _events) = std::sync::mpsc::channel();
    let fuse = Fuse::new(tree(), ownership, false, ended);
    let point = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.mount_options = vec![MountOption::RO];
    let session = match Session::new(fuse, point.path(), &config) {
        Ok(session) => session.spawn().unwrap(),
        Err(error) => {
            println!("skipped: no FUSE here: {error}");
            return;
        }
    };
    let eio = Some(Errno::EIO.code());
    let number = |result: io::Result<()>| result.err().and_then(|error| error.raw_os_error());
    // More panics than event loops.
    for _ in 0..20 {
        let file = File::open(point.path().join("a.edb")).unwrap();
        assert_eq!(number(file.read_exact_at(&mut [0; 4096], 4096)), eio);
        assert_eq!(number(File::open(point.path().join("broken.edb")).map(drop)), eio);
    }
    assert_eq!(fs::read_dir(point.path()).unwrap().count(), 3);
    session.umount_and_join().unwrap();
}
