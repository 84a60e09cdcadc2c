//! A database of which a test knows every page: what each tree uses, and so what must be free.

use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::open_transaction::OpenTransaction;
use crate::engine::pages::{CacheBudget, Pages};
use crate::engine::shared::Shared;
use crate::engine::space::extents;
use crate::engine::space::owner::Owner;
use crate::engine::space::{NewTree, ROOT, allocate_page, create_root, create_tree, delete_tree, free_page};
use crate::engine::state::{AttachedDatabase, DatabaseState};
use crate::error::JetResult;
use crate::format::{Extent, FreeSpace, PageFlags, PageSize, SplitBuffer};
use crate::io::{FileSystem, MemoryFileSystem, OpenMode, SettableClock};
use crate::store::log_stream::LogStream;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// A tree that a test made.
#[derive(Debug, Clone)]
pub(super) struct KnownTree {
    pub(super) id: TreeId,
    pub(super) parent: u32,
    /// Its root and the pages that were allocated to it.
    pub(super) used: BTreeSet<u32>,
}

/// A database, and what a test knows of it.
pub(super) struct Rig {
    pub(super) fs: MemoryFileSystem,
    pub(super) shared: Shared,
    pub(super) database: AttachedDatabase,
    pub(super) trees: BTreeMap<u32, KnownTree>,
}

pub(super) const TABLE: PageFlags = PageFlags::empty();

impl Rig {
    /// A new database of `pages` pages.
    pub(super) fn new(page_size: PageSize, pages: u32) -> Rig {
        let rig = Self::without_root(page_size, LogStream::off());
        rig.run(|change| create_root(change, pages)).unwrap();
        rig
    }

    /// A file without any page.
    pub(super) fn without_root(page_size: PageSize, log: LogStream) -> Rig {
        let fs = MemoryFileSystem::default();
        let path = Path::new("/a.edb");
        fs.write_file(path, &[]).unwrap();
        let file = fs.open(path, OpenMode::ReadWrite).unwrap();
        let shared = Shared::new(
            Arc::new(fs.clone()),
            Arc::new(SettableClock::default()),
            log,
            CacheBudget::new(usize::MAX),
        );
        let state = DatabaseState::new(Pages::new(Arc::clone(&shared.budget)));
        let database = AttachedDatabase::new(1, path.into(), page_size, file, state);
        Rig {
            fs,
            shared,
            database,
            trees: BTreeMap::new(),
        }
    }

    /// Changes the database in a transaction of its own.
    pub(super) fn run<T>(&self, work: impl FnOnce(&mut Change<'_>) -> JetResult<T>) -> JetResult<T> {
        let mut transaction = OpenTransaction::new(self.shared.transactions.begin(7));
        let result = {
            let mut state = self.database.write(&self.shared)?;
            let mut change = Change {
                shared: &self.shared,
                database: &self.database,
                state: &mut state,
                transaction: &mut transaction,
            };
            work(&mut change)
        };
        self.shared.transactions.commit(transaction.state());
        result
    }

    pub(super) fn create(&mut self, parent: u32, kind: PageFlags, pages: u32, multiple: bool) -> u32 {
        let new = NewTree {
            kind: kind - PageFlags::NON_UNIQUE_KEYS,
            is_unique: !kind.contains(PageFlags::NON_UNIQUE_KEYS),
            pages,
            multiple_extent: multiple,
        };
        let lender = self.trees.get(&parent).map_or(ROOT, |tree| tree.id);
        let id = self.run(|change| create_tree(change, lender, new)).unwrap();
        let tree = KnownTree {
            id,
            parent,
            used: BTreeSet::from([id.fdp]),
        };
        assert!(
            self.trees.insert(id.fdp, tree).is_none(),
            "page {} is given twice",
            id.fdp
        );
        id.fdp
    }

    pub(super) fn allocate(&mut self, fdp: u32, near: u32) -> u32 {
        self.try_allocate(fdp, near).unwrap()
    }

    pub(super) fn try_allocate(&mut self, fdp: u32, near: u32) -> JetResult<u32> {
        let id = self.trees[&fdp].id;
        let pgno = self.run(|change| allocate_page(change, id, near))?;
        let tree = self.trees.get_mut(&fdp).unwrap();
        assert!(tree.used.insert(pgno), "page {pgno} is given twice");
        Ok(pgno)
    }

    pub(super) fn free(&mut self, fdp: u32, pgno: u32) {
        let tree = self.trees.get_mut(&fdp).unwrap();
        assert!(tree.used.remove(&pgno) && pgno != fdp);
        let id = tree.id;
        self.run(|change| free_page(change, id, pgno)).unwrap();
    }

    /// Deletes a tree, those that have their space from it first.
    pub(super) fn delete(&mut self, fdp: u32) {
        let children = self.trees.values().filter(|tree| tree.parent == fdp);
        for child in children.map(|tree| tree.id.fdp).collect::<Vec<_>>() {
            self.delete(child);
        }
        let tree = self.trees.remove(&fdp).unwrap();
        let lender = self.trees.get(&tree.parent).map_or(ROOT, |tree| tree.id);
        self.run(|change| delete_tree(change, lender, tree.id)).unwrap();
    }

    /// The extents that a tree owns.
    pub(super) fn owned(&self, tree: TreeId) -> Vec<Extent> {
        let read = |change: &mut Change<'_>| {
            let owner = Owner::of(change, tree)?;
            match owner.trees() {
                Some(trees) => extents::all(change, trees.owned),
                None => Ok(vec![extents::run(tree.fdp, tree.fdp + owner.header.primary - 1)]),
            }
        };
        self.run(read).unwrap()
    }

    /// The extents that are free in a tree, those in its split buffers included.
    pub(super) fn available(&self, tree: TreeId) -> Vec<Extent> {
        let read = |change: &mut Change<'_>| {
            let owner = Owner::of(change, tree)?;
            if let FreeSpace::Bitmap(bits) = owner.header.free {
                let pages = (0..32).filter(|bit| bits >> bit & 1 != 0);
                return Ok(pages
                    .map(|bit| extents::run(tree.fdp + 1 + bit, tree.fdp + 1 + bit))
                    .collect());
            }
            let trees = owner.trees().unwrap();
            let mut free = extents::all(change, trees.available)?;
            for root in [trees.owned.root, trees.available.root] {
                let buffer = SplitBuffer::read(change.page(root)?.external_header()?)?;
                free.extend(buffer.reserves.iter().filter(|reserve| reserve.count > 0));
            }
            Ok(free)
        };
        self.run(read).unwrap()
    }

    /// The pages of a tree's space trees.
    fn pages_of_space_trees(&self, tree: TreeId) -> Vec<u32> {
        let read = |change: &mut Change<'_>| {
            let owner = Owner::of(change, tree)?;
            let Some(trees) = owner.trees() else {
                return Ok(Vec::new());
            };
            let mut pages = vec![trees.owned.root, trees.available.root];
            let mut at = 0;
            while at < pages.len() {
                let page = change.page(pages[at])?.view()?;
                page.check()?;
                if !page.is_leaf() {
                    for line in 0..page.node_count() {
                        pages.push(page.child(line)?);
                    }
                }
                at += 1;
            }
            Ok(pages)
        };
        self.run(read).unwrap()
    }

    /// Every page of the file is used once, or free once, by whom it belongs to.
    pub(super) fn check(&self) {
        let owned = self.owned(ROOT);
        let last = owned.last().unwrap().last;
        assert_eq!(owned.iter().map(|extent| extent.count).sum::<u32>(), last);
        assert_eq!(self.database.look().last_page, last);
        let (mut taken, mut owner_of) = (BTreeMap::new(), BTreeMap::new());
        let root = KnownTree {
            id: ROOT,
            parent: 0,
            used: BTreeSet::from([1]),
        };
        let mut take = |pgno: u32, fdp: u32, how: &'static str| {
            let before = taken.insert(pgno, (fdp, how));
            assert!(before.is_none(), "page {pgno}: {how} in {fdp}, but {before:?}");
        };
        for tree in self.trees.values().chain([&root]) {
            let own: BTreeSet<u32> = self.owned(tree.id).into_iter().flat_map(Extent::pages).collect();
            let mut mine: Vec<(u32, &'static str)> = tree.used.iter().map(|pgno| (*pgno, "used")).collect();
            mine.extend(
                self.pages_of_space_trees(tree.id)
                    .iter()
                    .map(|pgno| (*pgno, "space tree")),
            );
            let free = self.available(tree.id).into_iter().flat_map(Extent::pages);
            mine.extend(free.map(|pgno| (pgno, "free")));
            for (pgno, how) in mine {
                assert!(
                    own.contains(&pgno),
                    "page {pgno} is {how} in {}, but not owned",
                    tree.id.fdp
                );
                take(pgno, tree.id.fdp, how);
            }
            owner_of.insert(tree.id.fdp, own);
        }
        for tree in self.trees.values() {
            let parent = if tree.parent == 0 { 1 } else { tree.parent };
            assert!(owner_of[&tree.id.fdp].is_subset(&owner_of[&parent]), "{tree:?}");
        }
        assert_eq!(taken.len(), usize::try_from(last).unwrap(), "some pages are lost");
    }
}
