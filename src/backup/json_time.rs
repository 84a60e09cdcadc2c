//! Times in JSON: RFC 3339 in UTC with nanoseconds, `2026-11-24T23:19:56.123456789Z`.
//!
//! Times before 1970 are written as 1970, because no file of an instance can be that old.

use serde::{Deserialize, Deserializer, Serializer};
use std::time::{Duration, SystemTime};

/// The last second that the form can write, end of the year 9999, in seconds since 1970.
const LAST: u64 = 253_402_300_799;

/// The text of a time.
pub fn to_text(time: SystemTime) -> String {
    let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let shown = SystemTime::UNIX_EPOCH + since_1970.min(Duration::from_secs(LAST));
    humantime::format_rfc3339_nanos(shown).to_string()
}

/// For `#[serde(with = "json_time")]`.
pub fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&to_text(*time))
}

/// For `#[serde(with = "json_time")]`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_rfc3339(&text).map_err(serde::de::Error::custom)
}

/// Times that may be unknown, for `#[serde(with = "json_time::option")]`.
pub mod option {
    use super::SystemTime;
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    struct Text(#[serde(with = "super")] SystemTime);

    /// `null` if unknown.
    pub fn serialize<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => super::serialize(time, serializer),
            None => serializer.serialize_none(),
        }
    }

    /// `null` if unknown.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
        Ok(Option::<Text>::deserialize(deserializer)?.map(|Text(time)| time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_to_the_nanosecond() {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_764_026_396, 123_456_789);
        assert_eq!(to_text(time), "2025-11-24T23:19:56.123456789Z");
        assert_eq!(humantime::parse_rfc3339(&to_text(time)).unwrap(), time);
    }

    #[test]
    fn times_that_cannot_be_written_become_the_nearest_that_can() {
        assert_eq!(
            to_text(SystemTime::UNIX_EPOCH - Duration::from_secs(1)),
            "1970-01-01T00:00:00.000000000Z"
        );
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(LAST + 10);
        assert_eq!(to_text(far), "9999-12-31T23:59:59.000000000Z");
    }
}
