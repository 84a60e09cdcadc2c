//! The published error names and numbers (`jethdr.h`), with what a user can do about each.
//!
//! Numbers: external-backup.md section 9 and log-and-recovery.md section 9.

use std::fmt;
use std::io;

macro_rules! jet_errs {
    ($($(#[$doc:meta])* $name:ident = $number:literal $(, $advice:literal)?;)*) => {
        /// An error of the published interface: `JET_err` name and number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(i32)]
        pub enum JetErr {
            $($(#[$doc])* $name = $number,)*
        }

        impl JetErr {
            /// Every error in this table.
            pub const ALL: &[JetErr] = &[$(JetErr::$name),*];

            /// The published name, `JET_err…`.
            pub const fn name(self) -> &'static str {
                match self { $(JetErr::$name => concat!("JET_err", stringify!($name)),)* }
            }

            /// The published number (negative).
            pub const fn number(self) -> i32 {
                self as i32
            }

            /// What a user can do, in one sentence; `None` where only the context can tell.
            pub const fn advice(self) -> Option<&'static str> {
                match self { $(JetErr::$name => jet_errs!(@advice $($advice)?),)* }
            }
        }
    };
    (@advice $advice:literal) => { Some($advice) };
    (@advice) => { None };
}

jet_errs! {
    /// An internal rule was broken: a defect of jetfs.
    InternalError = -107, "This is a defect of jetfs: please report it with the log.";
    /// The available extents of a tree contradict its owned ones, or each other.
    SPAvailExtCorrupted = -341, "Check the database with `jetfs verify --deep`; restore it, or copy its rows into a new one.";
    /// The owned extents of a tree are damaged.
    SPOwnExtCorrupted = -343, "Check the database with `jetfs verify --deep`; restore it, or copy its rows into a new one.";
    /// A log file is damaged.
    LogFileCorrupt = -501, "Take the log from another copy; recovery cannot pass a damaged log.";
    /// The directory that a backup should go to has something in it.
    BackupDirectoryNotEmpty = -504;
    /// A backup of this instance is running.
    BackupInProgress = -505, "End the running backup first (`jetfs status` shows its mount).";
    /// The instance is restoring.
    RestoreInProgress = -506;
    /// The log of the checkpoint is missing.
    MissingPreviousLogFile = -509, "Bring the missing log generation back.";
    /// The log cannot be written.
    LogWriteFail = -510;
    /// The number in a log file's name is not the generation in its header.
    LogGenerationMismatch = -513, "The file was renamed or comes from another sequence; restore its name.";
    /// The log was written in a version that jetfs does not know.
    BadLogVersion = -514;
    /// Generation or creation times of logs do not form a chain.
    InvalidLogSequence = -515, "Some of these logs belong to another sequence; keep only those of one instance.";
    /// Logging is switched off, so there is nothing to back up by.
    LoggingDisabled = -516;
    /// A record is longer than a log.
    LogBufferTooSmall = -517;
    /// The last possible log generation is reached.
    LogSequenceEnd = -519;
    /// No backup is in progress.
    NoBackup = -520;
    /// The call is not allowed in this phase of the backup.
    InvalidBackupSequence = -521;
    /// The instance is starting or stopping.
    BackupNotAllowedYet = -523;
    /// An incremental backup is impossible with circular logging.
    InvalidBackup = -526, "Take a full backup, or switch circular logging off.";
    /// A log file is missing.
    MissingLogFile = -528, "Bring the missing log generation back.";
    /// The disk with the logs is full.
    LogDiskFull = -529;
    /// A log has another signature than its sequence.
    BadLogSignature = -530, "The log belongs to another instance; keep only the logs of one instance.";
    /// A database has another signature than expected.
    BadDbSignature = -531;
    /// The checkpoint belongs to another log sequence.
    BadCheckpointSignature = -532, "The checkpoint belongs to another instance; recovery works without it.";
    /// Both copies of the checkpoint are damaged.
    CheckpointCorrupt = -533, "Recovery works without the checkpoint; it starts at the oldest log.";
    /// The trailer page of a backed-up database is damaged or missing.
    BadPatchPage = -535, "The copy is incomplete; copy the database again.";
    /// Redo stopped early.
    RedoAbruptEnded = -536, "The end of a log is lost: take the log from another copy.";
    /// No patch file in the backup set.
    PatchFileMissing = -538;
    /// Database and logs do not belong together.
    DatabaseLogSetMismatch = -539;
    /// A log file is not as long as its header says.
    LogFileSizeMismatch = -541, "The log was cut or is still being copied; copy it again.";
    /// There is no checkpoint file.
    CheckpointFileNotFound = -542;
    /// Logs that a database needs are missing.
    RequiredLogFilesMissing = -543, "Bring the missing generations back; without them the database cannot be made consistent.";
    /// The database is a backup copy and must be restored, not recovered.
    SoftRecoveryOnBackupDatabase = -544, "Use `jetfs restore` on the whole set.";
    /// The log's sector size is not supported.
    LogSectorSizeMismatch = -546;
    /// The database was not shut down cleanly.
    DatabaseDirtyShutdown = -550, "Its logs must be replayed before its contents can be relied on.";
    /// Consistency position of a database does not fit the log.
    ConsistentTimeMismatch = -551;
    /// Trailer, header and log set of a backup do not belong together.
    DatabasePatchFileMismatch = -552;
    /// A backup's last generation lies above the given range.
    EndingRestoreLogTooLow = -553;
    /// A backup's first generation lies below the given range.
    StartingRestoreLogTooHigh = -554;
    /// A log of the set has another signature.
    GivenLogFileHasBadSignature = -555;
    /// The logs of the set do not follow each other.
    GivenLogFileIsNotContiguous = -556;
    /// Logs of the restore set are missing.
    MissingRestoreLogFiles = -557;
    /// An incremental backup needs a full one first.
    MissingFullBackup = -560, "Take a full backup with truncation first.";
    /// Roll-forward logs have a gap.
    MissingCurrentLogFiles = -565;
    /// A page is older than the log expects: an update was lost.
    DbTimeTooOld = -566;
    /// A page is newer than the log expects.
    DbTimeTooNew = -567;
    /// A file that belongs to the backup is missing.
    MissingFileToBackup = -569, "Bring the missing log back, or take a full backup.";
    /// A log of the backup set ends in a torn write.
    LogTornWriteDuringHardRestore = -570;
    /// A roll-forward log ends in a torn write.
    LogTornWriteDuringHardRecovery = -571;
    /// A log of the backup set is damaged.
    LogCorruptDuringHardRestore = -573;
    /// A roll-forward log is damaged.
    LogCorruptDuringHardRecovery = -574;
    /// The restore target is not running or does not match.
    BadRestoreTargetInstance = -577;
    /// Recovery stopped before undo.
    RecoveredWithoutUndo = -579;
    /// Logs with committed work are missing; the database would lose it.
    CommittedLogFilesMissing = -582, "Bring the missing generations back, or accept the loss explicitly.";
    /// Logs with committed work are damaged.
    CommittedLogFileCorrupt = -586;
    /// The checksum chain between two generations is broken.
    LogSequenceChecksumMismatch = -590, "One of the two logs was replaced or written after it was closed.";
    /// A roll-forward log has another signature.
    ExistingLogFileHasBadSignature = -610;
    /// Roll-forward logs are not contiguous.
    ExistingLogFileIsNotContiguous = -611;
    /// A log's checksum is wrong, found while it was read for backup.
    LogReadVerifyFailure = -612, "Take the log from another copy.";
    /// The checkpoint depth is too large.
    CheckpointDepthTooDeep = -614;
    /// The database is not a backup copy.
    RestoreOfNonBackupDatabase = -615, "Use `jetfs recover` for a crashed database.";
    /// Not every log was copied, so none may be truncated.
    LogFileNotCopied = -616, "Copy the missing logs, then truncate.";
    /// A surrogate backup is in progress.
    SurrogateBackupInProgress = -617;
    /// A page carries a change from beyond the required range.
    DbTimeBeyondMaxRequired = -625;
    /// A log record does not fit the page it applies to.
    LogOperationInconsistentWithDatabase = -626;
    /// The backup was stopped by the server.
    BackupAbortByServer = -801, "The instance is stopping or the backup was stopped; begin again.";
    /// The flags are not valid for this call.
    InvalidGrbit = -900;
    /// The instance is terminating.
    TermInProgress = -1000;
    /// A parameter is not valid.
    InvalidParameter = -1003;
    /// Not enough memory; also: a backup file is already open.
    OutOfMemory = -1011;
    /// A page checksum is wrong.
    ReadVerifyFailure = -1018, "The page is damaged: take the file from a backup, or use --allow-damaged to see it as it is.";
    /// A page was never written.
    PageNotInitialized = -1019;
    /// The disk reported a checksum error.
    DiskReadVerificationFailure = -1021;
    /// The disk reported an error.
    DiskIO = -1022;
    /// The path is not valid.
    InvalidPath = -1023;
    /// The instance is not initialised.
    NotInitialized = -1029;
    /// The instance is already initialised.
    AlreadyInitialized = -1030;
    /// The file cannot be opened: permission, or another process has it.
    FileAccessDenied = -1032, "Check the file's permissions, and whether another process has it open.";
    /// The buffer is too small.
    BufferTooSmall = -1038;
    /// The call needs multi-instance mode.
    RunningInOneInstanceMode = -1080;
    /// The call needs one-instance mode.
    RunningInMultiInstanceMode = -1081;
    /// The instance met a fatal error.
    InstanceUnavailable = -1090;
    /// The instance met a full log disk.
    InstanceUnavailableDueToFatalLogDiskFull = -1092;
    /// The instance handle is not valid.
    InvalidInstance = -1115;
    /// The instance was ended without a clean shutdown.
    DirtyShutdown = -1116;
    /// A page is not the one that was asked for.
    ReadPgnoVerifyFailure = -1118;
    /// A page write was lost.
    ReadLostFlushVerifyFailure = -1119;
    /// A page is not in the state that the log implies.
    RecoveryVerifyFailure = -1123;
    /// There is such a database already.
    DatabaseDuplicate = -1201;
    /// The database is in use.
    DatabaseInUse = -1202;
    /// There is no such database.
    DatabaseNotFound = -1203;
    /// The database name is not valid.
    DatabaseInvalidName = -1204;
    /// The database is damaged.
    DatabaseCorrupted = -1206, "Take the file from a backup.";
    /// Another session has the database locked.
    DatabaseLocked = -1207;
    /// The database was written in a version that jetfs does not know.
    InvalidDatabaseVersion = -1209;
    /// The database has another page size.
    PageSizeMismatch = -1213;
    /// An attached database is missing or wrong.
    AttachedDatabaseMismatch = -1216;
    /// The database path is not valid.
    DatabaseInvalidPath = -1217;
    /// The database is attached for recovery only.
    DatabaseAttachedForRecovery = -1231;
    /// There is no such table or object.
    ObjectNotFound = -1305, "`jetfs info --tables` lists the tables.";
    /// The client asked the service to stop.
    ClientRequestToStopJetService = -1329;
    /// No open database has this number.
    InvalidDatabaseId = -1010;
    /// No page numbers are left.
    OutOfDatabaseSpace = -1012;
    /// A name is not valid.
    InvalidName = -1002;
    /// A record does not fit a page.
    RecordTooBig = -1026;
    /// No column id is left.
    TooManyColumns = -1040;
    /// An index does not allow NULL.
    NullKeyDisallowed = -1053;
    /// No long value ids are left.
    OutOfLongValueIDs = -1075;
    /// A table of this name exists.
    TableDuplicate = -1303;
    /// An index cannot be defined like this.
    IndexInvalidDef = -1406;
    /// NULL is not allowed here.
    NullInvalid = -1504;
    /// A value is too long for its column.
    ColumnTooBig = -1506;
    /// A column of this name exists.
    ColumnDuplicate = -1508;
    /// A key that must be unique stands twice.
    KeyDuplicate = -1605;
    /// The catalog is damaged.
    CatalogCorrupted = -1220;
    /// There is no such column.
    ColumnNotFound = -1507;
    /// A long value is damaged.
    LVCorrupted = -1526;
    /// Data cannot be decompressed.
    DecompressionFailed = -1620;
    /// A file operation is not allowed here (read-only).
    PermissionDenied = -1809;
    /// The disk is full.
    DiskFull = -1808;
    /// There is no such file.
    FileNotFound = -1811;
    /// There is a file of this name already.
    FileAlreadyExists = -1814;
    /// The file is not of the expected type.
    FileInvalidType = -1812, "The file is not an ESE file of the expected kind.";
    /// Only one database per session.
    OneDatabasePerSession = -1916;
    /// Rollback failed.
    RollbackError = -1917;
    /// The log is damaged.
    LogCorrupted = -1852;
    /// A key would have been cut, and the index does not allow it.
    KeyTruncated = -346;
    /// A key is too long.
    KeyTooBig = -408;
    /// Unicode text cannot be put in order here.
    UnicodeNormalizationNotSupported = -603, "Use a binary or an ASCII (1252) text column for the index.";
    /// Text cannot be written in another code page.
    UnicodeTranslationFail = -602;
    /// A transaction spans too many generations.
    TransactionTooLong = -618, "Commit more often.";
    /// What was asked for is not supported.
    FeatureNotAvailable = -1001;
    /// Too many cursors are open.
    OutOfCursors = -1013;
    /// The table has too many indexes.
    TooManyIndexes = -1015;
    /// The index has too many columns.
    TooManyKeys = -1016;
    /// The record was deleted.
    RecordDeleted = -1017;
    /// The bookmark is not valid.
    InvalidBookmark = -1045;
    /// The column is part of an index.
    ColumnInUse = -1046;
    /// The bytes are not as many as the column's values have.
    InvalidBufferSize = -1047;
    /// The column cannot be set.
    ColumnNotUpdatable = -1048;
    /// There is no transaction.
    NotInTransaction = -1054, "Begin one.";
    /// Sessions are still in a transaction.
    TooManyActiveUsers = -1059, "End them first.";
    /// The code page is not valid.
    InvalidCodePage = -1063;
    /// A version is too big.
    VersionStoreEntryTooBig = -1065;
    /// There are too many versions.
    VersionStoreOutOfMemory = -1069, "Commit or roll back the oldest transaction.";
    /// There is no number left for another tree.
    OutOfObjectIDs = -1074;
    /// The auto-increment column has reached its last value.
    OutOfAutoincrementValues = -1076;
    /// The database has reached its last dbtime.
    OutOfDbtimeValues = -1077;
    /// An instance of this name runs already.
    InstanceNameInUse = -1086;
    /// There are too many sessions.
    OutOfSessions = -1101, "End some, or raise JET_paramMaxSessions.";
    /// Another transaction changed this first.
    WriteConflict = -1102, "Roll back and try again.";
    /// The transaction has too many levels.
    TransTooDeep = -1103;
    /// The session is not valid.
    InvalidSesid = -1104;
    /// Another transaction changed the primary index of this first.
    WriteConflictPrimaryIndex = -1105, "Roll back and try again.";
    /// A transaction is open.
    InTransaction = -1108;
    /// The transaction may only read.
    TransReadOnly = -1110;
    /// Another session has the table exclusively.
    TableLocked = -1302;
    /// The table is in use.
    TableInUse = -1304, "Close it in all sessions.";
    /// The table has records.
    TableNotEmpty = -1308;
    /// The schema of the table is fixed.
    FixedDDL = -1323;
    /// The density is not valid.
    DensityInvalid = -1307;
    /// The cursor is not valid.
    InvalidTableId = -1310;
    /// This cannot be done with such an object.
    IllegalOperation = -1312;
    /// There is such an object already.
    ObjectDuplicate = -1314;
    /// The object is not valid.
    InvalidObject = -1316;
    /// A system table cannot be deleted.
    CannotDeleteSystemTable = -1318;
    /// The index cannot be made.
    IndexCantBuild = -1401;
    /// The table has a primary index already.
    IndexHasPrimary = -1402;
    /// There is such an index already.
    IndexDuplicate = -1403;
    /// There is no such index.
    IndexNotFound = -1404;
    /// The primary index cannot be deleted.
    IndexMustStay = -1405;
    /// The index cannot be made as it was described.
    InvalidCreateIndex = -1409;
    /// Two values of a record have the same key.
    MultiValuedIndexViolation = -1411;
    /// An index contradicts its table.
    SecondaryIndexCorrupted = -1414;
    /// The key is shorter than what an index over parts of values holds.
    IndexTuplesKeyTooSmall = -1437;
    /// The long value ends before the place that was asked for.
    ColumnNoChunk = -1502;
    /// The column is part of an index.
    ColumnIndexed = -1505, "Delete the index first.";
    /// Only a tagged column can have several values.
    MultiValuedColumnMustBeTagged = -1509;
    /// The table has a version or auto-increment column already.
    ColumnRedundant = -1510;
    /// The type of the column is not valid.
    InvalidColumnType = -1511;
    /// A tagged column may be NULL.
    TaggedNotNULL = -1514;
    /// There is no current index.
    NoCurrentIndex = -1515;
    /// The key is complete.
    KeyIsMade = -1516;
    /// The column is not valid.
    BadColumnId = -1517;
    /// There is no such value in the column.
    BadItagSequence = -1518;
    /// The default is too long.
    DefaultValueTooBig = -1524;
    /// The column has this value already.
    MultiValuedDuplicate = -1525;
    /// The column has a value already that begins like this one.
    MultiValuedDuplicateAfterTruncation = -1528;
    /// Only long values can be compressed.
    ColumnCannotBeCompressed = -1538;
    /// The column is encrypted, and there is no key for it.
    ColumnNoEncryptionKey = -1540;
    /// There is no such record.
    RecordNotFound = -1601;
    /// There is no record being changed.
    RecordNoCopy = -1602;
    /// There is no current record.
    NoCurrentRecord = -1603;
    /// The primary key cannot be changed.
    RecordPrimaryChanged = -1604, "Delete the record and insert another one.";
    /// A record is being changed already.
    AlreadyPrepared = -1607;
    /// There is no key.
    KeyNotMade = -1608, "Make one first.";
    /// No record is being changed.
    UpdateNotPrepared = -1609;
    /// The auto-increment column has no value.
    AutoIncrementNotSet = -1625;
    /// Too many databases are attached.
    TooManyAttachedDatabases = -1805, "Detach one: an instance has at most six.";
    /// This cannot be done here.
    InvalidOperation = -1906;
    /// A snapshot is not allowed now.
    OSSnapshotNotAllowed = -2403;
    /// The file ends before the place that was asked for.
    FileIOBeyondEOF = -4001, "The file was cut or is still being copied; copy it again.";
}

impl JetErr {
    /// The closest published error for an answer of the operating system.
    pub fn from_io(error: &io::Error) -> JetErr {
        match error.kind() {
            io::ErrorKind::NotFound => JetErr::FileNotFound,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => JetErr::FileAccessDenied,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => JetErr::DiskFull,
            io::ErrorKind::OutOfMemory => JetErr::OutOfMemory,
            io::ErrorKind::UnexpectedEof => JetErr::FileIOBeyondEOF,
            io::ErrorKind::InvalidFilename | io::ErrorKind::NotADirectory => JetErr::InvalidPath,
            _ => JetErr::DiskIO,
        }
    }
}

impl fmt::Display for JetErr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::JetErr;

    #[test]
    fn names_and_numbers_are_the_published_ones() {
        assert_eq!(JetErr::MissingFullBackup.name(), "JET_errMissingFullBackup");
        assert_eq!(JetErr::MissingFullBackup.number(), -560);
    }

    #[test]
    fn no_number_stands_twice() {
        let mut numbers: Vec<i32> = JetErr::ALL.iter().map(|e| e.number()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), JetErr::ALL.len());
    }
}
