//! `jetfs info --rows TABLE`.

use super::json_line;
use crate::exit::Exit;
use crate::output::Output;
use anyhow::Result;
use jetfs::JetResult;
use jetfs::format::Value;
use jetfs::store::{Database, Row, Schema, Table};
use serde_json::{Map, json};

/// Characters of a value that a person is shown; JSON has all.
const SHOWN_MOST: usize = 100;

/// Prints the rows in key order. A value that cannot be read is shown as its error, and the others all the same.
pub(super) fn show(
    database: &Database,
    schema: &Schema,
    name: &str,
    limit: Option<u64>,
    output: &Output,
) -> Result<Exit> {
    let table = Table::open(database, schema, name)?;
    let mut exit = Exit::Done;
    let limit = usize::try_from(limit.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
    for row in table.rows()?.take(limit) {
        let row = row?;
        for error in row.values.iter().filter_map(|value| value.as_ref().err()) {
            exit = Exit::Damaged;
            output.warning(error);
        }
        if output.json {
            output.line(json_line(&as_json(&table, &row)?)?)?;
        } else {
            output.line(as_text(&table, &row))?;
        }
    }
    Ok(exit)
}

/// `Id=7, Name="x"`; columns without a value are left out.
fn as_text(table: &Table<'_>, row: &Row) -> String {
    let shown: Vec<String> = columns(table, row)
        .filter(|(_, value)| !matches!(value, Ok(Value::Null)))
        .map(|(name, value)| match value {
            Ok(value) => format!("{name}={}", shortened(value.to_string())),
            Err(error) => format!("{name}=<{}>", error.code()),
        })
        .collect();
    shown.join(", ")
}

fn as_json(table: &Table<'_>, row: &Row) -> Result<serde_json::Value> {
    let mut object = Map::new();
    for (name, value) in columns(table, row) {
        let value = match value {
            Ok(value) => serde_json::to_value(value)?,
            Err(error) => json!({ "error": error.to_string() }),
        };
        object.insert(name.to_owned(), value);
    }
    Ok(serde_json::Value::Object(object))
}

fn columns<'r>(table: &'r Table<'_>, row: &'r Row) -> impl Iterator<Item = (&'r str, &'r JetResult<Value>)> {
    let names = table.columns().iter().map(|column| column.schema.name.as_str());
    names.zip(&row.values)
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(SHOWN_MOST) {
        None => text,
        Some((at, _)) => format!(
            "{}… ({} characters)",
            text.get(..at).unwrap_or_default(),
            text.chars().count()
        ),
    }
}
