//! Pages that are not what a record expects, while a later record may still explain why
//! (log-and-recovery.md section 6.4: the redo maps).
//!
//! Inside of the required generations a file may already show the work of a later record: the database was cut, a page
//! was freed and made anew. Records for such a page are passed over until that later record comes. If it never comes,
//! the page was lost.

use crate::error::JetErr;
use crate::format::LogPosition;
use std::collections::BTreeMap;

/// The pages, each with the first record that was passed over.
#[derive(Debug, Default)]
pub(super) struct Withheld {
    pages: BTreeMap<u32, Reason>,
}

/// Why records are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reason {
    /// What it is, if nothing explains it.
    pub(super) code: JetErr,
    /// The first record.
    pub(super) first: LogPosition,
}

impl Withheld {
    /// A record for the page is passed over.
    pub(super) fn add(&mut self, page: u32, reason: Reason) {
        self.pages.entry(page).or_insert(reason);
    }

    /// The page is made anew: what was before no longer matters.
    pub(super) fn remove(&mut self, page: u32) {
        if !self.pages.is_empty() {
            self.pages.remove(&page);
        }
    }

    /// The database is cut behind `last`.
    pub(super) fn remove_behind(&mut self, last: u32) {
        self.pages.split_off(&last.saturating_add(1));
    }

    /// These pages were given back.
    pub(super) fn remove_range(&mut self, first: u32, count: u32) {
        let end = first.saturating_add(count);
        self.pages.retain(|page, _| !(first..end).contains(page));
    }

    /// A page that nothing has explained.
    pub(super) fn first(&self) -> Option<(u32, Reason)> {
        self.pages
            .first_key_value()
            .map(|(page, reason)| (*page, *reason))
    }
}
