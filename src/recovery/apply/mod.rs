//! One record, or one macro, applied to pages: what a page becomes, never whether it should.

mod arrangement;
mod empty_tree;
mod extents;
mod fault;
mod line;
mod merge;
mod node;
mod page_move;
mod root_page_move;
mod scrub;
mod split;
mod split_operation;
mod taken;
mod undo;

pub use arrangement::NodeBefore;
pub use empty_tree::apply_empty_tree;
pub use extents::{
    apply_convert_fdp, apply_create_multiple_extent, apply_create_single_extent, apply_new_page,
};
pub(crate) use line::shared_prefix;
pub use merge::apply_merge;
pub use node::{apply_node, check_key};
pub use page_move::apply_page_move;
pub use root_page_move::apply_root_page_move;
pub use scrub::apply_scrub;
pub use split::apply_split;
pub use undo::{Undoing, undo_node};

#[cfg(test)]
mod tests;
