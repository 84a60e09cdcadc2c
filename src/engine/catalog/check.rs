//! Whether a definition can be made: names, columns and indexes (database-file.md sections 6.4, 6.6, 7.4 and 9; where
//! these are silent, what `ErrFILEAddColumn` and `ErrFILECreateIndex` of the engine's public source refuse).

use crate::engine::definition::{ColumnDefinition, IndexDefinition, TableDefinition};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnFlags, ColumnType, IndexFlags, PageSize, UNICODE};
use crate::store::bulk_load::{Storage, check_name};
use crate::store::{ColumnSchema, TableSchema};
use std::collections::HashSet;

/// Code page of text that is not Unicode.
const ENGLISH: u16 = 1252;
/// Longest value of Binary and Text, and of a default.
const SHORT_MOST: u32 = 255;
/// Most columns of a key.
const SEGMENTS_MOST: usize = 16;

/// Checks what a table's definition says without its indexes' columns.
pub(super) fn check_table(table: &TableDefinition) -> JetResult<()> {
    check_name(&table.name)?;
    check_density(table.density)?;
    let mut names = HashSet::new();
    for column in &table.columns {
        check_column(column)?;
        if !names.insert(column.name.to_ascii_uppercase()) {
            return Err(duplicate_column(&column.name));
        }
    }
    for flag in [ColumnFlags::AUTO_INCREMENT, ColumnFlags::VERSION] {
        if table
            .columns
            .iter()
            .filter(|column| column.flags.contains(flag))
            .count()
            > 1
        {
            return Err(redundant(&table.name));
        }
    }
    Ok(())
}

/// Checks a column to be added to a table.
pub(super) fn check_new_column(table: &TableSchema, column: &ColumnDefinition) -> JetResult<()> {
    check_column(column)?;
    if column_named(table, &column.name).is_some() {
        return Err(duplicate_column(&column.name));
    }
    let one_of_a_kind = column.flags & (ColumnFlags::AUTO_INCREMENT | ColumnFlags::VERSION);
    if table
        .columns
        .iter()
        .any(|old| old.entry.flags.intersects(one_of_a_kind))
    {
        return Err(redundant(&table.name));
    }
    Ok(())
}

/// The column of this name; case does not matter.
pub(super) fn column_named<'t>(table: &'t TableSchema, name: &str) -> Option<&'t ColumnSchema> {
    table
        .columns
        .iter()
        .find(|column| column.name.eq_ignore_ascii_case(name))
}

fn check_column(column: &ColumnDefinition) -> JetResult<()> {
    check_name(&column.name)?;
    check_type(column)?;
    check_length(column)?;
    check_flags(column)?;
    check_default(column)
}

fn check_type(column: &ColumnDefinition) -> JetResult<()> {
    let kind = column.kind;
    if matches!(
        kind,
        ColumnType::Nil | ColumnType::Slv | ColumnType::UnsignedLongLong
    ) {
        let what = format!("{kind} columns are not made");
        return Err(refuse(JetErr::InvalidColumnType, column, &what));
    }
    let place_fits = match column.storage {
        Storage::Fixed => !kind.is_long(),
        Storage::Variable => matches!(kind, ColumnType::Binary | ColumnType::Text),
        Storage::Tagged => true,
    };
    if !place_fits {
        let what = format!("type {kind} cannot be {:?}", column.storage);
        return Err(refuse(JetErr::InvalidGrbit, column, &what));
    }
    if kind.is_text() && ![ENGLISH, UNICODE].contains(&column.code_page) {
        return Err(refuse(
            JetErr::InvalidCodePage,
            column,
            "text has code page 1252 or 1200",
        ));
    }
    Ok(())
}

fn check_length(column: &ColumnDefinition) -> JetResult<()> {
    let fits = match column.kind.fixed_len() {
        Some(_) => column.max_len == column.kind.longest(),
        None if column.kind.is_long() => column.max_len <= i32::MAX.unsigned_abs(),
        None => (1..=SHORT_MOST).contains(&column.max_len),
    };
    if fits {
        Ok(())
    } else {
        let what = format!(
            "{} bytes are no longest value of type {}",
            column.max_len, column.kind
        );
        Err(refuse(JetErr::InvalidParameter, column, &what))
    }
}

fn check_flags(column: &ColumnDefinition) -> JetResult<()> {
    let (flags, kind) = (column.flags, column.kind);
    let is_tagged = column.storage == Storage::Tagged;
    let is_number = matches!(
        kind,
        ColumnType::Long | ColumnType::LongLong | ColumnType::Currency
    );
    if is_tagged && flags.contains(ColumnFlags::NOT_NULL) {
        return Err(refuse(
            JetErr::TaggedNotNULL,
            column,
            "a tagged column may be NULL",
        ));
    }
    if !is_tagged && flags.contains(ColumnFlags::MULTI_VALUED) {
        let what = "only a tagged column has several values";
        return Err(refuse(JetErr::MultiValuedColumnMustBeTagged, column, what));
    }
    if flags.contains(ColumnFlags::COMPRESSED) && !kind.is_long() {
        let what = "only long values can be compressed";
        return Err(refuse(JetErr::ColumnCannotBeCompressed, column, what));
    }
    let special = flags & (ColumnFlags::AUTO_INCREMENT | ColumnFlags::VERSION | ColumnFlags::ESCROW_UPDATE);
    if special.is_empty() {
        return Ok(());
    }
    let fits = match special {
        ColumnFlags::AUTO_INCREMENT => is_number,
        ColumnFlags::VERSION => kind == ColumnType::Long,
        ColumnFlags::ESCROW_UPDATE => {
            matches!(kind, ColumnType::Long | ColumnType::LongLong) && column.default.is_some()
        }
        _ => false,
    };
    if fits && column.storage == Storage::Fixed {
        Ok(())
    } else {
        let what =
            "auto-increment, version and escrow columns are fixed numbers, and escrow columns have a default";
        Err(refuse(JetErr::InvalidGrbit, column, what))
    }
}

fn check_default(column: &ColumnDefinition) -> JetResult<()> {
    let Some(default) = &column.default else {
        return Ok(());
    };
    let most = if column.max_len == 0 {
        SHORT_MOST
    } else {
        column.max_len.min(SHORT_MOST)
    };
    let len = u32::try_from(default.len()).unwrap_or(u32::MAX);
    if len > most {
        return Err(refuse(
            JetErr::DefaultValueTooBig,
            column,
            "its default is too long",
        ));
    }
    let is_exact = column.storage == Storage::Fixed || column.kind.fixed_len().is_some();
    if is_exact && len != column.max_len {
        return Err(refuse(
            JetErr::InvalidBufferSize,
            column,
            "its default is too short",
        ));
    }
    Ok(())
}

/// Checks an index to be made on a table, which has all its columns.
///
/// # Errors
/// `JET_errUnicodeNormalizationNotSupported`, where a segment is Unicode text.
pub(super) fn check_index(table: &TableSchema, index: &IndexDefinition, size: PageSize) -> JetResult<()> {
    check_name(&index.name)?;
    check_density(index.density)?;
    if table
        .indexes
        .iter()
        .any(|old| old.name.eq_ignore_ascii_case(&index.name))
    {
        let what = format!("table {} has an index {} already", table.name, index.name);
        return Err(JetError::rule(JetErr::IndexDuplicate, what));
    }
    let is_primary = index.flags.contains(IndexFlags::PRIMARY);
    let has_primary = table
        .indexes
        .iter()
        .any(|old| old.entry.flags.contains(IndexFlags::PRIMARY));
    if is_primary && has_primary {
        let what = format!("table {} has a primary index already", table.name);
        return Err(JetError::rule(JetErr::IndexHasPrimary, what));
    }
    if is_primary && !index.conditions.is_empty() {
        return Err(invalid_index(
            index,
            "a primary index has an entry of every record",
        ));
    }
    check_key_lengths(index, size)?;
    check_segments(table, index)
}

fn check_key_lengths(index: &IndexDefinition, size: PageSize) -> JetResult<()> {
    let most = if size.bytes() <= 4096 { 1000 } else { 2000 };
    if !(1..=most).contains(&index.key_most) {
        let what = format!("its keys have 1 to {most} bytes with pages of this size");
        return Err(invalid_index(index, &what));
    }
    if index
        .variable_segment_most
        .is_some_and(|most| !(1..=index.key_most).contains(&most))
    {
        return Err(invalid_index(index, "a segment is longer than the key"));
    }
    Ok(())
}

fn check_segments(table: &TableSchema, index: &IndexDefinition) -> JetResult<()> {
    if !(1..=SEGMENTS_MOST).contains(&index.segments.len()) {
        let what = format!("index {} must have 1 to {SEGMENTS_MOST} columns", index.name);
        return Err(JetError::rule(JetErr::TooManyKeys, what));
    }
    let conditions = index.conditions.iter().map(|condition| &condition.column);
    for column in conditions {
        existing_column(table, column)?;
    }
    for segment in &index.segments {
        let column = existing_column(table, &segment.column)?;
        let entry = &column.entry;
        let is_text = entry.kind.is_some_and(ColumnType::is_text);
        if is_text && entry.code_page == UNICODE {
            let what = format!(
                "index {}: the order of Unicode text in column {} is Windows' own",
                index.name, column.name
            );
            return Err(JetError::rule(JetErr::UnicodeNormalizationNotSupported, what));
        }
        let is_primary = index.flags.contains(IndexFlags::PRIMARY);
        if is_primary && entry.flags.contains(ColumnFlags::MULTI_VALUED) {
            return Err(invalid_index(index, "a primary key has no multi-valued columns"));
        }
        if entry
            .flags
            .intersects(ColumnFlags::ESCROW_UPDATE | ColumnFlags::VERSION)
        {
            return Err(invalid_index(
                index,
                "columns that change by themselves are no keys",
            ));
        }
    }
    Ok(())
}

/// The column of this name; case does not matter.
///
/// # Errors
/// `JET_errColumnNotFound`.
pub(super) fn existing_column<'t>(table: &'t TableSchema, name: &str) -> JetResult<&'t ColumnSchema> {
    column_named(table, name).ok_or_else(|| {
        let what = format!("table {} has no column {name:?}", table.name);
        JetError::rule(JetErr::ColumnNotFound, what)
    })
}

fn check_density(percent: u32) -> JetResult<()> {
    if (20..=100).contains(&percent) {
        Ok(())
    } else {
        let what = format!("a density of {percent} %: pages are 20 to 100 % full");
        Err(JetError::rule(JetErr::DensityInvalid, what))
    }
}

fn refuse(code: JetErr, column: &ColumnDefinition, what: &str) -> JetError {
    JetError::rule(code, format!("column {}: {what}", column.name))
}

fn invalid_index(index: &IndexDefinition, what: &str) -> JetError {
    JetError::rule(JetErr::IndexInvalidDef, format!("index {}: {what}", index.name))
}

fn duplicate_column(name: &str) -> JetError {
    JetError::rule(JetErr::ColumnDuplicate, format!("column {name} stands twice"))
}

fn redundant(table: &str) -> JetError {
    let what = format!("table {table} would have two version or auto-increment columns");
    JetError::rule(JetErr::ColumnRedundant, what)
}
