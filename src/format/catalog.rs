//! The catalog: its hard-wired schema, and its records as typed entries (database-file.md sections 6.2 to 6.4).
//!
//! A reader must not need the catalog to read the catalog, so the columns of MSysObjects stand here.

use super::bytes::Fields;
use super::column_type::ColumnType;
use super::compression::decompress;
use super::error::{FormatError, Structure};
use super::key::DEFAULT_KEY_MOST;
use super::page_size::PageSize;
use super::record::{ColumnClass, ColumnId, RECORD_HEADER_LEN, Record, Storage, Stored};
use super::schema_flags::{ColumnFlags, IndexFlags, TableFlags};
use super::text::decode_western;

/// Root page of MSysObjects.
pub const CATALOG_ROOT: u32 = 4;
/// objid of MSysObjects.
pub const CATALOG_OBJID: u32 = 2;
/// Root page of MSysObjectsShadow, the copy.
pub const SHADOW_CATALOG_ROOT: u32 = 24;
/// objid of MSysObjectsShadow.
pub const SHADOW_CATALOG_OBJID: u32 = 3;

/// `Type` of an entry.
pub(crate) mod entry_type {
    pub(crate) const TABLE: u16 = 1;
    pub(crate) const COLUMN: u16 = 2;
    pub(crate) const INDEX: u16 = 3;
    pub(crate) const LONG_VALUE: u16 = 4;
    pub(crate) const CALLBACK: u16 = 5;
}

/// Column ids of MSysObjects.
pub(crate) mod catalog_column {
    use crate::format::ColumnId;
    pub(crate) const OBJID_TABLE: ColumnId = ColumnId(1);
    pub(crate) const TYPE: ColumnId = ColumnId(2);
    pub(crate) const ID: ColumnId = ColumnId(3);
    pub(crate) const COLTYP_OR_PGNO_FDP: ColumnId = ColumnId(4);
    pub(crate) const SPACE_USAGE: ColumnId = ColumnId(5);
    pub(crate) const FLAGS: ColumnId = ColumnId(6);
    pub(crate) const PAGES_OR_LOCALE: ColumnId = ColumnId(7);
    pub(crate) const ROOT_FLAG: ColumnId = ColumnId(8);
    pub(crate) const RECORD_OFFSET: ColumnId = ColumnId(9);
    pub(crate) const LC_MAP_FLAGS: ColumnId = ColumnId(10);
    pub(crate) const KEY_MOST: ColumnId = ColumnId(11);
    pub(crate) const LV_CHUNK_MAX: ColumnId = ColumnId(12);
    pub(crate) const SEPARATE_LV: ColumnId = ColumnId(258);
    pub(crate) const NAME: ColumnId = ColumnId(128);
    pub(crate) const TEMPLATE_TABLE: ColumnId = ColumnId(130);
    pub(crate) const DEFAULT_VALUE: ColumnId = ColumnId(131);
    pub(crate) const KEY_FIELD_IDS: ColumnId = ColumnId(132);
    pub(crate) const VAR_SEG_MAC: ColumnId = ColumnId(133);
    pub(crate) const CONDITIONAL_COLUMNS: ColumnId = ColumnId(134);
    pub(crate) const TUPLE_LIMITS: ColumnId = ColumnId(135);
    pub(crate) const LOCALE_NAME: ColumnId = ColumnId(261);
}

/// A column of MSysObjects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogColumn {
    /// Its id.
    pub id: ColumnId,
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ColumnType,
    /// `SpaceUsage`: exact bytes of a fixed column, maximum of another, 0 for no limit.
    pub size: u32,
    /// Whether it must not be NULL.
    pub not_null: bool,
}

const fn column(id: u16, name: &'static str, kind: ColumnType, size: u32, not_null: bool) -> CatalogColumn {
    CatalogColumn {
        id: ColumnId(id),
        name,
        kind,
        size,
        not_null,
    }
}

/// The columns of MSysObjects at format 0x620,20, in the order of their ids.
pub const CATALOG_COLUMNS: [CatalogColumn; 28] = [
    column(1, "ObjidTable", ColumnType::Long, 4, true),
    column(2, "Type", ColumnType::Short, 2, true),
    column(3, "Id", ColumnType::Long, 4, true),
    column(4, "ColtypOrPgnoFDP", ColumnType::Long, 4, true),
    column(5, "SpaceUsage", ColumnType::Long, 4, true),
    column(6, "Flags", ColumnType::Long, 4, true),
    column(7, "PagesOrLocale", ColumnType::Long, 4, true),
    column(8, "RootFlag", ColumnType::Bit, 1, false),
    column(9, "RecordOffset", ColumnType::Short, 2, false),
    column(10, "LCMapFlags", ColumnType::Long, 4, false),
    column(11, "KeyMost", ColumnType::UnsignedShort, 2, false),
    column(12, "LVChunkMax", ColumnType::Long, 4, false),
    column(128, "Name", ColumnType::Text, 255, true),
    column(129, "Stats", ColumnType::Binary, 255, false),
    column(130, "TemplateTable", ColumnType::Text, 255, false),
    column(131, "DefaultValue", ColumnType::Binary, 255, false),
    column(132, "KeyFldIDs", ColumnType::Binary, 255, false),
    column(133, "VarSegMac", ColumnType::Binary, 255, false),
    column(134, "ConditionalColumns", ColumnType::Binary, 255, false),
    column(135, "TupleLimits", ColumnType::Binary, 255, false),
    column(136, "Version", ColumnType::Binary, 255, false),
    column(137, "SortID", ColumnType::Binary, 255, false),
    column(256, "CallbackData", ColumnType::LongBinary, 0, false),
    column(257, "CallbackDependencies", ColumnType::LongBinary, 0, false),
    column(258, "SeparateLV", ColumnType::LongBinary, 0, false),
    column(259, "SpaceHints", ColumnType::LongBinary, 0, false),
    column(260, "SpaceDeferredLVHints", ColumnType::LongBinary, 0, false),
    column(261, "LocaleName", ColumnType::LongBinary, 0, false),
];

/// `RecordOffset` of a fixed column of MSysObjects.
pub(crate) fn catalog_offset(id: ColumnId) -> usize {
    let before = CATALOG_COLUMNS.iter().take_while(|column| column.id < id);
    RECORD_HEADER_LEN + before.filter_map(|column| column.kind.fixed_len()).sum::<usize>()
}

/// An entry of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogEntry {
    /// objid of the table that the entry belongs to.
    pub objid_table: u32,
    /// Name of the object.
    pub name: String,
    /// What it is.
    pub object: CatalogObject,
}

/// What an entry of the catalog describes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogObject {
    /// A table.
    Table(TableEntry),
    /// A column.
    Column(ColumnEntry),
    /// An index.
    Index(IndexEntry),
    /// The long value tree.
    LongValue(LongValueEntry),
    /// A callback, of which nothing is needed for reading.
    Callback,
    /// A kind that jetfs does not know (or obsolete: 6 and 7).
    Other(u16),
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableEntry {
    /// Root page.
    pub pgno_fdp: u32,
    /// Flags.
    pub flags: TableFlags,
    /// Pages that it was created with.
    pub pages: u32,
    /// Density in percent.
    pub density: u32,
    /// Bytes of a full chunk of its long values, if not the default.
    pub long_value_chunk: Option<u32>,
    /// Bytes of the longest long value that stays in its record, if not the default.
    pub separate_at: Option<u32>,
    /// Name of its template table.
    pub template: Option<String>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnEntry {
    /// Its id.
    pub id: ColumnId,
    /// Its type; `None` for a number that jetfs does not know.
    pub kind: Option<ColumnType>,
    /// The type's number.
    pub coltyp: u32,
    /// Exact bytes of a fixed column, maximum of another, 0 for no limit.
    pub size: u32,
    /// Flags.
    pub flags: ColumnFlags,
    /// Code page of text.
    pub code_page: u16,
    /// Where a fixed column stands in the record.
    pub record_offset: Option<u16>,
    /// The default value's bytes.
    pub default: Option<Vec<u8>>,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// objid of its tree; the table's for the primary index.
    pub objid: u32,
    /// Root page of its tree.
    pub pgno_fdp: u32,
    /// Flags.
    pub flags: IndexFlags,
    /// Density in percent.
    pub density: u32,
    /// Maximum length of keys, 255 unless stored.
    pub key_most: u16,
    /// Maximum length of a variable segment, if not `key_most`.
    pub var_seg_mac: Option<u16>,
    /// Flags of LCMapString.
    pub lc_map_flags: Option<u32>,
    /// Locale, for example `en-US`.
    pub locale: Option<String>,
    /// The segments of its keys.
    pub segments: Vec<SegmentEntry>,
    /// Columns that decide whether a record has an entry.
    pub conditions: Vec<SegmentEntry>,
    /// Parts of the first segment's values that have an entry each, in an index over parts of values.
    pub tuple_limits: Option<TupleLimits>,
}

/// Which parts of a text have an entry: those that begin at `start`, `start + step`, and so on. All count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TupleLimits {
    /// A shorter rest has no entry.
    pub shortest: u32,
    /// A part is cut after so many.
    pub longest: u32,
    /// Parts of a value.
    pub most: u32,
    /// From the start of one to that of the next.
    pub step: u32,
    /// Start of the first.
    pub start: u32,
}

impl TupleLimits {
    /// Reads the 12 bytes of older formats, which lack step and start, or the 20 of newer ones. The engine takes the
    /// lower half of each number.
    fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::Catalog, bytes);
        let number = |offset| -> Result<u32, FormatError> { Ok(low_half(fields.u32(offset)?).into()) };
        let has_step = bytes.len() > 12;
        Ok(TupleLimits {
            shortest: number(0)?,
            longest: number(4)?,
            most: number(8)?,
            step: if has_step { number(12)? } else { 1 },
            start: if has_step { number(16)? } else { 0 },
        })
    }
}

/// A segment of an index, or a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentEntry {
    /// The column.
    pub column: ColumnId,
    /// Flags.
    pub flags: SegmentFlags,
}

bitflags::bitflags! {
    /// Flags of an index segment.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct SegmentFlags: u8 {
        /// A column of the template table.
        const TEMPLATE = 0x80;
        /// Descending.
        const DESCENDING = 0x40;
        /// In a condition: the column must be NULL (else: must not be).
        const MUST_BE_NULL = 0x20;
        // Other bits are kept as they are.
        const _ = !0;
    }
}

/// A long value tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongValueEntry {
    /// objid of its tree.
    pub objid: u32,
    /// Root page of its tree.
    pub pgno_fdp: u32,
}

impl CatalogEntry {
    /// Reads a record of MSysObjects or its shadow.
    pub fn read(size: PageSize, data: &[u8]) -> Result<Self, FormatError> {
        let record = CatalogRecord(Record::read(size, data).map_err(in_catalog)?);
        Self::from_record(&record).map_err(in_catalog)
    }

    fn from_record(record: &CatalogRecord<'_>) -> Result<Self, FormatError> {
        let [low, high, ..] = record.number(catalog_column::TYPE)?.to_le_bytes();
        let object = match u16::from_le_bytes([low, high]) {
            entry_type::TABLE => CatalogObject::Table(record.table()?),
            entry_type::COLUMN => CatalogObject::Column(record.column()?),
            entry_type::INDEX => CatalogObject::Index(record.index()?),
            entry_type::LONG_VALUE => CatalogObject::LongValue(LongValueEntry {
                objid: record.number(catalog_column::ID)?,
                pgno_fdp: record.number(catalog_column::COLTYP_OR_PGNO_FDP)?,
            }),
            entry_type::CALLBACK => CatalogObject::Callback,
            other => CatalogObject::Other(other),
        };
        Ok(CatalogEntry {
            objid_table: record.number(catalog_column::OBJID_TABLE)?,
            name: record
                .text(catalog_column::NAME)?
                .ok_or_else(|| FormatError::other(Structure::Catalog, 0, "an entry has no name"))?,
            object,
        })
    }
}

/// Any damage of a catalog record is damage of the catalog.
fn in_catalog(error: FormatError) -> FormatError {
    FormatError {
        structure: Structure::Catalog,
        ..error
    }
}

struct CatalogRecord<'a>(Record<'a>);

impl<'a> CatalogRecord<'a> {
    /// The bytes of a column with a value.
    fn bytes(&self, id: ColumnId) -> Result<Option<&'a [u8]>, FormatError> {
        let stored = match id.class() {
            ColumnClass::Fixed => {
                let len = CATALOG_COLUMNS
                    .iter()
                    .find(|column| column.id == id)
                    .and_then(|column| column.kind.fixed_len())
                    .unwrap_or(0);
                self.0.fixed(id, catalog_offset(id), len)?
            }
            _ => self.0.variable(id)?,
        };
        Ok(match stored {
            Stored::Value(bytes) => Some(bytes),
            Stored::Absent | Stored::Null => None,
        })
    }

    /// A number of up to four bytes, zero-extended.
    fn optional_number(&self, id: ColumnId) -> Result<Option<u32>, FormatError> {
        Ok(self.bytes(id)?.map(|bytes| {
            let mut wide = [0; 4];
            wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            u32::from_le_bytes(wide)
        }))
    }

    fn tagged_number(&self, id: ColumnId) -> Result<Option<u32>, FormatError> {
        let Some(column) = self.0.tagged(id, false)? else {
            return Ok(None);
        };
        let bytes = column.instance(0)?.data;
        Ok(bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes)))
    }

    fn optional_u16(&self, id: ColumnId) -> Result<Option<u16>, FormatError> {
        Ok(self.optional_number(id)?.map(low_half))
    }

    fn number(&self, id: ColumnId) -> Result<u32, FormatError> {
        self.optional_number(id)?.ok_or_else(|| {
            FormatError::other(Structure::Catalog, 0, format!("column {id} of an entry is NULL"))
        })
    }

    fn text(&self, id: ColumnId) -> Result<Option<String>, FormatError> {
        Ok(self.bytes(id)?.map(decode_western))
    }

    fn segments(&self, id: ColumnId, flags: IndexFlags) -> Result<Vec<SegmentEntry>, FormatError> {
        Ok(index_segments(self.bytes(id)?.unwrap_or_default(), flags))
    }

    fn table(&self) -> Result<TableEntry, FormatError> {
        Ok(TableEntry {
            pgno_fdp: self.number(catalog_column::COLTYP_OR_PGNO_FDP)?,
            flags: TableFlags::from_bits_retain(self.number(catalog_column::FLAGS)?),
            pages: self.number(catalog_column::PAGES_OR_LOCALE)?,
            density: self.number(catalog_column::SPACE_USAGE)?,
            long_value_chunk: self.optional_number(catalog_column::LV_CHUNK_MAX)?,
            // Nobody needs it to read the table.
            separate_at: self.tagged_number(catalog_column::SEPARATE_LV).unwrap_or(None),
            template: self.text(catalog_column::TEMPLATE_TABLE)?,
        })
    }

    fn column(&self) -> Result<ColumnEntry, FormatError> {
        let coltyp = self.number(catalog_column::COLTYP_OR_PGNO_FDP)?;
        Ok(ColumnEntry {
            id: ColumnId(low_half(self.number(catalog_column::ID)?)),
            kind: ColumnType::from_number(coltyp),
            coltyp,
            size: self.number(catalog_column::SPACE_USAGE)?,
            flags: ColumnFlags::from_bits_retain(self.number(catalog_column::FLAGS)?),
            code_page: low_half(self.number(catalog_column::PAGES_OR_LOCALE)?),
            record_offset: self.optional_u16(catalog_column::RECORD_OFFSET)?,
            default: self.bytes(catalog_column::DEFAULT_VALUE)?.map(<[u8]>::to_vec),
        })
    }

    fn index(&self) -> Result<IndexEntry, FormatError> {
        let flags = IndexFlags::from_bits_retain(self.number(catalog_column::FLAGS)?);
        Ok(IndexEntry {
            objid: self.number(catalog_column::ID)?,
            pgno_fdp: self.number(catalog_column::COLTYP_OR_PGNO_FDP)?,
            flags,
            density: self.number(catalog_column::SPACE_USAGE)?,
            key_most: self
                .optional_u16(catalog_column::KEY_MOST)?
                .unwrap_or(DEFAULT_KEY_MOST),
            var_seg_mac: self.optional_u16(catalog_column::VAR_SEG_MAC)?,
            lc_map_flags: self.optional_number(catalog_column::LC_MAP_FLAGS)?,
            locale: self.locale()?,
            segments: self.segments(catalog_column::KEY_FIELD_IDS, flags)?,
            conditions: self.segments(catalog_column::CONDITIONAL_COLUMNS, flags)?,
            tuple_limits: self
                .bytes(catalog_column::TUPLE_LIMITS)?
                .map(TupleLimits::read)
                .transpose()?,
        })
    }

    fn locale(&self) -> Result<Option<String>, FormatError> {
        /// `LOCALE_NAME_MAX_LENGTH` of Windows, in bytes.
        const LOCALE_MAX: usize = 2 * 85;
        let Some(value) = self
            .0
            .tagged(catalog_column::LOCALE_NAME, false)?
            .filter(|value| !value.is_null())
        else {
            return Ok(None);
        };
        let instance = value.instance(0)?;
        let bytes = match instance.storage {
            Storage::Plain => instance.data.to_vec(),
            Storage::Compressed => decompress(instance.data, LOCALE_MAX)?,
            Storage::Separated | Storage::Encrypted => return Ok(None),
        };
        let text = super::text::Text {
            bytes,
            code_page: super::text::CODE_PAGE_UNICODE,
        };
        Ok(Some(text.decode()))
    }
}

fn low_half(number: u32) -> u16 {
    let [low, high, ..] = number.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// The array of segments: four bytes each, or the column's id alone in very old databases.
fn index_segments(bytes: &[u8], flags: IndexFlags) -> Vec<SegmentEntry> {
    let segment = |flags, id| SegmentEntry {
        column: ColumnId(u16::from_le_bytes(id)),
        flags: SegmentFlags::from_bits_retain(flags),
    };
    if flags.contains(IndexFlags::EXTENDED_COLUMNS) {
        let (segments, _) = bytes.as_chunks::<4>();
        segments
            .iter()
            .map(|&[flags, _, low, high]| segment(flags, [low, high]))
            .collect()
    } else {
        let (segments, _) = bytes.as_chunks::<2>();
        segments.iter().map(|&id| segment(0, id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// The entries of section 6.5, from basic.edb.
    #[test]
    fn a_table_a_column_and_an_index_are_read() {
        let mut table = hex("08802000 02000000 0100 02000000 04000000 50000000 000000C0 14000000 FF 00 0B00");
        table.extend(b"MSysObjects");
        let entry = CatalogEntry::read(PageSize::Kib4, &table).unwrap();
        assert_eq!((entry.objid_table, entry.name.as_str()), (2, "MSysObjects"));
        let CatalogObject::Table(table) = entry.object else {
            panic!("{entry:?}")
        };
        assert_eq!((table.pgno_fdp, table.pages, table.density), (4, 20, 80));
        assert_eq!(table.flags, TableFlags::SYSTEM | TableFlags::FIXED_DDL);

        let mut column =
            hex("09802300 08000000 0200 01000000 04000000 04000000 05000000 00000000 2A 0400 80FE 0200");
        column.extend(b"Id");
        let entry = CatalogEntry::read(PageSize::Kib4, &column).unwrap();
        let CatalogObject::Column(column) = entry.object else {
            panic!("{entry:?}")
        };
        assert_eq!(
            (column.id, column.kind, column.record_offset),
            (ColumnId(1), Some(ColumnType::Long), Some(4))
        );
        assert_eq!(column.flags, ColumnFlags::NOT_NULL | ColumnFlags::AUTO_INCREMENT);

        let mut index =
            hex("0A842700 02000000 0300 02000000 04000000 50000000 31000100 00000000 2A 2A2A 01040300 80FD");
        index.extend(hex(
            "0200 0280 0280 0280 0E00 4964 00000100 00000200 00000300 0501 0440 01 65006E002D0055005300",
        ));
        let entry = CatalogEntry::read(PageSize::Kib4, &index).unwrap();
        let CatalogObject::Index(index) = entry.object else {
            panic!("{entry:?}")
        };
        assert_eq!(index.flags.bits(), 0x0001_0031);
        assert_eq!((index.key_most, index.locale.as_deref()), (255, Some("en-US")));
        let columns: Vec<u16> = index.segments.iter().map(|segment| segment.column.0).collect();
        assert_eq!(columns, [1, 2, 3]);
    }

    #[test]
    fn the_offsets_of_the_catalog_s_columns_leave_no_gaps() {
        assert_eq!(catalog_offset(ColumnId(1)), 4);
        assert_eq!(catalog_offset(ColumnId(9)), 31);
        assert_eq!(catalog_offset(ColumnId(12)), 39);
    }

    #[test]
    fn a_damaged_entry_is_a_damaged_catalog() {
        let error = CatalogEntry::read(PageSize::Kib4, &[1, 2, 3]).unwrap_err();
        assert_eq!(error.jet_err(), crate::error::JetErr::CatalogCorrupted);
    }
}
