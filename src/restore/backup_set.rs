//! A directory that a backup was copied to: databases and logs, or logs alone.

use crate::backup::{FileRole, Manifest, ManifestFile, ManifestKind};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::LogHeader;
use crate::io::FileSystem;
use crate::recovery::{InstanceFiles, Places};
use crate::store::log_reader::LogPlace;
use crate::store::read_log_header;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One backup set.
#[derive(Debug)]
pub struct BackupSet {
    /// Where it lies.
    pub directory: PathBuf,
    /// What its `backup.json` says it is; `None` if it has none.
    pub kind: Option<ManifestKind>,
    /// Its first and last log generation; `None` without logs.
    pub generations: Option<(u32, u32)>,
    /// Its databases. A set without any is an incremental or a differential one.
    pub databases: Vec<PathBuf>,
    /// The first three characters of its log names, as they are written.
    pub(super) base: String,
    /// Its logs, until they become part of the chain.
    pub(super) logs: BTreeMap<u32, SetLog>,
    manifest: Option<Manifest>,
}

/// A log of a set.
#[derive(Debug)]
pub(super) struct SetLog {
    /// Where it is.
    pub(super) place: LogPlace,
    /// Its header, or why it cannot be read: that matters only if the log is needed.
    pub(super) header: JetResult<LogHeader>,
}

impl BackupSet {
    /// Looks at a directory. Nothing is changed; of logs only headers are read.
    ///
    /// # Errors
    /// `JET_errRestoreOfNonBackupDatabase`: it is another kind of copy; `JET_errFileNotFound`: it is empty, or a file of
    /// its manifest is missing; `JET_errLogFileSizeMismatch`, `JET_errFileIOBeyondEOF`: such a file has another length.
    pub(super) fn open(fs: &dyn FileSystem, directory: &Path, base: Option<&str>) -> JetResult<Self> {
        let manifest = Manifest::read(fs, directory)?;
        if let Some(manifest) = &manifest {
            check_kind(manifest.kind, directory)?;
            let mut files = manifest.files.iter();
            files.try_for_each(|file| check_file(fs, directory, file))?;
        }
        let places = Places {
            logs: directory.to_path_buf(),
            base: base.map(str::to_owned),
            ..Places::default()
        };
        let found = InstanceFiles::find(fs, &places)?;
        let logs = archived_logs(fs, &found);
        if logs.is_empty() && found.databases.is_empty() {
            let what = "holds neither databases nor closed logs of a backup";
            return Err(JetError::rule(JetErr::FileNotFound, what).in_file(directory));
        }
        let ends = logs.keys().next().zip(logs.keys().next_back());
        Ok(BackupSet {
            directory: directory.to_path_buf(),
            kind: manifest.as_ref().map(|manifest| manifest.kind),
            generations: ends.map(|(first, last)| (*first, *last)),
            databases: found.databases,
            base: found.base,
            logs,
            manifest,
        })
    }

    /// Whether logs of other sets may follow its own.
    pub fn is_full(&self) -> bool {
        !self.databases.is_empty()
    }

    /// Where the database of this name was when the backup was taken; `None` if no manifest tells.
    pub(super) fn original_of(&self, database: &Path) -> Option<PathBuf> {
        let name = database.file_name()?;
        let mut files = self.manifest.as_ref()?.files.iter();
        let file = files.find(|file| file.name.0 == name)?;
        Some(PathBuf::from(&file.original.0))
    }
}

/// Logs of a backup are closed ones; a current log that lies there is none of it.
fn archived_logs(fs: &dyn FileSystem, found: &InstanceFiles) -> BTreeMap<u32, SetLog> {
    let archived = found
        .logs
        .iter()
        .filter(|(_, log)| found.current.as_ref() != Some(&log.path));
    let logs = archived.map(|(generation, place)| {
        let log = SetLog {
            place: place.clone(),
            header: read_log_header(fs, &place.path),
        };
        (*generation, log)
    });
    logs.collect()
}

fn check_kind(kind: ManifestKind, directory: &Path) -> JetResult<()> {
    let (what, advice) = match kind {
        ManifestKind::Full | ManifestKind::Copy | ManifestKind::Incremental | ManifestKind::Differential => {
            return Ok(());
        }
        ManifestKind::AtRest => (
            "is a copy of files at rest, not a backup that has to be restored",
            "Make its databases clean with `jetfs recover -o OUT`, or in place with `jetfs recover`.",
        ),
        ManifestKind::Recovered => (
            "is a copy of databases that recovery made clean already",
            "Use its databases as they are.",
        ),
    };
    let error = JetError::rule(JetErr::RestoreOfNonBackupDatabase, what);
    Err(error.in_file(directory).advise(advice))
}

/// What a manifest lists is there, and as long as it was.
fn check_file(fs: &dyn FileSystem, directory: &Path, file: &ManifestFile) -> JetResult<()> {
    let path = directory.join(&file.name);
    let stat = fs.stat(&path);
    let found = stat
        .map_err(|error| JetError::io("find", error).in_file(&path))?
        .len;
    if found == file.len {
        return Ok(());
    }
    let code = match file.role {
        FileRole::ArchivedLog { .. } | FileRole::CurrentLog { .. } => JetErr::LogFileSizeMismatch,
        _ => JetErr::FileIOBeyondEOF,
    };
    let what = format!("has {found} bytes, but its manifest says {}", file.len);
    Err(JetError::rule(code, what).in_file(&path))
}
