//! Keys that are sought, and ranges of an index (`JetMakeKey`, `JetSetIndexRange`).
//!
//! A range has keys as its ends; an entry whose key begins with the key of an end is that end: with an end `[a]` of an
//! index over two columns, all entries whose first column is `a`.

use super::moves::key_alone;
use super::{Position, Spot, Table};
use crate::engine::tree::From;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::Value;
use crate::store::{KeyLimit, SearchKey};
use std::ops::{Bound, RangeBounds};

/// The entries that a cursor goes through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    lower: Bound<Vec<u8>>,
    upper: Bound<Vec<u8>>,
}

impl Range {
    /// The whole index.
    pub(super) const ALL: Range = Range {
        lower: Bound::Unbounded,
        upper: Bound::Unbounded,
    };

    fn contains(&self, key: &[u8]) -> bool {
        let is_after = match &self.lower {
            Bound::Unbounded => true,
            Bound::Included(end) => key >= &end[..],
            Bound::Excluded(end) => key > &end[..] && !key.starts_with(end),
        };
        is_after
            && match &self.upper {
                Bound::Unbounded => true,
                Bound::Included(end) => key <= &end[..] || key.starts_with(end),
                Bound::Excluded(end) => key < &end[..],
            }
    }
}

impl Table<'_> {
    /// Restricts the cursor to a part of the current index: it stands before the first entry of it then, moves go
    /// through it from end to end, and leave it never. Seeks and another index give the range up, as does
    /// [`clear_range`](Self::clear_range).
    ///
    /// An end has values of the first columns of the index; of an index in descending order the greater values come
    /// first.
    ///
    /// ```
    /// # use jetfs::engine::{ColumnDefinition, IndexDefinition, Instance, Parameters, TableDefinition};
    /// # use jetfs::format::{ColumnType, Value};
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let instance = Instance::init(Parameters::new(directory.path()))?;
    /// # let session = instance.session()?;
    /// # let database = instance.create_database(directory.path().join("a.edb"))?;
    /// # let definition = TableDefinition::new("readings")
    /// #     .column(ColumnDefinition::new("time", ColumnType::LongLong).not_null())
    /// #     .index(IndexDefinition::primary("by_time").ascending("time"));
    /// # let mut readings = database.create_table(&session, &definition)?;
    /// let time = readings.column("time")?;
    /// for number in 0..100 {
    ///     let mut reading = readings.insert()?;
    ///     reading.set(time, &Value::LongLong(number))?;
    ///     reading.save()?;
    /// }
    /// readings.range([Value::LongLong(10)]..[Value::LongLong(13)])?;
    /// let mut seen = Vec::new();
    /// while readings.move_next()? {
    ///     seen.push(readings.value(time)?);
    /// }
    /// assert_eq!(seen, [10, 11, 12].map(Value::LongLong));
    /// # Ok::<(), jetfs::JetError>(())
    /// ```
    ///
    /// # Errors
    /// As [`make_key`](Self::make_key).
    pub fn range<K: AsRef<[Value]>>(&mut self, range: impl RangeBounds<K>) -> JetResult<()> {
        let end = |bound: Bound<&K>| -> JetResult<Bound<Vec<u8>>> {
            let key = |values: &K| self.make_key(values.as_ref(), KeyLimit::None);
            Ok(match bound {
                Bound::Unbounded => Bound::Unbounded,
                Bound::Included(values) => Bound::Included(key(values)?),
                Bound::Excluded(values) => Bound::Excluded(key(values)?),
            })
        };
        let (lower, upper) = (end(range.start_bound())?, end(range.end_bound())?);
        self.range_of_keys((lower, upper));
        Ok(())
    }

    /// The same with [keys](Self::make_key) as ends.
    pub fn range_of_keys(&mut self, range: impl RangeBounds<Vec<u8>>) {
        self.range = Range {
            lower: range.start_bound().cloned(),
            upper: range.end_bound().cloned(),
        };
        self.position = Position::Start;
    }

    /// Goes through the whole index again, from where it is (`JET_bitRangeRemove`).
    pub fn clear_range(&mut self) {
        self.range = Range::ALL;
    }

    /// The key of these values in the current index (`JetMakeKey`, `JetRetrieveKey`), as long as there are values. With a
    /// `limit`, a key before or behind all keys that begin so: where a seek for a beginning begins, or a range ends.
    ///
    /// # Errors
    /// More values than the index has columns (`JET_errKeyIsMade`); none (`JET_errKeyNotMade`); one that does not fit its
    /// column (`JET_errInvalidColumnType`, `JET_errInvalidBufferSize`); a partial limit in a column that has no parts
    /// (`JET_errInvalidGrbit`); the table has no primary index (`JET_errNoCurrentIndex`).
    pub fn make_key(&self, values: &[Value], limit: KeyLimit) -> JetResult<Vec<u8>> {
        self.look_at_table(|table| {
            let index = self.secondary(table)?.or(table.primary.as_ref());
            let index = index.ok_or_else(|| {
                let what = format!("table {} has no primary index to seek in", table.schema.name);
                JetError::rule(JetErr::NoCurrentIndex, what)
            })?;
            let keys = index.keys()?;
            let mut made = SearchKey::new();
            for (at, value) in values.iter().enumerate() {
                let is_last = at + 1 == values.len();
                let limit = if is_last { limit } else { KeyLimit::None };
                made.value(keys, value, limit)?;
            }
            made.finish()
        })
    }

    pub(super) fn is_in_range(&self, key: &[u8]) -> bool {
        self.range.contains(key)
    }

    pub(super) fn first_in_range(&self) -> JetResult<Option<Spot>> {
        match &self.range.lower {
            Bound::Unbounded => self.find(From::First),
            Bound::Included(end) => self.find(From::AtOrAfter(key_alone(end))),
            Bound::Excluded(end) => match behind(end) {
                Some(end) => self.find(From::AtOrAfter(key_alone(&end))),
                None => Ok(None),
            },
        }
    }

    pub(super) fn last_in_range(&self) -> JetResult<Option<Spot>> {
        match &self.range.upper {
            Bound::Unbounded => self.find(From::Last),
            Bound::Excluded(end) => self.find(From::Before(key_alone(end))),
            Bound::Included(end) => match behind(end) {
                Some(end) => self.find(From::Before(key_alone(&end))),
                None => self.find(From::Last),
            },
        }
    }
}

/// The first key behind all that begin with this one; none if it is all ones.
fn behind(key: &[u8]) -> Option<Vec<u8>> {
    let last = key.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut key = key.get(..=last)?.to_vec();
    if let Some(byte) = key.last_mut() {
        *byte += 1;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_all_keys_that_begin_with_it() {
        let of = |lower, upper| Range { lower, upper };
        let end = |bytes: &[u8]| bytes.to_vec();
        let inside = of(Bound::Excluded(end(b"b")), Bound::Included(end(b"d")));
        for (key, expected) in [
            ("a", false),
            ("b", false),
            ("bz", false),
            ("c", true),
            ("dz", true),
            ("e", false),
        ] {
            assert_eq!(inside.contains(key.as_bytes()), expected, "{key}");
        }
        let other = of(Bound::Included(end(b"b")), Bound::Excluded(end(b"d")));
        for (key, expected) in [
            ("a", false),
            ("b", true),
            ("bz", true),
            ("c", true),
            ("d", false),
            ("dz", false),
        ] {
            assert_eq!(other.contains(key.as_bytes()), expected, "{key}");
        }
    }

    #[test]
    fn behind_a_key_lies_what_does_not_begin_with_it() {
        assert_eq!(behind(b"ab").unwrap(), b"ac");
        assert_eq!(behind(&[1, 0xff, 0xff]).unwrap(), [2]);
        assert_eq!(behind(&[0xff]), None);
    }
}
