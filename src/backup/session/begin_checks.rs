//! What speaks against beginning a backup, in the published order (external-backup.md section 2.1).

use super::refusal::invalid_grbit;
use crate::backup::source::{BeginGrbit, Obstacles};
use crate::error::{JetErr, JetError, JetResult};

/// Checks 2 to 11 of section 2.1 in their order.
pub(super) fn check_begin(obstacles: Obstacles, grbit: u32) -> JetResult<BeginGrbit> {
    let refuse = |obstacle, code, what: &'static str| match obstacles.contains(obstacle) {
        true => Err(JetError::rule(code, what)),
        false => Ok(()),
    };
    let internal_copy = grbit & BeginGrbit::INTERNAL_COPY.bits() != 0;
    if !(internal_copy && obstacles.contains(Obstacles::RECOVERING)) {
        refuse(
            Obstacles::NOT_ALLOWED_YET,
            JetErr::BackupNotAllowedYet,
            "the instance is starting or stopping",
        )?;
    }
    refuse(
        Obstacles::LOGGING_DISABLED,
        JetErr::LoggingDisabled,
        "nothing is logged",
    )?;
    refuse(
        Obstacles::LOG_WRITER_DOWN,
        JetErr::LogWriteFail,
        "the log writer is down",
    )?;
    refuse(
        Obstacles::RECOVERING,
        JetErr::InvalidParameter,
        "recovery is running",
    )?;
    let grbit = BeginGrbit::from_bits(grbit).ok_or_else(|| invalid_grbit(grbit))?;
    if grbit.intersects(BeginGrbit::INCREMENTAL | BeginGrbit::SURROGATE) {
        refuse(
            Obstacles::CIRCULAR_LOGGING,
            JetErr::InvalidBackup,
            "circular logging does not keep the logs",
        )?;
    }
    check_combination(grbit)?;
    refuse(
        Obstacles::LOG_DISK_FULL,
        JetErr::LogDiskFull,
        "the log disk is nearly full",
    )?;
    refuse(
        Obstacles::LOG_SEQUENCE_END,
        JetErr::LogSequenceEnd,
        "the last log generation is reached",
    )?;
    Ok(grbit)
}

fn check_combination(grbit: BeginGrbit) -> JetResult<()> {
    let copy = grbit.contains(BeginGrbit::INTERNAL_COPY);
    let not_with_copy = BeginGrbit::SURROGATE | BeginGrbit::INCREMENTAL;
    let frozen = grbit.contains(BeginGrbit::SNAPSHOT);
    let not_with_frozen = BeginGrbit::SURROGATE | BeginGrbit::INTERNAL_COPY;
    if copy && grbit.intersects(not_with_copy) || frozen && grbit.intersects(not_with_frozen) {
        return Err(invalid_grbit(grbit.bits()));
    }
    Ok(())
}
