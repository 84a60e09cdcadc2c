//! The tag array, and where the bytes of a tag are placed (database-file.md section 2.3).
//!
//! The engine's rules, so that replaying its logs gives its pages byte for byte:
//! * new bytes go to `ibMicFree`; holes are used only after everything was moved together;
//! * bytes that shrink stay where they are, and what is left over keeps its contents;
//! * bytes that grow stay where they are if nothing is behind them and the gap is wide enough, else they go to
//!   `ibMicFree`;
//! * `ibMicFree` goes back only if the last bytes shrink or go, and to 0 when nothing is left on the page;
//! * when the gap is too narrow, everything moves down in the order of its offsets;
//! * the bits of a tag that mean nothing are left as they are.

use super::PageBuffer;
use crate::format::error::{FormatError, Structure};
use crate::format::page::{LARGE_TAG_MASK, SMALL_TAG_MASK, TAG_COUNT_MASK, TAG_LEN, offset};

/// Where the bytes of a tag are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Offset from the end of the page's header.
    pub start: usize,
    /// How many they are.
    pub len: usize,
}

impl Place {
    pub(super) fn end(self) -> usize {
        self.start + self.len
    }
}

impl PageBuffer {
    /// Bytes after the header.
    pub(super) fn body_len(&self) -> usize {
        self.size.bytes() - self.size.header_len()
    }

    /// Tags in use, reserved ones included.
    pub(super) fn tag_count(&self) -> usize {
        self.word(offset::TAG_STATE) & usize::from(TAG_COUNT_MASK)
    }

    /// Tags before that of the first node.
    pub(super) fn reserved_tags(&self) -> usize {
        (self.word(offset::TAG_STATE) >> 12 & 7).max(1)
    }

    fn set_tag_count(&mut self, count: usize) {
        let upper = self.word(offset::TAG_STATE) & !usize::from(TAG_COUNT_MASK);
        self.put_word(offset::TAG_STATE, upper | count);
    }

    fn mic_free(&self) -> usize {
        self.word(offset::MIC_FREE)
    }

    /// Bytes between the data and the tag array.
    pub(super) fn gap(&self) -> Result<usize, FormatError> {
        self.body_len()
            .checked_sub(TAG_LEN * self.tag_count())
            .and_then(|room| room.checked_sub(self.mic_free()))
            .ok_or_else(|| damaged(offset::MIC_FREE, "ibMicFree lies in the tag array"))
    }

    /// Where the bytes of tag `index` are; inside of the data.
    pub(super) fn place(&self, index: usize) -> Result<Place, FormatError> {
        if index >= self.tag_count() {
            return Err(damaged(offset::TAG_STATE, format!("has no tag {index}")));
        }
        self.gap()?;
        let (at, mask) = (self.tag_at(index), self.tag_mask());
        let place = Place {
            start: self.word(at + 2) & mask,
            len: self.word(at) & mask,
        };
        if place.len > 0 && place.end() > self.mic_free() {
            return Err(damaged(at, format!("tag {index} ends after ibMicFree")));
        }
        Ok(place)
    }

    /// Makes a new tag `index` before those that are there, with `len` bytes that the caller writes.
    pub(super) fn open_tag(&mut self, index: usize, len: usize) -> Result<Place, FormatError> {
        let count = self.tag_count();
        let cost = len + TAG_LEN;
        if index > count || count == usize::from(TAG_COUNT_MASK) {
            return Err(damaged(
                offset::TAG_STATE,
                format!("has no place for a tag {index}"),
            ));
        }
        if cost > self.free() {
            return Err(self.no_room(cost));
        }
        self.widen_gap(cost)?;
        if index < count {
            let (first, end) = (self.tag_at(count - 1), self.tag_at(index) + TAG_LEN);
            self.copy(first..end, first - TAG_LEN);
        }
        self.set_tag_count(count + 1);
        let place = Place {
            start: self.mic_free(),
            len,
        };
        self.put_place(index, place);
        self.put_word(offset::MIC_FREE, place.end());
        self.set_free(self.free() - cost);
        Ok(place)
    }

    /// Removes tag `index` and its bytes.
    pub(super) fn close_tag(&mut self, index: usize) -> Result<(), FormatError> {
        let (place, count) = (self.place(index)?, self.tag_count());
        if place.end() == self.mic_free() {
            self.put_word(offset::MIC_FREE, place.start);
        }
        let free = self.accounted(self.free() + place.len + TAG_LEN)?;
        let (first, end) = (self.tag_at(count - 1), self.tag_at(index));
        self.copy(first..end, first + TAG_LEN);
        self.set_tag_count(count - 1);
        self.set_free(free);
        if free + TAG_LEN == self.body_len() {
            self.put_word(offset::MIC_FREE, 0);
        }
        Ok(())
    }

    /// Gives tag `index` the length `len`; the first `keep` of its bytes stay what they were, and the caller writes the
    /// others.
    pub(super) fn resize_tag(&mut self, index: usize, len: usize, keep: usize) -> Result<Place, FormatError> {
        let old = self.place(index)?;
        let keep = keep.min(old.len).min(len);
        let growth = len.saturating_sub(old.len);
        if growth > self.free() {
            return Err(self.no_room(growth));
        }
        let is_last = old.end() == self.mic_free();
        if growth > 0 && !(is_last && self.gap()? >= growth) {
            return self.move_tag(index, old, len, keep);
        }
        let place = Place {
            start: old.start,
            len,
        };
        let free = self.accounted(self.free() + old.len - len)?;
        if is_last {
            self.put_word(offset::MIC_FREE, place.end());
        }
        self.put_place(index, place);
        self.set_free(free);
        Ok(place)
    }

    /// Moves the bytes of tag `index` to the end of the data, where they become `len`.
    fn move_tag(&mut self, index: usize, old: Place, len: usize, keep: usize) -> Result<Place, FormatError> {
        let free = self.free() + old.len;
        let from = self.size.header_len() + old.start;
        let mut kept = Vec::new();
        if self.gap()? < len {
            kept.extend_from_slice(self.bytes.get(from..from + keep).unwrap_or_default());
            self.put_place(index, Place { start: 0, len: 0 });
            self.widen_gap(len)?;
        }
        let place = Place {
            start: self.mic_free(),
            len,
        };
        if kept.is_empty() {
            self.copy(from..from + keep, self.size.header_len() + place.start);
        } else {
            self.write(place.start, &kept);
        }
        self.put_place(index, place);
        self.put_word(offset::MIC_FREE, place.end());
        self.set_free(self.accounted(free.saturating_sub(len))?);
        Ok(place)
    }

    /// Makes the gap before the tag array at least `len` bytes wide.
    fn widen_gap(&mut self, len: usize) -> Result<(), FormatError> {
        if self.gap()? >= len {
            return Ok(());
        }
        self.move_together()?;
        if self.gap()? < len {
            return Err(damaged(offset::FREE, "cbFree promises more bytes than are free"));
        }
        Ok(())
    }

    /// Moves the bytes of all tags together, in the order of their offsets.
    fn move_together(&mut self) -> Result<(), FormatError> {
        let mut order = (0..self.tag_count())
            .map(|index| Ok((self.place(index)?, index)))
            .collect::<Result<Vec<_>, FormatError>>()?;
        order.sort_unstable_by_key(|&(place, index)| (place.start, index));
        let mut end = 0;
        for (place, index) in order.iter().filter(|(place, _)| place.len > 0) {
            if place.start < end {
                return Err(damaged(self.tag_at(*index), "two tags overlap"));
            }
            end = place.end();
        }
        let (header, mut target) = (self.size.header_len(), 0);
        for (place, index) in order {
            self.copy(header + place.start..header + place.end(), header + target);
            let len = place.len;
            self.put_place(index, Place { start: target, len });
            target += len;
        }
        self.put_word(offset::MIC_FREE, target);
        Ok(())
    }

    /// Writes `bytes` at `start` of the body.
    pub(super) fn write(&mut self, start: usize, bytes: &[u8]) {
        // The place of no bytes may be anywhere.
        if bytes.is_empty() {
            return;
        }
        crate::format::bytes::put(&mut self.bytes, self.size.header_len() + start, bytes);
    }

    /// Where tag `index` stands in the page; only for an index that the page has or can have.
    pub(super) fn tag_at(&self, index: usize) -> usize {
        self.size.bytes().saturating_sub(TAG_LEN * (index + 1))
    }

    fn tag_mask(&self) -> usize {
        usize::from(if self.size.is_small() {
            SMALL_TAG_MASK
        } else {
            LARGE_TAG_MASK
        })
    }

    fn put_place(&mut self, index: usize, place: Place) {
        let (at, mask) = (self.tag_at(index), self.tag_mask());
        for (at, value) in [(at, place.len), (at + 2, place.start)] {
            self.put_word(at, self.word(at) & !mask | value & mask);
        }
    }

    /// Sets `cbFree`, and takes back from `cbUncommittedFree` what it no longer covers.
    fn set_free(&mut self, free: usize) {
        self.put_word(offset::FREE, free);
        if self.uncommitted_free() > free {
            self.put_word(offset::UNCOMMITTED_FREE, free);
        }
    }

    /// `free` if a page can have so many free bytes.
    fn accounted(&self, free: usize) -> Result<usize, FormatError> {
        if free <= self.body_len() {
            return Ok(free);
        }
        Err(damaged(offset::FREE, "cbFree is larger than the page"))
    }

    pub(super) fn no_room(&self, needed: usize) -> FormatError {
        let (free, uncommitted) = (self.free(), self.uncommitted_free());
        damaged(
            offset::FREE,
            format!("has no room for {needed} bytes: cbFree is {free}, cbUncommittedFree {uncommitted}"),
        )
    }

    fn copy(&mut self, from: std::ops::Range<usize>, to: usize) {
        if from.is_empty() {
            return;
        }
        let fits = from.end <= self.bytes.len() && to.saturating_add(from.len()) <= self.bytes.len();
        debug_assert!(fits, "{from:?} to {to} leaves the page");
        if fits {
            self.bytes.copy_within(from, to);
        }
    }

    pub(super) fn word(&self, at: usize) -> usize {
        self.bytes
            .get(at..at + 2)
            .and_then(|word| word.try_into().ok())
            .map_or(0, |word| usize::from(u16::from_le_bytes(word)))
    }

    pub(super) fn put_word(&mut self, at: usize, value: usize) {
        crate::format::bytes::put(&mut self.bytes, at, &below_64k(value).to_le_bytes());
    }
}

/// A number on a page, all of which are below 64 Ki.
pub(super) fn below_64k(value: usize) -> u16 {
    debug_assert!(value <= usize::from(u16::MAX), "{value} is no number of a page");
    u16::try_from(value).unwrap_or(u16::MAX)
}

/// The page is not what it should be.
pub(super) fn damaged(at: usize, what: impl Into<std::borrow::Cow<'static, str>>) -> FormatError {
    FormatError::other(Structure::Page, at, what)
}
