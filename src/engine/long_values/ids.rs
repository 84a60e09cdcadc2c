//! The numbers of long values.

use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::tree;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Lid, LongValueKey};
use crate::store::LID_MOST;

/// The next LID of a tree. None is given twice while the database is attached, so that nobody who kept one finds the
/// value of another record under it; after that, they go on behind the last that stands in the tree.
pub(super) fn next_lid(change: &mut Change<'_>, tree: TreeId) -> JetResult<Lid> {
    let last = match change.state.catalog.last_lid(tree.objid) {
        Some(last) => last,
        None => last_in_tree(change, tree)?,
    };
    if last >= LID_MOST {
        let what = "no long value ids are left";
        return Err(JetError::rule(JetErr::OutOfLongValueIDs, what));
    }
    change.state.catalog.set_last_lid(tree.objid, last + 1);
    Ok(Lid::Lid32(last + 1))
}

/// The last LID in the tree, those of deleted values and of other transactions included.
fn last_in_tree(change: &mut Change<'_>, tree: TreeId) -> JetResult<u32> {
    let last = change.database.look_in(change.state, |state| {
        let Some(place) = tree::last(state, tree)? else {
            return Ok(None);
        };
        let key = tree::node(state, tree, place)?.key();
        Ok(Some(LongValueKey::read(&key)?))
    })?;
    Ok(match last {
        None => 0,
        Some(LongValueKey::Root(Lid::Lid32(lid)) | LongValueKey::Chunk(Lid::Lid32(lid), _)) => lid,
        Some(_) => LID_MOST,
    })
}
