//! What an instance tells the program that embeds it while it works (`JET_paramEventSource` names the source of such
//! messages in the event log of Windows; here it is a function).

use crate::error::JetErr;
use crate::format::LogPosition;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Something that an instance did, or that happened to it.
///
/// ```
/// use jetfs::engine::{Event, Instance, Parameters};
/// use std::sync::mpsc;
///
/// let (sender, receiver) = mpsc::channel();
/// let directory = tempfile::tempdir().unwrap();
/// let parameters = Parameters::new(directory.path()).event_sink(move |event| drop(sender.send(event.clone())));
/// let instance = Instance::init(parameters)?;
/// instance.create_database(directory.path().join("a.edb"))?;
/// let mut events = receiver.try_iter();
/// assert!(events.any(|event| matches!(event, Event::DatabaseAttached { .. })));
/// # Ok::<(), jetfs::JetError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The logs are replayed, because the last run did not end well.
    RecoveryBegun {
        /// Where redo begins.
        from: LogPosition,
    },
    /// All databases of the logs are clean again.
    RecoveryEnded {
        /// Records that were read.
        records: u64,
        /// Transactions that were never committed and are taken back.
        undone: u64,
    },
    /// A new log is written.
    GenerationBegun {
        /// Its number.
        generation: u32,
    },
    /// After a crash, recovery would begin here from now on.
    CheckpointMoved {
        /// Where.
        position: LogPosition,
    },
    /// Logs that recovery does not need any more were deleted (circular logging).
    LogsDeleted {
        /// The first generation.
        first: u32,
        /// The last one.
        last: u32,
    },
    /// A database can be used.
    DatabaseAttached {
        /// Its file.
        path: PathBuf,
    },
    /// A database is clean and closed.
    DatabaseDetached {
        /// Its file.
        path: PathBuf,
    },
    /// Something happened in an external backup.
    Backup {
        /// The number that it has in the event log of Windows (external-backup.md section 10).
        number: u32,
        /// In words.
        what: String,
    },
    /// The instance has stopped: nothing is written any more.
    Failed {
        /// Why.
        code: JetErr,
        /// The whole message.
        what: String,
    },
}

/// Who hears of events. It is called on whatever thread caused one, and must not call the instance.
#[derive(Clone, Default)]
pub(crate) struct EventSink(Option<Arc<Hear>>);

type Hear = dyn Fn(&Event) + Send + Sync;

impl EventSink {
    /// A function that hears of events.
    pub(crate) fn new(hear: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        EventSink(Some(Arc::new(hear)))
    }

    /// Tells it.
    pub(crate) fn tell(&self, event: &Event) {
        tracing::debug!(?event);
        if let Some(hear) = &self.0 {
            hear(event);
        }
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "EventSink"
        } else {
            "no EventSink"
        })
    }
}
