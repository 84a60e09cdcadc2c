//! Random work on an instance, done on a model at the same time.

use crate::model::{Model, Row, Table as ModelTable};
use crate::schema::{
    Column, Place, Role, definition, random_column, random_columns, random_index, random_primary,
};
use crate::values::{of_len, random_value};
use jetfs::JetErr;
use jetfs::engine::{CommitMode, Database, Instance, Session, Table, Update};
use jetfs::format::{ColumnType, Value};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use std::rc::Rc;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    pub(crate) transactions: usize,
    /// Bytes of the longest long value.
    pub(crate) longest: usize,
}

pub(crate) struct Work<'s> {
    pub(crate) rng: StdRng,
    pub(crate) model: Model,
    pub(crate) database: Database,
    pub(crate) session: &'s Session,
}

impl Work<'_> {
    /// Does all of it.
    pub(crate) fn run(&mut self, instance: &Instance, amount: Amount) {
        for _ in 0..3 {
            self.create_table();
        }
        for number in 0..amount.transactions {
            match self.rng.random_range(0..20) {
                0..4 => self.transaction(Self::change_schema),
                _ => self.transaction(Self::change_rows),
            }
            if number % 16 == 0 {
                instance.work().unwrap();
            }
        }
        self.long_values(amount.longest);
    }

    /// One transaction, now and then with a level in it; either may be rolled back.
    fn transaction(&mut self, work: fn(&mut Self)) {
        let before = self.model.clone();
        let session = self.session;
        let transaction = session.begin().unwrap();
        work(self);
        if self.rng.random_bool(0.2) {
            let middle = self.model.clone();
            let level = session.begin().unwrap();
            work(self);
            if self.rng.random_bool(0.5) {
                level.roll_back().unwrap();
                self.go_back_to(middle);
            } else {
                level.commit().unwrap();
            }
        }
        if self.rng.random_bool(0.2) {
            transaction.roll_back().unwrap();
            self.go_back_to(before);
        } else {
            transaction.commit_with(CommitMode::Lazy).unwrap();
        }
    }

    /// Names and numbers are not given again.
    fn go_back_to(&mut self, model: Model) {
        let (named, next_id) = (self.model.named, self.model.next_id);
        self.model = Model {
            named,
            next_id,
            ..model
        };
    }

    fn change_schema(&mut self) {
        let Some(name) = self.any_table() else {
            return self.create_table();
        };
        match self.rng.random_range(0..24) {
            0..2 => self.create_table(),
            2 if self.model.tables.len() > 3 => {
                self.database.delete_table(self.session, &name).unwrap();
                self.model.tables.remove(&name);
            }
            2..10 => self.add_column(&name),
            10..14 => self.delete_column(&name),
            14..20 => self.create_index(&name),
            _ => self.delete_index(&name),
        }
    }

    fn any_table(&mut self) -> Option<String> {
        self.model.tables.keys().choose(&mut self.rng).cloned()
    }

    fn create_table(&mut self) {
        let name = self.model.new_name("Table");
        let columns = random_columns(&mut self.rng);
        let primary = random_primary(&mut self.rng);
        let secondary: Vec<_> = (0..self.rng.random_range(0..5))
            .map(|_| random_index(&mut self.rng, &self.model.new_name("Index"), &columns))
            .collect();
        let indexes: Vec<_> = primary.iter().chain(&secondary).cloned().collect();
        let definition = definition(&mut self.rng, &name, &columns, &indexes);
        drop(self.database.create_table(self.session, &definition).unwrap());
        let table = ModelTable {
            columns,
            primary,
            secondary,
            rows: Default::default(),
            has_null_for_default: self.model.tables.len() >= 2 && self.rng.random_bool(0.2),
        };
        self.model.tables.insert(name, table);
    }

    fn add_column(&mut self, table: &str) {
        let name = self.model.new_name("Added");
        let column = random_column(&mut self.rng, &name);
        let definition = column.definition();
        self.database
            .add_column(self.session, table, &definition)
            .unwrap();
        self.table(table).columns.push(column);
    }

    fn delete_column(&mut self, table: &str) {
        let model = &self.model.tables[table];
        let free = |name: &&String| !model.is_indexed(name);
        let others = model.columns.iter().skip(6).map(|column| &column.name);
        let Some(column) = others.filter(free).choose(&mut self.rng).cloned() else {
            return;
        };
        self.database.delete_column(self.session, table, &column).unwrap();
        let table = self.table(table);
        table.columns.retain(|kept| kept.name != column);
        for row in table.rows.values_mut() {
            Rc::make_mut(row).remove(&column);
        }
    }

    fn create_index(&mut self, table: &str) {
        let name = self.model.new_name("Index");
        let index = random_index(&mut self.rng, &name, &self.model.tables[table].columns);
        let made = self.database.create_index(self.session, table, &index.definition);
        made.unwrap();
        self.table(table).secondary.push(index);
    }

    fn delete_index(&mut self, table: &str) {
        let count = self.model.tables[table].secondary.len();
        if count == 0 {
            return;
        }
        let at = self.rng.random_range(0..count);
        let index = self.table(table).secondary.remove(at);
        self.database
            .delete_index(self.session, table, &index.name)
            .unwrap();
    }

    fn table(&mut self, name: &str) -> &mut ModelTable {
        self.model.tables.get_mut(name).unwrap()
    }

    fn change_rows(&mut self) {
        let Some(name) = self.any_table() else { return };
        let mut table = self.database.open_table(self.session, &name).unwrap();
        let grows = self.rng.random_bool(0.8);
        for _ in 0..self.rng.random_range(1..60) {
            match self.rng.random_range(0..10) {
                0..5 if grows => self.insert(&name, &table),
                0..4 => self.delete(&name, &mut table),
                5..8 => self.replace(&name, &mut table),
                8 => self.escrow(&name, &mut table),
                _ => self.insert(&name, &table),
            }
        }
    }

    fn insert(&mut self, name: &str, table: &Table<'_>) {
        let mut update = table.insert().unwrap();
        let mut row = Row::new();
        self.model.next_id += 1;
        let id = self.model.next_id * 7 % 100_003;
        let model = self.model.tables[name].clone();
        for (at, column) in model.columns.iter().enumerate() {
            let values = match column.role {
                _ if at == 0 => vec![id.to_le_bytes().to_vec()],
                Role::AutoIncrement => {
                    let number = update.auto_increment().unwrap().to_le_bytes();
                    let len = column.kind.fixed_len().unwrap();
                    row.insert(column.name.clone(), vec![Rc::new(number[..len].to_vec())]);
                    continue;
                }
                Role::Version => {
                    row.insert(column.name.clone(), vec![Rc::new(vec![0; 4])]);
                    continue;
                }
                Role::Escrow => continue,
                _ if self.rng.random_bool(0.3) => continue,
                _ => self.random_values(&model, column),
            };
            set(&mut update, table, column, &values);
            row.insert(column.name.clone(), values.into_iter().map(Rc::new).collect());
        }
        let bookmark = update.save().unwrap();
        let before = self.table(name).rows.insert(bookmark, Rc::new(row));
        assert!(before.is_none(), "{name}: two records have one bookmark");
    }

    /// NULL, a value, or several.
    fn random_values(&mut self, table: &ModelTable, column: &Column) -> Vec<Vec<u8>> {
        let count = match column.place {
            Place::MultiValued => self.rng.random_range(0..5),
            Place::Tagged if column.default.is_some() && !table.has_null_for_default => 1,
            _ => usize::from(self.rng.random_bool(0.85)),
        };
        (0..count).map(|_| random_value(&mut self.rng, column)).collect()
    }

    /// Goes to any record.
    fn go(&mut self, name: &str, table: &mut Table<'_>) -> Option<Vec<u8>> {
        let rows = &self.model.tables[name].rows;
        let bookmark = rows.keys().choose(&mut self.rng)?.clone();
        table.goto_bookmark(&bookmark).unwrap();
        Some(bookmark)
    }

    fn delete(&mut self, name: &str, table: &mut Table<'_>) {
        if let Some(bookmark) = self.go(name, table) {
            table.delete().unwrap();
            self.table(name).rows.remove(&bookmark);
        }
    }

    fn replace(&mut self, name: &str, table: &mut Table<'_>) {
        let Some(bookmark) = self.go(name, table) else {
            return;
        };
        let model = self.model.tables[name].clone();
        let mut row = Row::clone(&model.rows[&bookmark]);
        let mut update = table.replace().unwrap();
        for column in model.columns.iter().skip(1) {
            if column.is_settable() && !model.is_key(&column.name) && self.rng.random_bool(0.3) {
                let values = self.random_values(&model, column);
                clear(&mut update, table, column, &model.values(&row, column));
                set(&mut update, table, column, &values);
                row.insert(column.name.clone(), values.into_iter().map(Rc::new).collect());
            }
        }
        assert_eq!(update.save().unwrap(), bookmark);
        let version = i32::from_le_bytes(row["Version"][0].as_slice().try_into().unwrap()) + 1;
        row.insert("Version".into(), vec![Rc::new(version.to_le_bytes().to_vec())]);
        self.table(name).rows.insert(bookmark, Rc::new(row));
    }

    fn escrow(&mut self, name: &str, table: &mut Table<'_>) {
        let Some(bookmark) = self.go(name, table) else {
            return;
        };
        let delta = self.rng.random_range(-1000..1000);
        let column = table.column("Escrow").unwrap();
        let was = table.escrow_update(column, delta).unwrap();
        let model = &self.model.tables[name];
        let column = model.columns[4].clone();
        let mut row = Row::clone(&model.rows[&bookmark]);
        let expected = column.value(&model.values(&row, &column)[0]);
        assert_eq!(was.to_string(), expected.to_string());
        let now = (was + delta).to_le_bytes()[..column.kind.fixed_len().unwrap()].to_vec();
        row.insert(column.name, vec![Rc::new(now)]);
        self.table(name).rows.insert(bookmark, Rc::new(row));
    }

    /// Long values up to `longest`, written in pieces, cut and overwritten; the last of them stays.
    fn long_values(&mut self, longest: usize) {
        let name = self.model.new_name("Table");
        let mut columns = random_columns(&mut self.rng);
        columns.truncate(6);
        for kind in [ColumnType::LongBinary, ColumnType::LongText] {
            let mut column = random_column(&mut self.rng, "");
            (column.kind, column.place, column.default) = (kind, Place::Tagged, None);
            (column.name, column.max_len) = (format!("Long_{kind}"), None);
            column.code_page = if kind.is_text() { 1200 } else { 0 };
            column.compressed = self.rng.random();
            columns.push(column);
        }
        let definition = definition(&mut self.rng, &name, &columns, &[]);
        let table = self.database.create_table(self.session, &definition).unwrap();
        self.model.tables.insert(
            name.clone(),
            ModelTable {
                columns: columns.clone(),
                primary: None,
                secondary: Vec::new(),
                rows: Default::default(),
                has_null_for_default: false,
            },
        );
        for len in [longest, longest / 7, 5000, 1, 0] {
            self.insert(&name, &table);
            let (bookmark, row) = self.table(&name).rows.pop_last().unwrap();
            self.write_long(&name, (bookmark, row), &columns[6..], len);
        }
    }

    fn write_long(
        &mut self,
        name: &str,
        (bookmark, row): (Vec<u8>, Rc<Row>),
        columns: &[Column],
        len: usize,
    ) {
        let mut table = self.database.open_table(self.session, name).unwrap();
        table.goto_bookmark(&bookmark).unwrap();
        let mut update = table.replace().unwrap();
        let mut row = Row::clone(&row);
        for column in columns {
            let id = table.column(&column.name).unwrap();
            let len = len / 2 * 2;
            let mut value = of_len(&mut self.rng, column, len.max(100));
            value.truncate(len);
            update.set(id, &column.value(&value[..len / 4 * 2])).unwrap();
            update.append_long(id, 1, &value[len / 4 * 2..]).unwrap();
            let middle = of_len(&mut self.rng, column, 100);
            let middle = &middle[..(len / 4 * 2).min(100)];
            update
                .write_long(id, 1, u32::try_from(len / 4 * 2).unwrap(), middle)
                .unwrap();
            value[len / 4 * 2..][..middle.len()].copy_from_slice(middle);
            value.truncate(len - len / 10 / 2 * 2);
            update
                .set_long_size(id, 1, u32::try_from(value.len()).unwrap())
                .unwrap();
            row.insert(column.name.clone(), vec![Rc::new(value)]);
        }
        update.save().unwrap();
        let version = i32::from_le_bytes(row["Version"][0].as_slice().try_into().unwrap()) + 1;
        row.insert("Version".into(), vec![Rc::new(version.to_le_bytes().to_vec())]);
        self.table(name).rows.insert(bookmark, Rc::new(row));
    }
}

fn set(update: &mut Update<'_, '_>, table: &Table<'_>, column: &Column, values: &[Vec<u8>]) {
    let id = table.column(&column.name).unwrap();
    if values.is_empty() {
        update.set(id, &Value::Null).unwrap();
    }
    for (at, bytes) in values.iter().enumerate() {
        let sequence = if column.place == Place::MultiValued {
            0
        } else {
            at + 1
        };
        let done = update.set_at(id, sequence, &column.value(bytes)).map(drop);
        // Where a record holds no more, its test is wrong, not the engine.
        assert_ne!(
            done.as_ref().map_err(|error| error.code()),
            Err(JetErr::RecordTooBig)
        );
        done.unwrap();
    }
}

/// Takes out the values of a multi-valued column, from the last on.
fn clear(update: &mut Update<'_, '_>, table: &Table<'_>, column: &Column, values: &[Rc<Vec<u8>>]) {
    if column.place == Place::MultiValued {
        let id = table.column(&column.name).unwrap();
        for sequence in (1..=values.len()).rev() {
            update.set_at(id, sequence, &Value::Null).unwrap();
        }
    }
}
