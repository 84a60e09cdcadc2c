//! A page whose checksums were found right: the only thing that a tree accepts (database-file.md section 3).
//!
//! ```text
//! bytes from a file ── VerifiedPage::verify ──> Verified::{Good, Repaired, Uninitialised} or an error
//! ```

use super::checksum::{PageState, repair_page};
use super::error::{FormatError, Problem, Structure};
use super::page_size::PageSize;

/// The bytes of a page that is what it should be: right checksums for this page number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPage {
    bytes: Box<[u8]>,
    size: PageSize,
    pgno: u32,
}

/// What a page turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// As it was written.
    Good(VerifiedPage),
    /// One bit was wrong, and is right in these bytes; the file still has the damage.
    Repaired {
        /// The page, repaired.
        page: VerifiedPage,
        /// The bit that was wrong: bit `bit % 8` of byte `bit / 8`.
        bit: u32,
    },
    /// All zero: never written.
    Uninitialised,
}

impl VerifiedPage {
    /// Verifies `bytes` as page `pgno`, and repairs a single wrong bit in them.
    ///
    /// # Errors
    /// Fewer or more bytes than a page, or checksums that do not fit (`JET_errReadVerifyFailure`).
    pub fn verify(bytes: impl Into<Box<[u8]>>, size: PageSize, pgno: u32) -> Result<Verified, FormatError> {
        let mut bytes = bytes.into();
        if bytes.len() != size.bytes() {
            let (needed, available) = (size.bytes(), bytes.len());
            let problem = Problem::Truncated { needed, available };
            return Err(FormatError::new(Structure::Page, 0, problem));
        }
        let state = repair_page(&mut bytes, size, pgno);
        let page = VerifiedPage { bytes, size, pgno };
        match state {
            PageState::Good => Ok(Verified::Good(page)),
            PageState::Correctable { bit } => Ok(Verified::Repaired { page, bit }),
            PageState::Uninitialised => Ok(Verified::Uninitialised),
            PageState::Damaged { stored, computed } => {
                let problem = Problem::Checksum { stored, computed };
                Err(FormatError::new(Structure::Page, 0, problem))
            }
        }
    }

    /// A page whose checksum was just stamped.
    pub(super) fn of_stamped(bytes: Box<[u8]>, size: PageSize, pgno: u32) -> Self {
        VerifiedPage { bytes, size, pgno }
    }

    /// The bytes, to be changed.
    pub(super) fn into_bytes(self) -> Box<[u8]> {
        self.bytes
    }

    /// The whole page, header and tags included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its size.
    pub fn size(&self) -> PageSize {
        self.size
    }

    /// Its number, 1-based.
    pub fn pgno(&self) -> u32 {
        self.pgno
    }
}

impl Verified {
    /// The page, for a place that a tree points to.
    ///
    /// # Errors
    /// `JET_errPageNotInitialized` where the page was never written.
    pub fn initialised(self) -> Result<VerifiedPage, FormatError> {
        match self {
            Verified::Good(page) | Verified::Repaired { page, .. } => Ok(page),
            Verified::Uninitialised => Err(FormatError::new(Structure::Page, 0, Problem::Uninitialised)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::JetErr;
    use crate::format::checksum::stamp_page;

    fn page() -> Vec<u8> {
        let mut page = vec![0x5A; 4096];
        stamp_page(&mut page, PageSize::Kib4, 7);
        page
    }

    #[test]
    fn a_good_page_keeps_its_bytes() {
        let verified = VerifiedPage::verify(page(), PageSize::Kib4, 7).unwrap();
        let Verified::Good(verified) = verified else {
            panic!("{verified:?}")
        };
        assert_eq!(verified.bytes(), page());
        assert_eq!((verified.pgno(), verified.size()), (7, PageSize::Kib4));
    }

    #[test]
    fn a_flipped_data_bit_is_repaired_and_reported() {
        let mut damaged = page();
        damaged[1000] ^= 0x10;
        let verified = VerifiedPage::verify(damaged, PageSize::Kib4, 7).unwrap();
        let Verified::Repaired { page: repaired, bit } = verified else {
            panic!("{verified:?}")
        };
        assert_eq!(bit, 8 * 1000 + 4);
        assert_eq!(repaired.bytes(), page());
    }

    #[test]
    fn a_damaged_page_is_an_error_with_its_jet_err() {
        let error = VerifiedPage::verify(page(), PageSize::Kib4, 8).unwrap_err();
        assert_eq!(error.jet_err(), JetErr::ReadVerifyFailure);
    }

    #[test]
    fn a_page_of_zeros_is_no_damage_but_no_page_of_a_tree() {
        let verified = VerifiedPage::verify(vec![0; 4096], PageSize::Kib4, 8).unwrap();
        assert_eq!(verified, Verified::Uninitialised);
        let error = verified.initialised().unwrap_err();
        assert_eq!(error.jet_err(), JetErr::PageNotInitialized);
    }

    #[test]
    fn half_a_page_is_an_error() {
        assert!(VerifiedPage::verify(vec![0; 2048], PageSize::Kib4, 8).is_err());
    }
}
