//! The journal of a running engine: one file beside each attached database, which holds the last batch of pages that
//! was written into it.
//!
//! It has the layout of a [`PageJournal`](super::page_journal::PageJournal), with a sum of everything in its mark. So
//! one sync makes a batch durable: where a power cut leaves parts of two batches, the sum tells, and the batch counts
//! for nothing; no page of it was overwritten yet.
//!
//! A batch that is whole may have been written already. It is written once more only into a database with the header
//! that the batch repeats: so nobody changes the header between the sync of a batch and the sync of its pages in place.

use super::page_journal::{BUFFER_LEN, HEADER_AT, Mark, Sum, create, path_of, sync, sync_names};
use super::page_runs::PageRuns;
use crate::error::{JetError, JetResult};
use crate::format::PageSize;
use crate::io::{File, FileSystem};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The journal of an attached database.
#[derive(Debug)]
pub(crate) struct BatchJournal {
    file: Arc<dyn File>,
    path: PathBuf,
    page_size: PageSize,
}

/// A page to be written, stamped.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StampedPage<'p> {
    /// Its number.
    pub(crate) pgno: u32,
    /// Its bytes, with their checksums.
    pub(crate) bytes: &'p [u8],
}

impl BatchJournal {
    /// An empty journal beside a database. The name is durable.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn create(fs: &dyn FileSystem, database: &Path, page_size: PageSize) -> JetResult<Self> {
        let path = path_of(database);
        let file = create(fs, &path).map_err(|error| error.in_file(&path))?;
        if let Err(error) = sync_names(fs, &path) {
            let _ = fs.remove(&path);
            return Err(error);
        }
        Ok(BatchJournal {
            file,
            path,
            page_size,
        })
    }

    /// Makes a batch durable here, and then in the database, whose header is `header` and stays so meanwhile. The
    /// numbers of the pages ascend.
    ///
    /// # Errors
    /// What the system says. After it nobody knows what is in the database: the batch must be written again by recovery.
    pub(crate) fn write(
        &self,
        database: &dyn File,
        header: &[u8],
        page_last: u32,
        pages: &[StampedPage<'_>],
    ) -> JetResult<()> {
        self.fill(header, page_last, pages)
            .map_err(|error| error.in_file(&self.path))?;
        write_in_place(database, self.page_size, pages)
    }

    /// Removes it: the last batch is durable in the database.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn remove(self, fs: &dyn FileSystem) -> JetResult<()> {
        let removed = fs.remove(&self.path);
        removed.map_err(|error| JetError::io("remove", error).in_file(&self.path))?;
        sync_names(fs, &self.path)
    }

    fn fill(&self, header: &[u8], page_last: u32, pages: &[StampedPage<'_>]) -> JetResult<()> {
        let mut sum = Sum::default();
        sum.add(header);
        for page in pages {
            sum.add(&head(page));
            sum.add(page.bytes);
        }
        let mark = Mark {
            page_size: self.page_size,
            page_last,
            count: pages.len() as u64,
            sum: Some(sum),
        };
        let mut buffer = mark.encode().to_vec();
        debug_assert_eq!(buffer.len() as u64, HEADER_AT);
        buffer.extend_from_slice(header);
        let mut at = 0;
        for page in pages {
            buffer.extend_from_slice(&head(page));
            buffer.extend_from_slice(page.bytes);
            if buffer.len() >= BUFFER_LEN {
                self.put(&buffer, at)?;
                at += buffer.len() as u64;
                buffer.clear();
            }
        }
        self.put(&buffer, at)?;
        sync(&*self.file)
    }

    fn put(&self, bytes: &[u8], at: u64) -> JetResult<()> {
        let written = self.file.write_all_at(bytes, at);
        written.map_err(|error| JetError::io("write", error).at_offset(at))
    }
}

/// What stands before a page.
fn head(page: &StampedPage<'_>) -> [u8; 8] {
    u64::from(page.pgno).to_le_bytes()
}

/// Writes pages into a database, and makes them durable there.
///
/// # Errors
/// What the system says.
pub(crate) fn write_in_place(
    database: &dyn File,
    page_size: PageSize,
    pages: &[StampedPage<'_>],
) -> JetResult<()> {
    let mut progress = |_| ();
    let mut runs = PageRuns::new(database, page_size, &mut progress);
    for page in pages {
        runs.push(page.pgno, page.bytes)?;
    }
    runs.flush()?;
    sync(database)
}

#[cfg(test)]
mod tests {
    use super::super::LockedSet;
    use super::*;
    use crate::format::checksum::stamp_page;
    use crate::format::{DatabaseHeader, DbState, Signature};
    use crate::io::{FaultFileSystem, MemoryFileSystem, OpenMode, Which, count_up};

    const SIZE: PageSize = PageSize::Kib4;
    const DATABASE: &str = "/a.edb";
    const PAGES: u32 = 9;

    fn page(pgno: u32, content: u8) -> Vec<u8> {
        let mut page = vec![content; SIZE.bytes()];
        page[..40].fill(0);
        stamp_page(&mut page, SIZE, pgno);
        page
    }

    fn header() -> Vec<u8> {
        let mut header = DatabaseHeader::new(SIZE, Signature::default()).unwrap();
        header.state = DbState::DirtyShutdown;
        header.encode()
    }

    fn database() -> FaultFileSystem {
        let memory = MemoryFileSystem::default();
        let mut bytes = header().repeat(2);
        (1..=PAGES).for_each(|pgno| bytes.extend(page(pgno, 1)));
        memory.write_file(DATABASE, &bytes).unwrap();
        FaultFileSystem::new(Arc::new(memory))
    }

    /// Two batches, each of pages that the other has, and of others.
    fn write(fs: &dyn FileSystem) -> JetResult<()> {
        let open = fs.open(Path::new(DATABASE), OpenMode::ReadWrite);
        let file = open.map_err(|error| JetError::io("open", error))?;
        let journal = BatchJournal::create(fs, Path::new(DATABASE), SIZE)?;
        for (content, pgnos) in [
            (2, vec![1, 2, 5, 9]),
            (3, vec![2, 3, 4, 5, 8]),
            (4, vec![1, 2, 9]),
        ] {
            let stamped: Vec<(u32, Vec<u8>)> = pgnos
                .into_iter()
                .map(|pgno| (pgno, page(pgno, content)))
                .collect();
            let pages: Vec<StampedPage<'_>> = stamped
                .iter()
                .map(|(pgno, bytes)| StampedPage { pgno: *pgno, bytes })
                .collect();
            journal.write(&*file, &header(), PAGES, &pages)?;
        }
        journal.remove(fs)
    }

    fn contents(fs: &dyn FileSystem) -> Vec<u8> {
        let file = fs.open(Path::new(DATABASE), OpenMode::ReadOnly).unwrap();
        let mut found = Vec::new();
        for pgno in 1..=PAGES {
            let mut bytes = vec![0; SIZE.bytes()];
            file.read_exact_at(&mut bytes, SIZE.offset_of(pgno)).unwrap();
            let content = bytes[100];
            assert!(bytes == page(pgno, content), "page {pgno} is torn: {content}");
            found.push(content);
        }
        found
    }

    #[test]
    fn after_a_power_cut_at_any_moment_every_batch_is_there_or_not_and_no_page_is_torn() {
        let states = [
            vec![1; 9],
            vec![2, 2, 1, 1, 2, 1, 1, 1, 2],
            vec![2, 3, 3, 3, 3, 1, 1, 3, 2],
            vec![4, 4, 3, 3, 3, 1, 1, 3, 4],
        ];
        for seed in 0..40 {
            count_up(|k| {
                let fs = database();
                fs.cut_power_at(k, Which::Changing, seed);
                let done = write(&fs).is_ok();
                let reached = fs.reached();
                if !reached {
                    fs.cut_power(seed).unwrap();
                }
                fs.restart();
                let set = LockedSet::lock(&fs, [Path::new(DATABASE)]).unwrap();
                set.finish_interrupted().unwrap();
                let found = contents(&fs);
                assert!(states.contains(&found), "seed {seed}, {k}: {found:?}");
                assert!(!done || found == states[3]);
                assert!(!LockedSet::is_interrupted(&fs, Path::new(DATABASE)));
                reached
            });
        }
    }

    #[test]
    fn a_database_may_have_torn_pages_only_while_a_batch_is_not_wholly_written() {
        let fs = database();
        let file = fs.open(Path::new(DATABASE), OpenMode::ReadWrite).unwrap();
        let journal = BatchJournal::create(&fs, Path::new(DATABASE), SIZE).unwrap();
        let is_interrupted = || LockedSet::is_interrupted(&fs, Path::new(DATABASE));
        assert!(!is_interrupted(), "an empty journal");
        let bytes = page(3, 7);
        let pages = [StampedPage {
            pgno: 3,
            bytes: &bytes,
        }];
        journal.write(&*file, &header(), PAGES, &pages).unwrap();
        assert!(!is_interrupted(), "the batch is in the database");
        file.write_all_at(&[9; 512], SIZE.offset_of(3) + 1024).unwrap();
        assert!(is_interrupted());
    }

    #[test]
    fn a_batch_is_not_written_into_a_database_that_was_replaced() {
        let fs = database();
        let file = fs.open(Path::new(DATABASE), OpenMode::ReadWrite).unwrap();
        let journal = BatchJournal::create(&fs, Path::new(DATABASE), SIZE).unwrap();
        let bytes = page(3, 7);
        let pages = [StampedPage {
            pgno: 3,
            bytes: &bytes,
        }];
        journal.write(&*file, &header(), PAGES, &pages).unwrap();
        let mut other = DatabaseHeader::new(SIZE, Signature::default()).unwrap();
        other.dbid = 3;
        file.write_all_at(&other.encode().repeat(2), 0).unwrap();
        file.write_all_at(&page(3, 1), SIZE.offset_of(3)).unwrap();
        drop(file);
        let set = LockedSet::lock(&fs, [Path::new(DATABASE)]).unwrap();
        assert!(set.finish_interrupted().unwrap().is_empty());
        assert_eq!(contents(&fs), vec![1; 9]);
    }
}
