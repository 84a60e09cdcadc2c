//! What the steps of `jetfs demo` share: the story that they tell, and the mounts to be ended whatever happens.

use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::mount_table;
use crate::output::Output;
use anyhow::{Context, Result};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The stage.
pub(super) struct Stage<'a> {
    output: &'a Output,
    interrupt: Interrupt,
    /// Where the files stay, if they do.
    keep: Option<PathBuf>,
    started: Instant,
    step: u32,
    mounted: Vec<PathBuf>,
}

impl<'a> Stage<'a> {
    /// From now on an interruption is only noted.
    ///
    /// # Errors
    /// Signals cannot be heard.
    pub(super) fn new(output: &'a Output, keep: Option<PathBuf>) -> Result<Self> {
        Ok(Stage {
            output,
            interrupt: Interrupt::listen()?,
            keep,
            started: Instant::now(),
            step: 0,
            mounted: Vec::new(),
        })
    }

    /// Seconds since it began.
    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// One line of the story; with `--json` on stderr, to leave stdout to the result.
    ///
    /// # Errors
    /// Somebody interrupted; stdout cannot be written.
    pub(super) fn say(&mut self, what: &str, text: impl Display) -> Result<()> {
        self.interrupt()?;
        self.step += 1;
        let line = format!("{:>2}. {what:<8} {text}", self.step);
        if self.output.json {
            self.output.note(line);
        } else {
            self.output.line(line)?;
        }
        Ok(())
    }

    /// Whether to go on.
    ///
    /// # Errors
    /// Somebody interrupted. What is to be cleaned up is cleaned up on the way out.
    pub(super) fn interrupt(&self) -> Result<()> {
        if !self.interrupt.happened() {
            return Ok(());
        }
        let what = match &self.keep {
            Some(keep) => format!(
                "interrupted; what was written until then is in {}",
                keep.display()
            ),
            None => "interrupted; everything is cleaned up".to_owned(),
        };
        Err(Failure::new(Exit::Incomplete, what).into())
    }

    /// Mounts a directory in a new one.
    ///
    /// # Errors
    /// What `jetfs mount` says.
    pub(super) fn mount(&mut self, options: &[&str], source: &Path, mount_point: &Path) -> Result<()> {
        std::fs::create_dir(mount_point)?;
        // Before it is mounted: an interruption may end the command after the mount process has begun.
        self.mounted.push(mount_point.to_path_buf());
        let words = ["--log", "error", "mount", "--quiet"].iter().chain(options);
        let words: Vec<&Path> = words.map(Path::new).chain([source, mount_point]).collect();
        run_self(&words)?;
        Ok(())
    }

    /// Mounts, and tells of it.
    ///
    /// # Errors
    /// Those of [`mount`](Self::mount) and of [`say`](Self::say).
    pub(super) fn mount_and_say(
        &mut self,
        options: &[&str],
        source: &Path,
        mount_point: &Path,
    ) -> Result<()> {
        let begun = Instant::now();
        self.mount(options, source, mount_point)?;
        let options: String = options.iter().map(|option| format!("{option} ")).collect();
        let text = format!(
            "jetfs mount {options}{} {}   answers after {:.0} ms",
            source.display(),
            mount_point.display(),
            begun.elapsed().as_secs_f64() * 1000.0
        );
        self.say("mount", text)
    }

    /// Unmounts. The backup of a damaged source ends with its own exit code, which is returned, with what was said.
    ///
    /// # Errors
    /// It is still mounted.
    pub(super) fn unmount(&mut self, mount_point: &Path) -> Result<(i32, String)> {
        let ended = Command::new(std::env::current_exe()?)
            .args(["umount".as_ref(), mount_point])
            .stdin(Stdio::null())
            .output()?;
        if mount_table::mounted_at(mount_point)?.is_some() {
            return Err(Failure::busy(format!("cannot unmount {}", mount_point.display())).into());
        }
        self.mounted.retain(|mounted| mounted != mount_point);
        std::fs::remove_dir(mount_point)?;
        let said = String::from_utf8_lossy(&ended.stderr);
        let said = said.lines().next().unwrap_or_default();
        let said = said.trim_start_matches("jetfs: ").to_owned();
        Ok((ended.status.code().unwrap_or(-1), said))
    }
}

impl Drop for Stage<'_> {
    /// After an error no mount is left behind; the temporary directory could not be removed either.
    fn drop(&mut self) {
        for mount_point in &self.mounted {
            let _ = mount_table::unmount(mount_point, true);
            let _ = std::fs::remove_dir(mount_point);
        }
    }
}

/// Runs this very program; its errors become ours, with their exit code.
pub(super) fn run_self(arguments: &[&Path]) -> Result<Vec<u8>> {
    let output = Command::new(std::env::current_exe().context("cannot find the program itself")?)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .context("cannot start the program itself")?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let exit = match output.status.code() {
        Some(3) => Exit::Refused,
        Some(4) => Exit::Busy,
        Some(5) => Exit::Incomplete,
        Some(6) => Exit::Damaged,
        _ => Exit::Failed,
    };
    let text = String::from_utf8_lossy(&output.stderr);
    let mut lines = text.lines().map(|line| line.trim_start_matches("jetfs: "));
    let failure = Failure::new(exit, lines.next().unwrap_or("failed without a word"));
    Err(match lines.next() {
        Some(advice) => failure.advise(advice.to_owned()).into(),
        None => failure.into(),
    })
}
