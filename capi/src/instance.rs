//! Instances: made, started, ended; the parameters; the service stopped; a restore.

use super::answer::{Answer, Warning, done, told};
use super::pointers::Out;
use super::registry::{Mode, Named, Registry, instance, new_handle, registry};
use super::settings::{Setting, Settings};
use super::text::{Room, Text, put_text};
use jetfs::JetErr;
use jetfs::backup::BackupSession;
use jetfs::engine::{Database, Instance, Term};
use jetfs::io::{RealClock, RealFileSystem};
use jetfs::restore::{RestoreOptions, RestorePlan, RestoreRequest};
use jetfs::source::live::{LiveOptions, LiveSource};
use jetfs::store::SpillDirectory;
use parking_lot::Mutex;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An instance, from JetCreateInstance to JetTerm.
#[derive(Debug)]
pub(crate) struct Hosted {
    name: OsString,
    settings: Mutex<Settings>,
    state: Mutex<State>,
}

#[derive(Debug, Clone)]
enum State {
    /// Made, not started.
    Created,
    Restoring,
    Running(Arc<Running>),
}

/// An instance that was started.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) instance: Instance,
    pub(crate) backup: BackupSession,
    /// Databases that were opened, by `dbid`.
    databases: Mutex<Vec<Option<Database>>>,
}

/// `JET_instanceNil`.
const NIL: usize = usize::MAX;

/// What `pinstance` may point to where it is no instance yet.
fn is_no_handle(handle: usize) -> bool {
    handle == 0 || handle == NIL
}

impl Hosted {
    fn new(name: OsString, settings: Settings) -> Self {
        Hosted {
            name,
            settings: Mutex::new(settings),
            state: Mutex::new(State::Created),
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &OsString {
        &self.name
    }

    /// The gate of section 1.2, as far as it is known here; the rest knows the session of the backup.
    ///
    /// # Errors
    /// JET_errNotInitialized, JET_errRestoreInProgress.
    pub(crate) fn running(&self) -> Result<Arc<Running>, JetErr> {
        match &*self.state.lock() {
            State::Created => Err(JetErr::NotInitialized),
            State::Restoring => Err(JetErr::RestoreInProgress),
            State::Running(running) => Ok(Arc::clone(running)),
        }
    }

    fn start(&self) -> Result<(), JetErr> {
        let mut state = self.state.lock();
        match &*state {
            State::Created => {}
            State::Restoring => return Err(JetErr::RestoreInProgress),
            State::Running(_) => return Err(JetErr::AlreadyInitialized),
        }
        let parameters = self.settings.lock().parameters()?;
        let instance = Instance::init(parameters).map_err(told)?;
        let source = LiveSource::new(&instance, LiveOptions::default());
        *state = State::Running(Arc::new(Running {
            backup: BackupSession::new(Arc::new(source)),
            databases: Mutex::default(),
            instance,
        }));
        Ok(())
    }
}

impl Running {
    /// Gives a database its number, or finds it.
    ///
    /// # Errors
    /// More than anybody can attach.
    pub(crate) fn number_of(&self, database: &Database) -> Result<u32, JetErr> {
        let mut databases = self.databases.lock();
        let is_it =
            |open: &Option<Database>| open.as_ref().is_some_and(|open| open.path() == database.path());
        let place = databases.iter().position(is_it);
        let place = place.unwrap_or_else(|| {
            databases.push(None);
            databases.len() - 1
        });
        if let Some(slot) = databases.get_mut(place) {
            *slot = Some(database.clone());
        }
        u32::try_from(place + 1).map_err(|_| JetErr::InvalidDatabaseId)
    }

    /// The database of a number.
    ///
    /// # Errors
    /// JET_errInvalidDatabaseId.
    pub(crate) fn database(&self, number: u32) -> Result<Database, JetErr> {
        let place = (number as usize).checked_sub(1);
        let databases = self.databases.lock();
        let found = place.and_then(|place| databases.get(place)).cloned().flatten();
        found.ok_or(JetErr::InvalidDatabaseId)
    }

    /// The database at a path, if it was attached here.
    pub(crate) fn database_at(&self, path: &Path) -> Option<Database> {
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let databases = self.databases.lock();
        databases
            .iter()
            .flatten()
            .find(|open| open.path() == whole)
            .cloned()
    }

    /// Forgets a database that was detached.
    pub(crate) fn forget(&self, path: &Path) {
        for slot in self.databases.lock().iter_mut() {
            if slot.as_ref().is_some_and(|open| open.path() == path) {
                *slot = None;
            }
        }
    }

    /// Paths of the databases that are attached.
    pub(crate) fn attached(&self) -> Vec<PathBuf> {
        let databases = self.databases.lock();
        databases
            .iter()
            .flatten()
            .map(|open| open.path().to_path_buf())
            .collect()
    }
}

/// JetCreateInstance(2).
pub(crate) fn create<T: Text>(handle: Out<usize>, name: T) -> Answer {
    let handle = handle.check()?;
    let name = match name.is_null() {
        true => OsString::new(),
        false => name.read()?,
    };
    let made = registry(|registry| {
        let hosted = Hosted::new(name, registry.settings.clone());
        registry.add(hosted)
    })?;
    handle.put(made);
    Ok(Warning::NONE)
}

/// JetInit(2, 3).
pub(crate) fn init(handle: Out<usize>) -> Answer {
    let given = match handle.is_null() {
        true => 0,
        false => handle.get()?,
    };
    let (number, hosted) = match is_no_handle(given) {
        true => registry(Registry::only_instance)?,
        false => (given, instance(Named::By(given))?),
    };
    let started = hosted.start();
    if started.is_err() && is_no_handle(given) && hosted.running().is_err() {
        drop(registry(|registry| registry.remove(&hosted)));
    }
    started?;
    handle.put(number);
    Ok(Warning::NONE)
}

impl Registry {
    /// The one instance, made now if there is none.
    fn only_instance(&mut self) -> Result<(usize, Arc<Hosted>), JetErr> {
        if matches!(self.mode, Mode::Unset) {
            let hosted = Hosted::new(OsString::new(), self.settings.clone());
            self.mode = Mode::One(new_handle(), Arc::new(hosted));
        }
        match &self.mode {
            Mode::One(number, hosted) => Ok((*number, Arc::clone(hosted))),
            _ => Err(JetErr::RunningInMultiInstanceMode),
        }
    }
}

/// `JET_bitTermAbrupt`, which JetTerm means.
pub(crate) const ABRUPT: u32 = 0x2;
const STOP_BACKUP: u32 = 0x4;
const DIRTY: u32 = 0x8;

/// JetTerm(2).
pub(crate) fn term(handle: usize, grbit: u32) -> Answer {
    let how = match grbit {
        grbit if grbit & !0xF != 0 => return Err(JetErr::InvalidGrbit),
        grbit if grbit & DIRTY != 0 => Term::Dirty,
        grbit if grbit & ABRUPT != 0 => Term::Abrupt,
        grbit if grbit & STOP_BACKUP != 0 => Term::StopBackup,
        _ => Term::Complete,
    };
    let hosted = instance(Named::By(handle))?;
    let running = match hosted.running() {
        Ok(running) => running,
        Err(JetErr::NotInitialized) => {
            drop(registry(|registry| registry.remove(&hosted)));
            return Ok(Warning::NONE);
        }
        Err(code) => return Err(code),
    };
    if how == Term::Abrupt {
        // Their transactions are rolled back.
        drop(registry(|registry| registry.take_sessions(&hosted)));
    }
    let ended = running.instance.term(how).map_err(told);
    if !matches!(
        ended,
        Err(JetErr::TooManyActiveUsers | JetErr::BackupInProgress | JetErr::SurrogateBackupInProgress)
    ) {
        running.backup.abort_by_server();
        drop(registry(|registry| registry.remove(&hosted)));
    }
    ended.map(|()| Warning::NONE)
}

/// JetSetSystemParameter: of an instance, or with none of those that are made from now on.
pub(crate) fn set_parameter<T: Text>(handle: Out<usize>, id: u32, number: usize, text: T) -> Answer {
    let given = match handle.is_null() {
        true => 0,
        false => handle.get()?,
    };
    let text = || text.read();
    if is_no_handle(given) {
        return registry(|registry| match &registry.mode {
            Mode::One(..) => Err(JetErr::AlreadyInitialized),
            _ => registry.settings.set(id, number, text).map(|()| Warning::NONE),
        });
    }
    let hosted = instance(Named::By(given))?;
    match hosted.running() {
        Err(JetErr::NotInitialized) => {}
        Ok(_) => return Err(JetErr::AlreadyInitialized),
        Err(code) => return Err(code),
    }
    let mut settings = hosted.settings.lock();
    settings.set(id, number, text).map(|()| Warning::NONE)
}

/// JetGetSystemParameter.
pub(crate) fn get_parameter<R: Room>(
    handle: usize,
    id: u32,
    number: Out<usize>,
    room: R,
    most_bytes: u32,
) -> Answer {
    let setting = match is_no_handle(handle) {
        true => registry(|registry| registry.settings.get(id)),
        false => instance(Named::By(handle))?.settings.lock().get(id),
    };
    match setting? {
        Setting::Number(value) => number.check()?.put(value),
        Setting::Text(text) => put_text(room, most_bytes, &text)?,
    }
    Ok(Warning::NONE)
}

/// `JET_bitStopServiceStopAndEmitLog`.
const STOP_LOG: u32 = 0x8;
/// BackgroundUserTasks, QuiesceCaches and Resume, which change nothing here.
const WITHOUT_EFFECT: u32 = 0x8000_0006;

/// JetStopService(Instance, Instance2). No gate stands before it.
pub(crate) fn stop_service(named: Named, grbit: u32) -> Answer {
    let hosted = instance(named)?;
    let running = match hosted.running() {
        Ok(running) => running,
        Err(_) => return Ok(Warning::NONE),
    };
    match grbit {
        0 => {
            running.instance.stop_service();
            Ok(Warning::NONE)
        }
        STOP_LOG => done(running.instance.stop_log()),
        grbit if grbit & !WITHOUT_EFFECT == 0 => Ok(Warning::NONE),
        _ => Err(JetErr::InvalidGrbit),
    }
}

/// `JET_PFNSTATUS`: session, what goes on, how far it is, and details.
pub(crate) type Status = Option<extern "C" fn(usize, u32, u32, Out<u8>) -> i32>;

/// `JET_snpRestore`.
const RESTORE: u32 = 8;
/// `JET_sntBegin`, `JET_sntComplete`, `JET_sntFail`.
const BEGIN: u32 = 5;
const COMPLETE: u32 = 6;
const FAIL: u32 = 3;

/// JetRestoreInstance: the databases and logs of a set become a clean instance in a directory of its own.
pub(crate) fn restore<T: Text>(handle: usize, set: T, destination: T, status: Status) -> Answer {
    let hosted = instance(Named::By(handle))?;
    let (set, destination) = (set.path()?, destination.path()?);
    match &mut *hosted.state.lock() {
        State::Running(_) => return Err(JetErr::AlreadyInitialized),
        State::Restoring => return Err(JetErr::RestoreInProgress),
        state => *state = State::Restoring,
    }
    let tell = |how| match status {
        Some(status) => status(NIL, RESTORE, how, Out::nowhere()),
        None => 0,
    };
    tell(BEGIN);
    let restored = restore_set(set, destination, &hosted.settings.lock());
    tell(if restored.is_ok() { COMPLETE } else { FAIL });
    *hosted.state.lock() = State::Created;
    restored.map(|()| Warning::NONE)
}

/// Memory for pages that recovery changes; more of them go to a file.
const MEMORY: usize = 256 << 20;

fn restore_set(set: PathBuf, destination: PathBuf, settings: &Settings) -> Result<(), JetErr> {
    let Setting::Text(spill) = settings.get(super::settings::TEMP_PATH)? else {
        return Err(JetErr::InvalidParameter);
    };
    let request = RestoreRequest {
        sets: vec![set],
        destination,
        ..RestoreRequest::default()
    };
    let fs = RealFileSystem;
    let plan = RestorePlan::new(&fs, &request).map_err(told)?;
    let options = RestoreOptions {
        memory: MEMORY,
        spill: SpillDirectory {
            fs: Arc::new(RealFileSystem),
            directory: spill.into(),
        },
        time: None,
    };
    let restored = plan.replay(options, &mut |_| Ok(())).map_err(told)?;
    restored.write(&fs, &RealClock, &mut |_| Ok(())).map_err(told)
}
