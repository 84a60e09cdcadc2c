//! Cursors: keys, seeks, ranges and bookmarks, in the primary index and in others.

use super::rows::{made, put, text};
use super::{PATH, assert_sound, memory, start};
use crate::engine::{
    ColumnDefinition, Database, IndexDefinition, Instance, KeyLimit, Seek, Session, Table, TableDefinition,
    Term,
};
use crate::error::JetErr;
use crate::format::{ColumnType, Value};
use std::ops::Bound;

/// Numbers 0 to 99 by id; by colour (red, green, blue in turn), then by size, the largest first.
fn things(instance: &Instance, session: &Session) -> Database {
    let definition = TableDefinition::new("things")
        .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
        .column(ColumnDefinition::new("size", ColumnType::Short))
        .column(ColumnDefinition::new("colour", ColumnType::Text))
        .column(ColumnDefinition::new("tag", ColumnType::Text).multi_valued())
        .column(ColumnDefinition::new("code", ColumnType::Binary))
        .index(IndexDefinition::primary("by_id").ascending("id"))
        .index(
            IndexDefinition::new("by_colour")
                .ascending("colour")
                .descending("size"),
        )
        .index(IndexDefinition::new("by_tag").ascending("tag").ignore_null())
        .index(
            IndexDefinition::new("by_code")
                .ascending("code")
                .unique()
                .ignore_any_null(),
        );
    let database = instance.create_database(PATH).unwrap();
    let transaction = session.begin().unwrap();
    let table = database.create_table(session, &definition).unwrap();
    for id in 0..100_i32 {
        let mut update = table.insert().unwrap();
        let mut set = |name: &str, value: Value| {
            update.set(table.column(name).unwrap(), &value).unwrap();
        };
        set("id", Value::Long(id));
        set("size", Value::Short(i16::try_from(id).unwrap() / 10));
        set(
            "colour",
            text(["red", "green", "blue"][usize::try_from(id).unwrap() % 3]),
        );
        if id % 2 == 0 {
            set("code", Value::Binary(format!("{id:03}").into()));
        }
        update.save().unwrap();
    }
    transaction.commit().unwrap();
    database
}

fn id(table: &Table<'_>) -> i32 {
    match table.value(table.column("id").unwrap()).unwrap() {
        Value::Long(id) => id,
        other => panic!("{other}"),
    }
}

fn forward(table: &mut Table<'_>) -> Vec<i32> {
    let mut ids = Vec::new();
    while table.move_next().unwrap() {
        ids.push(id(table));
    }
    ids
}

fn backward(table: &mut Table<'_>) -> Vec<i32> {
    let mut ids = Vec::new();
    while table.move_previous().unwrap() {
        ids.push(id(table));
    }
    ids.reverse();
    ids
}

fn long(values: &[i32]) -> Vec<Value> {
    values.iter().copied().map(Value::Long).collect()
}

#[test]
fn seeks_find_the_neighbours_of_a_key_in_every_index() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = things(&instance, &session);
    let mut table = database.open_table(&session, "things").unwrap();
    let mut sought = |index: Option<&str>, key: &[Value], how| {
        table.set_current_index(index).unwrap();
        table.seek(key, how).unwrap().then(|| id(&table))
    };
    for (how, expected) in [
        (Seek::Equal, Some(50)),
        (Seek::GreaterOrEqual, Some(50)),
        (Seek::Greater, Some(51)),
        (Seek::LessOrEqual, Some(50)),
        (Seek::Less, Some(49)),
    ] {
        assert_eq!(sought(None, &long(&[50]), how), expected, "{how:?}");
    }
    assert_eq!(sought(None, &long(&[100]), Seek::GreaterOrEqual), None);
    assert_eq!(sought(None, &long(&[-1]), Seek::LessOrEqual), None);
    // Blue: 2, 5, … 98; the largest first.
    for (how, expected) in [
        (Seek::Equal, Some(92)),
        (Seek::GreaterOrEqual, Some(92)),
        (Seek::Greater, Some(91)),
        (Seek::LessOrEqual, Some(8)),
        (Seek::Less, None),
    ] {
        assert_eq!(
            sought(Some("by_colour"), &[text("blue")], how),
            expected,
            "{how:?}"
        );
    }
    let key = [text("green"), Value::Short(4)];
    for (how, expected) in [
        (Seek::Equal, Some(40)),
        (Seek::Greater, Some(31)),
        (Seek::LessOrEqual, Some(49)),
        (Seek::Less, Some(58)),
    ] {
        assert_eq!(sought(Some("by_colour"), &key, how), expected, "{how:?}");
    }
}

#[test]
fn a_range_limits_moves_at_both_ends() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = things(&instance, &session);
    let mut table = database.open_table(&session, "things").unwrap();
    table.range(long(&[10])..=long(&[15])).unwrap();
    assert_eq!(forward(&mut table), [10, 11, 12, 13, 14, 15]);
    assert_eq!(backward(&mut table), [10, 11, 12, 13, 14, 15]);
    assert!(table.move_last().unwrap());
    assert_eq!(id(&table), 15);
    assert!(!table.move_by(1).unwrap());
    let outside = (Bound::Excluded(long(&[10])), Bound::Excluded(long(&[13])));
    table.range(outside).unwrap();
    assert_eq!(forward(&mut table), [11, 12]);
    table.range(..long(&[2])).unwrap();
    assert_eq!(forward(&mut table), [0, 1]);
    table.range(long(&[98])..).unwrap();
    assert!(backward(&mut table).is_empty());
    assert_eq!(forward(&mut table), [98, 99]);
    assert_eq!(backward(&mut table), [98, 99]);
    table.range(long(&[30])..long(&[20])).unwrap();
    assert!(!table.move_first().unwrap() && !table.move_last().unwrap());
    // A seek gives it up.
    assert!(table.seek(&long(&[50]), Seek::Equal).unwrap() && table.move_next().unwrap());
    table.clear_range();
    assert!(table.move_first().unwrap());
    assert_eq!(id(&table), 0);
}

#[test]
fn a_range_of_the_first_column_has_all_entries_that_begin_so() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = things(&instance, &session);
    let mut table = database.open_table(&session, "things").unwrap();
    table.set_current_index(Some("by_colour")).unwrap();
    table.range([text("green")]..=[text("green")]).unwrap();
    let green = forward(&mut table);
    assert_eq!(green.len(), 33);
    assert!(green.iter().all(|id| id % 3 == 1));
    assert_eq!(backward(&mut table), green);
    let between = (
        Bound::Excluded(vec![text("blue")]),
        Bound::Excluded(vec![text("red")]),
    );
    table.range(between).unwrap();
    assert_eq!(forward(&mut table), green);
    // Descending: the greater sizes come first.
    let sizes = vec![text("green"), Value::Short(9)]..=vec![text("green"), Value::Short(8)];
    table.range(sizes).unwrap();
    assert_eq!(forward(&mut table), [91, 94, 97, 82, 85, 88]);
}

#[test]
fn keys_with_limits_find_what_begins_so() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = things(&instance, &session);
    let mut table = database.open_table(&session, "things").unwrap();
    table.set_current_index(Some("by_colour")).unwrap();
    let starts = [text("gr")];
    let lower = table.make_key(&starts, KeyLimit::PartialColumnStart).unwrap();
    let upper = table.make_key(&starts, KeyLimit::PartialColumnEnd).unwrap();
    table.range_of_keys(lower.clone()..upper);
    assert_eq!(forward(&mut table).len(), 33);
    assert!(table.seek_key(&lower, Seek::GreaterOrEqual).unwrap());
    assert_eq!(id(&table), 91);
    table.set_current_index(Some("by_code")).unwrap();
    let lower = table
        .make_key(&[Value::Binary(b"04".to_vec())], KeyLimit::PartialColumnStart)
        .unwrap();
    let upper = table
        .make_key(&[Value::Binary(b"04".to_vec())], KeyLimit::String)
        .unwrap();
    table.range_of_keys(lower..upper);
    assert_eq!(forward(&mut table), [40, 42, 44, 46, 48]);
    let code = |values: &[Value], limit| table.make_key(values, limit).unwrap_err().code();
    assert_eq!(code(&[], KeyLimit::None), JetErr::KeyNotMade);
    assert_eq!(code(&[Value::Long(1)], KeyLimit::None), JetErr::InvalidColumnType);
    let two = [Value::Binary(vec![1]), Value::Binary(vec![1])];
    assert_eq!(code(&two, KeyLimit::None), JetErr::KeyIsMade);
    table.set_current_index(None).unwrap();
    let partial = table.make_key(&long(&[1]), KeyLimit::PartialColumnEnd);
    assert_eq!(partial.unwrap_err().code(), JetErr::InvalidGrbit);
}

#[test]
fn moves_go_by_many_records_and_by_keys() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = things(&instance, &session);
    let mut table = database.open_table(&session, "things").unwrap();
    assert!(!table.move_by(0).unwrap());
    assert!(table.move_by(10).unwrap());
    assert_eq!(id(&table), 9);
    assert!(table.move_by(-4).unwrap() && table.move_by(0).unwrap());
    assert_eq!(id(&table), 5);
    assert!(!table.move_by(1000).unwrap());
    assert!(table.move_by(-100).unwrap());
    assert_eq!(id(&table), 0);
    table.delete().unwrap();
    assert!(!table.move_by(0).unwrap());
    table.set_current_index(Some("by_colour")).unwrap();
    let mut firsts = Vec::new();
    while table.move_to_next_key().unwrap() {
        firsts.push(id(&table));
    }
    assert_eq!(firsts.len(), 30);
    assert_eq!(firsts[..3], [92, 80, 71]);
    let mut lasts = 0;
    while table.move_to_previous_key().unwrap() {
        lasts += 1;
    }
    assert_eq!(lasts, 30);
}

#[test]
fn a_bookmark_finds_its_record_in_the_index_that_is_current() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = things(&instance, &session);
    let mut table = database.open_table(&session, "things").unwrap();
    assert!(table.seek(&long(&[7]), Seek::Equal).unwrap());
    let seven = table.bookmark().unwrap();
    table.set_current_index(Some("by_colour")).unwrap();
    table.goto_bookmark(&seven).unwrap();
    assert_eq!(id(&table), 7);
    let entry = table.index_bookmark().unwrap();
    assert_eq!(entry.record, seven);
    assert!(table.move_next().unwrap());
    assert_eq!(id(&table), 90);
    assert!(table.move_previous().unwrap());
    assert_eq!(id(&table), 7);
    assert!(table.move_first().unwrap());
    table.goto_index_bookmark(&entry).unwrap();
    assert_eq!((id(&table), table.key().unwrap()), (7, entry.key.clone()));
    // It has no code.
    table.set_current_index(Some("by_code")).unwrap();
    assert_eq!(
        table.goto_bookmark(&seven).unwrap_err().code(),
        JetErr::NoCurrentRecord
    );
    table.set_current_index(None).unwrap();
    table.goto_bookmark(&seven).unwrap();
    table.delete().unwrap();
    assert_eq!(
        table.goto_bookmark(&seven).unwrap_err().code(),
        JetErr::RecordDeleted
    );
    table.set_current_index(Some("by_colour")).unwrap();
    assert_eq!(
        table.goto_index_bookmark(&entry).unwrap_err().code(),
        JetErr::RecordDeleted
    );
}

#[test]
fn a_record_has_an_entry_for_each_of_several_values() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = things(&instance, &session);
    let mut table = database.open_table(&session, "things").unwrap();
    let tag = table.column("tag").unwrap();
    for (record, tags) in [(3, ["new", "cheap"]), (4, ["cheap", "old"])] {
        assert!(table.seek(&long(&[record]), Seek::Equal).unwrap());
        let mut update = table.replace().unwrap();
        for value in tags {
            update.set_at(tag, 0, &text(value)).unwrap();
        }
        update.save().unwrap();
    }
    table.set_current_index(Some("by_tag")).unwrap();
    assert_eq!(forward(&mut table), [3, 4, 3, 4]);
    table.range([text("cheap")]..=[text("cheap")]).unwrap();
    assert_eq!(forward(&mut table), [3, 4]);
    assert!(table.seek(&[text("old")], Seek::Equal).unwrap());
    let row = table.row().unwrap();
    assert_eq!(row.values(tag).unwrap(), [text("cheap"), text("old")]);
    drop(row);
    let mut update = table.replace().unwrap();
    update.set_at(tag, 1, &Value::Null).unwrap();
    update.save().unwrap();
    table.range(..=[text("zzz")]).unwrap();
    assert_eq!(forward(&mut table), [3, 3, 4]);
    drop((table, database));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}

#[test]
fn an_index_over_unicode_text_is_refused() {
    let fs = memory();
    let instance = start(&fs, 4096);
    let session = instance.session().unwrap();
    let database = made(&instance, &session);
    put(&database.open_table(&session, "orders").unwrap(), 1, "a", b"");
    let note = ColumnDefinition::new("note", ColumnType::Text).unicode();
    database.add_column(&session, "orders", &note).unwrap();
    let index = IndexDefinition::new("by_note").ascending("note");
    let refused = database.create_index(&session, "orders", &index).unwrap_err();
    assert_eq!(refused.code(), JetErr::UnicodeNormalizationNotSupported);
    assert!(refused.advice().is_some());
}
