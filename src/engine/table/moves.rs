//! How a cursor gets elsewhere (`JetMove`, `JetSeek`, `JetGotoBookmark`).

use super::{Position, Spot, Table};
use crate::engine::bookmark::{Bookmark, BookmarkRef, TreeId};
use crate::engine::catalog::LiveTable;
use crate::engine::tree::{self, FoundNode, From};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::Value;
use crate::store::{KeyLimit, SearchKey};

/// Which record is sought (the bits of `JetSeek`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// The first with this key.
    Equal,
    /// The first with this key or a greater one.
    GreaterOrEqual,
    /// The first with a greater key.
    Greater,
    /// The last with this key or a lesser one.
    LessOrEqual,
    /// The last with a lesser key.
    Less,
}

impl Table<'_> {
    /// Goes to the first record; `false` if there is none.
    ///
    /// # Errors
    /// A page is damaged.
    pub fn move_first(&mut self) -> JetResult<bool> {
        self.position = Position::Start;
        self.move_next()
    }

    /// Goes to the last record; `false` if there is none.
    ///
    /// # Errors
    /// A page is damaged.
    pub fn move_last(&mut self) -> JetResult<bool> {
        self.position = Position::End;
        self.move_previous()
    }

    /// Goes to the next record; `false` if there is none, then it stands after the last.
    ///
    /// # Errors
    /// A page is damaged.
    pub fn move_next(&mut self) -> JetResult<bool> {
        let spot = match &self.position {
            Position::End => return Ok(false),
            Position::Start => self.find(From::First)?,
            Position::At(spot) => self.find(From::After(spot.entry.name()))?,
        };
        Ok(self.go_to(spot, Position::End))
    }

    /// Goes to the record before; `false` if there is none, then it stands before the first.
    ///
    /// # Errors
    /// A page is damaged.
    pub fn move_previous(&mut self) -> JetResult<bool> {
        let spot = match &self.position {
            Position::Start => return Ok(false),
            Position::End => self.find(From::Last)?,
            Position::At(spot) => self.find(From::Before(spot.entry.name()))?,
        };
        Ok(self.go_to(spot, Position::Start))
    }

    /// Seeks a record by the first columns of the current index. Where there is none, `false`, and the cursor stays.
    ///
    /// # Errors
    /// More values than the index has columns (`JET_errKeyIsMade`), or one that does not fit its column; none
    /// (`JET_errKeyNotMade`).
    pub fn seek(&mut self, key: &[Value], how: Seek) -> JetResult<bool> {
        // A limit makes a key greater than all that begin so, where the end of these is sought.
        let limit = match how {
            Seek::Equal | Seek::GreaterOrEqual | Seek::Less => KeyLimit::None,
            Seek::Greater | Seek::LessOrEqual => KeyLimit::FullColumnEnd,
        };
        let bytes = self.search_key(key, limit)?;
        let name = BookmarkRef {
            key: &bytes,
            data: &[],
        };
        let spot = match how {
            Seek::Less | Seek::LessOrEqual => self.find(From::Before(name))?,
            Seek::Equal | Seek::GreaterOrEqual | Seek::Greater => self.find(From::AtOrAfter(name))?,
        };
        let spot = spot.filter(|spot| how != Seek::Equal || spot.entry.key.starts_with(&bytes));
        let Some(spot) = spot else {
            return Ok(false);
        };
        self.position = Position::At(spot);
        Ok(true)
    }

    /// The name of the record (`JetGetBookmark`): its key in the table, whatever index is current.
    ///
    /// # Errors
    /// The cursor is not on a record.
    pub fn bookmark(&self) -> JetResult<Vec<u8>> {
        Ok(self.spot()?.primary.to_vec())
    }

    /// Goes to the record of a bookmark (`JetGotoBookmark`), by the primary index, which becomes the current one.
    ///
    /// # Errors
    /// It is gone (`JET_errRecordDeleted`).
    pub fn goto_bookmark(&mut self, bookmark: &[u8]) -> JetResult<()> {
        self.index = None;
        let name = BookmarkRef {
            key: bookmark,
            data: &[],
        };
        match self.find(From::At(name))? {
            Some(spot) => {
                self.position = Position::At(spot);
                Ok(())
            }
            None => Err(JetError::rule(JetErr::RecordDeleted, "the record is gone")),
        }
    }

    fn go_to(&mut self, spot: Option<Spot>, otherwise: Position) -> bool {
        let is_there = spot.is_some();
        self.position = spot.map_or(otherwise, Position::At);
        is_there
    }

    fn find(&self, from: From<'_>) -> JetResult<Option<Spot>> {
        self.read(|table, state, reader| {
            let tree = self.tree(table)?;
            let found = tree::find(state, tree, from, reader)?;
            Ok(found.map(|found| spot_of(table, tree, &found)))
        })
    }

    /// The key of these values in the current index.
    fn search_key(&self, values: &[Value], limit: KeyLimit) -> JetResult<Vec<u8>> {
        self.read(|table, _, _| {
            let index = self.secondary(table)?.or(table.primary.as_ref());
            let index = index.ok_or_else(|| {
                let what = format!("table {} has no primary index to seek in", table.schema.name);
                JetError::rule(JetErr::NoCurrentIndex, what)
            })?;
            let keys = index.keys()?;
            let mut made = SearchKey::new();
            for (at, value) in values.iter().enumerate() {
                let limit = if at + 1 == values.len() {
                    limit
                } else {
                    KeyLimit::None
                };
                made.column(keys, value.stored().first().map(|bytes| &**bytes), limit)?;
            }
            Ok(made.bytes()?.to_vec())
        })
    }
}

fn spot_of(table: &LiveTable, tree: TreeId, found: &FoundNode<'_>) -> Spot {
    let key = found.node.key();
    let primary: &[u8] = if tree == table.tree { &key } else { &found.data };
    Spot {
        primary: primary.into(),
        entry: Bookmark {
            data: tree.bookmark(&key, &found.data).data.into(),
            key: key.as_ref().into(),
        },
    }
}
