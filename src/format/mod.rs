//! Bytes to values and back: pure functions on byte slices, for every file that an ESE instance has.
//!
//! Nothing here opens a file, allocates by a number that was not checked, or panics, whatever the bytes are.
//! Each file of this folder is one structure of the specification; its head names the section.

pub mod bytes;
mod error;
mod page_size;
mod primitive;

pub use error::{FormatError, Problem, Structure};
pub use page_size::PageSize;
pub use primitive::{BackupInfo, BackupType, FileType, LogPosition, LogTime, Signature};
