//! A mount that is taken down again whatever happens, and tells the daemon's log when the test fails.

use super::{Ended, jetfs, program, run, temp_dir};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;

/// What is mounted, and how.
#[derive(Debug, Default)]
pub(crate) struct MountOptions {
    arguments: Vec<OsString>,
    sources: Vec<PathBuf>,
}

impl MountOptions {
    /// Mounts a directory or file.
    pub(crate) fn new(source: &Path) -> Self {
        MountOptions {
            arguments: Vec::new(),
            sources: vec![source.to_path_buf()],
        }
    }

    /// Adds another source.
    pub(crate) fn source(mut self, source: &Path) -> Self {
        self.sources.push(source.to_path_buf());
        self
    }

    /// Adds an argument of `jetfs mount`.
    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Mounts in a new directory; fails the test if that does not succeed.
    #[track_caller]
    pub(crate) fn mount(self) -> Mount {
        self.try_mount().unwrap_or_else(|ended| panic!("{ended}"))
    }

    /// Mounts in a new directory, or says how the command ended.
    pub(crate) fn try_mount(self) -> Result<Mount, Ended> {
        let dir = temp_dir();
        let mount = Mount {
            point: dir.path().join("mnt"),
            log: dir.path().join("daemon.log"),
            dir,
        };
        fs::create_dir(&mount.point).unwrap();
        let code = self.start(&mount);
        if code == Some(0) {
            assert!(
                mount.is_mounted(),
                "exit code 0, but nothing is mounted\n{}",
                mount.log()
            );
            return Ok(mount);
        }
        assert!(
            !mount.is_mounted(),
            "exit code {code:?}, but it is mounted\n{}",
            mount.log()
        );
        let stderr = mount.log();
        let line = format!("jetfs mount {:?}", self.sources);
        Err(Ended::new(line, code, stderr))
    }

    fn start(&self, mount: &Mount) -> Option<i32> {
        let log = File::create(&mount.log).unwrap();
        let mut command = jetfs();
        command
            .arg("mount")
            .args(&self.arguments)
            .args(&self.sources)
            .arg(&mount.point);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        command.status().unwrap().code()
    }
}

/// A mounted backup. Dropping it unmounts, also when the test panics.
#[derive(Debug)]
pub(crate) struct Mount {
    point: PathBuf,
    log: PathBuf,
    /// Removed after the mount is gone.
    #[allow(dead_code, reason = "kept for its drop")]
    dir: TempDir,
}

impl Mount {
    /// Mounts a directory or file; fails the test if that does not succeed.
    #[track_caller]
    pub(crate) fn of(source: &Path) -> Mount {
        MountOptions::new(source).mount()
    }

    /// The mount point.
    pub(crate) fn path(&self) -> &Path {
        &self.point
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.point.join(name)
    }

    /// What `jetfs mount` and its daemon printed.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// `.jetfs/status.json`.
    #[track_caller]
    pub(crate) fn status(&self) -> serde_json::Value {
        let bytes = fs::read(self.point.join(".jetfs/status.json")).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    /// `jetfs umount`; returns how it ended.
    ///
    /// Tries again while it is busy: between fork and exec, a child that another test starts holds copies of every
    /// file that this test has just closed.
    pub(crate) fn umount(self) -> Ended {
        for _ in 0..20 {
            let ended = run(jetfs().arg("umount").arg(&self.point));
            if ended.code != Some(4) {
                return ended;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        run(jetfs().arg("umount").arg(&self.point))
    }

    /// Whether something is mounted there.
    pub(crate) fn is_mounted(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let point = self.point.to_str().unwrap();
        mounts.lines().any(|line| line.split(' ').nth(4) == Some(point))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.is_mounted() {
            run(jetfs().arg("umount").arg(&self.point));
        }
        if self.is_mounted() {
            // Open files, or a dead daemon: the directory must go all the same.
            run(program("umount").arg("--lazy").arg(&self.point));
        }
        if self.is_mounted() {
            run(program("fusermount3").args(["-u", "-z"]).arg(&self.point));
        }
        if std::thread::panicking() {
            eprintln!("--- log of the mount at {}\n{}", self.point.display(), self.log());
        }
    }
}
