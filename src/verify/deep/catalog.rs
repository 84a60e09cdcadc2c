//! The catalog: equal to its shadow (database-file.md section 6.1), and what it says of tables.

use super::Check;
use super::census::Territory;
use super::finding::{FindingKind, hex};
use crate::error::JetError;
use crate::format::{
    CATALOG_OBJID, CATALOG_ROOT, CatalogEntry, CatalogObject, ColumnClass, ColumnType, IndexFlags,
    SHADOW_CATALOG_OBJID, SHADOW_CATALOG_ROOT,
};
use crate::store::{Entry, Scan, Schema, Table, TableSchema, Tree};
use std::cmp::Ordering;
use std::collections::HashSet;

const CATALOG: &str = "table MSysObjects";
const SHADOW: &str = "table MSysObjectsShadow";
/// `ulDbFlags`: the catalog has no shadow.
const SHADOW_DISABLED: u32 = 1;

impl Check<'_> {
    /// The catalog, or its shadow if the catalog cannot be read.
    pub(super) fn schema(&mut self) -> Option<Schema> {
        match Schema::load(self.database) {
            Ok(schema) => {
                if let Some(damage) = &schema.damage {
                    self.unreadable_catalog(CATALOG, damage);
                }
                self.check_entries(&schema);
                Some(schema)
            }
            Err(error) => {
                self.unreadable_catalog(CATALOG, &error);
                None
            }
        }
    }

    /// Every entry belongs to a table.
    fn check_entries(&mut self, schema: &Schema) {
        let tables: HashSet<u32> = schema.tables.iter().map(|table| table.objid).collect();
        let rows = Tree::new(self.database, CATALOG_ROOT, CATALOG_OBJID).scan();
        for row in rows.into_iter().flatten().map_while(Result::ok) {
            let entry = CatalogEntry::read(self.database.page_size(), row.data());
            if let Ok(entry) = entry
                && !tables.contains(&entry.objid_table)
            {
                let what = format!(
                    "entry {} belongs to table {}, which does not exist",
                    entry.name, entry.objid_table
                );
                self.findings
                    .add(FindingKind::Catalog, Some(row.pgno()), CATALOG, what);
            }
        }
    }

    /// Checks a table, if its template exists.
    pub(super) fn open_table(&mut self, schema: &Schema, table: &TableSchema, lender: Option<&Territory>) {
        self.check_primary(table);
        match Table::of(self.database, schema, table) {
            Ok(opened) => self.check_table(table, &opened, lender),
            Err(error) => {
                let (name, what) = (format!("table {}", table.name), error.cause().to_string());
                self.findings.add(FindingKind::Catalog, None, &name, what);
            }
        }
    }

    /// The primary index is the table itself.
    fn check_primary(&mut self, table: &TableSchema) {
        for index in &table.indexes {
            let entry = &index.entry;
            let same = (entry.objid, entry.pgno_fdp) == (table.objid, table.table.pgno_fdp);
            if entry.flags.contains(IndexFlags::PRIMARY) != same {
                let name = format!("table {}", table.name);
                let what = format!(
                    "index {} is object {} with root page {}, the table {} with {}: they must be the same exactly if \
                     it is the primary index",
                    index.name, entry.objid, entry.pgno_fdp, table.objid, table.table.pgno_fdp
                );
                self.findings.add(FindingKind::Catalog, None, &name, what);
            }
        }
    }

    fn unreadable_catalog(&mut self, which: &str, error: &JetError) {
        let what = format!("the catalog cannot be read: {}", error.cause());
        self.findings
            .add(FindingKind::Catalog, error.place().page, which, what);
    }

    /// Compares the catalog with its shadow, row by row.
    pub(super) fn check_shadow(&mut self) {
        if self.database.header().flags & SHADOW_DISABLED != 0 {
            return;
        }
        let scan = |root, objid| Tree::new(self.database, root, objid).scan();
        let catalog = scan(CATALOG_ROOT, CATALOG_OBJID);
        let shadow = scan(SHADOW_CATALOG_ROOT, SHADOW_CATALOG_OBJID);
        match (catalog, shadow) {
            (Ok(catalog), Ok(shadow)) => self.compare_rows(catalog, shadow),
            (Err(error), _) => self.unreadable_catalog(CATALOG, &error),
            (_, Err(error)) => self.unreadable_catalog(SHADOW, &error),
        }
    }

    fn compare_rows(&mut self, mut catalog: Scan<'_>, mut shadow: Scan<'_>) {
        let mut left = self.row(CATALOG, &mut catalog);
        let mut right = self.row(SHADOW, &mut shadow);
        loop {
            let order = match (&left, &right) {
                (Some(left), Some(right)) => left.key().cmp(right.key()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return,
            };
            match (order, &left, &right) {
                (Ordering::Less, Some(row), _) => self.shadow_differs(row, CATALOG, "the shadow lacks"),
                (Ordering::Greater, _, Some(row)) if self.is_deleted_column(row) => {}
                (Ordering::Greater, _, Some(row)) => self.shadow_differs(row, SHADOW, "the catalog lacks"),
                (_, Some(row), Some(copy)) if row.data() != copy.data() => {
                    self.shadow_differs(copy, SHADOW, "the catalog has otherwise");
                }
                _ => {}
            }
            if order != Ordering::Greater {
                left = self.row(CATALOG, &mut catalog);
            }
            if order != Ordering::Less {
                right = self.row(SHADOW, &mut shadow);
            }
        }
    }

    /// Whether the row is that of a deleted variable or tagged column. When the genuine engine opens the table it removes
    /// such rows, but for the last one of their kind, and from the catalog only.
    fn is_deleted_column(&self, row: &Entry) -> bool {
        let entry = CatalogEntry::read(self.database.page_size(), row.data());
        let Ok(CatalogObject::Column(column)) = entry.map(|entry| entry.object) else {
            return false;
        };
        column.kind == Some(ColumnType::Nil) && column.id.class() != ColumnClass::Fixed
    }

    fn row(&mut self, which: &str, scan: &mut Scan<'_>) -> Option<Entry> {
        match scan.next()? {
            Ok(entry) => Some(entry),
            Err(error) => {
                self.unreadable_catalog(which, &error);
                None
            }
        }
    }

    fn shadow_differs(&mut self, row: &Entry, which: &str, how: &str) {
        let what = format!("{how} the row with key {}", hex(row.key()));
        self.findings
            .add(FindingKind::Shadow, Some(row.pgno()), which, what);
    }
}
