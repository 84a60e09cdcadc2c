//! What a table, a column or an index is to be like: what `JET_TABLECREATE`, `JET_COLUMNDEF` and `JET_INDEXCREATE` say,
//! built step by step.
//!
//! ```
//! use jetfs::engine::{ColumnDefinition, IndexDefinition, TableDefinition};
//! use jetfs::format::ColumnType;
//!
//! let orders = TableDefinition::new("orders")
//!     .column(ColumnDefinition::new("id", ColumnType::Long).auto_increment())
//!     .column(ColumnDefinition::new("customer", ColumnType::Text).max_len(80).not_null())
//!     .column(ColumnDefinition::new("note", ColumnType::LongText).unicode())
//!     .index(IndexDefinition::primary("by_id").ascending("id"))
//!     .index(IndexDefinition::new("by_customer").ascending("customer").descending("id"));
//! assert_eq!(orders.columns().len(), 3);
//! ```

use crate::format::{ColumnFlags, ColumnType, DEFAULT_KEY_MOST, IndexFlags, UNICODE};
use crate::store::bulk_load::Storage;
use crate::store::system_catalog::DENSITY;

/// Code page of text that is not Unicode.
const ENGLISH: u16 = 1252;
/// Pages of a table's first extent if nothing else is said.
const PAGES: u32 = 4;

/// A table to be made (`JET_TABLECREATE`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableDefinition {
    pub(crate) name: String,
    pub(crate) pages: u32,
    pub(crate) density: u32,
    pub(crate) separate_at: Option<u32>,
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) indexes: Vec<IndexDefinition>,
}

/// A column to be made (`JET_COLUMNDEF`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    pub(crate) name: String,
    pub(crate) kind: ColumnType,
    pub(crate) storage: Storage,
    pub(crate) max_len: u32,
    pub(crate) code_page: u16,
    pub(crate) flags: ColumnFlags,
    pub(crate) default: Option<Vec<u8>>,
}

/// An index to be made (`JET_INDEXCREATE`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDefinition {
    pub(crate) name: String,
    pub(crate) segments: Vec<SegmentDefinition>,
    pub(crate) conditions: Vec<ConditionDefinition>,
    pub(crate) flags: IndexFlags,
    pub(crate) key_most: u16,
    pub(crate) variable_segment_most: Option<u16>,
    pub(crate) density: u32,
}

/// A column of an index's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentDefinition {
    pub(crate) column: String,
    pub(crate) is_descending: bool,
}

/// A column that decides whether a record has an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConditionDefinition {
    pub(crate) column: String,
    pub(crate) must_be_null: bool,
}

impl TableDefinition {
    /// A table without columns. Names have 1 to 64 ASCII characters, none of them `!`, `.`, `[` or `]`, and do not begin
    /// with a space.
    pub fn new(name: &str) -> Self {
        TableDefinition {
            name: name.into(),
            pages: PAGES,
            density: DENSITY,
            separate_at: None,
            columns: Vec::new(),
            indexes: Vec::new(),
        }
    }

    /// Adds a column. Ids are given in this order, within fixed, variable and tagged columns.
    #[must_use]
    pub fn column(mut self, column: ColumnDefinition) -> Self {
        self.columns.push(column);
        self
    }

    /// Adds an index. Without a primary one, records stand in the order in which they were inserted.
    #[must_use]
    pub fn index(mut self, index: IndexDefinition) -> Self {
        self.indexes.push(index);
        self
    }

    /// `ulPages`: pages that the table gets at once; 4 if nothing is said.
    #[must_use]
    pub fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// `ulDensity`: how full pages are to be, in percent, 20 to 100; 80 if nothing is said. Stored, and not used by
    /// jetfs.
    #[must_use]
    pub fn density(mut self, percent: u32) -> Self {
        self.density = percent;
        self
    }

    /// `cbSeparateLV`: longer long values stand in the long value tree, shorter ones in the record while it has room; 1023
    /// bytes if nothing or 0 is said, and never less than 4.
    #[must_use]
    pub fn separate_long_values(mut self, above: u32) -> Self {
        self.separate_at = Some(above).filter(|above| *above > 0);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its columns, in the order in which they were added.
    pub fn columns(&self) -> &[ColumnDefinition] {
        &self.columns
    }

    /// Its indexes, in the order in which they were added.
    pub fn indexes(&self) -> &[IndexDefinition] {
        &self.indexes
    }
}

impl ColumnDefinition {
    /// A column in the place that suits its type: numbers fixed, Binary and Text variable, long values tagged. Text has
    /// code page 1252.
    pub fn new(name: &str, kind: ColumnType) -> Self {
        let storage = match kind {
            _ if kind.fixed_len().is_some() => Storage::Fixed,
            _ if kind.is_long() => Storage::Tagged,
            _ => Storage::Variable,
        };
        ColumnDefinition {
            name: name.into(),
            kind,
            storage,
            max_len: kind.longest(),
            code_page: if kind.is_text() { ENGLISH } else { 0 },
            flags: ColumnFlags::empty(),
            default: None,
        }
    }

    /// `cbMax`: the longest value in bytes: at most 255 of Binary and Text, 0 for no limit of long values. Of a
    /// [fixed](Self::fixed) column, the length of every value.
    #[must_use]
    pub fn max_len(mut self, bytes: u32) -> Self {
        self.max_len = bytes;
        self
    }

    /// `JET_bitColumnFixed`: always there, always as long.
    #[must_use]
    pub fn fixed(mut self) -> Self {
        self.storage = Storage::Fixed;
        self
    }

    /// `JET_bitColumnTagged`: takes no room where it is NULL.
    #[must_use]
    pub fn tagged(mut self) -> Self {
        self.storage = Storage::Tagged;
        self
    }

    /// `JET_bitColumnMultiValued`: tagged, and with any number of values.
    #[must_use]
    pub fn multi_valued(mut self) -> Self {
        self.flags |= ColumnFlags::MULTI_VALUED;
        self.tagged()
    }

    /// `JET_bitColumnNotNULL`.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.flags |= ColumnFlags::NOT_NULL;
        self
    }

    /// `JET_bitColumnAutoincrement`: numbered by the engine, from 1. Long, LongLong and Currency only, one for each table.
    ///
    /// No number is given twice while the database is attached, also not those of transactions that were rolled back.
    /// When it is attached again, numbers go on behind the highest that a record has, as they do in the genuine engine
    /// with databases of this format: that of a record deleted since can come again.
    #[must_use]
    pub fn auto_increment(mut self) -> Self {
        self.flags |= ColumnFlags::AUTO_INCREMENT;
        self
    }

    /// `JET_bitColumnVersion`: counts the updates of its record. Long only, one for each table.
    #[must_use]
    pub fn version(mut self) -> Self {
        self.flags |= ColumnFlags::VERSION;
        self
    }

    /// `JET_bitColumnEscrowUpdate`: a number to which several transactions can add at once. Long and LongLong, with a
    /// default.
    #[must_use]
    pub fn escrow_update(mut self) -> Self {
        self.flags |= ColumnFlags::ESCROW_UPDATE;
        self
    }

    /// `JET_bitColumnDeleteOnZero`: the record goes when this escrow column falls to zero.
    #[must_use]
    pub fn delete_on_zero(mut self) -> Self {
        self.flags |= ColumnFlags::DELETE_ON_ZERO;
        self
    }

    /// `JET_bitColumnCompressed`: values are stored compressed where that makes them shorter, in the record and in the
    /// long value tree, chunk by chunk. Text below 0x80 takes 7 bits a character; values of 1024 bytes and more also lose
    /// what they repeat. LongBinary and LongText only; without it, every value is stored plain.
    #[must_use]
    pub fn compressed(mut self) -> Self {
        self.flags |= ColumnFlags::COMPRESSED;
        self
    }

    /// `cp` 1200: text in UTF-16LE. Such a column can be no key here.
    #[must_use]
    pub fn unicode(mut self) -> Self {
        self.code_page = UNICODE;
        self
    }

    /// `pvDefault`: the value of records that have none of their own, in the column type's own form.
    #[must_use]
    pub fn default_value(mut self, value: impl Into<Vec<u8>>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl IndexDefinition {
    /// A secondary index without columns, in which every record has an entry.
    pub fn new(name: &str) -> Self {
        IndexDefinition {
            name: name.into(),
            segments: Vec::new(),
            conditions: Vec::new(),
            flags: IndexFlags::EXTENDED_COLUMNS | IndexFlags::ALLOW_ANY_NULLS,
            key_most: DEFAULT_KEY_MOST,
            variable_segment_most: None,
            density: DENSITY,
        }
    }

    /// `JET_bitIndexPrimary`: the order of the table itself; unique.
    pub fn primary(name: &str) -> Self {
        let index = Self::new(name);
        IndexDefinition {
            flags: index.flags | IndexFlags::UNIQUE | IndexFlags::PRIMARY,
            ..index
        }
    }

    /// Adds a column to the key: smaller values come first.
    #[must_use]
    pub fn ascending(mut self, column: &str) -> Self {
        self.segments.push(SegmentDefinition {
            column: column.into(),
            is_descending: false,
        });
        self
    }

    /// Adds a column to the key: larger values come first.
    #[must_use]
    pub fn descending(mut self, column: &str) -> Self {
        self.segments.push(SegmentDefinition {
            column: column.into(),
            is_descending: true,
        });
        self
    }

    /// `JET_bitIndexUnique`: no key stands twice.
    #[must_use]
    pub fn unique(mut self) -> Self {
        self.flags |= IndexFlags::UNIQUE;
        self
    }

    /// `JET_bitIndexDisallowNull`: records with a NULL in the key are refused.
    #[must_use]
    pub fn disallow_null(mut self) -> Self {
        self.flags -= IndexFlags::ALLOW_ANY_NULLS;
        self.flags |= IndexFlags::NO_NULL_SEGMENT;
        self
    }

    /// `JET_bitIndexIgnoreNull`: a record whose columns are all NULL has no entry.
    #[must_use]
    pub fn ignore_null(mut self) -> Self {
        self.flags -= IndexFlags::ALLOW_ALL_NULLS;
        self
    }

    /// `JET_bitIndexIgnoreFirstNull`: a record whose first column is NULL has no entry.
    #[must_use]
    pub fn ignore_first_null(mut self) -> Self {
        self.flags -= IndexFlags::ALLOW_FIRST_NULL | IndexFlags::ALLOW_ALL_NULLS;
        self
    }

    /// `JET_bitIndexIgnoreAnyNull`: a record with a NULL in the key has no entry.
    #[must_use]
    pub fn ignore_any_null(mut self) -> Self {
        self.flags -= IndexFlags::ALLOW_ANY_NULLS;
        self
    }

    /// `JET_bitIndexSortNullsHigh`: NULLs come last.
    #[must_use]
    pub fn sort_nulls_high(mut self) -> Self {
        self.flags |= IndexFlags::SORT_NULLS_HIGH;
        self
    }

    /// `JET_bitIndexCrossProduct`: one entry for each combination of the values of multi-valued columns.
    #[must_use]
    pub fn cross_product(mut self) -> Self {
        self.flags |= IndexFlags::CROSS_PRODUCT;
        self
    }

    /// `JET_bitIndexDisallowTruncation`: records whose key would be cut are refused.
    #[must_use]
    pub fn disallow_truncation(mut self) -> Self {
        self.flags |= IndexFlags::DISALLOW_TRUNCATION;
        self
    }

    /// `JET_bitIndexDotNetGuid`: GUIDs sort as .NET sorts them.
    #[must_use]
    pub fn dot_net_guid(mut self) -> Self {
        self.flags |= IndexFlags::DOT_NET_GUID;
        self
    }

    /// `JET_bitIndexColumnMustBeNull`: only records where this column is NULL have an entry.
    #[must_use]
    pub fn only_if_null(mut self, column: &str) -> Self {
        self.conditions.push(ConditionDefinition {
            column: column.into(),
            must_be_null: true,
        });
        self
    }

    /// `JET_bitIndexColumnMustBeNonNull`: only records where this column is not NULL have an entry.
    #[must_use]
    pub fn only_if_not_null(mut self, column: &str) -> Self {
        self.conditions.push(ConditionDefinition {
            column: column.into(),
            must_be_null: false,
        });
        self
    }

    /// `cbKeyMost`: the longest key in bytes; 255 if nothing is said, up to 1000 with pages of 4 KiB, else 2000.
    #[must_use]
    pub fn key_most(mut self, bytes: u16) -> Self {
        self.key_most = bytes;
        self
    }

    /// `cbVarSegMac`: the longest part of a key that a Text or Binary column gives; as long as the key if nothing is
    /// said.
    #[must_use]
    pub fn variable_segment_most(mut self, bytes: u16) -> Self {
        self.variable_segment_most = Some(bytes);
        self
    }

    /// `ulDensity`: how full pages are to be, in percent, 20 to 100; 80 if nothing is said. Stored, and not used by
    /// jetfs.
    #[must_use]
    pub fn density(mut self, percent: u32) -> Self {
        self.density = percent;
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}
