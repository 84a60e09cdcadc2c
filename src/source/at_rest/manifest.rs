//! The manifest of files at rest: what lies there, without a judgement. The same files give the same bytes.

use super::inventory::{DatabaseEntry, Entry, Inventory};
use super::judge::in_words;
use crate::backup::{BackupMode, JsonName, LogRange, Manifest, ManifestDatabase, ManifestFile, ManifestKind};
use crate::format::Signature;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::SystemTime;

impl Inventory {
    /// The manifest of the set as it was found in `sources`.
    pub fn manifest(&self, sources: &[PathBuf]) -> Manifest {
        let main = self.sequences.first();
        let signatures = self.signatures();
        Manifest {
            sources: sources.iter().map(|path| path.as_path().into()).collect(),
            log_base: main.map(|sequence| sequence.base.clone()),
            log_signature: main.map(|sequence| sequence.signature.to_string()),
            generations: main.and_then(|sequence| sequence.range()),
            databases: self.databases.iter().map(manifest_database).collect(),
            files: self
                .entries()
                .map(|entry| manifest_file(entry, &signatures))
                .collect(),
            missing_generations: self.missing_generations(),
            warnings: self.warnings.iter().map(ToString::to_string).collect(),
            ..Manifest::new(ManifestKind::AtRest, BackupMode::AtRest)
        }
    }

    /// The time of the newest file: what is composed of these files shows it.
    pub fn newest(&self) -> SystemTime {
        let times = self.entries().map(|entry| entry.file.modified);
        times.max().unwrap_or(SystemTime::UNIX_EPOCH)
    }

    /// Required and committed generations that are not there, for people; `None` if nothing is missing.
    pub(in crate::source) fn missing_in_words(&self) -> Option<String> {
        let missing = self.missing_generations();
        (!missing.is_empty()).then(|| in_words(&missing))
    }

    /// Signatures by the files' names.
    fn signatures(&self) -> BTreeMap<&OsStr, Signature> {
        let databases = self.databases.iter().filter_map(|database| {
            let signature = database.facts.as_ref().ok()?.header.signature;
            Some((database.entry.file.name.as_os_str(), signature))
        });
        let logs = self.sequences.iter().flat_map(|sequence| {
            let names = sequence.logs.iter().map(|log| log.entry.file.name.as_os_str());
            names.map(|name| (name, sequence.signature))
        });
        databases.chain(logs).collect()
    }

    /// Required and committed generations that are not there, and gaps in the sequence of the databases.
    pub(in crate::source) fn missing_generations(&self) -> Vec<LogRange> {
        let needed = self.databases.iter();
        let needed = needed.flat_map(|database| {
            database
                .missing_required
                .iter()
                .chain(&database.missing_committed)
        });
        let gaps = self
            .sequences
            .first()
            .map(|sequence| sequence.gaps())
            .unwrap_or_default();
        let mut missing: Vec<LogRange> = needed.copied().chain(gaps).collect();
        missing.sort_by_key(|range| (range.low, range.high));
        missing.dedup();
        missing
    }
}

fn manifest_database(database: &DatabaseEntry) -> ManifestDatabase {
    let header = database.facts.as_ref().ok().map(|facts| &facts.header);
    let required = header.and_then(|header| header.required_generations());
    ManifestDatabase {
        name: JsonName(database.entry.file.name.clone()),
        signature: header.map(|header| header.signature.to_string()),
        state: header.map(|header| format!("{:?}", header.state)),
        page_size: header.and_then(|header| u32::try_from(header.page_size.bytes()).ok()),
        required: required.map(|(low, high)| LogRange { low, high }),
    }
}

fn manifest_file(entry: &Entry, signatures: &BTreeMap<&OsStr, Signature>) -> ManifestFile {
    let file = &entry.file;
    let signature = signatures.get(file.name.as_os_str());
    ManifestFile {
        name: JsonName(file.name.clone()),
        role: file.role,
        len: file.len,
        modified: file.modified,
        original: file.path.as_path().into(),
        signature: signature
            .filter(|signature| signature.is_set())
            .map(ToString::to_string),
        sha256: None,
    }
}
