//! Reading a recovered database: pages that recovery changed come from its overlay, the others from the file below, whole
//! runs of them into the reader's buffer and verified there, as files at rest are.

use super::image::{DatabaseImage, page_of};
use crate::backup::BackupFile;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageSize;
use crate::format::bytes::put;
use crate::source::verified::{BlockFile, PageRule, WatchedFile};
use lru::LruCache;
use parking_lot::Mutex;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// Pages kept for reads that begin or end within one.
const EDGES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// Bytes that are read and then judged at a time, so that they are still in the processor's cache: whole pages of every
/// size.
const PIECE_LEN: usize = 128 << 10;

/// Bytes that [`BackupFile::verify`] reads at a time: whole pages of every size.
const VERIFY_LEN: usize = 1 << 20;

/// A recovered database, open for readers.
#[derive(Debug)]
pub(super) struct ComposedFile {
    image: Arc<DatabaseImage>,
    /// The file below; `None` if the logs made the database.
    base: Option<WatchedFile>,
    rule: PageRule,
    /// The last page that the database owns: pages behind it are delivered as they are.
    last_judged: u32,
    edges: Mutex<LruCache<u64, Box<[u8]>>>,
}

impl ComposedFile {
    pub(super) fn new(
        image: Arc<DatabaseImage>,
        base: Option<WatchedFile>,
        last_owned: Option<u32>,
        allow_damaged: bool,
    ) -> Self {
        ComposedFile {
            rule: PageRule {
                size: image.page_size(),
                allow_damaged,
            },
            last_judged: last_owned.unwrap_or(u32::MAX),
            image,
            base,
            edges: Mutex::new(LruCache::new(EDGES)),
        }
    }

    /// Fills the start of `buf` with bytes at `offset`: a part of a page, one page, or a run of pages of the file below.
    fn read_some(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        let page_len = self.rule.size.bytes();
        let (index, within) = (offset / page_len as u64, offset % page_len as u64);
        let within = usize::try_from(within).unwrap_or(0);
        if within > 0 || buf.len() < page_len {
            let count = buf.len().min(page_len - within);
            self.copy_from_block(buf.get_mut(..count).unwrap_or_default(), index, within)?;
            return Ok(count);
        }
        let most = (buf.len().min(PIECE_LEN) / page_len) as u64;
        let run = (0..most).take_while(|ahead| self.in_base(index + ahead)).count();
        let count = run.max(1) * page_len;
        self.fill(buf.get_mut(..count).unwrap_or_default(), index)?;
        Ok(count)
    }

    fn in_base(&self, index: u64) -> bool {
        page_of(index).is_some_and(|pgno| self.image.pages().in_base(pgno))
    }

    /// Fills `blocks` with whole blocks, all of them of the file below, or only one.
    fn fill(&self, blocks: &mut [u8], index: u64) -> JetResult<()> {
        let Some(base) = self.base.as_ref().filter(|_| self.in_base(index)) else {
            return self.image.read_block(index, blocks);
        };
        let page_len = self.rule.size.bytes();
        let read = base.read(blocks, index * page_len as u64)?;
        if read < blocks.len() {
            let error = JetError::rule(JetErr::FileIOBeyondEOF, "the file ends early");
            return Err(error.in_file(base.path()));
        }
        for (page, index) in blocks.chunks_mut(page_len).zip(index..) {
            if let Some(pgno) = page_of(index).filter(|pgno| *pgno <= self.last_judged) {
                self.rule.judge(base, pgno, page)?;
            }
        }
        Ok(())
    }

    /// Fills `part` with the bytes at `within` of a block.
    fn copy_from_block(&self, part: &mut [u8], index: u64, within: usize) -> JetResult<()> {
        let copy = |part: &mut [u8], block: &[u8]| {
            put(
                part,
                0,
                block.get(within..within + part.len()).unwrap_or_default(),
            );
        };
        if let Some(block) = self.edges.lock().get(&index) {
            copy(part, block);
            return Ok(());
        }
        let mut block = vec![0; self.rule.size.bytes()].into_boxed_slice();
        self.fill(&mut block, index)?;
        copy(part, &block);
        self.edges.lock().put(index, block);
        Ok(())
    }
}

impl BackupFile for ComposedFile {
    fn len(&self) -> u64 {
        self.image.pages().file_len()
    }

    fn page_size(&self) -> PageSize {
        self.rule.size
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buf.len());
        let mut done = 0;
        while done < wanted {
            let rest = buf.get_mut(done..wanted).unwrap_or_default();
            done += self.read_some(rest, offset + done as u64)?;
        }
        Ok(done)
    }

    fn verify(&self) -> JetResult<()> {
        let mut buf = vec![0; VERIFY_LEN];
        let mut offset = 0;
        while offset < self.len() {
            offset += self.read_at(&mut buf, offset)? as u64;
        }
        Ok(())
    }

    /// Never: the kernel would read the file below.
    fn passthrough(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
