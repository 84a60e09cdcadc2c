//! Values of columns that ask to be compressed.

use super::rows::orders;
use super::{PATH, assert_sound, memory, on_disk, start};
use crate::engine::{ColumnDefinition, Database, Instance, Seek, Session, Table, TableDefinition, Term};
use crate::error::JetErr;
use crate::format::{ColumnId, ColumnType, LongValueKey, Record, Storage, Value};
use crate::io::MemoryFileSystem;
use crate::store::{Schema, Tree};
use std::sync::Arc;

fn definition() -> TableDefinition {
    orders()
        .column(ColumnDefinition::new("text", ColumnType::LongBinary).compressed())
        .column(
            ColumnDefinition::new("several", ColumnType::LongBinary)
                .multi_valued()
                .compressed(),
        )
}

fn begun(fs: &Arc<MemoryFileSystem>, size: u32) -> (Instance, Session, Database) {
    let instance = start(fs, size);
    let session = instance.session().unwrap();
    let database = instance.create_database(PATH).unwrap();
    drop(database.create_table(&session, &definition()).unwrap());
    (instance, session, database)
}

/// A record of one value, which the cursor is on afterwards.
fn put(table: &mut Table<'_>, column: ColumnId, value: &[u8]) {
    let id = table.column("id").unwrap();
    let mut update = table.insert().unwrap();
    update.set(id, &Value::Long(1)).unwrap();
    update.set(column, &Value::Binary(value.to_vec())).unwrap();
    update.save().unwrap();
    assert!(table.seek(&[Value::Long(1)], Seek::Equal).unwrap());
}

fn read(table: &Table<'_>, column: ColumnId) -> Vec<u8> {
    match table.value(column).unwrap() {
        Value::Binary(bytes) => bytes,
        other => panic!("{other}"),
    }
}

/// Bytes of the chunks of long values in the file.
fn chunks(fs: &MemoryFileSystem) -> Vec<usize> {
    let database = on_disk(fs);
    let schema = Schema::load(&database).unwrap();
    let tree = schema.table("orders").unwrap().long_value.unwrap();
    let nodes = Tree::new(&database, tree.pgno_fdp, tree.objid).scan().unwrap();
    let nodes = nodes.map(Result::unwrap);
    let chunks =
        nodes.filter(|node| matches!(LongValueKey::read(node.key()).unwrap(), LongValueKey::Chunk(..)));
    chunks.map(|node| node.data().len()).collect()
}

/// Prose of which no two kilobytes are equal.
fn prose(len: usize) -> Vec<u8> {
    let words = [
        "the", "engine", "stores", "a", "page", "of", "which", "nobody", "knows",
    ];
    let mut at = 7usize;
    let mut text = String::new();
    while text.len() < len {
        at = at.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        text += words[at / 65_536 % words.len()];
        text.push(' ');
    }
    text.truncate(len);
    text.into_bytes()
}

/// Bytes that nobody can make shorter.
fn noise(len: usize) -> Vec<u8> {
    let mut at = 1u32;
    let next = || {
        at ^= at << 13;
        at ^= at >> 17;
        at ^= at << 5;
        at.to_le_bytes()[1]
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn chunks_are_compressed_of_the_columns_that_ask_for_it() {
    for page_size in [4096, 32768] {
        let fs = memory();
        let (instance, session, database) = begun(&fs, page_size);
        let mut table = database.open_table(&session, "orders").unwrap();
        let value = prose(20_000);
        let text = table.column("text").unwrap();
        put(&mut table, text, &value);
        assert!(read(&table, text) == value);
        assert_eq!(table.row().unwrap().len(text, 1).unwrap(), Some(20_000));
        assert_eq!(
            table.row().unwrap().read_long(text, 1, 9_990, 20).unwrap(),
            value[9_990..10_010]
        );
        instance.flush().unwrap();
        let compressed: usize = chunks(&fs).iter().sum();
        assert!(compressed < 9_000, "{compressed}");
        table.delete().unwrap();
        let document = table.column("document").unwrap();
        put(&mut table, document, &value);
        instance.flush().unwrap();
        assert_eq!(chunks(&fs).iter().sum::<usize>(), 20_000);
        drop((table, database));
        instance.term(Term::Complete).unwrap();
        assert_sound(&fs);
    }
}

#[test]
fn compressed_chunks_are_changed_in_pieces() {
    for page_size in [4096, 8192, 16384, 32768] {
        let fs = memory();
        let (instance, session, database) = begun(&fs, page_size);
        let mut table = database.open_table(&session, "orders").unwrap();
        let text = table.column("text").unwrap();
        let mut model = prose(30_000);
        put(&mut table, text, &model);
        let pieces: [(usize, Vec<u8>); 6] = [
            (100, noise(50)),
            (3_000, noise(9_000)),
            (30_000, prose(10)),
            (29_000, vec![0; 12_000]),
            (10, prose(20_000)),
            (41_000, noise(9_999)),
        ];
        for (offset, piece) in pieces {
            let mut update = table.replace().unwrap();
            update
                .write_long(text, 1, u32::try_from(offset).unwrap(), &piece)
                .unwrap();
            update.save().unwrap();
            model.resize(model.len().max(offset + piece.len()), 0);
            model[offset..offset + piece.len()].copy_from_slice(&piece);
            assert!(read(&table, text) == model, "{offset}");
        }
        for len in [49_000, 12_001, 12_000, 60_000, 4_014, 1] {
            let mut update = table.replace().unwrap();
            update.set_long_size(text, 1, len).unwrap();
            update.append_long(text, 1, b"end").unwrap();
            update.save().unwrap();
            model.resize(len.try_into().unwrap(), 0);
            model.extend(b"end");
            assert!(read(&table, text) == model, "{len}");
        }
        drop((table, database));
        instance.term(Term::Complete).unwrap();
        assert_sound(&fs);
    }
}

#[test]
fn a_copy_of_a_compressed_value_is_changed_alone() {
    let fs = memory();
    let (instance, session, database) = begun(&fs, 4096);
    let mut table = database.open_table(&session, "orders").unwrap();
    let (id, text) = (table.column("id").unwrap(), table.column("text").unwrap());
    let value = [prose(9_000), noise(5_000), prose(3_000)].concat();
    put(&mut table, text, &value);
    let mut copy = table.insert_copy().unwrap();
    copy.set(id, &Value::Long(2)).unwrap();
    copy.write_long(text, 1, 8_000, &[9; 100]).unwrap();
    copy.save().unwrap();
    assert!(read(&table, text) == value);
    assert!(table.seek(&[Value::Long(2)], Seek::Equal).unwrap());
    let changed = [&value[..8_000], &[9; 100], &value[8_100..]].concat();
    assert!(read(&table, text) == changed);
    drop((table, database));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

#[test]
fn the_first_value_in_a_record_is_compressed_and_others_are_not() {
    let fs = memory();
    let (instance, session, database) = begun(&fs, 4096);
    let mut table = database.open_table(&session, "orders").unwrap();
    let several = table.column("several").unwrap();
    put(&mut table, several, &[b'a'; 100]);
    let mut update = table.replace().unwrap();
    for value in [[b'b'; 100], [b'c'; 100]] {
        update.set_at(several, 0, &Value::Binary(value.to_vec())).unwrap();
    }
    update.append_long(several, 1, b"more").unwrap();
    update.save().unwrap();
    let values = table.row().unwrap().values(several).unwrap();
    let expected = [
        [&[b'a'; 100][..], b"more"].concat(),
        vec![b'b'; 100],
        vec![b'c'; 100],
    ];
    assert_eq!(values, expected.map(Value::Binary));
    instance.flush().unwrap();
    assert_eq!(stored(&fs), [(92, true), (100, false), (100, false)]);
    // The second becomes the first.
    let mut update = table.replace().unwrap();
    update.set_at(several, 1, &Value::Null).unwrap();
    update.save().unwrap();
    instance.flush().unwrap();
    assert_eq!(stored(&fs), [(100, false), (100, false)]);
    drop((table, database));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

/// Lengths of the values that the only record has in `several`, and whether they are compressed.
fn stored(fs: &MemoryFileSystem) -> Vec<(usize, bool)> {
    let database = on_disk(fs);
    let schema = Schema::load(&database).unwrap();
    let table = schema.table("orders").unwrap();
    let tree = Tree::new(&database, table.table.pgno_fdp, table.objid);
    let node = tree.scan().unwrap().next().unwrap().unwrap();
    let record = Record::read(database.page_size(), node.data()).unwrap();
    let column = table
        .columns
        .iter()
        .find(|column| column.name == "several")
        .unwrap();
    let tagged = record.tagged(column.entry.id, false).unwrap().unwrap();
    let values = (0..tagged.len().unwrap()).map(|index| tagged.instance(index).unwrap());
    values
        .map(|value| (value.data.len(), value.storage == Storage::Compressed))
        .collect()
}

#[test]
fn a_compressed_value_that_leaves_its_record_is_whole_in_the_tree() {
    let fs = memory();
    let (instance, session, database) = begun(&fs, 4096);
    let mut table = database.open_table(&session, "orders").unwrap();
    let (text, several) = (table.column("text").unwrap(), table.column("several").unwrap());
    let first = prose(1_000);
    put(&mut table, text, &first);
    let mut update = table.replace().unwrap();
    for seed in 0..4u8 {
        let value = noise(1_000).into_iter().map(|byte| byte ^ seed).collect();
        update.set_at(several, 0, &Value::Binary(value)).unwrap();
    }
    update.save().unwrap();
    assert!(read(&table, text) == first);
    assert_eq!(table.row().unwrap().values(several).unwrap().len(), 4);
    drop((table, database));
    instance.term(Term::Complete).unwrap();
    assert!(!chunks(&fs).is_empty());
    assert_sound(&fs);
}

#[test]
fn only_long_columns_can_be_compressed() {
    let fs = memory();
    let (_instance, session, database) = begun(&fs, 4096);
    let column = ColumnDefinition::new("short", ColumnType::Binary).compressed();
    let error = database.add_column(&session, "orders", &column).unwrap_err();
    assert_eq!(error.code(), JetErr::ColumnCannotBeCompressed);
}
