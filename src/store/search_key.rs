//! Keys to be sought, made column by column as JetMakeKey makes them (database-file.md section 9; limits as
//! `ErrIsamMakeKey` and `ErrFLDNormalizeSegment` of the engine's public source set them).

use super::index_key::{IndexKeys, unicode};
use super::record_column::RecordColumn;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{CODE_PAGE_UNICODE, ColumnClass, ColumnType, KeySegment, KeyWriter, TupleLimits, Value};
use std::borrow::Cow;

/// Above every byte of a key.
const SENTINEL: u8 = 0xff;
/// Bytes of a group of a variable binary, without its marker.
const GROUP_LEN: usize = 8;

/// Where a key that is sought ends before, or behind, all keys that begin like it (the bits of `JetMakeKey`). After a limit
/// the key is complete.
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
/// // All whose name begins with A.
/// use jetfs::engine::KeyLimit;
///
/// people.set_current_index(Some("by_name"))?;
/// let start = [people.text(name, "A")?];
/// let lower = people.make_key(&start, KeyLimit::PartialColumnStart)?;
/// let upper = people.make_key(&start, KeyLimit::PartialColumnEnd)?;
/// people.range_of_keys(lower..upper);
/// let mut found = 0;
/// while people.move_next()? {
///     found += 1;
/// }
/// assert_eq!(found, 2);
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyLimit {
    /// It ends with the column's value.
    #[default]
    None,
    /// `JET_bitStrLimit`: behind all that have this value in the column; of variable binary, all that begin with it.
    String,
    /// `JET_bitSubStrLimit`: behind all text that begins like the value; no limit in columns of other types.
    Substring,
    /// `JET_bitFullColumnStartLimit`: before all that have this value.
    FullColumnStart,
    /// `JET_bitFullColumnEndLimit`: behind all that have this value.
    FullColumnEnd,
    /// `JET_bitPartialColumnStartLimit`: before all text or variable binary that begins like the value.
    PartialColumnStart,
    /// `JET_bitPartialColumnEndLimit`: behind all text or variable binary that begins like the value.
    PartialColumnEnd,
}

/// A key that is being made. A new one is what `JET_bitNewKey` begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SearchKey {
    bytes: Vec<u8>,
    columns: usize,
    is_full: bool,
    has_limit: bool,
}

impl SearchKey {
    /// A key of no columns.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Appends the next column of `index`. `None` is NULL; bytes of length 0 are a value of no bytes
    /// (`JET_bitKeyDataZeroLength`).
    ///
    /// # Errors
    /// The key is complete (`JET_errKeyIsMade`); the value is not as long as the column's (`JET_errInvalidBufferSize`);
    /// a partial limit in a column that is neither text nor variable binary (`JET_errInvalidGrbit`); less than an index
    /// over parts of values holds (`JET_errIndexTuplesKeyTooSmall`); Unicode text
    /// (`JET_errUnicodeNormalizationNotSupported`).
    pub(crate) fn column(
        &mut self,
        index: &IndexKeys,
        value: Option<&[u8]>,
        limit: KeyLimit,
    ) -> JetResult<&mut Self> {
        let next = index.segment(self.columns).filter(|_| !self.has_limit);
        let (column, segment) =
            next.ok_or_else(|| JetError::rule(JetErr::KeyIsMade, "the key has all its columns"))?;
        if segment.is_unicode() {
            return Err(unicode());
        }
        let is_partial = matches!(limit, KeyLimit::PartialColumnStart | KeyLimit::PartialColumnEnd);
        if is_partial && !segment.kind.is_text() && !is_grouped(segment) {
            let what = format!("column {} has no parts to be sought", column.name);
            return Err(JetError::rule(JetErr::InvalidGrbit, what));
        }
        let value = value.map(|value| checked(column, segment, value)).transpose()?;
        let value = match index.tuple_limits().filter(|_| self.columns == 0) {
            Some(limits) => Some(tuple(column, value, limits)?),
            None => value,
        };
        self.push(index, segment, value.as_deref(), limit)?;
        self.columns += 1;
        Ok(self)
    }

    /// Appends the next column of `index`, as [`column`](Self::column) does.
    ///
    /// # Errors
    /// Those of [`column`](Self::column); it is no value of the column's type (`JET_errInvalidColumnType`).
    pub(crate) fn value(
        &mut self,
        index: &IndexKeys,
        value: &Value,
        limit: KeyLimit,
    ) -> JetResult<&mut Self> {
        if let Some((column, segment)) = index.segment(self.columns)
            && (!value.fits(segment.kind, column.code_page) || has_several(value))
        {
            let what = format!(
                "column {} is of type {}: {value} is not",
                column.name, segment.kind
            );
            return Err(JetError::rule(JetErr::InvalidColumnType, what));
        }
        self.column(index, value.first_stored().as_deref(), limit)
    }

    fn push(
        &mut self,
        index: &IndexKeys,
        segment: KeySegment,
        value: Option<&[u8]>,
        limit: KeyLimit,
    ) -> JetResult<()> {
        let mut rules = index.rules();
        let room = usize::from(rules.key_most).saturating_sub(self.bytes.len());
        if self.is_full || room == 0 {
            return Ok(());
        }
        // VarSegMac that does not cut by itself follows the room that is left.
        if rules.variable_segment_most >= rules.key_most {
            rules.variable_segment_most = u16::MAX;
        }
        rules.key_most = u16::try_from(room).unwrap_or(u16::MAX);
        rules.refuse_truncation = false;
        let mut writer = KeyWriter::new(rules);
        writer.push(segment, value)?;
        self.is_full = writer.is_cut();
        let mut made = Made {
            segment,
            delimiter: delimiter(segment, value).filter(|&at| at < writer.bytes().len()),
            room,
            bytes: writer.finish(),
        };
        self.has_limit = made.limit(limit);
        if self.bytes.is_empty() {
            self.bytes = made.bytes;
        } else {
            self.bytes.append(&mut made.bytes);
        }
        Ok(())
    }

    /// The key; up to a byte longer than the index's keys where it has a limit.
    ///
    /// # Errors
    /// It has no columns (`JET_errKeyNotMade`).
    pub(crate) fn finish(self) -> JetResult<Vec<u8>> {
        if self.columns == 0 {
            return Err(JetError::rule(JetErr::KeyNotMade, "the key has no columns"));
        }
        Ok(self.bytes)
    }
}

fn has_several(value: &Value) -> bool {
    matches!(value, Value::Multi(_)) && value.stored().len() > 1
}

/// A segment that a limit is set on.
struct Made {
    segment: KeySegment,
    bytes: Vec<u8>,
    /// End of the value's own bytes in a segment of groups, where all of them are there.
    delimiter: Option<usize>,
    /// Bytes that the segment may have without a limit.
    room: usize,
}

impl Made {
    /// Sets the limit. Whether there is one now.
    fn limit(&mut self, limit: KeyLimit) -> bool {
        match limit {
            KeyLimit::None => return false,
            KeyLimit::FullColumnStart => {}
            KeyLimit::FullColumnEnd => self.fill(),
            KeyLimit::PartialColumnStart if self.segment.kind.is_text() => self.partial_text(false),
            KeyLimit::PartialColumnEnd if self.segment.kind.is_text() => self.partial_text(true),
            KeyLimit::PartialColumnStart => self.partial_binary(false),
            KeyLimit::PartialColumnEnd => self.partial_binary(true),
            KeyLimit::Substring if self.segment.kind.is_text() => self.partial_text(true),
            KeyLimit::Substring => return false,
            KeyLimit::String => self.partial_binary(true),
        }
        true
    }

    /// Fills the key and the byte behind it.
    fn fill(&mut self) {
        self.bytes.resize(self.room + 1, SENTINEL);
    }

    fn partial_text(&mut self, is_end: bool) {
        if self.bytes.len() >= 2 {
            let terminator = if self.segment.descending { 0xff } else { 0 };
            if self.bytes.last() == Some(&terminator) {
                self.bytes.pop();
            }
        }
        if is_end {
            self.fill();
        }
    }

    fn partial_binary(&mut self, is_end: bool) {
        match self.delimiter {
            None if is_end => self.fill(),
            None => {}
            Some(end) => {
                let len = self.bytes.len() + 1;
                self.bytes.truncate(end);
                if is_end {
                    self.bytes.resize(len, SENTINEL);
                }
            }
        }
    }
}

/// Binary that keys hold in groups.
fn is_grouped(segment: KeySegment) -> bool {
    matches!(segment.kind, ColumnType::Binary | ColumnType::LongBinary) && !segment.is_fixed
}

/// Where the value's own bytes end in its segment, if that has groups.
fn delimiter(segment: KeySegment, value: Option<&[u8]>) -> Option<usize> {
    let len = value.filter(|_| is_grouped(segment))?.len();
    let last = len.checked_sub(1)?;
    Some(1 + len + last / GROUP_LEN)
}

/// The value as the column would hold it.
fn checked<'v>(column: &RecordColumn, segment: KeySegment, value: &'v [u8]) -> JetResult<Cow<'v, [u8]>> {
    let is_fixed = column.id.class() == ColumnClass::Fixed;
    let exact = segment.kind.fixed_len().or(is_fixed.then_some(column.size));
    match exact {
        None => Ok(Cow::Borrowed(value)),
        Some(len) if len == value.len() => Ok(Cow::Borrowed(value)),
        Some(len) if segment.kind == ColumnType::Text && !value.is_empty() && value.len() < len => {
            Ok(Cow::Owned(padded(column, value, len)))
        }
        Some(len) => {
            let what = format!(
                "a value of column {} has {len} bytes, not {}",
                column.name,
                value.len()
            );
            Err(JetError::rule(JetErr::InvalidBufferSize, what))
        }
    }
}

/// Text of a fixed column, filled up with spaces.
pub(crate) fn padded(column: &RecordColumn, value: &[u8], len: usize) -> Vec<u8> {
    let space: &[u8] = if column.code_page == CODE_PAGE_UNICODE {
        b" \0"
    } else {
        b" "
    };
    // Every byte is filled by its own place, as the engine does it.
    let missing = (value.len()..len).filter_map(|at| space.get(at % space.len()));
    value.iter().chain(missing).copied().collect()
}

/// What an index over parts of values is searched for.
fn tuple<'v>(
    column: &RecordColumn,
    value: Option<Cow<'v, [u8]>>,
    limits: TupleLimits,
) -> JetResult<Cow<'v, [u8]>> {
    let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let value = value.filter(|value| value.len() >= size(limits.shortest).max(1));
    let value = value.ok_or_else(|| {
        let what = format!(
            "parts of column {} have at least {} characters",
            column.name, limits.shortest
        );
        JetError::rule(JetErr::IndexTuplesKeyTooSmall, what)
    })?;
    let longest = value.get(..size(limits.longest)).map(<[u8]>::to_vec);
    Ok(longest.map_or(value, Cow::Owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{ColumnFlags, ColumnId, IndexEntry, IndexFlags, SegmentEntry, SegmentFlags};
    use crate::store::IndexSchema;

    fn column(id: u16, kind: ColumnType, size: usize) -> RecordColumn {
        RecordColumn {
            name: format!("c{id}"),
            id: ColumnId(id),
            derived: false,
            kind: Some(kind),
            size,
            offset: 4,
            code_page: 1252,
            flags: ColumnFlags::empty(),
            default: None,
        }
    }

    fn index(columns: &[RecordColumn], key_most: u16, descending: bool) -> IndexKeys {
        let flags = if descending {
            SegmentFlags::DESCENDING
        } else {
            SegmentFlags::default()
        };
        let segments = columns.iter().map(|column| SegmentEntry {
            column: column.id,
            flags,
        });
        let entry = IndexEntry {
            objid: 9,
            pgno_fdp: 9,
            flags: IndexFlags::ALLOW_ALL_NULLS | IndexFlags::ALLOW_FIRST_NULL | IndexFlags::ALLOW_SOME_NULLS,
            density: 80,
            key_most,
            var_seg_mac: None,
            lc_map_flags: None,
            locale: None,
            segments: segments.collect(),
            conditions: Vec::new(),
            tuple_limits: None,
        };
        let schema = IndexSchema {
            name: "i".to_owned(),
            entry,
        };
        IndexKeys::new(&schema, columns).unwrap()
    }

    fn key(index: &IndexKeys, values: &[&[u8]], limit: KeyLimit) -> JetResult<Vec<u8>> {
        let mut key = SearchKey::new();
        for (place, value) in values.iter().enumerate() {
            let limit = if place + 1 == values.len() {
                limit
            } else {
                KeyLimit::None
            };
            key.column(index, Some(value), limit)?;
        }
        key.finish()
    }

    fn filled(start: &[u8], len: usize) -> Vec<u8> {
        let mut bytes = start.to_vec();
        bytes.resize(len, 0xff);
        bytes
    }

    #[test]
    fn text_ends_before_or_behind_all_that_begins_like_it() {
        let text = index(&[column(128, ColumnType::Text, 255)], 12, false);
        let of = |limit| key(&text, &[b"ab"], limit).unwrap();
        assert_eq!(of(KeyLimit::None), b"\x7fAB\0");
        assert_eq!(of(KeyLimit::Substring), filled(b"\x7fAB", 13));
        assert_eq!(of(KeyLimit::PartialColumnEnd), filled(b"\x7fAB", 13));
        assert_eq!(of(KeyLimit::PartialColumnStart), b"\x7fAB");
        assert_eq!(of(KeyLimit::FullColumnStart), b"\x7fAB\0");
        assert_eq!(of(KeyLimit::FullColumnEnd), filled(b"\x7fAB\0", 13));
        assert_eq!(of(KeyLimit::String), filled(b"\x7fAB\0", 13));
        let down = index(&[column(128, ColumnType::Text, 255)], 12, true);
        assert_eq!(
            key(&down, &[b"ab"], KeyLimit::PartialColumnStart).unwrap(),
            [0x80, !b'A', !b'B']
        );
    }

    #[test]
    fn variable_binary_ends_where_its_bytes_end() {
        let binary = index(&[column(128, ColumnType::Binary, 255)], 30, false);
        let of = |value: &[u8], limit| key(&binary, &[value], limit).unwrap();
        assert_eq!(of(b"ab", KeyLimit::PartialColumnStart), b"\x7fab");
        // Up to a byte behind the group.
        assert_eq!(of(b"ab", KeyLimit::PartialColumnEnd), filled(b"\x7fab", 11));
        assert_eq!(of(b"ab", KeyLimit::String), filled(b"\x7fab", 11));
        assert_eq!(
            of(b"01234567", KeyLimit::PartialColumnEnd),
            filled(b"\x7f01234567", 11)
        );
        assert_eq!(
            of(b"0123456789", KeyLimit::PartialColumnStart),
            b"\x7f01234567\x0989"
        );
        assert_eq!(of(b"ab", KeyLimit::FullColumnEnd).len(), 31);
        // What was cut has no end of its own.
        assert_eq!(of(&[1; 40], KeyLimit::PartialColumnEnd).len(), 31);
        assert_eq!(of(b"", KeyLimit::PartialColumnEnd), filled(b"\x40", 31));
    }

    #[test]
    fn a_number_is_whole_or_refused() {
        let columns = [column(1, ColumnType::Long, 4), column(2, ColumnType::Text, 4)];
        let numbers = index(&columns, 255, false);
        let code = |values: &[&[u8]], limit| key(&numbers, values, limit).unwrap_err().code();
        assert_eq!(code(&[&[1, 2]], KeyLimit::None), JetErr::InvalidBufferSize);
        assert_eq!(code(&[&[]], KeyLimit::None), JetErr::InvalidBufferSize);
        assert_eq!(
            code(&[&[1, 0, 0, 0]], KeyLimit::PartialColumnEnd),
            JetErr::InvalidGrbit
        );
        let one: &[u8] = &[1, 0, 0, 0];
        assert_eq!(code(&[one, b"abcde"], KeyLimit::None), JetErr::InvalidBufferSize);
        assert_eq!(code(&[one, b"ab", one], KeyLimit::None), JetErr::KeyIsMade);
        assert_eq!(code(&[], KeyLimit::None), JetErr::KeyNotMade);
        // Text of a fixed column is filled up as the column is.
        assert_eq!(
            key(&numbers, &[one, b"ab"], KeyLimit::None).unwrap(),
            b"\x7f\x80\0\0\x01\x7fAB  \0"
        );
        assert_eq!(
            key(&numbers, &[one], KeyLimit::FullColumnEnd).unwrap(),
            filled(b"\x7f\x80\0\0\x01", 256)
        );
        assert_eq!(
            key(&numbers, &[one], KeyLimit::Substring).unwrap(),
            b"\x7f\x80\0\0\x01"
        );
        let mut limited = SearchKey::new();
        limited
            .column(&numbers, Some(one), KeyLimit::FullColumnEnd)
            .unwrap();
        let more = limited.column(&numbers, None, KeyLimit::None).unwrap_err();
        assert_eq!(more.code(), JetErr::KeyIsMade);
    }

    #[test]
    fn what_is_behind_the_longest_key_does_not_count() {
        let columns = [
            column(128, ColumnType::Text, 255),
            column(129, ColumnType::Text, 255),
        ];
        let text = index(&columns, 6, false);
        assert_eq!(
            key(&text, &[b"abc", b"de"], KeyLimit::None).unwrap(),
            b"\x7fABC\0\x7f"
        );
        let cut = key(&text, &[b"abcdefgh", b"de"], KeyLimit::FullColumnEnd).unwrap();
        assert_eq!(cut, b"\x7fABCDE");
    }

    #[test]
    fn unicode_text_has_no_key_here() {
        let mut unicode = column(128, ColumnType::Text, 255);
        unicode.code_page = CODE_PAGE_UNICODE;
        let text = index(&[unicode], 255, false);
        let code = key(&text, &[b"a\0"], KeyLimit::None).unwrap_err().code();
        assert_eq!(code, JetErr::UnicodeNormalizationNotSupported);
    }
}
