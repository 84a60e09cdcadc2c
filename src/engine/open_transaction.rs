//! The transaction of a session: its levels, of which the log hears when they change something (log-and-recovery.md
//! section 4.3).

use super::shared::Shared;
use super::transactions::TransactionState;
use crate::error::JetResult;
use crate::format::log_record::{
    Begin, Begin0, DBTIME_NIL, Levels, LogRecord, OperationFlags, PageOperation,
};
use std::sync::Arc;

/// The open transaction of a session.
#[derive(Debug)]
pub(crate) struct OpenTransaction {
    state: Arc<TransactionState>,
    /// The present level, from 1.
    level: u8,
    /// The levels whose begin is in the log.
    logged: u8,
    /// The databases that it changed: bit `dbid`.
    databases: u8,
}

impl OpenTransaction {
    /// A transaction that was just begun.
    pub(crate) fn new(state: Arc<TransactionState>) -> Self {
        OpenTransaction {
            state,
            level: 1,
            logged: 0,
            databases: 0,
        }
    }

    /// What others know of it.
    pub(crate) fn state(&self) -> &Arc<TransactionState> {
        &self.state
    }

    /// The present level.
    pub(crate) fn level(&self) -> u8 {
        self.level
    }

    /// The levels whose begin is in the log.
    pub(crate) fn logged_levels(&self) -> u8 {
        self.logged
    }

    /// Goes to another level; what was logged of deeper ones has ended.
    pub(crate) fn set_level(&mut self, level: u8) {
        self.level = level;
        self.logged = self.logged.min(level);
    }

    /// Notes that it changes this database.
    pub(crate) fn touch(&mut self, dbid: u8) {
        self.databases |= 1 << (dbid & 7);
    }

    /// Whether it changed this database.
    pub(crate) fn has_touched(&self, dbid: u8) -> bool {
        self.databases & 1 << (dbid & 7) != 0
    }

    /// Logs the begin of all levels of which the log has not heard.
    ///
    /// # Errors
    /// The log cannot be appended to; the instance has stopped then.
    pub(crate) fn log_begin(&mut self, shared: &Shared) -> JetResult<()> {
        if self.logged == self.level {
            return Ok(());
        }
        let session = self.state.session();
        let levels = Levels {
            from: self.logged,
            count: self.level - self.logged,
        };
        let logged = if self.logged == 0 {
            let trx = self.state.trx();
            let begin = LogRecord::Begin0(Begin0 { session, levels, trx });
            let append = || Ok(shared.log.append(&[begin])?.first);
            shared.transactions.log_begin0(&self.state, append)
        } else {
            let begin = LogRecord::Begin(Begin { session, levels });
            shared.log.append(&[begin]).map(drop)
        };
        logged.map_err(|error| shared.fail(error))?;
        self.logged = self.level;
        Ok(())
    }

    /// The start of a record about page `pgno`; the caller sets its dbtimes, line and flags.
    pub(crate) fn page_operation(&self, dbid: u8, pgno: u32) -> PageOperation {
        PageOperation {
            session: self.state.session(),
            database: dbid,
            page: pgno,
            dbtime: DBTIME_NIL,
            dbtime_before: DBTIME_NIL,
            trx: self.state.trx(),
            level: self.level,
            line: 0,
            flags: OperationFlags::empty(),
        }
    }
}
