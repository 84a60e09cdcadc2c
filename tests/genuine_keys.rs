//! Keys made by `format::key` against those that the genuine engine stored: every entry of the indexes of the sets
//! `types` (files `*.idx`), but those over several values of a column, parts of a value, or a condition.
#![cfg(test)]

use jetfs::format::{ColumnClass, IndexFlags, KeyRules, KeySegment, KeyWriter, SegmentFlags};
use jetfs::io::{FileSystem, OpenMode, RealFileSystem};
use jetfs::store::{Database, IndexSchema, Row, Schema, Table};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Indexes that need more than one key a record, or less than a value.
const OTHER_KINDS: [&str; 6] = ["i_mv", "i_mv2", "i_cross", "i_nest", "i_tup", "i_cond"];

#[test]
fn keys_are_those_of_the_genuine_engine() {
    let samples =
        std::env::var_os("JETFS_SAMPLES").map_or_else(|| PathBuf::from("../shared/samples"), PathBuf::from);
    let set = samples.join("genuine-scenarios/p4096_e8920_types_clean");
    let Ok(text) = std::fs::read_to_string(set.join("expected.txt.idx")) else {
        let required = std::env::var("JETFS_REQUIRE_SAMPLES").is_ok_and(|value| value == "1");
        assert!(!required, "{} is missing", set.display());
        println!("skipped: {} is missing", set.display());
        return;
    };
    let genuine = genuine_keys(&text);
    let path = set.join("test.edb");
    let database = Database::open(
        RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap(),
        Path::new("test.edb"),
    )
    .unwrap();
    let schema = Schema::load(&database).unwrap();
    let (mut indexes, mut keys) = (0, 0);
    for ((table_name, index_name), expected) in &genuine {
        if OTHER_KINDS.contains(&index_name.as_str()) {
            continue;
        }
        let table = Table::open(&database, &schema, table_name).unwrap();
        let index = schema
            .table(table_name)
            .unwrap()
            .indexes
            .iter()
            .find(|index| index.name == *index_name)
            .unwrap();
        let mut made: Vec<String> = table
            .rows()
            .unwrap()
            .filter_map(|row| key_of(&table, index, &row.unwrap()))
            .collect();
        made.sort();
        assert_eq!(made.len(), expected.len(), "{table_name}.{index_name}");
        for (made, expected) in made.iter().zip(expected) {
            assert_eq!(made, expected, "{table_name}.{index_name}");
        }
        indexes += 1;
        keys += made.len();
    }
    println!("{indexes} indexes, {keys} keys agree");
    assert!(indexes >= 15);
}

fn genuine_keys(text: &str) -> HashMap<(String, String), Vec<String>> {
    let mut keys: HashMap<_, Vec<String>> = HashMap::new();
    let mut current = (String::new(), String::new());
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if fields[0] == "#index" {
            current = (fields[1].to_owned(), fields[2].to_owned());
        } else if !line.starts_with('#') && !line.is_empty() {
            keys.entry(current.clone())
                .or_default()
                .push(fields[0].to_owned());
        }
    }
    keys.values_mut().for_each(|keys| keys.sort());
    keys
}

fn key_of(table: &Table<'_>, index: &IndexSchema, row: &Row) -> Option<String> {
    let flags = index.entry.flags;
    let mut writer = KeyWriter::new(KeyRules {
        key_most: index.entry.key_most,
        variable_segment_most: index.entry.var_seg_mac.unwrap_or(index.entry.key_most),
        nulls_high: flags.contains(IndexFlags::SORT_NULLS_HIGH),
        dot_net_guid: flags.contains(IndexFlags::DOT_NET_GUID),
        refuse_truncation: false,
    });
    let mut nulls = Vec::new();
    for segment in &index.entry.segments {
        let at = table
            .columns()
            .iter()
            .position(|column| column.schema.entry.id == segment.column)
            .unwrap();
        let entry = &table.columns()[at].schema.entry;
        let stored = row.values[at].as_ref().unwrap().stored();
        let bytes = stored.first();
        nulls.push(bytes.is_none());
        let key = KeySegment {
            kind: entry.kind.unwrap(),
            is_fixed: entry.id.class() == ColumnClass::Fixed,
            code_page: entry.code_page,
            descending: segment.flags.contains(SegmentFlags::DESCENDING),
        };
        if !writer.is_cut() {
            writer.push(key, bytes.map(|bytes| &**bytes)).unwrap();
        }
    }
    let has_entry = !nulls.contains(&true)
        || flags.contains(IndexFlags::ALLOW_SOME_NULLS)
            && (!nulls[0] || flags.contains(IndexFlags::ALLOW_FIRST_NULL))
            && (nulls.contains(&false) || flags.contains(IndexFlags::ALLOW_ALL_NULLS));
    let hex = |key: Vec<u8>| key.iter().map(|byte| format!("{byte:02x}")).collect();
    has_entry.then(|| hex(writer.finish()))
}
