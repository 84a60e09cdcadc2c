//! Escrow columns: numbers that several transactions change at once, each by adding (`ErrRECIEscrowUpdate`).

use super::layout::RecordLayout;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ColumnClass, ColumnFlags, ColumnId, PageSize, Record, Stored};

/// Bytes of an escrow column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EscrowWidth {
    /// 4: a Delta record of 32 bits.
    Four,
    /// 8: a Delta record of 64 bits.
    Eight,
}

/// An escrow column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EscrowColumn {
    /// `cbOffset` of a Delta record: where the number stands, from the start of the node's data.
    pub(crate) offset: u16,
    /// How many bytes it has.
    pub(crate) width: EscrowWidth,
    /// Whether the record is to be deleted when it falls to zero.
    pub(crate) deletes_on_zero: bool,
    id: ColumnId,
}

impl EscrowColumn {
    /// The escrow column of this id.
    ///
    /// # Errors
    /// There is no such column, or it is none that changes by adding (`JET_errInvalidOperation`).
    pub(crate) fn of(layout: &RecordLayout, id: ColumnId) -> JetResult<Self> {
        let column = layout.column(id)?;
        let width = match column.size {
            4 => Some(EscrowWidth::Four),
            8 => Some(EscrowWidth::Eight),
            _ => None,
        };
        let is_escrow = id.class() == ColumnClass::Fixed && column.flags.contains(ColumnFlags::ESCROW_UPDATE);
        match (width, u16::try_from(column.offset)) {
            (Some(width), Ok(offset)) if is_escrow => Ok(EscrowColumn {
                offset,
                width,
                deletes_on_zero: column.flags.contains(ColumnFlags::DELETE_ON_ZERO),
                id,
            }),
            _ => Err(JetError::rule(
                JetErr::InvalidOperation,
                format!("column {} is no escrow column", column.name),
            )),
        }
    }

    /// The number in a record, sign-extended.
    ///
    /// # Errors
    /// The record is damaged, or does not hold the column: it is older than it, or the column is NULL
    /// (`JET_errInvalidOperation`). Such a record must be replaced before it can change by adding.
    pub(crate) fn value(&self, size: PageSize, record: &[u8]) -> JetResult<i64> {
        let len = match self.width {
            EscrowWidth::Four => 4,
            EscrowWidth::Eight => 8,
        };
        let record = Record::read(size, record)?;
        match record.fixed(self.id, usize::from(self.offset), len)? {
            Stored::Value(&[a, b, c, d]) => Ok(i32::from_le_bytes([a, b, c, d]).into()),
            Stored::Value(&[a, b, c, d, e, f, g, h]) => Ok(i64::from_le_bytes([a, b, c, d, e, f, g, h])),
            _ => Err(JetError::rule(
                JetErr::InvalidOperation,
                format!("the record has no value in escrow column {}", self.id),
            )),
        }
    }

    #[cfg(test)]
    /// What adding `delta` to `value` gives: wraps as the column's bytes do.
    pub(crate) fn add(&self, value: i64, delta: i64) -> i64 {
        let sum = value.wrapping_add(delta);
        match self.width {
            EscrowWidth::Eight => sum,
            EscrowWidth::Four => {
                let [a, b, c, d, ..] = sum.to_le_bytes();
                i32::from_le_bytes([a, b, c, d]).into()
            }
        }
    }
}
