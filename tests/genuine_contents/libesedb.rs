//! Every row of every database that Windows made, as libesedb, an independent reader, sees it. The others have texts of the
//! genuine engine beside them, which are the better witness.
//!
//! Where the two legitimately differ, the comparison steps aside: libesedb ignores the NULL bitmap of fixed columns,
//! knows no default values, gives several values and compressed ones only as they are stored, and does not decompress
//! some separated values.

use crate::open;
use crate::support::{Samples, python, run, workspace_root};
use jetfs::format::{ColumnClass, ColumnFlags, Value};
use jetfs::store::{Column, Database, Schema, Table};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[test]
fn rows_and_values_are_those_that_libesedb_reads() {
    const TEST: &str = "rows_and_values_are_those_that_libesedb_reads";
    let Some(samples) = Samples::find(TEST) else {
        return;
    };
    let mut compared = Compared::default();
    for path in databases_made_by_windows(&samples) {
        let database = open(&path);
        let Some(mut python) = python(TEST, "pyesedb") else {
            return;
        };
        let script = workspace_root().join("tests/readers/libesedb_rows.py");
        let output = run(python.arg(script).arg(&path)).succeeds();
        let mut theirs: BTreeMap<&str, Vec<Vec<&str>>> = BTreeMap::new();
        for line in output.stdout.lines() {
            let mut fields = line.split('\t');
            theirs
                .entry(fields.next().unwrap())
                .or_default()
                .push(fields.collect());
        }
        compare_database(&database, &theirs, &mut compared);
    }
    println!("{compared:?}");
    assert!(
        compared.rows > 10_000 && compared.values > 100_000,
        "{compared:?}"
    );
}

fn databases_made_by_windows(samples: &Samples) -> Vec<PathBuf> {
    let made_by_windows = |name: &str| {
        ["srum", "esedb", "compressed", "qmgr"]
            .iter()
            .any(|set| name.starts_with(set))
    };
    let sets = samples
        .sets()
        .into_iter()
        .filter(|set| made_by_windows(&set.name));
    sets.flat_map(|set| set.databases().into_iter().map(move |name| set.dir.join(name)))
        .collect()
}

#[derive(Debug, Default)]
struct Compared {
    rows: usize,
    values: usize,
    left_out: usize,
}

fn compare_database(database: &Database, theirs: &BTreeMap<&str, Vec<Vec<&str>>>, compared: &mut Compared) {
    let schema = Schema::load(database).unwrap_or_else(|error| panic!("{error}"));
    for schema_of_table in &schema.tables {
        let name = schema_of_table.name.as_str();
        let what = format!("{} {name}", database.path().display());
        let table = Table::open(database, &schema, name).unwrap();
        let theirs = theirs.get(name).map(Vec::as_slice).unwrap_or_default();
        let ours: Vec<_> = table
            .rows()
            .unwrap()
            .map(|row| row.unwrap_or_else(|error| panic!("{error}")))
            .collect();
        assert_eq!(ours.len(), theirs.len(), "{what}: rows");
        for (ours, theirs) in ours.iter().zip(theirs) {
            assert_eq!(table.columns().len(), theirs.len(), "{what}: columns");
            for ((column, value), theirs) in table.columns().iter().zip(&ours.values).zip(theirs) {
                let value = value.as_ref().unwrap_or_else(|error| panic!("{what}: {error}"));
                if is_comparable(column, value, theirs) {
                    assert_eq!(hex(value), *theirs, "{what} {}", column.schema.name);
                    compared.values += 1;
                } else {
                    compared.left_out += 1;
                }
            }
            compared.rows += 1;
        }
    }
}

fn is_comparable(column: &Column<'_>, value: &Value, theirs: &str) -> bool {
    let entry = &column.schema.entry;
    let ignores_null = value.is_null() && entry.id.class() == ColumnClass::Fixed;
    let ignores_default = theirs == "-" && entry.default.is_some();
    // On large pages libesedb does not say that a value is compressed.
    let is_compressed = entry.flags.contains(ColumnFlags::COMPRESSED) && theirs.len() < hex(value).len();
    theirs != "?" && !ignores_null && !ignores_default && !is_compressed
}

/// The stored bytes of a single value, as the script prints them.
fn hex(value: &Value) -> String {
    let bytes = match value {
        Value::Null => return "-".to_owned(),
        Value::Bit(value) => vec![if *value { 0xff } else { 0 }],
        Value::UnsignedByte(value) => vec![*value],
        Value::Short(value) => value.to_le_bytes().to_vec(),
        Value::Long(value) => value.to_le_bytes().to_vec(),
        Value::Currency(value) | Value::LongLong(value) => value.to_le_bytes().to_vec(),
        Value::IeeeSingle(value) => value.to_le_bytes().to_vec(),
        Value::IeeeDouble(value) => value.to_le_bytes().to_vec(),
        Value::DateTime(value) => value.bits().to_le_bytes().to_vec(),
        Value::Binary(bytes) => bytes.clone(),
        Value::Text(text) => text.bytes.clone(),
        Value::UnsignedLong(value) => value.to_le_bytes().to_vec(),
        Value::Guid(value) => value.0.to_vec(),
        Value::UnsignedShort(value) => value.to_le_bytes().to_vec(),
        Value::UnsignedLongLong(value) => value.to_le_bytes().to_vec(),
        Value::Multi(_) => return "several".to_owned(),
    };
    if bytes.is_empty() {
        return "empty".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
