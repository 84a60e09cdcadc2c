//! The header of a database, `DBFILEHDR` (database-file.md section 1).
//!
//! ```text
//! offset of copy    0            page size        2 × page size
//!                   | primary    | shadow         | page 1 …
//! in a copy         0        4       8                             748              page size
//!                   | XOR    | magic | fields as in the table below | zero …        |
//! ```
//!
//! A copy fills one page; its checksum covers all of it. The way to a value leads through the checksum:
//!
//! ```text
//! bytes ── VerifiedHeader::verify ──> VerifiedHeader ── decode ──> DatabaseHeader ── encode ──> bytes
//! ```

use super::bytes::{Fields, put};
use super::checksum::{stamp_header, verify_header};
use super::database_state::DbState;
use super::error::{FormatError, Problem, Structure};
use super::layout::{Stored, layout};
use super::page_size::PageSize;
use super::primitive::{BackupInfo, BackupType, FileType, LogPosition, LogTime, Signature};
use std::fmt;

/// `ulMagic`: the bytes `EF CD AB 89` at offset 4 of a header.
pub const MAGIC: u32 = 0x89AB_CDEF;
const MAGIC_OFFSET: usize = 4;
const PAGE_SIZE_OFFSET: usize = 236;

/// `ulVersion` of every database since 2000.
const VERSION: u32 = 0x620;
/// The update that every engine since Windows 8 opens, and that new databases get.
const NEW_DATABASE_UPDATE: u32 = 20;
/// Newest update that is described (section 1.5).
const NEWEST_UPDATE: u32 = 290;
/// Large pages exist since this update: before, long values had other chunks.
const LARGE_PAGES_UPDATE: u32 = 0x11;

layout! {
    /// A database header whose checksum was right, or a new one.
    pub struct DatabaseHeader in DatabaseHeader {
        /// `ulVersion`: 0x620.
        8 version: u32,
        /// `attrib`: 0 for a database, 1 for a streaming file.
        12 attributes: u32,
        /// `dbtimeDirtied`: highest database time; a few genuine files have pages beyond it.
        16 dbtime_dirtied: u64,
        /// `signDb`: identity of this database, made once at creation.
        24 signature: Signature,
        /// `dbstate`.
        52 state: DbState,
        /// `lgposConsistent`: the last clean shutdown or consistent point.
        56 consistent: LogPosition,
        /// `logtimeConsistent`.
        64 consistent_time: LogTime,
        /// `logtimeAttach`: last attach.
        72 attach_time: LogTime,
        /// `lgposAttach`.
        80 attach: LogPosition,
        /// `logtimeDetach`: last detach; not set while attached.
        88 detach_time: LogTime,
        /// `lgposDetach`: not set while attached.
        96 detach: LogPosition,
        /// `dbid`: attach slot, 1 to 6.
        104 dbid: u32,
        /// `signLog`: identity of its log sequence; not set if it was never logged.
        108 log_signature: Signature,
        /// `bkinfoFullPrev`: last full backup.
        136 backup_full_previous: BackupInfo,
        /// `bkinfoIncPrev`: last incremental backup.
        160 backup_incremental_previous: BackupInfo,
        /// `bkinfoFullCur`: the backup that this very copy belongs to.
        184 backup_full_current: BackupInfo,
        /// `ulDbFlags`: bit 0: the catalog has no shadow.
        208 flags: u32,
        /// `objidLast`: largest object id handed out.
        212 objid_last: u32,
        /// `dwMajorVersion` of the operating system.
        216 os_major: u32,
        /// `dwMinorVersion`.
        220 os_minor: u32,
        /// `dwBuildNumber`.
        224 os_build: u32,
        /// `lSPNumber`.
        228 os_service_pack: u32,
        /// `ulDaeUpdateMajor`: format update.
        232 update_major: u32,
        /// `cbPageSize`.
        236 page_size: PageSize,
        /// `ulRepairCount`.
        240 repair_count: u32,
        /// `logtimeRepair`.
        244 repair_time: LogTime,
        /// `signSLV`: obsolete.
        252 streaming_signature: Signature,
        /// `dbtimeLastScrub`.
        280 dbtime_last_scrub: u64,
        /// `logtimeScrub`.
        288 scrub_time: LogTime,
        /// `lGenMinRequired`: oldest generation that recovery needs; 0 when clean.
        296 generation_min_required: u32,
        /// `lGenMaxRequired`: newest generation whose changes may be in the file; 0 when clean.
        300 generation_max_required: u32,
        /// `cpgUpgrade55Format`.
        304 pages_upgraded_55: u32,
        /// `cpgUpgradeFreePages`.
        308 pages_upgraded_free: u32,
        /// `cpgUpgradeSpaceMapPages`.
        312 pages_upgraded_space_map: u32,
        /// `bkinfoSnapshotCur`: set in the copy that a snapshot of the operating system takes.
        316 backup_snapshot_current: BackupInfo,
        /// `ulCreateVersion`.
        340 create_version: u32,
        /// `ulCreateUpdate`.
        344 create_update: u32,
        /// `logtimeGenMaxCreate`: creation time of the newest required or committed log.
        348 generation_max_create_time: LogTime,
        /// `bkinfoTypeFullPrev`.
        356 backup_full_previous_type: BackupType,
        /// `bkinfoTypeIncPrev`.
        360 backup_incremental_previous_type: BackupType,
        /// `ulRepairCountOld`.
        364 repair_count_old: u32,
        /// `ulECCFixSuccess`: bits repaired.
        368 ecc_fix_success: EventCount,
        /// `ulECCFixFail`: bits that could not be repaired.
        384 ecc_fix_fail: EventCount,
        /// `ulBadChecksum`.
        400 bad_checksum: EventCount,
        /// `lGenMaxCommitted`: newest generation with records for this database; 0 when clean.
        416 generation_max_committed: u32,
        /// `bkinfoCopyPrev`: last copy backup.
        420 backup_copy_previous: BackupInfo,
        /// `bkinfoDiffPrev`: last differential backup.
        444 backup_differential_previous: BackupInfo,
        /// `bkinfoTypeCopyPrev`.
        468 backup_copy_previous_type: BackupType,
        /// `bkinfoTypeDiffPrev`.
        472 backup_differential_previous_type: BackupType,
        /// `ulIncrementalReseedCount`.
        476 incremental_reseed: EventCount,
        /// `ulPagePatchCount`.
        492 page_patch: EventCount,
        /// `qwSortVersion`: all ones where locale versions stand in the table MSysLocales.
        508 sort_version: u64,
        /// `logtimeDbscanPrev`.
        516 dbscan_previous_time: LogTime,
        /// `logtimeDbscanStart`.
        524 dbscan_start_time: LogTime,
        /// `pgnoDbscanHighestContinuous`.
        532 dbscan_highest_continuous_pgno: u32,
        /// `lGenRecovering`: generation under redo, else 0.
        536 generation_recovering: u32,
        /// `ulExtendCount`: how often the file grew.
        540 extend_count: u32,
        /// `logtimeLastExtend`.
        544 last_extend_time: LogTime,
        /// `ulShrinkCount`.
        552 shrink_count: u32,
        /// `logtimeLastShrink`.
        556 last_shrink_time: LogTime,
        /// `logtimeLastReAttach`.
        564 last_reattach_time: LogTime,
        /// `lgposLastReAttach`.
        572 last_reattach: LogPosition,
        /// `ulTrimCount`.
        580 trim_count: u32,
        /// `signDbHdrFlush`: new at each write of the header; pairs with the flush map.
        584 header_flush_signature: Signature,
        /// `signFlushMapHdrFlush`: of the last write of the flush map's header.
        612 flush_map_flush_signature: Signature,
        /// `lGenMinConsistent`: oldest generation needed to make the database clean; 0 when clean.
        640 generation_min_consistent: u32,
        /// `ulDaeUpdateMinor`.
        644 update_minor: u32,
        /// `efvMaxBinAttachDiagnostic`: highest engine format version that attached.
        648 engine_format_version: u32,
        /// `pgnoDbscanHighest`.
        652 dbscan_highest_pgno: u32,
        /// `lgposLastResize`: from update 110 on.
        656 last_resize: LogPosition,
        /// `filetype`.
        667 file_type: FileType,
        /// `logtimeGenMaxRequired`: from update 150 on.
        672 generation_max_required_time: LogTime,
        /// `lGenPreRedoMinConsistent`: from update 160 on.
        680 generation_pre_redo_min_consistent: u32,
        /// `lGenPreRedoMinRequired`: from update 160 on.
        684 generation_pre_redo_min_required: u32,
        /// `signRBSHdrFlush`: of the revert snapshot; from update 180 on.
        688 revert_snapshot_flush_signature: Signature,
        /// `ulRevertCount`: from update 190 on.
        716 revert_count: u32,
        /// `logtimeRevertFrom`.
        720 revert_from_time: LogTime,
        /// `logtimeRevertTo`.
        728 revert_to_time: LogTime,
        /// `ulRevertPageCount`.
        736 revert_page_count: u32,
        /// `lgposCommitBeforeRevert`.
        740 commit_before_revert: LogPosition,
    }
}

impl DatabaseHeader {
    /// The header of a database under creation, in the format that every engine since Windows 8 opens.
    pub fn new(page_size: PageSize, signature: Signature) -> Result<Self, FormatError> {
        let mut bytes = vec![0; page_size.bytes()];
        // New headers say 4096, not 0: third-party readers divide by it.
        let stored_size = u32::try_from(page_size.bytes()).unwrap_or(0);
        put(&mut bytes, PAGE_SIZE_OFFSET, &stored_size.to_le_bytes());
        let mut header = Self::read_fields(&bytes)?;
        header.signature = signature;
        (header.version, header.create_version) = (VERSION, VERSION);
        (header.update_major, header.create_update) = (NEW_DATABASE_UPDATE, NEW_DATABASE_UPDATE);
        header.state = DbState::JustCreated;
        header.sort_version = u64::MAX;
        header.file_type = FileType::Database;
        Ok(header)
    }

    /// One copy: a whole page with its checksum. Bytes that no field names are as they were read.
    pub fn encode(&self) -> Vec<u8> {
        let mut page = self.write_fields(self.page_size.bytes());
        put(&mut page, MAGIC_OFFSET, &MAGIC.to_le_bytes());
        stamp_header(&mut page);
        page
    }

    /// Whether the format update is newer than what is described; such a database may hold more than can be read.
    pub fn is_newer_than_known(&self) -> bool {
        self.update_major > NEWEST_UPDATE
    }

    /// Whether this library knows what a database of this version looks like.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn check_version(&self) -> Result<(), FormatError> {
        let large_before_their_time = !self.page_size.is_small() && self.update_major < LARGE_PAGES_UPDATE;
        if self.version == VERSION && !large_before_their_time {
            return Ok(());
        }
        let found = self.version_text();
        let problem = Problem::Version { found };
        Err(FormatError::new(Structure::DatabaseHeader, 8, problem))
    }

    /// `ulVersion`, `ulDaeUpdateMajor` and `ulDaeUpdateMinor`, as in `0x620,20,0`.
    pub fn version_text(&self) -> String {
        format!("{:#x},{},{}", self.version, self.update_major, self.update_minor)
    }

    /// Generations that recovery needs, both ends inclusive; `None` when it needs none.
    pub fn required_generations(&self) -> Option<(u32, u32)> {
        let (min, max) = (self.generation_min_required, self.generation_max_required);
        (self.state.needs_recovery() && min > 0).then_some((min, max.max(min)))
    }
}

/// A count of events with the time of the last, and the count before the last repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EventCount {
    /// How many.
    pub count: u32,
    /// When the last was.
    pub time: LogTime,
    /// How many before the last repair.
    pub count_old: u32,
}

impl Stored for EventCount {
    fn load(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        Ok(EventCount {
            count: fields.u32(offset)?,
            time: LogTime::read(fields, offset + 4)?,
            count_old: fields.u32(offset + 12)?,
        })
    }

    fn store(&self, buffer: &mut [u8], offset: usize) {
        self.count.store(buffer, offset);
        self.time.store(buffer, offset + 4);
        self.count_old.store(buffer, offset + 12);
    }
}

/// A copy of a header whose magic, page size and checksum are right.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct VerifiedHeader<'a> {
    page: &'a [u8],
    page_size: PageSize,
}

impl<'a> VerifiedHeader<'a> {
    /// Verifies the copy at the start of `bytes`, which may hold more than the copy.
    ///
    /// # Errors
    /// Says what is wrong: magic, page size, too few bytes, or checksum.
    pub fn verify(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::DatabaseHeader, bytes);
        let magic = fields.u32(MAGIC_OFFSET)?;
        if magic != MAGIC {
            return Err(fields.bad(MAGIC_OFFSET, "ulMagic", magic, "0x89abcdef"));
        }
        let page_size = PageSize::load(&fields, PAGE_SIZE_OFFSET)?;
        let page = fields.slice(0, page_size.bytes())?;
        verify_header(Structure::DatabaseHeader, page)?;
        Ok(VerifiedHeader { page, page_size })
    }

    /// The copy's bytes: one page.
    pub fn page(&self) -> &'a [u8] {
        self.page
    }

    /// The page size of the database.
    pub fn page_size(&self) -> PageSize {
        self.page_size
    }

    /// The fields.
    ///
    /// # Errors
    /// A version with another layout, or a file of another kind.
    pub fn decode(&self) -> Result<DatabaseHeader, FormatError> {
        let header = DatabaseHeader::read_fields(self.page)?;
        header.check_version()?;
        match header.file_type {
            FileType::Unknown | FileType::Database | FileType::TempDatabase => Ok(header),
            other => Err(FormatError::field(
                Structure::DatabaseHeader,
                FileType::OFFSET,
                "filetype",
                other.number(),
                "1 (database)",
            )),
        }
    }
}

impl fmt::Debug for VerifiedHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedHeader")
            .field("page_size", &self.page_size)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, RngCore, SeedableRng};

    pub(in crate::format) fn header(page_size: PageSize) -> DatabaseHeader {
        let signature = Signature {
            random: 0x1234_5678,
            create: LogTime::utc(2026, 11, 24, 1, 2, 3, 4),
            computer: [0; 16],
        };
        DatabaseHeader::new(page_size, signature).unwrap()
    }

    #[test]
    fn a_header_survives_the_way_to_bytes_and_back() {
        for page_size in PageSize::ALL {
            let mut written = header(page_size);
            written.state = DbState::DirtyShutdown;
            written.generation_max_required = 9;
            written.ecc_fix_fail.count_old = 3;
            let bytes = written.encode();
            let read = VerifiedHeader::verify(&bytes).unwrap().decode().unwrap();
            assert_eq!(read.encode(), bytes);
            assert_eq!(read.page_size, page_size);
            assert_eq!(read.generation_max_required, 9);
            assert_eq!(read.ecc_fix_fail.count_old, 3);
            assert_eq!(read.version_text(), "0x620,20,0");
        }
    }

    #[test]
    fn bytes_that_no_field_names_are_kept() {
        let mut bytes = header(PageSize::Kib4).encode();
        bytes[665] = 0xAB;
        bytes[4000] = 0xCD;
        stamp_header(&mut bytes);
        let mut read = VerifiedHeader::verify(&bytes).unwrap().decode().unwrap();
        read.objid_last = 7;
        let written = read.encode();
        assert_eq!((written[665], written[4000]), (0xAB, 0xCD));
    }

    #[test]
    fn a_page_size_of_zero_means_4096_and_stays_zero() {
        let mut bytes = header(PageSize::Kib4).encode();
        put(&mut bytes, PAGE_SIZE_OFFSET, &[0; 4]);
        stamp_header(&mut bytes);
        let read = VerifiedHeader::verify(&bytes).unwrap().decode().unwrap();
        assert_eq!(read.page_size, PageSize::Kib4);
        assert_eq!(read.encode(), bytes);
    }

    #[test]
    fn another_version_is_refused_by_its_jet_err() {
        let mut other = header(PageSize::Kib4);
        other.version = 0x623;
        let bytes = other.encode();
        let error = VerifiedHeader::verify(&bytes).unwrap().decode().unwrap_err();
        assert_eq!(error.jet_err(), crate::JetErr::InvalidDatabaseVersion);
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let mut bytes = header(PageSize::Kib4).encode();
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(VerifiedHeader::verify(&bytes).is_err(), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn random_and_mutated_bytes_never_panic() {
        let mut random = StdRng::seed_from_u64(11);
        let good = header(PageSize::Kib8).encode();
        for _ in 0..2000 {
            let mut bytes = good.clone();
            for _ in 0..random.random_range(1..40) {
                let at = random.random_range(4..760);
                bytes[at] = random.random();
            }
            put(&mut bytes, MAGIC_OFFSET, &MAGIC.to_le_bytes());
            stamp_header(&mut bytes);
            bytes.truncate(random.random_range(0..=bytes.len() * 2));
            if let Ok(Ok(read)) = VerifiedHeader::verify(&bytes).map(|verified| verified.decode()) {
                let _ = (read.encode(), read.required_generations());
            }
            let len = random.random_range(0..bytes.len() + 1);
            random.fill_bytes(&mut bytes[..len]);
            let _ = VerifiedHeader::verify(&bytes);
        }
    }
}
