//! Databases made, attached, detached, grown and shrunk (log-and-recovery.md section 4.7).

use super::operation::{flag_field, named_number};
use super::shape::{Body, Field, Reserved, length, put_length, record};
use super::value::{FieldValue, Sink};
use crate::format::FormatError;
use crate::format::bytes::Fields;
use crate::format::primitive::{LogPosition, Signature};

/// A path in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedPath<'a> {
    bytes: &'a [u8],
    is_unicode: bool,
}

impl<'a> LoggedPath<'a> {
    /// A path of these bytes, which end in NUL: UTF-16LE or the writer's code page.
    pub fn new(bytes: &'a [u8], is_unicode: bool) -> Self {
        LoggedPath { bytes, is_unicode }
    }

    /// The path as text, without the NUL at its end; what is no text is replaced.
    pub fn text(&self) -> String {
        let text = if self.is_unicode {
            let (units, _) = self.bytes.as_chunks();
            let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
            String::from_utf16_lossy(&units)
        } else {
            self.bytes.iter().copied().map(char::from).collect()
        };
        text.trim_end_matches('\0').to_owned()
    }

    fn visit(&self, name: &'static str, sink: Sink<'_, 'a>) {
        sink(name, FieldValue::Text(self.text()));
    }

    /// Appends it to a record and writes its length.
    fn store(&self, record: &mut Vec<u8>, length_offset: usize) -> Result<(), FormatError> {
        put_length::u16(record, length_offset, self.bytes.len())?;
        record.extend_from_slice(self.bytes);
        Ok(())
    }
}

bitflags::bitflags! {
    /// Flags of [`CreateDatabase`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct CreateFlags: u8 {
        /// The record has a version.
        const VERSION = 0x04;
        /// The path is UTF-16.
        const UNICODE = 0x08;
        /// The file is sparse.
        const SPARSE = 0x10;
    }
}

flag_field! { CreateFlags: u8, AttachFlags: u8, DetachFlags: u8, }

/// `CreateDB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreateDatabase<'a> {
    /// `procid`.
    pub session: u16,
    /// `dbid` that the database gets.
    pub database: u8,
    /// `grbit` of the call.
    pub grbit: u32,
    /// `cpgDatabaseSizeMax`; 0 is no limit.
    pub pages_most: u32,
    /// `signDb`.
    pub signature: Signature,
    /// Flags.
    pub flags: CreateFlags,
    /// `usVersion`, `usUpdateMajor`. From version 2 on the contents follow as ordinary records.
    pub version: Option<(u16, u16)>,
    /// The path.
    pub path: LoggedPath<'a>,
}

impl CreateDatabase<'_> {
    const FIXED: usize = 43;
    const VERSION_LEN: usize = 4;

    fn path_start(flags: CreateFlags) -> usize {
        let version = flags.contains(CreateFlags::VERSION);
        Self::FIXED + if version { Self::VERSION_LEN } else { 0 }
    }
}

impl<'a> Body<'a> for CreateDatabase<'a> {
    fn len_of(fields: &Fields<'a>) -> Result<usize, FormatError> {
        Ok(Self::path_start(CreateFlags::load(fields, 42)?) + length::u16(fields, 40)?)
    }

    fn read(fields: &Fields<'a>) -> Result<Self, FormatError> {
        let flags = CreateFlags::load(fields, 42)?;
        let version = flags.contains(CreateFlags::VERSION);
        Ok(CreateDatabase {
            session: fields.u16(1)?,
            database: fields.u8(3)?,
            grbit: fields.u32(4)?,
            pages_most: fields.u32(8)?,
            signature: Signature::read(fields, 12)?,
            flags,
            version: if version {
                Some((fields.u16(43)?, fields.u16(45)?))
            } else {
                None
            },
            path: LoggedPath {
                bytes: fields.slice(Self::path_start(flags), length::u16(fields, 40)?)?,
                is_unicode: flags.contains(CreateFlags::UNICODE),
            },
        })
    }

    fn store(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let mut flags = self.flags;
        flags.set(CreateFlags::VERSION, self.version.is_some());
        flags.set(CreateFlags::UNICODE, self.path.is_unicode);
        let record = &mut vec![0; Self::path_start(flags)];
        self.session.store(record, 1)?;
        self.database.store(record, 3)?;
        self.grbit.store(record, 4)?;
        self.pages_most.store(record, 8)?;
        self.signature.store(record, 12)?;
        flags.store(record, 42)?;
        if let Some((version, update)) = self.version {
            version.store(record, 43)?;
            update.store(record, 45)?;
        }
        self.path.store(record, 40)?;
        out.append(record);
        Ok(())
    }

    fn visit(&self, sink: Sink<'_, 'a>) {
        self.session.visit("session", sink);
        self.database.visit("database", sink);
        self.grbit.visit("grbit", sink);
        self.pages_most.visit("pages_most", sink);
        self.signature.visit("signature", sink);
        self.flags.visit("flags", sink);
        if let Some((version, update)) = self.version {
            sink("version", FieldValue::Text(format!("{version}.{update}")));
        }
        self.path.visit("path", sink);
    }
}

bitflags::bitflags! {
    /// Flags of [`AttachDatabase`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct AttachFlags: u8 {
        /// The path is UTF-16.
        const UNICODE = 0x08;
        /// The file is sparse.
        const SPARSE = 0x10;
    }
}

/// `AttachDB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttachDatabase<'a> {
    /// `procid`.
    pub session: u16,
    /// `dbid` that the database gets.
    pub database: u8,
    /// `cpgDatabaseSizeMax`; 0 is no limit.
    pub pages_most: u32,
    /// `lgposConsistent` of the database's header before.
    pub consistent: LogPosition,
    /// `signDb`.
    pub signature: Signature,
    /// `signLog` of the database's header before.
    pub log_signature: Signature,
    /// Flags.
    pub flags: AttachFlags,
    /// The path.
    pub path: LoggedPath<'a>,
}

impl<'a> Body<'a> for AttachDatabase<'a> {
    fn len_of(fields: &Fields<'a>) -> Result<usize, FormatError> {
        Ok(75 + length::u16(fields, 72)?)
    }

    fn read(fields: &Fields<'a>) -> Result<Self, FormatError> {
        let flags = AttachFlags::load(fields, 74)?;
        Ok(AttachDatabase {
            session: fields.u16(1)?,
            database: fields.u8(3)?,
            pages_most: fields.u32(4)?,
            consistent: LogPosition::read(fields, 8)?,
            signature: Signature::read(fields, 16)?,
            log_signature: Signature::read(fields, 44)?,
            flags,
            path: LoggedPath {
                bytes: fields.slice(75, length::u16(fields, 72)?)?,
                is_unicode: flags.contains(AttachFlags::UNICODE),
            },
        })
    }

    fn store(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let mut flags = self.flags;
        flags.set(AttachFlags::UNICODE, self.path.is_unicode);
        let record = &mut vec![0; 75];
        self.session.store(record, 1)?;
        self.database.store(record, 3)?;
        self.pages_most.store(record, 4)?;
        self.consistent.store(record, 8)?;
        self.signature.store(record, 16)?;
        self.log_signature.store(record, 44)?;
        flags.store(record, 74)?;
        self.path.store(record, 72)?;
        out.append(record);
        Ok(())
    }

    fn visit(&self, sink: Sink<'_, 'a>) {
        self.session.visit("session", sink);
        self.database.visit("database", sink);
        self.pages_most.visit("pages_most", sink);
        self.consistent.visit("consistent", sink);
        self.signature.visit("signature", sink);
        self.log_signature.visit("log_signature", sink);
        self.flags.visit("flags", sink);
        self.path.visit("path", sink);
    }
}

bitflags::bitflags! {
    /// Flags of [`DetachDatabase`].
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct DetachFlags: u8 {
        /// The path is UTF-16.
        const UNICODE = 0x10;
    }
}

/// `DetachDB`: the database is consistent here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetachDatabase<'a> {
    /// `procid`.
    pub session: u16,
    /// `dbid`.
    pub database: u8,
    /// Flags.
    pub flags: DetachFlags,
    /// The path.
    pub path: LoggedPath<'a>,
}

impl<'a> Body<'a> for DetachDatabase<'a> {
    fn len_of(fields: &Fields<'a>) -> Result<usize, FormatError> {
        Ok(7 + length::u16(fields, 4)?)
    }

    fn read(fields: &Fields<'a>) -> Result<Self, FormatError> {
        let flags = DetachFlags::load(fields, 6)?;
        Ok(DetachDatabase {
            session: fields.u16(1)?,
            database: fields.u8(3)?,
            flags,
            path: LoggedPath {
                bytes: fields.slice(7, length::u16(fields, 4)?)?,
                is_unicode: flags.contains(DetachFlags::UNICODE),
            },
        })
    }

    fn store(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let mut flags = self.flags;
        flags.set(DetachFlags::UNICODE, self.path.is_unicode);
        let record = &mut vec![0; 7];
        self.session.store(record, 1)?;
        self.database.store(record, 3)?;
        flags.store(record, 6)?;
        self.path.store(record, 4)?;
        out.append(record);
        Ok(())
    }

    fn visit(&self, sink: Sink<'_, 'a>) {
        self.session.visit("session", sink);
        self.database.visit("database", sink);
        self.flags.visit("flags", sink);
        self.path.visit("path", sink);
    }
}

record! {
    /// `CreateDBFinish`: the new database is usable.
    pub struct CreateDatabaseFinish is 4 {
        /// `procid`.
        1 session: u16,
        /// `dbid`.
        3 database: u8,
    }
}

record! {
    /// `ExtendDB`: the file grows.
    pub struct ExtendDatabase skippable 10 {
        /// `dbid`.
        5 database: u8,
        /// `pgnoLast`: the last page that there is then.
        6 page_last: u32,
    }
}

record! {
    /// `ShrinkDB`, `ShrinkDB2`: the file is cut.
    pub struct ShrinkDatabase is 10 {
        /// `dbid`.
        1 database: u8,
        /// `pgnoLast`: the last page that remains.
        2 page_last: u32,
        /// `cpgShrunk`: how many pages go.
        6 shrunk_pages: u32,
    }
}

record! {
    /// `ShrinkDB3`: the file is cut.
    pub struct ShrinkDatabaseAt is 18 {
        /// `dbid`.
        1 database: u8,
        /// `pgnoLast`: the last page that remains.
        2 page_last: u32,
        /// `cpgShrunk`: how many pages go.
        6 shrunk_pages: u32,
        /// `dbtime` of the cut.
        10 dbtime: u64,
    }
}

record! {
    /// `TrimDB`: pages become a hole in the file.
    pub struct TrimDatabase is 10 {
        /// `dbid`.
        1 database: u8,
        /// `pgnoStartZeroes`.
        2 page_first: u32,
        /// `cpgZeroLength`.
        6 zeroed_pages: u32,
    }
}

record! {
    /// `ReAttach`: the database stayed attached over a recovery.
    pub struct ReAttach skippable 50 {
        /// `dbid`.
        5 database: u8,
        /// `lgposAttach`.
        6 attach: LogPosition,
        /// `lgposConsistent`.
        14 consistent: LogPosition,
        /// `signDb`.
        22 signature: Signature,
    }
}

record! {
    /// `SetDbVersion`.
    pub struct SetDatabaseVersion is 14 {
        /// `dbid`.
        1 database: u8,
        /// Major number.
        2 major: u32,
        /// Major number of the update.
        6 update_major: u32,
        /// Minor number of the update.
        10 update_minor: u32,
    }
}

record! {
    /// `SignalAttachDb`: the application was told of the attachment.
    pub struct SignalAttachDatabase is 2 {
        /// `dbid`.
        1 database: u8,
    }
}

named_number! {
    /// What kind of tree was freed.
    pub enum FreedTree: u8 {
        /// A table.
        Table = 1,
        /// An index.
        Index = 2,
    }
}

record! {
    /// `FreeFDP`: a tree is gone; nobody may use what he remembers of it.
    pub struct FreeFdp skippable 15 {
        /// `dbid`.
        5 database: u8,
        /// `pgnoFDP`.
        6 page_fdp: u32,
        /// `trxCommitted`.
        10 trx: u32,
        /// What it was.
        14 tree: FreedTree,
    }
}

record! {
    /// `ExtentFreed`: pages went back to a space tree; for revert snapshots.
    pub struct ExtentFreed is 11 {
        /// `dbid`.
        1 database: u8,
        /// `pgnoFirst`.
        2 page_first: u32,
        /// `cpg`.
        6 freed_pages: u32,
        /// 1: the root of a table; 2: a tree is deleted.
        10 freed_flags: u8,
    }
}

record! {
    /// `ExtentFreed2`: the same with its dbtime.
    pub struct ExtentFreedAt is 19 {
        /// `dbid`.
        1 database: u8,
        /// `pgnoFirst`.
        2 page_first: u32,
        /// `cpg`.
        6 freed_pages: u32,
        /// 1: the root of a table; 2: a tree is deleted.
        10 freed_flags: u8,
        /// `dbtime`.
        11 dbtime: u64,
    }
}

record! {
    /// `PagePatchRequest`: a damaged page was asked for.
    pub struct PagePatchRequest is 46 {
        /// `dbid`.
        1 database: u8,
        /// `pgno`.
        2 page: u32,
        /// `dbtime`.
        6 dbtime: u64,
        /// Unused.
        14 reserved: Reserved<32>,
    }
}

record! {
    /// `ScanCheck`: what the database scan saw on a page.
    pub struct ScanCheck skippable 44 {
        /// `dbid`.
        5 database: u8,
        /// `pgno`.
        6 page: u32,
        /// Unused.
        10 reserved: Reserved<16>,
        /// `dbtimeBefore`: that of the page.
        26 dbtime_before: u64,
        /// `dbtimeAfter`: that of the database at that time.
        34 dbtime: u64,
        /// A checksum of the page, or 0.
        42 page_checksum: u16,
    }
}

record! {
    /// `ScanCheck2`: what the database scan saw on a page.
    pub struct ScanCheck2 is 27 {
        /// `dbid`.
        1 database: u8,
        /// `pgno`.
        2 page: u32,
        /// Flags and source of the scan.
        6 scan_flags: u8,
        /// `dbtimePage`: that of the page.
        7 dbtime_before: u64,
        /// `dbtimeCurrent`: that of the database at that time.
        15 dbtime: u64,
        /// A checksum of the page, or 0.
        23 page_checksum: u32,
    }
}
