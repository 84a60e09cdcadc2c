//! What must be true of a tree at any time.

use super::rig::Rig;
use crate::engine::bookmark::TreeId;
use crate::engine::tree::descend::page_of;
use crate::engine::tree::reserve::of_lines;
use crate::format::{PageBuffer, PageFlags};
use std::collections::BTreeMap;

/// Pages, order, separators and links of a tree, and that its pages keep what rollbacks need. Returns its leaves.
pub(super) fn check(rig: &Rig, tree: TreeId) -> Vec<u32> {
    let pages = rig.pages();
    for page in pages.values() {
        page.view().unwrap().check().unwrap();
    }
    let mut leaves = Vec::new();
    walk(&pages, tree, tree.root, &[], None, &mut leaves);
    for (index, leaf) in leaves.iter().enumerate() {
        let header = pages[leaf].header().unwrap();
        let left = index.checked_sub(1).map_or(0, |left| leaves[left]);
        let right = leaves.get(index + 1).copied().unwrap_or(0);
        assert_eq!((header.prev, header.next), (left, right), "links of leaf {leaf}");
    }
    check_reserve(rig, tree, &leaves);
    leaves
}

/// `low` is not greater than anything on the page, `high` is greater than everything.
fn walk(
    pages: &BTreeMap<u32, PageBuffer>,
    tree: TreeId,
    pgno: u32,
    low: &[u8],
    high: Option<&[u8]>,
    leaves: &mut Vec<u32>,
) -> usize {
    let page = pages[&pgno].view().unwrap();
    assert_eq!(page.objid(), tree.objid, "page {pgno}");
    assert_eq!(page.flags().contains(PageFlags::ROOT), pgno == tree.root);
    let count = page.node_count();
    if page.is_leaf() {
        leaves.push(pgno);
        let names: Vec<_> = page
            .nodes()
            .map(|node| {
                let node = node.unwrap();
                let data = if tree.is_unique {
                    Vec::new()
                } else {
                    node.data.to_vec()
                };
                (node.key(), data)
            })
            .collect();
        assert!(
            names.is_sorted_by(|left, right| left < right),
            "order of leaf {pgno}"
        );
        for (key, data) in &names {
            let whole = [&key[..], data].concat();
            assert!(low <= &whole[..], "leaf {pgno} has {whole:?} below {low:?}");
            assert!(
                high.is_none_or(|high| &whole[..] < high),
                "leaf {pgno} has {whole:?} above {high:?}"
            );
        }
        return 1;
    }
    assert!(count > 0, "page {pgno} has no children");
    let (mut low, mut depth) = (low.to_vec(), None);
    for line in 0..count {
        let key = page.node(line).unwrap().key();
        let is_last = line + 1 == count;
        if is_last {
            assert_eq!(high.unwrap_or_default(), &key[..], "the last key of page {pgno}");
        }
        let own = if key.is_empty() { None } else { Some(&key[..]) };
        let below = walk(pages, tree, page.child(line).unwrap(), &low, own, leaves);
        assert_eq!(*depth.get_or_insert(below), below, "depth of page {pgno}");
        assert_eq!(page.flags().contains(PageFlags::PARENT_OF_LEAF), below == 1);
        low = key;
    }
    depth.unwrap() + 1
}

fn check_reserve(rig: &Rig, tree: TreeId, leaves: &[u32]) {
    let mut state = rig.database.write_anyway();
    for &leaf in leaves {
        let page = state.pages.change(leaf).unwrap();
        let says = page.uncommitted_free();
        // Of nothing nothing is computed.
        page.set_uncommitted_free(1.min(page.free()));
        let free = page.free();
        let view = page_of(&state, tree, leaf).unwrap();
        let needed: usize = of_lines(&state, tree, &view).unwrap().iter().sum();
        assert!(
            needed <= free,
            "leaf {leaf} has {free} bytes, but rollbacks need {needed}"
        );
        assert!(
            says >= needed || free == 0,
            "leaf {leaf} keeps {says} bytes of {needed}"
        );
        state.pages.change(leaf).unwrap().set_uncommitted_free(says);
    }
}
