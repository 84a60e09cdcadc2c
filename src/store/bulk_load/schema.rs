//! What a table to be written looks like: columns, primary index, secondary indexes.

use crate::format::{ColumnFlags, ColumnType, DEFAULT_KEY_MOST, IndexFlags, UNICODE};

/// Code page of text that is not Unicode.
const ENGLISH: u16 = 1252;
/// Longest Binary and Text value.
pub(super) const SHORT_VALUE_MOST: u32 = 255;

/// Where a column's values stand in a record (database-file.md section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// Always there, always the same length.
    Fixed,
    /// Up to 255 bytes, found through an offset.
    Variable,
    /// Takes no room where it is NULL; may be multi-valued or long.
    Tagged,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnSchema {
    /// Name: 1 to 64 ASCII characters.
    pub name: String,
    /// Type.
    pub kind: ColumnType,
    /// Place in the record.
    pub storage: Storage,
    /// Longest value in bytes; of a fixed column every value's length; 0 for long values without a limit.
    pub max_len: u32,
    /// Code page of text, else 0.
    pub code_page: u16,
    /// NotNull, MultiValued and so on.
    pub flags: ColumnFlags,
}

impl ColumnSchema {
    /// A column in the place that suits its type: numbers fixed, Binary and Text variable, long values tagged.
    /// Text has code page 1252.
    pub fn new(name: &str, kind: ColumnType) -> Self {
        let (storage, max_len) = match kind.fixed_len() {
            Some(len) => (Storage::Fixed, u32::try_from(len).unwrap_or(SHORT_VALUE_MOST)),
            None if kind.is_long() => (Storage::Tagged, 0),
            None => (Storage::Variable, SHORT_VALUE_MOST),
        };
        ColumnSchema {
            name: name.into(),
            kind,
            storage,
            max_len,
            code_page: if kind.is_text() { ENGLISH } else { 0 },
            flags: ColumnFlags::empty(),
        }
    }

    /// NULL is not allowed.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.flags |= ColumnFlags::NOT_NULL;
        self
    }

    /// Stored as a tagged column.
    #[must_use]
    pub fn tagged(mut self) -> Self {
        self.storage = Storage::Tagged;
        self
    }

    /// A tagged column that may have several values.
    #[must_use]
    pub fn multi_valued(mut self) -> Self {
        self.flags |= ColumnFlags::MULTI_VALUED;
        self.tagged()
    }

    /// Binary of exactly `len` bytes, stored as a fixed column.
    #[must_use]
    pub fn fixed(mut self, len: u32) -> Self {
        self.storage = Storage::Fixed;
        self.max_len = len;
        self
    }

    /// Text in UTF-16LE.
    #[must_use]
    pub fn unicode(mut self) -> Self {
        self.code_page = UNICODE;
        self
    }
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSchema {
    /// Name: 1 to 64 ASCII characters.
    pub name: String,
    /// Column names in the order of the key, each with whether larger values come first.
    pub segments: Vec<(String, bool)>,
    /// Uniqueness and what happens to NULLs.
    pub flags: IndexFlags,
    /// Longest key in bytes: 255, or up to 1000 (4 KiB pages) or 2000.
    pub key_most: u16,
}

impl IndexSchema {
    /// The default flags of a secondary index: every record has an entry.
    const ALL_NULLS: IndexFlags = IndexFlags::EXTENDED_COLUMNS
        .union(IndexFlags::ALLOW_ALL_NULLS)
        .union(IndexFlags::ALLOW_FIRST_NULL)
        .union(IndexFlags::ALLOW_SOME_NULLS);

    /// A primary index on ascending columns.
    pub fn primary(name: &str, columns: &[&str]) -> Self {
        Self::new(
            name,
            columns,
            Self::ALL_NULLS | IndexFlags::UNIQUE | IndexFlags::PRIMARY,
        )
    }

    /// A secondary index on ascending columns, in which every record has an entry.
    pub fn secondary(name: &str, columns: &[&str]) -> Self {
        Self::new(name, columns, Self::ALL_NULLS)
    }

    /// A secondary index in which no key may stand twice.
    pub fn unique(name: &str, columns: &[&str]) -> Self {
        Self::new(name, columns, Self::ALL_NULLS | IndexFlags::UNIQUE)
    }

    fn new(name: &str, columns: &[&str], flags: IndexFlags) -> Self {
        IndexSchema {
            name: name.into(),
            segments: columns.iter().map(|&column| (column.into(), false)).collect(),
            flags,
            key_most: DEFAULT_KEY_MOST,
        }
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSchema {
    /// Name: 1 to 64 ASCII characters.
    pub name: String,
    /// Columns, in the order of the cells of a [`Row`].
    pub columns: Vec<ColumnSchema>,
    /// The order of the rows.
    pub primary: IndexSchema,
    /// Other indexes.
    pub secondary: Vec<IndexSchema>,
}

/// What a row holds for a column, as bytes in the column type's own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// No value.
    Null,
    /// A value.
    One(Vec<u8>),
    /// Several values of a multi-valued column.
    Many(Vec<Vec<u8>>),
}

impl Cell {
    /// The values, none for NULL.
    pub fn values(&self) -> &[Vec<u8>] {
        match self {
            Cell::Null => &[],
            Cell::One(value) => std::slice::from_ref(value),
            Cell::Many(values) => values,
        }
    }

    /// The first value.
    pub fn first(&self) -> Option<&[u8]> {
        self.values().first().map(Vec::as_slice)
    }
}

impl<T: Into<Vec<u8>>> From<T> for Cell {
    fn from(value: T) -> Self {
        Cell::One(value.into())
    }
}

/// A row: one cell per column of the schema.
pub type Row = Vec<Cell>;
