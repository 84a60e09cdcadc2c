//! What a verification found: per file, for the set, and the verdict.

use super::deep::DeepReport;
use crate::backup::{FileRole, JsonName};
use crate::error::JetErr;
use serde::{Serialize, Serializer};

/// Damaged places that a file's report names; the rest is only counted.
pub const DAMAGE_MOST: usize = 100;

/// The result in one word, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every checksum is right, and nothing is missing.
    Good,
    /// What is there is right, but something is missing or does not belong there.
    Incomplete,
    /// Something is damaged.
    Damaged,
}

/// The whole result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// The result in one word.
    pub verdict: Verdict,
    /// Every file that belongs to the set, in the order of the set.
    pub files: Vec<FileReport>,
    /// What is wrong with the set as a whole.
    pub problems: Vec<SetProblem>,
    /// What the user may want to know beside.
    pub notes: Vec<String>,
}

/// What a file's checks count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Pages of a database or flush map.
    Pages,
    /// Segments of a log.
    Segments,
    /// Checksum ranges of a log of version 7.
    Ranges,
    /// Copies of a checkpoint.
    Copies,
    /// Nothing: the file has no checksums.
    Nothing,
}

/// What was found in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileReport {
    /// Its name in the set.
    pub name: JsonName,
    /// Where it lies.
    pub path: JsonName,
    /// What it is.
    #[serde(flatten)]
    pub role: FileRole,
    /// Bytes.
    pub len: u64,
    /// What `checked` and the other numbers count.
    pub unit: Unit,
    /// Checksums that were compared, the wrong ones included.
    pub checked: u64,
    /// All zero: never written, which is no damage.
    pub empty: u64,
    /// Not judged, because they are not owned: what they hold does not matter.
    pub unowned: u64,
    /// One bit is wrong and is put right by every reader.
    pub repairable: u64,
    /// More is wrong.
    pub damaged: u64,
    /// The first damaged places, repairable ones included.
    pub damage: Vec<Damage>,
    /// What the user may want to know beside.
    pub notes: Vec<String>,
    /// Whether everything in it fits together, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deep: Option<DeepReport>,
}

/// A damaged place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Its offset in the file.
    pub offset: u64,
    /// The page, in a database; 0 is the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Whether readers put it right.
    pub repairable: bool,
    /// What it means.
    #[serde(serialize_with = "code_name")]
    pub code: JetErr,
    /// In words.
    pub what: String,
}

/// In which way a set is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// Something that belongs to the set is not there.
    Missing,
    /// Something is there that belongs to another set.
    Foreign,
    /// Files contradict each other.
    Damaged,
}

/// Something that is wrong with the set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetProblem {
    /// In which way.
    pub kind: ProblemKind,
    /// The file that it is about.
    pub file: Option<JsonName>,
    /// What it means.
    #[serde(serialize_with = "code_name")]
    pub code: JetErr,
    /// In words.
    pub what: String,
}

fn code_name<S: Serializer>(code: &JetErr, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.name())
}

impl FileReport {
    /// A report of a file of which nothing was checked yet.
    pub fn new(name: JsonName, path: JsonName, role: FileRole, len: u64) -> Self {
        FileReport {
            name,
            path,
            role,
            len,
            unit: Unit::Nothing,
            checked: 0,
            empty: 0,
            unowned: 0,
            repairable: 0,
            damaged: 0,
            damage: Vec::new(),
            notes: Vec::new(),
            deep: None,
        }
    }

    /// Counts a damaged place, and keeps it if there is room.
    pub(super) fn add(&mut self, damage: Damage) {
        if damage.repairable {
            self.repairable += 1;
        } else {
            self.damaged += 1;
        }
        if self.damage.len() < DAMAGE_MOST {
            self.damage.push(damage);
        }
    }

    /// Adds what another thread found in another part of the same file.
    pub(super) fn merge(&mut self, part: FileReport) {
        self.checked += part.checked;
        self.empty += part.empty;
        self.unowned += part.unowned;
        self.repairable += part.repairable;
        self.damaged += part.damaged;
        self.damage.extend(part.damage);
        self.damage.sort_by_key(|damage| damage.offset);
        self.damage.truncate(DAMAGE_MOST);
        self.notes.extend(part.notes);
        self.deep = part.deep.or(self.deep.take());
    }

    /// Whether damage in it matters: without the other files recovery and engine do as well.
    pub fn is_essential(&self) -> bool {
        match self.role {
            FileRole::Database | FileRole::ArchivedLog { .. } | FileRole::CurrentLog { .. } => true,
            FileRole::Patch
            | FileRole::TempLog
            | FileRole::ReserveLog
            | FileRole::ShadowLog
            | FileRole::Checkpoint
            | FileRole::FlushMap => false,
        }
    }

    /// Whether something in it is wrong.
    pub fn is_damaged(&self) -> bool {
        self.damaged > 0 || self.repairable > 0 || self.deep.as_ref().is_some_and(|deep| deep.damage > 0)
    }
}

impl VerifyReport {
    /// The report with its verdict.
    pub(super) fn new(files: Vec<FileReport>, problems: Vec<SetProblem>, notes: Vec<String>) -> Self {
        let of_files = files
            .iter()
            .filter(|file| file.is_essential() && file.is_damaged());
        let of_set = problems.iter().map(|problem| match problem.kind {
            ProblemKind::Missing | ProblemKind::Foreign => Verdict::Incomplete,
            ProblemKind::Damaged => Verdict::Damaged,
        });
        let worst = of_files.map(|_| Verdict::Damaged).chain(of_set).max();
        VerifyReport {
            verdict: worst.unwrap_or(Verdict::Good),
            files,
            problems,
            notes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(role: FileRole) -> FileReport {
        FileReport::new(JsonName("a".into()), JsonName("/a".into()), role, 4096)
    }

    fn damage(offset: u64, repairable: bool) -> Damage {
        Damage {
            offset,
            page: None,
            repairable,
            code: JetErr::ReadVerifyFailure,
            what: "checksum".into(),
        }
    }

    #[test]
    fn the_worst_thing_found_is_the_verdict() {
        let missing = SetProblem {
            kind: ProblemKind::Missing,
            file: None,
            code: JetErr::MissingLogFile,
            what: "generation 5".into(),
        };
        let mut database = file(FileRole::Database);
        let verdict = |file: &FileReport, problems: &[SetProblem]| {
            VerifyReport::new(vec![file.clone()], problems.to_vec(), Vec::new()).verdict
        };
        assert_eq!(verdict(&database, &[]), Verdict::Good);
        assert_eq!(
            verdict(&database, std::slice::from_ref(&missing)),
            Verdict::Incomplete
        );
        database.add(damage(0, true));
        assert_eq!(verdict(&database, &[missing]), Verdict::Damaged);
    }

    #[test]
    fn damage_that_recovery_does_not_mind_is_reported_but_does_not_decide() {
        let mut checkpoint = file(FileRole::Checkpoint);
        checkpoint.add(damage(0, false));
        let report = VerifyReport::new(vec![checkpoint], Vec::new(), Vec::new());
        assert_eq!((report.verdict, report.files[0].damaged), (Verdict::Good, 1));
    }

    #[test]
    fn all_damage_is_counted_and_the_first_places_are_named() {
        let mut report = file(FileRole::Database);
        let mut part = report.clone();
        for page in 0..150 {
            report.add(damage(4096 * (150 + page), false));
            part.add(damage(4096 * page, false));
        }
        report.merge(part);
        assert_eq!((report.damaged, report.damage.len()), (300, DAMAGE_MOST));
        assert_eq!(report.damage[1].offset, 4096);
    }
}
