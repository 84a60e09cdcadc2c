//! Records: fixed, variable and tagged columns, found on demand (database-file.md sections 7.1 to 7.3).
//!
//! Nothing is decoded before it is asked for, and nothing is allocated.

use super::bytes::Fields;
use super::error::{FormatError, Structure};
use super::page_size::PageSize;
use std::fmt;

/// Highest id of a fixed column.
pub(crate) const FIXED_MAX: u16 = 127;
/// Highest id of a variable column.
pub(crate) const VARIABLE_MAX: u16 = 255;
/// Bytes before the first fixed column.
pub const RECORD_HEADER_LEN: usize = 4;
/// Bytes of a TAGFLD.
pub(crate) const TAG_FIELD_LEN: usize = 4;

/// `varEnd`: the column is NULL.
pub(crate) const VARIABLE_NULL: u16 = 0x8000;
/// `varEnd`: bits that are the end offset.
pub(crate) const VARIABLE_END_MASK: u16 = 0x7fff;

/// TAGFLD: the column belongs to the template table.
pub(crate) const TAG_DERIVED: u16 = 0x8000;
/// TAGFLD on small pages: an information byte precedes the value.
pub(crate) const TAG_HAS_INFO: u16 = 0x4000;
/// TAGFLD on small pages: NULL.
pub(crate) const TAG_NULL: u16 = 0x2000;
/// TAGFLD on small pages: bits that are the offset.
pub(crate) const TAG_SMALL_OFFSET_MASK: u16 = 0x1fff;
/// TAGFLD on large pages: bits that are the offset.
pub(crate) const TAG_LARGE_OFFSET_MASK: u16 = 0x7fff;

/// Offset table of multi-values: the instance is a LID.
pub(crate) const MULTI_SEPARATED: u16 = 0x8000;
/// Offset table of multi-values: bits that are the offset.
pub(crate) const MULTI_OFFSET_MASK: u16 = 0x7fff;

bitflags::bitflags! {
    /// The information byte of a tagged value (`TAGFLD_HEADER`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct TagInfo: u8 {
        /// The column is LongText or LongBinary.
        const LONG_VALUE = 0x01;
        /// The value (with several: the first) is compressed.
        const COMPRESSED = 0x02;
        /// The value is a LID.
        const SEPARATED = 0x04;
        /// There are several values.
        const MULTI_VALUES = 0x08;
        /// There are exactly two, in the short form.
        const TWO_VALUES = 0x10;
        /// NULL (large pages).
        const NULL = 0x20;
        /// Encrypted.
        const ENCRYPTED = 0x40;
    }
}

/// A column's id: its range says how it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(pub u16);

/// How a column is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnClass {
    /// At a fixed place of the record.
    Fixed,
    /// With an end offset.
    Variable,
    /// Only if it has a value.
    Tagged,
}

impl ColumnId {
    /// How the column is stored.
    pub const fn class(self) -> ColumnClass {
        match self.0 {
            0..=FIXED_MAX => ColumnClass::Fixed,
            128..=VARIABLE_MAX => ColumnClass::Variable,
            _ => ColumnClass::Tagged,
        }
    }
}

impl fmt::Display for ColumnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a record says about a fixed or variable column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored<'a> {
    /// Nothing: the column has its default, or is NULL without one.
    Absent,
    /// NULL.
    Null,
    /// The value, perhaps of no bytes.
    Value(&'a [u8]),
}

/// A view of a record.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    fields: Fields<'a>,
    small: bool,
    fixed_last: u16,
    variable_last: u16,
    fixed_end: usize,
    variable_data: usize,
    tagged: usize,
}

impl<'a> Record<'a> {
    /// Views the data of a leaf node of a table, on pages of `size`.
    pub fn read(size: PageSize, bytes: &'a [u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::Record, bytes);
        let fixed_last = u16::from(fields.u8(0)?);
        let variable_last = u16::from(fields.u8(1)?);
        let fixed_end = usize::from(fields.u16(2)?);
        let bitmap_len = usize::from(fixed_last.div_ceil(8));
        if fixed_last > FIXED_MAX {
            return Err(fields.bad(0, "fidFixedLast", fixed_last, "at most 127"));
        }
        if variable_last < FIXED_MAX {
            return Err(fields.bad(1, "fidVarLast", variable_last, "at least 127"));
        }
        if fixed_end < RECORD_HEADER_LEN + bitmap_len {
            return Err(fields.bad(
                2,
                "ibEndOfFixedData",
                fixed_end as u64,
                "room for the header and the null bitmap",
            ));
        }
        let variable_count = usize::from(variable_last - FIXED_MAX);
        let variable_data = fixed_end + 2 * variable_count;
        let mut record = Record {
            fields,
            small: size.is_small(),
            fixed_last,
            variable_last,
            fixed_end,
            variable_data,
            tagged: variable_data,
        };
        if variable_count > 0 {
            record.tagged += usize::from(record.variable_end(variable_last)? & VARIABLE_END_MASK);
        }
        if record.tagged > bytes.len() {
            return Err(fields.truncated(variable_data, record.tagged - variable_data));
        }
        Ok(record)
    }

    /// Highest fixed column that is stored, 0 for none.
    pub fn fixed_last(&self) -> u16 {
        self.fixed_last
    }

    /// Highest variable column that is stored, 127 for none.
    pub fn variable_last(&self) -> u16 {
        self.variable_last
    }

    /// Fixed column `id` of `len` bytes at `offset` (its RecordOffset).
    pub fn fixed(&self, id: ColumnId, offset: usize, len: usize) -> Result<Stored<'a>, FormatError> {
        if id.0 == 0 || id.0 > self.fixed_last {
            return Ok(Stored::Absent);
        }
        let bit = usize::from(id.0 - 1);
        let bitmap = self.fixed_end - usize::from(self.fixed_last.div_ceil(8));
        if self.fields.u8(bitmap + bit / 8)? >> (bit % 8) & 1 != 0 {
            return Ok(Stored::Null);
        }
        if offset < RECORD_HEADER_LEN || offset.saturating_add(len) > bitmap {
            let what = format!("fixed column {id} is not inside the fixed columns");
            return Err(FormatError::other(Structure::Record, offset, what));
        }
        self.fields.slice(offset, len).map(Stored::Value)
    }

    /// The bytes of the fixed columns one after the other, and for each whether it is NULL.
    pub fn fixed_columns(&self) -> Result<(&'a [u8], Vec<bool>), FormatError> {
        let bitmap = self.fixed_end - usize::from(self.fixed_last.div_ceil(8));
        let values = self.fields.slice(RECORD_HEADER_LEN, bitmap - RECORD_HEADER_LEN)?;
        let is_null = |bit: usize| Ok(self.fields.u8(bitmap + bit / 8)? >> (bit % 8) & 1 != 0);
        let nulls = (0..usize::from(self.fixed_last)).map(is_null);
        Ok((values, nulls.collect::<Result<_, FormatError>>()?))
    }

    /// Variable column `id`.
    pub fn variable(&self, id: ColumnId) -> Result<Stored<'a>, FormatError> {
        if id.0 <= FIXED_MAX || id.0 > self.variable_last {
            return Ok(Stored::Absent);
        }
        let end = self.variable_end(id.0)?;
        if end & VARIABLE_NULL != 0 {
            return Ok(Stored::Null);
        }
        let start = match id.0 - 1 {
            FIXED_MAX => 0,
            previous => self.variable_end(previous)? & VARIABLE_END_MASK,
        };
        let (start, end) = (usize::from(start), usize::from(end));
        if end < start || self.variable_data + end > self.tagged {
            let what = format!("variable column {id} ends before it begins or outside the variable columns");
            return Err(FormatError::other(
                Structure::Record,
                self.variable_data + start,
                what,
            ));
        }
        self.fields
            .slice(self.variable_data + start, end - start)
            .map(Stored::Value)
    }

    fn variable_end(&self, id: u16) -> Result<u16, FormatError> {
        let index = usize::from(id.saturating_sub(FIXED_MAX + 1));
        self.fields.u16(self.fixed_end + 2 * index)
    }

    /// How many tagged columns are stored.
    pub fn tagged_count(&self) -> Result<usize, FormatError> {
        if self.tagged == self.fields.len() {
            return Ok(0);
        }
        let first = self.tag_field(0)?;
        let area = self.fields.len() - self.tagged;
        if first.offset == 0 || first.offset % TAG_FIELD_LEN != 0 || first.offset > area {
            let what = format!("the first tagged value is at {} of {area} bytes", first.offset);
            return Err(FormatError::other(Structure::Record, self.tagged, what));
        }
        Ok(first.offset / TAG_FIELD_LEN)
    }

    /// Tagged column `id`, of the template table if `derived`; `None` if it is not stored.
    pub fn tagged(&self, id: ColumnId, derived: bool) -> Result<Option<TaggedColumn<'a>>, FormatError> {
        // Sorted: columns of the template first, then by id.
        let wanted = (!derived, id);
        let count = self.tagged_count()?;
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            let field = self.tag_field(middle)?;
            match (!field.derived, field.id).cmp(&wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return self.tagged_value(middle, count).map(Some),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(None)
    }

    /// All tagged columns that are stored: id, whether of the template table, value.
    pub fn tagged_columns(
        &self,
    ) -> Result<
        impl Iterator<Item = Result<(ColumnId, bool, TaggedColumn<'a>), FormatError>> + use<'a>,
        FormatError,
    > {
        let (record, count) = (*self, self.tagged_count()?);
        Ok((0..count).map(move |index| {
            let field = record.tag_field(index)?;
            Ok((field.id, field.derived, record.tagged_value(index, count)?))
        }))
    }

    fn tag_field(&self, index: usize) -> Result<TagField, FormatError> {
        let at = self.tagged + index * TAG_FIELD_LEN;
        let bits = self.fields.u16(at + 2)?;
        let mask = if self.small {
            TAG_SMALL_OFFSET_MASK
        } else {
            TAG_LARGE_OFFSET_MASK
        };
        Ok(TagField {
            id: ColumnId(self.fields.u16(at)?),
            derived: bits & TAG_DERIVED != 0,
            has_info: !self.small || bits & TAG_HAS_INFO != 0,
            null: self.small && bits & TAG_NULL != 0,
            offset: usize::from(bits & mask),
        })
    }

    fn tagged_value(&self, index: usize, count: usize) -> Result<TaggedColumn<'a>, FormatError> {
        let field = self.tag_field(index)?;
        let end = if index + 1 < count {
            self.tag_field(index + 1)?.offset
        } else {
            self.fields.len() - self.tagged
        };
        let len = end.checked_sub(field.offset).ok_or_else(|| {
            let what = format!("tagged column {} ends before it begins", field.id);
            FormatError::other(Structure::Record, self.tagged + field.offset, what)
        })?;
        let bytes = self.fields.slice(self.tagged + field.offset, len)?;
        let (info, data) = match bytes.split_first() {
            Some((&info, data)) if field.has_info => (TagInfo::from_bits_retain(info), data),
            // A value without its information byte can only be a NULL.
            None if field.has_info => (TagInfo::NULL, bytes),
            _ => (TagInfo::empty(), bytes),
        };
        let info = if field.null { info | TagInfo::NULL } else { info };
        Ok(TaggedColumn { info, data })
    }
}

struct TagField {
    id: ColumnId,
    derived: bool,
    has_info: bool,
    null: bool,
    offset: usize,
}

/// What a record says about a tagged column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaggedColumn<'a> {
    /// The information byte; 0 where there is none.
    pub info: TagInfo,
    data: &'a [u8],
}

/// How the bytes of a value are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// They are the value.
    Plain,
    /// They are compressed.
    Compressed,
    /// They are the LID of a value in the long value tree.
    Separated,
    /// They are encrypted.
    Encrypted,
}

/// One value of a tagged column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance<'a> {
    /// How to read the bytes.
    pub storage: Storage,
    /// The bytes.
    pub data: &'a [u8],
}

impl<'a> TaggedColumn<'a> {
    /// Whether the column is explicitly NULL (which overrides its default).
    pub fn is_null(&self) -> bool {
        self.info.contains(TagInfo::NULL)
    }

    /// How many values there are.
    pub fn len(&self) -> Result<usize, FormatError> {
        if self.is_null() {
            Ok(0)
        } else if self.info.contains(TagInfo::TWO_VALUES) {
            Ok(2)
        } else if self.info.contains(TagInfo::MULTI_VALUES) {
            self.multi_count()
        } else {
            Ok(1)
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.is_null()
    }

    /// Value `index`, from 0.
    pub fn instance(&self, index: usize) -> Result<Instance<'a>, FormatError> {
        if self.info.contains(TagInfo::TWO_VALUES) {
            return self.one_of_two(index);
        }
        if self.info.contains(TagInfo::MULTI_VALUES) {
            return self.one_of_many(index);
        }
        Ok(Instance {
            storage: self.storage(self.info.contains(TagInfo::SEPARATED), true),
            data: self.data,
        })
    }

    fn storage(&self, separated: bool, first: bool) -> Storage {
        if separated {
            Storage::Separated
        } else if self.info.contains(TagInfo::ENCRYPTED) {
            Storage::Encrypted
        } else if first && self.info.contains(TagInfo::COMPRESSED) {
            Storage::Compressed
        } else {
            Storage::Plain
        }
    }

    fn one_of_two(&self, index: usize) -> Result<Instance<'a>, FormatError> {
        let fields = Fields::new(Structure::Record, self.data);
        let first_len = usize::from(fields.u8(0)?);
        let data = match index {
            0 => fields.slice(1, first_len)?,
            _ => fields.from(1 + first_len)?,
        };
        Ok(Instance {
            storage: Storage::Plain,
            data,
        })
    }

    fn multi_count(&self) -> Result<usize, FormatError> {
        let fields = Fields::new(Structure::Record, self.data);
        let first = usize::from(fields.u16(0)? & MULTI_OFFSET_MASK);
        if first == 0 || first % 2 != 0 || first > self.data.len() {
            let what = format!(
                "the first of several values is at {first} of {} bytes",
                self.data.len()
            );
            return Err(FormatError::other(Structure::Record, 0, what));
        }
        Ok(first / 2)
    }

    fn one_of_many(&self, index: usize) -> Result<Instance<'a>, FormatError> {
        let fields = Fields::new(Structure::Record, self.data);
        let count = self.multi_count()?;
        let word = fields.u16(2 * index)?;
        let start = usize::from(word & MULTI_OFFSET_MASK);
        let end = if index + 1 < count {
            usize::from(fields.u16(2 * (index + 1))? & MULTI_OFFSET_MASK)
        } else {
            self.data.len()
        };
        let len = end.checked_sub(start).ok_or_else(|| {
            FormatError::other(
                Structure::Record,
                start,
                format!("value {index} ends before it begins"),
            )
        })?;
        Ok(Instance {
            storage: self.storage(word & MULTI_SEPARATED != 0, index == 0),
            data: fields.slice(start, len)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    /// The record of section 11.2.
    #[test]
    fn the_three_kinds_of_columns_are_found() {
        let bytes = hex("02 7F 1100 05000000 00000000 2A000000 FC 0001 0440 01 68656C6C6F");
        let record = Record::read(PageSize::Kib4, &bytes).unwrap();
        assert_eq!(
            record.fixed(ColumnId(2), 12, 4).unwrap(),
            Stored::Value(&[0x2a, 0, 0, 0])
        );
        assert_eq!(record.fixed(ColumnId(3), 16, 4).unwrap(), Stored::Absent);
        assert_eq!(record.variable(ColumnId(128)).unwrap(), Stored::Absent);
        let body = record.tagged(ColumnId(256), false).unwrap().unwrap();
        assert_eq!(body.instance(0).unwrap().data, b"hello");
        assert_eq!(record.tagged(ColumnId(257), false).unwrap(), None);
        assert_eq!(record.tagged(ColumnId(256), true).unwrap(), None);
    }

    /// Section 7.3: three bytes 00, 7F, FF, and the short form of two.
    #[test]
    fn several_values_come_in_two_forms() {
        let many = TaggedColumn {
            info: TagInfo::MULTI_VALUES,
            data: &[6, 0, 7, 0, 8, 0, 0x00, 0x7f, 0xff],
        };
        assert_eq!(many.len().unwrap(), 3);
        assert_eq!(many.instance(2).unwrap().data, [0xff]);
        let two = TaggedColumn {
            info: TagInfo::MULTI_VALUES | TagInfo::TWO_VALUES,
            data: &[1, 0x00, 0xff],
        };
        assert_eq!(two.len().unwrap(), 2);
        assert_eq!(
            (two.instance(0).unwrap().data, two.instance(1).unwrap().data),
            (&[0][..], &[0xff][..])
        );
    }

    #[test]
    fn only_the_first_of_several_values_is_compressed() {
        let many = TaggedColumn {
            info: TagInfo::MULTI_VALUES | TagInfo::LONG_VALUE | TagInfo::COMPRESSED,
            data: &[4, 0, 5, 0x80, 1, 9, 0, 0, 0],
        };
        assert_eq!(many.instance(0).unwrap().storage, Storage::Compressed);
        assert_eq!(many.instance(1).unwrap().storage, Storage::Separated);
    }

    #[test]
    fn null_and_empty_variable_columns_differ() {
        let bytes = hex("00 81 0400 0000 0080");
        let record = Record::read(PageSize::Kib4, &bytes).unwrap();
        assert_eq!(record.variable(ColumnId(128)).unwrap(), Stored::Value(&[]));
        assert_eq!(record.variable(ColumnId(129)).unwrap(), Stored::Null);
    }

    #[test]
    fn no_bytes_make_reading_panic() {
        use proptest::prelude::*;
        proptest!(|(bytes: Vec<u8>, small: bool)| {
            let size = if small { PageSize::Kib4 } else { PageSize::Kib32 };
            if let Ok(record) = Record::read(size, &bytes) {
                for id in 0..=255 {
                    let _ = record.fixed(ColumnId(id), usize::from(id), 9);
                    let _ = record.variable(ColumnId(id));
                }
                for column in record.tagged_columns().into_iter().flatten().flatten() {
                    for index in 0..column.2.len().unwrap_or(0) {
                        let _ = column.2.instance(index);
                    }
                }
            }
        });
    }
}
