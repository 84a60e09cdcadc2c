//! Verifies files and sets: every checksum, and whether everything is there that the set needs.
//!
//! ```text
//! paths ── source::at_rest::Inventory ──> files ── jobs, on threads ──> a FileReport each ─┐
//!                  │                         database, log, companion                     ├─> VerifyReport, Verdict
//!                  └───────────── set: manifest, required generations, chain of logs ──────┘
//! ```
//!
//! With [`VerifyOptions::deep`] also whether everything in each database fits together: [`deep`].
//!
//! Nothing is written, memory stays small whatever the files' sizes, and damage never ends a verification early.

mod companion;
mod database;
pub mod deep;
mod jobs;
mod log;
mod read;
mod report;
mod set;
mod sums;
#[cfg(test)]
mod tests;

pub use read::Progress;
pub use report::{DAMAGE_MOST, Damage, FileReport, ProblemKind, SetProblem, Unit, Verdict, VerifyReport};

use crate::error::JetResult;
use crate::io::FileSystem;
use crate::source::at_rest::{AtRestPaths, Inventory};

/// How to verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Threads that read and compute; at least 1.
    pub threads: usize,
    /// Whether to take a shared lock on each file while it is read, so that no engine writes to it meanwhile.
    pub lock: bool,
    /// Whether a set without a manifest counts as incomplete.
    pub require_manifest: bool,
    /// Whether to check also that everything in the databases fits together; they must have been shut down cleanly.
    pub deep: bool,
}

impl Default for VerifyOptions {
    fn default() -> Self {
        VerifyOptions {
            threads: 2,
            lock: true,
            require_manifest: false,
            deep: false,
        }
    }
}

/// Verifies the files and directories in `paths`. Whether a set is complete is judged only of directories; `tell` is
/// called often, from several threads.
///
/// # Errors
/// There is nothing to verify, an engine has one of the files (`JET_errDatabaseInUse`), or a database that is to be
/// checked deeply is dirty (`JET_errDatabaseDirtyShutdown`). Whatever is wrong with the files themselves is in the
/// report.
pub fn verify(
    file_system: &dyn FileSystem,
    paths: &AtRestPaths,
    options: VerifyOptions,
    tell: &(dyn Fn(Progress) + Sync),
) -> JetResult<VerifyReport> {
    let inventory = Inventory::take(file_system, paths)?;
    let checked = jobs::check_files(file_system, &inventory, options, tell)?;
    let findings = set::judge(file_system, paths, &inventory, &checked, options);
    let reports = checked.into_iter().map(|file| file.report).collect();
    Ok(VerifyReport::new(reports, findings.problems, findings.notes))
}
