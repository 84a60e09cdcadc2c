//! The copy of a database of a running instance (external-backup.md section 4.2).
//!
//! ```text
//! page    0        1        2 …                last + 1   last + 2
//!         header   header   pages, verified               trailer
//! ```

use crate::backup::Outcome;
use crate::engine::backup::DatabaseCopy;
use crate::error::JetResult;
use crate::format::PageSize;
use crate::format::bytes::put;
use crate::source::verified::{BlockFile, Damage, FoundIn};
use std::path::Path;
use std::sync::Arc;

/// The bytes of the copy, not verified.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    pub(super) copy: Arc<DatabaseCopy>,
    pub(super) size: PageSize,
    pub(super) found: FoundIn,
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
    fn found(&self) -> &FoundIn {
        &self.found
    }

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
        self.found.note(damage, outcome);
    }
}
