//! A table with its indexes and its long values: their space, their trees.

use super::census::{Rank, Territory};
use super::{Check, SYSTEM_ROOT, TreeShape};
use crate::format::{IndexFlags, PageFlags};
use crate::store::{IndexSchema, TableSchema};

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

impl Check<'_> {
    /// Checks a table and all that belongs to it; `lender` is the space of the system root.
    pub(super) fn check_table(&mut self, schema: &TableSchema, lender: Option<&Territory>) {
        let trees = Trees::of(schema);
        let table = &trees.table;
        let space = self.read_space(table, Rank::Table, SYSTEM_ROOT, lender);
        let space_of = |check: &mut Self, tree: &TreeShape| {
            check.read_space(tree, Rank::Child, table.root, space.as_ref())
        };
        // All that is lent must be known before a tree's own pages are looked at.
        let index_spaces: Vec<_> = trees
            .indexes
            .iter()
            .map(|(_, tree)| space_of(self, tree))
            .collect();
        let long_value_space = trees.long_values.as_ref().and_then(|tree| space_of(self, tree));
        if let Some(tree) = &trees.long_values {
            self.walk(tree, long_value_space.as_ref(), &mut |_, _| ());
        }
        self.walk(table, space.as_ref(), &mut |check, node| {
            check.counts.records += u64::from(!node.is_deleted);
        });
        for ((_, tree), space) in trees.indexes.iter().zip(&index_spaces) {
            self.walk(tree, space.as_ref(), &mut |_, _| ());
        }
        self.finish_territory(table, space.as_ref());
    }
}
