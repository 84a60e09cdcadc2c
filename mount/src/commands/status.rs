//! `jetfs status`.

use super::umount::{report, wait_for_end};
use crate::exit::{Exit, Failure};
use crate::mount_table::canonical;
use crate::output::Output;
use crate::state_file::State;
use crate::tree::{HIDDEN, STATUS};
use anyhow::{Context, Result};
use jetfs::backup::JsonName;
use serde::Serialize;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Show the mounts, or how one stands or has ended
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jetfs status                             # every mount of this user
  jetfs status /mnt/backup --json          # progress of each file, findings, warnings
  jetfs status --last /mnt/backup --wait   # after a plain `umount`: how the backup ended

Exit codes: 0 fine; 3 not a jetfs mount; 5 its process died; with --last: as `jetfs umount`.")]
pub(crate) struct Args {
    /// Where it is mounted; all mounts when left out
    #[arg(value_name = "MOUNTPOINT")]
    mount_point: Option<PathBuf>,

    /// How the last mount here ended
    #[arg(long, value_name = "MOUNTPOINT", conflicts_with = "mount_point")]
    last: Option<PathBuf>,

    /// Wait for the end
    #[arg(long, requires = "last")]
    wait: bool,
}

/// One mount, as JSON shows it.
#[derive(Debug, Serialize)]
struct Mount {
    mount_point: JsonName,
    pid: u32,
    alive: bool,
    status: Option<Value>,
}

impl Args {
    /// Shows it.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        match (&self.mount_point, &self.last) {
            (_, Some(path)) => self.show_last(path, output),
            (Some(path), None) => show_one(path, output),
            (None, None) => show_all(output),
        }
    }

    fn show_last(&self, path: &Path, output: &Output) -> Result<Exit> {
        let mount_point = canonical(path).with_context(|| path.display().to_string())?;
        let state = match State::read(&mount_point)? {
            None => return Err(nothing_known(path).into()),
            Some(_) if self.wait => wait_for_end(&mount_point, Duration::from_secs(u64::from(u32::MAX)))?,
            Some(state) if state.outcome.is_none() && !state.is_alive() => {
                wait_for_end(&mount_point, Duration::ZERO)?
            }
            Some(state) => state,
        };
        if state.outcome.is_none() {
            output.note(format_args!(
                "{}: still mounted (process {})",
                path.display(),
                state.pid
            ));
            return Ok(Exit::Done);
        }
        report(&mount_point, &state, output)
    }
}

fn nothing_known(path: &Path) -> Failure {
    Failure::refused(format!("nothing is known of a mount on {}", path.display()))
        .advise("`jetfs status` lists the mounts of this user.")
}

fn show_one(path: &Path, output: &Output) -> Result<Exit> {
    let mount_point = canonical(path).with_context(|| path.display().to_string())?;
    let state = State::read(&mount_point)?.filter(|state| state.outcome.is_none());
    let mount = Mount::of(&state.ok_or_else(|| nothing_known(path))?);
    let exit = if mount.alive { Exit::Done } else { Exit::Incomplete };
    match output.json {
        true => output.json(&mount)?,
        false => mount.print(output)?,
    }
    Ok(exit)
}

fn show_all(output: &Output) -> Result<Exit> {
    let states = State::all()?;
    let mounts: Vec<Mount> = states
        .iter()
        .filter(|state| state.outcome.is_none())
        .map(Mount::of)
        .collect();
    if output.json {
        output.json(&mounts)?;
    } else {
        for mount in &mounts {
            mount.print(output)?;
        }
    }
    Ok(Exit::Done)
}

impl Mount {
    fn of(state: &State) -> Self {
        let alive = state.is_alive();
        let path = Path::new(&state.mount_point.0).join(HIDDEN).join(STATUS);
        let text = alive.then(|| fs::read(path).ok()).flatten();
        Mount {
            mount_point: state.mount_point.clone(),
            pid: state.pid,
            alive,
            status: text.and_then(|text| serde_json::from_slice(&text).ok()),
        }
    }

    fn print(&self, output: &Output) -> Result<()> {
        let mount_point = self.mount_point.0.display();
        let Some(status) = &self.status else {
            let problem = if self.alive {
                "does not answer"
            } else {
                "dead: run `jetfs umount`"
            };
            output.line(format_args!("{mount_point}: {problem} (process {})", self.pid))?;
            return Ok(());
        };
        let entries = |name: &str| {
            status
                .get(name)
                .and_then(Value::as_array)
                .map_or(&[][..], Vec::as_slice)
        };
        let is_view = status.get("mode").is_some_and(|mode| mode == "recovered");
        output.line(format_args!(
            "{mount_point}: {}, {} (process {}), since {}",
            text(status.get("source").unwrap_or(&Value::Null)),
            match is_view {
                true => "recovered view".to_owned(),
                false => text(status.get("state").unwrap_or(&Value::Null)),
            },
            self.pid,
            text(status.get("started").unwrap_or(&Value::Null)),
        ))?;
        if let Some(recovered) = status.get("recovered") {
            output.line(format_args!("  {}", replayed_in_words(recovered)))?;
        }
        for warning in entries("warnings") {
            output.line(format_args!("  warning: {}", text(warning)))?;
        }
        for file in entries("files") {
            let number = |name: &str| file.get(name).and_then(Value::as_u64).unwrap_or(0);
            output.line(format_args!(
                "  {:<24} {:>14} of {:>14} bytes read",
                text(file.get("name").unwrap_or(&Value::Null)),
                number("delivered"),
                number("len")
            ))?;
        }
        for finding in entries("findings") {
            output.line(format_args!("  found: {}", in_words(finding)))?;
        }
        Ok(())
    }
}

/// What a recovered view is made of.
fn replayed_in_words(recovered: &Value) -> String {
    let number = |path: &str| recovered.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let Some(start) = recovered.get("start").and_then(Value::as_str) else {
        return "nothing was replayed".to_owned();
    };
    format!(
        "replayed: {} records from {start} to the end of generation {:#x}; {} open transactions undone",
        number("/records"),
        number("/last_generation"),
        number("/undone/transactions"),
    )
}

fn in_words(finding: &Value) -> String {
    let field = |name: &str| text(finding.get(name).unwrap_or(&Value::Null));
    format!(
        "{} at {}: {} ({}): {}",
        field("file"),
        field("offset"),
        field("what"),
        field("error"),
        field("outcome")
    )
}

/// A value without the quotes of JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
