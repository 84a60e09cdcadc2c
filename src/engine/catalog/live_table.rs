//! A table as the engine works with it: its rows of the catalog, its trees, and what follows from them for records and
//! keys.

use super::rows;
use super::rows::unique;
use crate::engine::bookmark::TreeId;
use crate::engine::record::RecordLayout;
use crate::engine::state::{DatabaseState, Look};
use crate::engine::transactions::TransactionState;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{IndexEntry, IndexFlags, LongValueEntry, PageFlags, PageSize};
use crate::store::{IndexKeys, IndexSchema, TableSchema, table_columns};
use std::sync::Arc;

/// A table.
#[derive(Debug)]
pub(crate) struct LiveTable {
    /// What the catalog says.
    pub(crate) schema: TableSchema,
    /// The tree of its records.
    pub(crate) tree: TreeId,
    /// The tree of its long values; [`long_value_tree`](super::long_value_tree) makes it where there is none.
    pub(crate) long_values: Option<TreeId>,
    /// Its columns, those of its template included.
    pub(crate) layout: Arc<RecordLayout>,
    /// The primary index; its tree is the table's. Without one, keys are numbers: see
    /// [`next_sequential_key`](super::next_sequential_key).
    pub(crate) primary: Option<LiveIndex>,
    /// The other indexes, by objid.
    pub(crate) secondary: Vec<LiveIndex>,
}

/// An index.
#[derive(Debug)]
pub(crate) struct LiveIndex {
    /// Its name.
    pub(crate) name: String,
    /// What the catalog says.
    pub(crate) entry: IndexEntry,
    /// Its tree.
    pub(crate) tree: TreeId,
    /// How keys are made, or why they cannot be made here.
    keys: Result<IndexKeys, (JetErr, String)>,
}

impl LiveIndex {
    /// An index with this tree, of a table with this layout.
    pub(super) fn new(index: &IndexSchema, tree: TreeId, layout: &RecordLayout) -> Self {
        let keys = match IndexKeys::new(index, layout.columns()) {
            Ok(keys) => keys
                .for_writing()
                .map_err(|error| (error.code(), error.to_string())),
            Err(incomparable) => Err((JetErr::FeatureNotAvailable, incomparable.why)),
        };
        LiveIndex {
            name: index.name.clone(),
            entry: index.entry.clone(),
            tree,
            keys,
        }
    }

    /// How its keys are made.
    ///
    /// # Errors
    /// They cannot be made here: a segment is Unicode text (`JET_errUnicodeNormalizationNotSupported`), or the index is
    /// of a kind that jetfs does not know. The table can be read then, by other indexes, but not written.
    pub(crate) fn keys(&self) -> JetResult<&IndexKeys> {
        self.keys
            .as_ref()
            .map_err(|(code, why)| JetError::rule(*code, format!("index {}: {why}", self.name)))
    }
}

impl LiveTable {
    /// A table from its entries; `template` is what it is derived from.
    pub(super) fn new(size: PageSize, schema: TableSchema, template: Option<&TableSchema>) -> Self {
        let primary = schema.indexes.iter().find(|index| is_primary(index));
        let layout = RecordLayout::new(
            size,
            &table_columns(&schema, template),
            primary.map(|index| index.entry.key_most),
            schema.table.separate_at,
        );
        let tree = unique(schema.table.pgno_fdp, schema.objid, PageFlags::empty());
        let primary = primary.map(|index| LiveIndex::new(index, tree, &layout));
        let secondary = schema.indexes.iter().filter(|index| !is_primary(index));
        let secondary = secondary.map(|index| LiveIndex::new(index, index_tree(&index.entry), &layout));
        LiveTable {
            tree,
            long_values: schema.long_value.map(long_value_tree_of),
            primary,
            secondary: secondary.collect(),
            layout: Arc::new(layout),
            schema,
        }
    }

    /// Whether records can be written: whether all keys can be made.
    ///
    /// # Errors
    /// As [`LiveIndex::keys`].
    pub(crate) fn check_writable(&self) -> JetResult<()> {
        let mut indexes = self.primary.iter().chain(&self.secondary);
        indexes.try_for_each(|index| index.keys().map(drop))
    }

    /// The index of this name, the primary one included; case does not matter.
    ///
    /// # Errors
    /// `JET_errIndexNotFound`.
    pub(crate) fn index(&self, name: &str) -> JetResult<&LiveIndex> {
        let mut indexes = self.primary.iter().chain(&self.secondary);
        indexes
            .find(|index| index.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| {
                let what = format!("table {} has no index {name:?}", self.schema.name);
                JetError::rule(JetErr::IndexNotFound, what)
            })
    }
}

fn is_primary(index: &IndexSchema) -> bool {
    index.entry.flags.contains(IndexFlags::PRIMARY)
}

/// The tree of a secondary index.
pub(super) fn index_tree(index: &IndexEntry) -> TreeId {
    let is_unique = index.flags.contains(IndexFlags::UNIQUE);
    let mut kind = PageFlags::INDEX;
    kind.set(PageFlags::NON_UNIQUE_KEYS, !is_unique);
    TreeId {
        is_unique,
        ..unique(index.pgno_fdp, index.objid, kind)
    }
}

/// The tree of a table's long values.
pub(super) fn long_value_tree_of(tree: LongValueEntry) -> TreeId {
    unique(tree.pgno_fdp, tree.objid, PageFlags::LONG_VALUE)
}

/// The table of this name, as `reader` sees it; case does not matter.
///
/// # Errors
/// `JET_errObjectNotFound`; a page is missing; the catalog is damaged.
pub(crate) fn table(
    state: &DatabaseState,
    size: PageSize,
    name: &str,
    reader: &TransactionState,
) -> Look<Arc<LiveTable>> {
    match rows::find_table(state, name, reader)? {
        Some(objid) => table_of(state, size, objid, reader),
        None => Err(JetError::rule(JetErr::ObjectNotFound, format!("there is no table {name:?}")).into()),
    }
}

/// The table of this objid, as `reader` sees it. Cheap if everybody sees it so: to be asked for by each operation of a
/// cursor, whose transaction may see another schema than the one before.
///
/// # Errors
/// As [`table`].
pub(crate) fn table_of(
    state: &DatabaseState,
    size: PageSize,
    objid: u32,
    reader: &TransactionState,
) -> Look<Arc<LiveTable>> {
    if let Some(table) = state.catalog.table(objid, reader) {
        return Ok(table);
    }
    let mut schema = read(state, size, objid, reader)?;
    add_long_values(state, size, &mut schema)?;
    let template = match &schema.table.template {
        Some(name) => match rows::find_table(state, name, reader)? {
            Some(objid) => Some(read(state, size, objid, reader)?),
            None => return Err(not_found(&format!("template {name:?}")).into()),
        },
        None => None,
    };
    let table = Arc::new(LiveTable::new(size, schema, template.as_ref()));
    state.catalog.keep(&table, reader);
    Ok(table)
}

/// All tables, as `reader` sees them, by objid; those of the engine itself included.
///
/// # Errors
/// As [`table`].
pub(crate) fn tables(
    state: &DatabaseState,
    size: PageSize,
    reader: &TransactionState,
) -> Look<Vec<TableSchema>> {
    let mut tables = TableSchema::from_entries(rows::all_entries(state, size, reader)?);
    for table in &mut tables {
        add_long_values(state, size, table)?;
    }
    Ok(tables)
}

/// A table's long value tree is seen by everybody as soon as it is there.
fn add_long_values(state: &DatabaseState, size: PageSize, table: &mut TableSchema) -> Look<()> {
    if table.long_value.is_none() {
        table.long_value = rows::long_value_tree(state, size, table.objid)?;
    }
    Ok(())
}

fn read(state: &DatabaseState, size: PageSize, objid: u32, reader: &TransactionState) -> Look<TableSchema> {
    let found = TableSchema::from_entries(rows::entries(state, size, objid, reader)?);
    let found = found.into_iter().find(|table| table.objid == objid);
    Ok(found.ok_or_else(|| not_found(&format!("table {objid}")))?)
}

fn not_found(what: &str) -> JetError {
    JetError::rule(JetErr::ObjectNotFound, format!("there is no {what}"))
}
