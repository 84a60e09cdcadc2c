//! The rows of a database as the texts of the genuine engine have them (samples/README.md: row text), its index entries
//! as the `*.idx` files have them, and such files read.

use jetfs::format::{ColumnFlags, Value};
use jetfs::store::{Database, Row, Schema, Table, Tree};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The two forms of the row texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Without heads: multi-valued columns take four fields.
    FourFields,
    /// With lines that begin with `#`: several values are separated by `|`.
    OneField,
}

/// Rows by table, sorted: the row texts are in the order of an index that they do not name.
pub(crate) type Rows = BTreeMap<String, Vec<String>>;

/// Entries by table and index, in the order of the index: key and bookmark, in hexadecimal digits.
pub(crate) type IndexEntries = BTreeMap<(String, String), Vec<String>>;

/// The rows of all user tables of a database; an unreadable value fails the test.
#[track_caller]
pub(crate) fn rows_of(database: &Database, form: Form) -> Rows {
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
#[track_caller]
pub(crate) fn rows_in(path: &Path) -> (Rows, Form) {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
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

/// Fails the test unless a database holds the rows of a row text; returns how many.
#[track_caller]
pub(crate) fn assert_rows_are_those_in(path: &Path, database: &Database) -> usize {
    let (expected, form) = rows_in(path);
    let mut found = rows_of(database, form);
    if form == Form::FourFields {
        // Such a text does not name tables without rows.
        found.retain(|_, rows| !rows.is_empty());
    }
    let what = database.path().display();
    assert!(
        found.keys().eq(expected.keys()),
        "{what}: {:?}, not {:?}",
        found.keys(),
        expected.keys()
    );
    for (table, wanted) in &expected {
        for (have, want) in found[table].iter().zip(wanted) {
            assert_eq!(have, want, "{what} {table}");
        }
        assert_eq!(found[table].len(), wanted.len(), "{what} {table}");
    }
    expected.values().map(Vec::len).sum()
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

/// FNV-1a 64 with the offset basis of the samples' row texts, which is not the usual one.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(1_469_598_103_934_665_603, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211)
    })
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The entries of all indexes of user tables, as the trees hold them.
#[track_caller]
pub(crate) fn index_entries_of(database: &Database) -> IndexEntries {
    let schema = Schema::load(database).unwrap_or_else(|error| panic!("{error}"));
    let mut entries = IndexEntries::new();
    for table in schema
        .tables
        .iter()
        .filter(|table| !table.name.starts_with("MSys"))
    {
        for index in &table.indexes {
            let is_primary = index.entry.pgno_fdp == table.table.pgno_fdp;
            let tree = Tree::new(database, index.entry.pgno_fdp, index.entry.objid);
            let lines = tree
                .scan()
                .unwrap_or_else(|error| panic!("{}.{}: {error}", table.name, index.name))
                .map(|entry| {
                    let entry = entry.unwrap_or_else(|error| panic!("{error}"));
                    let bookmark = if is_primary { entry.key() } else { entry.data() };
                    format!("{}\t{}", hex(entry.key()), hex(bookmark))
                });
            entries.insert((table.name.clone(), index.name.clone()), lines.collect());
        }
    }
    entries
}

/// The entries in an `*.idx` file.
#[track_caller]
pub(crate) fn index_entries_in(path: &Path) -> IndexEntries {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut entries = IndexEntries::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("#index\t") {
            let mut names = head.split('\t').map(str::to_owned);
            let index = (names.next().unwrap(), names.next().unwrap());
            entries.entry(index.clone()).or_default();
            current = Some(index);
        } else if !line.starts_with('#') {
            let lines = current.as_ref().and_then(|index| entries.get_mut(index)).unwrap();
            lines.push(line.to_owned());
        }
    }
    entries
}

/// Fails the test unless the indexes of a database hold the entries of an `*.idx` file, in this order; returns how many.
#[track_caller]
pub(crate) fn assert_index_entries_are_those_in(path: &Path, database: &Database) -> usize {
    let (expected, found) = (index_entries_in(path), index_entries_of(database));
    let what = path.display();
    assert!(!expected.is_empty(), "{what}: no index");
    for (index, wanted) in &expected {
        let found = found
            .get(index)
            .unwrap_or_else(|| panic!("{what}: no index {index:?}"));
        for (have, want) in found.iter().zip(wanted) {
            assert_eq!(have, want, "{what} {index:?}");
        }
        assert_eq!(found.len(), wanted.len(), "{what} {index:?}");
    }
    expected.values().map(Vec::len).sum()
}
