//! A log: its header, every segment or checksum range, its length (log-and-recovery.md sections 2 and 3).

use super::database::one_bit;
use super::read::{Meter, visit_units};
use super::report::{Damage, FileReport, Unit};
use crate::error::JetErr;
use crate::format::{LegacyTail, LegacyVerdict, LogBody, LogHeader, LogScan, LogVerdict, SEGMENT_LEN};
use crate::io::File;

/// The longest log of version 7 that is read: twice what an engine makes (section 1.2).
const LEGACY_MOST: usize = 64 << 20;

/// Checks a log with a good header. Returns the sum of its segments, which the next generation's header has; `None`
/// if the log has none or is damaged.
pub(super) fn check_log(
    file: &dyn File,
    header: &LogHeader,
    meter: &Meter<'_>,
    report: &mut FileReport,
) -> Option<u64> {
    check_length(header, report);
    match header.body() {
        Ok(LogBody::Segments) => check_segments(file, header, meter, report),
        Ok(LogBody::ChecksumRecords) => {
            check_ranges(file, header, report);
            meter.add(report.len);
            None
        }
        Err(error) => {
            report.add(damage(0, false, JetErr::BadLogVersion, error.to_string()));
            None
        }
    }
}

fn damage(offset: u64, repairable: bool, code: JetErr, what: String) -> Damage {
    Damage {
        offset,
        page: None,
        repairable,
        code,
        what,
    }
}

fn check_length(header: &LogHeader, report: &mut FileReport) {
    let (expected, found) = (header.file_len(), report.len);
    if expected != found {
        let what = format!("the header says {expected} bytes, but the file has {found}");
        report.add(damage(
            expected.min(found),
            false,
            JetErr::LogFileSizeMismatch,
            what,
        ));
    }
}

fn check_segments(
    file: &dyn File,
    header: &LogHeader,
    meter: &Meter<'_>,
    report: &mut FileReport,
) -> Option<u64> {
    report.unit = Unit::Segments;
    let mut scan = LogScan::new(header);
    let end = header.file_len().min(report.len);
    // The header, and what lies beyond the end that it says, are not read here.
    meter.add(report.len - end.saturating_sub(LogHeader::LEN as u64));
    let mut zeros = [0; SEGMENT_LEN];
    visit_units(
        file,
        (LogHeader::LEN as u64, end),
        SEGMENT_LEN,
        meter,
        &mut |offset, unit| {
            let segment = match unit {
                Ok(segment) if segment.len() == SEGMENT_LEN => segment,
                Ok(_) => return,
                Err(error) => {
                    let what = format!("cannot be read: {error}");
                    report.add(damage(offset, false, JetErr::from_io(&error), what));
                    &mut zeros
                }
            };
            report.checked += 1;
            // Whole segments are the only thing that a scan wants.
            if let Ok(slot) = scan.push(segment) {
                report.empty += u64::from(slot.is_empty());
            }
        },
    );
    let verdict = scan.finish();
    report_verdict(&verdict, report);
    (verdict.is_sound() && report.damaged == 0).then_some(verdict.segments_checksum)
}

/// A log of version 7: its ranges can lie anywhere, so the whole file is needed at once.
fn check_ranges(file: &dyn File, header: &LogHeader, report: &mut FileReport) {
    report.unit = Unit::Ranges;
    let len = header.file_len().min(report.len);
    let Some(len) = usize::try_from(len).ok().filter(|&len| len <= LEGACY_MOST) else {
        let what = format!("a log of version 7 has {} MiB at most", LEGACY_MOST >> 20);
        return report.add(damage(0, false, JetErr::LogFileCorrupt, what));
    };
    let mut bytes = vec![0; len];
    if let Err(error) = file.read_exact_at(&mut bytes, 0) {
        let what = format!("cannot be read: {error}");
        return report.add(damage(0, false, JetErr::from_io(&error), what));
    }
    let verdict = LegacyVerdict::scan(header, &bytes);
    report.checked = verdict.verified.len() as u64;
    for range in &verdict.damaged {
        report.checked += 1;
        let what = format!("{} bytes have no right checksum", range.len());
        report.add(damage(range.start as u64, false, JetErr::LogFileCorrupt, what));
    }
    if let LegacyTail::Torn { at, .. } = verdict.tail {
        report
            .notes
            .push(format!("offset {at:#x}: the last write was torn by a crash"));
    }
}

fn report_verdict(verdict: &LogVerdict, report: &mut FileReport) {
    for &(slot, bit) in &verdict.repaired {
        report.add(damage(
            offset_of(slot),
            true,
            JetErr::LogReadVerifyFailure,
            one_bit(bit),
        ));
    }
    for found in &verdict.damages {
        let code = JetErr::LogFileCorrupt;
        report.add(damage(offset_of(found.slot), false, code, found.kind.to_string()));
    }
    if let Some(slot) = verdict.torn_write {
        let what = "the last write was torn by a crash before it was complete; recovery ends the log here";
        report
            .notes
            .push(format!("offset {:#x}: {what}", offset_of(slot)));
    }
    if let Some(slot) = verdict.torn {
        let what =
            "the last segment was torn by a crash; its copy in the next slot is good, and recovery uses that";
        report
            .notes
            .push(format!("offset {:#x}: {what}", offset_of(slot)));
    }
}

fn offset_of(slot: u16) -> u64 {
    u64::from(slot) * SEGMENT_LEN as u64
}
