//! The catalog entries of a table that was written (database-file.md sections 6.4 and 6.5).

use super::layout::{ColumnLayout, IndexLayout, TableLayout};
use super::page_file::TreeIdentity;
use super::schema::Storage;
use super::table::TableTrees;
use crate::format::{
    CatalogEntry, CatalogObject, ColumnEntry, ColumnId, IndexEntry, LC_MAP_FLAGS, LOCALE_NAME,
    LongValueEntry, TableEntry, TableFlags,
};
use crate::store::system_catalog::{DENSITY, Object, ObjectKind};

/// Table, columns, indexes, long value tree.
pub(super) fn catalog_of(layout: &TableLayout, trees: &TableTrees) -> Vec<CatalogEntry> {
    let entry = |name: &str, object| CatalogEntry {
        objid_table: trees.table.objid,
        name: name.into(),
        object,
    };
    let table = TableEntry {
        pgno_fdp: trees.table.root,
        flags: TableFlags::empty(),
        pages: trees.pages,
        density: DENSITY,
        long_value_chunk: None,
        separate_at: None,
        template: None,
    };
    let mut entries = vec![entry(&layout.name, CatalogObject::Table(table))];
    entries.extend(layout.columns.iter().map(|column| {
        let object = CatalogObject::Column(column_entry(column));
        entry(&column.schema.name, object)
    }));
    let indexes = layout.secondary.iter().zip(&trees.secondary);
    entries.extend(
        indexes
            .chain([(&layout.primary, &trees.table)])
            .map(|(index, tree)| {
                let object = CatalogObject::Index(index_entry(index, *tree));
                entry(&index.schema.name, object)
            }),
    );
    entries.extend(trees.long_values.map(|tree| {
        let tree = LongValueEntry {
            objid: tree.objid,
            pgno_fdp: tree.root,
        };
        entry("LV", CatalogObject::LongValue(tree))
    }));
    entries
}

/// The entries of MSysObjids: a primary index is its table.
pub(super) fn objects_of(trees: &TableTrees) -> Vec<Object> {
    let table = trees.table.objid;
    let object = |objid, kind| Object { objid, table, kind };
    let mut objects = vec![object(table, ObjectKind::Table)];
    objects.extend(
        trees
            .secondary
            .iter()
            .map(|tree| object(tree.objid, ObjectKind::Index)),
    );
    objects.extend(
        trees
            .long_values
            .map(|tree| object(tree.objid, ObjectKind::LongValue)),
    );
    objects
}

fn column_entry(column: &ColumnLayout) -> ColumnEntry {
    let schema = &column.schema;
    ColumnEntry {
        id: ColumnId(column.id),
        kind: Some(schema.kind),
        coltyp: schema.kind.number(),
        size: schema.max_len,
        flags: schema.flags,
        code_page: schema.code_page,
        record_offset: (schema.storage == Storage::Fixed).then_some(column.record_offset),
        default: None,
    }
}

fn index_entry(index: &IndexLayout, tree: TreeIdentity) -> IndexEntry {
    IndexEntry {
        objid: tree.objid,
        pgno_fdp: tree.root,
        flags: index.schema.flags,
        density: DENSITY,
        key_most: index.schema.key_most,
        var_seg_mac: None,
        lc_map_flags: Some(LC_MAP_FLAGS),
        locale: Some(LOCALE_NAME.into()),
        segments: index.segments.iter().map(|segment| segment.catalog).collect(),
        conditions: Vec::new(),
        tuple_limits: None,
    }
}
