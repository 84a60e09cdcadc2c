//! The catalog: equal to its shadow (database-file.md section 6.1), and what it says of tables.

use super::Check;
use super::finding::{FindingKind, hex};
use crate::error::JetError;
use crate::format::{CATALOG_OBJID, CATALOG_ROOT, SHADOW_CATALOG_OBJID, SHADOW_CATALOG_ROOT};
use crate::store::{Entry, Scan, Schema, TableSchema, Tree};
use std::cmp::Ordering;

const CATALOG: &str = "table MSysObjects";
const SHADOW: &str = "table MSysObjectsShadow";
/// `ulDbFlags`: the catalog has no shadow.
const SHADOW_DISABLED: u32 = 1;

impl Check<'_> {
    /// The tables of the catalog, or of its shadow if the catalog cannot be read.
    pub(super) fn tables(&mut self) -> Vec<TableSchema> {
        match Schema::load(self.database) {
            Ok(schema) => {
                if let Some(damage) = &schema.damage {
                    self.unreadable_catalog(CATALOG, damage);
                }
                schema.tables
            }
            Err(error) => {
                self.unreadable_catalog(CATALOG, &error);
                Vec::new()
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
