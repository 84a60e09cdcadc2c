//! What a backup that ended normally leaves in the header of a database (external-backup.md section 6.3).

use super::DatabaseHeader;
use super::log_record::BackupScope;
use super::primitive::{BackupInfo, BackupType};

impl DatabaseHeader {
    /// Records a backup: an engine does it when the backup ends, and redo when it comes to the record of that. Nothing
    /// happens if the header has a later one of the kind.
    pub fn stamp_backup(&mut self, scope: BackupScope, kind: BackupType, info: BackupInfo) {
        let (field, field_kind) = match scope {
            BackupScope::Full => (
                &mut self.backup_full_previous,
                &mut self.backup_full_previous_type,
            ),
            BackupScope::Incremental => (
                &mut self.backup_incremental_previous,
                &mut self.backup_incremental_previous_type,
            ),
            BackupScope::Copy => (
                &mut self.backup_copy_previous,
                &mut self.backup_copy_previous_type,
            ),
            BackupScope::Differential => (
                &mut self.backup_differential_previous,
                &mut self.backup_differential_previous_type,
            ),
            BackupScope::Unknown(_) => return,
        };
        if field.mark > info.mark {
            return;
        }
        (*field, *field_kind) = (info, kind);
        if matches!(scope, BackupScope::Full | BackupScope::Incremental) {
            self.backup_snapshot_current = BackupInfo::default();
        }
        if scope == BackupScope::Full {
            self.backup_incremental_previous = BackupInfo::default();
            self.backup_incremental_previous_type = BackupType::default();
            self.backup_differential_previous = BackupInfo::default();
            self.backup_differential_previous_type = BackupType::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{LogPosition, PageSize, Signature};

    fn info(generation: u32) -> BackupInfo {
        BackupInfo {
            mark: LogPosition {
                generation,
                sector: 1,
                byte: 0,
            },
            generation_low: generation,
            generation_high: generation,
            ..BackupInfo::default()
        }
    }

    #[test]
    fn a_full_backup_makes_incremental_and_differential_ones_before_it_worthless_and_no_copy() {
        let mut header = DatabaseHeader::new(PageSize::Kib4, Signature::default()).unwrap();
        let mut stamp = |scope, generation| header.stamp_backup(scope, BackupType::Normal, info(generation));
        stamp(BackupScope::Incremental, 3);
        stamp(BackupScope::Differential, 4);
        stamp(BackupScope::Copy, 5);
        stamp(BackupScope::Full, 6);
        stamp(BackupScope::Full, 2);
        assert_eq!(
            header.backup_full_previous,
            info(6),
            "an older one does not count"
        );
        assert_eq!(header.backup_copy_previous, info(5));
        assert_eq!(header.backup_incremental_previous, BackupInfo::default());
        assert_eq!(header.backup_differential_previous, BackupInfo::default());
    }
}
