//! The page that a streaming backup appends to a database, `PATCHHDR` (external-backup.md section 6.6).
//!
//! ```text
//! 0       4        40                              148            page size
//! | XOR   | zero   | fields as in the table below  | zero …       |
//! ```

use super::bytes::Fields;
use super::checksum::{stamp_header, verify_header};
use super::error::{FormatError, Structure};
use super::layout::layout;
use super::page_size::PageSize;
use super::primitive::{BackupInfo, LogTime, Signature};

layout! {
    /// A trailer whose checksum was right, or a new one.
    pub struct Trailer in Trailer {
        /// `bkinfo`: mark and time of Begin, first generation, and the generation current when it was built.
        40 backup: BackupInfo,
        /// `signDb`: of the database.
        64 signature: Signature,
        /// `signLog`: of its log sequence.
        92 log_signature: Signature,
        /// `lgenMinReq` of the header when the trailer was built; 0 in older database formats.
        120 generation_min_required: u32,
        /// `lgenMaxReq`.
        124 generation_max_required: u32,
        /// `lgenMaxCommitted`.
        128 generation_max_committed: u32,
        /// `logtimeGenMaxRequired`.
        132 generation_max_required_time: LogTime,
        /// `logtimeGenMaxCommitted`.
        140 generation_max_committed_time: LogTime,
    }
}

impl Trailer {
    /// A trailer for the backup of a database.
    pub fn new(
        page_size: PageSize,
        backup: BackupInfo,
        signature: Signature,
        log_signature: Signature,
    ) -> Result<Self, FormatError> {
        let mut trailer = Self::read_fields(&vec![0; page_size.bytes()])?;
        trailer.backup = backup;
        trailer.signature = signature;
        trailer.log_signature = log_signature;
        Ok(trailer)
    }

    /// Reads the page after the last page of a backed-up database.
    ///
    /// # Errors
    /// Not a page, or the checksum is wrong (`JET_errBadPatchPage`): cut off, or not a backup at all.
    pub fn read(page: &[u8], page_size: PageSize) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::Trailer, page);
        let bytes = fields.slice(0, page_size.bytes())?;
        verify_header(Structure::Trailer, bytes)?;
        Self::read_fields(bytes)
    }

    /// The page with its checksum.
    pub fn encode(&self) -> Vec<u8> {
        let mut page = self.write_fields(self.original.len());
        stamp_header(&mut page);
        page
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JetErr;
    use rand::rngs::StdRng;
    use rand::{Rng, RngCore, SeedableRng};

    fn trailer(page_size: PageSize) -> Trailer {
        let backup = BackupInfo {
            generation_low: 3,
            generation_high: 5,
            ..BackupInfo::default()
        };
        Trailer::new(page_size, backup, Signature::default(), Signature::default()).unwrap()
    }

    #[test]
    fn a_trailer_survives_the_way_to_bytes_and_back() {
        for page_size in PageSize::ALL {
            let mut written = trailer(page_size);
            written.generation_max_committed = 5;
            let page = written.encode();
            assert_eq!(page.len(), page_size.bytes());
            let read = Trailer::read(&page, page_size).unwrap();
            assert_eq!(
                (read.backup.generation_high, read.generation_max_committed),
                (5, 5)
            );
            assert_eq!(read.encode(), page);
        }
    }

    #[test]
    fn a_damaged_or_missing_trailer_is_a_bad_patch_page() {
        let mut page = trailer(PageSize::Kib4).encode();
        page[50] ^= 1;
        for page in [&page, &vec![0; 4096], &vec![]] {
            let error = Trailer::read(page, PageSize::Kib4).unwrap_err();
            assert_eq!(error.jet_err(), JetErr::BadPatchPage);
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = StdRng::seed_from_u64(51);
        for page_size in PageSize::ALL {
            for _ in 0..100 {
                let mut bytes = vec![0; random.random_range(0..page_size.bytes() * 2)];
                random.fill_bytes(&mut bytes);
                let _ = Trailer::read(&bytes, page_size);
            }
        }
    }
}
