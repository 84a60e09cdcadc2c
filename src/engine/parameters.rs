//! The parameters of an instance, by their published names (`JET_param…`).

use super::events::{Event, EventSink};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::PageSize;
use crate::store::log_writer::LogDigits;
use std::path::{Path, PathBuf};

/// `JET_bitESE98FileNames`: logs end with `.log`, the checkpoint with `.chk`.
const ESE_98_FILE_NAMES: u32 = 1;
/// `JET_bitEightDotThreeSoftCompat`: five digits in the names of logs as long as they are enough.
const EIGHT_DOT_THREE: u32 = 2;

/// The parameters of an instance. What is not set has the default that its setter tells.
///
/// ```
/// use jetfs::engine::Parameters;
///
/// let parameters = Parameters::new("/srv/orders")
///     .database_page_size(8192)
///     .log_file_size(1024)
///     .circular_log(true);
/// parameters.check()?;
/// assert!(parameters.base_name("orders").check().is_err());
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Parameters {
    pub(crate) database_page_size: u32,
    pub(crate) log_file_size: u32,
    pub(crate) log_buffers: u32,
    pub(crate) base_name: String,
    pub(crate) circular_log: bool,
    pub(crate) recovery: bool,
    pub(crate) system_path: PathBuf,
    pub(crate) log_file_path: PathBuf,
    pub(crate) temp_path: PathBuf,
    pub(crate) cache_size_max: usize,
    pub(crate) checkpoint_depth_max: u64,
    pub(crate) db_extension_size: u32,
    pub(crate) max_sessions: u16,
    pub(crate) legacy_file_names: u32,
    pub(crate) lazy_commit: bool,
    pub(crate) ignore_missing: bool,
    pub(crate) background: bool,
    pub(crate) events: EventSink,
}

impl Parameters {
    /// An instance all of whose files but the databases lie in `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        let directory = directory.into();
        Parameters {
            database_page_size: 4096,
            log_file_size: 5120,
            log_buffers: 2048,
            base_name: "edb".to_owned(),
            circular_log: false,
            recovery: true,
            system_path: directory.clone(),
            log_file_path: directory.clone(),
            temp_path: directory,
            cache_size_max: 256 << 20,
            checkpoint_depth_max: 20 << 20,
            db_extension_size: 256,
            max_sessions: 256,
            legacy_file_names: ESE_98_FILE_NAMES,
            lazy_commit: false,
            ignore_missing: false,
            background: true,
            events: EventSink::default(),
        }
    }

    /// `JET_paramDatabasePageSize`: bytes of a page of all databases of the instance: 4096 (default), 8192, 16384 or
    /// 32768.
    #[must_use]
    pub fn database_page_size(mut self, bytes: u32) -> Self {
        self.database_page_size = bytes;
        self
    }

    /// `JET_paramLogFileSize`: KiB of a log, from 64 to 32768 in steps of 64; 5120 by default.
    #[must_use]
    pub fn log_file_size(mut self, kib: u32) -> Self {
        self.log_file_size = kib;
        self
    }

    /// `JET_paramLogBuffers`: how much of the log may wait in memory to be written, in units of 512 bytes; 2048 (1 MiB)
    /// by default, at least 80.
    #[must_use]
    pub fn log_buffers(mut self, units: u32) -> Self {
        self.log_buffers = units;
        self
    }

    /// `JET_paramBaseName`: the three characters with which the names of logs and checkpoint begin; `edb` by default.
    #[must_use]
    pub fn base_name(mut self, base: &str) -> Self {
        base.clone_into(&mut self.base_name);
        self
    }

    /// `JET_paramCircularLog`: whether logs are deleted that recovery does not need; not by default.
    #[must_use]
    pub fn circular_log(mut self, is_on: bool) -> Self {
        self.circular_log = is_on;
        self
    }

    /// `JET_paramRecovery`: `false` is "off": nothing is logged. A database that was attached when the program died is
    /// lost then. On by default.
    #[must_use]
    pub fn recovery(mut self, is_on: bool) -> Self {
        self.recovery = is_on;
        self
    }

    /// `JET_paramSystemPath`: the directory of the checkpoint. Directories are made if they are missing.
    #[must_use]
    pub fn system_path(mut self, directory: impl Into<PathBuf>) -> Self {
        self.system_path = directory.into();
        self
    }

    /// `JET_paramLogFilePath`: the directory of the logs.
    #[must_use]
    pub fn log_file_path(mut self, directory: impl Into<PathBuf>) -> Self {
        self.log_file_path = directory.into();
        self
    }

    /// `JET_paramTempPath`: the directory of temporary files.
    #[must_use]
    pub fn temp_path(mut self, directory: impl Into<PathBuf>) -> Self {
        self.temp_path = directory.into();
        self
    }

    /// `JET_paramCacheSizeMax`: how much of the databases is kept in memory, here in bytes (the published parameter
    /// counts pages); 256 MiB by default, at least 64 pages.
    #[must_use]
    pub fn cache_size_max(mut self, bytes: usize) -> Self {
        self.cache_size_max = bytes;
        self
    }

    /// `JET_paramCheckpointDepthMax`: how many bytes of log recovery should have to read at most after a crash; 20 MiB by
    /// default.
    #[must_use]
    pub fn checkpoint_depth_max(mut self, bytes: u64) -> Self {
        self.checkpoint_depth_max = bytes;
        self
    }

    /// `JET_paramDbExtensionSize`: pages by which a database grows; 256 by default, 1 to 65536.
    #[must_use]
    pub fn db_extension_size(mut self, pages: u32) -> Self {
        self.db_extension_size = pages;
        self
    }

    /// `JET_paramLegacyFileNames`: 1 (default): the names of logs have eight digits, as the public engine and Exchange have
    /// them; 3: five, `edb00001.log`, as Windows has them. An instance that has logs goes on with their names. An engine
    /// opens only logs whose names have the digits of its own parameter.
    #[must_use]
    pub fn legacy_file_names(mut self, bits: u32) -> Self {
        self.legacy_file_names = bits;
        self
    }

    /// `JET_paramMaxSessions`: how many sessions there may be at once; 256 by default, 1 to 32000.
    #[must_use]
    pub fn max_sessions(mut self, count: u16) -> Self {
        self.max_sessions = count;
        self
    }

    /// `JET_paramWaitLogFlush`, as far as it says how commits wait for the log: `true` makes commits lazy that do not say
    /// how they want it; by default they wait.
    #[must_use]
    pub fn lazy_commit(mut self, is_lazy: bool) -> Self {
        self.lazy_commit = is_lazy;
        self
    }

    /// `JET_bitReplayIgnoreMissingDB`: recovery leaves databases out whose files are gone; not by default.
    #[must_use]
    pub fn ignore_missing_databases(mut self, ignore: bool) -> Self {
        self.ignore_missing = ignore;
        self
    }

    /// `JET_paramEventSource`: a function that hears of what the instance does. It is called on the thread that does it,
    /// and must not call the instance.
    #[must_use]
    pub fn event_sink(mut self, hear: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.events = EventSink::new(hear);
        self
    }

    /// Whether a thread does the work in the background: writes pages, moves the checkpoint, cleans versions up. Without
    /// it that is done only where [`Instance::work`](super::Instance::work) is called, so that a run can be repeated
    /// exactly. On by default.
    #[must_use]
    pub fn background_thread(mut self, is_on: bool) -> Self {
        self.background = is_on;
        self
    }

    /// Whether all values are allowed.
    ///
    /// # Errors
    /// `JET_errInvalidParameter`, with the name of the first that is not.
    pub fn check(&self) -> JetResult<()> {
        self.page_size()?;
        let size = self.log_file_size;
        require(
            (64..=32768).contains(&size) && size.is_multiple_of(64),
            "JET_paramLogFileSize",
            "64 to 32768 KiB in steps of 64",
        )?;
        require(self.log_buffers >= 80, "JET_paramLogBuffers", "at least 80")?;
        let base = self.base_name.as_bytes();
        require(
            base.len() == 3 && base.iter().all(u8::is_ascii_alphanumeric),
            "JET_paramBaseName",
            "three letters or digits",
        )?;
        let page = self.database_page_size as usize;
        require(
            self.cache_size_max / page >= 64,
            "JET_paramCacheSizeMax",
            "at least 64 pages",
        )?;
        require(
            self.checkpoint_depth_max > 0,
            "JET_paramCheckpointDepthMax",
            "at least 1",
        )?;
        require(
            (1..=65536).contains(&self.db_extension_size),
            "JET_paramDbExtensionSize",
            "1 to 65536 pages",
        )?;
        require(
            [ESE_98_FILE_NAMES, ESE_98_FILE_NAMES | EIGHT_DOT_THREE].contains(&self.legacy_file_names),
            "JET_paramLegacyFileNames",
            "1 or 3",
        )?;
        require(
            (1..=32000).contains(&self.max_sessions),
            "JET_paramMaxSessions",
            "1 to 32000",
        )?;
        for (path, name) in self.paths() {
            require(!path.as_os_str().is_empty(), name, "a directory")?;
        }
        Ok(())
    }

    /// The page size.
    ///
    /// # Errors
    /// It is none that databases are written with.
    pub(crate) fn page_size(&self) -> JetResult<PageSize> {
        let allowed = "4096, 8192, 16384 or 32768";
        match PageSize::from_stored(self.database_page_size) {
            Ok(size) if size != PageSize::Kib2 && self.database_page_size != 0 => Ok(size),
            _ => Err(wrong("JET_paramDatabasePageSize", allowed)),
        }
    }

    /// How generations are written in the names of new logs.
    pub(crate) fn log_digits(&self) -> LogDigits {
        match self.legacy_file_names & EIGHT_DOT_THREE {
            0 => LogDigits::Eight,
            _ => LogDigits::FiveOrEight,
        }
    }

    /// Bytes of a log.
    pub(crate) fn log_file_len(&self) -> u64 {
        u64::from(self.log_file_size) * 1024
    }

    fn paths(&self) -> [(&Path, &'static str); 3] {
        [
            (&self.system_path, "JET_paramSystemPath"),
            (&self.log_file_path, "JET_paramLogFilePath"),
            (&self.temp_path, "JET_paramTempPath"),
        ]
    }
}

fn require(is_right: bool, name: &'static str, allowed: &'static str) -> JetResult<()> {
    if is_right {
        return Ok(());
    }
    Err(wrong(name, allowed))
}

fn wrong(name: &'static str, allowed: &'static str) -> JetError {
    JetError::rule(JetErr::InvalidParameter, format!("{name} must be {allowed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_allowed() {
        Parameters::new("/d").check().unwrap();
    }

    #[test]
    fn a_value_that_is_not_allowed_is_named() {
        let new = || Parameters::new("/d");
        let cases = [
            (new().database_page_size(2048), "JET_paramDatabasePageSize"),
            (new().database_page_size(0), "JET_paramDatabasePageSize"),
            (new().log_file_size(100), "JET_paramLogFileSize"),
            (new().log_buffers(1), "JET_paramLogBuffers"),
            (new().base_name("ab"), "JET_paramBaseName"),
            (new().base_name("a/b"), "JET_paramBaseName"),
            (new().cache_size_max(4096), "JET_paramCacheSizeMax"),
            (new().checkpoint_depth_max(0), "JET_paramCheckpointDepthMax"),
            (new().db_extension_size(0), "JET_paramDbExtensionSize"),
            (new().max_sessions(0), "JET_paramMaxSessions"),
            (new().legacy_file_names(0), "JET_paramLegacyFileNames"),
            (new().temp_path(""), "JET_paramTempPath"),
        ];
        for (parameters, name) in cases {
            let error = parameters.check().unwrap_err();
            assert_eq!(error.code(), JetErr::InvalidParameter);
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
