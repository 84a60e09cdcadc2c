//! A running instance that other processes back up: it listens on a socket in its directory (design section 3).
//!
//! ```text
//! Service::start ── thread: accept ── thread of each connection: Hello ── question, answer, question …
//! ```
//!
//! Only the user whose process it is and root are let in; the kernel says who asks. A connection that says nothing, or
//! nothing sensible, is closed. The backup of a connection that is gone is aborted.

mod answers;
mod listener;
#[cfg(test)]
mod tests;

pub use listener::Service;
