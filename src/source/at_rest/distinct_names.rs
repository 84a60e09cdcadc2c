//! Distinct names for files of the same name from different directories: `ntds.dit`, `ntds-2.dit`, … in the order in
//! which they were found.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Names given so far.
#[derive(Debug, Default)]
pub(in crate::source) struct DistinctNames(BTreeSet<OsString>);

impl DistinctNames {
    /// Names that jetfs itself shows at the top of a mount.
    pub(in crate::source) fn reserving(names: &[&str]) -> Self {
        DistinctNames(names.iter().map(OsString::from).collect())
    }

    /// `name`, or the first variant of it that is free.
    pub(in crate::source) fn give(&mut self, name: &OsStr) -> OsString {
        let mut number = 1u64;
        loop {
            let candidate = if number == 1 {
                name.to_os_string()
            } else {
                numbered(name, number)
            };
            if self.0.insert(candidate.clone()) {
                return candidate;
            }
            number += 1;
        }
    }
}

fn numbered(name: &OsStr, number: u64) -> OsString {
    let bytes = name.as_bytes();
    // A leading dot begins a name, not an extension.
    let dot = bytes.iter().rposition(|byte| *byte == b'.').filter(|at| *at > 0);
    let (stem, extension) = bytes
        .split_at_checked(dot.unwrap_or(bytes.len()))
        .unwrap_or((bytes, b""));
    let text = [stem, format!("-{number}").as_bytes(), extension].concat();
    OsStr::from_bytes(&text).to_os_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_of_a_name_keeps_its_extension() {
        let mut names = DistinctNames::reserving(&["backup.json"]);
        for (name, given) in [
            ("ntds.dit", "ntds.dit"),
            ("ntds.dit", "ntds-2.dit"),
            ("NTDS.DIT", "NTDS.DIT"),
            ("ntds.dit", "ntds-3.dit"),
            ("ntds-2.dit", "ntds-2-2.dit"),
            ("noext", "noext"),
            ("noext", "noext-2"),
            (".edb", ".edb"),
            (".edb", ".edb-2"),
            ("backup.json", "backup-2.json"),
        ] {
            assert_eq!(names.give(OsStr::new(name)), given);
        }
    }

    #[test]
    fn names_need_not_be_utf_8() {
        let mut names = DistinctNames::default();
        let name = OsStr::from_bytes(b"\xff.edb");
        names.give(name);
        assert_eq!(names.give(name).as_bytes(), b"\xff-2.edb");
    }
}
