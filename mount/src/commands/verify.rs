//! `jetfs verify`.

mod deep_findings;

use super::seal::mounted;
use crate::control::{self, Ask};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use jetfs::io::RealFileSystem;
use jetfs::source::at_rest::AtRestPaths;
use jetfs::verify::{Damage, FileReport, ProblemKind, Unit, Verdict, VerifyOptions, VerifyReport, verify};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Damaged places of a file that are printed; `--json` has more.
const PLACES_SHOWN: usize = 5;

/// Verify every checksum of files or of a set, and whether the set is complete
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Verify every checksum of files or of a set, and whether the set is complete.

PATH is a directory (a backup set, or an instance that nobody has open), or ESE files. Checked are both copies of \
headers, every page up to the last that the database owns, every segment of every log and the chain between logs, \
checkpoint, flush map, and the trailer page of backup copies. Of a directory also: everything that backup.json lists \
is there with its length, and every database has the logs that its recovery needs. Nothing is written.

With --deep also that everything in the databases fits together, as the engine's own integrity check does, and more: \
every page is used once or available once; trees, keys and links; the catalog and its shadow; records, long values and \
their references; secondary indexes against the records. What the engine tolerates (lost pages, long values that nothing \
refers to) and what cannot be compared (keys of Unicode text, which only Windows can make) is a note. Dirty databases are \
refused: their pages need not fit together before recovery.",
    after_help = "\
Examples:
  jetfs verify /backup/ntds
  jetfs verify SRUDB.dat
  jetfs verify --deep SRUDB.dat
  jetfs verify /backup/orders --for /mnt/backup   # is the copy what the mount shows? then it counts as read
  jetfs --json verify /backup/ntds | jq .verdict

Exit codes: 0 good; 3 --deep refuses a dirty database; 5 incomplete: something is missing or belongs to another set; 6 something is damaged."
)]
pub(crate) struct Args {
    /// Directories or files to verify
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Directory of the logs, if they are not in PATH
    #[arg(long, value_name = "DIR")]
    log_dir: Option<PathBuf>,

    /// Directory of the checkpoint, if it is not in PATH
    #[arg(long, value_name = "DIR")]
    system_dir: Option<PathBuf>,

    /// A further database (may be given several times)
    #[arg(long, value_name = "FILE")]
    database: Vec<PathBuf>,

    /// Take a set without backup.json for incomplete
    #[arg(long)]
    require_manifest: bool,

    /// Check also that everything in the databases fits together
    #[arg(long)]
    deep: bool,

    /// Compare a copy with what is mounted there; what is equal counts as read
    #[arg(long = "for", value_name = "MOUNTPOINT", conflicts_with_all = ["deep", "log_dir", "system_dir", "database"])]
    mount_point: Option<PathBuf>,

    /// Take no locks, for evidence on read-only media
    #[arg(long)]
    no_lock: bool,

    /// Threads that read and compute
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: u8,
}

impl Args {
    /// Verifies.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        if let Some(mount_point) = &self.mount_point {
            return compare(&self.paths, mount_point, output);
        }
        let options = VerifyOptions {
            threads: self.threads.into(),
            lock: !self.no_lock,
            require_manifest: self.require_manifest,
            deep: self.deep,
        };
        let paths = AtRestPaths {
            sources: self.paths,
            log_dir: self.log_dir,
            system_dir: self.system_dir,
            databases: self.database,
        };
        let bar = progress_bar();
        let report = verify(&RealFileSystem, &paths, options, &|progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
        });
        bar.finish_and_clear();
        let report = report?;
        if output.json {
            output.json(&report)?;
        } else {
            print(&report, output)?;
        }
        Ok(exit_of(report.verdict))
    }
}

/// The mount process compares: it knows what its readers were given.
fn compare(paths: &[PathBuf], mount_point: &Path, output: &Output) -> Result<Exit> {
    let [copy] = paths else {
        return Err(Failure::new(Exit::Usage, "--for compares one directory with the mount").into());
    };
    let mount_point = mounted(mount_point)?;
    let copy = fs::canonicalize(copy).with_context(|| copy.display().to_string())?;
    if copy.starts_with(&mount_point) {
        return Err(Failure::refused("the mount is not a copy of itself").into());
    }
    let bar = progress_bar();
    let ask = Ask::Compare {
        copy: copy.as_path().into(),
    };
    let compared = control::ask(&mount_point, &ask, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let summary = compared?;
    match output.json {
        true => output.json(&json!({ "verdict": "good", "summary": summary }))?,
        false => output.line(&summary)?,
    }
    Ok(Exit::Done)
}

fn exit_of(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Good => Exit::Done,
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::Damaged => Exit::Damaged,
    }
}

/// Shown only where stderr is a terminal.
fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style =
        ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// What is wrong, then the verdict. What is right is only counted.
fn print(report: &VerifyReport, output: &Output) -> io::Result<()> {
    for file in report.files.iter().filter(|file| file.is_damaged()) {
        print_damaged(file, output)?;
    }
    for problem in &report.problems {
        let kind = match problem.kind {
            ProblemKind::Missing => "missing",
            ProblemKind::Foreign => "foreign",
            ProblemKind::Damaged => "damaged",
        };
        let file = problem
            .file
            .as_ref()
            .map_or_else(String::new, |name| format!("{}: ", name.0.display()));
        output.line(format!(
            "{kind}: {file}{} ({})",
            problem.what,
            problem.code.name()
        ))?;
    }
    for note in notes(report) {
        output.line(format!("note: {note}"))?;
    }
    output.line(summary(report))
}

fn print_damaged(file: &FileReport, output: &Output) -> io::Result<()> {
    let harmless = if file.is_essential() {
        ""
    } else {
        " (recovery does without this file)"
    };
    output.line(format!(
        "damaged: {}: {}{harmless}",
        file.name.0.display(),
        how_many(file)
    ))?;
    for damage in file.damage.iter().take(PLACES_SHOWN) {
        output.line(format!("  {}", place(damage)))?;
    }
    let hidden = (file.damaged + file.repairable).saturating_sub(PLACES_SHOWN as u64);
    if hidden > 0 {
        output.line(format!("  and {hidden} more"))?;
    }
    match &file.deep {
        Some(deep) => deep_findings::print_damage(deep, output),
        None => Ok(()),
    }
}

fn how_many(file: &FileReport) -> String {
    let places = |count: u64| format!("{count} place{}", if count == 1 { "" } else { "s" });
    let misfits = file.deep.as_ref().map_or(0, |deep| deep.damage);
    match (file.damaged + misfits, file.repairable) {
        (damaged, 0) => places(damaged),
        (0, repairable) => format!("{} that readers put right", places(repairable)),
        (damaged, repairable) => format!("{}, and {repairable} that readers put right", places(damaged)),
    }
}

fn place(damage: &Damage) -> String {
    let page = damage
        .page
        .map_or_else(String::new, |page| format!("page {page}, "));
    format!(
        "{page}offset {:#x}: {} ({})",
        damage.offset,
        damage.what,
        damage.code.name()
    )
}

fn notes(report: &VerifyReport) -> impl Iterator<Item = String> {
    let of_files = report.files.iter().flat_map(|file| {
        let name = file.name.0.display();
        let deep = file.deep.iter().flat_map(deep_findings::notes);
        let all = file.notes.iter().cloned().chain(deep);
        all.map(move |note| format!("{name}: {note}"))
    });
    report.notes.iter().cloned().chain(of_files)
}

fn summary(report: &VerifyReport) -> String {
    let verdict = match report.verdict {
        Verdict::Good => "good",
        Verdict::Incomplete => "incomplete",
        Verdict::Damaged => "damaged",
    };
    let checked = |unit: Unit| -> u64 {
        let of_unit = report.files.iter().filter(|file| file.unit == unit);
        of_unit.map(|file| file.checked).sum()
    };
    let segments = checked(Unit::Segments) + checked(Unit::Ranges);
    let (files, pages) = (report.files.len(), checked(Unit::Pages));
    let plural = if files == 1 { "" } else { "s" };
    let trees: u64 = report
        .files
        .iter()
        .filter_map(|file| file.deep.as_ref())
        .map(|deep| deep.counts.trees)
        .sum();
    let deeply = if trees > 0 {
        format!(", {trees} trees deeply")
    } else {
        String::new()
    };
    format!("{verdict}: {files} file{plural}, {pages} pages and {segments} log segments checked{deeply}")
}
