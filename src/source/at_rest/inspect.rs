//! What a file is by its contents: its header, read once.
//!
//! A name alone proves nothing (`foo.log` may be anybody's log), and neither does a damaged header. So a file with a
//! log's name but without a log's header is one only if something else speaks for it: another file of the same base
//! name, or a version field that still is a log's.

use super::listing::{Candidate, IgnoredReason, Wanted};
use crate::error::{JetError, JetResult};
use crate::format::bytes::Fields;
use crate::format::{
    BOTH_COPIES_LEN, Checkpoint, ChosenCheckpoint, DatabaseHeader, FormatError, HeaderCopy, LogHeader,
    OtherCopy, Structure, choose_copy, has_database_magic,
};
use crate::io::{FileSystem, OpenMode};
use crate::store::Database;
use crate::store::instance_names::{Base, NameKind, kind_of};
use std::path::Path;

/// What is known about the header of a database.
#[derive(Debug, Clone)]
pub struct DatabaseFacts {
    /// The trusted copy.
    pub header: DatabaseHeader,
    /// Which one that is.
    pub used: HeaderCopy,
    /// The state of the other copy.
    pub other: OtherCopy,
    /// The trusted copy's bytes, one page.
    pub header_page: Vec<u8>,
    /// The last page that the database owns; `None` where the space tree that tells it is damaged.
    pub last_owned_page: Option<u32>,
}

/// What a file turned out to be.
#[derive(Debug)]
pub(super) enum Inspected {
    Database(Result<Box<DatabaseFacts>, FormatError>),
    Log {
        base: Base,
        name: LogName,
        header: Result<Box<LogHeader>, FormatError>,
    },
    TempLog,
    ReserveLog,
    ShadowLog,
    Checkpoint {
        base: Base,
        checkpoint: Result<Box<ChosenCheckpoint>, FormatError>,
    },
    Patch,
    FlushMap,
}

/// What a log's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogName {
    Current,
    Archived { generation: u32 },
}

/// A file that was inspected, and how sure it is that it is what it seems.
#[derive(Debug)]
pub(super) struct Inspection {
    pub(super) inspected: Inspected,
    pub(super) proof: Proof,
}

/// What speaks for a file being what its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// Its contents.
    Contents,
    /// Nothing of its own: it belongs to the set if something proven has this base name.
    OtherFilesOf(Option<Base>),
}

/// Reads a candidate's header. `Err` says why the file is not shown.
pub(super) fn inspect(fs: &dyn FileSystem, candidate: &Candidate) -> Result<Inspection, IgnoredReason> {
    let kind = kind_of(&candidate.name);
    if !is_wanted(candidate.wanted, &kind) {
        return Err(IgnoredReason::NotEse);
    }
    let unreadable = |error: JetError| IgnoredReason::Unreadable(error.cause().to_string());
    let start = |len| read_start(fs, &candidate.path, len).map_err(unreadable);
    let inspection = match kind {
        NameKind::ArchivedLog { base, generation } => {
            log(base, LogName::Archived { generation }, &start(LogHeader::LEN)?)
        }
        NameKind::CurrentLog { base } => log(base, LogName::Current, &start(LogHeader::LEN)?),
        NameKind::Checkpoint { base } => checkpoint(base, &start(Checkpoint::FILE_LEN)?),
        NameKind::TempLog { base } => companion(Inspected::TempLog, Some(base)),
        NameKind::ReserveLog { base } => companion(Inspected::ReserveLog, Some(base)),
        NameKind::ShadowLog { base, .. } => companion(Inspected::ShadowLog, Some(base)),
        NameKind::Patch => companion(Inspected::Patch, None),
        NameKind::FlushMap => companion(Inspected::FlushMap, None),
        NameKind::Other { like_a_database } => {
            database(fs, &start(BOTH_COPIES_LEN)?, like_a_database, candidate)?
        }
    };
    Ok(inspection)
}

fn is_wanted(wanted: Wanted, kind: &NameKind) -> bool {
    match wanted {
        Wanted::Everything | Wanted::Database => true,
        Wanted::Logs => matches!(
            kind,
            NameKind::ArchivedLog { .. }
                | NameKind::CurrentLog { .. }
                | NameKind::TempLog { .. }
                | NameKind::ReserveLog { .. }
                | NameKind::ShadowLog { .. }
        ),
        Wanted::Checkpoint => matches!(kind, NameKind::Checkpoint { .. }),
    }
}

fn log(base: Base, name: LogName, start: &[u8]) -> Inspection {
    let header = LogHeader::read(start).map(Box::new);
    let proof = match header.is_ok() || has_log_version(start) {
        true => Proof::Contents,
        false => Proof::OtherFilesOf(Some(base)),
    };
    Inspection {
        inspected: Inspected::Log { base, name, header },
        proof,
    }
}

/// Major and minor version never changed but once, so a damaged header still shows them.
fn has_log_version(start: &[u8]) -> bool {
    let fields = Fields::new(Structure::LogHeader, start);
    matches!(
        (fields.u32(32), fields.u32(36)),
        (Ok(7), Ok(3704)) | (Ok(8), Ok(4000))
    )
}

fn checkpoint(base: Base, start: &[u8]) -> Inspection {
    let checkpoint = Checkpoint::read(start).map(Box::new);
    let proof = match checkpoint.is_ok() {
        true => Proof::Contents,
        false => Proof::OtherFilesOf(Some(base)),
    };
    Inspection {
        inspected: Inspected::Checkpoint { base, checkpoint },
        proof,
    }
}

fn companion(inspected: Inspected, base: Option<Base>) -> Inspection {
    Inspection {
        inspected,
        proof: Proof::OtherFilesOf(base),
    }
}

fn database(
    fs: &dyn FileSystem,
    start: &[u8],
    like_a_database: bool,
    candidate: &Candidate,
) -> Result<Inspection, IgnoredReason> {
    let is_database = has_database_magic(start)
        || candidate.wanted == Wanted::Database
        || like_a_database && !is_access_database(start);
    if !is_database {
        return Err(IgnoredReason::NotEse);
    }
    let facts = choose_copy(start).and_then(|chosen| {
        Ok(Box::new(DatabaseFacts {
            header: chosen.header.decode()?,
            header_page: chosen.header.page().to_vec(),
            used: chosen.used,
            other: chosen.other,
            last_owned_page: last_owned_page(fs, &candidate.path),
        }))
    });
    Ok(Inspection {
        inspected: Inspected::Database(facts),
        proof: Proof::Contents,
    })
}

fn last_owned_page(fs: &dyn FileSystem, path: &Path) -> Option<u32> {
    let file = fs.open(path, OpenMode::ReadOnly).ok()?;
    Database::open(file, path).ok()?.last_owned_page().ok()
}

/// Microsoft Access ("JET Red") uses the extension `.mdb` too.
fn is_access_database(start: &[u8]) -> bool {
    let name = start.get(4..).unwrap_or_default();
    name.starts_with(b"Standard Jet DB") || name.starts_with(b"Standard ACE DB")
}

fn read_start(fs: &dyn FileSystem, path: &Path, len: usize) -> JetResult<Vec<u8>> {
    let file = fs
        .open(path, OpenMode::ReadOnly)
        .map_err(|error| JetError::io("open", error))?;
    let mut start = vec![0; len];
    let read = file
        .read_full_at(&mut start, 0)
        .map_err(|error| JetError::io("read", error))?;
    start.truncate(read);
    Ok(start)
}
