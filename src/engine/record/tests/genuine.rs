//! Genuine records, made anew by setting their columns one by one.

use super::super::*;
use super::hex;
use crate::format::{
    ColumnClass, ColumnFlags, ColumnId, IndexFlags, Record, RecordParts, TagInfo, ValuePart,
};
use crate::genuine_samples::sample;
use crate::io::{FileSystem, OpenMode, RealFileSystem};
use crate::store::{Database, RecordColumn, Schema, Table, TableSchema};
use std::sync::Arc;

const SETS: [&str; 9] = [
    "genuine-scenarios/p4096_e8920_types_clean/test.edb",
    "genuine-scenarios/p4096_e8920_lv_dirty_recovered/test.edb",
    "genuine-scenarios/p4096_e8920_crash_dirty_recovered/test.edb",
    "genuine-4k/clean/test.edb",
    "srum-server2022-day0/SRUDB.dat",
    "esedb-4k/basic.edb",
    "esedb-4k/multi.edb",
    "esedb-4k/default.edb",
    "esedb-4k/index.edb",
];

/// How many records came out the same.
#[derive(Debug, Default)]
struct Count {
    same: usize,
    /// With columns that were deleted since, which nobody can set.
    deleted: usize,
    others: usize,
}

#[test]
fn genuine_records_are_made_anew_by_setting_their_columns() {
    let mut count = Count::default();
    for name in SETS {
        let Some(path) = sample(name) else { return };
        let file = RealFileSystem.open(&path, OpenMode::ReadOnly).unwrap();
        let database = Database::open(file, &path).unwrap();
        let schema = Schema::load(&database).unwrap();
        for table in &schema.tables {
            compare(&database, &schema, table, &mut count);
        }
    }
    println!("{count:?}");
    assert_eq!(count.others, 0);
    assert!(count.same > 3000);
}

fn compare(database: &Database, schema: &Schema, table: &TableSchema, count: &mut Count) {
    let primary = table
        .indexes
        .iter()
        .find(|index| index.entry.flags.contains(IndexFlags::PRIMARY));
    let opened = Table::of(database, schema, table).unwrap();
    let layout = Arc::new(RecordLayout::new(
        database.page_size(),
        opened.columns(),
        primary.map(|index| index.entry.key_most),
        None,
    ));
    for entry in opened.tree().scan().unwrap() {
        let entry = entry.unwrap();
        if has_deleted_columns(&layout, entry.data()) {
            count.deleted += 1;
            continue;
        }
        let layout = as_it_was(&layout, entry.data());
        let made = made_anew(&layout, entry.data());
        if made == entry.data() {
            count.same += 1;
        } else {
            count.others += 1;
            if count.others < 6 {
                println!("{}: {}\n became {}", table.name, hex(entry.data()), hex(&made));
            }
        }
    }
}

fn has_deleted_columns(layout: &RecordLayout, data: &[u8]) -> bool {
    let parts = RecordParts::read(layout.size, data).unwrap();
    let fixed = (1..).take(parts.fixed_nulls.len());
    let variable = (128..).take(parts.variable.len());
    let tagged = parts.tagged.iter().map(|part| part.id.0);
    let mut ids = fixed.chain(variable).chain(tagged);
    ids.any(|id| layout.column(ColumnId(id)).is_err())
}

/// The columns that there were when the record was written: later ones with a default would be in it.
fn as_it_was(layout: &RecordLayout, data: &[u8]) -> Arc<RecordLayout> {
    let record = Record::read(layout.size, data).unwrap();
    let columns = layout.columns().iter().filter(|column| match column.id.class() {
        ColumnClass::Fixed => column.id.0 <= record.fixed_last(),
        ColumnClass::Variable => column.id.0 <= record.variable_last(),
        ColumnClass::Tagged => true,
    });
    let (columns, record_most) = (columns.cloned().collect(), layout.record_most);
    let mut layout = RecordLayout::of(layout.size, columns, None, None);
    layout.record_most = record_most;
    Arc::new(layout)
}

/// The record, by setting what it has that a new record has not.
fn made_anew(layout: &Arc<RecordLayout>, data: &[u8]) -> Vec<u8> {
    let record = Record::read(layout.size, data).unwrap();
    let parts = RecordParts::read(layout.size, data).unwrap();
    let mut update = RecordUpdate::insert(layout.clone()).unwrap();
    for column in layout.columns() {
        set_as_in(&mut update, column, &record, &parts);
    }
    update
        .finish()
        .unwrap_or_else(|error| error.to_string().into_bytes())
}

fn set_as_in(update: &mut RecordUpdate, column: &RecordColumn, record: &Record<'_>, parts: &RecordParts<'_>) {
    let is_stored = match column.id.class() {
        ColumnClass::Fixed => column.id.0 <= record.fixed_last(),
        ColumnClass::Variable => column.id.0 <= record.variable_last(),
        ColumnClass::Tagged => parts.find_tagged(column.id, column.derived).is_ok(),
    };
    if !is_stored {
        return;
    }
    if column.id.class() != ColumnClass::Tagged {
        let instances = column.instances(record).unwrap();
        let value = instances.first().map(|value| value.data);
        if column.flags.contains(ColumnFlags::AUTO_INCREMENT) {
            let mut wide = [0; 8];
            let value = value.unwrap();
            wide[..value.len()].copy_from_slice(value);
            return update.set_auto_increment(u64::from_le_bytes(wide)).unwrap();
        }
        let _ = update.set(column.id, value, SetColumn::default()).unwrap();
        return;
    }
    let part = &parts.tagged[parts.find_tagged(column.id, column.derived).unwrap()];
    if part.values.is_empty() {
        let _ = update.set(column.id, None, SetColumn::default()).unwrap();
    }
    for (value, sequence) in part.values.iter().zip(1..) {
        let how = SetColumn {
            sequence,
            ..SetColumn::default()
        };
        match value {
            ValuePart::Intrinsic(bytes) => {
                let _ = update.set(column.id, Some(bytes), how).unwrap();
            }
            ValuePart::Separated(lid) => {
                let _ = update.set(column.id, Some(&[0; 5]), how).unwrap();
                update.set_long_value(column.id, sequence, *lid).unwrap();
            }
            ValuePart::Unstored(_) => panic!("a record in a file has only values that are stored"),
        }
    }
    // Nothing is compressed here: the bytes were set as they are.
    if let Ok(at) = update.parts.find_tagged(column.id, column.derived) {
        update.parts.tagged[at].info |= part.info & TagInfo::COMPRESSED;
    }
}
