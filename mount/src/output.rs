//! What the command prints: results on stdout, warnings and errors on stderr, one line each.

use crate::exit::{Failure, advice_of};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write};

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    /// Whether a script wants JSON.
    pub(crate) json: bool,
}

impl Output {
    /// One line of result on stdout.
    ///
    /// # Errors
    /// stdout cannot be written, for example because the reader of a pipe has gone.
    pub(crate) fn line(&self, text: impl Display) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{text}")
    }

    /// A value as JSON on stdout, for a person to read as well.
    ///
    /// # Errors
    /// stdout cannot be written.
    pub(crate) fn json(&self, value: &impl Serialize) -> anyhow::Result<()> {
        self.line(serde_json::to_string_pretty(value)?)?;
        Ok(())
    }

    /// A warning: one line on stderr.
    pub(crate) fn warning(&self, text: impl Display) {
        complain(format_args!("jetfs: warning: {text}"));
    }

    /// A remark that is not the result: one line on stderr.
    pub(crate) fn note(&self, text: impl Display) {
        complain(format_args!("jetfs: {text}"));
    }

    /// An error: one line that says what is wrong, one with what to do about it.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        complain(format_args!("jetfs: {}", one_line(error)));
        if let Some(advice) = advice_of(error) {
            complain(format_args!("jetfs: {advice}"));
        }
    }
}

/// The error and what led to it, on one line.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    // A failure and a JetError already tell their cause.
    if error.is::<Failure>() || error.is::<jetfs::JetError>() {
        return error.to_string();
    }
    format!("{error:#}")
}

/// Whether writing failed because nobody reads on: who reads the other end of a pipe may stop when he has seen enough.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = |cause: &(dyn std::error::Error + 'static)| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    error.chain().any(io)
}

/// If even stderr cannot be written, nobody is there to be told.
fn complain(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
