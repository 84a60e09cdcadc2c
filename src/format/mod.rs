//! Bytes to values and back: pure functions on byte slices, for every file that an ESE instance has.
//!
//! Nothing here opens a file, allocates by a number that was not checked, or panics, whatever the bytes are.
//! Each file of this folder is one structure of the specification; its head names the section.

pub mod bytes;
pub mod checksum;
mod column_type;
mod error;
mod node;
mod page;
mod page_size;
mod primitive;
mod schema_flags;
mod space;
mod verified_page;

pub use column_type::ColumnType;
pub use error::{FormatError, Problem, Structure};
pub use node::{Node, NodeFlags};
pub use page::{Page, PageFlags, PageHeader, Tag};
pub use page_size::PageSize;
pub use primitive::{BackupInfo, BackupType, FileType, LogPosition, LogTime, Signature};
pub use schema_flags::{ColumnFlags, IndexFlags, TableFlags};
pub use space::{
    Extent, FreeSpace, RootHeader, SYSTEM_ROOT, SpaceFlags, SpaceHeader, SpaceNode, SplitBuffer,
};
pub use verified_page::{Verified, VerifiedPage};
