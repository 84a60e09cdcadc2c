//! Where restored databases go (external-backup.md section 8.3, step 6).

use super::backup_set::BackupSet;
use super::plan::PlannedDatabase;
use super::write::MARKER;
use crate::error::{JetErr, JetError, JetResult};
use crate::io::FileSystem;
use crate::recovery::files::last_component;
use crate::store::instance_names::{NameKind, kind_of};
use std::io;
use std::path::{Path, PathBuf};

/// The destination is empty or does not exist, and is no part of a set.
///
/// # Errors
/// `JET_errFileAlreadyExists`, `JET_errInvalidPath`.
pub(super) fn check_empty(fs: &dyn FileSystem, directory: &Path, sets: &[BackupSet]) -> JetResult<()> {
    let refused = |code, what| Err(JetError::rule(code, what).in_file(directory));
    match fs.list(directory) {
        Ok(entries) if entries.iter().any(|entry| entry.name == MARKER) => {
            let error = refused(
                JetErr::FileAlreadyExists,
                "holds what an interrupted restore left",
            );
            return error.map_err(|error| error.advise("Remove the directory, and run the restore again."));
        }
        Ok(entries) if !entries.is_empty() => {
            let error = refused(JetErr::FileAlreadyExists, "is not empty");
            return error.map_err(|error| error.advise("Name a directory that does not exist yet."));
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(JetError::io("list", error).in_file(directory)),
    }
    let inside_of = |set: &&BackupSet| is_inside(fs, directory, &set.directory);
    match sets.iter().find(inside_of) {
        Some(_) => refused(JetErr::InvalidPath, "lies inside of a set, which must not change"),
        None => Ok(()),
    }
}

/// Whether a path, which need not exist, lies in a directory.
fn is_inside(fs: &dyn FileSystem, path: &Path, directory: &Path) -> bool {
    let Ok(directory) = fs.canonicalize(directory) else {
        return false;
    };
    let existing = path.ancestors().find_map(|path| {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        fs.canonicalize(path).ok()
    });
    existing.is_some_and(|existing| existing.starts_with(directory))
}

/// `--map`: gives databases of the sets another place, and returns what is left: databases that only the logs know.
///
/// # Errors
/// `JET_errInvalidPath`: two databases are called so.
pub(super) fn map(
    databases: &mut [PlannedDatabase],
    map: &[(String, PathBuf)],
    destination: &Path,
) -> JetResult<Vec<(String, PathBuf)>> {
    let mut others = Vec::new();
    for (old, new) in map {
        let target = destination.join(new);
        let mut called = databases.iter_mut().filter(|database| database.is_called(old));
        match (called.next(), called.next()) {
            (None, _) => others.push((old.clone(), target)),
            (Some(database), None) => database.target = target,
            (Some(one), Some(other)) => {
                let what = format!(
                    "{old} could be {} or {}",
                    one.copy.path.display(),
                    other.copy.path.display()
                );
                let error = JetError::rule(JetErr::InvalidPath, what);
                return Err(error.advise("Give --map the whole path of one of them."));
            }
        }
    }
    Ok(others)
}

/// Every database has a place of its own, where nothing is yet.
///
/// # Errors
/// `JET_errDatabaseDuplicate`, `JET_errFileAlreadyExists`, `JET_errInvalidPath`.
pub(super) fn check_targets<'p>(
    fs: &dyn FileSystem,
    destination: &Path,
    targets: impl Iterator<Item = &'p Path>,
) -> JetResult<()> {
    let mut taken: Vec<&Path> = Vec::new();
    for target in targets {
        let same = |other: &&&Path| other.as_os_str().eq_ignore_ascii_case(target);
        if let Some(other) = taken.iter().find(same) {
            let what = format!("two databases would be restored to {}", other.display());
            let error = JetError::rule(JetErr::DatabaseDuplicate, what);
            return Err(error.advise("Give one of them another name with --map OLD=NEW."));
        }
        taken.push(target);
        check_name(target)?;
        if fs.stat(target).is_ok() {
            let what = "is there already, and would be overwritten";
            return Err(JetError::rule(JetErr::FileAlreadyExists, what).in_file(target));
        }
        let parent = target.parent().unwrap_or(Path::new("/"));
        if parent != destination && fs.stat(parent).is_err() {
            let what = "the directory of this database does not exist";
            return Err(JetError::rule(JetErr::InvalidPath, what).in_file(target));
        }
    }
    Ok(())
}

/// A database must not take the place of a log.
fn check_name(target: &Path) -> JetResult<()> {
    let name = target.file_name().unwrap_or_default();
    if matches!(kind_of(name), NameKind::Other { .. }) && !name.is_empty() && name != MARKER {
        return Ok(());
    }
    let what = "is not a name for a database";
    Err(JetError::rule(JetErr::InvalidPath, what).in_file(target))
}

impl PlannedDatabase {
    /// Whether the user can mean this database: by its path in the logs or at the time of the backup, by where its copy
    /// lies, or by its name.
    fn is_called(&self, old: &str) -> bool {
        let copy = &self.copy.path;
        let same = |path: &str| path.eq_ignore_ascii_case(old);
        let original = self.original.as_ref().and_then(|path| path.to_str());
        let name = copy.file_name().and_then(|name| name.to_str());
        self.logged.as_deref().is_some_and(same)
            || original.is_some_and(same)
            || copy == Path::new(old)
            || name.is_some_and(same)
            || self
                .logged
                .as_deref()
                .is_some_and(|path| same(last_component(path)))
    }
}
