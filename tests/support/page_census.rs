//! Who owns which page of a database: walks every tree from the catalog on, and compares with the space trees
//! (database-file.md sections 2.3, 4 and 5).

use jetfs::format::checksum::{self, PageState};
use jetfs::format::{Page, PageFlags, PageSize, RootHeader, SpaceNode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// A database in memory, with what was found on its pages.
pub(crate) struct PageCensus {
    size: PageSize,
    bytes: Vec<u8>,
    /// Page to the root of the tree that uses it.
    used: BTreeMap<u32, u32>,
    /// Page to the root of the tree that has it available.
    available: BTreeMap<u32, u32>,
    /// Root to the pages that it owns; lent ones included.
    owned: BTreeMap<u32, BTreeSet<u32>>,
    parents: BTreeMap<u32, u32>,
    nodes: usize,
}

impl PageCensus {
    pub(crate) fn take(path: &Path, size: PageSize) -> Self {
        let mut census = PageCensus {
            size,
            bytes: std::fs::read(path).unwrap(),
            used: BTreeMap::new(),
            available: BTreeMap::new(),
            owned: BTreeMap::new(),
            parents: BTreeMap::new(),
            nodes: 0,
        };
        let mut roots = vec![1];
        roots.extend(census.roots_in_catalog());
        for root in roots {
            census.visit_root(root);
        }
        census
    }

    /// Every page is used or available exactly once, by a tree that owns it; every owner got it from its parent.
    pub(crate) fn check(&self) {
        let last = u32::try_from(self.bytes.len() / self.size.bytes()).unwrap() - 2;
        for pgno in 1..=last {
            let (user, holder) = (self.used.get(&pgno), self.available.get(&pgno));
            assert!(
                user.is_some() != holder.is_some(),
                "page {pgno}: used by {user:?}, available to {holder:?}"
            );
            let owner = user.or(holder).unwrap();
            assert!(
                self.owned[owner].contains(&pgno),
                "page {pgno} is not owned by {owner}"
            );
            if holder.is_some() {
                assert!(
                    self.bytes_of(pgno).iter().all(|&byte| byte == 0),
                    "free page {pgno} is not zero"
                );
            }
        }
        assert!(
            self.used
                .keys()
                .chain(self.available.keys())
                .all(|&pgno| pgno <= last)
        );
        for (root, parent) in self.parents.iter().filter(|(_, parent)| **parent != 0) {
            let (own, lender) = (&self.owned[root], &self.owned[parent]);
            assert!(own.is_subset(lender), "{root} owns pages that {parent} does not");
        }
        for (root, pages) in &self.owned {
            for (other, others) in self.owned.range(root + 1..) {
                if self.parents[root] == self.parents[other] {
                    assert!(pages.is_disjoint(others), "{root} and {other} own the same page");
                }
            }
        }
        println!("{} pages, {} trees, {} nodes", last, self.owned.len(), self.nodes);
    }

    fn bytes_of(&self, pgno: u32) -> &[u8] {
        let start = usize::try_from(self.size.offset_of(pgno)).unwrap();
        &self.bytes[start..start + self.size.bytes()]
    }

    fn page(&self, pgno: u32) -> Page<'_> {
        let bytes = self.bytes_of(pgno);
        assert_eq!(
            checksum::check_page(bytes, self.size, pgno),
            PageState::Good,
            "page {pgno}"
        );
        let page = Page::new(self.size, pgno, bytes).unwrap();
        page.check()
            .unwrap_or_else(|error| panic!("page {pgno}: {error}"));
        page
    }

    /// Roots of tables, indexes and long value trees, from the bytes of the records.
    fn roots_in_catalog(&self) -> Vec<u32> {
        let mut roots = Vec::new();
        for pgno in self.leaves(4) {
            for node in self.page(pgno).nodes() {
                let record = node.unwrap().data;
                let kind = u16::from_le_bytes(record[8..10].try_into().unwrap());
                let root = u32::from_le_bytes(record[14..18].try_into().unwrap());
                if kind != 2 && !roots.contains(&root) {
                    roots.push(root);
                }
            }
        }
        roots
    }

    /// The leaves of a tree by its inner pages; their links must say the same.
    fn leaves(&self, root: u32) -> Vec<u32> {
        let mut level = vec![root];
        while !self.page(level[0]).is_leaf() {
            level = level
                .iter()
                .flat_map(|&pgno| {
                    let page = self.page(pgno);
                    (0..page.node_count())
                        .map(move |at| page.child(at).unwrap())
                        .collect::<Vec<_>>()
                })
                .collect();
        }
        for pair in level.windows(2) {
            assert_eq!(self.page(pair[0]).next(), Some(pair[1]));
            assert_eq!(self.page(pair[1]).prev(), Some(pair[0]));
        }
        assert_eq!(self.page(level[0]).prev(), None);
        assert_eq!(self.page(level[level.len() - 1]).next(), None);
        level
    }

    fn visit_root(&mut self, root: u32) {
        let page = self.page(root);
        assert!(page.flags().contains(PageFlags::ROOT));
        let space = RootHeader::read(page.external_header().unwrap())
            .unwrap()
            .space
            .unwrap();
        let objid = page.objid();
        self.parents.insert(root, space.parent);
        let pages = self.pages_of_tree(root, objid, &[], None);
        self.use_pages(root, pages);
        match space.owned_extents() {
            None => {
                self.owned.insert(root, (root..root + space.primary).collect());
            }
            Some(oe) => {
                let owned = self.extents(oe, objid);
                for pgno in self.extents(oe + 1, objid) {
                    assert_eq!(
                        self.available.insert(pgno, root),
                        None,
                        "page {pgno} is available twice"
                    );
                }
                self.owned.insert(root, owned.into_iter().collect());
                self.use_pages(root, vec![oe, oe + 1]);
            }
        }
    }

    fn use_pages(&mut self, root: u32, pages: Vec<u32>) {
        for pgno in pages {
            assert_eq!(self.used.insert(pgno, root), None, "page {pgno} is used twice");
        }
    }

    /// All pages below `pgno`, checking that keys are within the bounds that the parent gives.
    fn pages_of_tree(&mut self, pgno: u32, objid: u32, low: &[u8], high: Option<Vec<u8>>) -> Vec<u32> {
        let page = self.page(pgno);
        assert_eq!(page.objid(), objid, "page {pgno}");
        let nodes: Vec<_> = page
            .nodes()
            .map(|node| node.map(|node| (node.key(), node.data.to_vec())).unwrap())
            .collect();
        let is_leaf = page.is_leaf();
        let concatenate = page.flags().contains(PageFlags::NON_UNIQUE_KEYS) && is_leaf;
        self.nodes += nodes.len();
        let order = |(key, data): &(Vec<u8>, Vec<u8>)| {
            if concatenate {
                [&key[..], data].concat()
            } else {
                key.clone()
            }
        };
        let mut pages = vec![pgno];
        let mut low = low.to_vec();
        for (at, node) in nodes.iter().enumerate() {
            let key = order(node);
            let is_last = !is_leaf && at + 1 == nodes.len();
            if is_leaf {
                assert!(
                    key >= low && high.as_ref().is_none_or(|high| key < *high),
                    "page {pgno} node {at}"
                );
                if at > 0 {
                    assert!(
                        (&nodes[at - 1].0, &nodes[at - 1].1) < (&node.0, &node.1),
                        "page {pgno} node {at}"
                    );
                }
            } else {
                let child = u32::from_le_bytes(node.1[..4].try_into().unwrap());
                if is_last {
                    assert_eq!(key, high.clone().unwrap_or_default(), "last key of page {pgno}");
                }
                let bound = if key.is_empty() { None } else { Some(key.clone()) };
                pages.extend(self.pages_of_tree(child, objid, &low, bound));
                low = key;
            }
        }
        pages
    }

    fn extents(&self, pgno: u32, objid: u32) -> Vec<u32> {
        let page = self.page(pgno);
        assert!(page.flags().contains(PageFlags::SPACE_TREE) && page.is_leaf());
        assert_eq!(page.objid(), objid);
        page.nodes()
            .map(|node| node.unwrap())
            .flat_map(|node| SpaceNode::read(&node.key(), node.data).unwrap().extent.pages())
            .collect()
    }
}
