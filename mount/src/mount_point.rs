//! Whether a mount may happen: every refusal before anything is touched.

use crate::exit::Failure;
use crate::mount_table::{canonical, is_dead, mounted_at};
use anyhow::Result;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Checks a mount point and answers its canonical path.
///
/// # Errors
/// It is missing, not a directory, not empty, or in use.
pub(crate) fn check(path: &Path) -> Result<PathBuf> {
    let shown = path.display();
    let canonical = canonical(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::refused(format!("the mount point {shown} does not exist"))
            .advise("Create an empty directory first."),
        _ => Failure::refused(format!("the mount point {shown}: {error}")),
    })?;
    if mounted_at(&canonical)?.is_some_and(|mounted| mounted.is_jetfs()) {
        return Err(occupied(&canonical).into());
    }
    let metadata =
        fs::metadata(&canonical).map_err(|e| Failure::refused(format!("the mount point {shown}: {e}")))?;
    if !metadata.is_dir() {
        return Err(Failure::refused(format!("the mount point {shown} is not a directory")).into());
    }
    let mut entries =
        fs::read_dir(&canonical).map_err(|e| Failure::refused(format!("the mount point {shown}: {e}")))?;
    if entries.next().is_some() {
        return Err(Failure::refused(format!("the mount point {shown} is not empty"))
            .advise("Choose an empty directory: a mount hides what is below it.")
            .into());
    }
    Ok(canonical)
}

fn occupied(mount_point: &Path) -> Failure {
    let shown = mount_point.display();
    if is_dead(mount_point) {
        return Failure::busy(format!("a dead mount lies on {shown}: its process is gone"))
            .advise(format!("Run `jetfs umount {shown}` first."));
    }
    Failure::busy(format!("{shown} is a jetfs mount already")).advise(format!(
        "Run `jetfs umount {shown}` first, or choose another directory."
    ))
}

/// Refuses inputs that lie below the mount point, and the reverse: a mount process that reads its own mount hangs
/// for ever, beyond SIGKILL.
///
/// # Errors
/// They overlap. (An input that does not exist is not refused here.)
pub(crate) fn check_overlap(
    mount_point: &Path,
    inputs: impl Iterator<Item = PathBuf>,
) -> Result<(), Failure> {
    for input in inputs {
        let Ok(real) = fs::canonicalize(&input) else {
            continue;
        };
        let message = if real.starts_with(mount_point) {
            format!(
                "the source {} lies below the mount point {}",
                input.display(),
                mount_point.display()
            )
        } else if mount_point.starts_with(&real) {
            format!(
                "the mount point {} lies below the source {}",
                mount_point.display(),
                input.display()
            )
        } else {
            continue;
        };
        return Err(Failure::refused(message).advise("Choose a mount point outside of the source."));
    }
    Ok(())
}

/// Temporary files must not be written to a source.
///
/// # Errors
/// `directory` lies in a directory of `inputs`.
pub(crate) fn check_temp_dir(directory: &Path, inputs: impl Iterator<Item = PathBuf>) -> Result<(), Failure> {
    let Ok(directory) = fs::canonicalize(directory) else {
        let shown = directory.display();
        return Err(
            Failure::refused(format!("{shown}, for temporary files, is not there"))
                .advise("Name another directory with --temp-dir."),
        );
    };
    for input in inputs {
        if fs::canonicalize(&input).is_ok_and(|real| directory.starts_with(real)) {
            let (shown, source) = (directory.display(), input.display());
            let what =
                format!("{shown}, for temporary files, lies in the source {source}, which is not written to");
            return Err(Failure::refused(what).advise("Name another directory with --temp-dir."));
        }
    }
    Ok(())
}

/// Whether this system and this user can mount FUSE file systems at all.
///
/// # Errors
/// Says what is missing.
pub(crate) fn check_fuse() -> Result<(), Failure> {
    let device = fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
    if let Err(error) = device {
        let failure = Failure::refused(format!("cannot open /dev/fuse: {error}"));
        return Err(failure.advise(match error.kind() {
            io::ErrorKind::PermissionDenied => "Add yourself to the group that owns /dev/fuse, or run as root.",
            _ => "Load the module (`modprobe fuse`); give a container `--device /dev/fuse --cap-add SYS_ADMIN`.",
        }));
    }
    if nix::unistd::geteuid().is_root() || is_in_path("fusermount3") {
        return Ok(());
    }
    Err(
        Failure::refused("fusermount3 is not installed, and only root can mount without it")
            .advise("Install the package fuse3."),
    )
}

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn refusal(result: Result<PathBuf>) -> (Exit, String) {
        let error = result.unwrap_err();
        (Exit::of(&error), error.to_string())
    }

    #[test]
    fn bad_mount_points_are_refused_with_their_reason() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "x").unwrap();
        let (exit, message) = refusal(check(&directory.path().join("missing")));
        assert_eq!(exit, Exit::Refused);
        assert!(message.contains("does not exist"), "{message}");
        assert!(refusal(check(&file)).1.contains("not a directory"));
        assert!(refusal(check(directory.path())).1.contains("not empty"));
    }

    #[test]
    fn source_and_mount_point_must_not_contain_each_other() {
        let top = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(top.path()).unwrap();
        let (inner, other) = (top.join("inner"), top.join("other"));
        let _ = (
            fs::create_dir_all(&inner).unwrap(),
            fs::create_dir_all(&other).unwrap(),
        );
        let overlap = |mount_point: &Path, source: &Path| {
            check_overlap(mount_point, [source.to_path_buf()].into_iter()).is_err()
        };
        assert!(overlap(&inner, &top));
        assert!(overlap(&top, &inner));
        assert!(overlap(&inner, &inner));
        assert!(!overlap(&inner, &other));
        // A link does not hide the overlap.
        let link = other.join("link");
        std::os::unix::fs::symlink(&top, &link).unwrap();
        assert!(overlap(&inner, &link));
    }
}
