//! Where a page keeps its checksums, what state it is in, and the repair of one flipped bit
//! (database-file.md sections 3.1 and 3.2; the same for log segments, log-and-recovery.md section 3.2).
//!
//! ```text
//! up to 8 KiB   one block                          checksum at 0
//! 16, 32 KiB    four blocks of a quarter page      checksums at 0, 40, 48, 56: all in the first block
//! ```
//!
//! The first block covers the checksums of the others. So it is judged first: a bit flipped in one of them is
//! repaired there, before that checksum is used to judge its own block.

use super::sum::{Block, block_checksum, old_page_checksum};
use crate::format::PageSize;
use crate::format::bytes::put;

/// Address of the page flag 0x2000 (`fFlags` at byte 36): the page has ECC checksums.
const FORMAT_FLAG_BIT: u32 = 8 * 36 + 13;

/// Where blocks 1 to 3 of a large page have their checksums: block 1 here, the others behind it.
const LATER_CHECKSUMS: usize = 40;

/// What the checksums say about a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageState {
    /// Every checksum is right.
    Good,
    /// All bytes are zero: the page was never written, which is no damage.
    Uninitialised,
    /// Exactly one bit is wrong, and all checksums are right once it is flipped back.
    Correctable {
        /// The wrong bit: bit `bit % 8` of byte `bit / 8` of the page.
        bit: u32,
    },
    /// More is wrong than can be repaired.
    Damaged {
        /// The checksum in the first block that does not fit.
        stored: u64,
        /// The checksum that its bytes have.
        computed: u64,
    },
}

/// Judges a page of `size` that should be page `pgno`. It may have one wrong bit at most to be correctable, even
/// where, on large pages, every block could do with one.
pub fn check_page(page: &[u8], size: PageSize, pgno: u32) -> PageState {
    debug_assert_eq!(page.len(), size.bytes());
    let Some(mismatch) = first_mismatch(page, size, pgno) else {
        return PageState::Good;
    };
    if page.iter().all(|&byte| byte == 0) {
        return PageState::Uninitialised;
    }
    match mismatch.suspect(size) {
        Some(bit) if is_good_with(page, size, pgno, bit) => PageState::Correctable { bit },
        _ => PageState::Damaged {
            stored: mismatch.stored,
            computed: mismatch.computed,
        },
    }
}

/// Like [`check_page`], and flips the bit of a correctable page back. Returns what the page was before.
pub fn repair_page(page: &mut [u8], size: PageSize, pgno: u32) -> PageState {
    let state = check_page(page, size, pgno);
    if let PageState::Correctable { bit } = state {
        flip_bit(page, bit);
    }
    state
}

/// Sets the ECC flag and writes all checksums, for a page whose other bytes are final (`pgno` at byte 64 of a
/// large page included).
pub fn stamp_page(page: &mut [u8], size: PageSize, pgno: u32) {
    debug_assert_eq!(page.len(), size.bytes());
    if !has_ecc(page) {
        flip_bit(page, FORMAT_FLAG_BIT);
    }
    for index in (0..block_count(size)).rev() {
        let checksum = computed_checksum(page, size, pgno, index);
        put(page, checksum_offset(index), &checksum.to_le_bytes());
    }
}

/// [`check_page`] for the log segment at `index` of its file. A shadow verifies with `index` − 1.
pub fn check_segment(segment: &[u8], index: u32) -> PageState {
    check_page(segment, PageSize::Kib4, index)
}

/// [`repair_page`] for the log segment at `index` of its file.
pub fn repair_segment(segment: &mut [u8], index: u32) -> PageState {
    repair_page(segment, PageSize::Kib4, index)
}

/// [`stamp_page`] for the log segment at `index` of its file.
pub fn stamp_segment(segment: &mut [u8], index: u32) {
    stamp_page(segment, PageSize::Kib4, index);
}

/// A block whose checksum is wrong.
struct Mismatch {
    form: Form,
    stored: u64,
    computed: u64,
}

/// How the checksum was made.
enum Form {
    /// XOR alone, over the page.
    Old,
    /// ECC and XOR, over the block of this index.
    Ecc(usize),
}

impl Mismatch {
    /// The one bit whose flip may explain the mismatch. The flag itself can only have been lost: where it is
    /// set although it should not be, its page has no ECC to tell.
    fn suspect(&self, size: PageSize) -> Option<u32> {
        match self.form {
            Form::Old => Some(FORMAT_FLAG_BIT),
            Form::Ecc(index) => {
                let bits = 8 * u32::try_from(block_len(size)).ok()?;
                let bit = bits * u32::try_from(index).ok()? + self.wrong_bit(bits)?;
                (bit != FORMAT_FLAG_BIT).then_some(bit)
            }
        }
    }

    /// A single wrong bit changes one bit of the XOR, and both halves of the ECC by its address and by the
    /// complement of its address.
    fn wrong_bit(&self, bits: u32) -> Option<u32> {
        let difference = self.stored ^ self.computed;
        let (ecc, xor) = (difference >> 32, difference & 0xFFFF_FFFF);
        let last = u64::from(bits - 1);
        let single = (ecc >> 16 ^ ecc) & last == last && xor.count_ones() == 1;
        let address = u32::try_from(ecc & 0xFFFF).ok()?;
        (single && address < bits).then_some(address)
    }
}

fn first_mismatch(page: &[u8], size: PageSize, pgno: u32) -> Option<Mismatch> {
    if has_ecc(page) {
        (0..block_count(size)).find_map(|index| {
            let stored = stored_checksum(page, index);
            let computed = computed_checksum(page, size, pgno, index);
            let form = Form::Ecc(index);
            (stored != computed).then_some(Mismatch {
                form,
                stored,
                computed,
            })
        })
    } else {
        let (stored, computed) = (stored_checksum(page, 0), old_page_checksum(page, pgno));
        let form = Form::Old;
        (stored != computed).then_some(Mismatch {
            form,
            stored,
            computed,
        })
    }
}

fn is_good_with(page: &[u8], size: PageSize, pgno: u32, bit: u32) -> bool {
    let mut repaired = page.to_vec();
    flip_bit(&mut repaired, bit);
    first_mismatch(&repaired, size, pgno).is_none()
}

fn computed_checksum(page: &[u8], size: PageSize, pgno: u32, index: usize) -> u64 {
    let len = block_len(size);
    let block = page.chunks(len).nth(index).unwrap_or_default();
    let position = if index == 0 { Block::First } else { Block::Later };
    block_checksum(block, pgno, position)
}

fn stored_checksum(page: &[u8], index: usize) -> u64 {
    page.get(checksum_offset(index)..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .map_or(0, u64::from_le_bytes)
}

const fn checksum_offset(index: usize) -> usize {
    match index.checked_sub(1) {
        None => 0,
        Some(later) => LATER_CHECKSUMS + 8 * later,
    }
}

const fn block_count(size: PageSize) -> usize {
    if size.is_small() { 1 } else { 4 }
}

const fn block_len(size: PageSize) -> usize {
    size.bytes() / block_count(size)
}

fn has_ecc(page: &[u8]) -> bool {
    byte_of(FORMAT_FLAG_BIT)
        .and_then(|index| page.get(index))
        .is_some_and(|byte| byte >> (FORMAT_FLAG_BIT % 8) & 1 == 1)
}

/// Flips bit `bit % 8` of byte `bit / 8`, if there is such a byte: the repair of a [`PageState::Correctable`] page.
pub fn flip_bit(bytes: &mut [u8], bit: u32) {
    if let Some(byte) = byte_of(bit).and_then(|index| bytes.get_mut(index)) {
        *byte ^= 1 << (bit % 8);
    }
}

fn byte_of(bit: u32) -> Option<usize> {
    usize::try_from(bit / 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, RngCore, SeedableRng};

    fn page(size: PageSize, parts: &[(usize, &[u8])]) -> Vec<u8> {
        let mut page = vec![0; size.bytes()];
        for (offset, bytes) in parts {
            page[*offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        page
    }

    fn stamped(mut page: Vec<u8>, size: PageSize, pgno: u32) -> Vec<u8> {
        stamp_page(&mut page, size, pgno);
        assert_eq!(check_page(&page, size, pgno), PageState::Good);
        page
    }

    fn checksums(page: &[u8]) -> [u64; 4] {
        [0, 1, 2, 3].map(|index| stored_checksum(page, index))
    }

    fn bits(size: PageSize) -> u32 {
        u32::try_from(8 * size.bytes()).unwrap()
    }

    fn random_page(size: PageSize, pgno: u32, seed: u64) -> Vec<u8> {
        let mut page = vec![0; size.bytes()];
        StdRng::seed_from_u64(seed).fill_bytes(&mut page);
        stamped(page, size, pgno)
    }

    /// Bits of the checksum of the first block: a flip there leaves the data whole, but nothing proves it.
    const OWN_CHECKSUM: std::ops::Range<u32> = 0..64;

    #[test]
    fn vector_1_a_real_page_of_4_kib() {
        #[rustfmt::skip]
        let header = [
            0x62, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0xC4, 0x0F, 0, 0, 0x10, 0, 1, 0,
            0x63, 0xA8, 0, 0,
        ];
        let page = page(PageSize::Kib4, &[(8, &header), (4092, &[0x10])]);
        assert_eq!(
            checksums(&stamped(page, PageSize::Kib4, 12))[0],
            0x7E78_7E78_0001_A7CC
        );
    }

    #[test]
    fn vector_2_a_real_page_of_32_kib() {
        #[rustfmt::skip]
        let header = [
            0x62, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0x9C, 0x7F, 0, 0, 0x10, 0, 1, 0,
            0x63, 0xA8, 0, 0,
        ];
        let page = page(PageSize::Kib32, &[(8, &header), (64, &[0x0C]), (32764, &[0x10])]);
        assert_eq!(
            checksums(&stamped(page, PageSize::Kib32, 12)),
            [0x0056_0056_001A_2870, 0x0C, 0x0C, 0x001B_FFE4_0000_001C]
        );
    }

    #[test]
    fn vector_3_a_real_page_with_a_space_header() {
        #[rustfmt::skip]
        let header = [
            0x46, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0xC4, 0x0F, 0, 0, 0x10, 0, 1, 0,
            0x03, 0xA8, 0, 0, 0xFE, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,
        ];
        let page = page(PageSize::Kib4, &[(8, &header), (4092, &[0x10])]);
        assert_eq!(
            checksums(&stamped(page, PageSize::Kib4, 1))[0],
            0x7FDF_7FDF_0001_A77C
        );
    }

    #[test]
    fn vector_4_a_pattern_in_every_size() {
        for (size, first) in [
            (PageSize::Kib4, 0x0022_0022_023B_1C2A),
            (PageSize::Kib8, 0x0022_0022_023B_1C2A),
            (PageSize::Kib16, 0x7EC1_013E_FEB7_B84B),
            (PageSize::Kib32, 0xFEC1_013E_FEB7_B84B),
        ] {
            let mut page: Vec<u8> = (0..=255_u8)
                .cycle()
                .map(|i| i.wrapping_mul(7).wrapping_add(13))
                .take(size.bytes())
                .collect();
            page[..8].fill(0);
            page[36..40].copy_from_slice(&[0x02, 0x28, 0, 0]);
            if !size.is_small() {
                page[40..64].fill(0);
            }
            let page = stamped(page, size, 5);
            assert_eq!(checksums(&page)[0], first, "{size}");
            if !size.is_small() {
                assert_eq!(checksums(&page)[1..], [5, 5, 5], "{size}");
            }
        }
    }

    #[test]
    fn the_old_form_has_the_page_number_and_no_repair() {
        let size = PageSize::Kib4;
        let mut page = page(size, &[(100, b"before update 0x0B")]);
        put(&mut page, 4, &9_u32.to_le_bytes());
        let checksum = old_page_checksum(&page, 9);
        put(&mut page, 0, &checksum.to_le_bytes());
        assert_eq!(check_page(&page, size, 9), PageState::Good);
        assert!(matches!(check_page(&page, size, 10), PageState::Damaged { .. }));
        for bit in 0..8 * 4096 {
            flip_bit(&mut page, bit);
            assert!(matches!(check_page(&page, size, 9), PageState::Damaged { .. }));
            flip_bit(&mut page, bit);
        }
    }

    #[test]
    fn every_flipped_data_bit_is_found_and_repaired() {
        for size in PageSize::ALL {
            let good = random_page(size, 77, 1);
            let step = if size.bytes() > 4096 { 97 } else { 1 };
            for bit in (OWN_CHECKSUM.end..bits(size)).step_by(step) {
                let mut page = good.clone();
                flip_bit(&mut page, bit);
                assert_eq!(
                    repair_page(&mut page, size, 77),
                    PageState::Correctable { bit },
                    "{size}"
                );
                assert!(page == good, "{size}, bit {bit}");
            }
        }
    }

    #[test]
    fn the_header_of_a_large_page_is_repaired_bit_by_bit_with_the_stored_checksums_and_the_flag() {
        let good = random_page(PageSize::Kib32, 5, 2);
        for bit in OWN_CHECKSUM.end..8 * 80 {
            let mut page = good.clone();
            flip_bit(&mut page, bit);
            repair_page(&mut page, PageSize::Kib32, 5);
            assert!(page == good, "bit {bit}");
        }
    }

    #[test]
    fn a_bit_flipped_in_the_page_s_own_checksum_is_damage() {
        for bit in OWN_CHECKSUM {
            let mut page = random_page(PageSize::Kib8, 5, 3);
            flip_bit(&mut page, bit);
            assert!(matches!(
                check_page(&page, PageSize::Kib8, 5),
                PageState::Damaged { .. }
            ));
        }
    }

    #[test]
    fn two_flipped_bits_are_damage_wherever_they_are() {
        let mut random = StdRng::seed_from_u64(4);
        for size in PageSize::ALL {
            let mut page = random_page(size, 9, 5);
            for _ in 0..300 {
                let bits = bits(size);
                let first = random.random_range(0..bits);
                let second = (first + random.random_range(1..bits)) % bits;
                flip_bit(&mut page, first);
                flip_bit(&mut page, second);
                assert!(
                    matches!(check_page(&page, size, 9), PageState::Damaged { .. }),
                    "{size}: {first}, {second}"
                );
                flip_bit(&mut page, first);
                flip_bit(&mut page, second);
            }
        }
    }

    #[test]
    fn a_page_in_another_page_s_place_is_damaged() {
        for size in PageSize::ALL {
            let page = random_page(size, 8, 6);
            assert!(matches!(check_page(&page, size, 9), PageState::Damaged { .. }));
        }
    }

    #[test]
    fn a_page_of_zeros_is_uninitialised_until_a_bit_is_set() {
        let mut page = vec![0; 4096];
        assert_eq!(check_page(&page, PageSize::Kib4, 3), PageState::Uninitialised);
        flip_bit(&mut page, 4000);
        assert!(matches!(
            check_page(&page, PageSize::Kib4, 3),
            PageState::Damaged { .. }
        ));
    }

    #[test]
    fn random_bytes_are_damage() {
        let mut random = StdRng::seed_from_u64(7);
        for size in PageSize::ALL {
            for _ in 0..50 {
                let mut page = vec![0; size.bytes()];
                random.fill_bytes(&mut page);
                assert!(matches!(
                    check_page(&page, size, random.random()),
                    PageState::Damaged { .. }
                ));
            }
        }
    }
}
