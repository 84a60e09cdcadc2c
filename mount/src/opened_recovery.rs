//! From a request to the recovered view of a source: its logs are replayed before it is mounted.

use crate::daemon::Replaying;
use crate::exit::{Exit, Failure};
use crate::opened_source::{OpenedSource, identity};
use crate::request::{MountRequest, RecoveryRequest};
use crate::tree::{About, Text};
use anyhow::Result;
use jetfs::backup::Manifest;
use jetfs::error::Cause;
use jetfs::io::RealFileSystem;
use jetfs::recovery::INTERRUPTED;
use jetfs::source::at_rest::AtRestPaths;
use jetfs::source::recovered::{RecoveredOptions, RecoveredSource, ReplayProgress};
use jetfs::store::SpillDirectory;
use jetfs::{JetErr, JetError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// What may follow any advice.
const BEST_EFFORT: &str = "--best-effort shows what can be replayed.";

/// Replays the logs of what `paths` name.
///
/// # Errors
/// Recovery is impossible, unless best effort is asked for; `replaying` stopped it.
pub(crate) fn open(
    request: &MountRequest,
    recovery: &RecoveryRequest,
    paths: &AtRestPaths,
    replaying: &mut dyn FnMut(Replaying) -> Result<()>,
) -> Result<OpenedSource> {
    let map = recovery
        .map
        .iter()
        .map(|(old, new)| (old.clone(), PathBuf::from(new)));
    let options = RecoveredOptions {
        lock: !request.no_lock,
        allow_damaged: request.allow_damaged,
        best_effort: recovery.best_effort,
        ignore_missing: recovery.ignore_missing,
        map: map.collect(),
        memory: recovery.memory,
        spill: SpillDirectory {
            fs: Arc::new(RealFileSystem),
            directory: PathBuf::from(&recovery.temp_dir),
        },
    };
    let mut report = |progress: ReplayProgress| {
        let told = replaying(Replaying {
            generation: progress.replay.generation,
            last: progress.replay.last,
            log_bytes: progress.replay.log_bytes,
            total_bytes: progress.total_bytes,
        });
        told.map_err(|error| JetError::rule(INTERRUPTED, format!("the replay was stopped: {error}")))
    };
    let source = RecoveredSource::open(Arc::new(RealFileSystem), paths, &options, &mut report)
        .map_err(|error| refused(error, recovery.best_effort))?;
    let about = about(request, &paths.sources, &source)?;
    Ok(OpenedSource {
        source: Arc::new(source),
        about,
    })
}

fn about(request: &MountRequest, sources: &[PathBuf], source: &RecoveredSource) -> Result<About> {
    let ignored = source.inventory().ignored.iter();
    let ignored = ignored.filter(|ignored| ignored.path.file_name() != Some(Manifest::FILE_NAME.as_ref()));
    Ok(About {
        source: identity(request)?,
        started: SystemTime::now(),
        warnings: source.warnings().to_vec(),
        ignored: ignored
            .map(|ignored| (ignored.path.clone(), ignored.reason.to_string()))
            .collect(),
        sources: Vec::new(),
        manifest: Some(Text {
            bytes: source.manifest(sources).to_bytes()?,
            modified: source.modified(),
        }),
        trust_source: false,
        recovery: Some(source.recovery().clone()),
        live: None,
    })
}

/// A set that cannot be recovered is refused, whether something is missing from it or does not fit; damage, and a set in
/// use, keep their own exit codes.
fn refused(error: JetError, best_effort: bool) -> anyhow::Error {
    let exit = match Exit::of_jet_err(error.code()) {
        _ if error.code() == INTERRUPTED => return error.into(),
        Exit::Incomplete => Exit::Refused,
        Exit::Failed if matches!(error.cause(), Cause::Rule(_)) && error.code() != JetErr::FileNotFound => {
            Exit::Refused
        }
        exit => exit,
    };
    let failure = Failure::new(exit, error.to_string());
    let helps = !best_effort && matches!(exit, Exit::Refused | Exit::Damaged);
    let advice = match error.advice() {
        Some(advice) if !helps || advice.contains("--best-effort") => advice.to_owned(),
        Some(advice) => format!("{advice} {BEST_EFFORT}"),
        None if helps => BEST_EFFORT.to_owned(),
        None => return failure.into(),
    };
    failure.advise(advice).into()
}
