//! Checkpoint and flush map: damage in them is reported, but recovery and engine do without
//! (log-and-recovery.md section 7, database-file.md section 10.1).

use super::database::one_bit;
use super::read::{Meter, visit_units};
use super::report::{Damage, FileReport, Unit};
use crate::error::JetErr;
use crate::format::checksum::PageState;
use crate::format::{Checkpoint, FlushMapHeader, FormatError, check_flush_map_page};
use crate::io::File;

fn damage(offset: u64, repairable: bool, error: &dyn ToString) -> Damage {
    Damage {
        offset,
        page: None,
        repairable,
        code: JetErr::CheckpointCorrupt,
        what: error.to_string(),
    }
}

/// Both copies of a checkpoint.
pub(super) fn check_checkpoint(file: &dyn File, meter: &Meter<'_>, report: &mut FileReport) {
    report.unit = Unit::Copies;
    let end = Checkpoint::FILE_LEN as u64;
    visit_units(
        file,
        (0, end),
        Checkpoint::COPY_LEN,
        meter,
        &mut |offset, unit| {
            report.checked += 1;
            match unit.map(|copy| Checkpoint::read_copy(copy)) {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => report.add(damage(offset, false, &error)),
                Err(error) => report.add(damage(offset, false, &error)),
            }
        },
    );
}

/// Header and map pages of a flush map.
pub(super) fn check_flush_map(file: &dyn File, meter: &Meter<'_>, report: &mut FileReport) {
    report.unit = Unit::Pages;
    let range = (0, report.len);
    visit_units(file, range, FlushMapHeader::LEN, meter, &mut |offset, unit| {
        report.checked += 1;
        match unit.map(|page| flush_map_page(page, offset)) {
            Ok(Ok(PageState::Good)) => {}
            Ok(Ok(PageState::Uninitialised)) => report.empty += 1,
            Ok(Ok(PageState::Correctable { bit })) => {
                report.add(flush_map_damage(offset, true, &one_bit(bit)))
            }
            Ok(Ok(PageState::Damaged { .. })) => {
                report.add(flush_map_damage(offset, false, &"checksum does not fit"))
            }
            Ok(Err(error)) => report.add(flush_map_damage(offset, false, &error)),
            Err(error) => report.add(flush_map_damage(offset, false, &error)),
        }
    });
}

fn flush_map_damage(offset: u64, repairable: bool, error: &dyn ToString) -> Damage {
    Damage {
        code: JetErr::ReadVerifyFailure,
        ..damage(offset, repairable, error)
    }
}

fn flush_map_page(page: &[u8], offset: u64) -> Result<PageState, FormatError> {
    match (offset / FlushMapHeader::LEN as u64).checked_sub(1) {
        None => FlushMapHeader::read(page).map(|_| PageState::Good),
        Some(index) => check_flush_map_page(page, u32::try_from(index).unwrap_or(u32::MAX)),
    }
}
