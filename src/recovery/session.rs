//! The sessions whose transactions are open at a point of the log, and what must be undone if they never commit
//! (log-and-recovery.md sections 4.3, 4.5 and 6.8).

use crate::format::log_record::{Levels, OperationFlags};
use std::collections::{BTreeMap, HashMap};

/// Sessions by `procid`. One appears with the first `Begin0` that is read.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_id: BTreeMap<u16, Session>,
}

/// A session. It stays after its transaction has ended.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Depth of its transaction, 0 if none is open.
    pub(super) level: u8,
    /// `trxBegin0` of its transaction.
    pub(super) trx: u32,
    /// What its transaction did, oldest first.
    versions: Vec<Version>,
}

/// One operation that can be undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// Its number.
    pub(super) rceid: u32,
    /// Its level now: that of the operation, until inner levels are committed.
    pub(super) level: u8,
    /// The database.
    pub(super) database: u8,
    /// The page of the record.
    pub(super) page: u32,
    /// Root of the tree.
    pub(super) page_fdp: u32,
    /// The tree.
    pub(super) objid: u32,
    /// The flags of the record.
    pub(super) flags: OperationFlags,
    /// The node; `None` while it must still be learned from an `UndoInfo`.
    pub(super) bookmark: Option<Bookmark>,
    /// What was done to it.
    pub(super) change: Change,
    /// Whether its `UndoInfo` is in the log.
    pub(super) has_undo_info: bool,
}

/// What identifies a node in its tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Bookmark {
    /// The whole key.
    pub(super) key: Vec<u8>,
    /// The data, in a tree whose keys are not unique; else empty.
    pub(super) data: Vec<u8>,
}

/// What was done to a node, and what is needed to undo it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It was inserted, or its delete flag cleared.
    Insert,
    /// Its data were replaced.
    Replace {
        /// The data before.
        before: Vec<u8>,
        /// `cbMaxSize`: what an `UndoInfo` says, else the length of the data before.
        size_most: usize,
    },
    /// It was flag-deleted.
    FlagDelete,
    /// A number in its data was added to.
    Delta {
        /// Where in the data.
        offset: u16,
        /// What was added.
        delta: i32,
    },
    /// The same of eight bytes.
    Delta64 {
        /// Where in the data.
        offset: u16,
        /// What was added.
        delta: i64,
    },
}

impl Sessions {
    /// `Begin0`: a transaction begins.
    pub(super) fn begin0(&mut self, id: u16, levels: Levels, trx: u32) {
        let session = self.by_id.entry(id).or_default();
        session.versions.clear();
        session.level = levels.after();
        session.trx = trx;
    }

    /// The session, if its first `Begin0` was read.
    pub(super) fn get_mut(&mut self, id: u16) -> Option<&mut Session> {
        self.by_id.get_mut(&id)
    }

    /// Whether the records of a session are to be applied.
    pub(super) fn has(&self, id: u16) -> bool {
        self.by_id.contains_key(&id)
    }

    /// The engine was started anew: nothing of before is open.
    pub(super) fn clear(&mut self) {
        self.by_id.clear();
    }

    /// The sessions with an open transaction, in ascending order.
    pub(super) fn open(&mut self) -> impl Iterator<Item = (u16, &mut Session)> {
        let sessions = self.by_id.iter_mut();
        sessions
            .filter(|(_, session)| session.level > 0)
            .map(|(id, session)| (*id, session))
    }
}

impl Session {
    /// `Begin`: levels are opened in an open transaction.
    pub(super) fn begin(&mut self, levels: Levels) {
        self.level = self.level.max(levels.after());
    }

    /// `Commit`: to level 0 everything stays; to a higher one the operations of inner levels become its own.
    pub(super) fn commit(&mut self, to: u8) {
        self.level = self.level.min(to);
        if to == 0 {
            self.versions.clear();
        }
        for version in &mut self.versions {
            version.level = version.level.min(to);
        }
    }

    /// `Rollback`: levels are gone, and what is left of their operations was undone already.
    pub(super) fn rollback(&mut self, levels: u8) {
        self.level = self.level.saturating_sub(levels);
        let level = self.level;
        self.versions.retain(|version| version.level <= level);
    }

    /// Remembers an operation, unless no transaction is open.
    pub(super) fn add(&mut self, version: Version) {
        if self.level > 0 {
            self.versions.push(version);
        }
    }

    /// The version of this number, in this database.
    pub(super) fn version_mut(&mut self, database: u8, rceid: u32) -> Option<&mut Version> {
        let mut newest_first = self.versions.iter_mut().rev();
        newest_first.find(|version| version.rceid == rceid && version.database == database)
    }

    /// Takes the version of this number out: it was undone.
    pub(super) fn remove(&mut self, database: u8, rceid: u32) -> Option<Version> {
        let newest_first = |version: &Version| version.rceid == rceid && version.database == database;
        let at = self.versions.iter().rposition(newest_first)?;
        Some(self.versions.remove(at))
    }

    /// `cbMaxSize` of every node that was replaced: that of its first replacement, which the engine's recovery hands on
    /// to the later ones.
    pub(super) fn sizes(&self) -> HashMap<(u8, u32, Bookmark), usize> {
        let mut sizes = HashMap::new();
        for version in &self.versions {
            if let (Some(bookmark), Change::Replace { size_most, .. }) = (&version.bookmark, &version.change)
            {
                let node = (version.database, version.page_fdp, bookmark.clone());
                sizes.entry(node).or_insert(*size_most);
            }
        }
        sizes
    }

    /// Takes the newest version of the innermost level out; `None` if that level has none left.
    pub(super) fn pop_innermost(&mut self) -> Option<Version> {
        let level = self.level;
        self.versions.pop_if(|version| version.level >= level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(rceid: u32, level: u8) -> Version {
        Version {
            rceid,
            level,
            database: 1,
            page: 9,
            page_fdp: 9,
            objid: 9,
            flags: OperationFlags::VERSIONED,
            bookmark: Some(Bookmark::default()),
            change: Change::Insert,
            has_undo_info: false,
        }
    }

    fn open_session() -> Sessions {
        let mut sessions = Sessions::default();
        sessions.begin0(7, Levels { from: 0, count: 1 }, 4);
        let session = sessions.get_mut(7).unwrap();
        session.add(version(1, 1));
        session.begin(Levels { from: 1, count: 1 });
        session.add(version(3, 2));
        sessions
    }

    #[test]
    fn an_inner_level_that_is_committed_is_undone_with_the_outer_one() {
        let mut sessions = open_session();
        let session = sessions.get_mut(7).unwrap();
        session.commit(1);
        let undone: Vec<u32> = std::iter::from_fn(|| session.pop_innermost())
            .map(|version| version.rceid)
            .collect();
        assert_eq!(undone, [3, 1]);
    }

    #[test]
    fn an_inner_level_that_is_rolled_back_leaves_the_outer_one() {
        let mut sessions = open_session();
        let session = sessions.get_mut(7).unwrap();
        session.rollback(1);
        assert_eq!((session.level, session.versions.len()), (1, 1));
    }

    #[test]
    fn a_committed_transaction_leaves_nothing_to_undo() {
        let mut sessions = open_session();
        sessions.get_mut(7).unwrap().commit(0);
        assert_eq!(sessions.open().count(), 0);
        assert!(sessions.get_mut(7).unwrap().versions.is_empty());
        assert!(sessions.has(7));
    }

    #[test]
    fn a_session_without_a_transaction_keeps_no_versions() {
        let mut sessions = open_session();
        let session = sessions.get_mut(7).unwrap();
        session.commit(0);
        session.add(version(5, 1));
        assert_eq!(session.versions.len(), 0);
    }
}
