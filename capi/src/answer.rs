//! What a call answers: 0, a warning, or a `JET_err`.

use jetfs::{JetErr, JetError};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A positive number: the call has succeeded, but there is something to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Warning(i32);

impl Warning {
    /// Nothing to say: JET_errSuccess.
    pub(crate) const NONE: Warning = Warning(0);
    /// The column is NULL.
    pub(crate) const COLUMN_NULL: Warning = Warning(1004);
    /// The buffer holds only a part.
    pub(crate) const BUFFER_TRUNCATED: Warning = Warning(1006);
    /// The database was attached already.
    pub(crate) const DATABASE_ATTACHED: Warning = Warning(1007);
    /// Another record than the one that was sought.
    pub(crate) const SEEK_NOT_EQUAL: Warning = Warning(1039);
}

/// The answer before it becomes a number.
pub(crate) type Answer = Result<Warning, JetErr>;

/// The number of an answer. A panic stops here: it is a defect, and JET_errInternalError.
pub(crate) fn answer(call: impl FnOnce() -> Answer) -> i32 {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(Warning(number))) => number,
        Ok(Err(code)) => code.number(),
        Err(_) => JetErr::InternalError.number(),
    }
}

/// The number of an error; its words go to the log, since C has no place for them.
pub(crate) fn told(error: JetError) -> JetErr {
    tracing::info!("{error}");
    error.code()
}

/// For calls that have nothing to say.
pub(crate) fn done<T>(result: Result<T, JetError>) -> Answer {
    result.map(|_| Warning::NONE).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_does_not_leave_a_call() {
        assert_eq!(answer(|| panic!("a defect")), JetErr::InternalError.number());
    }
}
