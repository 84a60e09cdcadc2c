//! The manifest of a recovered view. The same files give the same bytes.

use super::replay::Shown;
use super::source::RecoveredSource;
use crate::backup::{
    BackupMode, JsonName, LogRange, Manifest, ManifestDatabase, ManifestFile, ManifestKind, ManifestRecovery,
};
use std::path::PathBuf;
use std::time::SystemTime;

impl RecoveredSource {
    /// The manifest of the view of what lies in `sources`.
    pub fn manifest(&self, sources: &[PathBuf]) -> Manifest {
        let recovery = self.recovery();
        let missing = match recovery.shortfalls.is_empty() {
            true => Vec::new(),
            false => self.inventory().missing_generations(),
        };
        let shown = &self.view.shown;
        Manifest {
            sources: sources.iter().map(|path| path.as_path().into()).collect(),
            databases: shown.iter().map(manifest_database).collect(),
            files: shown.iter().map(manifest_file).collect(),
            recovered: Some(recovery.clone()),
            missing_generations: missing,
            warnings: self.warnings().to_vec(),
            ..Manifest::new(ManifestKind::Recovered, BackupMode::Recovered)
        }
    }

    /// How the databases came to be.
    pub fn recovery(&self) -> &ManifestRecovery {
        &self.view.recovery
    }

    /// The time of what is composed: a second after the newest of the files that it is made of.
    pub fn modified(&self) -> SystemTime {
        self.view.modified
    }
}

fn manifest_database(shown: &Shown) -> ManifestDatabase {
    let header = shown.header.as_ref();
    let required = header.and_then(|header| header.required_generations());
    ManifestDatabase {
        name: JsonName(shown.file.name.clone()),
        signature: header.map(|header| header.signature.to_string()),
        state: header.map(|header| format!("{:?}", header.state)),
        page_size: header.and_then(|header| u32::try_from(header.page_size.bytes()).ok()),
        required: required.map(|(low, high)| LogRange { low, high }),
    }
}

fn manifest_file(shown: &Shown) -> ManifestFile {
    let signature = shown.header.as_ref().map(|header| header.signature);
    ManifestFile {
        name: JsonName(shown.file.name.clone()),
        role: shown.file.role,
        len: shown.file.len,
        modified: shown.file.modified,
        original: shown.file.path.as_path().into(),
        signature: signature
            .filter(|signature| signature.is_set())
            .map(|signature| signature.to_string()),
        sha256: None,
    }
}
