//! How a cursor gets elsewhere (`JetMove`, `JetSeek`).

use super::{Position, Primary, Spot, Table};
use crate::engine::bookmark::{Bookmark, BookmarkRef, TreeId};
use crate::engine::catalog::LiveTable;
use crate::engine::tree::{From, NodeOnPage};
use crate::error::JetResult;
use crate::format::Value;
use crate::store::KeyLimit;

/// Which record is sought (the bits of `JetSeek`).
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
/// use jetfs::engine::Seek;
///
/// assert!(people.seek(&[Value::Long(2)], Seek::Less)?);
/// assert_eq!(people.value(id)?, Value::Long(1));
/// assert!(!people.seek(&[Value::Long(3)], Seek::Greater)?);
/// // It stays where it was.
/// assert_eq!(people.value(id)?, Value::Long(1));
/// # Ok::<(), jetfs::JetError>(())
/// ```
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
            Position::Start => self.first_in_range()?,
            Position::At(spot) => self.find(From::After(spot.entry.name()))?,
        };
        Ok(self.go_to_in_range(spot, Position::End))
    }

    /// Goes to the record before; `false` if there is none, then it stands before the first.
    ///
    /// # Errors
    /// A page is damaged.
    pub fn move_previous(&mut self) -> JetResult<bool> {
        let spot = match &self.position {
            Position::Start => return Ok(false),
            Position::End => self.last_in_range()?,
            Position::At(spot) => self.find(From::Before(spot.entry.name()))?,
        };
        Ok(self.go_to_in_range(spot, Position::Start))
    }

    /// Goes on by so many records, back if `count` is negative; `false` if there are not so many, then it stands after
    /// the last, or before the first. 0 answers whether the cursor is on a record that is there.
    ///
    /// # Errors
    /// A page is damaged.
    pub fn move_by(&mut self, count: i64) -> JetResult<bool> {
        if count == 0 {
            return self.is_on_record();
        }
        for _ in 0..count.unsigned_abs() {
            let is_there = if count > 0 {
                self.move_next()?
            } else {
                self.move_previous()?
            };
            if !is_there {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Goes to the next record with another key than this one (`JET_bitMoveKeyNE`); `false` if there is none, then it
    /// stands after the last.
    ///
    /// # Errors
    /// A page is damaged.
    pub fn move_to_next_key(&mut self) -> JetResult<bool> {
        let Position::At(spot) = &self.position else {
            return self.move_next();
        };
        let after = next_key(&spot.entry.key);
        let spot = self.find(From::AtOrAfter(key_alone(&after)))?;
        Ok(self.go_to_in_range(spot, Position::End))
    }

    /// Goes to the record before with another key than this one (`JET_bitMoveKeyNE`); `false` if there is none, then it
    /// stands before the first.
    ///
    /// # Errors
    /// A page is damaged.
    pub fn move_to_previous_key(&mut self) -> JetResult<bool> {
        let Position::At(spot) = &self.position else {
            return self.move_previous();
        };
        let spot = self.find(From::Before(key_alone(&spot.entry.key)))?;
        Ok(self.go_to_in_range(spot, Position::Start))
    }

    /// Seeks a record by the first columns of the current index. Where there is none, `false`, and the cursor stays. A
    /// [range](Self::range) is given up.
    ///
    /// # Errors
    /// More values than the index has columns (`JET_errKeyIsMade`), or one that does not fit its column; none
    /// (`JET_errKeyNotMade`); the table has no such order (`JET_errNoCurrentIndex`).
    pub fn seek(&mut self, key: &[Value], how: Seek) -> JetResult<bool> {
        // A limit makes a key greater than all that begin so, where the end of these is sought.
        let limit = match how {
            Seek::Equal | Seek::GreaterOrEqual | Seek::Less => KeyLimit::None,
            Seek::Greater | Seek::LessOrEqual => KeyLimit::FullColumnEnd,
        };
        let bytes = self.make_key(key, limit)?;
        self.seek_key(&bytes, how)
    }

    /// Seeks a record by a [key](Self::make_key). [`Seek::Equal`] finds the first whose key begins so.
    ///
    /// # Errors
    /// A page is damaged.
    pub fn seek_key(&mut self, key: &[u8], how: Seek) -> JetResult<bool> {
        self.clear_range();
        let name = key_alone(key);
        let spot = match how {
            Seek::Less => self.find(From::Before(name))?,
            Seek::LessOrEqual => self.find(From::Before(key_alone(&next_key(key))))?,
            Seek::Equal | Seek::GreaterOrEqual => self.find(From::AtOrAfter(name))?,
            Seek::Greater => self.find(From::AtOrAfter(key_alone(&next_key(key))))?,
        };
        let spot = spot.filter(|spot| how != Seek::Equal || spot.entry.key.starts_with(key));
        let Some(spot) = spot else {
            return Ok(false);
        };
        self.go_to(Position::At(spot));
        Ok(true)
    }

    fn is_on_record(&self) -> JetResult<bool> {
        match &self.position {
            Position::At(spot) => Ok(self.find(From::At(spot.entry.name()))?.is_some()),
            Position::Start | Position::End => Ok(false),
        }
    }

    /// Goes there, if it is in the range.
    fn go_to_in_range(&mut self, spot: Option<Spot>, otherwise: Position) -> bool {
        let spot = spot.filter(|spot| self.is_in_range(&spot.entry.key));
        let is_there = spot.is_some();
        self.go_to(spot.map_or(otherwise, Position::At));
        is_there
    }

    pub(super) fn find(&self, from: From<'_>) -> JetResult<Option<Spot>> {
        let mut spot = self.spare.take();
        let here = self.find_here(
            |table| self.tree(table).ok(),
            from,
            |table, tree, node| spot.go_to(table, tree, &node, node.data),
        );
        if here.is_some() {
            return Ok(Some(spot));
        }
        let is_there = self.read(|table, state, reader| {
            let tree = self.tree(table)?;
            let found = self.find_in(state, table, (tree, from), reader)?;
            Ok(found
                .map(|found| spot.go_to(table, tree, &found.node, &found.data))
                .is_some())
        })?;
        Ok(is_there.then_some(spot))
    }
}

/// Before every node with this key.
pub(super) fn key_alone(key: &[u8]) -> BookmarkRef<'_> {
    BookmarkRef { key, data: &[] }
}

/// The next key that there can be.
fn next_key(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

impl Spot {
    /// Goes to a node of a tree, whose data the transaction sees so.
    fn go_to(&mut self, table: &LiveTable, tree: TreeId, node: &NodeOnPage<'_>, data: &[u8]) {
        let Bookmark { key, data: name } = &mut self.entry;
        key.clear();
        key.extend_from_slice(node.prefix);
        key.extend_from_slice(node.suffix);
        name.clear();
        self.primary = if tree == table.tree {
            Primary::EntryKey
        } else if tree.is_unique {
            Primary::Bytes(data.into())
        } else {
            name.extend_from_slice(data);
            Primary::EntryData
        };
    }
}
