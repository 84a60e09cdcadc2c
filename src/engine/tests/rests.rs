//! Cursors that rest on a leaf (`tree::Rest`) while others insert, split and merge: each sees exactly what was committed
//! when its transaction began.

use super::{PATH, assert_sound, memory, start};
use crate::engine::{
    ColumnDefinition, Database, IndexDefinition, Instance, Seek, Session, Table, TableDefinition, Term,
};
use crate::format::{ColumnId, ColumnType, Value};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::ops::Bound;

const SEED: u64 = 20_261_125;
const ROUNDS: u64 = 12;
const STEPS: usize = 400;
const KEYS: i32 = 1500;
const WRITERS: i32 = 2;
const READERS: u64 = 3;

/// What is committed: by id, the length of the value.
type Model = BTreeMap<i32, usize>;

struct Rows<'s> {
    table: Table<'s>,
    id: ColumnId,
    value: ColumnId,
}

impl<'s> Rows<'s> {
    fn open(database: &Database, session: &'s Session) -> Self {
        let table = database.open_table(session, "rows").unwrap();
        let [id, value] = ["id", "value"].map(|name| table.column(name).unwrap());
        Rows { table, id, value }
    }

    fn put(&self, id: i32, len: usize) {
        let mut update = self.table.insert().unwrap();
        update.set(self.id, &Value::Long(id)).unwrap();
        update.set(self.value, &Value::Binary(bytes(id, len))).unwrap();
        update.save().unwrap();
    }

    /// The row that the cursor is on.
    fn here(&self) -> (i32, usize) {
        let Value::Long(id) = self.table.value(self.id).unwrap() else {
            panic!("a row without id");
        };
        let Value::Binary(value) = self.table.value(self.value).unwrap() else {
            panic!("row {id} without value");
        };
        assert_eq!(
            value,
            bytes(id, value.len()),
            "the value of another row than {id}"
        );
        (id, value.len())
    }
}

fn bytes(id: i32, len: usize) -> Vec<u8> {
    let mut bytes = id.to_le_bytes().repeat(len / 4 + 1);
    bytes.truncate(len);
    bytes
}

/// Inserts, replaces and deletes rows of its own in a few transactions, whole runs among them so that leaves split and
/// get empty. Returns what is there then.
fn write(
    (instance, database): (&Instance, &Database),
    own: i32,
    mut model: Model,
    mut random: StdRng,
) -> Model {
    let session = instance.session().unwrap();
    for _ in 0..4 {
        let transaction = session.begin().unwrap();
        let mut rows = Rows::open(database, &session);
        let start = random.random_range(0..KEYS);
        let is_deletion = random.random_bool(0.5);
        for id in (start..start + 200).filter(|id| id % WRITERS == own && *id < KEYS) {
            let len = random.random_range(1..250);
            let is_there = rows.table.seek(&[Value::Long(id)], Seek::Equal).unwrap();
            assert_eq!(is_there, model.contains_key(&id), "row {id}");
            match is_there {
                true if is_deletion => {
                    rows.table.delete().unwrap();
                    model.remove(&id);
                    continue;
                }
                true => {
                    let mut update = rows.table.replace().unwrap();
                    update.set(rows.value, &Value::Binary(bytes(id, len))).unwrap();
                    update.save().unwrap();
                }
                false if is_deletion => continue,
                false => rows.put(id, len),
            }
            model.insert(id, len);
        }
        transaction.commit().unwrap();
    }
    model
}

/// Goes through the rows in an open transaction, which sees `model` whatever others do.
fn read(rows: &mut Rows<'_>, model: &Model, random: &mut StdRng) {
    let mut at = None;
    for _ in 0..STEPS {
        let expected = match (random.random_range(0..20), at) {
            (0, _) | (_, None) => {
                let id = random.random_range(0..KEYS);
                rows.table.seek(&[Value::Long(id)], Seek::GreaterOrEqual).unwrap();
                model.range(id..).next()
            }
            (1..6, Some(id)) => {
                rows.table.move_previous().unwrap();
                model.range(..id).next_back()
            }
            (_, Some(id)) => {
                rows.table.move_next().unwrap();
                model.range((Bound::Excluded(id), Bound::Unbounded)).next()
            }
        };
        at = expected.map(|(id, _)| *id);
        if let Some((id, len)) = expected {
            assert_eq!(rows.here(), (*id, *len));
        }
        if random.random_bool(0.05) {
            std::thread::yield_now();
        }
    }
}

/// From now on nothing has a version, though what is deleted is still there.
fn drop_versions(instance: &Instance) {
    let shared = &instance.core().shared;
    let oldest = shared.transactions.oldest_snapshot();
    for database in shared.databases() {
        let mut state = database.write_anyway();
        while let Some(dropped) = state.versions.drop_seen(oldest) {
            state.deleted.extend(dropped.deleted);
        }
        assert_eq!(state.versions.transactions(), 0);
    }
}

/// Readers go to some place each, then writers and the clean-up begin, and all go on. Returns what is there then.
fn round(instance: &Instance, database: &Database, model: &Model, number: u64) -> Model {
    let seed = |of: u64| StdRng::seed_from_u64(SEED + 100 * number + of);
    drop_versions(instance);
    let begun = std::sync::Barrier::new(usize::try_from(READERS).unwrap() + 1);
    let begun = &begun;
    std::thread::scope(|scope| {
        for reader in 0..READERS {
            scope.spawn(move || {
                let session = instance.session().unwrap();
                let _reading = session.begin().unwrap();
                let (mut rows, mut random) = (Rows::open(database, &session), seed(reader));
                rows.table.seek(&[Value::Long(0)], Seek::GreaterOrEqual).unwrap();
                read(&mut rows, model, &mut random);
                begun.wait();
                read(&mut rows, model, &mut random);
            });
        }
        begun.wait();
        let cleaner = scope.spawn(|| (0..20).for_each(|_| instance.work().unwrap()));
        let own = |own: i32| model.iter().filter(move |(id, _)| **id % WRITERS == own);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let rows = own(writer).map(|(id, len)| (*id, *len)).collect();
                let random = seed(50 + u64::from(writer.unsigned_abs()));
                scope.spawn(move || write((instance, database), writer, rows, random))
            })
            .collect();
        let after = writers.into_iter().flat_map(|writer| writer.join().unwrap());
        let after = after.collect();
        cleaner.join().unwrap();
        after
    })
}

#[test]
fn a_cursor_that_rests_on_a_leaf_sees_its_snapshot_while_others_insert_split_and_merge() {
    println!("seed {SEED}");
    let fs = memory();
    let instance = start(&fs, 4096);
    let definition = TableDefinition::new("rows")
        .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
        .column(ColumnDefinition::new("value", ColumnType::Binary).max_len(255))
        .index(IndexDefinition::primary("by_id").ascending("id"));
    let database = instance.create_database(PATH).unwrap();
    let session = instance.session().unwrap();
    drop(database.create_table(&session, &definition).unwrap());
    let transaction = session.begin().unwrap();
    let rows = Rows::open(&database, &session);
    let mut model: Model = (0..KEYS).step_by(3).map(|id| (id, 100)).collect();
    model.iter().for_each(|(id, len)| rows.put(*id, *len));
    transaction.commit().unwrap();
    drop(rows);
    for number in 0..ROUNDS {
        model = round(&instance, &database, &model, number);
    }
    drop((database, session));
    instance.term(Term::Complete).unwrap();
    assert_sound(&fs);
}
