//! A session together with what borrows it, its transactions and tables: Rust lets nothing borrow from its neighbour, and C
//! knows them by numbers only.
#![allow(
    unsafe_code,
    reason = "the session lies in a box that nobody moves or gives away, and what borrows it is dropped before it"
)]

use super::cursor::Cursors;
use jetfs::engine::{Session, Table, Transaction};
use jetfs::{JetError, JetResult};

/// A session and what borrows it. The order of the fields is that in which they are dropped.
#[derive(Debug)]
pub(crate) struct Owned {
    /// Its tables.
    pub(crate) cursors: Cursors,
    levels: Vec<Transaction<'static>>,
    session: Box<Session>,
}

// SAFETY: sessions and tables may go from thread to thread, as long as one at a time uses them; whoever has `&mut` of this is
// that one, since nothing in here gives away what borrows the session.
unsafe impl Send for Owned {}

impl Owned {
    pub(crate) fn new(session: Session) -> Self {
        Owned {
            cursors: Cursors::default(),
            levels: Vec::new(),
            session: Box::new(session),
        }
    }

    /// The session, for what is kept in here.
    fn forever(&self) -> &'static Session {
        // SAFETY: the box is neither moved out of nor replaced, so its session stays where it is until `self` is dropped; what
        // was borrowed is in fields that are dropped before.
        unsafe { &*std::ptr::from_ref(&*self.session) }
    }

    /// The session.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Opens a table, for `keep` to put into the cursors.
    pub(crate) fn open<K>(
        &mut self,
        open: impl FnOnce(&'static Session) -> JetResult<Table<'static>>,
        keep: impl FnOnce(&mut Cursors, Table<'static>) -> K,
    ) -> Result<K, JetError> {
        let table = open(self.forever())?;
        Ok(keep(&mut self.cursors, table))
    }

    /// Begins a transaction, or a level in it.
    pub(crate) fn begin(&mut self) -> JetResult<()> {
        let level = self.forever().begin()?;
        self.levels.push(level);
        Ok(())
    }

    /// The innermost level, for the caller to end.
    pub(crate) fn take_level(&mut self) -> Option<Transaction<'_>> {
        self.levels.pop()
    }
}
