//! A record being written, between JetPrepareUpdate and JetUpdate: pure code over bytes and schema.
//!
//! * `layout`: what the engine knows of a table's columns; `update`: the record, its columns, its final bytes;
//! * `set`: what happens when a column is set; `tagged`: the values of tagged columns;
//! * `separation`: which long values leave the record; `escrow`: columns that change by adding.
//!
//! The rules are database-file.md sections 7 and 8, and where these are silent the engine's public source, whose
//! functions the comments name.

mod escrow;
mod layout;
mod separation;
mod set;
mod tagged;
mod update;

pub(crate) use escrow::{EscrowColumn, EscrowWidth};
pub(crate) use layout::RecordLayout;
pub(crate) use set::{Operation, Outcome, Place, SetColumn, Unique};
pub(crate) use update::{ColumnValue, RecordUpdate, long_values_of};

#[cfg(test)]
mod tests;
