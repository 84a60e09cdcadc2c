//! Which errno a reader sees: the one table from the tree's refusals and from `JET_err`.
//!
//! ENOSYS is never answered: the kernel would take it to mean that the call does not exist at all.

use crate::tree::TreeError;
use fuser::Errno;
use jetfs::JetErr;

/// The errno of a refusal.
pub(crate) fn of_tree(error: &TreeError) -> Errno {
    match error {
        TreeError::NotFound => Errno::ENOENT,
        TreeError::NotADirectory => Errno::ENOTDIR,
        TreeError::IsADirectory => Errno::EISDIR,
        TreeError::UnknownInode => Errno::ESTALE,
        TreeError::UnknownHandle => Errno::EBADF,
        TreeError::NoAttribute => Errno::NO_XATTR,
        TreeError::OutOfTurn => Errno::ESPIPE,
        TreeError::Jet(error) => of_jet_err(error.code()),
    }
}

/// The errno of a `JET_err`. What is damaged, has ended or is a defect is EIO: nobody may take it for data or for an
/// empty directory. So is a listed file that is gone from the source: rsync takes ENOENT for a file that vanished in
/// the ordinary course of things.
pub(crate) fn of_jet_err(code: JetErr) -> Errno {
    use JetErr::*;
    match code {
        InvalidBackupSequence | BackupInProgress | BackupNotAllowedYet | DatabaseInUse | DatabaseLocked => {
            Errno::EBUSY
        }
        FileAccessDenied | PermissionDenied => Errno::EACCES,
        OutOfMemory => Errno::ENOMEM,
        DiskFull | LogDiskFull => Errno::ENOSPC,
        InvalidParameter | InvalidGrbit => Errno::EINVAL,
        _ => Errno::EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_eio() {
        for code in [
            JetErr::ReadVerifyFailure,
            JetErr::LogReadVerifyFailure,
            JetErr::FileIOBeyondEOF,
        ] {
            assert_eq!(of_jet_err(code), Errno::EIO);
        }
    }

    #[test]
    fn a_wrong_phase_is_ebusy_and_an_ended_backup_eio() {
        assert_eq!(of_jet_err(JetErr::InvalidBackupSequence), Errno::EBUSY);
        assert_eq!(of_jet_err(JetErr::NoBackup), Errno::EIO);
    }

    #[test]
    fn a_listed_file_that_is_gone_from_the_source_is_eio() {
        assert_eq!(of_jet_err(JetErr::FileNotFound), Errno::EIO);
        assert_eq!(of_tree(&TreeError::NotFound), Errno::ENOENT);
    }

    #[test]
    fn no_error_means_that_the_call_does_not_exist() {
        assert!(JetErr::ALL.iter().all(|code| of_jet_err(*code) != Errno::ENOSYS));
    }
}
