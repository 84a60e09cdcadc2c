//! What a database should hold: tables with their rows by their keys. Clones share rows, so that a transaction is
//! taken back by going back to a clone.

use crate::schema::{Column, Index};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Values of a row by column: none is NULL; a column that is missing has its default.
pub(crate) type Row = BTreeMap<String, Vec<Rc<Vec<u8>>>>;

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    pub(crate) tables: BTreeMap<String, Table>,
    /// How many columns, indexes, tables and rows were named.
    pub(crate) named: u32,
    pub(crate) next_id: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct Table {
    /// Those that exist.
    pub(crate) columns: Vec<Column>,
    pub(crate) primary: Option<Index>,
    pub(crate) secondary: Vec<Index>,
    /// By bookmark.
    pub(crate) rows: BTreeMap<Vec<u8>, Rc<Row>>,
    /// Whether tagged columns may have NULL in the place of their default. Other readers cannot read that: libesedb
    /// takes the NULL bit of small pages for a part of the offset, impacket the value of large pages for bytes,
    /// dissect fails.
    pub(crate) has_null_for_default: bool,
}

impl Model {
    pub(crate) fn new_name(&mut self, what: &str) -> String {
        self.named += 1;
        format!("{what}{}", self.named)
    }

    /// How many rows there are, and how many of these all readers can read.
    pub(crate) fn rows(&self) -> (usize, usize) {
        let rows = |table: &Table| table.rows.len();
        let for_all = self.tables.values().filter(|table| !table.has_null_for_default);
        (self.tables.values().map(rows).sum(), for_all.map(rows).sum())
    }
}

impl Table {
    /// The values of a column in a row, its default included.
    pub(crate) fn values(&self, row: &Row, column: &Column) -> Vec<Rc<Vec<u8>>> {
        match (row.get(&column.name), &column.default) {
            (Some(values), _) => values.clone(),
            (None, Some(default)) => vec![Rc::new(default.clone())],
            (None, None) => Vec::new(),
        }
    }

    /// Whether an index needs a column.
    pub(crate) fn is_indexed(&self, column: &str) -> bool {
        let mut indexes = self.primary.iter().chain(&self.secondary);
        indexes.any(|index| index.columns.iter().any(|name| name == column))
    }

    /// Whether the primary key has it.
    pub(crate) fn is_key(&self, column: &str) -> bool {
        let mut primary = self.primary.iter();
        primary.any(|index| index.columns.iter().any(|name| name == column))
    }
}
