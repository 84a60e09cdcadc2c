//! The transactions of an instance: their numbers, what each of them sees, and which are open (log-and-recovery.md
//! sections 4.3 and 5.3).
//!
//! A transaction sees what was committed before it began, and what it did itself. The numbers in the log (`trxBegin0`,
//! `trxCommit0`) and the stamps by which visibility is judged are different things: a `Commit0` gets its number when it
//! is logged, and its stamp when it is durable.

use super::session_ids::SessionIds;
use crate::error::JetResult;
use crate::format::LogPosition;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// The first `trx`, and the distance between two.
const TRX_STEP: u32 = 4;

/// What other transactions must know of one.
#[derive(Debug)]
pub(crate) struct TransactionState {
    /// `trxBegin0`.
    trx: u32,
    /// How many began before it.
    order: u64,
    /// `procid` of its session.
    session: u16,
    /// It sees what was committed with a stamp up to this.
    snapshot: u64,
    /// When it was committed; [`OPEN`] or [`ROLLED_BACK`] if it was not.
    committed: AtomicU64,
    /// Position of its `Begin0`, packed; all ones before it is logged.
    begin0: AtomicU64,
    /// Databases, by bit `dbid`, of which every before image of its changes is in the log.
    undo_info: AtomicU8,
}

const OPEN: u64 = 0;
const ROLLED_BACK: u64 = u64::MAX;

impl TransactionState {
    /// `trxBegin0`.
    pub(crate) fn trx(&self) -> u32 {
        self.trx
    }

    /// `procid` of its session.
    pub(crate) fn session(&self) -> u16 {
        self.session
    }

    /// How many began before it: no other transaction of the instance has this number.
    pub(crate) fn order(&self) -> u64 {
        self.order
    }

    /// Whether it was neither committed nor rolled back.
    pub(crate) fn is_open(&self) -> bool {
        self.committed.load(Ordering::Acquire) == OPEN
    }

    /// When it was committed.
    pub(crate) fn stamp(&self) -> Option<u64> {
        let stamp = self.committed.load(Ordering::Acquire);
        Some(stamp).filter(|stamp| ![OPEN, ROLLED_BACK].contains(stamp))
    }

    /// It sees what was committed with a stamp up to this.
    pub(crate) fn snapshot(&self) -> u64 {
        self.snapshot
    }

    /// Whether it sees what `other` did.
    pub(crate) fn sees(&self, other: &TransactionState) -> bool {
        std::ptr::eq(self, other) || other.stamp().is_some_and(|stamp| stamp <= self.snapshot)
    }

    /// Where its `Begin0` is; after everything if it is not logged yet.
    pub(crate) fn begin0(&self) -> LogPosition {
        LogPosition::unpack(self.begin0.load(Ordering::Acquire))
    }

    /// Whether all before images of its changes of a database are in the log, so that pages with them may be written.
    pub(crate) fn has_undo_info(&self, dbid: u8) -> bool {
        self.undo_info.load(Ordering::Acquire) & bit(dbid) != 0
    }

    /// Says whether they are. A new change says that they are not.
    pub(crate) fn set_undo_info(&self, dbid: u8, logged: bool) {
        if logged {
            self.undo_info.fetch_or(bit(dbid), Ordering::AcqRel);
        } else {
            self.undo_info.fetch_and(!bit(dbid), Ordering::AcqRel);
        }
    }
}

fn bit(dbid: u8) -> u8 {
    1 << (dbid & 7)
}

/// The transactions of an instance.
#[derive(Debug)]
pub(crate) struct Transactions(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    next_trx: u32,
    /// Of the last commit.
    stamp: u64,
    /// How many have begun.
    begun: u64,
    /// Open transactions in the order in which they began.
    open: BTreeMap<u64, Arc<TransactionState>>,
}

impl Transactions {
    /// None yet.
    pub(crate) fn new() -> Self {
        Transactions(Mutex::new(Inner {
            next_trx: TRX_STEP,
            stamp: 1,
            begun: 0,
            open: BTreeMap::new(),
        }))
    }

    /// Begins a transaction, which sees everything that is committed now.
    pub(crate) fn begin(&self, session: u16) -> Arc<TransactionState> {
        let mut inner = self.0.lock();
        let (trx, order) = (inner.take_trx(), inner.begun);
        inner.begun += 1;
        let state = Arc::new(TransactionState {
            trx,
            order,
            session,
            snapshot: inner.stamp,
            committed: AtomicU64::new(OPEN),
            begin0: AtomicU64::new(u64::MAX),
            undo_info: AtomicU8::new(0),
        });
        inner.open.insert(order, Arc::clone(&state));
        state
    }

    /// Logs a `Begin0` with `log`, which returns its position. Nobody computes a checkpoint meanwhile.
    ///
    /// # Errors
    /// Those of `log`.
    pub(crate) fn log_begin0(
        &self,
        state: &TransactionState,
        log: impl FnOnce() -> JetResult<LogPosition>,
    ) -> JetResult<()> {
        let _inner = self.0.lock();
        let position = log()?;
        state.begin0.store(position.pack(), Ordering::Release);
        Ok(())
    }

    /// Logs a `Commit0` with `log`, which is given `trxCommit0`: these are ascending in the log.
    ///
    /// # Errors
    /// Those of `log`.
    pub(crate) fn log_commit0<T>(&self, log: impl FnOnce(u32) -> JetResult<T>) -> JetResult<T> {
        let mut inner = self.0.lock();
        let trx = inner.take_trx();
        log(trx)
    }

    /// From now on, transactions that begin see what `state` did.
    pub(crate) fn commit(&self, state: &TransactionState) {
        let mut inner = self.0.lock();
        inner.stamp += 1;
        let stamp = inner.stamp;
        state.committed.store(stamp, Ordering::Release);
        inner.open.remove(&state.order);
    }

    /// Everything that `state` did was taken back.
    pub(crate) fn roll_back(&self, state: &TransactionState) {
        let mut inner = self.0.lock();
        state.committed.store(ROLLED_BACK, Ordering::Release);
        inner.open.remove(&state.order);
    }

    /// Versions that were committed with a stamp up to this are seen by everybody: nobody needs them any more.
    pub(crate) fn oldest_snapshot(&self) -> u64 {
        let inner = self.0.lock();
        let oldest = inner.open.first_key_value();
        oldest.map_or(inner.stamp, |(_, state)| state.snapshot)
    }

    /// `begin0` of the oldest open transaction, and `end()`, taken at one moment at which no transaction begins.
    pub(crate) fn oldest_begin0(
        &self,
        end: impl FnOnce() -> LogPosition,
    ) -> (Option<LogPosition>, LogPosition) {
        let inner = self.0.lock();
        let end = end();
        let logged = inner.open.values().map(|state| state.begin0());
        (logged.min().filter(|oldest| *oldest < end), end)
    }

    /// How many transactions of sessions are open. The engine's own, and reads that are under way, come to their end by
    /// themselves.
    pub(crate) fn open_count(&self) -> usize {
        let inner = self.0.lock();
        let of_sessions = inner
            .open
            .values()
            .filter(|state| state.session > SessionIds::OWN);
        of_sessions.count()
    }
}

impl Inner {
    fn take_trx(&mut self) -> u32 {
        let trx = self.next_trx;
        self.next_trx = trx.wrapping_add(TRX_STEP);
        trx
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transactions_of_the_engine_itself_keep_no_instance_from_ending() {
        let transactions = Transactions::new();
        let own = transactions.begin(SessionIds::OWN);
        assert_eq!(transactions.open_count(), 0);
        let of_user = transactions.begin(SessionIds::OWN + 1);
        assert_eq!(transactions.open_count(), 1);
        transactions.commit(&own);
        transactions.roll_back(&of_user);
        assert_eq!(transactions.open_count(), 0);
    }
}
