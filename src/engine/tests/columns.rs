//! Columns: defaults, NULLs, several values, and those that the engine itself changes.

use super::rows::{fill, made, put, rows, text};
use super::{PATH, assert_sound, memory, on_disk, start};
use crate::engine::{
    ColumnDefinition, IndexDefinition, Seek, Session, SetOptions, Table, TableDefinition, Term,
};
use crate::error::JetErr;
use crate::format::{ColumnId, ColumnType, Value};
use crate::store;

fn column(table: &Table<'_>, name: &str) -> ColumnId {
    table.column(name).unwrap()
}

#[test]
fn records_that_are_older_than_a_column_have_its_default() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let mut table = database.open_table(&session, "orders").unwrap();
    fill(&session, &table, 20);
    for definition in [
        ColumnDefinition::new("rank", ColumnType::Short).default_value(7_i16.to_le_bytes()),
        ColumnDefinition::new("state", ColumnType::Text).default_value("new"),
        ColumnDefinition::new("note", ColumnType::LongText).default_value("none"),
        ColumnDefinition::new("weight", ColumnType::IeeeDouble),
    ] {
        database.add_column(&session, "orders", &definition).unwrap();
    }
    let names = ["rank", "state", "note", "weight"];
    let values = |table: &Table<'_>| names.map(|name| table.value(column(table, name)).unwrap());
    let note = |note: &str| Value::Text(crate::format::Text::encode(note, 1252).unwrap());
    let defaults = [Value::Short(7), text("new"), note("none"), Value::Null];
    assert!(table.seek(&[Value::Long(5)], Seek::Equal).unwrap());
    assert_eq!(values(&table), defaults);
    let mut update = table.replace().unwrap();
    update
        .set(column(&table, "weight"), &Value::IeeeDouble(0.5))
        .unwrap();
    update.set(column(&table, "state"), &Value::Null).unwrap();
    update.set(column(&table, "note"), &Value::Null).unwrap();
    update.save().unwrap();
    let changed = [Value::Short(7), Value::Null, Value::Null, Value::IeeeDouble(0.5)];
    assert_eq!(values(&table), changed);
    let mut update = table.replace().unwrap();
    let revert = SetOptions::default().revert_to_default();
    update
        .set_with(column(&table, "note"), 1, &Value::Null, revert)
        .unwrap();
    update.save().unwrap();
    assert_eq!(values(&table)[2], note("none"));
    put(&table, 100, "new one", b"");
    assert!(table.seek(&[Value::Long(100)], Seek::Equal).unwrap());
    assert_eq!(values(&table), defaults);
    drop((table, database));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = instance.attach_database(PATH).unwrap();
    let mut table = database.open_table(&session, "orders").unwrap();
    assert!(table.seek(&[Value::Long(6)], Seek::Equal).unwrap());
    assert_eq!(values(&table), defaults);
    let index = IndexDefinition::new("by_rank").ascending("rank");
    database.create_index(&session, "orders", &index).unwrap();
    table.set_current_index(Some("by_rank")).unwrap();
    assert!(table.seek(&[Value::Short(7)], Seek::Equal).unwrap());
    assert_eq!(rows(&mut table).len(), 21);
}

#[test]
fn a_deleted_column_is_gone_and_its_id_is_not_given_again() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let mut table = database.open_table(&session, "orders").unwrap();
    put(&table, 1, "a", &[1; 3000]);
    let document = column(&table, "document");
    let used = database
        .delete_column(&session, "orders", "customer")
        .unwrap_err();
    assert_eq!(used.code(), JetErr::ColumnInUse);
    database.delete_column(&session, "orders", "document").unwrap();
    assert_eq!(
        table.column("document").unwrap_err().code(),
        JetErr::ColumnNotFound
    );
    assert!(table.move_first().unwrap());
    assert_eq!(table.value(document).unwrap_err().code(), JetErr::ColumnNotFound);
    let again = ColumnDefinition::new("document", ColumnType::LongBinary);
    let new = database.add_column(&session, "orders", &again).unwrap();
    assert!(new > document);
    assert_eq!(table.value(new).unwrap(), Value::Null);
    let names: Vec<String> = table
        .columns()
        .unwrap()
        .into_iter()
        .map(|column| column.name)
        .collect();
    assert_eq!(names, ["id", "customer", "document"]);
    assert_eq!(table.indexes().unwrap(), ["by_id", "by_customer"]);
    drop((table, database));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

#[test]
fn no_value_a_value_of_no_bytes_and_a_missing_one_are_three_things() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let table = database.open_table(&session, "orders").unwrap();
    let (id, customer, document) = (
        column(&table, "id"),
        column(&table, "customer"),
        column(&table, "document"),
    );
    let mut update = table.insert().unwrap();
    update.set(customer, &text("")).unwrap();
    assert_eq!(update.save().unwrap_err().code(), JetErr::NullInvalid);
    let mut update = table.insert().unwrap();
    assert_eq!(
        update.set(id, &Value::Null).unwrap_err().code(),
        JetErr::NullInvalid
    );
    update.set(id, &Value::Long(1)).unwrap();
    update.set(customer, &text("")).unwrap();
    update.set(document, &Value::Binary(Vec::new())).unwrap();
    let wrong = update.set(customer, &Value::Long(1)).unwrap_err();
    assert_eq!(wrong.code(), JetErr::InvalidColumnType);
    let bookmark = update.save().unwrap();
    let mut table = table;
    table.goto_bookmark(&bookmark).unwrap();
    let row = table.row().unwrap();
    assert_eq!(row.value(customer).unwrap(), text(""));
    assert_eq!(row.len(document, 1).unwrap(), Some(0));
    assert_eq!(row.value_at(document, 2).unwrap(), Value::Null);
    assert_eq!(
        row.value_at(document, 0).unwrap_err().code(),
        JetErr::BadItagSequence
    );
    drop(row);
    let mut update = table.replace().unwrap();
    update.set(customer, &Value::Null).unwrap();
    update.set(document, &Value::Null).unwrap();
    update.save().unwrap();
    assert_eq!(table.value(customer).unwrap(), Value::Null);
    assert_eq!(table.row().unwrap().len(document, 1).unwrap(), None);
    assert_eq!(table.text(customer, "né").unwrap(), text("né"));
    let other = table.text(customer, "日本").unwrap_err();
    assert_eq!(other.code(), JetErr::UnicodeTranslationFail);
}

#[test]
fn a_column_has_several_values_each_of_which_is_set_by_its_number() {
    let definition = TableDefinition::new("sets")
        .column(ColumnDefinition::new("numbers", ColumnType::Long).multi_valued())
        .column(ColumnDefinition::new("papers", ColumnType::LongBinary).multi_valued());
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = instance.create_database(PATH).unwrap();
    let mut table = database.create_table(&session, &definition).unwrap();
    let (numbers, papers) = (column(&table, "numbers"), column(&table, "papers"));
    let paper = |byte: u8, len: usize| Value::Binary(vec![byte; len]);
    let mut update = table.insert().unwrap();
    for number in [3, 1, 2] {
        update.set_at(numbers, 0, &Value::Long(number)).unwrap();
    }
    for (byte, len) in [(1, 10), (2, 9_000), (3, 0), (4, 20_000)] {
        update.set_at(papers, 0, &paper(byte, len)).unwrap();
    }
    update.save().unwrap();
    assert!(table.move_first().unwrap());
    let long = |values: &[i32]| values.iter().copied().map(Value::Long).collect::<Vec<_>>();
    assert_eq!(table.row().unwrap().values(numbers).unwrap(), long(&[3, 1, 2]));
    let mut update = table.replace().unwrap();
    update.set_at(numbers, 2, &Value::Long(9)).unwrap();
    update.set_at(numbers, 1, &Value::Null).unwrap();
    update.set_at(papers, 1, &Value::Null).unwrap();
    // What was the fourth is the third now.
    update.append_long(papers, 3, &[4; 5_000]).unwrap();
    let unique = SetOptions::default().unique();
    let same = update.set_with(numbers, 0, &Value::Long(9), unique).unwrap_err();
    assert_eq!(same.code(), JetErr::MultiValuedDuplicate);
    let same = update.set_with(papers, 0, &paper(2, 9_000), unique).unwrap_err();
    assert_eq!(same.code(), JetErr::MultiValuedDuplicate);
    update
        .set_with(papers, 0, &paper(5, 5), unique.separate())
        .unwrap();
    update.save().unwrap();
    let row = table.row().unwrap();
    assert_eq!(row.values(numbers).unwrap(), long(&[9, 2]));
    let expected = [paper(2, 9_000), paper(3, 0), paper(4, 25_000), paper(5, 5)];
    assert!(row.values(papers).unwrap() == expected);
    assert_eq!(row.value(numbers).unwrap(), Value::Long(9));
    drop(row);
    table.delete().unwrap();
    drop((table, database));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

fn stock() -> TableDefinition {
    TableDefinition::new("stock")
        .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
        .column(
            ColumnDefinition::new("count", ColumnType::Long)
                .escrow_update()
                .default_value([0; 4]),
        )
        .column(
            ColumnDefinition::new("holds", ColumnType::LongLong)
                .escrow_update()
                .delete_on_zero()
                .default_value(1_i64.to_le_bytes()),
        )
        .column(ColumnDefinition::new("name", ColumnType::Text))
        .column(ColumnDefinition::new("papers", ColumnType::LongBinary))
        .column(ColumnDefinition::new("version", ColumnType::Long).version())
        .index(IndexDefinition::primary("by_id").ascending("id"))
        .index(IndexDefinition::new("by_name").ascending("name"))
}

fn on<'s>(database: &crate::engine::Database, session: &'s Session) -> Table<'s> {
    let mut table = database.open_table(session, "stock").unwrap();
    assert!(table.move_first().unwrap());
    table
}

#[test]
fn transactions_add_to_one_number_at_the_same_time() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let (one, two) = (instance.session().unwrap(), instance.session().unwrap());
    let database = instance.create_database(PATH).unwrap();
    let table = database.create_table(&one, &stock()).unwrap();
    let mut update = table.insert().unwrap();
    update.set(column(&table, "id"), &Value::Long(1)).unwrap();
    update.save().unwrap();
    let (first, second) = (on(&database, &one), on(&database, &two));
    let (count, name) = (column(&table, "count"), column(&table, "name"));
    let (in_one, in_two) = (one.begin().unwrap(), two.begin().unwrap());
    assert_eq!(first.escrow_update(count, 5).unwrap(), 0);
    assert_eq!(second.escrow_update(count, -2).unwrap(), 5);
    assert_eq!(first.value(count).unwrap(), Value::Long(5));
    assert_eq!(second.value(count).unwrap(), Value::Long(-2));
    // Whoever replaces the record needs it for himself.
    let mut update = first.replace().unwrap();
    update.set(name, &text("x")).unwrap();
    assert_eq!(update.save().unwrap_err().code(), JetErr::WriteConflict);
    in_one.roll_back().unwrap();
    in_two.commit().unwrap();
    assert_eq!(first.value(count).unwrap(), Value::Long(-2));
    let code = |done: crate::JetResult<i64>| done.unwrap_err().code();
    assert_eq!(code(first.escrow_update(name, 1)), JetErr::InvalidOperation);
    assert_eq!(code(first.escrow_update(count, i64::MAX)), JetErr::ColumnTooBig);
    let mut update = first.replace().unwrap();
    let set = update.set(count, &Value::Long(1)).unwrap_err();
    assert_eq!(set.code(), JetErr::ColumnNotUpdatable);
    drop((first, second, table, database));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

#[test]
fn a_record_whose_number_falls_to_zero_goes_with_all_that_belongs_to_it() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let (one, two) = (instance.session().unwrap(), instance.session().unwrap());
    let database = instance.create_database(PATH).unwrap();
    let table = database.create_table(&one, &stock()).unwrap();
    let mut update = table.insert().unwrap();
    update.set(column(&table, "id"), &Value::Long(1)).unwrap();
    update.set(column(&table, "name"), &text("a")).unwrap();
    update
        .set(column(&table, "papers"), &Value::Binary(vec![1; 9_000]))
        .unwrap();
    update.save().unwrap();
    let holds = column(&table, "holds");
    let (first, second) = (on(&database, &one), on(&database, &two));
    let snapshot = two.begin().unwrap();
    assert_eq!(first.escrow_update(holds, 1).unwrap(), 1);
    assert_eq!(first.escrow_update(holds, -2).unwrap(), 2);
    instance.work().unwrap();
    assert_eq!(second.value(holds).unwrap(), Value::LongLong(1));
    assert_eq!(first.value(holds).unwrap(), Value::LongLong(0));
    snapshot.roll_back().unwrap();
    instance.work().unwrap();
    assert_eq!(first.row().unwrap_err().code(), JetErr::RecordDeleted);
    drop((first, second, table, database));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

#[test]
fn a_version_column_counts_the_updates_of_its_record() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = instance.create_database(PATH).unwrap();
    let table = database.create_table(&session, &stock()).unwrap();
    let version = column(&table, "version");
    let mut update = table.insert().unwrap();
    update.set(column(&table, "id"), &Value::Long(1)).unwrap();
    update.save().unwrap();
    let table = on(&database, &session);
    for expected in 0..3 {
        assert_eq!(table.value(version).unwrap(), Value::Long(expected));
        let mut update = table.replace().unwrap();
        update.set(column(&table, "name"), &text("x")).unwrap();
        update.save().unwrap();
    }
    let mut update = table.insert_copy().unwrap();
    update.set(column(&table, "id"), &Value::Long(2)).unwrap();
    update.save().unwrap();
    let mut table = table;
    assert!(table.move_last().unwrap());
    assert_eq!(table.value(version).unwrap(), Value::Long(0));
}

#[test]
fn a_table_says_from_which_length_on_long_values_leave_the_record() {
    for (above, expected) in [
        (None, 1),
        (Some(0), 1),
        (Some(1), 3),
        (Some(100), 2),
        (Some(3_000), 0),
    ] {
        let fs = memory();
        let instance = start(&fs, 4096);
        let session = instance.session().unwrap();
        let database = instance.create_database(PATH).unwrap();
        let definition = (1..4).fold(TableDefinition::new("t"), |definition, number| {
            let name = format!("c{number}");
            definition.column(ColumnDefinition::new(&name, ColumnType::LongBinary))
        });
        let definition = above
            .into_iter()
            .fold(definition, TableDefinition::separate_long_values);
        let table = database.create_table(&session, &definition).unwrap();
        let mut update = table.insert().unwrap();
        for (name, len) in [("c1", 100), ("c2", 101), ("c3", 1_024)] {
            let value = Value::Binary(vec![7; len]);
            update.set(table.column(name).unwrap(), &value).unwrap();
        }
        update.save().unwrap();
        drop((table, database));
        instance.term(Term::Complete).unwrap();
        assert_sound(&fs);
        let database = on_disk(&fs);
        let schema = store::Schema::load(&database).unwrap();
        let table = schema.table("t").unwrap();
        assert_eq!(table.table.separate_at, above.filter(|above| *above > 0));
        let tree = table
            .long_value
            .map(|tree| store::Tree::new(&database, tree.pgno_fdp, tree.objid));
        // A root and one chunk each.
        let nodes = tree.map_or(0, |tree| tree.scan().unwrap().count());
        assert_eq!(nodes, 2 * expected, "{above:?}");
    }
}
