//! Transactions of the database's own: a new database is made in several, and a long value tree is there for everybody
//! at once, whatever becomes of the transaction that needed it first.

use crate::engine::change::Change;
use crate::engine::open_transaction::OpenTransaction;
use crate::engine::shared::Shared;
use crate::engine::state::{AttachedDatabase, DatabaseState};
use crate::engine::tree;
use crate::error::JetResult;
use crate::format::log_record::{Commit0, LogRecord, Rollback};

/// Runs `work` in a transaction of the session [`AttachedDatabase::own_session`], from begin to end under the lock of
/// the database's state. It counts as committed at once: whoever builds on it commits later in the same log.
///
/// # Errors
/// Those of `work`, all of which is taken back then; the log cannot be appended to.
pub(crate) fn in_own_transaction<T>(
    shared: &Shared,
    database: &AttachedDatabase,
    state: &mut DatabaseState,
    work: impl FnOnce(&mut Change<'_>) -> JetResult<T>,
) -> JetResult<T> {
    let begun = shared.transactions.begin(database.own_session());
    let mut transaction = OpenTransaction::new(begun);
    let mut change = Change {
        shared,
        database,
        state,
        transaction: &mut transaction,
    };
    let worked = work(&mut change);
    match worked {
        Ok(answer) => commit(&mut change).map(|()| answer),
        Err(error) => {
            roll_back(&mut change)?;
            Err(error)
        }
    }
}

fn commit(change: &mut Change<'_>) -> JetResult<()> {
    let state = change.transaction.state();
    if change.transaction.logged_levels() > 0 {
        let session = state.session();
        let appended = change.shared.transactions.log_commit0(|trx| {
            let commit = Commit0 {
                session,
                level: 0,
                trx,
            };
            change.shared.log.append(&[LogRecord::Commit0(commit)])
        });
        appended.map_err(|error| change.shared.fail(error))?;
    }
    change.shared.transactions.commit(state);
    change.state.versions.commit(state);
    change.state.catalog.commit(state);
    Ok(())
}

fn roll_back(change: &mut Change<'_>) -> JetResult<()> {
    while tree::undo_newest(change, 1)? {}
    if change.transaction.logged_levels() > 0 {
        let session = change.transaction.state().session();
        change.log(&[LogRecord::Rollback(Rollback { session, levels: 1 })])?;
    }
    let state = change.transaction.state();
    change.state.versions.roll_back(state);
    change.state.catalog.roll_back(state, 1);
    change.shared.transactions.roll_back(state);
    Ok(())
}
