//! Structures of fixed layout as tables: one line a field, with its offset, so that each offset stands once.

use super::bytes::{Fields, put};
use super::error::FormatError;
use super::page_size::PageSize;
use super::primitive::{BackupInfo, BackupType, FileType, LogPosition, LogTime, Signature};

/// A value with one form in files.
pub(super) trait Stored: Sized {
    /// Reads the value at `offset`.
    fn load(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError>;

    /// Writes the value at `offset` of a buffer that holds it.
    fn store(&self, buffer: &mut [u8], offset: usize);
}

macro_rules! stored_integers {
    ($($type:ident)*) => {$(
        impl Stored for $type {
            fn load(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
                fields.$type(offset)
            }

            fn store(&self, buffer: &mut [u8], offset: usize) {
                put(buffer, offset, &self.to_le_bytes());
            }
        }
    )*};
}

macro_rules! stored_structures {
    ($($type:ident)*) => {$(
        impl Stored for $type {
            fn load(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
                $type::read(fields, offset)
            }

            fn store(&self, buffer: &mut [u8], offset: usize) {
                put(buffer, offset, &self.to_bytes());
            }
        }
    )*};
}

macro_rules! stored_numbers {
    ($($type:ident)*) => {$(
        impl Stored for $type {
            fn load(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
                fields.u32(offset).map($type::from)
            }

            fn store(&self, buffer: &mut [u8], offset: usize) {
                put(buffer, offset, &self.number().to_le_bytes());
            }
        }
    )*};
}

pub(super) use stored_numbers;

stored_integers!(u16 u32 u64);
stored_structures!(LogTime Signature LogPosition BackupInfo);
stored_numbers!(BackupType FileType);

impl Stored for u8 {
    fn load(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        fields.u8(offset)
    }

    fn store(&self, buffer: &mut [u8], offset: usize) {
        put(buffer, offset, &[*self]);
    }
}

impl<const N: usize> Stored for [u8; N] {
    fn load(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        fields.array(offset)
    }

    fn store(&self, buffer: &mut [u8], offset: usize) {
        put(buffer, offset, self);
    }
}

/// `cbPageSize` of a database header: 0 stands for 4096 and stays 0 when it is written back.
impl Stored for PageSize {
    fn load(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        PageSize::from_stored(fields.u32(offset)?)
    }

    fn store(&self, buffer: &mut [u8], offset: usize) {
        let old = buffer.get(offset..).and_then(|rest| rest.first_chunk());
        if *self != PageSize::Kib4 || old != Some(&[0; 4]) {
            put(
                buffer,
                offset,
                &u32::try_from(self.bytes()).unwrap_or(0).to_le_bytes(),
            );
        }
    }
}

/// Declares a structure by its fields: `offset name: type`. It keeps the bytes that no field names.
///
/// Makes `read_fields(&[u8])` and `write_fields(&self, len) -> Vec<u8>`, both private to the declaring module.
macro_rules! layout {
    (
        $(#[$meta:meta])*
        pub struct $name:ident in $structure:ident {
            $($(#[$doc:meta])* $offset:literal $field:ident: $type:ty,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
            /// The bytes as they were read, for those that no field names.
            original: Vec<u8>,
        }

        impl $name {
            fn read_fields(bytes: &[u8]) -> Result<Self, $crate::format::FormatError> {
                let fields = $crate::format::bytes::Fields::new($crate::format::Structure::$structure, bytes);
                Ok($name {
                    $($field: $crate::format::layout::Stored::load(&fields, $offset)?,)*
                    original: bytes.to_vec(),
                })
            }

            fn write_fields(&self, len: usize) -> Vec<u8> {
                let mut bytes = self.original.clone();
                bytes.resize(len, 0);
                $($crate::format::layout::Stored::store(&self.$field, &mut bytes, $offset);)*
                bytes
            }
        }
    };
}

pub(super) use layout;
