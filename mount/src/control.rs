//! How commands reach a mount process: a socket beside its state file, where only its user can go.
//!
//! ```text
//! command ── Ask, a line of JSON ──> mount process ── Answer, a line each: Progress … then Done or Failed ──> command
//! ```

use crate::compare::compare;
use crate::exit::{Exit, Failure, advice_of};
use crate::output::one_line;
use crate::state_file;
use crate::tree::Tree;
use anyhow::{Context, Result};
use jetfs::backup::JsonName;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::{fs, thread};

/// The longest question.
const LINE_MOST: u64 = 64 << 10;
/// How long a command may take to ask.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a command asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// Whether the copy is equal also where it was not read: `jetfs umount --copied`.
    Copied {
        /// It is.
        yes: bool,
    },
    /// Ends the database phase: `jetfs seal`.
    Seal,
    /// Compares a copy with the mount, and takes what is equal for read: `jetfs verify --for`.
    Compare {
        /// Where the copy is; absolute.
        copy: JsonName,
    },
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
enum Answer {
    /// How far it is, in bytes.
    Progress { done: u64, total: u64 },
    /// It is done.
    Done { summary: String },
    /// It failed, or was refused.
    Failed {
        exit: Exit,
        message: String,
        advice: Option<String>,
    },
}

/// Asks the process that serves a mount; `progress` hears how far it is. Answers what was done, in words.
///
/// # Errors
/// What the process says; it cannot be reached.
pub(crate) fn ask(mount_point: &Path, ask: &Ask, progress: &mut dyn FnMut(u64, u64)) -> Result<String> {
    let shown = mount_point.display();
    let unreachable = || {
        Failure::refused(format!("the process that serves {shown} cannot be reached"))
            .advise("It must be a mount of this user; `jetfs status` lists them.")
    };
    let mut stream = UnixStream::connect(state_file::socket_of(mount_point)?).map_err(|_| unreachable())?;
    say(&mut stream, ask)?;
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line?).context("the mount process said something unknown")? {
            Answer::Progress { done, total } => progress(done, total),
            Answer::Done { summary } => return Ok(summary),
            Answer::Failed {
                exit,
                message,
                advice,
            } => {
                let failure = Failure::new(exit, message);
                return Err(match advice {
                    Some(advice) => failure.advise(advice).into(),
                    None => failure.into(),
                });
            }
        }
    }
    Err(unreachable().into())
}

fn say<T: Serialize>(stream: &mut UnixStream, what: &T) -> Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    Ok(())
}

/// Answers commands until it is dropped.
#[derive(Debug)]
pub(crate) struct Control(PathBuf);

impl Control {
    /// Listens for what concerns a tree.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(crate) fn listen(tree: Arc<Tree>, mount_point: &Path) -> Result<Self> {
        let path = state_file::socket_of(mount_point)?;
        // What a process left that died.
        let _ = fs::remove_file(&path);
        let listen = || -> std::io::Result<UnixListener> {
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        let listener = listen().with_context(|| format!("cannot listen on {}", path.display()))?;
        thread::Builder::new().name("control".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                let tree = Arc::clone(&tree);
                // A comparison takes long; a seal must not wait for it.
                let started = thread::Builder::new()
                    .name("command".into())
                    .spawn(move || answer(&tree, stream));
                if let Err(error) = started {
                    tracing::warn!("a command cannot be answered: {error}");
                }
            }
        })?;
        Ok(Control(path))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn answer(tree: &Tree, mut stream: UnixStream) {
    let done = hear(&stream).and_then(|ask| act(tree, ask, &mut stream));
    let answer = match done {
        Ok(summary) => Answer::Done { summary },
        Err(error) => Answer::Failed {
            exit: Exit::of(&error),
            message: one_line(&error),
            advice: advice_of(&error).map(str::to_owned),
        },
    };
    if let Err(error) = say(&mut stream, &answer) {
        tracing::debug!("a command did not wait for its answer: {error:#}");
    }
}

fn hear(stream: &UnixStream) -> Result<Ask> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE_MOST)).read_line(&mut line)?;
    serde_json::from_str(&line).context("the command asks for something unknown")
}

fn act(tree: &Tree, ask: Ask, stream: &mut UnixStream) -> Result<String> {
    match ask {
        Ask::Copied { yes } => {
            tree.copied().store(yes, Ordering::Release);
            Ok("noted".to_owned())
        }
        Ask::Seal => tree.seal(),
        Ask::Compare { copy } => compare(tree, Path::new(&copy.0), &mut |done, total| {
            say(stream, &Answer::Progress { done, total })
        }),
    }
}
