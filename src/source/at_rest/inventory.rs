//! What belongs to the instance: databases, logs in sequences, checkpoint, and the rest; and what is missing,
//! foreign or damaged. Nothing is judged here that the user cannot overrule: at rest every file is shown.

use super::distinct_names::DistinctNames;
use super::inspect::{DatabaseFacts, Inspected, Inspection, LogName, Proof, inspect};
use super::judge;
use super::listing::{AtRestPaths, Candidate, Ignored, IgnoredReason, list};
use crate::backup::{FileRole, LogRange, SourceFile};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{ChosenCheckpoint, FormatError, LogHeader, Signature};
use crate::io::{FileStat, FileSystem};
use crate::recovery::in_place::LockedSet;
use crate::store::instance_names::Base;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;

/// Everything that the paths hold, sorted out.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// The databases, in the order in which they were found.
    pub databases: Vec<DatabaseEntry>,
    /// The logs whose headers are good, by signature; the sequence of the databases first.
    pub sequences: Vec<LogSequence>,
    /// Logs that belong to no sequence: damaged header, or a name that contradicts it.
    pub stray_logs: Vec<LogEntry>,
    /// The checkpoints; an instance has one.
    pub checkpoints: Vec<CheckpointEntry>,
    /// Patch files, flush maps, logs in preparation, reserve and shadow logs.
    pub others: Vec<Entry>,
    /// What lies there and is not shown.
    pub ignored: Vec<Ignored>,
    /// What is missing, foreign or damaged.
    pub warnings: Vec<Warning>,
}

/// A file of the set.
#[derive(Debug, Clone)]
pub struct Entry {
    /// As the backup shows it.
    pub file: SourceFile,
    /// What the system knew about it when it was found. If that changes, the file is no longer the same.
    pub stat: FileStat,
}

/// A database.
#[derive(Debug, Clone)]
pub struct DatabaseEntry {
    /// The file.
    pub entry: Entry,
    /// Its header; the error if neither copy is good.
    pub facts: Result<Box<DatabaseFacts>, FormatError>,
    /// Required generations that are not there, ascending (JET_errRequiredLogFilesMissing).
    pub missing_required: Vec<LogRange>,
    /// Committed generations beyond them that are not there (JET_errCommittedLogFilesMissing).
    pub missing_committed: Vec<LogRange>,
}

/// A log.
#[derive(Debug, Clone)]
pub struct LogEntry {
    /// The file; its role has the generation.
    pub entry: Entry,
    /// Its header.
    pub header: Result<Box<LogHeader>, FormatError>,
}

/// Logs with the same signature.
#[derive(Debug, Clone)]
pub struct LogSequence {
    /// `signLog`.
    pub signature: Signature,
    /// The three characters that their names begin with.
    pub base: String,
    /// In the order of their generations; the current log is the last one.
    pub logs: Vec<LogEntry>,
}

/// A checkpoint.
#[derive(Debug, Clone)]
pub struct CheckpointEntry {
    /// The file.
    pub entry: Entry,
    /// Its contents.
    pub checkpoint: Result<Box<ChosenCheckpoint>, FormatError>,
}

/// Something that the user should know before relying on the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The file in the backup, if it is about one.
    pub file: Option<OsString>,
    /// What it means.
    pub code: JetErr,
    /// In words.
    pub what: String,
}

impl fmt::Display for Warning {
    /// One line: file, what is wrong, name and number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        write!(f, "{} ({}, {})", self.what, self.code.name(), self.code.number())
    }
}

impl LogEntry {
    /// The generation that the header says.
    pub fn generation(&self) -> Option<u32> {
        self.header.as_ref().ok().map(|header| header.generation)
    }
}

impl LogSequence {
    /// The generations that are there, in order; each once.
    pub fn generations(&self) -> BTreeSet<u32> {
        self.logs.iter().filter_map(LogEntry::generation).collect()
    }

    /// Lowest and highest generation.
    pub fn range(&self) -> Option<LogRange> {
        let generations = self.generations();
        Some(LogRange {
            low: *generations.first()?,
            high: *generations.last()?,
        })
    }

    /// The generations of `range` that are not there.
    pub fn missing(&self, range: LogRange) -> Vec<LogRange> {
        judge::absent(range, &self.generations())
    }

    /// Generations between the lowest and the highest that are not there.
    pub fn gaps(&self) -> Vec<LogRange> {
        self.range()
            .map_or_else(Vec::new, |range| judge::absent(range, &self.generations()))
    }
}

impl Inventory {
    /// Finds what belongs to the instance.
    ///
    /// # Errors
    /// A path that the user gave cannot be looked at, or there is no ESE file at all (JET_errFileNotFound).
    pub fn take(fs: &dyn FileSystem, paths: &AtRestPaths) -> JetResult<Inventory> {
        let mut listing = list(fs, paths)?;
        let mut inspected = Vec::new();
        for candidate in std::mem::take(&mut listing.candidates) {
            match inspect(fs, &candidate) {
                Ok(inspection) => inspected.push((candidate, inspection)),
                Err(reason) => listing.ignore(&candidate.path, reason),
            }
        }
        let proven = ProvenBases::of(&inspected);
        let mut sorter = Sorter::new();
        for (candidate, inspection) in inspected {
            if candidate.explicit || proven.speak_for(inspection.proof) {
                sorter.add(candidate, inspection.inspected);
            } else {
                listing.ignore(&candidate.path, IgnoredReason::NotEse);
            }
        }
        let mut inventory = sorter.finish();
        inventory.ignored = listing.ignored;
        if inventory.entries().next().is_none() {
            return Err(nothing_found(paths, &inventory.ignored));
        }
        judge::judge(&mut inventory);
        inventory.warn_of_interrupted_recovery(fs);
        Ok(inventory)
    }

    /// A database whose pages a recovery was writing when it was interrupted may have torn ones.
    fn warn_of_interrupted_recovery(&mut self, fs: &dyn FileSystem) {
        let interrupted = self.databases.iter().map(|database| &database.entry.file);
        let interrupted = interrupted.filter(|file| LockedSet::is_interrupted(fs, &file.path));
        self.warnings.extend(interrupted.map(|file| Warning {
            file: Some(file.name.clone()),
            code: JetErr::DatabaseDirtyShutdown,
            what: "a recovery or an instance was interrupted while it wrote pages, some of which may be torn; `jetfs recover` on the \
                   set finishes it"
                .into(),
        }));
    }

    /// Every file of the set: databases, logs in order, checkpoint, the rest.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        let databases = self.databases.iter().map(|database| &database.entry);
        databases.chain(self.entries_but_databases())
    }

    /// Every file of the set that is not a database, logs in order first.
    pub fn entries_but_databases(&self) -> impl Iterator<Item = &Entry> {
        let checkpoints = self.checkpoints.iter().map(|checkpoint| &checkpoint.entry);
        self.logs()
            .map(|log| &log.entry)
            .chain(checkpoints)
            .chain(&self.others)
    }

    /// Every log that is in use, those of no sequence last.
    pub fn logs(&self) -> impl Iterator<Item = &LogEntry> {
        let in_sequences = self.sequences.iter().flat_map(|sequence| &sequence.logs);
        in_sequences.chain(&self.stray_logs)
    }
}

fn nothing_found(paths: &AtRestPaths, ignored: &[Ignored]) -> JetError {
    let what = match ignored {
        [] => "no ESE file here".to_owned(),
        [only] => format!("no ESE file here: {} is {}", only.path.display(), only.reason),
        more => format!("no ESE file among the {} entries here", more.len()),
    };
    let error = JetError::rule(JetErr::FileNotFound, what)
        .advise("Name the directory that holds the databases and logs, or the files themselves.");
    match paths.sources.first().or(paths.databases.first()) {
        Some(path) => error.in_file(path),
        None => error,
    }
}

/// What the proven files say about the others.
struct ProvenBases {
    bases: BTreeSet<Base>,
    any: bool,
}

impl ProvenBases {
    fn of(inspected: &[(Candidate, Inspection)]) -> Self {
        let proven = || {
            inspected
                .iter()
                .filter(|(_, inspection)| inspection.proof == Proof::Contents)
        };
        let base = |(_, inspection): &(Candidate, Inspection)| match inspection.inspected {
            Inspected::Log { base, .. } | Inspected::Checkpoint { base, .. } => Some(base),
            _ => None,
        };
        ProvenBases {
            bases: proven().filter_map(base).collect(),
            any: proven().next().is_some(),
        }
    }

    fn speak_for(&self, proof: Proof) -> bool {
        match proof {
            Proof::Contents => true,
            Proof::OtherFilesOf(Some(base)) => self.bases.contains(&base),
            Proof::OtherFilesOf(None) => self.any,
        }
    }
}

/// Puts each file in its place.
struct Sorter {
    names: DistinctNames,
    inventory: Inventory,
    sequences: BTreeMap<[u8; Signature::LEN], LogSequence>,
}

impl Sorter {
    fn new() -> Self {
        Sorter {
            names: DistinctNames::reserving(&["backup.json", ".jetfs"]),
            inventory: Inventory::default(),
            sequences: BTreeMap::new(),
        }
    }

    fn add(&mut self, candidate: Candidate, inspected: Inspected) {
        let role = role_of(&inspected);
        let entry = self.entry(candidate, role);
        match inspected {
            Inspected::Database(facts) => self.inventory.databases.push(DatabaseEntry {
                entry,
                facts,
                missing_required: Vec::new(),
                missing_committed: Vec::new(),
            }),
            Inspected::Log { name, header, .. } => self.add_log(name, LogEntry { entry, header }),
            Inspected::Checkpoint { checkpoint, .. } => {
                self.inventory
                    .checkpoints
                    .push(CheckpointEntry { entry, checkpoint });
            }
            Inspected::TempLog
            | Inspected::ReserveLog
            | Inspected::ShadowLog
            | Inspected::Patch
            | Inspected::FlushMap => self.inventory.others.push(entry),
        }
    }

    fn entry(&mut self, candidate: Candidate, role: FileRole) -> Entry {
        Entry {
            file: SourceFile {
                name: self.names.give(&candidate.name),
                path: candidate.path,
                role,
                len: candidate.stat.len,
                modified: candidate.stat.modified,
            },
            stat: candidate.stat,
        }
    }

    /// A log goes to its sequence, unless its name and its header contradict each other.
    fn add_log(&mut self, name: LogName, log: LogEntry) {
        let header = match (&log.header, name) {
            (Ok(header), LogName::Current) => header,
            (Ok(header), LogName::Archived { generation }) if header.generation == generation => header,
            _ => return self.inventory.stray_logs.push(log),
        };
        let sequence = self
            .sequences
            .entry(header.signature.to_bytes())
            .or_insert_with(|| LogSequence {
                signature: header.signature,
                base: log.entry.file.name.to_string_lossy().chars().take(3).collect(),
                logs: Vec::new(),
            });
        sequence.logs.push(log);
    }

    fn finish(mut self) -> Inventory {
        let mut sequences: Vec<LogSequence> = self.sequences.into_values().collect();
        for sequence in &mut sequences {
            sequence.logs.sort_by_key(|log| {
                (
                    log.generation(),
                    matches!(log.entry.file.role, FileRole::CurrentLog { .. }),
                )
            });
        }
        let databases = &self.inventory.databases;
        // The databases' own sequence first, then by size; the map's order decides the rest.
        sequences.sort_by_key(|sequence| {
            let own = databases
                .iter()
                .filter(|database| database.log_signature() == Some(sequence.signature));
            std::cmp::Reverse((own.count(), sequence.logs.len()))
        });
        self.inventory.sequences = sequences;
        self.inventory
    }
}

impl DatabaseEntry {
    /// The signature of the logs that the database was written with, if it was logged.
    pub fn log_signature(&self) -> Option<Signature> {
        let signature = self.facts.as_ref().ok()?.header.log_signature;
        signature.is_set().then_some(signature)
    }
}

fn role_of(inspected: &Inspected) -> FileRole {
    match inspected {
        Inspected::Database(_) => FileRole::Database,
        Inspected::Log {
            name: LogName::Archived { generation },
            ..
        } => FileRole::ArchivedLog {
            generation: *generation,
        },
        Inspected::Log {
            name: LogName::Current,
            header,
            ..
        } => FileRole::CurrentLog {
            generation: header.as_ref().map_or(0, |header| header.generation),
        },
        Inspected::TempLog => FileRole::TempLog,
        Inspected::ReserveLog => FileRole::ReserveLog,
        Inspected::ShadowLog => FileRole::ShadowLog,
        Inspected::Checkpoint { .. } => FileRole::Checkpoint,
        Inspected::Patch => FileRole::Patch,
        Inspected::FlushMap => FileRole::FlushMap,
    }
}
