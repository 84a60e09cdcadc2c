//! A backup that is copied into a local file before it is shown (design, section 4: spool).
//!
//! ```text
//! fill    the source's backup in the published protocol: every database, then every log ──> one file without a name
//! then    a frozen backup of what is in that file; truncation and the end go to the source
//! ```
//!
//! For sources that deliver each file once, in order; and for readers that must neither wait for each other nor for
//! the instance.

mod source;
mod spooled_file;
#[cfg(test)]
mod tests;

pub use source::{OnSpoolProgress, SpoolProgress, SpoolSource};
