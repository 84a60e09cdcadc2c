//! Names of logs that are written (log-and-recovery.md section 1.1).

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// How many hexadecimal digits the names of archived logs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogDigits {
    /// 5, and 8 from generation 0x100000 on: what Windows does.
    FiveOrEight,
    /// Always 8: what Exchange does.
    Eight,
}

/// The names of one log sequence, in the spelling that its files have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogNaming {
    directory: PathBuf,
    base: String,
    extension: String,
    digits: LogDigits,
}

impl LogNaming {
    /// Names in `directory` of the sequence with this base (three characters) and extension (`log` or `jtx`).
    pub fn new(directory: &Path, base: &str, extension: &str, digits: LogDigits) -> Self {
        LogNaming {
            directory: directory.to_path_buf(),
            base: base.to_owned(),
            extension: extension.to_owned(),
            digits,
        }
    }

    /// The names of the sequence that these logs belong to; `None` if none of them has a log's name.
    ///
    /// Directory, base and extension are those of the last log. A name of eight digits where five would do tells that
    /// all have eight; where no name tells it, they have `digits`.
    pub fn of<'p>(logs: impl IntoIterator<Item = &'p Path>, mut digits: LogDigits) -> Option<Self> {
        let mut naming: Option<LogNaming> = None;
        for path in logs {
            let Some((base, number, extension)) = path.file_name().and_then(parts) else {
                continue;
            };
            let small = u32::from_str_radix(number, 16).is_ok_and(|generation| generation <= MOST_OF_FIVE);
            match number.len() {
                8 if small => digits = LogDigits::Eight,
                5 => digits = LogDigits::FiveOrEight,
                _ => {}
            }
            naming = Some(LogNaming::new(path.parent()?, base, extension, digits));
        }
        naming.map(|naming| LogNaming { digits, ..naming })
    }

    /// The same names in another directory.
    #[must_use]
    pub fn in_directory(self, directory: &Path) -> Self {
        LogNaming {
            directory: directory.to_path_buf(),
            ..self
        }
    }

    /// How generations are written.
    pub fn digits(&self) -> LogDigits {
        self.digits
    }

    /// The directory of the logs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The log that is being written.
    pub fn current(&self) -> PathBuf {
        self.path("")
    }

    /// The log in preparation.
    pub fn temporary(&self) -> PathBuf {
        self.path("tmp")
    }

    /// A closed log.
    pub fn archived(&self, generation: u32) -> PathBuf {
        let number = match self.digits {
            LogDigits::FiveOrEight if generation <= MOST_OF_FIVE => format!("{generation:05X}"),
            LogDigits::FiveOrEight | LogDigits::Eight => format!("{generation:08X}"),
        };
        self.path(&number)
    }

    /// A log that is kept for a full disk; they are numbered from 1.
    pub fn reserve(&self, number: u32) -> PathBuf {
        self.directory.join(format!("{}res{number:05X}.jrs", self.base))
    }

    /// Whether `path` has the name of the log that is being written.
    pub fn is_current(&self, path: &Path) -> bool {
        let current = self.current();
        path.file_name()
            .zip(current.file_name())
            .is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
    }

    fn path(&self, middle: &str) -> PathBuf {
        self.directory
            .join(format!("{}{middle}.{}", self.base, self.extension))
    }
}

/// The last generation that five digits can say.
const MOST_OF_FIVE: u32 = 0xF_FFFF;

/// Base, digits (none of a current log) and extension of a log's name.
fn parts(name: &OsStr) -> Option<(&str, &str, &str)> {
    let (stem, extension) = name.to_str()?.rsplit_once('.')?;
    let (base, number) = stem.split_at_checked(3)?;
    let is_log = extension.eq_ignore_ascii_case("log") || extension.eq_ignore_ascii_case("jtx");
    let is_number = number.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_log && is_number && [0, 5, 8].contains(&number.len())).then_some((base, number, extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> LogNaming {
        let paths: Vec<PathBuf> = names.iter().map(|name| Path::new("/d").join(name)).collect();
        LogNaming::of(paths.iter().map(PathBuf::as_path), LogDigits::FiveOrEight).unwrap()
    }

    #[test]
    fn new_names_are_spelled_as_those_that_are_there() {
        let windows = of(&["SRU0000A.log", "SRU.log"]);
        assert_eq!(windows.current(), Path::new("/d/SRU.log"));
        assert_eq!(windows.temporary(), Path::new("/d/SRUtmp.log"));
        assert_eq!(windows.archived(0x1B), Path::new("/d/SRU0001B.log"));
        assert_eq!(windows.archived(0x10_0000), Path::new("/d/SRU00100000.log"));
        let exchange = of(&["E0000000001.log", "E00.log"]);
        assert_eq!(exchange.archived(2), Path::new("/d/E0000000002.log"));
        let renamed = of(&["edb.jtx"]);
        assert_eq!(renamed.archived(1), Path::new("/d/edb00001.jtx"));
    }

    #[test]
    fn a_high_generation_does_not_tell_how_many_digits_a_low_one_has() {
        let naming = of(&["edb000FFFFF.log".get(..14).unwrap(), "edb00100000.log"]);
        assert_eq!(naming.archived(7), Path::new("/d/edb00007.log"));
    }

    #[test]
    fn where_no_name_tells_the_digits_are_those_that_were_asked_for() {
        for (digits, name) in [
            (LogDigits::Eight, "edb00000001.log"),
            (LogDigits::FiveOrEight, "edb00001.log"),
        ] {
            let naming = LogNaming::of([Path::new("/d/edb.log")], digits).unwrap();
            assert_eq!(naming.archived(1), Path::new("/d").join(name));
        }
    }

    #[test]
    fn the_current_log_is_known_by_its_name() {
        let naming = of(&["edb00001.log"]);
        assert!(naming.is_current(Path::new("/elsewhere/EDB.LOG")));
        assert!(!naming.is_current(Path::new("/d/edb00001.log")));
        assert_eq!(
            LogNaming::of([Path::new("/d/edbtmp.log")], LogDigits::FiveOrEight),
            None
        );
    }
}
