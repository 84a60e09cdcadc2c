//! What can go wrong, as values: a published `JET_err`, the place, and what the user can do.
//!
//! Pure code on bytes returns a [`FormatError`](crate::format::FormatError), which knows only the structure and
//! the offset in it. Code that knows the file turns it into a [`JetError`] with [`JetError::format`].

mod jet_err;

pub use jet_err::JetErr;

use crate::format::{FormatError, LogPosition};
use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of everything that touches files or speaks the backup protocol.
pub type JetResult<T> = Result<T, JetError>;

/// An error with its `JET_err`, the place, and the cause.
///
/// Boxed, so that a `JetResult` stays one word larger than its value.
#[derive(Debug)]
pub struct JetError(Box<Report>);

#[derive(Debug)]
struct Report {
    code: JetErr,
    cause: Cause,
    place: Place,
    advice: Option<Cow<'static, str>>,
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// Bytes are not what the format says.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The operating system refused an operation on a file.
    #[error("cannot {operation}: {source}")]
    Io {
        /// What was tried, as a verb phrase: `open`, `read`, `list the directory`.
        operation: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A rule of the protocol or of jetfs forbids it; the text says which.
    #[error("{0}")]
    Rule(Cow<'static, str>),
}

/// Where something is wrong. Unknown parts are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file's path as the user gave it or as it was found.
    pub file: Option<PathBuf>,
    /// Page number in a database (1-based; 0 is the header, of which the file holds two copies).
    pub page: Option<u32>,
    /// Byte offset from the start of the file.
    pub offset: Option<u64>,
    /// Position of the log record that was being replayed.
    pub log_position: Option<LogPosition>,
}

impl JetError {
    /// A rule was broken: `code` names it, `what` says it in words.
    pub fn rule(code: JetErr, what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code, Cause::Rule(what.into()))
    }

    /// The operating system refused `operation` (a verb phrase such as `open`).
    pub fn io(operation: &'static str, source: io::Error) -> Self {
        let code = JetErr::from_io(&source);
        Self::new(code, Cause::Io { operation, source })
    }

    /// Bytes are not what the format says. The `JET_err` follows from the structure and the problem.
    pub fn format(error: FormatError) -> Self {
        Self::new(error.jet_err(), Cause::Format(error))
    }

    fn new(code: JetErr, cause: Cause) -> Self {
        JetError(Box::new(Report {
            code,
            cause,
            place: Place::default(),
            advice: None,
        }))
    }

    /// Adds the file, unless a more precise place is already known.
    #[must_use]
    pub fn in_file(mut self, file: &Path) -> Self {
        self.0.place.file.get_or_insert_with(|| file.to_path_buf());
        self
    }

    /// Adds the page number, unless known.
    #[must_use]
    pub fn on_page(mut self, pgno: u32) -> Self {
        self.0.place.page.get_or_insert(pgno);
        self
    }

    /// Adds the byte offset in the file, unless known.
    #[must_use]
    pub fn at_offset(mut self, offset: u64) -> Self {
        self.0.place.offset.get_or_insert(offset);
        self
    }

    /// Adds the log record that was being replayed, unless known.
    #[must_use]
    pub fn replaying(mut self, position: LogPosition) -> Self {
        self.0.place.log_position.get_or_insert(position);
        self
    }

    /// Replaces the advice that goes with the `JET_err` by a more precise one.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<Cow<'static, str>>) -> Self {
        self.0.advice = Some(advice.into());
        self
    }

    /// Replaces the `JET_err`, where the caller knows better what the failure means.
    #[must_use]
    pub fn with_code(mut self, code: JetErr) -> Self {
        self.0.code = code;
        self
    }

    /// The `JET_err`.
    pub fn code(&self) -> JetErr {
        self.0.code
    }

    /// Why it failed.
    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }

    /// Where it failed.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// What the user can do, if there is anything to say.
    pub fn advice(&self) -> Option<&str> {
        self.0.advice.as_deref().or_else(|| self.0.code.advice())
    }
}

impl fmt::Display for JetError {
    /// One line: place, what is wrong, name and number. The advice is not part of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            code, cause, place, ..
        } = &*self.0;
        write!(f, "{place}{cause} ({}, {})", code.name(), code.number())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        match (self.page, self.offset) {
            (Some(page), Some(offset)) => write!(f, "page {page} (offset {offset:#x}): ")?,
            (Some(page), None) => write!(f, "page {page}: ")?,
            (None, Some(offset)) => write!(f, "offset {offset:#x}: ")?,
            (None, None) => {}
        }
        match self.log_position {
            Some(position) => write!(f, "log record {position}: "),
            None => Ok(()),
        }
    }
}

impl std::error::Error for JetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.cause {
            Cause::Io { source, .. } => Some(source),
            Cause::Format(error) => Some(error),
            Cause::Rule(_) => None,
        }
    }
}

impl From<FormatError> for JetError {
    fn from(error: FormatError) -> Self {
        JetError::format(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_file_page_offset_name_and_number() {
        let error = JetError::rule(JetErr::ReadVerifyFailure, "page checksum does not match")
            .in_file(Path::new("ntds.dit"))
            .on_page(12)
            .at_offset(0xd000);
        assert_eq!(
            error.to_string(),
            "ntds.dit: page 12 (offset 0xd000): page checksum does not match (JET_errReadVerifyFailure, -1018)"
        );
        assert!(error.advice().is_some());
    }

    #[test]
    fn the_first_place_given_wins_because_it_is_the_most_precise() {
        let error = JetError::rule(JetErr::DiskIO, "x")
            .on_page(3)
            .on_page(4)
            .in_file(Path::new("a"));
        assert_eq!(error.place().page, Some(3));
    }
}
