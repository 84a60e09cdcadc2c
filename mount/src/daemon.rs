//! The mount process: opens the source, begins the backup, mounts, waits for the end, ends the backup, and writes
//! what came out of it into the state file. Design: section 5, "End of a backup".

use crate::control::Control;
use crate::event::Event;
use crate::exit::{Exit, Failure};
use crate::fuse::{Fuse, Ownership};
use crate::live_backup::{self, LiveRequest};
use crate::mount_table::{self, UnmountError, mounted_at};
use crate::opened_source::{OpenedSource, open_source};
use crate::request::MountRequest;
use crate::state_file::{Outcome, State, now};
use crate::tree::Tree;
use crate::watch::{self, Watch};
use anyhow::{Context, Result};
use fuser::{BackgroundSession, Config, MountOption, Session, SessionACL};
use jetfs::backup::{BackupSession, BeginGrbit, EndGrbit, PhaseName};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::mem::ManuallyDrop;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::{fs, thread};

/// Event loops for each core. Enough that one reader's slow disk does not hold up the others; more of them take turns
/// on the cores in the middle of a sequential read, which costs up to half of its throughput.
const THREADS_PER_CORE: usize = 2;
/// As few as there are on a single core.
const FEWEST_THREADS: usize = 4;
/// What the kernel reads ahead, in KiB; the default of 128 halves the throughput.
const READ_AHEAD_KB: &str = "2048";

/// What the launcher tells its user once the mount answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// The mount process.
    pub(crate) pid: u32,
    /// What is mounted where, one line.
    pub(crate) summary: String,
    /// What is wrong with the set, one line each.
    pub(crate) warnings: Vec<String>,
}

/// How far the replay of the logs is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Replaying {
    /// The generation that is read.
    pub(crate) generation: u32,
    /// The last one.
    pub(crate) last: u32,
    /// Bytes of logs that were read.
    pub(crate) log_bytes: u64,
    /// Bytes of logs in all.
    pub(crate) total_bytes: u64,
}

/// What takes long before the mount answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preparing {
    /// The logs of a recovered view.
    Replaying(Replaying),
    /// The files of a backup.
    Spooling {
        /// Bytes that were copied.
        done: u64,
        /// Bytes in all, as far as is known.
        total: u64,
    },
}

/// Who waits until the mount answers.
pub(crate) trait Waiting {
    /// Hears how far it is.
    ///
    /// # Errors
    /// Nobody waits any more.
    fn preparing(&mut self, progress: Preparing) -> Result<()>;

    /// Hears that the mount answers.
    ///
    /// # Errors
    /// Nobody waits any more.
    fn ready(&mut self, ready: &Ready) -> Result<()>;
}

/// Mounts and serves until the end; `waiting` hears once the mount answers.
///
/// # Errors
/// The source cannot be shown, or the system does not mount.
pub(crate) fn serve(request: &MountRequest, waiting: &mut dyn Waiting) -> Result<Outcome> {
    let (sender, events) = channel();
    listen_to_signals(sender.clone())?;
    raise_file_limit();
    let source = open_source(request, &mut |progress| {
        if events.try_recv() == Ok(Event::Terminate) {
            anyhow::bail!("interrupted");
        }
        waiting.preparing(progress)
    })?;
    let tree = Arc::new(begin(source)?);
    let result = mount(request, &tree, sender).and_then(|mount| {
        let _control = Control::listen(Arc::clone(&tree), request.mount_point())?;
        let mut state = State::of_this_process(request.mount_point(), shown_sources(request));
        let announced = state
            .write()
            .and_then(|()| waiting.ready(&announcement(request, &tree)));
        if let Err(error) = announced {
            let _ = mount_table::unmount(request.mount_point(), true);
            return Err(error);
        }
        let outcome = wait_and_end(request.mount_point(), &tree, &events);
        // From here on the mount is somebody else's: the session must not unmount when it is dropped.
        let _: ManuallyDrop<BackgroundSession> = mount;
        state.outcome = Some(outcome.clone());
        state.write()?;
        Ok(outcome)
    });
    if result.is_err() {
        let _ = tree.session().end_with(EndGrbit::ABORT.bits());
    }
    result
}

/// Signals come as events to one thread; every other thread has them blocked.
fn listen_to_signals(events: Sender<Event>) -> Result<()> {
    let mut signals = SigSet::empty();
    signals.extend([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
    signals.thread_block().context("cannot block signals")?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        while signals.wait().is_ok() && events.send(Event::Terminate).is_ok() {}
    })?;
    Ok(())
}

/// A set may have many logs, and each open one takes a descriptor.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(errno) = raised {
        tracing::debug!("the limit of open files stays: {errno}");
    }
}

fn begin(source: OpenedSource) -> Result<Tree> {
    let session = Arc::new(BackupSession::for_many_readers(source.source));
    let mut about = source.about;
    let grbit = about.live.map_or(BeginGrbit::SNAPSHOT, LiveRequest::grbit);
    session.begin(grbit.bits())?;
    if let Some(live) = about.live
        && session.phase() != PhaseName::Databases
    {
        about.manifest = Some(live_backup::manifest(&session, live, &about.sources)?);
    }
    Ok(Tree::new(session, about)?)
}

fn mount(
    request: &MountRequest,
    tree: &Arc<Tree>,
    events: Sender<Event>,
) -> Result<ManuallyDrop<BackgroundSession>> {
    let ownership = Ownership {
        uid: request.uid.unwrap_or(nix::unistd::geteuid().as_raw()),
        gid: request.gid.unwrap_or(nix::unistd::getegid().as_raw()),
        mode: request.mode.unwrap_or(0o400),
    };
    let fuse = Fuse::new(Arc::clone(tree), ownership, request.trust_source, events);
    let session = Session::new(fuse, request.mount_point(), &config(request))
        .map_err(|e| mount_refused(request, &e))?;
    let session = ManuallyDrop::new(session.spawn().context("cannot start the event loops")?);
    raise_read_ahead(request.mount_point());
    let metadata = fs::metadata(request.mount_point()).context("the mount does not answer")?;
    anyhow::ensure!(metadata.ino() == 1, "something else was mounted at the same time");
    Ok(session)
}

fn config(request: &MountRequest) -> Config {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("jetfs".into()),
        // Not `Subtype`, which the kernel would not get to see.
        MountOption::CUSTOM("subtype=jetfs".into()),
        MountOption::RO,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoExec,
        MountOption::NoAtime,
        MountOption::DefaultPermissions,
    ];
    config.acl = match request.allow_other {
        true => SessionACL::All,
        false => SessionACL::Owner,
    };
    config.n_threads = Some(threads());
    config.clone_fd = true;
    config
}

/// How many requests are answered at once.
fn threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    (cores * THREADS_PER_CORE).max(FEWEST_THREADS)
}

fn mount_refused(request: &MountRequest, error: &std::io::Error) -> Failure {
    let shown = request.mount_point().display();
    let text = error.to_string().trim().replace('\n', "; ");
    let failure = Failure::new(Exit::Failed, format!("cannot mount on {shown}: {text}"));
    if text.contains("user_allow_other") {
        return failure.advise("Put a line `user_allow_other` into /etc/fuse.conf, or mount as root.");
    }
    failure.advise("Mounting needs root, or the program fusermount3 of the package fuse3.")
}

/// Only root may, and only where the system has that file; without it the mount is slower.
fn raise_read_ahead(mount_point: &Path) {
    let raise = || -> Result<()> {
        let mounted = mounted_at(mount_point)?.context("not in the mount table")?;
        fs::write(
            format!("/sys/class/bdi/{}/read_ahead_kb", mounted.device),
            READ_AHEAD_KB,
        )?;
        Ok(())
    };
    if let Err(error) = raise() {
        tracing::debug!("the read-ahead stays as it is: {error:#}");
    }
}

fn announcement(request: &MountRequest, tree: &Tree) -> Ready {
    Ready {
        pid: std::process::id(),
        summary: format!(
            "mounted {} of {} on {}",
            tree.contents_in_words(),
            shown_sources(request),
            request.mount_point().display()
        ),
        warnings: tree.warnings().to_vec(),
    }
}

fn shown_sources(request: &MountRequest) -> String {
    let shown: Vec<_> = request
        .sources
        .iter()
        .map(|source| source.display().to_string())
        .collect();
    shown.join(", ")
}

/// Waits until somebody unmounts or a signal comes; the backup of a running instance is watched meanwhile.
fn wait(tree: &Tree, events: &Receiver<Event>) -> Event {
    let mut watch = tree.live().map(Watch::new);
    loop {
        let event = match &mut watch {
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(_) => events.recv_timeout(watch::PAUSE),
        };
        match (event, &mut watch) {
            (Ok(event), _) => return event,
            (Err(RecvTimeoutError::Timeout), Some(watch)) => watch.look(tree),
            (Err(_), _) => return Event::Unmounted,
        }
    }
}

/// Waits until somebody unmounts or a signal comes, then ends the backup.
fn wait_and_end(mount_point: &Path, tree: &Tree, events: &Receiver<Event>) -> Outcome {
    let mut aborted = false;
    if wait(tree, events) == Event::Terminate {
        match mount_table::unmount(mount_point, false) {
            Ok(()) => {}
            Err(UnmountError::Busy) => {
                aborted = true;
                tracing::warn!("told to end while files are open: their readers get errors");
                if let Err(error) = mount_table::unmount(mount_point, true) {
                    tracing::error!("cannot unmount: {error}");
                }
            }
            Err(UnmountError::Other(error)) => tracing::error!("cannot unmount: {error}"),
        }
    }
    end(tree, aborted)
}

fn end(tree: &Tree, aborted: bool) -> Outcome {
    let details = json!(tree.status());
    let (repaired, refused) = tree.damage();
    if let Some(request) = tree.live() {
        let (exit, summary) = live_backup::end(tree, request, aborted);
        return Outcome {
            exit: if refused > 0 { Exit::Damaged } else { exit },
            summary,
            ended: now(),
            details,
        };
    }
    let grbit = if aborted {
        EndGrbit::ABORT
    } else {
        EndGrbit::NORMAL
    };
    let ended = tree.session().end_with(grbit.bits());
    let view = tree.is_recovered_view();
    let what = if view { "the recovered view ended" } else { "ended" };
    let (exit, mut summary) = match ended {
        Err(error) => (
            Exit::of_jet_err(error.code()),
            format!("ended with an error: {error}"),
        ),
        Ok(()) if aborted => (Exit::Incomplete, "aborted: files were open".into()),
        Ok(()) if refused > 0 => (
            Exit::Damaged,
            format!("{what}; {refused} damaged places were refused"),
        ),
        Ok(()) => (Exit::Done, what.into()),
    };
    if repaired > 0 {
        summary.push_str(&format!(
            "; {repaired} damaged places were repaired in the returned data"
        ));
    }
    Outcome {
        exit,
        summary,
        ended: now(),
        details,
    }
}
