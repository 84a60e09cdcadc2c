//! Which files recovery works with: those that the inventory shows, however many directories they lie in.

use crate::error::{JetErr, JetError, JetResult};
use crate::io::{FileKind, FileSystem};
use crate::recovery::{InstanceFiles, Places};
use crate::source::at_rest::{AtRestPaths, Inventory};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The files of the instance, found by their names as `jetfs recover` finds them; a backup and its incrementals may be
/// given together.
///
/// # Errors
/// Those of [`InstanceFiles::find`].
pub(super) fn find(
    fs: &dyn FileSystem,
    paths: &AtRestPaths,
    inventory: &Inventory,
    map: &[(String, PathBuf)],
) -> JetResult<InstanceFiles> {
    let mut files = InstanceFiles {
        logs: BTreeMap::new(),
        current: None,
        next: None,
        checkpoint: None,
        system: directory_of(fs, paths),
        databases: Vec::new(),
        map: Vec::new(),
        by_signature: Vec::new(),
        base: "edb".to_owned(),
    };
    for directory in directories(fs, paths) {
        let places = Places {
            logs: directory,
            base: main_base(inventory),
            ..Places::default()
        };
        let mut found = InstanceFiles::find(fs, &places)?;
        leave_what_is_shown(&mut found, inventory);
        merge(&mut files, found)?;
    }
    let databases = inventory.databases.iter();
    files.databases = databases
        .map(|database| database.entry.file.path.clone())
        .collect();
    let mapped = map
        .iter()
        .map(|(old, new)| (old.clone(), as_listed(fs, new, &files.databases)));
    files.map = mapped.collect();
    Ok(files)
}

/// The path under which a database is listed.
fn as_listed(fs: &dyn FileSystem, path: &Path, databases: &[PathBuf]) -> PathBuf {
    let real = fs.canonicalize(path).ok();
    let mut databases = databases.iter();
    let same = databases.find(|listed| real.is_some() && fs.canonicalize(listed).ok() == real);
    same.cloned().unwrap_or_else(|| path.to_path_buf())
}

/// Files that a mount at rest would not show are none of the instance either.
fn leave_what_is_shown(files: &mut InstanceFiles, inventory: &Inventory) {
    let entries = inventory.entries_but_databases();
    let shown: BTreeSet<&Path> = entries.map(|entry| entry.file.path.as_path()).collect();
    let is_shown = |path: &PathBuf| shown.contains(path.as_path());
    files.logs.retain(|_, log| is_shown(&log.path));
    for path in [&mut files.current, &mut files.next, &mut files.checkpoint] {
        *path = path.take().filter(is_shown);
    }
}

/// The base name of the logs of the databases, where several sequences lie together.
fn main_base(inventory: &Inventory) -> Option<String> {
    inventory.sequences.first().map(|sequence| sequence.base.clone())
}

fn directories(fs: &dyn FileSystem, paths: &AtRestPaths) -> Vec<PathBuf> {
    let sources = paths
        .sources
        .iter()
        .chain(&paths.log_dir)
        .chain(&paths.system_dir);
    sources.filter(|path| is_directory(fs, path)).cloned().collect()
}

/// Where a database belongs that only the logs know.
fn directory_of(fs: &dyn FileSystem, paths: &AtRestPaths) -> PathBuf {
    let directories = directories(fs, paths);
    directories.into_iter().next().unwrap_or_default()
}

fn is_directory(fs: &dyn FileSystem, path: &Path) -> bool {
    fs.stat(path).is_ok_and(|stat| stat.kind == FileKind::Directory)
}

fn merge(files: &mut InstanceFiles, more: InstanceFiles) -> JetResult<()> {
    if !more.logs.is_empty() {
        files.base = more.base;
    }
    for (generation, log) in more.logs {
        files.logs.entry(generation).or_insert(log);
    }
    if let (Some(first), Some(second)) = (&files.current, &more.current) {
        let what = format!("there is another current log, {}", second.display());
        return Err(JetError::rule(JetErr::InvalidLogSequence, what).in_file(first));
    }
    files.current = files.current.take().or(more.current);
    files.next = files.next.take().or(more.next);
    files.checkpoint = files.checkpoint.take().or(more.checkpoint);
    Ok(())
}
