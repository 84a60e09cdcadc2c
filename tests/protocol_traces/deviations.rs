//! In what our engine differs from the recorded one, and why. `docs/genuine-differences.md` has the same list for users.

use std::collections::BTreeSet;

/// A way in which ours differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deviation {
    /// The genuine engine's only handle is 0, and it does not check it. Ours are never the same twice, so that one that
    /// was closed is noticed (external-backup.md section 12.1).
    HandlesAreNumbered,
    /// `pv_misalignment`: the library reads into any slice; only the C interface knows the rule of alignment.
    BuffersNeedNoAlignment,
    /// `lgenMinReq` and its like in the trailer: 0, as the genuine engine writes them too in the format of our databases
    /// (0x620,20; section 6.6).
    TrailerWithoutGenerations,
    /// The same rows take other numbers of logs: records of another format version.
    OtherNumberOfLogs,
}

/// All of them.
const LISTED: [Deviation; 4] = [
    Deviation::HandlesAreNumbered,
    Deviation::BuffersNeedNoAlignment,
    Deviation::TrailerWithoutGenerations,
    Deviation::OtherNumberOfLogs,
];

/// Those that happened.
#[derive(Debug, Default)]
pub(crate) struct Deviations(BTreeSet<Deviation>);

impl Deviations {
    /// One happened.
    pub(crate) fn note(&mut self, deviation: Deviation) {
        self.0.insert(deviation);
    }

    /// None is listed in vain.
    pub(crate) fn assert_all_happened(&self) {
        assert_eq!(self.0, LISTED.into(), "what is listed and what happened differ");
    }
}
