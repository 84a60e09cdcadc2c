//! B+ trees of a live database (database-file.md section 4, log-and-recovery.md sections 4.4 to 4.6 and 8.3).
//!
//! ```text
//! read:    root ── descend ──> leaf ── find: nodes that the reader sees
//! change:  root ── descend ──> leaf ── split until there is room ── one record, one version
//! ```
//!
//! * `descend`: from the root to a leaf; every page on the way is checked; `order`: how nodes compare;
//! * `neighbours`, `find`, `cursor`: the nodes of the leaves in order, and which of them a transaction sees;
//! * `insert`, `replace`, `delete`, `add`: changes of one node; `conflict`: who may make them;
//! * `split`: room on full pages; `reserve`: room that is kept for rollbacks;
//! * `undo`: changes taken back; `remove`: deleted nodes and empty leaves go.

mod add;
mod conflict;
mod cursor;
mod delete;
mod descend;
mod find;
mod insert;
mod limits;
mod neighbours;
mod order;
mod remove;
mod replace;
mod reserve;
mod split;
#[cfg(test)]
mod tests;
mod undo;

pub(crate) use add::{add, add64};
pub(crate) use cursor::Rest;
pub(crate) use delete::delete;
pub(crate) use descend::{NodeOnPage, node, seek};
pub(crate) use find::{FoundNode, From, find, find_near};
pub(crate) use insert::{insert, insert_unversioned};
pub(crate) use neighbours::{first, last, next};
pub(crate) use remove::remove_deleted;
pub(crate) use replace::replace;
pub(crate) use undo::{log_undo_info, roll_back, undo_newest};
