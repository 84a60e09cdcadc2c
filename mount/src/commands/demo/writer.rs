//! One writer of the live workload: transactions of a few changes each, and a model of those that were committed.

use super::model::Model;
use super::tables::{
    CUSTOMERS, DOCUMENTS, Noise, ORDER_COUNT, ORDERS, customer, customer_of, document, order,
};
use jetfs::JetErr;
use jetfs::engine::{Database, Session, Table, Update};
use jetfs::format::{ColumnId, Value};
use jetfs::{JetError, engine::Seek};
use std::collections::BTreeMap;
use std::ops::{AddAssign, Range};

/// Keys that a writer may give to its rows.
const KEYS: i64 = 1 << 32;

/// What writers did.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Durable commits.
    pub(super) commits: u64,
    /// Transactions that were given up on purpose.
    pub(super) rolled_back: u64,
    /// Transactions that lost against another writer, and were rolled back.
    pub(super) conflicts: u64,
    /// Rows put, changed and deleted by what was committed.
    pub(super) changes: u64,
    /// Bytes of their values.
    pub(super) bytes: u64,
}

/// A writer.
pub(super) struct Writer<'s> {
    session: &'s Session,
    customers: Target<'s>,
    orders: Target<'s>,
    documents: Target<'s>,
    order_count: ColumnId,
    noise: Noise,
    next: i64,
    /// The customers that only this writer changes; every writer adds to their numbers of orders.
    own_customers: Vec<i64>,
    keys: Range<i64>,
    model: Model,
    counts: Counts,
}

/// A table that is written.
struct Target<'s> {
    table: Table<'s>,
    columns: Vec<ColumnId>,
    make: fn(i64, u64) -> Vec<Value>,
}

/// What a transaction does, until it is committed.
#[derive(Debug, Default)]
struct Draft {
    /// The new revision of rows, none of those deleted.
    orders: BTreeMap<i64, Option<u64>>,
    documents: BTreeMap<i64, Option<u64>>,
    customers: BTreeMap<i64, Option<u64>>,
    order_counts: BTreeMap<i64, i32>,
    bytes: u64,
}

impl<'s> Writer<'s> {
    /// Writer `number` of `count`, with the customers that it has to itself.
    ///
    /// # Errors
    /// The tables cannot be opened.
    pub(super) fn new(
        session: &'s Session,
        database: &Database,
        (number, count): (usize, usize),
        customers: &BTreeMap<i64, u64>,
    ) -> Result<Self, JetError> {
        let open =
            |name, make, columns: &[&str]| Target::open(database.open_table(session, name)?, make, columns);
        let customer_table = open(
            CUSTOMERS,
            customer,
            &["Number", "Guid", "Active", "Name", "Remark"],
        )?;
        let order_columns = ["Id", "Customer", "Placed", "Amount", "Code", "Tags"];
        let start = i64::try_from(number).unwrap_or(0) * KEYS;
        let own = customers.iter().skip(number).step_by(count);
        let model = Model {
            customers: own.map(|(&number, &revision)| (number, revision)).collect(),
            ..Model::default()
        };
        Ok(Writer {
            session,
            order_count: customer_table.table.column(ORDER_COUNT)?,
            customers: customer_table,
            orders: open(ORDERS, order, &order_columns)?,
            documents: open(DOCUMENTS, document, &["Id", "Title", "Body"])?,
            noise: Noise::new(7, start, 0),
            next: start,
            own_customers: model.customers.keys().copied().collect(),
            keys: start..start + KEYS,
            model,
            counts: Counts::default(),
        })
    }

    /// One transaction. Returns whether it was committed.
    ///
    /// # Errors
    /// What a writer does not expect: everything but a write conflict.
    pub(super) fn transaction(&mut self) -> Result<bool, JetError> {
        let transaction = self.session.begin()?;
        let mut draft = Draft::default();
        let done = (0..=self.noise.below(4)).try_for_each(|_| self.change(&mut draft));
        match done {
            Err(error) if error.code() == JetErr::WriteConflict => {
                self.counts.conflicts += 1;
                transaction.roll_back()?;
                Ok(false)
            }
            Err(error) => Err(error),
            Ok(()) if self.noise.below(20) == 0 => {
                self.counts.rolled_back += 1;
                transaction.roll_back()?;
                Ok(false)
            }
            Ok(()) => {
                transaction.commit()?;
                self.counts.commits += 1;
                self.committed(draft);
                Ok(true)
            }
        }
    }

    /// What it committed.
    pub(super) fn end(self) -> (Model, Counts) {
        (self.model, self.counts)
    }

    fn change(&mut self, draft: &mut Draft) -> Result<(), JetError> {
        match self.noise.below(100) {
            0..45 => self.put_order(draft),
            45..62 => self.change_order(draft),
            62..76 => self.delete_order(draft),
            76..84 => self.put_document(draft),
            84..90 => self.change_document(draft),
            90..95 => self.delete_document(draft),
            _ => self.change_customer(draft),
        }
    }

    fn put_order(&mut self, draft: &mut Draft) -> Result<(), JetError> {
        let id = self.new_key();
        draft.bytes += self.orders.insert(id)?;
        draft.orders.insert(id, Some(0));
        self.count_order(draft, id, 1)
    }

    fn change_order(&mut self, draft: &mut Draft) -> Result<(), JetError> {
        let Some((id, revision)) = pick(&mut self.noise, &self.keys, &self.model.orders, &draft.orders)
        else {
            return Ok(());
        };
        draft.bytes += self.orders.replace(id, revision + 1)?;
        draft.orders.insert(id, Some(revision + 1));
        Ok(())
    }

    fn delete_order(&mut self, draft: &mut Draft) -> Result<(), JetError> {
        let Some((id, _)) = pick(&mut self.noise, &self.keys, &self.model.orders, &draft.orders) else {
            return Ok(());
        };
        self.orders.delete(id)?;
        draft.orders.insert(id, None);
        self.count_order(draft, id, -1)
    }

    fn put_document(&mut self, draft: &mut Draft) -> Result<(), JetError> {
        let id = self.new_key();
        draft.bytes += self.documents.insert(id)?;
        draft.documents.insert(id, Some(0));
        Ok(())
    }

    fn change_document(&mut self, draft: &mut Draft) -> Result<(), JetError> {
        let found = pick(
            &mut self.noise,
            &self.keys,
            &self.model.documents,
            &draft.documents,
        );
        let Some((id, revision)) = found else {
            return Ok(());
        };
        draft.bytes += self.documents.replace(id, revision + 1)?;
        draft.documents.insert(id, Some(revision + 1));
        Ok(())
    }

    fn delete_document(&mut self, draft: &mut Draft) -> Result<(), JetError> {
        let found = pick(
            &mut self.noise,
            &self.keys,
            &self.model.documents,
            &draft.documents,
        );
        let Some((id, _)) = found else {
            return Ok(());
        };
        self.documents.delete(id)?;
        draft.documents.insert(id, None);
        Ok(())
    }

    fn change_customer(&mut self, draft: &mut Draft) -> Result<(), JetError> {
        let most = u32::try_from(self.own_customers.len()).unwrap_or(u32::MAX);
        let at = self.noise.below(most.max(1)) as usize;
        let Some(&number) = self.own_customers.get(at) else {
            return Ok(());
        };
        let Some(&revision) = self.model.customers.get(&number) else {
            return Ok(());
        };
        draft.bytes += self.customers.replace(number, revision + 1)?;
        draft.customers.insert(number, Some(revision + 1));
        Ok(())
    }

    /// Adds to the customer's number of orders, as others may be doing.
    fn count_order(&mut self, draft: &mut Draft, order: i64, added: i32) -> Result<(), JetError> {
        let number = customer_of(order);
        self.customers.seek(number)?;
        self.customers
            .table
            .escrow_update(self.order_count, added.into())?;
        *draft.order_counts.entry(number).or_default() += added;
        Ok(())
    }

    fn new_key(&mut self) -> i64 {
        let key = self.next;
        self.next += 1;
        key
    }

    fn committed(&mut self, draft: Draft) {
        let changed = draft.orders.len() + draft.documents.len() + draft.customers.len();
        self.counts.changes += (changed + draft.order_counts.len()) as u64;
        self.counts.bytes += draft.bytes;
        apply(&mut self.model.orders, draft.orders);
        apply(&mut self.model.documents, draft.documents);
        apply(&mut self.model.customers, draft.customers);
        for (customer, added) in draft.order_counts {
            *self.model.order_counts.entry(customer).or_default() += added;
        }
    }
}

impl<'s> Target<'s> {
    fn open(table: Table<'s>, make: fn(i64, u64) -> Vec<Value>, columns: &[&str]) -> Result<Self, JetError> {
        let columns = columns
            .iter()
            .map(|name| table.column(name))
            .collect::<Result<_, _>>()?;
        Ok(Target { table, columns, make })
    }

    fn seek(&mut self, key: i64) -> Result<(), JetError> {
        if self.table.seek(&[Value::LongLong(key)], Seek::Equal)? {
            return Ok(());
        }
        let what = format!("row {key} is not there, although it was committed");
        Err(JetError::rule(JetErr::RecordNotFound, what))
    }

    /// Inserts a row. Returns the bytes of its values.
    fn insert(&self, key: i64) -> Result<u64, JetError> {
        let values = (self.make)(key, 0);
        let mut update = self.table.insert()?;
        set_all(&mut update, &self.columns, &values)?;
        update.save()?;
        Ok(len_of(&values))
    }

    /// Replaces all values of a row but its key.
    fn replace(&mut self, key: i64, revision: u64) -> Result<u64, JetError> {
        self.seek(key)?;
        let values = (self.make)(key, revision);
        let mut update = self.table.replace()?;
        let rest = (self.columns.get(1..), values.get(1..));
        set_all(
            &mut update,
            rest.0.unwrap_or_default(),
            rest.1.unwrap_or_default(),
        )?;
        update.save()?;
        Ok(len_of(&values))
    }

    fn delete(&mut self, key: i64) -> Result<(), JetError> {
        self.seek(key)?;
        self.table.delete()
    }
}

/// Sets columns, and empties those of several values first.
pub(super) fn set_all(
    update: &mut Update<'_, '_>,
    columns: &[ColumnId],
    values: &[Value],
) -> Result<(), JetError> {
    for (&column, value) in columns.iter().zip(values) {
        match value {
            Value::Multi(values) => {
                clear(update, column)?;
                for value in values {
                    update.set_at(column, 0, value)?;
                }
            }
            value => {
                if column.0 >= 256 {
                    clear(update, column)?;
                }
                update.set(column, value)?;
            }
        }
    }
    Ok(())
}

/// The first of several values is always taken out: those behind it move up. Tags are at most three.
fn clear(update: &mut Update<'_, '_>, column: ColumnId) -> Result<(), JetError> {
    for _ in 0..3 {
        update.set(column, &Value::Null)?;
    }
    Ok(())
}

fn len_of(values: &[Value]) -> u64 {
    let stored = values.iter().flat_map(Value::stored);
    stored.map(|bytes| bytes.len() as u64).sum()
}

/// A row that was committed and that this transaction has not changed yet.
fn pick(
    noise: &mut Noise,
    keys: &Range<i64>,
    committed: &BTreeMap<i64, u64>,
    draft: &BTreeMap<i64, Option<u64>>,
) -> Option<(i64, u64)> {
    let (&first, &last) = (committed.keys().next()?, committed.keys().next_back()?);
    let from = noise.between(first.max(keys.start), last + 1);
    let found = committed.range(from..).next()?;
    (!draft.contains_key(found.0)).then_some((*found.0, *found.1))
}

fn apply(committed: &mut BTreeMap<i64, u64>, draft: BTreeMap<i64, Option<u64>>) {
    for (key, revision) in draft {
        match revision {
            Some(revision) => committed.insert(key, revision),
            None => committed.remove(&key),
        };
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.commits += other.commits;
        self.rolled_back += other.rolled_back;
        self.conflicts += other.conflicts;
        self.changes += other.changes;
        self.bytes += other.bytes;
    }
}
