//! Whether a database has what was committed, read by another part of jetfs than the one that wrote it.

use super::model::{Expected, Model};
use crate::exit::{Exit, Failure};
use anyhow::{Context, Result};
use jetfs::format::Value;
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::store::{Database, Row, Schema, Table};
use jetfs::verify::deep::{self, DeepReport, Limits};
use std::path::Path;

/// Opens a database for reading.
///
/// # Errors
/// There is none; its header is damaged.
pub(super) fn open(path: &Path) -> Result<Database> {
    let file = RealFileSystem
        .open(path, OpenMode::ReadOnly)
        .with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Database::open(file, path)?)
}

/// Compares every value of every row; returns how many rows each table has.
///
/// # Errors
/// Something differs, or cannot be read.
pub(super) fn compare_rows(database: &Database, model: &Model) -> Result<Vec<(&'static str, u64)>> {
    let schema = Schema::load(database)?;
    let expected = model.expected(database.page_size()).into_iter();
    expected
        .map(|expected| Ok((expected.table, compare_table(database, &schema, expected)?)))
        .collect()
}

/// Checks that everything in a database fits together.
///
/// # Errors
/// Something does not.
pub(super) fn check_deeply(database: &Database) -> Result<DeepReport> {
    let report = deep::check(database, Limits::default(), &|| ())?;
    if report.damage == 0 {
        return Ok(report);
    }
    let what = format!(
        "{} places do not fit together in {}",
        report.damage,
        database.path().display()
    );
    let advice = "Look at them with `jetfs verify --deep`.";
    Err(Failure::new(Exit::Damaged, what).advise(advice).into())
}

fn compare_table(database: &Database, schema: &Schema, expected: Expected<'_>) -> Result<u64> {
    let Expected {
        table: name,
        rows: mut expected,
    } = expected;
    let table = Table::open(database, schema, name)?;
    let places = places_by_id(&table);
    let differs = |row: u64, what: &str| {
        let what = format!("row {row} of {name}: {what} differs from what was committed");
        Failure::new(Exit::Damaged, what)
    };
    let mut count = 0;
    for row in table.rows()? {
        let wanted = expected.next();
        let wanted = wanted.ok_or_else(|| differs(count, "the number of rows"))?;
        let found = values(row?, &places)?;
        if found != wanted {
            let at = found
                .iter()
                .zip(&wanted)
                .position(|(found, wanted)| found != wanted);
            return Err(differs(count, &format!("column {}", at.map_or(0, |at| at + 1))).into());
        }
        count += 1;
    }
    match expected.next() {
        None => Ok(count),
        Some(_) => Err(differs(count, "the number of rows").into()),
    }
}

/// Where the columns stand in a row, fixed ones first, each by id: the order of their definition here.
fn places_by_id(table: &Table<'_>) -> Vec<usize> {
    let mut places: Vec<usize> = (0..table.columns().len()).collect();
    places.sort_by_key(|&place| table.columns().get(place).map(|column| column.schema.entry.id));
    places
}

fn values(row: Row, places: &[usize]) -> Result<Vec<Value>> {
    let mut values: Vec<_> = row.values.into_iter().map(Some).collect();
    let mut sorted = Vec::with_capacity(values.len());
    for &place in places {
        let value = values.get_mut(place).and_then(Option::take);
        sorted.push(value.context("a column is missing")??);
    }
    Ok(sorted)
}
