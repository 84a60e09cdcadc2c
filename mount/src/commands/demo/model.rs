//! What should be in the database: what the writers' durable commits did, and nothing else.

use super::tables::{CUSTOMERS, DOCUMENTS, MEASUREMENTS, ORDERS, customer, document, measurement, order};
use jetfs::format::{PageSize, Value};
use std::collections::BTreeMap;

/// What a writer committed, or all of them.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// The revision of each customer.
    pub(super) customers: BTreeMap<i64, u64>,
    /// The revision of each order.
    pub(super) orders: BTreeMap<i64, u64>,
    /// The revision of each document.
    pub(super) documents: BTreeMap<i64, u64>,
    /// What was added to each customer's number of orders.
    pub(super) order_counts: BTreeMap<i64, i32>,
    /// Rows of the large table.
    pub(super) measurements: i64,
}

/// A table of the model, and its rows by key.
pub(super) struct Expected<'m> {
    pub(super) table: &'static str,
    pub(super) rows: Box<dyn Iterator<Item = Vec<Value>> + 'm>,
}

impl Model {
    /// Takes what another writer committed: keys are its own, counts add up.
    pub(super) fn add(&mut self, other: Model) {
        self.customers.extend(other.customers);
        self.orders.extend(other.orders);
        self.documents.extend(other.documents);
        for (customer, added) in other.order_counts {
            *self.order_counts.entry(customer).or_default() += added;
        }
        self.measurements += other.measurements;
    }

    /// How many rows there should be.
    pub(super) fn row_count(&self) -> u64 {
        let live = self.customers.len() + self.orders.len() + self.documents.len();
        live as u64 + self.measurements.unsigned_abs()
    }

    /// The tables that should be there, each with its rows; values in the order of the columns.
    pub(super) fn expected(&self, page_size: PageSize) -> Vec<Expected<'_>> {
        let rows_of = |revisions: &'_ BTreeMap<i64, u64>, make: fn(i64, u64) -> Vec<Value>| {
            revisions
                .clone()
                .into_iter()
                .map(move |(key, revision)| make(key, revision))
        };
        let customers = self.customers.iter().map(|(&number, &revision)| {
            let mut values = customer(number, revision);
            let count = self.order_counts.get(&number).copied().unwrap_or(0);
            values.insert(3, Value::Long(count));
            values
        });
        let mut expected = vec![
            Expected {
                table: CUSTOMERS,
                rows: Box::new(customers),
            },
            Expected {
                table: ORDERS,
                rows: Box::new(rows_of(&self.orders, order)),
            },
            Expected {
                table: DOCUMENTS,
                rows: Box::new(rows_of(&self.documents, document)),
            },
        ];
        if self.measurements > 0 {
            let rows = (0..self.measurements).map(move |id| measurement(id, page_size));
            expected.push(Expected {
                table: MEASUREMENTS,
                rows: Box::new(rows),
            });
        }
        expected
    }
}
