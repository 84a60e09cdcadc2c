//! The content of a new database: its root, MSysObjects with indexes and shadow, MSysObjids, MSysLocales, at the places
//! where every ESE instance looks for them (database-file.md section 5.5, log-and-recovery.md sections 4.7 and 8.5).

use super::own_transaction::in_own_transaction;
use super::rows;
use crate::engine::bookmark::TreeId;
use crate::engine::change::Change;
use crate::engine::shared::Shared;
use crate::engine::space::{self, NewTree, ROOT};
use crate::engine::state::AttachedDatabase;
use crate::engine::tree;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageFlags;
use crate::store::system_catalog::{
    self, CATALOG_INDEX_PAGES, CATALOG_PAGES, LOCALES_OBJID, LOCALES_ROOT, OBJIDS_OBJID, OBJIDS_ROOT,
    SHADOW_PAGES,
};

/// Pages of a new database if nothing else is said: with the two of the header, 1 MiB at 4 KiB.
pub(crate) const INITIAL_PAGES: u32 = 254;
/// Room for what every database has.
const LEAST_PAGES: u32 = 32;

const OBJIDS: TreeId = rows::unique(OBJIDS_ROOT, OBJIDS_OBJID, PageFlags::empty());
const LOCALES: TreeId = rows::unique(LOCALES_ROOT, LOCALES_OBJID, PageFlags::empty());

/// Makes what a database contains, in a file that has nothing yet: between `CreateDB` and
/// `CreateDBFinish`. `pages`: as many as it shall have, at least 32.
///
/// # Errors
/// The file cannot grow; the log cannot be appended to. The database is of no use then.
pub(crate) fn create_database(shared: &Shared, database: &AttachedDatabase, pages: u32) -> JetResult<()> {
    let step = |work: &dyn Fn(&mut Change<'_>) -> JetResult<()>| {
        let mut state = database.write(shared)?;
        in_own_transaction(shared, database, &mut state, work)
    };
    step(&|change| space::create_root(change, pages.max(LEAST_PAGES)))?;
    step(&create_catalog)?;
    step(&create_objids)?;
    step(&|change| {
        let objects = system_catalog::system_objects();
        let mut known = objects.iter().filter(|object| object.objid != LOCALES_OBJID);
        known.try_for_each(|object| rows::insert_object(change, *object))
    })?;
    step(&create_locales)
}

/// MSysObjects, its shadow, its indexes, and what they say of themselves.
fn create_catalog(change: &mut Change<'_>) -> JetResult<()> {
    let multiple = |kind, pages| NewTree {
        kind,
        is_unique: true,
        pages,
        multiple_extent: true,
    };
    let table = PageFlags::empty();
    create(change, ROOT, multiple(table, CATALOG_PAGES), rows::CATALOG)?;
    create(change, ROOT, multiple(table, SHADOW_PAGES), rows::SHADOW)?;
    let index = multiple(PageFlags::INDEX, CATALOG_INDEX_PAGES);
    create(change, rows::CATALOG, index, rows::NAME)?;
    create(change, rows::CATALOG, index, rows::ROOT_OBJECTS)?;
    let mut entries = system_catalog::catalog_entries().into_iter();
    entries.try_for_each(|entry| rows::insert(change, &entry))
}

fn create_objids(change: &mut Change<'_>) -> JetResult<()> {
    create(change, ROOT, single_page(), OBJIDS)?;
    let mut entries = system_catalog::objids_entries(OBJIDS_ROOT).into_iter();
    entries.try_for_each(|entry| rows::insert(change, &entry))
}

fn create_locales(change: &mut Change<'_>) -> JetResult<()> {
    create(change, ROOT, single_page(), LOCALES)?;
    for entry in system_catalog::locales_entries() {
        rows::insert(change, &entry)?;
    }
    let objects = system_catalog::system_objects();
    for object in objects.iter().filter(|object| object.objid == LOCALES_OBJID) {
        rows::insert_object(change, *object)?;
    }
    for (key, record) in system_catalog::locale_records(change.database.page_size)? {
        tree::insert(change, LOCALES, &key, &record)?;
    }
    Ok(())
}

fn single_page() -> NewTree {
    NewTree {
        kind: PageFlags::empty(),
        is_unique: true,
        pages: 1,
        multiple_extent: false,
    }
}

/// Makes a tree, which must get the place that the engine has fixed for it.
fn create(change: &mut Change<'_>, lender: TreeId, new: NewTree, wanted: TreeId) -> JetResult<()> {
    let made = space::create_tree(change, lender, new)?;
    if made == wanted {
        return Ok(());
    }
    let what = format!(
        "tree {} of a new database got root page {} and not {} with {}",
        made.objid, made.fdp, wanted.objid, wanted.fdp
    );
    Err(JetError::rule(JetErr::InternalError, what))
}
