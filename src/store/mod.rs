//! Reading databases: verified pages, trees, the catalog, the rows of tables. Reading logs: [`log_reader`], writing
//! them: [`log_writer`].
//!
//! ```text
//! Database ── read_page ──> VerifiedPage        (checksum right, repaired pages noted)
//!    └── Tree ── scan, seek ──> Entry           (links, owners and depth checked)
//!          └── Schema ── Table ── rows ──> Row  (values resolved, long values included)
//! ```
//!
//! Reading never writes to the file, and never trusts it: damaged and hostile databases end in errors that name
//! file and page. New databases are written by [`bulk_load`].

pub mod bulk_load;
mod database;
mod file_lock;
mod header_update;
mod index_key;
pub(crate) mod instance_names;
pub mod log_reader;
pub mod log_stream;
pub mod log_writer;
mod long_values;
mod overlay;
mod owned_pages;
mod page_cache;
pub(crate) mod read_header;
mod record_column;
mod schema;
mod search_key;
pub(crate) mod system_catalog;
mod table;
mod tree;

pub(crate) use bulk_load::{LID_MOST, chunk_len};
pub use database::Database;
pub use file_lock::{lock_file, open_exclusively};
pub use header_update::{write_checkpoint, write_checkpoint_to, write_database_header};
pub(crate) use index_key::{Comparison, Incomparable, IndexKeys};
pub(crate) use long_values::{LongValues, plain_chunk};
pub use overlay::{FoundPage, FrozenOverlay, Overlay, SpillDirectory};
pub use read_header::{read_checkpoint, read_database_header, read_database_header_page, read_log_header};
pub(crate) use record_column::RecordColumn;
pub use schema::{ColumnSchema, IndexSchema, Schema, TableSchema};
pub use search_key::KeyLimit;
pub(crate) use search_key::{SearchKey, padded};
pub(crate) use table::columns as table_columns;
pub use table::{Column, Row, Rows, Table};
pub use tree::{Entry, Scan, Tree};

#[cfg(test)]
mod tests;
