//! How the segments of a log (version 8) are judged while they are read (log-and-recovery.md sections 3.2 and 3.3).
//!
//! Reading at random, it is not known where the log ends. So a segment passes if its checksum fits its own place, of
//! whatever generation it is (a recycled file), or the place before (a shadow), or if it is zero. One that is damaged
//! passes as it is if recovery gets over it: its shadow is good, or it is of a torn last write.

use super::block_file::{BlockFile, Damage};
use super::verifying_file::Blocks;
use crate::backup::{BackupEvent, Outcome};
use crate::error::{JetErr, JetResult};
use crate::format::checksum::{PageState, check_segment, repair_segment};
use crate::format::{FormatError, LogHeader, PageSize, SegmentHeader};

/// Bytes of a segment, and of the header.
const SEGMENT: PageSize = PageSize::Kib4;

/// The segments of one log.
#[derive(Debug)]
pub(crate) struct LogSegments {
    segments: u64,
    has_rest: bool,
    header: Result<(), FormatError>,
    /// The generation of a log that is written in place, whose last write may be torn.
    may_be_torn: Option<u32>,
    allow_damaged: bool,
}

impl LogSegments {
    /// A log of `file_len` bytes; `header` is what reading its header gave.
    pub(crate) fn new(
        file_len: u64,
        header: &Result<Box<LogHeader>, FormatError>,
        allow_damaged: bool,
    ) -> Self {
        let in_place = header.as_ref().ok().filter(|header| header.is_written_in_place());
        LogSegments {
            segments: file_len / SEGMENT.bytes_u64(),
            has_rest: !file_len.is_multiple_of(SEGMENT.bytes_u64()),
            header: header.as_ref().map(|_| ()).map_err(Clone::clone),
            may_be_torn: in_place.map(|header| header.generation),
            allow_damaged,
        }
    }

    fn judge_damaged(&self, file: &dyn BlockFile, slot: u32, what: String) -> JetResult<()> {
        let damage = Self::damage(u64::from(slot), what);
        if self.allow_damaged || Self::has_shadow(file, slot) || self.is_of_torn_write(file, slot) {
            // A torn write of the log's tail: recovery gets over it, and must find things as they are.
            file.note(&damage, Outcome::ServedDamaged);
            return Ok(());
        }
        Err(file.refuse(damage))
    }

    /// Whether the next slot holds a good copy of this one.
    fn has_shadow(file: &dyn BlockFile, slot: u32) -> bool {
        let mut next = [0; SEGMENT.bytes()];
        let offset = (u64::from(slot) + 1) * SEGMENT.bytes_u64();
        file.read(&mut next, offset).is_ok_and(|read| read == next.len())
            && check_segment(&next, slot) == PageState::Good
    }

    /// Whether no later segment begins a write, before which this one would have been durable.
    fn is_of_torn_write(&self, file: &dyn BlockFile, slot: u32) -> bool {
        let Some(generation) = self.may_be_torn else {
            return false;
        };
        let mut segment = [0; SEGMENT.bytes()];
        (u64::from(slot) + 1..self.segments).all(|later| {
            let (Ok(place), Ok(read)) = (
                u16::try_from(later),
                file.read(&mut segment, later * SEGMENT.bytes_u64()),
            ) else {
                return false;
            };
            let begins_write = check_segment(&segment, place.into()) == PageState::Good
                && SegmentHeader::read(&segment).is_ok_and(|header| {
                    header.start_time.is_set() && header.position.generation == generation
                });
            read == segment.len() && !begins_write
        })
    }

    fn damage(index: u64, what: String) -> Damage {
        Damage {
            offset: index * SEGMENT.bytes_u64(),
            page: None,
            code: JetErr::LogReadVerifyFailure,
            what,
        }
    }

    fn pass_or_refuse(&self, file: &dyn BlockFile, damage: Damage) -> JetResult<()> {
        if self.allow_damaged {
            file.note(&damage, Outcome::ServedDamaged);
            return Ok(());
        }
        Err(file.refuse(damage))
    }
}

impl Blocks for LogSegments {
    fn block_len(&self) -> usize {
        SEGMENT.bytes()
    }

    fn judged_len(&self) -> u64 {
        self.segments * SEGMENT.bytes_u64()
    }

    fn judge(&self, file: &dyn BlockFile, index: u64, block: &mut [u8]) -> JetResult<()> {
        let slot = match u32::try_from(index) {
            Ok(0) => {
                return match &self.header {
                    Ok(()) => Ok(()),
                    Err(error) => {
                        let path = file.path().to_path_buf();
                        file.found().tell(&BackupEvent::LogDamaged { path });
                        self.pass_or_refuse(file, Self::damage(0, error.to_string()))
                    }
                };
            }
            Ok(slot) => slot,
            Err(_) => return Ok(()),
        };
        if matches!(
            check_segment(block, slot),
            PageState::Good | PageState::Uninitialised
        ) || check_segment(block, slot - 1) == PageState::Good
        {
            return Ok(());
        }
        match repair_segment(block, slot) {
            PageState::Correctable { bit } => {
                let what = format!("bit {} of byte {} of the segment was wrong", bit % 8, bit / 8);
                file.note(&Self::damage(index, what), Outcome::Repaired);
                Ok(())
            }
            PageState::Damaged { stored, computed } => {
                let what = format!("the segment's checksum is {stored:#x}, but its bytes give {computed:#x}");
                self.judge_damaged(file, slot, what)
            }
            PageState::Good | PageState::Uninitialised => Ok(()),
        }
    }

    fn judge_rest(&self, file: &dyn BlockFile) -> JetResult<()> {
        if !self.has_rest {
            return Ok(());
        }
        self.pass_or_refuse(
            file,
            Self::damage(self.segments, "the log ends within a segment".to_owned()),
        )
    }
}
