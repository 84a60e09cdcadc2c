//! Setting a column, as JetSetColumn does it (`ErrFLDSetOneColumn`, `ErrRECISetFixedColumn`, `ErrRECISetVarColumn`,
//! `ErrRECISetTaggedColumn`, `ErrRECSetLongField`).

use super::layout::LID_LEN;
use super::update::{
    ColumnValue, Purpose, RecordUpdate, bad_sequence, damaged, encrypted, fixed_place, null_invalid,
    variable_index,
};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnClass, ColumnFlags, ColumnId, ColumnType, Lid, ValuePart};
use crate::store::{RecordColumn, padded};
use std::borrow::Cow;

/// Longest long value of all (`JET_cbLVColumnMost`).
const LONG_VALUE_MOST: usize = 0x7fff_ffff;

/// How a column is to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SetColumn {
    /// `itagSequence`: which value, from 1; 0, or more than there are, adds one. Only tagged columns have several.
    pub(crate) sequence: usize,
    /// What to do with the value that is there.
    pub(crate) operation: Operation,
    /// Whether no two values of the column may be equal.
    pub(crate) unique: Unique,
    /// Where a long value is to stand.
    pub(crate) place: Place,
    /// `JET_bitSetRevertToDefaultValue`: NULL means the default.
    pub(crate) revert_to_default: bool,
}

/// What is done with a value. All but `Replace` are for long columns alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Operation {
    /// The bytes take its place.
    #[default]
    Replace,
    /// `JET_bitSetAppendLV`: the bytes follow it.
    Append,
    /// `JET_bitSetOverwriteLV`: the bytes take the place of those at an offset (`ibLongValue`), which is not behind
    /// its end.
    Overwrite(usize),
    /// `JET_bitSetSizeLV`: it gets this length, by zeros at its end; 0 leaves a value of no bytes. The bytes that are
    /// given do not count.
    Size(usize),
}

/// Whether no two values of a column may be equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Unique {
    /// They may.
    #[default]
    No,
    /// `JET_bitSetUniqueMultiValues`: not byte by byte.
    Bytes,
    /// `JET_bitSetUniqueNormalizedMultiValues`: not as keys of up to 255 bytes.
    Keys,
}

/// Where a long value is to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Place {
    /// By its length, as the table has it.
    #[default]
    ByLength,
    /// `JET_bitSetSeparateLV`: in the long value tree, unless it is no longer than a LID.
    Separate,
    /// `JET_bitSetIntrinsicLV`: in the record, if it fits.
    Intrinsic,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an operation on a value in the long value tree is the caller's"]
pub(crate) enum Outcome {
    /// The record holds it.
    Done,
    /// Nothing was done: the value stands in the long value tree under this LID, and the operation is to be done
    /// there. Where it ends in another LID, [`RecordUpdate::set_long_value`] puts that.
    InLongValueTree(Lid),
}

impl Default for SetColumn {
    fn default() -> Self {
        SetColumn {
            sequence: 1,
            operation: Operation::default(),
            unique: Unique::default(),
            place: Place::default(),
            revert_to_default: false,
        }
    }
}

impl RecordUpdate {
    /// Sets a column. `None` is NULL; bytes of length 0 are a value of no bytes (`JET_bitSetZeroLength`), but NULL in a
    /// fixed column.
    ///
    /// With `unique`, values that stand in the long value tree are not compared: the caller does that.
    ///
    /// # Errors
    /// The record is as it was before. No such column (`JET_errColumnNotFound`); NULL where it is not allowed
    /// (`JET_errNullInvalid`); too long (`JET_errColumnTooBig`) or not as long as the type's values
    /// (`JET_errInvalidBufferSize`); does not fit the record, even with long values separated
    /// (`JET_errRecordTooBig`); a version or auto-increment column (`JET_errInvalidColumnType`) or, in a replacement,
    /// an escrow column (`JET_errColumnNotUpdatable`); a place behind the end of a value (`JET_errColumnNoChunk`); two
    /// equal values (`JET_errMultiValuedDuplicate`); an encrypted column (`JET_errColumnNoEncryptionKey`).
    pub(crate) fn set(&mut self, id: ColumnId, value: Option<&[u8]>, how: SetColumn) -> JetResult<Outcome> {
        let layout = self.layout.clone();
        let column = layout.column(id)?;
        self.check_settable(column, how)?;
        let outcome = match id.class() {
            ColumnClass::Fixed => self.set_fixed(column, value).map(|()| Outcome::Done),
            ColumnClass::Variable => self.set_variable(column, value).map(|()| Outcome::Done),
            ColumnClass::Tagged if column.kind.is_some_and(ColumnType::is_long) => {
                self.set_long(column, value, how)
            }
            ColumnClass::Tagged => self.set_tagged(column, value, how).map(|()| Outcome::Done),
        }?;
        self.note_changed(id);
        Ok(outcome)
    }

    fn check_settable(&self, column: &RecordColumn, how: SetColumn) -> JetResult<()> {
        let refuse = |code, what: &str| {
            let what = format!("column {} {what}", column.name);
            Err(JetError::rule(code, what))
        };
        let is_replaced = self.purpose == Purpose::Replace;
        let flags = column.flags;
        if column.kind.is_none() {
            return refuse(JetErr::InvalidColumnType, "has a type that jetfs does not know");
        }
        if flags.contains(ColumnFlags::USER_DEFINED_DEFAULT) {
            return refuse(
                JetErr::FeatureNotAvailable,
                "has a default that only a program knows",
            );
        }
        if flags.contains(ColumnFlags::ENCRYPTED) {
            return Err(encrypted(column));
        }
        if flags.contains(ColumnFlags::AUTO_INCREMENT) || is_replaced && flags.contains(ColumnFlags::VERSION)
        {
            return refuse(JetErr::InvalidColumnType, "is set by the engine alone");
        }
        if is_replaced && flags.contains(ColumnFlags::ESCROW_UPDATE) {
            return refuse(JetErr::ColumnNotUpdatable, "changes by escrow updates alone");
        }
        let is_long = column.kind.is_some_and(ColumnType::is_long);
        if how.operation != Operation::Replace && (!is_long || how.unique != Unique::No) {
            return refuse(JetErr::InvalidGrbit, "does not allow this operation");
        }
        if how.sequence > 1 && column.id.class() != ColumnClass::Tagged {
            return Err(bad_sequence(column, how.sequence));
        }
        Ok(())
    }

    pub(super) fn set_fixed(&mut self, column: &RecordColumn, value: Option<&[u8]>) -> JetResult<()> {
        let value = value.filter(|value| !value.is_empty());
        if value.is_none() && column.flags.contains(ColumnFlags::NOT_NULL) {
            return Err(null_invalid(column));
        }
        let value = value.map(|value| whole_fixed(column, value)).transpose()?;
        let (bytes, columns) = (self.parts.fixed.len(), self.parts.fixed_nulls.len());
        self.grow_fixed(column);
        if !self.fit(None) {
            let error = self.too_big();
            self.parts.fixed.to_mut().truncate(bytes);
            self.parts.fixed_nulls.truncate(columns);
            return Err(error);
        }
        self.put_fixed(column, value.as_deref())
    }

    /// Makes room for a fixed column; it and those before it that the record does not hold have their defaults.
    pub(super) fn grow_fixed(&mut self, column: &RecordColumn) {
        let held = self.parts.fixed_nulls.len();
        let last = usize::from(column.id.0);
        if last <= held {
            return;
        }
        self.parts.grow_fixed(column.id, column.offset + column.size);
        let layout = self.layout.clone();
        let new = layout
            .columns()
            .iter()
            .filter(|column| (held + 1..=last).contains(&usize::from(column.id.0)));
        for column in new {
            if let Some(Ok(default)) = column.default.as_deref().map(|value| whole_fixed(column, value)) {
                let _ = self.put_fixed(column, Some(&default));
            }
        }
    }

    fn put_fixed(&mut self, column: &RecordColumn, value: Option<&[u8]>) -> JetResult<()> {
        let index = usize::from(column.id.0).saturating_sub(1);
        let fixed = self.parts.fixed.to_mut();
        let place = fixed.get_mut(fixed_place(column));
        let (Some(place), Some(null)) = (place, self.parts.fixed_nulls.get_mut(index)) else {
            return Err(damaged(column));
        };
        if let Some(value) = value {
            if place.len() != value.len() {
                return Err(damaged(column));
            }
            place.copy_from_slice(value);
        }
        *null = value.is_none();
        Ok(())
    }

    fn set_variable(&mut self, column: &RecordColumn, value: Option<&[u8]>) -> JetResult<()> {
        if value.is_none() && column.flags.contains(ColumnFlags::NOT_NULL) {
            return Err(null_invalid(column));
        }
        check_length(column, value)?;
        let held = self.parts.variable.len();
        self.grow_variable(column.id);
        let before = self.put_variable(column.id, value);
        if self.fit(None) {
            return Ok(());
        }
        let error = self.too_big();
        self.put_variable(column.id, before.as_deref());
        self.parts.variable.truncate(held);
        Err(error)
    }

    /// Makes room for a variable column; those before it that the record does not hold have their defaults.
    pub(super) fn grow_variable(&mut self, id: ColumnId) {
        let held = self.parts.variable.len();
        let count = variable_index(id) + 1;
        if count <= held {
            return;
        }
        self.parts.variable.resize(count, None);
        let layout = self.layout.clone();
        let is_variable = |column: &&RecordColumn| column.id.class() == ColumnClass::Variable;
        for column in layout.columns().iter().filter(is_variable) {
            if (held..count).contains(&variable_index(column.id)) {
                self.put_variable(column.id, column.default.as_deref());
            }
        }
    }

    /// Puts a value that the record has room for; what was there before.
    pub(super) fn put_variable(&mut self, id: ColumnId, value: Option<&[u8]>) -> Option<Cow<'static, [u8]>> {
        let value = value.map(|value| self.own(value));
        let place = self.parts.variable.get_mut(variable_index(id))?;
        std::mem::replace(place, value)
    }

    fn set_tagged(&mut self, column: &RecordColumn, value: Option<&[u8]>, how: SetColumn) -> JetResult<()> {
        if value.is_none() && column.flags.contains(ColumnFlags::NOT_NULL) {
            return Err(null_invalid(column));
        }
        check_length(column, value)?;
        if let Some(value) = value {
            self.check_unique(column, value, how)?;
        }
        let value = value.map(|value| ValuePart::Intrinsic(Cow::Owned(value.to_vec())));
        self.put_tagged(column, value, how)
    }

    fn set_long(
        &mut self,
        column: &RecordColumn,
        value: Option<&[u8]>,
        how: SetColumn,
    ) -> JetResult<Outcome> {
        if self.grow_unstored(column, value, how)? {
            return Ok(Outcome::Done);
        }
        let present = match how.sequence {
            0 => ColumnValue::Null,
            sequence => self.column(column.id, sequence)?,
        };
        let present = match present {
            ColumnValue::LongValue(lid) if how.operation != Operation::Replace => {
                return Ok(Outcome::InLongValueTree(lid));
            }
            ColumnValue::Null | ColumnValue::LongValue(_) => None,
            ColumnValue::Default(bytes) => Some(Cow::Borrowed(bytes)),
            ColumnValue::Value(bytes) => Some(bytes),
        };
        let Some(result) = operate(how.operation, present, value)? else {
            return Ok(Outcome::Done);
        };
        let Some(bytes) = result else {
            if column.flags.contains(ColumnFlags::NOT_NULL) {
                return Err(null_invalid(column));
            }
            return self.put_tagged(column, None, how).map(|()| Outcome::Done);
        };
        check_length(column, Some(&bytes))?;
        self.check_unique(column, &bytes, how)?;
        let most = match how.place {
            Place::ByLength => self.layout.intrinsic_most(),
            Place::Separate => LID_LEN,
            Place::Intrinsic => self.layout.table_intrinsic_most(),
        };
        let value = if bytes.len() > most {
            ValuePart::Unstored(Cow::Owned(bytes))
        } else {
            ValuePart::Intrinsic(Cow::Owned(bytes))
        };
        self.put_tagged(column, Some(value), how).map(|()| Outcome::Done)
    }
}

impl RecordUpdate {
    /// A value that will leave the record is appended to and overwritten where it is: built of many pieces, it is not
    /// copied for each of them.
    fn grow_unstored(
        &mut self,
        column: &RecordColumn,
        value: Option<&[u8]>,
        how: SetColumn,
    ) -> JetResult<bool> {
        let at = self.parts.find_tagged(column.id, column.derived).ok();
        let part = at.and_then(|at| self.parts.tagged.get_mut(at));
        let index = how.sequence.checked_sub(1);
        let present = part
            .zip(index)
            .and_then(|(part, index)| part.values.get_mut(index));
        let Some(ValuePart::Unstored(present)) = present else {
            return Ok(false);
        };
        let offset = match how.operation {
            Operation::Append => present.len(),
            Operation::Overwrite(offset) => offset,
            Operation::Replace | Operation::Size(_) => return Ok(false),
        };
        let bytes = value.unwrap_or_default();
        let end = end_of(offset, bytes, present.len())?;
        check_len(column, present.len().max(end))?;
        let whole = present.to_mut();
        whole.resize(whole.len().max(end), 0);
        if let Some(place) = whole.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
        Ok(true)
    }
}

/// Where bytes end that are put at an offset of a value of `len` bytes.
fn end_of(offset: usize, bytes: &[u8], len: usize) -> JetResult<usize> {
    if offset > len {
        let what = format!("a value of {len} bytes has no place {offset}");
        return Err(JetError::rule(JetErr::ColumnNoChunk, what));
    }
    let end = offset.saturating_add(bytes.len());
    if end > LONG_VALUE_MOST {
        let what = "a long value has at most 2 GiB";
        return Err(JetError::rule(JetErr::ColumnTooBig, what));
    }
    Ok(end)
}

/// What the value is after the operation: `None` if it stays as it is, `Some(None)` for NULL (`ErrLVOpFromGrbit`).
#[expect(
    clippy::option_option,
    reason = "unchanged, NULL and a value are three things"
)]
fn operate(
    operation: Operation,
    present: Option<Cow<'_, [u8]>>,
    value: Option<&[u8]>,
) -> JetResult<Option<Option<Vec<u8>>>> {
    let bytes = value.unwrap_or_default();
    let is_new = present.is_none();
    let offset = match operation {
        Operation::Replace => return Ok(Some(value.map(<[u8]>::to_vec))),
        Operation::Size(len) => return resized(present, len).map(|bytes| Some(Some(bytes))),
        Operation::Append => present.as_ref().map_or(0, |present| present.len()),
        Operation::Overwrite(offset) => offset,
    };
    let mut whole = present.map(Cow::into_owned).unwrap_or_default();
    let end = end_of(offset, bytes, whole.len())?;
    if bytes.is_empty() && !is_new {
        return Ok(None);
    }
    let behind = whole.get(end..).map(<[u8]>::to_vec).unwrap_or_default();
    whole.truncate(offset);
    whole.extend_from_slice(bytes);
    whole.extend(behind);
    Ok(Some(Some(whole)))
}

fn resized(present: Option<Cow<'_, [u8]>>, len: usize) -> JetResult<Vec<u8>> {
    if len > LONG_VALUE_MOST {
        return Err(JetError::rule(
            JetErr::ColumnTooBig,
            "a long value has at most 2 GiB",
        ));
    }
    let mut whole = present.map(Cow::into_owned).unwrap_or_default();
    let more = len.saturating_sub(whole.len());
    if whole.try_reserve_exact(more).is_err() {
        let what = format!("there is no memory for a value of {len} bytes");
        return Err(JetError::rule(JetErr::OutOfMemory, what));
    }
    whole.resize(len, 0);
    Ok(whole)
}

/// The value of a fixed column in its whole length: Binary is filled up with zeros, text with spaces.
fn whole_fixed(column: &RecordColumn, value: &[u8]) -> JetResult<Vec<u8>> {
    let mut whole = value.to_vec();
    match column.kind {
        Some(ColumnType::Bit) => whole
            .iter_mut()
            .for_each(|byte| *byte = if *byte == 0 { 0 } else { 0xff }),
        Some(ColumnType::Binary) if value.len() < column.size => whole.resize(column.size, 0),
        Some(ColumnType::Text) if value.len() < column.size => whole = padded(column, value, column.size),
        _ => {}
    }
    if whole.len() == column.size {
        return Ok(whole);
    }
    Err(wrong_size(column, value.len()))
}

/// Length of a variable or tagged value.
fn check_length(column: &RecordColumn, value: Option<&[u8]>) -> JetResult<()> {
    value.map_or(Ok(()), |value| check_len(column, value.len()))
}

fn check_len(column: &RecordColumn, len: usize) -> JetResult<()> {
    if column
        .kind
        .and_then(ColumnType::fixed_len)
        .is_some_and(|exact| exact != len)
    {
        return Err(wrong_size(column, len));
    }
    let most = match column.size {
        0 => LONG_VALUE_MOST,
        most => most,
    };
    if len > most {
        let what = format!("column {} holds {most} bytes, not {len}", column.name);
        return Err(JetError::rule(JetErr::ColumnTooBig, what));
    }
    Ok(())
}

fn wrong_size(column: &RecordColumn, len: usize) -> JetError {
    let what = format!(
        "a value of column {} has {} bytes, not {len}",
        column.name, column.size
    );
    JetError::rule(JetErr::InvalidBufferSize, what)
}
