//! Sessions, their transactions, and the databases that they make, attach and open.

use super::answer::{Answer, Warning, done, told};
use super::instance::{Hosted, Running};
use super::owned::Owned;
use super::pointers::Out;
use super::registry::{Named, instance, new_handle, registry, session};
use super::text::Text;
use jetfs::JetErr;
use jetfs::engine::CommitMode;
use parking_lot::{Mutex, MutexGuard};
use std::sync::Arc;

/// A session, until JetEndSession or JetTerm.
#[derive(Debug)]
pub(crate) struct Session {
    hosted: Arc<Hosted>,
    owned: Mutex<Owned>,
}

impl Session {
    /// Whose it is.
    pub(crate) fn instance(&self) -> &Arc<Hosted> {
        &self.hosted
    }

    /// Its instance, if that works.
    ///
    /// # Errors
    /// Those of [`Hosted::running`].
    pub(crate) fn running(&self) -> Result<Arc<Running>, JetErr> {
        self.hosted.running()
    }

    /// What it holds; one call at a time.
    pub(crate) fn owned(&self) -> MutexGuard<'_, Owned> {
        self.owned.lock()
    }
}

/// JetBeginSession.
pub(crate) fn begin_session(handle: usize, out: Out<usize>) -> Answer {
    let out = out.check()?;
    let hosted = instance(Named::By(handle))?;
    let begun = hosted.running()?.instance.session().map_err(told)?;
    let session = Arc::new(Session {
        hosted,
        owned: Mutex::new(Owned::new(begun)),
    });
    let number = new_handle();
    registry(|registry| registry.sessions.insert(number, session));
    out.put(number);
    Ok(Warning::NONE)
}

/// JetEndSession: its tables are closed, its transaction is rolled back.
pub(crate) fn end_session(handle: usize) -> Answer {
    let ended = registry(|registry| registry.sessions.remove(&handle));
    ended.map(|_| Warning::NONE).ok_or(JetErr::InvalidSesid)
}

/// JetBeginTransaction(2).
pub(crate) fn begin_transaction(handle: usize) -> Answer {
    done(session(handle)?.owned().begin())
}

/// `JET_bitCommitLazyFlush`.
const LAZY: u32 = 0x1;
/// `JET_bitWaitLastLevel0Commit`, which commits nothing.
const WAIT: u32 = 0x2;

/// JetCommitTransaction.
pub(crate) fn commit(handle: usize, grbit: u32) -> Answer {
    let session = session(handle)?;
    let mut owned = session.owned();
    if grbit & WAIT != 0 {
        return done(owned.session().wait_for_commits());
    }
    let mode = match grbit & LAZY {
        0 => CommitMode::Durable,
        _ => CommitMode::Lazy,
    };
    let level = owned.take_level().ok_or(JetErr::NotInTransaction)?;
    done(level.commit_with(mode))
}

/// `JET_bitRollbackAll`.
const ALL: u32 = 0x1;

/// JetRollback.
pub(crate) fn roll_back(handle: usize, grbit: u32) -> Answer {
    let session = session(handle)?;
    let mut owned = session.owned();
    owned.cursors.cancel_updates();
    let level = owned.take_level().ok_or(JetErr::NotInTransaction)?;
    level.roll_back().map_err(told)?;
    while grbit & ALL != 0
        && let Some(level) = owned.take_level()
    {
        level.roll_back().map_err(told)?;
    }
    Ok(Warning::NONE)
}

/// JetCreateDatabase(2).
pub(crate) fn create_database<T: Text>(handle: usize, name: T, number: Out<u32>) -> Answer {
    let (number, path) = (number.check()?, name.path()?);
    let running = session(handle)?.running()?;
    let database = running.instance.create_database(path).map_err(told)?;
    number.put(running.number_of(&database)?);
    Ok(Warning::NONE)
}

/// JetAttachDatabase(2).
pub(crate) fn attach_database<T: Text>(handle: usize, name: T) -> Answer {
    let path = name.path()?;
    let running = session(handle)?.running()?;
    let was_attached = running.database_at(&path).is_some();
    let database = running.instance.attach_database(path).map_err(told)?;
    running.number_of(&database)?;
    Ok(match was_attached {
        true => Warning::DATABASE_ATTACHED,
        false => Warning::NONE,
    })
}

/// JetDetachDatabase; with no name all of them.
pub(crate) fn detach_database<T: Text>(handle: usize, name: T) -> Answer {
    let running = session(handle)?.running()?;
    let name = match name.is_null() {
        true => Default::default(),
        false => name.read()?,
    };
    let paths = match name.is_empty() {
        true => running.attached(),
        false => vec![name.into()],
    };
    for path in paths {
        let whole = path.canonicalize().unwrap_or_else(|_| path.clone());
        running.instance.detach_database(&path).map_err(told)?;
        running.forget(&whole);
    }
    Ok(Warning::NONE)
}

/// JetOpenDatabase: of one that is attached.
pub(crate) fn open_database<T: Text>(handle: usize, name: T, number: Out<u32>) -> Answer {
    let (number, path) = (number.check()?, name.path()?);
    let running = session(handle)?.running()?;
    let database = running.database_at(&path).ok_or(JetErr::DatabaseNotFound)?;
    number.put(running.number_of(&database)?);
    Ok(Warning::NONE)
}

/// JetCloseDatabase. The number stays that of the database, since others may have opened it too.
pub(crate) fn close_database(handle: usize, number: u32) -> Answer {
    session(handle)?.running()?.database(number)?;
    Ok(Warning::NONE)
}
