//! Seeded work: four sessions with nested transactions change two databases, while pages are written, the checkpoint
//! moves, databases come and go. Whatever happens, the promise says what must survive it.

use super::changes::{COLUMNS, INDEXES, TABLES, read_table};
use super::disk::{Disk, PATHS, Shape};
use super::model::{Action, Note, Place, Promise, Row, State, Table, difference};
use super::recovered;
use jetfs::engine::{CommitMode, Database, Instance, Session, Term, Transaction};
use jetfs::io::Seeded;
use jetfs::{JetErr, JetError, JetResult};
use parking_lot::Mutex;
use std::sync::Arc;

/// What must survive, as those who look from outside see it.
pub(crate) type Promised = Arc<Mutex<Promise>>;

/// Deepest level of a transaction.
const LEVELS: usize = 4;
/// Identifiers of records are below.
const IDS: u64 = 250;

/// How much work, and on what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) shape: Shape,
    /// Instances that live one after the other.
    pub(crate) lives: u64,
    /// Operations of each of them.
    pub(crate) operations: u64,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    pub(crate) operations: u64,
    pub(crate) changes: u64,
    pub(crate) refused: u64,
    pub(crate) commits: u64,
    pub(crate) scans: u64,
    /// Operations that failed while the instance went on.
    pub(crate) failed: u64,
    /// Operations may fail: files are not what they should be.
    pub(crate) may_fail: bool,
    /// What stopped an instance.
    pub(crate) stopped_by: Option<JetErr>,
}

/// Lives all lives of a plan.
///
/// # Errors
/// What an operation answered that it should not have; a life ends with it.
pub(crate) fn live(disk: &Disk, plan: Plan, promised: &Promised, done: &mut Done) -> JetResult<()> {
    let mut random = Seeded::new(plan.seed);
    for _ in 0..plan.lives {
        let instance = disk.start(plan.shape)?;
        let how = random.below(4);
        {
            let sessions = (0..4)
                .map(|_| instance.session())
                .collect::<JetResult<Vec<_>>>()?;
            let mut world = World::begin(&instance, &sessions, promised, done, random.next_u64())?;
            for _ in 0..plan.operations {
                if let Err(error) = world.step() {
                    world.fail(error)?;
                }
            }
            // As if the program died, with all that is open.
            if how == 0 {
                world.open.into_iter().for_each(std::mem::forget);
            }
        }
        match how {
            0 => std::mem::drop(instance),
            // That it ended dirty is what was asked for.
            1 => match instance.term(Term::Dirty) {
                Err(error) if error.to_string().contains("that was asked for") => {}
                other => other?,
            },
            2 => instance.term(Term::Abrupt)?,
            _ => instance.term(Term::Complete)?,
        }
        if how > 0 {
            // The dirty end makes the log durable too.
            promised.lock().settle();
        }
    }
    Ok(())
}

/// An instance at work.
pub(super) struct World<'i> {
    pub(super) instance: &'i Instance,
    pub(super) sessions: &'i [Session],
    pub(super) databases: [Option<Database>; 2],
    pub(super) open: Vec<Option<Open<'i>>>,
    pub(super) promised: &'i Promised,
    pub(super) done: &'i mut Done,
    random: Seeded,
    /// What a transaction that begins now sees.
    pub(super) latest: State,
}

/// An open transaction.
pub(super) struct Open<'i> {
    pub(super) levels: Vec<Level<'i>>,
    pub(super) actions: Vec<Action>,
}

impl Drop for Open<'_> {
    /// Levels end in the reverse order.
    fn drop(&mut self) {
        while self.levels.pop().is_some() {}
    }
}

pub(super) struct Level<'i> {
    transaction: Transaction<'i>,
    /// What it sees.
    pub(super) view: State,
    /// Actions of the levels above.
    before: usize,
}

impl<'i> World<'i> {
    /// Finds what the last life left, and makes what is missing.
    fn begin(
        instance: &'i Instance,
        sessions: &'i [Session],
        promised: &'i Promised,
        done: &'i mut Done,
        seed: u64,
    ) -> JetResult<Self> {
        let mut world = World {
            instance,
            sessions,
            databases: [None, None],
            open: (0..4).map(|_| None).collect(),
            promised,
            done,
            random: Seeded::new(seed),
            latest: State::new(),
        };
        for number in 0..2 {
            world.make_database(number)?;
        }
        world.find_state()?;
        for place in [(0, "t0"), (0, "t1"), (1, "t0")] {
            if !world.latest.contains_key(&place) {
                world.attempt(0, Action::CreateTable(place))?;
            }
        }
        Ok(world)
    }

    fn make_database(&mut self, number: usize) -> JetResult<()> {
        let is_made = self.promised.lock().is_made[number];
        let database = if is_made {
            self.instance.attach_database(PATHS[number])?
        } else {
            self.instance.create_database(PATHS[number])?
        };
        self.promised.lock().is_made[number] = true;
        self.databases[number] = Some(database);
        Ok(())
    }

    fn find_state(&mut self) -> JetResult<()> {
        let mut promise = self.promised.lock();
        let found = recovered::read_all(self.instance, &self.sessions[0], &promise);
        let found = match found {
            Err(error) if self.done.may_fail => return Err(JetError::rule(JetErr::DiskIO, error)),
            other => other.unwrap_or_else(|error| panic!("at the start of a life: {error}")),
        };
        if let Err(error) = promise.kept(&found) {
            panic!("at the start of a life: {error}");
        }
        promise.pending.clear();
        promise.durable.clone_from(&found);
        self.latest = found;
        Ok(())
    }

    /// An operation failed as it should not have: the instance goes on, or it has stopped for good.
    fn fail(&mut self, error: JetError) -> JetResult<()> {
        assert!(self.done.may_fail, "{error}");
        let Err(stopped) = self.instance.session() else {
            self.done.failed += 1;
            return Ok(());
        };
        self.done.stopped_by = Some(error.code());
        assert_eq!(stopped.code(), JetErr::InstanceUnavailable, "{stopped}");
        for again in [
            self.instance.work(),
            self.sessions[0].begin().map(drop),
            self.instance.attach_database(PATHS[0]).map(drop),
        ] {
            assert_eq!(again.unwrap_err().code(), JetErr::InstanceUnavailable);
        }
        Err(error)
    }

    fn step(&mut self) -> JetResult<()> {
        self.done.operations += 1;
        let session = self.random.index(4);
        match self.random.below(200) {
            0..=24 => self.begin_level(session),
            25..=54 => self.end_level(session),
            55..=59 => self.wait_for_commits(session),
            60..=64 => {
                self.instance.work()?;
                self.promised.lock().settle();
                Ok(())
            }
            65..=68 => self.instance.flush(),
            69..=70 => self.detach_or_attach(),
            71..=76 => self.change_schema(session),
            77..=84 => self.scan(session),
            85..=99 => self.change_record(session, Self::add),
            100..=109 => self.append_rows(session),
            110..=144 => self.insert(session),
            145..=179 => self.change_record(session, Self::replace),
            _ => self.change_record(session, Self::delete),
        }
    }

    /// What the session sees.
    pub(super) fn view(&self, session: usize) -> &State {
        match &self.open[session] {
            Some(open) => &open.levels.last().unwrap().view,
            None => &self.latest,
        }
    }

    fn begin_level(&mut self, session: usize) -> JetResult<()> {
        let depth = self.open[session].as_ref().map_or(0, |open| open.levels.len());
        if depth == LEVELS {
            return Ok(());
        }
        let transaction = self.sessions[session].begin()?;
        let view = self.view(session).clone();
        let open = self.open[session].get_or_insert_with(|| Open {
            levels: Vec::new(),
            actions: Vec::new(),
        });
        let before = open.actions.len();
        open.levels.push(Level {
            transaction,
            view,
            before,
        });
        Ok(())
    }

    fn end_level(&mut self, session: usize) -> JetResult<()> {
        let how = self.random.below(10);
        let Some(mut open) = self.open[session].take() else {
            return Ok(());
        };
        let level = open.levels.pop().unwrap();
        if how < 3 {
            level.transaction.roll_back()?;
            open.actions.truncate(level.before);
        } else if let Some(above) = open.levels.last_mut() {
            level.transaction.commit()?;
            above.view = level.view;
        } else {
            return self.commit(level.transaction, std::mem::take(&mut open.actions), how < 6);
        }
        if !open.levels.is_empty() {
            self.open[session] = Some(open);
        }
        Ok(())
    }

    fn commit(&mut self, transaction: Transaction<'i>, actions: Vec<Action>, is_lazy: bool) -> JetResult<()> {
        self.done.commits += 1;
        actions.iter().for_each(|action| action.apply(&mut self.latest));
        let changes_something = !actions.is_empty();
        if changes_something {
            self.promised.lock().pending.push(actions);
        }
        let mode = if is_lazy {
            CommitMode::Lazy
        } else {
            CommitMode::Durable
        };
        transaction.commit_with(mode)?;
        if changes_something && !is_lazy {
            self.promised.lock().settle();
        }
        Ok(())
    }

    fn wait_for_commits(&mut self, session: usize) -> JetResult<()> {
        // Another session's commits may still be lazy: nothing is promised of them.
        self.sessions[session].wait_for_commits()
    }

    fn detach_or_attach(&mut self) -> JetResult<()> {
        let number = self.random.index(2);
        if self.databases[number].is_none() {
            self.databases[number] = Some(self.instance.attach_database(PATHS[number])?);
        } else if self.open.iter().all(Option::is_none) {
            self.databases[number] = None;
            self.instance.detach_database(PATHS[number])?;
        }
        Ok(())
    }

    /// A table that the session sees, in a database that is attached.
    fn choose_table(&mut self, session: usize) -> Option<(Place, Arc<Table>)> {
        let view = self.view(session);
        let there = view
            .iter()
            .filter(|((number, _), _)| self.databases[*number].is_some());
        let there: Vec<_> = there.map(|(place, table)| (*place, Arc::clone(table))).collect();
        let at = self.random.index(there.len());
        there.into_iter().nth(at)
    }

    fn change_schema(&mut self, session: usize) -> JetResult<()> {
        let kind = self.random.below(8);
        if kind == 0 {
            let place = (self.random.index(2), TABLES[self.random.index(3)]);
            let is_there = self.view(session).contains_key(&place);
            if is_there || self.databases[place.0].is_none() {
                return Ok(());
            }
            return self.attempt(session, Action::CreateTable(place));
        }
        let Some((place, table)) = self.choose_table(session) else {
            return Ok(());
        };
        let (column, index) = (COLUMNS[self.random.index(3)], INDEXES[self.random.index(3)]);
        let action = match kind {
            1 if self.random.one_in(3) => Action::DropTable(place),
            1 | 2 if !table.columns.contains(column) => Action::AddColumn(place, column),
            3..=5 if !table.indexes.contains(index) => Action::CreateIndex(place, index),
            6.. if table.indexes.contains(index) => Action::DropIndex(place, index),
            _ => return Ok(()),
        };
        self.attempt(session, action)
    }

    fn scan(&mut self, session: usize) -> JetResult<()> {
        self.done.scans += 1;
        let Some((place, table)) = self.choose_table(session) else {
            return Ok(());
        };
        let database = self.databases[place.0].as_ref().unwrap();
        let found = read_table(database, &self.sessions[session], place.1);
        let mut found = match found {
            Err(error) => return Err(JetError::rule(JetErr::DiskIO, format!("{place:?}: {error}"))),
            Ok(found) => found,
        };
        // What others add meanwhile is no part of the model of a transaction.
        let mut expected = Table::clone(&table);
        if self.open[session].is_some() {
            let rows = found.rows.values_mut().chain(expected.rows.values_mut());
            rows.for_each(|row| row.counter = 0);
        }
        if found != expected {
            let state = |table| State::from([(place, Arc::new(table))]);
            let open = self.open[session].is_some();
            panic!(
                "session {session}, open {open}: {}",
                difference(&state(expected), &state(found))
            );
        }
        Ok(())
    }

    fn insert(&mut self, session: usize) -> JetResult<()> {
        let Some((place, table)) = self.choose_table(session) else {
            return Ok(());
        };
        let id = self.random.below(IDS) as i32;
        if table.rows.contains_key(&id) {
            return Ok(());
        }
        let row = self.row(&table);
        self.attempt(session, Action::Put(place, id, row))
    }

    /// Records at the end of a table.
    fn append_rows(&mut self, session: usize) -> JetResult<()> {
        let Some((place, table)) = self.choose_table(session) else {
            return Ok(());
        };
        let first = table.rows.keys().next_back().map_or(0, |last| last + 1);
        for id in first..first + 1 + self.random.below(12) as i32 {
            let row = self.row(&table);
            self.attempt(session, Action::Put(place, id, row))?;
        }
        Ok(())
    }

    fn change_record(
        &mut self,
        session: usize,
        change: impl Fn(&mut Self, &Table, Place, i32, &Row) -> Option<Action>,
    ) -> JetResult<()> {
        let Some((place, table)) = self.choose_table(session) else {
            return Ok(());
        };
        let at = self.random.index(table.rows.len());
        let Some((id, row)) = table.rows.iter().nth(at) else {
            return Ok(());
        };
        match change(self, &table, place, *id, row) {
            Some(action) => self.attempt(session, action),
            None => Ok(()),
        }
    }

    fn add(&mut self, _table: &Table, place: Place, id: i32, _row: &Row) -> Option<Action> {
        Some(Action::Add(place, id, self.random.below(100) as i32 - 50))
    }

    fn delete(&mut self, _table: &Table, place: Place, id: i32, _row: &Row) -> Option<Action> {
        Some(Action::Delete(place, id))
    }

    fn replace(&mut self, table: &Table, place: Place, id: i32, old: &Row) -> Option<Action> {
        let new = self.row(table);
        let mut row = old.clone();
        match self.random.below(4) {
            0 => row.note = new.note,
            1 if old.note.len > 0 => row.note.len += 1 + self.random.below(3000) as u32,
            _ => {
                row = Row {
                    note: old.note,
                    ..new
                }
            }
        }
        Some(Action::Put(place, id, row))
    }

    fn row(&mut self, table: &Table) -> Row {
        let random = &mut self.random;
        let len = match random.below(16) {
            0..=5 => 0,
            6..=11 => 1 + random.below(300),
            12..=14 => 1000 + random.below(4000),
            _ => random.below(30_000),
        };
        let extra = table.columns.iter().filter(|_| random.one_in(2));
        let extra: Vec<_> = extra.copied().collect();
        Row {
            name: random.below(12) as u8,
            code: random.one_in(2).then(|| random.below(2000) as i32),
            note: Note {
                len: len as u32,
                fill: if len == 0 { 0 } else { random.below(250) as u8 },
            },
            counter: 0,
            extra: extra
                .into_iter()
                .map(|name| (name, random.below(1000) as i32))
                .collect(),
        }
    }
}
