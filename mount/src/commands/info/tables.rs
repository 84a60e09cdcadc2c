//! `jetfs info --tables`: the schema of a database.

use crate::output::Output;
use anyhow::Result;
use jetfs::format::{ColumnEntry, IndexEntry, IndexFlags, SegmentFlags};
use jetfs::store::{ColumnSchema, IndexSchema, Schema, TableSchema};
use serde_json::{Value, json};

/// Prints every table.
pub(super) fn show(schema: &Schema, output: &Output) -> Result<()> {
    if output.json {
        let tables: Vec<Value> = schema.tables.iter().map(as_json).collect();
        return output.json(&tables);
    }
    for table in &schema.tables {
        print(table, output)?;
    }
    Ok(())
}

fn print(table: &TableSchema, output: &Output) -> Result<()> {
    let entry = &table.table;
    let template = entry.template.as_ref().map(|name| format!(", template {name}"));
    output.line(format_args!(
        "{}   objid {}, FDP {}{}{}",
        table.name,
        table.objid,
        entry.pgno_fdp,
        flags(&entry.flags),
        template.unwrap_or_default()
    ))?;
    for column in &table.columns {
        let entry = &column.entry;
        output.line(format_args!(
            "  {:>5} {}   {}{}{}",
            entry.id.0,
            column.name,
            kind(entry),
            code_page(entry),
            flags(&entry.flags)
        ))?;
    }
    for index in &table.indexes {
        output.line(format_args!(
            "  index {} ({})   FDP {}{}",
            index.name,
            segments(table, &index.entry),
            index.entry.pgno_fdp,
            flags(&(index.entry.flags - IndexFlags::EXTENDED_COLUMNS))
        ))?;
    }
    if let Some(tree) = &table.long_value {
        output.line(format_args!(
            "  long values   objid {}, FDP {}",
            tree.objid, tree.pgno_fdp
        ))?;
    }
    Ok(())
}

/// The type with its length: `Long`, `Binary(255)`.
fn kind(entry: &ColumnEntry) -> String {
    match entry.kind {
        None => format!("type {}", entry.coltyp),
        Some(kind) if kind.fixed_len().is_some() || entry.size == 0 => kind.to_string(),
        Some(kind) => format!("{kind}({})", entry.size),
    }
}

fn code_page(entry: &ColumnEntry) -> String {
    let is_text = entry.kind.is_some_and(|kind| kind.is_text());
    if is_text {
        format!(", code page {}", entry.code_page)
    } else {
        String::new()
    }
}

/// `, NOT_NULL | DEFAULT`, or nothing.
fn flags<F: named_flags::Named>(flags: &F) -> String {
    match flags.names() {
        names if names.is_empty() => String::new(),
        names => format!(", {names}"),
    }
}

/// `+Customer -Placed`.
fn segments(table: &TableSchema, index: &IndexEntry) -> String {
    let names: Vec<String> = index
        .segments
        .iter()
        .map(|segment| {
            let sign = if segment.flags.contains(SegmentFlags::DESCENDING) {
                '-'
            } else {
                '+'
            };
            let column = table
                .columns
                .iter()
                .find(|column| column.entry.id == segment.column);
            let name = column.map_or_else(|| segment.column.0.to_string(), |column| column.name.clone());
            format!("{sign}{name}")
        })
        .collect();
    names.join(" ")
}

fn as_json(table: &TableSchema) -> Value {
    json!({
        "name": table.name,
        "objid": table.objid,
        "fdp": table.table.pgno_fdp,
        "pages": table.table.pages,
        "flags": table.table.flags.bits(),
        "template": table.table.template,
        "columns": table.columns.iter().map(column_json).collect::<Vec<_>>(),
        "indexes": table.indexes.iter().map(|index| index_json(table, index)).collect::<Vec<_>>(),
        "long-values": table.long_value.map(|tree| json!({ "objid": tree.objid, "fdp": tree.pgno_fdp })),
    })
}

fn column_json(column: &ColumnSchema) -> Value {
    let entry = &column.entry;
    json!({
        "id": entry.id.0,
        "name": column.name,
        "type": entry.kind.map(|kind| kind.to_string()),
        "coltyp": entry.coltyp,
        "size": entry.size,
        "code-page": entry.code_page,
        "flags": entry.flags.bits(),
    })
}

fn index_json(table: &TableSchema, index: &IndexSchema) -> Value {
    let entry = &index.entry;
    json!({
        "name": index.name,
        "objid": entry.objid,
        "fdp": entry.pgno_fdp,
        "key": segments(table, entry),
        "key-most": entry.key_most,
        "flags": entry.flags.bits(),
        "locale": entry.locale,
    })
}

/// The names of flags that are set.
mod named_flags {
    use jetfs::format::{ColumnFlags, IndexFlags, TableFlags};

    pub(super) trait Named {
        fn names(&self) -> String;
    }

    macro_rules! named {
        ($($flags:ty),*) => {
            $(impl Named for $flags {
                fn names(&self) -> String {
                    let names: Vec<&str> = self.iter_names().map(|(name, _)| name).collect();
                    names.join(" | ")
                }
            })*
        };
    }

    named!(TableFlags, ColumnFlags, IndexFlags);
}
