//! One record, or one macro, applied to pages: what a page becomes, never whether it should.

mod arrangement;
mod empty_tree;
mod fault;
mod line;
mod merge;
mod page_move;
mod root_page_move;
mod scrub;
mod split;
mod split_operation;
mod taken;

pub use arrangement::NodeBefore;
pub use empty_tree::apply_empty_tree;
pub use merge::apply_merge;
pub use page_move::apply_page_move;
pub use root_page_move::apply_root_page_move;
pub use scrub::apply_scrub;
pub use split::apply_split;

#[cfg(test)]
mod tests;
