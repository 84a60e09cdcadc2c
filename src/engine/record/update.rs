//! The record of a prepared update: how it begins, what its columns hold, the bytes that it ends in.

use super::layout::RecordLayout;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    ColumnClass, ColumnFlags, ColumnId, Lid, PageSize, RECORD_HEADER_LEN, RecordParts, TagInfo, TaggedPart,
    ValuePart, decompress,
};
use crate::store::RecordColumn;
use smallvec::SmallVec;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// A compressed value in a record is never longer than its size field can say.
const INTRINSIC_MAX: usize = u16::MAX as usize;

/// Id of the first variable column.
const VARIABLE_FIRST: u16 = 128;

/// What an update does in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A new record is inserted.
    Insert,
    /// A record is replaced.
    Replace,
}

/// A record being written.
#[derive(Debug, Clone)]
pub(crate) struct RecordUpdate {
    pub(super) layout: Arc<RecordLayout>,
    pub(super) parts: RecordParts<'static>,
    pub(super) purpose: Purpose,
    /// The columns that were set (`FUCBSetColumnSet`).
    pub(super) changed: SmallVec<[ColumnId; 8]>,
    /// LIDs that the record referred to at some time of the update.
    pub(super) referred: Vec<Lid>,
    /// Memory of values that are there no more.
    spare: Vec<Vec<u8>>,
}

/// What a column of a record being written holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ColumnValue<'a> {
    /// No value.
    Null,
    /// None of its own, so that the column's default counts.
    Default(&'a [u8]),
    /// A value, plain.
    Value(Cow<'a, [u8]>),
    /// A value in the long value tree.
    LongValue(Lid),
}

impl<'a> ColumnValue<'a> {
    /// The bytes of a value or default that stands in the record or the schema.
    pub(crate) fn bytes(self) -> Option<Cow<'a, [u8]>> {
        match self {
            ColumnValue::Default(bytes) => Some(Cow::Borrowed(bytes)),
            ColumnValue::Value(bytes) => Some(bytes),
            ColumnValue::Null | ColumnValue::LongValue(_) => None,
        }
    }
}

impl RecordUpdate {
    /// Begins a record to be inserted (`JET_prepInsert`): fixed and variable columns have their defaults.
    ///
    /// # Errors
    /// A default does not fit its column.
    pub(crate) fn insert(layout: Arc<RecordLayout>) -> JetResult<Self> {
        Self::of(layout, RecordParts::default(), Purpose::Insert).with_defaults()
    }

    /// Begins another record to be inserted in the same table, in the memory of this one.
    ///
    /// # Errors
    /// As [`insert`](Self::insert).
    pub(crate) fn insert_again(mut self) -> JetResult<Self> {
        for value in self.parts.variable.drain(..).flatten() {
            let mut value = value.into_owned();
            value.clear();
            self.spare.push(value);
        }
        self.parts.fixed.to_mut().clear();
        self.parts.fixed_nulls.clear();
        self.parts.tagged.clear();
        self.changed.clear();
        self.referred.clear();
        self.purpose = Purpose::Insert;
        self.with_defaults()
    }

    fn with_defaults(mut self) -> JetResult<Self> {
        let update = &mut self;
        let layout = update.layout.clone();
        let with_default = layout.columns().iter().filter(|column| column.default.is_some());
        for column in with_default {
            match column.id.class() {
                ColumnClass::Fixed => update.grow_fixed(column),
                ColumnClass::Variable => {
                    update.grow_variable(column.id);
                    update.put_variable(column.id, column.default.as_deref());
                }
                ColumnClass::Tagged => {}
            }
        }
        Ok(self)
    }

    /// A copy of a value, in memory that is at hand.
    pub(super) fn own(&mut self, value: &[u8]) -> Cow<'static, [u8]> {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.extend_from_slice(value);
        Cow::Owned(bytes)
    }

    /// Begins the replacement of a record (`JET_prepReplace`).
    ///
    /// # Errors
    /// The record is damaged.
    pub(crate) fn replace(layout: Arc<RecordLayout>, record: &[u8]) -> JetResult<Self> {
        let parts = RecordParts::read(layout.size, record)?.into_owned();
        let referred = long_values(&parts);
        let mut update = Self::of(layout, parts, Purpose::Replace);
        update.referred = referred;
        Ok(update)
    }

    /// Begins a record to be inserted that is a copy of another (`JET_prepInsertCopy`). The caller counts one more
    /// reference for each of [`long_values`](Self::long_values), and sets the auto-increment column anew.
    ///
    /// # Errors
    /// The record is damaged.
    pub(crate) fn insert_copy(layout: Arc<RecordLayout>, record: &[u8]) -> JetResult<Self> {
        let update = Self::replace(layout, record)?;
        Ok(RecordUpdate {
            purpose: Purpose::Insert,
            ..update
        })
    }

    fn of(layout: Arc<RecordLayout>, parts: RecordParts<'static>, purpose: Purpose) -> Self {
        RecordUpdate {
            layout,
            parts,
            purpose,
            changed: SmallVec::new(),
            spare: Vec::new(),
            referred: Vec::new(),
        }
    }

    /// The columns of its table.
    pub(crate) fn layout(&self) -> &RecordLayout {
        &self.layout
    }

    /// What the column holds: its value `sequence`, counted from 1.
    ///
    /// # Errors
    /// There is no such column; `sequence` is 0, or above 1 in a column that is not tagged
    /// (`JET_errBadItagSequence`); the value is encrypted or cannot be decompressed.
    pub(crate) fn column(&self, id: ColumnId, sequence: usize) -> JetResult<ColumnValue<'_>> {
        let column = self.layout.column(id)?;
        let index = sequence
            .checked_sub(1)
            .filter(|&index| index == 0 || id.class() == ColumnClass::Tagged);
        let index = index.ok_or_else(|| bad_sequence(column, sequence))?;
        match id.class() {
            ColumnClass::Fixed => self.fixed(column),
            ColumnClass::Variable => Ok(match self.parts.variable.get(variable_index(id)) {
                Some(Some(value)) => ColumnValue::Value(Cow::Borrowed(value)),
                Some(None) => ColumnValue::Null,
                None => default(column),
            }),
            ColumnClass::Tagged => match self.tagged_part(column) {
                Some(part) => tagged_value(column, part, index),
                None if index == 0 => Ok(default(column)),
                None => Ok(ColumnValue::Null),
            },
        }
    }

    fn fixed<'s>(&'s self, column: &'s RecordColumn) -> JetResult<ColumnValue<'s>> {
        let Some(index) = usize::from(column.id.0).checked_sub(1) else {
            return Ok(ColumnValue::Null);
        };
        match self.parts.fixed_nulls.get(index) {
            None => Ok(default(column)),
            Some(true) => Ok(ColumnValue::Null),
            Some(false) => {
                let place = fixed_place(column);
                let value = self.parts.fixed.get(place).ok_or_else(|| damaged(column))?;
                Ok(ColumnValue::Value(Cow::Borrowed(value)))
            }
        }
    }

    pub(super) fn tagged_part(&self, column: &RecordColumn) -> Option<&TaggedPart<'static>> {
        let at = self.parts.find_tagged(column.id, column.derived).ok()?;
        self.parts.tagged.get(at)
    }

    /// How many values a column has in the record itself; a default does not count.
    ///
    /// # Errors
    /// There is no such column.
    pub(crate) fn count(&self, id: ColumnId) -> JetResult<usize> {
        let column = self.layout.column(id)?;
        if id.class() == ColumnClass::Tagged {
            return Ok(self.tagged_part(column).map_or(0, |part| part.values.len()));
        }
        let has_value = matches!(self.column(id, 1)?, ColumnValue::Value(_));
        Ok(usize::from(has_value))
    }

    pub(super) fn note_changed(&mut self, id: ColumnId) {
        if !self.changed.contains(&id) {
            self.changed.push(id);
        }
    }

    /// The columns that were set; only indexes over these can change.
    pub(crate) fn changed(&self) -> impl Iterator<Item = ColumnId> + '_ {
        self.changed.iter().copied()
    }

    /// The long values that the record refers to now, one LID for each reference.
    pub(crate) fn long_values(&self) -> Vec<Lid> {
        long_values(&self.parts)
    }

    /// The column and the number of the value that is this long value.
    pub(crate) fn place_of(&self, lid: Lid) -> Option<(ColumnId, usize)> {
        self.parts.tagged.iter().find_map(|part| {
            let is_it = |value: &ValuePart<'_>| matches!(value, ValuePart::Separated(at) if *at == lid);
            let index = part.values.iter().position(is_it)?;
            Some((part.id, index + 1))
        })
    }

    /// The references that were dropped during the update, those that [`set_long_value`](Self::set_long_value) had
    /// put included: the caller counts one less for each when the update is done.
    pub(crate) fn released(&self) -> Vec<Lid> {
        let mut kept = self.long_values();
        let is_dropped = |lid: &&Lid| match kept.iter().position(|kept| kept == *lid) {
            Some(at) => {
                kept.swap_remove(at);
                false
            }
            None => true,
        };
        self.referred.iter().filter(is_dropped).copied().collect()
    }

    /// Gives the auto-increment column its value.
    ///
    /// # Errors
    /// The table has none, it is no number, the value does not fit it (`JET_errOutOfAutoincrementValues`), or the
    /// record gets too big.
    pub(crate) fn set_auto_increment(&mut self, value: u64) -> JetResult<()> {
        let layout = self.layout.clone();
        let column = layout
            .column_with(ColumnFlags::AUTO_INCREMENT)
            .ok_or_else(|| JetError::rule(JetErr::ColumnNotFound, "there is no auto-increment column"))?;
        let bytes = value.to_le_bytes();
        let is_in_range = match column.size {
            4 => i32::try_from(value).is_ok(),
            _ => i64::try_from(value).is_ok(),
        };
        if !is_in_range {
            let what = format!("column {} cannot count up to {value}", column.name);
            return Err(JetError::rule(JetErr::OutOfAutoincrementValues, what));
        }
        let bytes = bytes.get(..column.size).ok_or_else(|| damaged(column))?;
        self.set_fixed(column, Some(bytes))?;
        self.note_changed(column.id);
        Ok(())
    }

    /// Bytes that the record would have now.
    pub(crate) fn len(&self) -> usize {
        self.parts.len(self.layout.size)
    }

    /// The bytes of the record. The version column is counted up (0 in a new record).
    ///
    /// # Errors
    /// A column that must not be NULL is (`JET_errNullInvalid`, `JET_errAutoIncrementNotSet`), the record is too big
    /// (`JET_errRecordTooBig`), or one of [`separations`](Self::separations) was not stored.
    pub(crate) fn finish(&self) -> JetResult<Vec<u8>> {
        self.check_nulls()?;
        let Some(column) = self.layout.column_with(ColumnFlags::VERSION) else {
            return self.to_bytes();
        };
        let version = match self.purpose {
            Purpose::Insert if self.changed.contains(&column.id) => return self.to_bytes(),
            Purpose::Insert => 0,
            Purpose::Replace => match self.column(column.id, 1)? {
                ColumnValue::Value(bytes) => little_endian(&bytes).wrapping_add(1),
                ColumnValue::Default(bytes) => little_endian(bytes).wrapping_add(1),
                ColumnValue::Null | ColumnValue::LongValue(_) => 1,
            },
        };
        let mut counted = self.clone();
        counted.set_fixed(column, Some(&version.to_le_bytes()))?;
        counted.to_bytes()
    }

    fn to_bytes(&self) -> JetResult<Vec<u8>> {
        if self.len() > self.layout.record_most {
            return Err(self.too_big());
        }
        Ok(self.parts.to_bytes(self.layout.size)?)
    }

    pub(super) fn too_big(&self) -> JetError {
        let what = format!(
            "a record of {} bytes is longer than {}",
            self.len(),
            self.layout.record_most
        );
        JetError::rule(JetErr::RecordTooBig, what)
    }

    /// `ErrRECIIllegalNulls`: a default is as good as a value.
    fn check_nulls(&self) -> JetResult<()> {
        let strict = ColumnFlags::NOT_NULL | ColumnFlags::AUTO_INCREMENT;
        for column in self.layout.columns() {
            let flags = column.flags;
            if flags.intersects(strict) && column.default.is_none() && self.count(column.id)? == 0 {
                return Err(null_invalid(column));
            }
        }
        Ok(())
    }
}

/// NULL where a value must be.
pub(super) fn null_invalid(column: &RecordColumn) -> JetError {
    let code = if column.flags.contains(ColumnFlags::AUTO_INCREMENT) {
        JetErr::AutoIncrementNotSet
    } else {
        JetErr::NullInvalid
    };
    JetError::rule(code, format!("column {} must have a value", column.name))
}

pub(super) fn bad_sequence(column: &RecordColumn, sequence: usize) -> JetError {
    let what = format!("column {} has no value {sequence}", column.name);
    JetError::rule(JetErr::BadItagSequence, what)
}

pub(super) fn damaged(column: &RecordColumn) -> JetError {
    let what = format!("column {} is not where the catalog says", column.name);
    JetError::rule(JetErr::CatalogCorrupted, what)
}

/// Where a fixed column stands among the fixed columns.
pub(super) fn fixed_place(column: &RecordColumn) -> Range<usize> {
    let start = column.offset.saturating_sub(RECORD_HEADER_LEN);
    start..start.saturating_add(column.size)
}

/// The place of a variable column among the variable columns.
pub(super) fn variable_index(id: ColumnId) -> usize {
    usize::from(id.0.saturating_sub(VARIABLE_FIRST))
}

fn default(column: &RecordColumn) -> ColumnValue<'_> {
    column
        .default
        .as_deref()
        .map_or(ColumnValue::Null, ColumnValue::Default)
}

fn tagged_value<'v>(
    column: &RecordColumn,
    part: &'v TaggedPart<'static>,
    index: usize,
) -> JetResult<ColumnValue<'v>> {
    let is_compressed = index == 0 && part.info.contains(TagInfo::COMPRESSED);
    Ok(match part.values.get(index) {
        None => ColumnValue::Null,
        Some(ValuePart::Separated(lid)) => ColumnValue::LongValue(*lid),
        Some(ValuePart::Unstored(bytes)) => ColumnValue::Value(Cow::Borrowed(bytes)),
        Some(ValuePart::Intrinsic(_)) if part.info.contains(TagInfo::ENCRYPTED) => {
            return Err(encrypted(column));
        }
        Some(ValuePart::Intrinsic(bytes)) if is_compressed => {
            ColumnValue::Value(Cow::Owned(decompress(bytes, INTRINSIC_MAX)?))
        }
        Some(ValuePart::Intrinsic(bytes)) => ColumnValue::Value(Cow::Borrowed(bytes)),
    })
}

pub(super) fn encrypted(column: &RecordColumn) -> JetError {
    let what = format!("column {} is encrypted", column.name);
    JetError::rule(JetErr::ColumnNoEncryptionKey, what)
}

fn little_endian(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn long_values(parts: &RecordParts<'_>) -> Vec<Lid> {
    let values = parts.tagged.iter().flat_map(|part| &part.values);
    values
        .filter_map(|value| match value {
            ValuePart::Separated(lid) => Some(*lid),
            ValuePart::Intrinsic(_) | ValuePart::Unstored(_) => None,
        })
        .collect()
}

/// The long values that a record refers to, one LID for each reference: what deleting the record releases.
///
/// # Errors
/// The record is damaged.
pub(crate) fn long_values_of(size: PageSize, record: &[u8]) -> JetResult<Vec<Lid>> {
    Ok(long_values(&RecordParts::read(size, record)?))
}
