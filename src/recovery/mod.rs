//! Redo and undo of log records (log-and-recovery.md sections 4 to 6).
//!
//! Recovery reads databases and logs and writes nothing: what changes is kept in an overlay over each database. Only
//! when everything was replayed and rolled back does the caller write it in place, into a copy, or show it in a mount.
//!
//! * [`in_place`]: the result, written into the set in a durable order;
//! * `apply`: one record, or one macro, applied to pages;
//! * `pages`: what `apply` wants from the pages of a database.

mod apply;
pub mod in_place;
mod pages;

pub use apply::{
    NodeBefore, Undoing, apply_convert_fdp, apply_create_multiple_extent, apply_create_single_extent,
    apply_empty_tree, apply_merge, apply_new_page, apply_node, apply_page_move, apply_root_page_move,
    apply_scrub, apply_split, check_key, undo_node,
};
pub use pages::{Decision, PageChange, RedoPages};
