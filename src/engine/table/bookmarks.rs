//! Records by their names (`JetGetBookmark`, `JetGotoBookmark` and what they are for secondary indexes).

use super::entries::KEY_NEEDS;
use super::record::deleted;
use super::{Position, Spot, Table};
use crate::engine::record::long_values_of;
use crate::engine::tree::From;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::Record;
use std::collections::HashMap;

/// An entry of an index (`JetGetSecondaryIndexBookmark`): valid in that index, as long as the record has this key.
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
/// people.set_current_index(Some("by_name"))?;
/// assert!(people.move_by(2)?);
/// let alan = people.index_bookmark()?;
/// assert!(people.move_last()?);
/// people.goto_index_bookmark(&alan)?;
/// assert_eq!(people.value(id)?, Value::Long(3));
/// assert_eq!(people.bookmark()?, alan.record);
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexBookmark {
    /// The key of the entry.
    pub key: Vec<u8>,
    /// The record's bookmark.
    pub record: Vec<u8>,
}

impl Table<'_> {
    /// The name of the record (`JetGetBookmark`): its key in the table, whatever index is current.
    ///
    /// # Errors
    /// The cursor is not on a record (`JET_errNoCurrentRecord`).
    pub fn bookmark(&self) -> JetResult<Vec<u8>> {
        Ok(self.spot()?.primary().to_vec())
    }

    /// The key of the entry that the cursor is on, in the current index (`JetRetrieveKey`).
    ///
    /// # Errors
    /// The cursor is not on a record (`JET_errNoCurrentRecord`).
    pub fn key(&self) -> JetResult<Vec<u8>> {
        Ok(self.spot()?.entry.key.to_vec())
    }

    /// The name of the entry that the cursor is on, in the current index.
    ///
    /// # Errors
    /// The cursor is not on a record (`JET_errNoCurrentRecord`).
    pub fn index_bookmark(&self) -> JetResult<IndexBookmark> {
        Ok(IndexBookmark {
            key: self.key()?,
            record: self.bookmark()?,
        })
    }

    /// Goes to the record of a bookmark (`JetGotoBookmark`). The current index stays: the cursor is on the entry of the
    /// record's first values there. A [range](Self::range) is given up.
    ///
    /// # Errors
    /// The record is gone (`JET_errRecordDeleted`): the cursor stays where it was. It has no entry in the current index
    /// (`JET_errNoCurrentRecord`): the cursor is before the first.
    pub fn goto_bookmark(&mut self, bookmark: &[u8]) -> JetResult<()> {
        let record = self.record_bytes(bookmark)?;
        self.clear_range();
        let key = match self.index {
            None => Some(bookmark.to_vec()),
            Some(_) => self.first_key(&record)?,
        };
        let spot = match key {
            Some(key) => self.entry(&key, bookmark)?,
            None => None,
        };
        self.position = spot.map_or(Position::Start, Position::At);
        self.spot().map(drop).map_err(|_| {
            let what = "the record has no entry in the current index";
            JetError::rule(JetErr::NoCurrentRecord, what)
        })
    }

    /// Goes to an entry of the current index (`JetGotoSecondaryIndexBookmark`). A [range](Self::range) is given up.
    ///
    /// # Errors
    /// The entry is gone (`JET_errRecordDeleted`): the cursor stays where it was.
    pub fn goto_index_bookmark(&mut self, bookmark: &IndexBookmark) -> JetResult<()> {
        let spot = self.entry(&bookmark.key, &bookmark.record)?;
        let spot = spot.filter(|spot| spot.primary() == bookmark.record);
        self.position = Position::At(spot.ok_or_else(deleted)?);
        self.clear_range();
        Ok(())
    }

    fn entry(&self, key: &[u8], primary: &[u8]) -> JetResult<Option<Spot>> {
        let entry = self.read(|table, _, _| {
            let tree = self.tree(table)?;
            Ok(tree.bookmark(key, primary).to_owned())
        })?;
        self.find(From::At(entry.name()))
    }

    /// The key of a record's first values in the current index; none if the record has no entry there.
    fn first_key(&self, record: &[u8]) -> JetResult<Option<Vec<u8>>> {
        let size = self.database.page_size;
        let needs_long_values = self.read(|table, _, _| match self.secondary(table)? {
            Some(index) => Ok(index.keys()?.reads_long_values()),
            None => Ok(false),
        })?;
        let mut starts = HashMap::new();
        if needs_long_values {
            for lid in long_values_of(size, record)? {
                starts.insert(lid, self.long_value(lid, 0, KEY_NEEDS)?);
            }
        }
        let record = Record::read(size, record)?;
        self.read(|table, _, _| {
            let Some(index) = self.secondary(table)? else {
                return Ok(None);
            };
            let start = |lid, _| starts.get(&lid).cloned().ok_or_else(deleted);
            let keys = index.keys()?;
            let (all, first) = (
                keys.keys(&record, Some(&start))?,
                keys.primary_key(&record, Some(&start))?,
            );
            Ok(match all.contains(&first) {
                true => Some(first),
                false => all.into_iter().next(),
            })
        })
    }
}
