//! The bytes of a file of a backup that another process began.

use super::connection::Connection;
use super::wire::{READ_MOST, Request};
use crate::backup::Outcome;
use crate::error::{JetErr, JetError, JetResult};
use crate::source::verified::{BlockFile, Damage, FoundIn};
use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Connections that read files of one backup. There are as many as there are readers at the same time.
#[derive(Debug)]
pub(super) struct Readers {
    pub(super) directory: PathBuf,
    pub(super) socket: String,
    pub(super) backup: u64,
    pub(super) idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Does something with a connection that nobody else uses. One that failed is not used again.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Connection) -> JetResult<T>) -> JetResult<T> {
        let idle = self.idle.lock().pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(&self.directory, &self.socket, Some(self.backup))?.0,
        };
        let done = act(&mut connection);
        let is_broken = done
            .as_ref()
            .is_err_and(|error| error.code() == JetErr::BackupAbortByServer);
        if !is_broken {
            self.idle.lock().push(connection);
        }
        done
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct RemoteFile {
    pub(super) readers: Arc<Readers>,
    pub(super) number: u64,
    pub(super) len: u64,
    pub(super) found: FoundIn,
}

impl BlockFile for RemoteFile {
    fn found(&self) -> &FoundIn {
        &self.found
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn path(&self) -> &Path {
        &self.found.path
    }

    fn read(&self, buf: &mut [u8], offset: u64) -> JetResult<usize> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buf.len());
        let buf = buf.get_mut(..wanted).unwrap_or_default();
        self.readers.with(|connection| {
            let mut at = offset;
            for part in buf.chunks_mut(READ_MOST) {
                if connection.read(self.number, at, part)? < part.len() {
                    let error = JetError::rule(JetErr::FileIOBeyondEOF, "the file ends early");
                    return Err(error.in_file(&self.found.path));
                }
                at += part.len() as u64;
            }
            Ok(wanted)
        })
    }

    fn note(&self, damage: &Damage, outcome: Outcome) {
        self.found.note(damage, outcome);
    }
}

impl Drop for RemoteFile {
    fn drop(&mut self) {
        let number = self.number;
        let closed = self
            .readers
            .with(|connection| connection.ask(&Request::Close { number }));
        if let Err(error) = closed {
            tracing::debug!(%error, "a file of a backup cannot be closed");
        }
    }
}
