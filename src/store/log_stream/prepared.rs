//! Logs that are made ahead of time, without header and records: the next one, and the reserve for a full disk
//! (log-and-recovery.md sections 1.1 and 1.3).

use super::files::failed;
use super::options::LogStreamOptions;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::SEGMENT_LEN;
use crate::io::{File, FileSystem};
use crate::store::log_writer::{LogNaming, fill_unused, open_or_create};
use parking_lot::Mutex;
use std::path::Path;
use std::sync::Arc;

/// Reserve logs.
const RESERVES: u32 = 2;
/// A blank log is written in pieces of this length.
const PIECE: usize = 64 * SEGMENT_LEN;

/// A generation after the first: all of them have the same in unused slots.
const AFTER_FIRST: u32 = 2;

/// Makes logs that are not begun yet.
#[derive(Debug)]
pub(super) struct Prepared {
    fs: Arc<dyn FileSystem>,
    naming: LogNaming,
    len: u64,
    has_reserve: bool,
    next: Mutex<Next>,
}

/// What has the temporary name.
#[derive(Debug)]
enum Next {
    /// Nothing, or what an earlier run left.
    Missing,
    /// The next log: blank and durable.
    Made(Arc<dyn File>),
    /// A log that is being begun: nobody may make another one until it has got its own name.
    BeingBegun,
}

/// The next log: under its temporary name, blank and durable.
#[derive(Debug)]
pub(super) struct NextLog {
    pub(super) file: Arc<dyn File>,
    /// The disk is full: this was kept for the case.
    pub(super) is_reserve: bool,
}

impl Prepared {
    pub(super) fn new(options: &LogStreamOptions) -> Self {
        Prepared {
            fs: Arc::clone(&options.fs),
            naming: options.naming.clone(),
            len: options.file_len,
            has_reserve: options.reserve,
            next: Mutex::new(Next::Missing),
        }
    }

    /// Makes the next log, if it is not there, of a generation after the first. On a full disk there will be none, and
    /// while one is being begun neither.
    pub(super) fn make_next(&self) -> JetResult<()> {
        let mut next = self.next.lock();
        if matches!(*next, Next::Missing) {
            match self.blank(&self.naming.temporary(), AFTER_FIRST, None) {
                Err(error) if error.code() == JetErr::LogDiskFull => self.give_up_next()?,
                made => *next = Next::Made(made?),
            }
        }
        Ok(())
    }

    /// The next log, of this generation, with the attributes of `model`. It has the temporary name until
    /// [`has_begun`](Self::has_begun) is called.
    pub(super) fn next(&self, generation: u32, model: Option<&dyn File>) -> JetResult<NextLog> {
        let mut next = self.next.lock();
        if let Next::Made(file) = std::mem::replace(&mut *next, Next::BeingBegun) {
            take_attributes(&*file, model)?;
            return Ok(NextLog {
                file,
                is_reserve: false,
            });
        }
        match self.blank(&self.naming.temporary(), generation, model) {
            Ok(file) => Ok(NextLog {
                file,
                is_reserve: false,
            }),
            Err(error) if error.code() == JetErr::LogDiskFull && self.has_reserve => {
                self.take_reserve(generation, error)
            }
            Err(error) => Err(error),
        }
    }

    /// The next log has its own name.
    pub(super) fn has_begun(&self) {
        *self.next.lock() = Next::Missing;
    }

    /// Makes the reserve logs that are not there.
    pub(super) fn keep_reserves(&self) -> JetResult<()> {
        if !self.has_reserve {
            return Ok(());
        }
        for number in 1..=RESERVES {
            let path = self.naming.reserve(number);
            let is_there = self.fs.stat(&path).is_ok_and(|stat| stat.len == self.len);
            if !is_there {
                self.blank(&path, AFTER_FIRST, None)?;
            }
        }
        self.sync_directory()
    }

    /// The last reserve log becomes the log of this generation. `full` is what says that the disk is full.
    fn take_reserve(&self, generation: u32, full: JetError) -> JetResult<NextLog> {
        let temporary = self.naming.temporary();
        for number in (1..=RESERVES).rev() {
            let path = self.naming.reserve(number);
            if self.fs.stat(&path).is_err() {
                continue;
            }
            self.fs
                .rename(&path, &temporary)
                .map_err(|error| failed("rename", error).in_file(&path))?;
            let file = self.blank(&temporary, generation, None)?;
            return Ok(NextLog {
                file,
                is_reserve: true,
            });
        }
        Err(full)
    }

    /// A log without records, durable under a name that is not. What has the name is used: while the current log is
    /// missing, it tells that a generation was being begun. Its blocks are there, so that later writes change no more
    /// than bytes.
    fn blank(&self, path: &Path, generation: u32, model: Option<&dyn File>) -> JetResult<Arc<dyn File>> {
        let failed = |operation, error| failed(operation, error).in_file(path);
        let file = open_or_create(&*self.fs, path).map_err(|error| failed("create", error))?;
        take_attributes(&*file, model)?;
        let mut piece = vec![0; PIECE];
        let mut offset = 0;
        while offset < self.len {
            let len = usize::try_from(self.len - offset).map_or(PIECE, |rest| rest.min(PIECE));
            piece.truncate(len);
            let slot = usize::try_from(offset / SEGMENT_LEN as u64).unwrap_or(usize::MAX);
            fill_unused(&mut piece, slot, generation);
            file.write_all_at(&piece, offset)
                .map_err(|error| failed("write", error))?;
            offset += len as u64;
        }
        file.set_len(self.len)
            .and_then(|()| file.sync())
            .map_err(|error| failed("sync", error))?;
        Ok(file)
    }

    /// The part of a log that a full disk held would only make it fuller.
    fn give_up_next(&self) -> JetResult<()> {
        let temporary = self.naming.temporary();
        self.fs
            .remove(&temporary)
            .map_err(|error| failed("remove", error).in_file(&temporary))
    }

    fn sync_directory(&self) -> JetResult<()> {
        let directory = self.naming.directory();
        self.fs
            .sync_dir(directory)
            .map_err(|error| failed("sync the directory", error).in_file(directory))
    }
}

fn take_attributes(file: &dyn File, model: Option<&dyn File>) -> JetResult<()> {
    let Some(model) = model else { return Ok(()) };
    file.take_attributes_of(model)
        .map_err(|error| failed("set the permissions", error))
}
