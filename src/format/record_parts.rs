//! Records taken apart and put together: the one place that lays out a record (database-file.md section 7).
//!
//! What is read and put together again gives the same bytes, for every record that the genuine engine wrote.

use super::error::{FormatError, Structure};
use super::long_value::Lid;
use super::page_size::PageSize;
use super::record::{
    ColumnId, FIXED_MAX, Instance, MULTI_SEPARATED, RECORD_HEADER_LEN, Record, Storage, Stored, TAG_DERIVED,
    TAG_FIELD_LEN, TAG_HAS_INFO, TAG_NULL, TagInfo, TaggedColumn, VARIABLE_NULL,
};
use std::borrow::Cow;

/// What the engine puts where a fixed column has no value yet (section 6.5).
const FILLER: u8 = b'*';
/// Bytes of the LID that a value will get.
const LID_LEN: usize = 4;

/// The columns of a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordParts<'a> {
    /// The fixed columns' bytes one after the other, from id 1 on, those of NULLs included.
    pub fixed: Cow<'a, [u8]>,
    /// Whether the fixed column of id 1, 2, … is NULL; as many as are stored.
    pub fixed_nulls: Vec<bool>,
    /// The variable columns from id 128 on, `None` for NULL; as many as are stored.
    pub variable: Vec<Option<Cow<'a, [u8]>>>,
    /// The tagged columns that are stored: those of the template table first, then by id.
    pub tagged: Vec<TaggedPart<'a>>,
}

/// A tagged column that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaggedPart<'a> {
    /// Its id.
    pub id: ColumnId,
    /// Whether it belongs to the template table.
    pub derived: bool,
    /// LONG_VALUE, COMPRESSED (the first value) and ENCRYPTED. TWO_VALUES asks for the short form of two values, which
    /// only small pages have, and only until there was a third value. Other bits follow from the values.
    pub info: TagInfo,
    /// Its values; none for a NULL that hides a default.
    pub values: Vec<ValuePart<'a>>,
}

/// A value of a tagged column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValuePart<'a> {
    /// Stands in the record.
    Intrinsic(Cow<'a, [u8]>),
    /// Stands in the long value tree.
    Separated(Lid),
    /// Will stand in the long value tree: takes the room of a LID, but the record cannot be written yet.
    Unstored(Cow<'a, [u8]>),
}

impl<'a> RecordParts<'a> {
    /// Takes a record apart.
    ///
    /// # Errors
    /// It is damaged.
    pub fn read(size: PageSize, bytes: &'a [u8]) -> Result<Self, FormatError> {
        let record = Record::read(size, bytes)?;
        let (fixed, fixed_nulls) = record.fixed_columns()?;
        let variable = (FIXED_MAX + 1..=record.variable_last()).map(|id| {
            Ok(match record.variable(ColumnId(id))? {
                Stored::Value(value) => Some(Cow::Borrowed(value)),
                Stored::Absent | Stored::Null => None,
            })
        });
        let tagged = record.tagged_columns()?.map(|column| {
            let (id, derived, column) = column?;
            TaggedPart::read(id, derived, &column)
        });
        Ok(RecordParts {
            fixed: Cow::Borrowed(fixed),
            fixed_nulls,
            variable: variable.collect::<Result<_, FormatError>>()?,
            tagged: tagged.collect::<Result<_, FormatError>>()?,
        })
    }

    /// The same with bytes of its own.
    pub fn into_owned(self) -> RecordParts<'static> {
        let own = |value: Cow<'a, [u8]>| Cow::Owned(value.into_owned());
        RecordParts {
            fixed: own(self.fixed),
            fixed_nulls: self.fixed_nulls,
            variable: self.variable.into_iter().map(|value| value.map(own)).collect(),
            tagged: self.tagged.into_iter().map(TaggedPart::into_owned).collect(),
        }
    }

    /// Makes room for fixed columns up to `id`, whose end is at `end` from the start of the record: all NULL.
    pub fn grow_fixed(&mut self, id: ColumnId, end: usize) {
        let count = usize::from(id.0);
        if count > self.fixed_nulls.len() {
            self.fixed_nulls.resize(count, true);
            let len = end.saturating_sub(RECORD_HEADER_LEN).max(self.fixed.len());
            self.fixed.to_mut().resize(len, FILLER);
        }
    }

    /// The place of a tagged column, or where it would be inserted.
    pub fn find_tagged(&self, id: ColumnId, derived: bool) -> Result<usize, usize> {
        self.tagged
            .binary_search_by_key(&(!derived, id), |part| (!part.derived, part.id))
    }

    /// Bytes of the record on pages of `size`.
    pub fn len(&self, size: PageSize) -> usize {
        let variable = self.variable.iter().flatten().map(|value| value.len());
        let tagged = self.tagged.iter().map(|part| TAG_FIELD_LEN + part.len(size));
        RECORD_HEADER_LEN
            + self.fixed.len()
            + self.fixed_nulls.len().div_ceil(8)
            + 2 * self.variable.len()
            + variable.sum::<usize>()
            + tagged.sum::<usize>()
    }

    /// Whether the record has no columns.
    pub fn is_empty(&self) -> bool {
        self.fixed_nulls.is_empty() && self.variable.is_empty() && self.tagged.is_empty()
    }

    /// The record for a database of this page size.
    ///
    /// # Errors
    /// Something does not fit the fields that say where it is, or a value has no LID yet.
    pub fn to_bytes(&self, size: PageSize) -> Result<Vec<u8>, FormatError> {
        let fixed_last = u8::try_from(self.fixed_nulls.len())
            .ok()
            .filter(|&last| u16::from(last) <= FIXED_MAX)
            .ok_or_else(|| error("has more than 127 fixed columns"))?;
        let variable_last = u8::try_from(usize::from(FIXED_MAX) + self.variable.len())
            .map_err(|_| error("has more than 128 variable columns"))?;
        let mut record = Vec::with_capacity(self.len(size));
        record.extend([fixed_last, variable_last, 0, 0]);
        record.extend_from_slice(&self.fixed);
        record.extend(null_bitmap(&self.fixed_nulls));
        let end_of_fixed = word(record.len(), "ibEndOfFixedData")?;
        super::bytes::put(&mut record, 2, &end_of_fixed.to_le_bytes());
        self.push_variable(&mut record)?;
        self.push_tagged(&mut record, size)?;
        Ok(record)
    }

    fn push_variable(&self, record: &mut Vec<u8>) -> Result<(), FormatError> {
        let mut end = 0_usize;
        for value in &self.variable {
            end += value.as_ref().map_or(0, |value| value.len());
            let null = if value.is_some() { 0 } else { VARIABLE_NULL };
            let end = fifteen_bits(end, "end of a variable column")?;
            record.extend((end | null).to_le_bytes());
        }
        for value in self.variable.iter().flatten() {
            record.extend_from_slice(value);
        }
        Ok(())
    }

    fn push_tagged(&self, record: &mut Vec<u8>, size: PageSize) -> Result<(), FormatError> {
        let limit = if size.is_small() { 1 << 13 } else { 1 << 15 };
        let mut offset = self.tagged.len() * TAG_FIELD_LEN;
        for part in &self.tagged {
            let stored = u16::try_from(offset)
                .ok()
                .filter(|&offset| offset < limit)
                .ok_or_else(|| error("tagged columns take more room than their offsets can say"))?;
            record.extend(part.id.0.to_le_bytes());
            record.extend((stored | part.field_bits(size)).to_le_bytes());
            offset += part.len(size);
        }
        for part in &self.tagged {
            part.push(record, size)?;
        }
        Ok(())
    }
}

/// How the values of a tagged column stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Null,
    Single,
    Two,
    Many,
}

impl<'a> TaggedPart<'a> {
    fn read(id: ColumnId, derived: bool, column: &TaggedColumn<'a>) -> Result<Self, FormatError> {
        let kept = TagInfo::LONG_VALUE | TagInfo::COMPRESSED | TagInfo::ENCRYPTED | TagInfo::TWO_VALUES;
        let values = (0..column.len()?).map(|index| ValuePart::read(column.instance(index)?));
        Ok(TaggedPart {
            id,
            derived,
            info: column.info & kept,
            values: values.collect::<Result<_, _>>()?,
        })
    }

    /// The same with bytes of its own.
    pub fn into_owned(self) -> TaggedPart<'static> {
        TaggedPart {
            id: self.id,
            derived: self.derived,
            info: self.info,
            values: self.values.into_iter().map(ValuePart::into_owned).collect(),
        }
    }

    fn form(&self, size: PageSize) -> Form {
        match self.values.len() {
            0 => Form::Null,
            1 => Form::Single,
            2 if size.is_small()
                && self.info & (TagInfo::LONG_VALUE | TagInfo::TWO_VALUES) == TagInfo::TWO_VALUES =>
            {
                Form::Two
            }
            _ => Form::Many,
        }
    }

    /// The information byte. Large pages always have one, small ones only where it says something.
    fn info_byte(&self, size: PageSize) -> Option<TagInfo> {
        let info = self.info - TagInfo::TWO_VALUES;
        let info = match self.form(size) {
            Form::Null if size.is_small() => return None,
            Form::Null => info | TagInfo::NULL,
            Form::Single if self.values.iter().any(ValuePart::is_long) => info | TagInfo::SEPARATED,
            Form::Single => info,
            Form::Two => info | TagInfo::MULTI_VALUES | TagInfo::TWO_VALUES,
            Form::Many => info | TagInfo::MULTI_VALUES,
        };
        (!size.is_small() || !info.is_empty()).then_some(info)
    }

    /// The TAGFLD's bits beside the offset.
    fn field_bits(&self, size: PageSize) -> u16 {
        let mut bits = if self.derived { TAG_DERIVED } else { 0 };
        if size.is_small() && self.values.is_empty() {
            bits |= TAG_NULL;
        }
        if size.is_small() && self.info_byte(size).is_some() {
            bits |= TAG_HAS_INFO;
        }
        bits
    }

    /// Bytes of information byte and values.
    fn len(&self, size: PageSize) -> usize {
        let values: usize = self.values.iter().map(ValuePart::len).sum();
        let places = match self.form(size) {
            Form::Null | Form::Single => 0,
            Form::Two => 1,
            Form::Many => 2 * self.values.len(),
        };
        usize::from(self.info_byte(size).is_some()) + places + values
    }

    fn push(&self, record: &mut Vec<u8>, size: PageSize) -> Result<(), FormatError> {
        if let Some(info) = self.info_byte(size) {
            record.push(info.bits());
        }
        match self.form(size) {
            Form::Null | Form::Single => {}
            Form::Two => {
                let first = self.values.first().map_or(0, ValuePart::len);
                let first = u8::try_from(first).map_err(|_| error("the first of two values is too long"))?;
                record.push(first);
            }
            Form::Many => {
                let mut offset = 2 * self.values.len();
                for value in &self.values {
                    let stored = fifteen_bits(offset, "offset of a value")?;
                    let separated = if value.is_long() { MULTI_SEPARATED } else { 0 };
                    record.extend((stored | separated).to_le_bytes());
                    offset += value.len();
                }
            }
        }
        self.values.iter().try_for_each(|value| value.push(record))
    }
}

impl<'a> ValuePart<'a> {
    fn read(instance: Instance<'a>) -> Result<Self, FormatError> {
        match instance.storage {
            Storage::Separated => Lid::from_record(instance.data).map(ValuePart::Separated),
            Storage::Plain | Storage::Compressed | Storage::Encrypted => {
                Ok(ValuePart::Intrinsic(Cow::Borrowed(instance.data)))
            }
        }
    }

    /// The same with bytes of its own.
    pub fn into_owned(self) -> ValuePart<'static> {
        match self {
            ValuePart::Intrinsic(bytes) => ValuePart::Intrinsic(Cow::Owned(bytes.into_owned())),
            ValuePart::Separated(lid) => ValuePart::Separated(lid),
            ValuePart::Unstored(bytes) => ValuePart::Unstored(Cow::Owned(bytes.into_owned())),
        }
    }

    /// Whether it stands, or will stand, in the long value tree.
    pub fn is_long(&self) -> bool {
        !matches!(self, ValuePart::Intrinsic(_))
    }

    /// Bytes that it takes in the record.
    fn len(&self) -> usize {
        match self {
            ValuePart::Intrinsic(bytes) => bytes.len(),
            ValuePart::Separated(lid) => lid.record_len(),
            ValuePart::Unstored(_) => LID_LEN,
        }
    }

    fn push(&self, record: &mut Vec<u8>) -> Result<(), FormatError> {
        match self {
            ValuePart::Intrinsic(bytes) => record.extend_from_slice(bytes),
            ValuePart::Separated(lid) => record.extend(lid.to_record()),
            ValuePart::Unstored(_) => return Err(error("a long value was not stored yet")),
        }
        Ok(())
    }
}

/// The longest record of a table on pages of `size` whose primary index allows keys of `key_most` bytes: 4 where it
/// has none (section 7.4).
pub fn record_most(size: PageSize, key_most: u16) -> usize {
    /// Small pages count keys as at least so long.
    const KEY_LEAST: usize = 255;
    let page_data_most = size.bytes() - size.header_len() - 8;
    let key_most = usize::from(key_most);
    if size.is_small() {
        page_data_most - 2 - KEY_LEAST.max(2 + key_most)
    } else {
        page_data_most - 4 - key_most
    }
}

/// Bits beyond the last column are 1, as the engine has them.
fn null_bitmap(nulls: &[bool]) -> Vec<u8> {
    let mut bitmap = vec![0xff_u8; nulls.len().div_ceil(8)];
    for (index, _) in nulls.iter().enumerate().filter(|(_, is_null)| !**is_null) {
        if let Some(byte) = bitmap.get_mut(index / 8) {
            *byte &= !(1 << (index % 8));
        }
    }
    bitmap
}

fn word(value: usize, field: &'static str) -> Result<u16, FormatError> {
    u16::try_from(value).map_err(|_| too_large(value, field))
}

fn fifteen_bits(value: usize, field: &'static str) -> Result<u16, FormatError> {
    word(value, field).and_then(|word| {
        if word < VARIABLE_NULL {
            Ok(word)
        } else {
            Err(too_large(value, field))
        }
    })
}

fn too_large(value: usize, field: &'static str) -> FormatError {
    FormatError::field(
        Structure::Record,
        0,
        field,
        value as u64,
        "a number that fits the field",
    )
}

fn error(what: &'static str) -> FormatError {
    FormatError::other(Structure::Record, 0, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Section 7.4's table.
    #[test]
    fn the_longest_records_are_those_of_the_specification() {
        let most = |size| record_most(size, 255);
        assert_eq!(most(PageSize::Kib4), 3789);
        assert_eq!(most(PageSize::Kib8), 7885);
        assert_eq!(most(PageSize::Kib16), 16037);
        assert_eq!(most(PageSize::Kib32), 32421);
        assert_eq!(record_most(PageSize::Kib4, 5), 3791);
    }

    fn part(values: &[&'static [u8]], info: TagInfo) -> RecordParts<'static> {
        let values = values
            .iter()
            .map(|value| ValuePart::Intrinsic(Cow::Borrowed(*value)))
            .collect();
        RecordParts {
            tagged: vec![TaggedPart {
                id: ColumnId(256),
                derived: false,
                info,
                values,
            }],
            ..RecordParts::default()
        }
    }

    #[test]
    fn two_values_have_a_short_form_on_small_pages_only() {
        let two = part(&[b"a", b"bc"], TagInfo::TWO_VALUES);
        let small = two.to_bytes(PageSize::Kib4).unwrap();
        assert_eq!(small[4..], [0, 1, 4, 0x40, 0x18, 1, b'a', b'b', b'c']);
        let large = two.to_bytes(PageSize::Kib16).unwrap();
        assert_eq!(large[4..], [0, 1, 4, 0, 0x08, 4, 0, 5, 0, b'a', b'b', b'c']);
    }

    #[test]
    fn null_is_a_flag_on_small_pages_and_an_information_byte_on_large_ones() {
        let null = part(&[], TagInfo::LONG_VALUE);
        assert_eq!(null.to_bytes(PageSize::Kib4).unwrap()[4..], [0, 1, 4, 0x20]);
        assert_eq!(null.to_bytes(PageSize::Kib16).unwrap()[4..], [0, 1, 4, 0, 0x21]);
    }

    #[test]
    fn no_record_is_written_before_its_long_values_are_stored() {
        let mut parts = part(&[], TagInfo::LONG_VALUE);
        parts.tagged[0].values = vec![ValuePart::Unstored(Cow::Borrowed(&[7; 5000]))];
        assert!(parts.to_bytes(PageSize::Kib4).is_err());
        let len = parts.len(PageSize::Kib4);
        parts.tagged[0].values = vec![ValuePart::Separated(Lid::Lid32(1))];
        assert_eq!(parts.to_bytes(PageSize::Kib4).unwrap().len(), len);
    }
}
