//! The records of consecutive generations (log-and-recovery.md section 2.4).

use super::cursor::{Logged, RecordCursor, begins_recovery};
use super::log_file::LogFile;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::LogRecordType;
use crate::format::{LogHeader, LogPosition};
use crate::io::{FileSystem, OpenMode};
use std::collections::VecDeque;
use std::path::PathBuf;

/// Where a generation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPlace {
    /// The file.
    pub path: PathBuf,
    /// Its generation: that of its name, or of its header.
    pub generation: u32,
}

/// Loads the logs that a [`LogReader`] wants, one after the other.
pub trait LogLoader: std::fmt::Debug {
    /// The log at `place`; `buffer` is memory of a log that is no longer needed.
    ///
    /// # Errors
    /// Those of [`LogFile::load`], and of opening the file.
    fn load(&mut self, place: &LogPlace, buffer: Vec<u8>) -> JetResult<LogFile>;
}

/// Loads each log when it is wanted.
#[derive(Debug)]
pub struct LoadWhenWanted<'f>(pub &'f dyn FileSystem);

impl LogLoader for LoadWhenWanted<'_> {
    fn load(&mut self, place: &LogPlace, buffer: Vec<u8>) -> JetResult<LogFile> {
        let file = self.0.open(&place.path, OpenMode::ReadOnly);
        let file = file.map_err(|error| JetError::io("open", error).in_file(&place.path))?;
        LogFile::load_into(buffer, file.as_ref(), &place.path)
    }
}

/// Reads the records of a run of generations.
#[derive(Debug)]
pub struct LogReader<'f> {
    loader: Box<dyn LogLoader + 'f>,
    waiting: VecDeque<LogPlace>,
    current: Option<LogFile>,
    /// What the next generation must follow.
    previous: Option<(LogHeader, Option<u64>)>,
    cursor: RecordCursor,
    /// Where a record began that the generation before does not end.
    unfinished: Option<LogPosition>,
    start: LogPosition,
}

impl<'f> LogReader<'f> {
    /// A reader of these logs, which must be in order and without gaps.
    pub fn new(fs: &'f dyn FileSystem, logs: impl IntoIterator<Item = LogPlace>) -> Self {
        Self::loading_with(LoadWhenWanted(fs), logs)
    }

    /// The same, with the logs as `loader` loads them.
    pub fn loading_with(loader: impl LogLoader + 'f, logs: impl IntoIterator<Item = LogPlace>) -> Self {
        LogReader {
            loader: Box::new(loader),
            waiting: logs.into_iter().collect(),
            current: None,
            previous: None,
            cursor: RecordCursor::new(),
            unfinished: None,
            start: LogPosition::default(),
        }
    }

    /// Passes over the records before `position`; logs of earlier generations are not even opened.
    #[must_use]
    pub fn starting_at(mut self, position: LogPosition) -> Self {
        self.waiting.retain(|log| log.generation >= position.generation);
        self.start = position;
        self
    }

    /// The log that the last record was in.
    pub fn current(&self) -> Option<&LogFile> {
        self.current.as_ref()
    }

    /// The next record; `None` after the last of the last generation.
    ///
    /// # Errors
    /// A log cannot be read, is damaged, or does not follow the one before. Nothing can be read behind it.
    pub fn next_record(&mut self) -> JetResult<Option<Logged<'_>>> {
        if self.advance()? { self.record() } else { Ok(None) }
    }

    /// The record that the reader is at; `None` before the first and after the last.
    ///
    /// # Errors
    /// A record that is none.
    pub fn record(&self) -> JetResult<Option<Logged<'_>>> {
        match &self.current {
            Some(log) => self.cursor.record(log),
            None => Ok(None),
        }
    }

    /// The type of the record that the reader is at; 0 before the first and after the last.
    pub fn record_type(&self) -> LogRecordType {
        match &self.current {
            Some(log) => self.cursor.record_type(log),
            None => LogRecordType(0),
        }
    }

    /// Goes to the next record, into the next generation where that is needed; `false` after the last.
    ///
    /// # Errors
    /// Those of [`next_record`](Self::next_record), but for what is inside of a record.
    pub fn advance(&mut self) -> JetResult<bool> {
        loop {
            let Some(log) = &self.current else {
                if !self.open_next()? {
                    return Ok(false);
                }
                continue;
            };
            match self.cursor.advance(log)? {
                Some(position) if position >= self.start => {
                    self.check_after_torn()?;
                    return Ok(true);
                }
                Some(_) => {}
                None if self.waiting.is_empty() => return Ok(false),
                None => {
                    self.open_next()?;
                }
            }
        }
    }

    /// Leaves the current generation and opens the next one; `false` if there is none.
    fn open_next(&mut self) -> JetResult<bool> {
        let Some(place) = self.waiting.pop_front() else {
            return Ok(false);
        };
        let buffer = self.leave();
        let log = self.open(&place, buffer)?;
        self.cursor = if self.start.is_set() && self.previous.is_none() {
            RecordCursor::in_segment_of(&log, self.start)
        } else {
            RecordCursor::new()
        };
        self.current = Some(log);
        Ok(true)
    }

    /// Remembers what the next generation must follow, and gives the memory back.
    fn leave(&mut self) -> Vec<u8> {
        let Some(log) = self.current.take() else {
            return Vec::new();
        };
        self.unfinished = self.cursor.unfinished();
        self.previous = Some((log.header().clone(), log.segments_checksum()));
        log.into_buffer()
    }

    fn open(&mut self, place: &LogPlace, buffer: Vec<u8>) -> JetResult<LogFile> {
        let log = self.loader.load(place, buffer)?;
        let checked = self.check_place(place, log.header());
        checked.map_err(|error| error.in_file(&place.path))?;
        Ok(log)
    }

    fn check_place(&self, place: &LogPlace, header: &LogHeader) -> JetResult<()> {
        if header.generation != place.generation {
            let (found, named) = (header.generation, place.generation);
            let what = format!("generation {found:#x} where {named:#x} should be");
            return Err(JetError::rule(JetErr::LogGenerationMismatch, what));
        }
        let Some((previous, segments)) = &self.previous else {
            return self.check_first(header.generation);
        };
        let next = previous.generation.saturating_add(1);
        if header.generation > next {
            let last = header.generation - 1;
            let what = if last == next {
                format!("generation {next:#x}, which comes before it, is missing")
            } else {
                format!("generations {next:#x} to {last:#x}, which come before it, are missing")
            };
            return Err(JetError::rule(JetErr::MissingLogFile, what));
        }
        header.check_follows(previous, *segments).map_err(|code| {
            let what = format!("does not follow generation {:#x}", previous.generation);
            JetError::rule(code, what)
        })
    }

    /// Reading begins in the generation of its start, or nothing says that no record is missing.
    fn check_first(&self, generation: u32) -> JetResult<()> {
        if !self.start.is_set() || generation <= self.start.generation {
            return Ok(());
        }
        let what = format!(
            "generation {:#x}, where reading should begin, is missing",
            self.start.generation
        );
        Err(JetError::rule(JetErr::MissingPreviousLogFile, what))
    }

    /// A generation that ends inside of a record is followed by the work of a recovery, or the record's end is lost.
    fn check_after_torn(&mut self) -> JetResult<()> {
        let (Some(position), Some(log)) = (self.unfinished.take(), &self.current) else {
            return Ok(());
        };
        if begins_recovery(self.cursor.start(log)) {
            return Ok(());
        }
        let what = format!("the end of the record at {position} should be here, or a recovery");
        Err(JetError::rule(JetErr::RedoAbruptEnded, what).in_file(log.path()))
    }
}
