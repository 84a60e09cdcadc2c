//! What the session asks of an instance in another process: each question goes over the socket; pages and segments are
//! judged here.

use super::connection::{Connection, socket_name, unexpected};
use super::file::{Readers, RemoteFile};
use super::wire::{Reply, Request};
use crate::backup::{
    BackupEvent, BackupFile, BeginGrbit, Ending, FileRole, Findings, JsonName, LogRange, LogSet, LogStanding,
    Obstacles, Source, SourceFile,
};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageSize;
use crate::io::RealClock;
use crate::source::verified::{FoundIn, Retries, live_database, live_log};
use parking_lot::Mutex;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An instance that another process hosts.
#[derive(Debug)]
pub struct RemoteSource {
    directory: PathBuf,
    socket: String,
    /// Begins and ends the backup; when it is closed, the backup is aborted.
    control: Arc<Mutex<Connection>>,
    readers: Mutex<Option<Arc<Readers>>>,
    retries: u32,
    findings: Arc<Findings>,
}

impl RemoteSource {
    /// Connects to the process that hosts an instance in `directory`; `None` if there is none. `retries`: how often a
    /// damaged page is read again.
    ///
    /// # Errors
    /// It does not let this user in, or speaks another version.
    pub fn connect(directory: &Path, retries: u32) -> JetResult<Option<Self>> {
        let Some(socket) = find_socket(directory)? else {
            return Ok(None);
        };
        match Connection::open(directory, &socket, None) {
            Ok((control, _)) => {
                let control = Arc::new(Mutex::new(control));
                let told = Arc::clone(&control);
                Ok(Some(RemoteSource {
                    directory: directory.to_path_buf(),
                    socket,
                    control,
                    readers: Mutex::default(),
                    retries,
                    findings: Arc::new(Findings::heard_by(move |event| tell(&told, event))),
                }))
            }
            // A socket whose process has died.
            Err(error) if is_refused(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn ask(&self, request: &Request) -> JetResult<Reply> {
        self.control.lock().ask(request)
    }

    fn ask_for_nothing(&self, request: &Request) -> JetResult<()> {
        match self.ask(request)? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn readers(&self) -> JetResult<Arc<Readers>> {
        let none = || JetError::rule(JetErr::NoBackup, "no backup is in progress");
        self.readers.lock().clone().ok_or_else(none)
    }
}

fn is_refused(error: &JetError) -> bool {
    match error.cause() {
        crate::error::Cause::Io { source, .. } => source.kind() == std::io::ErrorKind::ConnectionRefused,
        _ => false,
    }
}

/// The socket in a directory: that of `edb` if there are several.
fn find_socket(directory: &Path) -> JetResult<Option<String>> {
    let failed = |error| JetError::io("list", error).in_file(directory);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if let Some(name) = name
            .to_str()
            .filter(|name| name.starts_with("jetfs-") && name.ends_with(".sock"))
        {
            found.push(name.to_owned());
        }
    }
    found.sort_by_key(|name| (*name != socket_name("edb"), name.clone()));
    Ok(found.into_iter().next())
}

impl Source for RemoteSource {
    fn obstacles(&self) -> Obstacles {
        match self.ask(&Request::Obstacles) {
            Ok(Reply::Obstacles { bits }) => Obstacles::from_bits_truncate(bits),
            // Begin will say what is wrong.
            _ => Obstacles::empty(),
        }
    }

    fn begin(&self, grbit: BeginGrbit) -> JetResult<()> {
        match self.ask(&Request::Begin { grbit: grbit.bits() })? {
            Reply::Begun { backup } => {
                *self.readers.lock() = Some(Arc::new(Readers {
                    directory: self.directory.clone(),
                    socket: self.socket.clone(),
                    backup,
                    idle: Mutex::default(),
                }));
                Ok(())
            }
            other => Err(unexpected(&other)),
        }
    }

    fn databases(&self) -> JetResult<Vec<SourceFile>> {
        match self.ask(&Request::Databases)? {
            Reply::Files { files } => Ok(files.into_iter().map(SourceFile::from).collect()),
            other => Err(unexpected(&other)),
        }
    }

    fn prepare_logs(&self) -> JetResult<LogSet> {
        match self.ask(&Request::PrepareLogs)? {
            Reply::Logs { base, range, files } => Ok(LogSet {
                base,
                range,
                files: files.into_iter().map(SourceFile::from).collect(),
            }),
            other => Err(unexpected(&other)),
        }
    }

    fn open(&self, file: &SourceFile) -> JetResult<Arc<dyn BackupFile>> {
        let name = JsonName(file.name.clone());
        let readers = self.readers()?;
        let opened = readers.with(|connection| connection.ask(&Request::Open { name }))?;
        let Reply::Opened {
            number,
            len,
            page_size,
        } = opened
        else {
            return Err(unexpected(&opened));
        };
        let bytes = RemoteFile {
            readers,
            number,
            len,
            found: FoundIn {
                findings: Arc::clone(&self.findings),
                name: file.name.clone(),
                path: file.path.clone(),
            },
        };
        let size = PageSize::from_stored(page_size)?;
        if file.role != FileRole::Database {
            return live_log(bytes, size);
        }
        let retries = Retries {
            count: self.retries,
            clock: Arc::new(RealClock),
        };
        Ok(live_database(bytes, size, retries))
    }

    fn log_standing(&self) -> JetResult<LogStanding> {
        match self.ask(&Request::Standing)? {
            Reply::Standing { standing } => Ok(standing),
            other => Err(unexpected(&other)),
        }
    }

    fn truncatable(&self, copied: &[OsString]) -> JetResult<Option<LogRange>> {
        let copied = copied.iter().cloned().map(JsonName).collect();
        match self.ask(&Request::Truncatable { copied })? {
            Reply::Range { range } => Ok(range),
            other => Err(unexpected(&other)),
        }
    }

    fn truncate(&self, range: LogRange) -> JetResult<()> {
        self.ask_for_nothing(&Request::Truncate { range })
    }

    fn end(&self, ending: &Ending) -> JetResult<()> {
        *self.readers.lock() = None;
        self.ask_for_nothing(&Request::End {
            ending: ending.into(),
        })
    }

    fn findings(&self) -> &Findings {
        &self.findings
    }

    fn tell(&self, event: &BackupEvent) {
        tell(&self.control, event);
    }
}

/// To `tracing` here, and to the event sink of the instance.
fn tell(control: &Mutex<Connection>, event: &BackupEvent) {
    event.trace();
    let (number, what) = (event.number(), event.to_string());
    if let Err(error) = control.lock().ask(&Request::Tell { number, what }) {
        tracing::debug!(%error, "the instance cannot be told");
    }
}
