//! Writes a table: its rows in key order, its long values beside them, its secondary indexes behind
//! (database-file.md section 11.1, steps 2 to 4).

use super::layout::{IndexLayout, TableLayout};
use super::long_value::LongValueWriter;
use super::page_file::{PageFile, TreeIdentity};
use super::schema::{Cell, Row, Storage};
use super::space::{Growth, Space};
use super::tree::TreeWriter;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{
    FixedField, PageFlags, PageSize, RecordWriter, SpaceHeader, TaggedField, TaggedValue, record_most,
};

/// Values of more bytes stand apart from their record (the engine's default, section 8).
const INTRINSIC_MOST: usize = 1023;
/// FDP of the system root, which lends tables their space.
pub(super) const SYSTEM_ROOT: u32 = 1;

/// Key and bookmark of an index entry.
type IndexEntry = (Vec<u8>, Vec<u8>);

/// Where a table's trees are, for the catalog.
#[derive(Debug)]
pub(super) struct TableTrees {
    pub(super) table: TreeIdentity,
    /// Pages of its whole run.
    pub(super) pages: u32,
    /// In the order of the schema's secondary indexes.
    pub(super) secondary: Vec<TreeIdentity>,
    pub(super) long_values: Option<TreeIdentity>,
    pub(super) rows: u64,
}

/// A table that is being written.
#[derive(Debug)]
pub(super) struct TableLoad<'a> {
    file: &'a mut PageFile,
    layout: &'a TableLayout,
    tree: TreeIdentity,
    space: Space,
    rows: TreeWriter,
    row_count: u64,
    entries: Vec<Vec<IndexEntry>>,
    long_values: Option<LongValueWriter>,
}

impl<'a> TableLoad<'a> {
    /// Begins at the end of the file. The table gets `objid`, its indexes the next ones, its long values the one after.
    pub(super) fn begin(file: &'a mut PageFile, layout: &'a TableLayout, objid: u32) -> JetResult<Self> {
        let (root, space) = Space::create(file, Growth::Single)?;
        let tree = TreeIdentity {
            root,
            objid,
            kind: PageFlags::empty(),
        };
        let rows = TreeWriter::new(file, tree);
        Ok(TableLoad {
            file,
            layout,
            tree,
            space,
            rows,
            row_count: 0,
            entries: vec![Vec::new(); layout.secondary.len()],
            long_values: None,
        })
    }

    /// Appends a row, whose key must be above the last one's.
    pub(super) fn push(&mut self, row: &Row) -> JetResult<()> {
        self.layout.check(row)?;
        let key = self.layout.primary.key(row)?;
        for (index, entries) in self.layout.secondary.iter().zip(&mut self.entries) {
            if index.has_entry(row)? {
                entries.push((index.key(row)?, key.clone()));
            }
        }
        let record = self.record(row, key.len())?;
        self.rows.push(self.file, &mut self.space, key, record)?;
        self.row_count += 1;
        Ok(())
    }

    fn record(&mut self, row: &Row, key_len: usize) -> JetResult<Vec<u8>> {
        let limit = record_most(
            self.file.size(),
            u16::try_from(key_len.max(255)).unwrap_or(u16::MAX),
        );
        let mut placed = PlacedRow::new(self.layout, row);
        let mut record = placed.encode(self.file.size())?;
        while record.len() > limit {
            if !placed.separate_largest() {
                let what = format!("a record of {} bytes is longer than {limit}", record.len());
                return Err(JetError::rule(JetErr::RecordTooBig, what));
            }
            record = placed.encode(self.file.size())?;
        }
        if !placed.has_separated() {
            return Ok(record);
        }
        // Only now that nothing else leaves the record, the long values go into their tree.
        let objid = self.long_value_objid();
        let long_values = match &mut self.long_values {
            Some(long_values) => long_values,
            none => none.insert(LongValueWriter::new(self.file, objid)?),
        };
        for (value, lid) in placed.separated() {
            *lid = long_values.push(self.file, value)?;
        }
        placed.encode(self.file.size())
    }

    fn long_value_objid(&self) -> u32 {
        let indexes = u32::try_from(self.layout.secondary.len()).unwrap_or(u32::MAX);
        self.tree.objid.saturating_add(indexes).saturating_add(1)
    }

    /// Writes the secondary indexes, the long values' remaining pages, and the root.
    pub(super) fn finish(mut self) -> JetResult<TableTrees> {
        let long_values = self.long_values.as_ref().map(|values| values.tree);
        if let Some(values) = self.long_values.take() {
            values.finish(self.file, self.tree.root)?;
        }
        let mut secondary = Vec::new();
        let entries = std::mem::take(&mut self.entries);
        for ((index, entries), objid) in self
            .layout
            .secondary
            .iter()
            .zip(entries)
            .zip(self.tree.objid + 1..)
        {
            secondary.push(write_index(self.file, index, entries, objid, self.tree.root)?);
        }
        let tree = self.tree;
        self.rows.finish(self.file, &mut self.space, |file, space| {
            space.own_everything_up_to(file.last());
            Ok(space.header(tree, SYSTEM_ROOT))
        })?;
        self.space.write_trees(self.file, tree)?;
        Ok(TableTrees {
            table: tree,
            pages: self.file.last() - tree.root + 1,
            secondary,
            long_values,
            rows: self.row_count,
        })
    }
}

/// Writes a secondary index at the end of the file.
fn write_index(
    file: &mut PageFile,
    index: &IndexLayout,
    mut entries: Vec<IndexEntry>,
    objid: u32,
    table_root: u32,
) -> JetResult<TreeIdentity> {
    let (root, mut space) = Space::create(file, Growth::Single)?;
    let mut kind = PageFlags::INDEX;
    kind.set(PageFlags::NON_UNIQUE_KEYS, !index.is_unique());
    let tree = TreeIdentity { root, objid, kind };
    let mut nodes = TreeWriter::new(file, tree);
    entries.sort_unstable();
    for (key, bookmark) in entries {
        nodes.push(file, &mut space, key, bookmark)?;
    }
    nodes.finish(file, &mut space, |file, space| {
        space.own_everything_up_to(file.last());
        Ok(space.header(tree, table_root))
    })?;
    space.write_trees(file, tree)?;
    Ok(tree)
}

/// A row with, for each long value, whether it stands in the record or apart.
struct PlacedRow<'a> {
    layout: &'a TableLayout,
    row: &'a Row,
    /// By column and value: the LID of a separated value, 0 while it is not known.
    lids: Vec<Vec<Option<u32>>>,
}

impl<'a> PlacedRow<'a> {
    fn new(layout: &'a TableLayout, row: &'a Row) -> Self {
        let lids = row
            .iter()
            .zip(&layout.columns)
            .map(|(cell, column)| {
                let place = |value: &Vec<u8>| {
                    (column.schema.kind.is_long() && value.len() > INTRINSIC_MOST).then_some(0)
                };
                cell.values().iter().map(place).collect()
            })
            .collect();
        PlacedRow { layout, row, lids }
    }

    fn encode(&self, size: PageSize) -> JetResult<Vec<u8>> {
        let mut record = RecordWriter::default();
        let columns = self.layout.columns.iter().zip(self.row).zip(&self.lids);
        for ((column, cell), lids) in columns {
            match column.schema.storage {
                Storage::Fixed => record.fixed.push(FixedField {
                    len: usize::try_from(column.schema.max_len).unwrap_or(0),
                    value: cell.first(),
                }),
                Storage::Variable => record.variable.push(cell.first()),
                Storage::Tagged if cell.values().is_empty() => {}
                Storage::Tagged => record.tagged.push(TaggedField {
                    id: column.id,
                    is_long: column.schema.kind.is_long(),
                    values: tagged_values(cell, lids),
                }),
            }
        }
        Ok(record.to_bytes(size)?)
    }

    fn has_separated(&self) -> bool {
        self.lids.iter().flatten().any(Option::is_some)
    }

    /// Separates the largest long value that still stands in the record and is larger than a LID.
    fn separate_largest(&mut self) -> bool {
        let cells = self.row.iter().zip(&self.layout.columns).zip(&mut self.lids);
        let largest = cells
            .filter(|((_, column), _)| column.schema.kind.is_long())
            .flat_map(|((cell, _), lids)| cell.values().iter().zip(lids))
            .filter(|(value, lid)| lid.is_none() && value.len() > 4)
            .max_by_key(|(value, _)| value.len());
        match largest {
            Some((_, lid)) => {
                *lid = Some(0);
                true
            }
            None => false,
        }
    }

    /// The values that stand apart, each with its LID to be set.
    fn separated(&mut self) -> impl Iterator<Item = (&'a [u8], &mut u32)> {
        self.row
            .iter()
            .zip(&mut self.lids)
            .flat_map(|(cell, lids)| cell.values().iter().zip(lids))
            .filter_map(|(value, lid)| lid.as_mut().map(|lid| (value.as_slice(), lid)))
    }
}

fn tagged_values<'a>(cell: &'a Cell, lids: &[Option<u32>]) -> Vec<TaggedValue<'a>> {
    cell.values()
        .iter()
        .zip(lids)
        .map(|(value, lid)| match lid {
            Some(lid) => TaggedValue::Separated(*lid),
            None => TaggedValue::Intrinsic(value),
        })
        .collect()
}

/// The root of a tree whose few pages need no space trees: page `root` alone (section 5.2).
pub(super) fn single_page() -> SpaceHeader {
    SpaceHeader {
        primary: 1,
        parent: SYSTEM_ROOT,
        flags: crate::format::SpaceFlags::empty(),
        free: crate::format::FreeSpace::Bitmap(0),
    }
}
