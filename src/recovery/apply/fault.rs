//! How a record that does not fit its pages ends the replay (log-and-recovery.md section 9).

use crate::error::{JetErr, JetError};
use std::borrow::Cow;

/// `JET_errLogCorrupted`: the record says what cannot be, or what the page does not have.
pub(super) fn misfit(page: u32, what: impl Into<Cow<'static, str>>) -> JetError {
    JetError::rule(JetErr::LogCorrupted, what).on_page(page)
}

/// `JET_errDatabaseCorrupted`: the page is not what a page can be.
pub(super) fn corrupted(page: u32, what: impl Into<Cow<'static, str>>) -> JetError {
    JetError::rule(JetErr::DatabaseCorrupted, what).on_page(page)
}
