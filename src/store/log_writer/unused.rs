//! What slots hold that no record was written to: segments of an older generation, as in a log file that the genuine
//! engine uses again (log-and-recovery.md sections 1.3 and 3.3). Readers take them for empty.
//!
//! Zeros would do but for torn writes. The checksum of a segment is linear, and a sector of equal words adds nothing to
//! it: if such a sector of a record never arrived, where zeros were, the segment would look whole. Every sector here
//! has bytes that a record has not, so that a segment is whole only if each of its sectors arrived.

use crate::format::bytes::put;
use crate::format::checksum::stamp_segment;
use crate::format::{LogPosition, SEGMENT_HEADER_LEN, SEGMENT_LEN};

/// The unit in which a disk writes: whole or not at all.
const SECTOR: usize = 512;

/// Fills slots, the first of which is `first`, of a log of `generation` that has no records there.
pub(in crate::store) fn fill_unused(slots: &mut [u8], first: usize, generation: u32) {
    for (slot, segment) in (first..).zip(slots.chunks_exact_mut(SEGMENT_LEN)) {
        fill_one(segment, u16::try_from(slot).unwrap_or(u16::MAX), generation);
    }
}

fn fill_one(segment: &mut [u8], slot: u16, generation: u32) {
    segment.fill(0);
    for sector in 0..SEGMENT_LEN / SECTOR {
        let number = u64::from(slot) * 64 + sector as u64 * 2;
        let offset = (sector * SECTOR).max(SEGMENT_HEADER_LEN);
        put(segment, offset, &scattered(number).to_le_bytes());
        put(segment, offset + 8, &scattered(number + 1).to_le_bytes());
    }
    let position = LogPosition {
        generation: u32::from(generation > 1),
        sector: slot,
        byte: 0,
    };
    put(segment, 8, &position.to_bytes());
    stamp_segment(segment, slot.into());
}

/// Bits of a number, mixed well (the finalizer of splitmix64).
fn scattered(number: u64) -> u64 {
    let mixed = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{Slot, SlotContent};

    #[test]
    fn an_unused_slot_is_empty_and_no_sector_of_it_goes_unnoticed() {
        for generation in [1, 2, 700] {
            let mut slots = vec![0xAA; 5 * SEGMENT_LEN];
            fill_unused(&mut slots, 3, generation);
            for (slot, segment) in (3..).zip(slots.chunks_mut(SEGMENT_LEN)) {
                let judge = |segment: &[u8]| Slot::judge(segment, generation, slot, 1).unwrap().content;
                assert!(matches!(judge(segment), SlotContent::Recycled { .. }));
                // Records of equal words, of which only some sectors arrived.
                let mut full = vec![b' '; SEGMENT_LEN];
                full[..SEGMENT_HEADER_LEN].fill(0);
                let position = LogPosition {
                    generation,
                    sector: slot,
                    byte: 0,
                };
                put(&mut full, 8, &position.to_bytes());
                stamp_segment(&mut full, slot.into());
                assert_eq!(judge(&full), SlotContent::Valid);
                for arrived in 1..255_u32 {
                    let mut torn = segment.to_vec();
                    for sector in (0..8).filter(|sector| arrived >> sector & 1 == 1) {
                        let range = sector * SECTOR..(sector + 1) * SECTOR;
                        torn[range.clone()].copy_from_slice(&full[range]);
                    }
                    assert!(matches!(judge(&torn), SlotContent::Damaged { .. }));
                }
            }
        }
    }
}
