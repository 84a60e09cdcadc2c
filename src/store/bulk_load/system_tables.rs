//! The tables that the engine itself needs in every database, at the places where it expects them
//! (database-file.md sections 5.5, 6.1 to 6.4, 6.7 and 11.1).

use super::page_file::{PageFile, TreeIdentity};
use super::space::{Growth, Space, write_space_tree};
use super::table::{SYSTEM_ROOT, single_page};
use super::tree::TreeWriter;
use crate::error::JetResult;
use crate::format::{
    CATALOG_OBJID, CATALOG_ROOT, CatalogEntry, Extent, FormatError, FreeSpace, PageFlags, PageWriter,
    SHADOW_CATALOG_OBJID, SHADOW_CATALOG_ROOT, SpaceFlags, SpaceHeader,
};
use crate::store::system_catalog::{self, Object};

/// Pages that stand at fixed places; the first free one for user tables is the next.
pub(super) const RESERVED_PAGES: u32 = 30;
/// Objid of the first user table.
pub(super) const FIRST_USER_OBJID: u32 = 8;
/// A new database has at least as many pages.
const INITIAL_PAGES: u32 = 254;

const OBJECTS: TreeIdentity = tree(CATALOG_ROOT, CATALOG_OBJID, PageFlags::empty());
const OBJECTS_NAME: TreeIdentity = tree(
    system_catalog::NAME_ROOT,
    system_catalog::NAME_OBJID,
    PageFlags::INDEX,
);
const ROOT_OBJECTS: TreeIdentity = tree(
    system_catalog::ROOT_OBJECTS_ROOT,
    system_catalog::ROOT_OBJECTS_OBJID,
    PageFlags::INDEX,
);
const SHADOW: TreeIdentity = tree(SHADOW_CATALOG_ROOT, SHADOW_CATALOG_OBJID, PageFlags::empty());
const LOCALES: TreeIdentity = tree(
    system_catalog::LOCALES_ROOT,
    system_catalog::LOCALES_OBJID,
    PageFlags::empty(),
);
/// Root of MSysObjids while it is one page.
const OBJIDS_PAGE: u32 = system_catalog::OBJIDS_ROOT;
const OBJIDS: u32 = system_catalog::OBJIDS_OBJID;

const fn tree(root: u32, objid: u32, kind: PageFlags) -> TreeIdentity {
    TreeIdentity { root, objid, kind }
}

/// Writes every system table and the space of the file; returns the file's last page.
pub(super) fn write(
    file: &mut PageFile,
    mut catalog: Vec<CatalogEntry>,
    objects: &[Object],
) -> JetResult<u32> {
    let size = file.size();
    let objids = write_objids(file, objects)?;
    write_locales(file)?;
    catalog.extend(system_catalog::catalog_entries());
    catalog.extend(system_catalog::objids_entries(objids));
    catalog.extend(system_catalog::locales_entries());
    let mut rows = Vec::new();
    for row in &catalog {
        rows.push((row.primary_key()?, row.record(size)?));
    }
    rows.sort_unstable();
    let mut space = Space::new(4, 23, 13, Growth::Single);
    write_tree(file, OBJECTS, &mut space, &rows, SYSTEM_ROOT)?;
    let names = sorted(&catalog, |row| row.name_key().map(Some))?;
    write_catalog_index(file, OBJECTS_NAME, &mut space, &names)?;
    let roots = sorted(&catalog, CatalogEntry::root_key)?;
    write_catalog_index(file, ROOT_OBJECTS, &mut space, &roots)?;
    space.write_trees(file, OBJECTS)?;

    let mut space = Space::new(24, 28, 27, Growth::Single);
    write_tree(file, SHADOW, &mut space, &rows, SYSTEM_ROOT)?;
    space.write_trees(file, SHADOW)?;
    write_system_root(file, objids == OBJIDS_PAGE)
}

/// Index entries of the catalog: key and the row's primary key.
fn sorted(
    catalog: &[CatalogEntry],
    key: impl Fn(&CatalogEntry) -> Result<Option<Vec<u8>>, FormatError>,
) -> JetResult<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut entries = Vec::new();
    for row in catalog {
        if let Some(key) = key(row)? {
            entries.push((key, row.primary_key()?));
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

fn write_tree(
    file: &mut PageFile,
    tree: TreeIdentity,
    space: &mut Space,
    nodes: &[(Vec<u8>, Vec<u8>)],
    parent: u32,
) -> JetResult<()> {
    let mut writer = TreeWriter::new(file, tree);
    for (key, data) in nodes {
        writer.push(file, space, key.clone(), data.clone())?;
    }
    writer.finish(file, space, |_, space| Ok(space.header(tree, parent)))
}

/// An index of the catalog lives on pages that MSysObjects lends to it.
fn write_catalog_index(
    file: &mut PageFile,
    tree: TreeIdentity,
    lender: &mut Space,
    nodes: &[(Vec<u8>, Vec<u8>)],
) -> JetResult<()> {
    let mut space = Space::new(tree.root, tree.root + 2, tree.root + 3, Growth::Single);
    let lent = lender.spare_range();
    lender.lend_spare(&mut space);
    write_tree(file, tree, &mut space, nodes, OBJECTS.root)?;
    lender.settle(&mut space, lent);
    space.write_trees(file, tree)
}

/// The file's own space. Everything behind the last used page is free, and so is page 29 if nobody took it.
fn write_system_root(file: &PageFile, page_29_is_used: bool) -> JetResult<u32> {
    let used = file.last();
    let total = used.max(INITIAL_PAGES);
    let root = tree(SYSTEM_ROOT, 1, PageFlags::empty());
    let header = SpaceHeader {
        primary: total,
        parent: 0,
        flags: SpaceFlags::MULTIPLE_EXTENT,
        free: FreeSpace::OwnedExtents(2),
    };
    let page = PageWriter::new(file.size(), &header.to_bytes());
    file.write(page, root.root, root, PageFlags::ROOT | PageFlags::LEAF, (0, 0))?;
    let all = Extent {
        last: total,
        count: total,
    };
    write_space_tree(file, root, 2, &[all])?;
    let free = [
        Extent {
            last: OBJIDS_PAGE,
            count: u32::from(!page_29_is_used),
        },
        Extent {
            last: total,
            count: total - used,
        },
    ];
    write_space_tree(file, root, 3, &free)?;
    Ok(total)
}

/// MSysObjids: one page if its records fit, else a tree at the end of the file. Returns its root.
fn write_objids(file: &mut PageFile, objects: &[Object]) -> JetResult<u32> {
    let mut nodes = Vec::new();
    for object in system_catalog::system_objects().iter().chain(objects) {
        nodes.push((object.key()?, object.record(file.size())?));
    }
    nodes.sort_unstable();
    let mut page = PageWriter::new(file.size(), &single_page().to_bytes());
    if nodes.iter().all(|(key, record)| page.push_node(key, record)) {
        let tree = tree(OBJIDS_PAGE, OBJIDS, PageFlags::empty());
        file.write(page, tree.root, tree, PageFlags::ROOT | PageFlags::LEAF, (0, 0))?;
        return Ok(OBJIDS_PAGE);
    }
    let (root, mut space) = Space::create(file, Growth::Single)?;
    let tree = tree(root, OBJIDS, PageFlags::empty());
    write_tree(file, tree, &mut space, &nodes, SYSTEM_ROOT)?;
    space.write_trees(file, tree)?;
    Ok(root)
}

/// MSysLocales: the records of a database without Unicode indexes.
fn write_locales(file: &mut PageFile) -> JetResult<()> {
    let size = file.size();
    let mut page = PageWriter::new(size, &single_page().to_bytes());
    for (key, record) in system_catalog::locale_records(size)? {
        // Seven short records fit a page of any size that is written.
        let _ = page.push_node(&key, &record);
    }
    file.write(
        page,
        LOCALES.root,
        LOCALES,
        PageFlags::ROOT | PageFlags::LEAF,
        (0, 0),
    )
}
