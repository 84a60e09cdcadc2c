//! Who may enter: the state of the instance in front of every call (external-backup.md section 1.2), and a barrier
//! that readers test without a lock.

use crate::error::{JetErr, JetError, JetResult};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The instance as the gate sees it. Its owner keeps it current.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InstanceState {
    /// Initialised and working.
    #[default]
    Running,
    /// Created, but JetInit has not returned yet.
    NotInitialized,
    /// A restore holds the instance.
    Restoring,
    /// JetTerm has begun.
    Terminating,
    /// JetStopServiceInstance was called on the instance itself.
    ServiceStopped,
    /// A fatal error stopped the instance.
    Unavailable,
    /// A full log disk stopped the instance.
    UnavailableDueToFullLogDisk,
    /// Gone: its handle means nothing any more.
    Terminated,
}

impl InstanceState {
    /// What every call answers then.
    pub(super) fn check(self) -> JetResult<()> {
        match self.refusal() {
            None => Ok(()),
            Some(code) => Err(JetError::rule(code, refusal_in_words(code))),
        }
    }

    fn refusal(self) -> Option<JetErr> {
        match self {
            InstanceState::Running => None,
            InstanceState::NotInitialized => Some(JetErr::NotInitialized),
            InstanceState::ServiceStopped => Some(JetErr::ClientRequestToStopJetService),
            InstanceState::Restoring => Some(JetErr::RestoreInProgress),
            InstanceState::Terminating => Some(JetErr::TermInProgress),
            InstanceState::Unavailable => Some(JetErr::InstanceUnavailable),
            InstanceState::UnavailableDueToFullLogDisk => {
                Some(JetErr::InstanceUnavailableDueToFatalLogDiskFull)
            }
            InstanceState::Terminated => Some(JetErr::InvalidParameter),
        }
    }
}

/// Open, or closed for a reason. Testing it while it is open takes no lock.
#[derive(Debug, Default)]
pub(super) struct Barrier {
    closed: AtomicBool,
    reason: Mutex<Option<JetErr>>,
}

impl Barrier {
    pub(super) fn set(&self, reason: Option<JetErr>) {
        let mut kept = self.reason.lock();
        *kept = reason;
        self.closed.store(reason.is_some(), Ordering::Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn check(&self) -> JetResult<()> {
        if !self.is_closed() {
            return Ok(());
        }
        match *self.reason.lock() {
            Some(code) => Err(JetError::rule(code, refusal_in_words(code))),
            None => Ok(()),
        }
    }
}

fn refusal_in_words(code: JetErr) -> &'static str {
    match code {
        JetErr::NoBackup => "the backup has ended",
        JetErr::BackupAbortByServer => "the backup was stopped",
        JetErr::ClientRequestToStopJetService => "the service was stopped",
        JetErr::InvalidParameter => "the instance is gone",
        JetErr::TermInProgress => "the instance is terminating",
        JetErr::RestoreInProgress => "the instance is restoring",
        JetErr::NotInitialized => "the instance is not initialised",
        _ => "the instance is unavailable",
    }
}

/// The gate in front of every call but JetStopBackup and JetStopService.
#[derive(Debug, Default)]
pub(super) struct Gate {
    barrier: Arc<Barrier>,
    inputs: Mutex<Inputs>,
}

#[derive(Debug, Default)]
struct Inputs {
    instance: InstanceState,
    service_stopped: bool,
}

impl Gate {
    /// What readers outside the session's lock test.
    pub(super) fn barrier(&self) -> Arc<Barrier> {
        Arc::clone(&self.barrier)
    }

    pub(super) fn check(&self) -> JetResult<()> {
        self.barrier.check()
    }

    /// Whether the instance still has a handle at all: the only thing that the two stop calls ask.
    pub(super) fn check_handle(&self) -> JetResult<()> {
        if self.inputs.lock().instance == InstanceState::Terminated {
            return Err(JetError::rule(
                JetErr::InvalidParameter,
                refusal_in_words(JetErr::InvalidParameter),
            ));
        }
        Ok(())
    }

    pub(super) fn set_instance(&self, state: InstanceState) {
        self.update(|inputs| inputs.instance = state);
    }

    /// JetStopService cannot be undone.
    pub(super) fn stop_service(&self) {
        self.update(|inputs| inputs.service_stopped = true);
    }

    fn update(&self, change: impl FnOnce(&mut Inputs)) {
        let mut inputs = self.inputs.lock();
        change(&mut inputs);
        let reason = match *inputs {
            Inputs {
                instance: InstanceState::Terminated,
                ..
            } => InstanceState::Terminated.refusal(),
            Inputs {
                service_stopped: true,
                ..
            } => Some(JetErr::ClientRequestToStopJetService),
            Inputs { instance, .. } => instance.refusal(),
        };
        self.barrier.set(reason);
    }
}
