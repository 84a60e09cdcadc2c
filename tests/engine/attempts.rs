//! One action of a session in seeded work: tried, refused or done, and what is promised of it then.

use super::changes::{self, Part};
use super::model::{Action, Place};
use super::world::World;
use jetfs::{JetErr, JetResult};

/// Errors with which an operation may answer; it has done nothing then.
const REFUSALS: [JetErr; 5] = [
    JetErr::WriteConflict,
    JetErr::KeyDuplicate,
    JetErr::TableInUse,
    JetErr::TableDuplicate,
    JetErr::DatabaseInUse,
];

impl World<'_> {
    /// Does something in the session's transaction, or committed at once. It may be refused.
    pub(super) fn attempt(&mut self, session: usize, action: Action) -> JetResult<()> {
        if self.open[session].is_none() {
            self.promised.lock().pending.push(vec![action.clone()]);
        }
        let result = self.act(session, &action);
        if let Err(error) = result {
            if REFUSALS.contains(&error.code()) {
                self.done.refused += 1;
            } else if !self.is_alive() {
                return Err(error);
            }
            // The instance goes on: nothing was done.
            if self.open[session].is_none() {
                self.promised.lock().pending.pop();
            }
            return if REFUSALS.contains(&error.code()) {
                Ok(())
            } else {
                Err(error)
            };
        }
        self.done.changes += 1;
        match &mut self.open[session] {
            Some(open) => {
                action.apply(&mut open.levels.last_mut().unwrap().view);
                open.actions.push(action);
            }
            None => {
                action.apply(&mut self.latest);
                self.promised.lock().settle();
            }
        }
        Ok(())
    }

    fn act(&self, session: usize, action: &Action) -> JetResult<()> {
        let view = self.view(session);
        let session = &self.sessions[session];
        let database = |place: &Place| self.databases[place.0].as_ref().unwrap();
        match action {
            Action::Put(place, id, row) => {
                let (database, old) = (database(place), view[place].rows.get(id));
                let Some(old) = old else {
                    return changes::insert(database, session, place.1, *id, row);
                };
                let (cursor, is_there) = changes::seek(database, session, place.1, *id)?;
                assert!(is_there, "{place:?} {id} is not found");
                let part = match (row.note == old.note, row.note.fill == old.note.fill) {
                    (true, _) => Part::Small,
                    (false, true) if row.note.len > old.note.len && old.note.len > 0 => Part::NoteEnd,
                    _ => Part::Note,
                };
                changes::replace(&cursor, row, old, part)
            }
            Action::Delete(place, id) => {
                let (cursor, is_there) = changes::seek(database(place), session, place.1, *id)?;
                assert!(is_there, "{place:?} {id} is not found");
                cursor.delete()
            }
            Action::Add(place, id, delta) => {
                let (cursor, is_there) = changes::seek(database(place), session, place.1, *id)?;
                assert!(is_there, "{place:?} {id} is not found");
                let counter = cursor.column("counter")?;
                cursor.escrow_update(counter, i64::from(*delta)).map(drop)
            }
            Action::CreateTable(place) => changes::create_table(database(place), session, place.1),
            Action::DropTable(place) => database(place).delete_table(session, place.1),
            Action::AddColumn(place, name) => changes::add_column(database(place), session, place.1, name),
            Action::CreateIndex(place, name) => {
                changes::create_index(database(place), session, place.1, name)
            }
            Action::DropIndex(place, name) => database(place).delete_index(session, place.1, name),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.instance.session().is_ok()
    }
}
