//! The exit codes of the command, and which error means which.

use jetfs::{JetErr, JetError};
use std::borrow::Cow;
use std::process::ExitCode;

/// How a subcommand ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Failed for a reason that has no code of its own.
    Failed = 1,
    /// The command line is wrong. (The parser of the command line uses the same number.)
    Usage = 2,
    /// Refused: it would be wrong or unsafe.
    Refused = 3,
    /// Somebody else uses it.
    Busy = 4,
    /// Something is missing, or was stopped before its end.
    Incomplete = 5,
    /// Damaged data was found.
    Damaged = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// The exit code that an error means.
    pub(crate) fn of(error: &anyhow::Error) -> Exit {
        let mut causes = error.chain();
        causes
            .find_map(|cause| match cause.downcast_ref::<Failure>() {
                Some(failure) => Some(failure.exit),
                None => cause
                    .downcast_ref::<JetError>()
                    .map(|e| Exit::of_jet_err(e.code())),
            })
            .unwrap_or(Exit::Failed)
    }

    /// The exit code that a `JET_err` means.
    pub(crate) fn of_jet_err(code: JetErr) -> Exit {
        use JetErr::*;
        match code {
            ReadVerifyFailure
            | LogReadVerifyFailure
            | DiskReadVerificationFailure
            | ReadPgnoVerifyFailure
            | ReadLostFlushVerifyFailure
            | PageNotInitialized
            | DatabaseCorrupted
            | CatalogCorrupted
            | LVCorrupted
            | DecompressionFailed
            | LogFileCorrupt
            | RedoAbruptEnded
            | LogCorrupted
            | LogFileSizeMismatch
            | CheckpointCorrupt
            | BadPatchPage
            | LogTornWriteDuringHardRestore
            | LogTornWriteDuringHardRecovery
            | LogCorruptDuringHardRestore
            | LogCorruptDuringHardRecovery
            | CommittedLogFileCorrupt
            | LogSequenceChecksumMismatch
            | FileIOBeyondEOF => Exit::Damaged,
            BackupInProgress
            | RestoreInProgress
            | SurrogateBackupInProgress
            | BackupNotAllowedYet
            | DatabaseInUse
            | DatabaseLocked
            | OSSnapshotNotAllowed => Exit::Busy,
            BackupAbortByServer
            | NoBackup
            | TermInProgress
            | ClientRequestToStopJetService
            | LogFileNotCopied
            | MissingFileToBackup
            | MissingLogFile
            | MissingPreviousLogFile
            | MissingRestoreLogFiles
            | StartingRestoreLogTooHigh
            | EndingRestoreLogTooLow
            | MissingCurrentLogFiles
            | RequiredLogFilesMissing
            | CommittedLogFilesMissing
            | PatchFileMissing => Exit::Incomplete,
            InvalidBackupSequence
            | InvalidBackup
            | LoggingDisabled
            | MissingFullBackup
            | BadLogSignature
            | BadDbSignature
            | BadCheckpointSignature
            | GivenLogFileHasBadSignature
            | GivenLogFileIsNotContiguous
            | ExistingLogFileHasBadSignature
            | ExistingLogFileIsNotContiguous
            | InvalidLogSequence
            | LogGenerationMismatch
            | BadLogVersion
            | InvalidDatabaseVersion
            | DatabaseLogSetMismatch
            | DatabasePatchFileMismatch
            | DatabaseDirtyShutdown
            | SoftRecoveryOnBackupDatabase
            | RestoreOfNonBackupDatabase
            | InvalidPath
            | FileAlreadyExists
            | BackupDirectoryNotEmpty
            | DatabaseDuplicate
            | DatabaseNotFound
            | AttachedDatabaseMismatch
            | ConsistentTimeMismatch
            | PageSizeMismatch
            | FileInvalidType => Exit::Refused,
            _ => Exit::Failed,
        }
    }
}

/// A failure of the command itself, with its exit code and what the user can do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// One line, without the advice.
    pub(crate) message: String,
    /// What the user can do.
    pub(crate) advice: Option<Cow<'static, str>>,
}

impl Failure {
    /// A failure with its exit code; `message` is one line.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            advice: None,
        }
    }

    /// It would be wrong or unsafe.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message)
    }

    /// Somebody else uses it.
    pub(crate) fn busy(message: impl Into<String>) -> Self {
        Self::new(Exit::Busy, message)
    }

    /// Adds what the user can do, one sentence.
    #[must_use]
    pub(crate) fn advise(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// What the user can do about an error, if there is anything to say.
pub(crate) fn advice_of(error: &anyhow::Error) -> Option<&str> {
    error
        .chain()
        .find_map(|cause| match cause.downcast_ref::<Failure>() {
            Some(failure) => failure.advice.as_deref(),
            None => cause.downcast_ref::<JetError>()?.advice(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_damaged_page_is_6_also_under_a_context() {
        let error: anyhow::Result<()> = Err(JetError::rule(JetErr::ReadVerifyFailure, "checksum").into());
        let error = error.context("while copying").unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Damaged);
        assert!(advice_of(&error).is_some());
    }

    #[test]
    fn an_error_that_nobody_classified_is_1() {
        assert_eq!(Exit::of(&anyhow::anyhow!("x")), Exit::Failed);
    }

    #[test]
    fn a_failure_says_its_own_code_and_advice() {
        let error = Failure::busy("in use").advise("Close the files.").into();
        assert_eq!(Exit::of(&error), Exit::Busy);
        assert_eq!(advice_of(&error), Some("Close the files."));
    }
}
