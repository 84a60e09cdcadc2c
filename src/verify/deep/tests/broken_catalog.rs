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

#[test]
fn a_deleted_column_that_only_the_shadow_still_has_is_no_damage() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    change_both(&mut mutant, b"blob", 2, |mutant, place| {
        mutant.change_data(place, |row| row[14..18].fill(0));
    });
    let in_catalog = mutant.find(4, |_, row| {
        row[8] == 2 && row.windows(4).any(|part| part == b"blob")
    });
    mutant.delete(in_catalog);
    let report = mutant.report();
    assert_eq!(report.findings.count(FindingKind::Shadow), 0, "{report:#?}");
}

/// Changes the row of an object in the catalog and in its shadow.
fn change_both(mutant: &mut Mutant, name: &[u8], kind: u8, change: impl Fn(&mut Mutant, (u32, usize))) {
    for root in [4, 24] {
        let place = mutant.find(root, |_, row| {
            row[8] == kind && row.windows(name.len()).any(|part| part == name)
        });
        change(mutant, place);
    }
}

#[test]
fn an_entry_whose_root_page_is_another_tree_s_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let other = mutant.root("t2");
    // ColtypOrPgnoFDP follows ObjidTable, Type and Id.
    change_both(&mut mutant, b"grp", 3, |mutant, place| {
        mutant.change_data(place, |row| row[14..18].copy_from_slice(&other.to_le_bytes()));
    });
    let report = mutant.report();
    let of_index = report
        .findings
        .kept()
        .iter()
        .filter(|finding| finding.tree == "index grp of table t1");
    let kinds: Vec<_> = of_index.map(|finding| finding.kind).collect();
    assert!(kinds.contains(&FindingKind::ForeignPage), "{report:#?}");
}

#[test]
fn entries_without_a_table_and_a_primary_index_elsewhere_are_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    change_both(&mut mutant, b"t2", 1, Mutant::delete);
    let report = mutant.report();
    let finding = found(&report, FindingKind::Catalog, "table MSysObjects");
    assert!(finding.what.contains("does not exist"));

    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let primary = mutant.table("t1").indexes[0].name.clone();
    change_both(&mut mutant, primary.as_bytes(), 3, |mutant, place| {
        mutant.change_data(place, |row| row[14] ^= 0x40);
    });
    let report = mutant.report();
    found(&report, FindingKind::Catalog, "table t1");
}

#[test]
fn an_index_over_a_column_that_does_not_exist_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    change_both(&mut mutant, b"grp", 3, |mutant, place| {
        mutant.change_data(place, |row| {
            // The first segment: flags, a zero byte, column 2.
            let at = row.windows(4).rposition(|part| part == [0, 0, 2, 0]).unwrap();
            row[at + 2] = 77;
        });
    });
    let report = mutant.report();
    let finding = found(&report, FindingKind::Catalog, "index grp of table t1");
    assert!(finding.what.contains("column 77 does not exist"), "{finding:?}");
}

#[test]
fn a_template_that_does_not_exist_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    change_both(&mut mutant, b"t2", 1, |mutant, (pgno, line)| {
        let (key, row) = mutant.nodes(pgno)[line].clone();
        mutant.delete((pgno, line));
        mutant.insert(pgno, &key, &with_template(&row, b"gone"));
    });
    let report = mutant.report();
    let finding = found(&report, FindingKind::Catalog, "table t2");
    assert!(finding.what.contains("gone"), "{finding:?}");
}

/// The row of a table, whose only variable column is the name, with a template (column 130).
fn with_template(row: &[u8], template: &[u8]) -> Vec<u8> {
    assert_eq!(row[1], 128);
    let variable = usize::from(u16::from_le_bytes([row[2], row[3]]));
    let name_end = u16::from_le_bytes([row[variable], row[variable + 1]]);
    let after_name = variable + 2 + usize::from(name_end);
    let template_end = name_end + u16::try_from(template.len()).unwrap();
    let mut new = row[..variable].to_vec();
    new[1] = 130;
    for end in [name_end, name_end | 0x8000, template_end] {
        new.extend(end.to_le_bytes());
    }
    new.extend(&row[variable + 2..after_name]);
    new.extend(template);
    new.extend(&row[after_name..]);
    new
}
