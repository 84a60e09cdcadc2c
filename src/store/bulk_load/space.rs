//! The pages that a tree owns, and the owned-extents and available-extents trees that say so
//! (database-file.md section 5).

use super::page_file::{PageFile, TreeIdentity};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{Extent, FreeSpace, PageFlags, PageWriter, SpaceFlags, SpaceHeader, SplitBuffer};
use std::collections::VecDeque;

/// Pages of the first extent of a tree that grows beside another.
const FIRST_EXTENT: u32 = 16;

/// How many pages a tree takes from the file at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Growth {
    /// One by one: nothing else grows meanwhile.
    Single,
    /// In runs of a quarter of what it has, so that few extents describe it however large it becomes.
    Runs,
}

/// The pages of a tree while it is written.
#[derive(Debug)]
pub(super) struct Space {
    owned: Vec<Extent>,
    spare: VecDeque<u32>,
    growth: Growth,
}

impl Space {
    /// A tree that owns `first..=last`, of which those from `spare` on are not yet used.
    pub(super) fn new(first: u32, last: u32, spare: u32, growth: Growth) -> Self {
        Space {
            owned: vec![Extent {
                last,
                count: last - first + 1,
            }],
            spare: (spare..=last).collect(),
            growth,
        }
    }

    /// A new tree at the end of the file: root page and its two space trees; returns the root page too.
    pub(super) fn create(file: &mut PageFile, growth: Growth) -> JetResult<(u32, Self)> {
        let count = match growth {
            Growth::Single => 3,
            Growth::Runs => FIRST_EXTENT,
        };
        let root = file.allocate(count)?;
        Ok((root, Space::new(root, root + count - 1, root + 3, growth)))
    }

    /// A page for the tree.
    pub(super) fn take(&mut self, file: &mut PageFile) -> JetResult<u32> {
        if let Some(pgno) = self.spare.pop_front() {
            return Ok(pgno);
        }
        let count = match self.growth {
            Growth::Single => 1,
            Growth::Runs => (self.owned_count() / 4).max(FIRST_EXTENT),
        };
        let first = file.allocate(count)?;
        self.own(first, first + count - 1);
        self.spare.extend(first + 1..first + count);
        Ok(first)
    }

    fn own(&mut self, first: u32, last: u32) {
        match self.owned.last_mut() {
            Some(extent) if extent.last + 1 == first => {
                extent.count += last - extent.last;
                extent.last = last;
            }
            _ => self.owned.push(Extent {
                last,
                count: last - first + 1,
            }),
        }
    }

    fn owned_count(&self) -> u32 {
        self.owned.iter().map(|extent| extent.count).sum()
    }

    /// Takes over everything from the tree's root to the end of the file, which other trees got meanwhile from it.
    pub(super) fn own_everything_up_to(&mut self, last: u32) {
        if let Some(first) = self.owned.first_mut() {
            let start = first.last - first.count + 1;
            *first = Extent {
                last,
                count: last - start + 1,
            };
            self.owned.truncate(1);
        }
    }

    /// Lends the spare pages to `borrower`, which takes pages one by one.
    pub(super) fn lend_spare(&mut self, borrower: &mut Space) {
        borrower.spare.append(&mut self.spare);
    }

    /// Ends a loan: what `borrower` used of it is its own now, what it took from the file passes through `self`.
    pub(super) fn settle(&mut self, borrower: &mut Space, lent: (u32, u32)) {
        self.spare.append(&mut borrower.spare);
        let unused = u32::try_from(self.spare.len()).unwrap_or(0);
        let used_last = lent.1 - unused;
        let from_file = borrower.owned.split_off(1);
        if used_last >= lent.0 {
            borrower.own(lent.0, used_last);
        }
        for extent in from_file {
            borrower.owned.push(extent);
            self.own(extent.last - extent.count + 1, extent.last);
        }
    }

    /// The first spare page and the last one; `(1, 0)` if there is none.
    pub(super) fn spare_range(&self) -> (u32, u32) {
        match (self.spare.front(), self.spare.back()) {
            (Some(&first), Some(&last)) => (first, last),
            _ => (1, 0),
        }
    }

    /// The space header of the tree, whose space trees stand right behind its root.
    pub(super) fn header(&self, tree: TreeIdentity, parent: u32) -> SpaceHeader {
        let mut flags = SpaceFlags::MULTIPLE_EXTENT;
        flags.set(
            SpaceFlags::NON_UNIQUE,
            tree.kind.contains(PageFlags::NON_UNIQUE_KEYS),
        );
        SpaceHeader {
            primary: self.owned.first().map_or(0, |extent| extent.count),
            parent,
            flags,
            free: FreeSpace::OwnedExtents(tree.root + 1),
        }
    }

    /// Writes both space trees, behind the root.
    pub(super) fn write_trees(&self, file: &PageFile, tree: TreeIdentity) -> JetResult<()> {
        let mut available: Vec<Extent> = Vec::new();
        for &pgno in &self.spare {
            match available.last_mut() {
                Some(extent) if extent.last + 1 == pgno => {
                    extent.last = pgno;
                    extent.count += 1;
                }
                _ => available.push(Extent { last: pgno, count: 1 }),
            }
        }
        write_space_tree(file, tree, tree.root + 1, &self.owned)?;
        write_space_tree(file, tree, tree.root + 2, &available)
    }
}

/// Writes a space tree of one page. Extents grow so that one is always enough.
pub(super) fn write_space_tree(
    file: &PageFile,
    tree: TreeIdentity,
    pgno: u32,
    extents: &[Extent],
) -> JetResult<()> {
    let mut extents = extents.to_vec();
    extents.sort_unstable_by_key(|extent| extent.last);
    let mut page = PageWriter::new(file.size(), &[0; SplitBuffer::LEN]);
    for extent in extents.iter().filter(|extent| extent.count > 0) {
        if !page.push_node(&extent.last.to_be_bytes(), &extent.count.to_le_bytes()) {
            let what = "more extents than a page of a space tree holds";
            return Err(JetError::rule(JetErr::InternalError, what).on_page(pgno));
        }
    }
    let place = PageFlags::ROOT | PageFlags::LEAF | PageFlags::SPACE_TREE;
    file.write(page, pgno, tree, place, (0, 0))
}
