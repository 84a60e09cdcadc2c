//! Changes of parts of long values that are stored already: kept until the record is saved, then made where the values
//! stand.

use super::Table;
use super::entries::long_values;
use crate::engine::catalog::LiveTable;
use crate::engine::change::Change;
use crate::engine::long_values::{Piece, len_after};
use crate::engine::record::RecordUpdate;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::Lid;
use crate::store::RecordColumn;

/// What is to be done to long values.
#[derive(Debug, Default)]
pub(super) struct Pieces(Vec<Changed>);

/// A long value that is to be changed.
#[derive(Debug)]
struct Changed {
    lid: Lid,
    /// How long it is.
    stored: u32,
    /// How long it will be.
    len: u32,
    pieces: Vec<Piece>,
}

impl Pieces {
    /// Adds a change of a value of a column.
    ///
    /// # Errors
    /// Its place is behind the end of the value (`JET_errColumnNoChunk`); the value gets longer than the column allows
    /// (`JET_errColumnTooBig`).
    pub(super) fn add(
        &mut self,
        table: &Table<'_>,
        column: &RecordColumn,
        lid: Lid,
        piece: Piece,
    ) -> JetResult<()> {
        let at = match self.0.iter().position(|changed| changed.lid == lid) {
            Some(at) => at,
            None => {
                let stored = table.long_value_size(lid)?;
                self.0.push(Changed {
                    lid,
                    stored,
                    len: stored,
                    pieces: Vec::new(),
                });
                self.0.len() - 1
            }
        };
        let Some(changed) = self.0.get_mut(at) else {
            return Ok(());
        };
        let len = len_after(changed.len, &piece)?;
        let most = usize::try_from(len).is_ok_and(|len| column.size == 0 || len <= column.size);
        if !most {
            let what = format!("column {} holds {} bytes, not {len}", column.name, column.size);
            return Err(JetError::rule(JetErr::ColumnTooBig, what));
        }
        changed.len = len;
        changed.pieces.push(piece);
        Ok(())
    }

    /// How long a value will be; `None`: it is not changed.
    pub(super) fn len(&self, lid: Lid) -> Option<u32> {
        self.of(lid).map(|changed| changed.len)
    }

    fn of(&self, lid: Lid) -> Option<&Changed> {
        self.0.iter().find(|changed| changed.lid == lid)
    }

    /// Reads a value as it will be; `read` reads what is stored.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn read(
        &self,
        lid: Lid,
        (offset, len): (u32, usize),
        read: impl FnOnce(usize) -> JetResult<Vec<u8>>,
    ) -> JetResult<Vec<u8>> {
        let Some(changed) = self.of(lid) else {
            return read(len);
        };
        let rest = usize::try_from(changed.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = len.min(rest);
        let mut bytes = read(len)?;
        bytes.resize(len, 0);
        let mut whole = changed.stored;
        for piece in &changed.pieces {
            match piece {
                Piece::Append(piece) => put(&mut bytes, offset, whole, piece),
                Piece::Write(at, piece) => put(&mut bytes, offset, *at, piece),
                Piece::Resize(to) => cut(&mut bytes, offset, *to),
            }
            whole = len_after(whole, piece)?;
        }
        Ok(bytes)
    }

    /// Makes the changes of values to which the record still refers. `are_shared`: another record refers to them, and
    /// this one is not counted yet.
    ///
    /// # Errors
    /// `JET_errWriteConflict`; a value is damaged; no page can be had.
    pub(super) fn write(
        &self,
        change: &mut Change<'_>,
        table: &LiveTable,
        record: &mut RecordUpdate,
        are_shared: bool,
    ) -> JetResult<()> {
        for Changed { lid, pieces, .. } in &self.0 {
            let place = record.place_of(*lid).filter(|_| !pieces.is_empty());
            let Some((column, sequence)) = place else {
                continue;
            };
            let flags = record.layout().column(column)?.flags;
            let values = long_values(change, table)?.of_column(flags);
            let changed = values.change(change, *lid, pieces, are_shared)?;
            if changed != *lid {
                record.set_long_value(column, sequence, changed)?;
            }
        }
        Ok(())
    }
}

/// Puts a piece that begins at `at` into bytes that begin at `start`.
fn put(bytes: &mut [u8], start: u32, at: u32, piece: &[u8]) {
    let skipped = usize::try_from(start.saturating_sub(at)).unwrap_or(usize::MAX);
    let first = usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
    let piece = piece.get(skipped..).unwrap_or_default();
    let place = bytes.get_mut(first..).unwrap_or_default();
    for (byte, new) in place.iter_mut().zip(piece) {
        *byte = *new;
    }
}

/// What lies behind the new end is zero when the value grows again.
fn cut(bytes: &mut [u8], start: u32, end: u32) {
    let kept = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
    bytes.get_mut(kept..).unwrap_or_default().fill(0);
}
