//! Recovery at the start of an instance: of the databases that its logs name, in place.

use super::events::Event;
use super::start::Start;
use crate::error::{JetErr, JetResult};
use crate::format::{DatabaseHeader, Signature};
use crate::io::FileSystem;
use crate::recovery::in_place::{Durability, LockedSet, Writable};
use crate::recovery::{InstanceFiles, Options, Plan};
use crate::store::read_header::open_if_there;
use crate::store::{SpillDirectory, open_exclusively, read_database_header};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Recovers the databases that the logs name. If the last run ended well, nothing is written.
///
/// # Errors
/// A database is in use, a log or a database is missing or damaged, something cannot be written. The next start begins
/// anew.
pub(super) fn recover(start: &Start, mut files: InstanceFiles) -> JetResult<()> {
    let fs = &*start.fs;
    let own = std::mem::take(&mut files.databases);
    let first_look = Plan::new(fs, &files, options(start))?;
    let sequence = first_look.start.as_ref().map(|begin| begin.signature);
    let named = first_look.logged_databases();
    files.map = choose(fs, &own, &named);
    files.databases = there(fs, &files.map);
    let mut set = lock(fs, &mut files.databases, sequence)?;
    set.finish_interrupted()?;
    set.add(&start.checkpoint_path, Arc::clone(&start.checkpoint));
    let plan = Plan::new(fs, &files, options(start))?;
    let Some(begin) = &plan.start else {
        return Ok(());
    };
    let replayed = plan.replay(&mut |_| ())?;
    let (counts, undone) = (replayed.counts, replayed.undone);
    let writable = Writable::new(fs, &files, begin, replayed)?;
    if writable.is_empty() {
        return Ok(());
    }
    start.tell(&Event::RecoveryBegun { from: begin.position });
    writable.write(&mut set, Durability::InPlace, &*start.clock, &mut |_| ())?;
    start.tell(&Event::RecoveryEnded {
        records: counts.records,
        undone: undone.transactions,
    });
    Ok(())
}

fn options(start: &Start) -> Options {
    let spill = SpillDirectory {
        fs: Arc::clone(&start.fs),
        directory: start.parameters.temp_path.clone(),
    };
    Options {
        memory: start.parameters.cache_size_max,
        time: Some(start.now()),
        ignore_missing: start.parameters.ignore_missing,
        read_ahead: start.parameters.background,
        log_digits: start.parameters.log_digits(),
        ..Options::new(spill)
    }
}

/// Where the databases are that the logs name. One in the instance's own directories that has the name and the signature
/// is preferred: so a copy of an instance never touches the databases of the original.
fn choose(fs: &dyn FileSystem, own: &[PathBuf], named: &[(String, Signature)]) -> Vec<(String, PathBuf)> {
    let own: Vec<(&PathBuf, Option<Signature>)> =
        own.iter().map(|path| (path, signature_of(fs, path))).collect();
    let mut chosen: Vec<(String, PathBuf)> = Vec::new();
    for (logged, signature) in named {
        let name = crate::recovery::files::last_component(logged);
        let has_name = |path: &Path| {
            path.file_name()
                .is_some_and(|found| found.eq_ignore_ascii_case(name))
        };
        let mut candidates = own.iter().filter(|(path, _)| has_name(path));
        let is_it = |found: &&(&PathBuf, Option<Signature>)| found.1 == Some(*signature);
        let path = match candidates.clone().find(is_it) {
            Some((path, _)) => (*path).clone(),
            None if logged.starts_with('/') => PathBuf::from(logged),
            None => match candidates.next() {
                Some((path, _)) => (*path).clone(),
                None => continue,
            },
        };
        chosen.retain(|(other, _)| other != logged);
        chosen.push((logged.clone(), path));
    }
    chosen
}

/// Locks the databases. One that went to another sequence since and is in use there is left out.
fn lock<'f>(
    fs: &'f dyn FileSystem,
    databases: &mut Vec<PathBuf>,
    sequence: Option<Signature>,
) -> JetResult<LockedSet<'f>> {
    let mut set = LockedSet::lock(fs, [])?;
    let mut locked = Vec::new();
    for path in databases.drain(..) {
        match open_exclusively(fs, &path) {
            Ok(file) => {
                set.add(&path, file);
                locked.push(path);
            }
            Err(error) if error.code() == JetErr::DatabaseInUse && has_left(fs, &path, sequence) => {}
            Err(error) => return Err(error),
        }
    }
    *databases = locked;
    Ok(set)
}

fn has_left(fs: &dyn FileSystem, path: &Path, sequence: Option<Signature>) -> bool {
    header_of(fs, path).is_some_and(|header| Some(header.log_signature) != sequence)
}

fn signature_of(fs: &dyn FileSystem, path: &Path) -> Option<Signature> {
    Some(header_of(fs, path)?.signature)
}

fn header_of(fs: &dyn FileSystem, path: &Path) -> Option<DatabaseHeader> {
    let file = open_if_there(fs, path).ok()??;
    read_database_header(&*file).ok()
}

fn there(fs: &dyn FileSystem, chosen: &[(String, PathBuf)]) -> Vec<PathBuf> {
    let paths = chosen.iter().map(|(_, path)| path.clone());
    let mut there: Vec<PathBuf> = paths.filter(|path| fs.stat(path).is_ok()).collect();
    there.sort();
    there.dedup();
    there
}
