//! What the sessions and the background work of an instance share.

use super::pages::CacheBudget;
use super::state::AttachedDatabase;
use super::transactions::Transactions;
use crate::error::{JetErr, JetError, JetResult};
use crate::io::{Clock, FileSystem};
use crate::store::log_stream::LogStream;
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// The distance between two `rceid`s.
const RCEID_STEP: u32 = 2;
/// 256 pages of 4 KiB.
const EXTENSION_BYTES: usize = 1 << 20;

/// What the sessions and the background work of an instance share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) log: LogStream,
    pub(crate) transactions: Transactions,
    pub(crate) budget: Arc<CacheBudget>,
    /// Bytes by which a database file grows at least (`JET_paramDbExtensionSize`, which counts pages).
    pub(crate) extension_bytes: AtomicUsize,
    databases: RwLock<Vec<Arc<AttachedDatabase>>>,
    next_rceid: AtomicU32,
    /// Why nothing works any more.
    failure: Mutex<Option<Failure>>,
}

/// What made an instance unavailable.
#[derive(Debug, Clone)]
struct Failure {
    code: JetErr,
    what: String,
}

impl Shared {
    /// Nothing is open yet.
    pub(crate) fn new(
        fs: Arc<dyn FileSystem>,
        clock: Arc<dyn Clock>,
        log: LogStream,
        budget: CacheBudget,
    ) -> Self {
        Shared {
            fs,
            clock,
            log,
            transactions: Transactions::new(),
            budget: Arc::new(budget),
            extension_bytes: AtomicUsize::new(EXTENSION_BYTES),
            databases: RwLock::new(Vec::new()),
            next_rceid: AtomicU32::new(1),
            failure: Mutex::new(None),
        }
    }

    /// The databases that are attached, by `dbid`.
    pub(crate) fn databases(&self) -> Vec<Arc<AttachedDatabase>> {
        self.databases.read().clone()
    }

    /// The database with this `dbid`.
    pub(crate) fn database(&self, dbid: u8) -> Option<Arc<AttachedDatabase>> {
        let databases = self.databases.read();
        databases.iter().find(|database| database.dbid == dbid).cloned()
    }

    /// Adds a database that was attached.
    pub(crate) fn add_database(&self, database: Arc<AttachedDatabase>) {
        let mut databases = self.databases.write();
        databases.push(database);
        databases.sort_by_key(|database| database.dbid);
    }

    /// Takes out a database that is being detached.
    pub(crate) fn remove_database(&self, dbid: u8) {
        self.databases.write().retain(|database| database.dbid != dbid);
    }

    /// A number for a version.
    pub(crate) fn take_rceid(&self) -> u32 {
        self.next_rceid.fetch_add(RCEID_STEP, Ordering::Relaxed)
    }

    /// Stops the instance: what is in memory may contradict itself, or cannot be written any more. The first cause stays.
    /// Returns the error, for the caller to pass on.
    pub(crate) fn fail(&self, error: JetError) -> JetError {
        let mut failure = self.failure.lock();
        failure.get_or_insert_with(|| Failure {
            code: error.code(),
            what: error.to_string(),
        });
        error
    }

    /// Whether the instance still works.
    ///
    /// # Errors
    /// `JET_errInstanceUnavailable`, with what stopped it.
    pub(crate) fn check(&self) -> JetResult<()> {
        match &*self.failure.lock() {
            None => Ok(()),
            Some(failure) => {
                let what = format!("the instance stopped: {}", failure.what);
                Err(JetError::rule(JetErr::InstanceUnavailable, what)
                    .advise("End the instance and start it again: what was committed is in the log."))
            }
        }
    }

    /// The `JET_err` that stopped the instance.
    pub(crate) fn failure(&self) -> Option<JetErr> {
        self.failure.lock().as_ref().map(|failure| failure.code)
    }
}
