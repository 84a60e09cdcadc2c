//! The long value tree of a table, made when it is first needed (database-file.md section 8).

use super::live_table::{LiveTable, long_value_tree_of};
use super::own_transaction::in_own_transaction;
use super::rows;
use super::state::{Lent, SchemaChange};
use super::tables::note;
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::space::{self, NewTree};
use crate::error::JetResult;
use crate::format::{CatalogEntry, CatalogObject, LongValueEntry, PageFlags};
use crate::store::system_catalog::{Object, ObjectKind};

/// Name of every long value tree.
const NAME: &str = "LV";

/// The tree of a table's long values. Where there is none it is made, for everybody at once and whatever becomes of this
/// transaction: several that need it at a time must not each make one. Only of a table that nobody else sees yet it is
/// made in this transaction.
///
/// # Errors
/// No page can be had; the log cannot be appended to.
pub(crate) fn long_value_tree(change: &mut Change<'_>, table: &LiveTable) -> JetResult<TreeId> {
    if let Some(tree) = table.long_values {
        return Ok(tree);
    }
    let (objid, size) = (table.schema.objid, change.database.page_size);
    let found = change
        .database
        .look_in(change.state, |state| rows::long_value_tree(state, size, objid))?;
    if let Some(tree) = found {
        return Ok(long_value_tree_of(tree));
    }
    let is_own = change.state.catalog.is_made_by(change.transaction.state(), objid);
    let tree = if is_own {
        make(change, table.tree)?
    } else {
        in_own_transaction(change.shared, change.database, change.state, |change| {
            make(change, table.tree)
        })?
    };
    change.state.catalog.forget(objid);
    Ok(tree)
}

fn make(change: &mut Change<'_>, table: TreeId) -> JetResult<TreeId> {
    let new = NewTree {
        kind: PageFlags::LONG_VALUE,
        is_unique: true,
        pages: 1,
        multiple_extent: false,
    };
    let tree = space::create_tree(change, table, new)?;
    let lent = Lent { lender: table, tree };
    note(change, table.objid, SchemaChange::Grown(lent));
    let row = CatalogEntry {
        objid_table: table.objid,
        name: NAME.into(),
        object: CatalogObject::LongValue(LongValueEntry {
            objid: tree.objid,
            pgno_fdp: tree.fdp,
        }),
    };
    rows::insert(change, &row)?;
    let object = Object {
        objid: tree.objid,
        table: table.objid,
        kind: ObjectKind::LongValue,
    };
    rows::insert_object(change, object)?;
    Ok(tree)
}
