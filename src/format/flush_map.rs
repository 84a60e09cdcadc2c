//! The flush map of a database, `<database>.jfm`: the flush type that each page should have, by which a lost write
//! is noticed (database-file.md section 10.1).
//!
//! ```text
//! 0              8192             16384            pages of 8 KiB
//! | header       | map page 0     | map page 1 …   | map page: 64 bytes of header, then 2 bits a database page
//! ```

use super::bytes::Fields;
use super::checksum::{PageState, check_page, stamp_header, verify_header};
use super::error::{FormatError, Structure};
use super::layout::layout;
use super::page_size::PageSize;
use super::primitive::{FileType, LogTime, Signature};

layout! {
    /// The header of a flush map whose checksum and kind were right.
    pub struct FlushMapHeader in FlushMap {
        /// Major version: 3.
        4 version_major: u32,
        /// Update version: 0.
        8 version_update_major: u32,
        /// Minor update version: 0.
        12 version_update_minor: u32,
        /// Flags; bit 0: closed cleanly.
        36 flags: u32,
        /// When it was created.
        40 create_time: LogTime,
        /// When the database was attached with it.
        48 attach_time: LogTime,
        /// When the database was detached with it.
        56 detach_time: LogTime,
        /// `lGenMinRequired` when it was written.
        64 generation_min_required: u32,
        /// The value that this write was to allow.
        68 generation_min_required_target: u32,
        /// When its last write began.
        72 flush_start_time: LogTime,
        /// When its last write was complete.
        80 flush_end_time: LogTime,
        /// `signDbHdrFlush`: as in the database header that it belongs to.
        88 header_flush_signature: Signature,
        /// `signFlushMapHdrFlush`: as in the database header that it belongs to.
        116 flush_map_flush_signature: Signature,
        /// `filetype`.
        667 file_type: FileType,
    }
}

impl FlushMapHeader {
    /// Bytes of the header, and of each map page.
    pub const LEN: usize = PageSize::Kib8.bytes();

    /// Reads and verifies the header at the start of a flush map.
    ///
    /// # Errors
    /// Checksum or kind are wrong. Engines then make a new flush map.
    pub fn read(start: &[u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::FlushMap, start);
        let bytes = fields.slice(0, Self::LEN)?;
        verify_header(Structure::FlushMap, bytes)?;
        let header = Self::read_fields(bytes)?;
        if header.file_type != FileType::FlushMap {
            let found = header.file_type.number();
            return Err(fields.bad(FileType::OFFSET, "filetype", found, "7 (flush map)"));
        }
        Ok(header)
    }

    /// The header's bytes with their checksum. Bytes that no field names are as they were read.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.write_fields(Self::LEN);
        stamp_header(&mut bytes);
        bytes
    }

    /// Whether the map was closed with its database.
    pub fn is_clean(&self) -> bool {
        self.flags & 1 != 0
    }
}

/// Judges map page `index` (0 is the page after the header).
///
/// # Errors
/// Not a whole page.
pub fn check_flush_map_page(page: &[u8], index: u32) -> Result<PageState, FormatError> {
    let page = Fields::new(Structure::FlushMap, page).slice(0, FlushMapHeader::LEN)?;
    Ok(check_page(page, PageSize::Kib8, index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::bytes::put;
    use crate::format::checksum::stamp_page;
    use rand::rngs::StdRng;
    use rand::{Rng, RngCore, SeedableRng};

    fn header() -> Vec<u8> {
        let mut bytes = vec![0; FlushMapHeader::LEN];
        put(&mut bytes, 4, &3_u32.to_le_bytes());
        put(&mut bytes, 36, &0x2001_u32.to_le_bytes());
        put(&mut bytes, FileType::OFFSET, &[7]);
        stamp_header(&mut bytes);
        bytes
    }

    #[test]
    fn a_header_is_read_and_a_damaged_one_refused() {
        let mut bytes = header();
        let read = FlushMapHeader::read(&bytes).unwrap();
        assert!(read.is_clean() && read.version_major == 3);
        assert_eq!(read.encode(), bytes);
        bytes[50] ^= 1;
        assert!(FlushMapHeader::read(&bytes).is_err());
    }

    #[test]
    fn a_map_page_is_judged_by_its_number() {
        let mut page = vec![0x55; FlushMapHeader::LEN];
        stamp_page(&mut page, PageSize::Kib8, 3);
        assert_eq!(check_flush_map_page(&page, 3), Ok(PageState::Good));
        assert!(matches!(
            check_flush_map_page(&page, 4),
            Ok(PageState::Damaged { .. })
        ));
        assert!(check_flush_map_page(&page[1..], 3).is_err());
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = StdRng::seed_from_u64(61);
        for _ in 0..200 {
            let mut bytes = vec![0; random.random_range(0..2 * FlushMapHeader::LEN)];
            random.fill_bytes(&mut bytes);
            let _ = FlushMapHeader::read(&bytes);
            let _ = check_flush_map_page(&bytes, 0);
        }
    }
}
