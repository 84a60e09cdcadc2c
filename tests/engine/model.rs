//! What databases should hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A table: number of the database, name.
pub(crate) type Place = (usize, &'static str);

/// The tables of all databases.
pub(crate) type State = BTreeMap<Place, Arc<Table>>;

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Table {
    /// Columns that were added.
    pub(crate) columns: BTreeSet<&'static str>,
    /// Indexes that were added.
    pub(crate) indexes: BTreeSet<&'static str>,
    pub(crate) rows: BTreeMap<i32, Row>,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Row {
    /// In an index that is not unique.
    pub(crate) name: u8,
    /// In a unique index that ignores NULL.
    pub(crate) code: Option<i32>,
    /// A long value.
    pub(crate) note: Note,
    /// An escrow column.
    pub(crate) counter: i32,
    /// Columns that were added.
    pub(crate) extra: BTreeMap<&'static str, i32>,
}

/// A long value of equal bytes; NULL if it is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Note {
    pub(crate) len: u32,
    pub(crate) fill: u8,
}

/// Something that a transaction did.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// A record was inserted or replaced; its counter stays as it is.
    Put(Place, i32, Row),
    Delete(Place, i32),
    Add(Place, i32, i32),
    CreateTable(Place),
    DropTable(Place),
    AddColumn(Place, &'static str),
    CreateIndex(Place, &'static str),
    DropIndex(Place, &'static str),
}

impl Action {
    /// Does it.
    pub(crate) fn apply(&self, state: &mut State) {
        match self {
            Action::Put(place, id, row) => {
                let rows = &mut table(state, *place).rows;
                let counter = rows.get(id).map_or(0, |old| old.counter);
                let row = Row {
                    counter,
                    ..row.clone()
                };
                rows.insert(*id, row);
            }
            Action::Delete(place, id) => {
                let gone = table(state, *place).rows.remove(id);
                assert!(gone.is_some(), "{self:?}");
            }
            Action::Add(place, id, delta) => {
                let row = table(state, *place).rows.get_mut(id);
                row.unwrap_or_else(|| panic!("{self:?}")).counter += delta;
            }
            Action::CreateTable(place) => {
                let old = state.insert(*place, Arc::default());
                assert!(old.is_none(), "{self:?}");
            }
            Action::DropTable(place) => assert!(state.remove(place).is_some(), "{self:?}"),
            Action::AddColumn(place, name) => assert!(table(state, *place).columns.insert(name)),
            Action::CreateIndex(place, name) => assert!(table(state, *place).indexes.insert(name)),
            Action::DropIndex(place, name) => assert!(table(state, *place).indexes.remove(name)),
        }
    }
}

fn table(state: &mut State, place: Place) -> &mut Table {
    let table = state.get_mut(&place);
    Arc::make_mut(table.unwrap_or_else(|| panic!("there is no table {place:?}")))
}

/// What must be there after a crash: everything durable, and of what was committed since, a beginning.
#[derive(Debug, Clone, Default)]
pub(crate) struct Promise {
    pub(crate) durable: State,
    /// Transactions that were lazily committed, or whose commit has not returned yet.
    pub(crate) pending: Vec<Vec<Action>>,
    /// Databases whose creation has returned.
    pub(crate) is_made: [bool; 2],
}

impl Promise {
    /// Everything is durable now.
    pub(crate) fn settle(&mut self) {
        for action in std::mem::take(&mut self.pending).iter().flatten() {
            action.apply(&mut self.durable);
        }
    }

    /// How many of the pending transactions are in `found`.
    ///
    /// # Errors
    /// What is different.
    pub(crate) fn kept(&self, found: &State) -> Result<usize, String> {
        let mut state = self.durable.clone();
        if state == *found {
            return Ok(0);
        }
        for (at, transaction) in self.pending.iter().enumerate() {
            transaction.iter().for_each(|action| action.apply(&mut state));
            if state == *found {
                return Ok(at + 1);
            }
        }
        let (old, new) = (difference(&self.durable, found), difference(&state, found));
        let pending = self.pending.len();
        Err(format!(
            "neither what was durable ({old}) nor with {pending} pending transactions ({new})"
        ))
    }
}

/// The first differences.
pub(crate) fn difference(expected: &State, found: &State) -> String {
    let mut all = Vec::new();
    let places: BTreeSet<&Place> = expected.keys().chain(found.keys()).collect();
    for place in places {
        let (Some(expected), Some(found)) = (expected.get(place), found.get(place)) else {
            all.push(format!("{place:?}: there {}", found.contains_key(place)));
            continue;
        };
        if expected.columns != found.columns || expected.indexes != found.indexes {
            let schema = |table: &Table| format!("{:?} {:?}", table.columns, table.indexes);
            all.push(format!(
                "{place:?}: {} expected {}",
                schema(found),
                schema(expected)
            ));
        }
        let ids: BTreeSet<&i32> = expected.rows.keys().chain(found.rows.keys()).collect();
        for id in ids {
            let (expected, found) = (expected.rows.get(id), found.rows.get(id));
            if expected != found {
                all.push(format!("{place:?} {id}: {found:?} expected {expected:?}"));
            }
        }
    }
    let count = all.len();
    all.truncate(4);
    format!("{count} differences: {}", all.join("; "))
}
