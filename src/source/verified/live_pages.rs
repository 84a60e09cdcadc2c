//! How what a running instance delivers is judged (external-backup.md sections 4.2, 4.3 and 4.6).

use super::block_file::BlockFile;
use super::log_segments::LogSegments;
use super::page_rule::PageRule;
use super::verifying_file::{Blocks, VerifyingFile};
use crate::backup::{BackupEvent, BackupFile};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::checksum::{PageState, check_page};
use crate::format::{LogHeader, PageSize};
use crate::io::Clock;
use std::sync::Arc;
use std::time::Duration;

/// How often a damaged page is read again, and the clock of the pauses between.
#[derive(Debug, Clone)]
pub(crate) struct Retries {
    pub(crate) count: u32,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The copy of a database: header, header, pages, trailer.
pub(crate) fn live_database(
    file: impl BlockFile + 'static,
    size: PageSize,
    retries: Retries,
) -> Arc<dyn BackupFile> {
    let blocks = file.len() / size.bytes_u64();
    let pages = LivePages {
        rule: PageRule {
            size,
            allow_damaged: false,
        },
        page_last: u32::try_from(blocks.saturating_sub(3)).unwrap_or(u32::MAX),
        retries,
    };
    Arc::new(VerifyingFile::new(file, pages, size, false))
}

/// An archived log.
///
/// # Errors
/// It cannot be read. That its header is damaged is found by who reads it (section 4.6).
pub(crate) fn live_log(file: impl BlockFile + 'static, size: PageSize) -> JetResult<Arc<dyn BackupFile>> {
    let mut header = vec![0; LogHeader::LEN];
    file.read(&mut header, 0)?;
    let header = LogHeader::read(&header);
    let segments = LogSegments::new(file.len(), &header.map(Box::new), false);
    Ok(Arc::new(VerifyingFile::new(file, segments, size, false)))
}

/// How the pages of the copy of a running database are judged: one that is damaged is read again some times before it is refused (section 4.3).
#[derive(Debug)]
pub(crate) struct LivePages {
    pub(crate) rule: PageRule,
    pub(crate) page_last: u32,
    pub(crate) retries: Retries,
}

/// The first pause before a page is read again; each is longer by as much.
const PAUSE: Duration = Duration::from_millis(100);

impl Blocks for LivePages {
    fn block_len(&self) -> usize {
        self.rule.size.bytes()
    }

    fn judged_len(&self) -> u64 {
        (u64::from(self.page_last) + 2) * self.rule.size.bytes_u64()
    }

    fn judge(&self, file: &dyn BlockFile, index: u64, block: &mut [u8]) -> JetResult<()> {
        let Some(pgno) = index
            .checked_sub(1)
            .and_then(|pgno| u32::try_from(pgno).ok())
            .filter(|pgno| *pgno > 0)
        else {
            return Ok(());
        };
        let (path, found) = (|| file.path().to_path_buf(), file.found());
        for attempt in 1..=self.retries.count + 1 {
            let state = check_page(block, self.rule.size, pgno);
            if !matches!(state, PageState::Damaged { .. }) && attempt > 1 {
                let (path, failed) = (path(), attempt - 1);
                found.tell(&BackupEvent::PageReadAtLast { path, pgno, failed });
            }
            match state {
                PageState::Good | PageState::Uninitialised => return Ok(()),
                PageState::Correctable { .. } => {
                    found.tell(&BackupEvent::PageRepaired { path: path(), pgno });
                    break;
                }
                PageState::Damaged { .. } => found.tell(&BackupEvent::PageDamaged { path: path(), pgno }),
            }
            if attempt > self.retries.count {
                break;
            }
            self.retries.clock.sleep(PAUSE * attempt);
            if file.read(block, index * self.rule.size.bytes_u64())? < block.len() {
                let error = JetError::rule(JetErr::FileIOBeyondEOF, "the file ends early");
                return Err(error.in_file(file.path()).on_page(pgno));
            }
        }
        self.rule.judge(file, pgno, block)
    }
}
