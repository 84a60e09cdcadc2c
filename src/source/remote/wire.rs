//! What a mount and a running instance in another process say to each other.
//!
//! ```text
//! frame    length of the rest, u32 LE | kind: 0 message (JSON), 1 bytes | message or bytes
//! ```
//!
//! Each connection asks and is answered, one after the other. The first message is [`Request::Hello`]. The connection that
//! begins a backup owns it: when it is gone, the backup is aborted. Others may join it to read.

use crate::backup::{Ending, FileRole, JsonName, LogRange, LogSet, LogStanding, SourceFile};
use crate::error::{JetErr, JetError, JetResult};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// The version of all this.
pub(crate) const VERSION: u32 = 1;
/// Bytes of a frame at most: what one read delivers, and a list of many logs.
pub(crate) const FRAME_MOST: usize = 16 << 20;
/// Bytes that are asked for at once at most.
pub(crate) const READ_MOST: usize = 1 << 20;

const MESSAGE: u8 = 0;
const BYTES: u8 = 1;

/// What a client asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(crate) enum Request {
    /// The first message.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// The backup that another connection began, to read its files.
        joins: Option<u64>,
    },
    /// What speaks against a backup.
    Obstacles,
    /// Begins one.
    Begin {
        /// The bits of JetBeginExternalBackup.
        grbit: u32,
    },
    /// The databases.
    Databases,
    /// The logs.
    PrepareLogs,
    /// Opens a file of these lists.
    Open {
        /// Its name in the backup.
        name: JsonName,
    },
    /// Reads of an open file; the answer is bytes.
    Read {
        /// The file.
        number: u64,
        /// Where.
        offset: u64,
        /// How many bytes, [`READ_MOST`] at most.
        len: u32,
    },
    /// Closes a file.
    Close {
        /// The file.
        number: u64,
    },
    /// Where the backup stands in the log.
    Standing,
    /// What truncation would delete.
    Truncatable {
        /// Databases that were copied.
        copied: Vec<JsonName>,
    },
    /// Deletes logs.
    Truncate {
        /// Which ones.
        range: LogRange,
    },
    /// Ends the backup.
    End {
        /// Whether normally, and then what is stamped.
        ending: WireEnding,
    },
    /// An event for the log of the instance.
    Tell {
        /// The published number.
        number: u32,
        /// In words.
        what: String,
    },
}

/// What it is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub(crate) enum Reply {
    /// To [`Request::Hello`].
    Welcome {
        /// The program that hosts the instance.
        tool: String,
        /// Where the instance is.
        directory: JsonName,
    },
    /// Done.
    Done,
    /// The bits of what speaks against a backup.
    Obstacles {
        /// See [`Obstacles`](crate::backup::Obstacles).
        bits: u32,
    },
    /// A backup has begun.
    Begun {
        /// What other connections join it by.
        backup: u64,
    },
    /// Databases.
    Files {
        /// All of them.
        files: Vec<WireFile>,
    },
    /// Logs.
    Logs {
        /// The base name.
        base: String,
        /// Their generations.
        range: Option<LogRange>,
        /// All of them.
        files: Vec<WireFile>,
    },
    /// A file is open.
    Opened {
        /// What it is called from now on.
        number: u64,
        /// Bytes that it has.
        len: u64,
        /// Bytes in a page of the instance.
        page_size: u32,
    },
    /// Generations, if there are any.
    Range {
        /// Both ends inclusive.
        range: Option<LogRange>,
    },
    /// To [`Request::Standing`].
    Standing {
        /// What it is about.
        standing: LogStanding,
    },
    /// It failed.
    Failed {
        /// Why.
        error: WireError,
    },
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireFile {
    name: JsonName,
    path: JsonName,
    #[serde(flatten)]
    role: FileRole,
    len: u64,
    /// Since 1970.
    seconds: u64,
    nanoseconds: u32,
}

/// How a backup ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "kebab-case")]
pub(crate) enum WireEnding {
    /// See [`Ending::Normal`].
    Normal {
        /// Whether the logs were truncated.
        truncated: bool,
        /// Databases that are stamped.
        stamp: Vec<JsonName>,
    },
    /// See [`Ending::Aborted`].
    Aborted,
}

/// An error of the other side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireError {
    code: i32,
    what: String,
    file: Option<JsonName>,
    page: Option<u32>,
    offset: Option<u64>,
    advice: Option<String>,
}

/// What came in one piece.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Bytes of a file, not a message.
    pub(crate) is_bytes: bool,
    /// The bytes, or the message as JSON.
    pub(crate) bytes: Vec<u8>,
}

/// Writes a message.
///
/// # Errors
/// The system's.
pub(crate) fn write_message<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    write_frame(to, MESSAGE, &serde_json::to_vec(message)?)
}

/// Writes bytes of a file.
///
/// # Errors
/// The system's.
pub(crate) fn write_bytes(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    write_frame(to, BYTES, bytes)
}

fn write_frame(to: &mut impl Write, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len() + 1)
        .ok()
        .filter(|len| *len as usize <= FRAME_MOST);
    let len = len.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a message is too long"))?;
    let [a, b, c, d] = len.to_le_bytes();
    to.write_all(&[a, b, c, d, kind])?;
    to.write_all(bytes)
}

/// How a frame begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// Bytes of a file, not a message.
    pub(crate) is_bytes: bool,
    /// How many bytes follow.
    pub(crate) len: usize,
}

/// Reads how a frame begins; `None` where the connection has ended between two of them.
///
/// # Errors
/// The system's; a frame that is too long or of an unknown kind.
pub(crate) fn read_head(from: &mut impl Read) -> io::Result<Option<Head>> {
    let mut head = [0; 5];
    let mut got = 0;
    while let Some(rest) = head.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => got += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let [a, b, c, d, kind] = head;
    let len = u32::from_le_bytes([a, b, c, d]) as usize;
    let invalid = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    if len == 0 || len > FRAME_MOST {
        return Err(invalid("a frame of an impossible length"));
    }
    let is_bytes = match kind {
        MESSAGE => false,
        BYTES => true,
        _ => return Err(invalid("a frame of an unknown kind")),
    };
    Ok(Some(Head {
        is_bytes,
        len: len - 1,
    }))
}

/// Reads what follows the beginning of a frame. Memory grows with what comes, so that a length alone costs nothing.
///
/// # Errors
/// The system's; the connection ends before the frame does.
pub(crate) fn read_rest(from: &mut impl Read, head: Head) -> io::Result<Frame> {
    let mut bytes = Vec::new();
    from.take(head.len as u64).read_to_end(&mut bytes)?;
    if bytes.len() != head.len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let is_bytes = head.is_bytes;
    Ok(Frame { is_bytes, bytes })
}

/// Reads a frame; `None` where the connection has ended between two of them.
///
/// # Errors
/// Those of [`read_head`] and [`read_rest`].
pub(crate) fn read_frame(from: &mut impl Read) -> io::Result<Option<Frame>> {
    read_head(from)?.map(|head| read_rest(from, head)).transpose()
}

/// The message in a frame.
///
/// # Errors
/// It is none.
pub(crate) fn message<T: DeserializeOwned>(frame: Frame) -> io::Result<T> {
    if frame.is_bytes {
        let what = "bytes where a message belongs";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(serde_json::from_slice(&frame.bytes)?)
}

impl From<&SourceFile> for WireFile {
    fn from(file: &SourceFile) -> Self {
        let since = file
            .modified
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        WireFile {
            name: JsonName(file.name.clone()),
            path: file.path.as_path().into(),
            role: file.role,
            len: file.len,
            seconds: since.as_secs(),
            nanoseconds: since.subsec_nanos(),
        }
    }
}

impl From<WireFile> for SourceFile {
    fn from(file: WireFile) -> Self {
        let since =
            Duration::from_secs(file.seconds).saturating_add(Duration::from_nanos(file.nanoseconds.into()));
        SourceFile {
            name: file.name.0,
            path: PathBuf::from(file.path.0),
            role: file.role,
            len: file.len,
            modified: SystemTime::UNIX_EPOCH
                .checked_add(since)
                .unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }
}

impl Reply {
    /// The answer to [`Request::PrepareLogs`].
    pub(crate) fn logs(set: &LogSet) -> Self {
        Reply::Logs {
            base: set.base.clone(),
            range: set.range,
            files: set.files.iter().map(WireFile::from).collect(),
        }
    }

    /// The answer where something failed.
    pub(crate) fn failed(error: &JetError) -> Self {
        Reply::Failed { error: error.into() }
    }
}

impl From<&Ending> for WireEnding {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Aborted => WireEnding::Aborted,
            Ending::Normal { truncated, stamp } => WireEnding::Normal {
                truncated: *truncated,
                stamp: stamp.iter().cloned().map(JsonName).collect(),
            },
        }
    }
}

impl From<WireEnding> for Ending {
    fn from(ending: WireEnding) -> Self {
        match ending {
            WireEnding::Aborted => Ending::Aborted,
            WireEnding::Normal { truncated, stamp } => Ending::Normal {
                truncated,
                stamp: stamp.into_iter().map(|name| name.0).collect(),
            },
        }
    }
}

impl From<&JetError> for WireError {
    fn from(error: &JetError) -> Self {
        let place = error.place();
        WireError {
            code: error.code().number(),
            what: error.cause().to_string(),
            file: place.file.as_deref().map(JsonName::from),
            page: place.page,
            offset: place.offset,
            advice: error.advice().map(str::to_owned),
        }
    }
}

impl From<WireError> for JetError {
    fn from(error: WireError) -> Self {
        let known = JetErr::ALL.iter().find(|known| known.number() == error.code);
        let mut made = JetError::rule(known.copied().unwrap_or(JetErr::InternalError), error.what);
        if let Some(file) = error.file {
            made = made.in_file(&PathBuf::from(file.0));
        }
        if let Some(page) = error.page {
            made = made.on_page(page);
        }
        if let Some(offset) = error.offset {
            made = made.at_offset(offset);
        }
        match error.advice {
            Some(advice) => made.advise(advice),
            None => made,
        }
    }
}

/// The connection is broken: the other process is gone, or says what cannot be understood.
pub(crate) fn broken(error: &io::Error) -> JetError {
    let what = format!("the process that hosts the instance does not answer any more: {error}");
    JetError::rule(JetErr::BackupAbortByServer, what)
        .advise("Start it again, and begin a new backup; this one is not complete.")
}

/// A result over the wire.
pub(crate) fn reply_of(result: JetResult<Reply>) -> Reply {
    result.unwrap_or_else(|error| Reply::failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_and_bytes_come_through_in_order_and_the_end_is_told_from_a_cut() {
        let mut wire = Vec::new();
        write_message(
            &mut wire,
            &Request::Hello {
                version: 1,
                joins: Some(7),
            },
        )
        .unwrap();
        write_bytes(&mut wire, b"page").unwrap();
        let mut whole = wire.as_slice();
        let hello: Request = message(read_frame(&mut whole).unwrap().unwrap()).unwrap();
        assert_eq!(
            hello,
            Request::Hello {
                version: 1,
                joins: Some(7)
            }
        );
        let page = read_frame(&mut whole).unwrap().unwrap();
        assert!(page.is_bytes && page.bytes == b"page");
        assert!(read_frame(&mut whole).unwrap().is_none());
        let mut cut = &wire[..wire.len() - 1];
        read_frame(&mut cut).unwrap();
        assert_eq!(
            read_frame(&mut cut).unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn an_error_keeps_its_code_place_and_advice() {
        let error = JetError::rule(JetErr::ReadVerifyFailure, "is damaged")
            .in_file(std::path::Path::new("/d/a.edb"))
            .on_page(7)
            .at_offset(32768)
            .advise("Restore it.");
        let back = JetError::from(WireError::from(&error));
        assert_eq!(back.to_string(), error.to_string());
        assert_eq!(back.code(), error.code());
    }

    proptest! {
        #[test]
        fn garbage_is_refused_without_memory_by_its_length(bytes: Vec<u8>) {
            let mut wire = bytes.as_slice();
            while let Ok(Some(frame)) = read_frame(&mut wire) {
                let _ = message::<Request>(frame);
            }
        }
    }
}
