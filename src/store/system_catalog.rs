//! What the catalog and the other system tables of a new database say: one place for bulk load and engine
//! (database-file.md sections 5.5, 6.1 to 6.4 and 6.7).

use crate::format::{
    CATALOG_COLUMNS, CATALOG_OBJID, CATALOG_ROOT, CatalogEntry, CatalogObject, ColumnEntry, ColumnFlags,
    ColumnId, ColumnType, DEFAULT_KEY_MOST, FixedField, FormatError, IndexEntry, IndexFlags, KeyRules,
    KeySegment, KeyWriter, LC_MAP_FLAGS, LOCALE_NAME, PageSize, RecordWriter, SHADOW_CATALOG_OBJID,
    SHADOW_CATALOG_ROOT, SegmentEntry, SegmentFlags, TableEntry, TableFlags, TaggedField, TaggedValue,
};

/// Root of the index `Name` of MSysObjects.
pub(crate) const NAME_ROOT: u32 = 7;
/// Its objid.
pub(crate) const NAME_OBJID: u32 = 4;
/// Root of the index `RootObjects` of MSysObjects.
pub(crate) const ROOT_OBJECTS_ROOT: u32 = 10;
/// Its objid.
pub(crate) const ROOT_OBJECTS_OBJID: u32 = 5;
/// Pages that MSysObjects is made with.
pub(crate) const CATALOG_PAGES: u32 = 20;
/// Pages that its shadow is made with.
pub(crate) const SHADOW_PAGES: u32 = 5;
/// Pages that its indexes are made with.
pub(crate) const CATALOG_INDEX_PAGES: u32 = 3;
/// Root of MSysObjids in a new database.
pub(crate) const OBJIDS_ROOT: u32 = 29;
/// objid of MSysObjids in a new database.
pub(crate) const OBJIDS_OBJID: u32 = 6;
/// Root of MSysLocales in a new database.
pub(crate) const LOCALES_ROOT: u32 = 30;
/// objid of MSysLocales in a new database.
pub(crate) const LOCALES_OBJID: u32 = 7;
/// Density of tables and indexes whose maker does not say another one, in percent.
pub(crate) const DENSITY: u32 = 80;

/// Name of the table that says which table an objid belongs to.
pub(crate) const OBJIDS_NAME: &str = "MSysObjids";

/// The kinds of objects that have an objid, with their numbers in MSysObjids and in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Table = 1,
    Index = 3,
    LongValue = 4,
}

/// A record of MSysObjids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) objid: u32,
    /// objid of its table.
    pub(crate) table: u32,
    pub(crate) kind: ObjectKind,
}

impl Object {
    /// Its key in MSysObjids.
    pub(crate) fn key(self) -> Result<Vec<u8>, FormatError> {
        key(ColumnType::Long, &self.objid.to_le_bytes())
    }

    /// The record.
    pub(crate) fn record(self, size: PageSize) -> Result<Vec<u8>, FormatError> {
        let kind = [self.kind as u8, 0];
        let (objid, table) = (self.objid.to_le_bytes(), self.table.to_le_bytes());
        let field = |id, value| TaggedField {
            id,
            is_long: false,
            values: vec![TaggedValue::Intrinsic(value)],
        };
        RecordWriter {
            tagged: vec![field(256, &objid), field(257, &table), field(258, &kind)],
            ..RecordWriter::default()
        }
        .to_bytes(size)
    }
}

/// The records of MSysObjids about the system's own trees, as the engine writes them.
pub(crate) fn system_objects() -> [Object; 6] {
    let object = |objid, table, kind| Object { objid, table, kind };
    [
        object(CATALOG_OBJID, CATALOG_OBJID, ObjectKind::Table),
        object(SHADOW_CATALOG_OBJID, SHADOW_CATALOG_OBJID, ObjectKind::Table),
        object(NAME_OBJID, CATALOG_OBJID, ObjectKind::Index),
        object(ROOT_OBJECTS_OBJID, CATALOG_OBJID, ObjectKind::Index),
        object(OBJIDS_OBJID, OBJIDS_OBJID, ObjectKind::Table),
        object(LOCALES_OBJID, LOCALES_OBJID, ObjectKind::Table),
    ]
}

/// The key of a record, and the record.
pub(crate) type KeyAndRecord = (Vec<u8>, Vec<u8>);

/// Keys and records of MSysLocales in a database without Unicode indexes.
pub(crate) fn locale_records(size: PageSize) -> Result<Vec<KeyAndRecord>, FormatError> {
    const RECORDS: [(&str, u8, u32); 7] = [
        (".Schema\\External\\Major", 1, 1),
        (".Schema\\External\\Minor", 1, 0),
        (".Schema\\External\\Update", 1, 0),
        (".Schema\\Internal\\Major", 1, 1),
        (".Schema\\Internal\\Minor", 1, 0),
        (".Schema\\Internal\\Update", 1, 0),
        ("MSysLocalesConsistent", 2, 1),
    ];
    let record = |&(name, kind, value): &(&str, u8, u32)| {
        let name = name.encode_utf16().chain([0]);
        let name: Vec<u8> = name.flat_map(u16::to_le_bytes).collect();
        let field = |len, value| FixedField {
            len,
            value: Some(value),
        };
        let record = RecordWriter {
            fixed: vec![field(1, &[kind]), field(4, &value.to_le_bytes())],
            variable: vec![Some(&name)],
            tagged: vec![],
        }
        .to_bytes(size)?;
        Ok((key(ColumnType::Binary, &name)?, record))
    };
    RECORDS.iter().map(record).collect()
}

fn key(kind: ColumnType, value: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut key = KeyWriter::new(KeyRules::default());
    let segment = KeySegment {
        kind,
        is_fixed: false,
        code_page: 0,
        descending: false,
    };
    key.push(segment, Some(value))?;
    Ok(key.finish())
}

/// The entries of MSysObjects and of its shadow, in the order in which the engine makes them.
pub(crate) fn catalog_entries() -> Vec<CatalogEntry> {
    let flags = TableFlags::SYSTEM | TableFlags::FIXED_DDL;
    let unique = IndexFlags::EXTENDED_COLUMNS | IndexFlags::UNIQUE;
    let id = unique | IndexFlags::PRIMARY | IndexFlags::NO_NULL_SEGMENT;
    let (catalog, shadow) = (
        (CATALOG_OBJID, CATALOG_ROOT),
        (SHADOW_CATALOG_OBJID, SHADOW_CATALOG_ROOT),
    );
    let mut entries = vec![table(catalog, "MSysObjects", (DENSITY, flags, CATALOG_PAGES))];
    entries.extend(catalog_columns(CATALOG_OBJID));
    entries.push(table(shadow, "MSysObjectsShadow", (DENSITY, flags, SHADOW_PAGES)));
    entries.extend(catalog_columns(SHADOW_CATALOG_OBJID));
    let name = (NAME_OBJID, NAME_ROOT);
    let root_objects = (ROOT_OBJECTS_OBJID, ROOT_OBJECTS_ROOT);
    entries.extend([
        index(CATALOG_OBJID, catalog, "Id", (id, DENSITY), &[1, 2, 3]),
        index(SHADOW_CATALOG_OBJID, shadow, "Id", (id, DENSITY), &[1, 2, 3]),
        index(
            CATALOG_OBJID,
            name,
            "Name",
            (unique | IndexFlags::NO_NULL_SEGMENT, DENSITY),
            &[1, 2, 128],
        ),
        index(
            CATALOG_OBJID,
            root_objects,
            "RootObjects",
            (unique | IndexFlags::ALLOW_SOME_NULLS, DENSITY),
            &[8, 128],
        ),
    ]);
    entries
}

/// The entries of MSysObjids.
pub(crate) fn objids_entries(root: u32) -> Vec<CatalogEntry> {
    let flags = TableFlags::SYSTEM | TableFlags::FIXED_DDL | TableFlags::SYSTEM_DYNAMIC;
    let tree = (OBJIDS_OBJID, root);
    let column = |id, name, kind| column(OBJIDS_OBJID, id, name, kind, ColumnFlags::empty());
    vec![
        table(tree, OBJIDS_NAME, (100, flags, 0)),
        column(256, "objid", ColumnType::Long),
        column(257, "objidTable", ColumnType::Long),
        column(258, "type", ColumnType::Short),
        index(OBJIDS_OBJID, tree, "primary", (default_primary(), 100), &[256]),
    ]
}

/// The entries of MSysLocales. It is not fixed: the engine adds columns to it when it upgrades the file (section 6.4).
pub(crate) fn locales_entries() -> Vec<CatalogEntry> {
    let tree = (LOCALES_OBJID, LOCALES_ROOT);
    let flags = TableFlags::SYSTEM | TableFlags::SYSTEM_DYNAMIC;
    let counter = ColumnFlags::ESCROW_UPDATE | ColumnFlags::DEFAULT;
    let column = |id, name, kind, flags| column(LOCALES_OBJID, id, name, kind, flags);
    let mut kind = column(1, "Type", ColumnType::UnsignedByte, ColumnFlags::NOT_NULL);
    let mut value = column(2, "iValue", ColumnType::Long, counter);
    if let CatalogObject::Column(kind) = &mut kind.object {
        kind.record_offset = Some(4);
    }
    if let CatalogObject::Column(value) = &mut value.object {
        value.record_offset = Some(5);
        value.default = Some(vec![0; 4]);
    }
    vec![
        table(tree, "MSysLocales", (92, flags, 0)),
        kind,
        value,
        column(128, "Key", ColumnType::Binary, ColumnFlags::empty()),
        index(
            LOCALES_OBJID,
            tree,
            "KeyPrimary",
            (default_primary() | IndexFlags::DISALLOW_TRUNCATION, 92),
            &[128],
        ),
    ]
}

fn catalog_columns(table: u32) -> impl Iterator<Item = CatalogEntry> {
    CATALOG_COLUMNS.iter().map(move |facts| {
        let mut flags = ColumnFlags::empty();
        flags.set(ColumnFlags::NOT_NULL, facts.not_null);
        let mut entry = column(table, facts.id.0, facts.name, facts.kind, flags);
        if let CatalogObject::Column(column) = &mut entry.object {
            // Genuine catalogs give each of their own columns this code page, and each fixed one this offset.
            column.code_page = 1252;
            column.record_offset = facts.kind.fixed_len().map(|_| 4);
        }
        entry
    })
}

fn default_primary() -> IndexFlags {
    IndexFlags::ALLOW_ANY_NULLS | IndexFlags::EXTENDED_COLUMNS | IndexFlags::UNIQUE | IndexFlags::PRIMARY
}

fn table((objid, root): (u32, u32), name: &str, facts: (u32, TableFlags, u32)) -> CatalogEntry {
    let (density, flags, pages) = facts;
    CatalogEntry {
        objid_table: objid,
        name: name.into(),
        object: CatalogObject::Table(TableEntry {
            pgno_fdp: root,
            flags,
            pages,
            density,
            long_value_chunk: None,
            separate_at: None,
            template: None,
        }),
    }
}

/// A column with the length that its type has: exact, 255, or without limit.
fn column(table: u32, id: u16, name: &str, kind: ColumnType, flags: ColumnFlags) -> CatalogEntry {
    CatalogEntry {
        objid_table: table,
        name: name.into(),
        object: CatalogObject::Column(ColumnEntry {
            id: ColumnId(id),
            kind: Some(kind),
            coltyp: kind.number(),
            size: kind.longest(),
            flags,
            code_page: 0,
            record_offset: None,
            default: None,
        }),
    }
}

fn index(
    table: u32,
    (objid, root): (u32, u32),
    name: &str,
    facts: (IndexFlags, u32),
    columns: &[u16],
) -> CatalogEntry {
    let (flags, density) = facts;
    let segment = |&column: &u16| SegmentEntry {
        column: ColumnId(column),
        flags: SegmentFlags::empty(),
    };
    CatalogEntry {
        objid_table: table,
        name: name.into(),
        object: CatalogObject::Index(IndexEntry {
            objid,
            pgno_fdp: root,
            flags,
            density,
            key_most: DEFAULT_KEY_MOST,
            var_seg_mac: None,
            lc_map_flags: Some(LC_MAP_FLAGS),
            locale: Some(LOCALE_NAME.into()),
            segments: columns.iter().map(segment).collect(),
            conditions: Vec::new(),
            tuple_limits: None,
        }),
    }
}
