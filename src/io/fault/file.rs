//! An open file of a machine with faults: it goes through the machine's switch and journal.

use super::journal::SECTOR;
use super::{Machine, Open, Operation, State, power_is_off};
use crate::io::{File, FileStat, LockKind};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

/// A handle by its number in the machine's table; after a power cut or restart the number is not there any more.
#[derive(Debug)]
pub(super) struct FaultFile {
    machine: Arc<Machine>,
    number: u64,
}

impl FaultFile {
    pub(super) fn new(machine: Arc<Machine>, number: u64) -> Self {
        FaultFile { machine, number }
    }
}

impl State {
    fn open_file(&self, number: u64) -> io::Result<&Open> {
        self.handles.get(&number).ok_or_else(power_is_off)
    }

    /// The bytes of a transfer that go through at once.
    fn transfer(&self, len: usize) -> usize {
        if self.short_transfers {
            len.min(SECTOR)
        } else {
            len
        }
    }

    fn write(&mut self, number: u64, buf: &[u8], offset: u64) -> io::Result<usize> {
        let open = self.open_file(number)?;
        let (file, identity) = (Arc::clone(&open.file), open.identity);
        let buf = buf.get(..self.transfer(buf.len())).unwrap_or(buf);
        self.journal.write(identity, &*file, buf, offset)
    }
}

impl File for FaultFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.machine.run(Operation::Read, |state, _| {
            let len = state.transfer(buf.len());
            let buf = buf.get_mut(..len).unwrap_or_default();
            state.open_file(self.number)?.file.read_at(buf, offset)
        })
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<usize> {
        let half = buf.len() / SECTOR / 2 * SECTOR;
        self.machine.run_or(
            Operation::Write,
            |state, _| state.write(self.number, buf, offset),
            |state| {
                let _ = state.write(self.number, buf.get(..half).unwrap_or_default(), offset);
            },
        )
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.machine.run(Operation::SetLen, |state, _| {
            let open = state.open_file(self.number)?;
            let (file, identity) = (Arc::clone(&open.file), open.identity);
            state.journal.set_len(identity, &*file, len)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.machine.run_or(
            Operation::Sync,
            |state, _| {
                let open = state.open_file(self.number)?;
                open.file.sync()?;
                let identity = open.identity;
                state.journal.synced(identity);
                Ok(())
            },
            |state| {
                if let Some(identity) = state.handles.get(&self.number).map(|open| open.identity) {
                    state.journal.distrust_syncs(identity);
                }
            },
        )
    }

    fn stat(&self) -> io::Result<FileStat> {
        self.machine.run(Operation::Stat, |state, _| {
            state.open_file(self.number)?.file.stat()
        })
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        self.machine.run(Operation::Lock, |state, _| {
            state.open_file(self.number)?.file.try_lock(kind)
        })
    }

    fn unlock(&self) -> io::Result<()> {
        // The handle is gone where the power was: so is its lock.
        match self.machine.state.lock().handles.get(&self.number) {
            Some(open) => open.file.unlock(),
            None => Ok(()),
        }
    }

    fn raw_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

impl Drop for FaultFile {
    fn drop(&mut self) {
        self.machine.state.lock().handles.remove(&self.number);
    }
}
