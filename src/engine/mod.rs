//! The native engine: a live instance that writes the genuine formats.
//!
//! * `change`: the only door through which pages change; `open_transaction`: what the log knows of a session;
//! * `state`, `pages`: an attached database: its pages in memory; `shared`: what all sessions share;
//! * `record`: a record being written;
//! * `space`: which page belongs to whom;
//! * `tree`: nodes found, inserted, replaced, deleted;
//! * `transactions`, `versions`, `bookmark`: who sees what.
#![expect(dead_code, reason = "the layers above are being built")]

mod bookmark;
mod change;
mod open_transaction;
mod pages;
mod record;
mod shared;
mod space;
mod state;
mod transactions;
mod tree;
mod versions;
