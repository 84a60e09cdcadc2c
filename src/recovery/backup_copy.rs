//! A database as a streaming backup delivered it: its trailer page belongs into its header before its logs can be
//! replayed (external-backup.md section 8.4).

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{BackupInfo, BackupType, DatabaseHeader, LogTime, PageSize, Signature, Trailer};
use crate::io::File;
use crate::store::Overlay;
use std::path::Path;

/// Takes the trailer page off `overlay` and puts what it says into `header`.
///
/// # Errors
/// `JET_errBadPatchPage`: no good trailer; `JET_errDatabasePatchFileMismatch`: it is that of another copy.
pub(super) fn merge_trailer(
    file: &dyn File,
    path: &Path,
    header: &mut DatabaseHeader,
    overlay: &mut Overlay,
    sequence: Signature,
) -> JetResult<()> {
    if header.backup_full_current.generation_low == 0 || header.backup_full_current.generation_high != 0 {
        return Ok(());
    }
    let last = overlay.last_page();
    let trailer = read_trailer(file, path, header.page_size, last)?;
    check_belongs(&trailer, header, sequence).map_err(|error| error.in_file(path))?;
    overlay.set_last_page(last.saturating_sub(1));
    merge(header, &trailer);
    Ok(())
}

/// The trailer page of a copy, `last` being its last page.
///
/// # Errors
/// `JET_errBadPatchPage`: the page is damaged, or the copy is too short to have one.
pub(crate) fn read_trailer(
    file: &dyn File,
    path: &Path,
    page_size: PageSize,
    last: u32,
) -> JetResult<Trailer> {
    if last == 0 {
        let what = "is too short to have a trailer";
        return Err(JetError::rule(JetErr::BadPatchPage, what).in_file(path));
    }
    let offset = page_size.offset_of(last);
    let place = |error: JetError| error.in_file(path).on_page(last).at_offset(offset);
    let mut page = vec![0; page_size.bytes()];
    let read = file.read_exact_at(&mut page, offset);
    read.map_err(|error| place(JetError::io("read", error)))?;
    Trailer::read(&page, page_size).map_err(|error| place(JetError::format(error)))
}

/// Whether trailer, header and logs are of one database and one backup.
///
/// # Errors
/// `JET_errDatabasePatchFileMismatch`.
pub(crate) fn check_belongs(
    trailer: &Trailer,
    header: &DatabaseHeader,
    sequence: Signature,
) -> JetResult<()> {
    let what = if trailer.signature != header.signature {
        "the trailer page is that of another database"
    } else if trailer.log_signature != sequence || header.log_signature != sequence {
        "its logs are those of another instance"
    } else if trailer.backup.mark != header.backup_full_current.mark {
        "the trailer page is that of another backup"
    } else {
        return Ok(());
    };
    Err(JetError::rule(JetErr::DatabasePatchFileMismatch, what))
}

fn merge(header: &mut DatabaseHeader, trailer: &Trailer) {
    let high = trailer.backup.generation_high;
    header.backup_full_current.generation_high = high;
    if high > header.generation_max_required {
        header.generation_max_required = high;
        header.generation_max_required_time = LogTime::default();
    }
    if high > header.generation_max_committed {
        header.generation_max_committed = high;
        header.generation_max_create_time = LogTime::default();
    }
}

/// After a hard recovery nothing is left of earlier backups: the next one must be full (section 8.6).
pub(super) fn forget_backups(header: &mut DatabaseHeader) {
    let none = BackupInfo::default();
    header.backup_full_current = none;
    header.backup_snapshot_current = none;
    header.backup_full_previous = none;
    header.backup_incremental_previous = none;
    header.backup_copy_previous = none;
    header.backup_differential_previous = none;
    let none = BackupType::from(0);
    header.backup_full_previous_type = none;
    header.backup_incremental_previous_type = none;
    header.backup_copy_previous_type = none;
    header.backup_differential_previous_type = none;
}
