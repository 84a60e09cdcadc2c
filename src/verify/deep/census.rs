//! Which page is used, available, or lent: every page exactly once (database-file.md section 5.1).

use super::extent_set::ExtentSet;
use super::finding::FindingKind;
use super::page_bits::PageBits;
use super::{Check, TreeShape};

/// Who lends a tree its space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    /// Nobody: the system root owns all pages.
    System,
    /// The system root.
    Table,
    /// A table: its indexes and long values.
    Child,
}

/// The pages that a tree owns.
#[derive(Debug)]
pub(super) struct Territory {
    pub(super) rank: Rank,
    /// With those that are lent to others.
    pub(super) owned: ExtentSet,
}

/// What is known of every page.
#[derive(Debug)]
pub(super) struct Census {
    /// The last page that the database owns and the file has.
    pub(super) last: u32,
    /// Pages that a tree uses.
    pub(super) used: PageBits,
    /// Pages that are available to a tree.
    pub(super) available: PageBits,
    /// Pages that tables own.
    tables: PageBits,
    /// Pages that indexes and long value trees own.
    children: PageBits,
    /// Pages after the end of the file, kept for when it grows again.
    pub(super) shelved: ExtentSet,
}

impl Census {
    /// Nothing is known of the pages up to `last`.
    pub(super) fn new(last: u32) -> Self {
        Census {
            last,
            used: PageBits::new(last),
            available: PageBits::new(last),
            tables: PageBits::new(last),
            children: PageBits::new(last),
            shelved: ExtentSet::default(),
        }
    }

    /// Whether a tree of this rank has lent the page to another.
    fn is_lent(&self, rank: Rank, pgno: u32) -> bool {
        match rank {
            Rank::System => self.tables.contains(pgno),
            Rank::Table => self.children.contains(pgno),
            Rank::Child => false,
        }
    }

    /// Notes that a tree of this rank owns the page. False if another one does.
    fn own(&mut self, rank: Rank, pgno: u32) -> bool {
        match rank {
            Rank::System => true,
            Rank::Table => self.tables.insert(pgno),
            Rank::Child => self.children.insert(pgno),
        }
    }
}

impl Check<'_> {
    /// Notes that `tree` uses a page. False if it must not be followed: it is used already, or does not exist.
    pub(super) fn use_page(&mut self, tree: &TreeShape, pgno: u32, pointed_from: Option<u32>) -> bool {
        let from = pointed_from.map_or_else(String::new, |page| format!(" (page {page} points to it)"));
        let census = &mut self.census;
        if pgno == 0 || pgno > census.last {
            let what = format!("the database has no page {pgno}{from}");
            self.findings
                .add(FindingKind::NotOwned, pointed_from, &tree.name, what);
            return false;
        }
        if !census.used.insert(pgno) {
            let what = format!("the page is used twice{from}");
            self.findings
                .add(FindingKind::UsedTwice, Some(pgno), &tree.name, what);
            return false;
        }
        if census.available.contains(pgno) {
            let what = format!("the page is available, but used{from}");
            self.findings
                .add(FindingKind::AvailableInUse, Some(pgno), &tree.name, what);
        }
        true
    }

    /// A page that a tree uses must be its own, and not lent to another.
    pub(super) fn check_owner(&mut self, name: &str, territory: &Territory, pgno: u32) {
        let what = if !territory.owned.contains(pgno) {
            "the page is used, but not owned"
        } else if self.census.is_lent(territory.rank, pgno) {
            "the page is used, but lent to another tree"
        } else {
            return;
        };
        self.findings.add(FindingKind::NotOwned, Some(pgno), name, what);
    }

    /// Adds a run of pages that a tree owns: its lender must own it, and nobody else may have it.
    pub(super) fn own_run(&mut self, name: &str, rank: Rank, lender: Option<&Territory>, run: (u32, u32)) {
        let (first, last) = run;
        let is_shelved = self.census.shelved.contains_run(run);
        if last > self.census.last && !is_shelved {
            let what = format!(
                "pages {first} to {last} are owned, but the database ends after page {}",
                self.census.last
            );
            self.findings.add(FindingKind::NotOwned, Some(last), name, what);
        } else if lender.is_some_and(|lender| !lender.owned.contains_run(run)) && !is_shelved {
            let what =
                format!("pages {first} to {last} are owned, but not all of them by the tree that lends them");
            self.findings.add(FindingKind::NotOwned, Some(first), name, what);
        }
        for pgno in first..=last.min(self.census.last) {
            if self.census.available.contains(pgno) {
                let what =
                    format!("the page of the owned pages {first} to {last} is available to another tree");
                self.findings
                    .add(FindingKind::AvailableInUse, Some(pgno), name, what);
                return;
            }
            if !self.census.own(rank, pgno) {
                let what =
                    format!("the page of the owned pages {first} to {last} is owned by another tree, too");
                self.findings.add(FindingKind::OwnedTwice, Some(pgno), name, what);
                return;
            }
        }
    }

    /// Adds a run of pages that are available to a tree.
    pub(super) fn avail_run(&mut self, name: &str, territory: &Territory, (first, last): (u32, u32)) {
        if !territory.owned.contains_run((first, last)) {
            let what = format!("pages {first} to {last} are available, but not all of them are owned");
            self.findings.add(FindingKind::NotOwned, Some(first), name, what);
        }
        for pgno in first..=last.min(self.census.last) {
            if self.census.used.contains(pgno) {
                let what = format!("the page of the available pages {first} to {last} is in use");
                self.findings
                    .add(FindingKind::AvailableInUse, Some(pgno), name, what);
                return;
            }
            if !self.census.available.insert(pgno) {
                let what = format!("the page of the available pages {first} to {last} is available twice");
                self.findings
                    .add(FindingKind::AvailableTwice, Some(pgno), name, what);
                return;
            }
        }
    }

    /// Counts the pages of a territory that nobody uses and nobody can get, those that are lent left out.
    pub(super) fn find_leaks(&mut self, name: &str, territory: &Territory) {
        let census = &self.census;
        let is_leaked = |pgno: &u32| {
            let is_lent = territory.rank == Rank::System && census.is_lent(Rank::System, *pgno);
            !census.used.contains(*pgno) && !census.available.contains(*pgno) && !is_lent
        };
        let pages = territory.owned.runs().iter();
        let mut leaked = pages
            .flat_map(|&(first, last)| first..=last.min(census.last))
            .filter(is_leaked);
        let Some(first) = leaked.next() else { return };
        let more = leaked.count() as u64;
        self.counts.leaked += 1 + more;
        let what = match more {
            0 => "the page is owned, but neither used nor available".to_owned(),
            _ => format!("the page is owned, but neither used nor available, and so are {more} more"),
        };
        self.findings.add(FindingKind::Leaked, Some(first), name, what);
    }
}
