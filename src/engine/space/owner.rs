//! A tree as the owner of space: what its root page says of it (database-file.md sections 2.5 and 5.1).

use super::ROOT;
use crate::engine::bookmark::TreeId;
use crate::engine::change::{Change, NodeChange};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{LogRecord, OperationFlags, SetExternalHeader};
use crate::format::{FreeSpace, PageBuffer, PageFlags, RootHeader, SpaceHeader};

/// The flags of a page that say of what kind of tree it is.
pub(super) const KIND: PageFlags = PageFlags::INDEX
    .union(PageFlags::LONG_VALUE)
    .union(PageFlags::NON_UNIQUE_KEYS);

/// A tree and its space header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) tree: TreeId,
    pub(super) header: SpaceHeader,
}

/// The space trees of a tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct SpaceTrees {
    /// Of all extents that are its own, those lent to others included.
    pub(super) owned: TreeId,
    /// Of those pages that nobody uses.
    pub(super) available: TreeId,
}

impl Owner {
    /// What the root page of `tree` says.
    ///
    /// # Errors
    /// It cannot be read, or is the root of no such tree.
    pub(super) fn of(change: &mut Change<'_>, tree: TreeId) -> JetResult<Owner> {
        let header = space_header(change.page(tree.fdp)?, tree);
        let header = header.map_err(|error| change.database.place(error, tree.fdp))?;
        Ok(Owner { tree, header })
    }

    /// Its space trees, if it has any.
    pub(super) fn trees(&self) -> Option<SpaceTrees> {
        let owned = self.header.owned_extents()?;
        Some(SpaceTrees {
            owned: self.tree.space_tree(owned),
            available: self.tree.space_tree(owned.saturating_add(1)),
        })
    }

    /// The tree that lends it space. Going on so ends: a table has that of the system root, others that of a table.
    ///
    /// # Errors
    /// The space header names a page that cannot be that.
    pub(super) fn parent(&self, change: &mut Change<'_>) -> JetResult<TreeId> {
        let pgno = self.header.parent;
        let is_table = self.tree.kind.difference(PageFlags::NON_UNIQUE_KEYS).is_empty();
        if is_table && pgno == ROOT.fdp && self.tree.fdp != ROOT.fdp {
            return Ok(ROOT);
        }
        let page = change.page(pgno)?.header()?;
        let is_of_table = page.flags.contains(PageFlags::ROOT) && (page.flags & KIND).is_empty();
        if is_table || !is_of_table || pgno == ROOT.fdp {
            let what = format!("names page {pgno} as the root that lends its space, which cannot be");
            let error = JetError::rule(JetErr::SPOwnExtCorrupted, what);
            return Err(change.database.place(error, self.tree.fdp));
        }
        Ok(TreeId {
            fdp: pgno,
            root: pgno,
            objid: page.objid,
            is_unique: true,
            kind: PageFlags::empty(),
        })
    }

    /// Writes another bitmap of free pages.
    ///
    /// # Errors
    /// The record cannot be applied or logged.
    pub(super) fn set_bitmap(&self, change: &mut Change<'_>, bits: u32) -> JetResult<()> {
        let space = SpaceHeader {
            free: FreeSpace::Bitmap(bits),
            ..self.header
        };
        let external = RootHeader::with_space(change.page(self.tree.fdp)?.external_header()?, space)?;
        set_external_header(change, self.tree, &external)
    }
}

/// Replaces the external header of the root of a tree.
///
/// # Errors
/// The record cannot be applied or logged.
pub(super) fn set_external_header(change: &mut Change<'_>, tree: TreeId, data: &[u8]) -> JetResult<()> {
    let root = NodeChange {
        tree,
        pgno: tree.root,
        line: 0,
        flags: OperationFlags::empty(),
        rceid: 0,
    };
    change.node(root, |node| {
        LogRecord::SetExternalHeader(SetExternalHeader { node, data })
    })
}

fn space_header(page: &PageBuffer, tree: TreeId) -> JetResult<SpaceHeader> {
    let damaged = |what| JetError::rule(JetErr::SPOwnExtCorrupted, what);
    let header = page.header()?;
    let is_root = header.flags.contains(PageFlags::ROOT) && !header.flags.contains(PageFlags::SPACE_TREE);
    if header.objid != tree.objid || !is_root {
        return Err(damaged(format!(
            "is not the root of the tree with objid {}",
            tree.objid
        )));
    }
    let space = RootHeader::read(page.external_header()?)?.space;
    space.ok_or_else(|| damaged("has no space header".to_owned()))
}
