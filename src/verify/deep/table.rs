//! A table with its indexes and its long values: their space, their trees, and whether these agree.

use super::census::{Rank, Territory};
use super::finding::{FindingKind, hex};
use super::indexes::{EntryHasher, IndexCheck, keys_of};
use super::long_values::{LongValueWalk, Window};
use super::records;
use super::walk::LeafNode;
use super::{Check, SYSTEM_ROOT, TreeShape};
use crate::format::{ColumnFlags, ColumnType, IndexFlags, Page, PageFlags, Record, RootHeader, Storage};
use crate::store::{Comparison, IndexKeys, IndexSchema, LongValues, RecordColumn, Table, TableSchema};

/// A table's trees.
struct Trees<'s> {
    table: TreeShape,
    indexes: Vec<(&'s IndexSchema, TreeShape)>,
    long_values: Option<TreeShape>,
}

impl<'s> Trees<'s> {
    fn of(schema: &'s TableSchema) -> Self {
        let name = format!("table {}", schema.name);
        let indexes = schema.indexes.iter();
        let secondary = indexes.filter(|index| !index.entry.flags.contains(IndexFlags::PRIMARY));
        Trees {
            indexes: secondary.map(|index| (index, index_tree(index, &name))).collect(),
            long_values: schema.long_value.map(|entry| TreeShape {
                name: format!("long values of {name}"),
                root: entry.pgno_fdp,
                objid: entry.objid,
                kind: PageFlags::LONG_VALUE,
            }),
            table: TreeShape {
                name,
                root: schema.table.pgno_fdp,
                objid: schema.objid,
                kind: PageFlags::empty(),
            },
        }
    }
}

fn index_tree(index: &IndexSchema, table: &str) -> TreeShape {
    let mut kind = PageFlags::INDEX;
    kind.set(
        PageFlags::NON_UNIQUE_KEYS,
        !index.entry.flags.contains(IndexFlags::UNIQUE),
    );
    TreeShape {
        name: format!("index {} of {table}", index.name),
        root: index.entry.pgno_fdp,
        objid: index.entry.objid,
        kind,
    }
}

/// What is gathered while the records are walked.
struct RecordWalk<'s, 'd> {
    tree: &'s TreeShape,
    columns: Vec<RecordColumn>,
    long_values: Option<LongValues<'d>>,
    references: Window,
    primary: Option<IndexKeys>,
    indexes: Vec<IndexCheck<'s>>,
    hasher: EntryHasher,
    /// The column that the engine numbers, and its largest value so far.
    auto_increment: Option<(RecordColumn, i64)>,
}

impl Check<'_> {
    /// Checks a table and all that belongs to it; `lender` is the space of the system root.
    pub(super) fn check_table(
        &mut self,
        schema: &TableSchema,
        table: &Table<'_>,
        lender: Option<&Territory>,
    ) {
        let trees = Trees::of(schema);
        let space = self.read_space(&trees.table, Rank::Table, SYSTEM_ROOT, lender);
        let space_of = |check: &mut Self, tree: &TreeShape| {
            check.read_space(tree, Rank::Child, trees.table.root, space.as_ref())
        };
        // All that is lent must be known before a tree's own pages are looked at.
        let index_spaces: Vec<_> = trees
            .indexes
            .iter()
            .map(|(_, tree)| space_of(self, tree))
            .collect();
        let long_value_space = trees.long_values.as_ref().and_then(|tree| space_of(self, tree));
        let references = self.walk_long_values(trees.long_values.as_ref(), table, long_value_space.as_ref());
        let mut records = RecordWalk::new(schema, &trees, table, references);
        self.walk(&trees.table, space.as_ref(), &mut |check, node| {
            records.node(check, node)
        });
        if let Some(tree) = &trees.long_values {
            let window = std::mem::take(&mut records.references);
            self.judge_references(&trees.table, tree, window);
        }
        self.judge_auto_increment(&records);
        for (index, space) in records.indexes.iter_mut().zip(&index_spaces) {
            let (tree, hasher) = (index.tree, &records.hasher);
            self.walk(tree, space.as_ref(), &mut |check, node| {
                index.entry(check, &trees.table, hasher, node);
            });
            self.judge_index(&trees.table, index, hasher, records.long_values.as_ref());
        }
        if let Some(space) = &space {
            self.find_leaks(&trees.table.name, space);
        }
    }

    fn walk_long_values(
        &mut self,
        tree: Option<&TreeShape>,
        table: &Table<'_>,
        space: Option<&Territory>,
    ) -> Window {
        let (Some(tree), Some(long_values)) = (tree, table.long_values()) else {
            return Window::default();
        };
        let mut walk = LongValueWalk::new(tree, long_values.chunk_size());
        self.walk(tree, space, &mut |check, node| walk.node(check, node));
        walk.finish(self)
    }

    /// The value that is handed out next is kept in the root page (update 30 and later).
    fn judge_auto_increment(&mut self, records: &RecordWalk<'_, '_>) {
        let Some((column, largest)) = &records.auto_increment else {
            return;
        };
        let Ok(page) = self.database.read_page(records.tree.root) else {
            return;
        };
        let header = Page::of(&page)
            .and_then(|view| view.external_header())
            .and_then(RootHeader::read);
        let most = header.ok().and_then(|header| header.auto_increment);
        if let (Some(most), Ok(largest)) = (most, u64::try_from(*largest))
            && most < largest
        {
            let what = format!(
                "column {} has the value {largest}, but the maximum is {most}",
                column.name
            );
            self.findings.add(
                FindingKind::AutoIncrement,
                Some(records.tree.root),
                &records.tree.name,
                what,
            );
        }
    }
}

impl<'s, 'd> RecordWalk<'s, 'd> {
    fn new(schema: &'s TableSchema, trees: &'s Trees<'s>, table: &'s Table<'d>, references: Window) -> Self {
        let columns = RecordColumn::all(table.columns());
        let primary = schema
            .indexes
            .iter()
            .find(|index| index.entry.flags.contains(IndexFlags::PRIMARY));
        let keys = primary.and_then(|index| IndexKeys::new(index, &columns).ok());
        let numbered = columns
            .iter()
            .find(|column| column.flags.contains(ColumnFlags::AUTO_INCREMENT))
            .cloned();
        RecordWalk {
            tree: &trees.table,
            long_values: table.long_values().copied(),
            references,
            primary: keys.filter(|keys| keys.comparison == Comparison::Keys),
            indexes: trees
                .indexes
                .iter()
                .map(|(index, tree)| IndexCheck::new(tree, IndexKeys::new(index, &columns)))
                .collect(),
            hasher: EntryHasher::default(),
            auto_increment: numbered.map(|column| (column, 0)),
            columns,
        }
    }

    fn node(&mut self, check: &mut Check<'_>, node: &LeafNode<'_>) {
        if node.is_deleted {
            return;
        }
        check.counts.records += 1;
        let find = |check: &mut Check<'_>, kind, what: String| {
            check.findings.add(kind, Some(node.pgno), &self.tree.name, what);
        };
        let record = match Record::read(check.database.page_size(), node.data) {
            Ok(record) => record,
            Err(error) => {
                let what = format!("the record with key {}: {error}", hex(node.key));
                return find(check, FindingKind::Record, what);
            }
        };
        if let Err(error) = records::check_columns(&record, &self.columns) {
            let what = format!("the record with key {}: {error}", hex(node.key));
            return find(check, FindingKind::Record, what);
        }
        check.count_references(self.tree, &mut self.references, node.pgno, &record);
        if let Some(Ok(made)) = self
            .primary
            .as_ref()
            .map(|keys| keys_of(keys, &record, self.long_values.as_ref()))
            && made.first().map(Vec::as_slice) != Some(node.key)
        {
            let made = made.first().map_or_else(|| "none".to_owned(), |key| hex(key));
            let what = format!(
                "the key of a record is {}, but that of its columns {made}",
                hex(node.key)
            );
            find(check, FindingKind::PrimaryKey, what);
        }
        for index in &mut self.indexes {
            index.record(&self.hasher, node.key, &record, self.long_values.as_ref());
        }
        if let Some((column, largest)) = &mut self.auto_increment {
            *largest = (*largest).max(number(&record, column).unwrap_or(0));
        }
    }
}

/// The value of a numbered column.
fn number(record: &Record<'_>, column: &RecordColumn) -> Option<i64> {
    let values = column.instances(record).ok()?;
    let value = values.first().filter(|value| value.storage == Storage::Plain)?;
    match column.kind {
        Some(ColumnType::Long) => Some(i32::from_le_bytes(value.data.try_into().ok()?).into()),
        Some(ColumnType::UnsignedLong) => Some(u32::from_le_bytes(value.data.try_into().ok()?).into()),
        _ => Some(i64::from_le_bytes(value.data.try_into().ok()?)),
    }
}
