//! Operations that need more pages than may be in memory: they work, by writing pages early, or are refused, and damage
//! nothing.

use super::changes::{self, Part, read_table};
use super::disk::{Disk, PATHS, Shape};
use super::model::{Note, Row, Table};
use jetfs::JetErr;
use jetfs::engine::{Database, Instance, Session, Term};

const TINY: Shape = Shape {
    page_size: 4096,
    is_circular: true,
    cache: 64,
};

fn with_table(work: impl FnOnce(&Instance, &Database, &Session) -> Table) {
    let disk = Disk::new();
    let instance = disk.start(TINY).unwrap();
    let expected = {
        let session = instance.session().unwrap();
        let database = instance.create_database(PATHS[0]).unwrap();
        changes::create_table(&database, &session, "t0").unwrap();
        work(&instance, &database, &session)
    };
    instance.term(Term::Complete).unwrap();
    disk.check(PATHS[0]).unwrap();
    let instance = disk.start(TINY).unwrap();
    let session = instance.session().unwrap();
    let database = instance.attach_database(PATHS[0]).unwrap();
    assert!(read_table(&database, &session, "t0").unwrap() == expected);
}

fn row(id: i32, note: u32) -> Row {
    Row {
        name: (id % 200) as u8,
        note: Note {
            len: note,
            fill: if note == 0 { 0 } else { 7 },
        },
        ..Row::default()
    }
}

#[test]
fn limits_long_values_of_five_megabytes_are_written_read_and_deleted_in_a_small_cache() {
    with_table(|instance, database, session| {
        let mut table = Table::default();
        for id in 0..3 {
            let whole = row(id, 5_000_000);
            changes::insert(database, session, "t0", id, &whole).unwrap();
            table.rows.insert(id, whole);
        }
        let transaction = session.begin().unwrap();
        let (cursor, _) = changes::seek(database, session, "t0", 1).unwrap();
        changes::replace(&cursor, &row(1, 4_000_000), &table.rows[&1], Part::Note).unwrap();
        transaction.roll_back().unwrap();
        let (cursor, _) = changes::seek(database, session, "t0", 2).unwrap();
        cursor.delete().unwrap();
        table.rows.remove(&2);
        instance.work().unwrap();
        assert!(read_table(database, session, "t0").unwrap() == table);
        table
    });
}

#[test]
fn limits_a_value_longer_than_the_cache_is_appended_to_in_one_transaction() {
    const PIECE: u32 = 200_000;
    with_table(|_, database, session| {
        let mut old = row(1, PIECE);
        let transaction = session.begin().unwrap();
        changes::insert(database, session, "t0", 1, &old).unwrap();
        for count in 2..50 {
            let (cursor, _) = changes::seek(database, session, "t0", 1).unwrap();
            let new = row(1, count * PIECE);
            changes::replace(&cursor, &new, &old, Part::NoteEnd).unwrap();
            old = new;
        }
        transaction.commit().unwrap();
        Table {
            rows: [(1, old)].into(),
            ..Table::default()
        }
    });
}

#[test]
fn limits_transactions_larger_than_the_cache_are_committed_and_rolled_back() {
    with_table(|_, database, session| {
        let mut table = Table::default();
        let transaction = session.begin().unwrap();
        for id in 0..8000 {
            let row = row(id, 100 * u32::from(id % 5 == 0));
            changes::insert(database, session, "t0", id, &row).unwrap();
            table.rows.insert(id, row);
        }
        transaction.commit().unwrap();
        let transaction = session.begin().unwrap();
        for id in 0..8000 {
            let (cursor, is_there) = changes::seek(database, session, "t0", id).unwrap();
            assert!(is_there);
            if id % 3 == 0 {
                cursor.delete().unwrap();
            } else {
                changes::replace(&cursor, &row(id + 1, 0), &table.rows[&id], Part::Small).unwrap();
            }
        }
        transaction.roll_back().unwrap();
        table
    });
}

#[test]
fn limits_an_index_over_more_rows_than_the_cache_holds_is_made() {
    with_table(|_, database, session| {
        let mut table = Table::default();
        for id in 0..5000 {
            changes::insert(database, session, "t0", id, &row(id, 0)).unwrap();
            table.rows.insert(id, row(id, 0));
        }
        changes::create_index(database, session, "t0", "by_name_and_id").unwrap();
        table.indexes.insert("by_name_and_id");
        table
    });
}

#[test]
fn limits_a_reader_finds_its_way_over_more_deleted_records_than_the_cache_holds() {
    with_table(|_, database, session| {
        let transaction = session.begin().unwrap();
        for id in 0..6000 {
            changes::insert(database, session, "t0", id, &row(id, 0)).unwrap();
        }
        transaction.commit().unwrap();
        let transaction = session.begin().unwrap();
        for id in 0..5999 {
            changes::seek(database, session, "t0", id)
                .unwrap()
                .0
                .delete()
                .unwrap();
        }
        let mut cursor = database.open_table(session, "t0").unwrap();
        assert!(cursor.move_first().unwrap() && !cursor.move_next().unwrap());
        transaction.commit().unwrap();
        Table {
            rows: [(5999, row(5999, 0))].into(),
            ..Table::default()
        }
    });
}

#[test]
fn limits_that_are_too_small_are_refused() {
    let small = Shape { cache: 10, ..TINY };
    let error = Disk::new().start(small).unwrap_err();
    assert_eq!(error.code(), JetErr::InvalidParameter);
}
