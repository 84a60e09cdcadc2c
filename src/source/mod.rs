//! What can be backed up or shown (design section 3): a running instance, files at rest, and their databases as recovery
//! makes them.

pub mod at_rest;
pub mod live;
pub mod recovered;
pub mod remote;
pub mod spool;
pub(crate) mod verified;
