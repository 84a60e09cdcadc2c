//! A database as a backup delivered it, and whether it and its trailer can be restored (external-backup.md section 8.4).

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{DatabaseHeader, Signature, Trailer};
use crate::io::{FileSystem, OpenMode};
use crate::recovery::backup_copy::{check_belongs, read_trailer};
use crate::store::read_database_header;
use std::path::{Path, PathBuf};

/// A database of a set.
#[derive(Debug)]
pub struct CopiedDatabase {
    /// Where it lies.
    pub path: PathBuf,
    /// Its header.
    pub header: Box<DatabaseHeader>,
    /// Bytes of the file.
    pub len: u64,
    /// First generation that replaying needs.
    pub generation_low: u32,
    /// Last generation that replaying needs.
    pub generation_high: u32,
    /// The trailer page; `None` if the header has what it says already, or of a snapshot.
    trailer: Option<Trailer>,
}

impl CopiedDatabase {
    /// Reads header and trailer.
    ///
    /// # Errors
    /// `JET_errDatabaseCorrupted`: no good header, or none of a database; `JET_errRestoreOfNonBackupDatabase`: not a
    /// copy from a backup; `JET_errBadPatchPage`: its trailer page is damaged or was cut off.
    pub(super) fn open(fs: &dyn FileSystem, path: &Path) -> JetResult<Self> {
        let file = fs.open(path, OpenMode::ReadOnly);
        let file = file.map_err(|error| JetError::io("open", error).in_file(path))?;
        let len = file
            .stat()
            .map_err(|error| JetError::io("stat", error).in_file(path))?;
        let len = len.len;
        let header = Box::new(
            read_database_header(file.as_ref()).map_err(|error| not_a_database(error.in_file(path)))?,
        );
        let mut copy = CopiedDatabase {
            path: path.to_path_buf(),
            generation_low: header.backup_full_current.generation_low,
            generation_high: header.backup_full_current.generation_high,
            len,
            header,
            trailer: None,
        };
        if copy.is_snapshot() {
            let (low, high) = copy.header.required_generations().unwrap_or_default();
            (copy.generation_low, copy.generation_high) = (low, high);
            return Ok(copy);
        }
        if copy.generation_low == 0 {
            return Err(copy.not_from_a_backup());
        }
        if copy.generation_high == 0 {
            let page_size = copy.header.page_size;
            let last = (len / page_size.bytes_u64()).saturating_sub(2);
            let last = u32::try_from(last).unwrap_or(u32::MAX);
            let trailer = read_trailer(file.as_ref(), path, page_size, last)?;
            copy.generation_high = trailer.backup.generation_high;
            copy.trailer = Some(trailer);
        }
        Ok(copy)
    }

    /// Whether it, its trailer and the logs are of one backup, and the logs reach far enough.
    ///
    /// # Errors
    /// `JET_errDatabasePatchFileMismatch`, `JET_errStartingRestoreLogTooHigh`, `JET_errEndingRestoreLogTooLow`;
    /// `JET_errRequiredLogFilesMissing`: a header that needs more than its backup began with.
    pub(super) fn check_logs(&self, sequence: Signature, (first, last): (u32, u32)) -> JetResult<()> {
        let in_file = |error: JetError| error.in_file(&self.path);
        match &self.trailer {
            Some(trailer) => check_belongs(trailer, &self.header, sequence).map_err(in_file)?,
            None if self.header.log_signature != sequence => {
                let what = "the logs are those of another instance";
                return Err(in_file(JetError::rule(JetErr::DatabasePatchFileMismatch, what)));
            }
            None => {}
        }
        let (low, high) = (self.generation_low, self.generation_high);
        if low < first {
            let what = format!("needs the logs from generation {low:#x} on, but they begin with {first:#x}");
            return Err(in_file(JetError::rule(JetErr::StartingRestoreLogTooHigh, what)));
        }
        let required = self.header.generation_min_required;
        if required != 0 && required < first {
            let what =
                format!("needs the logs from generation {required:#x} on, but they begin with {first:#x}");
            return Err(in_file(JetError::rule(JetErr::RequiredLogFilesMissing, what)));
        }
        if high > last {
            let what = format!("needs the logs up to generation {high:#x}, but they end with {last:#x}");
            return Err(in_file(JetError::rule(JetErr::EndingRestoreLogTooLow, what)));
        }
        Ok(())
    }

    fn is_snapshot(&self) -> bool {
        self.header.backup_snapshot_current.mark.is_set()
    }

    fn not_from_a_backup(&self) -> JetError {
        let (what, advice) = if self.header.state.is_clean() {
            (
                "is not a copy from a backup: it was shut down cleanly",
                "Copy it, it needs no restore.",
            )
        } else {
            (
                "is not a copy from a backup, but a database that was not shut down cleanly",
                "Make it clean with its logs: `jetfs recover -o OUT DIR`.",
            )
        };
        let error = JetError::rule(JetErr::RestoreOfNonBackupDatabase, what);
        error.in_file(&self.path).advise(advice)
    }
}

/// Another kind of file where a database should be is a damaged one (section 8.4).
fn not_a_database(error: JetError) -> JetError {
    match error.code() {
        JetErr::FileInvalidType => error.with_code(JetErr::DatabaseCorrupted),
        _ => error,
    }
}
