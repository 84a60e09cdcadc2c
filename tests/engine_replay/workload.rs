//! A seeded workload through the engine's public API: tables, columns and indexes made and deleted, rows put, changed and
//! deleted, long values, levels and whole transactions rolled back, pages given back.

use jetfs::engine::{
    ColumnDefinition, CommitMode, Database, IndexDefinition, Instance, Parameters, Seek, Session, Table,
    TableDefinition, Term, Update,
};
use jetfs::format::{CODE_PAGE_WESTERN, ColumnType, Text, Value};
use jetfs::io::Seeded;
use jetfs::{JetErr, JetError, JetResult};
use std::path::{Path, PathBuf};

/// The database's name.
pub(crate) const DATABASE: &str = "work.edb";
/// Rows that tables begin with.
const KEYS: u64 = 400;

/// The workload.
pub(crate) struct Workload {
    random: Seeded,
    directory: PathBuf,
    page_size: u32,
    tables: Vec<Made>,
    next_name: u32,
}

/// A table that is committed.
#[derive(Clone)]
struct Made {
    name: String,
    columns: Vec<(String, ColumnType)>,
    indexes: Vec<String>,
}

/// How an instance ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By `JetTerm`.
    Clean,
    /// As if the program had died in the middle of two transactions.
    Crash,
}

impl Workload {
    pub(crate) fn new(directory: &Path, page_size: u32, seed: u64) -> Self {
        Workload {
            random: Seeded::new(seed),
            directory: directory.to_owned(),
            page_size,
            tables: Vec::new(),
            next_name: 0,
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters::new(&self.directory)
            .database_page_size(self.page_size)
            .log_file_size(256)
            .background_thread(false)
    }

    /// An instance from its begin to its end.
    pub(crate) fn run(&mut self, steps: usize, end: End) {
        let instance = Instance::init(self.parameters()).unwrap();
        let path = self.directory.join(DATABASE);
        let database = if path.exists() {
            instance.attach_database(&path).unwrap()
        } else {
            instance.create_database(&path).unwrap()
        };
        let sessions = [instance.session().unwrap(), instance.session().unwrap()];
        for _ in 0..steps {
            self.step(&instance, &database, &sessions[0]);
        }
        if end == End::Clean {
            drop(sessions);
            let how = if self.random.one_in(2) {
                Term::Complete
            } else {
                Term::Abrupt
            };
            instance.term(how).unwrap();
            return;
        }
        let open = sessions.each_ref().map(|session| {
            let transaction = session.begin().unwrap();
            for _ in 0..20 {
                // The second may lose against the first.
                let _ = self.change_rows(&database, session);
            }
            transaction
        });
        // What the open transactions did is in the log, and some of it in the file.
        instance.flush().unwrap();
        open.into_iter().for_each(std::mem::forget);
    }

    fn step(&mut self, instance: &Instance, database: &Database, session: &Session) {
        let transaction = session.begin().unwrap();
        let before = self.tables.clone();
        let worked = if self.tables.len() < 3 || self.random.one_in(8) {
            self.change_schema(database, session)
        } else {
            (0..1 + self.random.below(12)).try_for_each(|_| self.change_rows(database, session))
        };
        match worked {
            Ok(()) if !self.random.one_in(6) => {
                let mode = if self.random.one_in(3) {
                    CommitMode::Durable
                } else {
                    CommitMode::Lazy
                };
                transaction.commit_with(mode).unwrap();
            }
            Ok(()) => {
                transaction.roll_back().unwrap();
                self.tables = before;
            }
            Err(error) => {
                assert_eq!(error.code(), JetErr::KeyDuplicate, "{error}");
                transaction.roll_back().unwrap();
                self.tables = before;
            }
        }
        match self.random.below(12) {
            0..3 => instance.work().unwrap(),
            3 => instance.flush().unwrap(),
            _ => {}
        }
    }

    fn change_schema(&mut self, database: &Database, session: &Session) -> JetResult<()> {
        let choice = if self.tables.len() < 3 {
            0
        } else {
            self.random.below(12)
        };
        match choice {
            0..3 => self.create_table(database, session),
            3..6 => self.add_column(database, session),
            6 => self.delete_column(database, session),
            7..10 => self.create_index(database, session),
            10 => self.delete_index(database, session),
            _ => {
                let at = self.random.index(self.tables.len());
                let table = self.tables.swap_remove(at);
                database.delete_table(session, &table.name)
            }
        }
    }

    fn create_table(&mut self, database: &Database, session: &Session) -> JetResult<()> {
        let mut table = Made {
            name: self.name("table"),
            columns: Vec::new(),
            indexes: Vec::new(),
        };
        let mut definition = TableDefinition::new(&table.name)
            .pages(1 + u32::try_from(self.random.below(12)).unwrap())
            .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
            .index(IndexDefinition::primary("by_id").ascending("id"));
        for _ in 0..2 + self.random.below(5) {
            let (column, made) = self.column();
            definition = definition.column(column);
            table.columns.push(made);
        }
        drop(database.create_table(session, &definition)?);
        self.tables.push(table);
        let at = self.tables.len() - 1;
        for _ in 0..self.random.below(60) {
            self.put(database, session, at)?;
        }
        Ok(())
    }

    fn add_column(&mut self, database: &Database, session: &Session) -> JetResult<()> {
        let (column, made) = self.column();
        let at = self.random.index(self.tables.len());
        database.add_column(session, &self.tables[at].name, &column)?;
        self.tables[at].columns.push(made);
        Ok(())
    }

    fn delete_column(&mut self, database: &Database, session: &Session) -> JetResult<()> {
        let at = self.random.index(self.tables.len());
        let table = &mut self.tables[at];
        let Some((name, _)) = table.columns.last() else {
            return Ok(());
        };
        match database.delete_column(session, &table.name, name) {
            Err(error) if error.code() == JetErr::ColumnInUse => Ok(()),
            Ok(()) => {
                table.columns.pop();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn create_index(&mut self, database: &Database, session: &Session) -> JetResult<()> {
        let name = self.name("index");
        let at = self.random.index(self.tables.len());
        let columns = &self.tables[at].columns;
        if columns.is_empty() || self.tables[at].indexes.len() > 4 {
            return Ok(());
        }
        let mut index = IndexDefinition::new(&name).ascending(&columns[self.random.index(columns.len())].0);
        if self.random.one_in(2) {
            index = index.descending("id").unique();
        }
        database.create_index(session, &self.tables[at].name, &index)?;
        self.tables[at].indexes.push(name);
        Ok(())
    }

    fn delete_index(&mut self, database: &Database, session: &Session) -> JetResult<()> {
        let at = self.random.index(self.tables.len());
        let table = &mut self.tables[at];
        match table.indexes.pop() {
            Some(index) => database.delete_index(session, &table.name, &index),
            None => Ok(()),
        }
    }

    /// A few rows of a table, in a level that may be rolled back.
    fn change_rows(&mut self, database: &Database, session: &Session) -> JetResult<()> {
        let at = self.random.index(self.tables.len());
        let level = session.begin()?;
        for _ in 0..1 + self.random.below(4) {
            match self.random.below(10) {
                0..5 => self.put(database, session, at)?,
                5..8 => self.replace(database, session, at)?,
                _ => self.delete(database, session, at)?,
            }
        }
        if self.random.one_in(8) {
            return level.roll_back();
        }
        level.commit()
    }

    fn put(&mut self, database: &Database, session: &Session, at: usize) -> JetResult<()> {
        let table = database.open_table(session, &self.tables[at].name)?;
        let mut update = table.insert()?;
        let id = i32::try_from(self.random.below(KEYS)).unwrap();
        update.set(table.column("id")?, &Value::Long(id))?;
        self.set(&table, &mut update, at)?;
        match update.save() {
            Err(error) if error.code() == JetErr::KeyDuplicate => Ok(()),
            saved => saved.map(drop),
        }
    }

    fn replace(&mut self, database: &Database, session: &Session, at: usize) -> JetResult<()> {
        let mut table = database.open_table(session, &self.tables[at].name)?;
        if !self.seek(&mut table)? {
            return Ok(());
        }
        let mut update = table.replace()?;
        self.set(&table, &mut update, at)?;
        update.save().map(drop)
    }

    /// One row, or many that follow each other: pages become empty.
    fn delete(&mut self, database: &Database, session: &Session, at: usize) -> JetResult<()> {
        let mut table = database.open_table(session, &self.tables[at].name)?;
        let mut there = self.seek(&mut table)?;
        let mut count = if self.random.one_in(6) { 80 } else { 1 };
        while there && count > 0 {
            table.delete()?;
            there = table.move_next()?;
            count -= 1;
        }
        Ok(())
    }

    fn seek(&mut self, table: &mut Table<'_>) -> JetResult<bool> {
        let id = i32::try_from(self.random.below(KEYS)).unwrap();
        table.seek(&[Value::Long(id)], Seek::GreaterOrEqual)
    }

    fn set(&mut self, table: &Table<'_>, update: &mut Update<'_, '_>, at: usize) -> JetResult<()> {
        for (name, kind) in self.tables[at].columns.clone() {
            if self.random.one_in(4) {
                continue;
            }
            let (column, value) = (table.column(&name)?, self.value(kind));
            match update.set(column, &value) {
                // The record is full: the rest stays as it is.
                Err(error) if error.code() == JetErr::RecordTooBig => {}
                set => {
                    set?;
                }
            }
            if kind.is_long() && self.random.one_in(5) {
                let more = self.bytes(3000);
                update.append_long(column, 1, &more)?;
            }
        }
        Ok(())
    }

    fn column(&mut self) -> (ColumnDefinition, (String, ColumnType)) {
        const KINDS: [ColumnType; 9] = [
            ColumnType::Bit,
            ColumnType::Short,
            ColumnType::LongLong,
            ColumnType::IeeeDouble,
            ColumnType::Guid,
            ColumnType::Binary,
            ColumnType::Text,
            ColumnType::LongBinary,
            ColumnType::LongText,
        ];
        let kind = KINDS[self.random.index(KINDS.len())];
        let name = self.name("column");
        let definition = ColumnDefinition::new(&name, kind);
        let tagged = !kind.is_long() && self.random.one_in(4);
        let definition = match tagged {
            true => definition.tagged(),
            false if kind.is_long() && self.random.one_in(2) => definition.compressed(),
            false => definition,
        };
        (definition, (name, kind))
    }

    fn value(&mut self, kind: ColumnType) -> Value {
        if self.random.one_in(9) {
            return Value::Null;
        }
        let bytes = match kind {
            ColumnType::Binary => self.bytes(200),
            ColumnType::LongBinary if self.random.one_in(25) => self.bytes(150_000),
            ColumnType::LongBinary if self.random.one_in(3) => self.bytes(9000),
            ColumnType::LongBinary => self.bytes(300),
            ColumnType::Text => return self.text(100),
            ColumnType::LongText => return self.text(4000),
            fixed => {
                let mut bytes = vec![0; fixed.fixed_len().unwrap()];
                self.random.fill(&mut bytes);
                if fixed == ColumnType::IeeeDouble {
                    bytes.copy_from_slice(&1.5f64.to_le_bytes());
                }
                bytes
            }
        };
        Value::read(kind, 0, bytes).unwrap()
    }

    fn text(&mut self, most: u64) -> Value {
        let len = usize::try_from(1 + self.random.below(most)).unwrap();
        let word: String = (0..len)
            .map(|_| char::from(b'a' + u8::try_from(self.random.below(26)).unwrap()))
            .collect();
        Value::Text(Text::encode(&word, CODE_PAGE_WESTERN).unwrap())
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(1 + self.random.below(most)).unwrap()];
        self.random.fill(&mut bytes);
        bytes
    }

    fn name(&mut self, what: &str) -> String {
        self.next_name += 1;
        format!("{what}_{}", self.next_name)
    }
}

/// An instance that only recovers, and ends.
pub(crate) fn recover(directory: &Path, page_size: u32) -> Result<(), JetError> {
    let parameters = Parameters::new(directory)
        .database_page_size(page_size)
        .log_file_size(256)
        .background_thread(false);
    Instance::init(parameters)?.term(Term::Complete)
}
