//! A database as readers see it, against the model.

use crate::model::{Model, Table};
use crate::schema::{Column, Place};
use crate::support::{python, run, tool_is_missing, workspace_root};
use jetfs::engine::{Database, Session};
use jetfs::format::Value;
use jetfs::store;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

/// A cursor of the engine itself sees the rows of the model, and every index has the records that it should have.
pub(crate) fn cursors_agree(database: &Database, session: &Session, model: &Model) {
    let mut names: Vec<String> = database.tables(session).unwrap();
    names.sort();
    assert!(names.iter().eq(model.tables.keys()), "{names:?}");
    for (name, table) in &model.tables {
        let mut cursor = database.open_table(session, name).unwrap();
        let mut rows = table.rows.iter();
        while cursor.move_next().unwrap() {
            let (bookmark, row) = rows.next().unwrap();
            assert_eq!(&cursor.bookmark().unwrap(), bookmark, "{name}");
            let found = cursor.row().unwrap();
            for column in &table.columns {
                let id = cursor.column(&column.name).unwrap();
                let values = match column.place {
                    Place::MultiValued => found.values(id).unwrap(),
                    _ => Some(found.value(id).unwrap())
                        .filter(|value| !value.is_null())
                        .into_iter()
                        .collect(),
                };
                assert_same(name, column, &values, &table.values(row, column));
            }
        }
        assert!(rows.next().is_none(), "{name}");
    }
}

/// The library's reader of databases sees the rows of the model.
pub(crate) fn own_reader_agrees(database: &store::Database, model: &Model) {
    let schema = store::Schema::load(database).unwrap();
    assert!(schema.damage.is_none());
    let tables = schema.tables.iter().map(|table| table.name.as_str());
    let mut tables: Vec<_> = tables.filter(|name| !name.starts_with("MSys")).collect();
    tables.sort_unstable();
    assert!(tables.iter().eq(model.tables.keys()), "{tables:?}");
    for (name, table) in &model.tables {
        let found = store::Table::open(database, &schema, name).unwrap();
        let mut rows = table.rows.iter();
        for row in found.rows().unwrap() {
            let row = row.unwrap_or_else(|error| panic!("{name}: {error}"));
            let (bookmark, expected) = rows.next().unwrap();
            assert_eq!(&row.key, bookmark, "{name}");
            for column in &table.columns {
                let mut columns = found.columns().iter();
                let at = columns
                    .position(|found| found.schema.name == column.name)
                    .unwrap();
                let value = row.values[at].as_ref().unwrap();
                let values = match value {
                    Value::Null => &[],
                    Value::Multi(values) => values.as_slice(),
                    one => std::slice::from_ref(one),
                };
                assert_same(name, column, values, &table.values(expected, column));
            }
        }
        assert!(rows.next().is_none(), "{name}");
    }
}

#[track_caller]
fn assert_same(table: &str, column: &Column, found: &[Value], expected: &[Rc<Vec<u8>>]) {
    let bytes = |value: &Value| value.stored().first().map(|bytes| bytes.to_vec());
    let found: Vec<_> = found.iter().filter_map(bytes).collect();
    assert!(
        found.iter().eq(expected.iter().map(|bytes| &**bytes)),
        "{table}.{}: {found:x?}, not {expected:x?}",
        column.name
    );
}

/// Readers that others wrote see the rows of the model.
pub(crate) fn others_agree(path: &Path, model: &Model) {
    let expected = path.with_extension("json");
    std::fs::write(&expected, describe(model)).unwrap();
    let scripts = [
        ("pyesedb_rows.py", "pyesedb"),
        ("dissect_rows.py", "dissect.database.ese"),
        ("impacket_rows.py", "impacket.ese"),
        ("esedbexport_rows.py", "sys"),
    ];
    for (script, module) in scripts {
        if script.starts_with("esedbexport") && Command::new("esedbexport").arg("-V").output().is_err() {
            tool_is_missing("others_agree", "esedbexport");
            continue;
        }
        let Some(mut python) = python(script, module) else {
            continue;
        };
        let script = workspace_root().join("tests/readers").join(script);
        let ended = run(python.arg(&script).arg(path).arg(&expected)).succeeds();
        println!("{}: {}", script.display(), ended.stdout.trim());
    }
}

/// The tables as JSON, for the scripts: each cell null or a list of values in hex.
fn describe(model: &Model) -> String {
    let tables = model
        .tables
        .iter()
        .filter(|(_, table)| !table.has_null_for_default);
    let tables = tables.map(|(name, table)| {
        let columns = table.columns.iter().map(|column| {
            json!({
                "name": column.name, "type": column.kind.number(), "code_page": column.code_page,
                "storage": if column.place == Place::Fixed { "Fixed" } else { "Other" },
                "default": column.default.as_deref().map(hex), "compressed": column.compressed,
            })
        });
        let rows = table.rows.values().map(|row| {
            let cells = table.columns.iter().map(|column| {
                let values = table.values(row, column);
                (!values.is_empty()).then(|| values.iter().map(|bytes| hex(bytes)).collect::<Vec<_>>())
            });
            cells.collect::<Vec<_>>()
        });
        json!({
            "name": name, "columns": columns.collect::<Vec<_>>(), "rows": rows.collect::<Vec<_>>(),
            "indexes": indexes(table),
        })
    });
    serde_json::to_string(&tables.collect::<Vec<_>>()).unwrap()
}

fn indexes(table: &Table) -> Vec<&String> {
    table.secondary.iter().map(|index| &index.name).collect()
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}
