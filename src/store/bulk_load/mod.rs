//! Writes a complete, clean database in the format 0x620,20,0, table after table, from rows in key order
//! (database-file.md section 11). Memory stays bounded but for the entries of secondary indexes, which are sorted.
//!
//! ```text
//! header, shadow | 1–30 system tables | table: root, OE, AE, leaves …, long values, indexes | table … | catalog's rest
//! ```
//!
//! The same schema, rows, time and seed give the same bytes. The file gets its name only when it is complete and
//! durable.

mod layout;
mod long_value;
pub(crate) use long_value::{LID_MOST, chunk_len};
mod page_file;
mod schema;
mod space;
mod system_tables;
mod table;
mod tree;
mod user_catalog;

pub(crate) use layout::check_name;
pub use schema::{Cell, ColumnSchema, IndexSchema, Row, Storage, TableSchema};

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{CatalogEntry, DatabaseHeader, DbState, LogPosition, LogTime, PageSize, Signature};
use crate::io::{FileSystem, OpenMode};
use crate::store::system_catalog::Object;
use layout::TableLayout;
use page_file::PageFile;
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use table::TableLoad;

/// Database time of every page that is written.
const DBTIME: u64 = 1000;
/// Where the clean shutdown stands in a log that need not exist (section 11.1, step 7).
const SHUTDOWN: LogPosition = LogPosition {
    generation: 1,
    sector: 8,
    byte: 0,
};

/// What a new database depends on beside its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BulkLoadOptions {
    /// Page size: 4, 8, 16 or 32 KiB.
    pub page_size: PageSize,
    /// Creation time.
    pub time: LogTime,
    /// What its signatures are made from.
    pub seed: u64,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkLoadSummary {
    /// Bytes of the file.
    pub len: u64,
    /// Rows of each table, in the order of writing.
    pub rows: Vec<(String, u64)>,
}

/// A database that is being written. Dropped before [`finish`](Self::finish), it leaves nothing behind.
#[derive(Debug)]
pub struct BulkLoad<'a> {
    file_system: &'a dyn FileSystem,
    path: PathBuf,
    temporary: Option<PathBuf>,
    options: BulkLoadOptions,
    file: PageFile,
    next_objid: u32,
    catalog: Vec<CatalogEntry>,
    objects: Vec<Object>,
    names: HashSet<String>,
    rows: Vec<(String, u64)>,
}

impl<'a> BulkLoad<'a> {
    /// Begins to write the database that will be `path`. Until then it is `path` with `.tmp` added.
    ///
    /// Errors: a page size that is no longer written, and whatever the file system refuses.
    pub fn create(file_system: &'a dyn FileSystem, path: &Path, options: BulkLoadOptions) -> JetResult<Self> {
        if options.page_size == PageSize::Kib2 {
            let what = "databases with 2 KiB pages are read, but no longer written";
            return Err(JetError::rule(JetErr::InvalidParameter, what).in_file(path));
        }
        let mut temporary = OsString::from(path);
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let file = file_system
            .open(&temporary, OpenMode::CreateNew)
            .map_err(|error| JetError::io("create", error).in_file(&temporary))?;
        Ok(BulkLoad {
            file_system,
            path: path.to_path_buf(),
            temporary: Some(temporary),
            options,
            file: PageFile::new(file, options.page_size, system_tables::RESERVED_PAGES, DBTIME),
            next_objid: system_tables::FIRST_USER_OBJID,
            catalog: Vec::new(),
            objects: Vec::new(),
            names: HashSet::new(),
            rows: Vec::new(),
        })
    }

    /// Writes a table. The keys of `rows` must ascend, and so must not repeat.
    ///
    /// Errors say the row by its number. After one the database cannot be finished any more.
    pub fn table(&mut self, schema: &TableSchema, rows: impl IntoIterator<Item = Row>) -> JetResult<u64> {
        let result = self.write_table(schema, rows);
        result.map_err(|error| error.in_file(&self.path))
    }

    fn write_table(&mut self, schema: &TableSchema, rows: impl IntoIterator<Item = Row>) -> JetResult<u64> {
        let layout = TableLayout::new(schema, self.options.page_size)?;
        let name = schema.name.to_ascii_uppercase();
        if name.starts_with("MSYS") || !self.names.insert(name) {
            let what = format!(
                "table {} exists already, or its name is one of the engine's own",
                schema.name
            );
            return Err(JetError::rule(JetErr::TableDuplicate, what));
        }
        let mut load = TableLoad::begin(&mut self.file, &layout, self.next_objid)?;
        for row in rows {
            load.push(&row)?;
        }
        let trees = load.finish()?;
        let objects = user_catalog::objects_of(&trees);
        self.next_objid = objects
            .iter()
            .map(|object| object.objid + 1)
            .fold(self.next_objid, u32::max);
        self.catalog.extend(user_catalog::catalog_of(&layout, &trees));
        self.objects.extend(objects);
        self.rows.push((schema.name.clone(), trees.rows));
        Ok(trees.rows)
    }

    /// Writes the catalog and the headers, makes everything durable, and gives the file its name.
    pub fn finish(mut self) -> JetResult<BulkLoadSummary> {
        let path = self.path.clone();
        self.complete().map_err(|error| error.in_file(&path))
    }

    fn complete(&mut self) -> JetResult<BulkLoadSummary> {
        let catalog = std::mem::take(&mut self.catalog);
        let last = system_tables::write(&mut self.file, catalog, &self.objects)?;
        let len = self.options.page_size.offset_of(last + 1);
        let header = self.header()?.encode();
        let file = self.file.file();
        let io = |operation, result: std::io::Result<()>| result.map_err(|e| JetError::io(operation, e));
        io("extend", file.set_len(len))?;
        io(
            "write the shadow header",
            file.write_all_at(&header, self.options.page_size.bytes_u64()),
        )?;
        io("make durable", file.sync())?;
        io("write the header", file.write_all_at(&header, 0))?;
        io("make durable", file.sync())?;
        if let Some(temporary) = self.temporary.take() {
            io("rename", self.file_system.rename(&temporary, &self.path))?;
        }
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        io("make the name durable", self.file_system.sync_dir(directory))?;
        Ok(BulkLoadSummary {
            len,
            rows: std::mem::take(&mut self.rows),
        })
    }

    /// The header of a cleanly shut down database.
    fn header(&self) -> JetResult<DatabaseHeader> {
        let mut random = SplitMix(self.options.seed);
        let time = self.options.time;
        let mut signature = || Signature {
            random: random.next(),
            create: time,
            computer: [0; 16],
        };
        let mut header = DatabaseHeader::new(self.options.page_size, signature())?;
        header.state = DbState::CleanShutdown;
        header.dbtime_dirtied = DBTIME;
        header.dbid = 1;
        header.log_signature = signature();
        header.header_flush_signature = signature();
        (header.consistent, header.attach, header.detach) = (SHUTDOWN, SHUTDOWN, SHUTDOWN);
        (header.consistent_time, header.attach_time, header.detach_time) = (time, time, time);
        header.objid_last = self.next_objid - 1;
        header.os_major = 10;
        Ok(header)
    }
}

/// The primary key of a row, by which rows are to be sorted for [`BulkLoad::table`].
pub fn primary_key(schema: &TableSchema, row: &Row) -> JetResult<Vec<u8>> {
    let layout = TableLayout::new(schema, PageSize::Kib4)?;
    Ok(layout.primary.key(row)?)
}

impl Drop for BulkLoad<'_> {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nobody is there to be told; the name says what the file is.
            let _ = self.file_system.remove(temporary);
        }
    }
}

/// Sebastiano Vigna's splitmix64: signatures only need to differ.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        let [.., a, b, c, d] = (mixed ^ mixed >> 31).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }
}
