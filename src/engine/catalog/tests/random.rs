//! Random changes of schemas, rolled back and committed, against a model.

use super::rig::Rig;
use crate::engine::catalog;
use crate::engine::definition::{ColumnDefinition, IndexDefinition, TableDefinition};
use crate::engine::open_transaction::OpenTransaction;
use crate::error::{JetErr, JetResult};
use crate::format::{ColumnType, PageSize};
use crate::io::Seeded;
use std::collections::{BTreeMap, BTreeSet};

/// What a table should have, by the names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Model {
    objid: u32,
    columns: BTreeSet<String>,
    indexes: BTreeSet<String>,
    has_long_values: bool,
}

type Tables = BTreeMap<String, Model>;

/// Types whose columns can be keys.
const KINDS: [ColumnType; 5] = [
    ColumnType::Long,
    ColumnType::Currency,
    ColumnType::Guid,
    ColumnType::Binary,
    ColumnType::Text,
];

struct Sequence {
    rig: Rig,
    random: Seeded,
    tables: Tables,
    /// Long value trees stay when a transaction is rolled back, but for tables that it made.
    committed: Tables,
    /// Those that were made since the transaction began.
    grown: BTreeSet<u32>,
}

impl Sequence {
    fn pick(&mut self, count: usize) -> usize {
        self.random.index(count)
    }

    fn name(&mut self, letter: char) -> String {
        format!("{letter}{}", self.pick(6))
    }

    fn column(&mut self, name: &str) -> ColumnDefinition {
        let kind = KINDS[self.pick(KINDS.len())];
        let column = ColumnDefinition::new(name, kind);
        match self.pick(3) {
            0 => column.tagged(),
            _ => column,
        }
    }

    fn table(&mut self, name: &str) -> (TableDefinition, Model) {
        let mut model = Model::default();
        let mut table = TableDefinition::new(name).column(ColumnDefinition::new("c0", ColumnType::Long));
        model.columns.insert("c0".into());
        for at in 1..=self.pick(4) {
            let column = format!("c{at}");
            table = table.column(self.column(&column));
            model.columns.insert(column);
        }
        if self.pick(2) == 0 {
            table = table.index(IndexDefinition::primary("p").ascending("c0"));
            model.indexes.insert("p".into());
        }
        (table, model)
    }

    /// One change, and whether it was what the model expects.
    fn step(&mut self, transaction: &mut OpenTransaction) {
        let name = self.name('t');
        let (column, index) = (self.name('c'), self.name('i'));
        let known = self.tables.get(&name).cloned();
        let objid = self.rig.table(transaction, &name).map(|table| table.schema.objid);
        assert_eq!(objid.is_ok(), known.is_some());
        let (objid, mut model) = (objid.unwrap_or(0), known.clone().unwrap_or_default());
        match (self.pick(8), known.is_some()) {
            (0 | 1, is_known) => {
                let (definition, mut made) = self.table(&name);
                let result = self.rig.work(transaction, |change| {
                    made.objid = catalog::create_table(change, &definition)?.schema.objid;
                    Ok(())
                });
                expect(result, is_known.then_some(JetErr::TableDuplicate));
                self.tables.entry(name).or_insert(made);
                return;
            }
            (2, true) => {
                let result = self
                    .rig
                    .work(transaction, |change| catalog::delete_table(change, &name));
                let is_unseen = self.grown.contains(&objid);
                expect(result, is_unseen.then_some(JetErr::WriteConflict));
                if !is_unseen {
                    self.tables.remove(&name);
                }
                return;
            }
            (3 | 4, true) => {
                let definition = self.column(&column);
                let result = self.rig.work(transaction, |change| {
                    catalog::add_column(change, objid, &definition).map(drop)
                });
                let wrong = !model.columns.insert(column);
                expect(result, wrong.then_some(JetErr::ColumnDuplicate));
            }
            (5, true) => {
                let definition = IndexDefinition::new(&index).ascending("c0");
                let result = self.rig.work(transaction, |change| {
                    super::rig::create_index(change, objid, &definition)
                });
                let wrong = !model.indexes.insert(index);
                expect(result, wrong.then_some(JetErr::IndexDuplicate));
            }
            (6, true) => {
                let result = self
                    .rig
                    .work(transaction, |change| catalog::delete_index(change, objid, &index));
                let wrong = !model.indexes.remove(&index);
                expect(result, wrong.then_some(JetErr::IndexNotFound));
            }
            (7, true) if column != "c0" && model.columns.contains(&column) => {
                let result = self.rig.work(transaction, |change| {
                    catalog::delete_column(change, objid, &column)
                });
                model.columns.remove(&column);
                expect(result, None);
            }
            (_, true) => {
                let table = self.rig.table(transaction, &name).unwrap();
                let result = self.rig.work(transaction, |change| {
                    catalog::long_value_tree(change, &table).map(drop)
                });
                expect(result, None);
                let of_all = self.committed.get_mut(&name).filter(|table| table.objid == objid);
                if let Some(kept) = of_all
                    && !model.has_long_values
                {
                    kept.has_long_values = true;
                    self.grown.insert(objid);
                }
                model.has_long_values = true;
            }
            (_, false) => return,
        }
        self.tables.insert(name, model);
    }

    fn seen(&self, transaction: &OpenTransaction) -> Tables {
        let tables = self.rig.tables(transaction).into_iter();
        tables
            .map(|table| {
                let model = Model {
                    objid: table.objid,
                    columns: table.columns.iter().map(|column| column.name.clone()).collect(),
                    indexes: table.indexes.iter().map(|index| index.name.clone()).collect(),
                    has_long_values: table.long_value.is_some(),
                };
                (table.name, model)
            })
            .collect()
    }

    /// A transaction with a savepoint in its middle.
    fn transaction(&mut self) {
        let mut transaction = self.rig.begin(7);
        self.grown.clear();
        for _ in 0..self.pick(5) {
            self.step(&mut transaction);
        }
        if self.pick(4) == 0 {
            let kept = self.tables.clone();
            transaction.set_level(2);
            for _ in 0..self.pick(4) {
                self.step(&mut transaction);
            }
            self.rig.roll_back(&mut transaction, 2);
            self.tables = kept;
            for table in self.tables.values_mut() {
                table.has_long_values |= self.grown.contains(&table.objid);
            }
        }
        assert_eq!(self.seen(&transaction), self.tables);
        if self.pick(3) == 0 {
            self.rig.roll_back(&mut transaction, 1);
            self.tables = self.committed.clone();
        } else {
            self.rig.commit(&transaction);
            self.committed = self.tables.clone();
        }
        let fresh = self.rig.begin(8);
        assert_eq!(self.seen(&fresh), self.tables);
        self.rig.commit(&fresh);
        if self.pick(4) == 0 {
            self.rig.clean_up();
        }
    }
}

#[track_caller]
fn expect(result: JetResult<()>, code: Option<JetErr>) {
    assert_eq!(result.err().map(|error| error.code()), code);
}

#[test]
fn random_changes_of_schemas_leave_what_the_model_says() {
    for seed in 0..12 {
        println!("seed {seed}");
        let sizes = [PageSize::Kib4, PageSize::Kib16];
        let mut sequence = Sequence {
            rig: Rig::new(sizes[usize::try_from(seed % 2).unwrap()]),
            random: Seeded::new(seed),
            tables: Tables::new(),
            committed: Tables::new(),
            grown: BTreeSet::new(),
        };
        for _ in 0..40 {
            sequence.transaction();
        }
        sequence.rig.clean_up();
        sequence.rig.check();
        assert_eq!(sequence.rig.deep_report().counts.leaked, 0);
    }
}
