//! Pages kept beside a database while they are written into it.
//!
//! A power cut may tear a page that is being overwritten, and then neither the old nor the new one is there, and redo
//! has nothing to begin from. So the new pages become durable here first:
//!
//! ```text
//! 0      512        + page size
//! | mark | header   | number, page | number, page | …
//! ```
//!
//! The header lies where no database has one, so that nobody takes the journal for a database.
//!
//! The mark, which fits into one sector, is written when all the rest is durable. A journal without it counts for
//! nothing: no page was overwritten yet. One with it is valid as long as the database still has the header that the
//! journal repeats: what is in it is written (again), and then the journal goes.

use super::page_runs::{PageRuns, check, file_len};
use super::{ChangedPages, contradiction};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::bytes::{Fields, put};
use crate::format::{PageSize, Structure};
use crate::io::{File, FileSystem, OpenMode};
use crate::store::read_database_header_page;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Behind the name of the database.
const SUFFIX: &str = ".jetfs-pages";

/// Whether a file is such a journal, by its name.
pub(in crate::recovery) fn is_journal(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(SUFFIX.as_bytes())
}
const MAGIC: [u8; 16] = *b"jetfs journal 1\n";
/// That of a journal whose mark was not written later than the rest.
const BATCH_MAGIC: [u8; 16] = *b"jetfs journal 2\n";
const MARK_LEN: usize = 512;
pub(super) const HEADER_AT: u64 = MARK_LEN as u64;
/// The page's number and four zeros.
const NUMBER_LEN: usize = 8;
/// Bytes that are written at once, at most.
pub(super) const BUFFER_LEN: usize = 1 << 20;

/// A complete journal.
#[derive(Debug)]
pub(super) struct PageJournal {
    file: Arc<dyn File>,
    path: PathBuf,
    mark: Mark,
}

/// What the mark says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) page_size: PageSize,
    pub(super) page_last: u32,
    /// How many pages there are.
    pub(super) count: u64,
    /// Of everything behind the mark, in the journal of a running engine: it was not written later than the rest.
    pub(super) sum: Option<Sum>,
}

impl PageJournal {
    /// Writes the journal of a database with this header, of which both copies are durable.
    pub(super) fn write(
        fs: &dyn FileSystem,
        database: &Path,
        header: &[u8],
        page_last: u32,
        pages: &dyn ChangedPages,
    ) -> JetResult<Self> {
        let path = path_of(database);
        let in_file = |error: JetError| error.in_file(&path);
        let page_size = size_of(header.len() as u64)?;
        let file = create(fs, &path).map_err(in_file)?;
        let mut journal = PageJournal {
            file,
            path: path.clone(),
            mark: Mark {
                page_size,
                page_last,
                count: 0,
                sum: None,
            },
        };
        journal.fill(header, pages).map_err(in_file)?;
        sync_names(fs, &path)?;
        journal.mark().map_err(in_file)?;
        Ok(journal)
    }

    /// The complete journal of a database; one that is not complete counts as none.
    pub(super) fn find(fs: &dyn FileSystem, database: &Path) -> JetResult<Option<Self>> {
        let path = path_of(database);
        let in_file = |error: JetError| error.in_file(&path);
        let file = match fs.open(&path, OpenMode::ReadOnly) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(in_file(JetError::io("open", error))),
        };
        let mut mark = [0; MARK_LEN];
        let found = file.read_full_at(&mut mark, 0);
        found.map_err(|error| in_file(JetError::io("read", error)))?;
        let fields = Fields::new(Structure::Page, &mark);
        let magic: [u8; 16] = fields.array(0)?;
        if ![MAGIC, BATCH_MAGIC].contains(&magic) || fields.u64(40)? != sum(&mark) {
            return Ok(None);
        }
        let batch_sum = Sum(fields.u64(32)?);
        let mark = Mark {
            page_size: size_of(fields.u32(16)?.into()).map_err(in_file)?,
            page_last: fields.u32(20)?,
            count: fields.u64(24)?,
            sum: (magic == BATCH_MAGIC).then_some(batch_sum),
        };
        let journal = PageJournal {
            mark,
            file,
            path: path.clone(),
        };
        Ok(Some(journal).filter(PageJournal::is_complete))
    }

    /// Whether everything is there. The mark of journals without a sum is written only then.
    fn is_complete(&self) -> bool {
        let Some(said) = self.mark.sum else {
            return true;
        };
        let mut sum = Sum::default();
        let mut header = vec![0; self.mark.page_size.bytes()];
        let header_read = self.read(&mut header, HEADER_AT);
        sum.add(&header);
        let pages_read = self.for_each(&mut |entry| {
            sum.add(entry);
            Ok(())
        });
        header_read.is_ok() && pages_read.is_ok() && sum == said
    }

    /// Gives every page to `take`, with its number before it.
    fn for_each(&self, take: &mut dyn FnMut(&[u8]) -> JetResult<()>) -> JetResult<()> {
        let page_len = self.mark.page_size.bytes();
        let entry_len = NUMBER_LEN + page_len;
        let at_once = (BUFFER_LEN / entry_len) as u64;
        let mut buffer = vec![0; BUFFER_LEN];
        let (mut at, mut left) = (HEADER_AT + page_len as u64, self.mark.count);
        while left > 0 {
            let entries = left.min(at_once);
            buffer.resize(usize::try_from(entries).unwrap_or(0) * entry_len, 0);
            self.read(&mut buffer, at)?;
            buffer.chunks_exact(entry_len).try_for_each(&mut *take)?;
            at += buffer.len() as u64;
            left -= entries;
        }
        Ok(())
    }

    /// Whether the journal was made for the database that has this header now.
    pub(super) fn belongs_to(&self, header: &[u8]) -> JetResult<bool> {
        let mut own = vec![0; self.mark.page_size.bytes()];
        self.read(&mut own, HEADER_AT)?;
        Ok(own == header)
    }

    /// Whether the database may have torn pages of it. A running engine keeps its journal when all pages of the batch
    /// have reached the database, or are about to.
    pub(super) fn is_needed(&self, database: &dyn File) -> JetResult<bool> {
        if self.mark.sum.is_none() {
            return Ok(true);
        }
        let header = read_database_header_page(database).unwrap_or_default();
        if !self.belongs_to(&header)? {
            return Ok(false);
        }
        let mut is_needed = false;
        let mut found = vec![0; self.mark.page_size.bytes()];
        self.for_each(&mut |entry| {
            let fields = Fields::new(Structure::Page, entry);
            let (pgno, page) = (fields.u32(0)?, fields.from(NUMBER_LEN)?);
            let read = database.read_exact_at(&mut found, self.mark.page_size.offset_of(pgno));
            is_needed |= read.is_err() || found != page;
            Ok(())
        })?;
        Ok(is_needed)
    }

    /// Writes the pages into the database, and makes them durable.
    pub(super) fn apply(&self, database: &dyn File, progress: &mut dyn FnMut(u64)) -> JetResult<()> {
        let page_size = self.mark.page_size;
        let len = file_len(self.mark.page_last, page_size);
        // A running engine lets the file grow without a batch.
        if self.mark.sum.is_none() || len_of(database)? < len {
            set_len(database, len)?;
        }
        let mut runs = PageRuns::new(database, page_size, progress);
        self.for_each(&mut |entry| {
            let fields = Fields::new(Structure::Page, entry);
            let (pgno, page) = (fields.u32(0)?, fields.from(NUMBER_LEN)?);
            check(pgno, page, page_size).map_err(|_| self.damaged())?;
            runs.push_checked(pgno, page)
        })?;
        runs.flush()?;
        sync(database)
    }

    /// Removes the journal: its pages are durable in the database.
    pub(super) fn remove(self, fs: &dyn FileSystem) -> JetResult<()> {
        let removed = fs.remove(&self.path);
        removed.map_err(|error| JetError::io("remove", error).in_file(&self.path))?;
        sync_names(fs, &self.path)
    }

    /// Everything but the mark, durable.
    fn fill(&mut self, header: &[u8], pages: &dyn ChangedPages) -> JetResult<()> {
        let file = Arc::clone(&self.file);
        let write = |bytes: &[u8], at: u64| {
            file.write_all_at(bytes, at)
                .map_err(|error| JetError::io("write", error).at_offset(at))
        };
        write(header, HEADER_AT)?;
        let mut at = HEADER_AT + header.len() as u64;
        let (mut buffer, mut last) = (Vec::new(), 0);
        pages.for_each(&mut |pgno, page| {
            check(pgno, page, self.mark.page_size)?;
            if pgno <= last || pgno > self.mark.page_last {
                return Err(contradiction("the pages to be written are not in order").on_page(pgno));
            }
            last = pgno;
            self.mark.count += 1;
            buffer.extend_from_slice(&pgno.to_le_bytes());
            buffer.extend_from_slice(&[0; 4]);
            buffer.extend_from_slice(page);
            if buffer.len() >= BUFFER_LEN {
                write(&buffer, at)?;
                at += buffer.len() as u64;
                buffer.clear();
            }
            Ok(())
        })?;
        write(&buffer, at)?;
        sync(&*self.file)
    }

    fn mark(&self) -> JetResult<()> {
        let written = self.file.write_all_at(&self.mark.encode(), 0);
        written.map_err(|error| JetError::io("write", error))?;
        sync(&*self.file)
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> JetResult<()> {
        let read = self.file.read_exact_at(buffer, at);
        read.map_err(|error| JetError::io("read", error).in_file(&self.path).at_offset(at))
    }

    fn damaged(&self) -> JetError {
        let what = "the pages that an interrupted recovery kept here are damaged";
        JetError::rule(JetErr::DatabaseCorrupted, what)
            .in_file(&self.path)
            .advise("Restore the set from its backup: the database may be half written.")
    }
}

/// Removes what is left of a journal that counts for nothing.
pub(super) fn remove_incomplete(fs: &dyn FileSystem, database: &Path) -> JetResult<()> {
    let path = path_of(database);
    match fs.remove(&path) {
        Ok(()) => sync_names(fs, &path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(JetError::io("remove", error).in_file(&path)),
    }
}

/// Where the journal of a database is.
pub(super) fn path_of(database: &Path) -> PathBuf {
    let mut name = database.file_name().unwrap_or_default().to_owned();
    name.push(SUFFIX);
    database.with_file_name(name)
}

/// An empty file. What was there before counts for nothing from now on.
pub(super) fn create(fs: &dyn FileSystem, path: &Path) -> JetResult<Arc<dyn File>> {
    match fs.open(path, OpenMode::ReadWrite) {
        Ok(file) => {
            set_len(&*file, 0)?;
            sync(&*file)?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let file = fs.open(path, OpenMode::CreateNew);
            file.map_err(|error| JetError::io("create", error))
        }
        Err(error) => Err(JetError::io("open", error)),
    }
}

fn size_of(bytes: u64) -> JetResult<PageSize> {
    Ok(PageSize::from_stored(u32::try_from(bytes).unwrap_or(u32::MAX))?)
}

impl Mark {
    /// The mark as it stands in the file.
    pub(super) fn encode(&self) -> [u8; MARK_LEN] {
        let mut mark = [0; MARK_LEN];
        let magic = if self.sum.is_some() { BATCH_MAGIC } else { MAGIC };
        put(&mut mark, 0, &magic);
        let size = u32::try_from(self.page_size.bytes()).unwrap_or(0);
        put(&mut mark, 16, &size.to_le_bytes());
        put(&mut mark, 20, &self.page_last.to_le_bytes());
        put(&mut mark, 24, &self.count.to_le_bytes());
        put(&mut mark, 32, &self.sum.map_or(0, |sum| sum.0).to_le_bytes());
        let sum = sum(&mark);
        put(&mut mark, 40, &sum.to_le_bytes());
        mark
    }
}

/// A sum of many bytes that tells any two contents apart that a power cut could leave, and is quick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sum(u64);

impl Sum {
    /// Adds bytes, whose length is a multiple of eight.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
        let (words, _) = bytes.as_chunks::<8>();
        for word in words {
            self.0 = (self.0.rotate_left(23) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR);
        }
    }
}

/// FNV-1a of what the mark says.
fn sum(mark: &[u8; MARK_LEN]) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let said = mark.iter().take(40);
    said.fold(BASIS, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(PRIME))
}

fn len_of(file: &dyn File) -> JetResult<u64> {
    Ok(file.stat().map_err(|error| JetError::io("stat", error))?.len)
}

pub(super) fn set_len(file: &dyn File, len: u64) -> JetResult<()> {
    if len_of(file)? == len {
        return Ok(());
    }
    file.set_len(len)
        .map_err(|error| JetError::io("set the length", error))
}

pub(super) fn sync(file: &dyn File) -> JetResult<()> {
    file.sync().map_err(|error| JetError::io("sync", error))
}

/// Makes the names in the directory of `path` durable.
pub(super) fn sync_names(fs: &dyn FileSystem, path: &Path) -> JetResult<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    fs.sync_dir(directory)
        .map_err(|error| JetError::io("sync the directory", error).in_file(directory))
}
