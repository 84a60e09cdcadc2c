//! Pages of a frozen database as they were on disk when it was frozen (design: frozen mode).
//!
//! ```text
//! writer   image ──> temporary file ── its place ──> map ── the page is overwritten
//! reader   page <── database file, then the map: if it has a place, page <── temporary file
//! ```
//!
//! A reader that finds no place in the map read the page before it was overwritten. What cannot be kept is lost to the
//! readers, who hear of it; the engine goes on.

use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageSize;
use crate::io::File;
use crate::store::SpillDirectory;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// Pages that are kept with one write.
const AT_ONCE: usize = 256;

/// Where pages are kept, and what must not be taken there.
#[derive(Debug, Clone)]
pub(crate) struct KeptRoom {
    pub(crate) directory: SpillDirectory,
    /// Bytes that stay free, for the log.
    pub(crate) spare: u64,
}

/// The pages that were overwritten since.
#[derive(Debug)]
pub(crate) struct KeptImages {
    page_size: PageSize,
    page_last: u32,
    file: Arc<dyn File>,
    room: KeptRoom,
    kept: RwLock<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Of each page, where in the temporary file it is, in pages.
    places: HashMap<u32, u64>,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    code: JetErr,
    what: String,
}

impl KeptRoom {
    /// Whether there is room for so many bytes more.
    fn check(&self, bytes: u64) -> JetResult<()> {
        let SpillDirectory { fs, directory } = &self.directory;
        let available = fs.available(directory);
        let available =
            available.map_err(|error| JetError::io("ask for free space", error).in_file(directory))?;
        if available < self.spare.saturating_add(bytes) {
            let what = format!("only {available} bytes are free, which the log may need");
            return Err(JetError::rule(JetErr::DiskFull, what).in_file(directory));
        }
        Ok(())
    }
}

impl KeptImages {
    /// Of a database whose last page is `page_last`; nothing is kept yet.
    ///
    /// # Errors
    /// The temporary file cannot be made.
    pub(crate) fn new(page_size: PageSize, page_last: u32, room: &KeptRoom) -> JetResult<Self> {
        Ok(KeptImages {
            page_size,
            page_last,
            file: room.directory.create()?,
            room: room.clone(),
            kept: RwLock::default(),
        })
    }

    /// Keeps the images that `database` has of pages that are about to be overwritten, unless they are kept already. One
    /// writer at a time. If it fails, every read fails from now on.
    pub(crate) fn keep(&self, database: &dyn File, pages: impl IntoIterator<Item = u32>) {
        let mut wanted = self.wanted(pages);
        wanted.sort_unstable();
        for pages in wanted.chunks(AT_ONCE) {
            if let Err(error) = self.keep_some(database, pages) {
                tracing::warn!(%error, "a page cannot be kept: the backup of the database ends");
                let failure = Failure {
                    code: error.code(),
                    what: error.to_string(),
                };
                self.kept.write().failure.get_or_insert(failure);
                return;
            }
        }
    }

    /// Replaces pages that were read from the file, the first of which is `first`, by those that are kept.
    ///
    /// # Errors
    /// A page could not be kept, or cannot be read.
    pub(crate) fn put_over(&self, pages: &mut [u8], first: u32) -> JetResult<()> {
        let len = self.page_size.bytes();
        for (page, place) in self.places(first, pages.len() / len)? {
            let page = pages.get_mut(page * len..(page + 1) * len).unwrap_or_default();
            let read = self.file.read_exact_at(page, place * len as u64);
            read.map_err(|error| JetError::io("read a kept page", error))?;
        }
        Ok(())
    }

    /// How many pages are kept.
    pub(crate) fn count(&self) -> usize {
        self.kept.read().places.len()
    }

    fn wanted(&self, pages: impl IntoIterator<Item = u32>) -> Vec<u32> {
        let kept = self.kept.read();
        if kept.failure.is_some() {
            return Vec::new();
        }
        let is_wanted = |pgno: &u32| *pgno <= self.page_last && !kept.places.contains_key(pgno);
        pages.into_iter().filter(is_wanted).collect()
    }

    fn keep_some(&self, database: &dyn File, pages: &[u32]) -> JetResult<()> {
        let len = self.page_size.bytes();
        self.room.check((pages.len() * len) as u64)?;
        let mut images = vec![0; pages.len() * len];
        let runs = pages.chunk_by(|before, after| before + 1 == *after);
        let mut rest = images.as_mut_slice();
        for run in runs {
            let (images, others) = rest.split_at_mut(run.len() * len);
            let first = run.first().copied().unwrap_or_default();
            // What is not there yet reads as zeros, as it would in the file.
            let read = database.read_full_at(images, self.page_size.offset_of(first));
            read.map_err(|error| JetError::io("read", error).on_page(first))?;
            rest = others;
        }
        // Nobody else keeps, so the place stays free.
        let place = self.count() as u64;
        let written = self.file.write_all_at(&images, place * len as u64);
        written.map_err(|error| JetError::io("keep pages in the temporary file", error))?;
        self.kept
            .write()
            .places
            .extend(pages.iter().copied().zip(place..));
        Ok(())
    }

    /// Of `count` pages from `first`, those that are kept: the number among them, and the place.
    fn places(&self, first: u32, count: usize) -> JetResult<Vec<(usize, u64)>> {
        let kept = self.kept.read();
        if let Some(failure) = &kept.failure {
            let what = format!(
                "pages that changed since the backup began could not be kept: {}",
                failure.what
            );
            return Err(JetError::rule(failure.code, what)
                .advise("Make room in the directory of temporary files, and begin a new backup."));
        }
        let place = |(number, pgno): (usize, u32)| kept.places.get(&pgno).map(|place| (number, *place));
        Ok((0..count).zip(first..).filter_map(place).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::{FileSystem, MemoryFileSystem, OpenMode, RealClock};
    use std::path::Path;

    const PAGES: u32 = 40;

    fn page(pgno: u32, version: u8) -> Vec<u8> {
        let mut page = vec![version; 4096];
        page[..4].copy_from_slice(&pgno.to_le_bytes());
        page
    }

    fn set_up() -> (Arc<dyn File>, KeptImages) {
        let fs = MemoryFileSystem::new(Arc::new(RealClock));
        fs.create_dir_all(Path::new("/d")).unwrap();
        let file = fs.open(Path::new("/d/db.edb"), OpenMode::CreateNew).unwrap();
        for pgno in 1..=PAGES {
            let offset = PageSize::Kib4.offset_of(pgno);
            file.write_all_at(&page(pgno, 0), offset).unwrap();
        }
        let directory = SpillDirectory {
            fs: Arc::new(fs),
            directory: "/d".into(),
        };
        let room = KeptRoom { directory, spare: 0 };
        let images = KeptImages::new(PageSize::Kib4, PAGES, &room).unwrap();
        (file, images)
    }

    fn overwrite(file: &dyn File, images: &KeptImages, pages: &[u32], version: u8) {
        images.keep(file, pages.iter().copied());
        for pgno in pages {
            let offset = PageSize::Kib4.offset_of(*pgno);
            file.write_all_at(&page(*pgno, version), offset).unwrap();
        }
    }

    #[test]
    fn readers_see_the_pages_as_they_were_however_often_they_are_overwritten() {
        let (file, images) = set_up();
        overwrite(&*file, &images, &[7, 3, 4, 5, 30], 1);
        overwrite(&*file, &images, &[40, 5, 6, PAGES + 1], 2);
        assert_eq!(images.count(), 7, "a page is kept once, and none behind the end");
        let mut read = vec![0; PAGES as usize * 4096];
        file.read_exact_at(&mut read, PageSize::Kib4.offset_of(1))
            .unwrap();
        images.put_over(&mut read, 1).unwrap();
        let expected: Vec<u8> = (1..=PAGES).flat_map(|pgno| page(pgno, 0)).collect();
        assert!(read == expected);
    }

    #[test]
    fn when_a_page_cannot_be_kept_readers_hear_of_it_and_nothing_else_is_kept() {
        let (file, mut images) = set_up();
        let fs = MemoryFileSystem::new(Arc::new(RealClock));
        fs.create_dir_all(Path::new("/d")).unwrap();
        drop(fs.open(Path::new("/d/x"), OpenMode::CreateNew).unwrap());
        images.file = fs.open(Path::new("/d/x"), OpenMode::ReadOnly).unwrap();
        images.keep(&*file, [3]);
        let error = images.put_over(&mut [0; 4096], 9).unwrap_err();
        assert!(error.to_string().contains("could not be kept"), "{error}");
        images.keep(&*file, [4]);
        assert_eq!(images.count(), 0);
    }
}
