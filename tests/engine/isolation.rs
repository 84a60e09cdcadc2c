//! Interleavings of four sessions against a model of snapshot isolation: a transaction reads what was committed when it
//! began and what it did itself; of two that change a record the first wins, and the model says where the other one must
//! be told `JET_errWriteConflict`; levels are taken back alone; cursors keep their place whatever others do.

use super::disk::{Disk, PATHS, Shape};
use super::skipped::measured;
use super::snapshots::{Model, Row, What};
use super::{full, number};
use jetfs::JetErr;
use jetfs::engine::{
    ColumnDefinition, CommitMode, Database, IndexDefinition, Instance, Seek, Session, Table, TableDefinition,
    Term, Transaction,
};
use jetfs::format::{ColumnType, Value};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::Cell;
use std::collections::BTreeMap;

pub(crate) const SESSIONS: usize = 4;
/// Identifiers of records are below.
pub(crate) const IDS: i32 = 7;
const SHAPE: Shape = Shape {
    page_size: 4096,
    is_circular: true,
    cache: 64,
};

/// What one session does next.
#[derive(Debug, Clone, Copy)]
enum Step {
    Begin,
    Commit {
        is_lazy: bool,
    },
    RollBack,
    Insert(i32, i32),
    /// The record that has this id.
    Replace(i32, i32),
    Delete(i32),
    Add(i32, i32),
    Read(i32),
    First,
    Last,
    Next,
    Previous,
    ByValue(bool),
    Work,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0..IDS;
    prop_oneof![
        4 => Just(Step::Begin),
        3 => any::<bool>().prop_map(|is_lazy| Step::Commit { is_lazy }),
        2 => Just(Step::RollBack),
        5 => (id.clone(), 0..5).prop_map(|(id, value)| Step::Insert(id, value)),
        6 => (id.clone(), 0..5).prop_map(|(id, value)| Step::Replace(id, value)),
        4 => id.clone().prop_map(Step::Delete),
        3 => (id.clone(), -3..4).prop_map(|(id, delta)| Step::Add(id, delta)),
        3 => id.prop_map(Step::Read),
        1 => Just(Step::First),
        1 => Just(Step::Last),
        4 => Just(Step::Next),
        2 => Just(Step::Previous),
        1 => any::<bool>().prop_map(Step::ByValue),
        1 => Just(Step::Work),
    ]
}

/// Where a cursor should be.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spot {
    Start,
    End,
    /// Value (only by value) and id.
    At(i32, i32),
}

struct Actor<'s> {
    session: &'s Session,
    transactions: Vec<Transaction<'s>>,
    table: Table<'s>,
    /// One for single records.
    finder: Table<'s>,
    spot: Spot,
    by_value: bool,
}

struct Counts {
    steps: Cell<u64>,
    conflicts: Cell<u64>,
}

fn table() -> TableDefinition {
    TableDefinition::new("t")
        .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
        .column(ColumnDefinition::new("value", ColumnType::Long))
        .column(
            ColumnDefinition::new("number", ColumnType::Long)
                .escrow_update()
                .default_value(0_i32.to_le_bytes()),
        )
        .index(IndexDefinition::primary("by_id").ascending("id"))
        .index(IndexDefinition::new("by_value").ascending("value"))
}

fn start(disk: &Disk) -> (Instance, Database) {
    let instance = disk.start(SHAPE).unwrap();
    let database = instance.attach_database(PATHS[0]).unwrap();
    (instance, database)
}

fn made() -> Disk {
    let disk = Disk::new();
    let instance = disk.start(SHAPE).unwrap();
    {
        let session = instance.session().unwrap();
        let database = instance.create_database(PATHS[0]).unwrap();
        drop(database.create_table(&session, &table()).unwrap());
    }
    instance.term(Term::Complete).unwrap();
    disk
}

impl<'s> Actor<'s> {
    fn new(session: &'s Session, database: &Database) -> Self {
        Actor {
            session,
            transactions: Vec::new(),
            table: database.open_table(session, "t").unwrap(),
            finder: database.open_table(session, "t").unwrap(),
            spot: Spot::Start,
            by_value: false,
        }
    }

    fn number(table: &Table<'_>, column: &str) -> i32 {
        match table.value(table.column(column).unwrap()).unwrap() {
            Value::Long(number) => number,
            other => panic!("{other:?}"),
        }
    }

    fn is_found(&mut self, id: i32) -> bool {
        self.finder.seek(&[Value::Long(id)], Seek::Equal).unwrap()
    }

    fn save(&self, id: Option<i32>, value: i32) -> Result<(), JetErr> {
        let column = |name| self.finder.column(name).unwrap();
        let mut update = if id.is_some() {
            self.finder.insert()
        } else {
            self.finder.replace()
        }
        .unwrap();
        if let Some(id) = id {
            update.set(column("id"), &Value::Long(id)).unwrap();
        }
        update.set(column("value"), &Value::Long(value)).unwrap();
        update.save().map(drop).map_err(|error| error.code())
    }

    /// What a cursor should see, in its order.
    fn order(&self, rows: &BTreeMap<i32, Row>) -> Vec<(i32, i32)> {
        let key = |(id, (value, _)): (&i32, &Row)| (if self.by_value { *value } else { 0 }, *id);
        let mut all: Vec<_> = rows.iter().map(key).collect();
        all.sort_unstable();
        all
    }

    fn moves(&mut self, step: Step, rows: &BTreeMap<i32, Row>) {
        let all = self.order(rows);
        let (found, expected) = match (step, self.spot) {
            (Step::First, _) => (self.table.move_first().unwrap(), all.first()),
            (Step::Last, _) => (self.table.move_last().unwrap(), all.last()),
            (Step::Next, spot) => {
                let next = all.iter().find(|(value, id)| match spot {
                    Spot::Start => true,
                    Spot::End => false,
                    Spot::At(old, at) => (*value, *id) > (old, at),
                });
                (self.table.move_next().unwrap(), next)
            }
            (_, spot) => {
                let before = all.iter().rev().find(|(value, id)| match spot {
                    Spot::Start => false,
                    Spot::End => true,
                    Spot::At(old, at) => (*value, *id) < (old, at),
                });
                (self.table.move_previous().unwrap(), before)
            }
        };
        self.spot = match expected {
            Some((value, id)) => Spot::At(*value, *id),
            None if matches!(step, Step::First | Step::Next) => Spot::End,
            None => Spot::Start,
        };
        assert_eq!(found, expected.is_some(), "{step:?}");
        if let Some((_, id)) = expected {
            assert_eq!(Self::number(&self.table, "id"), *id, "{step:?}");
        }
    }
}

fn take(who: usize, step: Step, actor: &mut Actor<'_>, model: &mut Model, counts: &Counts) {
    counts.steps.set(counts.steps.get() + 1);
    let check = |result: Result<(), JetErr>, refusal: Option<JetErr>| {
        assert_eq!(result.err(), refusal, "session {who}, {step:?}");
        if refusal == Some(JetErr::WriteConflict) {
            counts.conflicts.set(counts.conflicts.get() + 1);
        }
        refusal.is_none()
    };
    let conflict = |model: &Model, id, is_addition| {
        model
            .conflicts(who, id, is_addition)
            .then_some(JetErr::WriteConflict)
    };
    match step {
        Step::Begin if actor.transactions.len() < 4 => {
            actor.transactions.push(actor.session.begin().unwrap());
            model.begin(who);
        }
        Step::Commit { is_lazy } => {
            if let Some(transaction) = actor.transactions.pop() {
                let mode = if is_lazy {
                    CommitMode::Lazy
                } else {
                    CommitMode::Durable
                };
                transaction.commit_with(mode).unwrap();
                model.commit(who);
            }
        }
        Step::RollBack => {
            if let Some(transaction) = actor.transactions.pop() {
                transaction.roll_back().unwrap();
                model.roll_back(who);
            }
        }
        Step::Insert(id, value) => {
            let refusal = match model.row(who, id) {
                // A record that is there, whoever changes it.
                Some(_) => conflict(model, id, false).or(Some(JetErr::KeyDuplicate)),
                None => conflict(model, id, false),
            };
            let result = actor.save(Some(id), value);
            if model.row(who, id).is_some() && result == Err(JetErr::KeyDuplicate) {
                return;
            }
            if check(result, refusal) {
                model.change(who, id, What::New(value));
            }
        }
        Step::Replace(id, _) | Step::Delete(id) | Step::Add(id, _) if !actor.is_found(id) => {
            assert_eq!(model.row(who, id), None, "session {who}, {step:?}");
        }
        Step::Replace(id, value) => {
            if check(actor.save(None, value), conflict(model, id, false)) {
                model.change(who, id, What::Set(value));
            }
        }
        Step::Delete(id) => {
            let result = actor.finder.delete().map_err(|error| error.code());
            if check(result, conflict(model, id, false)) {
                model.change(who, id, What::Gone);
            }
        }
        Step::Add(id, delta) => {
            let column = actor.finder.column("number").unwrap();
            let result = actor.finder.escrow_update(column, delta.into());
            if check(
                result.map(drop).map_err(|error| error.code()),
                conflict(model, id, true),
            ) {
                model.change(who, id, What::Add(delta));
            }
        }
        Step::Read(id) => {
            let found = actor.is_found(id);
            let read = |column| Actor::number(&actor.finder, column);
            let row = found.then(|| (read("value"), read("number")));
            assert_eq!(row, model.row(who, id), "session {who}, {step:?}");
        }
        Step::ByValue(by_value) => {
            actor
                .table
                .set_current_index(by_value.then_some("by_value"))
                .unwrap();
            (actor.by_value, actor.spot) = (by_value, Spot::Start);
        }
        Step::First | Step::Last | Step::Next | Step::Previous => actor.moves(step, &model.rows(who)),
        Step::Begin | Step::Work => {}
    }
}

fn interleave(image: &Disk, steps: &[(usize, Step)], counts: &Counts) {
    let disk = image.fork();
    let (instance, database) = start(&disk);
    let sessions: Vec<Session> = (0..=SESSIONS).map(|_| instance.session().unwrap()).collect();
    let mut actors: Vec<_> = sessions[..SESSIONS]
        .iter()
        .map(|session| Actor::new(session, &database))
        .collect();
    let mut model = Model::default();
    for (who, step) in steps {
        if matches!(step, Step::Work) {
            instance.work().unwrap();
        }
        take(*who, *step, &mut actors[*who], &mut model, counts);
    }
    for (who, actor) in actors.iter_mut().enumerate() {
        while let Some(transaction) = actor.transactions.pop() {
            transaction.roll_back().unwrap();
            model.roll_back(who);
        }
        assert_all(actor, &model, who);
    }
    drop((actors, database));
    drop(sessions);
    instance.term(Term::Complete).unwrap();
    disk.check(PATHS[0]).unwrap();
}

fn assert_all(actor: &mut Actor<'_>, model: &Model, who: usize) {
    for by_value in [false, true] {
        actor
            .table
            .set_current_index(by_value.then_some("by_value"))
            .unwrap();
        (actor.by_value, actor.spot) = (by_value, Spot::Start);
        let rows = model.rows(who);
        for _ in 0..=rows.len() {
            actor.moves(Step::Next, &rows);
        }
    }
}

#[test]
fn interleaved_transactions_do_what_snapshot_isolation_and_the_first_writer_say() {
    let seed = number("JETFS_SEED").unwrap_or(1);
    let cases = if full() { 20_000 } else { 1500 };
    println!("JETFS_SEED={seed}");
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let image = made();
    let counts = Counts {
        steps: Cell::new(0),
        conflicts: Cell::new(0),
    };
    let steps = prop::collection::vec((0..SESSIONS, step()), 1..80);
    let ran = runner.run(&steps, |steps| {
        interleave(&image, &steps, &counts);
        Ok(())
    });
    if let Err(error) = ran {
        panic!("JETFS_SEED={seed}: {error}");
    }
    measured(&format!(
        "engine isolation, seed {seed}: {cases} interleavings of {SESSIONS} sessions, {} steps, {} write conflicts",
        counts.steps.get(),
        counts.conflicts.get()
    ));
}
