//! The space of a tree: its space header, owned and available extents, split buffers
//! (database-file.md sections 2.5, 5.2 and 5.3).

use super::census::{Rank, Territory};
use super::extent_set::ExtentSet;
use super::finding::{FindingKind, hex};
use super::walk::LeafNode;
use super::{Check, TreeShape};
use crate::format::{
    Extent, FormatError, FreeSpace, Page, PageFlags, RootHeader, SpaceFlags, SpaceHeader, SpaceNode,
    SplitBuffer,
};

/// The pool of pages beyond the end of the file.
const SHELVED: u8 = 2;
/// Pages that a bitmap can name.
const BITMAP_PAGES: u32 = u32::BITS;

impl Check<'_> {
    /// Reads the space of a tree, and checks it against that of the tree with root page `parent`, which lends it. `None`
    /// if the root page does not say; what is wrong with the page is for the walk through the tree to find.
    pub(super) fn read_space(
        &mut self,
        tree: &TreeShape,
        rank: Rank,
        parent: u32,
        lender: Option<&Territory>,
    ) -> Option<Territory> {
        let header = self.space_header(tree)?;
        self.check_space_header(tree, &header, parent);
        let mut territory = Territory {
            rank,
            owned: ExtentSet::default(),
        };
        match header.free {
            FreeSpace::Bitmap(bits) => self.single_extent(tree, &mut territory, lender, header.primary, bits),
            FreeSpace::OwnedExtents(owned) => self.space_trees(tree, &mut territory, lender, owned),
        }
        Some(territory)
    }

    fn space_header(&mut self, tree: &TreeShape) -> Option<SpaceHeader> {
        let page = self.database.read_page(tree.root).ok()?;
        let view = Page::of(&page).ok()?;
        if !view.flags().contains(PageFlags::ROOT) || view.objid() != tree.objid {
            return None;
        }
        let what = match view.external_header().and_then(RootHeader::read) {
            Ok(RootHeader {
                space: Some(space), ..
            }) => return Some(space),
            Ok(_) => "the root page has no space header".to_owned(),
            Err(error) => error.to_string(),
        };
        self.findings
            .add(FindingKind::Space, Some(tree.root), &tree.name, what);
        None
    }

    fn check_space_header(&mut self, tree: &TreeShape, header: &SpaceHeader, parent: u32) {
        if header.parent != parent {
            let what = format!(
                "the space header names page {} as the root that lends its space, not {parent}",
                header.parent
            );
            self.findings
                .add(FindingKind::Space, Some(tree.root), &tree.name, what);
        }
        let is_unique = !tree.kind.contains(PageFlags::NON_UNIQUE_KEYS);
        if is_unique == header.flags.contains(SpaceFlags::NON_UNIQUE) {
            let says = if is_unique { "not unique" } else { "unique" };
            let what = format!("the space header says that keys are {says}, the catalog says otherwise");
            self.findings
                .add(FindingKind::Space, Some(tree.root), &tree.name, what);
        }
    }

    /// A run of pages from the root on, with a bitmap of those that are available.
    fn single_extent(
        &mut self,
        tree: &TreeShape,
        territory: &mut Territory,
        lender: Option<&Territory>,
        count: u32,
        bits: u32,
    ) {
        let last = tree.root.saturating_add(count.saturating_sub(1));
        let extent = Extent {
            last,
            count: last - tree.root + 1,
        };
        if let Some(run) = territory.owned.push(extent) {
            self.own_run(&tree.name, territory.rank, lender, run);
        }
        let free = (0..BITMAP_PAGES).filter(|bit| bits >> bit & 1 != 0);
        for pgno in free.filter_map(|bit| tree.root.checked_add(1 + bit)) {
            self.avail_run(&tree.name, territory, (pgno, pgno));
        }
    }

    fn space_trees(
        &mut self,
        tree: &TreeShape,
        territory: &mut Territory,
        lender: Option<&Territory>,
        owned_root: u32,
    ) {
        let owned_tree = tree.space_tree("owned extents", owned_root);
        let rank = territory.rank;
        self.walk(&owned_tree, None, &mut |check, node| {
            if let Some(extent) = check.extent_of(&owned_tree, node) {
                let expected = territory.owned.last().map_or(1, |last| last.saturating_add(1));
                if *extent.extent.pages().start() < expected || extent.pool != 0 {
                    check.bad_extent(&owned_tree, node, "overlaps the one before it");
                }
                if let Some(run) = territory.owned.push(extent.extent) {
                    check.own_run(&owned_tree.name, rank, lender, run);
                }
            }
        });
        let available_tree = tree.space_tree("available extents", owned_root.saturating_add(1));
        let mut before = None;
        self.walk(&available_tree, None, &mut |check, node| {
            if let Some(extent) = check.extent_of(&available_tree, node) {
                let first = *extent.extent.pages().start();
                if before.is_some_and(|(pool, last)| pool == extent.pool && first <= last) {
                    check.bad_extent(&available_tree, node, "overlaps the one before it");
                }
                before = Some((extent.pool, extent.extent.last));
                check.available(&available_tree, territory, extent);
            }
        });
        for space_tree in [&owned_tree, &available_tree] {
            self.split_buffers(space_tree, territory);
        }
        for pgno in std::mem::take(&mut self.unplaced) {
            self.check_owner(&tree.name, territory, pgno);
        }
    }

    /// The extent of a node that is neither deleted nor used up.
    fn extent_of(&mut self, tree: &TreeShape, node: &LeafNode<'_>) -> Option<SpaceNode> {
        if node.is_deleted {
            return None;
        }
        match SpaceNode::read(node.key, node.data) {
            Ok(extent) => Some(extent).filter(|extent| extent.extent.count > 0),
            Err(error) => {
                self.bad_extent(tree, node, &error.to_string());
                None
            }
        }
    }

    fn bad_extent(&mut self, tree: &TreeShape, node: &LeafNode<'_>, what: &str) {
        let what = format!("the extent with key {}: {what}", hex(node.key));
        self.findings
            .add(FindingKind::Space, Some(node.pgno), &tree.name, what);
    }

    fn available(&mut self, tree: &TreeShape, territory: &Territory, node: SpaceNode) {
        let run = (*node.extent.pages().start(), node.extent.last);
        if node.pool != SHELVED {
            return self.avail_run(&tree.name, territory, run);
        }
        if run.0 <= self.census.last || territory.rank != Rank::System {
            let what = format!(
                "pages {} to {} are shelved, but lie inside the database",
                run.0, run.1
            );
            self.findings
                .add(FindingKind::Space, Some(run.0), &tree.name, what);
        }
        self.census.shelved.push(node.extent);
    }

    /// Pages that are kept for splitting the space tree itself.
    fn split_buffers(&mut self, tree: &TreeShape, territory: &Territory) {
        let Ok(page) = self.database.read_page(tree.root) else {
            return;
        };
        let buffer =
            || -> Result<SplitBuffer, FormatError> { SplitBuffer::read(Page::of(&page)?.external_header()?) };
        match buffer() {
            Ok(buffer) => {
                for extent in buffer.reserves.into_iter().filter(|extent| extent.count > 0) {
                    match extent.last.checked_sub(extent.count - 1) {
                        Some(first) if first > 0 => {
                            self.avail_run(&tree.name, territory, (first, extent.last));
                        }
                        _ => self.findings.add(
                            FindingKind::Space,
                            Some(tree.root),
                            &tree.name,
                            "a split buffer begins before the first page",
                        ),
                    }
                }
            }
            Err(error) => {
                self.findings
                    .add(FindingKind::Space, Some(tree.root), &tree.name, error.to_string());
            }
        }
    }
}
