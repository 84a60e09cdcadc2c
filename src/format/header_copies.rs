//! Which of the two copies of a database header to trust (database-file.md sections 1.4 and 12.1).
//!
//! The shadow lies at the page size, which only a good header tells. So, where the primary is damaged, every page
//! size is tried: a shadow counts only if it says the size at which it was found.

use super::bytes::Fields;
use super::database_header::{MAGIC, VerifiedHeader};
use super::error::{FormatError, Structure};
use super::page_size::PageSize;

/// Bytes from the start of a file that hold both copies at any page size.
pub const BOTH_COPIES_LEN: usize = 2 * PageSize::Kib32.bytes();

/// One of the two copies of a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderCopy {
    /// At offset 0.
    Primary,
    /// At the page size.
    Shadow,
}

/// The copy to trust, and what is known about the other one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenHeader<'a> {
    /// The trusted copy.
    pub header: VerifiedHeader<'a>,
    /// Which one that is.
    pub used: HeaderCopy,
    /// The state of the other one.
    pub other: OtherCopy,
}

/// The state of the copy that was not chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OtherCopy {
    /// The same bytes.
    Same,
    /// Good as well, but not the same: a crash came between the two writes.
    Different,
    /// Damaged or missing.
    Damaged(FormatError),
}

/// Chooses from the first bytes of a file: [`BOTH_COPIES_LEN`], or all of a shorter file.
///
/// # Errors
/// No good copy, and what is wrong with each (`JET_errDatabaseCorrupted`).
pub fn choose_copy(start: &[u8]) -> Result<ChosenHeader<'_>, FormatError> {
    match VerifiedHeader::verify(start) {
        Ok(header) => Ok(ChosenHeader {
            header,
            used: HeaderCopy::Primary,
            other: compare(header, shadow_at(start, header.page_size())),
        }),
        Err(primary) => match find_shadow(start) {
            Some(header) => Ok(ChosenHeader {
                header,
                used: HeaderCopy::Shadow,
                other: OtherCopy::Damaged(primary),
            }),
            None => Err(both_damaged(start, &primary)),
        },
    }
}

/// Whether the magic of a database stands in the place of either copy, however damaged the rest may be.
pub fn has_database_magic(start: &[u8]) -> bool {
    let magic_at = |offset| {
        start
            .get(offset..)
            .and_then(|copy| Fields::new(Structure::DatabaseHeader, copy).u32(4).ok())
            == Some(MAGIC)
    };
    magic_at(0) || PageSize::ALL.iter().any(|size| magic_at(size.bytes()))
}

fn compare(primary: VerifiedHeader<'_>, shadow: Result<VerifiedHeader<'_>, FormatError>) -> OtherCopy {
    match shadow {
        Ok(shadow) if shadow.page() == primary.page() => OtherCopy::Same,
        Ok(_) => OtherCopy::Different,
        Err(error) => OtherCopy::Damaged(error),
    }
}

fn find_shadow(start: &[u8]) -> Option<VerifiedHeader<'_>> {
    PageSize::ALL.iter().find_map(|&size| shadow_at(start, size).ok())
}

/// The shadow of a database with pages of `size`.
fn shadow_at(start: &[u8], size: PageSize) -> Result<VerifiedHeader<'_>, FormatError> {
    let fields = Fields::new(Structure::DatabaseHeader, start);
    let shadow = VerifiedHeader::verify(fields.from(size.bytes())?)?;
    if shadow.page_size() == size {
        Ok(shadow)
    } else {
        let found = shadow.page_size().bytes() as u64;
        Err(fields.bad(236, "cbPageSize", found, "the page size at which the shadow lies"))
    }
}

fn both_damaged(start: &[u8], primary: &FormatError) -> FormatError {
    let stored = Fields::new(Structure::DatabaseHeader, start)
        .u32(236)
        .and_then(PageSize::from_stored);
    let shadow = match stored.map(|size| shadow_at(start, size)) {
        Ok(Err(error)) => error.problem.to_string(),
        _ => "none at any page size".to_owned(),
    };
    FormatError::other(
        Structure::DatabaseHeader,
        0,
        format!(
            "both copies are damaged (primary: {}; shadow: {shadow})",
            primary.problem
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::database_header::tests::header;
    use super::*;
    use crate::JetErr;
    use rand::rngs::StdRng;
    use rand::{Rng, RngCore, SeedableRng};

    fn file(size: PageSize) -> Vec<u8> {
        let mut file = header(size).encode().repeat(2);
        file.resize(file.len() + 3 * size.bytes(), 0);
        file
    }

    #[test]
    fn the_primary_is_used_when_both_are_good() {
        for size in PageSize::ALL {
            let file = file(size);
            let chosen = choose_copy(&file).unwrap();
            assert_eq!(
                (chosen.used, chosen.other),
                (HeaderCopy::Primary, OtherCopy::Same)
            );
            assert_eq!(chosen.header.page_size(), size);
        }
    }

    #[test]
    fn the_shadow_is_found_at_any_page_size_when_the_primary_is_damaged() {
        for size in PageSize::ALL {
            for damage in [0..600, 4..5, 236..237, 240..241] {
                let mut file = file(size);
                file[damage].iter_mut().for_each(|byte| *byte ^= 0x55);
                let chosen = choose_copy(&file).unwrap();
                assert_eq!(chosen.used, HeaderCopy::Shadow);
                assert!(matches!(chosen.other, OtherCopy::Damaged(_)));
                assert_eq!(chosen.header.page_size(), size);
            }
        }
    }

    #[test]
    fn a_damaged_shadow_is_told_although_the_primary_is_good() {
        let mut file = file(PageSize::Kib8);
        file[8192 + 50] ^= 1;
        let chosen = choose_copy(&file).unwrap();
        assert_eq!(chosen.used, HeaderCopy::Primary);
        assert!(matches!(chosen.other, OtherCopy::Damaged(_)));
    }

    #[test]
    fn a_shadow_cut_off_is_damage() {
        let file = file(PageSize::Kib4);
        let chosen = choose_copy(&file[..6000]).unwrap();
        assert!(matches!(chosen.other, OtherCopy::Damaged(_)));
    }

    #[test]
    fn two_good_copies_may_differ() {
        let mut file = file(PageSize::Kib4);
        let mut newer = header(PageSize::Kib4);
        newer.objid_last = 99;
        file[4096..8192].copy_from_slice(&newer.encode());
        assert_eq!(choose_copy(&file).unwrap().other, OtherCopy::Different);
    }

    #[test]
    fn two_damaged_copies_refuse_with_both_reasons() {
        let mut file = file(PageSize::Kib4);
        file[100] ^= 1;
        file[4100] ^= 1;
        let error = choose_copy(&file).unwrap_err();
        assert_eq!(error.jet_err(), JetErr::DatabaseCorrupted);
        let text = error.to_string();
        assert!(
            text.contains("primary: checksum") && text.contains("shadow: ulMagic"),
            "{text}"
        );
        assert!(has_database_magic(&file));
    }

    #[test]
    fn other_files_are_no_databases() {
        assert!(choose_copy(&[]).is_err());
        assert!(!has_database_magic(&[]));
        let mut random = StdRng::seed_from_u64(12);
        for _ in 0..200 {
            let mut bytes = vec![0; random.random_range(0..BOTH_COPIES_LEN)];
            random.fill_bytes(&mut bytes);
            assert!(choose_copy(&bytes).is_err());
            assert!(!has_database_magic(&bytes));
        }
    }

    #[test]
    fn mutated_headers_never_panic() {
        let mut random = StdRng::seed_from_u64(13);
        for size in PageSize::ALL {
            let good = file(size);
            for _ in 0..200 {
                let mut bytes = good.clone();
                for _ in 0..random.random_range(1..6) {
                    let at = random.random_range(0..bytes.len());
                    bytes[at] = random.random();
                }
                bytes.truncate(random.random_range(0..bytes.len() * 3));
                let _ = choose_copy(&bytes);
            }
        }
    }
}
