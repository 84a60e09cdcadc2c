//! Bytes to values and back: pure functions on byte slices, for every file that an ESE instance has.
//!
//! Nothing here opens a file, allocates by a number that was not checked, or panics, whatever the bytes are.
//! Each file of this folder is one structure of the specification; its head names the section.

pub mod bytes;
mod catalog_writer;
pub mod checksum;
mod column_type;
mod database_header;
mod database_state;
mod error;
mod header_copies;
mod key;
mod layout;
mod node;
mod page;
mod page_size;
mod page_writer;
mod primitive;
mod record_writer;
mod schema_flags;
mod space;
mod verified_page;

pub use catalog_writer::{CatalogDetail, CatalogRow, IndexSegment};
pub use column_type::ColumnType;
pub use database_header::{DatabaseHeader, EventCount, MAGIC, VerifiedHeader};
pub use database_state::DbState;
pub use error::{FormatError, Problem, Structure};
pub use header_copies::{
    BOTH_COPIES_LEN, ChosenHeader, HeaderCopy, OtherCopy, choose_copy, has_database_magic,
};
pub use key::{DEFAULT_KEY_MOST, KeyRules, KeySegment, KeyWriter, UNICODE};
pub use node::{Node, NodeFlags};
pub use page::{Page, PageFlags, PageHeader, Tag};
pub use page_size::PageSize;
pub use page_writer::{PageIdentity, PageWriter, WRITTEN_FLAGS};
pub use primitive::{BackupInfo, BackupType, FileType, LogPosition, LogTime, Signature};
pub use record_writer::{FixedField, RecordWriter, TaggedField, TaggedValue};
pub use schema_flags::{ColumnFlags, IndexFlags, TableFlags};
pub use space::{
    Extent, FreeSpace, RootHeader, SYSTEM_ROOT, SpaceFlags, SpaceHeader, SpaceNode, SplitBuffer,
};
pub use verified_page::{Verified, VerifiedPage};
