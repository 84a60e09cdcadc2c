//! What a record is about: session, database, page, dbtimes; for searching and listing.

use super::operation::DBTIME_NIL;
use super::value::FieldValue;
use super::{EmptyTree, LogRecord};

/// What a record is about. A part that the record does not have is `None`, and so is a dbtime that is nil.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Subject {
    /// `procid`: the session.
    pub session: Option<u16>,
    /// `dbid`: the database.
    pub database: Option<u8>,
    /// `pgno`: the page that it changes or is about.
    pub page: Option<u32>,
    /// The dbtime that the page, or the database, gets.
    pub dbtime: Option<u64>,
    /// The dbtime that the page had.
    pub dbtime_before: Option<u64>,
}

impl Subject {
    /// Names of the fields that are parts of it.
    pub const FIELDS: [&str; 5] = ["session", "database", "page", "dbtime", "dbtime_before"];

    fn take(&mut self, name: &str, number: u64) {
        match name {
            "session" => self.session = u16::try_from(number).ok(),
            "database" => self.database = u8::try_from(number).ok(),
            "page" => self.page = u32::try_from(number).ok(),
            "dbtime" => self.dbtime = set(number),
            "dbtime_before" => self.dbtime_before = set(number),
            _ => {}
        }
    }
}

/// A dbtime that is not nil.
fn set(dbtime: u64) -> Option<u64> {
    (dbtime != DBTIME_NIL).then_some(dbtime)
}

/// The other fields that hold the number of a page that a record changes.
const FURTHER_PAGES: [&str; 7] = [
    "page_new",
    "page_left",
    "page_right",
    "page_parent",
    "page_destination",
    "page_oe",
    "page_ae",
];

impl LogRecord<'_> {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        if let Some(operation) = self.page_operation() {
            return Subject {
                session: Some(operation.session),
                database: Some(operation.database),
                page: Some(operation.page),
                dbtime: set(operation.dbtime),
                dbtime_before: set(operation.dbtime_before),
            };
        }
        let mut subject = Subject::default();
        self.visit(&mut |name, value| {
            if let FieldValue::Number(number) = value {
                subject.take(name, number);
            }
        });
        if matches!(self, LogRecord::MacroInfo(_)) {
            subject.database = Some(1);
        }
        subject
    }

    /// Whether it changes page `pgno`, or names it among the pages that a macro changed.
    pub fn touches(&self, pgno: u32) -> bool {
        if self
            .page_operation()
            .is_some_and(|operation| operation.page == pgno)
        {
            return true;
        }
        if let LogRecord::EmptyTree(EmptyTree { emptied, .. }) = self {
            return emptied.iter().any(|entry| entry.page == pgno);
        }
        let mut touched = false;
        self.visit(&mut |name, value| {
            touched |= match value {
                FieldValue::Number(number) => {
                    number == u64::from(pgno) && (name == "page" || FURTHER_PAGES.contains(&name))
                }
                FieldValue::Pages(pages) => pages.iter().any(|page| page == pgno),
                _ => false,
            };
        });
        touched
    }
}
