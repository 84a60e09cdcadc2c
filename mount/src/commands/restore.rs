//! `jetfs restore`.

mod report;
pub(in crate::commands) mod space;

use super::recover::parse_map;
use super::recover::progress::Bar;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::mount_point;
use crate::output::Output;
use anyhow::Result;
use jetfs::format::LogTime;
use jetfs::io::{Clock, RealClock, RealFileSystem};
use jetfs::recovery::{INTERRUPTED, Options};
use jetfs::restore::{
    PageCheck, RestorableSet, RestoreOptions, RestorePlan, RestoreRequest, Until, WriteProgress,
};
use jetfs::store::SpillDirectory;
use jetfs::{JetErr, JetError, JetResult};
use report::Report;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// Make clean databases from copied backup sets: a full one, and the incremental ones that followed
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Make clean databases from copied backup sets: a full one, and the incremental ones that followed.

SET is a directory that a backup was copied to: databases with their trailer page and logs (full), or logs alone \
(incremental, differential). Sets may come in any order. DEST must be empty or not exist. Everything is replayed and \
checked before anything is written: headers, trailers, the chain of all logs, every page. The sets are only read.

DEST then holds the databases, clean, and their logs, which end as the engine ends them, so that it can go on with them. \
The next backup of them must be a full one.

--until ends earlier than the last log: with a generation (31, 0x1F; inclusive), or with the last generation that was \
closed by a time (UTC, as in logs), so that nothing later than it is replayed. What was not committed by the end of that \
generation is rolled back. No copy is consistent before the last generation that its trailer names.",
    after_help = "\
Examples:
  jetfs restore /backup/full /srv/restored                             # a full backup
  jetfs restore /backup/full /backup/mon /backup/tue /srv/restored     # with its incremental ones
  jetfs restore --logs /srv/ad/logs /backup/full /srv/restored         # and with logs that are younger
  jetfs restore --until '2026-11-24 23:00' --dry-run /backup/full /backup/mon /srv/restored
  jetfs restore --map 'C:\\Windows\\NTDS\\ntds.dit=new.dit' /backup/full /srv/restored

Exit codes: 0 restored; 3 refused: the files do not belong together, or DEST is not empty; 4 in use; 5 something is \
missing, or interrupted; 6 something is damaged."
)]
pub(crate) struct Args {
    /// Directories of the sets, then the directory that everything goes to
    #[arg(value_name = "SET... DEST", required = true, num_args = 1..)]
    paths: Vec<PathBuf>,

    /// Directory of the instance's own logs, to roll forward behind the last set
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,

    /// The last generation that is replayed, or a time
    #[arg(long, value_name = "GEN|TIME")]
    until: Option<Until>,

    /// The database that the logs, the backup or the set call OLD goes to NEW, relative to DEST (may be given several times)
    #[arg(long, value_name = "OLD=NEW", value_parser = parse_map)]
    map: Vec<(String, PathBuf)>,

    /// First three characters of the log names, where several sequences lie in a set
    #[arg(long, value_name = "NAME")]
    base: Option<String>,

    /// Check and replay everything, say what would happen, and write nothing
    #[arg(long)]
    dry_run: bool,

    /// Restore damaged pages as they are, and say which; else they are a reason to write nothing
    #[arg(long)]
    allow_damaged: bool,

    /// Directory for temporary files, when more changes than memory should hold
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,

    /// Take no locks on the sets, for read-only media
    #[arg(long)]
    no_lock: bool,
}

impl Args {
    /// Restores.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        let fs = RealFileSystem;
        let interrupt = Interrupt::listen()?;
        let temp_dir = self.temp_dir.clone().unwrap_or_else(std::env::temp_dir);
        mount_point::check_temp_dir(&temp_dir, self.paths.iter().cloned())?;
        let plan = RestorePlan::new(&fs, &self.request()?).map_err(missing_is_incomplete)?;
        let _locks = if self.no_lock {
            Vec::new()
        } else {
            plan.lock_sets()?
        };
        let restorable = replay(&plan, temp_dir, &interrupt)?;
        let check = check_pages(&restorable, &interrupt)?;
        for damaged in &check.damaged {
            output.warning(damaged);
        }
        if !check.damaged.is_empty() && !self.allow_damaged {
            return Err(refuse_damaged(&check).into());
        }
        space::check(&restorable.files(&fs)?)?;
        let report = Report::new(&plan, &restorable, &check, self.dry_run);
        if !self.dry_run {
            write(restorable, &interrupt)?;
        }
        if output.json {
            output.json(&report)?;
        } else {
            report.print(output)?;
        }
        Ok(if check.damaged.is_empty() {
            Exit::Done
        } else {
            Exit::Damaged
        })
    }

    fn request(&self) -> Result<RestoreRequest> {
        let Some((destination, sets @ [_, ..])) = self.paths.split_last() else {
            let what = "a SET or DEST is missing: the last directory is where everything goes";
            return Err(Failure::new(Exit::Usage, what).into());
        };
        Ok(RestoreRequest {
            sets: sets.to_vec(),
            destination: std::path::absolute(destination)?,
            logs: self.logs.clone(),
            map: self.map.clone(),
            until: self.until,
            base: self.base.clone(),
        })
    }
}

fn replay(plan: &RestorePlan<'_>, temp_dir: PathBuf, interrupt: &Interrupt) -> JetResult<RestorableSet> {
    let options = RestoreOptions {
        memory: Options::MEMORY,
        spill: SpillDirectory {
            fs: Arc::new(RealFileSystem),
            directory: temp_dir,
        },
        time: Some(LogTime::from(RealClock.now())),
    };
    let lengths = plan.logs().filter_map(|log| fs::metadata(log).ok());
    let bar = Bar::of_logs(lengths.map(|log| log.len()).sum());
    let replayed = plan.replay(options, &mut |progress| {
        bar.replayed(progress);
        go_on(interrupt)
    });
    bar.finish();
    replayed
}

fn check_pages(restorable: &RestorableSet, interrupt: &Interrupt) -> JetResult<PageCheck> {
    let bar = Bar::new(
        restorable.databases.iter().map(|database| database.len).sum(),
        "verifying",
    );
    let check = restorable.check_pages(&mut |bytes| {
        bar.wrote(bytes);
        go_on(interrupt)
    });
    bar.finish();
    check
}

fn write(restorable: RestorableSet, interrupt: &Interrupt) -> Result<()> {
    let destination = restorable.destination.clone();
    let was_there = destination.exists();
    let copied = restorable
        .files(&RealFileSystem)?
        .iter()
        .map(|(_, len)| len)
        .sum::<u64>();
    let bar = Bar::new(copied + restorable.changed_bytes(), "writing");
    let written = restorable.write(&RealFileSystem, &RealClock, &mut |progress| {
        match progress {
            WriteProgress::Copied(bytes) | WriteProgress::Changed(bytes) => bar.wrote(bytes),
        }
        go_on(interrupt)
    });
    bar.finish();
    if written.is_err() && !was_there {
        // What is left in it, if anything, says that it is not complete.
        let _ = fs::remove_dir(&destination);
    }
    Ok(written?)
}

/// An error once a signal came.
fn go_on(interrupt: &Interrupt) -> JetResult<()> {
    if interrupt.happened() {
        return Err(JetError::rule(
            INTERRUPTED,
            "interrupted; nothing of the restore is left",
        ));
    }
    Ok(())
}

/// A set or a log that is not there is something that the user can bring.
fn missing_is_incomplete(error: JetError) -> anyhow::Error {
    if error.code() != JetErr::FileNotFound {
        return error.into();
    }
    let failure = Failure::new(Exit::Incomplete, error.to_string());
    match error.advice() {
        Some(advice) => failure.advise(advice.to_owned()).into(),
        None => failure.into(),
    }
}

fn refuse_damaged(check: &PageCheck) -> Failure {
    let pages = check.damaged.len();
    let what = format!(
        "{pages} of {} pages that the logs do not change are damaged",
        check.pages
    );
    Failure::new(Exit::Damaged, what).advise(
        "Restore from another copy of the set, or with --allow-damaged to get what is left. Nothing was written.",
    )
}
