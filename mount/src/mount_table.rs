//! What is mounted where (`/proc/self/mountinfo`, proc_pid_mountinfo(5)), and unmounting.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use nix::sys::statvfs::statvfs;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// The type under which the kernel lists our mounts.
const FS_TYPE: &str = "fuse.jetfs";

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mounted {
    /// `major:minor`, which names its entry in `/sys/class/bdi`.
    pub(crate) device: String,
    /// Where.
    pub(crate) mount_point: PathBuf,
    fs_type: String,
}

impl Mounted {
    /// Whether it is one of ours.
    pub(crate) fn is_jetfs(&self) -> bool {
        self.fs_type == FS_TYPE
    }
}

/// What is mounted at a canonical path; the topmost if there are several.
///
/// # Errors
/// `/proc` cannot be read.
pub(crate) fn mounted_at(path: &Path) -> Result<Option<Mounted>> {
    let table = fs::read("/proc/self/mountinfo").context("cannot read /proc/self/mountinfo")?;
    let mut mounts = table.split(|byte| *byte == b'\n').filter_map(parse_line);
    Ok(mounts.rfind(|mounted| mounted.mount_point == path))
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`
fn parse_line(line: &[u8]) -> Option<Mounted> {
    let mut fields = line.split(|byte| *byte == b' ');
    let device = fields.nth(2)?;
    let mount_point = fields.nth(1)?;
    let fs_type = fields.skip_while(|field| *field != b"-").nth(1)?;
    Some(Mounted {
        device: String::from_utf8_lossy(device).into_owned(),
        mount_point: OsString::from_vec(unescape(mount_point)).into(),
        fs_type: String::from_utf8_lossy(fs_type).into_owned(),
    })
}

/// Spaces and the like are written as a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, others)) = rest.split_first() {
        let octal = others.get(..3).filter(|_| *first == b'\\');
        let value = octal
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(value.unwrap_or(*first));
        rest = match value {
            Some(_) => others.get(3..).unwrap_or_default(),
            None => others,
        };
    }
    bytes
}

/// The absolute path with every link resolved, also if a dead mount lies there, which the kernel refuses to look at.
///
/// # Errors
/// There is no such path.
pub(crate) fn canonical(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path).or_else(|error| {
        if error.raw_os_error() != Some(Errno::ENOTCONN as i32) {
            return Err(error);
        }
        let absolute = std::path::absolute(path)?;
        match (absolute.parent(), absolute.file_name()) {
            (Some(parent), Some(name)) => Ok(fs::canonicalize(parent)?.join(name)),
            _ => Err(error),
        }
    })
}

/// Whether the process behind a mount is gone. Asked by statfs, since the kernel may answer stat from memory.
pub(crate) fn is_dead(mount_point: &Path) -> bool {
    let answer = statvfs(mount_point);
    matches!(answer, Err(Errno::ENOTCONN | Errno::ECONNABORTED))
}

/// Why unmounting did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnmountError {
    /// Files or directories in it are open.
    #[error("files in it are open")]
    Busy,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Unmounts. `lazily`: also if files are open; then the mount disappears at once, and ends when they are closed.
///
/// # Errors
/// Files are open (and `lazily` was not asked for), or the system refuses.
pub(crate) fn unmount(mount_point: &Path, lazily: bool) -> Result<(), UnmountError> {
    let flags = match lazily {
        true => MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW,
        false => MntFlags::UMOUNT_NOFOLLOW,
    };
    match umount2(mount_point, flags) {
        Ok(()) => Ok(()),
        Err(Errno::EBUSY) => Err(UnmountError::Busy),
        // A normal user's mount: the setuid program of FUSE may do it.
        Err(Errno::EPERM) => unmount_as_user(mount_point, lazily),
        Err(errno) => Err(UnmountError::Other(errno.desc().into())),
    }
}

fn unmount_as_user(mount_point: &Path, lazily: bool) -> Result<(), UnmountError> {
    let mut command = Command::new("fusermount3");
    command
        .arg("-u")
        .args(lazily.then_some("-z"))
        .arg("--")
        .arg(mount_point);
    let output = command
        .env("LC_ALL", "C")
        .output()
        .map_err(|error| UnmountError::Other(format!("cannot run fusermount3: {error}")))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(())
    } else if said.contains("busy") {
        Err(UnmountError::Busy)
    } else {
        Err(UnmountError::Other(said.trim().to_owned()))
    }
}

/// The processes that have files of a mount open or stand in it: `name (pid)`. Only what this user may see.
pub(crate) fn users_of(mount_point: &Path) -> Vec<String> {
    let mut users = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let number = process.file_name();
        let own = std::process::id().to_string();
        if number == *own || !number.as_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        if process_uses(&process.path(), mount_point) {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            users.push(format!("{} ({})", name.trim(), number.display()));
        }
    }
    users
}

fn process_uses(process: &Path, mount_point: &Path) -> bool {
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let links = descriptors
        .map(|entry| entry.path())
        .chain([process.join("cwd"), process.join("root")]);
    links
        .filter_map(|link| fs::read_link(link).ok())
        .any(|target| target.starts_with(mount_point))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo_tells_device_place_and_type() {
        let line = b"36 35 0:98 / /mnt/my\\040data rw,noatime master:1 - fuse.jetfs jetfs rw,user_id=0";
        let mounted = parse_line(line).unwrap();
        assert_eq!(mounted.device, "0:98");
        assert_eq!(mounted.mount_point, Path::new("/mnt/my data"));
        assert!(mounted.is_jetfs());
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(unescape(b"a\\0"), b"a\\0");
        assert_eq!(unescape(b"a\\999b"), b"a\\999b");
        assert_eq!(unescape(b"\\134\\011"), b"\\\t");
    }

    #[test]
    fn nothing_is_mounted_at_a_path_that_does_not_exist() {
        assert_eq!(mounted_at(Path::new("/does/not/exist")).unwrap(), None);
    }
}
