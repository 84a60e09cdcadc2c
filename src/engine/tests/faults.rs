//! What is held too long, leaked, or ended at a wrong time.

use super::rows::{made, put, rows};
use super::{PATH, assert_sound, memory, start};
use crate::engine::{ColumnDefinition, IndexDefinition, Table, TableDefinition, Term};
use crate::error::{JetErr, JetError};
use crate::format::{ColumnType, Value};

#[test]
fn a_row_that_is_kept_never_shows_the_long_value_of_another_record() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let (one, two) = (instance.session().unwrap(), instance.session().unwrap());
    let database = made(&instance, &one);
    let mut first = database.open_table(&one, "orders").unwrap();
    put(&first, 1, "a", &[1; 6000]);
    assert!(first.move_first().unwrap());
    let document = first.column("document").unwrap();
    let row = first.row().unwrap();
    let mut second = database.open_table(&two, "orders").unwrap();
    assert!(second.move_first().unwrap());
    second.delete().unwrap();
    instance.work().unwrap();
    put(&second, 2, "b", &[2; 7000]);
    assert_eq!(row.value(document).unwrap_err().code(), JetErr::RecordDeleted);
    assert_eq!(row.len(document, 1).unwrap_err().code(), JetErr::RecordDeleted);
    assert_eq!(
        row.read_long(document, 1, 0, 9).unwrap_err().code(),
        JetErr::RecordDeleted
    );
    drop((first, second, database));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

#[test]
fn a_rollback_that_fails_ends_its_level_all_the_same() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let table = database.open_table(&session, "orders").unwrap();
    let outer = session.begin().unwrap();
    put(&table, 1, "a", b"");
    let inner = session.begin().unwrap();
    put(&table, 2, "b", b"");
    let broken = JetError::rule(JetErr::LogWriteFail, "the disk is gone");
    let _ = instance.core().shared.fail(broken);
    assert_eq!(inner.roll_back().unwrap_err().code(), JetErr::InstanceUnavailable);
    assert_eq!(session.level(), 1);
    assert_eq!(outer.commit().unwrap_err().code(), JetErr::InstanceUnavailable);
    assert_eq!(session.level(), 0);
    drop((table, database));
    drop(instance);

    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = instance.attach_database(PATH).unwrap();
    assert_eq!(rows(&mut database.open_table(&session, "orders").unwrap()), []);
}

#[test]
fn a_transaction_that_was_leaked_is_rolled_back_when_its_session_ends() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let table = database.open_table(&session, "orders").unwrap();
    std::mem::forget(session.begin().unwrap());
    put(&table, 1, "a", &[1; 5000]);
    std::mem::forget(session.begin().unwrap());
    put(&table, 2, "b", b"");
    drop(table);
    drop(session);
    let session = instance.session().unwrap();
    assert_eq!(rows(&mut database.open_table(&session, "orders").unwrap()), []);
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

#[test]
fn an_instance_does_not_end_while_a_session_is_in_a_transaction() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let table = database.open_table(&session, "orders").unwrap();
    let transaction = session.begin().unwrap();
    put(&table, 1, "a", b"");
    for how in [Term::Complete, Term::Abrupt] {
        assert_eq!(instance.term(how).unwrap_err().code(), JetErr::TooManyActiveUsers);
    }
    put(&table, 2, "b", b"");
    transaction.commit().unwrap();
    // Sessions and tables may be open.
    instance.term(Term::Complete).unwrap();
    assert!(table.insert().is_err());
    assert_sound(&fs);
}

#[test]
fn an_instance_that_ends_dirty_rolls_open_transactions_back_at_its_next_start() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    let table = database.open_table(&session, "orders").unwrap();
    put(&table, 1, "a", b"");
    let transaction = session.begin().unwrap();
    put(&table, 2, "b", b"");
    let ended = instance.term(Term::Dirty).unwrap_err();
    assert_eq!(ended.code(), JetErr::DirtyShutdown);
    assert!(transaction.commit().is_err());
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = instance.attach_database(PATH).unwrap();
    let mut table = database.open_table(&session, "orders").unwrap();
    assert_eq!(rows(&mut table).len(), 1);
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

fn number(table: &Table<'_>) -> i64 {
    let update = table.insert().unwrap();
    let number = update.auto_increment().unwrap();
    update.save().unwrap();
    number
}

#[test]
fn automatic_numbers_do_not_repeat_and_go_on_behind_the_highest_after_a_restart() {
    let events = TableDefinition::new("events")
        .column(ColumnDefinition::new("number", ColumnType::LongLong).auto_increment())
        .index(IndexDefinition::primary("by_number").descending("number"));
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = instance.create_database(PATH).unwrap();
    let mut table = database.create_table(&session, &events).unwrap();
    assert_eq!((number(&table), number(&table)), (1, 2));
    let transaction = session.begin().unwrap();
    assert_eq!(number(&table), 3);
    transaction.roll_back().unwrap();
    assert_eq!(number(&table), 4);
    assert!(table.move_first().unwrap());
    let column = table.column("number").unwrap();
    assert_eq!(table.value(column).unwrap(), Value::LongLong(4));
    table.delete().unwrap();
    instance.work().unwrap();
    assert_eq!(number(&table), 5);
    drop((table, database));
    instance.term(Term::Complete).unwrap();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = instance.attach_database(PATH).unwrap();
    let table = database.open_table(&session, "events").unwrap();
    assert_eq!(number(&table), 6);
    drop((table, database));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}
