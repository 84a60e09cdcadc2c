//! Broken rules of long values.

use super::super::{DeepReport, FindingKind, Limits};
use super::mutant::{Mutant, USUAL, found};

const TREE: &str = "long values of table t1";
const TABLE: &str = "table t1";
const SMALL: Limits = Limits {
    roots_in_memory: 7,
    entries_in_memory: 5,
};

fn long_values(mutant: &Mutant) -> u32 {
    mutant.table("t1").long_value.unwrap().pgno_fdp
}

/// The root of value number `at`.
fn root_of(mutant: &Mutant, at: usize) -> (u32, usize) {
    let seen = std::cell::Cell::new(0);
    mutant.find(long_values(mutant), |key, _| {
        let is_root = key.len() == 4;
        seen.set(seen.get() + usize::from(is_root));
        is_root && seen.get() == at + 1
    })
}

fn with_references(references: u32) -> Option<DeepReport> {
    let mut mutant = Mutant::of(USUAL)?;
    let place = root_of(&mutant, 5);
    mutant.change_data(place, |data| data[..4].copy_from_slice(&references.to_le_bytes()));
    let report = mutant.report();
    assert_eq!(report.findings.counts().map(|(_, count)| count).sum::<u64>(), 1);
    assert_eq!(
        report.findings.kept(),
        mutant.report_within(SMALL).findings.kept()
    );
    Some(report)
}

#[test]
fn too_few_references_are_damage_and_too_many_are_a_note() {
    for too_few in [0, u32::MAX] {
        let Some(report) = with_references(too_few) else {
            return;
        };
        found(&report, FindingKind::LongValueReferences, TREE);
        assert_eq!(report.damage, 1);
    }
    let Some(report) = with_references(9) else { return };
    found(&report, FindingKind::LongValueSurplus, TREE);
    assert_eq!(report.damage, 0);
}

#[test]
fn a_reference_to_a_value_that_does_not_exist_is_found() {
    for at in [0, 5, 100] {
        let Some(mut mutant) = Mutant::of(USUAL) else {
            return;
        };
        let place = root_of(&mutant, at);
        mutant.delete(place);
        for limits in [Limits::default(), SMALL] {
            let report = mutant.report_within(limits);
            found(&report, FindingKind::LongValueMissing, TABLE);
            assert_eq!(report.findings.count(FindingKind::LongValueMissing), 1);
        }
        assert!(
            found(&mutant.report(), FindingKind::LongValueChunks, TREE)
                .what
                .contains("has no root")
        );
    }
}

#[test]
fn a_value_without_references_is_a_note() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let leaf = *mutant.leaves(long_values(&mutant)).last().unwrap();
    let data = [1u32.to_le_bytes(), 0u32.to_le_bytes()].concat();
    mutant.insert(leaf, &0x7000_u32.to_be_bytes(), &data);
    let report = mutant.report();
    let finding = found(&report, FindingKind::LongValueOrphan, TREE);
    assert_eq!((finding.page, report.damage), (Some(leaf), 0));
}

#[test]
fn a_value_of_another_size_and_one_without_a_chunk_are_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let place = root_of(&mutant, 8);
    mutant.change_data(place, |data| data[4] ^= 1);
    let report = mutant.report();
    found(&report, FindingKind::LongValueChunks, TREE);

    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let chunk = mutant.find(long_values(&mutant), |key, _| key.len() == 8);
    mutant.delete(chunk);
    let report = mutant.report();
    assert!(
        !found(&report, FindingKind::LongValueChunks, TREE)
            .what
            .contains("has no root")
    );
}

#[test]
fn windows_of_few_values_find_the_same_in_good_databases() {
    for sample in [
        USUAL,
        "genuine-4k/dirty_recovered/test.edb",
        "genuine-scenarios/p4096_e8920_lv_dirty_recovered/test.edb",
    ] {
        let Some(mutant) = Mutant::of(sample) else { return };
        assert_eq!(mutant.report(), mutant.report_within(SMALL), "{sample}");
    }
}
