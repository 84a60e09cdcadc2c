//! Which long values leave their record for the long value tree (`ErrFLDSetOneColumn`, `ErrRECSetLongField`,
//! `TAGFIELDS::ErrAffectLongValuesInWorkBuf`; database-file.md section 8).
//!
//! A value that is longer than the table's limit leaves at once. When the record gets too big, others follow: those
//! above half a page, then a quarter, and so on to a 64th, at last all that are longer than a LID.

use super::layout::LID_LEN;
use super::tagged::TaggedPlace;
use super::update::RecordUpdate;
use crate::format::{ColumnId, TagInfo, TaggedPart, ValuePart, decompress};
use std::borrow::Cow;

/// A compressed value in a record is never longer than its size field can say.
const INTRINSIC_MAX: usize = u16::MAX as usize;

/// A value that is to be stored in the long value tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Separation<'a> {
    /// The column.
    pub(crate) id: ColumnId,
    /// Which of its values, from 1.
    pub(crate) sequence: usize,
    /// The plain value.
    pub(crate) value: &'a [u8],
}

impl RecordUpdate {
    /// The values that are to be stored in the long value tree before the record can be written, in the order of the
    /// record. Each gets its reference by [`set_long_value`](Self::set_long_value).
    ///
    /// The genuine engine stores values while they are set; who wants its order of LIDs looks here after each `set`.
    pub(crate) fn separations(&self) -> impl Iterator<Item = Separation<'_>> {
        self.parts.tagged.iter().flat_map(|part| {
            part.values
                .iter()
                .zip(1..)
                .filter_map(|(value, sequence)| match value {
                    ValuePart::Unstored(value) => Some(Separation {
                        id: part.id,
                        sequence,
                        value,
                    }),
                    ValuePart::Intrinsic(_) | ValuePart::Separated(_) => None,
                })
        })
    }

    /// Separates values until the record is not too big; false if there are not enough. The value at `fresh`, which
    /// was just set, leaves only if the others of its length were not enough.
    pub(super) fn fit(&mut self, fresh: Option<TaggedPlace>) -> bool {
        if self.fits() {
            return true;
        }
        let page = self.layout.size.bytes();
        self.separate_fresh(fresh, page / 2);
        let halves = (1..=6).map(|power| page >> power);
        for threshold in halves.chain([LID_LEN]) {
            if self.fits() {
                return true;
            }
            self.separate_all(fresh, threshold);
            if !self.fits() {
                self.separate_fresh(fresh, threshold);
            }
        }
        self.fits()
    }

    fn fits(&self) -> bool {
        self.len() <= self.layout.record_most
    }

    fn separate_all(&mut self, fresh: Option<TaggedPlace>, threshold: usize) {
        for (column, part) in self.parts.tagged.iter_mut().enumerate() {
            for value in 0..part.values.len() {
                if fresh != Some(TaggedPlace { column, value }) {
                    separate(part, value, threshold);
                }
            }
        }
    }

    fn separate_fresh(&mut self, fresh: Option<TaggedPlace>, threshold: usize) {
        if let Some(place) = fresh
            && let Some(part) = self.parts.tagged.get_mut(place.column)
        {
            separate(part, place.value, threshold);
        }
    }
}

/// Separates a value that takes more than `threshold` bytes. Encrypted ones stay: their plain bytes are not known.
fn separate(part: &mut TaggedPart<'static>, index: usize, threshold: usize) {
    if part.info & (TagInfo::LONG_VALUE | TagInfo::ENCRYPTED) != TagInfo::LONG_VALUE {
        return;
    }
    let is_compressed = index == 0 && part.info.contains(TagInfo::COMPRESSED);
    let Some(value) = part.values.get_mut(index) else {
        return;
    };
    let ValuePart::Intrinsic(bytes) = value else {
        return;
    };
    if bytes.len() <= threshold {
        return;
    }
    let plain = if is_compressed {
        match decompress(bytes, INTRINSIC_MAX) {
            Ok(plain) => plain,
            // Damaged: it stays as it is.
            Err(_) => return,
        }
    } else {
        std::mem::take(bytes).into_owned()
    };
    *value = ValuePart::Unstored(Cow::Owned(plain));
    if is_compressed {
        part.info -= TagInfo::COMPRESSED;
    }
}
