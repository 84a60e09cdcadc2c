//! Whether two databases hold the same rows: all tables, system tables included, all columns, long values in plain.
//! What is deleted and only waits to be cleaned up is no row.

use jetfs::store::{Database, Row, Schema, Table, TableSchema};
use jetfs::{JetError, JetResult};
use std::collections::BTreeSet;

/// Differences told of each table; the others would say the same again.
const TOLD_OF_EACH_TABLE: usize = 5;

/// In what the rows of two databases differ, as text; empty if they are the same. Whatever cannot be read is a
/// difference, even if both sides have it.
pub(crate) fn row_differences(a: &Database, b: &Database) -> Vec<String> {
    let (in_a, in_b) = match (Schema::load(a), Schema::load(b)) {
        (Ok(in_a), Ok(in_b)) => (in_a, in_b),
        (in_a, in_b) => {
            let errors = [in_a.err(), in_b.err()].into_iter().flatten();
            return errors.map(|error| format!("no catalog: {error}")).collect();
        }
    };
    let mut differences = Vec::new();
    for (schema, database) in [(&in_a, a), (&in_b, b)] {
        let damage = schema.damage.iter();
        differences.extend(damage.map(|damage| format!("{}: catalog: {damage}", database.path().display())));
    }
    let names: BTreeSet<&str> = [&in_a, &in_b]
        .iter()
        .flat_map(|schema| schema.tables.iter().map(|table| table.name.as_str()))
        .collect();
    for name in names {
        match (named(&in_a, name), named(&in_b, name)) {
            (Some(table_a), Some(table_b)) => {
                if table_a != table_b {
                    differences.push(format!(
                        "{name}: described differently: {table_a:?} and {table_b:?}"
                    ));
                }
                let found = table_differences((a, &in_a), (b, &in_b), name);
                differences.extend(found.unwrap_or_else(|error| vec![format!("{name}: {error}")]));
            }
            (in_a, _) => {
                let owner = if in_a.is_some() { a } else { b };
                differences.push(format!("{name}: only in {}", owner.path().display()));
            }
        }
    }
    differences
}

fn named<'s>(schema: &'s Schema, name: &str) -> Option<&'s TableSchema> {
    schema.tables.iter().find(|table| table.name == name)
}

fn table_differences(a: (&Database, &Schema), b: (&Database, &Schema), name: &str) -> JetResult<Vec<String>> {
    let (table_a, table_b) = (Table::open(a.0, a.1, name)?, Table::open(b.0, b.1, name)?);
    let (mut rows_a, mut rows_b) = (table_a.rows()?, table_b.rows()?);
    let mut differences = Vec::new();
    let mut place = 0;
    while differences.len() < TOLD_OF_EACH_TABLE {
        let pair = (rows_a.next().transpose()?, rows_b.next().transpose()?);
        let found = match pair {
            (None, None) => break,
            (Some(row_a), Some(row_b)) => row_difference(&table_a, &row_a, &row_b),
            (row_a, _) => {
                let owner = if row_a.is_some() { a.0 } else { b.0 };
                let rest = format!(
                    "row {place} and those after it only in {}",
                    owner.path().display()
                );
                differences.push(format!("{name}: {rest}"));
                break;
            }
        };
        differences.extend(found.map(|found| format!("{name} row {place}: {found}")));
        place += 1;
    }
    Ok(differences)
}

fn row_difference(table: &Table<'_>, a: &Row, b: &Row) -> Option<String> {
    if a.key != b.key {
        return Some(format!("key {:02x?} and {:02x?}", a.key, b.key));
    }
    if a.values.len() != b.values.len() {
        return Some(format!("{} and {} values", a.values.len(), b.values.len()));
    }
    let pairs = table.columns().iter().zip(a.values.iter().zip(&b.values));
    pairs
        .filter(|(_, pair)| !matches!(pair, (Ok(a), Ok(b)) if a == b))
        .map(|(column, (a, b))| {
            let shown = |value: &Result<_, JetError>| match value {
                Ok(value) => shortened(&format!("{value}")),
                Err(error) => format!("({error})"),
            };
            format!("{}: {} and {}", column.schema.name, shown(a), shown(b))
        })
        .next()
}

fn shortened(text: &str) -> String {
    let start: String = text.chars().take(80).collect();
    if start.len() < text.len() {
        format!("{start}… ({} bytes)", text.len())
    } else {
        start
    }
}
