//! The logs of all sets, and those behind them, as one chain (external-backup.md section 8.3, step 5).

use super::backup_set::{BackupSet, SetLog};
use crate::error::{JetErr, JetError, JetResult};
use crate::format::{LogHeader, Signature};
use crate::io::FileSystem;
use crate::recovery::{InstanceFiles, Places};
use crate::store::log_reader::LogPlace;
use crate::store::read_log_header;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Logs without a gap.
#[derive(Debug)]
pub(super) struct LogChain {
    /// By generation.
    pub(super) logs: BTreeMap<u32, ChainedLog>,
    /// `signLog`.
    pub(super) signature: Signature,
    /// The last generation of the sets.
    pub(super) set_last: u32,
    /// The current log of the instance, if the chain ends with it.
    pub(super) current: Option<PathBuf>,
}

/// A log of the chain.
#[derive(Debug)]
pub(super) struct ChainedLog {
    /// Where it is.
    pub(super) place: LogPlace,
    /// Its header.
    pub(super) header: LogHeader,
}

impl LogChain {
    /// The logs of the sets from `low` to their last one, or to `until`, whichever comes first. The sets may come in
    /// any order, and may have the same logs.
    ///
    /// # Errors
    /// `JET_errBadLogSignature`: a set of another instance; `JET_errGivenLogFileHasBadSignature`: a log of another one;
    /// `JET_errStartingRestoreLogTooHigh`: they begin behind `low`; `JET_errFileNotFound`: a generation is missing;
    /// `JET_errGivenLogFileIsNotContiguous`: a log does not follow the one before; `JET_errLogFileSizeMismatch`,
    /// `JET_errLogFileCorrupt`: a log was cut, or its header is damaged.
    pub(super) fn of_sets(
        fs: &dyn FileSystem,
        sets: &mut [BackupSet],
        low: u32,
        until: u32,
    ) -> JetResult<LogChain> {
        let signature = signature_of(sets)?;
        sets.iter().try_for_each(|set| check_instance(set, signature))?;
        let mut given = merge(sets)?;
        let first = given.keys().next().copied().unwrap_or(low);
        if first > low {
            let what = format!("the logs begin with generation {first:#x}, but {low:#x} is needed");
            return Err(JetError::rule(JetErr::StartingRestoreLogTooHigh, what));
        }
        let last = given.keys().next_back().copied().unwrap_or(low).min(until);
        let mut chain = LogChain {
            logs: BTreeMap::new(),
            signature,
            set_last: last,
            current: None,
        };
        for generation in low..=last {
            let Some(log) = given.remove(&generation) else {
                return Err(missing(sets, generation, given.range(generation..).next()));
            };
            let header = log.header?;
            chain.check_next(fs, &log.place, &header, Origin::Set)?;
            chain.logs.insert(
                generation,
                ChainedLog {
                    place: log.place,
                    header,
                },
            );
        }
        Ok(chain)
    }

    /// Adds the logs of an instance that follow those of the sets, up to `until`.
    ///
    /// # Errors
    /// `JET_errExistingLogFileHasBadSignature`, `JET_errExistingLogFileIsNotContiguous`: a log of another instance, or of
    /// another history of this one; `JET_errMissingCurrentLogFiles`: a generation is missing; those of single logs.
    pub(super) fn roll_forward(
        &mut self,
        fs: &dyn FileSystem,
        directory: &Path,
        base: &str,
        until: u32,
    ) -> JetResult<()> {
        let places = Places {
            logs: directory.to_path_buf(),
            base: Some(base.to_owned()),
            ..Places::default()
        };
        let found = InstanceFiles::find(fs, &places)?;
        if found.logs.is_empty() {
            let what = format!("holds no logs {base}*.log to roll forward with");
            return Err(JetError::rule(JetErr::FileNotFound, what).in_file(directory));
        }
        let first = self.logs.keys().next().copied().unwrap_or(0);
        for (_, place) in found.logs.range(first..) {
            if place.generation > until {
                break;
            }
            let header = read_log_header(fs, &place.path)?;
            if self.logs.contains_key(&place.generation) {
                self.check_same(place, &header)?;
                continue;
            }
            self.check_next(fs, place, &header, Origin::RollForward)?;
            if found.current.as_ref() == Some(&place.path) {
                self.current = Some(place.path.clone());
            }
            let place = place.clone();
            self.logs.insert(place.generation, ChainedLog { place, header });
        }
        Ok(())
    }

    /// First and last generation.
    pub(super) fn ends(&self) -> (u32, u32) {
        let first = self.logs.keys().next().copied().unwrap_or(0);
        let last = self.logs.keys().next_back().copied().unwrap_or(0);
        (first, last)
    }

    /// Leaves out what is behind `last`.
    pub(super) fn cut(&mut self, last: u32) {
        self.logs.split_off(&last.saturating_add(1));
        self.set_last = self.set_last.min(last);
        let still_there = |path: &PathBuf| self.logs.values().any(|log| log.place.path == *path);
        self.current = self.current.take().filter(still_there);
    }

    /// Whether a log is the next one.
    fn check_next(
        &self,
        fs: &dyn FileSystem,
        place: &LogPlace,
        header: &LogHeader,
        origin: Origin,
    ) -> JetResult<()> {
        let in_file = |error: JetError| error.in_file(&place.path);
        let rule = |code, what: String| Err(in_file(JetError::rule(code, what)));
        if header.generation != place.generation {
            let what = format!("holds generation {:#x}", header.generation);
            return rule(JetErr::LogGenerationMismatch, what);
        }
        if header.signature != self.signature {
            let what = "is a log of another instance than those of the sets".to_owned();
            return rule(origin.bad_signature(), what);
        }
        if let Some((last, previous)) = self.logs.last_key_value() {
            let next = last.saturating_add(1);
            if place.generation != next {
                let what = format!(
                    "follows generation {last:#x}, but {} missing",
                    in_words(next, place.generation.saturating_sub(1))
                );
                return rule(origin.gap(*last == self.set_last), what);
            }
            if header.check_follows(&previous.header, None).is_err() {
                let what = format!(
                    "does not follow {}: one of them was replaced by another log of this instance",
                    previous.place.path.display()
                );
                return rule(origin.not_contiguous(), what);
            }
        }
        let stat = fs.stat(&place.path);
        let len = stat.map_err(|error| in_file(JetError::io("find", error)))?.len;
        if len != header.file_len() {
            let what = format!("has {len} bytes, but its header says {}", header.file_len());
            return rule(JetErr::LogFileSizeMismatch, what);
        }
        Ok(())
    }

    /// Whether a log of the instance is the one that a set has, too.
    fn check_same(&self, place: &LogPlace, header: &LogHeader) -> JetResult<()> {
        let Some(ours) = self.logs.get(&place.generation) else {
            return Ok(());
        };
        let code = if header.signature != self.signature {
            JetErr::ExistingLogFileHasBadSignature
        } else if !is_same(header, &ours.header) {
            JetErr::ExistingLogFileIsNotContiguous
        } else {
            return Ok(());
        };
        let what = format!("is another log than {}", ours.place.path.display());
        Err(JetError::rule(code, what).in_file(&place.path))
    }
}

/// Where a log comes from decides how its errors are called.
#[derive(Clone, Copy)]
enum Origin {
    Set,
    RollForward,
}

impl Origin {
    fn bad_signature(self) -> JetErr {
        match self {
            Origin::Set => JetErr::GivenLogFileHasBadSignature,
            Origin::RollForward => JetErr::ExistingLogFileHasBadSignature,
        }
    }

    fn not_contiguous(self) -> JetErr {
        match self {
            Origin::Set => JetErr::GivenLogFileIsNotContiguous,
            Origin::RollForward => JetErr::ExistingLogFileIsNotContiguous,
        }
    }

    /// A gap right behind the sets is told from one among the logs behind.
    fn gap(self, is_behind_sets: bool) -> JetErr {
        match self {
            Origin::Set => JetErr::FileNotFound,
            Origin::RollForward if is_behind_sets => JetErr::ExistingLogFileIsNotContiguous,
            Origin::RollForward => JetErr::MissingCurrentLogFiles,
        }
    }
}

fn is_same(one: &LogHeader, other: &LogHeader) -> bool {
    (one.generation, one.signature, one.create_time.parts())
        == (other.generation, other.signature, other.create_time.parts())
}

/// The sequence that is restored: that of the logs beside the databases, or without such, of the first log there is.
fn signature_of(sets: &[BackupSet]) -> JetResult<Signature> {
    let full_first = sets
        .iter()
        .filter(|set| set.is_full())
        .chain(sets.iter().filter(|set| !set.is_full()));
    let mut headers = full_first
        .flat_map(|set| set.logs.values())
        .filter_map(|log| log.header.as_ref().ok());
    match headers.next() {
        Some(header) => Ok(header.signature),
        None => {
            let what = "none of the sets holds a log whose header can be read";
            Err(JetError::rule(JetErr::FileNotFound, what))
        }
    }
}

/// A set none of whose logs is of the sequence is the backup of another instance.
fn check_instance(set: &BackupSet, signature: Signature) -> JetResult<()> {
    let mut headers = set.logs.values().filter_map(|log| log.header.as_ref().ok());
    let mut found = headers.clone();
    if found.next().is_none() || headers.any(|header| header.signature == signature) {
        return Ok(());
    }
    let what = "this set is a backup of another instance than that of the full set";
    Err(JetError::rule(JetErr::BadLogSignature, what).in_file(&set.directory))
}

/// The logs of all sets. A generation that two of them have must be the same log.
fn merge(sets: &mut [BackupSet]) -> JetResult<BTreeMap<u32, SetLog>> {
    let mut merged: BTreeMap<u32, SetLog> = BTreeMap::new();
    for set in sets {
        for (generation, log) in std::mem::take(&mut set.logs) {
            let Some(earlier) = merged.get(&generation) else {
                merged.insert(generation, log);
                continue;
            };
            match (&earlier.header, &log.header) {
                (Ok(one), Ok(other)) if !is_same(one, other) => {
                    let what = format!(
                        "is another log than {}: the sets are of different histories",
                        earlier.place.path.display()
                    );
                    let error = JetError::rule(JetErr::GivenLogFileIsNotContiguous, what);
                    return Err(error.in_file(&log.place.path));
                }
                (Err(_), Ok(_)) => {
                    merged.insert(generation, log);
                }
                _ => {}
            }
        }
    }
    Ok(merged)
}

/// A generation is missing, before `next` or at the end.
fn missing(sets: &[BackupSet], first: u32, next: Option<(&u32, &SetLog)>) -> JetError {
    let last = next.map_or(first, |(next, _)| next.saturating_sub(1));
    let before = sets.iter().filter(|set| {
        set.generations
            .is_some_and(|(_, end)| end.checked_add(1) == Some(first))
    });
    let after = next.and_then(|(_, log)| log.place.path.parent());
    let what = match (before.map(|set| &set.directory).next(), after) {
        (Some(before), Some(after)) if before != after => format!(
            "{} missing: {} ends before and {} begins behind",
            in_words(first, last),
            before.display(),
            after.display()
        ),
        (_, Some(after)) => format!("{} missing in {}", in_words(first, last), after.display()),
        (_, None) => format!("{} missing", in_words(first, last)),
    };
    let error = JetError::rule(JetErr::FileNotFound, what);
    error.advise("Give the set that has these logs too, or end before them with --until.")
}

/// `generation 0x15 is`, `generations 0x15 to 0x17 are`.
fn in_words(first: u32, last: u32) -> String {
    if first == last {
        format!("generation {first:#x} is")
    } else {
        format!("generations {first:#x} to {last:#x} are")
    }
}
