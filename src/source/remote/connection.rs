//! A connection to the process that hosts an instance.

use super::wire::{self, Frame, Reply, Request, broken, read_frame, write_message};
use crate::error::{JetErr, JetError, JetResult};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The name of the socket in the directory of an instance with this base name.
pub fn socket_name(base: &str) -> String {
    format!("jetfs-{base}.sock")
}

/// Calls `act` with a path to a name in a directory that is short enough for a socket, however long the directory's is.
pub(crate) fn through_directory<T>(
    directory: &Path,
    name: &str,
    act: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<T> {
    let open = File::open(directory)?;
    act(&PathBuf::from(format!(
        "/proc/self/fd/{}/{name}",
        open.as_raw_fd()
    )))
}

/// A connection, on which one question at a time is asked.
#[derive(Debug)]
pub(super) struct Connection(UnixStream);

impl Connection {
    /// Connects to the socket `name` in `directory`, and joins the backup that another connection began.
    pub(super) fn open(directory: &Path, name: &str, joins: Option<u64>) -> JetResult<(Self, Reply)> {
        let stream = through_directory(directory, name, |path| UnixStream::connect(path));
        let stream =
            stream.map_err(|error| JetError::io("connect to the instance in", error).in_file(directory))?;
        let mut connection = Connection(stream);
        let hello = Request::Hello {
            version: wire::VERSION,
            joins,
        };
        let welcome = connection.ask(&hello)?;
        Ok((connection, welcome))
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// The other side's; it is gone.
    pub(super) fn ask(&mut self, request: &Request) -> JetResult<Reply> {
        let frame = self.exchange(request).map_err(|error| broken(&error))?;
        match wire::message(frame).map_err(|error| broken(&error))? {
            Reply::Failed { error } => Err(error.into()),
            reply => Ok(reply),
        }
    }

    fn exchange(&mut self, request: &Request) -> io::Result<Frame> {
        write_message(&mut self.0, request)?;
        read_frame(&mut self.0)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Asks for bytes; answers how many came.
    ///
    /// # Errors
    /// The other side's; it is gone.
    pub(super) fn read(&mut self, number: u64, offset: u64, buf: &mut [u8]) -> JetResult<usize> {
        let len = u32::try_from(buf.len().min(wire::READ_MOST)).unwrap_or(0);
        let request = Request::Read { number, offset, len };
        write_message(&mut self.0, &request).map_err(|error| broken(&error))?;
        let head = wire::read_head(&mut self.0).map_err(|error| broken(&error))?;
        let head = head.ok_or_else(|| broken(&io::ErrorKind::UnexpectedEof.into()))?;
        if !head.is_bytes {
            let frame = wire::read_rest(&mut self.0, head).map_err(|error| broken(&error))?;
            return match wire::message(frame).map_err(|error| broken(&error))? {
                Reply::Failed { error } => Err(error.into()),
                other => Err(unexpected(&other)),
            };
        }
        let part = buf.get_mut(..head.len);
        let part = part.ok_or_else(|| {
            broken(&io::Error::new(
                io::ErrorKind::InvalidData,
                "more bytes than were asked for",
            ))
        })?;
        self.0.read_exact(part).map_err(|error| broken(&error))?;
        Ok(head.len)
    }
}

/// An answer to another question.
pub(super) fn unexpected(reply: &Reply) -> JetError {
    let what = format!("the process that hosts the instance answered {reply:?}, which does not belong here");
    JetError::rule(JetErr::InternalError, what)
}
