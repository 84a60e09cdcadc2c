//! A backup copied into a directory without a mount: databases, then logs, in the order of the published protocol.
//!
//! ```text
//! Begin ── databases ── GetLogInfo ── logs ── backup.json ── TruncateLog ── End
//!            each file is durable before the next        set complete   only full and incremental
//! ```
//!
//! The manifest has the SHA-256 of every file, and is there only when all of it is durable. Only then are logs of the
//! instance deleted. If anything fails, the backup is aborted and what was copied is removed.

use super::manifest::{BackupMode, Manifest, ManifestKind};
use super::session::BackupSession;
use super::source::{BeginGrbit, EndGrbit, SourceFile};
use crate::error::{JetErr, JetError, JetResult};
use crate::io::{File, FileSystem, OpenMode};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that are read at once: whole pages of every size.
const BUFFER_LEN: usize = 1 << 20;
/// The manifest, until it is durable.
const UNFINISHED_MANIFEST: &str = "backup.json.new";

/// What is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyRequest {
    /// What the backup is to become; full and incremental ones truncate the logs.
    pub kind: ManifestKind,
    /// How its files become consistent with each other: frozen or stream; of files at rest, at rest.
    pub mode: BackupMode,
}

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyProgress<'a> {
    /// These files are next, the databases or the logs.
    Files(&'a [SourceFile]),
    /// So many bytes more were written.
    Bytes(u64),
}

/// Hears how far a copy is, and may stop it with an error.
pub type OnCopyProgress<'a> = dyn FnMut(CopyProgress<'_>) -> JetResult<()> + 'a;

impl CopyRequest {
    fn is_incremental(self) -> bool {
        matches!(self.kind, ManifestKind::Incremental | ManifestKind::Differential)
    }

    fn truncates(self) -> bool {
        matches!(self.kind, ManifestKind::Full | ManifestKind::Incremental)
    }

    /// The bits of Begin.
    fn grbit(self) -> BeginGrbit {
        let mut grbit = BeginGrbit::empty();
        grbit.set(BeginGrbit::SNAPSHOT, self.mode != BackupMode::Stream);
        grbit.set(BeginGrbit::INCREMENTAL, self.is_incremental());
        grbit
    }
}

/// Makes a whole backup into `destination`, which must be empty or not exist; answers the manifest. `describe` composes
/// it once the logs are known; names, lengths and sums of the files are of the copy.
///
/// # Errors
/// `JET_errBackupDirectoryNotEmpty`; what the protocol says; a file of the source cannot be read or is damaged; what
/// the system says (`JET_errDiskFull`); the error of `progress`. Nothing is left of the copy then, and the backup is
/// aborted. An error of the truncation or of the end leaves the copy, which is complete.
pub fn copy_to_directory(
    session: &BackupSession,
    request: CopyRequest,
    fs: &dyn FileSystem,
    destination: &Path,
    describe: &mut dyn FnMut(&BackupSession) -> JetResult<Manifest>,
    progress: &mut OnCopyProgress<'_>,
) -> JetResult<Manifest> {
    let mut copy = Copy::into(fs, destination)?;
    session.begin(request.grbit().bits())?;
    match copy.all(session, request, describe, progress) {
        Ok(manifest) => {
            let ended = finish(session, request);
            if ended.is_err() {
                let _ = session.end_with(EndGrbit::ABORT.bits());
            }
            ended.map(|()| manifest)
        }
        Err(error) => {
            let _ = session.end_with(EndGrbit::ABORT.bits());
            copy.remove();
            Err(error)
        }
    }
}

fn finish(session: &BackupSession, request: CopyRequest) -> JetResult<()> {
    if request.truncates() {
        session.truncate_log()?;
    }
    session.end()
}

/// The copy as it grows.
struct Copy<'a> {
    fs: &'a dyn FileSystem,
    directory: &'a Path,
    buffer: Vec<u8>,
    /// SHA-256 of the files that are complete.
    sums: BTreeMap<OsString, String>,
    made: Vec<PathBuf>,
}

impl<'a> Copy<'a> {
    fn into(fs: &'a dyn FileSystem, directory: &'a Path) -> JetResult<Self> {
        fs.create_dir_all(directory)
            .map_err(|error| JetError::io("create the directory", error).in_file(directory))?;
        let found = fs.list(directory);
        let found = found.map_err(|error| JetError::io("list", error).in_file(directory))?;
        if !found.is_empty() {
            return Err(JetError::rule(
                JetErr::BackupDirectoryNotEmpty,
                "a backup goes into an empty directory",
            )
            .in_file(directory)
            .advise("Name a directory that does not exist yet: one for each backup."));
        }
        Ok(Copy {
            fs,
            directory,
            buffer: vec![0; BUFFER_LEN],
            sums: BTreeMap::new(),
            made: Vec::new(),
        })
    }

    fn all(
        &mut self,
        session: &BackupSession,
        request: CopyRequest,
        describe: &mut dyn FnMut(&BackupSession) -> JetResult<Manifest>,
        progress: &mut OnCopyProgress<'_>,
    ) -> JetResult<Manifest> {
        if !request.is_incremental() {
            self.files(session, &session.get_attach_info()?, progress)?;
        }
        let logs = session.get_log_info()?;
        self.files(session, &logs.files, progress)?;
        let mut manifest = describe(session)?;
        for file in &mut manifest.files {
            file.sha256 = self.sums.get(&file.name.0).cloned();
        }
        self.write_manifest(&manifest)?;
        Ok(manifest)
    }

    fn files(
        &mut self,
        session: &BackupSession,
        files: &[SourceFile],
        progress: &mut OnCopyProgress<'_>,
    ) -> JetResult<()> {
        progress(CopyProgress::Files(files))?;
        for file in files {
            self.file(session, file, progress)?;
        }
        Ok(())
    }

    fn file(
        &mut self,
        session: &BackupSession,
        file: &SourceFile,
        progress: &mut OnCopyProgress<'_>,
    ) -> JetResult<()> {
        let path = self.directory.join(&file.name);
        let (handle, _) = session.open_file(&file.name)?;
        let target = self.create(&path)?;
        let mut sum = Sha256::new();
        let mut at = 0;
        loop {
            let read = session.read_file(handle, &mut self.buffer)?;
            let Some(bytes) = self.buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            sum.update(bytes);
            let written = target.write_all_at(bytes, at);
            written.map_err(|error| JetError::io("write", error).in_file(&path).at_offset(at))?;
            at += read as u64;
            progress(CopyProgress::Bytes(read as u64))?;
        }
        session.close_file(handle)?;
        sync(&*target, &path)?;
        self.sums
            .insert(file.name.clone(), in_hexadecimal(&sum.finalize()));
        Ok(())
    }

    fn create(&mut self, path: &Path) -> JetResult<Arc<dyn File>> {
        let file = self.fs.open(path, OpenMode::CreateNew);
        let file = file.map_err(|error| JetError::io("create", error).in_file(path))?;
        self.made.push(path.to_path_buf());
        Ok(file)
    }

    /// It has its name only when all is durable.
    fn write_manifest(&mut self, manifest: &Manifest) -> JetResult<()> {
        let unfinished = self.directory.join(UNFINISHED_MANIFEST);
        let path = self.directory.join(Manifest::FILE_NAME);
        let file = self.create(&unfinished)?;
        let written = file.write_all_at(&manifest.to_bytes()?, 0);
        written.map_err(|error| JetError::io("write", error).in_file(&unfinished))?;
        sync(&*file, &unfinished)?;
        self.sync_names()?;
        let renamed = self.fs.rename(&unfinished, &path);
        renamed.map_err(|error| JetError::io("rename", error).in_file(&unfinished))?;
        self.made.push(path);
        self.sync_names()
    }

    /// Makes the names in the directory durable, and its own name.
    fn sync_names(&self) -> JetResult<()> {
        let parent = self
            .directory
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        for directory in [Some(self.directory), parent].into_iter().flatten() {
            self.fs
                .sync_dir(directory)
                .map_err(|error| JetError::io("sync the directory", error).in_file(directory))?;
        }
        Ok(())
    }

    /// The manifest first: without it the rest counts for nothing.
    fn remove(&self) {
        for path in self.made.iter().rev() {
            if let Err(error) = self.fs.remove(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("{} is left of the copy: {error}", path.display());
            }
        }
    }
}

fn sync(file: &dyn File, path: &Path) -> JetResult<()> {
    file.sync()
        .map_err(|error| JetError::io("sync", error).in_file(path))
}

/// As `sha256sum` prints it.
pub(crate) fn in_hexadecimal(sum: &[u8]) -> String {
    sum.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
