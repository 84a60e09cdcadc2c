//! Table records from column values (database-file.md section 7).

use super::error::{FormatError, Structure};
use super::page_size::PageSize;
use super::record::{
    FIXED_MAX, MULTI_SEPARATED, RECORD_HEADER_LEN, TAG_FIELD_LEN, TAG_HAS_INFO, TagInfo, VARIABLE_NULL,
};

/// A fixed column. Its bytes are there even where it is NULL.
#[derive(Debug, Clone, Copy)]
pub struct FixedField<'a> {
    /// Bytes of every value of the column.
    pub len: usize,
    /// The value, `None` for NULL.
    pub value: Option<&'a [u8]>,
}

/// A value of a tagged column.
#[derive(Debug, Clone, Copy)]
pub enum TaggedValue<'a> {
    /// Stands in the record.
    Intrinsic(&'a [u8]),
    /// Stands in the table's long value tree under this LID.
    Separated(u32),
}

/// A tagged column that has values.
#[derive(Debug, Clone)]
pub struct TaggedField<'a> {
    /// Column id, 256 or more.
    pub id: u16,
    /// Whether the column's type is LongBinary or LongText.
    pub is_long: bool,
    /// Its values, at least one.
    pub values: Vec<TaggedValue<'a>>,
}

/// The columns of a record, in the order of their ids.
#[derive(Debug, Clone, Default)]
pub struct RecordWriter<'a> {
    /// Fixed columns from id 1 on, without gaps.
    pub fixed: Vec<FixedField<'a>>,
    /// Variable columns from id 128 on, without gaps; `None` for NULL.
    pub variable: Vec<Option<&'a [u8]>>,
    /// Tagged columns that have values, by ascending id.
    pub tagged: Vec<TaggedField<'a>>,
}

impl RecordWriter<'_> {
    /// The record for a database of this page size. NULLs after the last value are not stored.
    pub fn to_bytes(&self, size: PageSize) -> Result<Vec<u8>, FormatError> {
        let stored_fixed = stored(&self.fixed, |field| field.value.is_some());
        let stored_variable = stored(&self.variable, Option::is_some);
        let mut record = vec![0; RECORD_HEADER_LEN];
        push_fixed(&mut record, stored_fixed)?;
        let end_of_fixed = word(record.len(), "ibEndOfFixedData")?;
        push_variable(&mut record, stored_variable)?;
        push_tagged(&mut record, &self.tagged, size)?;

        let fixed_last = byte(stored_fixed.len(), "fidFixedLast")?;
        let variable_last = byte(usize::from(FIXED_MAX) + stored_variable.len(), "fidVarLast")?;
        super::bytes::put(&mut record, 0, &[fixed_last, variable_last]);
        super::bytes::put(&mut record, 2, &end_of_fixed.to_le_bytes());
        Ok(record)
    }
}

/// The fields up to the last one that has a value.
fn stored<T>(fields: &[T], has_value: impl Fn(&T) -> bool) -> &[T] {
    let len = fields.iter().rposition(has_value).map_or(0, |last| last + 1);
    fields.get(..len).unwrap_or(fields)
}

fn push_fixed(record: &mut Vec<u8>, fields: &[FixedField<'_>]) -> Result<(), FormatError> {
    if fields.len() > usize::from(FIXED_MAX) {
        return Err(error("has more than 127 fixed columns"));
    }
    // Bits beyond the last column are 1, as the engine has them.
    let mut nulls = vec![0xff_u8; fields.len().div_ceil(8)];
    for (index, field) in fields.iter().enumerate() {
        match field.value {
            Some(value) if value.len() != field.len => {
                return Err(error("a fixed column has a value of another length"));
            }
            Some(value) => {
                record.extend_from_slice(value);
                if let Some(bits) = nulls.get_mut(index / 8) {
                    *bits &= !(1 << (index % 8));
                }
            }
            // Zeros: some readers ignore the NULL bits (section 7.2).
            None => record.resize(record.len() + field.len, 0),
        }
    }
    record.append(&mut nulls);
    Ok(())
}

fn push_variable(record: &mut Vec<u8>, fields: &[Option<&[u8]>]) -> Result<(), FormatError> {
    let mut end = 0_usize;
    for value in fields {
        end += value.map_or(0, <[u8]>::len);
        let null = if value.is_some() { 0 } else { VARIABLE_NULL };
        let end = fifteen_bits(end, "end of a variable column")?;
        record.extend((end | null).to_le_bytes());
    }
    for value in fields.iter().flatten() {
        record.extend_from_slice(value);
    }
    Ok(())
}

fn push_tagged(record: &mut Vec<u8>, fields: &[TaggedField<'_>], size: PageSize) -> Result<(), FormatError> {
    let mut values = Vec::new();
    for field in fields {
        let (info, data) = field.encode()?;
        let offset = fields.len() * TAG_FIELD_LEN + values.len();
        let limit = if size.is_small() { 1 << 13 } else { 1 << 15 };
        let offset = u16::try_from(offset)
            .ok()
            .filter(|&offset| offset < limit)
            .ok_or_else(|| error("tagged columns take more room than their offsets can say"))?;
        // Large pages always have the info byte, small ones only where it says something.
        let has_info = !info.is_empty() || !size.is_small();
        let bits = if has_info && size.is_small() {
            TAG_HAS_INFO
        } else {
            0
        };
        record.extend(field.id.to_le_bytes());
        record.extend((offset | bits).to_le_bytes());
        if has_info {
            values.push(info.bits());
        }
        values.extend(data);
    }
    record.append(&mut values);
    Ok(())
}

impl TaggedField<'_> {
    /// Info byte and what follows it.
    fn encode(&self) -> Result<(TagInfo, Vec<u8>), FormatError> {
        let long = if self.is_long {
            TagInfo::LONG_VALUE
        } else {
            TagInfo::empty()
        };
        match self.values.as_slice() {
            [] => Err(error("a tagged column without values is not stored")),
            [TaggedValue::Intrinsic(value)] => Ok((long, value.to_vec())),
            [TaggedValue::Separated(lid)] => Ok((long | TagInfo::SEPARATED, lid.to_le_bytes().to_vec())),
            [TaggedValue::Intrinsic(first), TaggedValue::Intrinsic(second)] if !self.is_long => {
                let mut data = vec![byte(first.len(), "length of the first of two values")?];
                data.extend_from_slice(first);
                data.extend_from_slice(second);
                Ok((TagInfo::MULTI_VALUES | TagInfo::TWO_VALUES, data))
            }
            many => Ok((long | TagInfo::MULTI_VALUES, multi_values(many)?)),
        }
    }
}

/// One offset per value, then the values.
fn multi_values(values: &[TaggedValue<'_>]) -> Result<Vec<u8>, FormatError> {
    let mut offsets = Vec::new();
    let mut data = Vec::new();
    for value in values {
        let offset = fifteen_bits(2 * values.len() + data.len(), "offset of a value")?;
        match value {
            TaggedValue::Intrinsic(bytes) => {
                offsets.extend(offset.to_le_bytes());
                data.extend_from_slice(bytes);
            }
            TaggedValue::Separated(lid) => {
                offsets.extend((offset | MULTI_SEPARATED).to_le_bytes());
                data.extend(lid.to_le_bytes());
            }
        }
    }
    offsets.append(&mut data);
    Ok(offsets)
}

fn byte(value: usize, field: &'static str) -> Result<u8, FormatError> {
    u8::try_from(value).map_err(|_| too_large(value, field))
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

    fn fixed(value: &[u8]) -> FixedField<'_> {
        FixedField {
            len: value.len(),
            value: Some(value),
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Section 11.2: table T.
    #[test]
    fn the_record_of_the_specification() {
        let record = RecordWriter {
            fixed: vec![fixed(&[5, 0, 0, 0, 0, 0, 0, 0]), fixed(&[42, 0, 0, 0])],
            variable: vec![],
            tagged: vec![TaggedField {
                id: 256,
                is_long: true,
                values: vec![TaggedValue::Intrinsic(b"hello")],
            }],
        };
        let small = record.to_bytes(PageSize::Kib4).unwrap();
        assert_eq!(
            hex(&small),
            "027f110005000000000000002a000000fc000104400168656c6c6f"
        );
        let large = record.to_bytes(PageSize::Kib32).unwrap();
        assert_eq!(hex(&large[17..]), "000104000168656c6c6f");
    }

    /// Section 6.7: a record of MSysObjids.
    #[test]
    fn tagged_columns_of_other_types_have_no_info_byte_on_small_pages() {
        let values: Vec<[u8; 4]> = vec![2u32.to_le_bytes(), 2u32.to_le_bytes()];
        let mut tagged: Vec<_> = values
            .iter()
            .zip(256..)
            .map(|(value, id)| TaggedField {
                id,
                is_long: false,
                values: vec![TaggedValue::Intrinsic(value)],
            })
            .collect();
        tagged.push(TaggedField {
            id: 258,
            is_long: false,
            values: vec![TaggedValue::Intrinsic(&[1, 0])],
        });
        let record = RecordWriter {
            tagged,
            ..Default::default()
        };
        assert_eq!(
            hex(&record.to_bytes(PageSize::Kib4).unwrap()),
            "007f040000010c00010110000201140002000000020000000100"
        );
    }

    /// Section 7.3's genuine multi-values.
    #[test]
    fn two_and_more_values_have_their_own_forms() {
        let field = |values: &[&'static [u8]]| TaggedField {
            id: 256,
            is_long: false,
            values: values.iter().copied().map(TaggedValue::Intrinsic).collect(),
        };
        assert_eq!(
            field(&[&[0], &[0x7f], &[0xff]]).encode().unwrap(),
            (TagInfo::MULTI_VALUES, vec![6, 0, 7, 0, 8, 0, 0, 0x7f, 0xff])
        );
        assert_eq!(
            field(&[&[0], &[0xff]]).encode().unwrap(),
            (TagInfo::MULTI_VALUES | TagInfo::TWO_VALUES, vec![1, 0, 0xff])
        );
    }

    #[test]
    fn nulls_in_between_are_marked_and_trailing_ones_left_out() {
        let record = RecordWriter {
            fixed: vec![
                FixedField { len: 2, value: None },
                fixed(&[1]),
                FixedField { len: 8, value: None },
            ],
            variable: vec![None, Some(b""), Some(b"ab"), None],
            tagged: vec![],
        };
        assert_eq!(
            hex(&record.to_bytes(PageSize::Kib4).unwrap()),
            "02820800".to_owned() + "0000" + "01" + "fd" + "0080" + "0000" + "0200" + "6162"
        );
    }
}
