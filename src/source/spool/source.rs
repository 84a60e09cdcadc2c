//! The source that copies another one first.

use super::spooled_file::{SpooledFile, not_spooled};
use crate::backup::{
    BackupEvent, BackupFile, BackupOutcome, BackupSession, BeginGrbit, EndGrbit, Ending, Findings, LogRange,
    LogSet, LogStanding, Obstacles, Source, SourceFile,
};
use crate::error::{JetErr, JetError, JetResult};
use crate::io::File;
use crate::store::SpillDirectory;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

/// Bytes that are read at once: whole pages of every size.
const BUFFER_LEN: usize = 1 << 20;

/// How far the copying is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpoolProgress {
    /// Bytes that were copied.
    pub done: u64,
    /// Bytes in all; more when the logs are known.
    pub total: u64,
}

/// Hears how far the copying is, and may stop it with an error.
pub type OnSpoolProgress<'a> = dyn FnMut(SpoolProgress) -> JetResult<()> + 'a;

/// A whole backup of another source, in a file without a name. Its own backup is frozen and begins once.
#[derive(Debug)]
pub struct SpoolSource {
    backup: BackupSession,
    is_incremental: bool,
    databases: Vec<SourceFile>,
    logs: LogSet,
    files: BTreeMap<OsString, Arc<SpooledFile>>,
}

struct Filling<'f, 'p> {
    backup: &'f BackupSession,
    spool: Arc<dyn File>,
    place: u64,
    files: BTreeMap<OsString, Arc<SpooledFile>>,
    total: u64,
    progress: &'f mut OnSpoolProgress<'p>,
}

impl SpoolSource {
    /// Begins a backup of `source` in the published protocol and copies all of it.
    ///
    /// # Errors
    /// What the protocol says; a file cannot be read; the directory is full; the error of `progress`. The backup is
    /// aborted then.
    pub fn fill(
        source: Arc<dyn Source>,
        is_incremental: bool,
        directory: &SpillDirectory,
        progress: &mut OnSpoolProgress<'_>,
    ) -> JetResult<Self> {
        let spool = directory.create()?;
        let backup = BackupSession::new(source);
        let mut grbit = BeginGrbit::empty();
        grbit.set(BeginGrbit::INCREMENTAL, is_incremental);
        backup.begin(grbit.bits())?;
        let mut filling = Filling {
            backup: &backup,
            spool,
            place: 0,
            files: BTreeMap::new(),
            total: 0,
            progress,
        };
        match filling.copy_all(is_incremental) {
            Ok((databases, logs)) => Ok(SpoolSource {
                files: filling.files,
                backup,
                is_incremental,
                databases,
                logs,
            }),
            Err(error) => {
                // A failure in the log phase has ended it already.
                let _ = backup.end_with(EndGrbit::ABORT.bits());
                Err(error)
            }
        }
    }
}

impl Filling<'_, '_> {
    fn copy_all(&mut self, is_incremental: bool) -> JetResult<(Vec<SourceFile>, LogSet)> {
        let databases = match is_incremental {
            true => Vec::new(),
            false => self.backup.get_attach_info()?,
        };
        self.copy_files(&databases)?;
        let logs = self.backup.get_log_info()?;
        self.copy_files(&logs.files)?;
        let databases = match is_incremental {
            true => self.backup.source().databases()?,
            false => databases,
        };
        Ok((databases, logs))
    }

    fn copy_files(&mut self, files: &[SourceFile]) -> JetResult<()> {
        self.total += files.iter().map(|file| file.len).sum::<u64>();
        files.iter().try_for_each(|file| self.copy(file))
    }

    /// Copies a file from its start to its end; the last read of a database delivers its trailer.
    fn copy(&mut self, file: &SourceFile) -> JetResult<()> {
        let in_file = |error: JetError| error.in_file(&file.path);
        let (handle, len) = self.backup.open_file(&file.name)?;
        let page_size = self.backup.page_size(handle)?;
        let place = self.place;
        let mut buffer = vec![0; BUFFER_LEN];
        let mut done = 0;
        while done < len {
            let read = self.backup.read_file(handle, &mut buffer)?;
            if read == 0 {
                let what = "ends before its length";
                return Err(in_file(JetError::rule(JetErr::FileIOBeyondEOF, what)));
            }
            let bytes = buffer.get(..read).unwrap_or_default();
            let written = self.spool.write_all_at(bytes, place + done);
            written.map_err(|error| in_file(JetError::io("write to the spool", error)))?;
            done += read as u64;
            self.place += read as u64;
            (self.progress)(SpoolProgress {
                done: self.place,
                total: self.total.max(self.place),
            })?;
        }
        self.backup.close_file(handle)?;
        let spooled = SpooledFile {
            spool: Arc::clone(&self.spool),
            place,
            len: done,
            page_size,
            path: file.path.clone(),
        };
        self.files.insert(file.name.clone(), Arc::new(spooled));
        Ok(())
    }
}

impl Source for SpoolSource {
    fn obstacles(&self) -> Obstacles {
        Obstacles::empty()
    }

    /// The backup began when the spool was filled.
    fn begin(&self, grbit: BeginGrbit) -> JetResult<()> {
        let is_incremental = grbit.contains(BeginGrbit::INCREMENTAL);
        if !grbit.contains(BeginGrbit::SNAPSHOT) || is_incremental != self.is_incremental {
            let what = "the spool was filled for another kind of backup";
            return Err(JetError::rule(JetErr::InvalidGrbit, what));
        }
        match self.backup.outcome() {
            None => Ok(()),
            Some(_) => Err(JetError::rule(
                JetErr::NoBackup,
                "the backup of the spool has ended",
            )),
        }
    }

    fn databases(&self) -> JetResult<Vec<SourceFile>> {
        Ok(self.databases.clone())
    }

    fn prepare_logs(&self) -> JetResult<LogSet> {
        Ok(self.logs.clone())
    }

    fn open(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>> {
        let spooled = self.files.get(&file.name).ok_or_else(not_spooled)?;
        Ok(Arc::<SpooledFile>::clone(spooled))
    }

    /// Every database is in the spool, so what was copied of it is no matter here.
    fn truncatable(&self, _copied: &[OsString]) -> JetResult<Option<LogRange>> {
        self.backup.get_truncate_log_info()
    }

    fn truncate(&self, _range: LogRange) -> JetResult<()> {
        self.backup.truncate_log()
    }

    fn log_standing(&self) -> JetResult<LogStanding> {
        self.backup.source().log_standing()
    }

    fn end(&self, ending: &Ending) -> JetResult<()> {
        let mut grbit = EndGrbit::ABORT;
        if let Ending::Normal { truncated, stamp } = ending {
            grbit = EndGrbit::NORMAL;
            grbit.set(EndGrbit::TRUNCATE_DONE, *truncated);
            grbit.set(EndGrbit::NO_DB_HEADER_UPDATE, stamp.is_empty());
        }
        self.backup.end_with(grbit.bits())?;
        match (ending, self.backup.outcome()) {
            (Ending::Aborted, _) | (_, Some(BackupOutcome::Complete { .. })) => Ok(()),
            (_, Some(BackupOutcome::Failed { code })) => {
                Err(JetError::rule(code, "the backup of the spool could not be ended"))
            }
            (_, _) => {
                let what = "the instance has ended the backup of the spool";
                Err(JetError::rule(JetErr::BackupAbortByServer, what))
            }
        }
    }

    fn findings(&self) -> &Findings {
        self.backup.source().findings()
    }

    /// The backup of the source has told of everything.
    fn tell(&self, event: &BackupEvent) {
        tracing::debug!("{event}");
    }
}
