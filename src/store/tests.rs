//! Databases that the project wrote itself are read back; damaged and hostile ones end in errors.

use super::bulk_load::{self, BulkLoad, BulkLoadOptions, Cell};
use super::{Database, Schema, Table};
use crate::error::{JetErr, JetResult};
use crate::format::checksum::stamp_page;
use crate::format::{CATALOG_ROOT, ColumnType, LogTime, Page, PageSize, SHADOW_CATALOG_ROOT, Value};
use crate::io::{FileSystem, MemoryFileSystem, OpenMode};
use std::path::Path;

const PATH: &str = "/test.edb";
const ROWS: i32 = 600;

/// The bytes of value `k`: every tenth is separated, every third is NULL.
fn body(k: i32) -> Cell {
    match k {
        k if k % 10 == 0 => Cell::One(k.to_le_bytes().repeat(5000)),
        k if k % 3 == 0 => Cell::Null,
        k => Cell::One(k.to_le_bytes().repeat(20)),
    }
}

fn value_of(cell: Cell) -> Value {
    match cell {
        Cell::One(bytes) => Value::Binary(bytes),
        _ => Value::Null,
    }
}

/// The bytes of a database with one table of [`ROWS`] rows.
fn written(size: PageSize) -> Vec<u8> {
    let schema = bulk_load::TableSchema {
        name: "t".into(),
        columns: vec![
            bulk_load::ColumnSchema::new("k", ColumnType::Long).not_null(),
            bulk_load::ColumnSchema::new("body", ColumnType::LongBinary),
        ],
        primary: bulk_load::IndexSchema::primary("pk", &["k"]),
        secondary: Vec::new(),
    };
    let options = BulkLoadOptions {
        page_size: size,
        time: LogTime::utc(2026, 11, 24, 12, 0, 0, 0),
        seed: 1,
    };
    let files = MemoryFileSystem::default();
    let mut load = BulkLoad::create(&files, Path::new(PATH), options).unwrap();
    let rows = (0..ROWS).map(|k| vec![Cell::One(k.to_le_bytes().to_vec()), body(k)]);
    load.table(&schema, rows).unwrap();
    load.finish().unwrap();
    files.read_file(PATH).unwrap()
}

fn open(bytes: &[u8]) -> Database {
    let files = MemoryFileSystem::default();
    files.write_file(PATH, bytes).unwrap();
    let file = files.open(Path::new(PATH), OpenMode::ReadOnly).unwrap();
    Database::open(file, Path::new(PATH)).unwrap()
}

/// Changes a page and makes its checksum right.
fn patch(bytes: &mut [u8], size: PageSize, pgno: u32, change: impl FnOnce(&mut [u8])) {
    let offset = usize::try_from(size.offset_of(pgno)).unwrap();
    let page = &mut bytes[offset..offset + size.bytes()];
    change(page);
    stamp_page(page, size, pgno);
}

/// Flips two bits of a page, so that it cannot be repaired.
fn damage(bytes: &mut [u8], size: PageSize, pgno: u32) {
    let offset = usize::try_from(size.offset_of(pgno)).unwrap();
    bytes[offset + 100] ^= 1;
    bytes[offset + 300] ^= 2;
}

fn read_all(database: &Database) -> JetResult<Vec<Vec<Value>>> {
    let schema = Schema::load(database)?;
    let table = Table::open(database, &schema, "t")?;
    table
        .rows()?
        .map(|row| row?.values.into_iter().collect())
        .collect()
}

/// The leaves of the table, in order.
fn leaves(database: &Database) -> Vec<u32> {
    let schema = Schema::load(database).unwrap();
    let table = Table::open(database, &schema, "t").unwrap();
    let mut leaves: Vec<u32> = table
        .tree()
        .scan()
        .unwrap()
        .map(|entry| entry.unwrap().pgno())
        .collect();
    leaves.dedup();
    leaves
}

fn root(database: &Database) -> u32 {
    Schema::load(database).unwrap().table("T").unwrap().table.pgno_fdp
}

const NEXT: std::ops::Range<usize> = 20..24;
const OBJID: std::ops::Range<usize> = 24..28;

#[test]
fn rows_and_long_values_come_back_in_every_page_size() {
    for size in [PageSize::Kib4, PageSize::Kib8, PageSize::Kib16, PageSize::Kib32] {
        let rows = read_all(&open(&written(size))).unwrap();
        let wanted = (0..ROWS).map(|k| vec![Value::Long(k), value_of(body(k))]);
        assert!(rows.into_iter().eq(wanted), "{size}");
    }
}

#[test]
fn keys_are_found_and_others_are_not() {
    let database = open(&written(PageSize::Kib4));
    let schema = Schema::load(&database).unwrap();
    let tree = Table::open(&database, &schema, "t").unwrap().tree();
    for entry in tree.scan().unwrap() {
        let entry = entry.unwrap();
        assert_eq!(tree.get(entry.key()).unwrap().unwrap().key(), entry.key());
        assert!(tree.get(&[entry.key(), &[0]].concat()).unwrap().is_none());
    }
    assert!(tree.seek(&[0xff]).unwrap().next().is_none());
    assert_eq!(tree.seek(&[]).unwrap().count(), usize::try_from(ROWS).unwrap());
}

#[test]
fn a_damaged_catalog_is_replaced_by_its_shadow_and_reported() {
    let mut bytes = written(PageSize::Kib4);
    damage(&mut bytes, PageSize::Kib4, CATALOG_ROOT);
    let database = open(&bytes);
    let schema = Schema::load(&database).unwrap();
    let damage_found = schema.damage.as_ref().unwrap();
    assert_eq!(damage_found.code(), JetErr::ReadVerifyFailure);
    assert_eq!(damage_found.place().page, Some(CATALOG_ROOT));
    assert_eq!(read_all(&database).unwrap().len(), usize::try_from(ROWS).unwrap());

    damage(&mut bytes, PageSize::Kib4, SHADOW_CATALOG_ROOT);
    let error = Schema::load(&open(&bytes)).unwrap_err();
    assert_eq!(error.place().page, Some(CATALOG_ROOT));
}

#[test]
fn one_flipped_bit_is_repaired_and_noted() {
    let mut bytes = written(PageSize::Kib4);
    let leaf = leaves(&open(&bytes))[3];
    bytes[usize::try_from(PageSize::Kib4.offset_of(leaf)).unwrap() + 2000] ^= 0x10;
    let database = open(&bytes);
    assert_eq!(read_all(&database).unwrap().len(), usize::try_from(ROWS).unwrap());
    assert_eq!(database.repaired_pages(), [leaf]);
}

#[test]
fn leaves_that_form_a_cycle_end_in_an_error() {
    let good = written(PageSize::Kib4);
    let leaves = leaves(&open(&good));
    let last = *leaves.last().unwrap();
    for target in [leaves[0], leaves[1], leaves[leaves.len() / 2], last] {
        let mut bytes = good.clone();
        patch(&mut bytes, PageSize::Kib4, last, |page| {
            page[NEXT].copy_from_slice(&target.to_le_bytes());
        });
        let error = read_all(&open(&bytes)).unwrap_err();
        assert_eq!(error.code(), JetErr::DatabaseCorrupted, "{error}");
    }
}

#[test]
fn a_root_that_is_its_own_child_ends_in_an_error() {
    let mut bytes = written(PageSize::Kib4);
    let database = open(&bytes);
    let root = root(&database);
    let page = database.read_page(root).unwrap();
    let view = Page::of(&page).unwrap();
    let children: Vec<usize> = (1..=view.node_count())
        .map(|index| view.tag(index).unwrap())
        .map(|tag| tag.offset + tag.bytes.len() - 4)
        .collect();
    patch(&mut bytes, PageSize::Kib4, root, |page| {
        for child in children {
            page[child..child + 4].copy_from_slice(&root.to_le_bytes());
        }
    });
    let error = read_all(&open(&bytes)).unwrap_err();
    assert!(error.to_string().contains("cycle"), "{error}");
}

#[test]
fn a_page_of_another_table_is_not_taken_for_one_of_this() {
    let mut bytes = written(PageSize::Kib4);
    let leaf = leaves(&open(&bytes))[2];
    patch(&mut bytes, PageSize::Kib4, leaf, |page| {
        page[OBJID].copy_from_slice(&77u32.to_le_bytes());
    });
    let error = read_all(&open(&bytes)).unwrap_err();
    assert_eq!(
        (error.code(), error.place().page),
        (JetErr::DatabaseCorrupted, Some(leaf))
    );
}

#[test]
fn a_long_value_that_is_gone_leaves_the_other_values_of_the_row_readable() {
    let mut bytes = written(PageSize::Kib4);
    let long_values = Schema::load(&open(&bytes))
        .unwrap()
        .table("t")
        .unwrap()
        .long_value
        .unwrap();
    damage(&mut bytes, PageSize::Kib4, long_values.pgno_fdp);
    let database = open(&bytes);
    let schema = Schema::load(&database).unwrap();
    let table = Table::open(&database, &schema, "t").unwrap();
    let first = table.rows().unwrap().next().unwrap().unwrap();
    assert_eq!(*first.values[0].as_ref().unwrap(), Value::Long(0));
    assert_eq!(
        first.values[1].as_ref().unwrap_err().code(),
        JetErr::ReadVerifyFailure
    );
    assert_eq!(table.rows().unwrap().count(), usize::try_from(ROWS).unwrap());
}
