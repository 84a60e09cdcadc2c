//! How an instance begins: who else has it is kept out, what a crash left is recovered, the log goes on
//! (log-and-recovery.md sections 4.7, 6 and 7).
//!
//! ```text
//! directories ── lock the checkpoint ── logs? ── yes: recover in place ── go on after the last log ── Init2
//!                                          └──── no: checkpoint, generation 1 of a new sequence ────┘
//! ```

use super::attachments::Attachments;
use super::backup::BackupHold;
use super::checkpoint::CheckpointFile;
use super::core::{Core, LockedFile};
use super::events::Event;
use super::flush::Geometry;
use super::pages::CacheBudget;
use super::parameters::Parameters;
use super::recover::recover;
use super::shared::Shared;
use super::signature::new_signature;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{Init2, LogRecord, ParamBytes};
use crate::format::{Checkpoint, DbmsParam, LogFlags, LogHeader, LogPosition, LogTime, PageSize, Signature};
use crate::io::{Clock, File, FileSystem, LockKind, OpenMode};
use crate::recovery::{InstanceFiles, Places};
use crate::store::log_reader::LogFile;
use crate::store::log_stream::{LogStream, LogStreamOptions};
use crate::store::log_writer::LogNaming;
use crate::store::{lock_file, read_checkpoint, write_checkpoint_to};
use parking_lot::Mutex;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a start works with.
pub(super) struct Start {
    pub(super) parameters: Parameters,
    pub(super) page_size: PageSize,
    pub(super) fs: Arc<dyn FileSystem>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) checkpoint_path: PathBuf,
    /// Locked.
    pub(super) checkpoint: Arc<dyn File>,
}

/// The log of a running instance, and what must be known of it.
struct Log {
    stream: LogStream,
    naming: Option<LogNaming>,
    attachments: Arc<Attachments>,
    checkpoint: Option<Checkpoint>,
    oldest: u32,
    signature: Signature,
}

/// Starts an instance.
///
/// # Errors
/// A parameter is not allowed; somebody else has the instance (`JET_errFileAccessDenied`); recovery fails; a file cannot
/// be made.
pub(super) fn start(
    mut parameters: Parameters,
    fs: Arc<dyn FileSystem>,
    clock: Arc<dyn Clock>,
) -> JetResult<Arc<Core>> {
    parameters.check()?;
    let page_size = parameters.page_size()?;
    for path in [
        &mut parameters.system_path,
        &mut parameters.log_file_path,
        &mut parameters.temp_path,
    ] {
        *path = directory(&*fs, path)?;
    }
    let checkpoint_path = checkpoint_path(&*fs, &parameters);
    let (checkpoint, is_new) = lock_checkpoint(&*fs, &checkpoint_path)?;
    let start = Start {
        parameters,
        page_size,
        fs: Arc::clone(&fs),
        clock,
        checkpoint_path: checkpoint_path.clone(),
        checkpoint,
    };
    let core = start.run();
    if core.is_err() && is_new {
        remove_if_empty(&*fs, &checkpoint_path);
    }
    core
}

impl Start {
    fn run(self) -> JetResult<Arc<Core>> {
        let log = if self.parameters.recovery {
            self.open_log()?
        } else {
            self.without_log()
        };
        let shared = Shared::new(
            Arc::clone(&self.fs),
            Arc::clone(&self.clock),
            log.stream,
            CacheBudget::new(self.parameters.cache_size_max),
        );
        shared.sessions.set_most(self.parameters.max_sessions);
        let extension = self.parameters.db_extension_size as usize * self.page_size.bytes();
        shared.extension_bytes.store(extension, Ordering::Relaxed);
        let lock = LockedFile::new(Arc::clone(&self.checkpoint));
        let checkpoint = log.checkpoint.map(|written| CheckpointFile {
            path: self.checkpoint_path.clone(),
            file: lock.clone(),
            written: Mutex::new(written),
            oldest: Mutex::new(log.oldest),
        });
        let init = self.log_init(&shared)?;
        let geometry = Geometry {
            file_len: self.parameters.log_file_len(),
        };
        let core = Arc::new(Core {
            page_size: self.page_size,
            shared: Arc::new(shared),
            attachments: log.attachments,
            checkpoint,
            lock,
            naming: log.naming,
            geometry,
            signature: log.signature,
            init,
            administration: Mutex::new(()),
            backup: BackupHold::default(),
            is_failure_told: AtomicBool::new(false),
            parameters: self.parameters,
        });
        let weak: std::sync::Weak<Core> = Arc::downgrade(&core);
        core.shared.set_room(weak);
        Ok(core)
    }

    /// Only a file that says that the instance runs.
    fn without_log(&self) -> Log {
        Log {
            stream: LogStream::off(),
            naming: None,
            attachments: self.attachments(LogPosition::default()),
            checkpoint: None,
            oldest: 0,
            signature: Signature::default(),
        }
    }

    fn open_log(&self) -> JetResult<Log> {
        let files = self.find()?;
        if files.logs.is_empty() {
            return self.begin_sequence();
        }
        recover(self, files)?;
        self.go_on(&self.find()?)
    }

    /// The files of the instance.
    pub(super) fn find(&self) -> JetResult<InstanceFiles> {
        let places = Places {
            logs: self.parameters.log_file_path.clone(),
            system: Some(self.parameters.system_path.clone()),
            base: Some(self.parameters.base_name.clone()),
            ..Places::default()
        };
        let mut files = InstanceFiles::find(&*self.fs, &places)?;
        // Logs of another sequence in the same directory are somebody else's.
        if !files.base.eq_ignore_ascii_case(&self.parameters.base_name) {
            files.logs.clear();
        }
        Ok(files)
    }

    /// A new sequence: first its checkpoint, then its first log (section 7).
    fn begin_sequence(&self) -> JetResult<Log> {
        self.check_not_lost()?;
        let signature = new_signature(&*self.clock);
        let position = LogPosition {
            generation: 1,
            sector: 1,
            byte: 0,
        };
        let param = self.param()?;
        let checkpoint = Checkpoint::new(position, signature, param.clone())?;
        let in_file = |error: JetError| error.in_file(&self.checkpoint_path);
        write_checkpoint_to(&*self.checkpoint, &checkpoint).map_err(in_file)?;
        let sectors = u16::try_from(self.parameters.log_file_len() / 4096).unwrap_or(u16::MAX);
        let mut header = LogHeader::new(1, sectors, signature, param)?;
        header.create_time = self.now();
        header.checkpoint = position;
        header.stored_page_size = u16::try_from(self.page_size.bytes()).unwrap_or(0);
        header.flags.set(LogFlags::CIRCULAR, self.parameters.circular_log);
        let naming = LogNaming::new(
            &self.parameters.log_file_path,
            &self.parameters.base_name,
            "log",
            self.parameters.log_digits(),
        );
        let attachments = self.attachments(position);
        let options = self.options(naming.clone(), Arc::clone(&attachments));
        Ok(Log {
            stream: LogStream::create(options, header)?,
            naming: Some(naming),
            attachments,
            checkpoint: Some(checkpoint),
            oldest: 1,
            signature,
        })
    }

    /// Goes on after the last log, which ended well.
    fn go_on(&self, files: &InstanceFiles) -> JetResult<Log> {
        let ends = files.logs.first_key_value().zip(files.logs.values().next_back());
        let Some(((&oldest, _), last)) = ends else {
            return Err(JetError::rule(JetErr::MissingLogFile, "the logs are gone"));
        };
        let open = self.fs.open(&last.path, OpenMode::ReadOnly);
        let file = open.map_err(|error| JetError::io("open", error).in_file(&last.path))?;
        let last = LogFile::load(&*file, &last.path)?;
        let found = last.header().page_size()?;
        if found != self.page_size {
            return Err(self.other_page_size(found).in_file(last.path()));
        }
        let paths = files.logs.values().map(|log| log.path.as_path());
        let Some(naming) = LogNaming::of(paths, self.parameters.log_digits()) else {
            let what = "has no name of a log";
            return Err(JetError::rule(JetErr::InvalidPath, what).in_file(last.path()));
        };
        let signature = last.header().signature;
        let checkpoint = self.existing_checkpoint(&last)?;
        let attachments = self.attachments(checkpoint.checkpoint);
        let options = self.options(naming.clone(), Arc::clone(&attachments));
        Ok(Log {
            stream: LogStream::continue_after(options, &last)?,
            naming: Some(naming),
            attachments,
            checkpoint: Some(checkpoint),
            oldest,
            signature,
        })
    }

    fn other_page_size(&self, found: PageSize) -> JetError {
        let (found, wanted) = (found.bytes(), self.page_size.bytes());
        let what = format!("is for pages of {found} bytes, but JET_paramDatabasePageSize is {wanted}");
        JetError::rule(JetErr::PageSizeMismatch, what)
    }

    /// The checkpoint of the sequence; if it was lost, one at the end of the log, which needs no recovery.
    fn existing_checkpoint(&self, last: &LogFile) -> JetResult<Checkpoint> {
        let signature = last.header().signature;
        match read_checkpoint(&*self.fs, &self.checkpoint_path)? {
            Some(Ok(checkpoint)) if checkpoint.log_signature == signature => Ok(checkpoint),
            _ => Ok(Checkpoint::new(last.end_position(), signature, self.param()?)?),
        }
    }

    /// A checkpoint that lists databases needs logs: without them this is not the directory of the logs.
    fn check_not_lost(&self) -> JetResult<()> {
        let Some(Ok(checkpoint)) = read_checkpoint(&*self.fs, &self.checkpoint_path)? else {
            return Ok(());
        };
        let listed = checkpoint.attach_list.attachments().unwrap_or_default();
        if !checkpoint.has_attach_list() || listed.is_empty() {
            return Ok(());
        }
        let what = format!(
            "databases need the logs from {} on, but there are none in {}",
            checkpoint.checkpoint,
            self.parameters.log_file_path.display()
        );
        let error = JetError::rule(JetErr::MissingLogFile, what).in_file(&self.checkpoint_path);
        Err(error
            .advise("Set JET_paramLogFilePath to where they are, or delete the checkpoint to begin anew."))
    }

    fn attachments(&self, checkpoint: LogPosition) -> Arc<Attachments> {
        let events = self.parameters.events.clone();
        Arc::new(Attachments::new(events, checkpoint))
    }

    fn options(&self, naming: LogNaming, observer: Arc<Attachments>) -> LogStreamOptions {
        LogStreamOptions {
            fs: Arc::clone(&self.fs),
            clock: Arc::clone(&self.clock),
            naming,
            file_len: self.parameters.log_file_len(),
            buffer_len: self.parameters.log_buffers as usize * 512,
            observer,
            reserve: true,
        }
    }

    /// What logs and checkpoint say about the instance; none of it may be zero (section 2.2).
    fn param(&self) -> JetResult<DbmsParam> {
        let text = |path: &Path| format!("{}/", path.display());
        let sectors = u32::try_from(self.parameters.log_file_len() / 4096).unwrap_or(u32::MAX);
        let system = text(&self.parameters.system_path);
        let mut param = DbmsParam::new(&system, &text(&self.parameters.log_file_path), sectors)?;
        param.flags = self.parameters.circular_log.into();
        param.sessions_max = self.parameters.max_sessions.into();
        param.log_buffers = self.parameters.log_buffers;
        let pages = self.parameters.cache_size_max / self.page_size.bytes();
        param.cache_size_max = u32::try_from(pages).unwrap_or(u32::MAX);
        Ok(param)
    }

    fn log_init(&self, shared: &Shared) -> JetResult<LogPosition> {
        let param = self.param()?.to_bytes();
        let init = LogRecord::Init2(Init2 {
            dbms_param: ParamBytes(&param),
            time: self.now(),
        });
        Ok(shared.log.append(&[init])?.first)
    }

    pub(super) fn now(&self) -> LogTime {
        LogTime::from(self.clock.now())
    }

    pub(super) fn tell(&self, event: &Event) {
        self.parameters.events.tell(event);
    }
}

/// The directory, absolute, made if it is missing.
fn directory(fs: &dyn FileSystem, path: &Path) -> JetResult<PathBuf> {
    let made = fs.create_dir_all(path);
    made.map_err(|error| JetError::io("make the directory", error).in_file(path))?;
    let whole = fs.canonicalize(path);
    whole.map_err(|error| JetError::io("find", error).in_file(path))
}

/// The checkpoint that is there, else the name of a new one (section 1.1).
fn checkpoint_path(fs: &dyn FileSystem, parameters: &Parameters) -> PathBuf {
    let with = |extension: &str| {
        parameters
            .system_path
            .join(format!("{}.{extension}", parameters.base_name))
    };
    let legacy = with("chk");
    let other = with("jcp");
    if fs.stat(&legacy).is_err() && fs.stat(&other).is_ok() {
        return other;
    }
    legacy
}

/// Opens the checkpoint for nobody else; makes an empty one, which counts as none, if there is no file.
fn lock_checkpoint(fs: &dyn FileSystem, path: &Path) -> JetResult<(Arc<dyn File>, bool)> {
    let (file, is_new) = match fs.open(path, OpenMode::ReadWrite) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = fs.open(path, OpenMode::CreateNew);
            (
                made.map_err(|error| JetError::io("create", error).in_file(path))?,
                true,
            )
        }
        Err(error) => return Err(JetError::io("open", error).in_file(path)),
        Ok(file) => (file, false),
    };
    lock_file(&*file, LockKind::Exclusive, path).map_err(|error| {
        error
            .with_code(JetErr::FileAccessDenied)
            .advise("Another instance runs in this directory: end it, or give this one another directory.")
    })?;
    if is_new {
        let directory = path.parent().unwrap_or(Path::new("."));
        let synced = fs.sync_dir(directory);
        synced.map_err(|error| JetError::io("sync the directory", error).in_file(directory))?;
    }
    Ok((file, is_new))
}

fn remove_if_empty(fs: &dyn FileSystem, path: &Path) {
    if fs.stat(path).is_ok_and(|stat| stat.len == 0) {
        let _ = fs.remove(path);
    }
}
