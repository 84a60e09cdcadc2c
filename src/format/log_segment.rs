//! Segments of a log of version 8 (log-and-recovery.md sections 3.1 to 3.3).
//!
//! ```text
//! slot    0        1 …                                   last − 1   last
//! file    | header | segments, written front to back     |          | only ever a shadow |
//!
//! segment 0          8              16           24       36        40               4096
//!         | checksum | lgposSegment | start time | zero   | 0x2000  | records …      |
//! ```
//!
//! The checksum is that of a page, keyed with the slot. A tail that is not full is written to its slot and once
//! more to the next one, with the same bytes: that copy verifies with the slot before its own, which makes it a
//! *shadow*. So one of the two is whole at every moment.

use super::bytes::Fields;
use super::checksum::{PageState, check_segment, flip_bit, segment_checksum};
use super::error::{FormatError, Structure};
use super::primitive::{LogPosition, LogTime};

/// Bytes of a segment.
pub const SEGMENT_LEN: usize = 4096;

/// Bytes of a segment before its records.
pub const SEGMENT_HEADER_LEN: usize = 40;

/// `LGSEGHDR` without checksum and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// `lgposSegment`: generation and slot; the byte is 0.
    pub position: LogPosition,
    /// `logtimeSegmentStart`: when its first byte was allocated; not set in filler segments.
    pub start_time: LogTime,
}

impl SegmentHeader {
    /// Reads the header of a segment whose checksum is right.
    ///
    /// # Errors
    /// Too few bytes.
    pub fn read(segment: &[u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::LogSegment, segment);
        Ok(SegmentHeader {
            position: LogPosition::read(&fields, 8)?,
            start_time: LogTime::read(&fields, 16)?,
        })
    }
}

/// The records of a segment.
///
/// # Errors
/// Too few bytes.
pub fn segment_payload(segment: &[u8]) -> Result<&[u8], FormatError> {
    Fields::new(Structure::LogSegment, segment).slice(SEGMENT_HEADER_LEN, SEGMENT_LEN - SEGMENT_HEADER_LEN)
}

/// What a slot of a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotContent {
    /// A segment of this generation.
    Valid,
    /// A segment of an older generation, whose file became this one: nothing was written here yet.
    Recycled {
        /// Where it was.
        position: LogPosition,
    },
    /// The copy of the segment before.
    Shadow,
    /// Nothing: all zero.
    Zero,
    /// A whole segment that says it belongs to a later place than this one.
    Misplaced {
        /// Where it says it belongs.
        position: LogPosition,
    },
    /// Bytes that are no segment.
    Damaged {
        /// The checksum in the slot.
        stored: u64,
        /// The checksum that a segment of these bytes would have here.
        computed: u64,
    },
}

/// A slot, judged by its own bytes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// What it holds, once `wrong_bit` is flipped back.
    pub content: SlotContent,
    /// The one bit that is wrong: bit `bit % 8` of byte `bit / 8`.
    pub wrong_bit: Option<u32>,
}

impl Slot {
    /// Judges the segment in a slot of the log of `generation`. `first` is the first slot after the header: only
    /// later ones can be shadows.
    ///
    /// # Errors
    /// Not a whole segment.
    pub fn judge(segment: &[u8], generation: u32, slot: u16, first: u16) -> Result<Slot, FormatError> {
        let segment = Fields::new(Structure::LogSegment, segment).slice(0, SEGMENT_LEN)?;
        let own = check_segment(segment, slot.into());
        let shadowed = slot.checked_sub(1).filter(|&before| before >= first);
        let shadow = || shadowed.map(|before| check_segment(segment, before.into()));
        let whole = |content| Slot {
            content,
            wrong_bit: None,
        };
        match own {
            PageState::Good => content_of(segment, generation, slot).map(whole),
            PageState::Uninitialised => Ok(whole(SlotContent::Zero)),
            PageState::Correctable { bit } => Ok(Slot {
                content: content_of(&flipped(segment, bit), generation, slot)?,
                wrong_bit: Some(bit),
            }),
            PageState::Damaged { stored, computed } => Ok(match shadow() {
                Some(PageState::Good) => whole(SlotContent::Shadow),
                Some(PageState::Correctable { bit }) => Slot {
                    content: SlotContent::Shadow,
                    wrong_bit: Some(bit),
                },
                _ => whole(SlotContent::Damaged { stored, computed }),
            }),
        }
    }

    /// Whether the log may end before this slot: nothing of this generation is in it.
    pub fn is_empty(&self) -> bool {
        matches!(
            self.content,
            SlotContent::Recycled { .. } | SlotContent::Shadow | SlotContent::Zero
        )
    }

    /// Flips the wrong bit back, if there is one.
    pub fn repair(&self, segment: &mut [u8]) {
        if let Some(bit) = self.wrong_bit {
            flip_bit(segment, bit);
        }
    }
}

/// Whether `next`, the segment after `slot`, is the whole copy of what `slot` of this generation should hold.
pub fn is_shadow_of(next: &[u8], generation: u32, slot: u16) -> bool {
    next.len() == SEGMENT_LEN
        && check_segment(next, slot.into()) == PageState::Good
        && SegmentHeader::read(next).is_ok_and(|header| header.position == position_of(generation, slot))
}

/// What a segment adds to the sum that the next generation's header has (section 3.5): its own checksum, which a
/// shadow shares with the segment that it copies.
pub fn segment_sum(segment: &[u8], slot: u16) -> u64 {
    segment_checksum(segment, slot.into())
}

fn content_of(segment: &[u8], generation: u32, slot: u16) -> Result<SlotContent, FormatError> {
    let position = SegmentHeader::read(segment)?.position;
    let here = position_of(generation, slot);
    Ok(match position.cmp(&here) {
        std::cmp::Ordering::Equal => SlotContent::Valid,
        std::cmp::Ordering::Less => SlotContent::Recycled { position },
        std::cmp::Ordering::Greater => SlotContent::Misplaced { position },
    })
}

fn position_of(generation: u32, sector: u16) -> LogPosition {
    LogPosition {
        generation,
        sector,
        byte: 0,
    }
}

fn flipped(segment: &[u8], bit: u32) -> Vec<u8> {
    let mut segment = segment.to_vec();
    flip_bit(&mut segment, bit);
    segment
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::format::bytes::put;
    use crate::format::checksum::stamp_segment;
    use rand::rngs::StdRng;
    use rand::{Rng, RngCore, SeedableRng};

    /// A segment that belongs at `position`, filled with something that depends on it.
    pub(in crate::format) fn segment(generation: u32, sector: u16) -> Vec<u8> {
        let mut segment = vec![0; SEGMENT_LEN];
        put(&mut segment, 8, &position_of(generation, sector).to_bytes());
        let seed = u64::from(generation) << 16 | u64::from(sector);
        StdRng::seed_from_u64(seed).fill_bytes(&mut segment[SEGMENT_HEADER_LEN..]);
        stamp_segment(&mut segment, sector.into());
        segment
    }

    fn judge(segment: &[u8], slot: u16) -> Slot {
        Slot::judge(segment, 7, slot, 1).unwrap()
    }

    #[test]
    fn a_segment_is_valid_in_its_place_and_recycled_in_a_later_generation() {
        assert_eq!(judge(&segment(7, 3), 3).content, SlotContent::Valid);
        assert!(matches!(
            judge(&segment(6, 3), 3).content,
            SlotContent::Recycled { position } if position.generation == 6
        ));
        assert!(matches!(
            judge(&segment(8, 3), 3).content,
            SlotContent::Misplaced { .. }
        ));
        assert_eq!(judge(&[0; SEGMENT_LEN], 3).content, SlotContent::Zero);
    }

    #[test]
    fn the_copy_in_the_next_slot_is_a_shadow_but_never_in_the_first_slot() {
        let copy = segment(7, 3);
        assert_eq!(judge(&copy, 4).content, SlotContent::Shadow);
        assert!(is_shadow_of(&copy, 7, 3));
        assert!(!is_shadow_of(&copy, 8, 3));
        assert!(matches!(judge(&copy, 5).content, SlotContent::Damaged { .. }));
        let header_slot = segment(7, 0);
        assert!(matches!(
            judge(&header_slot, 1).content,
            SlotContent::Damaged { .. }
        ));
    }

    #[test]
    fn one_flipped_bit_is_repaired_in_a_segment_and_in_a_shadow() {
        for (slot, content) in [(3, SlotContent::Valid), (4, SlotContent::Shadow)] {
            let good = segment(7, 3);
            for bit in (64..8 * 4096).step_by(61) {
                let mut damaged = good.clone();
                flip_bit(&mut damaged, bit);
                let judged = judge(&damaged, slot);
                assert_eq!(judged.content, content);
                assert_eq!(judged.wrong_bit, Some(bit));
                judged.repair(&mut damaged);
                assert_eq!(damaged, good);
            }
        }
    }

    #[test]
    fn two_flipped_bits_are_damage() {
        let mut damaged = segment(7, 3);
        flip_bit(&mut damaged, 1000);
        flip_bit(&mut damaged, 2000);
        assert!(matches!(judge(&damaged, 3).content, SlotContent::Damaged { .. }));
        assert!(matches!(judge(&damaged, 4).content, SlotContent::Damaged { .. }));
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut random = StdRng::seed_from_u64(71);
        for _ in 0..300 {
            let mut bytes = vec![0; random.random_range(0..2 * SEGMENT_LEN)];
            random.fill_bytes(&mut bytes);
            let _ = Slot::judge(&bytes, random.random(), random.random(), random.random());
            let _ = (SegmentHeader::read(&bytes), segment_payload(&bytes));
            is_shadow_of(&bytes, 1, 1);
        }
    }
}
