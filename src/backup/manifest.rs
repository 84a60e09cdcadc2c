//! `backup.json`: what a backup set is and which files belong to it. It appears last, when the set is complete.
//!
//! Written with a fixed order of keys, so that the same set gives the same bytes. Read with a limit on the size;
//! fields that this version does not know are ignored, a later version of the manifest itself is refused. Names
//! that are not UTF-8: [`JsonName`]. Times: [`json_time`](super::json_time).

use super::json_name::JsonName;
use super::json_time;
use super::session::BackupKind;
use super::source::{FileRole, LogRange};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::LogPosition;
use crate::io::{FileSystem, OpenMode};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::SystemTime;

/// What a set is: one of the four kinds of backup, or files as they lay there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ManifestKind {
    /// Files that nobody had open. Whether they are complete is not judged.
    AtRest,
    /// The databases of such files as recovery makes them, without logs.
    Recovered,
    /// Full and truncated.
    Full,
    /// Full, not truncated.
    Copy,
    /// Incremental and truncated.
    Incremental,
    /// Incremental, not truncated.
    Differential,
}

impl From<BackupKind> for ManifestKind {
    fn from(kind: BackupKind) -> Self {
        match kind {
            BackupKind::Full => ManifestKind::Full,
            BackupKind::Copy => ManifestKind::Copy,
            BackupKind::Incremental => ManifestKind::Incremental,
            BackupKind::Differential => ManifestKind::Differential,
        }
    }
}

/// How the files came to be consistent with each other (design: three modes).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupMode {
    /// They were at rest.
    AtRest,
    /// Their logs were replayed.
    Recovered,
    /// Every database as of one moment each, logs after.
    Frozen,
    /// The published protocol: pages as they were on disk when read, trailer, logs.
    Stream,
    /// As stream, read ahead into a spool.
    Spool,
}

/// `backup.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the manifest: [`Manifest::VERSION`].
    pub jetfs_manifest: u32,
    /// Name and version of the program that wrote it.
    pub tool: String,
    /// What the set is.
    pub kind: ManifestKind,
    /// How it was taken.
    pub mode: BackupMode,
    /// When the backup began; unknown at rest.
    #[serde(default, with = "json_time::option")]
    pub begun: Option<SystemTime>,
    /// When the set was complete; unknown at rest.
    #[serde(default, with = "json_time::option")]
    pub completed: Option<SystemTime>,
    /// Directories and files that it was taken from.
    #[serde(default)]
    pub sources: Vec<JsonName>,
    /// The base name of the logs, three characters (`edb`, `E00`).
    #[serde(default)]
    pub log_base: Option<String>,
    /// Signature of the log sequence, as jetfs prints it.
    #[serde(default)]
    pub log_signature: Option<String>,
    /// First and last log generation of the set.
    #[serde(default)]
    pub generations: Option<LogRange>,
    /// Positions of the backup in the log.
    #[serde(default)]
    pub marks: Marks,
    /// What recovery of each database needs.
    #[serde(default)]
    pub databases: Vec<ManifestDatabase>,
    /// Every file of the set but the manifest itself.
    #[serde(default)]
    pub files: Vec<ManifestFile>,
    /// What was replayed, in a recovered view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<ManifestRecovery>,
    /// Generations that belong to the set and were not there, as ranges.
    #[serde(default)]
    pub missing_generations: Vec<LogRange>,
    /// What the user was told, one sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// Positions in the log, as `(generation, sector, byte)` in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Marks {
    /// The log tip when the backup began.
    #[serde(default)]
    pub begin: Option<String>,
    /// The checkpoint then.
    #[serde(default)]
    pub checkpoint: Option<String>,
    /// Where the log was rolled to end the database phase.
    #[serde(default)]
    pub roll: Option<String>,
}

impl Marks {
    /// A position as the manifest has it; `None` if it is not set.
    pub fn text(position: LogPosition) -> Option<String> {
        position.is_set().then(|| position.to_string())
    }
}

/// How the databases of a recovered view came to be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ManifestRecovery {
    /// Position of the first record that was read; `None` if nothing was replayed.
    #[serde(default)]
    pub start: Option<String>,
    /// The last generation that was read; `None` if nothing was replayed.
    #[serde(default)]
    pub last_generation: Option<u32>,
    /// Records that were read.
    #[serde(default)]
    pub records: u64,
    /// Changes of pages that were applied.
    #[serde(default)]
    pub applied: u64,
    /// What was taken back.
    #[serde(default)]
    pub undone: ManifestUndone,
    /// What could not be replayed, one sentence each: then what is shown is not what recovery would make.
    #[serde(default)]
    pub shortfalls: Vec<String>,
}

/// What was never committed, and taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ManifestUndone {
    /// Transactions.
    pub transactions: u64,
    /// Their operations.
    pub operations: u64,
}

/// A database of the set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestDatabase {
    /// Its file's name in the set.
    pub name: JsonName,
    /// Its signature, as jetfs prints it.
    #[serde(default)]
    pub signature: Option<String>,
    /// The published name of its state, such as `DirtyShutdown`.
    #[serde(default)]
    pub state: Option<String>,
    /// Bytes in a page.
    #[serde(default)]
    pub page_size: Option<u32>,
    /// Log generations that recovery of this copy must find; `None` if it needs none.
    #[serde(default)]
    pub required: Option<LogRange>,
}

/// A file of the set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// Its name in the set.
    pub name: JsonName,
    /// What it is, and the generation of a log.
    #[serde(flatten)]
    pub role: FileRole,
    /// Bytes.
    pub len: u64,
    /// Last modification.
    #[serde(with = "json_time")]
    pub modified: SystemTime,
    /// Where the source has it.
    pub original: JsonName,
    /// Signature of the database, or of the log sequence; `None` for a file without one.
    #[serde(default)]
    pub signature: Option<String>,
    /// SHA-256 of the whole file in hexadecimal, where it was computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The part that every version of a manifest has.
#[derive(Deserialize)]
struct AnyVersion {
    jetfs_manifest: u32,
}

impl Manifest {
    /// The manifest's name in a set.
    pub const FILE_NAME: &'static str = "backup.json";
    /// The version that is written, and the highest that is read.
    pub const VERSION: u32 = 1;
    /// The longest manifest that is read: room for more than 100,000 logs.
    pub const MAX_LEN: usize = 64 << 20;

    /// A manifest without files.
    pub fn new(kind: ManifestKind, mode: BackupMode) -> Self {
        Manifest {
            jetfs_manifest: Self::VERSION,
            tool: concat!("jetfs ", env!("CARGO_PKG_VERSION")).to_owned(),
            kind,
            mode,
            begun: None,
            completed: None,
            sources: Vec::new(),
            log_base: None,
            log_signature: None,
            generations: None,
            marks: Marks::default(),
            databases: Vec::new(),
            files: Vec::new(),
            recovered: None,
            missing_generations: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The file's bytes: JSON for people too, the same bytes for the same manifest.
    pub fn to_bytes(&self) -> JetResult<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).map_err(|error| {
            JetError::rule(
                JetErr::InternalError,
                format!("cannot write the manifest: {error}"),
            )
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads the file's bytes. [`JetErr::FileInvalidType`] if they are not a manifest or one of a later version.
    pub fn from_bytes(bytes: &[u8]) -> JetResult<Self> {
        if bytes.len() > Self::MAX_LEN {
            let limit = Self::MAX_LEN >> 20;
            return Err(not_a_manifest(format!("longer than {limit} MiB")));
        }
        let AnyVersion { jetfs_manifest } = parse(bytes)?;
        match jetfs_manifest {
            0 => Err(not_a_manifest("version 0 does not exist")),
            1..=Self::VERSION => parse(bytes),
            later => Err(
                not_a_manifest(format!("version {later}, but only {} is known", Self::VERSION))
                    .advise("A later jetfs wrote this set: use that version or a newer one."),
            ),
        }
    }

    /// Reads the manifest of the set in `directory`; `None` if it has none.
    pub fn read(file_system: &dyn FileSystem, directory: &Path) -> JetResult<Option<Self>> {
        let path = directory.join(Self::FILE_NAME);
        let failed = |operation, error| JetError::io(operation, error).in_file(&path);
        let file = match file_system.open(&path, OpenMode::ReadOnly) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| failed("open", error))?,
        };
        let len = file.stat().map_err(|error| failed("stat", error))?.len;
        // One byte more than allowed is enough to be refused.
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(Self::MAX_LEN + 1);
        let mut bytes = vec![0; len];
        let read = file
            .read_full_at(&mut bytes, 0)
            .map_err(|error| failed("read", error))?;
        bytes.truncate(read);
        Self::from_bytes(&bytes)
            .map(Some)
            .map_err(|error| error.in_file(&path))
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> JetResult<T> {
    serde_json::from_slice(bytes).map_err(|error| not_a_manifest(error.to_string()))
}

fn not_a_manifest(why: impl std::fmt::Display) -> JetError {
    JetError::rule(
        JetErr::FileInvalidType,
        format!("not a manifest of a backup set: {why}"),
    )
    .advise("The file is damaged or was not written by jetfs; take the set from another copy.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemoryFileSystem;
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    use std::time::Duration;

    fn manifest() -> Manifest {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_764_026_396, 5);
        let file = |name: &[u8], role| ManifestFile {
            name: JsonName(OsString::from_vec(name.to_vec())),
            role,
            len: 65536,
            modified: time,
            original: Path::new("/db/ntds.dit").into(),
            signature: Some("random:00000001 create:-".into()),
            sha256: None,
        };
        Manifest {
            begun: Some(time),
            sources: vec![Path::new("/db").into()],
            log_base: Some("edb".into()),
            generations: Some(LogRange { low: 10, high: 11 }),
            files: vec![
                file(b"nt\xff.dit", FileRole::Database),
                file(b"edb0000000A.log", FileRole::ArchivedLog { generation: 10 }),
            ],
            warnings: vec!["generation 11 is missing".into()],
            ..Manifest::new(ManifestKind::AtRest, BackupMode::AtRest)
        }
    }

    #[test]
    fn a_manifest_survives_the_way_to_bytes_and_back() {
        let bytes = manifest().to_bytes().unwrap();
        assert_eq!(Manifest::from_bytes(&bytes).unwrap(), manifest());
        assert_eq!(manifest().to_bytes().unwrap(), bytes);
    }

    #[test]
    fn the_keys_that_scripts_use_are_where_they_expect_them() {
        let json: serde_json::Value = serde_json::from_slice(&manifest().to_bytes().unwrap()).unwrap();
        assert_eq!(json["jetfs_manifest"], 1);
        assert_eq!(json["kind"], "at-rest");
        assert_eq!(json["files"][1]["role"], "archived-log");
        assert_eq!(json["files"][1]["generation"], 10);
        assert_eq!(json["files"][1]["modified"], "2025-11-24T23:19:56.000000005Z");
        assert_eq!(json["generations"]["high"], 11);
    }

    #[test]
    fn unknown_fields_are_ignored_and_missing_ones_have_defaults() {
        let json =
            br#"{"jetfs_manifest":1,"tool":"jetfs 9","kind":"full","mode":"frozen","colour":{"a":[1]}}"#;
        let manifest = Manifest::from_bytes(json).unwrap();
        assert!(manifest.files.is_empty() && manifest.kind == ManifestKind::Full);
    }

    #[test]
    fn a_later_version_is_refused_and_says_so() {
        let error = Manifest::from_bytes(br#"{"jetfs_manifest":2,"kind":"unheard-of"}"#).unwrap_err();
        assert_eq!(error.code(), JetErr::FileInvalidType);
        assert!(error.to_string().contains("version 2"), "{error}");
        assert!(error.advice().unwrap().contains("later jetfs"));
    }

    #[test]
    fn other_json_and_endless_nesting_are_refused() {
        let deep = vec![b'['; 100_000];
        for bytes in [b"".as_slice(), b"{}", b"[1]", b"\xff\xff", &deep] {
            assert!(Manifest::from_bytes(bytes).is_err());
        }
    }

    #[test]
    fn a_set_without_a_manifest_has_none_and_a_damaged_one_is_an_error_with_its_path() {
        let fs = MemoryFileSystem::default();
        fs.write_file("/set/a.edb", b"").unwrap();
        assert_eq!(Manifest::read(&fs, Path::new("/set")).unwrap(), None);
        fs.write_file("/set/backup.json", b"{").unwrap();
        let error = Manifest::read(&fs, Path::new("/set")).unwrap_err();
        assert_eq!(error.place().file.as_deref(), Some(Path::new("/set/backup.json")));
    }
}
