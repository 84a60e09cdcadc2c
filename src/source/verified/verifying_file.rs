//! Reading a file whose blocks (pages, log segments) are verified: the way of every byte that is shown.
//!
//! ```text
//! buf       |..part..|  block  |  block  |  block  |..part..|
//!            edge      judged in the buffer itself   edge: from a copy of the whole block
//! ```
//!
//! A read at block boundaries is one pass over the buffer, in pieces that fit the processor's cache; nothing is
//! allocated and no lock is taken.

use super::block_file::BlockFile;
use crate::backup::BackupFile;
use crate::error::JetResult;
use crate::format::PageSize;
use lru::LruCache;
use parking_lot::Mutex;
use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;

/// How the blocks of a file are judged.
pub(crate) trait Blocks: Send + Sync + Debug {
    /// Bytes of a block; blocks lie at its multiples.
    fn block_len(&self) -> usize;

    /// How many bytes from the start of the file are judged: a multiple of the block length.
    fn judged_len(&self) -> u64;

    /// Judges block `index` in place: repairs it, lets it pass, or refuses it.
    fn judge(&self, file: &dyn BlockFile, index: u64, block: &mut [u8]) -> JetResult<()>;

    /// Judges what comes after the last block that is judged.
    fn judge_rest(&self, _file: &dyn BlockFile) -> JetResult<()> {
        Ok(())
    }
}

/// Blocks kept for reads that begin or end within one.
const EDGES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// Bytes that [`BackupFile::verify`] reads at a time: whole blocks of every size.
const VERIFY_LEN: usize = 1 << 20;

/// Bytes that are read and then judged at a time, so that they are still in the processor's cache: whole blocks of
/// every size.
const PIECE_LEN: usize = 128 << 10;

/// A file of verified blocks.
#[derive(Debug)]
pub(crate) struct VerifyingFile<B> {
    file: Box<dyn BlockFile>,
    blocks: B,
    page_size: PageSize,
    trust_source: bool,
    edges: Mutex<LruCache<u64, Box<[u8]>>>,
}

impl<B: Blocks> VerifyingFile<B> {
    pub(crate) fn new(
        file: impl BlockFile + 'static,
        blocks: B,
        page_size: PageSize,
        trust_source: bool,
    ) -> Self {
        VerifyingFile {
            file: Box::new(file),
            blocks,
            page_size,
            trust_source,
            edges: Mutex::new(LruCache::new(EDGES)),
        }
    }

    fn judge(&self, bytes: &mut [u8], mut offset: u64) -> JetResult<()> {
        let block_len = self.blocks.block_len();
        let judged = self.blocks.judged_len().saturating_sub(offset);
        let judged = usize::try_from(judged).unwrap_or(usize::MAX).min(bytes.len());
        if judged < bytes.len() {
            self.blocks.judge_rest(&*self.file)?;
        }
        let mut bytes = bytes.get_mut(..judged).unwrap_or_default();
        while !bytes.is_empty() {
            let index = offset / block_len as u64;
            let within = usize::try_from(offset % block_len as u64).unwrap_or(0);
            let (part, rest) = bytes.split_at_mut((block_len - within).min(bytes.len()));
            offset += part.len() as u64;
            if part.len() == block_len {
                self.blocks.judge(&*self.file, index, part)?;
            } else {
                self.copy_from_block(part, index, within)?;
            }
            bytes = rest;
        }
        Ok(())
    }

    /// Fills `part` with the bytes at `within` of a verified block.
    fn copy_from_block(&self, part: &mut [u8], index: u64, within: usize) -> JetResult<()> {
        if let Some(block) = self.edges.lock().get(&index) {
            copy(part, block, within);
            return Ok(());
        }
        let len = self.blocks.block_len();
        let mut block = vec![0; len].into_boxed_slice();
        self.file.read(&mut block, index * len as u64)?;
        self.blocks.judge(&*self.file, index, &mut block)?;
        copy(part, &block, within);
        self.edges.lock().put(index, block);
        Ok(())
    }
}

fn copy(part: &mut [u8], block: &[u8], within: usize) {
    if let Some(source) = block.get(within..within + part.len()) {
        part.copy_from_slice(source);
    }
}

impl<B: Blocks> BackupFile for VerifyingFile<B> {
    fn len(&self) -> u64 {
        self.file.len()
    }

    fn page_size(&self) -> PageSize {
        self.page_size
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        let mut done = 0;
        // Pieces end at multiples of their length in the file, so that no block is cut by our doing.
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = offset.saturating_add(done as u64);
            let within = usize::try_from(at % PIECE_LEN as u64).unwrap_or(0);
            let wanted = rest.len().min(PIECE_LEN - within);
            let piece = rest.get_mut(..wanted).unwrap_or_default();
            let read = self.file.read(piece, at)?;
            self.judge(piece.get_mut(..read).unwrap_or_default(), at)?;
            done += read;
            if read < wanted {
                break;
            }
        }
        Ok(done)
    }

    fn verify(&self) -> JetResult<()> {
        if self.file.is_verified() {
            return Ok(());
        }
        let mut buf = vec![0; VERIFY_LEN];
        let mut offset = 0;
        while offset < self.len() {
            offset += self.read_at(&mut buf, offset)? as u64;
        }
        self.file.set_verified();
        Ok(())
    }

    fn passthrough(&self) -> Option<BorrowedFd<'_>> {
        if self.trust_source {
            self.file.descriptor()
        } else {
            None
        }
    }
}

/// Nothing is judged: checkpoint, flush map, patch files, and logs that are not in use.
#[derive(Debug)]
pub(crate) struct Unjudged;

impl Blocks for Unjudged {
    fn block_len(&self) -> usize {
        PageSize::Kib4.bytes()
    }

    fn judged_len(&self) -> u64 {
        0
    }

    fn judge(&self, _file: &dyn BlockFile, _index: u64, _block: &mut [u8]) -> JetResult<()> {
        Ok(())
    }
}
