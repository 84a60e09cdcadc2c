//! Table records from the values of their columns (database-file.md section 7); `record_parts` lays them out.

use super::error::{FormatError, Structure};
use super::long_value::Lid;
use super::page_size::PageSize;
use super::record::{ColumnId, TagInfo};
use super::record_parts::{RecordParts, TaggedPart, ValuePart};
use std::borrow::Cow;

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
        let mut parts = RecordParts::default();
        for field in stored(&self.fixed, |field| field.value.is_some()) {
            push_fixed(&mut parts, field)?;
        }
        parts.variable = stored(&self.variable, Option::is_some)
            .iter()
            .map(|value| value.map(Cow::Borrowed))
            .collect();
        parts.tagged = self
            .tagged
            .iter()
            .map(TaggedField::part)
            .collect::<Result<_, _>>()?;
        parts.to_bytes(size)
    }
}

/// The fields up to the last one that has a value.
fn stored<T>(fields: &[T], has_value: impl Fn(&T) -> bool) -> &[T] {
    let len = fields.iter().rposition(has_value).map_or(0, |last| last + 1);
    fields.get(..len).unwrap_or(fields)
}

fn push_fixed(parts: &mut RecordParts<'_>, field: &FixedField<'_>) -> Result<(), FormatError> {
    let fixed = parts.fixed.to_mut();
    match field.value {
        Some(value) if value.len() != field.len => {
            return Err(error("a fixed column has a value of another length"));
        }
        Some(value) => fixed.extend_from_slice(value),
        // Zeros: some readers ignore the NULL bits (section 7.2).
        None => fixed.resize(fixed.len() + field.len, 0),
    }
    parts.fixed_nulls.push(field.value.is_none());
    Ok(())
}

impl<'a> TaggedField<'a> {
    fn part(&self) -> Result<TaggedPart<'a>, FormatError> {
        if self.values.is_empty() {
            return Err(error("a tagged column without values is not stored"));
        }
        let value = |value: &TaggedValue<'a>| match value {
            TaggedValue::Intrinsic(bytes) => ValuePart::Intrinsic(Cow::Borrowed(*bytes)),
            TaggedValue::Separated(lid) => ValuePart::Separated(Lid::Lid32(*lid)),
        };
        Ok(TaggedPart {
            id: ColumnId(self.id),
            derived: false,
            info: if self.is_long {
                TagInfo::LONG_VALUE
            } else {
                TagInfo::TWO_VALUES
            },
            values: self.values.iter().map(value).collect(),
        })
    }
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
        let record = |values: &[&'static [u8]]| {
            let field = TaggedField {
                id: 256,
                is_long: false,
                values: values.iter().copied().map(TaggedValue::Intrinsic).collect(),
            };
            let writer = RecordWriter {
                tagged: vec![field],
                ..Default::default()
            };
            hex(&writer.to_bytes(PageSize::Kib4).unwrap()[8..])
        };
        assert_eq!(record(&[&[0], &[0x7f], &[0xff]]), "08060007000800007fff");
        assert_eq!(record(&[&[0], &[0xff]]), "180100ff");
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
