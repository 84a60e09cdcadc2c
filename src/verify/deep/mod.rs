//! The deep check: whether everything in a database fits together, not only every checksum
//! (database-file.md sections 2, 4 to 10). What the engine's own integrity check does, and more.
//!
//! ```text
//! system root ── space ──┐
//! catalog = shadow ──> each table: space of it and of its indexes and long values ──> walks: ── census of pages
//!                                  long values <── references ── records ── keys ──> index entries
//! ```
//!
//! * `census`: every page used once or available once, by whom it was lent to; `space` reads who that is;
//! * `walk`: the structure of a tree; `catalog`: the catalog and its shadow;
//! * `table`: what belongs to a table; `records`: its records and their values;
//! * `long_values`: chunks, and counts of references; `indexes`: entries against records.
//!
//! Memory is bounded: four bits a page, the extents of one table, and [`Limits`]. Nothing is trusted: a page is followed only once, so
//! that no damage makes a check run on forever.

mod catalog;
mod census;
mod extent_set;
mod finding;
mod indexes;
mod long_values;
mod page_bits;
mod records;
mod space;
mod table;
#[cfg(test)]
mod tests;
mod walk;

pub use finding::{FINDINGS_MOST, Finding, FindingKind, Findings};

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{DbState, PageFlags};
use crate::store::Database;
use census::{Census, Rank};
use serde::Serialize;
use std::path::Path;

/// Root page and objid of the tree that owns the whole file.
const SYSTEM_ROOT: u32 = crate::format::SYSTEM_ROOT;
const SYSTEM_OBJID: u32 = 1;

/// What the deep check of a database found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeepReport {
    /// What was counted.
    #[serde(flatten)]
    pub counts: Counts,
    /// How many findings are damage.
    pub damage: u64,
    /// All findings, notes included.
    #[serde(flatten)]
    pub findings: Findings,
}

/// How much was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Trees, space trees included.
    pub trees: u64,
    /// Pages that trees use.
    pub used_pages: u64,
    /// Pages that are available.
    pub available_pages: u64,
    /// Pages that are owned, but lost.
    pub leaked: u64,
    /// Records of tables, the catalog's included.
    pub records: u64,
    /// Long values.
    pub long_values: u64,
    /// Entries of secondary indexes.
    pub index_entries: u64,
    /// Secondary indexes whose entries were compared with the records, keys and all.
    pub indexes_compared: u64,
    /// Secondary indexes whose keys could not be computed.
    pub indexes_not_compared: u64,
}

/// What may be kept in memory at once; where there is more, the database is read again instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Long values whose references are counted: 24 bytes each.
    pub roots_in_memory: usize,
    /// Index entries that are compared one by one: some 40 bytes each.
    pub entries_in_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            roots_in_memory: 4 << 20,
            entries_in_memory: 2 << 20,
        }
    }
}

/// Checks a whole database; `tell` is called for each page of a tree.
///
/// # Errors
/// The database was not shut down cleanly (`JET_errDatabaseDirtyShutdown`): its pages are of different times, and do
/// not fit together before its logs are replayed. Whatever is wrong with a clean database is in the report.
pub fn check(database: &Database, limits: Limits, tell: &(dyn Fn() + Sync)) -> JetResult<DeepReport> {
    require_clean(database.header().state, database.path())?;
    let last = match database.last_owned_page() {
        Ok(last) => last.min(database.last_page_in_file()?),
        Err(_) => database.last_page_in_file()?,
    };
    let mut check = Check {
        database,
        census: Census::new(last),
        findings: Findings::default(),
        counts: Counts::default(),
        unplaced: Vec::new(),
        limits,
        tell,
    };
    check.run();
    Ok(check.into_report())
}

/// Whether the deep check of a database in this state means anything.
///
/// # Errors
/// `JET_errDatabaseDirtyShutdown`, with what to do.
pub(super) fn require_clean(state: DbState, path: &Path) -> JetResult<()> {
    if state == DbState::CleanShutdown {
        return Ok(());
    }
    let what = "the database was not shut down cleanly, so that its pages need not fit together yet";
    Err(JetError::rule(JetErr::DatabaseDirtyShutdown, what)
        .in_file(path)
        .advise(
            "Recover it first (jetfs recover, or jetfs recover -o into a copy), then check what that made.",
        ))
}

/// A tree of the database: what its pages must say.
#[derive(Debug, Clone)]
struct TreeShape {
    /// In words, for findings.
    name: String,
    root: u32,
    objid: u32,
    /// Those flags that all pages of the tree have.
    kind: PageFlags,
}

impl TreeShape {
    /// A space tree of this tree.
    fn space_tree(&self, which: &str, root: u32) -> TreeShape {
        TreeShape {
            name: format!("{which} of {}", self.name),
            root,
            objid: self.objid,
            kind: self.kind | PageFlags::SPACE_TREE,
        }
    }
}

/// A check that is going on.
struct Check<'d> {
    database: &'d Database,
    census: Census,
    findings: Findings,
    counts: Counts,
    /// Pages of space trees, of which it cannot be told yet whether they are owned.
    unplaced: Vec<u32>,
    limits: Limits,
    tell: &'d (dyn Fn() + Sync),
}

impl Check<'_> {
    fn run(&mut self) {
        let system = TreeShape {
            name: "system root".to_owned(),
            root: SYSTEM_ROOT,
            objid: SYSTEM_OBJID,
            kind: PageFlags::empty(),
        };
        let space = self.read_space(&system, Rank::System, 0, None);
        self.check_shadow();
        if let Some(schema) = self.schema() {
            for table in &schema.tables {
                self.open_table(&schema, table, space.as_ref());
            }
        }
        self.walk(&system, space.as_ref(), &mut |_, _| ());
        if let Some(space) = &space {
            self.find_leaks(&system.name, space);
        }
    }

    fn into_report(mut self) -> DeepReport {
        self.counts.used_pages = self.census.used.len();
        self.counts.available_pages = self.census.available.len();
        DeepReport {
            counts: self.counts,
            damage: self.findings.damage(),
            findings: self.findings,
        }
    }

    fn progress(&self) {
        (self.tell)();
    }
}
