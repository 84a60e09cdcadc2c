//! What the records that change a page have in common: `LRPAGE_` and `LRNODE_` (log-and-recovery.md section 4.1).

use super::shape::Field;
use super::value::{FieldValue, Sink};
use crate::format::FormatError;
use crate::format::bytes::{Fields, put};

/// The dbtime that stands for none.
pub const DBTIME_NIL: u64 = u64::MAX;

/// `LRPAGE_`: who changed which page, in what state it was before, and how deep in which transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageOperation {
    /// `procid`: the session.
    pub session: u16,
    /// `dbid`: the database, 1 to 6.
    pub database: u8,
    /// `pgno`: the page that is changed; of the records that make or convert trees the root.
    pub page: u32,
    /// `dbtime`: what the page gets. [`DBTIME_NIL`] in [`UndoInfo`](super::UndoInfo), which changes no page.
    pub dbtime: u64,
    /// `dbtimeBefore`: what the page must have had. [`DBTIME_NIL`] in a macro's leaf operation and for new trees.
    pub dbtime_before: u64,
    /// `trxBegin0`: the transaction.
    pub trx: u32,
    /// `level` of the operation, 1 to 11.
    pub level: u8,
    /// `iline`: the line on the page, from 0; the external header is not counted.
    pub line: u16,
    /// `flags`.
    pub flags: OperationFlags,
}

bitflags::bitflags! {
    /// Flags of `LRPAGE_`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct OperationFlags: u8 {
        /// It made a version, so that it can be undone.
        const VERSIONED = 0x01;
        /// Obsolete.
        const DELETED = 0x02;
        /// The tree is unique: the key alone is the bookmark.
        const UNIQUE = 0x04;
        /// The tree is a space tree.
        const SPACE = 0x08;
        /// While the index is being made by another session.
        const CREATING_INDEX = 0x10;
        /// By a task of the system.
        const SYSTEM = 0x20;
    }
}

/// `LRNODE_`: an operation on a node of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeOperation {
    /// The page.
    pub page: PageOperation,
    /// `rceid` of the version, unique between two starts of the engine; 0 is none.
    pub rceid: u32,
    /// `pgnoFDP`: root of the tree.
    pub page_fdp: u32,
    /// `objidFDP` of the tree.
    pub objid: u32,
}

impl<'a> Field<'a> for PageOperation {
    #[inline]
    fn load(fields: &Fields<'a>, offset: usize) -> Result<Self, FormatError> {
        // One look at the length instead of nine: most records begin with this.
        let bytes: [u8; 32] = fields.array(offset)?;
        let fields = Fields::new(crate::format::Structure::LogRecord, &bytes);
        Ok(PageOperation {
            session: fields.u16(1)?,
            database: fields.u8(3)?,
            page: fields.u32(4)?,
            dbtime: fields.u64(8)?,
            dbtime_before: fields.u64(16)?,
            trx: fields.u32(24)?,
            level: fields.u8(28)?,
            line: fields.u16(29)?,
            flags: OperationFlags::from_bits_retain(fields.u8(31)?),
        })
    }

    fn store(&self, record: &mut [u8], offset: usize) -> Result<(), FormatError> {
        put(record, offset + 1, &self.session.to_le_bytes());
        put(record, offset + 3, &[self.database]);
        put(record, offset + 4, &self.page.to_le_bytes());
        put(record, offset + 8, &self.dbtime.to_le_bytes());
        put(record, offset + 16, &self.dbtime_before.to_le_bytes());
        put(record, offset + 24, &self.trx.to_le_bytes());
        put(record, offset + 28, &[self.level]);
        put(record, offset + 29, &self.line.to_le_bytes());
        put(record, offset + 31, &[self.flags.bits()]);
        Ok(())
    }

    fn visit(&self, _: &'static str, sink: Sink<'_, 'a>) {
        sink("session", FieldValue::Number(self.session.into()));
        sink("database", FieldValue::Number(self.database.into()));
        sink("page", FieldValue::Number(self.page.into()));
        sink("dbtime", FieldValue::Number(self.dbtime));
        sink("dbtime_before", FieldValue::Number(self.dbtime_before));
        sink("trx", FieldValue::Number(self.trx.into()));
        sink("level", FieldValue::Number(self.level.into()));
        sink("line", FieldValue::Number(self.line.into()));
        self.flags.visit("flags", sink);
    }

    fn page_operation(&self) -> Option<&PageOperation> {
        Some(self)
    }
}

impl<'a> Field<'a> for NodeOperation {
    #[inline]
    fn load(fields: &Fields<'a>, offset: usize) -> Result<Self, FormatError> {
        Ok(NodeOperation {
            page: PageOperation::load(fields, offset)?,
            rceid: fields.u32(offset + 32)?,
            page_fdp: fields.u32(offset + 36)?,
            objid: fields.u32(offset + 40)?,
        })
    }

    fn store(&self, record: &mut [u8], offset: usize) -> Result<(), FormatError> {
        put(record, offset + 32, &self.rceid.to_le_bytes());
        put(record, offset + 36, &self.page_fdp.to_le_bytes());
        put(record, offset + 40, &self.objid.to_le_bytes());
        self.page.store(record, offset)
    }

    fn visit(&self, name: &'static str, sink: Sink<'_, 'a>) {
        self.page.visit(name, sink);
        sink("rceid", FieldValue::Number(self.rceid.into()));
        sink("page_fdp", FieldValue::Number(self.page_fdp.into()));
        sink("objid", FieldValue::Number(self.objid.into()));
    }

    fn page_operation(&self) -> Option<&PageOperation> {
        Some(&self.page)
    }
}

/// Flags and named numbers as fields.
macro_rules! flag_field {
    ($($type:ident: $bits:ident,)*) => {$(
        impl<'a> $crate::format::log_record::shape::Field<'a> for $type {
            fn load(
                fields: &$crate::format::bytes::Fields<'a>,
                offset: usize,
            ) -> Result<Self, $crate::format::FormatError> {
                fields.$bits(offset).map($type::from_bits_retain)
            }

            fn store(&self, record: &mut [u8], offset: usize) -> Result<(), $crate::format::FormatError> {
                $crate::format::log_record::shape::Field::store(&self.bits(), record, offset)
            }

            fn visit(&self, name: &'static str, sink: $crate::format::log_record::value::Sink<'_, 'a>) {
                let names: Vec<&str> = self.iter_names().map(|(name, _)| name).collect();
                let value = $crate::format::log_record::FieldValue::Flags(self.bits().into(), names.join("|"));
                sink(name, value);
            }
        }
    )*};
}

/// Declares an enumeration whose numbers stand in records; a number without a name is kept.
macro_rules! named_number {
    ($(#[$meta:meta])* pub enum $name:ident: $bits:ident { $($(#[$doc:meta])* $variant:ident = $number:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// A number that the format does not name.
            Unknown($bits),
        }

        impl<'a> $crate::format::log_record::shape::Field<'a> for $name {
            fn load(
                fields: &$crate::format::bytes::Fields<'a>,
                offset: usize,
            ) -> Result<Self, $crate::format::FormatError> {
                Ok(match fields.$bits(offset)? {
                    $($number => $name::$variant,)*
                    other => $name::Unknown(other),
                })
            }

            fn store(&self, record: &mut [u8], offset: usize) -> Result<(), $crate::format::FormatError> {
                let number: $bits = match self {
                    $($name::$variant => $number,)*
                    $name::Unknown(other) => *other,
                };
                $crate::format::log_record::shape::Field::store(&number, record, offset)
            }

            fn visit(&self, name: &'static str, sink: $crate::format::log_record::value::Sink<'_, 'a>) {
                sink(name, $crate::format::log_record::FieldValue::Text(format!("{self:?}")));
            }
        }
    };
}

flag_field! { OperationFlags: u8, }

pub(super) use {flag_field, named_number};
