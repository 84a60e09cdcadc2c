//! From a request to a source, and what is known about it as a whole.

use crate::daemon::Preparing;
use crate::exit::Failure;
use crate::live_backup;
use crate::opened_recovery;
use crate::request::MountRequest;
use crate::tree::{About, Text};
use anyhow::{Context, Result};
use jetfs::backup::{Manifest, Source};
use jetfs::io::RealFileSystem;
use jetfs::source::at_rest::{AtRestOptions, AtRestPaths, AtRestSource, Inventory};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A source that can be mounted.
#[derive(Debug)]
pub(crate) struct OpenedSource {
    /// What is backed up.
    pub(crate) source: Arc<dyn Source>,
    /// What is known about it.
    pub(crate) about: About,
}

/// Opens what is to be mounted; for a recovered view its logs are replayed, and a spool is filled: `preparing`,
/// which may stop that, hears of it.
///
/// # Errors
/// There are no ESE files, or one of the given paths cannot be looked at; recovery is impossible, or was stopped.
pub(crate) fn open_source(
    request: &MountRequest,
    preparing: &mut dyn FnMut(Preparing) -> Result<()>,
) -> Result<OpenedSource> {
    if let Some(live) = live_backup::open(request, preparing)? {
        return Ok(live);
    }
    if request.live.is_set() {
        let what =
            "--kind, --mode, --on-umount and the like are for a running instance, and none is hosted here";
        return Err(Failure::refused(what)
            .advise("`jetfs serve DIR` hosts one; without these options the files are mounted as they are.")
            .into());
    }
    let sources: Vec<PathBuf> = request.sources.iter().map(PathBuf::from).collect();
    let paths = AtRestPaths {
        sources: sources.clone(),
        log_dir: request.log_dir.as_ref().map(PathBuf::from),
        system_dir: request.system_dir.as_ref().map(PathBuf::from),
        databases: request.databases.iter().map(PathBuf::from).collect(),
    };
    if let Some(recovery) = &request.recovered {
        return opened_recovery::open(request, recovery, &paths, &mut |progress| {
            preparing(Preparing::Replaying(progress))
        });
    }
    let options = AtRestOptions {
        lock: !request.no_lock,
        allow_damaged: request.allow_damaged,
        trust_source: request.trust_source,
    };
    let file_system = Arc::new(RealFileSystem);
    let inventory = Inventory::take(&*file_system, &paths)?;
    let about = about(request, &sources, &inventory)?;
    let source = Arc::new(AtRestSource::new(file_system, inventory, options));
    Ok(OpenedSource { source, about })
}

fn about(request: &MountRequest, sources: &[PathBuf], inventory: &Inventory) -> Result<About> {
    let mut warnings: Vec<String> = inventory.warnings.iter().map(ToString::to_string).collect();
    let own = match sources {
        [directory] => own_manifest(directory, &mut warnings),
        _ => None,
    };
    let ignored = inventory.ignored.iter();
    let ignored = ignored
        .filter(|ignored| own.is_none() || ignored.path.file_name() != Some(Manifest::FILE_NAME.as_ref()))
        .map(|ignored| (ignored.path.clone(), ignored.reason.to_string()))
        .collect();
    let manifest = match own {
        Some(text) => text,
        None => Text {
            bytes: inventory.manifest(sources).to_bytes()?,
            modified: inventory.newest(),
        },
    };
    Ok(About {
        source: identity(request)?,
        started: SystemTime::now(),
        warnings,
        ignored,
        sources: Vec::new(),
        manifest: Some(manifest),
        trust_source: request.trust_source,
        recovery: None,
        live: None,
    })
}

/// The canonical paths of everything that was given, separated as in PATH: the backup's identity.
pub(crate) fn identity(request: &MountRequest) -> Result<PathBuf> {
    let mut joined = Vec::new();
    for input in request.inputs() {
        let canonical = fs::canonicalize(&input).with_context(|| input.display().to_string())?;
        if !joined.is_empty() {
            joined.push(b':');
        }
        joined.extend(canonical.as_os_str().as_bytes());
    }
    Ok(OsString::from_vec(joined).into())
}

/// The manifest that the source has of its own, because it is a copied set. Anything else of that name is reported.
fn own_manifest(directory: &Path, warnings: &mut Vec<String>) -> Option<Text> {
    let path = directory.join(Manifest::FILE_NAME);
    if !path.is_file() {
        return None;
    }
    let read = || -> Result<Text> {
        Manifest::read(&RealFileSystem, directory)?;
        let bytes = fs::read(&path)?;
        let modified = fs::metadata(&path)?.modified()?;
        Ok(Text { bytes, modified })
    };
    match read() {
        Ok(text) => Some(text),
        Err(error) => {
            warnings.push(format!("{error}; a new one is shown in its place"));
            None
        }
    }
}
