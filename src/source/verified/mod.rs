//! Reading verified blocks, pages or log segments, whatever file they come from.

mod block_file;
mod live_pages;
mod log_ranges;
mod log_segments;
mod page_rule;
mod verifying_file;
mod watched_file;

pub(crate) use block_file::{BlockFile, Damage, FoundIn};
pub(crate) use live_pages::{Retries, live_database, live_log};
pub(crate) use log_ranges::LogRanges;
pub(crate) use log_segments::LogSegments;
pub(crate) use page_rule::PageRule;
pub(crate) use verifying_file::{Blocks, Unjudged, VerifyingFile};
pub(crate) use watched_file::{Standing, WatchedFile};
