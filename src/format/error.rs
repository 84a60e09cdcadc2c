//! What can be wrong with bytes: the structure, the offset in it, the problem, and the `JET_err` that follows.

use crate::error::JetErr;
use std::borrow::Cow;
use std::fmt;

/// Bytes are not what the format says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{structure}: {problem}")]
pub struct FormatError {
    /// Which structure was being read.
    pub structure: Structure,
    /// Byte offset inside the structure.
    pub offset: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// A structure of the file formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Structure {
    /// Header of a database (`DBFILEHDR`).
    DatabaseHeader,
    /// A database page: header, tags, checksum.
    Page,
    /// A node on a page.
    Node,
    /// Space header or space tree node.
    Space,
    /// A table record.
    Record,
    /// A record of the catalog.
    Catalog,
    /// A node of a long value tree.
    LongValue,
    /// A compressed value.
    CompressedValue,
    /// A normalised key.
    Key,
    /// Header of a log file (`LGFILEHDR`).
    LogHeader,
    /// A segment or checksum range of a log file.
    LogSegment,
    /// A log record.
    LogRecord,
    /// The attachment list in a log header or checkpoint.
    AttachList,
    /// The checkpoint file.
    Checkpoint,
    /// The flush map file.
    FlushMap,
    /// The trailer page of a backed-up database (`PATCHHDR`).
    Trailer,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The bytes end before the field does.
    Truncated {
        /// Bytes that the field needs, from its offset.
        needed: usize,
        /// Bytes that are there, from its offset.
        available: usize,
    },
    /// A checksum does not fit the bytes.
    Checksum {
        /// The checksum in the file.
        stored: u64,
        /// The checksum of the bytes.
        computed: u64,
    },
    /// A field has a value that the format does not allow.
    Field {
        /// The field's published name.
        field: &'static str,
        /// Its value.
        value: u64,
        /// What was expected, in words.
        expected: Cow<'static, str>,
    },
    /// All bytes are zero where something should have been written.
    Uninitialised,
    /// The version is not known.
    Version {
        /// The version as the format writes it, e.g. `0x620,20,0`.
        found: String,
    },
    /// A structure that only versions had which nobody can replay any more; what it is.
    Obsolete(&'static str),
    /// A log record does not fit the page that it applies to.
    Misfit(Cow<'static, str>),
    /// Anything else, in words.
    Other(Cow<'static, str>),
}

impl FormatError {
    /// An error of `structure` at `offset`.
    pub fn new(structure: Structure, offset: usize, problem: Problem) -> Self {
        FormatError {
            structure,
            offset,
            problem,
        }
    }

    /// A field with a value that the format does not allow.
    pub fn field(
        structure: Structure,
        offset: usize,
        field: &'static str,
        value: impl Into<u64>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(
            structure,
            offset,
            Problem::Field {
                field,
                value: value.into(),
                expected: expected.into(),
            },
        )
    }

    /// Anything else, in words.
    pub fn other(structure: Structure, offset: usize, what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(structure, offset, Problem::Other(what.into()))
    }

    /// A log record does not fit the page that it applies to, in words.
    pub fn misfit(what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Structure::LogRecord, 0, Problem::Misfit(what.into()))
    }

    /// The published error that this structure's damage means.
    pub fn jet_err(&self) -> JetErr {
        match (self.structure, &self.problem) {
            (Structure::DatabaseHeader, Problem::Version { .. }) => JetErr::InvalidDatabaseVersion,
            (Structure::LogHeader, Problem::Version { .. })
            | (Structure::LogRecord, Problem::Obsolete(_)) => JetErr::BadLogVersion,
            (Structure::LogRecord, Problem::Misfit(_)) => JetErr::LogCorrupted,
            (Structure::Page, Problem::Misfit(_)) => JetErr::LogOperationInconsistentWithDatabase,
            (Structure::DatabaseHeader, _) => JetErr::DatabaseCorrupted,
            (Structure::Page, Problem::Uninitialised) => JetErr::PageNotInitialized,
            (Structure::Page, Problem::Checksum { .. }) => JetErr::ReadVerifyFailure,
            (
                Structure::Page | Structure::Node | Structure::Space | Structure::Record | Structure::Key,
                _,
            ) => JetErr::DatabaseCorrupted,
            (Structure::Catalog, _) => JetErr::CatalogCorrupted,
            (Structure::LongValue, _) => JetErr::LVCorrupted,
            (Structure::CompressedValue, _) => JetErr::DecompressionFailed,
            (
                Structure::LogHeader | Structure::LogSegment | Structure::LogRecord | Structure::AttachList,
                _,
            ) => JetErr::LogFileCorrupt,
            (Structure::Checkpoint, _) => JetErr::CheckpointCorrupt,
            (Structure::FlushMap, _) => JetErr::ReadVerifyFailure,
            (Structure::Trailer, _) => JetErr::BadPatchPage,
        }
    }
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Structure::DatabaseHeader => "database header",
            Structure::Page => "page",
            Structure::Node => "node",
            Structure::Space => "space tree",
            Structure::Record => "record",
            Structure::Catalog => "catalog",
            Structure::LongValue => "long value",
            Structure::CompressedValue => "compressed value",
            Structure::Key => "key",
            Structure::LogHeader => "log header",
            Structure::LogSegment => "log segment",
            Structure::LogRecord => "log record",
            Structure::AttachList => "attachment list",
            Structure::Checkpoint => "checkpoint",
            Structure::FlushMap => "flush map",
            Structure::Trailer => "backup trailer page",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Truncated { needed, available } => {
                write!(f, "needs {needed} bytes, but only {available} are there")
            }
            Problem::Checksum { stored, computed } => {
                write!(f, "checksum is {stored:#x}, but the bytes give {computed:#x}")
            }
            Problem::Field {
                field,
                value,
                expected,
            } => write!(f, "{field} is {value:#x}, expected {expected}"),
            Problem::Uninitialised => f.write_str("was never written (all bytes are zero)"),
            Problem::Version { found } => write!(f, "version {found} is not known"),
            Problem::Obsolete(what) => write!(f, "{what} is obsolete: only old versions wrote it"),
            Problem::Misfit(what) | Problem::Other(what) => f.write_str(what),
        }
    }
}
