//! Which pages belong to what: OE and AE trees (database-file.md section 5).

use super::database::Database;
use super::tree::{Entry, Tree};
use crate::error::JetResult;
use crate::format::{Extent, Page, RootHeader, SYSTEM_ROOT, SpaceHeader, SpaceNode};

/// objid of the tree of the system root.
const SYSTEM_OBJID: u32 = 1;

impl Database {
    /// The last page that the database owns. What lies after it in the file is not part of the database.
    ///
    /// # Errors
    /// The system root or its OE tree is damaged.
    pub fn last_owned_page(&self) -> JetResult<u32> {
        let system = Tree::new(self, SYSTEM_ROOT, SYSTEM_OBJID);
        let Some(owned) = space_header(&system)?.and_then(|header| header.owned_extents()) else {
            return Ok(SYSTEM_ROOT);
        };
        let extents = Tree::new(self, owned, SYSTEM_OBJID);
        let last = match extents.last()? {
            Some(entry) => self.extent(&entry)?.last,
            None => SYSTEM_ROOT,
        };
        Ok(last)
    }

    /// The extents that the tree with root page `root` owns, those lent to its indexes and long values included.
    ///
    /// # Errors
    /// The root page or the OE tree is damaged.
    pub fn owned_extents(&self, root: u32, objid: u32) -> JetResult<Vec<Extent>> {
        let tree = Tree::new(self, root, objid);
        let Some(header) = space_header(&tree)? else {
            return Ok(Vec::new());
        };
        let Some(owned) = header.owned_extents() else {
            let count = header.primary;
            let last = root.saturating_add(count.saturating_sub(1));
            return Ok(vec![Extent { last, count }]);
        };
        Tree::new(self, owned, objid)
            .scan()?
            .map(|entry| self.extent(&entry?))
            .collect()
    }

    fn extent(&self, entry: &Entry) -> JetResult<Extent> {
        let node = SpaceNode::read(entry.key(), entry.data());
        Ok(node.map_err(|error| self.on_page(entry.pgno(), error))?.extent)
    }
}

/// The space header on the root page of `tree`.
fn space_header(tree: &Tree<'_>) -> JetResult<Option<SpaceHeader>> {
    let page = tree.root_page()?;
    let header = Page::of(&page)
        .and_then(|view| view.external_header())
        .and_then(RootHeader::read)
        .map_err(|error| tree.database().on_page(page.pgno(), error))?;
    Ok(header.space)
}
