//! Starting the mount process in the background: the request goes in through its stdin, reports come out of its stdout:
//! how far the replay of logs or the filling of a spool is, and then one, when the mount answers or cannot.

use crate::daemon::{Preparing, Ready, Waiting};
use crate::exit::{Exit, Failure, advice_of};
use crate::output::one_line;
use crate::request::MountRequest;
use anyhow::{Context, Result};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time between two reports about what takes long.
const REPORT_EVERY: Duration = Duration::from_millis(100);

/// What the mount process says, a line each; after `Ready` or `Failed` nothing more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Report {
    Preparing(Preparing),
    Ready(Ready),
    Failed {
        exit: Exit,
        message: String,
        advice: Option<String>,
    },
}

/// Starts the mount process with `arguments` and waits until the mount answers; `preparing` hears what takes long. If
/// the caller dies meanwhile, the mount process notices and ends without a mount.
///
/// # Errors
/// What the mount process says, with its exit code; or that it ended without a word.
pub(crate) fn in_background(
    request: &MountRequest,
    arguments: &[OsString],
    preparing: &mut dyn FnMut(Preparing),
) -> Result<Ready> {
    let mut child = Command::new(std::env::current_exe().context("cannot find the program itself")?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the mount process")?;
    if let Some(mut stdin) = child.stdin.take() {
        serde_json::to_writer(&stdin, request)?;
        stdin.flush()?;
    }
    let stdout = child.stdout.take().context("the mount process has no stdout")?;
    let mut reports = BufReader::new(stdout);
    loop {
        match read_report(&mut child, &mut reports)? {
            Report::Preparing(progress) => preparing(progress),
            Report::Ready(ready) => return Ok(ready),
            Report::Failed {
                exit,
                message,
                advice,
            } => {
                let failure = Failure::new(exit, message);
                return Err(match advice {
                    Some(advice) => failure.advise(advice),
                    None => failure,
                }
                .into());
            }
        }
    }
}

fn read_report(child: &mut Child, reports: &mut impl BufRead) -> Result<Report> {
    let mut line = String::new();
    reports.read_line(&mut line)?;
    if line.is_empty() {
        let status = child.wait()?;
        anyhow::bail!("the mount process ended before the mount was there ({status})");
    }
    serde_json::from_str(&line).context("the mount process said something unknown")
}

/// The mount process's end of the conversation.
#[derive(Debug)]
pub(crate) struct Launched {
    /// When it last said how far it is.
    reported: Option<Instant>,
}

impl Launched {
    /// Leaves the launcher's session and directory, and reads what is to be mounted.
    ///
    /// # Errors
    /// The request does not arrive.
    pub(crate) fn detach() -> Result<(Self, MountRequest)> {
        let request = serde_json::from_reader(std::io::stdin().lock()).context("no request on stdin")?;
        // Fails only for the leader of a process group: then nobody has to be left.
        let _ = setsid();
        std::env::set_current_dir("/")?;
        Ok((Launched { reported: None }, request))
    }

    /// Tells the launcher why there is no mount. After [`ready`](Self::ready) nobody listens any more.
    pub(crate) fn failed(&self, error: &anyhow::Error) {
        let _ = say(&Report::Failed {
            exit: Exit::of(error),
            message: one_line(error),
            advice: advice_of(error).map(str::to_owned),
        });
    }
}

impl Waiting for Launched {
    /// Not more often than a person can see.
    fn preparing(&mut self, progress: Preparing) -> Result<()> {
        if self
            .reported
            .is_some_and(|reported| reported.elapsed() < REPORT_EVERY)
        {
            return Ok(());
        }
        self.reported = Some(Instant::now());
        say(&Report::Preparing(progress)).context("the launcher is gone")
    }

    /// Tells the launcher that the mount answers, and lets go of its terminal.
    fn ready(&mut self, ready: &Ready) -> Result<()> {
        say(&Report::Ready(ready.clone())).context("the launcher is gone")?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        dup2_stdin(&null)?;
        dup2_stdout(&null)?;
        dup2_stderr(&null)?;
        Ok(())
    }
}

fn say(report: &Report) -> Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    std::io::stdout().write_all(&line)?;
    Ok(())
}
