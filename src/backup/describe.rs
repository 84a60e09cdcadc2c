//! The manifest of a backup in progress, whatever its source: what the session lists, and what stands in the headers.

use super::json_name::JsonName;
use super::manifest::{BackupMode, Manifest, ManifestDatabase, ManifestFile, ManifestKind};
use super::session::BackupSession;
use super::source::{FileRole, LogRange, Source, SourceFile};
use crate::error::{JetErr, JetResult};
use crate::format::{DatabaseHeader, LogHeader, VerifiedHeader};

impl BackupSession {
    /// `backup.json` of the backup in progress, which is meant to become `kind`. Its databases and its logs must be known
    /// (in the published protocol: JetGetLogInfo was called). Headers are read without counting as delivered.
    ///
    /// # Errors
    /// No backup is in progress; a header cannot be read, or is damaged.
    pub fn manifest(&self, kind: ManifestKind, mode: BackupMode) -> JetResult<Manifest> {
        let databases = match self.get_attach_info() {
            // An incremental backup has none.
            Err(error) if error.code() == JetErr::InvalidBackupSequence => Vec::new(),
            databases => databases?,
        };
        let logs = self.get_log_info()?;
        let source = &**self.source();
        let headers: Vec<DatabaseHeader> = databases
            .iter()
            .map(|file| database_header(source, file))
            .collect::<JetResult<_>>()?;
        let log_signature = match logs.files.iter().find(|file| is_log(file)) {
            Some(file) => Some(log_header(source, file)?.signature.to_string()),
            None => None,
        };
        // Incremental backups show their time too, although they copy no database.
        let begun = source.databases()?.first().map(|file| file.modified);
        let of_database = databases.iter().zip(&headers).map(|(file, header)| ManifestFile {
            signature: Some(header.signature.to_string()),
            ..manifest_file(file)
        });
        let of_log = logs.files.iter().map(|file| ManifestFile {
            signature: log_signature.clone().filter(|_| is_log(file)),
            ..manifest_file(file)
        });
        Ok(Manifest {
            begun,
            log_base: Some(logs.base.clone()),
            log_signature: log_signature.clone(),
            generations: logs.range,
            marks: source.log_standing()?.marks,
            databases: databases.iter().zip(&headers).map(manifest_database).collect(),
            files: of_database.chain(of_log).collect(),
            ..Manifest::new(kind, mode)
        })
    }
}

fn is_log(file: &SourceFile) -> bool {
    matches!(
        file.role,
        FileRole::ArchivedLog { .. } | FileRole::CurrentLog { .. }
    )
}

fn manifest_file(file: &SourceFile) -> ManifestFile {
    ManifestFile {
        name: JsonName(file.name.clone()),
        role: file.role,
        len: file.len,
        modified: file.modified,
        original: file.path.as_path().into(),
        signature: None,
        sha256: None,
    }
}

fn manifest_database((file, header): (&SourceFile, &DatabaseHeader)) -> ManifestDatabase {
    let required = header.required_generations();
    ManifestDatabase {
        name: JsonName(file.name.clone()),
        signature: Some(header.signature.to_string()),
        state: Some(format!("{:?}", header.state)),
        page_size: u32::try_from(header.page_size.bytes()).ok(),
        required: required.map(|(low, high)| LogRange { low, high }),
    }
}

fn database_header(source: &dyn Source, file: &SourceFile) -> JetResult<DatabaseHeader> {
    let start = start_of(source, file)?;
    let header = VerifiedHeader::verify(&start).and_then(|header| header.decode());
    header.map_err(|error| crate::error::JetError::from(error).in_file(&file.path))
}

fn log_header(source: &dyn Source, file: &SourceFile) -> JetResult<LogHeader> {
    let start = start_of(source, file)?;
    LogHeader::read(&start).map_err(|error| crate::error::JetError::from(error).in_file(&file.path))
}

/// The first pages of a file.
fn start_of(source: &dyn Source, file: &SourceFile) -> JetResult<Vec<u8>> {
    let opened = source.open(file)?;
    let mut start = vec![0; opened.page_size().bytes().max(LogHeader::LEN)];
    let read = opened.read_at(&mut start, 0)?;
    start.truncate(read);
    Ok(start)
}
