//! The pages of a database that must not be written: what changes is kept beside it, in memory and, past a limit, in
//! a temporary file without a name.
//!
//! ```text
//!            page(pgno)
//!   recent pages ── changed pages that had to make room (temporary file) ── the database file, verified
//! ```

mod frozen;

pub use frozen::FrozenOverlay;

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{PageBuffer, PageSize, Verified, VerifiedPage};
use crate::io::{File, FileSystem, OpenMode};
use frozen::Place;
use lru::LruCache;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where changed pages go that have no room in memory.
#[derive(Debug, Clone)]
pub struct SpillDirectory {
    /// The files of the system.
    pub fs: Arc<dyn FileSystem>,
    /// The directory.
    pub directory: PathBuf,
}

/// The pages of a database, changed and unchanged.
#[derive(Debug)]
pub struct Overlay {
    base: Option<Arc<dyn File>>,
    path: PathBuf,
    page_size: PageSize,
    /// Last page that the base file has room for, or had before it was cut.
    last_in_base: u32,
    /// Last page that the file has room for; `None` without a file.
    last_in_file: Option<u32>,
    /// Last page of the database.
    last: u32,
    recent: LruCache<u32, Slot>,
    /// Most pages that are kept in memory.
    most: usize,
    changed: BTreeSet<u32>,
    spilled: Option<Spilled>,
    spill: SpillDirectory,
    repaired: BTreeSet<u32>,
    /// Pages of the file that were found to be blank.
    blank: HashSet<u32>,
}

#[derive(Debug)]
struct Slot {
    page: PageBuffer,
    changed: bool,
}

/// The temporary file, and where in it each page is.
#[derive(Debug)]
struct Spilled {
    file: Arc<dyn File>,
    places: HashMap<u32, u32>,
}

/// What is where a page should be.
#[derive(Debug)]
pub enum FoundPage<'a> {
    /// The page.
    Page(&'a mut PageBuffer),
    /// All zero: never written.
    Blank,
    /// The database is not that long.
    BeyondEnd,
}

impl Overlay {
    /// Pages over `base`, or over nothing; at most `memory` bytes of them are kept in memory.
    ///
    /// # Errors
    /// The file's length cannot be found out.
    pub fn new(
        base: Option<Arc<dyn File>>,
        path: &Path,
        page_size: PageSize,
        memory: usize,
        spill: SpillDirectory,
    ) -> JetResult<Overlay> {
        let base_last = match &base {
            None => None,
            Some(file) => {
                let stat = file.stat();
                let stat = stat.map_err(|error| JetError::io("stat", error).in_file(path))?;
                let pages = (stat.len / page_size.bytes_u64()).saturating_sub(2);
                Some(u32::try_from(pages).unwrap_or(u32::MAX))
            }
        };
        let last = base_last.unwrap_or(0);
        Ok(Overlay {
            base,
            path: path.to_path_buf(),
            page_size,
            last_in_base: last,
            last_in_file: base_last,
            last,
            recent: LruCache::unbounded(),
            most: (memory / page_size.bytes()).max(64),
            changed: BTreeSet::new(),
            spilled: None,
            spill,
            repaired: BTreeSet::new(),
            blank: HashSet::new(),
        })
    }

    /// What errors call the database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The page size.
    pub fn page_size(&self) -> PageSize {
        self.page_size
    }

    /// The last page that the database has room for.
    pub fn last_page(&self) -> u32 {
        self.last
    }

    /// Whether the file of the database has less or more pages than this, or some that were cut off meanwhile.
    pub fn is_resized(&self) -> bool {
        Some(self.last) != self.last_in_file || self.last_in_base < self.last
    }

    /// The file below, and its last page that counts; `None` for a database that only the log knows.
    pub fn base(&self) -> Option<(Arc<dyn File>, u32)> {
        let base = self.base.as_ref()?;
        Some((Arc::clone(base), self.last_in_base))
    }

    /// The pages that are not as the file has them, ascending.
    pub fn changed(&self) -> &BTreeSet<u32> {
        &self.changed
    }

    /// The pages from `first` to `last` that may be other than blank. However long a log has made the database, these are
    /// only the pages of the file and those that changed.
    pub fn written(&self, first: u32, last: u32) -> Vec<u32> {
        let in_file = first..=last.min(self.last_in_base);
        let behind = first.max(self.last_in_base.saturating_add(1));
        let changed = if behind <= last {
            Some(self.changed.range(behind..=last))
        } else {
            None
        };
        in_file.chain(changed.into_iter().flatten().copied()).collect()
    }

    /// Pages of the file in which one wrong bit was repaired while reading.
    pub fn repaired(&self) -> &BTreeSet<u32> {
        &self.repaired
    }

    /// Makes the database longer or shorter. Pages that are cut off are gone, even if it grows again.
    pub fn set_last_page(&mut self, last: u32) {
        if last < self.last {
            let gone: Vec<u32> = self.recent.iter().map(|(pgno, _)| *pgno).collect();
            for pgno in gone.into_iter().filter(|pgno| *pgno > last) {
                self.recent.pop(&pgno);
            }
            self.changed.split_off(&last.saturating_add(1));
            if let Some(spilled) = &mut self.spilled {
                spilled.places.retain(|pgno, _| *pgno <= last);
            }
            self.last_in_base = self.last_in_base.min(last);
        }
        self.last = last;
    }

    /// The page, to be looked at. Use [`page_to_change`](Self::page_to_change) to change it.
    ///
    /// # Errors
    /// The file cannot be read, or the page is damaged (`JET_errReadVerifyFailure`).
    pub fn page(&mut self, pgno: u32) -> JetResult<FoundPage<'_>> {
        if self.recent.len() > self.most {
            self.make_room()?;
        }
        if !self.recent.contains(&pgno) {
            match self.load(pgno)? {
                Loaded::Page(page, changed) => self.keep(page, changed)?,
                Loaded::Blank => return Ok(FoundPage::Blank),
                Loaded::BeyondEnd => return Ok(FoundPage::BeyondEnd),
            }
        }
        match self.recent.get_mut(&pgno) {
            Some(slot) => Ok(FoundPage::Page(&mut slot.page)),
            None => Ok(FoundPage::Blank),
        }
    }

    /// A page that was just looked at.
    ///
    /// # Errors
    /// It is not in memory.
    pub fn present(&self, pgno: u32) -> JetResult<&PageBuffer> {
        match self.recent.peek(&pgno) {
            Some(slot) => Ok(&slot.page),
            None => Err(self.place(JetError::rule(JetErr::InternalError, "is not in memory"), pgno)),
        }
    }

    /// The page, which will be another one than the file has.
    ///
    /// # Errors
    /// Those of [`page`](Self::page); `JET_errPageNotInitialized` or `JET_errFileIOBeyondEOF` if there is none.
    pub fn page_to_change(&mut self, pgno: u32) -> JetResult<&mut PageBuffer> {
        let missing = match self.page(pgno)? {
            FoundPage::Page(_) => None,
            FoundPage::Blank => Some((JetErr::PageNotInitialized, "was never written")),
            FoundPage::BeyondEnd => Some((JetErr::FileIOBeyondEOF, "is beyond the end of the file")),
        };
        if let Some((code, what)) = missing {
            return Err(self.place(JetError::rule(code, what), pgno));
        }
        let path = &self.path;
        let Some(slot) = self.recent.get_mut(&pgno) else {
            let error = JetError::rule(JetErr::PageNotInitialized, "is in use by the same change");
            return Err(error.in_file(path).on_page(pgno));
        };
        if !slot.changed {
            // As the engine does: nothing is changed on a page that contradicts itself.
            let checked = slot.page.view().and_then(|page| page.check());
            checked.map_err(|error| JetError::format(error).in_file(path).on_page(pgno))?;
            slot.changed = true;
            self.changed.insert(pgno);
        }
        Ok(&mut slot.page)
    }

    /// Takes a page out, to be put back changed.
    ///
    /// # Errors
    /// Those of [`page_to_change`](Self::page_to_change).
    pub fn take(&mut self, pgno: u32) -> JetResult<PageBuffer> {
        self.page_to_change(pgno)?;
        match self.recent.pop(&pgno) {
            Some(slot) => Ok(slot.page),
            None => Err(self.place(JetError::rule(JetErr::InternalError, "vanished"), pgno)),
        }
    }

    /// Puts a page in that was taken, or a new one. The database becomes long enough for it.
    pub fn put(&mut self, page: PageBuffer) {
        let pgno = page.pgno();
        self.last = self.last.max(pgno);
        self.changed.insert(pgno);
        self.recent.put(pgno, Slot { page, changed: true });
    }

    /// Gives a page that was read ahead and verified; of no use if the page is here already.
    ///
    /// # Errors
    /// There is no room, and the temporary file cannot be written.
    pub fn offer(&mut self, page: VerifiedPage) -> JetResult<()> {
        let pgno = page.pgno();
        if self.recent.contains(&pgno) || self.changed.contains(&pgno) || pgno > self.last_in_base {
            return Ok(());
        }
        self.keep(page.into(), false)
    }

    /// Ends the changing: the pages as a reader of the recovered database sees them. Changed pages get their checksums,
    /// and no part of their free space is kept for a rollback any more.
    ///
    /// # Errors
    /// The temporary file cannot be read or written.
    pub fn freeze(mut self) -> JetResult<FrozenOverlay> {
        let mut pages = BTreeMap::new();
        let slots = std::mem::replace(&mut self.recent, LruCache::unbounded());
        for (pgno, slot) in slots.into_iter().filter(|(_, slot)| slot.changed) {
            pages.insert(pgno, Place::Memory(settled(slot.page)));
        }
        for pgno in std::mem::take(&mut self.changed) {
            if pages.contains_key(&pgno) {
                continue;
            }
            // One that was taken when an error came, and never put back, is as the file has it.
            let Loaded::Page(page, true) = self.load(pgno)? else {
                continue;
            };
            let place = self.write_settled(pgno, &settled(page))?;
            pages.insert(pgno, Place::Spilled(place));
        }
        let still_there = self.last.min(self.last_in_file.unwrap_or(0));
        for pgno in self.last_in_base.saturating_add(1)..=still_there {
            pages.entry(pgno).or_insert(Place::Blank);
        }
        Ok(FrozenOverlay {
            base: self.base,
            path: self.path,
            page_size: self.page_size,
            last_in_base: self.last_in_base,
            last: self.last,
            pages,
            spilled: self.spilled.map(|spilled| spilled.file),
        })
    }

    /// Writes the final form of a page back to its place in the temporary file.
    fn write_settled(&self, pgno: u32, page: &VerifiedPage) -> JetResult<u64> {
        let Some((spilled, place)) = self
            .spilled
            .as_ref()
            .and_then(|spilled| Some((spilled, *spilled.places.get(&pgno)?)))
        else {
            return Err(self.place(JetError::rule(JetErr::InternalError, "is in no place"), pgno));
        };
        let offset = u64::from(place) * self.page_size.bytes_u64();
        let written = spilled.file.write_all_at(page.bytes(), offset);
        written.map_err(|error| {
            JetError::io("write a changed page to the temporary file in", error)
                .in_file(&self.spill.directory)
        })?;
        Ok(offset)
    }

    /// `error`, found on page `pgno`, with its place.
    pub fn place(&self, error: JetError, pgno: u32) -> JetError {
        error
            .in_file(&self.path)
            .on_page(pgno)
            .at_offset(self.page_size.offset_of(pgno))
    }

    /// Says that a page of the file was found to be blank.
    pub fn offer_blank(&mut self, pgno: u32) {
        self.blank.insert(pgno);
    }

    fn keep(&mut self, page: PageBuffer, changed: bool) -> JetResult<()> {
        self.make_room()?;
        self.recent.put(page.pgno(), Slot { page, changed });
        Ok(())
    }

    fn make_room(&mut self) -> JetResult<()> {
        while self.recent.len() >= self.most {
            let Some((pgno, slot)) = self.recent.pop_lru() else {
                return Ok(());
            };
            if slot.changed {
                self.write_spilled(pgno, slot.page)?;
            }
        }
        Ok(())
    }

    fn write_spilled(&mut self, pgno: u32, page: PageBuffer) -> JetResult<()> {
        if self.spilled.is_none() {
            self.spilled = Some(Spilled {
                file: self.spill.create()?,
                places: HashMap::new(),
            });
        }
        let Some(spilled) = &mut self.spilled else {
            return Ok(());
        };
        let free = u32::try_from(spilled.places.len()).unwrap_or(u32::MAX);
        let place = *spilled.places.entry(pgno).or_insert(free);
        let offset = u64::from(place) * self.page_size.bytes_u64();
        let page = page.into_verified();
        let written = spilled.file.write_all_at(page.bytes(), offset);
        written.map_err(|error| {
            JetError::io("write a changed page to the temporary file in", error)
                .in_file(&self.spill.directory)
        })
    }

    fn load(&mut self, pgno: u32) -> JetResult<Loaded> {
        if pgno == 0 {
            let what = "a page refers to page 0, which does not exist";
            return Err(JetError::rule(JetErr::DatabaseCorrupted, what).in_file(&self.path));
        }
        let mut bytes = vec![0; self.page_size.bytes()];
        let place = self.spilled.as_ref().and_then(|spilled| {
            let place = *spilled.places.get(&pgno)?;
            Some((
                Arc::clone(&spilled.file),
                u64::from(place) * self.page_size.bytes_u64(),
            ))
        });
        let changed = place.is_some();
        let (file, offset) = match (place, &self.base) {
            (Some(place), _) => place,
            (None, Some(_)) if self.blank.contains(&pgno) && pgno <= self.last => return Ok(Loaded::Blank),
            (None, Some(base)) if pgno <= self.last_in_base => {
                (Arc::clone(base), self.page_size.offset_of(pgno))
            }
            _ if pgno <= self.last => return Ok(Loaded::Blank),
            _ => return Ok(Loaded::BeyondEnd),
        };
        let read = file.read_exact_at(&mut bytes, offset);
        read.map_err(|error| self.place(JetError::io("read", error), pgno))?;
        let verified = VerifiedPage::verify(bytes, self.page_size, pgno);
        match verified.map_err(|error| self.place(JetError::format(error), pgno))? {
            Verified::Good(page) => Ok(Loaded::Page(page.into(), changed)),
            Verified::Repaired { page, bit } => {
                tracing::warn!(file = %self.path.display(), page = pgno, bit, "one wrong bit repaired");
                self.repaired.insert(pgno);
                Ok(Loaded::Page(page.into(), changed))
            }
            Verified::Uninitialised => Ok(Loaded::Blank),
        }
    }
}

/// A page when all transactions have ended.
fn settled(mut page: PageBuffer) -> VerifiedPage {
    page.set_uncommitted_free(0);
    page.into_verified()
}

enum Loaded {
    Page(PageBuffer, bool),
    Blank,
    BeyondEnd,
}

impl SpillDirectory {
    /// A file that nobody else sees and that is gone when it is closed.
    ///
    /// # Errors
    /// The directory is not there, or nothing can be made in it.
    pub fn create(&self) -> JetResult<Arc<dyn File>> {
        const ATTEMPTS: u32 = 1000;
        let mut last = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        for number in 0..ATTEMPTS {
            let name = format!(".jetfs-{}-{number}.pages", std::process::id());
            let path = self.directory.join(name);
            match self.fs.open(&path, OpenMode::CreateNew) {
                Ok(file) => {
                    let removed = self.fs.remove(&path);
                    removed.map_err(|error| JetError::io("remove", error).in_file(&path))?;
                    return Ok(file);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => last = error,
                Err(error) => {
                    return Err(JetError::io("create a temporary file in", error).in_file(&self.directory));
                }
            }
        }
        Err(JetError::io("create a temporary file in", last).in_file(&self.directory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::MemoryFileSystem;

    fn overlay(memory: usize) -> Overlay {
        let fs = MemoryFileSystem::new(Arc::new(crate::io::RealClock));
        fs.create_dir_all(Path::new("/spill")).unwrap();
        let spill = SpillDirectory {
            fs: Arc::new(fs),
            directory: "/spill".into(),
        };
        Overlay::new(None, Path::new("/db.edb"), PageSize::Kib4, memory, spill).unwrap()
    }

    fn page(pgno: u32, dbtime: u64) -> PageBuffer {
        let mut page = PageBuffer::blank(PageSize::Kib4, pgno);
        page.set_dbtime(dbtime);
        page
    }

    #[test]
    fn changed_pages_survive_when_there_is_no_room_for_them_in_memory() {
        let mut overlay = overlay(0);
        for pgno in 1..=500 {
            overlay.put(page(pgno, u64::from(pgno) + 7));
            overlay.make_room().unwrap();
        }
        for pgno in (1..=500).rev() {
            let changed = overlay.page_to_change(pgno).unwrap();
            assert_eq!(changed.dbtime(), u64::from(pgno) + 7);
            changed.set_dbtime(9);
        }
        for pgno in 1..=500 {
            let FoundPage::Page(found) = overlay.page(pgno).unwrap() else {
                panic!("page {pgno}")
            };
            assert_eq!(found.dbtime(), 9);
        }
        assert!(overlay.recent.len() <= overlay.most && overlay.changed().len() == 500);
    }

    #[test]
    fn a_database_that_grows_page_by_page_does_not_fill_the_memory() {
        let mut overlay = overlay(0);
        for pgno in 1..=500 {
            overlay.put(page(pgno, 1));
            overlay.page_to_change(pgno).unwrap();
        }
        assert!(
            overlay.recent.len() <= overlay.most + 1,
            "{}",
            overlay.recent.len()
        );
        assert_eq!(overlay.freeze().unwrap().changed().count(), 500);
    }

    #[test]
    fn a_page_that_an_error_kept_from_being_put_back_is_as_the_file_has_it() {
        let mut overlay = overlay(0);
        (1..=2).for_each(|pgno| overlay.put(page(pgno, 1)));
        overlay.take(2).unwrap();
        let frozen = overlay.freeze().unwrap();
        assert_eq!(frozen.changed().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_database_that_was_cut_and_grows_again_has_blank_pages() {
        let mut overlay = overlay(0);
        (1..=200).for_each(|pgno| overlay.put(page(pgno, 1)));
        overlay.set_last_page(100);
        assert!(matches!(overlay.page(101).unwrap(), FoundPage::BeyondEnd));
        overlay.set_last_page(200);
        assert!(matches!(overlay.page(101).unwrap(), FoundPage::Blank));
        assert!(matches!(overlay.page(100).unwrap(), FoundPage::Page(_)));
        assert_eq!(overlay.changed().len(), 100);
    }

    #[test]
    fn pages_that_were_cut_off_and_came_back_are_written_as_blank_ones() {
        let fs = MemoryFileSystem::new(Arc::new(crate::io::RealClock));
        let mut bytes = vec![0; 2 * 4096];
        (1..=5).for_each(|pgno| bytes.extend(page(pgno, 9).into_verified().bytes()));
        let path = Path::new("/db.edb");
        fs.write_file(path, &bytes).unwrap();
        let file = fs.open(path, OpenMode::ReadOnly).unwrap();
        let spill = SpillDirectory {
            fs: Arc::new(fs),
            directory: "/".into(),
        };
        let mut overlay = Overlay::new(Some(file), path, PageSize::Kib4, 0, spill).unwrap();
        overlay.set_last_page(2);
        overlay.set_last_page(8);
        overlay.put(page(4, 10));
        let frozen = overlay.freeze().unwrap();
        assert_eq!(frozen.changed().collect::<Vec<_>>(), [3, 4, 5]);
        let mut read = [1; 4096];
        frozen.read_page(5, &mut read).unwrap();
        assert_eq!(read, [0; 4096]);
        assert!(!frozen.in_base(5) && frozen.in_base(2));
    }

    #[test]
    fn a_database_that_was_only_cut_has_another_length_than_its_file() {
        let fs = MemoryFileSystem::new(Arc::new(crate::io::RealClock));
        fs.write_file(Path::new("/db.edb"), &[0; 7 * 4096]).unwrap();
        let file = fs.open(Path::new("/db.edb"), OpenMode::ReadOnly).unwrap();
        let spill = SpillDirectory {
            fs: Arc::new(fs),
            directory: "/".into(),
        };
        let path = Path::new("/db.edb");
        let mut overlay = Overlay::new(Some(file), path, PageSize::Kib4, 0, spill).unwrap();
        assert!(!overlay.is_resized());
        overlay.set_last_page(3);
        assert!(overlay.is_resized());
        overlay.set_last_page(5);
        assert!(overlay.is_resized(), "two pages are others than before");
    }

    #[test]
    fn a_database_of_any_length_has_only_so_many_written_pages() {
        let mut overlay = overlay(0);
        overlay.put(page(5, 1));
        overlay.put(page(900, 1));
        overlay.set_last_page(u32::MAX);
        assert_eq!(overlay.written(1, u32::MAX), [5, 900]);
        assert_eq!(overlay.written(6, 899), [0; 0]);
    }

    #[test]
    fn a_page_that_is_taken_is_not_there_until_it_is_put_back() {
        let mut overlay = overlay(0);
        overlay.put(page(5, 1));
        let taken = overlay.take(5).unwrap();
        assert_eq!(overlay.take(5).unwrap_err().code(), JetErr::PageNotInitialized);
        overlay.put(taken);
        assert!(overlay.take(5).is_ok());
    }
}
