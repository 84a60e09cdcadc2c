//! What each store must be able to do.

use anyhow::Result;
use std::path::Path;

/// A map of keys to values that is durable.
pub trait Store: Send + Sync {
    /// A writer for one thread.
    fn writer(&self) -> Result<Box<dyn Writer + '_>>;
    /// Values of these keys, read in one transaction; how many were there.
    fn get_all(&self, keys: &mut dyn Iterator<Item = [u8; 16]>) -> Result<u64>;
    /// Reads everything in key order; how many bytes of values there were.
    fn scan(&self) -> Result<u64>;
}

/// Writes for one thread.
pub trait Writer {
    /// Puts rows and commits; returns when that is durable.
    fn put_all(&mut self, rows: &mut dyn Iterator<Item = ([u8; 16], [u8; 150])>) -> Result<()>;
}

/// Makes or opens a store in a directory.
pub type Open = fn(&Path) -> Result<Box<dyn Store>>;
