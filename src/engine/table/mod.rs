//! A table, as a session goes through it: a cursor that moves, seeks and reads (`JetMove`, `JetSeek`,
//! `JetRetrieveColumn`).
//!
//! * here: where the cursor is; `moves`: how it gets elsewhere; `record`: what is read there;
//! * `update`: records inserted, replaced, deleted; `entries`: what that means for the other indexes.
//!
//! A cursor keeps names of nodes, not places on pages: it stays where it is whatever others do, and when its record is
//! deleted, it stands between the neighbours.

mod entries;
mod moves;
mod record;
mod update;

pub use moves::Seek;
pub use record::Row;
pub use update::Update;

use super::bookmark::{Bookmark, TreeId};
use super::catalog::{self, LiveIndex, LiveTable};
use super::session::Session;
use super::state::{AttachedDatabase, DatabaseState, Look};
use super::transactions::TransactionState;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::ColumnId;
use std::sync::Arc;

/// A cursor in a table (`JET_TABLEID`).
#[derive(Debug)]
pub struct Table<'s> {
    session: &'s Session,
    database: Arc<AttachedDatabase>,
    objid: u32,
    /// The current index; `None` is the primary one.
    index: Option<String>,
    position: Position,
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
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spot {
    /// Its entry in the current index.
    entry: Bookmark,
    /// Its key in the table's own tree.
    primary: Box<[u8]>,
}

impl<'s> Table<'s> {
    pub(crate) fn open(session: &'s Session, database: &Arc<AttachedDatabase>, objid: u32) -> Self {
        database.look().catalog.open_cursor(objid, session.id());
        Table {
            session,
            database: Arc::clone(database),
            objid,
            index: None,
            position: Position::Start,
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
        Ok(())
    }

    /// Has `look` look at the table as the transaction sees it.
    fn read<T>(
        &self,
        mut look: impl FnMut(&LiveTable, &DatabaseState, &TransactionState) -> Look<T>,
    ) -> JetResult<T> {
        let size = self.database.page_size;
        self.session.as_reader(|reader| {
            self.database.read(|state| {
                let table = catalog::table_of(state, size, self.objid, reader)?;
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
