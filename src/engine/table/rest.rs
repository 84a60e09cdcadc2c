//! What a cursor remembers of where it was, so that it need not ask the database for what it can tell itself: the table,
//! and the leaves on which it saw its record.

use super::Table;
use crate::engine::bookmark::TreeId;
use crate::engine::catalog::LiveTable;
use crate::engine::session::Moment;
use crate::engine::state::{DatabaseState, Look};
use crate::engine::transactions::TransactionState;
use crate::engine::tree::{self, FoundNode, From, NodeOnPage, Rest};
use crate::error::JetResult;
use std::sync::Arc;

/// Transaction, changes of the schema, table.
type SeenTable = (u64, u64, Arc<LiveTable>);

/// What a cursor remembers.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// The table, as that transaction saw it after so many changes of the schema.
    table: Option<SeenTable>,
    /// Where it was in the table's own tree, and in that of its current index, with the moment.
    rests: [Option<(Option<Moment>, Rest)>; 2],
}

/// The rest in a tree: the table's own, or another.
fn slot<'m, R>([own, index]: &'m mut [R; 2], tree: TreeId, table: &LiveTable) -> &'m mut R {
    if tree == table.tree { own } else { index }
}

impl Table<'_> {
    /// The table as it is seen now, if that is known.
    pub(super) fn known_table(&self) -> Option<Arc<LiveTable>> {
        self.known(&self.memory.borrow().table).cloned()
    }

    fn known<'m>(&self, table: &'m Option<SeenTable>) -> Option<&'m Arc<LiveTable>> {
        let (seen_by, changes, table) = table.as_ref()?;
        let is_same = *changes == self.database.schema_changes() && self.database.is_open();
        (is_same && self.session.transaction() == Some(*seen_by)).then_some(table)
    }

    /// Has `look` look at the table as it is seen now, and at nothing else.
    pub(super) fn look_at_table<T>(
        &self,
        mut look: impl FnMut(&Arc<LiveTable>) -> JetResult<T>,
    ) -> JetResult<T> {
        match self.known_table() {
            Some(table) => look(&table),
            None => self.read(|table, _, _| Ok(look(table)?)),
        }
    }

    /// Keeps the table as it was seen now.
    pub(super) fn remember_table(&self, table: &Arc<LiveTable>) {
        if let Some(transaction) = self.session.transaction() {
            let changes = self.database.schema_changes();
            self.memory.borrow_mut().table = Some((transaction, changes, Arc::clone(table)));
        }
    }

    /// A node beside which the cursor is, or on which it is, without a look at the database. `tree`: in which. `None`: it
    /// must be asked.
    pub(super) fn find_here<T>(
        &self,
        tree: impl FnOnce(&LiveTable) -> Option<TreeId>,
        from: From<'_>,
        read: impl FnOnce(&LiveTable, TreeId, NodeOnPage<'_>) -> T,
    ) -> Option<T> {
        let mut memory = self.memory.borrow_mut();
        let Memory { table, rests } = &mut *memory;
        let table = self.known(table)?;
        let tree = tree(table)?;
        let (seen, rest) = slot(rests, tree, table).as_mut()?;
        if *seen != self.session.moment() || rest.tree() != tree {
            return None;
        }
        rest.find(from).map(|node| read(table, tree, node))
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
        let slot = slot(&mut memory.rests, tree, table);
        let rest = slot.as_ref().filter(|(_, rest)| rest.tree() == tree);
        let found = match rest.and_then(|(_, rest)| rest.at(from)) {
            Some(place) => tree::find_near(state, tree, from, place, reader)?,
            None => tree::find(state, tree, from, reader)?,
        };
        let Some(rest) = found.as_ref().and_then(|found| Rest::new(state, tree, found)) else {
            return Ok(found);
        };
        let goes_on = matches!(from, From::After(_) | From::Before(_));
        if goes_on && slot.as_ref().is_some_and(|(_, before)| !rest.is_beside(before)) {
            rest.fetch();
        }
        *slot = Some((self.session.moment(), rest));
        Ok(found)
    }
}
