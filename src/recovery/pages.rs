//! What the replay of a record wants from the pages of its database (log-and-recovery.md section 6.4).

use crate::error::JetResult;
use crate::format::{PageBuffer, PageSize};

/// A change of a page that a record tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageChange {
    /// The page.
    pub page: u32,
    /// What it gets.
    pub dbtime: u64,
    /// What it must have had; [`DBTIME_NIL`](crate::format::log_record::DBTIME_NIL) if the record does not say.
    pub dbtime_before: u64,
}

/// What is to be done with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The page is older: apply it.
    Apply,
    /// The page has it already.
    Newer,
    /// The page is not there, or is no longer what it was, and a later record must explain why: pass over it.
    Withheld,
}

/// The pages of one database while its log is replayed.
pub trait RedoPages {
    /// The page size.
    fn page_size(&self) -> PageSize;

    /// Whether an existing page needs this change.
    ///
    /// # Errors
    /// `JET_errReadVerifyFailure`, `JET_errDbTimeTooOld`, `JET_errDbTimeTooNew`, `JET_errDbTimeBeyondMaxRequired`, and
    /// where a page may not be missing those of a missing one.
    fn decide(&mut self, change: PageChange) -> JetResult<Decision>;

    /// Whether a page that a record makes from nothing must be made: it is missing, blank, or older than `dbtime`.
    /// Also ends what was withheld for the page.
    ///
    /// # Errors
    /// The page cannot be read.
    fn decide_new(&mut self, page: u32, dbtime: u64) -> JetResult<bool>;

    /// The page, to be looked at or changed in place.
    ///
    /// # Errors
    /// It is not there, blank, or damaged.
    fn page(&mut self, page: u32) -> JetResult<&mut PageBuffer>;

    /// Takes a page out, for changes that concern several at once. It must be put back with [`put`](Self::put), but not
    /// after an error: then the replay ends.
    ///
    /// # Errors
    /// Those of [`page`](Self::page).
    fn take(&mut self, page: u32) -> JetResult<PageBuffer>;

    /// Puts a page in: one that was taken, or a new one.
    fn put(&mut self, page: PageBuffer);
}
