//! `jetfs backup`.

use super::recover::progress::Bar;
use super::restore::space;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::live_backup::{Kind, LiveRequest, Mode, in_words};
use crate::opened_source::{OpenedSource, open_source};
use crate::output::Output;
use crate::request::MountRequest;
use crate::tree::Text;
use crate::tree::status::finding_json;
use anyhow::Result;
use jetfs::backup::{
    BackupMode, BackupSession, CopyProgress, CopyRequest, Finding, JsonName, LogRange, Manifest,
    ManifestKind, Outcome, copy_to_directory,
};
use jetfs::io::RealFileSystem;
use jetfs::recovery::INTERRUPTED;
use jetfs::{JetError, JetResult};
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::time::SystemTime;

/// Copy a whole backup into a directory, without a mount
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "jetfs backup [OPTIONS] SOURCE... DEST",
    long_about = "\
Copy a whole backup into a directory, without a mount.

SOURCE is the directory of a running instance (of a program that embeds jetfs, or of `jetfs serve`), or of one that \
nobody has open, or ESE files. DEST must be empty or not exist: one directory for each backup. Every page is verified on \
its way, every file is durable before the next begins, and backup.json, with the SHA-256 of each file, appears last: \
without it the set is not complete. If anything fails the backup is aborted, and nothing is left of it.

The copy is durable before the backup ends, so a full or incremental backup deletes the logs that the instance needs no \
more, and incremental ones may follow. The default is a copy: it changes nothing, and nothing can follow it.

`jetfs verify DEST` checks the set, `jetfs restore` makes databases of it.",
    after_help = "\
Examples:
  jetfs backup --kind full /srv/orders /backup/orders/sunday
  jetfs backup --kind incremental /srv/orders /backup/orders/monday
  jetfs backup /evidence/SRUDB.dat /backup/srum         # files at rest, byte for byte
  jetfs restore /backup/orders/sunday /backup/orders/monday /srv/restored

Exit codes: 0 complete; 3 refused: DEST is not empty, or the kind is not possible; 4 a backup is running already, or the \
files are in use; 5 not complete: interrupted, ended by the instance, or logs are missing; 6 something is damaged."
)]
pub(crate) struct Args {
    /// What is backed up, then the directory that it goes to
    #[arg(value_name = "SOURCE... DEST", required = true, num_args = 2..)]
    paths: Vec<PathBuf>,

    /// What the backup of a running instance becomes [default: copy]
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,

    /// How its databases are read: all as of the moment of its beginning, or as they are on disk, at the lowest cost
    #[arg(long, value_enum, value_name = "MODE")]
    mode: Option<Mode>,

    /// Directory of the logs, if they are not in SOURCE
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,

    /// Directory of the checkpoint, if it is not in SOURCE
    #[arg(long, value_name = "DIR")]
    system_dir: Option<PathBuf>,

    /// A further database (may be given several times)
    #[arg(long, value_name = "FILE")]
    database: Vec<PathBuf>,

    /// Copy damaged pages of files at rest as they are; they are still reported
    #[arg(long)]
    allow_damaged: bool,

    /// Take no locks on files at rest, for evidence on read-only media
    #[arg(long)]
    no_lock: bool,

    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

/// What was made.
#[derive(Debug, Serialize)]
struct Report {
    destination: JsonName,
    kind: ManifestKind,
    mode: BackupMode,
    files: usize,
    bytes: u64,
    generations: Option<LogRange>,
    missing_generations: Vec<LogRange>,
    outcome: String,
    /// As `status --json` has them.
    findings: Vec<Value>,
    #[serde(skip)]
    damage: Vec<Finding>,
}

impl Args {
    /// Makes the backup.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        let interrupt = Interrupt::listen()?;
        let Some((destination, sources)) = self.paths.split_last() else {
            return Err(Failure::new(Exit::Usage, "SOURCE and DEST are missing").into());
        };
        let destination = absolute(destination)?;
        let request = self.request(sources)?;
        check_overlap(&destination, request.inputs())?;
        let opened = open_source(&request, &mut |_| Ok(()))?;
        for warning in &opened.about.warnings {
            output.warning(warning);
        }
        let report = copy(opened, request.live, &destination, &interrupt)?;
        self.tell(&report, output)?;
        Ok(report.exit())
    }

    fn request(&self, sources: &[PathBuf]) -> Result<MountRequest> {
        if self.mode == Some(Mode::Spool) {
            let what = "a spool is for mounts; --mode stream copies at the same cost";
            return Err(Failure::new(Exit::Usage, what).into());
        }
        let path = |path: &PathBuf| absolute(path).map(PathBuf::into_os_string);
        let request = MountRequest {
            sources: sources.iter().map(path).collect::<Result<_, _>>()?,
            log_dir: self.log_dir.as_ref().map(path).transpose()?,
            system_dir: self.system_dir.as_ref().map(path).transpose()?,
            databases: self.database.iter().map(path).collect::<Result<_, _>>()?,
            allow_damaged: self.allow_damaged,
            no_lock: self.no_lock,
            live: LiveRequest {
                kind: self.kind,
                mode: self.mode,
                ..LiveRequest::default()
            },
            ..MountRequest::default()
        };
        Ok(request)
    }

    fn tell(&self, report: &Report, output: &Output) -> Result<()> {
        for finding in &report.damage {
            let (file, what) = (finding.file.display(), &finding.what);
            output.warning(format!("{file}: offset {:#x}: {what}", finding.offset));
        }
        if output.json {
            return output.json(report);
        }
        if !self.quiet {
            output.line(report.in_words())?;
        }
        Ok(())
    }
}

impl Report {
    fn in_words(&self) -> String {
        let destination = Path::new(&self.destination.0).display();
        let files = match self.files {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        };
        format!("{destination}: {files}, {} bytes; {}", self.bytes, self.outcome)
    }

    fn exit(&self) -> Exit {
        let is_damaged = |finding: &Finding| finding.outcome == Outcome::ServedDamaged;
        if self.damage.iter().any(is_damaged) {
            Exit::Damaged
        } else if self.missing_generations.is_empty() {
            Exit::Done
        } else {
            Exit::Incomplete
        }
    }
}

fn copy(
    opened: OpenedSource,
    live: LiveRequest,
    destination: &Path,
    interrupt: &Interrupt,
) -> Result<Report> {
    let OpenedSource { source, about } = opened;
    let session = BackupSession::new(Arc::clone(&source));
    let request = match about.live {
        Some(_) => CopyRequest {
            kind: live.kind.unwrap_or(Kind::Copy).into(),
            mode: live.mode(),
        },
        None => CopyRequest {
            kind: ManifestKind::AtRest,
            mode: BackupMode::AtRest,
        },
    };
    let was_there = destination.exists();
    let bar = Bar::new(0, "copying");
    let copied = copy_to_directory(
        &session,
        request,
        &RealFileSystem,
        destination,
        &mut |session| describe(session, request, about.manifest.as_ref(), &about.sources),
        &mut |progress| {
            match progress {
                CopyProgress::Files(files) => {
                    bar.more(files.iter().map(|file| file.len).sum());
                    let files = files.iter().map(|file| (destination.join(&file.name), file.len));
                    space::check(&files.collect::<Vec<_>>())?;
                }
                CopyProgress::Bytes(bytes) => bar.wrote(bytes),
            }
            go_on(interrupt)
        },
    );
    bar.finish();
    let manifest = match copied {
        Ok(manifest) => manifest,
        Err(error) => {
            if !was_there {
                // It is empty, or what is in it is not ours.
                let _ = std::fs::remove_dir(destination);
            }
            return Err(error.into());
        }
    };
    let outcome = match about.live {
        Some(_) => in_words(session.outcome()),
        None => "files that were at rest".to_owned(),
    };
    Ok(Report {
        destination: destination.into(),
        kind: manifest.kind,
        mode: manifest.mode,
        files: manifest.files.len(),
        bytes: manifest.files.iter().map(|file| file.len).sum(),
        generations: manifest.generations,
        missing_generations: manifest.missing_generations,
        outcome,
        findings: source.findings().all().iter().map(finding_json).collect(),
        damage: source.findings().all(),
    })
}

/// The manifest: of files at rest it is known from their inventory.
fn describe(
    session: &BackupSession,
    request: CopyRequest,
    known: Option<&Text>,
    sources: &[JsonName],
) -> JetResult<Manifest> {
    if let Some(known) = known {
        return Manifest::from_bytes(&known.bytes);
    }
    let mut manifest = session.manifest(request.kind, request.mode)?;
    manifest.sources = sources.to_vec();
    manifest.completed = Some(SystemTime::now());
    Ok(manifest)
}

/// Refuses a copy into its own source, and the reverse.
fn check_overlap(destination: &Path, inputs: impl Iterator<Item = PathBuf>) -> Result<(), Failure> {
    // What does not exist yet lies where the nearest directory above it lies.
    let existing = destination.ancestors().find_map(|path| path.canonicalize().ok());
    let Some(existing) = existing else {
        return Ok(());
    };
    for input in inputs {
        let is_inside = input
            .canonicalize()
            .is_ok_and(|input| existing.starts_with(&input));
        if is_inside {
            let what = format!(
                "{} lies in the source {}, which is not written to",
                destination.display(),
                input.display()
            );
            return Err(Failure::refused(what).advise("Name a directory outside of the source."));
        }
    }
    Ok(())
}

/// An error once a signal came.
fn go_on(interrupt: &Interrupt) -> JetResult<()> {
    if interrupt.happened() {
        return Err(JetError::rule(
            INTERRUPTED,
            "interrupted; nothing of the backup is left, and it was aborted",
        ));
    }
    Ok(())
}
