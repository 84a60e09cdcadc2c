//! Whether there is room for what is restored.

use jetfs::{JetErr, JetError, JetResult};
use nix::sys::statvfs::statvfs;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Refuses files that their file systems have no room for. Blocks that a file system could share with the sets count as
/// if they were copied.
///
/// # Errors
/// `JET_errDiskFull`.
pub(in crate::commands) fn check(files: &[(PathBuf, u64)]) -> JetResult<()> {
    let mut wanted: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
    for (path, len) in files {
        let Some((directory, device)) = existing_directory(path) else {
            continue;
        };
        let of_device = wanted.entry(device).or_insert((directory, 0));
        of_device.1 += len;
    }
    wanted
        .values()
        .try_for_each(|(directory, bytes)| check_directory(directory, *bytes))
}

/// The nearest directory that exists, and its device.
fn existing_directory(path: &Path) -> Option<(PathBuf, u64)> {
    path.ancestors().find_map(|directory| {
        let metadata = directory.metadata().ok()?;
        metadata
            .is_dir()
            .then(|| (directory.to_path_buf(), metadata.dev()))
    })
}

fn check_directory(directory: &Path, bytes: u64) -> JetResult<()> {
    // A file system that does not tell is tried.
    let Ok(stat) = statvfs(directory) else {
        return Ok(());
    };
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    if free >= bytes {
        return Ok(());
    }
    let what = format!("has {free} bytes free, but {bytes} are needed");
    Err(JetError::rule(JetErr::DiskFull, what).in_file(directory))
}
