//! What reading found: pages repaired in the returned data, pages refused. Bounded, safe to share.

use crate::error::JetErr;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ffi::OsString;

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
pub struct Findings(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_place: BTreeMap<(OsString, u64), Finding>,
    dropped: u64,
}

impl Findings {
    /// How many places are kept.
    pub const LIMIT: usize = 10_000;

    /// Adds a finding; returns whether the place was not known yet.
    pub fn record(&self, finding: Finding) -> bool {
        let mut kept = self.0.lock();
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
        self.0.lock().by_place.values().cloned().collect()
    }

    /// How many were met beyond the limit.
    pub fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.lock().by_place.is_empty()
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
