//! Files that nobody has open: an instance at rest, or any set of ESE files (design section 3).
//!
//! ```text
//! paths ── listing ──> candidates ── names, inspect ──> what each file is ── inventory, judge ──> Inventory
//! ```

mod distinct_names;
mod inspect;
mod inventory;
mod judge;
mod listing;
mod names;
#[cfg(test)]
mod tests;

pub use inspect::DatabaseFacts;
pub use inventory::{CheckpointEntry, DatabaseEntry, Entry, Inventory, LogEntry, LogSequence, Warning};
pub use listing::{AtRestPaths, Ignored, IgnoredReason};
