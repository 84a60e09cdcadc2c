//! B+ trees: descending, seeking, and scanning the leaves (database-file.md sections 4 and 12.2).
//!
//! Links are not trusted: depth is bounded, every page must belong to the tree, and every leaf must name the one
//! before it as its left sibling, which also rules out cycles: a leaf has one left sibling, so a scan could only come
//! back to where it began.

use super::database::Database;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{FormatError, Page, PageFlags, VerifiedPage};
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// More levels than any tree has: even two children a page would hold 2^32 leaves.
const MAX_DEPTH: usize = 32;

/// A tree of a database.
#[derive(Debug, Clone, Copy)]
pub struct Tree<'d> {
    database: &'d Database,
    root: u32,
    objid: u32,
}

/// A node of a leaf.
#[derive(Debug, Clone)]
pub struct Entry {
    page: Arc<VerifiedPage>,
    key: Vec<u8>,
    data: Range<usize>,
    deleted: bool,
}

impl Entry {
    /// The whole key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The data: record, index entry, long value chunk or extent.
    pub fn data(&self) -> &[u8] {
        self.page.bytes().get(self.data.clone()).unwrap_or_default()
    }

    /// The page that it stands on.
    pub fn pgno(&self) -> u32 {
        self.page.pgno()
    }

    fn read(page: &Arc<VerifiedPage>, index: usize) -> Result<Entry, FormatError> {
        let view = Page::of(page)?;
        let node = view.node(index)?;
        // A node's data are the last bytes of its tag.
        let tag = view.tag(index + usize::from(view.header.reserved_tags))?;
        let end = tag.offset + tag.bytes.len();
        Ok(Entry {
            page: Arc::clone(page),
            key: node.key(),
            data: end - node.data.len()..end,
            deleted: node.is_deleted(),
        })
    }
}

impl<'d> Tree<'d> {
    /// The tree with root page `root`, whose pages carry `objid`.
    pub fn new(database: &'d Database, root: u32, objid: u32) -> Self {
        Tree {
            database,
            root,
            objid,
        }
    }

    /// The database that it is in.
    pub fn database(&self) -> &'d Database {
        self.database
    }

    /// Its root page.
    ///
    /// # Errors
    /// The page cannot be read, belongs to another tree, or is no root.
    pub fn root_page(&self) -> JetResult<Arc<VerifiedPage>> {
        let page = self.page(self.root)?;
        let flags = self.view(&page)?.flags();
        if flags.contains(PageFlags::ROOT) {
            Ok(page)
        } else {
            Err(self.wrong(self.root, format!("is no root page (flags {:#x})", flags.bits())))
        }
    }

    /// All nodes in key order, those that are deleted left out.
    ///
    /// # Errors
    /// The way to the first leaf is damaged.
    pub fn scan(&self) -> JetResult<Scan<'d>> {
        let leaf = self.descend(|_| Ok(0))?;
        if let Some(prev) = self.view(&leaf)?.prev() {
            return Err(self.wrong(
                leaf.pgno(),
                format!("is the first leaf, but has page {prev} on its left"),
            ));
        }
        Ok(Scan::at(*self, leaf, 0))
    }

    /// All nodes from the first whose key is not less than `key`.
    ///
    /// # Errors
    /// The way to its leaf is damaged.
    pub fn seek(&self, key: &[u8]) -> JetResult<Scan<'d>> {
        let leaf = self.descend(|page| {
            // A separator is greater than all keys below it; the empty one of the last child has no bound.
            page.first_where(|node| node.key_len() == 0 || node.compare_key(key) == Ordering::Greater)
        })?;
        let index = self
            .view(&leaf)?
            .first_where(|node| node.compare_key(key) != Ordering::Less)
            .map_err(|error| self.database.on_page(leaf.pgno(), error))?;
        Ok(Scan::at(*self, leaf, index))
    }

    /// The node with exactly this key.
    ///
    /// # Errors
    /// The way to it is damaged.
    pub fn get(&self, key: &[u8]) -> JetResult<Option<Entry>> {
        let first = self.seek(key)?.next().transpose()?;
        Ok(first.filter(|entry| entry.key() == key))
    }

    /// The last node, deleted or not; space trees keep used-up extents as deleted nodes.
    ///
    /// # Errors
    /// The way to it is damaged.
    pub(crate) fn last(&self) -> JetResult<Option<Entry>> {
        let leaf = self.descend(|page| Ok(page.node_count().saturating_sub(1)))?;
        let Some(index) = self.view(&leaf)?.node_count().checked_sub(1) else {
            return Ok(None);
        };
        Entry::read(&leaf, index)
            .map(Some)
            .map_err(|error| self.database.on_page(leaf.pgno(), error))
    }

    /// Goes from the root to a leaf; `choose` picks the child of each internal page (its last one if beyond).
    fn descend(
        &self,
        choose: impl Fn(&Page<'_>) -> Result<usize, FormatError>,
    ) -> JetResult<Arc<VerifiedPage>> {
        let mut page = self.root_page()?;
        for _ in 0..MAX_DEPTH {
            let view = self.view(&page)?;
            if view.is_leaf() {
                return Ok(page);
            }
            let child = choose(&view)
                .and_then(|index| view.child(index.min(view.node_count().saturating_sub(1))))
                .map_err(|error| self.database.on_page(page.pgno(), error))?;
            page = self.page(child)?;
        }
        Err(self.wrong(
            self.root,
            "is the root of more levels than a tree can have: its pages form a cycle",
        ))
    }

    /// Reads a page and checks that it belongs to this tree.
    fn page(&self, pgno: u32) -> JetResult<Arc<VerifiedPage>> {
        let page = self.database.read_page(pgno)?;
        let view = self.view(&page)?;
        if view.objid() != self.objid {
            let what = format!("belongs to object {}, not to {}", view.objid(), self.objid);
            return Err(self.wrong(pgno, what));
        }
        if view.flags().contains(PageFlags::PRE_INIT) {
            return Err(self
                .wrong(pgno, "was allocated but never filled")
                .with_code(JetErr::PageNotInitialized));
        }
        Ok(page)
    }

    fn view<'p>(&self, page: &'p Arc<VerifiedPage>) -> JetResult<Page<'p>> {
        Page::of(page).map_err(|error| self.database.on_page(page.pgno(), error))
    }

    fn wrong(&self, pgno: u32, what: impl Into<std::borrow::Cow<'static, str>>) -> JetError {
        self.database
            .place(JetError::rule(JetErr::DatabaseCorrupted, what), pgno)
    }
}

/// Nodes of a tree in key order, without deleted ones. Ends after the first error.
#[derive(Debug)]
pub struct Scan<'d> {
    tree: Tree<'d>,
    /// The leaf and the node that comes next; `None` at the end.
    position: Option<(Arc<VerifiedPage>, usize)>,
    /// The leaf where the scan began.
    first: u32,
}

impl<'d> Scan<'d> {
    fn at(tree: Tree<'d>, leaf: Arc<VerifiedPage>, index: usize) -> Self {
        Scan {
            tree,
            first: leaf.pgno(),
            position: Some((leaf, index)),
        }
    }

    /// The next node, deleted or not.
    fn step(&mut self) -> JetResult<Option<Entry>> {
        while let Some((leaf, index)) = self.position.take() {
            let view = self.tree.view(&leaf)?;
            // An emptied page may still hold a node, which is none of the tree.
            if index < view.node_count() && !view.flags().contains(PageFlags::EMPTY) {
                let entry = Entry::read(&leaf, index)
                    .map_err(|error| self.tree.database.on_page(leaf.pgno(), error))?;
                self.position = Some((leaf, index + 1));
                return Ok(Some(entry));
            }
            self.position = match view.next() {
                Some(next) => Some((self.sibling(leaf.pgno(), next)?, 0)),
                None => None,
            };
        }
        Ok(None)
    }

    /// The leaf `next`, right of leaf `pgno`.
    fn sibling(&self, pgno: u32, next: u32) -> JetResult<Arc<VerifiedPage>> {
        if next == self.first {
            return Err(self.tree.wrong(pgno, "closes a cycle of leaves"));
        }
        let page = self.tree.page(next)?;
        let view = self.tree.view(&page)?;
        if view.prev() != Some(pgno) {
            let what = format!(
                "has page {} on its left, but is on the right of page {pgno}",
                view.header.prev
            );
            return Err(self.tree.wrong(next, what));
        }
        if !view.is_leaf() {
            return Err(self.tree.wrong(next, "is linked from a leaf, but is none"));
        }
        Ok(page)
    }
}

impl Iterator for Scan<'_> {
    type Item = JetResult<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.step().transpose()? {
                Ok(entry) if entry.deleted => {}
                other => return Some(other),
            }
        }
    }
}
