//! The catalog entries of a table that was written (database-file.md sections 6.4 and 6.5).

use super::layout::{ColumnLayout, IndexLayout, TableLayout};
use super::page_file::TreeIdentity;
use super::schema::Storage;
use super::system_tables::{Object, ObjectKind};
use super::table::TableTrees;
use crate::format::{CatalogDetail, CatalogRow};

/// Density of tables and indexes, in percent.
const DENSITY: u32 = 80;
/// Density of long value trees.
const LONG_VALUE_DENSITY: u32 = 100;

/// Table, columns, indexes, long value tree.
pub(super) fn catalog_of(layout: &TableLayout, trees: &TableTrees) -> Vec<CatalogRow> {
    let table = trees.table.objid;
    let entry = |tree: TreeIdentity, name: &str, detail| CatalogRow {
        table,
        id: tree.objid,
        column_type_or_root: tree.root,
        space_usage: DENSITY,
        flags: 0,
        pages_or_locale: 0,
        name: name.into(),
        detail,
    };
    let mut rows = vec![CatalogRow {
        pages_or_locale: trees.pages,
        ..entry(trees.table, &layout.name, CatalogDetail::Table)
    }];
    rows.extend(layout.columns.iter().map(|column| column_entry(table, column)));
    let indexes = layout.secondary.iter().zip(&trees.secondary);
    for (index, &tree) in indexes.chain([(&layout.primary, &trees.table)]) {
        rows.push(CatalogRow {
            flags: index.schema.flags.bits(),
            ..entry(tree, &index.schema.name, index_detail(index))
        });
    }
    rows.extend(trees.long_values.map(|tree| CatalogRow {
        space_usage: LONG_VALUE_DENSITY,
        pages_or_locale: 1,
        ..entry(tree, "LV", CatalogDetail::LongValue)
    }));
    rows
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

fn column_entry(table: u32, column: &ColumnLayout) -> CatalogRow {
    let schema = &column.schema;
    CatalogRow {
        table,
        id: u32::from(column.id),
        column_type_or_root: schema.kind.number(),
        space_usage: schema.max_len,
        flags: schema.flags.bits(),
        pages_or_locale: u32::from(schema.code_page),
        name: schema.name.clone(),
        detail: if schema.storage == Storage::Fixed {
            CatalogDetail::FixedColumn {
                record_offset: column.record_offset,
                default: None,
            }
        } else {
            CatalogDetail::OtherColumn
        },
    }
}

fn index_detail(index: &IndexLayout) -> CatalogDetail {
    CatalogDetail::Index {
        segments: index.segments.iter().map(|segment| segment.catalog).collect(),
        key_most: index.schema.key_most,
    }
}
