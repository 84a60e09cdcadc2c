//! Log records: every type of log-and-recovery.md section 4.2, decoded without copying.
//!
//! ```text
//! bytes ── len_of ──> how long the record is     (cheap: the lengths of its tails)
//!   └───── decode ──> LogRecord                   (named fields; keys, data and images borrowed)
//!                         └── encode ──> bytes    (the same ones; lengths as the tails have them)
//! ```
//!
//! * `shape`: how records are declared; `value`: their fields for people; `operation`: the common prefixes;
//! * `transaction`, `node`, `structure`, `database`, `marker`, `backup`: the records by subject.
//!
//! Fragments (types 76 and 77) are framing and never decoded here: a reader of logs joins them first.

mod backup;
mod database;
mod marker;
mod node;
mod operation;
mod shape;
mod structure;
mod subject;
#[cfg(test)]
mod tests;
mod transaction;
mod value;

pub use backup::{Backup, Backup2, BackupNote, BackupPhase, BackupScope, RestoreNote};
pub use database::{
    AttachDatabase, AttachFlags, CreateDatabase, CreateDatabaseFinish, CreateFlags, DetachDatabase,
    DetachFlags, ExtendDatabase, ExtentFreed, ExtentFreedAt, FreeFdp, FreedTree, LoggedPath,
    PagePatchRequest, ReAttach, ScanCheck, ScanCheck2, SetDatabaseVersion, ShrinkDatabase, ShrinkDatabaseAt,
    SignalAttachDatabase, TrimDatabase,
};
pub use marker::{
    Checksum, CommitContext, ForceWriteLog, Init, Init2, JetOp, LoggedText, MacroInfo, MacroInfo2, Marker,
    MultipleSector, ParamBytes, RecoveryUndo2, Skipped, Term, Term2, Trace,
};
pub use node::{
    Delta, Delta64, FlagInsert, FlagInsertAndReplaceData, Insert, NodeDeletion, Replace, SetExternalHeader,
    Undo, UndoInfo, UndoneOperation,
};
pub use operation::{DBTIME_NIL, NodeOperation, OperationFlags, PageOperation};
pub use shape::Reserved;
pub use structure::{
    ConvertFdp, CreateMultipleExtentFdp, CreateSingleExtentFdp, EmptiedPage, EmptiedPages, EmptyTree,
    ImageFlags, Merge, MergeFlags, MergeType, MoveFlags, NewPage, PageMove, RootPageMove, ScrubPage, Split,
    SplitOperation, SplitType,
};
pub use subject::Subject;
pub use transaction::{Begin, Begin0, Commit, Commit0, Levels, MacroBoundary, Refresh, Rollback};
pub use value::{FieldValue, PageNumbers};

use super::bytes::{Fields, put};
use super::error::{FormatError, Problem, Structure};
use shape::Body;
use std::fmt;

/// `LRTYP`: the first byte of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogRecordType(pub u8);

macro_rules! records {
    ($($number:literal $variant:ident($body:ty) $name:literal,)*) => {
        /// A log record.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the bodies are documented, and the names are those of the specification")]
        pub enum LogRecord<'a> {
            $($variant($body),)*
        }

        impl<'a> LogRecord<'a> {
            /// Exact length in bytes of the record at the start of `bytes`, which may go on behind it or end before.
            ///
            /// # Errors
            /// A type that is unknown, obsolete or framing; too few bytes to tell.
            #[inline]
            pub fn len_of(bytes: &'a [u8]) -> Result<usize, FormatError> {
                let fields = Fields::new(Structure::LogRecord, bytes);
                match fields.u8(0)? {
                    $($number => <$body as Body>::len_of(&fields),)*
                    other => Err(LogRecordType(other).refused()),
                }
            }

            /// Decodes the record at the start of `bytes`, which may go on behind it.
            ///
            /// # Errors
            /// A type that is unknown, obsolete or framing; a record that is longer than `bytes`, or too short for
            /// its type.
            #[inline]
            pub fn decode(bytes: &'a [u8]) -> Result<Self, FormatError> {
                let len = Self::len_of(bytes)?;
                let all = Fields::new(Structure::LogRecord, bytes);
                let fields = Fields::new(Structure::LogRecord, all.slice(0, len)?);
                match fields.u8(0)? {
                    $($number => Body::read(&fields).map(LogRecord::$variant),)*
                    other => Err(LogRecordType(other).refused()),
                }
            }

            /// Appends its bytes to `out`. The lengths of its tails are those that the tails have.
            ///
            /// # Errors
            /// A value or tail that the record cannot hold; `out` is as it was.
            pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), FormatError> {
                let start = out.len();
                let stored = match self { $(LogRecord::$variant(body) => body.store(out),)* };
                match stored {
                    Ok(()) => put(out, start, &[self.record_type().0]),
                    Err(_) => out.truncate(start),
                }
                stored
            }

            /// Its type.
            pub fn record_type(&self) -> LogRecordType {
                LogRecordType(match self { $(LogRecord::$variant(_) => $number,)* })
            }

            /// Gives every field to `sink`: its name and its value, in the order in which they stand in the record.
            pub fn visit(&self, sink: &mut dyn FnMut(&'static str, FieldValue<'a>)) {
                match self { $(LogRecord::$variant(body) => body.visit(sink),)* }
            }

            /// What the record does to a page, of the records that begin with `LRPAGE_`.
            pub fn page_operation(&self) -> Option<&PageOperation> {
                match self { $(LogRecord::$variant(body) => body.page_operation(),)* }
            }
        }

        impl LogRecordType {
    /// A database is created.
    pub const CREATE_DATABASE: LogRecordType = LogRecordType(14);
    /// A database is attached.
    pub const ATTACH_DATABASE: LogRecordType = LogRecordType(15);
            /// The types that can be decoded.
            pub const ALL: &[LogRecordType] = &[$(LogRecordType($number)),*];

            const fn known_name(self) -> Option<&'static str> {
                match self.0 { $($number => Some($name),)* _ => None }
            }
        }
    };
}

records! {
    0 Nop(Marker) "NOP",
    1 Init(Init<'a>) "Init",
    2 Term(Term) "Term",
    3 MultipleSector(MultipleSector) "MS",
    4 End(Marker) "End",
    5 Begin(Begin) "Begin",
    6 Commit(Commit) "Commit",
    7 Rollback(Rollback) "Rollback",
    8 Begin0(Begin0) "Begin0",
    9 Commit0(Commit0) "Commit0",
    10 Refresh(Refresh) "Refresh",
    11 MacroBegin(MacroBoundary) "McroBegin",
    12 MacroCommit(MacroBoundary) "McroComit",
    13 MacroAbort(MacroBoundary) "McroAbort",
    14 CreateDatabase(CreateDatabase<'a>) "CreateDB",
    15 AttachDatabase(AttachDatabase<'a>) "AttachDB",
    16 DetachDatabase(DetachDatabase<'a>) "DetachDB",
    17 RecoveryUndo(Marker) "RcvUndo",
    18 RecoveryQuit(Term) "RcvQuit",
    19 FullBackup(BackupNote<'a>) "FullBkup",
    20 IncrementalBackup(BackupNote<'a>) "IncBkup",
    21 JetOp(JetOp) "JetOp",
    22 Trace(Trace<'a>) "Trace",
    23 ShutDownMark(Marker) "ShutDown",
    24 CreateMultipleExtentFdp(CreateMultipleExtentFdp) "Create M",
    25 CreateSingleExtentFdp(CreateSingleExtentFdp) "Create S",
    29 Insert(Insert<'a>) "Insert",
    30 FlagInsert(FlagInsert<'a>) "FInsert",
    31 FlagInsertAndReplaceData(FlagInsertAndReplaceData<'a>) "FInsertRD",
    32 FlagDelete(NodeDeletion) "FDelete",
    33 Replace(Replace<'a>) "Replace",
    34 ReplaceDiff(Replace<'a>) "ReplaceD",
    35 Delete(NodeDeletion) "Delete",
    36 UndoInfo(UndoInfo<'a>) "UndoInfo",
    37 Delta(Delta<'a>) "Delta",
    38 SetExternalHeader(SetExternalHeader<'a>) "SetExtHdr",
    39 Undo(Undo<'a>) "Undo",
    42 Checksum(Checksum) "Checksum",
    45 ExternalRestore(RestoreNote<'a>) "ExtRestor",
    46 Backup(Backup<'a>) "Backup",
    48 EmptyTree(EmptyTree<'a>) "EmptyTree",
    49 Init2(Init2<'a>) "Init",
    50 Term2(Term2) "Term",
    51 RecoveryUndo2(RecoveryUndo2) "RcvUndo",
    52 RecoveryQuit2(Term2) "RcvQuit",
    57 ForceWriteLog(ForceWriteLog) "ForceWrt",
    58 ConvertFdp(ConvertFdp) "Convert",
    59 ExternalRestore2(RestoreNote<'a>) "ExtRestor",
    60 Backup2(Backup2<'a>) "Backup2",
    61 ForceLogRollover(Trace<'a>) "ForceRoll",
    62 Split(Split<'a>) "Split2",
    63 Merge(Merge<'a>) "Merge2",
    64 ScrubPage(ScrubPage<'a>) "Scrub",
    65 PageMove(PageMove<'a>) "PageMove",
    66 PagePatchRequest(PagePatchRequest) "PagePatch",
    67 MacroInfo(MacroInfo<'a>) "McroInfo",
    68 ExtendDatabase(ExtendDatabase) "ExtendDB",
    69 CommitContext(CommitContext<'a>) "CommitCtx",
    70 ScanCheck(ScanCheck) "ScanCheck",
    71 Nop2(Skipped<'a>) "NOP2",
    72 ReAttach(ReAttach) "ReAttach",
    73 MacroInfo2(MacroInfo2<'a>) "McroInfo2",
    74 FreeFdp(FreeFdp) "FreeFDP",
    75 Ignored9(Skipped<'a>) "Ignored9",
    78 ShrinkDatabase(ShrinkDatabase) "ShrinkDB",
    79 CreateDatabaseFinish(CreateDatabaseFinish) "CrDBFinsh",
    80 RecoveryQuitKeepAttachments(Term2) "RcvQKA",
    81 TrimDatabase(TrimDatabase) "TrimDB",
    82 Ignored10(Skipped<'a>) "Ignored10",
    83 Ignored11(Skipped<'a>) "Ignored11",
    84 Ignored12(Skipped<'a>) "Ignored12",
    85 Ignored13(Skipped<'a>) "Ignored13",
    86 Ignored14(Skipped<'a>) "Ignored14",
    87 Ignored15(Skipped<'a>) "Ignored15",
    88 Ignored16(Skipped<'a>) "Ignored16",
    89 Ignored17(Skipped<'a>) "Ignored17",
    90 Ignored18(Skipped<'a>) "Ignored18",
    91 Ignored19(Skipped<'a>) "Ignored19",
    92 SetDatabaseVersion(SetDatabaseVersion) "SetDbVer",
    93 Delta64(Delta64<'a>) "Delta64",
    94 ShrinkDatabase2(ShrinkDatabase) "ShrinkDB2",
    95 NewPage(NewPage) "NewPage",
    96 RootPageMove(RootPageMove) "PageMoveR",
    97 SignalAttachDatabase(SignalAttachDatabase) "SAttachDB",
    98 ScanCheck2(ScanCheck2) "ScanChk2",
    99 ShrinkDatabase3(ShrinkDatabaseAt) "ShrinkDB3",
    100 ExtentFreed(ExtentFreed) "ExtFreed",
    101 ExtentFreed2(ExtentFreedAt) "ExtFreed2",
}

impl LogRecordType {
    /// `FragmentBegin`: framing.
    pub const FRAGMENT_BEGIN: LogRecordType = LogRecordType(76);
    /// `Fragment`: framing.
    pub const FRAGMENT: LogRecordType = LogRecordType(77);

    /// Types that the present engine refuses, too, and whose length nobody tells.
    const OBSOLETE: [(u8, &'static str); 12] = [
        (26, "ConvertFDP"),
        (27, "Split"),
        (28, "Merge"),
        (40, "SLVPageAppend"),
        (41, "SLVSpace"),
        (43, "SLVPageMove"),
        (44, "ForceDetachDB"),
        (47, "UpgradeDB"),
        (53, "BeginDT"),
        (54, "PrepCommit"),
        (55, "PrepRollback"),
        (56, "DbList"),
    ];

    /// Its name, as the genuine tools write it; `None` if there is no such type.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::FRAGMENT_BEGIN => Some("FragBegin"),
            Self::FRAGMENT => Some("Fragment"),
            _ => self.known_name().or_else(|| self.obsolete_name()),
        }
    }

    fn obsolete_name(self) -> Option<&'static str> {
        let named = Self::OBSOLETE.iter().find(|(number, _)| *number == self.0);
        named.map(|(_, name)| *name)
    }

    /// Why it cannot be decoded.
    fn refused(self) -> FormatError {
        let problem = match self.obsolete_name() {
            Some(name) => Problem::Obsolete(name),
            None if [Self::FRAGMENT_BEGIN, Self::FRAGMENT].contains(&self) => {
                Problem::Other("a fragment where a whole record should be".into())
            }
            None => Problem::Other(format!("type {} is not known", self.0).into()),
        };
        FormatError::new(Structure::LogRecord, 0, problem)
    }
}

impl fmt::Display for LogRecordType {
    /// The name, or the number of a type that has none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("type {}", self.0)),
        }
    }
}
