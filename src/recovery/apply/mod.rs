//! One record, or one macro, applied to pages: what a page becomes, never whether it should.

mod empty_tree;
mod fault;
mod line;
mod merge;
mod split;
mod split_operation;
mod taken;

pub use empty_tree::apply_empty_tree;
pub use merge::apply_merge;
pub use split::{NodeBefore, apply_split};

#[cfg(test)]
mod tests;
