//! Where replaying ends: `--until GENERATION|TIME`.

use super::log_chain::LogChain;
use crate::error::{JetError, JetResult};
use crate::format::LogTime;
use crate::io::{FileSystem, OpenMode};
use crate::store::log_reader::LogFile;
use std::str::FromStr;

/// The last that is to be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// This generation.
    Generation(u32),
    /// The last generation that was closed by this time, so that nothing later than it is replayed. The last log of all,
    /// whose end no other tells, counts from when its last segment was begun.
    Time(LogTime),
}

impl FromStr for Until {
    type Err = String;

    /// `31`, `0x1F`, `2026-11-24 23:19:56`, `2026-11-24T23:19:56.5Z`. Times are UTC, as in logs.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let generation = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        if let Ok(generation) = generation {
            return Ok(Until::Generation(generation));
        }
        let text = text.strip_suffix(" UTC").unwrap_or(text);
        let parse = humantime::parse_rfc3339_weak;
        let time = parse(text).or_else(|_| parse(&format!("{text}:00")));
        time.map(|time| Until::Time(LogTime::from(time))).map_err(|_| {
            "a generation (31, 0x1F) or a time in UTC (2026-11-24 23:19:56) is wanted".to_owned()
        })
    }
}

impl Until {
    /// The last generation of the chain that it lets through; 0 if none.
    ///
    /// # Errors
    /// The last log cannot be read.
    pub(super) fn last_in(self, chain: &LogChain, fs: &dyn FileSystem) -> JetResult<u32> {
        let time = match self {
            Until::Generation(generation) => return Ok(generation),
            Until::Time(time) => time.parts(),
        };
        let mut last = 0;
        for (generation, log) in &chain.logs {
            let closed = match chain.logs.get(&generation.saturating_add(1)) {
                Some(next) => next.header.create_time,
                None => last_time(fs, &log.place.path)?,
            };
            if closed.parts() <= time {
                last = *generation;
            }
        }
        Ok(last)
    }
}

fn last_time(fs: &dyn FileSystem, path: &std::path::Path) -> JetResult<LogTime> {
    let file = fs.open(path, OpenMode::ReadOnly);
    let file = file.map_err(|error| JetError::io("open", error).in_file(path))?;
    Ok(LogFile::load(file.as_ref(), path)?.last_time())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_decimal_or_hexadecimal_and_times_utc() {
        let time = |second, millisecond| {
            Ok(Until::Time(LogTime::utc(
                2026,
                11,
                24,
                23,
                19,
                second,
                millisecond,
            )))
        };
        for (text, expected) in [
            ("31", Ok(Until::Generation(31))),
            ("0x1F", Ok(Until::Generation(31))),
            ("2026-11-24 23:19:56", time(56, 0)),
            ("2026-11-24T23:19:56Z", time(56, 0)),
            ("2026-11-24 23:19", time(0, 0)),
            ("2026-11-24 23:19:56.120 UTC", time(56, 120)),
        ] {
            assert_eq!(Until::from_str(text), expected, "{text}");
        }
        for text in ["", "1F", "yesterday", "2026-13-01", "-1"] {
            assert!(Until::from_str(text).is_err(), "{text}");
        }
    }
}
