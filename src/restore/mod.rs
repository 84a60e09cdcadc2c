//! From copied backup sets to clean databases: a hard recovery (external-backup.md section 8).
//!
//! ```text
//! sets ── RestorePlan::new ── headers, trailers, logs, names: everything that can be known without replaying
//!             └── RestorePlan::replay ── RestorableSet: the databases as they will be ── write ── DEST
//! ```
//!
//! The logs are replayed over the copies where they lie, into memory; only then is anything copied or written. So
//! everything is checked before the first write, and the sets are only read.
//!
//! * `backup_set`: what lies in a directory; `copied_database`: a database as a backup delivered it;
//! * `log_chain`: the logs of all sets and those behind them, one after the other; `until`: where replaying ends;
//! * `destination`: where the databases go; `plan`: all of that together;
//! * `restorable_set`: what replaying came to; `write`: into the destination.

mod backup_set;
mod copied_database;
mod destination;
mod log_chain;
mod plan;
mod restorable_set;
#[cfg(test)]
mod tests;
mod until;
mod write;

pub use backup_set::BackupSet;
pub use copied_database::CopiedDatabase;
pub use plan::{PlannedDatabase, RestoreOptions, RestorePlan, RestoreRequest};
pub use restorable_set::{PageCheck, RestorableSet, RestoredDatabase};
pub use until::Until;
pub use write::{MARKER, WriteProgress};
