//! What a file's name says that it is (log-and-recovery.md section 1.1).
//!
//! ```text
//! edb.log  edb.jtx            current log           edb00001.log  edb00000001.jtx   archived log
//! edbtmp.log                  next log              edbres00001.jrs                 reserve log
//! edb00001.jsl                shadow log            edb.chk  edb.jcp                checkpoint
//! name.pat                    patch file            name.jfm                        flush map
//! ```
//!
//! Names are compared without regard to case, as the engine's own file system does.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What a name says. Only the file's contents can confirm it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NameKind {
    /// A closed log and its generation.
    ArchivedLog { base: Base, generation: u32 },
    /// The log that is being written.
    CurrentLog { base: Base },
    /// The next log in preparation.
    TempLog { base: Base },
    /// A reserve log.
    ReserveLog { base: Base },
    /// The second copy of a log.
    ShadowLog { base: Base, generation: u32 },
    /// The checkpoint.
    Checkpoint { base: Base },
    /// A patch file.
    Patch,
    /// A flush map.
    FlushMap,
    /// Perhaps a database.
    Other {
        /// Whether the name is one that databases have.
        like_a_database: bool,
    },
}

/// The three characters that all files of a log sequence begin with, in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Base([u8; 3]);

impl Base {
    /// Whether it is this name, in any case.
    pub(crate) fn is(self, name: &str) -> bool {
        name.as_bytes().eq_ignore_ascii_case(&self.0)
    }

    fn parse(stem: &[u8]) -> Option<Self> {
        let base: [u8; 3] = stem.try_into().ok()?;
        base.iter().all(u8::is_ascii_graphic).then_some(Base(base))
    }
}

impl std::fmt::Display for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

const DATABASE_EXTENSIONS: [&[u8]; 5] = [b"edb", b"dit", b"mdb", b"sdb", b"stm"];
const DATABASE_NAMES: [&[u8]; 4] = [b"srudb.dat", b"webcachev01.dat", b"webcachev24.dat", b"qmgr.db"];

/// What `name` says.
pub(crate) fn kind_of(name: &OsStr) -> NameKind {
    let lower = name.as_bytes().to_ascii_lowercase();
    let other = NameKind::Other {
        like_a_database: is_like_a_database(&lower),
    };
    let Some((stem, extension)) = split(&lower) else {
        return other;
    };
    let known = match extension {
        b"log" | b"jtx" => log(stem),
        b"chk" | b"jcp" => Base::parse(stem).map(|base| NameKind::Checkpoint { base }),
        b"jrs" => reserve(stem),
        b"jsl" => numbered(stem).map(|(base, generation)| NameKind::ShadowLog { base, generation }),
        b"pat" => Some(NameKind::Patch),
        b"jfm" => Some(NameKind::FlushMap),
        _ => None,
    };
    known.unwrap_or(other)
}

fn log(stem: &[u8]) -> Option<NameKind> {
    if let Some(base) = Base::parse(stem) {
        return Some(NameKind::CurrentLog { base });
    }
    if let Some(base) = stem.strip_suffix(b"tmp").and_then(Base::parse) {
        return Some(NameKind::TempLog { base });
    }
    if let Some(base) = [b"res1", b"res2"].iter().find(|name| **name == stem) {
        return Base::parse(base.get(..3)?).map(|base| NameKind::ReserveLog { base });
    }
    numbered(stem).map(|(base, generation)| NameKind::ArchivedLog { base, generation })
}

fn reserve(stem: &[u8]) -> Option<NameKind> {
    let (base, rest) = stem.split_at_checked(3)?;
    let digits = rest.strip_prefix(b"res").filter(|digits| digits.len() == 5)?;
    hexadecimal(digits)?;
    Base::parse(base).map(|base| NameKind::ReserveLog { base })
}

/// A base and 5 or 8 hexadecimal digits.
fn numbered(stem: &[u8]) -> Option<(Base, u32)> {
    let (base, digits) = stem.split_at_checked(3)?;
    if ![5, 8].contains(&digits.len()) {
        return None;
    }
    Some((Base::parse(base)?, hexadecimal(digits)?))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn is_like_a_database(lower: &[u8]) -> bool {
    let extension = split(lower).map(|(_, extension)| extension);
    DATABASE_NAMES.contains(&lower)
        || extension.is_some_and(|extension| DATABASE_EXTENSIONS.contains(&extension))
}

fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    Some((name.get(..dot)?, name.get(dot + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &[u8; 3]) -> Base {
        Base(*text)
    }

    #[test]
    fn names_of_the_grammar_are_understood() {
        let edb = base(b"edb");
        let archived = |base, generation| NameKind::ArchivedLog { base, generation };
        let cases = [
            ("edb.log", NameKind::CurrentLog { base: edb }),
            ("V01.jtx", NameKind::CurrentLog { base: base(b"v01") }),
            ("edbtmp.log", NameKind::TempLog { base: edb }),
            ("edb0000A.log", archived(edb, 10)),
            ("E000000000a.LOG", archived(base(b"e00"), 10)),
            ("edbfffff.jtx", archived(edb, 0xF_FFFF)),
            ("edb7FFFF800.log", archived(edb, 0x7FFF_F800)),
            ("edbres00001.jrs", NameKind::ReserveLog { base: edb }),
            ("res1.log", NameKind::ReserveLog { base: base(b"res") }),
            (
                "edb00001.jsl",
                NameKind::ShadowLog {
                    base: edb,
                    generation: 1,
                },
            ),
            ("edb.chk", NameKind::Checkpoint { base: edb }),
            ("E00.jcp", NameKind::Checkpoint { base: base(b"e00") }),
            ("ntds.pat", NameKind::Patch),
            ("SRUDB.jfm", NameKind::FlushMap),
        ];
        for (name, kind) in cases {
            assert_eq!(kind_of(OsStr::new(name)), kind, "{name}");
        }
    }

    #[test]
    fn other_names_are_not_logs() {
        for name in [
            "edb0001.log",
            "edb000001.log",
            "edb000000001.log",
            "edb0000g.log",
            "ed.log",
            "edb1.log",
            "edb+0001.log",
            "res3.log",
            "edbres0001.jrs",
            "edbtmp",
            ".log",
            "",
            ".",
            "edb.chk.bak",
            "\u{e9}db.log",
        ] {
            assert_eq!(
                kind_of(OsStr::new(name)),
                NameKind::Other {
                    like_a_database: false
                },
                "{name}"
            );
        }
        let not_utf8 = OsStr::from_bytes(b"\xff\xfe\xfd00001.log");
        assert_eq!(
            kind_of(not_utf8),
            NameKind::Other {
                like_a_database: false
            }
        );
    }

    #[test]
    fn databases_have_names_by_which_they_are_known_when_damaged() {
        for name in ["ntds.dit", "priv1.EDB", "SRUDB.dat", "WebCacheV01.dat", "a.b.sdb"] {
            assert_eq!(
                kind_of(OsStr::new(name)),
                NameKind::Other {
                    like_a_database: true
                },
                "{name}"
            );
        }
    }
}
