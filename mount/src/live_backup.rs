//! The backup of a running instance as a mount: how it begins, what its manifest says, how it ends (design section 5).

use crate::exit::{Exit, Failure};
use crate::opened_source::{OpenedSource, identity};
use crate::request::MountRequest;
use crate::tree::{About, Text, Tree};
use anyhow::Result;
use jetfs::JetErr;
use jetfs::backup::{
    BackupKind, BackupMode, BackupOutcome, BackupSession, BeginGrbit, EndGrbit, JsonName, Manifest,
    ManifestDatabase, ManifestFile, ManifestKind, SourceFile,
};
use jetfs::source::remote::RemoteSource;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
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
        Ok(())
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
        match self.is_incremental() {
            true => BeginGrbit::SNAPSHOT | BeginGrbit::INCREMENTAL,
            false => BeginGrbit::SNAPSHOT,
        }
    }
}

/// The instance that a process hosts in the only directory that is to be mounted; `None` if there is none.
///
/// # Errors
/// The process does not let this user in, or speaks another version.
pub(crate) fn open(request: &MountRequest) -> Result<Option<OpenedSource>> {
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
        // Known when the backup has begun.
        manifest: Text {
            bytes: Vec::new(),
            modified: SystemTime::UNIX_EPOCH,
        },
        trust_source: false,
        recovery: None,
        live: Some(request.live),
    };
    Ok(Some(OpenedSource {
        source: Arc::new(remote),
        about,
    }))
}

/// `backup.json` of a frozen backup that has begun: everything is known, so it is there at once.
///
/// # Errors
/// The session does not tell its files.
pub(crate) fn manifest(session: &BackupSession, request: &MountRequest, begun: SystemTime) -> Result<Text> {
    let databases = session.get_attach_info().or_else(none_of_incremental)?;
    let logs = session.get_log_info()?;
    let files = databases.iter().chain(&logs.files).map(manifest_file);
    let manifest = Manifest {
        begun: Some(begun),
        completed: Some(begun),
        sources: request
            .sources
            .iter()
            .map(|path| JsonName(path.clone()))
            .collect(),
        log_base: Some(logs.base.clone()),
        generations: logs.range,
        databases: databases.iter().map(manifest_database).collect(),
        files: files.collect(),
        ..Manifest::new(request.live.manifest_kind(), BackupMode::Frozen)
    };
    Ok(Text {
        bytes: manifest.to_bytes()?,
        modified: begun,
    })
}

/// An incremental backup has no databases.
fn none_of_incremental(error: jetfs::JetError) -> jetfs::JetResult<Vec<SourceFile>> {
    match error.code() {
        JetErr::InvalidBackupSequence => Ok(Vec::new()),
        _ => Err(error),
    }
}

fn manifest_file(file: &SourceFile) -> ManifestFile {
    ManifestFile {
        name: JsonName(file.name.clone()),
        role: file.role,
        len: file.len,
        modified: file.modified,
        original: file.path.as_path().into(),
        signature: None,
        sha256: None,
    }
}

fn manifest_database(file: &SourceFile) -> ManifestDatabase {
    ManifestDatabase {
        name: JsonName(file.name.clone()),
        signature: None,
        state: None,
        page_size: None,
        required: None,
    }
}

/// Ends the backup; answers how it went.
pub(crate) fn end(tree: &Tree, request: LiveRequest, aborted: bool) -> (Exit, String) {
    let session = tree.session();
    let unread: Vec<_> = session
        .progress()
        .into_iter()
        .filter(|file| !file.complete)
        .collect();
    let is_given_up = aborted || request.on_umount == Some(OnUmount::Abort);
    if is_given_up || !unread.is_empty() {
        let _ = session.end_with(EndGrbit::ABORT.bits());
        return match session.outcome() {
            Some(BackupOutcome::AbortedByCaller) if !is_given_up => {
                (Exit::Incomplete, unread_in_words(&unread))
            }
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

fn unread_in_words(unread: &[jetfs::backup::FileProgress]) -> String {
    let named: Vec<_> = unread
        .iter()
        .take(NAMED)
        .map(|file| file.name.to_string_lossy())
        .collect();
    let more = match unread.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("aborted: not all was read: {}{more}", named.join(", "))
}

fn in_words(outcome: Option<BackupOutcome>) -> String {
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
            let files: Vec<_> = files
                .iter()
                .take(NAMED)
                .map(|name: &OsString| name.to_string_lossy())
                .collect();
            format!("not complete: {}", files.join(", "))
        }
        Some(BackupOutcome::AbortedByServer) => "ended by the instance, before it was complete".into(),
        Some(BackupOutcome::Failed { code }) => format!("failed: {code}"),
        Some(BackupOutcome::AbortedByCaller) | None => "aborted".into(),
    }
}
