//! Whether a copy is equal to what a mount shows. What is equal counts as read, whoever read it.
//!
//! The mount process compares: what a command read through the mount would count as read whatever came out of it.

use crate::exit::{Exit, Failure};
use crate::live_backup::named;
use crate::tree::Tree;
use anyhow::{Context, Result};
use jetfs::backup::{BackupFile, FileRole, SourceFile};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes that are compared at once.
const BLOCK: usize = 1 << 20;

/// Compares the copy in a directory with every file that cannot change any more; `progress` hears of bytes done and of
/// all. Answers what was equal, in words.
///
/// # Errors
/// Files differ or are missing (then the others count as read all the same); a file of the backup cannot be read; the
/// logs are not there yet.
pub(crate) fn compare(
    tree: &Tree,
    copy: &Path,
    progress: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<String> {
    let databases_change = tree.is_stream();
    if databases_change && !tree.is_sealed() {
        return Err(
            Failure::refused("in stream mode there is nothing to compare before `jetfs seal`").into(),
        );
    }
    let files = tree.files().into_iter();
    let files: Vec<SourceFile> = files
        .filter(|file| !databases_change || file.role != FileRole::Database)
        .collect();
    let total = files.iter().map(|file| file.len).sum();
    let (mut done, mut different) = (0, Vec::new());
    for file in &files {
        let opened = tree.session().source().open(file)?;
        let is_equal = is_equal(&*opened, &copy.join(&file.name), &mut |bytes| {
            done += bytes;
            progress(done, total)
        })?;
        match is_equal {
            true => tree.session().vouch_for(&file.name)?,
            false => different.push(file.name.clone()),
        }
    }
    in_words(&different, files.len(), databases_change)
}

fn in_words(different: &[OsString], count: usize, without_databases: bool) -> Result<String> {
    if !different.is_empty() {
        let what = format!("the copy is not equal to the mount: {}", named(different));
        return Err(Failure::new(Exit::Damaged, what)
            .advise("Copy these files again.")
            .into());
    }
    let of = match without_databases {
        true => "; databases of a stream backup change and were not compared",
        false => "",
    };
    Ok(format!("the copy is equal to the mount: {count} files{of}"))
}

fn is_equal(file: &dyn BackupFile, copy: &Path, progress: &mut dyn FnMut(u64) -> Result<()>) -> Result<bool> {
    let mut copy = match File::open(copy) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.with_context(|| copy.display().to_string())?,
    };
    if copy.metadata()?.len() != file.len() {
        return Ok(false);
    }
    let (mut ours, mut theirs) = (vec![0; BLOCK], vec![0; BLOCK]);
    let mut offset = 0;
    while offset < file.len() {
        let read = file.read_at(&mut ours, offset)?;
        let (ours, theirs) = match (ours.get(..read), theirs.get_mut(..read)) {
            (Some(ours), Some(theirs)) if read > 0 => (ours, theirs),
            _ => return Ok(false),
        };
        match copy.read_exact(theirs) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            other => other?,
        }
        if ours != theirs {
            return Ok(false);
        }
        offset += read as u64;
        progress(read as u64)?;
    }
    Ok(true)
}
