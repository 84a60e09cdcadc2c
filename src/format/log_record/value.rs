//! The fields of a record as named values, for people and scripts.

use crate::format::primitive::{BackupInfo, LogPosition, LogTime, Signature};
use std::fmt;

/// Takes the fields of a record one by one: the name, which is that of the structure's field, and the value.
pub(super) type Sink<'s, 'a> = &'s mut dyn FnMut(&'static str, FieldValue<'a>);

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// A number.
    Number(u64),
    /// A number that may be negative.
    Signed(i64),
    /// A set of flags: the bits, and their names.
    Flags(u32, String),
    /// Text, or a number that has a name.
    Text(String),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Page numbers.
    Pages(PageNumbers<'a>),
    /// A position in the log.
    LogPosition(LogPosition),
    /// A time.
    LogTime(LogTime),
    /// A signature.
    Signature(Signature),
    /// A backup.
    BackupInfo(BackupInfo),
}

/// Page numbers in a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PageNumbers<'a>(&'a [u8]);

impl<'a> PageNumbers<'a> {
    /// The page numbers; a rest of less than four bytes is none.
    pub fn iter(self) -> impl Iterator<Item = u32> + 'a {
        let (numbers, _) = self.0.as_chunks();
        numbers.iter().map(|bytes| u32::from_le_bytes(*bytes))
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.0.len() / 4
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for PageNumbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> super::shape::Tail<'a> for PageNumbers<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        PageNumbers(bytes)
    }

    fn bytes(&self) -> &'a [u8] {
        self.0
    }

    fn visit(&self, name: &'static str, sink: Sink<'_, 'a>) {
        sink(name, FieldValue::Pages(*self));
    }
}
