//! DateTime columns: days since 1899-12-30 as a double, or, in many programs, a FILETIME
//! (database-file.md section 7.4).

use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::fmt;

/// The value of a DateTime column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateTime(u64);

/// FILETIMEs of the years 1829 to 2514: as doubles, they would be days so small (below 1e-280) that no program means them.
const FILETIMES: std::ops::Range<u64> = 0x0100_0000_0000_0000..0x0400_0000_0000_0000;
const MILLISECONDS_PER_DAY: i64 = 86_400_000;
/// 1899-12-30, in days since 1970-01-01.
const OLE_EPOCH_DAYS: i64 = -25_569;
/// 1601-01-01, in milliseconds since 1970-01-01.
const FILETIME_EPOCH: i64 = -11_644_473_600_000;

impl DateTime {
    /// The value with these eight bytes.
    pub fn from_bits(bits: u64) -> Self {
        DateTime(bits)
    }

    /// The eight bytes.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Days since 1899-12-30, as the type is meant.
    pub fn days(self) -> f64 {
        f64::from_bits(self.0)
    }

    /// The FILETIME (ticks of 100 ns since 1601) that a program stored instead, if it looks like one.
    pub fn filetime(self) -> Option<u64> {
        Some(self.0).filter(|bits| FILETIMES.contains(bits))
    }

    /// `2026-11-24T23:19:56.120`, without a zone, which the value does not have; `None` outside the years 0 to 9999.
    pub fn iso(self) -> Option<String> {
        let milliseconds = match self.filetime() {
            Some(ticks) => FILETIME_EPOCH.checked_add(i64::try_from(ticks / 10_000).ok()?)?,
            None => ole_milliseconds(self.days())?,
        };
        let days = milliseconds.div_euclid(MILLISECONDS_PER_DAY);
        let rest = milliseconds.rem_euclid(MILLISECONDS_PER_DAY);
        let (year, month, day) = civil(days);
        if !(0..=9999).contains(&year) {
            return None;
        }
        let (seconds, millisecond) = (rest / 1000, rest % 1000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        Some(format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}"
        ))
    }
}

/// Milliseconds since 1970. Before 1899-12-30 the fraction still counts forwards from midnight.
fn ole_milliseconds(days: f64) -> Option<i64> {
    if !days.is_finite() || days.abs() > 3_000_000.0 {
        return None;
    }
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the number was just found to be small"
    )]
    let (whole, fraction) = (
        days.trunc() as i64,
        (days.fract().abs() * 86_400_000.0).round() as i64,
    );
    Some((whole + OLE_EPOCH_DAYS) * MILLISECONDS_PER_DAY + fraction)
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar.
///
/// Counts in years that begin in March, so that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let days = days + 719_468;
    let era = days.div_euclid(DAYS_OF_400_YEARS);
    let day_of_era = days.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = 400 * era + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

impl fmt::Display for DateTime {
    /// The calendar form, or the number of days where there is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.iso() {
            Some(iso) => f.write_str(&iso),
            None => self.days().fmt(f),
        }
    }
}

impl Serialize for DateTime {
    /// `{"days": 44743.1, "iso": "2022-07-01T…"}`, or with `"filetime"` where it is one.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("DateTime", 2)?;
        match self.filetime() {
            Some(ticks) => fields.serialize_field("filetime", &ticks)?,
            None => fields.serialize_field("days", &self.days())?,
        }
        fields.serialize_field("iso", &self.iso())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use super::DateTime;

    fn days(days: f64) -> String {
        DateTime::from_bits(days.to_bits()).to_string()
    }

    #[test]
    fn days_since_1899_are_calendar_dates() {
        assert_eq!(days(0.0), "1899-12-30T00:00:00.000");
        assert_eq!(days(44743.5), "2022-07-01T12:00:00.000");
        assert_eq!(days(36585.25), "2000-02-29T06:00:00.000");
        assert_eq!(days(-1.25), "1899-12-29T06:00:00.000");
        assert_eq!(days(f64::NAN), "NaN");
        assert_eq!(days(1e300), format!("{}", 1e300));
    }

    #[test]
    fn a_filetime_is_recognised() {
        let value = DateTime::from_bits(132_909_607_776_760_833);
        assert_eq!(value.to_string(), "2022-03-05T13:32:57.676");
        let json = serde_json::to_string(&value).unwrap();
        assert_eq!(
            json,
            r#"{"filetime":132909607776760833,"iso":"2022-03-05T13:32:57.676"}"#
        );
    }
}
