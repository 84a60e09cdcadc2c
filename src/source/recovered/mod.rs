//! The databases of files at rest as they will be after recovery, as plain clean files; nothing is written to the source
//! (design sections 1, 5 and 6).
//!
//! ```text
//! paths ── at_rest::Inventory ── instance ──> InstanceFiles ── recovery::Plan ──> Replayed
//! Replayed ── freeze ──> DatabaseImage: clean header, changed pages, the file below
//! DatabaseImage ── composed_file ──> BackupFile          a database that stays as it is: that of at_rest
//! ```
//!
//! Logs and checkpoint are not shown: the databases need none any more.

mod composed_file;
mod image;
mod instance;
mod manifest;
mod replay;
mod source;
#[cfg(test)]
mod tests;

pub use image::DatabaseImage;
pub use replay::{RecoveredOptions, ReplayProgress};
pub use source::RecoveredSource;
