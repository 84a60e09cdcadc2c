//! Records being written, against the rules, against a model, and against genuine records.

mod genuine;
mod model;
mod rules;

use super::RecordLayout;
use crate::format::{ColumnClass, ColumnFlags, ColumnId, ColumnType, PageSize, RECORD_HEADER_LEN};
use crate::store::RecordColumn;
use std::sync::Arc;

/// Columns of a table that is being made up.
#[derive(Debug, Clone)]
struct Columns(Vec<RecordColumn>);

impl Columns {
    fn new() -> Self {
        Columns(Vec::new())
    }

    /// Appends a column; fixed ones stand behind each other.
    fn with(mut self, id: u16, kind: ColumnType, size: usize, flags: ColumnFlags) -> Self {
        let size = kind.fixed_len().unwrap_or(size);
        let is_fixed = |column: &&RecordColumn| column.id.class() == ColumnClass::Fixed;
        let before: usize = self.0.iter().filter(is_fixed).map(|column| column.size).sum();
        self.0.push(RecordColumn {
            name: format!("c{id}"),
            id: ColumnId(id),
            derived: false,
            kind: Some(kind),
            size,
            offset: RECORD_HEADER_LEN + before,
            code_page: 1252,
            flags,
            default: None,
        });
        self
    }

    /// Gives the last column a default.
    fn default(mut self, value: &[u8]) -> Self {
        let column = self.0.last_mut().unwrap();
        column.default = Some(value.to_vec());
        column.flags |= ColumnFlags::DEFAULT;
        self
    }

    fn layout(self, size: PageSize) -> Arc<RecordLayout> {
        Arc::new(RecordLayout::of(size, self.0, Some(255), None))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
