//! Moments at which the power could be cut, and what would be on the disk then, while the run that they belong to goes
//! on undisturbed.

use super::Operation;
use super::journal::{CutReport, Journal};
use crate::io::FileSystem;
use parking_lot::Mutex;
use std::fmt;
use std::io;

/// A moment in which an operation changes the disk, or makes changes durable.
#[derive(Debug)]
pub struct Moment<'m> {
    /// The operation; nobody was told yet that it was done.
    pub operation: Operation,
    /// The number of the moment, from 1.
    pub number: u64,
    journal: &'m Journal,
}

impl Moment<'_> {
    /// Cuts the power in `copy`, a copy of the file system below in which files have the same identities
    /// ([`MemoryFileSystem::fork`](crate::io::MemoryFileSystem::fork)): what becomes of unsynced changes follows from
    /// `seed`.
    ///
    /// # Errors
    /// Those of `copy`.
    pub fn cut_power_in(&self, copy: &dyn FileSystem, seed: u64) -> io::Result<CutReport> {
        self.journal.of_copy(copy)?.cut_power(copy, seed)
    }
}

/// Who sees the moments of a machine.
#[derive(Default)]
pub(super) struct Watcher(Mutex<Option<See>>);

struct See {
    see: Box<dyn FnMut(&Moment<'_>) + Send>,
    last: u64,
}

impl Watcher {
    pub(super) fn set(&self, see: impl FnMut(&Moment<'_>) + Send + 'static) {
        *self.0.lock() = Some(See {
            see: Box::new(see),
            last: 0,
        });
    }

    pub(super) fn show(&self, operation: Operation, journal: &Journal) {
        if !operation.changes() {
            return;
        }
        if let Some(watcher) = &mut *self.0.lock() {
            watcher.last += 1;
            (watcher.see)(&Moment {
                operation,
                number: watcher.last,
                journal,
            });
        }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}
