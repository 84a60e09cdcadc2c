//! An event log that many programs can append to, kept in an ESE database and queried by time or by source.
//!
//! ```text
//! cargo run --example event_log -- DIR append SOURCE TEXT...   one event, durable when the command returns
//! cargo run --example event_log -- DIR last COUNT              the newest ones
//! cargo run --example event_log -- DIR since MICROSECONDS      all from a time on (UTC, since 1970)
//! cargo run --example event_log -- DIR of SOURCE               all of one source, the newest first
//! ```
//!
//! DIR is made if it is not there. The database in it can be read by every ESE tool.

#![allow(clippy::print_stdout, reason = "that is what it is for")]

use jetfs::engine::{
    ColumnDefinition, CommitMode, Database, IndexDefinition, Instance, Parameters, Session, Table,
    TableDefinition, Term,
};
use jetfs::format::{ColumnId, ColumnType, Value};
use jetfs::{JetErr, JetError, JetResult};
use std::fmt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const TABLE: &str = "events";

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    /// Microseconds since 1970, UTC.
    time: i64,
    source: String,
    text: String,
}

/// The log: an instance with one database of one table.
struct EventLog {
    instance: Instance,
    database: Database,
}

/// The table of a session, and its columns.
struct Events<'s> {
    session: &'s Session,
    table: Table<'s>,
    time: ColumnId,
    source: ColumnId,
    text: ColumnId,
}

impl EventLog {
    /// Opens the log in a directory, or makes it. What a crash left is recovered first.
    fn open(directory: &Path) -> JetResult<Self> {
        std::fs::create_dir_all(directory).map_err(|error| JetError::io("make the directory", error))?;
        let instance = Instance::init(Parameters::new(directory).circular_log(true))?;
        let path = directory.join("events.edb");
        let database = if path.exists() {
            instance.attach_database(&path)?
        } else {
            instance.create_database(&path)?
        };
        let session = instance.session()?;
        if !database.tables(&session)?.iter().any(|table| table == TABLE) {
            drop(database.create_table(&session, &definition())?);
        }
        Ok(EventLog { instance, database })
    }

    fn session(&self) -> JetResult<Session> {
        self.instance.session()
    }

    fn events<'s>(&self, session: &'s Session) -> JetResult<Events<'s>> {
        let table = self.database.open_table(session, TABLE)?;
        let [time, source, text] = ["time", "source", "text"].map(|name| table.column(name));
        let (time, source, text) = (time?, source?, text?);
        Ok(Events {
            session,
            table,
            time,
            source,
            text,
        })
    }

    fn close(self) -> JetResult<()> {
        self.instance.term(Term::Complete)
    }
}

/// Events stand in the order of their arrival. Times are not unique, and clocks go back: so they are an index.
fn definition() -> TableDefinition {
    TableDefinition::new(TABLE)
        .column(ColumnDefinition::new("number", ColumnType::LongLong).auto_increment())
        .column(ColumnDefinition::new("time", ColumnType::LongLong).not_null())
        .column(ColumnDefinition::new("source", ColumnType::Text).not_null())
        .column(ColumnDefinition::new("text", ColumnType::LongText).unicode())
        .index(IndexDefinition::primary("by_number").ascending("number"))
        .index(IndexDefinition::new("by_time").ascending("time"))
        .index(
            IndexDefinition::new("by_source")
                .ascending("source")
                .descending("time"),
        )
}

impl Events<'_> {
    /// Appends events, all or none; when this returns they are durable.
    fn append(&self, events: &[Event]) -> JetResult<()> {
        let transaction = self.session.begin()?;
        for event in events {
            let mut row = self.table.insert()?;
            row.set(self.time, &Value::LongLong(event.time))?;
            row.set(self.source, &self.table.text(self.source, &event.source)?)?;
            row.set(self.text, &self.table.text(self.text, &event.text)?)?;
            row.save()?;
        }
        transaction.commit_with(CommitMode::Durable)
    }

    /// The newest events by arrival, the newest first.
    fn last(&mut self, count: usize) -> JetResult<Vec<Event>> {
        self.table.set_current_index(None)?;
        let mut events = Vec::new();
        let mut is_there = count > 0 && self.table.move_last()?;
        while is_there {
            events.push(self.current()?);
            is_there = events.len() < count && self.table.move_previous()?;
        }
        Ok(events)
    }

    /// The events from a time on, by time.
    fn since(&mut self, time: i64) -> JetResult<Vec<Event>> {
        self.table.set_current_index(Some("by_time"))?;
        self.table.range([Value::LongLong(time)]..)?;
        self.all()
    }

    /// The events of a source, the newest first.
    fn of(&mut self, source: &str) -> JetResult<Vec<Event>> {
        self.table.set_current_index(Some("by_source"))?;
        let source = [self.table.text(self.source, source)?];
        self.table.range(source.clone()..=source)?;
        self.all()
    }

    fn all(&mut self) -> JetResult<Vec<Event>> {
        // One snapshot: others may append meanwhile.
        let _snapshot = self.session.begin()?;
        let mut events = Vec::new();
        while self.table.move_next()? {
            events.push(self.current()?);
        }
        Ok(events)
    }

    fn current(&self) -> JetResult<Event> {
        let row = self.table.row()?;
        let text = |value| match value {
            Value::Text(text) => text.decode(),
            _ => String::new(),
        };
        let time = match row.value(self.time)? {
            Value::LongLong(time) => time,
            _ => 0,
        };
        Ok(Event {
            time,
            source: text(row.value(self.source)?),
            text: text(row.value(self.text)?),
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.time, self.source, self.text)
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Does what a command says; the events that it finds.
fn run(log: &EventLog, command: &[&str]) -> JetResult<Vec<Event>> {
    let session = log.session()?;
    let mut events = log.events(&session)?;
    match command {
        ["append", source, text @ ..] => {
            let event = Event {
                time: now(),
                source: (*source).to_owned(),
                text: text.join(" "),
            };
            events.append(std::slice::from_ref(&event))?;
            Ok(vec![event])
        }
        ["last", count] => events.last(number(count)?),
        ["since", time] => events.since(number(time)?),
        ["of", source] => events.of(source),
        _ => Err(usage()),
    }
}

fn number<T: std::str::FromStr>(text: &str) -> JetResult<T> {
    text.parse().map_err(|_| usage())
}

fn usage() -> JetError {
    let what = "DIR append SOURCE TEXT... | DIR last COUNT | DIR since MICROSECONDS | DIR of SOURCE";
    JetError::rule(JetErr::InvalidParameter, what)
}

fn main() -> JetResult<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [directory, command @ ..] = &arguments[..] else {
        return Err(usage());
    };
    let log = EventLog::open(Path::new(directory))?;
    let found = run(&log, command);
    log.close()?;
    for event in found? {
        println!("{event}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(log: &EventLog, command: &[&str]) -> Vec<String> {
        let found = run(log, command).unwrap();
        found.into_iter().map(|event| event.text).collect()
    }

    #[test]
    fn events_are_found_again_by_time_and_source_and_after_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path()).unwrap();
        run(&log, &["append", "disk", "almost", "full"]).unwrap();
        run(&log, &["append", "fan", "läuft 🌀"]).unwrap();
        let session = log.session().unwrap();
        let late = |time, text: &str| Event {
            time,
            source: "disk".to_owned(),
            text: text.to_owned(),
        };
        let end = i64::MAX - 10;
        let events = [late(end, "later"), late(end - 1, "late")];
        log.events(&session).unwrap().append(&events).unwrap();
        assert_eq!(texts(&log, &["last", "2"]), ["late", "later"]);
        assert_eq!(texts(&log, &["since", &(end - 5).to_string()]), ["late", "later"]);
        assert_eq!(texts(&log, &["of", "disk"]), ["later", "late", "almost full"]);
        assert!(run(&log, &["since", "yesterday"]).is_err());
        // As if the program had died.
        drop((session, log));
        let log = EventLog::open(directory.path()).unwrap();
        assert_eq!(texts(&log, &["of", "fan"]), ["läuft 🌀"]);
        run(&log, &["append", "fan", "steht"]).unwrap();
        assert_eq!(texts(&log, &["last", "1"]), ["steht"]);
        log.close().unwrap();
        let log = EventLog::open(directory.path()).unwrap();
        assert_eq!(texts(&log, &["last", "9"]).len(), 5);
        log.close().unwrap();
    }

    #[test]
    fn threads_append_at_the_same_time() {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let log = &log;
                scope.spawn(move || {
                    for _ in 0..25 {
                        run(log, &["append", &format!("thread {thread}"), "here"]).unwrap();
                    }
                });
            }
        });
        assert_eq!(texts(&log, &["of", "thread 3"]).len(), 25);
        assert_eq!(texts(&log, &["since", "0"]).len(), 100);
        log.close().unwrap();
    }
}
