//! Broken rules of secondary indexes.

use super::super::{FINDINGS_MOST, FindingKind, Limits};
use super::mutant::{Mutant, USUAL, found};
use crate::format::{IndexFlags, NodeFlags};

const INDEX: &str = "index grp of table t1";
/// Every kind of index.
const KINDS: &str = "genuine-scenarios/p4096_e8920_types_clean/test.edb";

/// Root pages and names of all secondary indexes of user tables that have entries.
fn indexes(mutant: &Mutant) -> Vec<(u32, String)> {
    let user_tables = mutant
        .tables()
        .iter()
        .filter(|table| !table.name.starts_with("MSys"));
    let all = user_tables.flat_map(|table| {
        let secondary = table
            .indexes
            .iter()
            .filter(|index| !index.entry.flags.contains(IndexFlags::PRIMARY));
        secondary.map(|index| {
            let name = format!("index {} of table {}", index.name, table.name);
            (index.entry.pgno_fdp, name)
        })
    });
    all.collect()
}

#[test]
fn a_missing_entry_is_found_in_every_kind_of_index() {
    for sample in [KINDS, "esedb-4k/index.edb"] {
        let Some(mutant) = Mutant::of(sample) else { return };
        let mut tried = 0;
        for (root, name) in indexes(&mutant) {
            let leaf = mutant.leaves(root)[0];
            if mutant.nodes(leaf).is_empty() {
                continue;
            }
            let Some(mut mutant) = Mutant::of(sample) else {
                return;
            };
            let (leaf, line) = mutant.find(root, |_, _| true);
            mutant.edit(leaf, |page| {
                page.set_node_flags(line, NodeFlags::DELETED).unwrap()
            });
            let report = mutant.report();
            found(&report, FindingKind::IndexEntryMissing, &name);
            assert_eq!(report.damage, 1, "{name}: {report:#?}");
            tried += 1;
        }
        assert!(tried >= 15, "only {tried} indexes of {sample} have entries");
    }
}

#[test]
fn an_entry_that_no_record_has_is_found_with_its_page() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let root = mutant.index("t1", "grp").entry.pgno_fdp;
    let leaf = mutant.leaves(root)[1];
    let (mut key, bookmark) = mutant.nodes(leaf)[4].clone();
    key.push(1);
    mutant.insert(leaf, &key, &bookmark);
    let report = mutant.report();
    assert_eq!(
        found(&report, FindingKind::IndexEntrySurplus, INDEX).page,
        Some(leaf)
    );
    assert_eq!(report.damage, 1);
}

#[test]
fn a_record_that_was_changed_without_its_index_lacks_an_entry_and_has_one_too_many() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let place = mutant.find(mutant.root("t1"), |_, record| record.len() > 12);
    // The column grp follows the key.
    mutant.change_data(place, |record| record[8] ^= 1);
    let report = mutant.report();
    let missing = found(&report, FindingKind::IndexEntryMissing, INDEX);
    assert!(missing.what.contains(&format!("page {}", place.0)), "{missing:?}");
    found(&report, FindingKind::IndexEntrySurplus, INDEX);
    assert_eq!(report.damage, 2);
}

#[test]
fn a_deleted_record_leaves_entries_and_long_values_without_it() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let (leaf, line) = mutant.find(mutant.root("t1"), |_, record| record.len() > 60);
    mutant.edit(leaf, |page| {
        page.set_node_flags(line, NodeFlags::DELETED).unwrap()
    });
    let report = mutant.report();
    found(&report, FindingKind::IndexEntrySurplus, INDEX);
}

#[test]
fn many_differences_are_counted_within_bounded_memory() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let root = mutant.index("t1", "grp").entry.pgno_fdp;
    for leaf in mutant.leaves(root) {
        for line in 0..mutant.nodes(leaf).len() {
            mutant.edit(leaf, |page| {
                page.set_node_flags(line, NodeFlags::DELETED).unwrap()
            });
        }
    }
    let all = mutant.report().findings.count(FindingKind::IndexEntryMissing);
    assert!(all > 100, "{all}");
    let few = mutant.report_within(Limits {
        entries_in_memory: 30,
        ..Limits::default()
    });
    let few = few.findings.count(FindingKind::IndexEntryMissing);
    assert!(few >= FINDINGS_MOST as u64 && few < all, "{few}");
}
