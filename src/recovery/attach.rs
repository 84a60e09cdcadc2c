//! Whether a database that the log says is attached is the file that is there, and in the state that the log continues
//! (log-and-recovery.md section 6.5).

use crate::error::{JetErr, JetError, JetResult};
use crate::format::{DatabaseHeader, DbState, LogPosition, Signature};

/// What the log says about an attached database.
#[derive(Debug, Clone)]
pub(super) struct LoggedAttach {
    /// Its path on the machine that wrote the log.
    pub(super) path: String,
    /// `dbid`.
    pub(super) dbid: u8,
    /// Position of the record that attached it.
    pub(super) attach: LogPosition,
    /// `lgposConsistent` of its header before that.
    pub(super) consistent: LogPosition,
    /// `signDb`.
    pub(super) signature: Signature,
    /// The log sequence that it belonged to before.
    pub(super) log_signature: Signature,
    /// The highest dbtime that was known, 0 if none.
    pub(super) dbtime: u64,
    /// Whether this comes from the list at the start of redo, not from a record.
    pub(super) from_list: bool,
}

/// What is to be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Records are applied from here on. `stamp`: the header was not yet written when the crash came.
    Now {
        /// Whether the header must first get what attaching gives it.
        stamp: bool,
    },
    /// Records of this attachment do not concern the file; why.
    Defer(&'static str),
}

/// Compares a header with what the log says. `redo` is the position of the record, or of the start.
///
/// # Errors
/// `JET_errDatabaseCorrupted`, `JET_errAttachedDatabaseMismatch`, `JET_errConsistentTimeMismatch`.
pub(super) fn judge(
    header: &DatabaseHeader,
    logged: &LoggedAttach,
    sequence: Signature,
    redo: LogPosition,
) -> JetResult<Verdict> {
    match header.state {
        DbState::JustCreated => return Ok(Verdict::Defer("its creation was not finished")),
        DbState::DirtyShutdown | DbState::CleanShutdown | DbState::DirtyAndPatchedShutdown => {}
        other => {
            let what = format!("state {} cannot be recovered", other.number());
            return Err(JetError::rule(JetErr::DatabaseCorrupted, what));
        }
    }
    if header.log_signature == sequence {
        return judge_same_sequence(header, logged, sequence, redo);
    }
    if header.log_signature != logged.log_signature {
        return Ok(Verdict::Defer("it belongs to another log sequence"));
    }
    // The header was not stamped with this sequence before the crash.
    if header.consistent == logged.consistent && header.signature == logged.signature {
        return Ok(Verdict::Now { stamp: true });
    }
    if header.signature == logged.signature {
        return Err(consistent_mismatch(header, logged));
    }
    Ok(Verdict::Defer("it is another database"))
}

fn judge_same_sequence(
    header: &DatabaseHeader,
    logged: &LoggedAttach,
    sequence: Signature,
    redo: LogPosition,
) -> JetResult<Verdict> {
    let is_continued = header.consistent == logged.consistent
        || !header.consistent.is_set()
        || logged.log_signature != sequence;
    if is_continued {
        return judge_attach(header, logged);
    }
    if header.consistent > logged.consistent && (logged.from_list || header.consistent > redo) {
        return Ok(Verdict::Defer(
            "it is consistent with a later position of the log",
        ));
    }
    if header.signature == logged.signature {
        return Err(consistent_mismatch(header, logged));
    }
    Ok(Verdict::Defer("it is another database"))
}

fn judge_attach(header: &DatabaseHeader, logged: &LoggedAttach) -> JetResult<Verdict> {
    if header.signature != logged.signature {
        return Ok(Verdict::Defer("it is another database"));
    }
    // A clean shutdown is behind the attachment that it ended.
    if header.attach == logged.attach && header.state.is_clean() {
        return Ok(Verdict::Defer(
            "it is consistent with a later position of the log",
        ));
    }
    if header.attach == logged.attach {
        return Ok(Verdict::Now { stamp: false });
    }
    if header.attach > logged.attach {
        return Ok(Verdict::Defer("it was attached again later"));
    }
    if !logged.from_list && header.log_signature == logged.log_signature {
        return Ok(Verdict::Now { stamp: true });
    }
    let what = format!(
        "was attached at {} according to its header, but at {} according to the log",
        header.attach, logged.attach
    );
    Err(JetError::rule(JetErr::AttachedDatabaseMismatch, what))
}

fn consistent_mismatch(header: &DatabaseHeader, logged: &LoggedAttach) -> JetError {
    let what = format!(
        "is consistent with position {}, but these logs continue position {}: it is an older or newer copy",
        header.consistent, logged.consistent
    );
    JetError::rule(JetErr::ConsistentTimeMismatch, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{LogTime, PageSize};

    fn signature(random: u32) -> Signature {
        Signature {
            random,
            ..Signature::default()
        }
    }

    fn position(generation: u32) -> LogPosition {
        LogPosition {
            generation,
            sector: 1,
            byte: 0,
        }
    }

    fn header() -> DatabaseHeader {
        let mut header = DatabaseHeader::new(PageSize::Kib4, signature(1)).unwrap();
        header.state = DbState::DirtyShutdown;
        header.log_signature = signature(2);
        header.consistent = position(3);
        header.attach = position(4);
        header.attach_time = LogTime::default();
        header
    }

    fn logged() -> LoggedAttach {
        LoggedAttach {
            path: "C:\\a.edb".into(),
            dbid: 1,
            attach: position(4),
            consistent: position(3),
            signature: signature(1),
            log_signature: signature(2),
            dbtime: 0,
            from_list: false,
        }
    }

    fn verdict(header: &DatabaseHeader, logged: &LoggedAttach) -> JetResult<Verdict> {
        judge(header, logged, signature(2), logged.attach)
    }

    #[test]
    fn the_database_that_the_log_attached_is_replayed() {
        assert_eq!(
            verdict(&header(), &logged()).unwrap(),
            Verdict::Now { stamp: false }
        );
    }

    #[test]
    fn a_database_of_another_sequence_that_was_attached_and_shut_down_is_passed_over() {
        let mut ended = header();
        ended.state = DbState::CleanShutdown;
        ended.consistent = position(5);
        let mut from_foreign = logged();
        from_foreign.log_signature = signature(9);
        assert!(matches!(
            verdict(&ended, &from_foreign).unwrap(),
            Verdict::Defer(_)
        ));
    }

    #[test]
    fn a_header_that_was_not_yet_stamped_is_stamped() {
        let mut late = header();
        late.attach = position(2);
        assert_eq!(verdict(&late, &logged()).unwrap(), Verdict::Now { stamp: true });
        let mut foreign = header();
        foreign.log_signature = signature(9);
        let mut from_foreign = logged();
        from_foreign.log_signature = signature(9);
        assert_eq!(
            verdict(&foreign, &from_foreign).unwrap(),
            Verdict::Now { stamp: true }
        );
    }

    #[test]
    fn an_earlier_attachment_of_a_database_that_went_on_is_passed_over() {
        let mut later = header();
        later.consistent = position(7);
        assert!(matches!(verdict(&later, &logged()).unwrap(), Verdict::Defer(_)));
        let mut again = header();
        again.attach = position(5);
        assert!(matches!(verdict(&again, &logged()).unwrap(), Verdict::Defer(_)));
    }

    #[test]
    fn an_older_copy_of_the_database_is_refused() {
        let mut older = header();
        older.consistent = position(2);
        let error = verdict(&older, &logged()).unwrap_err();
        assert_eq!(error.code(), JetErr::ConsistentTimeMismatch);
    }

    #[test]
    fn a_list_that_attached_later_than_the_header_says_is_refused() {
        let mut early = header();
        early.attach = position(2);
        let mut listed = logged();
        listed.from_list = true;
        let error = verdict(&early, &listed).unwrap_err();
        assert_eq!(error.code(), JetErr::AttachedDatabaseMismatch);
    }
}
