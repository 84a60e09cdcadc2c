//! The set as a whole: is everything there that the manifest, the databases and the logs ask for, and does it belong
//! together (external-backup.md section 7, log-and-recovery.md section 2.4)?

use super::VerifyOptions;
use super::database::is_backup_copy;
use super::jobs::Checked;
use super::report::{ProblemKind, SetProblem};
use super::sums::sha256_of;
use crate::backup::{FileRole, JsonName, LogRange, Manifest, ManifestFile};
use crate::error::{JetErr, JetResult};
use crate::format::{Signature, Trailer};
use crate::io::{FileKind, FileSystem};
use crate::source::at_rest::{AtRestPaths, DatabaseEntry, Inventory, LogEntry, LogSequence, Warning};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The checked files by their paths.
type ByPath<'a> = BTreeMap<&'a Path, &'a Checked<'a>>;

/// What was found out about the set.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<SetProblem>,
    pub(super) notes: Vec<String>,
}

/// Judges the set. Of single files nobody can say what should be beside them: what they lack becomes a note.
pub(super) fn judge(
    file_system: &dyn FileSystem,
    paths: &AtRestPaths,
    inventory: &Inventory,
    checked: &[Checked<'_>],
    options: VerifyOptions,
) -> Findings {
    let checked: ByPath<'_> = checked
        .iter()
        .map(|file| (file.entry.file.path.as_path(), file))
        .collect();
    let mut findings = Findings::default();
    for warning in &inventory.warnings {
        findings.take(warning);
    }
    for database in &inventory.databases {
        judge_backup_copy(database, inventory, &checked, &mut findings);
    }
    for sequence in &inventory.sequences {
        judge_chain(sequence, &checked, &mut findings);
    }
    let directories = directories(file_system, paths);
    for directory in &directories {
        let manifest = Manifest::read(file_system, directory);
        judge_manifest(
            file_system,
            directory,
            manifest,
            inventory,
            options,
            &mut findings,
        );
    }
    if directories.is_empty() {
        findings.forgive_missing();
    }
    findings
}

fn directories<'p>(file_system: &dyn FileSystem, paths: &'p AtRestPaths) -> Vec<&'p Path> {
    let is_directory = |path: &Path| {
        file_system
            .stat(path)
            .is_ok_and(|stat| stat.kind == FileKind::Directory)
    };
    let sources = paths.sources.iter().map(|path| path.as_path());
    sources.filter(|path| is_directory(path)).collect()
}

impl Findings {
    fn add(&mut self, kind: ProblemKind, code: JetErr, file: Option<JsonName>, what: String) {
        self.problems.push(SetProblem {
            kind,
            file,
            code,
            what,
        });
    }

    /// A warning of the inventory, unless the file's own report says it already.
    fn take(&mut self, warning: &Warning) {
        use JetErr::*;
        let kind = match warning.code {
            MissingLogFile | RequiredLogFilesMissing | CommittedLogFilesMissing => ProblemKind::Missing,
            ReadVerifyFailure
            | DatabaseCorrupted
            | InvalidDatabaseVersion
            | LogFileCorrupt
            | BadLogVersion
            | LogFileSizeMismatch => return,
            BadLogSignature
            | DatabaseLogSetMismatch
            | LogGenerationMismatch
            | InvalidLogSequence
            | LogSequenceChecksumMismatch => ProblemKind::Foreign,
            // A dirty database whose logs are there, and whatever is wrong with a checkpoint.
            _ => return self.notes.push(warning.to_string()),
        };
        let file = warning.file.as_deref().map(JsonName::from);
        self.add(kind, warning.code, file, warning.what.clone());
    }

    fn forgive_missing(&mut self) {
        let (missing, others) = std::mem::take(&mut self.problems)
            .into_iter()
            .partition(|problem| problem.kind == ProblemKind::Missing);
        self.problems = others;
        let missing: Vec<SetProblem> = missing;
        self.notes.extend(missing.into_iter().map(|problem| problem.what));
    }
}

/// A streaming backup's copy needs every generation up to the one that its trailer names.
fn judge_backup_copy(
    database: &DatabaseEntry,
    inventory: &Inventory,
    checked: &ByPath<'_>,
    findings: &mut Findings,
) {
    let Ok(facts) = &database.facts else { return };
    let trailer = checked
        .get(database.entry.file.path.as_path())
        .and_then(|file| file.trailer.as_ref());
    let (true, Some(trailer)) = (is_backup_copy(&facts.header), trailer) else {
        return;
    };
    let name = JsonName::from(database.entry.file.name.as_os_str());
    if (trailer.signature, trailer.log_signature) != (facts.header.signature, facts.header.log_signature) {
        let what = "header and trailer belong to different databases".to_owned();
        findings.add(
            ProblemKind::Damaged,
            JetErr::DatabasePatchFileMismatch,
            Some(name.clone()),
            what,
        );
    }
    let needed = needed_by_copy(facts.header.generation_min_required, trailer);
    for range in missing_of(inventory, facts.header.log_signature, needed) {
        let what = format!("the backup copy needs logs that are missing: {}", in_words(range));
        findings.add(
            ProblemKind::Missing,
            JetErr::RequiredLogFilesMissing,
            Some(name.clone()),
            what,
        );
    }
}

fn needed_by_copy(low: u32, trailer: &Trailer) -> LogRange {
    let high = trailer.backup.generation_high;
    LogRange { low, high }
}

fn missing_of(inventory: &Inventory, signature: Signature, range: LogRange) -> Vec<LogRange> {
    let sequence = inventory
        .sequences
        .iter()
        .find(|sequence| sequence.signature == signature);
    sequence.map_or_else(|| vec![range], |sequence| sequence.missing(range))
}

fn in_words(range: LogRange) -> String {
    match range.low == range.high {
        true => format!("generation {:#x}", range.low),
        false => format!("generations {:#x} to {:#x}", range.low, range.high),
    }
}

/// The header of each generation has the sum of all segments of the one before.
fn judge_chain(sequence: &LogSequence, checked: &ByPath<'_>, findings: &mut Findings) {
    for (before, log) in sequence.logs.iter().zip(sequence.logs.iter().skip(1)) {
        let sum = checked
            .get(before.entry.file.path.as_path())
            .and_then(|file| file.segments_sum);
        if let Some(code) = broken(before, log, sum) {
            let what = format!(
                "the log does not continue {}: one of them was replaced or written to after it was closed",
                before.entry.file.name.display()
            );
            let name = JsonName::from(log.entry.file.name.as_os_str());
            findings.add(ProblemKind::Damaged, code, Some(name), what);
        }
    }
}

/// Other breaks than that of the sum are known from the headers alone.
fn broken(before: &LogEntry, log: &LogEntry, sum: Option<u64>) -> Option<JetErr> {
    let (Ok(previous), Ok(header)) = (&before.header, &log.header) else {
        return None;
    };
    let code = header.check_follows(previous, sum).err()?;
    (code == JetErr::LogSequenceChecksumMismatch).then_some(code)
}

fn judge_manifest(
    file_system: &dyn FileSystem,
    directory: &Path,
    manifest: JetResult<Option<Manifest>>,
    inventory: &Inventory,
    options: VerifyOptions,
    findings: &mut Findings,
) {
    let name = || Some(JsonName(Manifest::FILE_NAME.into()));
    match manifest {
        Ok(Some(manifest)) => {
            for file in &manifest.files {
                judge_listed(file_system, directory, file, findings);
            }
            judge_unlisted(directory, &manifest, inventory, findings);
            judge_identity(&manifest, inventory, findings);
            judge_generations(&manifest, findings);
            for &range in &manifest.missing_generations {
                let what = format!("the backup was made without {}", in_words(range));
                findings.add(ProblemKind::Missing, JetErr::MissingFileToBackup, None, what);
            }
            // What was so when the set was made is mostly still so, and has been said.
            let said = |warning: &String| findings.notes.contains(warning);
            let news: Vec<_> = manifest
                .warnings
                .into_iter()
                .filter(|warning| !said(warning))
                .collect();
            findings.notes.extend(news);
        }
        Ok(None) if options.require_manifest => {
            let what =
                "there is no manifest: the backup is not complete, or was not made by jetfs".to_owned();
            findings.add(ProblemKind::Missing, JetErr::FileNotFound, name(), what);
        }
        Ok(None) => {}
        Err(error) => findings.add(
            ProblemKind::Damaged,
            error.code(),
            name(),
            error.cause().to_string(),
        ),
    }
}

/// A file of the manifest is there, and as long as it should be.
fn judge_listed(
    file_system: &dyn FileSystem,
    directory: &Path,
    listed: &ManifestFile,
    findings: &mut Findings,
) {
    let name = Some(listed.name.clone());
    // A manifest is data: a name in it must not lead out of the set.
    if Path::new(&listed.name.0).file_name() != Some(&listed.name.0) {
        let what = "a name in the manifest is not that of a file of the set".to_owned();
        return findings.add(ProblemKind::Damaged, JetErr::InvalidPath, name, what);
    }
    let path = directory.join(&listed.name);
    match file_system.stat(&path) {
        Ok(stat) if stat.len == listed.len => judge_sum(file_system, &path, listed, findings),
        Ok(stat) => {
            let what = format!(
                "the manifest says {} bytes, but the file has {}",
                listed.len, stat.len
            );
            findings.add(ProblemKind::Damaged, JetErr::FileIOBeyondEOF, name, what);
        }
        Err(error) => {
            let what = format!("the file of the manifest is not there: {error}");
            findings.add(ProblemKind::Missing, JetErr::FileNotFound, name, what);
        }
    }
}

/// A file whose sum the manifest has is what was copied.
fn judge_sum(file_system: &dyn FileSystem, path: &Path, listed: &ManifestFile, findings: &mut Findings) {
    let Some(wanted) = &listed.sha256 else {
        return;
    };
    let (code, what) = match sha256_of(file_system, path) {
        Ok(found) if found == *wanted => return,
        Ok(found) => {
            let what =
                format!("it has changed since it was copied: SHA-256 {found}, in the manifest {wanted}");
            (JetErr::ReadVerifyFailure, what)
        }
        Err(error) => (JetErr::DiskIO, format!("cannot be read to its end: {error}")),
    };
    findings.add(ProblemKind::Damaged, code, Some(listed.name.clone()), what);
}

/// Each file is of the database or of the sequence of logs that the manifest says.
fn judge_identity(manifest: &Manifest, inventory: &Inventory, findings: &mut Findings) {
    let found = inventory.manifest(&[]);
    for listed in &manifest.files {
        let own = found.files.iter().find(|file| file.name == listed.name);
        let (Some(wanted), Some(own)) = (&listed.signature, own.and_then(|own| own.signature.as_ref()))
        else {
            continue;
        };
        if wanted != own {
            let code = match listed.role {
                FileRole::Database => JetErr::BadDbSignature,
                _ => JetErr::BadLogSignature,
            };
            let what = format!("its signature is {own}, and the manifest says {wanted}");
            findings.add(ProblemKind::Foreign, code, Some(listed.name.clone()), what);
        }
    }
}

/// The manifest lists a log for each generation that the set is said to have.
fn judge_generations(manifest: &Manifest, findings: &mut Findings) {
    let Some(range) = manifest.generations else {
        return;
    };
    let listed: BTreeSet<u32> = manifest
        .files
        .iter()
        .filter_map(|file| match file.role {
            FileRole::ArchivedLog { generation } | FileRole::CurrentLog { generation } => Some(generation),
            _ => None,
        })
        .collect();
    // A manifest is data: each step passes a log or a gap that it lists, whatever range it claims.
    let mut next = Some(range.low).filter(|low| *low <= range.high);
    while let Some(generation) = next {
        let gap = manifest
            .missing_generations
            .iter()
            .find(|gap| gap.contains(generation));
        let last = match gap {
            _ if listed.contains(&generation) => generation,
            Some(gap) => gap.high,
            None => {
                let what = format!(
                    "the manifest says that there is generation {generation:#x}, and lists no log of it"
                );
                return findings.add(ProblemKind::Missing, JetErr::MissingFileToBackup, None, what);
            }
        };
        next = last.checked_add(1).filter(|next| *next <= range.high);
    }
}

/// A log or database in the directory that the manifest does not know.
fn judge_unlisted(directory: &Path, manifest: &Manifest, inventory: &Inventory, findings: &mut Findings) {
    let listed: BTreeSet<PathBuf> = manifest
        .files
        .iter()
        .map(|file| directory.join(&file.name))
        .collect();
    for entry in inventory.entries() {
        let file = &entry.file;
        let matters = matches!(
            file.role,
            FileRole::Database | FileRole::ArchivedLog { .. } | FileRole::CurrentLog { .. }
        );
        if matters && file.path.parent() == Some(directory) && !listed.contains(&file.path) {
            let what = "the file is not in the manifest".to_owned();
            let name = Some(JsonName::from(file.name.as_os_str()));
            findings.add(ProblemKind::Foreign, JetErr::FileInvalidType, name, what);
        }
    }
}
