//! Appending and group commit (log-and-recovery.md section 5.5).
//!
//! ```text
//! append ──> buffer (mutex) <── take ── leader ── write, sync ──> file      everybody else waits for the leader
//! ```

use super::Appended;
use super::buffer::{Batch, Buffer};
use super::files::LogFiles;
use super::options::LogStreamOptions;
use super::prepared::Prepared;
use crate::error::{JetErr, JetError, JetResult};
use crate::format::log_record::{LogRecord, LogRecordType};
use crate::format::{LogHeader, LogPosition, LogTime};
use crate::io::Clock;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::VecDeque;
use std::sync::Arc;

/// A log that is written.
#[derive(Debug)]
pub(super) struct Live {
    clock: Arc<dyn Clock>,
    buffer_len: usize,
    state: Mutex<State>,
    /// Told when something became durable, or the log failed.
    progress: Condvar,
    /// Only who leads takes it.
    files: Mutex<LogFiles>,
    prepared: Arc<Prepared>,
}

#[derive(Debug)]
struct State {
    buffer: Buffer,
    /// Everything before this is durable.
    durable: LogPosition,
    /// Of the newest generation that is durable.
    header: Arc<LogHeader>,
    /// Somebody writes; bytes of it.
    is_led: bool,
    being_written: usize,
    /// The disk is full: the instance may only end.
    is_full: bool,
    is_stopped: bool,
    failure: Option<Failure>,
}

#[derive(Debug, Clone)]
struct Failure {
    code: JetErr,
    what: String,
}

impl Live {
    /// A log in `files` that goes on at offset `at`.
    pub(super) fn new(options: &LogStreamOptions, files: LogFiles, at: usize) -> Self {
        let buffer = Buffer::new(files.header(), at);
        // What waits must fit into the reserve logs.
        let most = usize::try_from(options.file_len / 2).unwrap_or(usize::MAX);
        Live {
            clock: Arc::clone(&options.clock),
            buffer_len: options.buffer_len.min(most),
            state: Mutex::new(State {
                durable: buffer.end(),
                buffer,
                header: Arc::new(files.header().clone()),
                is_led: false,
                being_written: 0,
                is_full: false,
                is_stopped: false,
                failure: None,
            }),
            progress: Condvar::new(),
            prepared: files.prepared(),
            files: Mutex::new(files),
        }
    }

    pub(super) fn append(&self, records: &[LogRecord<'_>]) -> JetResult<Appended> {
        let mut state = self.state.lock();
        loop {
            state.check_append(records)?;
            let len = state.buffer.encode(records)?;
            let waiting = state.buffer.len() + state.being_written;
            if waiting == 0 || waiting + len <= self.buffer_len {
                return state.buffer.put(|| self.now());
            }
            let end = state.buffer.end();
            drop(state);
            self.flush_to(end)?;
            state = self.state.lock();
        }
    }

    pub(super) fn flush_to(&self, end: LogPosition) -> JetResult<()> {
        let mut state = self.state.lock();
        let end = end.min(state.buffer.end());
        loop {
            if state.durable >= end {
                return Ok(());
            }
            state.check()?;
            if state.is_led {
                self.progress.wait(&mut state);
            } else {
                self.lead(state)?;
                state = self.state.lock();
            }
        }
    }

    pub(super) fn close_segment(&self) -> JetResult<()> {
        let mut state = self.state.lock();
        state.check()?;
        state.buffer.close_segment();
        Ok(())
    }

    pub(super) fn begin_generation(&self) -> JetResult<u32> {
        let end = {
            let mut state = self.state.lock();
            state.check()?;
            state.buffer.roll(self.now())?;
            state.buffer.end()
        };
        self.flush_to(end)?;
        Ok(end.generation)
    }

    pub(super) fn begin_generation_with(&self, records: &[LogRecord<'_>]) -> JetResult<Appended> {
        let appended = {
            let mut state = self.state.lock();
            state.check_append(records)?;
            state.buffer.encode(records)?;
            state.buffer.roll(self.now())?;
            state.buffer.put(|| self.now())?
        };
        self.flush_to(appended.end)?;
        Ok(appended)
    }

    pub(super) fn prepare_next(&self) -> JetResult<()> {
        self.state.lock().check()?;
        self.prepared.make_next().map_err(|error| self.fail(error))
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.failure.get_or_insert_with(|| Failure {
            code: JetErr::NotInitialized,
            what: "it was closed".to_owned(),
        });
        while state.is_led {
            self.progress.wait(&mut state);
        }
    }

    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.is_stopped = true;
        state.failure.get_or_insert_with(|| Failure {
            code: JetErr::LogWriteFail,
            what: "it was stopped on request".to_owned(),
        });
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state.lock().is_stopped
    }

    pub(super) fn end(&self) -> LogPosition {
        self.state.lock().buffer.end()
    }

    pub(super) fn durable(&self) -> LogPosition {
        self.state.lock().durable
    }

    pub(super) fn failure(&self) -> Option<JetErr> {
        self.state.lock().failure.as_ref().map(|failure| failure.code)
    }

    pub(super) fn is_full(&self) -> bool {
        self.state.lock().is_full
    }

    pub(super) fn header(&self) -> LogHeader {
        LogHeader::clone(&self.state.lock().header)
    }

    fn now(&self) -> LogTime {
        LogTime::from(self.clock.now())
    }

    /// Writes everything that was appended so far.
    fn lead(&self, mut state: MutexGuard<'_, State>) -> JetResult<()> {
        state.is_led = true;
        state.being_written = state.buffer.len();
        let batches = state.buffer.take();
        drop(state);
        let _leader = Leader(self);
        self.write(batches)
    }

    fn write(&self, batches: VecDeque<Batch>) -> JetResult<()> {
        let mut files = self.files.lock();
        for batch in batches {
            let (end, len) = (batch.end, batch.segments.len());
            let memory = files.write(batch).map_err(|error| self.fail(error))?;
            let mut state = self.state.lock();
            state.durable = end;
            state.being_written -= len.min(state.being_written);
            if state.header.generation != end.generation {
                state.header = Arc::new(files.header().clone());
                state.is_full |= files.is_from_reserve();
            }
            state.buffer.recycle(memory, self.buffer_len);
            drop(state);
            self.progress.notify_all();
        }
        Ok(())
    }

    /// From now on the log takes nothing any more. The first failure stays.
    fn fail(&self, error: JetError) -> JetError {
        let mut state = self.state.lock();
        state.failure.get_or_insert_with(|| Failure {
            code: error.code(),
            what: error.to_string(),
        });
        error
    }
}

/// Gives the lead back, whatever happens.
struct Leader<'l>(&'l Live);

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.is_led = false;
        state.being_written = 0;
        if std::thread::panicking() {
            state.failure.get_or_insert_with(|| Failure {
                code: JetErr::InternalError,
                what: "a write of the log did not end".to_owned(),
            });
        }
        drop(state);
        self.0.progress.notify_all();
    }
}

impl State {
    fn check(&self) -> JetResult<()> {
        let Some(failure) = &self.failure else {
            return Ok(());
        };
        let what = format!("the log has failed: {}", failure.what);
        Err(JetError::rule(failure.code, what))
    }

    fn check_append(&self, records: &[LogRecord<'_>]) -> JetResult<()> {
        self.check()?;
        if self.is_full && !records.iter().all(|record| ends_work(record.record_type())) {
            let what = "the disk with the logs is full: the instance can only end";
            return Err(JetError::rule(JetErr::LogDiskFull, what));
        }
        Ok(())
    }
}

/// Whether a record ends what was begun, for which the reserve logs are there: rollback, the end of a transaction, of
/// the use of a database, of the instance.
fn ends_work(record_type: LogRecordType) -> bool {
    const COMMIT: u8 = 6;
    const ROLLBACK: u8 = 7;
    const COMMIT_0: u8 = 9;
    const MACRO_ABORT: u8 = 13;
    const DETACH_DATABASE: u8 = 16;
    const SHUT_DOWN_MARK: u8 = 23;
    const UNDO_INFO: u8 = 36;
    const UNDO: u8 = 39;
    const TERM_2: u8 = 50;
    matches!(
        record_type.0,
        COMMIT
            | ROLLBACK
            | COMMIT_0
            | MACRO_ABORT
            | DETACH_DATABASE
            | SHUT_DOWN_MARK
            | UNDO_INFO
            | UNDO
            | TERM_2
    )
}
