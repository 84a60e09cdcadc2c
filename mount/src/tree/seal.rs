//! Stream mode: the end of the database phase, which only its user decides (design, section 4).

use super::Tree;
use crate::exit::{Exit, Failure, advice_of};
use crate::live_backup;
use anyhow::Result;
use jetfs::backup::{FileRole, Manifest, PhaseName};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The kernel tells of the end of a reading a little after its reader has closed the file.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

impl Tree {
    /// Ends the database phase: the logs appear, then `backup.json`; databases cannot be opened any more. Answers what
    /// has appeared, in words. Without effect when that has happened before.
    ///
    /// # Errors
    /// It is not in stream mode; a database is being read, or none has been read whole; the log cannot be rolled, and
    /// then the backup has ended.
    pub(crate) fn seal(&self) -> Result<String> {
        if !self.is_stream() {
            return Err(
                Failure::refused("only a mount in stream mode is sealed; here the logs are there").into(),
            );
        }
        let deadline = Instant::now() + PATIENCE;
        while self.is_being_read() && Instant::now() < deadline {
            sleep(PAUSE);
        }
        if self.session.phase() == PhaseName::Databases {
            self.check_copied()?;
            if self.is_being_read() {
                return Err(Failure::busy("not sealed: a database is still being read")
                    .advise("Wait until its reader has closed it, and seal again.")
                    .into());
            }
        }
        self.seal_now()
    }

    /// Whether the logs are there.
    pub(crate) fn is_sealed(&self) -> bool {
        self.contents
            .read()
            .names
            .contains_key(OsStr::new(Manifest::FILE_NAME))
    }

    fn seal_now(&self) -> Result<String> {
        let _one_at_a_time = self.sealing.lock();
        if self.is_sealed() {
            return Ok("was sealed already".to_owned());
        }
        let logs = match self.session.get_log_info() {
            Ok(logs) => logs.files,
            Err(error) => {
                if self.session.phase() == PhaseName::NotStarted {
                    self.give_up(error.to_string());
                }
                return Err(error.into());
            }
        };
        let request = self.about.live.unwrap_or_default();
        let manifest = live_backup::manifest(&self.session, request, &self.about.sources)?;
        let count = logs.len();
        let mut contents = self.contents.write();
        contents.add_files(logs);
        if request.patch_files {
            contents.add_patch_files();
        }
        contents.add_text(OsStr::new(Manifest::FILE_NAME), manifest);
        Ok(match count {
            1 => "sealed: 1 log has appeared".to_owned(),
            count => format!("sealed: {count} logs have appeared"),
        })
    }

    /// With `--auto-seal`, as soon as every database was read to its end.
    pub(super) fn seal_if_asked_for(&self) {
        let is_asked_for = self.about.live.is_some_and(|live| live.auto_seal);
        if !is_asked_for || self.session.phase() != PhaseName::Databases {
            return;
        }
        if self.is_being_read() || self.check_copied().is_err() {
            return;
        }
        if let Err(error) = self.seal_now() {
            let advice = advice_of(&error).unwrap_or_default();
            self.notice(format!("cannot be sealed: {error:#} {advice}"));
        }
    }

    fn is_being_read(&self) -> bool {
        let handles = self.handles.read();
        handles
            .values()
            .any(|handle| matches!(**handle, super::Handle::InTurn(_)))
    }

    /// Databases that were not read to their end by one reader.
    fn not_copied(&self) -> Vec<OsString> {
        let copied: BTreeSet<OsString> = self
            .session
            .progress()
            .into_iter()
            .filter(|file| file.complete)
            .map(|file| file.name)
            .collect();
        let databases = self
            .files()
            .into_iter()
            .filter(|file| file.role == FileRole::Database);
        databases
            .map(|file| file.name)
            .filter(|name| !copied.contains(name))
            .collect()
    }

    fn check_copied(&self) -> Result<()> {
        let missing = self.not_copied();
        if missing.is_empty() {
            return Ok(());
        }
        let named = live_backup::named(&missing);
        let what = format!("not sealed: not all databases were read to their end: {named}");
        Err(Failure::new(Exit::Incomplete, what)
            .advise("Copy them, each from its start to its end, and seal again.")
            .into())
    }
}
