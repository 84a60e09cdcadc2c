//! A file whose blocks are judged, and what is done with those that are damaged.

use crate::backup::{BackupEvent, Finding, Findings, Outcome};
use crate::error::{JetErr, JetError, JetResult};
use std::ffi::OsString;
use std::fmt::Debug;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file of a source, open to be read.
pub(crate) trait BlockFile: Send + Sync + Debug {
    /// Bytes that it has.
    fn len(&self) -> u64;

    /// Where the source has it.
    fn path(&self) -> &Path;

    /// Reads until `buf` is full or the file ends.
    fn read(&self, buf: &mut [u8], offset: u64) -> JetResult<usize>;

    /// Notes damage, and what became of it.
    fn note(&self, damage: &Damage, outcome: Outcome);

    /// Where what is found is kept.
    fn found(&self) -> &FoundIn;

    /// Notes damage that is refused, and makes the error of it.
    fn refuse(&self, damage: Damage) -> JetError {
        self.note(&damage, Outcome::Refused);
        let error = JetError::rule(damage.code, damage.what)
            .in_file(self.path())
            .at_offset(damage.offset);
        match damage.page {
            Some(page) => error.on_page(page),
            None => error,
        }
    }

    /// It was read and verified to its end.
    fn set_verified(&self) {}

    /// Whether it was.
    fn is_verified(&self) -> bool {
        false
    }

    /// The descriptor, if the kernel would deliver the same bytes.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// A damaged place of a file.
pub(crate) struct Damage {
    /// Offset in bytes.
    pub(crate) offset: u64,
    /// The page, in a database.
    pub(crate) page: Option<u32>,
    /// What it means.
    pub(crate) code: JetErr,
    /// In words.
    pub(crate) what: String,
}

/// Where what is found in a file is kept.
#[derive(Debug, Clone)]
pub(crate) struct FoundIn {
    /// All that was found.
    pub(crate) findings: Arc<Findings>,
    /// The file's name in the backup.
    pub(crate) name: OsString,
    /// Where the source has it.
    pub(crate) path: PathBuf,
}

impl FoundIn {
    /// Reading caused an event of the event log.
    pub(crate) fn tell(&self, event: &BackupEvent) {
        self.findings.tell(event);
    }

    /// Notes damage, and what became of it.
    pub(crate) fn note(&self, damage: &Damage, outcome: Outcome) {
        let finding = Finding {
            file: self.name.clone(),
            offset: damage.offset,
            page: damage.page,
            outcome,
            code: damage.code,
            what: damage.what.clone(),
        };
        if self.findings.record(finding) {
            tracing::warn!(
                "{}: offset {:#x}: {} ({outcome:?})",
                self.path.display(),
                damage.offset,
                damage.what
            );
        }
    }
}
