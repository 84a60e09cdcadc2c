//! Runs of pages, sorted and merged: what a tree owns.

use crate::format::Extent;

/// A set of pages as runs, each from its first to its last page.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct ExtentSet(Vec<(u32, u32)>);

impl ExtentSet {
    /// Adds the pages of an extent that ends after all that were added before. Those that were added already are left
    /// out; returns the pages that are new, if any.
    pub(super) fn push(&mut self, extent: Extent) -> Option<(u32, u32)> {
        if extent.count == 0 {
            return None;
        }
        let pages = extent.pages();
        let after = self.last().map_or(1, |last| last.saturating_add(1));
        let (first, last) = ((*pages.start()).max(after), *pages.end());
        if first > last {
            return None;
        }
        match self.0.last_mut() {
            Some((_, end)) if end.checked_add(1) == Some(first) => *end = last,
            _ => self.0.push((first, last)),
        }
        Some((first, last))
    }

    /// The last page.
    pub(super) fn last(&self) -> Option<u32> {
        self.0.last().map(|&(_, last)| last)
    }

    /// Whether the page is in the set.
    pub(super) fn contains(&self, pgno: u32) -> bool {
        self.run_of(pgno).is_some()
    }

    /// Whether all pages of a run are in the set.
    pub(super) fn contains_run(&self, (first, last): (u32, u32)) -> bool {
        self.run_of(first).is_some_and(|(_, end)| last <= end)
    }

    /// The runs.
    pub(super) fn runs(&self) -> &[(u32, u32)] {
        &self.0
    }

    fn run_of(&self, pgno: u32) -> Option<(u32, u32)> {
        let after = self.0.partition_point(|&(first, _)| first <= pgno);
        let run = after.checked_sub(1).and_then(|at| self.0.get(at)).copied();
        run.filter(|&(_, last)| pgno <= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_merged_and_what_is_there_already_is_left_out() {
        let mut set = ExtentSet::default();
        assert_eq!(set.push(Extent { last: 9, count: 3 }), Some((7, 9)));
        assert_eq!(set.push(Extent { last: 12, count: 5 }), Some((10, 12)));
        assert_eq!(set.push(Extent { last: 20, count: 1 }), Some((20, 20)));
        assert_eq!(set.push(Extent { last: 20, count: 2 }), None);
        assert_eq!(set.push(Extent { last: 30, count: 0 }), None);
        assert_eq!(set.runs(), [(7, 12), (20, 20)]);
        assert!(set.contains(7) && !set.contains(13) && set.contains(20) && !set.contains(21));
        assert!(set.contains_run((8, 12)) && !set.contains_run((12, 20)));
    }
}
