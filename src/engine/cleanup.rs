//! Versions that everybody sees are forgotten, and nodes that are deleted for everybody are removed
//! (log-and-recovery.md section 8.3).

use super::catalog::{give_back_unneeded, in_own_transaction};
use super::change::Change;
use super::core::Core;
use super::long_values::remove_unreferenced;
use super::open_transaction::OpenTransaction;
use super::session_ids::SessionIds;
use super::state::AttachedDatabase;
use super::table::delete_record_at_zero;
use super::tree;
use super::versions::VersionOf;
use crate::error::{JetErr, JetResult};
use crate::format::PageFlags;
use crate::format::log_record::{Commit0, LogRecord};

/// Nodes that are removed in one transaction.
const NODES_AT_ONCE: usize = 32;

impl Core {
    /// Cleans up behind transactions that everybody sees, in all databases.
    ///
    /// # Errors
    /// A tree is damaged, or the log cannot be appended to: the instance has stopped.
    pub(super) fn clean_up(&self) -> JetResult<()> {
        for database in self.shared.databases() {
            while self.drop_versions(&database) {}
            self.look_at_numbers(&database)?;
            while self.remove_nodes(&database)? {}
            while give_back_unneeded(&self.shared, &database)? {}
        }
        Ok(())
    }

    /// Drops versions of some transactions. Returns whether there may be more.
    fn drop_versions(&self, database: &AttachedDatabase) -> bool {
        let oldest = self.shared.transactions.oldest_snapshot();
        database.write_anyway().drop_versions(oldest)
    }

    /// Looks at nodes to whose numbers something was added: long values to which nobody refers go, and records that fell
    /// to zero. Those that a transaction changes now are looked at again later.
    fn look_at_numbers(&self, database: &AttachedDatabase) -> JetResult<()> {
        let count = database.look().added_to.len();
        for _ in 0..count {
            let mut state = database.write_anyway();
            let Some(of) = state.added_to.pop_front() else {
                return Ok(());
            };
            if state.catalog.has_given_back(of.tree.objid) {
                continue;
            }
            let work = |change: &mut Change<'_>| delete_at_zero(change, &of);
            match in_own_transaction(&self.shared, database, &mut state, work) {
                Err(error) if error.code() == JetErr::WriteConflict => state.added_to.push_back(of),
                done => done.map_err(|error| self.fail(error))?,
            }
        }
        Ok(())
    }

    /// Removes some deleted nodes in a transaction of its own. Returns whether there may be more.
    fn remove_nodes(&self, database: &AttachedDatabase) -> JetResult<bool> {
        let nodes = take_deleted(database);
        if nodes.is_empty() {
            return Ok(false);
        }
        let begun = self.shared.transactions.begin(SessionIds::OWN);
        let mut transaction = OpenTransaction::new(begun);
        let removed = nodes
            .iter()
            .try_for_each(|node| self.remove_node(database, &mut transaction, node));
        let ended = self.end_removal(database, &transaction);
        removed.and(ended).map_err(|error| self.fail(error))?;
        Ok(nodes.len() == NODES_AT_ONCE)
    }

    fn remove_node(
        &self,
        database: &AttachedDatabase,
        transaction: &mut OpenTransaction,
        node: &VersionOf,
    ) -> JetResult<()> {
        let mut state = database.write_anyway();
        if state.catalog.has_given_back(node.tree.objid) {
            return Ok(());
        }
        let mut change = Change {
            shared: &self.shared,
            database,
            state: &mut state,
            transaction,
        };
        tree::remove_deleted(&mut change, node.tree, node.bookmark.name())
    }

    fn end_removal(&self, database: &AttachedDatabase, transaction: &OpenTransaction) -> JetResult<()> {
        let mut logged = Ok(());
        if transaction.logged_levels() > 0 {
            logged = self.shared.transactions.log_commit0(|trx| {
                let (session, level) = (SessionIds::OWN, 0);
                let commit = LogRecord::Commit0(Commit0 { session, level, trx });
                self.shared.log.append(&[commit]).map(drop)
            });
        }
        self.shared.transactions.commit(transaction.state());
        database.write_anyway().versions.commit(transaction.state());
        logged
    }
}

fn delete_at_zero(change: &mut Change<'_>, of: &VersionOf) -> JetResult<()> {
    if of.tree.kind.contains(PageFlags::LONG_VALUE) {
        remove_unreferenced(change, of.tree, of.bookmark.name().key)
    } else {
        delete_record_at_zero(change, of.tree.objid, of.bookmark.name().key)
    }
}

fn take_deleted(database: &AttachedDatabase) -> Vec<VersionOf> {
    let mut state = database.write_anyway();
    let count = state.deleted.len().min(NODES_AT_ONCE);
    state.deleted.drain(..count).collect()
}
