//! Reads, verifies and backs up instances of the Extensible Storage Engine (ESE, JET Blue, ESENT).
//!
//! The layers, each of which knows only those before it:
//!
//! * [`error`]: the published `JET_err` names and numbers, and errors that say file, page and offset;
//! * [`io`]: files and the clock behind a trait: real, in memory, and with injected faults;
//! * [`mod@format`]: bytes to values and back, pure functions on byte slices;
//! * [`store`]: reading databases: pages, trees, catalog, rows; writing new ones; reading logs;
//! * [`recovery`]: redo and undo of log records;
//! * [`engine`]: a live instance that writes the genuine formats;
//! * [`backup`]: what can be backed up, and the protocol's state machine;
//! * [`source`]: the sources: files at rest, and their databases as recovery makes them;
//! * [`service`]: a running instance that other processes back up;
//! * [`restore`]: from copied backup sets to clean databases;
//! * [`verify`]: checks every checksum of files and sets, and whether a set is complete.

pub mod backup;
pub mod engine;
pub mod error;
pub mod format;
pub mod io;
pub mod recovery;
pub mod restore;
pub mod service;
pub mod source;
pub mod store;
pub mod verify;

#[cfg(test)]
mod genuine_samples;

pub use error::{JetErr, JetError, JetResult};
