//! Who holds a lock on a file, for messages such as "locked by pid 4711 (myserver)".
//!
//! Linux only. An open file description lock has no process in `/proc/locks`, but `/proc/PID/fdinfo/FD` of whoever
//! has the description open shows it (proc_pid_fdinfo(5)). Other users' processes can be looked into only by root.

use nix::sys::stat::{major, minor};
use std::fmt;
use std::fs;
use std::path::Path;

/// A process that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// Its process id.
    pub pid: u32,
    /// Its command name, at most 15 bytes, as the kernel keeps it; empty if unknown.
    pub command: String,
}

impl fmt::Display for LockHolder {
    /// `pid 4711 (myserver)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} ({})", self.pid, self.command)
    }
}

/// A process that holds a lock on the file with this device and inode number ([`FileStat::identity`](super::FileStat)), this process
/// included; `None` if that cannot be found out.
pub fn lock_holder(identity: (u64, u64)) -> Option<LockHolder> {
    lock_holder_in(Path::new("/proc"), identity)
}

fn lock_holder_in(proc: &Path, (device, inode): (u64, u64)) -> Option<LockHolder> {
    // As the kernel prints it (fs/locks.c, lock_get_status).
    let file = format!("{:02x}:{:02x}:{inode}", major(device), minor(device));
    fs::read_dir(proc).ok()?.flatten().find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        holds_lock(&process.path(), &file).then(|| LockHolder {
            pid,
            command: command_of(&process.path()),
        })
    })
}

fn holds_lock(process: &Path, file: &str) -> bool {
    let descriptors = fs::read_dir(process.join("fdinfo"));
    descriptors.into_iter().flatten().flatten().any(|descriptor| {
        fs::read_to_string(descriptor.path())
            .is_ok_and(|info| info.lines().any(|line| is_lock_on(line, file)))
    })
}

/// A line such as `lock: 1: OFDLCK ADVISORY  WRITE -1 fe:01:1234 0 EOF`
fn is_lock_on(line: &str, file: &str) -> bool {
    line.strip_prefix("lock:")
        .is_some_and(|lock| lock.split_whitespace().any(|word| word == file))
}

fn command_of(process: &Path) -> String {
    let command = fs::read(process.join("comm")).unwrap_or_default();
    String::from_utf8_lossy(&command).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{FileSystem, LockKind, OpenMode, RealFileSystem};

    #[test]
    fn the_holder_of_an_open_file_description_lock_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.edb");
        fs::write(&path, b"x").unwrap();
        let file = RealFileSystem.open(&path, OpenMode::ReadWrite).unwrap();
        let identity = file.stat().unwrap().identity;
        assert!(file.try_lock(LockKind::Exclusive).unwrap());
        // Some file systems number their devices differently in stat(2) and in fdinfo.
        match lock_holder(identity) {
            Some(holder) => assert_eq!(holder.pid, std::process::id()),
            None => println!("skipped: this file system's device number cannot be matched"),
        }
        drop(file);
        assert_eq!(lock_holder(identity), None);
    }

    #[test]
    fn a_lock_line_names_device_and_inode() {
        let directory = tempfile::tempdir().unwrap();
        let process = directory.path().join("4711");
        fs::create_dir_all(process.join("fdinfo")).unwrap();
        fs::write(process.join("comm"), "myserver\n").unwrap();
        let info = "pos:\t0\nflags:\t02\nlock:\t1: OFDLCK ADVISORY  WRITE -1 08:11:99 0 EOF\n";
        fs::write(process.join("fdinfo/3"), info).unwrap();
        let device = nix::sys::stat::makedev(8, 17);
        let holder = lock_holder_in(directory.path(), (device, 99)).unwrap();
        assert_eq!(holder.to_string(), "pid 4711 (myserver)");
        assert_eq!(lock_holder_in(directory.path(), (device, 9)), None);
    }
}
