//! Page sizes and what follows from them (database-file.md sections 0, 2.1 and 12.4).

use super::error::{FormatError, Structure};
use std::fmt;

/// The page size of a database: 2, 4, 8, 16 or 32 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PageSize {
    /// 2048 bytes: until Windows 8.1.
    Kib2,
    /// 4096 bytes; a stored size of 0 means this too.
    Kib4,
    /// 8192 bytes.
    Kib8,
    /// 16384 bytes.
    Kib16,
    /// 32768 bytes.
    Kib32,
}

impl PageSize {
    /// All sizes, smallest first.
    pub const ALL: [PageSize; 5] = [
        PageSize::Kib2,
        PageSize::Kib4,
        PageSize::Kib8,
        PageSize::Kib16,
        PageSize::Kib32,
    ];

    /// The size from a header's field, where 0 stands for 4096.
    pub fn from_stored(stored: u32) -> Result<Self, FormatError> {
        match stored {
            2048 => Ok(PageSize::Kib2),
            0 | 4096 => Ok(PageSize::Kib4),
            8192 => Ok(PageSize::Kib8),
            16384 => Ok(PageSize::Kib16),
            32768 => Ok(PageSize::Kib32),
            other => Err(FormatError::field(
                Structure::DatabaseHeader,
                236,
                "cbPageSize",
                other,
                "2048, 4096, 8192, 16384, 32768 or 0 for 4096",
            )),
        }
    }

    /// The size in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            PageSize::Kib2 => 2048,
            PageSize::Kib4 => 4096,
            PageSize::Kib8 => 8192,
            PageSize::Kib16 => 16384,
            PageSize::Kib32 => 32768,
        }
    }

    /// The size in bytes, as file offsets have it.
    pub const fn bytes_u64(self) -> u64 {
        self.bytes() as u64
    }

    /// Whether pages have the small layout (up to 8 KiB: 40-byte header, 13-bit tags).
    pub const fn is_small(self) -> bool {
        matches!(self, PageSize::Kib2 | PageSize::Kib4 | PageSize::Kib8)
    }

    /// Length of the page header: 40 bytes, or 80 on large pages.
    pub const fn header_len(self) -> usize {
        if self.is_small() { 40 } else { 80 }
    }

    /// File offset of page `pgno`: two header pages come first, and pages count from 1.
    pub const fn offset_of(self, pgno: u32) -> u64 {
        (pgno as u64 + 1) * self.bytes_u64()
    }

    /// The page that holds the byte at `offset`, `None` inside the two header pages.
    pub fn pgno_at(self, offset: u64) -> Option<u32> {
        (offset / self.bytes_u64())
            .checked_sub(1)
            .filter(|&pgno| pgno > 0)
            .and_then(|pgno| u32::try_from(pgno).ok())
    }
}

impl fmt::Display for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} KiB", self.bytes() / 1024)
    }
}

#[cfg(test)]
mod tests {
    use super::PageSize;

    #[test]
    fn page_one_is_the_third_page_of_the_file() {
        assert_eq!(PageSize::Kib4.offset_of(1), 8192);
        assert_eq!(PageSize::Kib4.pgno_at(8192), Some(1));
        assert_eq!(PageSize::Kib4.pgno_at(8191), None);
        assert_eq!(PageSize::Kib32.pgno_at(3 * 32768 + 5), Some(2));
    }
}
