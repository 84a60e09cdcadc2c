//! How a log of version 7 is judged (log-and-recovery.md section 3.6): the chain of its checksums is walked once, when
//! the log is opened; what the chain leaves out between good ranges is damage. The torn tail and the fill pattern
//! after the last good range are not.

use super::block_file::{BlockFile, Damage};
use super::verifying_file::Blocks;
use crate::backup::Outcome;
use crate::error::{JetErr, JetResult};
use crate::format::{LegacyVerdict, LogHeader};
use std::ops::Range;

/// The smallest sector: damage is refused in these units.
const SECTOR: usize = 512;

/// Logs have at most 32 MiB (JET_paramLogFileSize). More is not walked, so that a hostile file costs no more memory.
const LONGEST: usize = 64 << 20;

/// The damaged ranges of one log.
#[derive(Debug)]
pub(crate) struct LogRanges {
    judged_len: u64,
    damaged: Vec<Range<usize>>,
    allow_damaged: bool,
}

impl LogRanges {
    /// Walks the chain of an open log.
    pub(crate) fn scan(file: &dyn BlockFile, header: &LogHeader, allow_damaged: bool) -> JetResult<Self> {
        let len = usize::try_from(file.len()).unwrap_or(LONGEST).min(LONGEST);
        let mut bytes = vec![0; len];
        file.read(&mut bytes, 0)?;
        Ok(LogRanges {
            judged_len: (len - len % SECTOR) as u64,
            damaged: LegacyVerdict::scan(header, &bytes).damaged,
            allow_damaged,
        })
    }
}

impl Blocks for LogRanges {
    fn block_len(&self) -> usize {
        SECTOR
    }

    fn judged_len(&self) -> u64 {
        self.judged_len
    }

    fn judge(&self, file: &dyn BlockFile, index: u64, block: &mut [u8]) -> JetResult<()> {
        let start = usize::try_from(index)
            .unwrap_or(usize::MAX)
            .saturating_mul(SECTOR);
        let end = start.saturating_add(block.len());
        let meets = |range: &&Range<usize>| range.start < end && start < range.end;
        let Some(range) = self.damaged.iter().find(meets) else {
            return Ok(());
        };
        let damage = Damage {
            offset: range.start as u64,
            page: None,
            code: JetErr::LogReadVerifyFailure,
            what: format!(
                "no checksum covers the {} bytes from here, but later ones do",
                range.len()
            ),
        };
        if self.allow_damaged {
            file.note(&damage, Outcome::ServedDamaged);
            return Ok(());
        }
        Err(file.refuse(damage))
    }
}
