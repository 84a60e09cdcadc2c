//! What a cursor remembers of where it was, so that it need not ask the database for what it can tell itself: the table,
//! and the leaves on which it saw its record.

use super::Table;
use crate::engine::bookmark::TreeId;
use crate::engine::catalog::LiveTable;
use crate::engine::session::Moment;
use crate::engine::state::{DatabaseState, Look};
use crate::engine::transactions::TransactionState;
use crate::engine::tree::{self, FoundNode, From, NodeOnPage, Rest};
use std::sync::Arc;

/// What a cursor remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The table, as it was seen at that moment.
    table: Option<(Moment, Arc<LiveTable>)>,
    /// Where it was in the table's own tree, and in that of its current index, with the moment.
    rests: [Option<(Option<Moment>, Rest)>; 2],
}

impl Memory {
    fn slot(&mut self, tree: TreeId, table: &LiveTable) -> &mut Option<(Option<Moment>, Rest)> {
        let [own, index] = &mut self.rests;
        if tree == table.tree { own } else { index }
    }
}

impl Table<'_> {
    /// The table as it is seen now, if that is known.
    pub(super) fn known_table(&self) -> Option<Arc<LiveTable>> {
        let now = self.session.moment()?;
        let memory = self.memory.borrow();
        let (seen, table) = memory.table.as_ref()?;
        (*seen == now && self.database.is_open()).then(|| Arc::clone(table))
    }

    /// Keeps the table as it was seen now.
    pub(super) fn remember_table(&self, table: &Arc<LiveTable>) {
        if let Some(now) = self.session.moment() {
            self.memory.borrow_mut().table = Some((now, Arc::clone(table)));
        }
    }

    /// A node beside which the cursor is, or on which it is, without a look at the database. `None`: it must be asked.
    pub(super) fn find_here<T>(
        &self,
        table: &LiveTable,
        tree: TreeId,
        from: From<'_>,
        read: impl FnOnce(NodeOnPage<'_>) -> T,
    ) -> Option<T> {
        let now = self.session.moment()?;
        let mut memory = self.memory.borrow_mut();
        let (seen, rest) = memory.slot(tree, table).as_mut()?;
        if *seen != Some(now) || rest.tree() != tree {
            return None;
        }
        rest.find(from).map(read)
    }

    /// A node that the reader sees, which is where the cursor is then.
    pub(super) fn find_in<'d>(
        &self,
        state: &'d DatabaseState,
        table: &LiveTable,
        (tree, from): (TreeId, From<'_>),
        reader: &TransactionState,
    ) -> Look<Option<FoundNode<'d>>> {
        let mut memory = self.memory.borrow_mut();
        let slot = memory.slot(tree, table);
        let rest = slot.as_ref().filter(|(_, rest)| rest.tree() == tree);
        let found = match rest.and_then(|(_, rest)| rest.at(from)) {
            Some(place) => tree::find_near(state, tree, from, place, reader)?,
            None => tree::find(state, tree, from, reader)?,
        };
        if let Some(found) = &found {
            *slot = Rest::new(state, tree, found).map(|rest| (self.session.moment(), rest));
        }
        Ok(found)
    }
}
