//! A whole log of version 8, slot by slot: where it ends, what its segments sum up to, what is damaged
//! (log-and-recovery.md sections 3.3 and 3.5).
//!
//! ```text
//! a sound log    valid … valid   empty … empty        empty: shadow, zero, or of an older generation
//! a torn tail    valid … damaged shadow empty …       the shadow replaces the damaged one
//! a torn write   valid … any … any empty …            only in logs that say so
//! ```
//!
//! A log whose header says that it is [written in place](LogHeader::is_written_in_place) has no shadows. Each of its
//! writes begins behind what is durable, where nothing was before; its first segment has a time, and those after it
//! have none. So a segment with a time tells that everything before it was durable, and damage there is damage. Where
//! no such segment follows, the last write was torn, and nobody has been told that it was durable: the log ends there.
//!
//! The caller gives the slots in order, and may take the records of those that are valid as they pass.

use super::error::FormatError;
use super::log_header::LogHeader;
use super::log_segment::{SegmentHeader, Slot, SlotContent, is_shadow_of, segment_sum};
use super::primitive::LogPosition;
use std::fmt;

/// Scans a log. Memory grows only with what is wrong.
#[derive(Debug)]
pub struct LogScan {
    generation: u32,
    first: u16,
    /// The slot after the last that may hold a segment; that slot only ever holds a shadow.
    last: u16,
    next: u16,
    verdict: LogVerdict,
    seen_empty: bool,
    /// A damaged slot before any empty one, until the next slot tells whether it is a torn tail.
    pending: Option<(u16, SlotContent)>,
    /// The log is written in place, and nothing yet says that what is in `left` was durable.
    may_be_torn: bool,
    /// What a torn write left, or damage.
    left: Vec<LogDamage>,
}

/// What a scan found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogVerdict {
    /// The end of the log: the first byte after its last segment. What was damaged before it is in `damages`.
    pub end: LogPosition,
    /// XOR of the checksums of all valid segments: the header of the next generation has it.
    pub segments_checksum: u64,
    /// How many segments are valid; a torn tail with a good shadow counts.
    pub valid: u16,
    /// The damaged last segment whose shadow, in the next slot, is whole.
    pub torn: Option<u16>,
    /// The first segment that a torn write left out, or damaged, in a log that is written in place: the end of the log.
    pub torn_write: Option<u16>,
    /// Slots with one wrong bit, and the bit.
    pub repaired: Vec<(u16, u32)>,
    /// Slots that no recovery can pass.
    pub damages: Vec<LogDamage>,
}

/// A slot that makes a log corrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogDamage {
    /// The slot; its bytes are at 4096 times this.
    pub slot: u16,
    /// What is wrong with it.
    pub kind: LogDamageKind,
}

/// Why a slot makes a log corrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogDamageKind {
    /// No segment, and no shadow that could replace it.
    Damaged {
        /// The checksum in the slot.
        stored: u64,
        /// The checksum of its bytes.
        computed: u64,
    },
    /// A segment of a later place.
    Misplaced {
        /// Where it says it belongs.
        position: LogPosition,
    },
    /// A segment of this generation after the end of the log.
    ValidAfterEmpty,
    /// Bytes that are no segment after the end of the log.
    DamagedAfterEmpty,
    /// The file ends before this slot.
    Missing,
}

impl LogScan {
    /// A scan of the log with this header.
    pub fn new(header: &LogHeader) -> Self {
        let first = header.header_sectors;
        LogScan {
            generation: header.generation,
            first,
            last: header.file_sectors.saturating_sub(1),
            next: first,
            verdict: LogVerdict {
                end: LogPosition {
                    generation: header.generation,
                    sector: first,
                    byte: 0,
                },
                ..LogVerdict::default()
            },
            seen_empty: false,
            pending: None,
            may_be_torn: header.is_written_in_place(),
            left: Vec::new(),
        }
    }

    /// The slot that [`push`](Self::push) expects; `None` after the last.
    pub fn next_slot(&self) -> Option<u16> {
        (self.next <= self.last).then_some(self.next)
    }

    /// Takes the next slot, and says what it is. What comes after the last slot is ignored.
    ///
    /// # Errors
    /// Not a whole segment.
    pub fn push(&mut self, segment: &[u8]) -> Result<Slot, FormatError> {
        let slot = self.next;
        let judged = Slot::judge(segment, self.generation, slot, self.first)?;
        if slot > self.last {
            return Ok(judged);
        }
        self.next = slot.saturating_add(1);
        self.settle_pending(Some(segment));
        if slot < self.last {
            self.enter(slot, judged, segment);
        }
        Ok(judged)
    }

    /// The verdict, once the file has no more slots.
    pub fn finish(mut self) -> LogVerdict {
        self.settle_pending(None);
        if self.next < self.last {
            self.damage(self.next, LogDamageKind::Missing);
        }
        if !self.left.is_empty() {
            self.verdict.torn_write = Some(self.verdict.end.sector);
        }
        self.verdict
    }

    fn enter(&mut self, slot: u16, judged: Slot, segment: &[u8]) {
        if let Some(bit) = judged.wrong_bit {
            self.verdict.repaired.push((slot, bit));
        }
        match judged.content {
            _ if judged.is_empty() => self.seen_empty = true,
            SlotContent::Valid if self.seen_empty || !self.left.is_empty() => {
                self.after_gap(slot, segment);
            }
            SlotContent::Valid if judged.wrong_bit.is_none() => self.count(slot, segment),
            SlotContent::Valid => {
                let mut segment = segment.to_vec();
                judged.repair(&mut segment);
                self.count(slot, &segment);
            }
            SlotContent::Misplaced { position } => self.damage(slot, LogDamageKind::Misplaced { position }),
            _ if self.seen_empty => self.damage(slot, LogDamageKind::DamagedAfterEmpty),
            content => self.pending = Some((slot, content)),
        }
    }

    /// A segment behind one that is not there. Does it tell that the one before should be?
    fn after_gap(&mut self, slot: u16, segment: &[u8]) {
        let begins_write = SegmentHeader::read(segment).is_ok_and(|header| header.start_time.is_set());
        if begins_write {
            self.may_be_torn = false;
            self.verdict.damages.append(&mut self.left);
        }
        self.damage(slot, LogDamageKind::ValidAfterEmpty);
    }

    fn settle_pending(&mut self, next: Option<&[u8]>) {
        let Some((slot, content)) = self.pending.take() else {
            return;
        };
        match (next, content) {
            (Some(next), _) if is_shadow_of(next, self.generation, slot) => {
                self.verdict.torn = Some(slot);
                self.count(slot, next);
            }
            (_, SlotContent::Damaged { stored, computed }) => {
                self.damage(slot, LogDamageKind::Damaged { stored, computed });
            }
            _ => {}
        }
    }

    fn count(&mut self, slot: u16, segment: &[u8]) {
        self.verdict.valid += 1;
        self.verdict.segments_checksum ^= segment_sum(segment, slot);
        self.verdict.end.sector = slot.saturating_add(1);
    }

    fn damage(&mut self, slot: u16, kind: LogDamageKind) {
        let is_left =
            self.may_be_torn && !matches!(kind, LogDamageKind::Misplaced { .. } | LogDamageKind::Missing);
        let damages = if is_left {
            &mut self.left
        } else {
            &mut self.verdict.damages
        };
        damages.push(LogDamage { slot, kind });
    }
}

impl LogVerdict {
    /// Whether recovery can replay all of it (a torn tail with its shadow included, without a torn write).
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }
}

impl fmt::Display for LogDamageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogDamageKind::Damaged { stored, computed } => write!(
                f,
                "checksum is {stored:#x}, but the bytes give {computed:#x}, and there is no good copy"
            ),
            LogDamageKind::Misplaced { position } => write!(f, "a segment that belongs at {position}"),
            LogDamageKind::ValidAfterEmpty => f.write_str("a segment after the end of the log"),
            LogDamageKind::DamagedAfterEmpty => {
                f.write_str("bytes that are no segment after the end of the log")
            }
            LogDamageKind::Missing => f.write_str("the file ends before this segment"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::log_header::tests::header;
    use super::super::log_segment::tests::segment;
    use super::super::primitive::LogTime;
    use super::*;
    use crate::format::bytes::put;
    use crate::format::checksum::stamp_segment;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    const SLOTS: u16 = 12;

    /// The slots after the header: segments 1 to `valid`, then zeros.
    fn body(valid: u16) -> Vec<Vec<u8>> {
        (1..SLOTS)
            .map(|slot| {
                if slot <= valid {
                    segment(7, slot)
                } else {
                    vec![0; 4096]
                }
            })
            .collect()
    }

    fn scan(slots: &[Vec<u8>]) -> LogVerdict {
        let mut scan = LogScan::new(&header(7, SLOTS));
        for segment in slots {
            scan.push(segment).unwrap();
        }
        scan.finish()
    }

    fn slot(body: &mut [Vec<u8>], index: usize) -> &mut Vec<u8> {
        &mut body[index - 1]
    }

    #[test]
    fn a_sound_log_ends_after_its_last_segment() {
        for valid in 0..SLOTS - 1 {
            let verdict = scan(&body(valid));
            assert!(verdict.is_sound());
            assert_eq!((verdict.valid, verdict.end.sector), (valid, valid + 1));
            let sum = (1..=valid).fold(0, |sum, slot| sum ^ segment_sum(&segment(7, slot), slot));
            assert_eq!(verdict.segments_checksum, sum);
        }
    }

    /// The slots of a log that is written in place, by writes of these lengths.
    fn in_place(writes: &[u16]) -> Vec<Vec<u8>> {
        let mut slots = body(writes.iter().sum());
        let mut slot = 0;
        for write in writes {
            let first = &mut slots[usize::from(slot)];
            put(first, 16, &LogTime::utc(2026, 11, 25, 1, 2, 3, 4).to_bytes());
            stamp_segment(first, u32::from(slot) + 1);
            slot += write;
        }
        slots
    }

    fn scan_in_place(slots: &[Vec<u8>]) -> LogVerdict {
        let mut header = header(7, SLOTS);
        header.set_written_in_place();
        let mut scan = LogScan::new(&header);
        for segment in slots {
            scan.push(segment).unwrap();
        }
        scan.finish()
    }

    #[test]
    fn a_torn_last_write_ends_a_log_that_is_written_in_place_and_no_other() {
        let whole = in_place(&[2, 1, 4]);
        assert_eq!(scan_in_place(&whole).torn_write, None);
        for lost in 1..1_u32 << 4 {
            for zero in [false, true] {
                let mut slots = whole.clone();
                for index in (0..4).filter(|index| lost >> index & 1 == 1) {
                    let segment = slot(&mut slots, 4 + index);
                    if zero {
                        segment.fill(0);
                    } else {
                        segment[1000..1512].fill(0);
                    }
                }
                let first = 4 + u16::try_from(lost.trailing_zeros()).unwrap();
                let verdict = scan_in_place(&slots);
                let is_cut_short = zero && (lost >> (first - 4)) == 0b1111 >> (first - 4);
                assert!(verdict.is_sound());
                assert_eq!((verdict.end.sector, verdict.valid), (first, first - 1));
                assert_eq!(verdict.torn_write, (!is_cut_short).then_some(first));
                assert_eq!(scan(&slots).is_sound(), is_cut_short);
            }
        }
    }

    #[test]
    fn damage_before_the_last_write_is_damage_in_a_log_that_is_written_in_place_too() {
        let whole = in_place(&[2, 1, 4]);
        for damaged in 1..4 {
            for zero in [false, true] {
                let mut slots = whole.clone();
                let segment = slot(&mut slots, damaged);
                segment[if zero { 0 } else { 1000 }..1512].fill(0);
                if zero {
                    segment.fill(0);
                }
                assert!(!scan_in_place(&slots).is_sound(), "slot {damaged}");
            }
        }
    }

    #[test]
    fn shadows_and_older_segments_after_the_end_are_no_damage() {
        let mut body = body(4);
        *slot(&mut body, 5) = segment(7, 4);
        *slot(&mut body, 6) = segment(3, 6);
        let verdict = scan(&body);
        assert!(verdict.is_sound());
        assert_eq!(verdict.end.sector, 5);
    }

    #[test]
    fn a_torn_tail_is_replaced_by_its_shadow() {
        let mut body = body(4);
        let whole = scan(&body);
        *slot(&mut body, 5) = segment(7, 4);
        slot(&mut body, 4)[2000..].fill(0xEE);
        let verdict = scan(&body);
        assert!(verdict.is_sound());
        assert_eq!(verdict.torn, Some(4));
        assert_eq!(verdict.segments_checksum, whole.segments_checksum);
        assert_eq!(verdict.end, whole.end);
    }

    #[test]
    fn the_last_slot_may_hold_the_shadow_of_the_one_before() {
        let mut body = body(SLOTS - 2);
        *slot(&mut body, (SLOTS - 1).into()) = segment(7, SLOTS - 2);
        slot(&mut body, (SLOTS - 2).into())[50] ^= 0xFF;
        let verdict = scan(&body);
        assert_eq!(verdict.torn, Some(SLOTS - 2));
        assert!(verdict.is_sound());
    }

    #[test]
    fn damage_in_the_middle_is_told_with_its_slot() {
        let mut body = body(6);
        slot(&mut body, 3)[100..120].fill(0xEE);
        let verdict = scan(&body);
        assert_eq!(verdict.damages.len(), 1);
        assert_eq!(verdict.damages[0].slot, 3);
        assert!(matches!(verdict.damages[0].kind, LogDamageKind::Damaged { .. }));
    }

    #[test]
    fn one_wrong_bit_is_told_and_does_not_change_the_sum() {
        let mut body = body(6);
        let whole = scan(&body);
        slot(&mut body, 3)[100] ^= 4;
        let verdict = scan(&body);
        assert_eq!(verdict.repaired, [(3, 802)]);
        assert_eq!(verdict.segments_checksum, whole.segments_checksum);
    }

    #[test]
    fn nothing_of_this_generation_may_follow_an_empty_slot() {
        let mut body = body(6);
        slot(&mut body, 3).fill(0);
        let verdict = scan(&body);
        assert_eq!(verdict.damages.len(), 3);
        assert_eq!(verdict.damages[0].kind, LogDamageKind::ValidAfterEmpty);
        slot(&mut body, 8).fill(0xEE);
        assert_eq!(scan(&body).damages[3].kind, LogDamageKind::DamagedAfterEmpty);
    }

    #[test]
    fn a_log_cut_short_is_told() {
        let verdict = scan(&body(6)[..4]);
        assert_eq!(verdict.damages[0].slot, 5);
        assert_eq!(verdict.damages[0].kind, LogDamageKind::Missing);
    }

    #[test]
    fn mutated_logs_never_panic_and_never_gain_segments() {
        let mut random = StdRng::seed_from_u64(81);
        for _ in 0..200 {
            let mut body = body(6);
            for _ in 0..random.random_range(1..5) {
                let from = random.random_range(0..body.len());
                let to = random.random_range(0..body.len());
                if random.random() {
                    body[to] = body[from].clone();
                } else {
                    body[to][random.random_range(0..4096)] = random.random();
                }
            }
            body.truncate(random.random_range(0..20));
            assert!(scan(&body).valid <= 6);
        }
    }
}
