//! `JET_param…`: what JetSetSystemParameter knows.

use jetfs::JetErr;
use jetfs::engine::Parameters;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setting {
    Number(usize),
    Text(OsString),
}

/// The parameters of an instance that were set; the others have their defaults.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings(BTreeMap<u32, Setting>);

/// What a parameter is made of, and what it is unless it is set.
enum Kind {
    Number(usize),
    Text(&'static str),
}

const SYSTEM_PATH: u32 = 0;
pub(crate) const TEMP_PATH: u32 = 1;
const LOG_FILE_PATH: u32 = 2;
const BASE_NAME: u32 = 3;
const EVENT_SOURCE: u32 = 4;
const MAX_SESSIONS: u32 = 5;
const LOG_FILE_SIZE: u32 = 11;
const LOG_BUFFERS: u32 = 12;
const COMMIT_DEFAULT: u32 = 16;
const CIRCULAR_LOG: u32 = 17;
const DB_EXTENSION_SIZE: u32 = 18;
const CACHE_SIZE_MAX: u32 = 23;
const CHECKPOINT_DEPTH_MAX: u32 = 24;
const RECOVERY: u32 = 34;
const DATABASE_PAGE_SIZE: u32 = 64;
const LEGACY_FILE_NAMES: u32 = 136;

/// `JET_bitCommitLazyFlush` in JET_paramCommitDefault.
const LAZY: usize = 1;

/// Parameters that can be set and change nothing: limits that this engine does not have, the event log of Windows, directories
/// that are made anyway, tuning.
const WITHOUT_EFFECT: &[u32] = &[
    6, 7, 8, 9, 10, 13, 14, 15, 19, 20, 31, 35, 41, 45, 46, 48, 49, 50, 51, 60, 98, 100, 102, 129, 153,
];

fn kind(id: u32) -> Result<Kind, JetErr> {
    Ok(match id {
        SYSTEM_PATH | TEMP_PATH | LOG_FILE_PATH => Kind::Text("."),
        BASE_NAME => Kind::Text("edb"),
        EVENT_SOURCE => Kind::Text(""),
        RECOVERY => Kind::Text("on"),
        MAX_SESSIONS => Kind::Number(256),
        LOG_FILE_SIZE => Kind::Number(5120),
        LOG_BUFFERS => Kind::Number(2048),
        COMMIT_DEFAULT | CIRCULAR_LOG => Kind::Number(0),
        DB_EXTENSION_SIZE => Kind::Number(256),
        CACHE_SIZE_MAX => Kind::Number(65536),
        CHECKPOINT_DEPTH_MAX => Kind::Number(20 << 20),
        DATABASE_PAGE_SIZE => Kind::Number(4096),
        LEGACY_FILE_NAMES => Kind::Number(1),
        id if WITHOUT_EFFECT.contains(&id) => Kind::Number(0),
        _ => return Err(JetErr::InvalidParameter),
    })
}

impl Settings {
    /// Sets a parameter: text or number, as it is made.
    ///
    /// # Errors
    /// There is no such parameter; a text where none was handed over.
    pub(crate) fn set(
        &mut self,
        id: u32,
        number: usize,
        text: impl FnOnce() -> Result<OsString, JetErr>,
    ) -> Result<(), JetErr> {
        let setting = match kind(id)? {
            Kind::Number(_) => Setting::Number(number),
            Kind::Text(_) => Setting::Text(text()?),
        };
        self.0.insert(id, setting);
        Ok(())
    }

    /// The value of a parameter.
    ///
    /// # Errors
    /// There is no such parameter.
    pub(crate) fn get(&self, id: u32) -> Result<Setting, JetErr> {
        let default = match kind(id)? {
            Kind::Number(number) => Setting::Number(number),
            Kind::Text(text) => Setting::Text(text.into()),
        };
        Ok(self.0.get(&id).cloned().unwrap_or(default))
    }

    fn number(&self, id: u32) -> usize {
        match self.get(id) {
            Ok(Setting::Number(number)) => number,
            _ => 0,
        }
    }

    fn text(&self, id: u32) -> OsString {
        match self.get(id) {
            Ok(Setting::Text(text)) => text,
            _ => OsString::new(),
        }
    }

    /// As the engine wants them; it checks them when it starts.
    ///
    /// # Errors
    /// A number that is too large for what it says.
    pub(crate) fn parameters(&self) -> Result<Parameters, JetErr> {
        let number = |id| u32::try_from(self.number(id)).map_err(|_| JetErr::InvalidParameter);
        let sessions = u16::try_from(self.number(MAX_SESSIONS)).map_err(|_| JetErr::InvalidParameter)?;
        let base = self
            .text(BASE_NAME)
            .into_string()
            .map_err(|_| JetErr::InvalidParameter)?;
        let page_size = number(DATABASE_PAGE_SIZE)?;
        let cache = self.number(CACHE_SIZE_MAX).checked_mul(page_size as usize);
        Ok(Parameters::new(self.text(SYSTEM_PATH))
            .temp_path(self.text(TEMP_PATH))
            .log_file_path(self.text(LOG_FILE_PATH))
            .base_name(&base)
            .max_sessions(sessions)
            .log_file_size(number(LOG_FILE_SIZE)?)
            .log_buffers(number(LOG_BUFFERS)?)
            .lazy_commit(self.number(COMMIT_DEFAULT) & LAZY != 0)
            .circular_log(self.number(CIRCULAR_LOG) != 0)
            .db_extension_size(number(DB_EXTENSION_SIZE)?)
            .cache_size_max(cache.ok_or(JetErr::InvalidParameter)?)
            .checkpoint_depth_max(self.number(CHECKPOINT_DEPTH_MAX) as u64)
            .recovery(!self.text(RECOVERY).eq_ignore_ascii_case(OsStr::new("off")))
            .database_page_size(page_size)
            .legacy_file_names(number(LEGACY_FILE_NAMES)?))
    }
}
