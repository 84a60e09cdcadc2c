//! The difference in a `ReplaceD` record: how to get from the old data of a node to the new (log-and-recovery.md
//! section 4.4).
//!
//! A difference is a row of pieces, each with an offset in the old data that never goes back: what is before it is
//! copied, the piece's literal bytes follow, and the old bytes that it replaces are passed over. The rest is copied.

use super::bytes::Fields;
use super::error::{FormatError, Structure};

/// Flags of a piece; in the narrow form they are the upper bits of the offset, in the wide form a byte of their own.
const SAME_LENGTH: u16 = 0x2000;
const INSERT: u16 = 0x4000;
const LONG_LENGTHS: u16 = 0x8000;
/// The offset of the narrow form, for pages up to 8 KiB.
const NARROW_OFFSET: u16 = 0x1fff;
/// Equal bytes between two differences that are worth a piece of their own.
const WORTH_A_PIECE: usize = 8;

/// One piece.
#[derive(Debug, Clone, Copy)]
struct Piece<'a> {
    /// Offset in the old data.
    offset: usize,
    /// How many old bytes it replaces.
    old_len: usize,
    literal: &'a [u8],
}

/// The new data, which must have `new_len` bytes. `wide` is the form for pages of more than 8 KiB.
///
/// # Errors
/// `JET_errLogCorrupted`: the difference is cut off, goes beyond the old data or back in it, or gives other than
/// `new_len` bytes.
pub fn apply_diff(old: &[u8], diff: &[u8], wide: bool, new_len: u16) -> Result<Vec<u8>, FormatError> {
    let new_len = usize::from(new_len);
    let mut new = Vec::with_capacity(new_len);
    let (mut rest, mut at) = (diff, 0);
    while !rest.is_empty() {
        let (piece, behind) = Piece::read(rest, wide)?;
        let copied = old.get(at..piece.offset).ok_or_else(outside)?;
        if new.len() + copied.len() + piece.literal.len() > new_len {
            return Err(wrong_len(new_len));
        }
        new.extend_from_slice(copied);
        new.extend_from_slice(piece.literal);
        at = piece.offset + piece.old_len;
        rest = behind;
    }
    let copied = old.get(at..).ok_or_else(outside)?;
    if new.len() + copied.len() != new_len {
        return Err(wrong_len(new_len));
    }
    new.extend_from_slice(copied);
    Ok(new)
}

/// The difference between two versions of data; `None` if it is not shorter than the new data, which are then better
/// logged whole. It is empty if nothing has changed.
pub fn make_diff(old: &[u8], new: &[u8], wide: bool) -> Option<Vec<u8>> {
    let mut diff = Vec::new();
    let common = old.len().min(new.len());
    let mut at = 0;
    while let Some(start) = next_difference(old, new, at, common) {
        let end = end_of_difference(old, new, start, common);
        // What one of the two has more belongs to a last piece that reaches it.
        let (old_end, new_end) = if end == common {
            (old.len(), new.len())
        } else {
            (end, end)
        };
        let piece = Piece {
            offset: start,
            old_len: old_end - start,
            literal: new.get(start..new_end)?,
        };
        piece.write(&mut diff, wide)?;
        at = new_end.max(old_end);
        if diff.len() >= new.len() {
            return None;
        }
    }
    Some(diff)
}

/// Where the two differ next; the end of the shorter one if the other goes on.
fn next_difference(old: &[u8], new: &[u8], from: usize, common: usize) -> Option<usize> {
    let pairs = old.iter().zip(new).skip(from);
    let equal = pairs.take_while(|(old, new)| old == new).count();
    let at = from + equal;
    let differs = at < common || (at == common && old.len() != new.len());
    differs.then_some(at)
}

/// The end of a difference: before the next bytes that are equal and worth a piece.
fn end_of_difference(old: &[u8], new: &[u8], start: usize, common: usize) -> usize {
    let mut equal = 0;
    for (index, (old, new)) in old.iter().zip(new).enumerate().skip(start) {
        equal = if old == new { equal + 1 } else { 0 };
        if equal == WORTH_A_PIECE {
            return index + 1 - WORTH_A_PIECE;
        }
    }
    // Old and new data of equal length may end in equal bytes.
    if old.len() == new.len() {
        common - equal
    } else {
        common
    }
}

impl<'a> Piece<'a> {
    /// The first piece, and what is behind it.
    fn read(bytes: &'a [u8], wide: bool) -> Result<(Self, &'a [u8]), FormatError> {
        Self::read_fields(&Fields::new(Structure::LogRecord, bytes), wide)
            .map_err(|_| FormatError::misfit("a difference is cut off"))
    }

    fn read_fields(fields: &Fields<'a>, wide: bool) -> Result<(Self, &'a [u8]), FormatError> {
        let word = fields.u16(0)?;
        let (offset, flags, mut at) = if wide {
            (word, u16::from(fields.u8(2)?) << 8, 3)
        } else {
            (word & NARROW_OFFSET, word, 2)
        };
        let mut length = || -> Result<usize, FormatError> {
            if flags & LONG_LENGTHS != 0 {
                at += 2;
                return fields.u16(at - 2).map(usize::from);
            }
            at += 1;
            fields.u8(at - 1).map(usize::from)
        };
        let new_len = length()?;
        let old_len = if flags & INSERT != 0 {
            0
        } else if flags & SAME_LENGTH != 0 {
            new_len
        } else {
            length()?
        };
        let piece = Piece {
            offset: usize::from(offset),
            old_len,
            literal: fields.slice(at, new_len)?,
        };
        Ok((piece, fields.from(at + new_len)?))
    }

    /// Appends the piece; `None` if the form has no room for its numbers.
    fn write(&self, diff: &mut Vec<u8>, wide: bool) -> Option<()> {
        let (old_len, new_len) = (
            u16::try_from(self.old_len).ok()?,
            u16::try_from(self.literal.len()).ok()?,
        );
        let offset = u16::try_from(self.offset).ok()?;
        let is_insert = old_len == 0;
        let is_same = !is_insert && old_len == new_len;
        let is_long = old_len > 0xff || new_len > 0xff;
        let flag = |set: bool, flag: u16| if set { flag } else { 0 };
        let flags = flag(is_same, SAME_LENGTH) | flag(is_insert, INSERT) | flag(is_long, LONG_LENGTHS);
        if wide {
            diff.extend(offset.to_le_bytes());
            diff.extend(flags.to_be_bytes().first());
        } else {
            if offset > NARROW_OFFSET {
                return None;
            }
            diff.extend((offset | flags).to_le_bytes());
        }
        let lengths = [Some(new_len), (!is_insert && !is_same).then_some(old_len)];
        for length in lengths.into_iter().flatten() {
            let bytes = length.to_le_bytes();
            diff.extend(bytes.iter().take(if is_long { 2 } else { 1 }));
        }
        diff.extend(self.literal);
        Some(())
    }
}

fn outside() -> FormatError {
    FormatError::misfit("a difference goes back or beyond the old data")
}

fn wrong_len(new_len: usize) -> FormatError {
    FormatError::misfit(format!(
        "a difference gives other than the {new_len} bytes that it should"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::JetErr;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn pieces_replace_insert_and_delete() {
        let old = b"0123456789";
        let narrow = [
            &[0x01, 0x20, 2][..],
            b"AB",
            &[0x05, 0x40, 1],
            b"i",
            &[0x08, 0x00, 0, 2],
        ]
        .concat();
        assert_eq!(apply_diff(old, &narrow, false, 9).unwrap(), b"0AB34i567");
        let wide = [&[1, 0, 0xA0, 2, 0][..], b"AB"].concat();
        assert_eq!(apply_diff(old, &wide, true, 10).unwrap(), b"0AB3456789");
    }

    #[test]
    fn a_difference_that_does_not_fit_is_an_error_of_the_log() {
        let old = b"0123456789";
        for (diff, new_len) in [
            (&[0x01, 0x20, 2, b'A'][..], 10),
            (&[0x01], 10),
            (&[0x0b, 0x40, 1, b'A'], 11),
            (&[0x09, 0x20, 2, b'A', b'B'], 10),
            (&[0x05, 0x40, 0, 0x04, 0x40, 0], 10),
            (&[0x05, 0x40, 1, b'A'], 10),
            (&[], 9),
        ] {
            let error = apply_diff(old, diff, false, new_len).unwrap_err();
            assert_eq!(error.jet_err(), JetErr::LogCorrupted, "{diff:?}");
        }
    }

    #[test]
    fn equal_data_have_an_empty_difference() {
        assert_eq!(make_diff(b"abc", b"abc", true), Some(Vec::new()));
    }

    /// Old and new data that resemble each other.
    fn versions() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        let changes = vec(
            (any::<prop::sample::Index>(), vec(0u8..3, 0..12), 0usize..12),
            0..6,
        );
        (vec(0u8..3, 1..700), changes).prop_map(|(old, changes)| {
            let mut new = old.clone();
            for (place, bytes, removed) in changes {
                let start = place.index(new.len() + 1);
                let end = (start + removed).min(new.len());
                new.splice(start..end, bytes);
            }
            (old, new)
        })
    }

    proptest! {
        #[test]
        fn a_difference_leads_from_the_old_data_to_the_new((old, new) in versions(), wide: bool) {
            if let Some(diff) = make_diff(&old, &new, wide) {
                prop_assert!(diff.len() < new.len() || diff.is_empty());
                let new_len = u16::try_from(new.len()).unwrap();
                prop_assert_eq!(apply_diff(&old, &diff, wide, new_len).unwrap(), new);
            }
        }

        #[test]
        fn no_difference_panics(old: Vec<u8>, diff: Vec<u8>, wide: bool, new_len in 0u16..2000) {
            let _ = apply_diff(&old, &diff, wide, new_len);
        }
    }
}
