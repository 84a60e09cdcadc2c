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
                let len = table.long_value_size(lid)?;
                let pieces = Vec::new();
                self.0.push(Changed { lid, len, pieces });
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
            let values = long_values(change, table)?;
            let changed = values.change(change, *lid, pieces, are_shared)?;
            if changed != *lid {
                record.set_long_value(column, sequence, changed)?;
            }
        }
        Ok(())
    }
}
