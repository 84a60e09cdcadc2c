//! What a restore will do, as far as it can be known without replaying, and everything that forbids it
//! (external-backup.md sections 8.3 and 8.4).

use super::backup_set::BackupSet;
use super::copied_database::CopiedDatabase;
use super::destination;
use super::log_chain::LogChain;
use super::restorable_set::{RestorableSet, relocated};
use super::until::Until;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Attachment, LogTime, Signature};
use crate::io::{File, FileSystem, LockKind, OpenMode};
use crate::recovery::in_place::Writable;
use crate::recovery::{InstanceFiles, Options, Plan, Progress};
use crate::store::{SpillDirectory, lock_file};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct RestoreRequest {
    /// Directories of the sets, in any order: one full one, or several of different databases, and incremental ones.
    pub sets: Vec<PathBuf>,
    /// Where everything goes: a directory that is empty or does not exist.
    pub destination: PathBuf,
    /// Directory of logs that were written after the last backup.
    pub logs: Option<PathBuf>,
    /// `OLD=NEW`: what a database is called, and where it goes; relative to the destination.
    pub map: Vec<(String, PathBuf)>,
    /// The last that is replayed.
    pub until: Option<Until>,
    /// The first three characters of the log names, where a directory holds several sequences.
    pub base: Option<String>,
}

/// How the logs are replayed.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// Bytes of pages that are kept in memory for each database.
    pub memory: usize,
    /// Where what is beyond goes.
    pub spill: SpillDirectory,
    /// The time of the clean shutdown; `None`: the last time that the logs tell.
    pub time: Option<LogTime>,
}

/// A restore that nothing known so far forbids.
#[derive(Debug)]
pub struct RestorePlan<'f> {
    fs: &'f dyn FileSystem,
    /// The sets, as they were given.
    pub sets: Vec<BackupSet>,
    /// The databases.
    pub databases: Vec<PlannedDatabase>,
    /// Where everything goes.
    pub destination: PathBuf,
    chain: LogChain,
    files: InstanceFiles,
}

/// A database, and where it goes.
#[derive(Debug)]
pub struct PlannedDatabase {
    /// The copy in its set.
    pub copy: CopiedDatabase,
    /// Its path as the logs call it, if they say that it was attached when the backup began.
    pub logged: Option<String>,
    /// Its path at the time of the backup, if a manifest tells.
    pub original: Option<PathBuf>,
    /// Where it goes.
    pub target: PathBuf,
}

impl<'f> RestorePlan<'f> {
    /// Looks at sets, logs and destination. Nothing is written, now or by replaying.
    ///
    /// # Errors
    /// Whatever sections 8.3 and 8.4 call an error; the destination is not empty (`JET_errFileAlreadyExists`).
    pub fn new(fs: &'f dyn FileSystem, request: &RestoreRequest) -> JetResult<Self> {
        let base = request.base.as_deref();
        let sets = request.sets.iter();
        let mut sets = sets
            .map(|directory| BackupSet::open(fs, directory, base))
            .collect::<JetResult<Vec<_>>>()?;
        let copies = copies_of(fs, &sets)?;
        let low = copies.iter().map(|copy| copy.generation_low).min().unwrap_or(1);
        let limit = match request.until {
            Some(Until::Generation(generation)) => generation,
            _ => u32::MAX,
        };
        check_until(&copies, limit, None)?;
        let mut chain = LogChain::of_sets(fs, &mut sets, low, limit)?;
        if let Some(logs) = &request.logs {
            chain.roll_forward(fs, logs, &base_of(&sets), limit)?;
        }
        for copy in &copies {
            copy.check_logs(chain.signature, chain.ends())?;
        }
        if let Some(until) = request.until {
            let last = until.last_in(&chain, fs)?;
            check_until(&copies, last, Some(&chain))?;
            check_reached(&chain, until)?;
            chain.cut(last);
        }
        destination::check_empty(fs, &request.destination, &sets)?;
        let mut databases = planned(copies, &sets, &chain, &request.destination)?;
        let others = destination::map(&mut databases, &request.map, &request.destination)?;
        let targets = databases.iter().map(|database| database.target.as_path());
        let targets = targets.chain(others.iter().map(|(_, target)| target.as_path()));
        destination::check_targets(fs, &request.destination, targets)?;
        let files = instance(&databases, &chain, others, &request.destination, base_of(&sets));
        Ok(RestorePlan {
            fs,
            sets,
            databases,
            destination: request.destination.clone(),
            chain,
            files,
        })
    }

    /// First and last generation that are replayed.
    pub fn generations(&self) -> (u32, u32) {
        self.chain.ends()
    }

    /// The last generation of the sets; those behind it are rolled forward.
    pub fn last_of_sets(&self) -> u32 {
        self.chain.set_last
    }

    /// The logs that are replayed, oldest first.
    pub fn logs(&self) -> impl Iterator<Item = &Path> {
        self.chain.logs.values().map(|log| log.place.path.as_path())
    }

    /// Locks the databases of the sets, so that nobody writes to them; they stay so while the result lives.
    ///
    /// # Errors
    /// One is in use (`JET_errDatabaseInUse`).
    pub fn lock_sets(&self) -> JetResult<Vec<Arc<dyn File>>> {
        let locked = self.databases.iter().map(|database| {
            let path = &database.copy.path;
            let file = self.fs.open(path, OpenMode::ReadOnly);
            let file = file.map_err(|error| JetError::io("open", error).in_file(path))?;
            lock_file(&*file, LockKind::Shared, path)?;
            Ok(file)
        });
        locked.collect()
    }

    /// Replays the logs over the copies, in memory. `progress` can end it with an error.
    ///
    /// # Errors
    /// Those of section 8.5; a database that is attached at the end of the logs and in none of the sets
    /// (`JET_errAttachedDatabaseMismatch`); two databases of the same name that the logs make.
    pub fn replay(
        &self,
        options: RestoreOptions,
        progress: &mut dyn FnMut(Progress) -> JetResult<()>,
    ) -> JetResult<RestorableSet> {
        let (low, _) = self.chain.ends();
        let options = Options {
            memory: options.memory,
            time: options.time,
            backup_from: Some(low),
            backup_to: Some(self.chain.set_last),
            new_generation_in: Some(self.destination.clone()),
            ..Options::new(options.spill)
        };
        let plan = Plan::new(self.fs, &self.files, options)?;
        let replayed = plan.replay_or_stop(progress).map_err(not_in_the_sets)?;
        let Some(start) = &plan.start else {
            return Err(JetError::rule(JetErr::MissingLogFile, "there are no logs"));
        };
        let (replayed, report) = relocated(replayed, &self.databases);
        let targets = || report.iter().map(|database| database.path.as_path());
        destination::check_targets(self.fs, &self.destination, targets())?;
        self.check_map_used(targets())?;
        Ok(RestorableSet {
            databases: report,
            last_generation: replayed.last_generation,
            time: replayed.time,
            counts: replayed.counts,
            undone: replayed.undone,
            copies: self.copies(),
            destination: self.destination.clone(),
            writable: Writable::new(self.fs, &self.files, start, replayed)?,
        })
    }

    /// What is copied before anything is changed, and where to.
    fn copies(&self) -> Vec<(PathBuf, PathBuf)> {
        let databases = self.databases.iter();
        let databases = databases.map(|database| (database.copy.path.clone(), database.target.clone()));
        let logs = self.logs().map(|path| {
            let name = path.file_name().unwrap_or_default();
            (path.to_path_buf(), self.destination.join(name))
        });
        logs.chain(databases).collect()
    }

    /// A mapping that concerns no database is a mistake.
    fn check_map_used<'p>(&self, restored: impl Iterator<Item = &'p Path> + Clone) -> JetResult<()> {
        let mut map = self.files.map.iter();
        let unused = map.find(|(_, target)| !restored.clone().any(|path| path == target));
        let Some((old, _)) = unused else { return Ok(()) };
        let names: Vec<String> = self.databases.iter().map(PlannedDatabase::name).collect();
        let what = format!("no database is called {old}; there are {}", names.join(", "));
        Err(JetError::rule(JetErr::DatabaseNotFound, what))
    }
}

impl PlannedDatabase {
    fn name(&self) -> String {
        match &self.logged {
            Some(logged) => logged.clone(),
            None => self.copy.path.display().to_string(),
        }
    }
}

/// The databases of all sets, each once.
fn copies_of(fs: &dyn FileSystem, sets: &[BackupSet]) -> JetResult<Vec<CopiedDatabase>> {
    let mut copies: Vec<CopiedDatabase> = Vec::new();
    for path in sets.iter().flat_map(|set| &set.databases) {
        let copy = CopiedDatabase::open(fs, path)?;
        let same = |other: &&CopiedDatabase| other.header.signature == copy.header.signature;
        if let Some(other) = copies.iter().find(same) {
            let what = format!("is a copy of the same database as {}", other.path.display());
            let error = JetError::rule(JetErr::DatabaseDuplicate, what).in_file(path);
            return Err(error.advise("Give one full set of it, and the incremental sets that followed."));
        }
        copies.push(copy);
    }
    if copies.is_empty() {
        let what = "none of the sets holds a database: they are incremental ones";
        let error = JetError::rule(JetErr::MissingFullBackup, what);
        return Err(error.advise("Give the full set that they continue, too."));
    }
    Ok(copies)
}

fn base_of(sets: &[BackupSet]) -> String {
    let mut with_logs = sets.iter().filter(|set| set.generations.is_some());
    with_logs
        .next()
        .map_or_else(|| "edb".to_owned(), |set| set.base.clone())
}

/// No copy is consistent before its last generation was replayed.
fn check_until(copies: &[CopiedDatabase], last: u32, chain: Option<&LogChain>) -> JetResult<()> {
    let Some(copy) = copies.iter().max_by_key(|copy| copy.generation_high) else {
        return Ok(());
    };
    let high = copy.generation_high;
    if last >= high {
        return Ok(());
    }
    let what = format!("needs the logs up to generation {high:#x}, but --until ends before");
    let next = chain.and_then(|chain| chain.logs.get(&high.saturating_add(1)));
    let closed = next.map_or_else(String::new, |next| {
        format!(", which was closed at {}", next.header.create_time)
    });
    let error = JetError::rule(JetErr::EndingRestoreLogTooLow, what).in_file(&copy.path);
    Err(error.advise(format!(
        "The earliest state that this backup can be restored to is --until {high:#x}{closed}; for an earlier one take \
         an earlier backup."
    )))
}

/// A generation that is asked for by its number is there.
fn check_reached(chain: &LogChain, until: Until) -> JetResult<()> {
    let (_, last) = chain.ends();
    match until {
        Until::Generation(wanted) if wanted > last => {
            let what = format!("--until asks for generation {wanted:#x}, but the logs end with {last:#x}");
            Err(JetError::rule(JetErr::MissingRestoreLogFiles, what)
                .advise("Give the incremental sets or the logs (--logs) that reach so far."))
        }
        _ => Ok(()),
    }
}

fn planned(
    copies: Vec<CopiedDatabase>,
    sets: &[BackupSet],
    chain: &LogChain,
    destination: &Path,
) -> JetResult<Vec<PlannedDatabase>> {
    let attached = match chain.logs.first_key_value() {
        Some((_, first)) => first.header.attach_list.attachments()?,
        None => Vec::new(),
    };
    let logged = |signature: Signature| {
        let mut attached = attached.iter();
        let found = attached.find(|attachment| attachment.signature == signature);
        found.map(Attachment::path)
    };
    let planned = copies.into_iter().map(|copy| PlannedDatabase {
        logged: logged(copy.header.signature),
        original: sets.iter().find_map(|set| {
            let is_its_own = set.databases.contains(&copy.path);
            is_its_own.then(|| set.original_of(&copy.path)).flatten()
        }),
        target: destination.join(copy.path.file_name().unwrap_or_default()),
        copy,
    });
    Ok(planned.collect())
}

/// The instance as recovery sees it: the copies where they lie, and the destination as its directory.
fn instance(
    databases: &[PlannedDatabase],
    chain: &LogChain,
    others: Vec<(String, PathBuf)>,
    destination: &Path,
    base: String,
) -> InstanceFiles {
    let copies = || databases.iter().map(|database| &database.copy);
    InstanceFiles {
        logs: chain
            .logs
            .iter()
            .map(|(generation, log)| (*generation, log.place.clone()))
            .collect(),
        current: chain.current.clone(),
        next: None,
        checkpoint: None,
        system: destination.to_path_buf(),
        databases: copies().map(|copy| copy.path.clone()).collect(),
        map: others,
        by_signature: copies()
            .map(|copy| (copy.header.signature, copy.path.clone()))
            .collect(),
        base,
    }
}

/// A database that is missing is missing in the sets: that is what the user can do something about.
fn not_in_the_sets(error: JetError) -> JetError {
    match error.code() {
        JetErr::AttachedDatabaseMismatch => error.advise(
            "Give the set that holds this database, too; if there is none, end with --until before it was made.",
        ),
        _ => error,
    }
}
