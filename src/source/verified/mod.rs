//! Reading verified blocks, pages or log segments, whatever file they come from.

mod block_file;
mod log_ranges;
mod log_segments;
mod page_rule;
mod verifying_file;
mod watched_file;

pub(super) use block_file::{BlockFile, Damage};
pub(super) use log_ranges::LogRanges;
pub(super) use log_segments::LogSegments;
pub(super) use page_rule::PageRule;
pub(super) use verifying_file::{Blocks, Unjudged, VerifyingFile};
pub(super) use watched_file::{Standing, WatchedFile};
