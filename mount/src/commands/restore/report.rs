//! What a restore did, or would do.

use crate::output::Output;
use jetfs::backup::JsonName;
use jetfs::restore::{PageCheck, RestorableSet, RestorePlan};
use serde::Serialize;
use std::io;

/// For people and scripts.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    destination: JsonName,
    is_dry_run: bool,
    sets: Vec<Set>,
    first_generation: u32,
    last_generation: u32,
    /// The last one of the sets; those behind it were rolled forward.
    last_generation_of_sets: u32,
    /// The last time that the logs tell.
    time: String,
    records: u64,
    applied: u64,
    rolled_back: RolledBack,
    databases: Vec<Database>,
    verified_pages: u64,
    damaged_pages: Vec<String>,
    next_backup: &'static str,
}

#[derive(Debug, Serialize)]
struct Set {
    directory: JsonName,
    is_full: bool,
    generations: Option<(u32, u32)>,
}

#[derive(Debug, Serialize)]
struct RolledBack {
    transactions: u64,
    operations: u64,
}

#[derive(Debug, Serialize)]
struct Database {
    path: JsonName,
    /// The copy that it was made from; `null` if the logs made it.
    copy: Option<JsonName>,
    bytes: u64,
    changed_pages: u64,
}

impl Report {
    pub(super) fn new(
        plan: &RestorePlan<'_>,
        restorable: &RestorableSet,
        check: &PageCheck,
        is_dry_run: bool,
    ) -> Self {
        let sets = plan.sets.iter().map(|set| Set {
            directory: set.directory.as_path().into(),
            is_full: set.is_full(),
            generations: set.generations,
        });
        let databases = restorable.databases.iter().map(|database| Database {
            path: database.path.as_path().into(),
            copy: database.copy.as_deref().map(JsonName::from),
            bytes: database.len,
            changed_pages: database.changed_pages,
        });
        Report {
            destination: restorable.destination.as_path().into(),
            is_dry_run,
            sets: sets.collect(),
            first_generation: plan.generations().0,
            last_generation: restorable.last_generation,
            last_generation_of_sets: plan.last_of_sets(),
            time: restorable.time.to_string(),
            records: restorable.counts.records,
            applied: restorable.counts.applied,
            rolled_back: RolledBack {
                transactions: restorable.undone.transactions,
                operations: restorable.undone.operations,
            },
            databases: databases.collect(),
            verified_pages: check.pages,
            damaged_pages: check.damaged.iter().map(ToString::to_string).collect(),
            next_backup: "full",
        }
    }

    pub(super) fn print(&self, output: &Output) -> io::Result<()> {
        for set in &self.sets {
            output.line(set)?;
        }
        output.line(format!(
            "replayed generations {:#x} to {:#x}: {} records, {} changes of pages",
            self.first_generation, self.last_generation, self.records, self.applied
        ))?;
        if self.last_generation > self.last_generation_of_sets {
            let first = self.last_generation_of_sets + 1;
            output.line(format!(
                "rolled forward behind the sets from generation {first:#x} on"
            ))?;
        }
        let RolledBack {
            transactions,
            operations,
        } = self.rolled_back;
        output.line(format!(
            "{transactions} open transactions rolled back, {operations} operations"
        ))?;
        for database in &self.databases {
            output.line(database)?;
        }
        output.line(self.summary())
    }

    fn summary(&self) -> String {
        let destination = self.destination.0.display();
        let (last, time) = (self.last_generation, &self.time);
        if self.is_dry_run {
            return format!(
                "{destination} would be as of the end of generation {last:#x}, {time}; nothing was written"
            );
        }
        format!(
            "{destination} is clean, as of the end of generation {last:#x}, {time}; the next backup must be a full one"
        )
    }
}

impl std::fmt::Display for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_full { "full" } else { "incremental" };
        write!(f, "{}: {kind}", self.directory.0.display())?;
        match self.generations {
            Some((first, last)) => write!(f, ", generations {first:#x} to {last:#x}"),
            None => write!(f, ", without logs"),
        }
    }
}

impl std::fmt::Display for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: ", self.path.0.display())?;
        match &self.copy {
            Some(copy) => write!(
                f,
                "from {}, {} pages changed, {} bytes",
                copy.0.display(),
                self.changed_pages,
                self.bytes
            ),
            None => write!(f, "made by the logs, {} bytes", self.bytes),
        }
    }
}
