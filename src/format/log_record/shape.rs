//! How records are declared: fields at fixed offsets, then tails whose lengths stand in the fixed part
//! (log-and-recovery.md section 4.2).
//!
//! One declaration makes the structure, its exact length, its reading and writing, and the list of its fields for
//! people.

use super::operation::PageOperation;
use super::value::{FieldValue, Sink};
use crate::format::FormatError;
use crate::format::bytes::{Fields, put};
use crate::format::primitive::{BackupInfo, LogPosition, LogTime, Signature};

/// The body of a record.
pub(super) trait Body<'a>: Sized {
    /// Exact length of the record at the start of `fields`, which may hold more or less than it.
    fn len_of(fields: &Fields<'a>) -> Result<usize, FormatError>;

    /// Reads the record; `fields` are its bytes and no more.
    fn read(fields: &Fields<'a>) -> Result<Self, FormatError>;

    /// Appends the record to `out`; the byte of its type is left 0. After an error anything may have been appended.
    fn store(&self, out: &mut Vec<u8>) -> Result<(), FormatError>;

    /// Gives every field to `sink`, in the order of the declaration.
    fn visit(&self, sink: Sink<'_, 'a>);

    /// The common prefix of the records that change a page.
    fn page_operation(&self) -> Option<&PageOperation> {
        None
    }
}

/// A value at a fixed offset.
pub(super) trait Field<'a>: Sized {
    /// Reads it.
    fn load(fields: &Fields<'a>, offset: usize) -> Result<Self, FormatError>;

    /// Writes it into the fixed part of a record.
    ///
    /// # Errors
    /// A value that the field cannot hold.
    fn store(&self, record: &mut [u8], offset: usize) -> Result<(), FormatError>;

    /// Gives it to `sink`, under its name or, if it has parts, those under theirs.
    fn visit(&self, name: &'static str, sink: Sink<'_, 'a>);

    /// Itself, if it is the common prefix.
    fn page_operation(&self) -> Option<&PageOperation> {
        None
    }
}

/// What a tail's bytes mean.
pub(super) trait Tail<'a>: Sized {
    /// The tail of these bytes.
    fn of(bytes: &'a [u8]) -> Self;

    /// Its bytes.
    fn bytes(&self) -> &'a [u8];

    /// Gives it to `sink`.
    fn visit(&self, name: &'static str, sink: Sink<'_, 'a>);
}

impl<'a> Tail<'a> for &'a [u8] {
    fn of(bytes: &'a [u8]) -> Self {
        bytes
    }

    fn bytes(&self) -> &'a [u8] {
        self
    }

    fn visit(&self, name: &'static str, sink: Sink<'_, 'a>) {
        sink(name, FieldValue::Bytes(self));
    }
}

macro_rules! fields {
    ($($type:ident as $variant:ident,)*) => {$(
        impl<'a> Field<'a> for $type {
            #[inline]
            fn load(fields: &Fields<'a>, offset: usize) -> Result<Self, FormatError> {
                fields.$type(offset)
            }

            fn store(&self, record: &mut [u8], offset: usize) -> Result<(), FormatError> {
                put(record, offset, &self.to_le_bytes());
                Ok(())
            }

            fn visit(&self, name: &'static str, sink: Sink<'_, 'a>) {
                sink(name, FieldValue::$variant((*self).into()));
            }
        }
    )*};
}

fields! {
    u8 as Number,
    u16 as Number,
    u32 as Number,
    u64 as Number,
    i16 as Signed,
    i32 as Signed,
    i64 as Signed,
}

macro_rules! structures {
    ($($type:ident)*) => {$(
        impl<'a> Field<'a> for $type {
            fn load(fields: &Fields<'a>, offset: usize) -> Result<Self, FormatError> {
                $type::read(fields, offset)
            }

            fn store(&self, record: &mut [u8], offset: usize) -> Result<(), FormatError> {
                put(record, offset, &self.to_bytes());
                Ok(())
            }

            fn visit(&self, name: &'static str, sink: Sink<'_, 'a>) {
                sink(name, FieldValue::$type(*self));
            }
        }
    )*};
}

structures!(LogPosition LogTime Signature BackupInfo);

/// Bytes that mean nothing, kept so that a record is written as it was read. People do not see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved<const N: usize>([u8; N]);

impl<const N: usize> Default for Reserved<N> {
    /// Zeros, as new records have them.
    fn default() -> Self {
        Reserved([0; N])
    }
}

impl<'a, const N: usize> Field<'a> for Reserved<N> {
    fn load(fields: &Fields<'a>, offset: usize) -> Result<Self, FormatError> {
        fields.array(offset).map(Reserved)
    }

    fn store(&self, record: &mut [u8], offset: usize) -> Result<(), FormatError> {
        put(record, offset, &self.0);
        Ok(())
    }

    fn visit(&self, _name: &'static str, _sink: Sink<'_, 'a>) {}
}

/// Where the length of a tail stands: `kind @ offset` in a declaration.
pub(super) mod length {
    use super::{Fields, FormatError};

    /// A `u16`.
    #[inline]
    pub(in super::super) fn u16(fields: &Fields<'_>, offset: usize) -> Result<usize, FormatError> {
        fields.u16(offset).map(usize::from)
    }

    /// A `u32`. It may be anything: what it is added to must saturate.
    #[inline]
    pub(in super::super) fn u32(fields: &Fields<'_>, offset: usize) -> Result<usize, FormatError> {
        let len = fields.u32(offset)?;
        Ok(usize::try_from(len).unwrap_or(usize::MAX))
    }

    /// The low 15 bits of a `u16`: the highest one has a meaning of its own.
    pub(in super::super) fn u15(fields: &Fields<'_>, offset: usize) -> Result<usize, FormatError> {
        fields.u16(offset).map(|stored| usize::from(stored & 0x7fff))
    }

    /// The sum of two `u16`: a key in two parts.
    #[inline]
    pub(in super::super) fn two_u16(fields: &Fields<'_>, offset: usize) -> Result<usize, FormatError> {
        Ok(usize::from(fields.u16(offset)?) + usize::from(fields.u16(offset + 2)?))
    }
}

/// Writes the length of a tail where [`length`] reads it, after the fields of the record.
pub(super) mod put_length {
    use super::{Fields, FormatError, put};
    use crate::format::Structure;

    /// The error of a length that does not fit.
    pub(in super::super) fn too_long(offset: usize, len: usize) -> FormatError {
        let what = format!("{len} bytes are more than the record can hold");
        FormatError::other(Structure::LogRecord, offset, what)
    }

    pub(in super::super) fn u16(record: &mut [u8], offset: usize, len: usize) -> Result<(), FormatError> {
        let stored = u16::try_from(len).map_err(|_| too_long(offset, len))?;
        put(record, offset, &stored.to_le_bytes());
        Ok(())
    }

    pub(in super::super) fn u32(record: &mut [u8], offset: usize, len: usize) -> Result<(), FormatError> {
        let stored = u32::try_from(len).map_err(|_| too_long(offset, len))?;
        put(record, offset, &stored.to_le_bytes());
        Ok(())
    }

    /// Keeps the highest bit, which a field has written.
    pub(in super::super) fn u15(record: &mut [u8], offset: usize, len: usize) -> Result<(), FormatError> {
        let flag = Fields::new(Structure::LogRecord, record).u16(offset)? & 0x8000;
        let stored = u16::try_from(len).ok().filter(|len| *len < 0x8000);
        let stored = stored.ok_or_else(|| too_long(offset, len))? | flag;
        put(record, offset, &stored.to_le_bytes());
        Ok(())
    }

    /// The second length is a field; the first one is what it leaves.
    pub(in super::super) fn two_u16(record: &mut [u8], offset: usize, len: usize) -> Result<(), FormatError> {
        let second = Fields::new(Structure::LogRecord, record).u16(offset + 2)?;
        let first = len.checked_sub(usize::from(second));
        u16(
            record,
            offset,
            first.ok_or_else(|| too_long(offset, second.into()))?,
        )
    }
}

/// Declares a record: `offset name: type` for each field of the fixed part of so many bytes, then the tails, each
/// with the place of its length.
///
/// `skippable` records have their length after the first five bytes in those (`LRIGNORED`): a reader that does not
/// know the type can pass over them. Their `rest` is what follows the fixed part.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident is $len:literal {
            $($(#[$doc:meta])* $offset:literal $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl<'a> $crate::format::log_record::shape::Body<'a> for $name {
            fn len_of(_: &$crate::format::bytes::Fields<'a>) -> Result<usize, $crate::format::FormatError> {
                Ok($len)
            }

            $crate::format::log_record::shape::store! { $len { $($offset $field,)* } {} }
            $crate::format::log_record::shape::body! { $name { $($offset $field,)* } }
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $name:ident<$life:lifetime> is $len:literal {
            $($(#[$doc:meta])* $offset:literal $field:ident: $type:ty,)*
        }
        tail {
            $($(#[$tail_doc:meta])* $tail:ident: $tail_type:ty = $kind:ident @ $at:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name<$life> {
            $($(#[$doc])* pub $field: $type,)*
            $($(#[$tail_doc])* pub $tail: $tail_type,)*
        }

        impl<$life> $crate::format::log_record::shape::Body<$life> for $name<$life> {
            fn len_of(
                fields: &$crate::format::bytes::Fields<$life>,
            ) -> Result<usize, $crate::format::FormatError> {
                let _ = fields;
                let len: usize = $len;
                $(let len = len.saturating_add($crate::format::log_record::shape::length::$kind(fields, $at)?);)*
                Ok(len)
            }

            $crate::format::log_record::shape::store! {
                $len { $($offset $field,)* } { $($tail = $kind @ $at,)* }
            }
            $crate::format::log_record::shape::body! {
                $name { $($offset $field,)* } $len { $($tail = $kind @ $at,)* }
            }
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $name:ident skippable $len:literal {
            $($(#[$doc:meta])* $offset:literal $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl<'a> $crate::format::log_record::shape::Body<'a> for $name {
            fn len_of(
                fields: &$crate::format::bytes::Fields<'a>,
            ) -> Result<usize, $crate::format::FormatError> {
                $crate::format::log_record::shape::skippable_len(fields)
            }

            $crate::format::log_record::shape::store! { $len { $($offset $field,)* } { skippable } }
            $crate::format::log_record::shape::body! { $name { $($offset $field,)* } }
        }
    };
    (
        $(#[$meta:meta])*
        pub struct $name:ident<$life:lifetime> skippable $len:literal {
            $($(#[$doc:meta])* $offset:literal $field:ident: $type:ty,)*
        }
        rest $(#[$rest_doc:meta])* $rest:ident: $rest_type:ty
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name<$life> {
            $($(#[$doc])* pub $field: $type,)*
            $(#[$rest_doc])*
            pub $rest: $rest_type,
        }

        impl<$life> $crate::format::log_record::shape::Body<$life> for $name<$life> {
            fn len_of(
                fields: &$crate::format::bytes::Fields<$life>,
            ) -> Result<usize, $crate::format::FormatError> {
                $crate::format::log_record::shape::skippable_len(fields)
            }

            fn read(
                fields: &$crate::format::bytes::Fields<$life>,
            ) -> Result<Self, $crate::format::FormatError> {
                Ok($name {
                    $($field: $crate::format::log_record::shape::Field::load(fields, $offset)?,)*
                    $rest: $crate::format::log_record::shape::Tail::of(fields.from($len)?),
                })
            }

            $crate::format::log_record::shape::store! { $len { $($offset $field,)* } { skippable $rest } }

            fn visit(&self, sink: $crate::format::log_record::value::Sink<'_, $life>) {
                $($crate::format::log_record::shape::Field::visit(&self.$field, stringify!($field), sink);)*
                $crate::format::log_record::shape::Tail::visit(&self.$rest, stringify!($rest), sink);
            }
        }
    };
}

/// The writing of a record: its fixed part, then its tails, then the lengths of those.
macro_rules! store {
    ($len:literal { $($offset:literal $field:ident,)* } { $($tail:ident = $kind:ident @ $at:literal,)* }) => {
        fn store(&self, out: &mut Vec<u8>) -> Result<(), $crate::format::FormatError> {
            let start = out.len();
            out.resize(start + $len, 0);
            $(out.extend_from_slice($crate::format::log_record::shape::Tail::bytes(&self.$tail));)*
            let record = out.get_mut(start..).unwrap_or_default();
            $($crate::format::log_record::shape::Field::store(&self.$field, record, $offset)?;)*
            $(
                let tail = $crate::format::log_record::shape::Tail::bytes(&self.$tail);
                $crate::format::log_record::shape::put_length::$kind(record, $at, tail.len())?;
            )*
            let _ = record;
            Ok(())
        }
    };
    ($len:literal { $($offset:literal $field:ident,)* } { skippable $($rest:ident)? }) => {
        fn store(&self, out: &mut Vec<u8>) -> Result<(), $crate::format::FormatError> {
            let start = out.len();
            out.resize(start + $len, 0);
            $(out.extend_from_slice($crate::format::log_record::shape::Tail::bytes(&self.$rest));)?
            let record = out.get_mut(start..).unwrap_or_default();
            $($crate::format::log_record::shape::Field::store(&self.$field, record, $offset)?;)*
            $crate::format::log_record::shape::put_skippable_len(record)
        }
    };
}

/// The methods that all declarations share.
macro_rules! body {
    ($name:ident { $($offset:literal $field:ident,)* } $($len:literal { $($tail:ident = $kind:ident @ $at:literal,)* })?) => {
        #[inline]
        fn read(
            fields: &$crate::format::bytes::Fields<'a>,
        ) -> Result<Self, $crate::format::FormatError> {
            let _ = fields;
            $(
                let end: usize = $len;
                $(
                    let start = end;
                    let len = $crate::format::log_record::shape::length::$kind(fields, $at)?;
                    let end = start.saturating_add(len);
                    let $tail = $crate::format::log_record::shape::Tail::of(fields.slice(start, len)?);
                )*
                let _ = end;
            )?
            Ok($name {
                $($field: $crate::format::log_record::shape::Field::load(fields, $offset)?,)*
                $($($tail,)*)?
            })
        }

        fn visit(&self, sink: $crate::format::log_record::value::Sink<'_, 'a>) {
            let _ = &sink;
            $($crate::format::log_record::shape::Field::visit(&self.$field, stringify!($field), sink);)*
            $($($crate::format::log_record::shape::Tail::visit(&self.$tail, stringify!($tail), sink);)*)?
        }

        #[inline]
        fn page_operation(&self) -> Option<&$crate::format::log_record::PageOperation> {
            let found = None;
            $(let found = found.or($crate::format::log_record::shape::Field::page_operation(&self.$field));)*
            found
        }
    };
}

/// The length of a record of the shape `LRIGNORED`.
#[inline]
pub(super) fn skippable_len(fields: &Fields<'_>) -> Result<usize, FormatError> {
    Ok(length::u32(fields, 1)?.saturating_add(5))
}

/// Writes the length of a record of the shape `LRIGNORED`.
pub(super) fn put_skippable_len(record: &mut [u8]) -> Result<(), FormatError> {
    let len = record.len().saturating_sub(5);
    put_length::u32(record, 1, len)
}

pub(super) use {body, record, store};
