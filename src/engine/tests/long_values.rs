//! Long values written and read in pieces, and shared by records.

use super::rows::{made, orders, put};
use super::{PATH, assert_sound, memory, on_disk, start};
use crate::engine::{ColumnDefinition, Database, IndexDefinition, Instance, Seek, Session, Table, Term};
use crate::error::JetErr;
use crate::format::{ColumnId, ColumnType, LongValueKey, LongValueRoot, Value};
use crate::io::MemoryFileSystem;
use crate::store::{Schema, Tree};

/// 5 MB, of which no two chunks are equal.
fn large(seed: u8) -> Vec<u8> {
    let byte = |at: u32| (at / 7).wrapping_mul(31).to_le_bytes()[0] ^ seed;
    (0..5_000_000).map(byte).collect()
}

fn document(table: &Table<'_>) -> ColumnId {
    table.column("document").unwrap()
}

fn read(table: &Table<'_>) -> Vec<u8> {
    match table.value(document(table)).unwrap() {
        Value::Binary(bytes) => bytes,
        Value::Null => Vec::new(),
        other => panic!("{other}"),
    }
}

fn seek(table: &mut Table<'_>, id: i32) {
    assert!(table.seek(&[Value::Long(id)], Seek::Equal).unwrap());
}

/// Reference counts of all long values in the file.
fn references(fs: &MemoryFileSystem) -> Vec<u32> {
    let database = on_disk(fs);
    let schema = Schema::load(&database).unwrap();
    let tree = schema.table("orders").unwrap().long_value.unwrap();
    let nodes = Tree::new(&database, tree.pgno_fdp, tree.objid).scan().unwrap();
    let roots = nodes
        .map(Result::unwrap)
        .filter(|node| matches!(LongValueKey::read(node.key()).unwrap(), LongValueKey::Root(_)));
    roots
        .map(|root| LongValueRoot::read(root.data()).unwrap().references)
        .collect()
}

fn end(instance: &Instance, fs: &MemoryFileSystem) {
    instance.term(Term::Complete).unwrap();
    assert_sound(fs);
}

fn begun(fs: &std::sync::Arc<MemoryFileSystem>, size: u32) -> (Instance, Session, Database) {
    let instance = start(fs, size);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    (instance, session, database)
}

#[test]
fn a_value_of_five_megabytes_is_made_changed_and_read_in_pieces_at_each_page_size() {
    for page_size in [4096, 8192, 16384, 32768] {
        let fs = memory();
        let (instance, session, database) = begun(&fs, page_size);
        let mut table = database.open_table(&session, "orders").unwrap();
        put(&table, 1, "a", b"");
        seek(&mut table, 1);
        let column = document(&table);
        let mut model = large(1);
        let mut update = table.replace().unwrap();
        for piece in model.chunks(100_000) {
            update.append_long(column, 1, piece).unwrap();
        }
        update.save().unwrap();
        assert!(read(&table) == model);
        let row = table.row().unwrap();
        for (offset, len) in [(0, 10), (4_000, 9_000), (4_999_990, 100), (5_000_000, 1)] {
            let start = usize::try_from(offset).unwrap();
            let end = model.len().min(start + len);
            assert_eq!(row.read_long(column, 1, offset, len).unwrap(), model[start..end]);
        }
        drop(row);
        let mut update = table.replace().unwrap();
        update.append_long(column, 1, &[9; 10]).unwrap();
        update.write_long(column, 1, 4_000_000, &[8; 20_000]).unwrap();
        update.write_long(column, 1, 5_000_005, &[7; 30_000]).unwrap();
        let outside = update.write_long(column, 1, 5_030_006, &[7]).unwrap_err();
        assert_eq!(outside.code(), JetErr::ColumnNoChunk);
        update.save().unwrap();
        model.extend([9; 5]);
        model.extend([7; 30_000]);
        model[4_000_000..4_020_000].fill(8);
        assert!(read(&table) == model);
        for len in [5_000_000, 4_000_001, 4_100_000, 3_000, 3_000_000, 1] {
            let mut update = table.replace().unwrap();
            update.set_long_size(column, 1, len).unwrap();
            update.save().unwrap();
            model.resize(len.try_into().unwrap(), 0);
            assert!(read(&table) == model, "{len}");
            assert_eq!(table.row().unwrap().len(column, 1).unwrap(), Some(len));
        }
        drop((table, database));
        end(&instance, &fs);
        assert_eq!(references(&fs), [1]);
    }
}

#[test]
fn pieces_that_are_rolled_back_leave_the_value_as_it_was() {
    let fs = memory();
    let (instance, session, database) = begun(&fs, 4096);
    let mut table = database.open_table(&session, "orders").unwrap();
    let before = &large(3)[..50_000];
    put(&table, 1, "a", before);
    seek(&mut table, 1);
    let column = document(&table);
    let transaction = session.begin().unwrap();
    for step in 0..3 {
        let mut update = table.replace().unwrap();
        update.write_long(column, 1, 10_000 * step, &[1; 9_000]).unwrap();
        update.append_long(column, 1, &[2; 9_000]).unwrap();
        update.save().unwrap();
        let mut update = table.replace().unwrap();
        update.set_long_size(column, 1, 20_000 + step).unwrap();
        update.save().unwrap();
    }
    assert_eq!(read(&table).len(), 20_002);
    transaction.roll_back().unwrap();
    assert!(read(&table) == before);
    drop((table, database));
    end(&instance, &fs);
}

#[test]
fn a_reader_sees_the_value_of_its_snapshot_while_another_changes_it_in_place() {
    let fs = memory();
    let (instance, one, database) = begun(&fs, 4096);
    let two = instance.session().unwrap();
    let mut writer = database.open_table(&one, "orders").unwrap();
    let before = large(4)[..40_000].to_vec();
    put(&writer, 1, "a", &before);
    let mut reader = database.open_table(&two, "orders").unwrap();
    let column = document(&writer);
    seek(&mut writer, 1);
    seek(&mut reader, 1);
    let snapshot = two.begin().unwrap();
    assert!(read(&reader) == before);
    let mut update = writer.replace().unwrap();
    update.write_long(column, 1, 100, &[0; 30_000]).unwrap();
    update.set_long_size(column, 1, 35_000).unwrap();
    update.save().unwrap();
    instance.work().unwrap();
    assert!(read(&reader) == before);
    // The first writer wins, also where the chunks are others.
    let mut late = reader.replace().unwrap();
    late.append_long(column, 1, &[1]).unwrap();
    assert_eq!(late.save().unwrap_err().code(), JetErr::WriteConflict);
    snapshot.roll_back().unwrap();
    assert_eq!(read(&reader).len(), 35_000);
    drop((writer, reader, database));
    end(&instance, &fs);
}

#[test]
fn a_copied_record_shares_long_values_until_one_of_both_changes_them() {
    let fs = memory();
    let (instance, session, database) = begun(&fs, 8192);
    let mut table = database.open_table(&session, "orders").unwrap();
    let (id, column) = (table.column("id").unwrap(), document(&table));
    let original = large(5)[..100_000].to_vec();
    put(&table, 1, "a", &original);
    seek(&mut table, 1);
    for copy in [2, 3, 4] {
        let mut update = table.insert_copy().unwrap();
        update.set(id, &Value::Long(copy)).unwrap();
        if copy == 3 {
            update.append_long(column, 1, b"more").unwrap();
        }
        if copy == 4 {
            update.set(column, &Value::Null).unwrap();
        }
        update.save().unwrap();
    }
    instance.flush().unwrap();
    assert_eq!(references(&fs), [2, 1]);
    seek(&mut table, 2);
    assert!(read(&table) == original);
    let mut update = table.replace().unwrap();
    update.write_long(column, 1, 50_000, &[0; 10]).unwrap();
    update.save().unwrap();
    assert_eq!(read(&table)[50_000..50_010], [0; 10]);
    seek(&mut table, 1);
    assert!(read(&table) == original);
    seek(&mut table, 3);
    assert_eq!(read(&table), [&original[..], b"more"].concat());
    seek(&mut table, 4);
    assert!(read(&table).is_empty());
    instance.flush().unwrap();
    assert_eq!(references(&fs), [1, 1, 1]);
    for record in 1..=3 {
        seek(&mut table, record);
        table.delete().unwrap();
    }
    drop((table, database));
    end(&instance, &fs);
    assert!(references(&fs).is_empty());
}

#[test]
fn a_value_that_two_transactions_give_up_at_a_time_goes() {
    let fs = memory();
    let (instance, one, database) = begun(&fs, 4096);
    let two = instance.session().unwrap();
    let mut first = database.open_table(&one, "orders").unwrap();
    let mut second = database.open_table(&two, "orders").unwrap();
    put(&first, 1, "a", &large(6)[..20_000]);
    seek(&mut first, 1);
    let id = first.column("id").unwrap();
    for copy in [2, 3] {
        let mut update = first.insert_copy().unwrap();
        update.set(id, &Value::Long(copy)).unwrap();
        update.save().unwrap();
    }
    seek(&mut second, 2);
    let (in_one, in_two) = (one.begin().unwrap(), two.begin().unwrap());
    first.delete().unwrap();
    let mut fourth = first.insert().unwrap();
    fourth.set(id, &Value::Long(4)).unwrap();
    fourth.save().unwrap();
    second.delete().unwrap();
    seek(&mut second, 3);
    in_one.commit().unwrap();
    in_two.commit().unwrap();
    // One is left, to which a copy refers for a while.
    let (in_one, in_two) = (one.begin().unwrap(), two.begin().unwrap());
    seek(&mut first, 3);
    let mut copy = first.insert_copy().unwrap();
    copy.set(id, &Value::Long(5)).unwrap();
    copy.save().unwrap();
    assert_eq!(second.delete().unwrap_err().code(), JetErr::WriteConflict);
    in_one.roll_back().unwrap();
    second.delete().unwrap();
    in_two.commit().unwrap();
    drop((first, second, database));
    end(&instance, &fs);
    assert!(references(&fs).is_empty());
}

#[test]
fn a_value_goes_that_was_given_up_while_a_transaction_referred_to_it_that_is_rolled_back() {
    let fs = memory();
    let (instance, one, database) = begun(&fs, 4096);
    let (two, three) = (instance.session().unwrap(), instance.session().unwrap());
    let mut first = database.open_table(&one, "orders").unwrap();
    let mut second = database.open_table(&two, "orders").unwrap();
    let mut third = database.open_table(&three, "orders").unwrap();
    put(&first, 1, "a", &large(7)[..20_000]);
    seek(&mut first, 1);
    let id = first.column("id").unwrap();
    let copy = |number| {
        let mut update = first.insert_copy().unwrap();
        update.set(id, &Value::Long(number)).unwrap();
        update.save().unwrap();
    };
    copy(2);
    seek(&mut second, 1);
    seek(&mut third, 2);
    let in_one = one.begin().unwrap();
    copy(3);
    let (in_two, in_three) = (two.begin().unwrap(), three.begin().unwrap());
    second.delete().unwrap();
    third.delete().unwrap();
    in_two.commit().unwrap();
    in_three.commit().unwrap();
    in_one.roll_back().unwrap();
    drop((first, second, third, database));
    end(&instance, &fs);
    assert!(references(&fs).is_empty());
}

#[test]
fn the_index_of_a_long_column_follows_its_pieces() {
    let fs = memory();
    let (instance, session, database) = begun(&fs, 4096);
    let index = IndexDefinition::new("by_document")
        .ascending("document")
        .ignore_null();
    database.create_index(&session, "orders", &index).unwrap();
    let mut table = database.open_table(&session, "orders").unwrap();
    put(&table, 1, "a", &[7; 5_000]);
    seek(&mut table, 1);
    let column = document(&table);
    for (offset, byte) in [(0, 9), (4_000, 1), (10, 3)] {
        let mut update = table.replace().unwrap();
        update.write_long(column, 1, offset, &[byte; 100]).unwrap();
        update.save().unwrap();
    }
    table.set_current_index(Some("by_document")).unwrap();
    let start = [vec![9; 10], vec![3; 100], vec![7; 200]].concat();
    assert!(table.seek(&[Value::Binary(start)], Seek::Equal).unwrap());
    let bookmark = table.bookmark().unwrap();
    table.goto_bookmark(&bookmark).unwrap();
    assert!(table.move_first().unwrap() && !table.move_next().unwrap());
    drop((table, database));
    end(&instance, &fs);
}

#[test]
fn a_value_is_no_longer_than_its_column_allows() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = instance.create_database(PATH).unwrap();
    let small = ColumnDefinition::new("small", ColumnType::LongBinary).max_len(6_000);
    let table = database.create_table(&session, &orders().column(small)).unwrap();
    drop(table);
    let mut table = database.open_table(&session, "orders").unwrap();
    let (id, small) = (table.column("id").unwrap(), table.column("small").unwrap());
    let mut update = table.insert().unwrap();
    update.set(id, &Value::Long(1)).unwrap();
    for _ in 0..2 {
        update.append_long(small, 1, &[1; 3_000]).unwrap();
    }
    assert_eq!(
        update.append_long(small, 1, &[1]).unwrap_err().code(),
        JetErr::ColumnTooBig
    );
    update.save().unwrap();
    seek(&mut table, 1);
    let mut update = table.replace().unwrap();
    update.set_long_size(small, 1, 5_000).unwrap();
    update.append_long(small, 1, &[1; 1_000]).unwrap();
    assert_eq!(
        update.append_long(small, 1, &[1]).unwrap_err().code(),
        JetErr::ColumnTooBig
    );
    update.save().unwrap();
    assert_eq!(table.row().unwrap().len(small, 1).unwrap(), Some(6_000));
}

#[test]
fn an_update_shows_what_its_record_will_have() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = instance.create_database(PATH).unwrap();
    let noted = ColumnDefinition::new("noted", ColumnType::LongBinary).default_value(*b"nothing");
    let several = ColumnDefinition::new("several", ColumnType::Binary).multi_valued();
    let definition = orders().column(noted).column(several);
    let mut table = database.create_table(&session, &definition).unwrap();
    let [id, customer, document, noted, several] =
        ["id", "customer", "document", "noted", "several"].map(|name| table.column(name).unwrap());
    let value = large(8)[..20_000].to_vec();
    put(&table, 1, "a", &value);
    seek(&mut table, 1);

    let mut update = table.insert().unwrap();
    assert_eq!(update.value(id).unwrap(), Value::Null);
    assert_eq!(update.value(noted).unwrap(), Value::Binary(b"nothing".to_vec()));
    assert_eq!(update.len(noted, 1).unwrap(), Some(7));
    assert_eq!(update.len(document, 1).unwrap(), None);
    update.append_long(document, 1, &value).unwrap();
    update.append_long(document, 1, b"end").unwrap();
    assert_eq!(update.len(document, 1).unwrap(), Some(20_003));
    assert_eq!(
        update.read_long(document, 1, 19_999, 10).unwrap(),
        [&value[19_999..], b"end"].concat()
    );
    for byte in [1, 2] {
        update.set_at(several, 0, &Value::Binary(vec![byte])).unwrap();
    }
    assert_eq!(
        update.values(several).unwrap(),
        [vec![1], vec![2]].map(Value::Binary)
    );
    drop(update);

    for is_copy in [false, true] {
        let mut update = if is_copy {
            table.insert_copy()
        } else {
            table.replace()
        }
        .unwrap();
        assert_eq!(update.value(customer).unwrap(), table.value(customer).unwrap());
        update.set(customer, &Value::Null).unwrap();
        assert_eq!(update.value(customer).unwrap(), Value::Null);
        let mut model = value.clone();
        assert!(update.value(document).unwrap() == Value::Binary(model.clone()));
        update.write_long(document, 1, 100, &[9; 5_000]).unwrap();
        model[100..5_100].fill(9);
        update.append_long(document, 1, &[8; 5_000]).unwrap();
        update.set_long_size(document, 1, 22_000).unwrap();
        update.set_long_size(document, 1, 23_000).unwrap();
        update.append_long(document, 1, b"end").unwrap();
        model.resize(22_000, 8);
        model.resize(23_000, 0);
        model.extend(b"end");
        assert_eq!(update.len(document, 1).unwrap(), Some(23_003));
        assert!(update.value(document).unwrap() == Value::Binary(model.clone()));
        for (offset, len) in [
            (0, 101),
            (99, 5_002),
            (21_990, 20),
            (22_999, 10),
            (23_003, 1),
            (30_000, 1),
        ] {
            let end = (offset + len).min(model.len());
            let part = model.get(offset..end).unwrap_or_default();
            let read = update
                .read_long(document, 1, u32::try_from(offset).unwrap(), len)
                .unwrap();
            assert!(read == part, "{offset}");
        }
        // Nothing of it is seen elsewhere before it is saved.
        assert!(read(&table) == value);
        update.set(id, &Value::Long(if is_copy { 2 } else { 1 })).unwrap();
        if is_copy {
            update.save().unwrap();
            seek(&mut table, 2);
            assert!(read(&table) == model);
        }
    }
    drop((table, database));
    end(&instance, &fs);
}

#[test]
fn an_update_whose_record_another_session_has_deleted_says_so() {
    let fs = memory();
    let (instance, one, database) = begun(&fs, 4096);
    let two = instance.session().unwrap();
    let mut first = database.open_table(&one, "orders").unwrap();
    put(&first, 1, "a", &large(9)[..20_000]);
    seek(&mut first, 1);
    let column = document(&first);
    let mut update = first.replace().unwrap();
    update.append_long(column, 1, b"more").unwrap();
    let mut second = database.open_table(&two, "orders").unwrap();
    seek(&mut second, 1);
    second.delete().unwrap();
    instance.work().unwrap();
    assert_eq!(update.value(column).unwrap_err().code(), JetErr::RecordDeleted);
    drop(update);
    drop((first, second, database));
    end(&instance, &fs);
}
