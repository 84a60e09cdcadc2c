//! A running instance as a source of backups (design section 3): the published protocol, and frozen.
//!
//! ```text
//! BackupSession ── LiveSource ── engine::backup: freeze, roll, stamp
//!                     └── open: `verified` over database_file, or over an archived log
//! ```

mod database_file;
mod source;
#[cfg(test)]
mod tests;

pub use source::{LiveOptions, LiveSource};
