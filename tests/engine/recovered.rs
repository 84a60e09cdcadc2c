//! What a start after a crash must find: exactly what was committed, in databases that are sound, and an instance that
//! goes on.

use super::changes::{self, read_table};
use super::disk::{Disk, PATHS, Shape};
use super::model::{Promise, Row, State};
use jetfs::engine::{Instance, Session, Term};
use std::sync::Arc;

/// An identifier that no work uses.
const NEW: i32 = 1_000_000;

/// Starts an instance after a crash, and checks everything. Returns how many pending transactions survived.
///
/// # Errors
/// What is wrong.
pub(crate) fn check(disk: &Disk, shape: Shape, promise: &Promise) -> Result<usize, String> {
    let instance = disk.start(shape).map_err(|error| format!("start: {error}"))?;
    for (path, _) in PATHS.iter().zip(promise.is_made).filter(|(_, is_made)| *is_made) {
        disk.check(path)?;
    }
    let kept = {
        let session = instance.session().map_err(text)?;
        let found = read_all(&instance, &session, promise)?;
        let kept = promise.kept(&found)?;
        go_on(&instance, &session, &found)?;
        kept
    };
    instance.term(Term::Complete).map_err(text)?;
    PATHS.iter().try_for_each(|path| disk.check(path))?;
    Ok(kept)
}

/// Everything in the databases; they are attached afterwards. One that was being made is made again.
pub(crate) fn read_all(instance: &Instance, session: &Session, promise: &Promise) -> Result<State, String> {
    let mut state = State::new();
    for (number, path) in PATHS.iter().enumerate() {
        let database = match instance.attach_database(path) {
            Err(_) if !promise.is_made[number] => instance.create_database(path),
            other => other,
        };
        let database = database.map_err(text)?;
        for name in database.tables(session).map_err(text)? {
            let name = changes::known(&changes::TABLES, &name)?;
            let table = read_table(&database, session, name)?;
            state.insert((number, name), Arc::new(table));
        }
    }
    Ok(state)
}

/// The engine goes on working: a row more, seen by everybody.
fn go_on(instance: &Instance, session: &Session, found: &State) -> Result<(), String> {
    for (number, path) in PATHS.iter().enumerate() {
        let Some(((_, name), _)) = found.iter().find(|((database, _), _)| *database == number) else {
            continue;
        };
        let database = instance.attach_database(path).map_err(text)?;
        let row = Row {
            name: 7,
            ..Row::default()
        };
        changes::insert(&database, session, name, NEW, &row).map_err(text)?;
        let table = read_table(&database, session, name)?;
        if table.rows.get(&NEW) != Some(&row) {
            return Err(format!("{path} {name}: the new row is not there"));
        }
    }
    Ok(())
}

pub(crate) fn text(error: jetfs::JetError) -> String {
    error.to_string()
}
