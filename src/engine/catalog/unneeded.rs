//! Trees that nobody needs any more: their pages are given back to those that lent them.
//!
//! The list is in memory. A tree of it is lost at a crash: its pages stay with nobody, which the deep check counts as
//! leaked, and harms nothing else.

use super::own_transaction::in_own_transaction;
use super::state::Lent;
use crate::engine::shared::Shared;
use crate::engine::space;
use crate::engine::state::{AttachedDatabase, DatabaseState};
use crate::error::JetResult;

/// Gives back the pages of one tree that everybody knows to be gone: of a table or an index that was deleted, or whose
/// making was rolled back. `false` if there is none, or there is no room now for saying that they are free. For the clean-up, which calls it until then; before a database is
/// detached, so that nothing is lost.
///
/// # Errors
/// The instance has stopped.
pub(crate) fn give_back_unneeded(shared: &Shared, database: &AttachedDatabase) -> JetResult<bool> {
    let oldest = shared.transactions.oldest_snapshot();
    let mut state = database.write_to_end(shared)?;
    let Some(lent) = state.catalog.take_unneeded(oldest) else {
        return Ok(false);
    };
    let given = in_own_transaction(shared, database, &mut state, |change| {
        space::delete_tree(change, lent.lender, lent.tree)
    });
    match given {
        Ok(()) => {
            forget(&mut state, lent);
            Ok(true)
        }
        Err(error) if shared.failure().is_some() => Err(error),
        Err(error) => {
            tracing::warn!(%error, root = lent.tree.fdp, "pages of a tree that is gone are not free yet");
            state.catalog.put_unneeded(lent);
            Ok(false)
        }
    }
}

/// Forgets what was still to be done in a tree whose pages will be used by others.
fn forget(state: &mut DatabaseState, lent: Lent) {
    state.catalog.note_given_back(lent.tree.objid);
    state.versions.forget_tree(lent.tree.fdp);
    state.deleted.retain(|of| of.tree.fdp != lent.tree.fdp);
}
