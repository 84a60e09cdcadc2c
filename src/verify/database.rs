//! A database: both copies of its header, the checksum of every page up to the last that it owns, the trailer page
//! of a backup copy (database-file.md sections 1.4 and 3; external-backup.md sections 4.2 and 6.6).

use super::read::{Meter, visit_units};
use super::report::{Damage, FileReport, Unit};
use crate::error::JetErr;
use crate::format::checksum::{PageState, check_page};
use crate::format::{
    DatabaseHeader, DbState, FormatError, HeaderCopy, OtherCopy, PageSize, Problem, Structure, Trailer,
};
use crate::io::File;
use crate::store::Database;
use std::path::Path;
use std::sync::Arc;

/// What is to be checked in a database.
#[derive(Debug)]
pub(super) struct DatabasePlan {
    pub(super) size: PageSize,
    pub(super) state: DbState,
    /// Last page to judge.
    pub(super) last: u32,
    /// The trailer, if it is a backup copy with a good one.
    pub(super) trailer: Option<Trailer>,
}

/// Whether the file is what a streaming backup delivered: its last page is the trailer (external-backup.md section 7.3).
pub(super) fn is_backup_copy(header: &DatabaseHeader) -> bool {
    header.backup_full_current.generation_low != 0 && header.backup_full_current.generation_high == 0
}

/// Judges the header, finds the last owned page and the trailer, and reports what is wrong with them.
pub(super) fn plan(file: &Arc<dyn File>, path: &Path, report: &mut FileReport) -> Option<DatabasePlan> {
    report.unit = Unit::Pages;
    let database = match Database::open(Arc::clone(file), path) {
        Ok(database) => database,
        Err(error) => {
            report.add(header_damage(0, false, error.code(), error.cause().to_string()));
            return None;
        }
    };
    let size = database.page_size();
    report_header_copies(&database, report);
    let whole_pages = database.last_page_in_file().unwrap_or(0);
    let is_copy = is_backup_copy(database.header());
    let trailer = is_copy
        .then(|| read_trailer(&**file, size, whole_pages, report))
        .flatten();
    let in_file = whole_pages.saturating_sub(u32::from(is_copy));
    let last = match database.last_owned_page() {
        Ok(owned) => {
            report_cut(&database, owned, in_file, report);
            owned.min(in_file)
        }
        Err(error) => {
            report.notes.push(format!(
                "all pages are checked, because it cannot be told which are owned: {error}"
            ));
            in_file
        }
    };
    report.unowned = u64::from(in_file - last);
    Some(DatabasePlan {
        size,
        state: database.header().state,
        last,
        trailer,
    })
}

fn header_damage(offset: u64, repairable: bool, code: JetErr, what: String) -> Damage {
    Damage {
        offset,
        page: Some(0),
        repairable,
        code,
        what,
    }
}

fn report_header_copies(database: &Database, report: &mut FileReport) {
    match (database.header_copy(), database.other_header_copy()) {
        (_, OtherCopy::Same) => {}
        (_, OtherCopy::Different) => {
            let what =
                "the two copies of the header differ: a crash came between their writes; both are good";
            report.notes.push(what.to_owned());
        }
        (used, OtherCopy::Damaged(error)) => {
            let (offset, which) = match used {
                HeaderCopy::Primary => (database.page_size().bytes_u64(), "second"),
                HeaderCopy::Shadow => (0, "first"),
            };
            let what = format!("the {which} copy of the header is damaged: {error}");
            report.add(header_damage(offset, true, JetErr::ReadVerifyFailure, what));
        }
    }
}

fn read_trailer(file: &dyn File, size: PageSize, pgno: u32, report: &mut FileReport) -> Option<Trailer> {
    let mut page = vec![0; size.bytes()];
    let offset = size.offset_of(pgno);
    let read = match file.read_exact_at(&mut page, offset) {
        Ok(()) => Trailer::read(&page, size).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    report.checked += 1;
    read.map_err(|error| {
        report.add(Damage {
            offset,
            page: Some(pgno),
            repairable: false,
            code: JetErr::BadPatchPage,
            what: format!("the last page must be the trailer of the backup: {error}"),
        });
    })
    .ok()
}

/// A database that owns pages beyond the end of the file was cut off, unless its logs make them.
fn report_cut(database: &Database, owned: u32, in_file: u32, report: &mut FileReport) {
    if owned <= in_file {
        return;
    }
    let what = format!("the file ends after page {in_file}, but the database owns pages up to {owned}");
    if is_backup_copy(database.header()) {
        report.notes.push(format!(
            "{what}: it grew during the backup, and the logs make them"
        ));
        return;
    }
    report.add(Damage {
        offset: database.page_size().offset_of(in_file.saturating_add(1)),
        page: Some(in_file.saturating_add(1)),
        repairable: false,
        code: JetErr::FileIOBeyondEOF,
        what,
    });
}

/// Checks the pages `first` to `last`.
pub(super) fn check_pages(
    file: &dyn File,
    size: PageSize,
    (first, last): (u32, u32),
    meter: &Meter<'_>,
    report: &mut FileReport,
) {
    let range = (size.offset_of(first), size.offset_of(last) + size.bytes_u64());
    visit_units(file, range, size.bytes(), meter, &mut |offset, unit| {
        let pgno = size.pgno_at(offset).unwrap_or(0);
        report.checked += 1;
        let damage = match unit {
            Ok(page) if page.len() == size.bytes() => match check_page(page, size, pgno) {
                PageState::Good => return,
                PageState::Uninitialised => {
                    report.empty += 1;
                    return;
                }
                PageState::Correctable { bit } => (true, JetErr::ReadVerifyFailure, one_bit(bit)),
                PageState::Damaged { stored, computed } => {
                    (false, JetErr::ReadVerifyFailure, wrong_checksum(stored, computed))
                }
            },
            Ok(_) => (
                false,
                JetErr::FileIOBeyondEOF,
                "the file ends inside this page".to_owned(),
            ),
            Err(error) => (false, JetErr::from_io(&error), format!("cannot be read: {error}")),
        };
        let (repairable, code, what) = damage;
        report.add(Damage {
            offset,
            page: Some(pgno),
            repairable,
            code,
            what,
        });
    });
}

/// One wrong bit, in words.
pub(super) fn one_bit(bit: u32) -> String {
    format!(
        "bit {} of byte {} is wrong; readers put it right",
        bit % 8,
        bit / 8
    )
}

fn wrong_checksum(stored: u64, computed: u64) -> String {
    FormatError::new(Structure::Page, 0, Problem::Checksum { stored, computed }).to_string()
}
