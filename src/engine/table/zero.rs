//! Records that go when an escrow column of theirs falls to zero (`JET_bitColumnDeleteOnZero`).

use super::update::{delete_record, name};
use crate::engine::catalog;
use crate::engine::change::Change;
use crate::engine::record::EscrowColumn;
use crate::engine::tree::{self, From};
use crate::error::{JetErr, JetResult};
use crate::format::ColumnFlags;
use std::sync::Arc;

/// Deletes a record of the table of this objid, if one of its columns says so.
///
/// # Errors
/// Somebody changes it now, or the table (`JET_errWriteConflict`); a tree is damaged; the log cannot be appended to.
pub(crate) fn delete_record_at_zero(change: &mut Change<'_>, objid: u32, key: &[u8]) -> JetResult<()> {
    let (database, reader) = (change.database, Arc::clone(change.transaction.state()));
    let size = database.page_size;
    let table = database.look_in(change.state, |state| {
        catalog::table_of(state, size, objid, &reader)
    });
    let table = match table {
        Err(error) if error.code() == JetErr::ObjectNotFound => return Ok(()),
        table => table?,
    };
    let columns = table.layout.columns().iter();
    let mut columns = columns.filter(|column| column.flags.contains(ColumnFlags::DELETE_ON_ZERO));
    if columns.clone().next().is_none() {
        return Ok(());
    }
    let record = database.look_in(change.state, |state| {
        let found = tree::find(state, table.tree, From::At(name(key)), &reader)?;
        Ok(found.map(|found| found.data.into_owned()))
    })?;
    let Some(record) = record else {
        return Ok(());
    };
    let is_zero = |id| -> JetResult<bool> {
        let column = EscrowColumn::of(&table.layout, id)?;
        Ok(column.deletes_on_zero && column.value(size, &record)? == 0)
    };
    if !columns.any(|column| is_zero(column.id).unwrap_or(false)) {
        return Ok(());
    }
    change.state.catalog.check_records(objid, &reader)?;
    delete_record(change, &table, key, &record)
}
