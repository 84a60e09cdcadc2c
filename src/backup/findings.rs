//! What reading found: pages repaired in the returned data, pages refused. Bounded, safe to share.

use super::event::BackupEvent;
use crate::error::JetErr;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

/// What became of a damaged place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Repaired in the returned data; the source keeps the damage.
    Repaired,
    /// The read was refused.
    Refused,
    /// Returned as it is, because the user asked for it or because it does not matter.
    ServedDamaged,
}

/// A damaged place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file's name in the backup.
    pub file: OsString,
    /// Offset in the file, in bytes, of the damaged page or segment.
    pub offset: u64,
    /// The page, in a database.
    pub page: Option<u32>,
    /// What became of it.
    pub outcome: Outcome,
    /// The `JET_err` that it means.
    pub code: JetErr,
    /// In words.
    pub what: String,
}

/// Findings by file and offset: the same place counts once. Keeps the first [`Findings::LIMIT`], counts all.
#[derive(Debug, Default)]
pub struct Findings {
    kept: Mutex<Kept>,
    listener: Listener,
}

/// Who hears of events that reading causes.
#[derive(Default)]
struct Listener(Option<Box<Hear>>);

type Hear = dyn Fn(&BackupEvent) + Send + Sync;

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() {
            "Listener"
        } else {
            "no Listener"
        })
    }
}

#[derive(Debug, Default)]
struct Kept {
    by_place: BTreeMap<(OsString, u64), Finding>,
    dropped: u64,
}

impl Findings {
    /// How many places are kept.
    pub const LIMIT: usize = 10_000;

    /// No findings yet; `hear` gets the events of the event log that reading causes. Without it they go to `tracing`.
    pub fn heard_by(hear: impl Fn(&BackupEvent) + Send + Sync + 'static) -> Self {
        Findings {
            kept: Mutex::default(),
            listener: Listener(Some(Box::new(hear))),
        }
    }

    /// Reading caused an event.
    pub fn tell(&self, event: &BackupEvent) {
        match &self.listener.0 {
            Some(hear) => hear(event),
            None => event.trace(),
        }
    }

    /// Adds a finding; returns whether the place was not known yet.
    pub fn record(&self, finding: Finding) -> bool {
        let mut kept = self.kept.lock();
        let place = (finding.file.clone(), finding.offset);
        if kept.by_place.contains_key(&place) {
            return false;
        }
        if kept.by_place.len() >= Self::LIMIT {
            kept.dropped += 1;
            return false;
        }
        kept.by_place.insert(place, finding);
        true
    }

    /// All that are kept, by file and offset.
    pub fn all(&self) -> Vec<Finding> {
        self.kept.lock().by_place.values().cloned().collect()
    }

    /// How many were met beyond the limit.
    pub fn dropped(&self) -> u64 {
        self.kept.lock().dropped
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.kept.lock().by_place.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_place_counts_once() {
        let findings = Findings::default();
        let finding = Finding {
            file: "a.edb".into(),
            offset: 8192,
            page: Some(1),
            outcome: Outcome::Refused,
            code: JetErr::ReadVerifyFailure,
            what: "checksum".into(),
        };
        assert!(findings.record(finding.clone()));
        assert!(!findings.record(finding));
        assert_eq!(findings.all().len(), 1);
    }
}
