//! Redo and undo of log records (log-and-recovery.md sections 4 to 6).
//!
//! Recovery reads databases and logs and writes nothing: what changes is kept in an overlay over each database. Only
//! when everything was replayed and rolled back does the caller write it in place, into a copy, or show it in a mount.
//!
//! ```text
//! Places ── InstanceFiles::find ── Plan::new ──> Plan: where redo begins, which logs, which databases
//!    └── Plan::replay ── redo: record by record ── undo: open transactions ── ending: clean headers ──> Replayed
//! ```
//!
//! * `files`, `start`: what is there, and where redo begins;
//! * `redo`: the main loop; `open_macros`, `session`, `versions`: what is open at a point of the log;
//! * `read_ahead`: a thread that fetches the next log and the pages that it wants;
//! * `databases`, `attach`, `database`, `withheld`: which file a record concerns, and whether a page needs it;
//! * `apply`: one record, or one macro, applied to pages; `pages`: what it wants from the pages of a database;
//! * `undo`, `seek`, `undo_log`, `ending`: what is open is taken back, and what becomes clean;
//! * [`in_place`]: the result, written into the set in a durable order.

mod apply;
mod attach;
pub(crate) mod backup_copy;
mod database;
mod databases;
mod ending;
pub(crate) mod files;
pub mod in_place;
mod open_macros;
mod pages;
mod plan;
mod read_ahead;
mod redo;
mod seek;
mod session;
mod start;
#[cfg(test)]
mod tests;
mod undo;
mod undo_log;
mod versions;
mod withheld;

pub(crate) use apply::shared_prefix;
pub use apply::{
    NodeBefore, Undoing, apply_convert_fdp, apply_create_multiple_extent, apply_create_single_extent,
    apply_empty_tree, apply_merge, apply_new_page, apply_node, apply_page_move, apply_root_page_move,
    apply_scrub, apply_split, check_key, undo_node,
};
pub use ending::{LogTail, Recovered, Replayed, Untouched};
pub use files::{InstanceFiles, Places};
pub use pages::{Decision, PageChange, RedoPages};
pub use plan::{INTERRUPTED, Options, Plan, Progress};
pub use redo::Counts;
pub use start::{Start, StartReason};
pub use undo::Undone;
