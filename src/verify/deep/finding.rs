//! What the deep check found: each finding with its kind, its page, its tree, and what is wrong.

use serde::Serialize;
use std::collections::BTreeMap;

/// Findings of one kind that are kept; the rest is only counted.
pub const FINDINGS_MOST: usize = 20;

/// In which way something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A page that something points to cannot be read, or was never written.
    UnreadablePage,
    /// Header, tags and nodes of a page contradict each other.
    PageStructure,
    /// A page carries the objid of another tree than the one that points to it.
    ForeignPage,
    /// A page's flags are not those of its level in its tree.
    PageFlags,
    /// Two places point to the same page.
    UsedTwice,
    /// Two trees that have the same lender own the same page.
    OwnedTwice,
    /// A tree uses or owns pages that were not lent to it.
    NotOwned,
    /// A page is available, but a tree uses or owns it.
    AvailableInUse,
    /// A page is available twice.
    AvailableTwice,
    /// A space header, or an extent of a space tree, cannot be.
    Space,
    /// Pages are owned, but neither used nor available: lost until the tree is deleted or the database defragmented.
    Leaked,
    /// Leaves at different depths.
    Depth,
    /// A key outside of the bounds that the pages above it give.
    Separator,
    /// Keys that do not ascend.
    KeyOrder,
    /// Leaves that are not linked as their parents order them.
    SiblingLinks,
    /// A leaf without nodes that is no root.
    EmptyLeaf,
    /// A page is of a later database time than the header says; harmless in a database that was never logged.
    Dbtime,
    /// The catalog and its shadow differ.
    Shadow,
    /// An entry of the catalog cannot be.
    Catalog,
    /// A record cannot be read.
    Record,
    /// A record's key is not that of its columns.
    PrimaryKey,
    /// A record refers to a long value that does not exist.
    LongValueMissing,
    /// A long value counts fewer references than there are: it would be deleted while it is needed.
    LongValueReferences,
    /// A long value counts more references than there are: it would not be deleted any more.
    LongValueSurplus,
    /// A long value that no record refers to.
    LongValueOrphan,
    /// Chunks of a long value that are missing, too many, or of the wrong size.
    LongValueChunks,
    /// An index lacks the entry of a record.
    IndexEntryMissing,
    /// An index has an entry that no record has.
    IndexEntrySurplus,
    /// An index whose keys cannot be computed here, so that they were not compared.
    IndexNotCompared,
    /// A value above the one that was handed out last.
    AutoIncrement,
}

impl FindingKind {
    /// Whether it is damage. The others are known from databases that the engine's own check finds good: the engine
    /// leaks pages when it rolls back, and tells of long values without references as a warning only.
    pub const fn is_damage(self) -> bool {
        !matches!(
            self,
            FindingKind::Leaked
                | FindingKind::Dbtime
                | FindingKind::LongValueSurplus
                | FindingKind::LongValueOrphan
                | FindingKind::IndexNotCompared
        )
    }
}

/// Something that is wrong, or worth to be known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// In which way.
    pub kind: FindingKind,
    /// Whether it is damage; otherwise it is a note.
    pub damage: bool,
    /// The page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// The tree, table or index, in words.
    pub tree: String,
    /// What is wrong, in words.
    pub what: String,
}

/// All findings, the first of each kind with their text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Findings {
    /// The first [`FINDINGS_MOST`] of each kind, in the order in which they were found.
    #[serde(rename = "findings")]
    kept: Vec<Finding>,
    /// How many there are of each kind.
    #[serde(rename = "finding_counts")]
    counts: BTreeMap<FindingKind, u64>,
}

impl Findings {
    /// Counts a finding, and keeps it if there is room.
    pub(super) fn add(&mut self, kind: FindingKind, page: Option<u32>, tree: &str, what: impl Into<String>) {
        let count = self.counts.entry(kind).or_default();
        if usize::try_from(*count).is_ok_and(|count| count < FINDINGS_MOST) {
            self.kept.push(Finding {
                kind,
                damage: kind.is_damage(),
                page,
                tree: tree.to_owned(),
                what: what.into(),
            });
        }
        *count += 1;
    }

    /// The findings that were kept.
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many of this kind there are.
    pub fn count(&self, kind: FindingKind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or(0)
    }

    /// How many there are of each kind.
    pub fn counts(&self) -> impl Iterator<Item = (FindingKind, u64)> {
        self.counts.iter().map(|(&kind, &count)| (kind, count))
    }

    /// How many findings are damage.
    pub fn damage(&self) -> u64 {
        let damage = self.counts.iter().filter(|(kind, _)| kind.is_damage());
        damage.map(|(_, &count)| count).sum()
    }
}

/// A key in hexadecimal digits; a long one is cut, and an empty one has a word.
pub(super) fn hex(key: &[u8]) -> String {
    const SHOWN: usize = 40;
    let digits: String = key.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    match key.len() {
        0 => "none".to_owned(),
        len if len > SHOWN => format!("{digits}… ({len} bytes)"),
        _ => digits,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_findings_are_counted_and_the_first_of_each_kind_are_kept() {
        let mut findings = Findings::default();
        for page in 0..100 {
            findings.add(FindingKind::Leaked, Some(page), "table t", "leaked");
        }
        findings.add(FindingKind::KeyOrder, Some(7), "table t", "keys descend");
        assert_eq!(findings.kept().len(), FINDINGS_MOST + 1);
        assert_eq!(findings.count(FindingKind::Leaked), 100);
        assert_eq!(findings.damage(), 1);
    }
}
