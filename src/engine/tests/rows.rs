use super::{PATH, assert_sound, memory, on_disk, start};
use crate::engine::{
    ColumnDefinition, Database, IndexDefinition, Instance, Seek, Session, Table, TableDefinition, Term,
};
use crate::error::JetErr;
use crate::format::{ColumnType, Text, Value};
use crate::store::Schema;

pub(super) fn orders() -> TableDefinition {
    TableDefinition::new("orders")
        .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
        .column(ColumnDefinition::new("customer", ColumnType::Text).max_len(80))
        .column(ColumnDefinition::new("document", ColumnType::LongBinary))
        .index(IndexDefinition::primary("by_id").ascending("id"))
        .index(IndexDefinition::new("by_customer").ascending("customer"))
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(Text::encode(text, 1252).unwrap())
}

pub(super) fn put(table: &Table<'_>, id: i32, customer: &str, document: &[u8]) {
    let mut update = table.insert().unwrap();
    update.set(table.column("id").unwrap(), &Value::Long(id)).unwrap();
    update
        .set(table.column("customer").unwrap(), &text(customer))
        .unwrap();
    let document = Value::Binary(document.to_vec());
    update.set(table.column("document").unwrap(), &document).unwrap();
    update.save().unwrap();
}

pub(super) fn rows(table: &mut Table<'_>) -> Vec<(Value, Value, usize)> {
    let [id, customer, document] = ["id", "customer", "document"].map(|name| table.column(name).unwrap());
    let mut rows = Vec::new();
    let mut is_there = table.move_first().unwrap();
    while is_there {
        let row = table.row().unwrap();
        let len = row.len(document, 1).unwrap().unwrap_or(0);
        rows.push((row.value(id).unwrap(), row.value(customer).unwrap(), len as usize));
        is_there = table.move_next().unwrap();
    }
    rows
}

pub(super) fn made(instance: &Instance, session: &Session) -> Database {
    let database = instance.create_database(PATH).unwrap();
    let transaction = session.begin().unwrap();
    drop(database.create_table(session, &orders()).unwrap());
    transaction.commit().unwrap();
    database
}

/// Rows of every length, in an order that is not theirs.
pub(super) fn fill(session: &Session, table: &Table<'_>, count: i32) {
    for id in (0..count).map(|number| number * 7 % count) {
        let transaction = session.begin().unwrap();
        let document = vec![u8::try_from(id % 251).unwrap(); usize::try_from(id).unwrap() * 53 % 9000];
        put(table, id, &format!("customer {:03}", id % 10), &document);
        transaction.commit().unwrap();
    }
}

#[test]
fn rows_are_there_after_the_instance_ended_and_everything_fits_together() {
    for page_size in [4096, 8192, 16384, 32768] {
        let fs = memory();
        let instance = start(&fs, page_size);
        let session = instance.session().unwrap();
        let database = made(&instance, &session);
        let mut table = database.open_table(&session, "ORDERS").unwrap();
        fill(&session, &table, 200);
        let before = rows(&mut table);
        assert_eq!(before.len(), 200);
        drop((table, database));
        instance.term(Term::Complete).unwrap();
        assert_sound(&fs);
        assert!(Schema::load(&on_disk(&fs)).unwrap().table("orders").is_ok());

        let instance = start(&fs, page_size);
        let session = instance.session().unwrap();
        let database = instance.attach_database(PATH).unwrap();
        assert_eq!(database.tables(&session).unwrap(), ["orders"]);
        let mut table = database.open_table(&session, "orders").unwrap();
        assert_eq!(rows(&mut table), before);
    }
}

#[test]
fn what_was_committed_survives_a_crash_and_what_was_not_is_gone() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let mut table = database.open_table(&session, "orders").unwrap();
    fill(&session, &table, 150);
    instance.work().unwrap();
    let before = rows(&mut table);
    let open = session.begin().unwrap();
    for id in 1000..1050 {
        put(&table, id, "nobody", &[7; 3000]);
    }
    assert!(table.seek(&[Value::Long(3)], Seek::Equal).unwrap());
    table.delete().unwrap();
    instance.flush().unwrap();
    std::mem::forget(open);
    drop((table, database));
    drop(instance);

    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = instance.attach_database(PATH).unwrap();
    let mut table = database.open_table(&session, "orders").unwrap();
    assert_eq!(rows(&mut table), before);
    drop(table);
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

#[test]
fn an_update_that_a_unique_index_refuses_leaves_nothing_behind() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let transaction = session.begin().unwrap();
    let index = IndexDefinition::new("one_each").ascending("customer").unique();
    database.create_index(&session, "orders", &index).unwrap();
    transaction.commit().unwrap();
    let mut table = database.open_table(&session, "orders").unwrap();
    put(&table, 1, "a", &[1; 5000]);
    let mut update = table.insert().unwrap();
    update.set(table.column("id").unwrap(), &Value::Long(2)).unwrap();
    update.set(table.column("customer").unwrap(), &text("a")).unwrap();
    assert_eq!(update.save().unwrap_err().code(), JetErr::KeyDuplicate);
    assert_eq!(rows(&mut table).len(), 1);
    table.set_current_index(Some("by_customer")).unwrap();
    assert_eq!(rows(&mut table).len(), 1);
    drop(table);
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

#[test]
fn a_record_is_found_by_every_index_and_changes_its_place_in_them() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let mut table = database.open_table(&session, "orders").unwrap();
    fill(&session, &table, 50);
    table.set_current_index(Some("by_customer")).unwrap();
    assert!(table.seek(&[text("customer 007")], Seek::Equal).unwrap());
    let (id, customer) = (table.column("id").unwrap(), table.column("customer").unwrap());
    assert_eq!(table.value(id).unwrap(), Value::Long(7));
    let mut update = table.replace().unwrap();
    update.set(customer, &text("zz")).unwrap();
    update.save().unwrap();
    assert!(table.move_last().unwrap());
    assert_eq!(table.value(id).unwrap(), Value::Long(7));
    table.delete().unwrap();
    assert_eq!(table.row().unwrap_err().code(), JetErr::RecordDeleted);
    assert!(!table.seek(&[text("zz")], Seek::GreaterOrEqual).unwrap());
    drop(table);
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

#[test]
fn the_second_of_two_transactions_that_change_a_record_is_refused() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let (one, two) = (instance.session().unwrap(), instance.session().unwrap());
    let database = made(&instance, &one);
    let mut first = database.open_table(&one, "orders").unwrap();
    put(&first, 1, "a", b"");
    let mut second = database.open_table(&two, "orders").unwrap();
    let (in_one, in_two) = (one.begin().unwrap(), two.begin().unwrap());
    assert!(first.move_first().unwrap() && second.move_first().unwrap());
    let customer = first.column("customer").unwrap();
    let mut update = first.replace().unwrap();
    update.set(customer, &text("b")).unwrap();
    update.save().unwrap();
    assert_eq!(second.value(customer).unwrap(), text("a"));
    assert_eq!(second.delete().unwrap_err().code(), JetErr::WriteConflict);
    in_one.commit().unwrap();
    assert_eq!(
        second.value(customer).unwrap(),
        text("a"),
        "its snapshot is older"
    );
    assert_eq!(second.delete().unwrap_err().code(), JetErr::WriteConflict);
    in_two.roll_back().unwrap();
    assert_eq!(second.value(customer).unwrap(), text("b"));
}

#[test]
fn an_update_of_a_record_that_has_changed_since_is_refused_and_its_indexes_stay_right() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let mut table = database.open_table(&session, "orders").unwrap();
    put(&table, 1, "a", &[1; 3000]);
    assert!(table.move_first().unwrap());
    let (customer, document) = (
        table.column("customer").unwrap(),
        table.column("document").unwrap(),
    );
    let mut late = table.replace().unwrap();
    let mut first = table.replace().unwrap();
    first.set(customer, &text("b")).unwrap();
    first.save().unwrap();
    late.set(document, &Value::Binary(vec![2; 3000])).unwrap();
    assert_eq!(late.save().unwrap_err().code(), JetErr::WriteConflict);
    assert_eq!(table.value(customer).unwrap(), text("b"));
    table.set_current_index(Some("by_customer")).unwrap();
    assert!(table.seek(&[text("b")], Seek::Equal).unwrap());
    drop((table, database));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

#[test]
fn sessions_that_ended_make_room_for_others() {
    let fs = memory();
    let instance = start(&fs, 4096);
    for _ in 0..1000 {
        drop(instance.session().unwrap());
    }
}
