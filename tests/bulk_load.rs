//! Databases that the bulk load writes, judged by the invariants of pages and space, and by readers that others wrote
//! (libesedb, dissect.database, impacket; scripts in `tests/readers`). They need Python modules; where those are
//! missing the test says so and passes, unless JETFS_REQUIRE_READERS=1.
#![cfg(test)]

#[path = "support/page_census.rs"]
mod page_census;
#[path = "support/random_tables.rs"]
mod random_tables;

use jetfs::format::{LogTime, PageSize, Value};
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::store::bulk_load::{BulkLoad, BulkLoadOptions, Cell};
use jetfs::store::{Database, Schema, Table};
use page_census::PageCensus;
use random_tables::{RandomTable, random_tables};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const SIZES: [PageSize; 4] = [PageSize::Kib4, PageSize::Kib8, PageSize::Kib16, PageSize::Kib32];

fn options(page_size: PageSize) -> BulkLoadOptions {
    BulkLoadOptions {
        page_size,
        time: LogTime::utc(2026, 11, 24, 12, 0, 0, 0),
        seed: 7,
    }
}

fn write(path: &Path, size: PageSize, tables: &[RandomTable]) {
    let mut load = BulkLoad::create(&RealFileSystem, path, options(size)).unwrap();
    for table in tables {
        load.table(&table.schema, table.rows.iter().cloned()).unwrap();
    }
    load.finish().unwrap();
}

#[test]
fn every_page_is_valid_and_belongs_to_exactly_one_tree() {
    let directory = tempfile::tempdir().unwrap();
    for size in SIZES {
        for (seed, count, rows) in [(1, 0, 0), (2, 4, 1500), (3, 40, 100), (4, 130, 2)] {
            println!("{size}, seed {seed}");
            let path = directory.path().join(format!("{}-{seed}.edb", size.bytes()));
            write(&path, size, &random_tables(seed, count, rows));
            PageCensus::take(&path, size).check();
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("a.edb"), directory.path().join("b.edb"));
    write(&first, PageSize::Kib4, &random_tables(5, 3, 300));
    write(&second, PageSize::Kib4, &random_tables(5, 3, 300));
    assert!(std::fs::read(first).unwrap() == std::fs::read(second).unwrap());
}

#[test]
fn an_abandoned_load_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.edb");
    let mut load = BulkLoad::create(&RealFileSystem, &path, options(PageSize::Kib4)).unwrap();
    let table = &random_tables(2, 1, 10)[0];
    load.table(&table.schema, table.rows.iter().cloned()).unwrap();
    drop(load);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn the_own_reader_reads_the_same_rows() {
    let directory = tempfile::tempdir().unwrap();
    for (size, seed) in SIZES.into_iter().zip(20_u64..) {
        let tables = random_tables(seed, 6, 1200);
        let path = directory.path().join(format!("{}.edb", size.bytes()));
        write(&path, size, &tables);
        let file = RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap();
        let database = Database::open(file, &path).unwrap();
        let schema = Schema::load(&database).unwrap();
        assert!(schema.damage.is_none());
        for written in &tables {
            let table = Table::open(&database, &schema, &written.schema.name).unwrap();
            let read: Vec<_> = table.rows().unwrap().map(Result::unwrap).collect();
            assert_eq!(
                read.len(),
                written.rows.len(),
                "{size}, seed {seed}, {}",
                written.schema.name
            );
            for (row, cells) in read.iter().zip(&written.rows) {
                for (cell, column) in cells.iter().zip(&written.schema.columns) {
                    let mut columns = table.columns().iter();
                    let at = columns.position(|read| read.schema.name == column.name).unwrap();
                    let value =
                        |bytes: &Vec<u8>| Value::read(column.kind, column.code_page, bytes.clone()).unwrap();
                    let expected = match cell.values() {
                        [] => Value::Null,
                        [one] => value(one),
                        many => Value::Multi(many.iter().map(value).collect()),
                    };
                    // Compared as text, since not every float equals itself.
                    let found = row.values[at].as_ref().unwrap();
                    assert_eq!(
                        found.to_string(),
                        expected.to_string(),
                        "{size}, seed {seed}, {}",
                        column.name
                    );
                }
            }
        }
    }
}

#[test]
fn libesedb_reads_the_same_rows() {
    each_database_by("pyesedb_rows.py", "pyesedb");
}

#[test]
fn dissect_reads_the_same_rows() {
    each_database_by("dissect_rows.py", "dissect.database.ese");
}

#[test]
fn impacket_counts_the_same_rows() {
    each_database_by("impacket_rows.py", "impacket.ese");
}

#[test]
fn esedbexport_exports_the_same_rows() {
    if Command::new("esedbexport").arg("-V").output().is_err() {
        return skip("esedbexport");
    }
    each_database_by("esedbexport_rows.py", "sys");
}

fn each_database_by(script: &str, module: &str) {
    if !has_module(module) {
        return skip(module);
    }
    let directory = tempfile::tempdir().unwrap();
    for (size, seed) in SIZES.into_iter().zip(10_u64..) {
        let tables = random_tables(seed, 6, 1200);
        let path = directory.path().join(format!("{}.edb", size.bytes()));
        write(&path, size, &tables);
        let expected = path.with_extension("json");
        std::fs::write(&expected, describe(&tables)).unwrap();
        let output = Command::new("python3")
            .arg(reader_scripts().join(script))
            .args([&path, &expected])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{script}, {size}, seed {seed}:\n{text}{errors}"
        );
        println!("{script}, {size}, seed {seed}: {}", text.trim());
    }
}

fn reader_scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers")
}

fn has_module(name: &str) -> bool {
    let import = format!("import {name}");
    Command::new("python3")
        .args(["-c", &import])
        .output()
        .is_ok_and(|output| output.status.success())
}

fn skip(what: &str) {
    let required = std::env::var("JETFS_REQUIRE_READERS").is_ok_and(|value| value == "1");
    assert!(!required, "{what} is required, but not installed");
    let thread = std::thread::current();
    let line = format!("{}: {what} is not installed\n", thread.name().unwrap_or("?"));
    print!("skipped: {line}");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../skipped-tests.txt");
    let list = std::fs::OpenOptions::new().create(true).append(true).open(path);
    list.and_then(|mut list| list.write_all(line.as_bytes())).unwrap();
}

/// The tables as JSON: each cell null or a list of values in hex.
fn describe(tables: &[RandomTable]) -> String {
    let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let tables: Vec<_> = tables
        .iter()
        .map(|table| {
            let columns: Vec<_> = table
                .schema
                .columns
                .iter()
                .map(|column| {
                    serde_json::json!({
                        "name": column.name, "type": column.kind.number(), "code_page": column.code_page, "compressed": false,
                        "storage": format!("{:?}", column.storage),
                    })
                })
                .collect();
            let rows: Vec<Vec<Option<Vec<String>>>> = table
                .rows
                .iter()
                .map(|row| {
                    row.iter()
                        .map(|cell| match cell {
                            Cell::Null => None,
                            cell => Some(cell.values().iter().map(hex).collect()),
                        })
                        .collect()
                })
                .collect();
            serde_json::json!({ "name": table.schema.name, "columns": columns, "rows": rows,
                "indexes": table.schema.secondary.iter().map(|index| &index.name).collect::<Vec<_>>() })
        })
        .collect();
    serde_json::to_string(&tables).unwrap()
}
