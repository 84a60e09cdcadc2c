//! Rows of the catalog: in MSysObjects and its indexes, the same in the shadow, and in MSysObjids
//! (database-file.md sections 6.1 to 6.3).

use crate::engine::bookmark::{BookmarkRef, TreeId};
use crate::engine::change::Change;
use crate::engine::state::{DatabaseState, Look};
use crate::engine::transactions::TransactionState;
use crate::engine::tree::{self, From};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    CATALOG_OBJID, CATALOG_ROOT, CatalogEntry, CatalogObject, LongValueEntry, PageFlags, PageSize,
    SHADOW_CATALOG_OBJID, SHADOW_CATALOG_ROOT, catalog_key_prefix, catalog_root_key, entry_type,
};
use crate::store::system_catalog::{
    NAME_OBJID, NAME_ROOT, OBJIDS_NAME, Object, ROOT_OBJECTS_OBJID, ROOT_OBJECTS_ROOT,
};

/// MSysObjects.
pub(super) const CATALOG: TreeId = unique(CATALOG_ROOT, CATALOG_OBJID, PageFlags::empty());
/// MSysObjectsShadow.
pub(super) const SHADOW: TreeId = unique(SHADOW_CATALOG_ROOT, SHADOW_CATALOG_OBJID, PageFlags::empty());
/// Index `Name` of MSysObjects.
pub(super) const NAME: TreeId = unique(NAME_ROOT, NAME_OBJID, PageFlags::INDEX);
/// Index `RootObjects` of MSysObjects.
pub(super) const ROOT_OBJECTS: TreeId = unique(ROOT_OBJECTS_ROOT, ROOT_OBJECTS_OBJID, PageFlags::INDEX);

/// A tree whose keys are its bookmarks.
pub(super) const fn unique(root: u32, objid: u32, kind: PageFlags) -> TreeId {
    TreeId {
        fdp: root,
        root,
        objid,
        is_unique: true,
        kind,
    }
}

/// The name of a node of such a tree.
pub(super) fn key(key: &[u8]) -> BookmarkRef<'_> {
    BookmarkRef { key, data: &[] }
}

/// Adds an entry.
///
/// # Errors
/// `JET_errKeyDuplicate`, `JET_errWriteConflict`, and those of the tree.
pub(super) fn insert(change: &mut Change<'_>, entry: &CatalogEntry) -> JetResult<()> {
    let (primary, record) = (entry.primary_key()?, entry.record(change.database.page_size)?);
    tree::insert(change, CATALOG, &primary, &record)?;
    if let Some(root) = entry.root_key()? {
        tree::insert(change, ROOT_OBJECTS, &root, &primary)?;
    }
    tree::insert(change, NAME, &entry.name_key()?, &primary)?;
    tree::insert(change, SHADOW, &primary, &record)
}

/// Takes an entry out.
///
/// # Errors
/// `JET_errWriteConflict`, and those of the tree.
pub(super) fn delete(change: &mut Change<'_>, entry: &CatalogEntry) -> JetResult<()> {
    let primary = entry.primary_key()?;
    if let Some(root) = entry.root_key()? {
        tree::delete(change, ROOT_OBJECTS, key(&root))?;
    }
    tree::delete(change, NAME, key(&entry.name_key()?))?;
    tree::delete(change, CATALOG, key(&primary))?;
    tree::delete(change, SHADOW, key(&primary))
}

/// Puts an entry in the place of one with the same table, kind and id.
///
/// # Errors
/// `JET_errWriteConflict`, and those of the tree.
pub(super) fn replace(change: &mut Change<'_>, old: &CatalogEntry, new: &CatalogEntry) -> JetResult<()> {
    let (primary, record) = (new.primary_key()?, new.record(change.database.page_size)?);
    tree::delete(change, NAME, key(&old.name_key()?))?;
    tree::insert(change, NAME, &new.name_key()?, &primary)?;
    tree::replace(change, CATALOG, key(&primary), &record)?;
    tree::replace(change, SHADOW, key(&primary), &record)
}

/// Adds a record to MSysObjids, if the database has that table.
///
/// # Errors
/// Those of the tree.
pub(super) fn insert_object(change: &mut Change<'_>, object: Object) -> JetResult<()> {
    match objids(change)? {
        Some(objids) => {
            let record = object.record(change.database.page_size)?;
            tree::insert(change, objids, &object.key()?, &record)
        }
        None => Ok(()),
    }
}

/// Takes a record out of MSysObjids, if it is there.
///
/// # Errors
/// Those of the tree.
pub(super) fn delete_object(change: &mut Change<'_>, object: Object) -> JetResult<()> {
    let Some(objids) = objids(change)? else {
        return Ok(());
    };
    match tree::delete(change, objids, key(&object.key()?)) {
        Err(error) if error.code() == JetErr::RecordNotFound => Ok(()),
        result => result,
    }
}

/// The tree of MSysObjids, wherever it was made.
fn objids(change: &mut Change<'_>) -> JetResult<Option<TreeId>> {
    let (database, reader) = (change.database, change.transaction.state());
    let found = database.look_in(change.state, |state| {
        let Some(objid) = find_table(state, OBJIDS_NAME, reader)? else {
            return Ok(None);
        };
        entries(state, database.page_size, objid, reader).map(Some)
    })?;
    let table = found.and_then(|entries| entries.into_iter().next());
    Ok(table.and_then(|entry| match entry.object {
        CatalogObject::Table(table) => Some(unique(table.pgno_fdp, entry.objid_table, PageFlags::empty())),
        _ => None,
    }))
}

/// objid of the table of this name, as `reader` sees it.
///
/// # Errors
/// A page is missing; the catalog is damaged.
pub(super) fn find_table(state: &DatabaseState, name: &str, reader: &TransactionState) -> Look<Option<u32>> {
    // Names that are not ASCII cannot be made here, and their keys in foreign catalogs are not looked for.
    let Ok(root) = catalog_root_key(name) else {
        return Ok(None);
    };
    match tree::find(state, ROOT_OBJECTS, From::At(key(&root)), reader)? {
        Some(found) => Ok(Some(objid_of(&found.data)?)),
        None => Ok(None),
    }
}

/// All entries of a table, as `reader` sees them, in the order of the index `Id`: the table itself first.
///
/// # Errors
/// As [`find_table`].
pub(super) fn entries(
    state: &DatabaseState,
    size: PageSize,
    table: u32,
    reader: &TransactionState,
) -> Look<Vec<CatalogEntry>> {
    collect(state, size, &catalog_key_prefix(table, None)?, reader)
}

/// All entries of all tables, as `reader` sees them.
///
/// # Errors
/// As [`find_table`].
pub(super) fn all_entries(
    state: &DatabaseState,
    size: PageSize,
    reader: &TransactionState,
) -> Look<Vec<CatalogEntry>> {
    collect(state, size, &[], reader)
}

fn collect(
    state: &DatabaseState,
    size: PageSize,
    prefix: &[u8],
    reader: &TransactionState,
) -> Look<Vec<CatalogEntry>> {
    let mut entries = Vec::new();
    let mut found = tree::find(state, CATALOG, From::AtOrAfter(key(prefix)), reader)?;
    while let Some(node) = found {
        let whole = node.node.key().into_owned();
        if !whole.starts_with(prefix) {
            break;
        }
        entries.push(CatalogEntry::read(size, &node.data)?);
        found = tree::find(state, CATALOG, From::After(key(&whole)), reader)?;
    }
    Ok(entries)
}

/// The long value tree of a table as it stands on its page, whoever made it: see
/// [`long_value_tree`](super::long_value_tree).
///
/// # Errors
/// As [`find_table`].
pub(super) fn long_value_tree(
    state: &DatabaseState,
    size: PageSize,
    table: u32,
) -> Look<Option<LongValueEntry>> {
    let prefix = catalog_key_prefix(table, Some(entry_type::LONG_VALUE))?;
    let mut place = Some(tree::seek(state, CATALOG, key(&prefix))?.place);
    while let Some(at) = place {
        // Behind the last line of a leaf there is no node.
        if at.line < state.page(at.pgno)?.view()?.node_count() {
            let node = tree::node(state, CATALOG, at)?;
            if !node.key().starts_with(&prefix) {
                return Ok(None);
            }
            if !node.is_deleted()
                && let CatalogObject::LongValue(tree) = CatalogEntry::read(size, node.data)?.object
            {
                return Ok(Some(tree));
            }
        }
        place = tree::next(state, CATALOG, at)?;
    }
    Ok(None)
}

/// The objids of all entries, those that are deleted included.
///
/// # Errors
/// As [`find_table`].
pub(super) fn all_objids(state: &DatabaseState, size: PageSize) -> Look<Vec<u32>> {
    let mut objids = Vec::new();
    let mut place = tree::first(state, CATALOG)?;
    while let Some(at) = place {
        let entry = CatalogEntry::read(size, tree::node(state, CATALOG, at)?.data)?;
        objids.push(match entry.object {
            CatalogObject::Index(index) => index.objid,
            CatalogObject::LongValue(tree) => tree.objid,
            _ => entry.objid_table,
        });
        place = tree::next(state, CATALOG, at)?;
    }
    Ok(objids)
}

/// objid of the table in a key of the index `Id`.
fn objid_of(primary: &[u8]) -> JetResult<u32> {
    match primary {
        [_, a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d]) ^ 0x8000_0000),
        _ => {
            let what = "an entry of the catalog's index RootObjects has no bookmark";
            Err(JetError::rule(JetErr::DatabaseCorrupted, what))
        }
    }
}
