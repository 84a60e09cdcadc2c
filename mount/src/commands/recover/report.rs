//! What a recovery did, or would do.

use crate::output::Output;
use jetfs::format::DatabaseHeader;
use jetfs::recovery::{Plan, Recovered, Replayed, Untouched};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};

/// For people and scripts.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) directory: PathBuf,
    pub(super) output: Option<PathBuf>,
    pub(super) is_dry_run: bool,
    /// Databases that an interrupted recovery had begun to write.
    pub(super) finished: Vec<PathBuf>,
    start: Option<Start>,
    last_generation: u32,
    records: u64,
    applied: u64,
    rolled_back: RolledBack,
    databases: Vec<Database>,
    /// Bytes of pages and logs that are written.
    pub(super) bytes: u64,
}

#[derive(Debug, Serialize)]
struct Start {
    position: String,
    generation: u32,
    because: String,
    checkpoint_problem: Option<String>,
}

#[derive(Debug, Serialize)]
struct RolledBack {
    transactions: u64,
    operations: u64,
}

#[derive(Debug, Serialize)]
struct Database {
    path: PathBuf,
    before: String,
    after: String,
    is_created: bool,
    changed_pages: u64,
    /// Why it stays as it is.
    unchanged: Option<String>,
}

impl Report {
    pub(super) fn new(directory: &Path, plan: &Plan<'_>, replayed: &Replayed) -> Self {
        let recovered = replayed.databases.iter().map(Database::recovered);
        let untouched = replayed.untouched.iter().map(Database::untouched);
        Report {
            directory: directory.to_path_buf(),
            output: None,
            is_dry_run: false,
            finished: Vec::new(),
            start: plan.start.as_ref().map(|start| Start {
                position: start.position.to_string(),
                generation: start.position.generation,
                because: start.because.to_string(),
                checkpoint_problem: start.checkpoint_problem.clone(),
            }),
            last_generation: replayed.last_generation,
            records: replayed.counts.records,
            applied: replayed.counts.applied,
            rolled_back: RolledBack {
                transactions: replayed.undone.transactions,
                operations: replayed.undone.operations,
            },
            databases: recovered.chain(untouched).collect(),
            bytes: 0,
        }
    }

    pub(super) fn print(&self, output: &Output) -> io::Result<()> {
        for path in &self.finished {
            output.line(format!(
                "{}: the pages of an interrupted recovery were written first",
                path.display()
            ))?;
        }
        self.print_replay(output)?;
        for database in &self.databases {
            output.line(database)?;
        }
        output.line(self.summary())
    }

    fn print_replay(&self, output: &Output) -> io::Result<()> {
        let Some(start) = &self.start else {
            return output.line("there are no logs");
        };
        if let Some(problem) = &start.checkpoint_problem {
            output.line(format!("the checkpoint was not used: {problem}"))?;
        }
        output.line(format!(
            "replayed from {}, which {} says, to the end of generation {:#x}: {} records, {} changes of pages",
            start.position, start.because, self.last_generation, self.records, self.applied
        ))?;
        let RolledBack {
            transactions,
            operations,
        } = self.rolled_back;
        let would = if self.is_dry_run { "would be " } else { "" };
        output.line(format!(
            "{transactions} open transactions {would}rolled back, {operations} operations"
        ))
    }

    fn summary(&self) -> String {
        let bytes = self.bytes;
        match (&self.output, self.is_dry_run) {
            (_, true) => format!("{bytes} bytes would be written; nothing was"),
            (_, false) if bytes == 0 => "everything is clean already; nothing was written".to_owned(),
            (Some(out), false) => format!("{} is clean; {bytes} bytes written", out.display()),
            (None, false) => format!("{} is clean; {bytes} bytes written", self.directory.display()),
        }
    }
}

impl Database {
    fn recovered(database: &Recovered) -> Self {
        let state = |header: &DatabaseHeader| header.state.to_string();
        Database {
            path: database.path.clone(),
            before: database.original.as_deref().map_or("none".to_owned(), state),
            after: state(&database.header),
            is_created: database.original.is_none(),
            changed_pages: database.overlay.changed().len() as u64,
            unchanged: None,
        }
    }

    fn untouched(database: &Untouched) -> Self {
        let state = database.header.state.to_string();
        Database {
            path: database.path.clone(),
            before: state.clone(),
            after: state,
            is_created: false,
            changed_pages: 0,
            unchanged: Some(database.why.clone()),
        }
    }
}

impl std::fmt::Display for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.unchanged {
            Some(why) => write!(f, "{}, unchanged: {why}", self.after),
            None if self.is_created => {
                write!(
                    f,
                    "created by the logs, {}, {} pages",
                    self.after, self.changed_pages
                )
            }
            None => write!(
                f,
                "{}, then {}; {} pages changed",
                self.before, self.after, self.changed_pages
            ),
        }
    }
}
