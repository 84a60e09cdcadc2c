//! What several transactions must see of a tree that they change: their own levels over what was committed when they
//! began; the first writer of a node wins.

use crate::error::JetErr;
use std::collections::BTreeMap;

/// Key and data of a tree whose keys are not unique; else the key.
pub(super) type Name = (Vec<u8>, Vec<u8>);
type Nodes = BTreeMap<Name, Vec<u8>>;
/// What was done: the data, or none for deleted.
type Done = BTreeMap<Name, Option<Vec<u8>>>;

/// A transaction.
#[derive(Debug)]
pub(super) struct Writer {
    snapshot: Nodes,
    began: u64,
    /// Of each open level, from 1.
    levels: Vec<Done>,
}

/// All that was committed.
#[derive(Debug, Default)]
pub(super) struct Model {
    committed: Nodes,
    /// When a node was last changed.
    changed: BTreeMap<Name, u64>,
    stamp: u64,
}

impl Model {
    pub(super) fn begin(&self) -> Writer {
        Writer {
            snapshot: self.committed.clone(),
            began: self.stamp,
            levels: vec![Done::new()],
        }
    }

    pub(super) fn commit(&mut self, writer: &Writer) {
        self.stamp += 1;
        for (name, done) in writer.levels.iter().flatten() {
            self.changed.insert(name.clone(), self.stamp);
            match done {
                Some(data) => self.committed.insert(name.clone(), data.clone()),
                None => self.committed.remove(name),
            };
        }
    }

    /// What comes of an operation of `writer`, where `others` are open.
    pub(super) fn verdict(
        &self,
        writer: &Writer,
        others: &[&Writer],
        name: &Name,
        inserts: bool,
    ) -> Option<JetErr> {
        let in_others = others.iter().find_map(|other| other.done(name));
        let later = self.changed.get(name).is_some_and(|stamp| *stamp > writer.began);
        let conflict = in_others.is_some() || later;
        let sees = writer.sees(name).is_some();
        let stands = match in_others.or_else(|| writer.done(name)) {
            Some(done) => done.is_some(),
            None => self.committed.contains_key(name),
        };
        match (inserts, sees && stands, conflict, sees) {
            (true, true, _, _) => Some(JetErr::KeyDuplicate),
            (_, _, true, _) => Some(JetErr::WriteConflict),
            (false, _, false, false) => Some(JetErr::RecordNotFound),
            _ => None,
        }
    }
}

impl Writer {
    fn done(&self, name: &Name) -> Option<&Option<Vec<u8>>> {
        self.levels.iter().rev().find_map(|level| level.get(name))
    }

    pub(super) fn sees(&self, name: &Name) -> Option<&Vec<u8>> {
        match self.done(name) {
            Some(done) => done.as_ref(),
            None => self.snapshot.get(name),
        }
    }

    /// All that it sees, in order.
    pub(super) fn all(&self) -> Nodes {
        let mut all = self.snapshot.clone();
        for (name, done) in self.levels.iter().flatten() {
            match done {
                Some(data) => all.insert(name.clone(), data.clone()),
                None => all.remove(name),
            };
        }
        all
    }

    pub(super) fn does(&mut self, name: Name, data: Option<Vec<u8>>) {
        self.levels.last_mut().unwrap().insert(name, data);
    }

    pub(super) fn begin_level(&mut self) {
        self.levels.push(Done::new());
    }

    pub(super) fn commit_level(&mut self) {
        let inner = self.levels.pop().unwrap();
        self.levels.last_mut().unwrap().extend(inner);
    }

    pub(super) fn roll_back_to(&mut self, level: usize) {
        self.levels.truncate(level);
    }

    pub(super) fn level(&self) -> usize {
        self.levels.len()
    }
}
