//! Headers of logs, databases and checkpoints, read from their files.

use crate::error::{JetError, JetResult};
use crate::format::{BOTH_COPIES_LEN, Checkpoint, DatabaseHeader, FormatError, LogHeader, choose_copy};
use crate::io::{File, FileSystem, OpenMode};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The header of a log.
///
/// # Errors
/// The file cannot be read, or its header is damaged (`JET_errLogFileCorrupt`).
pub fn read_log_header(fs: &dyn FileSystem, path: &Path) -> JetResult<LogHeader> {
    let in_log = |error: JetError| error.in_file(path);
    let file = fs.open(path, OpenMode::ReadOnly);
    let file = file.map_err(|error| in_log(JetError::io("open", error)))?;
    let start = read_start(file.as_ref(), LogHeader::LEN).map_err(in_log)?;
    LogHeader::read(&start).map_err(|error| in_log(JetError::format(error)))
}

/// The header of a database, of the copy that is to be trusted.
///
/// # Errors
/// The file cannot be read; neither copy is good (`JET_errDatabaseCorrupted`); a version with another layout.
pub fn read_database_header(file: &dyn File) -> JetResult<DatabaseHeader> {
    let start = read_start(file, BOTH_COPIES_LEN)?;
    let header = choose_copy(&start).and_then(|chosen| chosen.header.decode());
    header.map_err(|error| JetError::format(error).on_page(0))
}

/// The bytes of that copy.
///
/// # Errors
/// The file cannot be read; neither copy is good (`JET_errDatabaseCorrupted`).
pub fn read_database_header_page(file: &dyn File) -> JetResult<Vec<u8>> {
    let start = read_start(file, BOTH_COPIES_LEN)?;
    Ok(choose_copy(&start)?.header.page().to_vec())
}

/// A checkpoint, of the copy that is good; `None` if there is no file. Damage is no failure: recovery then goes on as if
/// there were none.
///
/// # Errors
/// The file is there and cannot be read.
pub fn read_checkpoint(
    fs: &dyn FileSystem,
    path: &Path,
) -> JetResult<Option<Result<Checkpoint, FormatError>>> {
    let Some(file) = open_if_there(fs, path)? else {
        return Ok(None);
    };
    let bytes = read_start(file.as_ref(), Checkpoint::FILE_LEN);
    let chosen = Checkpoint::read(&bytes.map_err(|error| error.in_file(path))?);
    Ok(Some(chosen.map(|chosen| chosen.checkpoint)))
}

/// Opens a file for reading; `None` if there is none.
///
/// # Errors
/// It is there and cannot be opened.
pub(crate) fn open_if_there(fs: &dyn FileSystem, path: &Path) -> JetResult<Option<Arc<dyn File>>> {
    match fs.open(path, OpenMode::ReadOnly) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(JetError::io("open", error).in_file(path)),
    }
}

/// The first `most` bytes, or all of a shorter file.
pub(crate) fn read_start(file: &dyn File, most: usize) -> JetResult<Vec<u8>> {
    let mut start = Vec::new();
    let reserved = start.try_reserve_exact(most);
    reserved.map_err(|error| JetError::io("read", io::Error::new(io::ErrorKind::OutOfMemory, error)))?;
    start.resize(most, 0);
    let found = file
        .read_full_at(&mut start, 0)
        .map_err(|error| JetError::io("read", error))?;
    start.truncate(found);
    Ok(start)
}
