//! Small values that all files share: LOGTIME, SIGNATURE, LGPOS, BKINFO, file types
//! (database-file.md section 1.1, log-and-recovery.md section 0).

use super::bytes::{Fields, put};
use super::error::FormatError;
use std::fmt;
use std::time::SystemTime;

/// `LOGTIME`: a calendar time to the millisecond. All zero means "not set".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct LogTime([u8; 8]);

impl LogTime {
    /// Bytes in a file.
    pub const LEN: usize = 8;

    /// A UTC time. `year` is the full year; values outside their ranges make [`LogTime::is_valid`] false.
    #[allow(clippy::too_many_arguments)]
    pub fn utc(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8, millisecond: u16) -> Self {
        let millisecond = millisecond.min(999);
        let [low, _] = ((millisecond & 0x7f) << 1).to_le_bytes();
        let [high, _] = ((millisecond >> 7) << 1).to_le_bytes();
        let year = u8::try_from(year.saturating_sub(1900)).unwrap_or(u8::MAX);
        LogTime([second, minute, hour, day, month, year, low | 1, high])
    }

    /// Reads the field at `offset`.
    pub fn read(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        fields.array(offset).map(LogTime)
    }

    /// The eight bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    /// Whether two times are the same to the second, whatever their milliseconds and flags.
    pub fn is_same_second(self, other: LogTime) -> bool {
        self.0.first_chunk::<6>() == other.0.first_chunk::<6>()
    }

    /// Whether a time is set at all.
    pub fn is_set(self) -> bool {
        self.0 != [0; 8]
    }

    /// Whether every part is within its calendar range.
    pub fn is_valid(self) -> bool {
        let [second, minute, hour, day, month, ..] = self.0;
        second < 60
            && minute < 60
            && hour < 24
            && (1..=31).contains(&day)
            && (1..=12).contains(&month)
            && self.millisecond() < 1000
    }

    /// Whether the time is UTC (else the local time of the machine that wrote it).
    pub fn is_utc(self) -> bool {
        let [.., flags, _] = self.0;
        flags & 1 != 0
    }

    /// Milliseconds, 0 in old formats.
    pub fn millisecond(self) -> u16 {
        let [.., low, high] = self.0;
        u16::from(low >> 1) | u16::from(high >> 1 & 7) << 7
    }

    /// Year, month, day, hour, minute, second and millisecond: compares in the order of time, whatever the flags.
    pub fn parts(self) -> [u16; 7] {
        let [second, minute, hour, day, month, ..] = self.0.map(u16::from);
        [self.year(), month, day, hour, minute, second, self.millisecond()]
    }

    /// The full year.
    pub fn year(self) -> u16 {
        let [_, _, _, _, _, year, ..] = self.0;
        1900 + u16::from(year)
    }
}

impl From<SystemTime> for LogTime {
    /// The time in UTC; times before 1970 become 1970, times that the year's byte cannot say its last year.
    fn from(time: SystemTime) -> Self {
        let since_1970 = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let seconds = since_1970.as_secs();
        let part = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
        let (year, month, day) = civil(seconds / 86_400);
        let millisecond = u16::try_from(since_1970.subsec_millis()).unwrap_or(0);
        let (hour, minute) = (part(seconds / 3600 % 24), part(seconds / 60 % 60));
        LogTime::utc(year, month, day, hour, minute, part(seconds % 60), millisecond)
    }
}

/// Year, month and day of a count of days since 1970-01-01, in the Gregorian calendar. Years begin in March here, so
/// that the leap day is the last of its year.
fn civil(days_since_1970: u64) -> (u16, u8, u8) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    const DAYS_FROM_0000_03_01: u64 = 719_468;
    let days = days_since_1970.saturating_add(DAYS_FROM_0000_03_01);
    let (era, day_of_era) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let leap_days = |day: u64| day / 1460 + day / 146_096 - day / 36_524;
    let year_of_era = (day_of_era - leap_days(day_of_era)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, carry) = if month_from_march < 10 {
        (month_from_march + 3, 0)
    } else {
        (month_from_march - 9, 1)
    };
    let year = era * 400 + year_of_era + carry;
    let small = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
    (u16::try_from(year).unwrap_or(u16::MAX), small(month), small(day))
}

impl fmt::Display for LogTime {
    /// `2026-11-24 23:19:56.120 UTC`, without a zone when it is not known to be UTC; `-` when not set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_set() {
            return f.write_str("-");
        }
        let [second, minute, hour, day, month, ..] = self.0;
        write!(
            f,
            "{:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03}{}",
            self.year(),
            self.millisecond(),
            if self.is_utc() { " UTC" } else { "" }
        )
    }
}

/// `SIGNATURE`: identity of a database or of a log sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Signature {
    /// `ulRandom`.
    pub random: u32,
    /// `logtimeCreate`.
    pub create: LogTime,
    /// `szComputerName`, NUL padded; all zero since Windows 8.
    pub computer: [u8; 16],
}

impl Signature {
    /// Bytes in a file.
    pub const LEN: usize = 28;

    /// Reads the field at `offset`.
    pub fn read(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        Ok(Signature {
            random: fields.u32(offset)?,
            create: LogTime::read(fields, offset + 4)?,
            computer: fields.array(offset + 12)?,
        })
    }

    /// The bytes of the field.
    pub fn to_bytes(self) -> [u8; 28] {
        let mut bytes = [0; 28];
        put(&mut bytes, 0, &self.random.to_le_bytes());
        put(&mut bytes, 4, &self.create.to_bytes());
        put(&mut bytes, 12, &self.computer);
        bytes
    }

    /// Whether there is a signature at all.
    pub fn is_set(&self) -> bool {
        *self != Signature::default()
    }
}

impl fmt::Display for Signature {
    /// `random:1a2b3c4d create:2026-11-24 23:19:56.120 UTC`, or `-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_set() {
            write!(f, "random:{:08x} create:{}", self.random, self.create)
        } else {
            f.write_str("-")
        }
    }
}

/// `LGPOS`: a position in the log. Compares in log order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct LogPosition {
    /// `lGeneration`: the log file.
    pub generation: u32,
    /// `isec`: the segment or sector, the header included.
    pub sector: u16,
    /// `ib`: the byte in the sector; 0, not 40, for the first record of a segment.
    pub byte: u16,
}

impl LogPosition {
    /// Bytes in a file.
    pub const LEN: usize = 8;

    /// Reads the field at `offset`.
    pub fn read(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        Ok(LogPosition {
            byte: fields.u16(offset)?,
            sector: fields.u16(offset + 2)?,
            generation: fields.u32(offset + 4)?,
        })
    }

    /// The bytes of the field.
    pub fn to_bytes(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        put(&mut bytes, 0, &self.byte.to_le_bytes());
        put(&mut bytes, 2, &self.sector.to_le_bytes());
        put(&mut bytes, 4, &self.generation.to_le_bytes());
        bytes
    }

    /// One number that compares as the position does.
    pub fn pack(self) -> u64 {
        u64::from_le_bytes(self.to_bytes())
    }

    /// The position of a number from [`pack`](Self::pack).
    pub fn unpack(number: u64) -> Self {
        let [b0, b1, s0, s1, generation @ ..] = number.to_le_bytes();
        LogPosition {
            generation: u32::from_le_bytes(generation),
            sector: u16::from_le_bytes([s0, s1]),
            byte: u16::from_le_bytes([b0, b1]),
        }
    }

    /// Whether a position is set at all.
    pub fn is_set(self) -> bool {
        self != LogPosition::default()
    }
}

impl fmt::Display for LogPosition {
    /// `(generation, sector, byte)` in hex, as the genuine tools print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:X},{:X},{:X})", self.generation, self.sector, self.byte)
    }
}

/// `BKINFO`: a backup as a database header remembers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct BackupInfo {
    /// `lgposMark`: the log tip when the backup began.
    pub mark: LogPosition,
    /// `logtimeMark`: when it began.
    pub time: LogTime,
    /// `genLow`: first log generation of the backup.
    pub generation_low: u32,
    /// `genHigh`: last log generation, inclusive.
    pub generation_high: u32,
}

impl BackupInfo {
    /// Bytes in a file.
    pub const LEN: usize = 24;

    /// Reads the field at `offset`.
    pub fn read(fields: &Fields<'_>, offset: usize) -> Result<Self, FormatError> {
        Ok(BackupInfo {
            mark: LogPosition::read(fields, offset)?,
            time: LogTime::read(fields, offset + 8)?,
            generation_low: fields.u32(offset + 16)?,
            generation_high: fields.u32(offset + 20)?,
        })
    }

    /// The bytes of the field.
    pub fn to_bytes(self) -> [u8; 24] {
        let mut bytes = [0; 24];
        put(&mut bytes, 0, &self.mark.to_bytes());
        put(&mut bytes, 8, &self.time.to_bytes());
        put(&mut bytes, 16, &self.generation_low.to_le_bytes());
        put(&mut bytes, 20, &self.generation_high.to_le_bytes());
        bytes
    }

    /// Whether a backup is recorded at all.
    pub fn is_set(&self) -> bool {
        *self != BackupInfo::default()
    }
}

/// `BKINFOTYPE`: how a recorded backup was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum BackupType {
    /// 0: streaming.
    #[default]
    Normal,
    /// 1: a snapshot of the operating system.
    OsSnapshot,
    /// 2: never shipped.
    Snapshot,
    /// 3: of a replica; only in logs.
    Surrogate,
    /// A number that the format does not name.
    Unknown(u32),
}

impl From<u32> for BackupType {
    fn from(value: u32) -> Self {
        match value {
            0 => BackupType::Normal,
            1 => BackupType::OsSnapshot,
            2 => BackupType::Snapshot,
            3 => BackupType::Surrogate,
            other => BackupType::Unknown(other),
        }
    }
}

impl BackupType {
    /// The number in the file.
    pub const fn number(self) -> u32 {
        match self {
            BackupType::Normal => 0,
            BackupType::OsSnapshot => 1,
            BackupType::Snapshot => 2,
            BackupType::Surrogate => 3,
            BackupType::Unknown(number) => number,
        }
    }
}

/// The file type that every ESE header carries at offset 667 (database-file.md section 1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileType {
    /// 0: files older than the field.
    Unknown,
    /// 1: database.
    Database,
    /// 3: log.
    Log,
    /// 4: checkpoint.
    Checkpoint,
    /// 5: temporary database.
    TempDatabase,
    /// 7: flush map.
    FlushMap,
    /// Anything else.
    Other(u32),
}

impl FileType {
    /// Where the field stands in every header.
    pub const OFFSET: usize = 667;

    /// Reads the field of a header.
    pub fn read(fields: &Fields<'_>) -> Result<Self, FormatError> {
        fields.u32(Self::OFFSET).map(FileType::from)
    }

    /// The number in the file.
    pub const fn number(self) -> u32 {
        match self {
            FileType::Unknown => 0,
            FileType::Database => 1,
            FileType::Log => 3,
            FileType::Checkpoint => 4,
            FileType::TempDatabase => 5,
            FileType::FlushMap => 7,
            FileType::Other(number) => number,
        }
    }
}

impl From<u32> for FileType {
    fn from(number: u32) -> Self {
        match number {
            0 => FileType::Unknown,
            1 => FileType::Database,
            3 => FileType::Log,
            4 => FileType::Checkpoint,
            5 => FileType::TempDatabase,
            7 => FileType::FlushMap,
            other => FileType::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Structure;

    #[test]
    fn a_log_time_survives_the_way_to_bytes_and_back() {
        let time = LogTime::utc(2026, 11, 24, 23, 19, 56, 987);
        assert_eq!(time.to_string(), "2026-11-24 23:19:56.987 UTC");
        assert!(time.is_valid() && time.is_utc());
        let bytes = time.to_bytes();
        assert_eq!(
            LogTime::read(&Fields::new(Structure::LogHeader, &bytes), 0).unwrap(),
            time
        );
    }

    #[test]
    fn the_clock_becomes_a_calendar_time() {
        use std::time::Duration;
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00.000 UTC"),
            (951_782_399, "2000-02-28 23:59:59.000 UTC"),
            (951_782_400, "2000-02-29 00:00:00.000 UTC"),
            (951_868_800, "2000-03-01 00:00:00.000 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59.000 UTC"),
            (1_795_562_396, "2026-11-24 23:19:56.000 UTC"),
        ] {
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(LogTime::from(time).to_string(), text);
        }
    }

    #[test]
    fn log_positions_compare_generation_first() {
        let early = LogPosition {
            generation: 1,
            sector: 9,
            byte: 9,
        };
        let late = LogPosition {
            generation: 2,
            sector: 0,
            byte: 0,
        };
        assert!(early < late);
        let bytes = early.to_bytes();
        assert_eq!(
            LogPosition::read(&Fields::new(Structure::LogHeader, &bytes), 0).unwrap(),
            early
        );
    }
}
