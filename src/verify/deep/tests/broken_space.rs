//! Broken rules of space: who owns, uses, and can get which page.

use super::super::{DeepReport, FindingKind};
use super::mutant::{Mutant, USUAL, found};
use crate::format::{Extent, RootHeader, SpaceHeader, SpaceNode};

fn space_node(last: u32, count: u32) -> ([u8; 4], [u8; 4]) {
    (last.to_be_bytes(), count.to_le_bytes())
}

/// The extents of a space tree of one page.
fn extents(mutant: &Mutant, pgno: u32) -> Vec<Extent> {
    let nodes = mutant.nodes(pgno).into_iter();
    let read = nodes.map(|(key, data)| SpaceNode::read(&key, &data).unwrap().extent);
    read.collect()
}

fn add_extent(mutant: &mut Mutant, pgno: u32, last: u32, count: u32) {
    let (key, data) = space_node(last, count);
    mutant.insert(pgno, &key, &data);
}

fn change_space(mutant: &mut Mutant, root: u32, change: impl FnOnce(&mut SpaceHeader)) {
    mutant.edit(root, |page| {
        let old = page.external_header().unwrap().to_vec();
        let mut space = RootHeader::read(&old).unwrap().space.unwrap();
        change(&mut space);
        page.set_external_header(&RootHeader::with_space(&old, space).unwrap())
            .unwrap();
    });
}

fn is_only_note(report: &DeepReport) -> bool {
    report.damage == 0
}

#[test]
fn a_used_page_in_the_available_extents_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let root = mutant.root("t1");
    let leaf = mutant.leaves(root)[3];
    let available = mutant.owned_extents(root) + 1;
    add_extent(&mut mutant, available, leaf, 1);
    let report = mutant.report();
    let finding = found(&report, FindingKind::AvailableInUse, "table t1");
    assert_eq!(finding.page, Some(leaf));
}

#[test]
fn a_page_that_is_available_twice_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let space = mutant.owned_extents(1);
    let free = extents(&mutant, space + 1).last().unwrap().last;
    let reserve = [free.to_le_bytes(), 1u32.to_le_bytes()].concat();
    mutant.edit(space, |page| {
        page.set_external_header(&[&reserve[..], &[0; 8]].concat())
            .unwrap();
    });
    let report = mutant.report();
    let finding = found(
        &report,
        FindingKind::AvailableTwice,
        "owned extents of system root",
    );
    assert_eq!(finding.page, Some(free));
}

#[test]
fn a_used_page_in_a_split_buffer_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let root = mutant.root("t1");
    let (space, leaf) = (mutant.owned_extents(root), mutant.leaves(root)[3]);
    let reserve = [leaf.to_le_bytes(), 1u32.to_le_bytes()].concat();
    mutant.edit(space, |page| {
        page.set_external_header(&[&reserve[..], &[0; 8]].concat())
            .unwrap();
    });
    let report = mutant.report();
    let finding = found(&report, FindingKind::AvailableInUse, "table t1");
    assert_eq!(finding.page, Some(leaf));
}

#[test]
fn pages_that_are_owned_by_an_index_and_the_long_values_are_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let long_values = mutant.table("t1").long_value.unwrap().pgno_fdp;
    let index = mutant.index("t1", "grp").entry.pgno_fdp;
    let index_space = mutant.owned_extents(index);
    add_extent(&mut mutant, index_space, long_values, 1);
    let report = mutant.report();
    let finding = found(
        &report,
        FindingKind::OwnedTwice,
        "owned extents of long values of table t1",
    );
    assert_eq!(finding.page, Some(long_values));
}

#[test]
fn pages_that_are_used_without_being_owned_are_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let root = mutant.root("t1");
    let space = mutant.owned_extents(root);
    mutant.edit(space, |page| page.delete_node(1).unwrap());
    let report = mutant.report();
    found(&report, FindingKind::NotOwned, "table t1");
}

#[test]
fn pages_that_the_lender_does_not_own_or_the_database_does_not_have_are_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let space = mutant.owned_extents(mutant.index("t1", "grp").entry.pgno_fdp);
    let foreign = mutant.root("t2");
    add_extent(&mut mutant, space, foreign, 1);
    add_extent(&mut mutant, space, 0x7000_0000, 1);
    let report = mutant.report();
    let name = "owned extents of index grp of table t1";
    let not_owned: Vec<_> = report
        .findings
        .kept()
        .iter()
        .filter(|finding| finding.kind == FindingKind::NotOwned && finding.tree == name)
        .map(|finding| finding.page)
        .collect();
    assert_eq!(not_owned, [Some(foreign), Some(0x7000_0000)], "{report:#?}");
}

#[test]
fn pages_that_nobody_uses_or_can_get_are_a_note() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let available = mutant.owned_extents(1) + 1;
    let lost = *extents(&mutant, available).last().unwrap();
    let line = extents(&mutant, available).len() - 1;
    mutant.edit(available, |page| page.delete_node(line).unwrap());
    let report = mutant.report();
    assert!(is_only_note(&report), "{report:#?}");
    assert_eq!(report.counts.leaked, u64::from(lost.count));
    let finding = found(&report, FindingKind::Leaked, "system root");
    assert_eq!(finding.page, Some(lost.last - lost.count + 1));
}

#[test]
fn extents_that_overlap_are_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let space = mutant.owned_extents(mutant.root("t1"));
    let first = extents(&mutant, space)[0];
    add_extent(&mut mutant, space, first.last + 1, 2);
    let report = mutant.report();
    found(&report, FindingKind::Space, "owned extents of table t1");
}

#[test]
fn a_space_header_that_names_another_lender_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let (root, index) = (mutant.root("t1"), mutant.index("t1", "grp").entry.pgno_fdp);
    change_space(&mut mutant, root, |space| space.parent = 4);
    change_space(&mut mutant, index, |space| {
        space.flags.toggle(crate::format::SpaceFlags::NON_UNIQUE);
    });
    let report = mutant.report();
    assert_eq!(found(&report, FindingKind::Space, "table t1").page, Some(root));
    found(&report, FindingKind::Space, "index grp of table t1");
}

#[test]
fn a_bitmap_that_frees_a_used_page_is_found() {
    let Some(mut mutant) = Mutant::of("esedb-4k/basic.edb") else {
        return;
    };
    // MSysObjids and MSysLocales lie one after the other, each with one page.
    let root = mutant.root("MSysObjids");
    change_space(&mut mutant, root, |space| {
        space.free = crate::format::FreeSpace::Bitmap(1);
    });
    let report = mutant.report();
    found(&report, FindingKind::NotOwned, "table MSysObjids");
    found(&report, FindingKind::AvailableInUse, "table MSysLocales");
}
