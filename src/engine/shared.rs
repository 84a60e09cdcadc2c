//! What the sessions and the background work of an instance share.

use super::pages::CacheBudget;
use super::session_ids::SessionIds;
use super::state::AttachedDatabase;
use super::transactions::Transactions;
use crate::error::{JetErr, JetError, JetResult};
use crate::io::{Clock, FileSystem};
use crate::store::log_stream::LogStream;
use parking_lot::{Mutex, RwLock};
use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

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
    /// `procid`s.
    pub(crate) sessions: SessionIds,
    /// Who writes pages so that others can be read.
    room: OnceLock<Weak<dyn MakeRoom>>,
    /// `JetStopServiceInstance` was called.
    is_stopping: AtomicBool,
    life: Mutex<Life>,
    /// Why nothing works any more.
    failure: OnceLock<Failure>,
}

/// Writes pages and drops them when there are too many in memory.
pub(crate) trait MakeRoom: Send + Sync + Debug {
    /// Makes room. Takes every database that is attached; the caller holds none.
    ///
    /// # Errors
    /// `JET_errOutOfMemory`: nothing can be written or dropped; the instance has stopped.
    fn make_room(&self) -> JetResult<()>;
}

/// How far the instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Life {
    #[default]
    Running,
    /// `JetTerm` has begun, and will come to its end.
    Ending,
    Ended,
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
            sessions: SessionIds::default(),
            room: OnceLock::new(),
            is_stopping: AtomicBool::new(false),
            life: Mutex::default(),
            failure: OnceLock::new(),
        }
    }

    /// The databases that are attached, by `dbid`.
    pub(crate) fn databases(&self) -> Vec<Arc<AttachedDatabase>> {
        self.databases.read().clone()
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

    /// Says who makes room, once.
    pub(crate) fn set_room(&self, room: Weak<dyn MakeRoom>) {
        let _ = self.room.set(room);
    }

    /// Makes room if there are far too many pages in memory. The caller holds no database.
    ///
    /// # Errors
    /// Those of [`MakeRoom::make_room`].
    pub(crate) fn wait_for_room(&self) -> JetResult<()> {
        if !self.budget.is_far_exceeded() {
            return Ok(());
        }
        let room = self.room.get().and_then(Weak::upgrade);
        room.map_or(Ok(()), |room| room.make_room())
    }

    /// From now on [`check`](Self::check) refuses everything. Returns whether it did before.
    pub(crate) fn stop_service(&self) -> bool {
        self.is_stopping.swap(true, Ordering::AcqRel)
    }

    /// Whether [`stop_service`](Self::stop_service) was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    /// How far the instance is.
    pub(crate) fn life(&self) -> Life {
        *self.life.lock()
    }

    /// It is farther now.
    pub(crate) fn set_life(&self, life: Life) {
        *self.life.lock() = life;
    }

    /// Takes [`stop_service`](Self::stop_service) back.
    pub(crate) fn go_on(&self) {
        self.is_stopping.store(false, Ordering::Release);
    }

    /// Stops the instance: what is in memory may contradict itself, or cannot be written any more. The first cause stays.
    /// Returns the error, for the caller to pass on.
    pub(crate) fn fail(&self, error: JetError) -> JetError {
        self.failure.get_or_init(|| Failure {
            code: error.code(),
            what: error.to_string(),
        });
        error
    }

    /// Whether the instance still works.
    ///
    /// # Errors
    /// `JET_errInstanceUnavailable`, with what stopped it; `JET_errClientRequestToStopJetService`.
    pub(crate) fn check(&self) -> JetResult<()> {
        if self.is_stopping() {
            let what = "the instance was asked to stop its service";
            return Err(JetError::rule(JetErr::ClientRequestToStopJetService, what));
        }
        self.check_works()
    }

    /// As [`check`](Self::check), for what must be possible when the service was stopped: to end the instance.
    pub(crate) fn check_works(&self) -> JetResult<()> {
        match self.failure.get() {
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
        self.failure.get().map(|failure| failure.code)
    }
}
