//! Broken rules of the catalog.

use super::super::FindingKind;
use super::mutant::{Mutant, USUAL, found};

const SHADOW: &str = "table MSysObjectsShadow";

#[test]
fn an_altered_row_of_the_shadow_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let leaf = mutant.leaves(24)[1];
    mutant.edit(leaf, |page| {
        *page.node_data_mut(3).unwrap().last_mut().unwrap() ^= 1
    });
    let report = mutant.report();
    assert_eq!(found(&report, FindingKind::Shadow, SHADOW).page, Some(leaf));
    assert_eq!(report.findings.count(FindingKind::Shadow), 1);
}

#[test]
fn a_row_that_only_one_of_catalog_and_shadow_has_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let leaf = mutant.leaves(24)[1];
    mutant.edit(leaf, |page| page.delete_node(3).unwrap());
    let report = mutant.report();
    let finding = found(&report, FindingKind::Shadow, "table MSysObjects");
    assert!(finding.what.contains("the shadow lacks"));
    assert_eq!(report.findings.count(FindingKind::Shadow), 1);
    let catalog_leaf = mutant.leaves(4)[1];
    mutant.edit(catalog_leaf, |page| page.delete_node(5).unwrap());
    let report = mutant.report();
    assert!(
        found(&report, FindingKind::Shadow, SHADOW)
            .what
            .contains("the catalog lacks")
    );
}
