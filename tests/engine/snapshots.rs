//! A model of snapshot isolation: who sees which changes of a record, and who comes too late to change it.

use super::isolation::{IDS, SESSIONS};
use std::collections::BTreeMap;

/// A record: its value, and a number to which all may add.
pub(crate) type Row = (i32, i32);

/// What somebody did to a record.
#[derive(Debug, Clone, Copy)]
struct Change {
    /// When it was committed; `None` while it is not.
    stamp: Option<u64>,
    who: usize,
    level: usize,
    what: What,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Set(i32),
    Gone,
    New(i32),
    Add(i32),
}

#[derive(Debug, Clone, Default)]
struct Mind {
    /// What it saw committed when it began, by level 1; empty outside of a transaction.
    snapshot: u64,
    level: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    changes: BTreeMap<i32, Vec<Change>>,
    stamp: u64,
    minds: [Mind; SESSIONS],
}

impl Model {
    fn sees(&self, who: usize, change: &Change) -> bool {
        let mind = &self.minds[who];
        let snapshot = if mind.level == 0 {
            self.stamp
        } else {
            mind.snapshot
        };
        (change.who == who && change.stamp.is_none()) || change.stamp.is_some_and(|stamp| stamp <= snapshot)
    }

    pub(crate) fn row(&self, who: usize, id: i32) -> Option<Row> {
        let mut row = None;
        for change in self
            .changes
            .get(&id)
            .into_iter()
            .flatten()
            .filter(|change| self.sees(who, change))
        {
            row = match (change.what, row) {
                (What::New(value), _) => Some((value, 0)),
                (What::Set(value), Some((_, number))) => Some((value, number)),
                (What::Add(delta), Some((value, number))) => Some((value, number + delta)),
                _ => None,
            };
        }
        row
    }

    pub(crate) fn rows(&self, who: usize) -> BTreeMap<i32, Row> {
        (0..IDS).filter_map(|id| Some((id, self.row(who, id)?))).collect()
    }

    /// Whether somebody else was first.
    pub(crate) fn conflicts(&self, who: usize, id: i32, is_addition: bool) -> bool {
        let changes = self.changes.get(&id).into_iter().flatten();
        let mut unseen = changes.filter(|change| !self.sees(who, change));
        unseen.any(|change| !is_addition || !matches!(change.what, What::Add(_)))
    }

    pub(crate) fn change(&mut self, who: usize, id: i32, what: What) {
        let level = self.minds[who].level;
        let stamp = (level == 0).then(|| {
            self.stamp += 1;
            self.stamp
        });
        let change = Change {
            stamp,
            who,
            level,
            what,
        };
        self.changes.entry(id).or_default().push(change);
    }

    pub(crate) fn begin(&mut self, who: usize) {
        let stamp = self.stamp;
        let mind = &mut self.minds[who];
        if mind.level == 0 {
            mind.snapshot = stamp;
        }
        mind.level += 1;
    }

    pub(crate) fn commit(&mut self, who: usize) {
        let mind = &mut self.minds[who];
        mind.level -= 1;
        let level = mind.level;
        if level == 0 {
            self.stamp += 1;
        }
        let own = self.changes.values_mut().flatten();
        for change in own.filter(|change| change.who == who && change.stamp.is_none()) {
            change.level = change.level.min(level);
            if level == 0 {
                change.stamp = Some(self.stamp);
            }
        }
    }

    pub(crate) fn roll_back(&mut self, who: usize) {
        let mind = &mut self.minds[who];
        let level = mind.level;
        mind.level -= 1;
        for changes in self.changes.values_mut() {
            changes.retain(|change| change.who != who || change.stamp.is_some() || change.level < level);
        }
    }
}
