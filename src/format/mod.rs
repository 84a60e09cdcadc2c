//! Bytes to values and back: pure functions on byte slices, for every file that an ESE instance has.
//!
//! Nothing here opens a file, allocates by a number that was not checked, or panics, whatever the bytes are.
//! Each file of this folder is one structure of the specification; its head names the section.

mod attach_list;
mod backup_stamp;
mod before_image;
pub mod bytes;
mod catalog;
mod catalog_writer;
mod checkpoint;
pub mod checksum;
mod column_type;
mod compression;
mod database_header;
mod database_state;
mod date_time;
mod dbms_param;
mod error;
mod flush_map;
mod guid;
mod header_copies;
mod key;
mod layout;
mod log_header;
mod log_legacy;
pub mod log_record;
mod log_scan;
mod log_segment;
mod log_version;
mod long_value;
mod node;
mod page;
mod page_buffer;
mod page_size;
mod page_writer;
mod primitive;
mod record;
mod record_parts;
mod record_writer;
mod replace_diff;
mod schema_flags;
mod space;
mod text;
mod trailer;
mod value;
mod verified_page;

pub use attach_list::{AttachList, Attachment};
pub use before_image::{decode_before_image, encode_before_image};
pub(crate) use catalog::entry_type;
pub use catalog::{
    CATALOG_COLUMNS, CATALOG_OBJID, CATALOG_ROOT, CatalogColumn, CatalogEntry, CatalogObject, ColumnEntry,
    IndexEntry, LongValueEntry, SHADOW_CATALOG_OBJID, SHADOW_CATALOG_ROOT, SegmentEntry, SegmentFlags,
    TableEntry, TupleLimits,
};
pub use catalog_writer::{LC_MAP_FLAGS, LOCALE_NAME, catalog_key_prefix, catalog_name_key, catalog_root_key};
pub use checkpoint::{Checkpoint, ChosenCheckpoint};
pub use column_type::ColumnType;
pub use compression::{CompressionScheme, compress, compress_chunk, decompress};
pub use database_header::{DatabaseHeader, EventCount, MAGIC, VerifiedHeader};
pub use database_state::DbState;
pub use date_time::DateTime;
pub use dbms_param::DbmsParam;
pub use error::{FormatError, Problem, Structure};
pub use flush_map::{FlushMapHeader, check_flush_map_page};
pub use guid::Guid;
pub use header_copies::{
    BOTH_COPIES_LEN, ChosenHeader, HeaderCopy, OtherCopy, choose_copy, has_database_magic,
};
pub use key::{DEFAULT_KEY_MOST, KeyRules, KeySegment, KeyWriter, UNICODE};
pub use log_header::{LogFlags, LogHeader};
pub use log_legacy::{LegacyTail, LegacyVerdict, Usable, VerifiedRange};
pub use log_scan::{LogDamage, LogDamageKind, LogScan, LogVerdict};
pub use log_segment::{
    SEGMENT_HEADER_LEN, SEGMENT_LEN, SegmentHeader, Slot, SlotContent, is_shadow_of, segment_payload,
    segment_sum,
};
pub use log_version::{LogBody, LogVersion};
pub use long_value::{Lid, LongValueKey, LongValueRoot, default_chunk_size};
pub use node::{Node, NodeFlags};
pub(crate) use page::TAG_LEN;
pub use page::{Page, PageFlags, PageHeader, Tag};
pub use page_buffer::{NodeParts, PageBuffer};
pub use page_size::PageSize;
pub use page_writer::{PageIdentity, PageWriter, WRITTEN_FLAGS};
pub use primitive::{BackupInfo, BackupType, FileType, LogPosition, LogTime, Signature};
pub use record::{
    ColumnClass, ColumnId, Instance, RECORD_HEADER_LEN, Record, Storage, Stored, TagInfo, TaggedColumn,
};
pub use record_parts::{RecordParts, TaggedPart, ValuePart, record_most};
pub use record_writer::{FixedField, RecordWriter, TaggedField, TaggedValue};
pub use replace_diff::{apply_diff, make_diff};
pub use schema_flags::{ColumnFlags, IndexFlags, TableFlags};
pub use space::{
    Extent, FreeSpace, RootHeader, SYSTEM_ROOT, SpaceFlags, SpaceHeader, SpaceNode, SplitBuffer,
};
pub use text::{CODE_PAGE_UNICODE, CODE_PAGE_WESTERN, Text, decode_western};
pub use trailer::Trailer;
pub use value::Value;
pub use verified_page::{Verified, VerifiedPage};
