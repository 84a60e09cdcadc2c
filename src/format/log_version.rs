//! Versions of log files, and which of them can be read (log-and-recovery.md section 2.5).

use super::error::{FormatError, Problem, Structure};
use std::fmt;

/// The version in a log header. Compares in the order in which versions came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogVersion {
    /// `ulMajor`: 7 or 8.
    pub major: u32,
    /// `ulMinor`: 3704 or 4000, frozen.
    pub minor: u32,
    /// `ulUpdateMajor`: changes that a reader must know.
    pub update_major: u32,
    /// `ulUpdateMinor`: changes that a reader may skip.
    pub update_minor: u32,
}

/// How the body of a log is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogBody {
    /// Major 7: `LRCHECKSUM` records in one stream over sectors (section 3.6).
    ChecksumRecords,
    /// Major 8: segments of 4096 bytes, each with its checksum (section 3.1).
    Segments,
}

impl LogVersion {
    /// The version that new logs get.
    pub const NEW_LOG: LogVersion = LogVersion {
        major: 8,
        minor: 4000,
        update_major: 5,
        update_minor: 16,
    };

    const NEWEST_UPDATE_7: u32 = 17;
    const NEWEST_UPDATE_8: u32 = 130;
    /// Since this update the header has the sum of the previous log's segments.
    const CHAINED_BY_CHECKSUM: u32 = 13;

    /// The body format, if the version can be read.
    ///
    /// # Errors
    /// `JET_errBadLogVersion`.
    pub fn body(self) -> Result<LogBody, FormatError> {
        match (self.major, self.minor) {
            (7, 3704) if self.update_major <= Self::NEWEST_UPDATE_7 => Ok(LogBody::ChecksumRecords),
            (8, 4000) if self.update_major <= Self::NEWEST_UPDATE_8 => Ok(LogBody::Segments),
            _ => Err(FormatError::new(
                Structure::LogHeader,
                32,
                Problem::Version {
                    found: self.to_string(),
                },
            )),
        }
    }

    /// Whether the header tells the sum of all segments of the generation before.
    pub fn is_chained_by_checksum(self) -> bool {
        self.major >= 8 && self.update_minor >= Self::CHAINED_BY_CHECKSUM
    }
}

impl fmt::Display for LogVersion {
    /// `8.4000.5.16`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}.{}",
            self.major, self.minor, self.update_major, self.update_minor
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_update_minor_is_read_but_an_unknown_update_major_is_not() {
        let mut version = LogVersion::NEW_LOG;
        version.update_minor = 9999;
        assert_eq!(version.body(), Ok(LogBody::Segments));
        version.update_major = 131;
        assert_eq!(
            version.body().unwrap_err().jet_err(),
            crate::JetErr::BadLogVersion
        );
    }
}
