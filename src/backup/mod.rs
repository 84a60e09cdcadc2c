//! The external backup: what can be backed up ([`Source`]), and the one state machine that every source goes
//! through ([`BackupSession`]; external-backup.md sections 1 and 2; design: live engine, files at rest, esent.dll).

mod copy;
mod describe;
mod event;
mod findings;
mod json_name;
pub mod json_time;
mod manifest;
pub mod memory;
pub(crate) mod session;
mod source;

pub(crate) use copy::in_hexadecimal;
pub use copy::{CopyProgress, CopyRequest, OnCopyProgress, copy_to_directory};
pub use event::{BackupEvent, Severity};
pub use findings::{Finding, Findings, Outcome};
pub use json_name::JsonName;
pub use manifest::{
    BackupMode, Manifest, ManifestDatabase, ManifestFile, ManifestKind, ManifestRecovery, ManifestUndone,
    Marks,
};
pub use session::{
    BackupKind, BackupOutcome, BackupSession, Delivered, FileHandle, FileProgress, InstanceState, OpenFile,
    PhaseName,
};
pub use source::{
    BackupFile, BeginGrbit, EndGrbit, Ending, FileRole, LogRange, LogSet, LogStanding, Obstacles, Source,
    SourceFile,
};
