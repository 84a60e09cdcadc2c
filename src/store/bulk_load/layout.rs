//! A checked schema: column ids, record offsets, and the keys of its indexes (database-file.md sections 6.6 and 9).

use super::schema::{Cell, ColumnSchema, IndexSchema, Row, SHORT_VALUE_MOST, Storage, TableSchema};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    ColumnFlags, ColumnId, ColumnType, FormatError, IndexFlags, KeyRules, KeySegment, KeyWriter, PageSize,
    SegmentEntry, SegmentFlags, UNICODE,
};
use std::collections::HashSet;

/// Longest name of a table, column or index.
const NAME_MOST: usize = 64;
/// Most segments of an index.
const SEGMENTS_MOST: usize = 16;

/// A column of a checked schema.
#[derive(Debug, Clone)]
pub(super) struct ColumnLayout {
    pub(super) schema: ColumnSchema,
    pub(super) id: u16,
    /// Offset in the record; fixed columns only.
    pub(super) record_offset: u16,
}

/// An index of a checked schema.
#[derive(Debug, Clone)]
pub(super) struct IndexLayout {
    pub(super) schema: IndexSchema,
    pub(super) segments: Vec<SegmentLayout>,
    rules: KeyRules,
}

/// A segment of an index: the cell that it takes, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentLayout {
    cell: usize,
    key: KeySegment,
    pub(super) catalog: SegmentEntry,
}

/// A checked schema.
#[derive(Debug, Clone)]
pub(super) struct TableLayout {
    pub(super) name: String,
    pub(super) columns: Vec<ColumnLayout>,
    pub(super) primary: IndexLayout,
    pub(super) secondary: Vec<IndexLayout>,
}

impl TableLayout {
    pub(super) fn new(schema: &TableSchema, size: PageSize) -> JetResult<Self> {
        check_names(schema)?;
        let columns = lay_out_columns(&schema.columns)?;
        let primary = IndexLayout::new(&schema.primary, &columns, size)?;
        let required = IndexFlags::UNIQUE | IndexFlags::PRIMARY;
        if !primary.schema.flags.contains(required) {
            return Err(invalid_index(
                &schema.primary,
                "a primary index is unique and primary",
            ));
        }
        let secondary = schema
            .secondary
            .iter()
            .map(|index| IndexLayout::new(index, &columns, size))
            .collect::<JetResult<Vec<_>>>()?;
        if secondary
            .iter()
            .any(|index| index.schema.flags.contains(IndexFlags::PRIMARY))
        {
            return Err(JetError::rule(
                JetErr::IndexInvalidDef,
                format!("table {} has a second primary index", schema.name),
            ));
        }
        Ok(TableLayout {
            name: schema.name.clone(),
            columns,
            primary,
            secondary,
        })
    }

    /// Checks a row against the columns.
    pub(super) fn check(&self, row: &Row) -> JetResult<()> {
        if row.len() != self.columns.len() {
            let what = format!(
                "a row has {} cells, table {} {}",
                row.len(),
                self.name,
                self.columns.len()
            );
            return Err(JetError::rule(JetErr::InvalidParameter, what));
        }
        row.iter()
            .zip(&self.columns)
            .try_for_each(|(cell, column)| column.check(cell))
    }
}

impl ColumnLayout {
    fn check(&self, cell: &Cell) -> JetResult<()> {
        let schema = &self.schema;
        let values = cell.values();
        if values.is_empty() && schema.flags.contains(ColumnFlags::NOT_NULL) {
            return Err(self.refuse(JetErr::NullInvalid, "must not be NULL"));
        }
        if values.len() > 1 && !schema.flags.contains(ColumnFlags::MULTI_VALUED) {
            return Err(self.refuse(JetErr::InvalidParameter, "has room for one value only"));
        }
        let exact = schema.kind.fixed_len().is_some() || schema.storage == Storage::Fixed;
        let most = usize::try_from(schema.max_len).unwrap_or(usize::MAX);
        let most = if schema.kind.is_long() && most == 0 {
            i32::MAX as usize
        } else {
            most
        };
        for value in values {
            if value.len() > most {
                return Err(self.refuse(JetErr::ColumnTooBig, "has a value that is too long"));
            }
            if exact && value.len() < most {
                return Err(self.refuse(JetErr::InvalidParameter, "has a value that is too short"));
            }
        }
        Ok(())
    }

    fn refuse(&self, code: JetErr, what: &str) -> JetError {
        JetError::rule(code, format!("column {} {what}", self.schema.name))
    }
}

impl IndexLayout {
    fn new(schema: &IndexSchema, columns: &[ColumnLayout], size: PageSize) -> JetResult<Self> {
        let most = if size.bytes() <= 4096 { 1000 } else { 2000 };
        if !(1..=most).contains(&schema.key_most) {
            return Err(invalid_index(
                schema,
                "its keys may be longer than pages of this size allow",
            ));
        }
        if !(1..=SEGMENTS_MOST).contains(&schema.segments.len()) {
            return Err(invalid_index(schema, "an index has 1 to 16 segments"));
        }
        let segments = schema
            .segments
            .iter()
            .map(|(name, descending)| {
                let cell = columns
                    .iter()
                    .position(|column| column.schema.name == *name)
                    .ok_or_else(|| invalid_index(schema, "it names a column that the table does not have"))?;
                let column = columns
                    .get(cell)
                    .ok_or_else(|| invalid_index(schema, "it names no column"))?;
                SegmentLayout::new(cell, column, *descending).map_err(|what| invalid_index(schema, what))
            })
            .collect::<JetResult<Vec<_>>>()?;
        let flags = schema.flags;
        Ok(IndexLayout {
            schema: IndexSchema {
                flags: flags | IndexFlags::EXTENDED_COLUMNS,
                ..schema.clone()
            },
            segments,
            rules: KeyRules {
                key_most: schema.key_most,
                variable_segment_most: schema.key_most,
                nulls_high: flags.contains(IndexFlags::SORT_NULLS_HIGH),
                dot_net_guid: flags.contains(IndexFlags::DOT_NET_GUID),
                refuse_truncation: flags.contains(IndexFlags::DISALLOW_TRUNCATION),
            },
        })
    }

    pub(super) fn is_unique(&self) -> bool {
        self.schema.flags.contains(IndexFlags::UNIQUE)
    }

    /// The key of a row.
    pub(super) fn key(&self, row: &Row) -> Result<Vec<u8>, FormatError> {
        let mut key = KeyWriter::new(self.rules);
        for segment in &self.segments {
            if key.is_cut() {
                break;
            }
            key.push(segment.key, self.cell(row, segment))?;
        }
        Ok(key.finish())
    }

    /// Whether a row has an entry, given its NULLs (section 9). An error where a NULL is not allowed at all.
    pub(super) fn has_entry(&self, row: &Row) -> JetResult<bool> {
        let flags = self.schema.flags;
        let is_null = |segment: &SegmentLayout| self.cell(row, segment).is_none();
        let nulls = self.segments.iter().filter(|segment| is_null(segment)).count();
        if nulls == 0 {
            return Ok(true);
        }
        if flags.contains(IndexFlags::NO_NULL_SEGMENT) {
            let what = format!("index {} does not allow NULL", self.schema.name);
            return Err(JetError::rule(JetErr::NullKeyDisallowed, what));
        }
        let all = nulls == self.segments.len();
        let first = self.segments.first().is_some_and(is_null);
        Ok(flags.contains(IndexFlags::ALLOW_SOME_NULLS)
            && (!first || flags.contains(IndexFlags::ALLOW_FIRST_NULL))
            && (!all || flags.contains(IndexFlags::ALLOW_ALL_NULLS)))
    }

    fn cell<'a>(&self, row: &'a Row, segment: &SegmentLayout) -> Option<&'a [u8]> {
        row.get(segment.cell).and_then(Cell::first)
    }
}

impl SegmentLayout {
    fn new(cell: usize, column: &ColumnLayout, descending: bool) -> Result<Self, &'static str> {
        let schema = &column.schema;
        if schema.kind.is_text() && schema.code_page == UNICODE {
            return Err("Unicode text cannot be a key without Windows' sort keys");
        }
        if schema.flags.contains(ColumnFlags::MULTI_VALUED) {
            return Err("jetfs writes no indexes over multi-valued columns");
        }
        Ok(SegmentLayout {
            cell,
            key: KeySegment {
                kind: schema.kind,
                is_fixed: schema.storage == Storage::Fixed,
                code_page: schema.code_page,
                descending,
            },
            catalog: SegmentEntry {
                column: ColumnId(column.id),
                flags: if descending {
                    SegmentFlags::DESCENDING
                } else {
                    SegmentFlags::empty()
                },
            },
        })
    }
}

/// Ids in the order of the schema within each class; fixed columns stand side by side without alignment.
fn lay_out_columns(columns: &[ColumnSchema]) -> JetResult<Vec<ColumnLayout>> {
    let (mut fixed, mut variable, mut tagged) = (1_u16, 128_u16, 256_u16);
    let mut offset = 4_u16;
    columns
        .iter()
        .map(|schema| {
            check_column(schema)?;
            let (next, last) = match schema.storage {
                Storage::Fixed => (&mut fixed, 127),
                Storage::Variable => (&mut variable, 255),
                Storage::Tagged => (&mut tagged, 0x7ffe),
            };
            if *next > last {
                let what = format!("no column id is left for {}", schema.name);
                return Err(JetError::rule(JetErr::TooManyColumns, what));
            }
            let id = *next;
            *next += 1;
            let record_offset = offset;
            if schema.storage == Storage::Fixed {
                offset = u16::try_from(schema.max_len)
                    .ok()
                    .and_then(|len| offset.checked_add(len))
                    .ok_or_else(|| {
                        JetError::rule(JetErr::RecordTooBig, "fixed columns take too much room")
                    })?;
            }
            Ok(ColumnLayout {
                schema: schema.clone(),
                id,
                record_offset,
            })
        })
        .collect()
}

fn check_column(schema: &ColumnSchema) -> JetResult<()> {
    let fixed_len = schema.kind.fixed_len().and_then(|len| u32::try_from(len).ok());
    let writable = !matches!(schema.kind, ColumnType::Nil | ColumnType::Slv);
    let place_fits = match schema.storage {
        Storage::Fixed => !schema.kind.is_long(),
        Storage::Variable => matches!(schema.kind, ColumnType::Binary | ColumnType::Text),
        Storage::Tagged => true,
    };
    let length_fits = match fixed_len {
        Some(len) => schema.max_len == len,
        None => schema.kind.is_long() || (1..=SHORT_VALUE_MOST).contains(&schema.max_len),
    };
    let several_fit = schema.storage == Storage::Tagged || !schema.flags.contains(ColumnFlags::MULTI_VALUED);
    if writable && place_fits && length_fits && several_fit {
        Ok(())
    } else {
        let what = format!(
            "column {} of type {} cannot be {:?} with at most {} bytes",
            schema.name, schema.kind, schema.storage, schema.max_len
        );
        Err(JetError::rule(JetErr::InvalidParameter, what))
    }
}

fn check_names(schema: &TableSchema) -> JetResult<()> {
    check_name(&schema.name)?;
    let mut seen = HashSet::new();
    for column in &schema.columns {
        check_name(&column.name)?;
        if !seen.insert(column.name.to_ascii_uppercase()) {
            let what = format!("column {} stands twice in table {}", column.name, schema.name);
            return Err(JetError::rule(JetErr::ColumnDuplicate, what));
        }
    }
    seen.clear();
    for index in schema.secondary.iter().chain([&schema.primary]) {
        check_name(&index.name)?;
        if !seen.insert(index.name.to_ascii_uppercase()) {
            return Err(invalid_index(index, "its name stands twice"));
        }
    }
    Ok(())
}

/// Names are ASCII here, so that their keys need no code page.
pub(crate) fn check_name(name: &str) -> JetResult<()> {
    let printable = name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let plain = !name.starts_with(' ') && !name.contains(['!', '.', '[', ']']);
    if (1..=NAME_MOST).contains(&name.len()) && printable && plain {
        Ok(())
    } else {
        Err(JetError::rule(
            JetErr::InvalidName,
            format!("{name:?} is not a name: 1 to 64 ASCII characters, without ! . [ ]"),
        ))
    }
}

fn invalid_index(index: &IndexSchema, what: &str) -> JetError {
    JetError::rule(
        JetErr::IndexInvalidDef,
        format!("index {} cannot be written: {what}", index.name),
    )
}
