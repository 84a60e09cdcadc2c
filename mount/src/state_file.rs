//! The state file outside of each mount: who serves it, and what came out of it when it has ended.
//!
//! One JSON file for each mount point, in `/run/jetfs` (root), `$XDG_RUNTIME_DIR/jetfs` or `/tmp/jetfs-UID`.

use crate::exit::Exit;
use crate::tree::path_hash;
use anyhow::{Context, Result};
use jetfs::backup::{JsonName, json_time};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What the file says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    /// The mount process.
    pub(crate) pid: u32,
    /// When the system started that process, in its own ticks: a later process with the same number is another one.
    process_started: Option<u64>,
    /// The canonical mount point.
    pub(crate) mount_point: JsonName,
    /// The source for people.
    pub(crate) source: String,
    /// When it was mounted (RFC 3339).
    pub(crate) started: String,
    /// How it ended; `None` while it runs.
    pub(crate) outcome: Option<Outcome>,
}

/// How a mount ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The exit code that it means.
    pub(crate) exit: Exit,
    /// In one line.
    pub(crate) summary: String,
    /// When (RFC 3339).
    pub(crate) ended: String,
    /// Progress of each file and everything found.
    pub(crate) details: Value,
}

impl State {
    /// The state of a mount that this process serves from now on.
    pub(crate) fn of_this_process(mount_point: &Path, source: String) -> Self {
        let pid = std::process::id();
        State {
            pid,
            process_started: process_started(pid),
            mount_point: mount_point.into(),
            source,
            started: now(),
            outcome: None,
        }
    }

    /// Whether the mount process still runs.
    pub(crate) fn is_alive(&self) -> bool {
        self.process_started.is_some() && process_started(self.pid) == self.process_started
    }

    /// Notes that the process is gone without having told an outcome.
    pub(crate) fn note_death(&mut self) {
        self.outcome = Some(Outcome {
            exit: Exit::Incomplete,
            summary: "aborted: the mount process died".into(),
            ended: now(),
            details: Value::Null,
        });
    }

    /// Writes it, replacing what was there.
    ///
    /// # Errors
    /// The directory or the file cannot be written.
    pub(crate) fn write(&self) -> Result<()> {
        let directory = directory()?;
        let path = file_of(&directory, self.mount_point.as_ref());
        let text = serde_json::to_vec_pretty(self)?;
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&directory)?;
            file.write_all(&text)?;
            file.persist(&path)?;
            Ok(())
        };
        write().with_context(|| format!("cannot write the state file {}", path.display()))
    }

    /// The state of the last mount at a canonical mount point.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn read(mount_point: &Path) -> Result<Option<Self>> {
        let path = file_of(&directory()?, mount_point);
        match fs::read(&path) {
            Ok(text) => Ok(Some(
                serde_json::from_slice(&text)
                    .with_context(|| format!("the state file {}", path.display()))?,
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => {
                Err(error).with_context(|| format!("cannot read the state file {}", path.display()))
            }
        }
    }

    /// Every state that this user's mounts have left. Files that cannot be read are left out.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let mut states: Vec<Self> = fs::read_dir(directory()?)?
            .flatten()
            .filter(|entry| {
                entry
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "json")
            })
            .filter_map(|entry| serde_json::from_slice(&fs::read(entry.path()).ok()?).ok())
            .collect();
        states.sort_by(|a, b| a.mount_point.cmp(&b.mount_point));
        Ok(states)
    }
}

/// The time for people and scripts.
pub(crate) fn now() -> String {
    json_time::to_text(std::time::SystemTime::now())
}

fn file_of(directory: &Path, mount_point: &Path) -> PathBuf {
    directory.join(format!("{:016x}.json", path_hash(mount_point.as_os_str())))
}

/// Where the process that serves a canonical mount point hears of commands.
///
/// # Errors
/// The directory cannot be used.
pub(crate) fn socket_of(mount_point: &Path) -> Result<PathBuf> {
    Ok(file_of(&directory()?, mount_point).with_extension("sock"))
}

/// The directory of this user's state files; created if need be. Nobody else may have prepared it.
fn directory() -> Result<PathBuf> {
    let uid = nix::unistd::geteuid();
    let directory = if uid.is_root() {
        PathBuf::from("/run/jetfs")
    } else {
        user_directory(uid.as_raw())
    };
    let shown = directory.display();
    match fs::DirBuilder::new().mode(0o700).create(&directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot create the directory of state files {shown}"));
        }
        _ => {}
    }
    let metadata =
        fs::symlink_metadata(&directory).with_context(|| format!("the directory of state files {shown}"))?;
    anyhow::ensure!(
        metadata.is_dir() && metadata.uid() == uid.as_raw(),
        "{shown} is not a directory of this user, so no state can be kept in it"
    );
    Ok(directory)
}

/// Sessions have a runtime directory; cron has none in its environment, but may still find it.
fn user_directory(uid: u32) -> PathBuf {
    let runtime =
        std::env::var_os("XDG_RUNTIME_DIR").map_or_else(|| format!("/run/user/{uid}").into(), PathBuf::from);
    if runtime.is_absolute() && runtime.is_dir() {
        return runtime.join("jetfs");
    }
    format!("/tmp/jetfs-{uid}").into()
}

/// When a process was started: field 22 of `/proc/PID/stat`, counted after the name, which may hold anything.
fn process_started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace();
    // A zombie has ended, whatever its parent does with it.
    let state = fields.next()?;
    fields.nth(18)?.parse().ok().filter(|_| state != "Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_a_later_one_with_its_number_is_not() {
        let mut state = State::of_this_process(Path::new("/mnt"), "/srv".into());
        assert!(state.is_alive());
        state.process_started = state.process_started.map(|ticks| ticks + 1);
        assert!(!state.is_alive());
    }

    #[test]
    fn a_state_survives_its_file_format() {
        let mut state = State::of_this_process(Path::new("/mnt"), "/srv".into());
        state.note_death();
        let text = serde_json::to_vec(&state).unwrap();
        assert_eq!(serde_json::from_slice::<State>(&text).unwrap(), state);
    }
}
