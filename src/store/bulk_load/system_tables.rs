//! The tables that the engine itself needs in every database, at the places where it expects them
//! (database-file.md sections 5.5, 6.1 to 6.4, 6.7 and 11.1).

use super::page_file::{PageFile, TreeIdentity};
use super::space::{Growth, Space, write_space_tree};
use super::table::{SYSTEM_ROOT, single_page};
use super::tree::TreeWriter;
use crate::error::JetResult;
use crate::format::{
    CATALOG_COLUMNS, CatalogDetail, CatalogRow, ColumnFlags, ColumnType, DEFAULT_KEY_MOST, Extent,
    FixedField, FormatError, FreeSpace, IndexFlags, IndexSegment, KeyRules, KeySegment, KeyWriter, PageFlags,
    PageSize, PageWriter, RecordWriter, SpaceFlags, SpaceHeader, TableFlags, TaggedField, TaggedValue,
};

/// Pages that stand at fixed places; the first free one for user tables is the next.
pub(super) const RESERVED_PAGES: u32 = 30;
/// Objid of the first user table.
pub(super) const FIRST_USER_OBJID: u32 = 8;
/// A new database has at least as many pages.
const INITIAL_PAGES: u32 = 254;
/// Root of MSysObjids while it is one page.
const OBJIDS_PAGE: u32 = 29;

const OBJECTS: TreeIdentity = tree(4, 2, PageFlags::empty());
const OBJECTS_NAME: TreeIdentity = tree(7, 4, PageFlags::INDEX);
const ROOT_OBJECTS: TreeIdentity = tree(10, 5, PageFlags::INDEX);
const SHADOW: TreeIdentity = tree(24, 3, PageFlags::empty());
const LOCALES: TreeIdentity = tree(30, 7, PageFlags::empty());
const OBJIDS: u32 = 6;

const fn tree(root: u32, objid: u32, kind: PageFlags) -> TreeIdentity {
    TreeIdentity { root, objid, kind }
}

/// Number of an object's kind in MSysObjids and in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Table = 1,
    Index = 3,
    LongValue = 4,
}

/// A record of MSysObjids.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object {
    pub(super) objid: u32,
    pub(super) table: u32,
    pub(super) kind: ObjectKind,
}

/// Writes every system table and the space of the file; returns the file's last page.
pub(super) fn write(file: &mut PageFile, mut catalog: Vec<CatalogRow>, objects: &[Object]) -> JetResult<u32> {
    let size = file.size();
    let objids = write_objids(file, objects)?;
    write_locales(file)?;
    catalog.extend(system_catalog(objids));
    let mut rows = Vec::new();
    for row in &catalog {
        rows.push((row.primary_key()?, row.record(size)?));
    }
    rows.sort_unstable();
    let mut space = Space::new(4, 23, 13, Growth::Single);
    write_tree(file, OBJECTS, &mut space, &rows, SYSTEM_ROOT)?;
    let names = sorted(&catalog, |row| row.name_key().map(Some))?;
    write_catalog_index(file, OBJECTS_NAME, &mut space, &names)?;
    let roots = sorted(&catalog, CatalogRow::root_key)?;
    write_catalog_index(file, ROOT_OBJECTS, &mut space, &roots)?;
    space.write_trees(file, OBJECTS)?;

    let mut space = Space::new(24, 28, 27, Growth::Single);
    write_tree(file, SHADOW, &mut space, &rows, SYSTEM_ROOT)?;
    space.write_trees(file, SHADOW)?;
    write_system_root(file, objids == OBJIDS_PAGE)
}

/// Index entries of the catalog: key and the row's primary key.
fn sorted(
    catalog: &[CatalogRow],
    key: impl Fn(&CatalogRow) -> Result<Option<Vec<u8>>, FormatError>,
) -> JetResult<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut entries = Vec::new();
    for row in catalog {
        if let Some(key) = key(row)? {
            entries.push((key, row.primary_key()?));
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

fn write_tree(
    file: &mut PageFile,
    tree: TreeIdentity,
    space: &mut Space,
    nodes: &[(Vec<u8>, Vec<u8>)],
    parent: u32,
) -> JetResult<()> {
    let mut writer = TreeWriter::new(file, tree);
    for (key, data) in nodes {
        writer.push(file, space, key.clone(), data.clone())?;
    }
    writer.finish(file, space, |_, space| Ok(space.header(tree, parent)))
}

/// An index of the catalog lives on pages that MSysObjects lends to it.
fn write_catalog_index(
    file: &mut PageFile,
    tree: TreeIdentity,
    lender: &mut Space,
    nodes: &[(Vec<u8>, Vec<u8>)],
) -> JetResult<()> {
    let mut space = Space::new(tree.root, tree.root + 2, tree.root + 3, Growth::Single);
    let lent = lender.spare_range();
    lender.lend_spare(&mut space);
    write_tree(file, tree, &mut space, nodes, OBJECTS.root)?;
    lender.settle(&mut space, lent);
    space.write_trees(file, tree)
}

/// The file's own space. Everything behind the last used page is free, and so is page 29 if nobody took it.
fn write_system_root(file: &PageFile, page_29_is_used: bool) -> JetResult<u32> {
    let used = file.last();
    let total = used.max(INITIAL_PAGES);
    let root = tree(SYSTEM_ROOT, 1, PageFlags::empty());
    let header = SpaceHeader {
        primary: total,
        parent: 0,
        flags: SpaceFlags::MULTIPLE_EXTENT,
        free: FreeSpace::OwnedExtents(2),
    };
    let page = PageWriter::new(file.size(), &header.to_bytes());
    file.write(page, root.root, root, PageFlags::ROOT | PageFlags::LEAF, (0, 0))?;
    let all = Extent {
        last: total,
        count: total,
    };
    write_space_tree(file, root, 2, &[all])?;
    let free = [
        Extent {
            last: OBJIDS_PAGE,
            count: u32::from(!page_29_is_used),
        },
        Extent {
            last: total,
            count: total - used,
        },
    ];
    write_space_tree(file, root, 3, &free)?;
    Ok(total)
}

/// MSysObjids: one page if its records fit, else a tree at the end of the file. Returns its root.
fn write_objids(file: &mut PageFile, objects: &[Object]) -> JetResult<u32> {
    let mut nodes = Vec::new();
    for object in system_objects().iter().chain(objects) {
        nodes.push((long_key(object.objid)?, object.record(file.size())?));
    }
    nodes.sort_unstable();
    let mut page = PageWriter::new(file.size(), &single_page().to_bytes());
    if nodes.iter().all(|(key, record)| page.push_node(key, record)) {
        let tree = tree(OBJIDS_PAGE, OBJIDS, PageFlags::empty());
        file.write(page, tree.root, tree, PageFlags::ROOT | PageFlags::LEAF, (0, 0))?;
        return Ok(OBJIDS_PAGE);
    }
    let (root, mut space) = Space::create(file, Growth::Single)?;
    let tree = tree(root, OBJIDS, PageFlags::empty());
    write_tree(file, tree, &mut space, &nodes, SYSTEM_ROOT)?;
    space.write_trees(file, tree)?;
    Ok(root)
}

impl Object {
    fn record(self, size: PageSize) -> Result<Vec<u8>, FormatError> {
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

fn system_objects() -> Vec<Object> {
    let object = |objid, table, kind| Object { objid, table, kind };
    vec![
        object(OBJECTS.objid, OBJECTS.objid, ObjectKind::Table),
        object(SHADOW.objid, SHADOW.objid, ObjectKind::Table),
        object(OBJECTS_NAME.objid, OBJECTS.objid, ObjectKind::Index),
        object(ROOT_OBJECTS.objid, OBJECTS.objid, ObjectKind::Index),
        object(OBJIDS, OBJIDS, ObjectKind::Table),
        object(LOCALES.objid, LOCALES.objid, ObjectKind::Table),
    ]
}

fn long_key(value: u32) -> Result<Vec<u8>, FormatError> {
    key(ColumnType::Long, &value.to_le_bytes())
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

/// MSysLocales: the records of a database without Unicode indexes.
fn write_locales(file: &mut PageFile) -> JetResult<()> {
    const RECORDS: [(&str, u8, u32); 7] = [
        (".Schema\\External\\Major", 1, 1),
        (".Schema\\External\\Minor", 1, 0),
        (".Schema\\External\\Update", 1, 0),
        (".Schema\\Internal\\Major", 1, 1),
        (".Schema\\Internal\\Minor", 1, 0),
        (".Schema\\Internal\\Update", 1, 0),
        ("MSysLocalesConsistent", 2, 1),
    ];
    let size = file.size();
    let mut page = PageWriter::new(size, &single_page().to_bytes());
    for (name, kind, value) in RECORDS {
        let name: Vec<u8> = name
            .encode_utf16()
            .chain([0])
            .flat_map(u16::to_le_bytes)
            .collect();
        let value = value.to_le_bytes();
        let record = RecordWriter {
            fixed: vec![
                FixedField {
                    len: 1,
                    value: Some(&[kind]),
                },
                FixedField {
                    len: 4,
                    value: Some(&value),
                },
            ],
            variable: vec![Some(&name)],
            tagged: vec![],
        }
        .to_bytes(size)?;
        // Seven short records fit a page of any size that is written.
        let _ = page.push_node(&key(ColumnType::Binary, &name)?, &record);
    }
    file.write(
        page,
        LOCALES.root,
        LOCALES,
        PageFlags::ROOT | PageFlags::LEAF,
        (0, 0),
    )
}

/// The entries of all system tables.
fn system_catalog(objids_root: u32) -> Vec<CatalogRow> {
    let catalog_flags = TableFlags::SYSTEM | TableFlags::FIXED_DDL;
    let mut rows = vec![
        table_row(
            OBJECTS.objid,
            OBJECTS.root,
            "MSysObjects",
            (80, catalog_flags, 20),
        ),
        table_row(
            SHADOW.objid,
            SHADOW.root,
            "MSysObjectsShadow",
            (80, catalog_flags, 5),
        ),
    ];
    rows.extend(catalog_columns(OBJECTS.objid));
    rows.extend(catalog_columns(SHADOW.objid));
    let unique = IndexFlags::EXTENDED_COLUMNS | IndexFlags::UNIQUE;
    let id = unique | IndexFlags::PRIMARY | IndexFlags::NO_NULL_SEGMENT;
    rows.extend([
        index_row(OBJECTS.objid, OBJECTS, "Id", (id, 80), &[1, 2, 3]),
        index_row(
            OBJECTS.objid,
            OBJECTS_NAME,
            "Name",
            (unique | IndexFlags::NO_NULL_SEGMENT, 80),
            &[1, 2, 128],
        ),
        index_row(
            OBJECTS.objid,
            ROOT_OBJECTS,
            "RootObjects",
            (unique | IndexFlags::ALLOW_SOME_NULLS, 80),
            &[8, 128],
        ),
        index_row(SHADOW.objid, SHADOW, "Id", (id, 80), &[1, 2, 3]),
    ]);
    rows.extend(objids_catalog(objids_root));
    rows.extend(locales_catalog());
    rows
}

fn catalog_columns(table: u32) -> impl Iterator<Item = CatalogRow> {
    CATALOG_COLUMNS.iter().map(move |column| {
        let mut flags = ColumnFlags::empty();
        flags.set(ColumnFlags::NOT_NULL, column.not_null);
        // Genuine catalogs give each of their own columns this code page and this offset.
        CatalogRow {
            pages_or_locale: 1252,
            ..column_row(
                table,
                u32::from(column.id.0),
                column.name,
                column.kind,
                (flags, 4),
            )
        }
    })
}

fn objids_catalog(root: u32) -> Vec<CatalogRow> {
    let flags = TableFlags::SYSTEM | TableFlags::FIXED_DDL | TableFlags::SYSTEM_DYNAMIC;
    let tree = tree(root, OBJIDS, PageFlags::empty());
    let column = |id, name, kind| CatalogRow {
        detail: CatalogDetail::OtherColumn,
        ..column_row(OBJIDS, id, name, kind, (ColumnFlags::empty(), 0))
    };
    vec![
        table_row(OBJIDS, root, "MSysObjids", (100, flags, 0)),
        column(256, "objid", ColumnType::Long),
        column(257, "objidTable", ColumnType::Long),
        column(258, "type", ColumnType::Short),
        index_row(OBJIDS, tree, "primary", (default_primary(), 100), &[256]),
    ]
}

/// Not fixed: the engine adds columns to MSysLocales when it upgrades the file (section 6.4).
fn locales_catalog() -> Vec<CatalogRow> {
    let table = LOCALES.objid;
    let flags = TableFlags::SYSTEM | TableFlags::SYSTEM_DYNAMIC;
    let counter = ColumnFlags::ESCROW_UPDATE | ColumnFlags::DEFAULT;
    vec![
        table_row(table, LOCALES.root, "MSysLocales", (92, flags, 0)),
        column_row(
            table,
            1,
            "Type",
            ColumnType::UnsignedByte,
            (ColumnFlags::NOT_NULL, 4),
        ),
        CatalogRow {
            detail: CatalogDetail::FixedColumn {
                record_offset: 5,
                default: Some(vec![0; 4]),
            },
            ..column_row(table, 2, "iValue", ColumnType::Long, (counter, 5))
        },
        column_row(table, 128, "Key", ColumnType::Binary, (ColumnFlags::empty(), 0)),
        index_row(
            table,
            LOCALES,
            "KeyPrimary",
            (default_primary() | IndexFlags::DISALLOW_TRUNCATION, 92),
            &[128],
        ),
    ]
}

fn default_primary() -> IndexFlags {
    IndexFlags::EXTENDED_COLUMNS
        | IndexFlags::UNIQUE
        | IndexFlags::PRIMARY
        | IndexFlags::ALLOW_ALL_NULLS
        | IndexFlags::ALLOW_FIRST_NULL
        | IndexFlags::ALLOW_SOME_NULLS
}

fn table_row(objid: u32, root: u32, name: &str, facts: (u32, TableFlags, u32)) -> CatalogRow {
    let (space_usage, flags, pages) = facts;
    CatalogRow {
        table: objid,
        id: objid,
        column_type_or_root: root,
        space_usage,
        flags: flags.bits(),
        pages_or_locale: pages,
        name: name.into(),
        detail: CatalogDetail::Table,
    }
}

/// A column with the length that its type has: exact, 255, or without limit.
fn column_row(table: u32, id: u32, name: &str, kind: ColumnType, facts: (ColumnFlags, u16)) -> CatalogRow {
    let (flags, record_offset) = facts;
    let len = match kind.fixed_len() {
        Some(len) => u32::try_from(len).unwrap_or(0),
        None if kind.is_long() => 0,
        None => 255,
    };
    CatalogRow {
        table,
        id,
        column_type_or_root: kind.number(),
        space_usage: len,
        flags: flags.bits(),
        pages_or_locale: 0,
        name: name.into(),
        detail: if id < 128 {
            CatalogDetail::FixedColumn {
                record_offset,
                default: None,
            }
        } else {
            CatalogDetail::OtherColumn
        },
    }
}

fn index_row(
    table: u32,
    tree: TreeIdentity,
    name: &str,
    facts: (IndexFlags, u32),
    columns: &[u16],
) -> CatalogRow {
    let (flags, space_usage) = facts;
    let segment = |&column: &u16| IndexSegment {
        column,
        descending: false,
    };
    CatalogRow {
        table,
        id: tree.objid,
        column_type_or_root: tree.root,
        space_usage,
        flags: flags.bits(),
        pages_or_locale: 0,
        name: name.into(),
        detail: CatalogDetail::Index {
            segments: columns.iter().map(segment).collect(),
            key_most: DEFAULT_KEY_MOST,
        },
    }
}
