//! Records of the catalog, MSysObjects, and their keys (database-file.md sections 6.2 to 6.5).

use super::catalog::{SegmentFlags, catalog_column, entry_type};
use super::column_type::ColumnType;
use super::error::FormatError;
use super::key::{DEFAULT_KEY_MOST, KeyRules, KeySegment, KeyWriter};
use super::page_size::PageSize;
use super::record_writer::{FixedField, RecordWriter, TaggedField, TaggedValue};

/// `LCMapFlags` of every index: sort key, ignore case, kana type and width.
const LCMAP_FLAGS: u32 = 0x0003_0401;
/// `LocaleName` of every index.
const LOCALE_NAME: &str = "en-US";
/// A true Bit.
const TRUE: &[u8] = &[0xff];

/// What an entry of the catalog describes, with what only that kind has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CatalogDetail {
    /// 1: a table.
    Table,
    /// 2: a fixed column and its offset in records.
    FixedColumn {
        /// `RecordOffset`.
        record_offset: u16,
        /// `DefaultValue`.
        default: Option<Vec<u8>>,
    },
    /// 2: a variable or tagged column.
    OtherColumn,
    /// 3: an index.
    Index {
        /// `KeyFldIDs`.
        segments: Vec<IndexSegment>,
        /// `KeyMost`; not stored if it is the default.
        key_most: u16,
    },
    /// 4: the long value tree of a table.
    LongValue,
}

/// A segment of an index as the catalog stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexSegment {
    /// Column id.
    pub column: u16,
    /// Whether larger values come first.
    pub descending: bool,
}

/// An entry of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogRow {
    /// `ObjidTable`: the table that it belongs to.
    pub table: u32,
    /// `Id`: objid, or column id.
    pub id: u32,
    /// `ColtypOrPgnoFDP`.
    pub column_type_or_root: u32,
    /// `SpaceUsage`: longest value of a column, or density in percent.
    pub space_usage: u32,
    /// `Flags`.
    pub flags: u32,
    /// `PagesOrLocale`: initial pages, or code page.
    pub pages_or_locale: u32,
    /// `Name`, ASCII.
    pub name: String,
    /// What it describes.
    pub detail: CatalogDetail,
}

impl IndexSegment {
    fn to_bytes(self) -> [u8; 4] {
        let [low, high] = self.column.to_le_bytes();
        let flags = if self.descending {
            SegmentFlags::DESCENDING.bits()
        } else {
            0
        };
        [flags, 0, low, high]
    }
}

impl CatalogDetail {
    /// `Type`.
    pub fn number(&self) -> u16 {
        match self {
            CatalogDetail::Table => entry_type::TABLE,
            CatalogDetail::FixedColumn { .. } | CatalogDetail::OtherColumn => entry_type::COLUMN,
            CatalogDetail::Index { .. } => entry_type::INDEX,
            CatalogDetail::LongValue => entry_type::LONG_VALUE,
        }
    }
}

impl CatalogRow {
    /// The record.
    pub fn record(&self, size: PageSize) -> Result<Vec<u8>, FormatError> {
        let words = [
            self.id,
            self.column_type_or_root,
            self.space_usage,
            self.flags,
            self.pages_or_locale,
        ]
        .map(u32::to_le_bytes);
        let (table, kind) = (self.table.to_le_bytes(), self.detail.number().to_le_bytes());
        let detail = DetailBytes::of(&self.detail);

        let mut fixed = vec![present(&table), present(&kind)];
        fixed.extend(words.iter().map(|word| present(word)));
        fixed.extend(detail.fixed());
        let locale: Vec<u8> = LOCALE_NAME.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let is_index = matches!(self.detail, CatalogDetail::Index { .. });
        RecordWriter {
            fixed,
            variable: vec![
                Some(self.name.as_bytes()),
                None,
                None,
                detail.default.as_deref(),
                detail.segments.as_deref(),
            ],
            tagged: is_index
                .then(|| TaggedField {
                    id: catalog_column::LOCALE_NAME.0,
                    is_long: true,
                    values: vec![TaggedValue::Intrinsic(&locale)],
                })
                .into_iter()
                .collect(),
        }
        .to_bytes(size)
    }

    /// Key in the primary index `Id`: table, type, id.
    pub fn primary_key(&self) -> Result<Vec<u8>, FormatError> {
        let mut key = self.key_of_table_and_kind()?;
        key.push(ascending(ColumnType::Long), Some(&self.id.to_le_bytes()))?;
        Ok(key.finish())
    }

    /// Key in the index `Name`: table, type, name.
    pub fn name_key(&self) -> Result<Vec<u8>, FormatError> {
        let mut key = self.key_of_table_and_kind()?;
        key.push(ascending(ColumnType::Text), Some(self.name.as_bytes()))?;
        Ok(key.finish())
    }

    /// Key in the index `RootObjects`, which has tables only: root flag, name.
    pub fn root_key(&self) -> Result<Option<Vec<u8>>, FormatError> {
        if self.detail != CatalogDetail::Table {
            return Ok(None);
        }
        let mut key = KeyWriter::new(KeyRules::default());
        key.push(ascending(ColumnType::Bit), Some(TRUE))?;
        key.push(ascending(ColumnType::Text), Some(self.name.as_bytes()))?;
        Ok(Some(key.finish()))
    }

    fn key_of_table_and_kind(&self) -> Result<KeyWriter, FormatError> {
        let mut key = KeyWriter::new(KeyRules::default());
        key.push(ascending(ColumnType::Long), Some(&self.table.to_le_bytes()))?;
        let kind = self.detail.number().to_le_bytes();
        key.push(ascending(ColumnType::Short), Some(&kind))?;
        Ok(key)
    }
}

fn ascending(kind: ColumnType) -> KeySegment {
    KeySegment {
        kind,
        is_fixed: kind != ColumnType::Text,
        code_page: 1252,
        descending: false,
    }
}

fn present(bytes: &[u8]) -> FixedField<'_> {
    FixedField {
        len: bytes.len(),
        value: Some(bytes),
    }
}

/// The columns that differ from kind to kind, as bytes that live while the record is written.
#[derive(Default)]
struct DetailBytes {
    root_flag: Option<[u8; 1]>,
    record_offset: Option<[u8; 2]>,
    lcmap_flags: Option<[u8; 4]>,
    key_most: Option<[u8; 2]>,
    default: Option<Vec<u8>>,
    segments: Option<Vec<u8>>,
}

impl DetailBytes {
    fn of(detail: &CatalogDetail) -> Self {
        let none = DetailBytes::default();
        match detail {
            CatalogDetail::Table => DetailBytes {
                root_flag: Some([0xff]),
                ..none
            },
            CatalogDetail::FixedColumn {
                record_offset,
                default,
            } => DetailBytes {
                record_offset: Some(record_offset.to_le_bytes()),
                default: default.clone(),
                ..none
            },
            CatalogDetail::OtherColumn | CatalogDetail::LongValue => none,
            CatalogDetail::Index { segments, key_most } => DetailBytes {
                lcmap_flags: Some(LCMAP_FLAGS.to_le_bytes()),
                key_most: (*key_most != DEFAULT_KEY_MOST).then(|| key_most.to_le_bytes()),
                segments: Some(segments.iter().flat_map(|segment| segment.to_bytes()).collect()),
                ..none
            },
        }
    }

    /// Fixed columns 8 to 11.
    fn fixed(&self) -> [FixedField<'_>; 4] {
        let field = |len, value| FixedField { len, value };
        [
            field(1, self.root_flag.as_ref().map(<[u8; 1]>::as_slice)),
            field(2, self.record_offset.as_ref().map(<[u8; 2]>::as_slice)),
            field(4, self.lcmap_flags.as_ref().map(<[u8; 4]>::as_slice)),
            field(2, self.key_most.as_ref().map(<[u8; 2]>::as_slice)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn row(detail: CatalogDetail, name: &str) -> CatalogRow {
        CatalogRow {
            table: 8,
            id: 8,
            column_type_or_root: 0x1f,
            space_usage: 80,
            flags: 0,
            pages_or_locale: 4,
            name: name.into(),
            detail,
        }
    }

    /// Section 6.5: table and index of basic.edb, but for the filler of NULLs.
    #[test]
    fn entries_are_those_of_a_genuine_catalog() {
        let table = row(CatalogDetail::Table, "basic");
        assert_eq!(
            hex(&table.record(PageSize::Kib4).unwrap()),
            "08802000080000000100080000001f000000500000000000000004000000ff0005006261736963"
        );
        assert_eq!(hex(&table.primary_key().unwrap()), "7f800000087f80017f80000008");
        assert_eq!(hex(&table.root_key().unwrap().unwrap()), "7fff7f424153494300");

        let index = CatalogRow {
            flags: 0x0001_002f,
            pages_or_locale: 0,
            ..row(
                CatalogDetail::Index {
                    segments: vec![IndexSegment {
                        column: 1,
                        descending: false,
                    }],
                    key_most: 5,
                },
                "IxId",
            )
        };
        assert_eq!(
            hex(&index.record(PageSize::Kib4).unwrap()),
            "0b842900080000000300080000001f000000500000002f00010000000000000000010403000500\
             80f9040004800480048008004978496400000100050104400165006e002d0055005300"
        );
        assert_eq!(hex(&index.name_key().unwrap()), "7f800000087f80037f4958494400");
    }
}
