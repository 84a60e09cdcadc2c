//! Sessions and their transactions (log-and-recovery.md sections 4.3 and 5.5).
//!
//! ```text
//! Instance ── session ──> Session ── begin ──> Transaction ── commit, roll_back
//!                            └── begin again: a level in it, which can be rolled back alone
//! ```
//!
//! A session is for one thread at a time; an instance has many. What a transaction changes is seen by others when it is
//! committed, and by those who began before never.

use super::change::Change;
use super::open_transaction::OpenTransaction;
use super::session_ids::SessionIds;
use super::shared::Shared;
use super::state::AttachedDatabase;
use super::transactions::TransactionState;
use super::tree;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::LogPosition;
use crate::format::log_record::{Commit, Commit0, LogRecord, Rollback};
use std::cell::{Cell, RefCell};
use std::sync::Arc;

/// The deepest level of a transaction.
const LEVEL_MOST: u8 = 7;

/// When a commit returns (the bits of `JetCommitTransaction`).
///
/// ```
/// # use jetfs::engine::{ColumnDefinition, IndexDefinition, Instance, Parameters, TableDefinition};
/// # use jetfs::format::{ColumnType, Value};
/// # let directory = tempfile::tempdir().unwrap();
/// # let instance = Instance::init(Parameters::new(directory.path()))?;
/// # let session = instance.session()?;
/// # let database = instance.create_database(directory.path().join("a.edb"))?;
/// # let definition = TableDefinition::new("people")
/// #     .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
/// #     .column(ColumnDefinition::new("name", ColumnType::Text))
/// #     .column(ColumnDefinition::new("photo", ColumnType::LongBinary))
/// #     .index(IndexDefinition::primary("by_id").ascending("id"))
/// #     .index(IndexDefinition::new("by_name").ascending("name"));
/// # drop(database.create_table(&session, &definition)?);
/// use jetfs::engine::CommitMode;
///
/// let table = database.open_table(&session, "people")?;
/// for number in 0..100 {
///     let transaction = session.begin()?;
///     let mut person = table.insert()?;
///     person.set(table.column("id")?, &Value::Long(number))?;
///     person.save()?;
///     transaction.commit_with(CommitMode::Lazy)?;
/// }
/// // Now all of them are durable.
/// session.wait_for_commits()?;
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitMode {
    /// When it is durable.
    #[default]
    Durable,
    /// At once (`JET_bitCommitLazyFlush`): it is durable a little later, and with it all that were committed before. A
    /// crash meanwhile loses it whole.
    Lazy,
}

/// A session (`JET_SESID`).
///
/// ```
/// # use jetfs::engine::{ColumnDefinition, IndexDefinition, Instance, Parameters, TableDefinition};
/// # use jetfs::format::{ColumnType, Value};
/// # let directory = tempfile::tempdir().unwrap();
/// # let instance = Instance::init(Parameters::new(directory.path()))?;
/// # let session = instance.session()?;
/// # let database = instance.create_database(directory.path().join("a.edb"))?;
/// # let definition = TableDefinition::new("people")
/// #     .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
/// #     .column(ColumnDefinition::new("name", ColumnType::Text))
/// #     .column(ColumnDefinition::new("photo", ColumnType::LongBinary))
/// #     .index(IndexDefinition::primary("by_id").ascending("id"))
/// #     .index(IndexDefinition::new("by_name").ascending("name"));
/// # let table = database.create_table(&session, &definition)?;
/// // Levels: what went wrong in an inner one is taken back alone.
/// let outer = session.begin()?;
/// let inner = session.begin()?;
/// assert_eq!(session.level(), 2);
/// inner.roll_back()?;
/// outer.commit()?;
/// assert_eq!(session.level(), 0);
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug)]
pub struct Session {
    shared: Arc<Shared>,
    /// `procid`.
    id: u16,
    open: RefCell<Option<OpenTransaction>>,
    /// How often it changed something, or took it back.
    changes: Cell<u64>,
    /// The end of the last commit that did not wait.
    lazy: Cell<Option<LogPosition>>,
}

/// A time in a transaction between two of its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    transaction: u64,
    changes: u64,
}

impl Session {
    /// A session of an instance.
    ///
    /// # Errors
    /// `JET_errOutOfSessions`; the instance has stopped.
    pub(crate) fn new(shared: Arc<Shared>) -> JetResult<Self> {
        shared.check()?;
        let id = shared.sessions.take()?;
        Ok(Session {
            shared,
            id,
            open: RefCell::new(None),
            changes: Cell::new(0),
            lazy: Cell::new(None),
        })
    }

    /// Begins a transaction, or a level in the one that is open (`JetBeginTransaction`). It is rolled back when it is
    /// dropped. Levels end in the reverse order of their beginning.
    ///
    /// # Errors
    /// `JET_errTransTooDeep`: more than seven levels; the instance has stopped.
    pub fn begin(&self) -> JetResult<Transaction<'_>> {
        self.shared.check()?;
        let mut open = self.open.borrow_mut();
        let level = match &mut *open {
            None => {
                let state = self.shared.transactions.begin(self.id);
                *open = Some(OpenTransaction::new(state));
                1
            }
            Some(transaction) if transaction.level() == LEVEL_MOST => {
                let what = format!("a transaction has at most {LEVEL_MOST} levels");
                return Err(JetError::rule(JetErr::TransTooDeep, what));
            }
            Some(transaction) => {
                transaction.set_level(transaction.level() + 1);
                transaction.level()
            }
        };
        Ok(Transaction {
            session: self,
            level,
            is_ended: false,
        })
    }

    /// The level of its transaction; 0 if there is none.
    pub fn level(&self) -> u8 {
        self.open.borrow().as_ref().map_or(0, OpenTransaction::level)
    }

    /// Waits until everything that it committed is durable (`JET_bitWaitLastLevel0Commit`).
    ///
    /// # Errors
    /// The log cannot be written; the instance has stopped then.
    pub fn wait_for_commits(&self) -> JetResult<()> {
        match self.lazy.take() {
            Some(end) => self.flush_to(end),
            None => Ok(()),
        }
    }

    /// Does something whole or not at all, in a level of its own; outside of a transaction it is committed at once.
    ///
    /// # Errors
    /// Those of `act`, then everything was taken back; those of beginning and committing.
    pub(crate) fn in_level<T>(&self, act: impl FnOnce() -> JetResult<T>) -> JetResult<T> {
        let level = self.begin()?;
        match act() {
            Ok(done) => level.commit().map(|()| done),
            Err(error) => {
                // Where that fails, the instance stops; the first error says more.
                let _ = level.roll_back();
                Err(error)
            }
        }
    }

    /// `procid`.
    pub(crate) fn id(&self) -> u16 {
        self.id
    }

    /// What all sessions of the instance share.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Has `look` see with the eyes of the transaction. Without one, with those of a transaction that lasts only for
    /// this call.
    ///
    /// # Errors
    /// Those of `look`.
    pub(crate) fn as_reader<T>(&self, look: impl FnOnce(&TransactionState) -> JetResult<T>) -> JetResult<T> {
        if let Some(transaction) = &*self.open.borrow() {
            return look(transaction.state());
        }
        let state = self.shared.transactions.begin(SessionIds::NONE);
        let answer = look(&state);
        self.shared.transactions.roll_back(&state);
        answer
    }

    /// What it sees does not change while this is the same; `None` outside of a transaction, where others change it.
    pub(crate) fn moment(&self) -> Option<Moment> {
        let open = self.open.borrow();
        let transaction = open.as_ref()?.state().order();
        Some(Moment {
            transaction,
            changes: self.changes.get(),
        })
    }

    /// The number of its transaction; `None` outside of one.
    pub(crate) fn transaction(&self) -> Option<u64> {
        let open = self.open.borrow();
        Some(open.as_ref()?.state().order())
    }

    fn note_change(&self) {
        self.changes.set(self.changes.get() + 1);
    }

    /// Changes a database in the open transaction.
    ///
    /// # Errors
    /// `JET_errNotInTransaction`; the instance has stopped; those of `change`.
    pub(crate) fn change<T>(
        &self,
        database: &AttachedDatabase,
        change: impl FnOnce(&mut Change<'_>) -> JetResult<T>,
    ) -> JetResult<T> {
        let mut open = self.open.borrow_mut();
        let Some(transaction) = &mut *open else {
            let error = JetError::rule(JetErr::NotInTransaction, "changes need a transaction");
            return Err(error.advise("Begin one: `session.begin()`."));
        };
        self.note_change();
        let mut state = database.write(&self.shared)?;
        change(&mut Change {
            shared: &self.shared,
            database,
            state: &mut state,
            transaction,
        })
    }

    fn commit_level(&self, level: u8) -> JetResult<()> {
        let mut open = self.open.borrow_mut();
        let Some(transaction) = &mut *open else {
            return Err(not_in_transaction());
        };
        let to = level - 1;
        if transaction.logged_levels() == level {
            let record = LogRecord::Commit(Commit {
                session: self.id,
                level: to,
            });
            let appended = self.shared.log.append(&[record]);
            appended.map_err(|error| self.shared.fail(error))?;
        }
        for database in self.touched(transaction) {
            let mut state = database.write_anyway();
            state.versions.commit_level(transaction.state(), to);
            state.catalog.commit_level(transaction.state(), to);
        }
        transaction.set_level(to);
        Ok(())
    }

    fn commit_all(&self, mode: CommitMode) -> JetResult<()> {
        let Some(transaction) = self.open.borrow_mut().take() else {
            return Err(not_in_transaction());
        };
        let logged = self.log_commit(&transaction, mode);
        if logged.is_ok() {
            self.shared.transactions.commit(transaction.state());
        }
        // After an error nobody knows whether it was committed; the instance has stopped.
        for database in self.touched(&transaction) {
            let mut state = database.write_anyway();
            state.versions.commit(transaction.state());
            state.catalog.commit(transaction.state());
            // Where no other transaction is older, at once: there are few, and they are in the processor's cache.
            state.drop_versions(self.shared.transactions.oldest_snapshot());
        }
        logged
    }

    fn log_commit(&self, transaction: &OpenTransaction, mode: CommitMode) -> JetResult<()> {
        if transaction.logged_levels() == 0 {
            return Ok(());
        }
        self.shared.check()?;
        let (session, level) = (self.id, 0);
        let appended = self.shared.transactions.log_commit0(|trx| {
            let commit = LogRecord::Commit0(Commit0 { session, level, trx });
            self.shared.log.append(&[commit])
        });
        let end = appended.map_err(|error| self.shared.fail(error))?.end;
        match mode {
            CommitMode::Durable => self.flush_to(end),
            CommitMode::Lazy => {
                self.lazy.set(Some(end));
                Ok(())
            }
        }
    }

    fn flush_to(&self, end: LogPosition) -> JetResult<()> {
        let flushed = self.shared.log.flush_to(end);
        flushed.map_err(|error| self.shared.fail(error))
    }

    /// Takes back the innermost level, which has ended then, whatever this returns: after an error the instance has
    /// stopped, and recovery takes back what is left.
    fn roll_back_level(&self, level: u8) -> JetResult<()> {
        let rolled_back = self.undo_level(level);
        if level == 1 {
            self.end_rolled_back();
        } else if let Some(transaction) = &mut *self.open.borrow_mut() {
            transaction.set_level(level - 1);
        }
        rolled_back
    }

    fn undo_level(&self, level: u8) -> JetResult<()> {
        self.note_change();
        let mut open = self.open.borrow_mut();
        let Some(transaction) = &mut *open else {
            return Err(not_in_transaction());
        };
        for database in self.touched(transaction) {
            tree::roll_back(&self.shared, &database, transaction, level)?;
            let state = database.write_anyway();
            state.catalog.roll_back(transaction.state(), level);
        }
        if transaction.logged_levels() == level {
            let record = LogRecord::Rollback(Rollback {
                session: self.id,
                levels: 1,
            });
            let appended = self.shared.log.append(&[record]);
            appended.map_err(|error| self.shared.fail(error))?;
        }
        Ok(())
    }

    fn end_rolled_back(&self) {
        let Some(transaction) = self.open.borrow_mut().take() else {
            return;
        };
        self.shared.transactions.roll_back(transaction.state());
        for database in self.touched(&transaction) {
            let mut state = database.write_anyway();
            state.versions.roll_back(transaction.state());
            state.catalog.roll_back(transaction.state(), 0);
        }
    }

    fn touched(&self, transaction: &OpenTransaction) -> Vec<Arc<AttachedDatabase>> {
        let mut databases = self.shared.databases();
        databases.retain(|database| transaction.has_touched(database.dbid));
        databases
    }
}

impl Drop for Session {
    /// Transactions borrow the session: one that is open here was leaked (`std::mem::forget`), and is rolled back.
    fn drop(&mut self) {
        while self.level() > 0 {
            if let Err(error) = self.roll_back_level(self.level()) {
                tracing::error!(%error, session = self.id, "a session ended in a transaction");
            }
        }
        self.shared.sessions.give_back(self.id);
    }
}

/// A transaction, or a level of one. Dropped, it is rolled back.
///
/// ```
/// # use jetfs::engine::{ColumnDefinition, IndexDefinition, Instance, Parameters, TableDefinition};
/// # use jetfs::format::{ColumnType, Value};
/// # let directory = tempfile::tempdir().unwrap();
/// # let instance = Instance::init(Parameters::new(directory.path()))?;
/// # let session = instance.session()?;
/// # let database = instance.create_database(directory.path().join("a.edb"))?;
/// # let definition = TableDefinition::new("people")
/// #     .column(ColumnDefinition::new("id", ColumnType::Long).not_null())
/// #     .column(ColumnDefinition::new("name", ColumnType::Text))
/// #     .column(ColumnDefinition::new("photo", ColumnType::LongBinary))
/// #     .index(IndexDefinition::primary("by_id").ascending("id"))
/// #     .index(IndexDefinition::new("by_name").ascending("name"));
/// # let mut people = database.create_table(&session, &definition)?;
/// # let (id, name, photo) = (people.column("id")?, people.column("name")?, people.column("photo")?);
/// # for (number, text) in [(1, "Ada"), (2, "Grace"), (3, "Alan")] {
/// #     let mut person = people.insert()?;
/// #     person.set(id, &Value::Long(number))?.set(name, &people.text(name, text)?)?;
/// #     person.save()?;
/// # }
/// fn rename(people: &mut jetfs::engine::Table<'_>, from: &str, to: &str) -> jetfs::JetResult<bool> {
///     let name = people.column("name")?;
///     people.set_current_index(Some("by_name"))?;
///     if !people.seek(&[people.text(name, from)?], jetfs::engine::Seek::Equal)? {
///         return Ok(false);
///     }
///     let mut person = people.replace()?;
///     person.set(name, &people.text(name, to)?)?;
///     person.save().map(|_| true)
/// }
///
/// let transaction = session.begin()?;
/// assert!(rename(&mut people, "Ada", "Augusta")?);
/// // `?` on an error would drop the transaction: all of it is rolled back.
/// assert!(!rename(&mut people, "Charles", "Babbage")?);
/// transaction.commit()?;
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct Transaction<'s> {
    session: &'s Session,
    level: u8,
    is_ended: bool,
}

impl Transaction<'_> {
    /// Commits; returns when it is durable (`JetCommitTransaction`). An inner level becomes part of the level above.
    ///
    /// # Errors
    /// As [`commit_with`](Self::commit_with).
    pub fn commit(self) -> JetResult<()> {
        self.commit_with(CommitMode::Durable)
    }

    /// Commits.
    ///
    /// # Errors
    /// An inner level is open (`JET_errInTransaction`); the log cannot be written:
    /// the instance has stopped, and whether the transaction was committed will be known after recovery.
    pub fn commit_with(mut self, mode: CommitMode) -> JetResult<()> {
        self.check_innermost()?;
        self.is_ended = true;
        if self.level > 1 {
            return self.session.commit_level(self.level);
        }
        self.session.commit_all(mode)
    }

    /// Takes back everything that was done in it (`JetRollback`).
    ///
    /// # Errors
    /// An inner level is open (`JET_errInTransaction`); the log cannot be written: the instance has stopped, and recovery
    /// will roll back.
    pub fn roll_back(mut self) -> JetResult<()> {
        self.end_by_rollback()
    }

    /// Its level, from 1.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// The session.
    pub fn session(&self) -> &Session {
        self.session
    }

    fn end_by_rollback(&mut self) -> JetResult<()> {
        self.check_innermost()?;
        self.is_ended = true;
        self.session.roll_back_level(self.level)
    }

    fn check_innermost(&self) -> JetResult<()> {
        match self.session.level() {
            level if level == self.level => Ok(()),
            level => {
                let what = format!("level {} cannot end while level {level} is open", self.level);
                Err(JetError::rule(JetErr::InTransaction, what))
            }
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.is_ended {
            return;
        }
        if let Err(error) = self.end_by_rollback() {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
}

fn not_in_transaction() -> JetError {
    JetError::rule(JetErr::NotInTransaction, "there is no transaction")
}
