//! The external backup: what can be backed up ([`Source`]), and the one state machine that every source goes
//! through (external-backup.md sections 1 and 2; design: live engine, files at rest, esent.dll).

mod findings;
mod source;

pub use findings::{Finding, Findings, Outcome};
pub use source::{BackupFile, BeginGrbit, FileRole, LogRange, Source, SourceFile};
