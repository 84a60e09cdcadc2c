//! Which handle is whose, and whether the process has one instance or many (external-backup.md section 1.2).
//!
//! A number is never given out twice, so that a handle of something that has ended is noticed.

use super::instance::Hosted;
use super::session::Session;
use super::settings::Settings;
use jetfs::JetErr;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

/// Whether the process has one instance without a handle, or many.
#[derive(Debug, Default)]
pub(crate) enum Mode {
    #[default]
    Unset,
    One(usize, Arc<Hosted>),
    Many(BTreeMap<usize, Arc<Hosted>>),
}

/// What the process has.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    pub(crate) mode: Mode,
    pub(crate) sessions: BTreeMap<usize, Arc<Session>>,
    /// Of instances that are made from now on.
    pub(crate) settings: Settings,
}

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);
static NUMBER: AtomicUsize = AtomicUsize::new(0x10);

/// How a call names its instance.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named {
    /// Not at all: the calls of before there were handles.
    Legacy,
    /// By its handle; where the process has one instance, any number.
    By(usize),
}

/// A number for a handle.
pub(crate) fn new_handle() -> usize {
    NUMBER.fetch_add(0x10, Ordering::Relaxed)
}

/// Looks at the registry, or changes it. The engine is not called meanwhile.
pub(crate) fn registry<T>(look: impl FnOnce(&mut Registry) -> T) -> T {
    look(&mut REGISTRY.lock())
}

/// The instance that a call means.
///
/// # Errors
/// JET_errInvalidParameter: there is none, or the handle is not one; JET_errRunningInMultiInstanceMode.
pub(crate) fn instance(named: Named) -> Result<Arc<Hosted>, JetErr> {
    registry(|registry| match (&registry.mode, named) {
        (Mode::One(_, instance), _) => Ok(Arc::clone(instance)),
        (Mode::Many(_), Named::Legacy) => Err(JetErr::RunningInMultiInstanceMode),
        (Mode::Many(instances), Named::By(handle)) => {
            instances.get(&handle).cloned().ok_or(JetErr::InvalidParameter)
        }
        (Mode::Unset, _) => Err(JetErr::InvalidParameter),
    })
}

/// The session of a handle.
///
/// # Errors
/// JET_errInvalidSesid.
pub(crate) fn session(handle: usize) -> Result<Arc<Session>, JetErr> {
    registry(|registry| {
        registry
            .sessions
            .get(&handle)
            .cloned()
            .ok_or(JetErr::InvalidSesid)
    })
}

impl Registry {
    /// Adds an instance to those of a process that has many.
    ///
    /// # Errors
    /// JET_errRunningInOneInstanceMode; JET_errInstanceNameInUse.
    pub(crate) fn add(&mut self, instance: Hosted) -> Result<usize, JetErr> {
        if matches!(self.mode, Mode::Unset) {
            self.mode = Mode::Many(BTreeMap::new());
        }
        let Mode::Many(instances) = &mut self.mode else {
            return Err(JetErr::RunningInOneInstanceMode);
        };
        if instances.values().any(|other| other.name() == instance.name()) {
            return Err(JetErr::InstanceNameInUse);
        }
        let handle = new_handle();
        instances.insert(handle, Arc::new(instance));
        Ok(handle)
    }

    /// Forgets an instance and its sessions; with the last one the mode.
    pub(crate) fn remove(&mut self, gone: &Arc<Hosted>) -> Vec<Arc<Session>> {
        let is_last = match &mut self.mode {
            Mode::Unset => false,
            Mode::One(_, instance) => Arc::ptr_eq(instance, gone),
            Mode::Many(instances) => {
                instances.retain(|_, instance| !Arc::ptr_eq(instance, gone));
                instances.is_empty()
            }
        };
        if is_last {
            self.mode = Mode::Unset;
        }
        self.take_sessions(gone)
    }

    /// Takes the sessions of an instance out, for the caller to end.
    pub(crate) fn take_sessions(&mut self, of: &Arc<Hosted>) -> Vec<Arc<Session>> {
        let own = |session: &Arc<Session>| Arc::ptr_eq(session.instance(), of);
        let handles: Vec<usize> = self
            .sessions
            .iter()
            .filter(|(_, session)| own(session))
            .map(|(handle, _)| *handle)
            .collect();
        handles
            .iter()
            .filter_map(|handle| self.sessions.remove(handle))
            .collect()
    }
}
