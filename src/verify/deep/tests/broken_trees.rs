//! Broken rules of pages and trees.

use super::super::FindingKind;
use super::mutant::{Mutant, USUAL, found};
use crate::format::{NodeFlags, NodeParts, PageFlags};

/// Exchanges two tags of a page: its nodes change places.
fn swap_nodes(page: &mut [u8], first: usize, second: usize) {
    let len = page.len();
    let tag = |line: usize, byte: usize| len - 4 * (line + 2) + byte;
    for byte in 0..4 {
        page.swap(tag(first, byte), tag(second, byte));
    }
}

#[test]
fn two_keys_in_the_wrong_order_are_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let leaf = mutant.leaves(mutant.root("t1"))[2];
    let page = mutant.page(leaf);
    let mut bytes = page.bytes().to_vec();
    swap_nodes(&mut bytes, 0, 1);
    mutant.write(crate::format::PageBuffer::unchecked(bytes, page.size(), leaf));
    let report = mutant.report();
    assert_eq!(found(&report, FindingKind::KeyOrder, "table t1").page, Some(leaf));
}

#[test]
fn entries_in_the_wrong_order_are_found_by_their_bookmarks() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let index = mutant.index("t2", "grp").entry.pgno_fdp;
    let leaf = mutant.leaves(index)[0];
    let nodes = mutant.nodes(leaf);
    let line = nodes.windows(2).position(|pair| pair[0].0 == pair[1].0).unwrap();
    mutant.edit(leaf, |page| {
        page.replace_data(line, &nodes[line + 1].1).unwrap();
        page.replace_data(line + 1, &nodes[line].1).unwrap();
    });
    let report = mutant.report();
    let finding = found(&report, FindingKind::KeyOrder, "index grp of table t2");
    assert_eq!(finding.page, Some(leaf));
}

#[test]
fn a_leaf_that_is_not_linked_is_found_on_both_sides() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let leaves = mutant.leaves(mutant.root("t1"));
    mutant.edit(leaves[2], |page| page.set_next(0));
    mutant.edit(leaves[6], |page| page.set_prev(leaves[4]));
    mutant.edit(*leaves.last().unwrap(), |page| page.set_next(leaves[0]));
    let report = mutant.report();
    let pages: Vec<_> = report
        .findings
        .kept()
        .iter()
        .filter(|finding| finding.kind == FindingKind::SiblingLinks)
        .map(|finding| finding.page.unwrap())
        .collect();
    assert_eq!(pages, [leaves[2], leaves[6], *leaves.last().unwrap()]);
}

#[test]
fn a_page_of_another_tree_or_kind_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let leaves = mutant.leaves(mutant.root("t1"));
    mutant.edit(leaves[1], |page| page.set_objid(2));
    for (leaf, flag) in [
        (leaves[3], PageFlags::INDEX),
        (leaves[4], PageFlags::ROOT),
        (leaves[5], PageFlags::PARENT_OF_LEAF),
        (leaves[6], PageFlags::EMPTY),
    ] {
        mutant.edit(leaf, |page| {
            let flags = page.header().unwrap().flags;
            page.set_flags(flags | flag);
        });
    }
    let report = mutant.report();
    assert_eq!(
        found(&report, FindingKind::ForeignPage, "table t1").page,
        Some(leaves[1])
    );
    let of_flags = report
        .findings
        .kept()
        .iter()
        .filter(|finding| finding.kind == FindingKind::PageFlags);
    let pages: Vec<_> = of_flags.map(|finding| finding.page.unwrap()).collect();
    assert_eq!(pages, leaves[3..7]);
}

#[test]
fn a_page_that_was_never_written_or_contradicts_itself_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let leaves = mutant.leaves(mutant.root("t1"));
    let zero = usize::try_from(mutant.page(1).size().offset_of(leaves[1])).unwrap();
    mutant.bytes_mut()[zero..zero + 4096].fill(0);
    let page = mutant.page(leaves[3]);
    let mut bytes = page.bytes().to_vec();
    bytes[28] ^= 1; // cbFree
    mutant.write(crate::format::PageBuffer::unchecked(
        bytes,
        page.size(),
        leaves[3],
    ));
    let report = mutant.report();
    let page_of = |kind| found(&report, kind, "table t1").page;
    assert_eq!(page_of(FindingKind::UnreadablePage), Some(leaves[1]));
    assert_eq!(page_of(FindingKind::PageStructure), Some(leaves[3]));
}

#[test]
fn a_page_below_two_parents_and_a_cycle_are_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let root = mutant.root("t1");
    let leaves = mutant.children(root);
    mutant.edit(root, |page| {
        page.replace_data(4, &leaves[3].to_le_bytes()).unwrap();
        page.replace_data(7, &root.to_le_bytes()).unwrap();
    });
    let report = mutant.report();
    let twice = report
        .findings
        .kept()
        .iter()
        .filter(|finding| finding.kind == FindingKind::UsedTwice);
    let pages: Vec<_> = twice.map(|finding| finding.page.unwrap()).collect();
    assert_eq!(pages, [leaves[3], root]);
}

#[test]
fn a_separator_that_does_not_separate_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let root = mutant.root("t1");
    let nodes = mutant.nodes(root);
    let leaf = mutant.nodes(mutant.children(root)[2]);
    let key = leaf.last().unwrap().0.clone();
    mutant.edit(root, |page| page.delete_node(2).unwrap());
    mutant.insert(root, &key, &nodes[2].1);
    let report = mutant.report();
    let child = mutant.children(root)[2];
    let finding = found(&report, FindingKind::Separator, "table t1");
    assert_eq!(finding.page, Some(child));
}

#[test]
fn a_root_whose_last_key_is_a_bound_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let root = mutant.root("t1");
    let last = mutant.nodes(root).len() - 1;
    let child = mutant.nodes(root)[last].1.clone();
    mutant.edit(root, |page| {
        page.delete_node(last).unwrap();
        let node = NodeParts {
            flags: NodeFlags::empty(),
            prefix_len: 0,
            suffix: &[0xff],
            data: &child,
        };
        page.insert_node(last, node).unwrap();
    });
    let report = mutant.report();
    assert_eq!(
        found(&report, FindingKind::Separator, "table t1").page,
        Some(root)
    );
}

#[test]
fn leaves_at_different_depths_are_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let root = mutant.root("t1");
    let (leaves, nodes) = (mutant.leaves(root), mutant.nodes(root));
    let objid = mutant.table("t1").objid;
    // The first leaf becomes a parent of the second.
    mutant.edit(leaves[0], |page| {
        page.initialise(
            objid,
            PageFlags::PARENT_OF_LEAF | PageFlags::NEW_CHECKSUM_FORMAT,
            1,
        );
        let node = NodeParts {
            flags: NodeFlags::empty(),
            prefix_len: 0,
            suffix: &nodes[0].0,
            data: &leaves[1].to_le_bytes(),
        };
        page.insert_node(0, node).unwrap();
    });
    let report = mutant.report();
    found(&report, FindingKind::Depth, "table t1");
    assert_eq!(
        found(&report, FindingKind::PageFlags, "table t1").page,
        Some(root)
    );
}

#[test]
fn a_leaf_without_nodes_is_found() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let leaf = mutant.leaves(mutant.root("t1"))[2];
    mutant.edit(leaf, |page| page.clear_nodes().unwrap());
    let report = mutant.report();
    assert_eq!(
        found(&report, FindingKind::EmptyLeaf, "table t1").page,
        Some(leaf)
    );
}

#[test]
fn a_page_of_a_later_dbtime_is_a_note() {
    let Some(mut mutant) = Mutant::of(USUAL) else {
        return;
    };
    let leaf = mutant.leaves(mutant.root("t1"))[2];
    mutant.edit(leaf, |page| page.set_dbtime(1 << 40));
    let report = mutant.report();
    assert_eq!(found(&report, FindingKind::Dbtime, "table t1").page, Some(leaf));
    assert_eq!(report.damage, 0);
}
