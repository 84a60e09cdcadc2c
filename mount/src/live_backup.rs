//! The backup of a running instance as a mount: how it begins, what its manifest says, how it ends (design section 5).

use crate::daemon::Preparing;
use crate::exit::{Exit, Failure};
use crate::opened_source::{OpenedSource, identity};
use crate::request::MountRequest;
use crate::tree::{About, Text, Tree};
use anyhow::Result;
use jetfs::backup::{
    BackupKind, BackupMode, BackupOutcome, BackupSession, BeginGrbit, EndGrbit, FileRole, JsonName,
    ManifestKind, PhaseName, Source,
};
use jetfs::io::RealFileSystem;
use jetfs::source::remote::RemoteSource;
use jetfs::source::spool::{SpoolProgress, SpoolSource};
use jetfs::store::SpillDirectory;
use jetfs::{JetErr, JetError};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// How often a damaged page is read again (external-backup.md section 4.3).
const RETRIES: u32 = 16;
/// Files that are named when a backup is not complete.
const NAMED: usize = 5;

/// What is asked of the backup of a running instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LiveRequest {
    /// What it is meant to be.
    pub(crate) kind: Option<Kind>,
    /// What happens when it is unmounted.
    pub(crate) on_umount: Option<OnUmount>,
    /// How its files become consistent with each other.
    pub(crate) mode: Option<Mode>,
    /// Whether it is sealed as soon as every database was read.
    pub(crate) auto_seal: bool,
    /// Seconds without a reader after which the backup ends.
    pub(crate) timeout: Option<u64>,
    /// Logs that the instance may keep for the backup.
    pub(crate) max_logs: Option<u32>,
    /// Whether empty patch files are shown.
    pub(crate) patch_files: bool,
}

/// How the files become consistent with each other (design, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mode {
    /// Every database as of the moment of mounting; any tool, any order
    Frozen,
    /// Databases as they are on disk when they are read, from start to end; logs after `jetfs seal`
    Stream,
    /// As stream, copied into a temporary file by the mount itself before it is there; any tool, any order
    Spool,
}

/// What a backup is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// Databases and logs; incremental ones may follow if its logs are truncated
    Full,
    /// Databases and logs; no log is truncated, and nothing follows it
    Copy,
    /// The logs since the last backup
    Incremental,
    /// The logs since the last backup; no log is truncated
    Differential,
}

/// What happens when a backup is unmounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OnUmount {
    /// It ends normally if every byte was read, and is aborted otherwise
    End,
    /// As end; before it, logs that the instance needs no more are deleted
    Truncate,
    /// It is aborted
    Abort,
}

impl From<Kind> for ManifestKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Full => ManifestKind::Full,
            Kind::Copy => ManifestKind::Copy,
            Kind::Incremental => ManifestKind::Incremental,
            Kind::Differential => ManifestKind::Differential,
        }
    }
}

impl LiveRequest {
    /// Whether anything was asked for that only a running instance has.
    pub(crate) fn is_set(self) -> bool {
        self != Self::default()
    }

    /// Refuses what contradicts itself.
    ///
    /// # Errors
    /// A kind that truncates nothing, with truncation.
    pub(crate) fn check(self) -> Result<()> {
        let keeps_logs = matches!(self.kind, Some(Kind::Copy | Kind::Differential));
        if keeps_logs && self.on_umount == Some(OnUmount::Truncate) {
            let what = "a copy or a differential backup truncates no logs";
            return Err(Failure::new(Exit::Usage, what)
                .advise("Use --kind full or incremental, or leave --on-umount truncate out.")
                .into());
        }
        if self.auto_seal && self.mode() != BackupMode::Stream {
            return Err(Failure::new(Exit::Usage, "--auto-seal needs --mode stream").into());
        }
        Ok(())
    }

    /// How the files become consistent with each other.
    pub(crate) fn mode(self) -> BackupMode {
        match self.mode {
            None | Some(Mode::Frozen) => BackupMode::Frozen,
            Some(Mode::Stream) => BackupMode::Stream,
            Some(Mode::Spool) => BackupMode::Spool,
        }
    }

    fn is_incremental(self) -> bool {
        matches!(self.kind, Some(Kind::Incremental | Kind::Differential))
    }

    /// What the backup becomes if it ends as it is meant to.
    fn manifest_kind(self) -> ManifestKind {
        let truncates = self.on_umount == Some(OnUmount::Truncate);
        match (self.is_incremental(), truncates) {
            (false, true) => ManifestKind::Full,
            (false, false) => ManifestKind::Copy,
            (true, true) => ManifestKind::Incremental,
            (true, false) => ManifestKind::Differential,
        }
    }

    /// The bits of Begin.
    pub(crate) fn grbit(self) -> BeginGrbit {
        let mut grbit = BeginGrbit::empty();
        grbit.set(BeginGrbit::SNAPSHOT, self.mode() != BackupMode::Stream);
        grbit.set(BeginGrbit::INCREMENTAL, self.is_incremental());
        grbit
    }
}

/// The instance that a process hosts in the only directory that is to be mounted; `None` if there is none.
///
/// # Errors
/// The process does not let this user in, or speaks another version; the spool cannot be filled, or `preparing` says no.
pub(crate) fn open(
    request: &MountRequest,
    preparing: &mut dyn FnMut(Preparing) -> Result<()>,
) -> Result<Option<OpenedSource>> {
    let [directory] = request.sources.as_slice() else {
        return Ok(None);
    };
    let directory = Path::new(directory);
    if request.recovered.is_some() || !directory.is_dir() {
        return Ok(None);
    }
    let Some(remote) = RemoteSource::connect(directory, RETRIES)? else {
        return Ok(None);
    };
    let about = About {
        source: identity(request)?,
        started: SystemTime::now(),
        warnings: Vec::new(),
        ignored: Vec::new(),
        sources: request.sources.iter().cloned().map(JsonName).collect(),
        // Known when the backup has begun.
        manifest: None,
        trust_source: false,
        recovery: None,
        live: Some(request.live),
    };
    let remote: Arc<dyn Source> = Arc::new(remote);
    let source = match request.live.mode() {
        BackupMode::Spool => spooled(request, remote, preparing)?,
        _ => remote,
    };
    Ok(Some(OpenedSource { source, about }))
}

/// The whole backup, copied.
fn spooled(
    request: &MountRequest,
    source: Arc<dyn Source>,
    preparing: &mut dyn FnMut(Preparing) -> Result<()>,
) -> Result<Arc<dyn Source>> {
    let directory = SpillDirectory {
        fs: Arc::new(RealFileSystem),
        directory: request
            .spool_dir
            .as_ref()
            .map_or_else(std::env::temp_dir, PathBuf::from),
    };
    let is_incremental = request.live.is_incremental();
    let filled = SpoolSource::fill(
        source,
        is_incremental,
        &directory,
        &mut |SpoolProgress { done, total }| {
            let told = preparing(Preparing::Spooling { done, total });
            told.map_err(|error| JetError::rule(JetErr::TermInProgress, format!("{error:#}")))
        },
    );
    Ok(Arc::new(filled?))
}

/// `backup.json` of a backup whose databases and logs are known.
///
/// # Errors
/// The session does not tell its files, or a header cannot be read.
pub(crate) fn manifest(session: &BackupSession, request: LiveRequest, sources: &[JsonName]) -> Result<Text> {
    let mut manifest = session.manifest(request.manifest_kind(), request.mode())?;
    manifest.sources = sources.to_vec();
    manifest.completed = Some(SystemTime::now());
    Ok(Text {
        bytes: manifest.to_bytes()?,
        modified: manifest.begun.unwrap_or(SystemTime::UNIX_EPOCH),
    })
}

/// Ends the backup; answers how it went.
pub(crate) fn end(tree: &Tree, request: LiveRequest, aborted: bool) -> (Exit, String) {
    let session = tree.session();
    if let Some(why) = tree.over() {
        let _ = session.end_with(EndGrbit::ABORT.bits());
        return (Exit::Incomplete, format!("aborted: {why}"));
    }
    let is_sealed = session.phase() != PhaseName::Databases;
    if is_sealed && tree.copied().load(Ordering::Acquire) {
        vouch_for_all(tree);
    }
    let unread = session.progress().into_iter().filter(|file| !file.complete);
    let unread: Vec<OsString> = unread.map(|file| file.name).collect();
    let is_given_up = aborted || request.on_umount == Some(OnUmount::Abort);
    if is_given_up || !unread.is_empty() || !is_sealed {
        let _ = session.end_with(EndGrbit::ABORT.bits());
        return match session.outcome() {
            Some(BackupOutcome::AbortedByCaller) if !is_given_up && !is_sealed => (
                Exit::Incomplete,
                "aborted: it was not sealed, so that no logs were copied".into(),
            ),
            Some(BackupOutcome::AbortedByCaller) if !is_given_up => (
                Exit::Incomplete,
                format!("aborted: not all was read: {}", named(&unread)),
            ),
            Some(BackupOutcome::AbortedByCaller) if aborted => {
                (Exit::Incomplete, "aborted: files were open".into())
            }
            Some(BackupOutcome::AbortedByCaller) => (Exit::Done, "aborted, as it was asked for".into()),
            other => (Exit::Incomplete, in_words(other)),
        };
    }
    if request.on_umount == Some(OnUmount::Truncate)
        && let Err(error) = session.truncate_log()
    {
        let _ = session.end_with(EndGrbit::ABORT.bits());
        return (
            Exit::Incomplete,
            format!("aborted: the logs cannot be truncated: {error}"),
        );
    }
    if let Err(error) = session.end() {
        return (
            Exit::of_jet_err(error.code()),
            format!("ended with an error: {error}"),
        );
    }
    match session.outcome() {
        Some(outcome @ BackupOutcome::Complete { .. }) => (Exit::Done, in_words(Some(outcome))),
        other => (Exit::Incomplete, in_words(other)),
    }
}

/// Its user says that the copy is equal to everything that can be vouched for.
fn vouch_for_all(tree: &Tree) {
    let files = tree.files().into_iter();
    // In stream mode a database was read to its end, or the mount was not sealed.
    for file in files.filter(|file| !tree.is_stream() || file.role != FileRole::Database) {
        if let Err(error) = tree.session().vouch_for(&file.name) {
            tracing::warn!(file = %file.name.display(), "{error}");
        }
    }
}

/// Some names, and how many more there are.
pub(crate) fn named(files: &[OsString]) -> String {
    let names: Vec<_> = files
        .iter()
        .take(NAMED)
        .map(|name| name.to_string_lossy())
        .collect();
    let more = match files.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", names.join(", "))
}

/// What a backup has become.
pub(crate) fn in_words(outcome: Option<BackupOutcome>) -> String {
    match outcome {
        Some(BackupOutcome::Complete { kind }) => match kind {
            BackupKind::Full => "complete: a full backup; incremental ones may follow".into(),
            BackupKind::Copy => {
                "complete: a copy; the next backup must be full, since no logs were truncated".into()
            }
            BackupKind::Incremental => "complete: an incremental backup".into(),
            BackupKind::Differential => "complete: a differential backup; no logs were truncated".into(),
        },
        Some(BackupOutcome::Incomplete { files }) => {
            format!("not complete: {}", named(&files))
        }
        Some(BackupOutcome::AbortedByServer) => "ended by the instance, before it was complete".into(),
        Some(BackupOutcome::Failed { code }) => format!("failed: {code}"),
        Some(BackupOutcome::AbortedByCaller) | None => "aborted".into(),
    }
}
