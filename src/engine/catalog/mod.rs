//! The catalog of a live database: what tables there are, as each transaction sees it, and how they are made and deleted
//! (database-file.md sections 5.5, 6 and 7, log-and-recovery.md sections 4.7 and 8.2 to 8.5).
//!
//! ```text
//! definition ── check ──> tables, columns, indexes ── rows ──> MSysObjects, its indexes, its shadow, MSysObjids
//!                                    └── space, build ──> trees            │
//! cursors <── live_table <── state (what everybody sees) <── what a transaction sees
//! ```
//!
//! * `create_database`: what a new database contains; `own_transaction`: in which transactions;
//! * `rows`: the rows of the catalog; `live_table`: a table as the engine works with it; `state`: what sessions share;
//! * `check`: what can be made; `tables`, `columns`, `indexes`, `build`, `long_values`: how;
//! * `numbers`: auto-increment values, keys of tables without primary index, objids; `unneeded`: pages given back.
//!
//! Everything is done in the transaction of whoever asks, and rolled back with it. Two transactions do not change the
//! schema of a table at a time: the second gets `JET_errWriteConflict`, as does one that began before the first was
//! committed.

mod build;
mod check;
mod columns;
mod create_database;
mod indexes;
mod live_table;
mod long_values;
mod numbers;
mod own_transaction;
mod rows;
mod state;
mod tables;
#[cfg(test)]
mod tests;
mod unneeded;

pub(crate) use {
    build::{BuildSite, IndexBuild, IndexNode, KeysOfRecord},
    columns::{add_column, delete_column},
    create_database::{INITIAL_PAGES, create_database},
    indexes::{create_index, delete_index},
    live_table::{LiveIndex, LiveTable, table, table_of, tables},
    long_values::long_value_tree,
    numbers::{last_objid, next_auto_increment, next_sequential_key},
    own_transaction::in_own_transaction,
    state::CatalogState,
    tables::{create_table, delete_table},
    unneeded::give_back_unneeded,
};
