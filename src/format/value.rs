//! Values of columns: from their bytes, and as text and JSON (database-file.md section 7.4).

use super::bytes::Fields;
use super::column_type::ColumnType;
use super::date_time::DateTime;
use super::error::{FormatError, Structure};
use super::guid::Guid;
use super::text::Text;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// Bit.
    Bit(bool),
    /// UnsignedByte.
    UnsignedByte(u8),
    /// Short.
    Short(i16),
    /// Long.
    Long(i32),
    /// Currency: ten-thousandths.
    Currency(i64),
    /// IEEESingle.
    IeeeSingle(f32),
    /// IEEEDouble.
    IeeeDouble(f64),
    /// DateTime.
    DateTime(DateTime),
    /// Binary and LongBinary; also types that jetfs does not know.
    Binary(Vec<u8>),
    /// Text and LongText.
    Text(Text),
    /// UnsignedLong.
    UnsignedLong(u32),
    /// LongLong.
    LongLong(i64),
    /// GUID.
    Guid(Guid),
    /// UnsignedShort.
    UnsignedShort(u16),
    /// UnsignedLongLong.
    UnsignedLongLong(u64),
    /// The values of a multi-valued column that has more than one.
    Multi(Vec<Value>),
}

impl Value {
    /// Reads the bytes of a value of type `kind`; `code_page` is that of the column.
    pub fn read(kind: ColumnType, code_page: u16, bytes: Vec<u8>) -> Result<Value, FormatError> {
        if let Some(len) = kind.fixed_len().filter(|&len| len != bytes.len()) {
            let what = format!("a {kind} has {} bytes, not {len}", bytes.len());
            return Err(FormatError::other(Structure::Record, 0, what));
        }
        let fields = Fields::new(Structure::Record, &bytes);
        Ok(match kind {
            ColumnType::Bit => Value::Bit(fields.u8(0)? != 0),
            ColumnType::UnsignedByte => Value::UnsignedByte(fields.u8(0)?),
            ColumnType::Short => Value::Short(i16::from_le_bytes(fields.array(0)?)),
            ColumnType::Long => Value::Long(fields.i32(0)?),
            ColumnType::Currency => Value::Currency(i64::from_le_bytes(fields.array(0)?)),
            ColumnType::IeeeSingle => Value::IeeeSingle(f32::from_le_bytes(fields.array(0)?)),
            ColumnType::IeeeDouble => Value::IeeeDouble(f64::from_le_bytes(fields.array(0)?)),
            ColumnType::DateTime => Value::DateTime(DateTime::from_bits(fields.u64(0)?)),
            ColumnType::UnsignedLong => Value::UnsignedLong(fields.u32(0)?),
            ColumnType::LongLong => Value::LongLong(i64::from_le_bytes(fields.array(0)?)),
            ColumnType::Guid => Value::Guid(Guid(fields.array(0)?)),
            ColumnType::UnsignedShort => Value::UnsignedShort(fields.u16(0)?),
            ColumnType::UnsignedLongLong => Value::UnsignedLongLong(fields.u64(0)?),
            ColumnType::Text | ColumnType::LongText => Value::Text(Text { bytes, code_page }),
            ColumnType::Nil | ColumnType::Binary | ColumnType::LongBinary | ColumnType::Slv => {
                Value::Binary(bytes)
            }
        })
    }

    /// The bytes that records store: none for NULL, one for each of several values.
    pub fn stored(&self) -> Vec<Cow<'_, [u8]>> {
        let number = |bytes: &[u8]| vec![Cow::Owned(bytes.to_vec())];
        match self {
            Value::Null => Vec::new(),
            Value::Bit(value) => number(&[if *value { 0xff } else { 0 }]),
            Value::UnsignedByte(value) => number(&[*value]),
            Value::Short(value) => number(&value.to_le_bytes()),
            Value::Long(value) => number(&value.to_le_bytes()),
            Value::Currency(value) | Value::LongLong(value) => number(&value.to_le_bytes()),
            Value::IeeeSingle(value) => number(&value.to_le_bytes()),
            Value::IeeeDouble(value) => number(&value.to_le_bytes()),
            Value::DateTime(value) => number(&value.bits().to_le_bytes()),
            Value::Binary(bytes) => vec![Cow::Borrowed(bytes)],
            Value::Text(text) => vec![Cow::Borrowed(&text.bytes)],
            Value::UnsignedLong(value) => number(&value.to_le_bytes()),
            Value::Guid(value) => number(&value.0),
            Value::UnsignedShort(value) => number(&value.to_le_bytes()),
            Value::UnsignedLongLong(value) => number(&value.to_le_bytes()),
            Value::Multi(values) => values.iter().flat_map(Value::stored).collect(),
        }
    }

    /// The bytes that records store of it, or of the first of several values; `None` for NULL.
    pub fn first_stored(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Value::Binary(bytes) => Some(Cow::Borrowed(bytes)),
            Value::Text(text) => Some(Cow::Borrowed(&text.bytes)),
            other => other.stored().into_iter().next(),
        }
    }

    /// Whether a column of type `kind` can hold it; the code page of text must be `code_page`. NULL fits every column.
    pub fn fits(&self, kind: ColumnType, code_page: u16) -> bool {
        match self {
            Value::Null => true,
            Value::Binary(_) => matches!(kind, ColumnType::Binary | ColumnType::LongBinary),
            Value::Text(text) => kind.is_text() && text.code_page == code_page,
            Value::Multi(values) => values.iter().all(|value| value.fits(kind, code_page)),
            Value::Bit(_) => kind == ColumnType::Bit,
            Value::UnsignedByte(_) => kind == ColumnType::UnsignedByte,
            Value::Short(_) => kind == ColumnType::Short,
            Value::Long(_) => kind == ColumnType::Long,
            Value::Currency(_) => kind == ColumnType::Currency,
            Value::IeeeSingle(_) => kind == ColumnType::IeeeSingle,
            Value::IeeeDouble(_) => kind == ColumnType::IeeeDouble,
            Value::DateTime(_) => kind == ColumnType::DateTime,
            Value::UnsignedLong(_) => kind == ColumnType::UnsignedLong,
            Value::LongLong(_) => kind == ColumnType::LongLong,
            Value::Guid(_) => kind == ColumnType::Guid,
            Value::UnsignedShort(_) => kind == ColumnType::UnsignedShort,
            Value::UnsignedLongLong(_) => kind == ColumnType::UnsignedLongLong,
        }
    }

    /// Whether there is no value.
    pub fn is_null(&self) -> bool {
        *self == Value::Null
    }
}

impl fmt::Display for Value {
    /// `NULL`; numbers as numbers; text in quotes, with escapes; bytes as `0x…`; several values as `[…]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("NULL"),
            Value::Bit(value) => value.fmt(f),
            Value::UnsignedByte(value) => value.fmt(f),
            Value::Short(value) => value.fmt(f),
            Value::Long(value) => value.fmt(f),
            Value::Currency(value) | Value::LongLong(value) => value.fmt(f),
            Value::IeeeSingle(value) => value.fmt(f),
            Value::IeeeDouble(value) => value.fmt(f),
            Value::DateTime(value) => value.fmt(f),
            Value::Binary(bytes) => write!(f, "0x{}", Hex(bytes)),
            Value::Text(text) => write!(f, "{:?}", text.decode()),
            Value::UnsignedLong(value) => value.fmt(f),
            Value::Guid(value) => value.fmt(f),
            Value::UnsignedShort(value) => value.fmt(f),
            Value::UnsignedLongLong(value) => value.fmt(f),
            Value::Multi(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{value}")?;
                }
                f.write_str("]")
            }
        }
    }
}

impl Serialize for Value {
    /// NULL is null; numbers are numbers; bytes are a string of hexadecimal digits; several values are an array.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bit(value) => serializer.serialize_bool(*value),
            Value::UnsignedByte(value) => serializer.serialize_u8(*value),
            Value::Short(value) => serializer.serialize_i16(*value),
            Value::Long(value) => serializer.serialize_i32(*value),
            Value::Currency(value) | Value::LongLong(value) => serializer.serialize_i64(*value),
            Value::IeeeSingle(value) if !value.is_finite() => serializer.collect_str(value),
            Value::IeeeSingle(value) => serializer.serialize_f32(*value),
            Value::IeeeDouble(value) if !value.is_finite() => serializer.collect_str(value),
            Value::IeeeDouble(value) => serializer.serialize_f64(*value),
            Value::DateTime(value) => value.serialize(serializer),
            Value::Binary(bytes) => serializer.collect_str(&Hex(bytes)),
            Value::Text(text) => serializer.serialize_str(&text.decode()),
            Value::UnsignedLong(value) => serializer.serialize_u32(*value),
            Value::Guid(value) => serializer.collect_str(value),
            Value::UnsignedShort(value) => serializer.serialize_u16(*value),
            Value::UnsignedLongLong(value) => serializer.serialize_u64(*value),
            Value::Multi(values) => serializer.collect_seq(values),
        }
    }
}

/// Bytes as hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: ColumnType, bytes: &[u8]) -> Value {
        Value::read(kind, 1252, bytes.to_vec()).unwrap()
    }

    #[test]
    fn null_and_the_text_null_look_different() {
        assert_eq!(Value::Null.to_string(), "NULL");
        assert_eq!(read(ColumnType::Text, b"NULL").to_string(), "\"NULL\"");
        assert_eq!(read(ColumnType::Text, b"a\tb\x80").to_string(), "\"a\\tb€\"");
    }

    #[test]
    fn several_values_are_a_list() {
        let values = Value::Multi(vec![Value::Long(-1), read(ColumnType::Binary, &[0, 255])]);
        assert_eq!(values.to_string(), "[-1, 0x00ff]");
        assert_eq!(serde_json::to_string(&values).unwrap(), "[-1,\"00ff\"]");
    }

    #[test]
    fn what_is_stored_reads_as_the_same_value() {
        for kind in ColumnType::ALL {
            let bytes = vec![0xff; kind.fixed_len().unwrap_or(5)];
            let value = read(kind, &bytes);
            assert_eq!(value.stored(), [bytes]);
            let is_obsolete = matches!(kind, ColumnType::Nil | ColumnType::Slv);
            assert_eq!(value.fits(kind, 1252), !is_obsolete, "{kind}");
            assert!(!value.fits(kind, 1200) || kind.fixed_len().is_some() || !kind.is_text());
        }
        assert!(Value::Null.stored().is_empty());
        assert!(Value::Null.fits(ColumnType::Guid, 0));
        let both = Value::Multi(vec![Value::Short(1), Value::Short(-1)]);
        assert_eq!(both.stored(), [vec![1, 0], vec![0xff, 0xff]]);
    }

    #[test]
    fn a_value_of_the_wrong_length_is_an_error() {
        assert!(Value::read(ColumnType::Long, 0, vec![1, 2, 3]).is_err());
    }
}
