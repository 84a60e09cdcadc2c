//! The checkpoint file: from where recovery must replay (log-and-recovery.md section 7).
//!
//! ```text
//! 0                4096             8192
//! | copy           | copy           |        each: XOR, fields as in the table below, zeros
//! ```

use super::attach_list::AttachList;
use super::bytes::Fields;
use super::checksum::{stamp_header, verify_header};
use super::dbms_param::DbmsParam;
use super::error::{FormatError, Structure};
use super::header_copies::{HeaderCopy, OtherCopy};
use super::layout::layout;
use super::primitive::{FileType, LogPosition, LogTime, Signature};

layout! {
    /// A copy of the checkpoint whose checksum and kind were right, or a new one.
    pub struct Checkpoint in Checkpoint {
        /// `lgposLastFullBackupCheckpoint`: never set by a backup.
        4 last_full_backup_checkpoint: LogPosition,
        /// `lgposCheckpoint`: redo starts here.
        12 checkpoint: LogPosition,
        /// `signLog`: identity of the log sequence.
        20 log_signature: Signature,
        /// `dbms_param`.
        48 dbms_param: DbmsParam,
        /// `lgposFullBackup`: informative.
        615 full_backup: LogPosition,
        /// `logtimeFullBackup`.
        623 full_backup_time: LogTime,
        /// `lgposIncBackup`: informative.
        631 incremental_backup: LogPosition,
        /// `logtimeIncBackup`.
        639 incremental_backup_time: LogTime,
        /// `fVersion`; bit 0: the attach list is valid and the position exact.
        647 flags: u8,
        /// `lgposDbConsistency`; not set: the checkpoint itself.
        648 database_consistency: LogPosition,
        /// `filetype`.
        667 file_type: FileType,
        /// `rgbAttach`.
        679 attach_list: AttachList,
    }
}

/// The copy to trust, and what is known about the other one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenCheckpoint {
    /// The trusted copy.
    pub checkpoint: Checkpoint,
    /// Which one that is.
    pub used: HeaderCopy,
    /// The state of the other one.
    pub other: OtherCopy,
}

impl Checkpoint {
    /// Bytes of a copy.
    pub const COPY_LEN: usize = 4096;
    /// Bytes of the file.
    pub const FILE_LEN: usize = 2 * Self::COPY_LEN;

    /// A checkpoint at `checkpoint` of a log sequence, with no databases attached.
    pub fn new(
        checkpoint: LogPosition,
        log_signature: Signature,
        dbms_param: DbmsParam,
    ) -> Result<Self, FormatError> {
        let mut new = Self::read_fields(&[0; Self::COPY_LEN])?;
        (new.checkpoint, new.database_consistency) = (checkpoint, checkpoint);
        new.log_signature = log_signature;
        new.dbms_param = dbms_param;
        new.file_type = FileType::Checkpoint;
        Ok(new)
    }

    /// Reads one copy.
    ///
    /// # Errors
    /// Checksum or kind are wrong (`JET_errCheckpointCorrupt`).
    pub fn read_copy(copy: &[u8]) -> Result<Self, FormatError> {
        let fields = Fields::new(Structure::Checkpoint, copy);
        let bytes = fields.slice(0, Self::COPY_LEN)?;
        verify_header(Structure::Checkpoint, bytes)?;
        let checkpoint = Self::read_fields(bytes)?;
        if checkpoint.file_type != FileType::Checkpoint {
            let found = checkpoint.file_type.number();
            return Err(fields.bad(FileType::OFFSET, "filetype", found, "4 (checkpoint)"));
        }
        Ok(checkpoint)
    }

    /// Reads a checkpoint file: its first copy if that is good, else its second.
    ///
    /// # Errors
    /// No good copy (`JET_errCheckpointCorrupt`).
    pub fn read(file: &[u8]) -> Result<ChosenCheckpoint, FormatError> {
        let second = file
            .get(Self::COPY_LEN..)
            .map_or_else(|| Self::read_copy(&[]), Self::read_copy);
        match (Self::read_copy(file), second) {
            (Ok(first), second) => Ok(ChosenCheckpoint {
                other: match second {
                    Ok(second) if second == first => OtherCopy::Same,
                    Ok(_) => OtherCopy::Different,
                    Err(error) => OtherCopy::Damaged(error),
                },
                checkpoint: first,
                used: HeaderCopy::Primary,
            }),
            (Err(first), Ok(checkpoint)) => Ok(ChosenCheckpoint {
                checkpoint,
                used: HeaderCopy::Shadow,
                other: OtherCopy::Damaged(first),
            }),
            (Err(first), Err(second)) => Err(FormatError::other(
                Structure::Checkpoint,
                0,
                format!(
                    "both copies are damaged (first: {}; second: {})",
                    first.problem, second.problem
                ),
            )),
        }
    }

    /// One copy with its checksum; the file holds it twice. Bytes that no field names are as they were read.
    pub fn encode_copy(&self) -> Vec<u8> {
        let mut bytes = self.write_fields(Self::COPY_LEN);
        stamp_header(&mut bytes);
        bytes
    }

    /// Whether the attach list holds, and redo may start exactly at the checkpoint.
    pub fn has_attach_list(&self) -> bool {
        self.flags & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::JetErr;
    use rand::rngs::StdRng;
    use rand::{Rng, RngCore, SeedableRng};

    fn file() -> Vec<u8> {
        let position = LogPosition {
            generation: 3,
            sector: 1,
            byte: 0,
        };
        let param = DbmsParam::new("C:\\", "C:\\", 64).unwrap();
        let checkpoint = Checkpoint::new(position, Signature::default(), param).unwrap();
        checkpoint.encode_copy().repeat(2)
    }

    #[test]
    fn a_checkpoint_survives_the_way_to_bytes_and_back() {
        let read = Checkpoint::read(&file()).unwrap();
        assert_eq!((read.used, read.other), (HeaderCopy::Primary, OtherCopy::Same));
        assert_eq!(read.checkpoint.encode_copy().repeat(2), file());
        assert_eq!(read.checkpoint.checkpoint.generation, 3);
    }

    #[test]
    fn either_copy_may_be_damaged_but_not_both() {
        let mut file = file();
        file[100] ^= 1;
        let read = Checkpoint::read(&file).unwrap();
        assert_eq!(read.used, HeaderCopy::Shadow);
        assert!(matches!(read.other, OtherCopy::Damaged(_)));
        file[5000] ^= 1;
        let error = Checkpoint::read(&file).unwrap_err();
        assert_eq!(error.jet_err(), JetErr::CheckpointCorrupt);
        file[100] ^= 1;
        assert_eq!(Checkpoint::read(&file).unwrap().used, HeaderCopy::Primary);
    }

    #[test]
    fn a_file_cut_after_its_first_copy_is_read() {
        let read = Checkpoint::read(&file()[..4096]).unwrap();
        assert!(matches!(read.other, OtherCopy::Damaged(_)));
        assert!(Checkpoint::read(&[]).is_err());
    }

    #[test]
    fn random_and_mutated_bytes_never_panic() {
        let mut random = StdRng::seed_from_u64(41);
        for _ in 0..1000 {
            let mut bytes = file();
            for _ in 0..random.random_range(1..30) {
                let at = random.random_range(4..2800);
                bytes[at] = random.random();
            }
            stamp_header(&mut bytes[..4096]);
            if let Ok(chosen) = Checkpoint::read(&bytes) {
                let _ = chosen.checkpoint.attach_list.attachments();
            }
            random.fill_bytes(&mut bytes);
            bytes.truncate(random.random_range(0..=bytes.len()));
            let _ = Checkpoint::read(&bytes);
        }
    }
}
