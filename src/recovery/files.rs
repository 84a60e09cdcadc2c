//! The files of an instance that is to be recovered, found by their names (log-and-recovery.md section 1.1).

use super::in_place::is_journal;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{BOTH_COPIES_LEN, Signature, has_database_magic};
use crate::io::{FileKind, FileSystem, OpenMode};
use crate::store::instance_names::{Base, NameKind, kind_of};
use crate::store::log_reader::LogPlace;
use crate::store::read_header::{read_log_header, read_start};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the files of an instance are, and where its databases have gone since their logs were written.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// Directory of the logs.
    pub logs: PathBuf,
    /// Directory of the checkpoint, if it is another one.
    pub system: Option<PathBuf>,
    /// Databases that lie elsewhere, or directories of databases.
    pub databases: Vec<PathBuf>,
    /// `OLD=NEW`: the path of a database as it stands in the logs, and where that database is now.
    pub map: Vec<(String, PathBuf)>,
    /// The first three characters of the log names, where a directory holds several sequences.
    pub base: Option<String>,
}

/// The files of an instance.
#[derive(Debug, Clone)]
pub struct InstanceFiles {
    /// Archived logs and the current one, by generation, without a second one of the same generation.
    pub logs: BTreeMap<u32, LogPlace>,
    /// The current log, `edb.log`, if it is there.
    pub current: Option<PathBuf>,
    /// The next log in preparation, `edbtmp.log`, if it is there.
    pub next: Option<PathBuf>,
    /// The checkpoint, if it is there.
    pub checkpoint: Option<PathBuf>,
    /// Where a new checkpoint belongs.
    pub system: PathBuf,
    /// Databases that are there.
    pub databases: Vec<PathBuf>,
    /// Where databases of the logs are now.
    pub map: Vec<(String, PathBuf)>,
    /// Databases that are known by their signature, whatever the logs call them. If there are any, the names of
    /// databases tell nothing.
    pub by_signature: Vec<(Signature, PathBuf)>,
    /// The first three characters of the log names, as they are written.
    pub base: String,
}

impl InstanceFiles {
    /// Looks for them. No file is changed, and only headers are read.
    ///
    /// # Errors
    /// A directory cannot be read; several log sequences and no base name that chooses; the header of the current log
    /// is damaged (`JET_errLogFileCorrupt`).
    pub fn find(fs: &dyn FileSystem, places: &Places) -> JetResult<InstanceFiles> {
        let mut found = Found::default();
        let system = places.system.clone().unwrap_or_else(|| places.logs.clone());
        found.add_directory(fs, &places.logs)?;
        if system != places.logs {
            found.add_directory(fs, &system)?;
        }
        for path in &places.databases {
            found.add_database(fs, path)?;
        }
        for (_, path) in &places.map {
            if fs.stat(path).is_ok() && !found.databases.contains(path) {
                found.databases.push(path.clone());
            }
        }
        let base = found.choose_base(places)?;
        found.into_files(fs, base, system, places.map.clone())
    }

    /// Whether the newest log has version 7, which nobody appends to: what is undone needs a new generation.
    ///
    /// # Errors
    /// Its header cannot be read or is damaged.
    pub fn end_with_version_7(&self, fs: &dyn FileSystem) -> JetResult<bool> {
        match self.logs.values().next_back() {
            Some(log) => Ok(read_log_header(fs, &log.path)?.major == 7),
            None => Ok(false),
        }
    }

    /// The path that `logged`, a path of the machine that wrote the logs, stands for; `signature` is that of the
    /// database.
    ///
    /// # Errors
    /// Several databases have that name (`JET_errInvalidPath`).
    pub fn resolve(&self, logged: &str, signature: Signature) -> JetResult<PathBuf> {
        let mut known = self.by_signature.iter();
        if let Some((_, path)) = known.find(|(found, _)| *found == signature) {
            return Ok(path.clone());
        }
        let same = |old: &str| old.eq_ignore_ascii_case(logged);
        if let Some((_, new)) = self.map.iter().find(|(old, _)| same(old)) {
            return Ok(new.clone());
        }
        let name = last_component(logged);
        if !self.by_signature.is_empty() {
            return Ok(self.system.join(name));
        }
        let mut named = self.databases.iter().filter(|path| has_name(path, name));
        match (named.next(), named.next()) {
            (Some(only), None) => Ok(only.clone()),
            (None, _) => Ok(self.system.join(name)),
            (Some(first), Some(second)) => {
                let what = format!("{logged} could be {} or {}", first.display(), second.display());
                let error = JetError::rule(JetErr::InvalidPath, what);
                Err(error.advise(format!("Say which one with --map '{logged}=PATH'.")))
            }
        }
    }
}

/// The last component of a path of Windows or Unix.
pub(crate) fn last_component(path: &str) -> &str {
    path.rsplit(['\\', '/']).next().unwrap_or(path)
}

fn has_name(path: &Path, name: &str) -> bool {
    path.file_name()
        .is_some_and(|found| found.eq_ignore_ascii_case(name))
}

#[derive(Default)]
struct Found {
    archived: Vec<(Base, u32, PathBuf)>,
    current: Vec<(Base, PathBuf)>,
    next: Vec<(Base, PathBuf)>,
    checkpoints: Vec<(Base, PathBuf)>,
    databases: Vec<PathBuf>,
}

impl Found {
    fn add_directory(&mut self, fs: &dyn FileSystem, directory: &Path) -> JetResult<()> {
        let entries = fs.list(directory);
        let entries = entries.map_err(|error| JetError::io("list", error).in_file(directory))?;
        for entry in entries {
            let path = directory.join(&entry.name);
            if !fs.stat(&path).is_ok_and(|stat| stat.kind == FileKind::Regular) {
                continue;
            }
            match kind_of(&entry.name) {
                NameKind::ArchivedLog { base, generation } => self.archived.push((base, generation, path)),
                NameKind::CurrentLog { base } => self.current.push((base, path)),
                NameKind::TempLog { base } => self.next.push((base, path)),
                NameKind::Checkpoint { base } => self.checkpoints.push((base, path)),
                NameKind::Other { like_a_database } => {
                    // What an interrupted recovery left begins as its database does.
                    if !is_journal(&path) && (like_a_database || is_database(fs, &path)) {
                        self.databases.push(path);
                    }
                }
                NameKind::ReserveLog { .. }
                | NameKind::ShadowLog { .. }
                | NameKind::Patch
                | NameKind::FlushMap => {}
            }
        }
        Ok(())
    }

    fn add_database(&mut self, fs: &dyn FileSystem, path: &Path) -> JetResult<()> {
        let stat = fs.stat(path);
        let stat = stat.map_err(|error| JetError::io("find", error).in_file(path))?;
        if stat.kind != FileKind::Directory {
            if !self.databases.iter().any(|found| found == path) {
                self.databases.push(path.to_path_buf());
            }
            return Ok(());
        }
        let mut inside = Found::default();
        inside.add_directory(fs, path)?;
        self.databases.append(&mut inside.databases);
        self.databases.sort();
        self.databases.dedup();
        Ok(())
    }

    /// The base name of the logs: the one that was asked for, or the only one.
    fn choose_base(&self, places: &Places) -> JetResult<Option<Base>> {
        let logs = self.archived.iter().map(|(base, _, _)| *base);
        let mut bases: Vec<Base> = logs.chain(self.current.iter().map(|(base, _)| *base)).collect();
        bases.sort_unstable();
        bases.dedup();
        if let Some(wanted) = &places.base {
            bases.retain(|base| base.is(wanted));
        }
        match bases.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(*only)),
            several => {
                let names: Vec<String> = several.iter().map(ToString::to_string).collect();
                let what = format!("logs of several sequences lie here: {}", names.join(", "));
                let error = JetError::rule(JetErr::InvalidLogSequence, what).in_file(&places.logs);
                Err(error.advise("Say which one with --base NAME."))
            }
        }
    }

    fn into_files(
        self,
        fs: &dyn FileSystem,
        base: Option<Base>,
        system: PathBuf,
        map: Vec<(String, PathBuf)>,
    ) -> JetResult<InstanceFiles> {
        let of_base = |paths: Vec<(Base, PathBuf)>| {
            let mut paths = paths
                .into_iter()
                .filter(|(found, _)| base.is_none_or(|base| *found == base));
            paths.next().map(|(_, path)| path)
        };
        let mut logs = BTreeMap::new();
        for (_, generation, path) in self
            .archived
            .into_iter()
            .filter(|(found, _, _)| Some(*found) == base)
        {
            logs.entry(generation).or_insert(LogPlace { path, generation });
        }
        let current = of_base(self.current);
        if let Some(path) = &current {
            let generation = read_log_header(fs, path)?.generation;
            logs.entry(generation).or_insert(LogPlace {
                path: path.clone(),
                generation,
            });
        }
        let name = current
            .as_ref()
            .or_else(|| logs.values().next().map(|log| &log.path));
        let base = name.and_then(|path| path.file_name()?.to_str()?.get(..3).map(str::to_owned));
        Ok(InstanceFiles {
            logs,
            next: of_base(self.next),
            checkpoint: of_base(self.checkpoints),
            current,
            system,
            databases: self.databases,
            map,
            by_signature: Vec::new(),
            base: base.unwrap_or_else(|| "edb".to_owned()),
        })
    }
}

fn is_database(fs: &dyn FileSystem, path: &Path) -> bool {
    let Ok(file) = fs.open(path, OpenMode::ReadOnly) else {
        return false;
    };
    read_start(file.as_ref(), BOTH_COPIES_LEN).is_ok_and(|start| has_database_magic(&start))
}
