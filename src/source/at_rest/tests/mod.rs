//! Files at rest: genuine sets, and sets made here.

mod damaged_files;
mod genuine;
mod made;
mod sets;

use super::{AtRestOptions, AtRestPaths, AtRestSource, Inventory};
use crate::backup::{BackupSession, BeginGrbit};
use crate::error::JetResult;
use crate::io::RealFileSystem;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The folder of genuine files; `None`, after saying so, where it is absent.
fn samples() -> Option<PathBuf> {
    crate::genuine_samples::sample("")
}

fn take(sources: &[&Path]) -> JetResult<Inventory> {
    let sources = sources.iter().map(|path| path.to_path_buf()).collect();
    Inventory::take(
        &RealFileSystem,
        &AtRestPaths {
            sources,
            ..AtRestPaths::default()
        },
    )
}

/// Warnings as `file code`.
fn warnings(inventory: &Inventory) -> Vec<String> {
    let file = |file: &Option<std::ffi::OsString>| file.clone().unwrap_or_default().display().to_string();
    inventory
        .warnings
        .iter()
        .map(|warning| format!("{} {}", file(&warning.file), warning.code.number()))
        .collect()
}

/// A session that has begun on what lies at `path`, and its source.
fn begin(path: &Path, options: AtRestOptions) -> JetResult<(Arc<AtRestSource>, BackupSession)> {
    let source = AtRestSource::new(Arc::new(RealFileSystem), take(&[path])?, options);
    let source = Arc::new(source);
    let session = BackupSession::new(Arc::clone(&source) as Arc<_>);
    session.begin(BeginGrbit::SNAPSHOT.bits())?;
    Ok((source, session))
}

/// A whole file through the session, in reads of `step` bytes.
fn read_all(session: &BackupSession, name: &OsStr, step: usize) -> JetResult<Vec<u8>> {
    let (handle, len) = session.open_file(name)?;
    let file = session.file(handle)?;
    let mut bytes = vec![0; usize::try_from(len).unwrap()];
    let mut offset = 0;
    for chunk in bytes.chunks_mut(step) {
        assert_eq!(file.read_at(chunk, offset)?, chunk.len());
        offset += chunk.len() as u64;
    }
    assert_eq!(
        file.read_at(&mut [0; 100], len)?,
        0,
        "past the end there is nothing"
    );
    session.close_file(handle)?;
    Ok(bytes)
}
