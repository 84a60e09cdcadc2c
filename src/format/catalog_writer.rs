//! Records of the catalog, MSysObjects, and their keys (database-file.md sections 6.2 to 6.5).

use super::catalog::{
    CATALOG_COLUMNS, CatalogEntry, CatalogObject, ColumnEntry, IndexEntry, SegmentEntry, TableEntry,
    TupleLimits, catalog_column, entry_type,
};
use super::column_type::ColumnType;
use super::error::{FormatError, Structure};
use super::key::{DEFAULT_KEY_MOST, KeyRules, KeySegment, KeyWriter};
use super::page_size::PageSize;
use super::record::{ColumnClass, ColumnId};
use super::record_writer::{FixedField, RecordWriter, TaggedField, TaggedValue};
use super::text::CODE_PAGE_WESTERN;

/// `LCMapFlags` of every index: sort key, ignore case, kana type and width.
pub const LC_MAP_FLAGS: u32 = 0x0003_0401;
/// `LocaleName` of every index.
pub const LOCALE_NAME: &str = "en-US";
/// Density of long value trees, in percent.
const LONG_VALUE_DENSITY: u32 = 100;
/// Pages that a long value tree is made with.
const LONG_VALUE_PAGES: u32 = 1;
/// A true Bit.
const TRUE: &[u8] = &[0xff];

/// What a record stores, by column.
type Values = Vec<(ColumnId, Vec<u8>)>;

impl CatalogEntry {
    /// The record.
    ///
    /// # Errors
    /// It is of a kind that jetfs does not write, or too long; its name is not ASCII.
    pub fn record(&self, size: PageSize) -> Result<Vec<u8>, FormatError> {
        let values = self.values()?;
        let mut record = RecordWriter::default();
        for column in &CATALOG_COLUMNS {
            let value = values.iter().find(|(id, _)| *id == column.id);
            let value = value.map(|(_, bytes)| bytes.as_slice());
            match (column.id.class(), value) {
                (ColumnClass::Fixed, value) => record.fixed.push(FixedField {
                    len: column.kind.fixed_len().unwrap_or(0),
                    value,
                }),
                (ColumnClass::Variable, value) => record.variable.push(value),
                (ColumnClass::Tagged, Some(value)) => record.tagged.push(TaggedField {
                    id: column.id.0,
                    is_long: true,
                    values: vec![TaggedValue::Intrinsic(value)],
                }),
                (ColumnClass::Tagged, None) => {}
            }
        }
        record.to_bytes(size)
    }

    /// `Type`.
    pub fn kind(&self) -> u16 {
        match self.object {
            CatalogObject::Table(_) => entry_type::TABLE,
            CatalogObject::Column(_) => entry_type::COLUMN,
            CatalogObject::Index(_) => entry_type::INDEX,
            CatalogObject::LongValue(_) => entry_type::LONG_VALUE,
            CatalogObject::Callback => entry_type::CALLBACK,
            CatalogObject::Other(kind) => kind,
        }
    }

    /// Key in the primary index `Id`: table, type, id.
    ///
    /// # Errors
    /// It is of a kind that jetfs does not write.
    pub fn primary_key(&self) -> Result<Vec<u8>, FormatError> {
        let [id, ..] = self.words()?;
        let mut key = start_of_key(self.objid_table, Some(self.kind()))?;
        key.push(ascending(ColumnType::Long), Some(&id.to_le_bytes()))?;
        Ok(key.finish())
    }

    /// Key in the index `Name`: table, type, name.
    ///
    /// # Errors
    /// The name is not ASCII.
    pub fn name_key(&self) -> Result<Vec<u8>, FormatError> {
        catalog_name_key(self.objid_table, self.kind(), &self.name)
    }

    /// Key in the index `RootObjects`, which has tables only: root flag, name.
    ///
    /// # Errors
    /// The name is not ASCII.
    pub fn root_key(&self) -> Result<Option<Vec<u8>>, FormatError> {
        match self.object {
            CatalogObject::Table(_) => catalog_root_key(&self.name).map(Some),
            _ => Ok(None),
        }
    }

    fn values(&self) -> Result<Values, FormatError> {
        let [id, root, space_usage, flags, pages] = self.words()?;
        let mut values = vec![
            (
                catalog_column::OBJID_TABLE,
                self.objid_table.to_le_bytes().to_vec(),
            ),
            (catalog_column::TYPE, self.kind().to_le_bytes().to_vec()),
            (catalog_column::NAME, ascii(&self.name)?.to_vec()),
        ];
        let words = [
            (catalog_column::ID, id),
            (catalog_column::COLTYP_OR_PGNO_FDP, root),
            (catalog_column::SPACE_USAGE, space_usage),
            (catalog_column::FLAGS, flags),
            (catalog_column::PAGES_OR_LOCALE, pages),
        ];
        values.extend(words.map(|(column, word)| (column, word.to_le_bytes().to_vec())));
        match &self.object {
            CatalogObject::Table(table) => table.add_to(&mut values)?,
            CatalogObject::Column(column) => column.add_to(&mut values),
            CatalogObject::Index(index) => index.add_to(&mut values),
            _ => {}
        }
        Ok(values)
    }

    /// Id, `ColtypOrPgnoFDP`, `SpaceUsage`, `Flags`, `PagesOrLocale`.
    fn words(&self) -> Result<[u32; 5], FormatError> {
        Ok(match &self.object {
            CatalogObject::Table(table) => [
                self.objid_table,
                table.pgno_fdp,
                table.density,
                table.flags.bits(),
                table.pages,
            ],
            CatalogObject::Column(column) => [
                u32::from(column.id.0),
                column.coltyp,
                column.size,
                column.flags.bits(),
                u32::from(column.code_page),
            ],
            CatalogObject::Index(index) => {
                [index.objid, index.pgno_fdp, index.density, index.flags.bits(), 0]
            }
            CatalogObject::LongValue(tree) => {
                [tree.objid, tree.pgno_fdp, LONG_VALUE_DENSITY, 0, LONG_VALUE_PAGES]
            }
            CatalogObject::Callback | CatalogObject::Other(_) => {
                return Err(error("entries of this type are not written"));
            }
        })
    }
}

impl TableEntry {
    fn add_to(&self, values: &mut Values) -> Result<(), FormatError> {
        values.push((catalog_column::ROOT_FLAG, TRUE.to_vec()));
        if let Some(chunk) = self.long_value_chunk {
            values.push((catalog_column::LV_CHUNK_MAX, chunk.to_le_bytes().to_vec()));
        }
        if let Some(most) = self.separate_at {
            values.push((catalog_column::SEPARATE_LV, most.to_le_bytes().to_vec()));
        }
        if let Some(template) = &self.template {
            values.push((catalog_column::TEMPLATE_TABLE, ascii(template)?.to_vec()));
        }
        Ok(())
    }
}

impl ColumnEntry {
    fn add_to(&self, values: &mut Values) {
        if let Some(offset) = self.record_offset {
            values.push((catalog_column::RECORD_OFFSET, offset.to_le_bytes().to_vec()));
        }
        if let Some(default) = &self.default {
            values.push((catalog_column::DEFAULT_VALUE, default.clone()));
        }
    }
}

impl IndexEntry {
    fn add_to(&self, values: &mut Values) {
        if let Some(flags) = self.lc_map_flags {
            values.push((catalog_column::LC_MAP_FLAGS, flags.to_le_bytes().to_vec()));
        }
        if self.key_most != DEFAULT_KEY_MOST {
            values.push((catalog_column::KEY_MOST, self.key_most.to_le_bytes().to_vec()));
        }
        values.push((catalog_column::KEY_FIELD_IDS, segments(&self.segments)));
        if let Some(most) = self.var_seg_mac {
            values.push((catalog_column::VAR_SEG_MAC, most.to_le_bytes().to_vec()));
        }
        if !self.conditions.is_empty() {
            values.push((catalog_column::CONDITIONAL_COLUMNS, segments(&self.conditions)));
        }
        if let Some(limits) = &self.tuple_limits {
            values.push((catalog_column::TUPLE_LIMITS, limits.to_bytes()));
        }
        if let Some(locale) = &self.locale {
            let locale = locale.encode_utf16().flat_map(u16::to_le_bytes).collect();
            values.push((catalog_column::LOCALE_NAME, locale));
        }
    }
}

impl TupleLimits {
    fn to_bytes(self) -> Vec<u8> {
        let numbers = [self.shortest, self.longest, self.most, self.step, self.start];
        numbers.into_iter().flat_map(u32::to_le_bytes).collect()
    }
}

fn segments(segments: &[SegmentEntry]) -> Vec<u8> {
    let bytes = segments.iter().flat_map(|segment| {
        let [low, high] = segment.column.0.to_le_bytes();
        [segment.flags.bits(), 0, low, high]
    });
    bytes.collect()
}

/// What the keys of all entries of a table in the index `Id` begin with, of all kinds or of one.
///
/// # Errors
/// None in fact.
pub fn catalog_key_prefix(table: u32, kind: Option<u16>) -> Result<Vec<u8>, FormatError> {
    Ok(start_of_key(table, kind)?.finish())
}

/// Key in the index `Name`: table, type, name.
///
/// # Errors
/// The name is not ASCII.
pub fn catalog_name_key(table: u32, kind: u16, name: &str) -> Result<Vec<u8>, FormatError> {
    let mut key = start_of_key(table, Some(kind))?;
    key.push(ascending(ColumnType::Text), Some(ascii(name)?))?;
    Ok(key.finish())
}

/// Key in the index `RootObjects`, which has tables only: root flag, name.
///
/// # Errors
/// The name is not ASCII.
pub fn catalog_root_key(name: &str) -> Result<Vec<u8>, FormatError> {
    let mut key = KeyWriter::new(KeyRules::default());
    key.push(ascending(ColumnType::Bit), Some(TRUE))?;
    key.push(ascending(ColumnType::Text), Some(ascii(name)?))?;
    Ok(key.finish())
}

fn start_of_key(table: u32, kind: Option<u16>) -> Result<KeyWriter, FormatError> {
    let mut key = KeyWriter::new(KeyRules::default());
    key.push(ascending(ColumnType::Long), Some(&table.to_le_bytes()))?;
    if let Some(kind) = kind {
        key.push(ascending(ColumnType::Short), Some(&kind.to_le_bytes()))?;
    }
    Ok(key)
}

fn ascending(kind: ColumnType) -> KeySegment {
    KeySegment {
        kind,
        is_fixed: kind != ColumnType::Text,
        code_page: CODE_PAGE_WESTERN,
        descending: false,
    }
}

fn ascii(name: &str) -> Result<&[u8], FormatError> {
    if name.is_ascii() {
        Ok(name.as_bytes())
    } else {
        Err(error("names are written in ASCII only"))
    }
}

fn error(what: &'static str) -> FormatError {
    FormatError::other(Structure::Catalog, 0, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{IndexFlags, SegmentFlags, TableFlags};

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn entry(name: &str, object: CatalogObject) -> CatalogEntry {
        CatalogEntry {
            objid_table: 8,
            name: name.into(),
            object,
        }
    }

    fn index() -> IndexEntry {
        IndexEntry {
            objid: 8,
            pgno_fdp: 0x1f,
            flags: IndexFlags::from_bits_retain(0x0001_002f),
            density: 80,
            key_most: 5,
            var_seg_mac: None,
            lc_map_flags: Some(LC_MAP_FLAGS),
            locale: Some(LOCALE_NAME.into()),
            segments: vec![SegmentEntry {
                column: ColumnId(1),
                flags: SegmentFlags::empty(),
            }],
            conditions: Vec::new(),
            tuple_limits: None,
        }
    }

    /// Section 6.5: table and index of basic.edb, but for the filler of NULLs.
    #[test]
    fn entries_are_those_of_a_genuine_catalog() {
        let table = TableEntry {
            pgno_fdp: 0x1f,
            flags: TableFlags::empty(),
            pages: 4,
            density: 80,
            long_value_chunk: None,
            separate_at: None,
            template: None,
        };
        let table = entry("basic", CatalogObject::Table(table));
        assert_eq!(
            hex(&table.record(PageSize::Kib4).unwrap()),
            "08802000080000000100080000001f000000500000000000000004000000ff0005006261736963"
        );
        assert_eq!(hex(&table.primary_key().unwrap()), "7f800000087f80017f80000008");
        assert_eq!(hex(&table.root_key().unwrap().unwrap()), "7fff7f424153494300");

        let index = entry("IxId", CatalogObject::Index(index()));
        assert_eq!(
            hex(&index.record(PageSize::Kib4).unwrap()),
            "0b842900080000000300080000001f000000500000002f00010000000000000000010403000500\
             80f9040004800480048008004978496400000100050104400165006e002d0055005300"
        );
        assert_eq!(hex(&index.name_key().unwrap()), "7f800000087f80037f4958494400");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let column = ColumnEntry {
            id: ColumnId(2),
            kind: Some(ColumnType::Long),
            coltyp: 4,
            size: 4,
            flags: crate::format::ColumnFlags::DEFAULT,
            code_page: 0,
            record_offset: Some(8),
            default: Some(vec![1, 2, 3, 4]),
        };
        let table = TableEntry {
            pgno_fdp: 31,
            flags: TableFlags::SYSTEM,
            pages: 1,
            density: 92,
            long_value_chunk: Some(4014),
            separate_at: Some(200),
            template: Some("other".into()),
        };
        let tree = crate::format::LongValueEntry {
            objid: 9,
            pgno_fdp: 40,
        };
        let index = IndexEntry {
            var_seg_mac: Some(7),
            conditions: index().segments,
            tuple_limits: Some(TupleLimits {
                shortest: 3,
                longest: 10,
                most: 100,
                step: 1,
                start: 0,
            }),
            ..index()
        };
        for size in [PageSize::Kib4, PageSize::Kib32] {
            for object in [
                CatalogObject::Table(table.clone()),
                CatalogObject::Column(column.clone()),
                CatalogObject::Index(index.clone()),
                CatalogObject::LongValue(tree),
            ] {
                let entry = entry("name", object);
                assert_eq!(
                    CatalogEntry::read(size, &entry.record(size).unwrap()).unwrap(),
                    entry
                );
            }
        }
    }
}
