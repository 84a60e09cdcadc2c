//! Long values changed where they stand: only the chunks that a piece touches are written (`JET_bitSetAppendLV`,
//! `JET_bitSetOverwriteLV`, `JET_bitSetSizeLV`).

use super::store::length;
use super::{LongValues, name};
use crate::engine::change::Change;
use crate::engine::tree;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Lid, LongValueRoot};
use std::sync::Arc;

/// A change of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// The bytes follow it.
    Append(Vec<u8>),
    /// The bytes take the place of those at an offset, which is not behind its end, and may follow it.
    Write(u32, Vec<u8>),
    /// It gets this length, by zeros at its end.
    Resize(u32),
}

/// How long a value of `len` bytes is after a change.
///
/// # Errors
/// The place is behind its end (`JET_errColumnNoChunk`); 2 GiB or more (`JET_errColumnTooBig`).
pub(crate) fn len_after(len: u32, piece: &Piece) -> JetResult<u32> {
    let (offset, bytes) = match piece {
        Piece::Resize(len) => return length(usize::try_from(*len).unwrap_or(usize::MAX)),
        Piece::Append(bytes) => (len, bytes),
        Piece::Write(offset, bytes) => (*offset, bytes),
    };
    if offset > len {
        let what = format!("a value of {len} bytes has no place {offset}");
        return Err(JetError::rule(JetErr::ColumnNoChunk, what));
    }
    let end = usize::try_from(offset)
        .unwrap_or(usize::MAX)
        .saturating_add(bytes.len());
    Ok(len.max(length(end)?))
}

impl LongValues {
    /// Changes a value for one of the records that refer to it. Returns its LID, which is another if others refer to it
    /// (`is_shared`: although none is counted but one): then the caller gives the old one up.
    ///
    /// # Errors
    /// Those of [`len_after`]; there is no such value (`JET_errLVCorrupted`); `JET_errWriteConflict`; no page can be had.
    pub(crate) fn change(
        &self,
        change: &mut Change<'_>,
        lid: Lid,
        pieces: &[Piece],
        is_shared: bool,
    ) -> JetResult<Lid> {
        let root = self.root(change, lid)?;
        if root.encrypted {
            let what = format!("long value {lid:?} is encrypted");
            return Err(JetError::rule(JetErr::ColumnNoEncryptionKey, what));
        }
        let lid = if is_shared || root.references > 1 {
            self.copy(change, lid, root.size)?
        } else {
            lid
        };
        let size = pieces.iter().try_fold(root.size, len_after)?;
        // Also where the size stays: so that nobody refers to the value meanwhile.
        let new = LongValueRoot {
            references: 1,
            size,
            ..root
        };
        tree::replace(change, self.tree, name(&lid.root_key()), &new.to_bytes())?;
        let mut len = root.size;
        for piece in pieces {
            match piece {
                Piece::Append(bytes) => self.write(change, lid, len, (len, bytes))?,
                Piece::Write(offset, bytes) => self.write(change, lid, len, (*offset, bytes))?,
                Piece::Resize(to) if *to < len => self.cut(change, lid, len, *to)?,
                Piece::Resize(to) => self.extend(change, lid, len, *to)?,
            }
            len = len_after(len, piece)?;
        }
        Ok(lid)
    }

    /// Writes bytes into a value of `len` bytes.
    fn write(&self, change: &mut Change<'_>, lid: Lid, mut len: u32, piece: (u32, &[u8])) -> JetResult<()> {
        let (mut at, mut rest) = piece;
        while !rest.is_empty() {
            let start = self.start_of(at);
            let room = usize::try_from(start + self.chunk - at).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(rest.len().min(room));
            self.write_chunk(change, lid, (start, len), (at - start, now))?;
            at += length(now.len())?;
            len = len.max(at);
            rest = later;
        }
        Ok(())
    }

    /// Writes bytes into the chunk at `start` of a value of `len` bytes, or makes it.
    fn write_chunk(
        &self,
        change: &mut Change<'_>,
        lid: Lid,
        (start, len): (u32, u32),
        (offset, bytes): (u32, &[u8]),
    ) -> JetResult<()> {
        let key = lid.chunk_key(start);
        if start >= len {
            return tree::insert(change, self.tree, &key, &self.stored(bytes));
        }
        let (first, held) = (
            usize::try_from(offset).unwrap_or(usize::MAX),
            self.chunk.min(len - start),
        );
        if offset == 0 && length(bytes.len())? >= held {
            return tree::replace(change, self.tree, name(&key), &self.stored(bytes));
        }
        let mut chunk = self.chunk_in(change, lid, (start, len))?;
        let end = first.saturating_add(bytes.len());
        chunk.resize(chunk.len().max(end), 0);
        if let Some(place) = chunk.get_mut(first..end) {
            place.copy_from_slice(bytes);
        }
        tree::replace(change, self.tree, name(&key), &self.stored(&chunk))
    }

    /// Cuts a value of `len` bytes.
    fn cut(&self, change: &mut Change<'_>, lid: Lid, len: u32, to: u32) -> JetResult<()> {
        let last = self.start_of(to);
        let mut start = last;
        if to > last {
            let mut chunk = self.chunk_in(change, lid, (last, len))?;
            chunk.truncate(usize::try_from(to - last).unwrap_or(usize::MAX));
            let stored = self.stored(&chunk);
            tree::replace(change, self.tree, name(&lid.chunk_key(last)), &stored)?;
            start += self.chunk;
        }
        while start < len {
            tree::delete(change, self.tree, name(&lid.chunk_key(start)))?;
            start += self.chunk;
        }
        Ok(())
    }

    /// Extends a value of `len` bytes with zeros.
    fn extend(&self, change: &mut Change<'_>, lid: Lid, mut len: u32, to: u32) -> JetResult<()> {
        let zeros = vec![0; usize::try_from(self.chunk).unwrap_or(0)];
        while len < to {
            let next = (self.start_of(len) + self.chunk).min(to);
            let count = usize::try_from(next - len).unwrap_or(0);
            self.write(change, lid, len, (len, zeros.get(..count).unwrap_or_default()))?;
            len = next;
        }
        Ok(())
    }

    fn chunk_in(&self, change: &mut Change<'_>, lid: Lid, place: (u32, u32)) -> JetResult<Vec<u8>> {
        let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
        database.look_in(change.state, |state| self.chunk(state, lid, place, &reader))
    }
}
