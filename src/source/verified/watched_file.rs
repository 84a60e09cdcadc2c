//! A file of the source that must not change while it is shown: what was verified must be what is delivered.

use super::block_file::{BlockFile, Damage, FoundIn};
use crate::backup::{Findings, Outcome, SourceFile};
use crate::error::{JetErr, JetError, JetResult};
use crate::io::{File, FileStat, FileSystem, OpenMode};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is known about a file, however often it is opened.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Something was found: the kernel must not read it by itself, since it would not repair or refuse.
    faulty: AtomicBool,
    /// It was read and verified to its end.
    verified: AtomicBool,
}

/// An open file with what it was when the set was taken.
#[derive(Debug)]
pub(crate) struct WatchedFile {
    file: Arc<dyn File>,
    stat: FileStat,
    found: FoundIn,
    standing: Arc<Standing>,
}

impl WatchedFile {
    /// Opens a file, if it still is the one of which `stat` was taken.
    pub(crate) fn open(
        fs: &dyn FileSystem,
        file: &SourceFile,
        stat: FileStat,
        findings: &Arc<Findings>,
        standing: &Arc<Standing>,
    ) -> JetResult<Self> {
        let (path, name) = (&file.path, file.name.clone());
        let file = fs
            .open(path, OpenMode::ReadOnly)
            .map_err(|error| JetError::io("open", error).in_file(path))?;
        let watched = WatchedFile {
            file,
            stat,
            found: FoundIn {
                findings: Arc::clone(findings),
                name,
                path: path.clone(),
            },
            standing: Arc::clone(standing),
        };
        watched.check_unchanged()?;
        Ok(watched)
    }

    fn check_unchanged(&self) -> JetResult<()> {
        let now = self
            .file
            .stat()
            .map_err(|error| JetError::io("look at", error).in_file(&self.found.path))?;
        if now == self.stat {
            return Ok(());
        }
        let how = match now {
            FileStat { identity, .. } if identity != self.stat.identity => "was replaced",
            FileStat { len, .. } if len < self.stat.len => "shrank",
            FileStat { len, .. } if len > self.stat.len => "grew",
            _ => "was written to",
        };
        Err(self.refuse(self.changed(how)))
    }

    fn changed(&self, how: &str) -> Damage {
        let what = format!("the file {how} since the backup began");
        Damage {
            offset: 0,
            page: None,
            code: JetErr::DiskIO,
            what,
        }
    }
}

impl BlockFile for WatchedFile {
    fn found(&self) -> &FoundIn {
        &self.found
    }

    fn len(&self) -> u64 {
        self.stat.len
    }

    fn path(&self) -> &Path {
        &self.found.path
    }

    /// The file is looked at after reading, so that bytes which changed
    /// meanwhile are not delivered.
    fn read(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        let rest = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = rest.min(buf.len());
        let wanted = buf.get_mut(..count).unwrap_or_default();
        let result = self.file.read_full_at(wanted, offset);
        self.check_unchanged()?;
        match result {
            Ok(read) if read == count => Ok(read),
            Ok(_) => Err(self.refuse(self.changed("ends early"))),
            Err(error) => {
                let code = JetErr::from_io(&error);
                let damage = Damage {
                    offset,
                    page: None,
                    code,
                    what: format!("cannot be read: {error}"),
                };
                self.note(&damage, Outcome::Refused);
                Err(JetError::io("read", error)
                    .in_file(&self.found.path)
                    .at_offset(offset))
            }
        }
    }

    fn note(&self, damage: &Damage, outcome: Outcome) {
        self.standing.faulty.store(true, Ordering::Release);
        self.found.note(damage, outcome);
    }

    fn set_verified(&self) {
        self.standing.verified.store(true, Ordering::Release);
    }

    fn is_verified(&self) -> bool {
        self.standing.verified.load(Ordering::Acquire)
    }

    /// If the file was verified and nothing was found.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        let sound = self.is_verified() && !self.standing.faulty.load(Ordering::Acquire);
        if sound { self.file.raw_fd() } else { None }
    }
}
