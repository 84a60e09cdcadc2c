//! The native engine: a live instance that writes the genuine formats.
//!
//! ```text
//! Instance ── session ──> Session ── begin ──> Transaction
//!    └── create_database, attach_database ──> Database ── open_table ──> Table ── row ──> Row
//!                                                                          └── insert, replace ──> Update ── save
//! ```
//!
//! What a program does with it is what it would do with `esent.dll`; the names of its calls stand with the methods:
//!
//! ```
//! use jetfs::engine::{ColumnDefinition, IndexDefinition, Instance, Parameters, Seek, TableDefinition, Term};
//! use jetfs::format::ColumnType;
//!
//! let directory = tempfile::tempdir().unwrap();
//! let instance = Instance::init(Parameters::new(directory.path()))?;
//! let database = instance.create_database(directory.path().join("shop.edb"))?;
//! let session = instance.session()?;
//!
//! // A table in the order of its numbers, with an index by customer.
//! let orders = TableDefinition::new("orders")
//!     .column(ColumnDefinition::new("number", ColumnType::Long).auto_increment())
//!     .column(ColumnDefinition::new("customer", ColumnType::Text).not_null())
//!     .column(ColumnDefinition::new("document", ColumnType::LongBinary))
//!     .index(IndexDefinition::primary("by_number").ascending("number"))
//!     .index(IndexDefinition::new("by_customer").ascending("customer"));
//! let mut orders = database.create_table(&session, &orders)?;
//! let (customer, document) = (orders.column("customer")?, orders.column("document")?);
//!
//! // Three orders at once; the commit returns when they are durable.
//! let transaction = session.begin()?;
//! for (name, pages) in [("Ada", 3), ("Grace", 1), ("Ada", 200)] {
//!     let mut order = orders.insert()?;
//!     order.set(customer, &orders.text(customer, name)?)?;
//!     for page in 0..pages {
//!         order.append_long(document, 1, &[page; 1000])?;
//!     }
//!     order.save()?;
//! }
//! transaction.commit()?;
//!
//! // All of Ada's.
//! orders.set_current_index(Some("by_customer"))?;
//! let ada = [orders.text(customer, "Ada")?];
//! orders.range(ada.clone()..=ada.clone())?;
//! let mut bytes = Vec::new();
//! while orders.move_next()? {
//!     bytes.push(orders.row()?.len(document, 1)?);
//! }
//! assert_eq!(bytes, [Some(3_000), Some(200_000)]);
//!
//! // What is not committed never was.
//! let transaction = session.begin()?;
//! assert!(orders.seek(&ada, Seek::Equal)?);
//! orders.delete()?;
//! transaction.roll_back()?;
//! assert!(orders.seek(&ada, Seek::Equal)?);
//! assert_eq!(orders.value(customer)?, ada[0]);
//!
//! instance.term(Term::Complete)?;
//! # Ok::<(), jetfs::JetError>(())
//! ```
//!
//! Sessions on other threads see a transaction's work when it is committed, and those that were in a transaction before,
//! never: readers and writers do not wait for each other. Of two that change the same record the second gets
//! `JET_errWriteConflict`, rolls back, and begins again. An update outside of a transaction is one of its own.
//!
//! Its parts:
//!
//! * `change`: the only door through which pages change; `open_transaction`: what the log knows of a session;
//! * `state`, `pages`: an attached database: its pages in memory; `shared`: what all sessions share;
//! * `backup`: what an external backup needs of the engine;
//! * `catalog`: tables, columns and indexes of a database; `definition`: how they are described by who wants them;
//! * `record`: a record being written;
//! * `session`: sessions and transactions;
//! * `space`: which page belongs to whom;
//! * `tree`: nodes found, inserted, replaced, deleted;
//! * `transactions`, `versions`, `bookmark`: who sees what;
//! * [`Instance`], `core`: beginning and end; `parameters`, `events`; `start`, `recover`: what init does;
//! * `attachments`, `attach`, `create`: databases as files, and their headers;
//! * `flush`, `checkpoint`, `cleanup`, `background`: what is done beside the sessions.

mod attach;
mod attachments;
mod background;
pub(crate) mod backup;
mod bookmark;
mod catalog;
mod change;
mod checkpoint;
mod cleanup;
pub(crate) mod core;
mod create;
mod database;
mod definition;
mod events;
mod flush;
mod instance;
#[cfg(test)]
mod instance_tests;
mod long_values;
mod open_transaction;
mod pages;
mod parameters;
mod record;
mod recover;
mod session;
mod session_ids;
pub(crate) mod shared;
mod signature;
mod space;
mod start;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod transactions;
mod tree;
mod versions;

pub use crate::store::KeyLimit;
pub use database::Database;
pub use definition::{ColumnDefinition, IndexDefinition, TableDefinition};
pub use events::Event;
pub use instance::{Instance, Term};
pub use parameters::Parameters;
pub use session::{CommitMode, Session, Transaction};
pub use table::{ColumnInfo, IndexBookmark, Row, Seek, SetOptions, Table, Update};
