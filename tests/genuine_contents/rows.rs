//! Rows compared with the texts that the genuine engine wrote (samples/README.md: row text).

use crate::open;
use crate::support::{Samples, Set};
use jetfs::format::{ColumnFlags, Value};
use jetfs::store::{Database, Row, Schema, Table};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// FNV-1a 64 with the offset basis of the samples' row texts, which is not the usual one.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(1_469_598_103_934_665_603, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A value as the row texts have it: bytes and text as length and hash, types that are not numbers as `x` and hex.
fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bit(value) => u8::from(*value).to_string(),
        Value::Binary(bytes) => format!("{}:{:016x}", bytes.len(), hash(bytes)),
        Value::Text(text) => format!("{}:{:016x}", text.bytes.len(), hash(&text.bytes)),
        Value::IeeeSingle(value) => format!("x{}", hex(&value.to_le_bytes())),
        Value::IeeeDouble(value) => format!("x{}", hex(&value.to_le_bytes())),
        Value::DateTime(value) => format!("x{}", hex(&value.bits().to_le_bytes())),
        Value::Guid(value) => format!("x{}", hex(&value.0)),
        Value::Multi(values) => values.iter().map(value_text).collect::<Vec<_>>().join("|"),
        number => number.to_string(),
    }
}

/// The two forms of the row texts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Without heads: multi-valued columns take four fields.
    FourFields,
    /// With lines that begin with `#`: several values are separated by `|`.
    OneField,
}

fn row_text(name: &str, table: &Table<'_>, row: &Row, form: Form) -> String {
    let mut fields = vec![name.to_owned()];
    for (column, value) in table.columns().iter().zip(&row.values) {
        let value = value.as_ref().unwrap_or_else(|error| panic!("{name}: {error}"));
        let multi_valued = column.schema.entry.flags.contains(ColumnFlags::MULTI_VALUED);
        if form == Form::FourFields && multi_valued {
            let several = match value {
                Value::Multi(values) => values.as_slice(),
                one => std::slice::from_ref(one),
            };
            fields.extend((0..4).map(|index| several.get(index).map_or("-".to_owned(), value_text)));
        } else {
            fields.push(value_text(value));
        }
    }
    fields.join("\t")
}

/// Rows by table, sorted: the row texts are in the order of an index that they do not name.
type Rows = BTreeMap<String, Vec<String>>;

/// The rows of all user tables of a database.
fn rows_of(database: &Database, form: Form) -> Rows {
    let schema = Schema::load(database).unwrap_or_else(|error| panic!("{error}"));
    assert!(schema.damage.is_none());
    let user_tables = schema
        .tables
        .iter()
        .filter(|table| !table.name.starts_with("MSys"));
    user_tables
        .map(|schema_of_table| {
            let name = &schema_of_table.name;
            let table = Table::open(database, &schema, name).unwrap();
            let mut rows: Vec<String> = table
                .rows()
                .unwrap_or_else(|error| panic!("{name}: {error}"))
                .map(|row| row_text(name, &table, &row.unwrap_or_else(|error| panic!("{error}")), form))
                .collect();
            rows.sort();
            (name.clone(), rows)
        })
        .collect()
}

/// The rows of a row text, and its form.
fn rows_in(path: &Path) -> (Rows, Form) {
    let text = fs::read_to_string(path).unwrap();
    let mut tables = Rows::new();
    for line in text.lines() {
        let name = line.split('\t').next().unwrap();
        if let Some(name) = name.strip_prefix("#table ") {
            tables.entry(name.to_owned()).or_default();
        } else if !name.starts_with('#') {
            tables.entry(name.to_owned()).or_default().push(line.to_owned());
        }
    }
    tables.values_mut().for_each(|rows| rows.sort());
    let form = if text.starts_with('#') {
        Form::OneField
    } else {
        Form::FourFields
    };
    (tables, form)
}

/// The text that describes the databases of a set as they lie there; beside dirty ones lies what a recovery makes of them.
fn row_text_of(set: &Set) -> Option<PathBuf> {
    let name = &set.name;
    if ["_dirty", "/dirty", "bk_full", "bk_inc"]
        .iter()
        .any(|end| name.ends_with(end))
    {
        return None;
    }
    let names = ["dump.txt", "expected.txt", "rows_engine.txt"];
    names
        .iter()
        .map(|name| set.dir.join(name))
        .find(|path| path.exists())
}

#[test]
fn rows_are_those_that_the_genuine_engine_returns() {
    let Some(samples) = Samples::find("rows_are_those_that_the_genuine_engine_returns") else {
        return;
    };
    let (mut compared, mut rows) = (0, 0);
    for set in samples.sets() {
        let Some(expected) = row_text_of(&set) else {
            continue;
        };
        for name in set.databases() {
            let (expected, form) = rows_in(&expected);
            let mut found = rows_of(&open(&set.dir.join(&name)), form);
            if form == Form::FourFields {
                // Such a text does not name tables without rows.
                found.retain(|_, rows| !rows.is_empty());
            }
            assert!(
                found.keys().eq(expected.keys()),
                "{}: {:?}",
                set.name,
                found.keys()
            );
            for (table, wanted) in &expected {
                for (have, want) in found[table].iter().zip(wanted) {
                    assert_eq!(have, want, "{} {table}", set.name);
                }
                assert_eq!(found[table].len(), wanted.len(), "{} {table}", set.name);
                rows += wanted.len();
            }
            println!("{} {name}: equal", set.name);
            compared += 1;
        }
    }
    println!("{compared} databases, {rows} rows");
    assert!(compared >= 20, "only {compared} databases were compared");
}
