//! Who may change a node: the first writer wins, nobody waits.

use crate::engine::transactions::TransactionState;
use crate::engine::versions::{Operation, Version};
use crate::error::{JetErr, JetError, JetResult};

/// Checks that nobody else changed a node in a way that `me` does not see: in a transaction that is open, or that was
/// committed after `me` began.
///
/// # Errors
/// `JET_errWriteConflict`.
pub(super) fn check(versions: &[Version], me: &TransactionState) -> JetResult<()> {
    check_where(versions, me, |_| true)
}

/// The same for an addition, which gets along with other additions.
///
/// # Errors
/// As [`check`].
pub(super) fn check_addition(versions: &[Version], me: &TransactionState) -> JetResult<()> {
    let is_other =
        |operation: &Operation| !matches!(operation, Operation::Delta { .. } | Operation::Delta64 { .. });
    check_where(versions, me, is_other)
}

fn check_where(
    versions: &[Version],
    me: &TransactionState,
    counts: impl Fn(&Operation) -> bool,
) -> JetResult<()> {
    let in_the_way = |version: &Version| counts(&version.operation) && !me.sees(&version.transaction);
    if versions.iter().any(in_the_way) {
        let what = "another transaction changed this first";
        return Err(JetError::rule(JetErr::WriteConflict, what));
    }
    Ok(())
}
