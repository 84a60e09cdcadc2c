//! Files that nobody has open: an instance at rest, or any set of ESE files (design section 3).
//!
//! ```text
//! paths ── listing ──> candidates ── names, inspect ──> what each file is ── inventory, judge ──> Inventory
//! Inventory ── source ──> BackupFile: verifying_file of `verified` over database_pages or segments
//! ```

mod database_pages;
mod distinct_names;
mod inspect;
mod inventory;
mod judge;
mod listing;
mod manifest;
mod source;
#[cfg(test)]
mod tests;

pub(in crate::source) use distinct_names::DistinctNames;
pub use inspect::DatabaseFacts;
pub use inventory::{CheckpointEntry, DatabaseEntry, Entry, Inventory, LogEntry, LogSequence, Warning};
pub use listing::{AtRestPaths, Ignored, IgnoredReason};
pub use source::{AtRestOptions, AtRestSource};
