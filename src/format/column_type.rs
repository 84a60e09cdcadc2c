//! `JET_coltyp`: the types of columns (database-file.md section 7.4).

use std::fmt;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ColumnType {
    /// 0: the placeholder of a deleted column.
    Nil,
    /// 1: 0x00 false, 0xFF true.
    Bit,
    /// 2: `u8`.
    UnsignedByte,
    /// 3: `i16`.
    Short,
    /// 4: `i32`.
    Long,
    /// 5: `i64`.
    Currency,
    /// 6: `f32`.
    IeeeSingle,
    /// 7: `f64`.
    IeeeDouble,
    /// 8: `f64`, days since 1899-12-30; many programs store a FILETIME instead.
    DateTime,
    /// 9: at most 255 bytes.
    Binary,
    /// 10: at most 255 bytes of text in a code page.
    Text,
    /// 11: up to 2 GiB of bytes, always tagged.
    LongBinary,
    /// 12: up to 2 GiB of text, always tagged.
    LongText,
    /// 13: obsolete streaming value.
    Slv,
    /// 14: `u32`.
    UnsignedLong,
    /// 15: `i64`.
    LongLong,
    /// 16: 16 bytes in Windows' order.
    Guid,
    /// 17: `u16`.
    UnsignedShort,
    /// 18: `u64`, newer engines only.
    UnsignedLongLong,
}

impl ColumnType {
    /// Every type, in the order of their numbers, which are their places here.
    pub const ALL: [ColumnType; 19] = [
        ColumnType::Nil,
        ColumnType::Bit,
        ColumnType::UnsignedByte,
        ColumnType::Short,
        ColumnType::Long,
        ColumnType::Currency,
        ColumnType::IeeeSingle,
        ColumnType::IeeeDouble,
        ColumnType::DateTime,
        ColumnType::Binary,
        ColumnType::Text,
        ColumnType::LongBinary,
        ColumnType::LongText,
        ColumnType::Slv,
        ColumnType::UnsignedLong,
        ColumnType::LongLong,
        ColumnType::Guid,
        ColumnType::UnsignedShort,
        ColumnType::UnsignedLongLong,
    ];

    /// The type of a catalog's number; `None` if the format does not name it.
    pub fn from_number(number: u32) -> Option<Self> {
        usize::try_from(number)
            .ok()
            .and_then(|at| Self::ALL.get(at))
            .copied()
    }

    /// The published number.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// Bytes of every value, `None` where values differ in length.
    pub const fn fixed_len(self) -> Option<usize> {
        match self.longest() {
            0 | 255 => None,
            len => Some(len as usize),
        }
    }

    /// Bytes of the longest value if nothing else was said: exact, 255, or 0 for no limit.
    pub const fn longest(self) -> u32 {
        match self {
            ColumnType::Bit | ColumnType::UnsignedByte => 1,
            ColumnType::Short | ColumnType::UnsignedShort => 2,
            ColumnType::Long | ColumnType::IeeeSingle | ColumnType::UnsignedLong => 4,
            ColumnType::Currency
            | ColumnType::IeeeDouble
            | ColumnType::DateTime
            | ColumnType::LongLong
            | ColumnType::UnsignedLongLong => 8,
            ColumnType::Guid => 16,
            ColumnType::Binary | ColumnType::Text => 255,
            ColumnType::Nil | ColumnType::LongBinary | ColumnType::LongText | ColumnType::Slv => 0,
        }
    }

    /// Whether values may be long and stand apart from their record.
    pub const fn is_long(self) -> bool {
        matches!(self, ColumnType::LongBinary | ColumnType::LongText)
    }

    /// Whether values are text.
    pub const fn is_text(self) -> bool {
        matches!(self, ColumnType::Text | ColumnType::LongText)
    }
}

impl fmt::Display for ColumnType {
    /// The published name without `JET_coltyp`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnType::Nil => "Nil",
            ColumnType::Bit => "Bit",
            ColumnType::UnsignedByte => "UnsignedByte",
            ColumnType::Short => "Short",
            ColumnType::Long => "Long",
            ColumnType::Currency => "Currency",
            ColumnType::IeeeSingle => "IEEESingle",
            ColumnType::IeeeDouble => "IEEEDouble",
            ColumnType::DateTime => "DateTime",
            ColumnType::Binary => "Binary",
            ColumnType::Text => "Text",
            ColumnType::LongBinary => "LongBinary",
            ColumnType::LongText => "LongText",
            ColumnType::Slv => "SLV",
            ColumnType::UnsignedLong => "UnsignedLong",
            ColumnType::LongLong => "LongLong",
            ColumnType::Guid => "GUID",
            ColumnType::UnsignedShort => "UnsignedShort",
            ColumnType::UnsignedLongLong => "UnsignedLongLong",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ColumnType;

    #[test]
    fn numbers_and_types_are_each_others_inverse() {
        for kind in ColumnType::ALL {
            assert_eq!(ColumnType::from_number(kind.number()), Some(kind));
        }
        assert_eq!(ColumnType::from_number(19), None);
    }
}
