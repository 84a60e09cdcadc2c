//! The native engine: a live instance that writes the genuine formats.
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
#![expect(dead_code, reason = "the layers above are being built")]

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
mod shared;
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

pub use database::Database;
pub use definition::{ColumnDefinition, IndexDefinition, TableDefinition};
pub use events::Event;
pub use instance::{Instance, Term};
pub use parameters::Parameters;
pub use session::{CommitMode, Session, Transaction};
pub use table::{Row, Seek, Table, Update};
