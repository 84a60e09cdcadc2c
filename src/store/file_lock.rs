//! Locks on whole files, and whose they are (design section 3).

use crate::error::{JetErr, JetError, JetResult};
use crate::io::{File, FileSystem, LockKind, OpenMode, lock_holder};
use std::path::Path;
use std::sync::Arc;

/// Locks an open file until it is closed.
///
/// # Errors
/// Somebody else has locked it (`JET_errDatabaseInUse`, with the process if that can be found out); the system
/// cannot lock it.
pub fn lock_file(file: &dyn File, kind: LockKind, path: &Path) -> JetResult<()> {
    let locked = file.try_lock(kind);
    if locked.map_err(|error| JetError::io("lock", error).in_file(path))? {
        return Ok(());
    }
    let holder = file.stat().ok().and_then(|stat| lock_holder(stat.identity));
    let what = match holder {
        Some(holder) => format!("in use by {holder}"),
        None => "in use by another process".to_owned(),
    };
    Err(JetError::rule(JetErr::DatabaseInUse, what).in_file(path))
}

/// Opens a file for writing and locks it for nobody else.
///
/// # Errors
/// It cannot be opened; those of [`lock_file`].
pub fn open_exclusively(fs: &dyn FileSystem, path: &Path) -> JetResult<Arc<dyn File>> {
    let file = fs.open(path, OpenMode::ReadWrite);
    let file = file.map_err(|error| JetError::io("open", error).in_file(path))?;
    lock_file(&*file, LockKind::Exclusive, path).map_err(|error| {
        error.advise("Stop the program that uses it, or end the mount that shows it, and try again.")
    })?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemoryFileSystem;

    #[test]
    fn a_second_lock_is_refused_until_the_first_is_gone() {
        let fs = MemoryFileSystem::default();
        let path = Path::new("/a.edb");
        fs.write_file(path, b"x").unwrap();
        let first = open_exclusively(&fs, path).unwrap();
        assert_eq!(
            open_exclusively(&fs, path).unwrap_err().code(),
            JetErr::DatabaseInUse
        );
        let reader = fs.open(path, OpenMode::ReadOnly).unwrap();
        assert!(lock_file(&*reader, LockKind::Shared, path).is_err());
        drop(first);
        lock_file(&*reader, LockKind::Shared, path).unwrap();
    }
}
