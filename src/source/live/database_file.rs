//! The copy of a database of a running instance (external-backup.md section 4.2).
//!
//! ```text
//! page    0        1        2 …                last + 1   last + 2
//!         header   header   pages, verified               trailer
//! ```

use crate::backup::{Finding, Findings, Outcome};
use crate::engine::backup::DatabaseCopy;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageSize;
use crate::format::bytes::put;
use crate::format::checksum::{PageState, check_page};
use crate::io::Clock;
use crate::source::verified::{BlockFile, Blocks, Damage, PageRule};
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The bytes of the copy, not verified.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    pub(super) copy: Arc<DatabaseCopy>,
    pub(super) name: OsString,
    pub(super) size: PageSize,
    pub(super) findings: Arc<Findings>,
}

/// Where in the copy a page of the file is.
enum Part {
    Header,
    Pages { first: u32, count: u32 },
    Trailer,
}

impl DatabaseFile {
    fn last_block(&self) -> u64 {
        u64::from(self.copy.page_last()) + 2
    }

    /// What begins at a block, `wanted` blocks at most.
    fn part(&self, block: u64, wanted: u64) -> Part {
        let after = self.last_block().saturating_sub(block);
        match block.checked_sub(1).map(u32::try_from) {
            None | Some(Ok(0)) => Part::Header,
            Some(Ok(first)) if after > 0 => Part::Pages {
                first,
                count: u32::try_from(after.min(wanted)).unwrap_or(u32::MAX),
            },
            _ => Part::Trailer,
        }
    }

    /// Fills whole blocks from one part of the copy; returns how many bytes.
    fn fill(&self, blocks: &mut [u8], block: u64) -> JetResult<usize> {
        let len = self.size.bytes();
        match self.part(block, (blocks.len() / len) as u64) {
            Part::Header => put(blocks, 0, self.copy.header_page()),
            Part::Trailer => put(blocks, 0, &self.copy.trailer()?),
            Part::Pages { first, count } => {
                let filled = blocks.len().min(len * count as usize);
                let pages = blocks.get_mut(..filled).unwrap_or_default();
                self.copy.read_pages(first, pages)?;
                return Ok(filled);
            }
        }
        Ok(len)
    }
}

impl BlockFile for DatabaseFile {
    fn len(&self) -> u64 {
        (self.last_block() + 1) * self.size.bytes_u64()
    }

    fn path(&self) -> &Path {
        self.copy.path()
    }

    fn read(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buf.len());
        let len = self.size.bytes();
        let mut done = 0;
        while done < wanted {
            let at = offset + done as u64;
            let (block, within) = (at / len as u64, usize::try_from(at % len as u64).unwrap_or(0));
            let rest = buf.get_mut(done..wanted).unwrap_or_default();
            if within == 0 && rest.len() >= len {
                let whole = rest.len() - rest.len() % len;
                done += self.fill(rest.get_mut(..whole).unwrap_or_default(), block)?;
                continue;
            }
            let mut page = vec![0; len];
            self.fill(&mut page, block)?;
            let part = rest.len().min(len - within);
            put(rest, 0, page.get(within..within + part).unwrap_or_default());
            done += part;
        }
        Ok(wanted)
    }

    fn note(&self, damage: &Damage, outcome: Outcome) {
        let finding = Finding {
            file: self.name.clone(),
            offset: damage.offset,
            page: damage.page,
            outcome,
            code: damage.code,
            what: damage.what.clone(),
        };
        if self.findings.record(finding) {
            tracing::warn!("{}: {} ({outcome:?})", self.path().display(), damage.what);
        }
    }
}

/// How its pages are judged: one that is damaged is read again some times before it is refused (section 4.3).
#[derive(Debug)]
pub(super) struct LivePages {
    pub(super) rule: PageRule,
    pub(super) page_last: u32,
    pub(super) retries: u32,
    pub(super) clock: Arc<dyn Clock>,
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
        for attempt in 1..=self.retries {
            match check_page(block, self.rule.size, pgno) {
                PageState::Good | PageState::Uninitialised => return Ok(()),
                PageState::Correctable { .. } => break,
                PageState::Damaged { .. } => {}
            }
            tracing::warn!(file = %file.path().display(), page = pgno, attempt, "a page's checksum is wrong: it is read again");
            self.clock.sleep(PAUSE * attempt);
            if file.read(block, index * self.rule.size.bytes_u64())? < block.len() {
                let error = JetError::rule(JetErr::FileIOBeyondEOF, "the file ends early");
                return Err(error.in_file(file.path()).on_page(pgno));
            }
        }
        self.rule.judge(file, pgno, block)
    }
}
