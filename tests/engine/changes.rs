//! What sessions do to tables, and how tables are read, through the public API.

use super::model::{Note, Row, Table};
use super::recovered::text;
use jetfs::JetResult;
use jetfs::engine::{
    ColumnDefinition, Database, IndexDefinition, Seek, Session, Table as Cursor, TableDefinition, Update,
};
use jetfs::format::{ColumnType, Text, Value};

/// Tables that there may be.
pub(crate) const TABLES: [&str; 3] = ["t0", "t1", "t2"];
/// Columns that a table may get.
pub(crate) const COLUMNS: [&str; 3] = ["x0", "x1", "x2"];
/// Indexes that a table may get.
pub(crate) const INDEXES: [&str; 3] = ["by_code_and_name", "by_note", "by_name_and_id"];

fn definition(name: &str) -> TableDefinition {
    let note = ColumnDefinition::new("note", ColumnType::LongBinary);
    TableDefinition::new(name)
        .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
        .column(ColumnDefinition::new("name", ColumnType::Text).max_len(200))
        .column(ColumnDefinition::new("code", ColumnType::Long))
        .column(if name == TABLES[0] {
            note
        } else {
            note.compressed()
        })
        .column(
            ColumnDefinition::new("counter", ColumnType::Long)
                .escrow_update()
                .default_value(0_i32.to_le_bytes()),
        )
        .index(IndexDefinition::primary("by_id").ascending("id"))
        .index(IndexDefinition::new("by_name").ascending("name"))
        .index(
            IndexDefinition::new("by_code")
                .ascending("code")
                .unique()
                .ignore_any_null(),
        )
}

fn index(name: &str) -> IndexDefinition {
    let index = IndexDefinition::new(name);
    match name {
        "by_code_and_name" => index.descending("code").ascending("name"),
        "by_note" => index.ascending("note"),
        _ => index.ascending("name").descending("id").unique(),
    }
}

/// The name among `all`.
pub(crate) fn known(all: &[&'static str], name: &str) -> Result<&'static str, String> {
    let found = all.iter().find(|one| **one == name);
    found.copied().ok_or_else(|| format!("nobody made {name}"))
}

pub(crate) fn create_table(database: &Database, session: &Session, name: &str) -> JetResult<()> {
    database.create_table(session, &definition(name)).map(drop)
}

pub(crate) fn create_index(database: &Database, session: &Session, table: &str, name: &str) -> JetResult<()> {
    database.create_index(session, table, &index(name))
}

pub(crate) fn add_column(database: &Database, session: &Session, table: &str, name: &str) -> JetResult<()> {
    let column = ColumnDefinition::new(name, ColumnType::Long).tagged();
    database.add_column(session, table, &column).map(drop)
}

/// Names are long, so that trees split and keys have prefixes.
fn name_of(name: u8) -> Value {
    Value::Text(Text::encode(&format!("a customer of some length, number {name:03}"), 1252).unwrap())
}

fn set(table: &Cursor<'_>, update: &mut Update<'_, '_>, row: &Row) -> JetResult<()> {
    update.set(table.column("name")?, &name_of(row.name))?;
    let code = row.code.map_or(Value::Null, Value::Long);
    update.set(table.column("code")?, &code)?;
    let note = match row.note.len {
        0 => Value::Null,
        len => Value::Binary(vec![row.note.fill; len as usize]),
    };
    update.set(table.column("note")?, &note)?;
    for (name, value) in &row.extra {
        update.set(table.column(name)?, &Value::Long(*value))?;
    }
    Ok(())
}

pub(crate) fn insert(
    database: &Database,
    session: &Session,
    table: &str,
    id: i32,
    row: &Row,
) -> JetResult<()> {
    let table = database.open_table(session, table)?;
    let mut update = table.insert()?;
    update.set(table.column("id")?, &Value::Long(id))?;
    set(&table, &mut update, row)?;
    update.save().map(drop)
}

/// Which columns of a record are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The small ones.
    Small,
    /// The long value, whole.
    Note,
    /// The long value, by appending what is more.
    NoteEnd,
}

pub(crate) fn replace(cursor: &Cursor<'_>, row: &Row, old: &Row, part: Part) -> JetResult<()> {
    let mut update = cursor.replace()?;
    let note = cursor.column("note")?;
    match part {
        Part::Small => {
            update.set(cursor.column("name")?, &name_of(row.name))?;
            let code = row.code.map_or(Value::Null, Value::Long);
            update.set(cursor.column("code")?, &code)?;
            for name in row.extra.keys().chain(old.extra.keys()) {
                let value = row
                    .extra
                    .get(name)
                    .map_or(Value::Null, |value| Value::Long(*value));
                update.set(cursor.column(name)?, &value)?;
            }
        }
        Part::Note if row.note.len == 0 => drop(update.set(note, &Value::Null)?),
        Part::Note => {
            let bytes = vec![row.note.fill; row.note.len as usize];
            update.set(note, &Value::Binary(bytes))?;
        }
        Part::NoteEnd => {
            let more = vec![row.note.fill; (row.note.len - old.note.len) as usize];
            update.append_long(note, 1, &more)?;
        }
    }
    update.save().map(drop)
}

/// A cursor on a record, if it is there.
pub(crate) fn seek<'s>(
    database: &Database,
    session: &'s Session,
    table: &str,
    id: i32,
) -> JetResult<(Cursor<'s>, bool)> {
    let mut cursor = database.open_table(session, table)?;
    let is_there = cursor.seek(&[Value::Long(id)], Seek::Equal)?;
    Ok((cursor, is_there))
}

/// A table as the session sees it.
///
/// # Errors
/// It cannot be read, or the indexes do not show the same records.
pub(crate) fn read_table(database: &Database, session: &Session, name: &str) -> Result<Table, String> {
    let mut table = Table::default();
    let mut cursor = database.open_table(session, name).map_err(text)?;
    table.columns = COLUMNS
        .into_iter()
        .filter(|name| cursor.column(name).is_ok())
        .collect();
    let mut is_there = cursor.move_first().map_err(text)?;
    while is_there {
        let (id, row) = read_row(&cursor, &table).map_err(text)??;
        table.rows.insert(id, row);
        is_there = cursor.move_next().map_err(text)?;
    }
    for index in INDEXES {
        if cursor.set_current_index(Some(index)).is_ok() {
            table.indexes.insert(index);
        }
    }
    for index in table.indexes.iter().chain(&["by_name", "by_code"]) {
        check_index(&mut cursor, &table, index)?;
    }
    Ok(table)
}

/// An index shows every record that it should have, in its order.
fn check_index(cursor: &mut Cursor<'_>, table: &Table, index: &str) -> Result<(), String> {
    cursor.set_current_index(Some(index)).map_err(text)?;
    let id = cursor.column("id").map_err(text)?;
    let mut found = Vec::new();
    let mut is_there = cursor.move_last().map_err(text)?;
    while is_there {
        match cursor.value(id).map_err(text)? {
            Value::Long(id) => found.push(id),
            other => return Err(format!("{other:?}")),
        }
        is_there = cursor.move_previous().map_err(text)?;
    }
    found.reverse();
    let mut expected: Vec<(i32, &Row)> = table.rows.iter().map(|(id, row)| (*id, row)).collect();
    match index {
        "by_name" => expected.sort_by_key(|(id, row)| (row.name, *id)),
        "by_name_and_id" => expected.sort_by_key(|(id, row)| (row.name, -*id)),
        "by_code" => {
            expected.retain(|(_, row)| row.code.is_some());
            expected.sort_by_key(|(_, row)| row.code);
        }
        _ => {
            expected.sort_by_key(|(id, _)| *id);
            found.sort_unstable();
        }
    }
    let expected: Vec<i32> = expected.into_iter().map(|(id, _)| id).collect();
    if found == expected {
        return Ok(());
    }
    Err(format!("index {index} shows {found:?}, not {expected:?}"))
}

fn read_row(cursor: &Cursor<'_>, table: &Table) -> JetResult<Result<(i32, Row), String>> {
    let row = cursor.row()?;
    let value = |name| row.value(cursor.column(name)?);
    let mut read = Row::default();
    let Value::Long(id) = value("id")? else {
        return Ok(Err("a record without id".into()));
    };
    read.name = match value("name")? {
        Value::Text(text) => text
            .decode()
            .rsplit(' ')
            .next()
            .and_then(|name| name.parse().ok())
            .unwrap_or(255),
        _ => 255,
    };
    let long = |value| match value {
        Value::Long(number) => Some(number),
        _ => None,
    };
    read.code = long(value("code")?);
    read.counter = long(value("counter")?).unwrap_or(i32::MIN);
    for name in &table.columns {
        if let Some(number) = long(value(name)?) {
            read.extra.insert(name, number);
        }
    }
    if let Value::Binary(bytes) = value("note")? {
        let fill = bytes.first().copied().unwrap_or(0);
        if bytes.iter().any(|byte| *byte != fill) {
            return Ok(Err(format!("record {id}: the long value is a mixture")));
        }
        read.note = Note {
            len: bytes.len() as u32,
            fill,
        };
    }
    Ok(Ok((id, read)))
}
