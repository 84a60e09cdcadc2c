//! The walk through a tree, from its root to each of its leaves in key order: pages, depth, keys, links
//! (database-file.md sections 2.2, 2.3 and 4).
//!
//! A page that is used already is not followed, so that no chain of pages, however it is damaged, is walked twice.

use super::census::Territory;
use super::finding::{FindingKind, hex};
use super::{Check, TreeShape};
use crate::format::{Page, PageFlags, VerifiedPage};
use std::sync::Arc;

/// More levels than any tree has.
const DEPTH_MOST: usize = 32;
/// The flags that all pages of a tree share.
const KIND: PageFlags = PageFlags::SPACE_TREE
    .union(PageFlags::INDEX)
    .union(PageFlags::LONG_VALUE)
    .union(PageFlags::NON_UNIQUE_KEYS);

/// A node of a leaf.
pub(super) struct LeafNode<'n> {
    pub(super) pgno: u32,
    pub(super) key: &'n [u8],
    pub(super) data: &'n [u8],
    pub(super) is_deleted: bool,
}

/// Called for every node of every leaf, deleted ones included, in the order of the tree.
pub(super) type Visit<'v, 'd> = dyn FnMut(&mut Check<'d>, &LeafNode<'_>) + 'v;

/// Where the keys of a subtree lie: at or above `low`, below `high` (empty: no bound).
struct Bounds<'b> {
    low: &'b [u8],
    high: &'b [u8],
}

/// The last leaf that was seen.
#[derive(Clone, Copy)]
enum Chain {
    /// None yet.
    Start,
    /// This one, with its right neighbour.
    After(u32, Option<u32>),
    /// It could not be read.
    Unknown,
}

struct Walk<'w, 'v, 'd> {
    check: &'w mut Check<'d>,
    tree: &'w TreeShape,
    territory: Option<&'w Territory>,
    visit: &'w mut Visit<'v, 'd>,
    leaf_depth: Option<usize>,
    chain: Chain,
    /// Key and data of the last node that was seen.
    before: Option<(Vec<u8>, Vec<u8>)>,
}

impl<'d> Check<'d> {
    /// Walks through a tree. Its pages must lie in `territory`; where that is not known yet, they are noted as unplaced.
    pub(super) fn walk(
        &mut self,
        tree: &TreeShape,
        territory: Option<&Territory>,
        visit: &mut Visit<'_, 'd>,
    ) {
        self.counts.trees += 1;
        let mut walk = Walk {
            check: self,
            tree,
            territory,
            visit,
            leaf_depth: None,
            chain: Chain::Start,
            before: None,
        };
        walk.subtree(tree.root, None, 0, &Bounds { low: &[], high: &[] });
        if let Chain::After(pgno, Some(next)) = walk.chain {
            let what = format!("is the last leaf, but has page {next} on its right");
            walk.find(FindingKind::SiblingLinks, pgno, what);
        }
    }
}

impl Walk<'_, '_, '_> {
    fn find(&mut self, kind: FindingKind, pgno: u32, what: impl Into<String>) {
        self.check.findings.add(kind, Some(pgno), &self.tree.name, what);
    }

    /// Walks through what is below `pgno`. Returns the page if it could be read and belongs to the tree.
    fn subtree(
        &mut self,
        pgno: u32,
        parent: Option<u32>,
        depth: usize,
        bounds: &Bounds<'_>,
    ) -> Option<Arc<VerifiedPage>> {
        let page = self.open(pgno, parent, depth);
        let view = page.as_ref().and_then(|page| self.view(page, depth));
        let Some(view) = view else {
            self.chain = Chain::Unknown;
            self.before = None;
            return None;
        };
        if view.is_leaf() {
            self.leaf(&view, depth, bounds);
        } else {
            self.internal(&view, depth, bounds);
        }
        page
    }

    /// Reads a page that the tree points to, if nobody has used it so far.
    fn open(&mut self, pgno: u32, parent: Option<u32>, depth: usize) -> Option<Arc<VerifiedPage>> {
        if depth >= DEPTH_MOST {
            self.find(
                FindingKind::Depth,
                pgno,
                "the tree has more levels than a tree can have",
            );
            return None;
        }
        if !self.check.use_page(self.tree, pgno, parent) {
            return None;
        }
        match self.territory {
            Some(territory) => self.check.check_owner(&self.tree.name, territory, pgno),
            None => self.check.unplaced.push(pgno),
        }
        self.check.progress();
        match self.check.database.read_page(pgno) {
            Ok(page) => Some(page),
            Err(error) => {
                let what = format!("the page cannot be read: {}", error.cause());
                self.find(FindingKind::UnreadablePage, pgno, what);
                None
            }
        }
    }

    /// The page's header and tags, if they can be followed.
    fn view<'p>(&mut self, page: &'p Arc<VerifiedPage>, depth: usize) -> Option<Page<'p>> {
        let pgno = page.pgno();
        let view = match Page::of(page) {
            Ok(view) => view,
            Err(error) => {
                self.find(FindingKind::PageStructure, pgno, error.to_string());
                return None;
            }
        };
        if view.objid() != self.tree.objid {
            let what = format!(
                "the page belongs to object {}, not to {}",
                view.objid(),
                self.tree.objid
            );
            self.find(FindingKind::ForeignPage, pgno, what);
            return None;
        }
        if let Err(error) = view.check() {
            self.find(FindingKind::PageStructure, pgno, error.to_string());
        }
        self.check_flags(&view, depth);
        let dirtied = self.check.database.header().dbtime_dirtied;
        if view.dbtime() > dirtied {
            let what = format!(
                "dbtime {:#x} is after the database's, {dirtied:#x}",
                view.dbtime()
            );
            self.find(FindingKind::Dbtime, pgno, what);
        }
        let is_followed = !view.flags().intersects(PageFlags::EMPTY | PageFlags::PRE_INIT);
        is_followed.then_some(view)
    }

    fn check_flags(&mut self, view: &Page<'_>, depth: usize) {
        let flags = view.flags();
        let wrong = if flags.contains(PageFlags::EMPTY) {
            "the page was emptied, but the tree still points to it"
        } else if flags.contains(PageFlags::PRE_INIT) {
            "the page was never filled, but the tree points to it"
        } else if flags & KIND != self.tree.kind {
            "the page is not of the tree's kind"
        } else if flags.contains(PageFlags::ROOT) != (depth == 0) {
            "only the first page of a tree is a root"
        } else if flags.contains(PageFlags::LEAF | PageFlags::PARENT_OF_LEAF) {
            "the page is both a leaf and a parent of leaves"
        } else {
            return;
        };
        let what = format!("{wrong} (flags {:#x})", flags.bits());
        self.find(FindingKind::PageFlags, view.pgno, what);
    }

    fn internal(&mut self, view: &Page<'_>, depth: usize, bounds: &Bounds<'_>) {
        if view.prev().is_some() || view.next().is_some() {
            self.find(
                FindingKind::SiblingLinks,
                view.pgno,
                "a page above the leaves has neighbours",
            );
        }
        let (count, mut low) = (view.node_count(), bounds.low.to_vec());
        if count == 0 {
            self.find(
                FindingKind::PageStructure,
                view.pgno,
                "a page above the leaves has no nodes",
            );
        }
        for index in 0..count {
            let (key, child) = match view.node(index).and_then(|node| Ok((node.key(), node.child()?))) {
                Ok(found) => found,
                Err(error) => {
                    self.find(
                        FindingKind::PageStructure,
                        view.pgno,
                        format!("node {index}: {error}"),
                    );
                    self.chain = Chain::Unknown;
                    continue;
                }
            };
            let is_last = index + 1 == count;
            if is_last && key != bounds.high {
                let what = format!(
                    "the last key {} is not the one in its parent, {}",
                    hex(&key),
                    hex(bounds.high)
                );
                self.find(FindingKind::Separator, view.pgno, what);
            } else if !is_last && (key.is_empty() || key <= low || !is_below(&key, bounds.high)) {
                let what = format!(
                    "key {index} ({}) does not ascend or is outside of the page's bounds",
                    hex(&key)
                );
                self.find(FindingKind::Separator, view.pgno, what);
            }
            let below = Bounds {
                low: &low,
                high: &key,
            };
            if let Some(page) = self.subtree(child, Some(view.pgno), depth + 1, &below) {
                self.check_child(view, &page);
            }
            low = key;
        }
    }

    /// Exactly the parents of leaves are marked as such.
    fn check_child(&mut self, parent: &Page<'_>, child: &Arc<VerifiedPage>) {
        let is_leaf = Page::of(child).is_ok_and(|child| child.is_leaf());
        if is_leaf != parent.flags().contains(PageFlags::PARENT_OF_LEAF) {
            let what = format!(
                "page {} below it contradicts the parent-of-leaf flag",
                child.pgno()
            );
            self.find(FindingKind::PageFlags, parent.pgno, what);
        }
    }

    fn leaf(&mut self, view: &Page<'_>, depth: usize, bounds: &Bounds<'_>) {
        let expected = *self.leaf_depth.get_or_insert(depth);
        if depth != expected {
            let what = format!("the leaf is at depth {depth}, those before it at {expected}");
            self.find(FindingKind::Depth, view.pgno, what);
        }
        self.check_links(view);
        if view.node_count() == 0 && depth > 0 {
            self.find(
                FindingKind::EmptyLeaf,
                view.pgno,
                "a leaf that is no root has no nodes",
            );
        }
        let orders_by_data = self.tree.kind.contains(PageFlags::NON_UNIQUE_KEYS)
            && !self.tree.kind.contains(PageFlags::SPACE_TREE);
        for index in 0..view.node_count() {
            match view.node(index) {
                Ok(node) => {
                    let key = node.key();
                    self.check_order(view.pgno, index, (&key, node.data), orders_by_data);
                    self.check_bounds(view.pgno, index, (&key, node.data), orders_by_data, bounds);
                    let leaf_node = LeafNode {
                        pgno: view.pgno,
                        key: &key,
                        data: node.data,
                        is_deleted: node.is_deleted(),
                    };
                    (self.visit)(self.check, &leaf_node);
                    let data = if orders_by_data {
                        node.data.to_vec()
                    } else {
                        Vec::new()
                    };
                    self.before = Some((key, data));
                }
                Err(error) => {
                    self.find(
                        FindingKind::PageStructure,
                        view.pgno,
                        format!("node {index}: {error}"),
                    );
                }
            }
        }
    }

    fn check_links(&mut self, view: &Page<'_>) {
        let pgno = view.pgno;
        let expected = match self.chain {
            Chain::Start => Some(None),
            Chain::After(before, _) => Some(Some(before)),
            Chain::Unknown => None,
        };
        if expected.is_some_and(|expected| view.prev() != expected) {
            let what = format!(
                "has page {} on its left, not {}",
                view.header.prev,
                expected.flatten().unwrap_or(0)
            );
            self.find(FindingKind::SiblingLinks, pgno, what);
        }
        if let Chain::After(before, next) = self.chain
            && next != Some(pgno)
        {
            let what = format!("has page {} on its right, not {pgno}", next.unwrap_or(0));
            self.find(FindingKind::SiblingLinks, before, what);
        }
        self.chain = Chain::After(pgno, view.next());
    }

    fn check_order(&mut self, pgno: u32, index: usize, (key, data): (&[u8], &[u8]), by_data: bool) {
        let Some((key_before, data_before)) = &self.before else {
            return;
        };
        let ascends = if by_data {
            (key_before.as_slice(), data_before.as_slice()) < (key, data)
        } else {
            key_before.as_slice() < key
        };
        if !ascends {
            let what = format!(
                "node {index}: key {} does not follow {}",
                hex(key),
                hex(key_before)
            );
            self.find(FindingKind::KeyOrder, pgno, what);
        }
    }

    /// In a tree whose keys are not unique, the bounds are those of key and data in one piece.
    fn check_bounds(
        &mut self,
        pgno: u32,
        index: usize,
        (key, data): (&[u8], &[u8]),
        by_data: bool,
        bounds: &Bounds<'_>,
    ) {
        let whole = if by_data {
            [key, data].concat()
        } else {
            key.to_vec()
        };
        if whole.as_slice() < bounds.low || !is_below(&whole, bounds.high) {
            let what = format!(
                "node {index}: key {} is not between {} and {}, which the pages above say",
                hex(key),
                hex(bounds.low),
                hex(bounds.high)
            );
            self.find(FindingKind::Separator, pgno, what);
        }
    }
}

fn is_below(key: &[u8], high: &[u8]) -> bool {
    high.is_empty() || key < high
}
