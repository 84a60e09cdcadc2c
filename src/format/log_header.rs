//! The header of a log file, `LGFILEHDR` (log-and-recovery.md section 2).
//!
//! ```text
//! 0        4                                     671               2719      4096
//! | XOR    | fields as in the table below        | attach list     | zero …  | body: segments or sectors
//! ```
//!
//! It is written once, when the generation is created, and has no second copy.

use super::attach_list::AttachList;
use super::bytes::{Fields, put};
use super::checksum::{stamp_header, verify_header};
use super::dbms_param::DbmsParam;
use super::error::{FormatError, Structure};
use super::layout::{Stored, layout};
use super::log_version::{LogBody, LogVersion};
use super::page_size::PageSize;
use super::primitive::{FileType, LogPosition, LogTime, Signature};
use crate::error::JetErr;

bitflags::bitflags! {
    /// `fLGFlags`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct LogFlags: u8 {
        /// Made from a reserve log, because the disk was full.
        const FROM_RESERVE = 1;
        /// Circular logging is on.
        const CIRCULAR = 2;
        /// Circular logging was on in an earlier generation.
        const CIRCULAR_BEFORE = 4;
    }
}

layout! {
    /// A log header whose checksum, kind, version and geometry were right, or a new one.
    pub struct LogHeader in LogHeader {
        /// `lGeneration`: from 1 on; equals the number in the name of an archived log.
        4 generation: u32,
        /// `cbSec`: 4096, or in version 7 the sector size of the volume.
        8 sector_size: u16,
        /// `csecHeader`: length of the header in sectors.
        10 header_sectors: u16,
        /// `csecLGFile`: length of the file in sectors, the header included.
        12 file_sectors: u16,
        /// `cbPageSize` of the databases; 0 means 4096.
        14 stored_page_size: u16,
        /// `tmCreate`.
        16 create_time: LogTime,
        /// `tmPrevGen`: creation time of the generation before; not set in the first.
        24 previous_create_time: LogTime,
        /// `ulMajor`.
        32 major: u32,
        /// `ulMinor`.
        36 minor: u32,
        /// `ulUpdateMajor`.
        40 update_major: u32,
        /// `signLog`: identity of the log sequence.
        44 signature: Signature,
        /// `dbms_param`.
        72 dbms_param: DbmsParam,
        /// `fLGFlags`.
        639 flags: LogFlags,
        /// `lgposCheckpoint` when the generation was created; informative.
        640 checkpoint: LogPosition,
        /// `ulUpdateMinor`.
        648 update_minor: u32,
        /// `bDiskSecSizeMismatch`: informative.
        652 disk_sector_mismatch: u8,
        /// `checksumPrevLogAllSegments`: XOR of the checksums of all segments of the generation before.
        653 previous_segments_checksum: u64,
        /// `efvEngineCurrentDiagnostic`: engine format version of the writer.
        661 engine_format_version: u32,
        /// `filetype`.
        667 file_type: FileType,
        /// `rgbAttach`.
        671 attach_list: AttachList,
    }
}

impl LogHeader {
    /// Bytes in a file.
    pub const LEN: usize = 4096;

    /// What `efvEngineCurrentDiagnostic`, which only informs, says in logs that are written in place, write after
    /// write: the last write may be torn, and a segment with a time begins a write.
    const WRITTEN_IN_PLACE: u32 = u32::from_le_bytes(*b"jtfs");

    /// The header of a new log of segments, with everything unset that only the engine knows.
    pub fn new(
        generation: u32,
        file_sectors: u16,
        signature: Signature,
        dbms_param: DbmsParam,
    ) -> Result<Self, FormatError> {
        let mut header = Self::read_fields(&[0; Self::LEN])?;
        header.generation = generation;
        (header.sector_size, header.header_sectors, header.file_sectors) = (4096, 1, file_sectors);
        header.signature = signature;
        header.dbms_param = dbms_param;
        header.file_type = FileType::Log;
        header.set_version(LogVersion::NEW_LOG);
        Ok(header)
    }

    /// Reads and verifies the header at the start of a log file.
    ///
    /// # Errors
    /// `JET_errLogFileCorrupt` (checksum, kind or geometry), `JET_errBadLogVersion`.
    pub fn read(start: &[u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::LogHeader, start);
        let bytes = fields.slice(0, Self::LEN)?;
        verify_header(Structure::LogHeader, bytes)?;
        let header = Self::read_fields(bytes)?;
        if !matches!(header.file_type, FileType::Log | FileType::Unknown) {
            let found = header.file_type.number();
            return Err(fields.bad(FileType::OFFSET, "filetype", found, "3 (log)"));
        }
        header.check_geometry(&fields, header.version().body()?)?;
        Ok(header)
    }

    /// The header's bytes with their checksum. Bytes that no field names are as they were read.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.write_fields(Self::LEN);
        stamp_header(&mut bytes);
        bytes
    }

    /// The version.
    pub fn version(&self) -> LogVersion {
        LogVersion {
            major: self.major,
            minor: self.minor,
            update_major: self.update_major,
            update_minor: self.update_minor,
        }
    }

    /// Sets the four numbers of the version.
    pub fn set_version(&mut self, version: LogVersion) {
        (self.major, self.minor) = (version.major, version.minor);
        (self.update_major, self.update_minor) = (version.update_major, version.update_minor);
    }

    /// How the body is protected.
    ///
    /// # Errors
    /// `JET_errBadLogVersion`; not of a header that was read.
    pub fn body(&self) -> Result<LogBody, FormatError> {
        self.version().body()
    }

    /// Page size of the databases of the instance.
    ///
    /// # Errors
    /// A size that does not exist.
    pub fn page_size(&self) -> Result<PageSize, FormatError> {
        let stored = self.stored_page_size;
        PageSize::from_stored(stored.into())
            .map_err(|_| FormatError::field(Structure::LogHeader, 14, "cbPageSize", stored, "a page size"))
    }

    /// Says that the log is written in place, write after write: see [`LogScan`](super::LogScan).
    pub fn set_written_in_place(&mut self) {
        self.engine_format_version = Self::WRITTEN_IN_PLACE;
    }

    /// Whether the log is written in place, write after write, so that a crash may tear its last write.
    pub fn is_written_in_place(&self) -> bool {
        self.engine_format_version == Self::WRITTEN_IN_PLACE
    }

    /// How long the file must be, in bytes; another length is `JET_errLogFileSizeMismatch`.
    pub fn file_len(&self) -> u64 {
        u64::from(self.file_sectors) * u64::from(self.sector_size)
    }

    /// Whether this generation comes right after `previous`, whose segments have the sum
    /// `previous_segments` if it is known (section 2.4).
    ///
    /// # Errors
    /// `BadLogSignature`, `InvalidLogSequence` or `LogSequenceChecksumMismatch`.
    pub fn check_follows(&self, previous: &LogHeader, previous_segments: Option<u64>) -> Result<(), JetErr> {
        if self.signature != previous.signature {
            return Err(JetErr::BadLogSignature);
        }
        if previous.generation.checked_add(1) != Some(self.generation)
            || !same_time(self.previous_create_time, previous.create_time)
        {
            return Err(JetErr::InvalidLogSequence);
        }
        match previous_segments {
            Some(sum)
                if self.version().is_chained_by_checksum() && sum != self.previous_segments_checksum =>
            {
                Err(JetErr::LogSequenceChecksumMismatch)
            }
            _ => Ok(()),
        }
    }

    fn check_geometry(&self, fields: &Fields<'_>, body: LogBody) -> Result<(), FormatError> {
        let sector = self.sector_size;
        let known = match body {
            LogBody::Segments => sector == 4096,
            LogBody::ChecksumRecords => sector.is_power_of_two() && (512..=4096).contains(&sector),
        };
        if !known {
            return Err(fields.bad(8, "cbSec", sector, "4096, or a sector size in version 7"));
        }
        if usize::from(self.header_sectors) * usize::from(sector) != Self::LEN {
            return Err(fields.bad(10, "csecHeader", self.header_sectors, "4096 bytes in sectors"));
        }
        if self.file_sectors <= self.header_sectors {
            return Err(fields.bad(12, "csecLGFile", self.file_sectors, "more than the header"));
        }
        if self.generation == 0 || i32::try_from(self.generation).is_err() {
            return Err(fields.bad(4, "lGeneration", self.generation, "1 to 0x7fffffff"));
        }
        Ok(())
    }
}

/// Whether two times are the same to the millisecond, whatever their flags.
fn same_time(one: LogTime, other: LogTime) -> bool {
    one.is_same_second(other) && one.millisecond() == other.millisecond()
}

impl Stored for LogFlags {
    fn load(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        fields.u8(offset).map(LogFlags::from_bits_retain)
    }

    fn store(&self, buffer: &mut [u8], offset: usize) {
        put(buffer, offset, &[self.bits()]);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, RngCore, SeedableRng};

    pub(in crate::format) fn header(generation: u32, file_sectors: u16) -> LogHeader {
        let signature = Signature {
            random: 0xFEED,
            create: LogTime::utc(2026, 11, 24, 1, 2, 3, 4),
            computer: [0; 16],
        };
        let param = DbmsParam::new("C:\\sys\\", "C:\\log\\", file_sectors.into()).unwrap();
        let mut header = LogHeader::new(generation, file_sectors, signature, param).unwrap();
        header.create_time = LogTime::utc(2026, 11, 24, 1, 2, (generation % 60) as u8, 0);
        header.previous_create_time = LogTime::utc(2026, 11, 24, 1, 2, ((generation - 1) % 60) as u8, 0);
        header
    }

    fn checksummed(mut bytes: Vec<u8>) -> Vec<u8> {
        stamp_header(&mut bytes);
        bytes
    }

    #[test]
    fn a_header_survives_the_way_to_bytes_and_back() {
        let mut bytes = header(7, 64).encode();
        bytes[665] = 0xAB;
        bytes[4000] = 0xCD;
        let bytes = checksummed(bytes);
        let read = LogHeader::read(&bytes).unwrap();
        assert_eq!(read.encode(), bytes);
        assert_eq!((read.generation, read.file_len()), (7, 64 * 4096));
        assert_eq!(read.page_size(), Ok(PageSize::Kib4));
        assert_eq!(read.body(), Ok(LogBody::Segments));
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let mut bytes = header(7, 64).encode();
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(LogHeader::read(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_wrong_geometry_is_refused_though_the_checksum_is_right() {
        for (offset, value) in [(4, 0_u16), (8, 512), (10, 2), (12, 1), (667, 4)] {
            let mut bytes = header(7, 64).encode();
            put(&mut bytes, offset, &value.to_le_bytes());
            let error = LogHeader::read(&checksummed(bytes)).unwrap_err();
            assert_eq!(error.jet_err(), JetErr::LogFileCorrupt);
            assert_eq!(error.offset, offset);
        }
    }

    #[test]
    fn a_chain_needs_signature_number_time_and_checksum() {
        let first = header(7, 64);
        let mut second = header(8, 64);
        second.previous_segments_checksum = 99;
        assert_eq!(second.check_follows(&first, Some(99)), Ok(()));
        assert_eq!(second.check_follows(&first, None), Ok(()));
        assert_eq!(
            second.check_follows(&first, Some(98)),
            Err(JetErr::LogSequenceChecksumMismatch)
        );
        assert_eq!(
            header(9, 64).check_follows(&first, None),
            Err(JetErr::InvalidLogSequence)
        );
        second.previous_create_time = LogTime::utc(2026, 11, 24, 1, 2, 7, 1);
        assert_eq!(
            second.check_follows(&first, None),
            Err(JetErr::InvalidLogSequence)
        );
        second.signature.random = 1;
        assert_eq!(second.check_follows(&first, None), Err(JetErr::BadLogSignature));
    }

    #[test]
    fn random_and_mutated_bytes_never_panic() {
        let mut random = StdRng::seed_from_u64(31);
        let good = header(7, 64).encode();
        for _ in 0..2000 {
            let mut bytes = good.clone();
            for _ in 0..random.random_range(1..30) {
                let at = random.random_range(4..2800);
                bytes[at] = random.random();
            }
            if let Ok(header) = LogHeader::read(&checksummed(bytes.clone())) {
                let _ = (
                    header.encode(),
                    header.page_size(),
                    header.attach_list.attachments(),
                );
            }
            random.fill_bytes(&mut bytes);
            bytes.truncate(random.random_range(0..=bytes.len()));
            let _ = LogHeader::read(&bytes);
        }
    }
}
