//! `jetfs umount`.

use super::seal::mounted;
use crate::control::{self, Ask};
use crate::exit::{Exit, Failure};
use crate::mount_table::{self, UnmountError, is_dead, unmount};
use crate::output::Output;
use crate::state_file::State;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Unmount, end the backup, and say how it went
#[derive(Debug, clap::Args)]
#[command(after_help = "\
If files in the mount are open, nothing is changed and the exit code is 4. A mount whose process died is cleaned up; \
its backup counts as aborted (exit code 5).

Examples:
  jetfs umount /mnt/backup
  jetfs umount --copied /mnt/backup   # the tool skipped what it had already: its copy is equal all the same
  jetfs umount /mnt/backup --json | jq .outcome.summary

Exit codes: 0 ended; 3 not a jetfs mount; 4 files are open; 5 aborted; 6 ended, and damaged places were refused.")]
pub(crate) struct Args {
    /// Where it is mounted
    #[arg(value_name = "MOUNTPOINT")]
    mount_point: PathBuf,

    /// Take everything for read: the copy is equal, also where a tool skipped what it had already
    #[arg(long)]
    copied: bool,

    /// How many seconds to wait for the backup to end
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

impl Args {
    /// Unmounts.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        let shown = self.mount_point.display();
        let mount_point = mounted(&self.mount_point)?;
        // A state with an outcome is that of an earlier mount: this one belongs to another user.
        let state = State::read(&mount_point)?.filter(|state| state.outcome.is_none());
        let dead = is_dead(&mount_point);
        if self.copied {
            control::ask(&mount_point, &Ask::Copied { yes: true }, &mut |_, _| ())?;
        }
        // Nobody can be in the middle of reading a dead mount, but somebody may still stand in it.
        match unmount(&mount_point, dead) {
            Ok(()) => {}
            Err(UnmountError::Busy) => {
                if self.copied {
                    control::ask(&mount_point, &Ask::Copied { yes: false }, &mut |_, _| ())?;
                }
                return Err(busy(&mount_point).into());
            }
            Err(UnmountError::Other(error)) => {
                return Err(Failure::new(Exit::Failed, format!("cannot unmount {shown}: {error}")).into());
            }
        }
        let Some(state) = state else {
            output.note(format_args!(
                "unmounted {shown}; another user mounted it, so its outcome is not known here"
            ));
            return Ok(Exit::Done);
        };
        let state = match dead && !state.is_alive() {
            true => bury(state)?,
            false => wait_for_end(&mount_point, Duration::from_secs(self.timeout))?,
        };
        report(&mount_point, &state, output)
    }
}

fn busy(mount_point: &Path) -> Failure {
    let users = mount_table::users_of(mount_point);
    let shown = mount_point.display();
    let by = match users.is_empty() {
        true => String::new(),
        false => format!(" by {}", users.join(", ")),
    };
    Failure::busy(format!("{shown} is in use{by}; nothing was changed"))
        .advise("Close the files, leave the directory, and try again.")
}

fn bury(mut state: State) -> Result<State> {
    state.note_death();
    state.write()?;
    Ok(state)
}

/// Waits until the mount process has told an outcome, or is gone.
///
/// # Errors
/// It takes longer than `timeout`.
pub(crate) fn wait_for_end(mount_point: &Path, timeout: Duration) -> Result<State> {
    let deadline = Instant::now() + timeout;
    loop {
        // In this order: an outcome that was written before the process ended must not be missed.
        let alive = State::read(mount_point)?.is_some_and(|state| state.is_alive());
        let state = State::read(mount_point)?.context("the state file is gone")?;
        if state.outcome.is_some() {
            return Ok(state);
        }
        if !alive {
            return bury(state);
        }
        if Instant::now() >= deadline {
            let shown = mount_point.display();
            return Err(
                Failure::new(Exit::Failed, format!("the backup of {shown} has not ended yet"))
                    .advise(format!("`jetfs status --last {shown} --wait` waits for it."))
                    .into(),
            );
        }
        sleep(Duration::from_millis(10));
    }
}

/// Says how a mount ended.
pub(crate) fn report(mount_point: &Path, state: &State, output: &Output) -> Result<Exit> {
    let Some(outcome) = &state.outcome else {
        return Ok(Exit::Done);
    };
    if output.json {
        output.json(state)?;
    } else {
        output.note(format_args!("{}: {}", mount_point.display(), outcome.summary));
    }
    Ok(outcome.exit)
}
