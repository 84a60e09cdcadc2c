//! Builds a B+ tree from nodes in key order, from the leaves up (database-file.md section 4).
//!
//! Of each level only the rightmost page is in memory. A level's page moves into the root if it is the only one.

use super::page_file::{PageFile, TreeIdentity};
use super::space::Space;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{PageFlags, PageWriter, SpaceHeader};
use std::cmp::Ordering;

/// A tree that grows to the right.
#[derive(Debug)]
pub(super) struct TreeWriter {
    tree: TreeIdentity,
    /// Leaf level first.
    levels: Vec<Level>,
    last: Option<(Vec<u8>, Vec<u8>)>,
}

/// The rightmost page of a level.
#[derive(Debug)]
struct Level {
    page: PageWriter,
    /// Its number, if its left sibling had to know it.
    pgno: Option<u32>,
    /// Its left sibling; leaves only.
    prev: u32,
    /// The key of its last node.
    last_key: Vec<u8>,
}

impl Level {
    fn new(file: &PageFile) -> Self {
        Level {
            page: PageWriter::new(file.size(), &[]),
            pgno: None,
            prev: 0,
            last_key: Vec::new(),
        }
    }
}

impl TreeWriter {
    pub(super) fn new(file: &PageFile, tree: TreeIdentity) -> Self {
        TreeWriter {
            tree,
            levels: vec![Level::new(file)],
            last: None,
        }
    }

    /// Appends a node. Errors: JET_errKeyDuplicate, and JET_errInvalidParameter for a key below the last one.
    pub(super) fn push(
        &mut self,
        file: &mut PageFile,
        space: &mut Space,
        key: Vec<u8>,
        data: Vec<u8>,
    ) -> JetResult<()> {
        let separator = match &self.last {
            None => Vec::new(),
            Some((last_key, last_data)) => {
                self.check_order(last_key, last_data, &key, &data)?;
                separator(last_key, last_data, &key, &data)
            }
        };
        if !self.push_to_leaf(&key, &data) {
            self.close_leaf(file, space, separator)?;
            if !self.push_to_leaf(&key, &data) {
                let what = "a record does not fit a page of this size";
                return Err(JetError::rule(JetErr::RecordTooBig, what));
            }
        }
        self.last = Some((key, data));
        Ok(())
    }

    fn check_order(&self, last_key: &[u8], last_data: &[u8], key: &[u8], data: &[u8]) -> JetResult<()> {
        let order = last_key.cmp(key);
        let order = if self.tree.kind.contains(PageFlags::NON_UNIQUE_KEYS) {
            order.then_with(|| last_data.cmp(data))
        } else {
            order
        };
        match order {
            Ordering::Less => Ok(()),
            Ordering::Equal => Err(JetError::rule(JetErr::KeyDuplicate, "a key stands twice")),
            Ordering::Greater => Err(JetError::rule(
                JetErr::InvalidParameter,
                "rows are not in the order of their keys",
            )),
        }
    }

    fn push_to_leaf(&mut self, key: &[u8], data: &[u8]) -> bool {
        self.levels
            .first_mut()
            .is_some_and(|leaf| leaf.page.push_node(key, data))
    }

    /// Writes the rightmost leaf and opens its right sibling.
    fn close_leaf(&mut self, file: &mut PageFile, space: &mut Space, separator: Vec<u8>) -> JetResult<()> {
        let Some(leaf) = self.levels.first_mut() else {
            return Ok(());
        };
        if leaf.page.node_count() == 0 {
            return Ok(());
        }
        let pgno = match leaf.pgno {
            Some(pgno) => pgno,
            None => space.take(file)?,
        };
        let next = space.take(file)?;
        let full = std::mem::replace(leaf, Level::new(file));
        leaf.pgno = Some(next);
        leaf.prev = pgno;
        file.write(full.page, pgno, self.tree, PageFlags::LEAF, (full.prev, next))?;
        self.insert(file, space, 1, separator, pgno)
    }

    /// Appends a child to the rightmost page of an internal level.
    fn insert(
        &mut self,
        file: &mut PageFile,
        space: &mut Space,
        height: usize,
        key: Vec<u8>,
        child: u32,
    ) -> JetResult<()> {
        let child_bytes = child.to_le_bytes();
        if self.levels.len() == height {
            self.levels.push(Level::new(file));
        }
        let Some(level) = self.levels.get_mut(height) else {
            return Err(JetError::rule(JetErr::InternalError, "a tree lacks a level"));
        };
        if level.page.push_node(&key, &child_bytes) {
            level.last_key = key;
            return Ok(());
        }
        // The page keeps its last separator, and the parent gets the same one (section 4).
        let mut full = std::mem::replace(level, Level::new(file));
        let pgno = space.take(file)?;
        let last_key = std::mem::take(&mut full.last_key);
        file.write(full.page, pgno, self.tree, internal_flags(height), (0, 0))?;
        self.insert(file, space, height + 1, last_key, pgno)?;
        self.insert(file, space, height, key, child)
    }

    /// Writes what is left of each level, and the root. `header` is called when all pages are taken.
    pub(super) fn finish(
        mut self,
        file: &mut PageFile,
        space: &mut Space,
        header: impl FnOnce(&mut PageFile, &mut Space) -> JetResult<SpaceHeader>,
    ) -> JetResult<()> {
        let mut height = 0;
        while height + 1 < self.levels.len() || !self.top_fits_the_root() {
            self.close_rightmost(file, space, height)?;
            height += 1;
        }
        let header = header(file, space)?;
        let Some(mut top) = self.levels.pop() else {
            return Ok(());
        };
        if !top.page.set_external_header(&header.to_bytes()) {
            return Err(JetError::rule(JetErr::InternalError, "a root page overflows"));
        }
        let place = PageFlags::ROOT
            | if height == 0 {
                PageFlags::LEAF
            } else {
                internal_flags(height)
            };
        file.write(top.page, self.tree.root, self.tree, place, (0, 0))
    }

    /// Whether the top level is one page whose nodes leave room for the space header.
    fn top_fits_the_root(&self) -> bool {
        self.levels
            .last()
            .is_some_and(|top| top.pgno.is_none() && top.page.room() >= SpaceHeader::LEN)
    }

    /// Writes the rightmost page of a level; in its parent it has the empty key, which is above every other.
    fn close_rightmost(&mut self, file: &mut PageFile, space: &mut Space, height: usize) -> JetResult<()> {
        let Some(level) = self.levels.get_mut(height) else {
            return Ok(());
        };
        let last = std::mem::replace(level, Level::new(file));
        let pgno = match last.pgno {
            Some(pgno) => pgno,
            None => space.take(file)?,
        };
        let place = if height == 0 {
            PageFlags::LEAF
        } else {
            internal_flags(height)
        };
        file.write(last.page, pgno, self.tree, place, (last.prev, 0))?;
        self.insert(file, space, height + 1, Vec::new(), pgno)
    }
}

fn internal_flags(height: usize) -> PageFlags {
    if height == 1 {
        PageFlags::PARENT_OF_LEAF
    } else {
        PageFlags::empty()
    }
}

/// The shortest key above `left` and not above `right`; with equal keys the data decide too (section 4).
fn separator(left: &[u8], left_data: &[u8], right: &[u8], right_data: &[u8]) -> Vec<u8> {
    if left == right {
        let mut key = right.to_vec();
        key.extend_from_slice(shortest_above(left_data, right_data));
        return key;
    }
    shortest_above(left, right).to_vec()
}

fn shortest_above<'a>(left: &[u8], right: &'a [u8]) -> &'a [u8] {
    let common = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    right.get(..=common).unwrap_or(right)
}

#[cfg(test)]
mod tests {
    use super::separator;

    #[test]
    fn a_separator_is_the_shortest_key_above_its_left_side() {
        assert_eq!(separator(b"abc", b"", b"abe", b""), b"abe");
        assert_eq!(separator(b"ab", b"", b"abxyz", b""), b"abx");
        assert_eq!(separator(b"a", b"", b"x", b""), b"x");
        assert_eq!(separator(b"k", b"12", b"k", b"1345"), b"k13");
    }
}
