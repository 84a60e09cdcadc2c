//! A database, as sessions use it.

use super::catalog::{self, BuildSite, IndexBuild, IndexNode, KeysOfRecord};
use super::definition::{ColumnDefinition, IndexDefinition, TableDefinition};
use super::session::Session;
use super::state::AttachedDatabase;
use super::table::Table;
use crate::error::JetResult;
use crate::format::{ColumnId, TableFlags};
use std::path::Path;
use std::sync::Arc;

/// An attached database (`JET_DBID`). Any number of sessions may use it.
///
/// ```
/// use jetfs::engine::{ColumnDefinition, IndexDefinition, Instance, Parameters, TableDefinition};
/// use jetfs::format::ColumnType;
///
/// let directory = tempfile::tempdir().unwrap();
/// let instance = Instance::init(Parameters::new(directory.path()))?;
/// let session = instance.session()?;
/// let database = instance.create_database(directory.path().join("people.edb"))?;
///
/// let people = TableDefinition::new("people").column(ColumnDefinition::new("name", ColumnType::Text));
/// drop(database.create_table(&session, &people)?);
/// database.add_column(&session, "people", &ColumnDefinition::new("born", ColumnType::Short))?;
/// database.create_index(&session, "people", &IndexDefinition::new("by_year").ascending("born"))?;
/// assert_eq!(database.tables(&session)?, ["people"]);
///
/// database.delete_index(&session, "people", "by_year")?;
/// database.delete_column(&session, "people", "born")?;
/// database.delete_table(&session, "people")?;
/// instance.detach_database(database.path())?;
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Database {
    attached: Arc<AttachedDatabase>,
}

impl Database {
    pub(crate) fn new(attached: Arc<AttachedDatabase>) -> Self {
        Database { attached }
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.attached.path
    }

    /// The names of its tables, those of the engine left out.
    ///
    /// # Errors
    /// The catalog is damaged.
    pub fn tables(&self, session: &Session) -> JetResult<Vec<String>> {
        let size = self.attached.page_size;
        let tables =
            session.as_reader(|reader| self.attached.read(|state| catalog::tables(state, size, reader)))?;
        let own = tables
            .into_iter()
            .filter(|table| !table.table.flags.contains(TableFlags::SYSTEM));
        Ok(own.map(|table| table.name).collect())
    }

    /// Opens a table (`JetOpenTable`): a cursor that stands before its first record.
    ///
    /// # Errors
    /// There is none (`JET_errObjectNotFound`).
    pub fn open_table<'s>(&self, session: &'s Session, name: &str) -> JetResult<Table<'s>> {
        let size = self.attached.page_size;
        let table = session.as_reader(|reader| {
            self.attached
                .read(|state| catalog::table(state, size, name, reader))
        })?;
        Ok(Table::open(session, &self.attached, table.schema.objid))
    }

    /// Makes a table with its columns and indexes (`JetCreateTableColumnIndex`), and opens it.
    ///
    /// # Errors
    /// What the definition says cannot be made; `JET_errTableDuplicate`; `JET_errWriteConflict`. Nothing is left of it.
    pub fn create_table<'s>(
        &self,
        session: &'s Session,
        definition: &TableDefinition,
    ) -> JetResult<Table<'s>> {
        let table = session.in_level(|| {
            session.change(&self.attached, |change| catalog::create_table(change, definition))
        })?;
        Ok(Table::open(session, &self.attached, table.schema.objid))
    }

    /// Deletes a table (`JetDeleteTable`).
    ///
    /// # Errors
    /// There is none; another session has it open (`JET_errTableInUse`).
    pub fn delete_table(&self, session: &Session, name: &str) -> JetResult<()> {
        session.in_level(|| session.change(&self.attached, |change| catalog::delete_table(change, name)))
    }

    /// Adds a column to a table (`JetAddColumn`), whose records have NULL or the default in it.
    ///
    /// # Errors
    /// `JET_errColumnDuplicate`; what the definition says cannot be made.
    pub fn add_column(
        &self,
        session: &Session,
        table: &str,
        definition: &ColumnDefinition,
    ) -> JetResult<ColumnId> {
        let objid = self.objid(session, table)?;
        session.in_level(|| {
            session.change(&self.attached, |change| {
                catalog::add_column(change, objid, definition)
            })
        })
    }

    /// Deletes a column (`JetDeleteColumn`).
    ///
    /// # Errors
    /// There is none; an index needs it (`JET_errColumnInUse`).
    pub fn delete_column(&self, session: &Session, table: &str, name: &str) -> JetResult<()> {
        let objid = self.objid(session, table)?;
        session.in_level(|| {
            session.change(&self.attached, |change| {
                catalog::delete_column(change, objid, name)
            })
        })
    }

    /// Makes an index of a table, with entries for the records that are there (`JetCreateIndex`). Others read the table
    /// meanwhile; who writes into it gets `JET_errWriteConflict`.
    ///
    /// # Errors
    /// `JET_errIndexDuplicate`; another session has the table open (`JET_errTableInUse`); a record does not fit it.
    pub fn create_index(
        &self,
        session: &Session,
        table: &str,
        definition: &IndexDefinition,
    ) -> JetResult<()> {
        let objid = self.objid(session, table)?;
        session.in_level(|| {
            let build = session.change(&self.attached, |change| {
                catalog::create_index(change, objid, definition)
            })?;
            let mut site = Locking {
                session,
                database: &self.attached,
            };
            build.map_or(Ok(()), |build| build.run(&mut site))
        })
    }

    /// Deletes an index (`JetDeleteIndex`).
    ///
    /// # Errors
    /// There is none; it is the primary one (`JET_errIndexMustStay`); another session has the table open.
    pub fn delete_index(&self, session: &Session, table: &str, name: &str) -> JetResult<()> {
        let objid = self.objid(session, table)?;
        session.in_level(|| {
            session.change(&self.attached, |change| {
                catalog::delete_index(change, objid, name)
            })
        })
    }

    fn objid(&self, session: &Session, table: &str) -> JetResult<u32> {
        let size = self.attached.page_size;
        session.as_reader(|reader| {
            let found = self
                .attached
                .read(|state| catalog::table(state, size, table, reader))?;
            Ok(found.schema.objid)
        })
    }
}

/// Takes the locks of a database for each step of the making of an index.
struct Locking<'l> {
    session: &'l Session,
    database: &'l AttachedDatabase,
}

impl BuildSite for Locking<'_> {
    fn read(&mut self, build: &IndexBuild) -> JetResult<Vec<KeysOfRecord>> {
        let size = self.database.page_size;
        self.session
            .as_reader(|reader| self.database.read(|state| build.read(state, size, reader)))
    }

    fn insert(&mut self, build: &IndexBuild, entries: &[IndexNode]) -> JetResult<()> {
        self.session
            .change(self.database, |change| build.insert(change, entries))
    }
}
