//! Keys made here against those that the genuine engine stored, of every index of the sets that list them.

use super::*;
use crate::genuine_samples::sample;
use crate::io::{FileSystem, OpenMode, RealFileSystem};
use crate::store::search_key::{KeyLimit, SearchKey};
use crate::store::{Database, Schema, Table, TableSchema};
use std::collections::BTreeMap;

/// A database, and the list of all entries of its indexes.
const SETS: [(&str, &str); 7] = [
    ("p4096_e8920_types_clean", "expected.txt.idx"),
    ("p4096_e8920_types_dirty_recovered", "dump.txt.idx"),
    ("p4096_e8920_lv_dirty_recovered", "dump.txt.idx"),
    ("p4096_e8920_grow_dirty_recovered", "dump.txt.idx"),
    ("p4096_e8920_crash_dirty_recovered", "dump.txt.idx"),
    ("p4096_e8920_moves_dirty_recovered", "dump.txt.idx"),
    ("p4096_e8920_circular_clean", "expected.txt.idx"),
];

/// Key and bookmark in hexadecimal, of every entry by table and index.
type Listed = BTreeMap<(String, String), Vec<(String, String)>>;

#[derive(Debug, Default)]
struct Count {
    indexes: usize,
    entries: usize,
    sought: usize,
}

#[test]
fn every_key_is_that_of_the_genuine_engine() {
    let mut count = Count::default();
    for (set, list) in SETS {
        let Some(dir) = sample(&format!("genuine-scenarios/{set}")) else {
            return;
        };
        let text = std::fs::read_to_string(dir.join(list)).unwrap();
        let path = dir.join("test.edb");
        let file = RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap();
        let database = Database::open(file, &path).unwrap();
        let schema = Schema::load(&database).unwrap();
        for ((table, index), entries) in listed(&text) {
            let table = schema.table(&table).unwrap();
            compare(&database, &schema, table, &index, entries, &mut count);
        }
    }
    println!("{count:?}");
    assert!(count.indexes > 60 && count.entries > 5_000 && count.sought > 3_000);
}

fn listed(text: &str) -> Listed {
    let mut listed = Listed::new();
    let mut current = None;
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["#index", table, index, ..] => {
                current = Some((table.to_owned(), index.to_owned()));
                listed.entry(current.clone().unwrap()).or_default();
            }
            [key, bookmark, ..] if !line.starts_with('#') => {
                let entry = listed.get_mut(current.as_ref().unwrap()).unwrap();
                entry.push((key.to_owned(), bookmark.to_owned()));
            }
            _ => {}
        }
    }
    listed
}

fn compare(
    database: &Database,
    schema: &Schema,
    table: &TableSchema,
    name: &str,
    mut expected: Vec<(String, String)>,
    count: &mut Count,
) {
    let opened = Table::of(database, schema, table).unwrap();
    let columns = RecordColumn::all(opened.columns());
    let Some(index) = table.indexes.iter().find(|index| index.name == name) else {
        // A table without primary index is listed too.
        return;
    };
    let keys = IndexKeys::new(index, &columns).unwrap().for_writing().unwrap();
    let read = |lid, most| opened.long_values().unwrap().read_start(lid, most);
    let mut made = Vec::new();
    for entry in opened.tree().scan().unwrap() {
        let entry = entry.unwrap();
        let record = Record::read(database.page_size(), entry.data()).unwrap();
        let of_record = if index.entry.flags.contains(IndexFlags::PRIMARY) {
            let key = keys.primary_key(&record, Some(&read)).unwrap();
            assert_eq!(key, entry.key());
            vec![key]
        } else {
            keys.keys(&record, Some(&read)).unwrap()
        };
        count.sought += sought(&keys, &record, &of_record, &read);
        made.extend(of_record.iter().map(|key| (hex(key), hex(entry.key()))));
    }
    made.sort();
    expected.sort();
    assert_eq!(made, expected, "{}.{name}", table.name);
    count.indexes += 1;
    count.entries += made.len();
}

/// Makes the key of a record as a program would that seeks it.
fn sought(keys: &IndexKeys, record: &Record<'_>, expected: &[Vec<u8>], read: ReadLongValue<'_>) -> usize {
    let [expected] = expected else { return 0 };
    if keys.tuples.is_some() {
        return 0;
    }
    let mut key = SearchKey::new();
    for values in keys.values(record, Some(read)).unwrap() {
        let value = values.first().map(|value| &**value);
        key.column(keys, value, KeyLimit::None).unwrap();
    }
    assert_eq!(hex(&key.finish().unwrap()), hex(expected));
    1
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
