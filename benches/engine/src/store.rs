//! What each store must be able to do.

use anyhow::Result;
use std::path::Path;

/// A row.
pub type Row = ([u8; 16], [u8; 150]);

/// A map of keys to values that is durable.
pub trait Store: Send + Sync {
    /// Has `work` write, with what one thread needs for that.
    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()>;
    /// Values of these keys, read in one transaction; how many were there.
    fn get_all(&self, keys: &mut dyn Iterator<Item = [u8; 16]>) -> Result<u64>;
    /// Reads everything in key order; how many bytes of values there were.
    fn scan(&self) -> Result<u64>;
    /// Makes a durable copy of everything in a new directory while others write.
    fn back_up(&self, to: &Path) -> Result<()>;
    /// Ends well: everything is in the database file.
    fn close(self: Box<Self>) -> Result<()>;
}

/// Writes for one thread.
pub trait Writer {
    /// Puts new rows and commits; returns when that is durable.
    fn put_all(&mut self, rows: &mut dyn Iterator<Item = Row>) -> Result<()>;
}

/// A store that is measured.
#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    /// Its database file.
    pub file: &'static str,
    /// Makes or opens one in a directory.
    pub open: fn(&Path, Settings) -> Result<Box<dyn Store>>,
}

/// What is the same for all of them, as far as they know such a thing.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Bytes of the database in memory.
    pub cache: usize,
    /// Bytes of log after which it is written into the database.
    pub checkpoint: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            cache: 512 << 20,
            checkpoint: 64 << 20,
        }
    }
}
