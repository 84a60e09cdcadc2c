//! `procid`s: the numbers of sessions in the log (log-and-recovery.md section 8.5).

use crate::error::{JetErr, JetError, JetResult};
use parking_lot::Mutex;
use std::collections::BTreeSet;

/// The first number: that of the engine's own work.
const FIRST: u16 = 7;

/// The numbers of sessions.
#[derive(Debug)]
pub(crate) struct SessionIds(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// How many sessions there may be, the engine's own not counted.
    most: u16,
    /// The first number that was never taken.
    next: u16,
    free: BTreeSet<u16>,
}

impl Default for SessionIds {
    fn default() -> Self {
        SessionIds(Mutex::new(Inner {
            most: 256,
            next: FIRST + 1,
            free: BTreeSet::new(),
        }))
    }
}

impl SessionIds {
    /// The session of the engine itself: who attaches databases and cleans up.
    pub(crate) const OWN: u16 = FIRST;

    /// The session of a database, whose transactions begin and end under one lock of its state: its dbid, less than any
    /// number that is taken. It also creates the database: redo by the genuine engine keeps a database to the session of
    /// `CreateDB` until its `CreateDBFinish`, and waits for ever on what another one does with it.
    pub(crate) fn of_database(dbid: u8) -> u16 {
        u16::from(dbid)
    }

    /// The number of a read outside of a transaction, which the log never sees.
    pub(crate) const NONE: u16 = 0;

    /// How many sessions there may be (`JET_paramMaxSessions`).
    pub(crate) fn set_most(&self, most: u16) {
        self.0.lock().most = most;
    }

    /// Takes a number, the lowest one that is free.
    ///
    /// # Errors
    /// `JET_errOutOfSessions`.
    pub(crate) fn take(&self) -> JetResult<u16> {
        let mut inner = self.0.lock();
        if let Some(id) = inner.free.pop_first() {
            return Ok(id);
        }
        if inner.next - FIRST > inner.most {
            let what = format!("there are {} sessions", inner.most);
            return Err(JetError::rule(JetErr::OutOfSessions, what));
        }
        inner.next += 1;
        Ok(inner.next - 1)
    }

    /// Gives a number back.
    pub(crate) fn give_back(&self, id: u16) {
        self.0.lock().free.insert(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_and_there_are_no_more_than_allowed() {
        let ids = SessionIds::default();
        ids.set_most(2);
        assert_eq!((ids.take().unwrap(), ids.take().unwrap()), (8, 9));
        assert_eq!(ids.take().unwrap_err().code(), JetErr::OutOfSessions);
        ids.give_back(8);
        assert_eq!(ids.take().unwrap(), 8);
    }
}
