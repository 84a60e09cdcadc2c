//! Where redo begins, and with which databases (log-and-recovery.md section 6.1).

use super::attach::LoggedAttach;
use super::files::InstanceFiles;
use super::plan::Options;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    AttachList, Checkpoint, DatabaseHeader, LogHeader, LogPosition, LogVersion, PageSize, Signature,
};
use crate::io::FileSystem;
use crate::store::log_reader::LogPlace;
use crate::store::read_header::open_if_there;
use crate::store::{self, read_database_header, read_log_header};
use std::fmt;
use std::path::PathBuf;

/// From this log version on a checkpoint has a valid list of attached databases.
const LISTED_IN_CHECKPOINT: (u32, u32) = (4, 3);

/// Where redo begins.
#[derive(Debug, Clone)]
pub struct Start {
    /// The first record that is read, or the beginning of its generation.
    pub position: LogPosition,
    /// What says so.
    pub because: StartReason,
    /// The logs that are read, from that of the position on.
    pub logs: Vec<LogPlace>,
    /// `signLog`.
    pub signature: Signature,
    /// The page size of the databases.
    pub page_size: PageSize,
    /// Header of the last log.
    pub last: LogHeader,
    /// The databases that are attached at the position.
    pub(super) attached: Vec<LoggedAttach>,
    /// Why the checkpoint was not used, if it is there.
    pub checkpoint_problem: Option<String>,
}

/// What says where redo begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartReason {
    /// The checkpoint.
    Checkpoint,
    /// There is no usable checkpoint: the oldest log.
    OldestLog,
    /// A database needs older logs than the checkpoint says.
    OldestRequired,
    /// The first log of a backup set.
    BackupSet,
}

impl fmt::Display for StartReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StartReason::Checkpoint => "the checkpoint",
            StartReason::OldestLog => "the oldest log, without a checkpoint",
            StartReason::OldestRequired => "the oldest log that a database needs",
            StartReason::BackupSet => "the first log of the backup",
        })
    }
}

/// Finds the start; `None` if there are no logs at all. Of a backup set it is the first log.
///
/// # Errors
/// A log that must be there is not (`JET_errMissingLogFile`, `JET_errMissingPreviousLogFile`), or cannot be read.
pub(super) fn find(
    fs: &dyn FileSystem,
    files: &InstanceFiles,
    headers: &[(PathBuf, DatabaseHeader)],
    options: &Options,
) -> JetResult<Option<Start>> {
    let hard = options.backup_from;
    let Some((_, newest)) = files.logs.last_key_value() else {
        return Ok(None);
    };
    if files.current.is_none() && files.next.is_none() && hard.is_none() && !options.best_effort {
        let what = format!(
            "{}.log, the current log, is missing, while archived logs up to {:#x} are there",
            files.base, newest.generation
        );
        return Err(JetError::rule(JetErr::MissingLogFile, what).in_file(&files.system));
    }
    let last = read_log_header(fs, &newest.path)?;
    let (checkpoint, checkpoint_problem) = match read_checkpoint(fs, files, last.signature)? {
        Some(Ok(checkpoint)) => (Some(checkpoint), None),
        Some(Err(problem)) => (None, Some(problem)),
        None => (None, None),
    };
    let (position, because, list) = match (hard, checkpoint) {
        (Some(low), _) => (generation_start(low), StartReason::BackupSet, None),
        (None, Some(checkpoint)) => from_checkpoint(&checkpoint, &last),
        (None, None) => {
            let oldest = files.logs.keys().next().copied().unwrap_or(1);
            (generation_start(oldest), StartReason::OldestLog, None)
        }
    };
    let needed = oldest_required(files, headers, last.signature);
    let (position, because, list) = match needed {
        Some(needed) if needed < position.generation && hard.is_none() => {
            (generation_start(needed), StartReason::OldestRequired, None)
        }
        _ => (position, because, list),
    };
    let first = first_log(fs, files, position)?;
    let list = list.unwrap_or_else(|| first.attach_list.clone());
    Ok(Some(Start {
        position,
        because,
        logs: files
            .logs
            .range(position.generation..)
            .map(|(_, log)| log.clone())
            .collect(),
        signature: last.signature,
        page_size: last.page_size()?,
        attached: logged_attachments(&list, last.signature)?,
        last,
        checkpoint_problem,
    }))
}

/// The first record of a generation.
fn generation_start(generation: u32) -> LogPosition {
    LogPosition {
        generation,
        sector: 1,
        byte: 0,
    }
}

fn from_checkpoint(
    checkpoint: &Checkpoint,
    last: &LogHeader,
) -> (LogPosition, StartReason, Option<AttachList>) {
    let exact = checkpoint.has_attach_list() && lists_in_checkpoint(last.version());
    let position = if exact {
        checkpoint.checkpoint
    } else {
        generation_start(checkpoint.checkpoint.generation)
    };
    let list = exact.then(|| checkpoint.attach_list.clone());
    (position, StartReason::Checkpoint, list)
}

fn lists_in_checkpoint(version: LogVersion) -> bool {
    version.major > 7 && (version.update_major, version.update_minor) >= LISTED_IN_CHECKPOINT
}

/// The checkpoint; the text says why it cannot be used: then recovery goes on as if there were none.
fn read_checkpoint(
    fs: &dyn FileSystem,
    files: &InstanceFiles,
    sequence: Signature,
) -> JetResult<Option<Result<Checkpoint, String>>> {
    let Some(path) = &files.checkpoint else {
        return Ok(None);
    };
    let code = |code: JetErr| format!("{}, {}", code.name(), code.number());
    Ok(store::read_checkpoint(fs, path)?.map(|read| match read {
        Err(error) => Err(format!("{error} ({})", code(error.jet_err()))),
        Ok(checkpoint) if checkpoint.log_signature != sequence => Err(format!(
            "belongs to another log sequence ({})",
            code(JetErr::BadCheckpointSignature)
        )),
        Ok(checkpoint) => Ok(checkpoint),
    }))
}

/// The oldest generation that a dirty database of this sequence needs, if that log is there.
fn oldest_required(
    files: &InstanceFiles,
    headers: &[(PathBuf, DatabaseHeader)],
    sequence: Signature,
) -> Option<u32> {
    let of_sequence = headers
        .iter()
        .filter(|(_, header)| header.log_signature == sequence)
        .filter_map(|(_, header)| header.required_generations());
    let low = of_sequence.map(|(low, _)| low).min()?;
    Some(low).filter(|low| files.logs.contains_key(low))
}

/// The header of the log in which redo begins.
fn first_log(fs: &dyn FileSystem, files: &InstanceFiles, position: LogPosition) -> JetResult<LogHeader> {
    let generation = position.generation;
    let Some(log) = files.logs.get(&generation) else {
        let what = format!("generation {generation:#x}, where replaying must begin, is missing");
        return Err(JetError::rule(JetErr::MissingLogFile, what).in_file(&files.system));
    };
    let header = read_log_header(fs, &log.path)?;
    if header.generation == generation {
        return Ok(header);
    }
    let what = format!("holds generation {:#x}, not {generation:#x}", header.generation);
    Err(JetError::rule(JetErr::LogGenerationMismatch, what).in_file(&log.path))
}

fn logged_attachments(list: &AttachList, sequence: Signature) -> JetResult<Vec<LoggedAttach>> {
    let attachments = list.attachments()?;
    let logged = attachments.into_iter().map(|attachment| LoggedAttach {
        path: attachment.path(),
        dbid: attachment.dbid,
        attach: attachment.attach,
        consistent: attachment.consistent,
        signature: attachment.signature,
        log_signature: sequence,
        dbtime: attachment.dbtime,
        from_list: true,
    });
    Ok(logged.collect())
}

/// The headers of the databases that are there; those that cannot be read are left out here: redo finds them.
pub(super) fn database_headers(fs: &dyn FileSystem, files: &InstanceFiles) -> Vec<(PathBuf, DatabaseHeader)> {
    let mut headers = Vec::new();
    for path in &files.databases {
        let file = open_if_there(fs, path).ok().flatten();
        if let Some(header) = file.and_then(|file| read_database_header(file.as_ref()).ok()) {
            headers.push((path.clone(), header));
        }
    }
    headers
}
