//! Starts and ends of the engine, fillers, notes (log-and-recovery.md sections 4.2 and 4.7).

use super::shape::{Field, put_length, record};
use super::value::{FieldValue, PageNumbers, Sink};
use crate::format::FormatError;
use crate::format::bytes::{Fields, put};
use crate::format::dbms_param::DbmsParam;
use crate::format::primitive::{LogPosition, LogTime};

record! {
    /// A record of one byte: `NOP`, `End`, `RecoveryUndo`, `ShutDownMark`.
    pub struct Marker is 1 {}
}

/// `DBMS_PARAM` as it stands in a record: [`DbmsParam`] reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParamBytes<'a>(pub &'a [u8]);

impl<'a> Field<'a> for ParamBytes<'a> {
    fn load(fields: &Fields<'a>, offset: usize) -> Result<Self, FormatError> {
        fields.slice(offset, DbmsParam::LEN).map(ParamBytes)
    }

    fn store(&self, record: &mut [u8], offset: usize) -> Result<(), FormatError> {
        if self.0.len() > DbmsParam::LEN {
            return Err(put_length::too_long(offset, self.0.len()));
        }
        put(record, offset, self.0);
        Ok(())
    }

    fn visit(&self, _: &'static str, sink: Sink<'_, 'a>) {
        let text = |from: usize| {
            let path = self.0.get(from..from + 261).unwrap_or_default();
            let path = path.iter().take_while(|byte| **byte != 0);
            FieldValue::Text(path.copied().map(char::from).collect())
        };
        sink("system_path", text(0));
        sink("log_path", text(261));
    }
}

record! {
    /// `Init`: the engine starts (old form).
    pub struct Init<'a> is 568 {
        /// `dbms_param`.
        1 dbms_param: ParamBytes<'a>,
    }
    tail {}
}

record! {
    /// `Init2`: the engine starts. All sessions of before are gone.
    pub struct Init2<'a> is 576 {
        /// `dbms_param`.
        1 dbms_param: ParamBytes<'a>,
        /// When.
        568 time: LogTime,
    }
    tail {}
}

record! {
    /// `Term`, `RecoveryQuit`: the engine or a recovery ended (old form).
    pub struct Term is 18 {
        /// Where what ends here began.
        1 start: LogPosition,
        /// `lgposRedoFrom`.
        9 redo_from: LogPosition,
        /// `fHard`: a hard recovery.
        17 hard: u8,
    }
}

record! {
    /// `Term2`, `RecoveryQuit2`, `RecoveryQuitKeepAttachments`: the engine or a recovery ended.
    pub struct Term2 is 26 {
        /// Where what ends here began: the position of `Init2` or of `RecoveryUndo2`.
        1 start: LogPosition,
        /// `lgposRedoFrom`.
        9 redo_from: LogPosition,
        /// `fHard`: a hard recovery.
        17 hard: u8,
        /// When.
        18 time: LogTime,
    }
}

record! {
    /// `RecoveryUndo2`: redo is done, undo begins.
    pub struct RecoveryUndo2 is 9 {
        /// When.
        1 time: LogTime,
    }
}

record! {
    /// `MS`: ancient.
    pub struct MultipleSector is 9 {
        /// `ibForwardLink`.
        1 byte_forward: u16,
        /// `ulCheckSum`.
        3 checksum: u32,
        /// `isecForwardLink`.
        7 sector_forward: u16,
    }
}

record! {
    /// `LRCHECKSUM`: framing of version 7 (section 3.6).
    pub struct Checksum is 22 {
        /// `cbBackwards`.
        1 backwards: u32,
        /// `cbForwards`.
        5 forwards: u32,
        /// `cbNext`.
        9 next: u32,
        /// `ulChecksum`.
        13 checksum: u32,
        /// `ulShortChecksum`.
        17 short_checksum: u32,
        /// `bUseShortChecksum`.
        21 use_short: u8,
    }
}

record! {
    /// `JetOp`: a call of the interface; only debug builds.
    pub struct JetOp is 4 {
        /// `procid`.
        1 session: u16,
        /// `op`.
        3 operation: u8,
    }
}

/// Text of the writer's code page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedText<'a>(pub &'a [u8]);

impl<'a> super::shape::Tail<'a> for LoggedText<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        LoggedText(bytes)
    }

    fn bytes(&self) -> &'a [u8] {
        self.0
    }

    fn visit(&self, name: &'static str, sink: Sink<'_, 'a>) {
        let text = String::from_utf8_lossy(self.0);
        sink(name, FieldValue::Text(text.trim_end_matches('\0').to_owned()));
    }
}

record! {
    /// `Trace`, `ForceLogRollover`: a note of a session.
    pub struct Trace<'a> is 5 {
        /// `procid`.
        1 session: u16,
    }
    tail {
        /// The note.
        text: LoggedText<'a> = u16 @ 3,
    }
}

record! {
    /// `ForceWriteLog`.
    pub struct ForceWriteLog is 3 {
        /// `procid`.
        1 session: u16,
    }
}

record! {
    /// `MacroInfo`: the pages that the macro before it changed, in database 1.
    pub struct MacroInfo<'a> skippable 5 {}
    rest
        /// The pages.
        pages: PageNumbers<'a>
}

record! {
    /// `MacroInfo2`: the pages that the macro before it changed.
    pub struct MacroInfo2<'a> skippable 10 {
        /// `dbid`.
        5 database: u8,
        /// How many pages.
        6 count: u32,
    }
    rest
        /// The pages.
        pages: PageNumbers<'a>
}

record! {
    /// `CommitCtx`: what the application said when it committed.
    pub struct CommitContext<'a> skippable 7 {
        /// `procid`.
        5 session: u16,
    }
    rest
        /// What it said; from 8.4000.5.2 on the first byte is flags (1 callback, 2 customer data, 4 before the commit).
        context: &'a [u8]
}

record! {
    /// `NOP2` and types that a reader may skip.
    pub struct Skipped<'a> skippable 5 {}
    rest
        /// Its bytes.
        bytes: &'a [u8]
}
