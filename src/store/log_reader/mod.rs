//! Reading logs: the records of one file, or of a run of generations, with their positions
//! (log-and-recovery.md sections 2.4, 3 and 10).
//!
//! ```text
//! File ── LogFile::load ──> LogFile     (all segments verified, the torn tail and flipped bits repaired in memory)
//! LogFile ── RecordCursor ──> Logged    (fragments joined, fill enforced)
//! generations ── LogReader ──> Logged   (each file must follow the one before)
//! ```
//!
//! A damaged log gives its records up to the damage, then the error.

mod cursor;
mod log_file;
mod sequence;
#[cfg(test)]
pub(crate) mod tests;

pub use cursor::{Logged, RecordCursor};
pub use log_file::LogFile;
pub use sequence::{LoadWhenWanted, LogLoader, LogPlace, LogReader};
