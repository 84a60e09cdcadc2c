//! A table, as a session goes through it: a cursor that moves, seeks and reads (`JetMove`, `JetSeek`,
//! `JetRetrieveColumn`).
//!
//! * here: where the cursor is; `moves`, `range`, `bookmarks`: how it gets elsewhere; `record`: what is read there,
//!   `contents`: what its columns hold;
//! * `rest`: what it remembers of that;
//! * `update`: records inserted, replaced, deleted; `pieces`: parts of their long values; `entries`: what that means for
//!   the other indexes.
//!
//! A cursor keeps names of nodes, not places on pages: it stays where it is whatever others do, and when its record is
//! deleted, it stands between the neighbours.

mod bookmarks;
mod contents;
mod entries;
mod moves;
mod pieces;
mod range;
mod record;
mod rest;
mod set_options;
mod update;
mod zero;

pub use bookmarks::IndexBookmark;
pub use moves::Seek;
pub use record::Row;
pub use set_options::SetOptions;
pub use update::Update;
pub(crate) use zero::delete_record_at_zero;

use self::range::Range;
use super::bookmark::{Bookmark, TreeId};
use super::catalog::{self, LiveIndex, LiveTable};
use super::record::RecordUpdate;
use super::session::Session;
use super::state::{AttachedDatabase, DatabaseState, Look};
use super::transactions::TransactionState;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnId, ColumnType, Text, Value};
use std::cell::RefCell;
use std::sync::Arc;

/// A cursor in a table (`JET_TABLEID`).
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
/// // In the order of the primary index …
/// let mut ids = Vec::new();
/// while people.move_next()? {
///     ids.push(people.value(id)?);
/// }
/// assert_eq!(ids, [1, 2, 3].map(Value::Long));
///
/// // … and of another one.
/// people.set_current_index(Some("by_name"))?;
/// assert!(people.move_last()?);
/// assert_eq!(people.value(name)?.to_string(), "\"Grace\"");
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug)]
pub struct Table<'s> {
    session: &'s Session,
    database: Arc<AttachedDatabase>,
    objid: u32,
    /// The current index; `None` is the primary one.
    index: Option<String>,
    /// What it goes through.
    range: Range,
    position: Position,
    /// The memory of the spot before.
    spare: RefCell<Spot>,
    /// The memory of the record that was inserted last.
    spare_record: RefCell<Option<RecordUpdate>>,
    memory: RefCell<rest::Memory>,
}

/// A column of a table (`JET_COLUMNDEF`).
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
/// let columns = people.columns()?;
/// assert_eq!((columns[1].name.as_str(), columns[1].kind), ("name", Some(ColumnType::Text)));
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    /// What calls name it by.
    pub id: ColumnId,
    /// Its name.
    pub name: String,
    /// Its type; `None` of one that jetfs does not know.
    pub kind: Option<ColumnType>,
    /// The code page of text.
    pub code_page: u16,
}

/// Where a cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Position {
    /// Before the first record.
    Start,
    /// After the last record.
    End,
    /// On a record, or where it was.
    At(Spot),
}

/// A record, as a cursor knows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Spot {
    /// Its entry in the current index.
    entry: Bookmark,
    primary: Primary,
}

/// Where the key of a record in the table's own tree is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Primary {
    /// It is the key of the entry, in that tree.
    #[default]
    EntryKey,
    /// It is part of the entry's name, in an index whose keys are not unique.
    EntryData,
    /// Here.
    Bytes(Box<[u8]>),
}

impl Spot {
    /// The record's key in the table's own tree.
    fn primary(&self) -> &[u8] {
        match &self.primary {
            Primary::EntryKey => &self.entry.key,
            Primary::EntryData => &self.entry.data,
            Primary::Bytes(bytes) => bytes,
        }
    }
}

impl<'s> Table<'s> {
    pub(crate) fn open(session: &'s Session, database: &Arc<AttachedDatabase>, objid: u32) -> Self {
        database.look().catalog.open_cursor(objid, session.id());
        Table {
            session,
            database: Arc::clone(database),
            objid,
            index: None,
            range: Range::ALL,
            position: Position::Start,
            spare: RefCell::default(),
            spare_record: RefCell::default(),
            memory: RefCell::default(),
        }
    }

    /// The number of a column, by its name; case does not matter.
    ///
    /// # Errors
    /// There is none (`JET_errColumnNotFound`).
    pub fn column(&self, name: &str) -> JetResult<ColumnId> {
        self.read(|table, _, _| {
            let columns = table.layout.columns();
            let found = columns
                .iter()
                .find(|column| column.name.eq_ignore_ascii_case(name));
            let id = found.map(|column| column.id).ok_or_else(|| {
                let what = format!("table {} has no column {name:?}", table.schema.name);
                JetError::rule(JetErr::ColumnNotFound, what)
            });
            Ok(id?)
        })
    }

    /// The columns of the table, by id.
    ///
    /// # Errors
    /// The catalog is damaged.
    pub fn columns(&self) -> JetResult<Vec<ColumnInfo>> {
        self.read(|table, _, _| {
            let columns = table.layout.columns().iter();
            let info = columns.map(|column| ColumnInfo {
                id: column.id,
                name: column.name.clone(),
                kind: column.kind,
                code_page: column.code_page,
            });
            Ok(info.collect())
        })
    }

    /// The names of its indexes, the primary one first if there is one.
    ///
    /// # Errors
    /// The catalog is damaged.
    pub fn indexes(&self) -> JetResult<Vec<String>> {
        self.read(|table, _, _| {
            let indexes = table.primary.iter().chain(&table.secondary);
            Ok(indexes.map(|index| index.name.clone()).collect())
        })
    }

    /// Text as a column stores it: in code page 1252 or in UTF-16LE.
    ///
    /// # Errors
    /// There is no such column (`JET_errColumnNotFound`); its code page lacks a character
    /// (`JET_errUnicodeTranslationFail`).
    pub fn text(&self, column: ColumnId, text: &str) -> JetResult<Value> {
        self.read(|table, _, _| {
            let column = table.layout.column(column)?;
            let stored = Text::encode(text, column.code_page).ok_or_else(|| {
                let what = format!(
                    "code page {} of column {} lacks a character of {text:?}",
                    column.code_page, column.name
                );
                JetError::rule(JetErr::UnicodeTranslationFail, what)
            });
            Ok(Value::Text(stored?))
        })
    }

    /// The columns of the keys of the current index, in their order; none of a table without a primary index.
    ///
    /// # Errors
    /// The catalog is damaged.
    pub fn key_columns(&self) -> JetResult<Vec<ColumnId>> {
        self.read(|table, _, _| {
            let index = self.secondary(table)?.or(table.primary.as_ref());
            let segments = index.map_or(&[][..], |index| &index.entry.segments);
            Ok(segments.iter().map(|segment| segment.column).collect())
        })
    }

    /// Goes by another index from now on (`JetSetCurrentIndex`), and stands before its first record. `None` is the
    /// primary index.
    ///
    /// # Errors
    /// There is none of this name (`JET_errIndexNotFound`).
    pub fn set_current_index(&mut self, name: Option<&str>) -> JetResult<()> {
        let index = match name {
            None => None,
            Some(name) => self.read(|table, _, _| {
                let index = table.index(name)?;
                Ok((index.tree != table.tree).then(|| index.name.clone()))
            })?,
        };
        (self.index, self.position) = (index, Position::Start);
        self.clear_range();
        Ok(())
    }

    /// Has `look` look at the table as the transaction sees it.
    fn read<T>(
        &self,
        mut look: impl FnMut(&Arc<LiveTable>, &DatabaseState, &TransactionState) -> Look<T>,
    ) -> JetResult<T> {
        let size = self.database.page_size;
        let known = self.known_table();
        self.session.as_reader(|reader| {
            self.database.read(|state| {
                let table = match &known {
                    Some(table) => Arc::clone(table),
                    None => {
                        let table = catalog::table_of(state, size, self.objid, reader)?;
                        self.remember_table(&table);
                        table
                    }
                };
                look(&table, state, reader)
            })
        })
    }

    /// The tree that the cursor goes through.
    fn tree(&self, table: &LiveTable) -> JetResult<TreeId> {
        Ok(match self.secondary(table)? {
            Some(index) => index.tree,
            None => table.tree,
        })
    }

    /// The current index, if it is not the primary one.
    fn secondary<'t>(&self, table: &'t LiveTable) -> JetResult<Option<&'t LiveIndex>> {
        self.index.as_deref().map(|name| table.index(name)).transpose()
    }

    /// Goes there.
    fn go_to(&mut self, position: Position) {
        if let Position::At(spot) = std::mem::replace(&mut self.position, position) {
            self.spare.replace(spot);
        }
    }

    fn spot(&self) -> JetResult<&Spot> {
        match &self.position {
            Position::At(spot) => Ok(spot),
            Position::Start | Position::End => {
                let what = "the cursor is not on a record";
                Err(JetError::rule(JetErr::NoCurrentRecord, what))
            }
        }
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        let state = self.database.look();
        state.catalog.close_cursor(self.objid, self.session.id());
    }
}
