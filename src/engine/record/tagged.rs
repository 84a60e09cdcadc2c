//! The values of a tagged column in a record being written (`TAGFIELDS::ErrSetColumn`).

use super::layout::LID_LEN;
use super::set::{SetColumn, Unique};
use super::update::{ColumnValue, RecordUpdate};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    ColumnClass, ColumnFlags, ColumnType, DEFAULT_KEY_MOST, KeyRules, KeySegment, KeyWriter, Lid, TagInfo,
    TaggedPart, ValuePart, compress,
};
use crate::store::RecordColumn;
use std::borrow::Cow;

/// Where a value of a tagged column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TaggedPlace {
    /// Index among the tagged columns of the record.
    pub(super) column: usize,
    /// Index among its values.
    pub(super) value: usize,
}

impl RecordUpdate {
    /// Puts a value, or removes one; separates long values if the record gets too big. If it stays too big, the column
    /// is as it was before.
    pub(super) fn put_tagged(
        &mut self,
        column: &RecordColumn,
        value: Option<ValuePart<'static>>,
        how: SetColumn,
    ) -> JetResult<()> {
        let before = self.tagged_part(column).cloned();
        let place = match value {
            Some(value) => Some(self.put_value(column, value, how.sequence)),
            None => {
                self.remove_value(column, how);
                None
            }
        };
        if self.fit(place) {
            return Ok(());
        }
        let error = self.too_big();
        self.restore(column, before);
        Err(error)
    }

    fn restore(&mut self, column: &RecordColumn, before: Option<TaggedPart<'static>>) {
        let place = self.parts.find_tagged(column.id, column.derived);
        match (place, before) {
            (Ok(at), Some(before)) => {
                if let Some(part) = self.parts.tagged.get_mut(at) {
                    *part = before;
                }
            }
            (Ok(at), None) => drop(self.parts.tagged.remove(at)),
            (Err(at), Some(before)) => self.parts.tagged.insert(at, before),
            (Err(_), None) => {}
        }
    }

    fn put_value(
        &mut self,
        column: &RecordColumn,
        mut value: ValuePart<'static>,
        sequence: usize,
    ) -> TaggedPlace {
        let at = match self.parts.find_tagged(column.id, column.derived) {
            Ok(at) => at,
            Err(at) => {
                self.parts.tagged.insert(at, empty_part(column));
                at
            }
        };
        let Some(part) = self.parts.tagged.get_mut(at) else {
            return TaggedPlace { column: at, value: 0 };
        };
        let index = sequence.checked_sub(1).filter(|&index| index < part.values.len());
        let index = index.unwrap_or(part.values.len());
        // NULL in a small page does not say it.
        part.info.set(TagInfo::LONG_VALUE, is_long(column));
        if index == 0 {
            part.info -= TagInfo::COMPRESSED | TagInfo::ENCRYPTED;
            // Only the first value can be compressed.
            if let Some(compressed) = compressed(column, &value) {
                value = ValuePart::Intrinsic(Cow::Owned(compressed));
                part.info |= TagInfo::COMPRESSED;
            }
        }
        match part.values.get_mut(index) {
            Some(present) => *present = value,
            None => {
                part.values.push(value);
                // The short form of two values is not taken up again once there were three.
                part.info.set(
                    TagInfo::TWO_VALUES,
                    part.values.len() == 2 && has_short_form(column),
                );
            }
        }
        TaggedPlace {
            column: at,
            value: index,
        }
    }

    fn remove_value(&mut self, column: &RecordColumn, how: SetColumn) {
        let hides_default = column.default.is_some() && !how.revert_to_default;
        let at = match self.parts.find_tagged(column.id, column.derived) {
            Ok(at) => at,
            Err(at) => {
                if hides_default && how.sequence == 1 {
                    self.parts.tagged.insert(at, empty_part(column));
                }
                return;
            }
        };
        let Some(part) = self.parts.tagged.get_mut(at) else {
            return;
        };
        match (part.values.len(), how.sequence) {
            (0, _) if how.revert_to_default => drop(self.parts.tagged.remove(at)),
            (1, 1) if hides_default => part.values.clear(),
            (1, 1) => drop(self.parts.tagged.remove(at)),
            (count @ 2.., sequence) if (1..=count).contains(&sequence) => {
                part.values.remove(sequence - 1);
                if sequence == 1 {
                    part.info -= TagInfo::COMPRESSED;
                }
            }
            // There is no such value to be removed.
            _ => {}
        }
    }

    /// Puts the LID of a value that was stored in the long value tree.
    ///
    /// # Errors
    /// There is no such column, or it has no such value (`JET_errBadItagSequence`), or the record gets too big.
    pub(crate) fn set_long_value(
        &mut self,
        id: crate::format::ColumnId,
        sequence: usize,
        lid: Lid,
    ) -> JetResult<()> {
        let layout = self.layout.clone();
        let column = layout.column(id)?;
        let count = self.tagged_part(column).map_or(0, |part| part.values.len());
        if !(1..=count).contains(&sequence) {
            return Err(super::update::bad_sequence(column, sequence));
        }
        let how = SetColumn {
            sequence,
            ..SetColumn::default()
        };
        self.put_tagged(column, Some(ValuePart::Separated(lid)), how)?;
        self.referred.push(lid);
        self.note_changed(id);
        Ok(())
    }

    /// Refuses a value that the column has already, at another place (`ErrCheckUniqueMultiValues`).
    pub(super) fn check_unique(&self, column: &RecordColumn, value: &[u8], how: SetColumn) -> JetResult<()> {
        if how.unique == Unique::No {
            return Ok(());
        }
        let count = self.tagged_part(column).map_or(0, |part| part.values.len());
        let own = comparable(column, value, how.unique)?;
        for sequence in (1..=count).filter(|&sequence| sequence != how.sequence) {
            let ColumnValue::Value(other) = self.column(column.id, sequence)? else {
                continue;
            };
            if comparable(column, &other, how.unique)? == own {
                let code = if own.is_cut {
                    JetErr::MultiValuedDuplicateAfterTruncation
                } else {
                    JetErr::MultiValuedDuplicate
                };
                let what = format!("value {sequence} of column {} is the same", column.name);
                return Err(JetError::rule(code, what));
            }
        }
        Ok(())
    }
}

/// What of a value is compared.
#[derive(Debug, PartialEq, Eq)]
struct Comparable {
    bytes: Vec<u8>,
    is_cut: bool,
}

fn comparable(column: &RecordColumn, value: &[u8], unique: Unique) -> JetResult<Comparable> {
    let (Unique::Keys, Some(kind)) = (unique, column.kind) else {
        return Ok(Comparable {
            bytes: value.to_vec(),
            is_cut: false,
        });
    };
    let segment = KeySegment {
        kind,
        is_fixed: column.id.class() == ColumnClass::Fixed,
        code_page: column.code_page,
        descending: false,
    };
    if segment.is_unicode() {
        let what = format!(
            "Unicode text of column {} cannot be compared as keys",
            column.name
        );
        return Err(JetError::rule(JetErr::UnicodeNormalizationNotSupported, what));
    }
    // What lies behind does not count (`JET_cbKeyMost_OLD`).
    let value = value.get(..DEFAULT_KEY_MOST.into()).unwrap_or(value);
    let mut key = KeyWriter::new(KeyRules::default());
    key.push(segment, Some(value))?;
    let is_cut = key.is_cut();
    Ok(Comparable {
        bytes: key.finish(),
        is_cut,
    })
}

/// A value that stands in the record, compressed. It is not made shorter than a LID, so that compression does not decide
/// how many columns a record has room for (`ErrRECAOIntrinsicLV`).
fn compressed(column: &RecordColumn, value: &ValuePart<'_>) -> Option<Vec<u8>> {
    match value {
        ValuePart::Intrinsic(plain) if is_long(column) && column.flags.contains(ColumnFlags::COMPRESSED) => {
            compress(plain).filter(|value| value.len() >= LID_LEN)
        }
        _ => None,
    }
}

fn empty_part(column: &RecordColumn) -> TaggedPart<'static> {
    let mut info = TagInfo::empty();
    info.set(TagInfo::LONG_VALUE, is_long(column));
    TaggedPart {
        id: column.id,
        derived: column.derived,
        info,
        values: Vec::new(),
    }
}

fn is_long(column: &RecordColumn) -> bool {
    column.kind.is_some_and(ColumnType::is_long)
}

fn has_short_form(column: &RecordColumn) -> bool {
    !is_long(column)
}
