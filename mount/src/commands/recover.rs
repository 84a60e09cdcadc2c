//! `jetfs recover`.

mod copy;
pub(super) mod progress;
mod report;

use crate::exit::{Exit, Failure};
use crate::output::Output;
use anyhow::Result;
use copy::Copies;
use jetfs::format::LogTime;
use jetfs::io::{Clock, FileSystem, LockKind, OpenMode, RealClock, RealFileSystem};
use jetfs::recovery::in_place::{Durability, LockedSet, Writable};
use jetfs::recovery::{InstanceFiles, Options, Places, Plan};
use jetfs::store::{SpillDirectory, lock_file};
use jetfs::{JetError, JetResult};
use progress::Bar;
use report::Report;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Replay the logs of a set that was not shut down cleanly, and roll back what was not committed
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Replay the logs of a set that was not shut down cleanly, and roll back what was not committed.

DIR is the directory of an instance that nobody has open: databases, logs and checkpoint. Everything is computed and \
checked before anything is written. Then databases become clean, and the logs end as the engine ends them, in their \
own version, so that it can go on with the set. If the power fails meanwhile, run it again: it finishes.

With -o the set is copied first and stays untouched itself; the same input gives the same bytes. With --dry-run \
nothing is written at all.",
    after_help = "\
Examples:
  jetfs recover --dry-run /srv/ad/ntds          # what would happen
  jetfs recover -o /tmp/clean /evidence/ntds    # into a copy
  jetfs recover /srv/ad/ntds                    # in place
  jetfs recover --log-dir /logs --database /data/ntds.dit /sys
  jetfs recover --map 'C:\\Windows\\NTDS\\ntds.dit=/data/copy.dit' /data

Exit codes: 0 clean; 3 refused: the files do not belong together; 4 in use; 5 logs are missing; 6 something is damaged."
)]
pub(crate) struct Args {
    /// Directory of the instance
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Recover a copy in OUT, which must be empty or not exist
    #[arg(long, short, value_name = "OUT")]
    output: Option<PathBuf>,

    /// Say what would happen, and write nothing
    #[arg(long, conflicts_with = "output")]
    dry_run: bool,

    /// Directory of the logs, if they are not in DIR
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,

    /// Directory of the checkpoint, if it is not that of the logs
    #[arg(long, value_name = "DIR")]
    system_dir: Option<PathBuf>,

    /// A further database, or a directory of databases (may be given several times)
    #[arg(long, value_name = "PATH")]
    database: Vec<PathBuf>,

    /// The database that the logs call OLD is NEW (may be given several times)
    #[arg(long, value_name = "OLD=NEW", value_parser = parse_map)]
    map: Vec<(String, PathBuf)>,

    /// First three characters of the log names, where several sequences lie in DIR
    #[arg(long, value_name = "NAME")]
    base: Option<String>,

    /// Leave databases alone that are attached at the end of the logs and whose files are not there
    #[arg(long)]
    ignore_missing: bool,

    /// Directory for temporary files, when more changes than memory should hold
    #[arg(long, value_name = "DIR")]
    temp_dir: Option<PathBuf>,

    /// Take no locks on the source of a copy or dry run, for evidence on read-only media
    #[arg(long)]
    no_lock: bool,
}

/// The value of `--map`.
pub(super) fn parse_map(text: &str) -> Result<(String, PathBuf), String> {
    let (old, new) = text.split_once('=').ok_or("OLD=NEW is wanted")?;
    Ok((old.to_owned(), new.into()))
}

impl Args {
    /// Recovers.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        let files = InstanceFiles::find(&RealFileSystem, &self.places())?;
        let report = match &self.output {
            _ if self.dry_run => self.try_out(&files)?,
            Some(out) => self.recover_copy(&files, out)?,
            None => self.recover_in_place(&files)?,
        };
        if output.json {
            output.json(&report)?;
        } else {
            report.print(output)?;
        }
        Ok(Exit::Done)
    }

    fn places(&self) -> Places {
        let mut databases = self.database.clone();
        if self.log_dir.is_some() {
            databases.insert(0, self.directory.clone());
        }
        let system = self.system_dir.clone();
        Places {
            logs: self.log_dir.clone().unwrap_or_else(|| self.directory.clone()),
            system: system.or_else(|| self.log_dir.as_ref().map(|_| self.directory.clone())),
            databases,
            map: self.map.clone(),
            base: self.base.clone(),
        }
    }

    fn options(&self, time: Option<LogTime>) -> Options {
        let spill = SpillDirectory {
            fs: Arc::new(RealFileSystem),
            directory: self.temp_dir.clone().unwrap_or_else(std::env::temp_dir),
        };
        Options {
            time,
            ignore_missing: self.ignore_missing,
            ..Options::new(spill)
        }
    }

    fn try_out(&self, files: &InstanceFiles) -> Result<Report> {
        let _locks = self.lock_source(files)?;
        refuse_interrupted(files)?;
        let (mut report, _) = self.replay(files, self.options(None))?;
        report.is_dry_run = true;
        Ok(report)
    }

    fn recover_in_place(&self, files: &InstanceFiles) -> Result<Report> {
        let fs = RealFileSystem;
        let paths = files.databases.iter().chain(&files.checkpoint);
        let mut set = LockedSet::lock(&fs, paths.map(PathBuf::as_path))?;
        let finished = set.finish_interrupted()?;
        let now = LogTime::from(RealClock.now());
        let (mut report, writable) = self.replay(files, self.options(Some(now)))?;
        report.finished = finished;
        write(writable, &mut set, Durability::InPlace)?;
        Ok(report)
    }

    fn recover_copy(&self, files: &InstanceFiles, out: &Path) -> Result<Report> {
        let copies = {
            let _locks = self.lock_source(files)?;
            // What the headers tell already needs no copy.
            Plan::new(&RealFileSystem, files, self.options(None))?;
            Copies::make(files, out)?
        };
        let report = self.recover_copied(&copies.files, out);
        if report.is_err() {
            copies.remove();
        }
        report
    }

    fn recover_copied(&self, files: &InstanceFiles, out: &Path) -> Result<Report> {
        let fs = RealFileSystem;
        let paths = files.databases.iter().chain(&files.checkpoint);
        let mut set = LockedSet::lock(&fs, paths.map(PathBuf::as_path))?;
        let finished = set.finish_interrupted()?;
        let mut options = self.options(None);
        if files.end_with_version_7(&fs)? {
            options.new_generation_in = Some(out.to_path_buf());
        }
        let (mut report, writable) = self.replay(files, options)?;
        report.finished = finished;
        report.output = Some(out.to_path_buf());
        write(writable, &mut set, Durability::Copy)?;
        Ok(report)
    }

    /// Computes everything.
    fn replay(&self, files: &InstanceFiles, options: Options) -> Result<(Report, Option<Writable>)> {
        let fs = RealFileSystem;
        let plan = Plan::new(&fs, files, options)?;
        let bar = Bar::of_replay(files);
        let replayed = plan.replay(&mut |progress| bar.replayed(progress))?;
        bar.finish();
        let mut report = Report::new(&self.directory, &plan, &replayed);
        let writable = match &plan.start {
            Some(start) => Some(Writable::new(&fs, files, start, replayed)?),
            None => None,
        };
        report.bytes = writable.as_ref().map_or(0, Writable::byte_count);
        Ok((report, writable))
    }

    /// Shared locks: nobody may write while the set is read.
    fn lock_source(&self, files: &InstanceFiles) -> JetResult<Vec<Arc<dyn jetfs::io::File>>> {
        let paths = files.databases.iter().chain(&files.checkpoint);
        let paths = paths.filter(|_| !self.no_lock);
        let locked = paths.map(|path| {
            let file = RealFileSystem.open(path, OpenMode::ReadOnly);
            let file = file.map_err(|error| JetError::io("open", error).in_file(path))?;
            lock_file(&*file, LockKind::Shared, path)?;
            Ok(file)
        });
        locked.collect()
    }
}

fn write(writable: Option<Writable>, set: &mut LockedSet<'_>, durability: Durability) -> Result<()> {
    let Some(writable) = writable.filter(|writable| !writable.is_empty()) else {
        return Ok(());
    };
    let bar = Bar::of_writing(writable.page_bytes());
    writable.write(set, durability, &RealClock, &mut |bytes| bar.wrote(bytes))?;
    bar.finish();
    Ok(())
}

/// A half-written database cannot be read, and a dry run must not finish it.
fn refuse_interrupted(files: &InstanceFiles) -> Result<()> {
    let mut databases = files.databases.iter();
    let interrupted = databases.find(|path| LockedSet::is_interrupted(&RealFileSystem, path));
    interrupted.map_or(Ok(()), |path| {
        let what = format!(
            "{}: a recovery or an instance was interrupted while it wrote this database",
            path.display()
        );
        Err(Failure::refused(what)
            .advise("Run it again without --dry-run, or into a copy with -o: it finishes first.")
            .into())
    })
}
