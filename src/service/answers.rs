//! What the connections ask, answered.

use crate::backup::{BeginGrbit, JsonName, Source, SourceFile};
use crate::engine::Event;
use crate::engine::core::Core;
use crate::error::{JetErr, JetError, JetResult};
use crate::source::live::{LiveOptions, LiveSource};
use crate::source::remote::wire::{
    READ_MOST, Reply, Request, VERSION, WireFile, message, read_frame, reply_of, write_bytes, write_message,
};
use crate::source::verified::BlockFile;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Files that a backup may have open at the same time.
const FILES_MOST: usize = 65536;

/// The instance, and the backup that a connection has begun.
#[derive(Debug)]
pub(super) struct Hosted {
    core: Arc<Core>,
    options: LiveOptions,
    backup: Mutex<Option<Arc<HostedBackup>>>,
}

/// A backup, and what is open in it.
#[derive(Debug)]
struct HostedBackup {
    /// The connection that began it, by whose number others join it.
    owner: u64,
    source: LiveSource,
    files: Mutex<OpenFiles>,
}

#[derive(Debug, Default)]
struct OpenFiles {
    last: u64,
    open: BTreeMap<u64, Arc<dyn BlockFile>>,
}

impl Hosted {
    pub(super) fn new(core: Arc<Core>, options: LiveOptions) -> Self {
        Hosted {
            core,
            options,
            backup: Mutex::default(),
        }
    }

    /// Aborts the backup that is in progress.
    pub(super) fn abort(&self) {
        if let Some(backup) = self.backup.lock().take() {
            backup.abort();
        }
    }

    /// Its connection is gone.
    fn abort_of(&self, owner: u64) {
        let backup = self.backup.lock().take_if(|backup| backup.owner == owner);
        if let Some(backup) = backup {
            tracing::warn!("the process that made a backup is gone: the backup is aborted");
            backup.abort();
        }
    }

    fn begin(&self, owner: u64, grbit: u32) -> JetResult<Reply> {
        let mut backup = self.backup.lock();
        if backup.is_some() {
            let what = "another process makes a backup";
            return Err(JetError::rule(JetErr::BackupInProgress, what));
        }
        let unknown = || JetError::rule(JetErr::InvalidGrbit, "bits that Begin does not know");
        let grbit = BeginGrbit::from_bits(grbit).ok_or_else(unknown)?;
        let source = LiveSource::of(Arc::clone(&self.core), self.options.clone());
        source.begin(grbit)?;
        *backup = Some(Arc::new(HostedBackup {
            owner,
            source,
            files: Mutex::default(),
        }));
        Ok(Reply::Begun { backup: owner })
    }

    fn backup(&self, owner: u64) -> JetResult<Arc<HostedBackup>> {
        let backup = self.backup.lock().clone().filter(|backup| backup.owner == owner);
        backup.ok_or_else(|| JetError::rule(JetErr::NoBackup, "this backup is not in progress"))
    }
}

impl HostedBackup {
    fn abort(&self) {
        if let Err(error) = self.source.end(&crate::backup::Ending::Aborted) {
            tracing::warn!(%error, "a backup cannot be ended");
        }
    }

    fn find(&self, name: &OsStr) -> JetResult<SourceFile> {
        let mut files = self.source.databases()?;
        if let Some(place) = files.iter().position(|file| file.name == name) {
            return Ok(files.swap_remove(place));
        }
        let logs = self.source.prepared_logs()?;
        let found = logs.into_iter().find(|file| file.name == name);
        found.ok_or_else(|| JetError::rule(JetErr::InvalidParameter, "is not in the backup"))
    }

    fn open(&self, name: &OsStr) -> JetResult<Reply> {
        let file = self.source.bytes_of(&self.find(name)?)?;
        let len = file.len();
        let mut files = self.files.lock();
        if files.open.len() >= FILES_MOST {
            return Err(JetError::rule(JetErr::OutOfMemory, "too many files are open"));
        }
        files.last += 1;
        let number = files.last;
        files.open.insert(number, Arc::from(file));
        Ok(Reply::Opened {
            number,
            len,
            page_size: u32::try_from(self.source.page_size().bytes()).unwrap_or(0),
        })
    }

    fn file(&self, number: u64) -> JetResult<Arc<dyn BlockFile>> {
        let file = self.files.lock().open.get(&number).cloned();
        file.ok_or_else(|| JetError::rule(JetErr::InvalidParameter, "no such file is open"))
    }
}

/// One connection.
pub(super) struct Answers<'h> {
    hosted: &'h Hosted,
    stream: UnixStream,
    number: u64,
    /// The backup that it has joined: its own, or that of another connection.
    joined: u64,
    buf: Vec<u8>,
}

impl<'h> Answers<'h> {
    pub(super) fn new(hosted: &'h Hosted, stream: UnixStream, number: u64) -> Self {
        Answers {
            hosted,
            stream,
            number,
            joined: number,
            buf: Vec::new(),
        }
    }

    /// Answers until the other side is gone.
    ///
    /// # Errors
    /// It says what cannot be understood, or nothing.
    pub(super) fn run(mut self) -> io::Result<()> {
        if !self.greet()? {
            return Ok(());
        }
        self.stream.set_read_timeout(None)?;
        while let Some(frame) = read_frame(&mut self.stream)? {
            let request: Request = message(frame)?;
            if let Request::Read { number, offset, len } = request {
                self.read(number, offset, len)?;
            } else {
                let reply = reply_of(self.answer(request));
                write_message(&mut self.stream, &reply)?;
            }
        }
        Ok(())
    }

    fn greet(&mut self) -> io::Result<bool> {
        let Some(frame) = read_frame(&mut self.stream)? else {
            return Ok(false);
        };
        let (reply, is_known) = match message(frame)? {
            Request::Hello {
                version: VERSION,
                joins,
            } => {
                self.joined = joins.unwrap_or(self.number);
                (self.welcome(), true)
            }
            Request::Hello { version, .. } => {
                let what = format!("the instance speaks version {VERSION} of the protocol, not {version}");
                let error = JetError::rule(JetErr::InvalidParameter, what);
                let advice = "Use the jetfs of the version that hosts the instance.";
                (Reply::failed(&error.advise(advice)), false)
            }
            _ => return Ok(false),
        };
        write_message(&mut self.stream, &reply)?;
        Ok(is_known)
    }

    fn welcome(&self) -> Reply {
        Reply::Welcome {
            tool: concat!("jetfs ", env!("CARGO_PKG_VERSION")).to_owned(),
            directory: self.hosted.core.parameters.system_path.as_path().into(),
        }
    }

    fn read(&mut self, number: u64, offset: u64, len: u32) -> io::Result<()> {
        let len = READ_MOST.min(len as usize);
        self.buf.resize(len, 0);
        let file = self
            .hosted
            .backup(self.joined)
            .and_then(|backup| backup.file(number));
        match file.and_then(|file| file.read(&mut self.buf, offset)) {
            Ok(read) => write_bytes(&mut self.stream, self.buf.get(..read).unwrap_or_default()),
            Err(error) => write_message(&mut self.stream, &Reply::failed(&error)),
        }
    }

    fn answer(&mut self, request: Request) -> JetResult<Reply> {
        let hosted = self.hosted;
        let backup = || hosted.backup(self.joined);
        match request {
            Request::Hello { .. } | Request::Read { .. } => Err(JetError::rule(
                JetErr::InvalidParameter,
                "this does not belong here",
            )),
            Request::Obstacles => {
                let source = LiveSource::of(Arc::clone(&hosted.core), hosted.options.clone());
                let bits = source.obstacles().bits();
                Ok(Reply::Obstacles { bits })
            }
            Request::Begin { grbit } => hosted.begin(self.number, grbit),
            Request::Databases => {
                let files = backup()?.source.databases()?;
                let files = files.iter().map(WireFile::from).collect();
                Ok(Reply::Files { files })
            }
            Request::PrepareLogs => Ok(Reply::logs(&backup()?.source.prepare_logs()?)),
            Request::Open { name } => backup()?.open(&name.0),
            Request::Close { number } => {
                backup()?.files.lock().open.remove(&number);
                Ok(Reply::Done)
            }
            Request::Standing => {
                let standing = backup()?.source.log_standing()?;
                Ok(Reply::Standing { standing })
            }
            Request::Truncatable { copied } => {
                let copied: Vec<_> = copied.into_iter().map(|JsonName(name)| name).collect();
                let range = backup()?.source.truncatable(&copied)?;
                Ok(Reply::Range { range })
            }
            Request::Truncate { range } => {
                backup()?.source.truncate(range)?;
                Ok(Reply::Done)
            }
            Request::End { ending } => {
                let ended = backup()?.source.end(&ending.into());
                *hosted.backup.lock() = None;
                ended.map(|()| Reply::Done)
            }
            Request::Tell { number, what } => {
                let event = Event::Backup { number, what };
                hosted.core.parameters.events.tell(&event);
                Ok(Reply::Done)
            }
        }
    }
}

impl Drop for Answers<'_> {
    fn drop(&mut self) {
        self.hosted.abort_of(self.number);
    }
}
