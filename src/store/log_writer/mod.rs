//! Writing logs of version 8: records become segments in memory, and these then files (log-and-recovery.md sections
//! 1.3 and 3.1 to 3.5).
//!
//! ```text
//! LogFile ── LogAppender::after ──> LogAppender ── append ──> LogPosition       (in memory: segments, generations)
//!                                        └── take_writes ──> LogWrites ── write ──> durable files
//! ```
//!
//! A log that grows is replaced as a whole: its new contents become durable under the name of the next log
//! (`edbtmp.log`), then take the place of the old ones. Segments written in place would not do: a power cut may tear
//! any of them, and a reader takes a torn segment without a shadow for damage (section 3.3).

mod appender;
mod naming;
mod next_header;
mod packing;
#[cfg(test)]
mod tests;
mod unused;
mod writes;

pub use appender::LogAppender;
pub use naming::{LogDigits, LogNaming};
pub(super) use next_header::{Roll, next_header};
pub(super) use packing::{Packing, SegmentTimes, seal};
pub(super) use unused::fill_unused;
pub use writes::LogWrites;
pub(super) use writes::{LogFileWrite, archive_log, open_or_create};
