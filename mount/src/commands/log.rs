//! `jetfs log`: the records of logs, and what is in each generation.

mod filter;
mod line;
mod summary;

use crate::exit::{Exit, Failure};
use crate::output::{Output, is_closed_pipe};
use anyhow::Result;
use filter::Filter;
use jetfs::format::{LogHeader, has_database_magic};
use jetfs::io::{FileKind, FileSystem, OpenMode, RealFileSystem};
use jetfs::source::at_rest::{AtRestPaths, Inventory, LogSequence};
use jetfs::store::log_reader::{LogPlace, LogReader};
use jetfs::{JetErr, JetError};
use std::io::{BufWriter, StdoutLock, Write};
use std::path::{Path, PathBuf};
use summary::Summary;

/// Show the records of transaction logs, and a summary of each generation
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Show the records of transaction logs, and a summary of each generation.

PATH is a log, or a directory whose logs are read in the order of their generations; several logs may be given, too. \
Every record is one line: position (generation, segment, byte; in hex, as `esentutl /ml` writes it), type, session, \
database, page, dbtimes after and before, and its other fields. Filters may be combined; numbers are decimal, or hex \
with 0x. A damaged log is shown up to the damage. Nothing is written.",
    after_help = "\
Examples:
  jetfs log edb00001.log
  jetfs log /srv/ad/ntds --database 1 --page 213
  jetfs log /srv/ad/ntds --type Split2,Merge2 --generation 0x20-0x2f
  jetfs log /srv/ad/ntds --summary
  jetfs --json log edb00001.log --type Insert | jq -r .key

Exit codes: 0 shown; 3 not a log, or logs of another sequence; 5 generations are missing; 6 something is damaged."
)]
pub(crate) struct Args {
    /// Logs, or the directory of logs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    filter: Filter,

    /// Only generations from LOW to HIGH, or one
    #[arg(long, value_name = "LOW-HIGH", value_parser = filter::generations)]
    generation: Option<(u32, u32)>,

    /// Show no records, but for each generation times, positions, and records and bytes of each type
    #[arg(long)]
    summary: bool,
}

impl Args {
    /// Shows them.
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        match self.show(output) {
            Err(error) if is_closed_pipe(&error) => Ok(Exit::Done),
            result => result,
        }
    }

    fn show(&self, output: &Output) -> Result<Exit> {
        let mut found = self.find()?;
        found.runs.iter_mut().for_each(|run| self.retain_wanted(run));
        found.runs.retain(|run| !run.is_empty());
        if found.runs.is_empty() && found.broken.is_none() {
            let code = JetErr::FileNotFound;
            return Err(JetError::rule(code, "no log of these generations here").into());
        }
        let mut shown = Shown::new(self, output);
        let result = found.runs.into_iter().try_for_each(|run| shown.show(run));
        shown.finish()?;
        result?;
        if let Some(error) = found.broken {
            return Err(error.into());
        }
        Ok(shown.exit)
    }

    fn retain_wanted(&self, run: &mut Vec<LogPlace>) {
        if let Some((low, high)) = self.generation {
            run.retain(|log| (low..=high).contains(&log.generation));
        }
    }

    /// One log is read as it is, whatever its name; several are put in order.
    fn find(&self) -> Result<Found> {
        if let [path] = self.paths.as_slice() {
            let stat = RealFileSystem.stat(path);
            let kind = stat
                .map_err(|error| JetError::io("open", error).in_file(path))?
                .kind;
            if kind == FileKind::Regular {
                let generation = generation_of(path)?;
                let path = path.clone();
                return Ok(Found {
                    runs: vec![vec![LogPlace { path, generation }]],
                    broken: None,
                });
            }
        }
        let paths = AtRestPaths {
            sources: self.paths.clone(),
            ..AtRestPaths::default()
        };
        let inventory = Inventory::take(&RealFileSystem, &paths)?;
        Ok(Found {
            runs: inventory.sequences.iter().flat_map(runs_of).collect(),
            broken: inventory.stray_logs.iter().find_map(broken),
        })
    }
}

/// The logs to show.
struct Found {
    /// Each is in order and without gaps.
    runs: Vec<Vec<LogPlace>>,
    /// The first log that belongs nowhere, and why.
    broken: Option<JetError>,
}

fn runs_of(sequence: &LogSequence) -> Vec<Vec<LogPlace>> {
    let mut runs: Vec<Vec<LogPlace>> = Vec::new();
    for log in &sequence.logs {
        let Some(generation) = log.generation() else {
            continue;
        };
        let path = log.entry.file.path.clone();
        let place = LogPlace { path, generation };
        let last = runs.last_mut().filter(|run| {
            run.last()
                .is_some_and(|last| last.generation.checked_add(1) == Some(generation))
        });
        match last {
            Some(run) => run.push(place),
            None => runs.push(vec![place]),
        }
    }
    runs
}

fn broken(log: &jetfs::source::at_rest::LogEntry) -> Option<JetError> {
    let path = &log.entry.file.path;
    Some(match &log.header {
        Err(error) => JetError::format(error.clone()).in_file(path),
        Ok(header) => {
            let what = format!(
                "the header says generation {:#x}, the name another one",
                header.generation
            );
            JetError::rule(JetErr::LogGenerationMismatch, what).in_file(path)
        }
    })
}

/// The generation that a log's header says.
fn generation_of(path: &Path) -> Result<u32> {
    let in_file = |error: JetError| error.in_file(path);
    let file = RealFileSystem.open(path, OpenMode::ReadOnly);
    let file = file.map_err(|error| in_file(JetError::io("open", error)))?;
    let mut start = vec![0; LogHeader::LEN];
    let len = file
        .read_full_at(&mut start, 0)
        .map_err(|error| in_file(JetError::io("read", error)))?;
    start.truncate(len);
    if has_database_magic(&start) {
        return Err(Failure::new(
            Exit::Refused,
            format!("{}: a database, not a log", path.display()),
        )
        .into());
    }
    let header = LogHeader::read(&start).map_err(|error| in_file(JetError::format(error)))?;
    Ok(header.generation)
}

/// What has been shown so far.
struct Shown<'a> {
    args: &'a Args,
    output: &'a Output,
    stdout: BufWriter<StdoutLock<'static>>,
    text: String,
    summaries: Vec<Summary>,
    last_generation: Option<u32>,
    exit: Exit,
}

impl<'a> Shown<'a> {
    fn new(args: &'a Args, output: &'a Output) -> Self {
        Shown {
            args,
            output,
            stdout: BufWriter::with_capacity(1 << 16, std::io::stdout().lock()),
            text: String::new(),
            summaries: Vec::new(),
            last_generation: None,
            exit: Exit::Done,
        }
    }

    fn show(&mut self, run: Vec<LogPlace>) -> Result<()> {
        self.warn_of_gap(&run)?;
        self.last_generation = run.last().map(|log| log.generation);
        let mut reader = LogReader::new(&RealFileSystem, run);
        while reader.advance()? {
            self.begin_generation(&reader);
            let Some(logged) = reader.record()? else { break };
            if !self.args.filter.matches(&logged) {
                continue;
            }
            if let Some(summary) = self.summaries.last_mut() {
                summary.add(&logged);
            }
            if !self.args.summary {
                self.text.clear();
                line::write(&mut self.text, &logged, self.output.json)?;
                self.stdout.write_all(self.text.as_bytes())?;
            }
        }
        self.begin_generation(&reader);
        Ok(())
    }

    fn begin_generation(&mut self, reader: &LogReader<'_>) {
        let Some(log) = reader.current() else { return };
        let known = self.summaries.last().is_some_and(|summary| summary.is_of(log));
        if !known {
            self.summaries.push(Summary::new(log));
        }
    }

    fn warn_of_gap(&mut self, run: &[LogPlace]) -> Result<()> {
        let first = run.first().map(|log| log.generation);
        if let (Some(last), Some(first)) = (self.last_generation, first)
            && first > last.saturating_add(1)
        {
            self.stdout.flush()?;
            let (low, high) = (last + 1, first - 1);
            self.output
                .warning(format_args!("generations {low:#x} to {high:#x} are missing"));
            self.exit = Exit::Incomplete;
        }
        Ok(())
    }

    /// The summaries: the result if they are asked for, else a remark at the end of what has more than one log.
    fn finish(&mut self) -> Result<()> {
        if self.args.summary {
            for summary in &self.summaries {
                if self.output.json {
                    writeln!(self.stdout, "{}", summary.as_json())?;
                } else {
                    summary.write(&mut self.stdout)?;
                }
            }
        }
        self.stdout.flush()?;
        if !self.args.summary && self.summaries.len() > 1 {
            for summary in self.summaries.iter().filter(|summary| !summary.is_empty()) {
                self.output.note(summary);
            }
        }
        Ok(())
    }
}
