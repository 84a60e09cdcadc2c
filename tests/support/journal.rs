//! The journal of the program that made the sets `genuine-4k` and `genuine-32k`: what each transaction wrote, kept apart
//! from the database. It tells which rows there must be after any number of transactions.

use super::Set;
use super::row_text::{Form, Rows, rows_of};
use jetfs::store::Database;
use std::collections::BTreeMap;
use std::fs;

/// What each transaction did, in order.
#[derive(Debug)]
pub(crate) struct Journal {
    transactions: Vec<Transaction>,
}

#[derive(Debug)]
struct Transaction {
    number: u32,
    changes: Vec<Change>,
    committed: bool,
}

#[derive(Debug)]
enum Change {
    /// A row and its table and key.
    Set(String, String),
    Delete(String),
}

impl Journal {
    /// The journal beside a set: `T` begins a transaction, `C` commits it, `R` rolls it back, `S` sets a row, `D` deletes
    /// one.
    pub(crate) fn read(set: &Set) -> Journal {
        let text = fs::read_to_string(set.dir.join("journal.txt")).unwrap();
        let mut transactions: Vec<Transaction> = Vec::new();
        for line in text.lines() {
            let (verb, rest) = line.split_once('\t').unwrap();
            if verb == "T" {
                transactions.push(Transaction {
                    number: rest.parse().unwrap(),
                    changes: Vec::new(),
                    committed: false,
                });
                continue;
            }
            let transaction = transactions.last_mut().unwrap();
            match verb {
                "S" => transaction
                    .changes
                    .push(Change::Set(table_and_key(rest), rest.to_owned())),
                "D" => transaction.changes.push(Change::Delete(table_and_key(rest))),
                "C" => transaction.committed = true,
                _ => assert_eq!(verb, "R"),
            }
        }
        Journal { transactions }
    }

    /// The last transaction that the program saw committed.
    pub(crate) fn last_committed(&self) -> u32 {
        let mut newest_first = self.transactions.iter().rev();
        newest_first
            .find(|transaction| transaction.committed)
            .unwrap()
            .number
    }

    /// The rows after all committed transactions up to this one, which counts even if the program saw no commit.
    pub(crate) fn rows_after(&self, number: u32) -> Rows {
        let mut rows = BTreeMap::new();
        let done = self.transactions.iter().filter(|transaction| {
            transaction.number < number && transaction.committed || transaction.number == number
        });
        for change in done.flat_map(|transaction| &transaction.changes) {
            match change {
                Change::Set(key, row) => drop(rows.insert(key, row)),
                Change::Delete(key) => drop(rows.remove(key)),
            }
        }
        let mut tables = Rows::new();
        for row in rows.into_values() {
            let table = row.split('\t').next().unwrap();
            tables.entry(table.to_owned()).or_default().push(row.clone());
        }
        tables.values_mut().for_each(|rows| rows.sort());
        tables
    }

    /// Fails the test unless a database holds exactly the rows after some transaction; returns its number, 0 for the time
    /// before the first.
    #[track_caller]
    pub(crate) fn assert_holds_a_committed_state(&self, database: &Database, what: &str) -> u32 {
        let mut found = rows_of(database, Form::FourFields);
        found.retain(|_, rows| !rows.is_empty());
        let number = found.get("t1").map_or(0, |rows| number_in(rows));
        let wanted = self.rows_after(number);
        assert!(
            found.keys().eq(wanted.keys()),
            "{what}: tables {:?}, not {:?} after transaction {number}",
            found.keys(),
            wanted.keys()
        );
        for (table, wanted) in &wanted {
            for (have, want) in found[table].iter().zip(wanted) {
                assert_eq!(have, want, "{what}: {table} after transaction {number}");
            }
            assert_eq!(found[table].len(), wanted.len(), "{what}: {table} after {number}");
        }
        number
    }
}

fn table_and_key(row: &str) -> String {
    row.split('\t').take(2).collect::<Vec<_>>().join("\t")
}

/// The row with key 0 holds the number of the transaction.
fn number_in(rows: &[String]) -> u32 {
    let row = rows.iter().find(|row| row.starts_with("t1\t0\t"));
    row.map_or(0, |row| row.split('\t').nth(2).unwrap().parse().unwrap())
}
